//! What a rewrite puts in the place of a match, in RE2's notation.

use regex_automata::util::captures::Captures;

/// A substitution: text with `\0` to `\9` for the groups and `\\` for a backslash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    parts: Box<[Part]>,
    highest_group: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Group(usize),
}

impl Substitution {
    /// Reads a substitution. As RE2 does, it ends before an escape that is none; groups behind that count all the same.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain: Vec<u8> = Vec::new();
        let (mut highest_group, mut ended) = (0, false);
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let escaped = if byte == b'\\' { bytes.next() } else { None };
            match (byte, escaped) {
                (b'\\', Some(digit @ b'0'..=b'9')) => {
                    let group = usize::from(digit - b'0');
                    highest_group = highest_group.max(group);
                    if !ended {
                        parts.push(Part::Text(std::mem::take(&mut plain).into()));
                        parts.push(Part::Group(group));
                    }
                }
                (b'\\', Some(b'\\')) | (0..=b'[' | b']'.., _) if !ended => plain.push(byte),
                (b'\\', Some(b'\\')) | (0..=b'[' | b']'.., _) => {}
                (b'\\', _) => ended = true,
            }
        }
        parts.push(Part::Text(plain.into()));
        Substitution { parts: parts.into(), highest_group }
    }

    /// Returns the highest group that is named; 0 is the whole match.
    pub fn highest_group(&self) -> usize {
        self.highest_group
    }

    /// Writes the substitution for a match in a text.
    pub(super) fn expand(&self, text: &[u8], groups: &Captures, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(plain) => out.extend_from_slice(plain),
                Part::Group(index) => {
                    let range = groups.get_group(*index).map(|span| span.range());
                    out.extend_from_slice(range.and_then(|range| text.get(range)).unwrap_or_default());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::re2::Expression;

    /// Measured on Envoy 1.40.
    #[test]
    fn substitution_follows_re2() {
        for (pattern, substitution, path, expected) in [
            ("/rr0/(.*)", r"/x/\1", "/rr0/a/b", "/x/a/b"),
            ("a*", "X", "/rr1/aab", "X/XrXrX1X/XbX"),
            ("()", "-", "/rr2", "-/-r-r-2-"),
            ("b", r"[\0]", "/rr3bb", "/rr3[b][b]"),
            ("^/rr4(/|$)(.*)", r"/\2", "/rr4/a/b", "/a/b"),
            ("^/rr4(/|$)(.*)", r"/\2", "/rr4x", "/rr4x"),
            ("x*", r"\\", "/rr5/xax", r"\/\r\r\5\/\a\"),
            ("(a)|(b)", r"<\2>", "/rr6ab", "/rr6<><b>"),
            ("a*$", "E", "/rr9aa", "/rr9E"),
            ("b*", r"/n\1", "/x/y", "/x/y"),
            ("b*", r"/n\q\1", "/x/y", "/x/y"),
            ("/b/(.*)", r"/x/\1/\uri", "/b/q/r", "/x/q/r/"),
            ("/c/(.*)", r"/x/\1/y\", "/c/q", "/x/q/y"),
            ("/c/(.*)", r"/$1/\\1", "/c/q", r"/$1/\1"),
            ("/c/(.*)", r"/\uri\3", "/c/q", "/c/q"),
            ("^/svc/(.*)", r"\1", "/svc/", ""),
        ] {
            let expression = Expression::parse(pattern).unwrap().anywhere().unwrap();
            let replaced = expression.replace_all(path.as_bytes(), &Substitution::new(substitution));
            let replaced = replaced.unwrap_or_else(|| path.into());
            assert_eq!(String::from_utf8(replaced).unwrap(), expected, "{pattern} {substitution}");
        }
    }
}
