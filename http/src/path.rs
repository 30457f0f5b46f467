//! The normal form of a path, so that routes and upstreams see the same one: dot segments resolved, unreserved characters
//! decoded, `\` turned into `/`, other characters that no path may have encoded; escaped slashes stay.
//!
//! Measured on Envoy 1.40 with `normalize_path`; the tests hold the measurements, and one with a real Envoy asks for many
//! more.

use std::borrow::Cow;

/// Says why a request is answered 400 for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// The path does not begin with `/`.
    Relative,
    /// The target has a fragment, or bytes that no target may have.
    Characters,
    /// The path has an escaped zero byte.
    ZeroByte,
}

/// Returns whether a path or a query is visible ASCII without `#`: anything else is refused before it is normalized.
pub fn is_legal(text: &str) -> bool {
    text.bytes().all(|byte| KINDS[usize::from(byte)] != Kind::Illegal)
}

/// Returns the normal form of a path (without query); the path itself where that is its own normal form.
///
/// # Errors
/// What Envoy answers 400 to.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath::Relative);
    }
    if !may_change(path)? {
        return Ok(Cow::Borrowed(path));
    }
    let stripped = without_dot_parameters(path);
    let out = Normalizer {
        input: stripped.as_bytes(),
        at: 0,
        out: Vec::with_capacity(path.len() + 8),
        stray: Vec::new(),
    };
    out.run().map(Cow::Owned)
}

/// Returns a path with one slash for several, which comes after normalization where it is asked for (`merge_slashes`). Of
/// nothing but slashes two are left.
pub fn merge_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    if path.bytes().all(|byte| byte == b'/') {
        return Cow::Borrowed("//");
    }
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    Cow::Owned(merged)
}

/// What a byte of a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// May begin a dot segment.
    Dot,
    /// Is written otherwise, or may be.
    Changing,
    Illegal,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Illegal; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        kinds[byte as usize] = match byte {
            b'#' => Kind::Illegal,
            b'.' => Kind::Dot,
            b'%' | b'\\' => Kind::Changing,
            _ if must_be_encoded(byte) => Kind::Changing,
            _ => Kind::Plain,
        };
        byte += 1;
    }
    kinds
};

/// Returns whether normalization could do anything: most paths are seen once and left as they are.
fn may_change(path: &str) -> Result<bool, BadPath> {
    let mut before = 0;
    let mut may_change = false;
    for &byte in path.as_bytes() {
        match KINDS[usize::from(byte)] {
            Kind::Plain => {}
            Kind::Dot => may_change |= before == b'/',
            Kind::Changing => may_change = true,
            Kind::Illegal => return Err(BadPath::Characters),
        }
        before = byte;
    }
    Ok(may_change)
}

const fn must_be_encoded(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Cuts the parameters of literal dot segments: `/a/..;x=1/b` is read as `/a/../b`.
fn without_dot_parameters(path: &str) -> Cow<'_, str> {
    if !path.contains(';') {
        return Cow::Borrowed(path);
    }
    let segments = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    });
    Cow::Owned(segments.collect::<Vec<_>>().join("/"))
}

struct Normalizer<'p> {
    input: &'p [u8],
    at: usize,
    out: Vec<u8>,
    /// Places in `out` of percent signs that began no escape in the input.
    stray: Vec<usize>,
}

