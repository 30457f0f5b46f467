//! Texts in quotes.

use std::borrow::Cow;

use super::scanner::Scanner;
use super::{Fault, Why};

impl<'a> Scanner<'a> {
    /// Reads a text in quotes. Unlike the specification, lines need no indentation.
    pub(super) fn scan_quoted(&mut self, quote: u8) -> Result<Cow<'a, str>, Fault> {
        let open = self.cursor.index();
        self.cursor.skip_bytes(1);
        if let Some(text) = self.scan_simple(quote) {
            return Ok(text.into());
        }
        let mut text = String::new();
        loop {
            let ended = self.cursor.is_document_mark() || self.cursor.is_end();
            if ended {
                let cut = self.cursor.is_end() && self.cursor.is_cut();
                return Err(if cut {
                    self.fault(Why::Unprintable)
                } else {
                    Fault { at: open, why: Why::OpenQuote }
                });
            }
            let continued = self.scan_words(quote, &mut text)?;
            if self.cursor.peek(0) == quote && !self.cursor.is_end() {
                self.cursor.skip_bytes(1);
                return Ok(text.into());
            }
            self.scan_space(continued, &mut text);
        }
    }

    /// Reads a text on one line without escapes; none if it is not so simple.
    fn scan_simple(&mut self, quote: u8) -> Option<&'a str> {
        let start = self.cursor.byte();
        let mut length = 0;
        loop {
            match self.cursor.peek(length) {
                byte if byte == quote => break,
                b' '..=b'~' if self.cursor.peek(length) != b'\\' || quote == b'\'' => length += 1,
                _ => return None,
            }
        }
        if quote == b'\'' && self.cursor.peek(length + 1) == quote {
            return None;
        }
        self.cursor.skip_bytes(length + 1);
        Some(self.cursor.slice(start, start + length))
    }

    /// Reads up to white space or the closing quote. Returns whether an escaped end of a line was read.
    fn scan_words(&mut self, quote: u8, text: &mut String) -> Result<bool, Fault> {
        while !self.cursor.is_space_or_end(0) {
            let byte = self.cursor.peek(0);
            if byte == b'\'' && quote == b'\'' && self.cursor.peek(1) == b'\'' {
                text.push('\'');
                self.cursor.skip_bytes(2);
            } else if byte == quote {
                break;
            } else if quote == b'"' && byte == b'\\' {
                if self.cursor.is_break(1) {
                    self.cursor.skip_bytes(1);
                    self.cursor.skip_break();
                    return Ok(true);
                }
                self.scan_escape(text)?;
            } else {
                text.extend(self.cursor.character());
                self.cursor.skip();
            }
        }
        Ok(false)
    }

    /// Reads white space: as it is within a line, folded over lines.
    fn scan_space(&mut self, continued: bool, text: &mut String) {
        let start = self.cursor.byte();
        let mut spaces = 0;
        let mut breaks = if continued { Some(Breaks::default()) } else { None };
        loop {
            if self.cursor.is_blank(0) {
                self.cursor.skip_bytes(1);
                spaces += usize::from(breaks.is_none());
            } else if let Some(read) = self.cursor.skip_break() {
                match &mut breaks {
                    Some(breaks) => breaks.further.push(read),
                    None => breaks = Some(Breaks { first: Some(read), further: String::new() }),
                }
            } else {
                break;
            }
        }
        match breaks {
            Some(breaks) => breaks.fold_into(text),
            None => text.push_str(self.cursor.slice(start, start + spaces)),
        }
    }

    fn scan_escape(&mut self, text: &mut String) -> Result<(), Fault> {
        let digits = match self.cursor.peek(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            letter => {
                // JSON has one more.
                let slash = (letter == b'/' && self.cursor.is_json()).then_some('/');
                let character = escaped(letter).or(slash).ok_or_else(|| self.fault(Why::Escape))?;
                text.push(character);
                self.cursor.skip_bytes(2);
                return Ok(());
            }
        };
        let mut value: u64 = 0;
        for place in 2..2 + digits {
            let digit = char::from(self.cursor.peek(place)).to_digit(16);
            value = value * 16 + u64::from(digit.ok_or_else(|| self.fault(Why::EscapeOfNothing))?);
        }
        let character = u32::try_from(value).ok().and_then(char::from_u32);
        text.push(character.ok_or_else(|| self.fault(Why::EscapeOfNothing))?);
        self.cursor.skip_bytes(2 + digits);
        Ok(())
    }
}

/// Returns the character that an escape of one letter stands for.
fn escaped(letter: u8) -> Option<char> {
    Some(match letter {
        b'0' => '\0',
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\u{b}',
        b'f' => '\u{c}',
        b'r' => '\r',
        b'e' => '\u{1b}',
        b' ' | b'"' | b'\'' | b'\\' => char::from(letter),
        b'N' => '\u{85}',
        b'_' => '\u{a0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}

/// Ends of lines between two words.
#[derive(Default)]
pub(super) struct Breaks {
    pub(super) first: Option<char>,
    pub(super) further: String,
}

impl Breaks {
    /// Adds what the ends of lines come down to: one is a space, several are one less.
    pub(super) fn fold_into(&self, text: &mut String) {
        match self.first {
            Some('\n') if self.further.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.further),
            first => {
                text.extend(first);
                text.push_str(&self.further);
            }
        }
    }
}
