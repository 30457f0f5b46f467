//! The few things of a request's head that the library does not hand on.

use memchr::memchr;

/// A head, as far as it matters where its message ends and whether two readers could disagree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The first bytes of HTTP/2.
    pub(super) http2: bool,
    /// A transfer coding is named: the library takes no other than chunks.
    pub(super) chunked: bool,
    /// What the last `Content-Length` says; 0 without one, and for what is no number.
    pub(super) length: u64,
    lengths: u32,
    fragment: bool,
}

/// Returns where the head at the beginning of `bytes` ends, behind its empty line; `from` is where to begin to look.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', &bytes[at..])? + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Splits the first line off, without its end.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (request, mut rest) = line(bytes);
        let mut head = Self {
            http2: request.starts_with(b"PRI * HTTP/2.0"),
            // It may stand in no other place of a line that the library takes.
            fragment: request.contains(&b'#'),
            ..Self::default()
        };
        while !rest.is_empty() {
            let next;
            (next, rest) = line(rest);
            head.line(next);
        }
        head
    }

    fn line(&mut self, line: &[u8]) {
        // Most lines are told apart by their first letter.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            self.length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        }
    }

    /// Returns whether two readers could understand the head differently.
    pub(super) fn is_faulty(&self) -> bool {
        self.fragment || self.lengths > 1 || self.chunked && self.lengths > 0
    }
}
