//! Where the reader stands in the text.

/// A place in a text, counted in bytes, characters and columns.
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// Text that may be read: up to the end, or to the first character that YAML does not allow.
    bytes: &'a [u8],
    at: usize,
    index: u32,
    line: u32,
    column: u32,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning, behind a byte order mark.
    pub(super) fn new(text: &'a str) -> Self {
        let end = first_unprintable(text.as_bytes()).unwrap_or(text.len());
        let mut cursor = Cursor { text, bytes: &text.as_bytes()[..end], at: 0, index: 0, line: 0, column: 0 };
        if text.starts_with('\u{feff}') {
            cursor.skip();
            cursor.column = 0;
        }
        cursor
    }

    /// Returns whether the text is JSON, which kubectl reads by its own rules.
    pub(super) fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    /// Returns the byte that stands some bytes ahead; zero behind the end.
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Returns the character here.
    pub(super) fn character(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Returns the place in bytes.
    pub(super) fn byte(&self) -> usize {
        self.at
    }

    /// Returns the place in characters.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Returns the line, from 0.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, from 0.
    pub(super) fn column(&self) -> u32 {
        self.column
    }

    /// Returns the text from a byte up to another.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    /// Returns whether nothing is left to read.
    pub(super) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Returns whether the end is a character that is not allowed.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes.len() < self.text.len()
    }

    /// Returns whether a space or tab stands some bytes ahead.
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), b' ' | b'\t')
    }

    /// Returns whether a line ends some bytes ahead.
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_length(ahead) > 0
    }

    /// Returns whether a line or the text ends some bytes ahead.
    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.at + ahead >= self.bytes.len() || self.is_break(ahead)
    }

    /// Returns whether a space, a tab or an end stands some bytes ahead.
    pub(super) fn is_space_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Returns whether a letter, digit, `_` or `-` stands here.
    pub(super) fn is_word(&self) -> bool {
        let byte = self.peek(0);
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
    }

    /// Returns whether a line that separates documents begins here.
    pub(super) fn is_document_mark(&self) -> bool {
        self.column == 0
            && matches!([self.peek(0), self.peek(1), self.peek(2)], [b'-', b'-', b'-'] | [b'.', b'.', b'.'])
            && self.is_space_or_end(3)
    }

    /// Goes one character on.
    pub(super) fn skip(&mut self) {
        self.at += width(self.peek(0));
        self.index += 1;
        self.column += 1;
    }

    /// Goes some single-byte characters of the line on.
    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.at += count;
        self.index += count as u32;
        self.column += count as u32;
    }

    /// Goes on to the end of the line.
    pub(super) fn skip_rest_of_line(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip();
        }
    }

    /// Goes behind the end of the line and returns it as YAML reads it; nothing at the end of the text.
    pub(super) fn skip_break(&mut self) -> Option<char> {
        let length = self.break_length(0);
        let read = match (self.peek(0), length) {
            (_, 0) => return None,
            (b'\r' | b'\n' | 0xc2, _) => '\n',
            _ => self.character()?,
        };
        self.at += length;
        self.index += if self.bytes[self.at - length..self.at] == *b"\r\n" { 2 } else { 1 };
        self.line += 1;
        self.column = 0;
        Some(read)
    }

    /// Goes to a new line without a character: the end of the text ends its last line.
    pub(super) fn end_line(&mut self) {
        if self.column != 0 {
            self.column = 0;
            self.line += 1;
        }
    }

    /// Returns how many bytes the end of a line has that stands some bytes ahead; zero if there is none.
    fn break_length(&self, ahead: usize) -> usize {
        match self.peek(ahead) {
            b'\n' => 1,
            b'\r' if self.peek(ahead + 1) == b'\n' => 2,
            b'\r' => 1,
            0xc2 if self.peek(ahead + 1) == 0x85 => 2,
            0xe2 if self.peek(ahead + 1) == 0x80 && matches!(self.peek(ahead + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }
}

/// Returns how many bytes a character has that starts with this one.
fn width(first: u8) -> usize {
    match first {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// Returns the first byte of the first character that YAML does not allow.
fn first_unprintable(bytes: &[u8]) -> Option<usize> {
    let next = |at: usize, ahead: usize| bytes.get(at + ahead).copied().unwrap_or(0);
    bytes.iter().enumerate().position(|(at, byte)| match byte {
        b'\t' | b'\n' | b'\r' | 0x20..=0x7e => false,
        0..=0x1f | 0x7f => true,
        0xc2 => matches!(next(at, 1), 0x80..=0x9f) && next(at, 1) != 0x85,
        0xef => next(at, 1) == 0xbf && matches!(next(at, 2), 0xbe | 0xbf),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_five_ways() {
        let text = "a\nb\r\nc\rd\u{85}e\u{2028}f";
        let mut cursor = Cursor::new(text);
        let mut breaks = Vec::new();
        while !cursor.is_end() {
            match cursor.skip_break() {
                Some(read) => breaks.push((read, cursor.index(), cursor.line())),
                None => cursor.skip(),
            }
        }
        assert_eq!(breaks, [('\n', 2, 1), ('\n', 5, 2), ('\n', 7, 3), ('\n', 9, 4), ('\u{2028}', 11, 5)]);
    }

    #[test]
    fn control_characters_end_the_text() {
        for (text, end) in [("a\u{1}", 1), ("é\u{7f}", 2), ("a\u{9f}", 1), ("\u{ffff}", 0), ("a\0", 1)] {
            let cursor = Cursor::new(text);
            assert!(cursor.is_cut() && cursor.bytes.len() == end, "{text:?}");
        }
        for text in ["a\t\r\n", "\u{85}\u{a0}", "\u{feff}a", "\u{fffd}", "😀"] {
            assert!(!Cursor::new(text).is_cut(), "{text:?}");
        }
    }
}
