//! Anchors, aliases, tags and the lines with `%`.

use std::borrow::Cow;

use super::scanner::{Scanner, Token};
use super::{Fault, Why};

/// Characters of a tag beside letters, digits, `-`, `_` and escapes.
const OF_TAGS: &[u8] = b";/?:@&=+$,.!~*'()[]";

impl<'a> Scanner<'a> {
    /// Reads the name behind `&` or `*`.
    pub(super) fn scan_anchor(&mut self) -> Result<&'a str, Fault> {
        self.cursor.skip_bytes(1);
        let name = self.scan_word();
        let ends = self.cursor.is_space_or_end(0) || b"?:,]}%@`".contains(&self.cursor.peek(0));
        if name.is_empty() || !ends {
            return Err(self.fault(Why::AnchorName));
        }
        Ok(name)
    }

    fn scan_word(&mut self) -> &'a str {
        let start = self.cursor.byte();
        while self.cursor.is_word() {
            self.cursor.skip_bytes(1);
        }
        self.cursor.slice(start, self.cursor.byte())
    }

    /// Reads a tag: `!<...>`, `!handle!suffix` or `!suffix`.
    pub(super) fn scan_tag(&mut self) -> Result<Token<'a>, Fault> {
        let (handle, suffix) = if self.cursor.peek(1) == b'<' {
            self.cursor.skip_bytes(2);
            let suffix = self.scan_tag_text("")?;
            if self.cursor.peek(0) != b'>' {
                return Err(self.fault(Why::TagName));
            }
            self.cursor.skip_bytes(1);
            ("", suffix)
        } else {
            let handle = self.scan_handle();
            if handle.len() > 1 && handle.ends_with('!') {
                (handle, self.scan_tag_text("")?)
            } else {
                let suffix = self.scan_tag_text(handle)?;
                // The lone `!` is a tag of its own.
                if suffix.is_empty() { ("", Cow::Borrowed("!")) } else { ("!", suffix) }
            }
        };
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(Why::TagName));
        }
        Ok(Token::Tag { handle, suffix })
    }

    /// Reads `!`, `!word` or `!word!`.
    fn scan_handle(&mut self) -> &'a str {
        let start = self.cursor.byte();
        self.cursor.skip_bytes(1);
        self.scan_word();
        if self.cursor.peek(0) == b'!' {
            self.cursor.skip_bytes(1);
        }
        self.cursor.slice(start, self.cursor.byte())
    }

    /// Reads the rest of a tag behind what looked like a handle.
    fn scan_tag_text(&mut self, head: &'a str) -> Result<Cow<'a, str>, Fault> {
        let mut bytes = head.as_bytes().get(1..).unwrap_or_default().to_vec();
        let start = self.cursor.byte();
        loop {
            match self.cursor.peek(0) {
                b'%' => self.scan_tag_escape(&mut bytes)?,
                byte if self.cursor.is_word() || OF_TAGS.contains(&byte) => {
                    bytes.push(byte);
                    self.cursor.skip_bytes(1);
                }
                _ => break,
            }
        }
        if head.is_empty() && self.cursor.byte() == start {
            return Err(self.fault(Why::TagName));
        }
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| self.fault(Why::TagName))
    }

    fn scan_tag_escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let digits = [self.cursor.peek(1), self.cursor.peek(2)].map(|byte| char::from(byte).to_digit(16));
        let [Some(high), Some(low)] = digits else { return Err(self.fault(Why::TagName)) };
        bytes.push((high * 16 + low) as u8);
        self.cursor.skip_bytes(3);
        Ok(())
    }

    /// Reads a line that starts with `%`.
    pub(super) fn scan_directive(&mut self) -> Result<Token<'a>, Fault> {
        self.cursor.skip_bytes(1);
        let name = self.scan_word();
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(Why::Directive));
        }
        let token = match name {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_directive()?,
            _ => return Err(self.fault(Why::Directive)),
        };
        self.skip_blanks();
        if self.cursor.peek(0) == b'#' {
            self.cursor.skip_rest_of_line();
        }
        if !self.cursor.is_break_or_end(0) {
            return Err(self.fault(Why::Directive));
        }
        self.cursor.skip_break();
        Ok(token)
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.cursor.is_blank(0) {
            self.cursor.skip_bytes(1);
        }
    }

    /// Kubernetes' library takes version 1.1 alone.
    fn scan_version(&mut self) -> Result<Token<'a>, Fault> {
        self.skip_blanks();
        let major = self.scan_digits();
        if self.cursor.peek(0) != b'.' {
            return Err(self.fault(Why::Directive));
        }
        self.cursor.skip_bytes(1);
        let minor = self.scan_digits();
        let one = |digits: &str| matches!(digits, "1" | "01");
        if one(major) && one(minor) { Ok(Token::Version) } else { Err(self.fault(Why::Version)) }
    }

    fn scan_digits(&mut self) -> &'a str {
        let start = self.cursor.byte();
        while self.cursor.peek(0).is_ascii_digit() {
            self.cursor.skip_bytes(1);
        }
        self.cursor.slice(start, self.cursor.byte())
    }

    fn scan_tag_directive(&mut self) -> Result<Token<'a>, Fault> {
        self.skip_blanks();
        if self.cursor.peek(0) != b'!' {
            return Err(self.fault(Why::Directive));
        }
        let handle = self.scan_handle();
        let closed = handle == "!" || handle.ends_with('!');
        if !closed || !self.cursor.is_blank(0) {
            return Err(self.fault(Why::Directive));
        }
        self.skip_blanks();
        let prefix = self.scan_tag_text("")?;
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(Why::Directive));
        }
        Ok(Token::TagDirective { handle, prefix })
    }
}
