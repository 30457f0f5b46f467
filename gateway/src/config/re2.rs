//! RE2 expressions, which xDS holds, in the syntax of the `regex` crate. Both are engines of the same family; where they
//! read a text differently, it is written so that it means what RE2 means.

use std::iter::Peekable;
use std::str::Chars;

/// Returns the expression in the other syntax. What RE2 refuses is mostly left as it is, for the compiler to refuse.
pub(super) fn translate(pattern: &str) -> String {
    let mut translation =
        Translation { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    while let Some(character) = translation.rest.next() {
        match character {
            '\\' => translation.escape(),
            '[' => translation.class(),
            '{' if !translation.is_count() => translation.out.push_str(r"\{"),
            '}' => translation.out.push('}'),
            other => translation.out.push(other),
        }
    }
    translation.out
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
}

impl Translation<'_> {
    /// Returns whether `{` begins a repetition count: `{2}`, `{2,}`, `{2,5}`. Otherwise it is a letter.
    fn is_count(&self) -> bool {
        let inside: String = self.rest.clone().take_while(|&character| character != '}').collect();
        let closed = self.rest.clone().any(|character| character == '}');
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        closed
            && match inside.split_once(',') {
                None => number(&inside),
                Some((least, most)) => number(least) && (most.is_empty() || number(most)),
            }
    }

    fn escape(&mut self) {
        match self.rest.next() {
            Some('Q') => self.quoted(),
            Some(letter @ ('b' | 'B')) => self.out.push_str(&format!(r"(?-u:\{letter})")),
            Some(letter) => match perl_class(letter) {
                Some(class) => self.out.push_str(class),
                None => self.plain_escape(letter),
            },
            None => self.out.push('\\'),
        }
    }

    /// Copies text up to `\E` or the end, as it is.
    fn quoted(&mut self) {
        let mut text = String::new();
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                break;
            }
            text.push(character);
        }
        self.out.push_str(&regex::escape(&text));
    }

    /// Copies an escape that means the same in both. RE2 lets any punctuation be escaped.
    fn plain_escape(&mut self, letter: char) {
        if letter.is_ascii_punctuation() {
            self.out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
        } else {
            self.out.extend(['\\', letter]);
        }
    }

    /// Copies a class in brackets. Inside, only `]`, `\`, `^` at the start, `-` and named classes are special to RE2.
    fn class(&mut self) {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // A bracket right at the start is a letter.
        if self.rest.next_if_eq(&']').is_some() {
            self.out.push_str(r"\]");
        }
        while let Some(character) = self.rest.next() {
            match character {
                ']' => return self.out.push(']'),
                '\\' => match self.rest.next() {
                    Some(letter) => match perl_class(letter) {
                        Some(class) => self.out.push_str(class),
                        None => self.plain_escape(letter),
                    },
                    None => self.out.push('\\'),
                },
                '[' if self.rest.peek() == Some(&':') => self.named_class(),
                '[' | '&' | '~' => self.out.extend(['\\', character]),
                other => self.out.push(other),
            }
        }
    }

    /// Copies `[:alpha:]`.
    fn named_class(&mut self) {
        self.out.push('[');
        for character in self.rest.by_ref() {
            self.out.push(character);
            if character == ']' {
                return;
            }
        }
    }
}

/// The classes of Perl, which are ASCII in RE2.
fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::*;

    #[test]
    fn expressions_mean_what_re2_means() {
        for (pattern, matching, other) in [
            (r"\d+", "12", "١٢"),
            (r"[\d.]+", "1.2", "١"),
            (r"\w+", "a_1", "ä"),
            (r"[^\w]", "-", "a"),
            (r"a\b-", "a-", "aa-"),
            ("a{2}", "aa", "a{2}"),
            ("a{2,}b{1,2}", "aab", "ab"),
            ("a{b}", "a{b}", "ab"),
            ("{a", "{a", "a"),
            ("a{,2}", "a{,2}", "aa"),
            (r"\Qa.b*\E.", "a.b*x", "axbbx"),
            (r"\Qa.b", "a.b", "axb"),
            ("[[a]+", "a[", "x"),
            ("[a&&b]+", "a&b", "x"),
            ("[a~~b]+", "a~b", "x"),
            ("[]a]+", "a]", "x"),
            ("[^]a]+", "x", "]"),
            ("[[:alpha:][:digit:]]+", "a1", "-"),
            (r"[\]\-a]+", "a-]", "x"),
            (r"\/\-\_\%", "/-_%", "x"),
            (r"(?i)ab|c", "AB", "d"),
            (r"[^/]+\.js", "a.js", "axjs"),
        ] {
            let regex = Regex::new(&format!(r"\A(?:{})\z", translate(pattern))).unwrap();
            assert!(regex.is_match(matching.as_bytes()), "{pattern} takes {matching}");
            assert!(!regex.is_match(other.as_bytes()), "{pattern} leaves {other}");
        }
    }
}