impl Normalizer<'_> {
    fn run(mut self) -> Result<String, BadPath> {
        while self.at < self.input.len() {
            if !self.dot_segment() {
                self.character()?;
            }
        }
        Ok(self.out.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Consumes a `.` or `..` segment, where one begins here.
    fn dot_segment(&mut self) -> bool {
        if self.out.last() != Some(&b'/') {
            return false;
        }
        let Some(first) = self.dot(self.at) else { return false };
        if let Some(end) = self.segment_end(self.at + first) {
            self.at = end;
            return true;
        }
        let Some(second) = self.dot(self.at + first) else { return false };
        let Some(end) = self.segment_end(self.at + first + second) else { return false };
        self.at = end;
        self.back_up();
        true
    }

    /// Returns the length of the dot at a place, literal or escaped.
    fn dot(&self, at: usize) -> Option<usize> {
        match self.input.get(at)? {
            b'.' => Some(1),
            b'%' if matches!(self.input.get(at + 1..at + 3), Some(b"2e" | b"2E")) => Some(3),
            _ => None,
        }
    }

    /// Returns where to go on if a segment ends at a place.
    fn segment_end(&self, at: usize) -> Option<usize> {
        match self.input.get(at) {
            None => Some(at),
            Some(b'/' | b'\\') => Some(at + 1),
            Some(_) => None,
        }
    }

    /// Drops the last segment of the output; the leading slash stays.
    fn back_up(&mut self) {
        if self.out.len() > 1 {
            self.out.pop();
            while self.out.last() != Some(&b'/') {
                self.out.pop();
            }
        }
        self.stray.retain(|place| *place < self.out.len());
    }

    fn character(&mut self) -> Result<(), BadPath> {
        let byte = self.input[self.at];
        self.at += 1;
        match byte {
            b'\\' => self.out.push(b'/'),
            b'%' => return self.percent(),
            byte if must_be_encoded(byte) => {
                self.out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            byte => self.out.push(byte),
        }
        Ok(())
    }

    fn percent(&mut self) -> Result<(), BadPath> {
        let Some(value) = self.input.get(self.at..self.at + 2).and_then(hex) else {
            self.stray.push(self.out.len());
            self.out.push(b'%');
            return Ok(());
        };
        let digits = [self.input[self.at], self.input[self.at + 1]];
        self.at += 2;
        match value {
            0 => return Err(BadPath::ZeroByte),
            value if is_unreserved(value) => {
                self.out.push(value);
                self.encode_stray();
            }
            _ => self.out.extend([b'%', digits[0], digits[1]]),
        }
        Ok(())
    }

    /// Where decoding has just completed an escape behind a stray percent sign, encodes that sign: else the next reader
    /// would see an escape that this one did not.
    fn encode_stray(&mut self) {
        let Some(place) = self.stray.last().copied() else { return };
        let next = self.input.get(self.at).copied();
        let completed = match (&self.out[place + 1..], next) {
            ([first], Some(second)) => hex(&[*first, second]).is_some(),
            (digits, _) => hex(digits).is_some(),
        };
        if completed {
            self.out.splice(place + 1..place + 1, *b"25");
            self.stray.pop();
        }
    }
}

/// Reads two hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair was measured: Envoy 1.40, HTTP/1.1.
    #[test]
    fn paths_become_what_envoy_makes_of_them() {
        for (path, normal) in [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../../x", "/x"),
            ("/.hidden/a..b", "/.hidden/a..b"),
            ("/a/b/..c", "/a/b/..c"),
            ("/a//../b", "/a/b"),
            ("/a//b/../c", "/a//c"),
            ("//a", "//a"),
            ("//..", "/"),
            ("/a/b//../..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/%2e%2e%2fa", "/..%2fa"),
            ("/a%2fb%5c", "/a%2fb%5c"),
            (r"/a\..\b", "/b"),
            ("/%41%7e%2D", "/A~-"),
            ("/%61%2Fb%20c", "/a%2Fb%20c"),
            ("/a%zz%4", "/a%zz%4"),
            ("/a%zz%", "/a%zz%"),
            ("/%%41", "/%A"),
            ("/%2%35", "/%2525"),
            ("/%%32%35", "/%2525"),
            ("/%2%65%2e/a", "/%252e./a"),
            ("/x/%%2e./y", "/x/%../y"),
            ("/%a%%34%31", "/%a%2541"),
            ("/a\"<>^`{|}", "/a%22%3C%3E%5E%60%7B%7C%7D"),
            ("/a!$&'()*+,;=:@[]-_~", "/a!$&'()*+,;=:@[]-_~"),
            ("/a/..;x/b", "/b"),
            ("/a/%2e%2e;/b", "/a/..;/b"),
            (r"/a/..;\b", "/"),
            ("/a;../b", "/a;../b"),
            ("/a/.;", "/a/"),
        ] {
            assert_eq!(normalize(path).as_deref(), Ok(normal), "{path}");
        }
    }

    #[test]
    fn some_paths_have_no_normal_form() {
        for (path, why) in [
            ("", BadPath::Relative),
            ("*", BadPath::Relative),
            ("a/b", BadPath::Relative),
            ("/a#b", BadPath::Characters),
            ("/a b", BadPath::Characters),
            ("/é", BadPath::Characters),
            ("/a\x7f", BadPath::Characters),
            ("/a%00b", BadPath::ZeroByte),
        ] {
            assert_eq!(normalize(path), Err(why), "{path}");
        }
    }

    #[test]
    fn what_is_normal_is_not_copied() {
        for path in ["/", "/a/b", "/a//b", "/a.b/c..", "/a;b=1"] {
            assert!(matches!(normalize(path), Ok(Cow::Borrowed(_))), "{path}");
        }
    }

    #[test]
    fn slashes_are_merged_when_asked() {
        for (path, merged) in
            [("/a//b///c//", "/a/b/c/"), ("//", "//"), ("///", "//"), ("//a", "/a"), ("/a/b", "/a/b")]
        {
            assert_eq!(merge_slashes(path), merged, "{path}");
        }
    }
}
