//! Texts without quotes: on one line or several, and in blocks behind `|` or `>`.

use std::borrow::Cow;

use super::quoted::Breaks;
use super::scanner::{Found, Scanner, Token};
use super::{Fault, Why};
use crate::parse::scalar::Style;

/// What becomes of the line ends behind a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    /// Reads a text without quotes.
    pub(super) fn scan_plain(&mut self) -> Result<Found<'a>, Fault> {
        let indent = self.indent + 1;
        let start = self.cursor.index();
        // What is read of the current line stays where it is.
        let mut line = (self.cursor.byte(), self.cursor.byte());
        let mut end = start;
        let mut text = String::new();
        let mut breaks: Option<Breaks> = None;
        loop {
            if self.cursor.is_document_mark() || self.cursor.peek(0) == b'#' {
                break;
            }
            while !self.cursor.is_space_or_end(0) && !self.ends_plain() {
                if let Some(breaks) = breaks.take() {
                    text.push_str(self.cursor.slice(line.0, line.1));
                    breaks.fold_into(&mut text);
                    line.0 = self.cursor.byte();
                }
                self.cursor.skip();
                line.1 = self.cursor.byte();
                end = self.cursor.index();
            }
            if !(self.cursor.is_blank(0) || self.cursor.is_break(0)) {
                break;
            }
            self.scan_plain_space(indent, &mut breaks)?;
            if !self.in_flow() && i64::from(self.cursor.column()) < indent {
                break;
            }
        }
        if breaks.is_some() {
            self.key_allowed = true;
        }
        let rest = self.cursor.slice(line.0, line.1);
        let text = if text.is_empty() { Cow::Borrowed(rest) } else { Cow::Owned(text + rest) };
        Ok(Found { token: Token::Scalar { text, style: Style::Plain }, start, end })
    }

    /// Returns whether a sign stands here that ends a text without quotes.
    fn ends_plain(&self) -> bool {
        match self.cursor.peek(0) {
            b':' => self.cursor.is_space_or_end(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.in_flow(),
            _ => false,
        }
    }

    fn scan_plain_space(&mut self, indent: i64, breaks: &mut Option<Breaks>) -> Result<(), Fault> {
        loop {
            if self.cursor.is_blank(0) {
                let outside = i64::from(self.cursor.column()) < indent;
                if breaks.is_some() && outside && self.cursor.peek(0) == b'\t' {
                    return Err(self.fault(Why::Tab));
                }
                self.cursor.skip_bytes(1);
            } else if let Some(read) = self.cursor.skip_break() {
                match breaks {
                    Some(breaks) => breaks.further.push(read),
                    None => *breaks = Some(Breaks { first: Some(read), further: String::new() }),
                }
            } else {
                return Ok(());
            }
        }
    }

    /// Reads a block text. Its place is its content, or the sign before it where there is none.
    pub(super) fn scan_block(&mut self, literal: bool) -> Result<Found<'a>, Fault> {
        let sign = self.cursor.index();
        self.cursor.skip_bytes(1);
        let (chomping, increment) = self.scan_block_header()?;
        let mut indent = match increment {
            0 => 0,
            more => self.indent.max(0) + i64::from(more),
        };
        let mut text = String::new();
        let (mut first_break, mut breaks) = (None, String::new());
        let mut place = (sign, sign + 1);
        let mut blank_before = false;
        self.scan_block_breaks(&mut indent, &mut breaks)?;
        while i64::from(self.cursor.column()) == indent && !self.cursor.is_end() {
            if place.0 == sign {
                place.0 = self.cursor.index();
            }
            let blank = self.cursor.is_blank(0);
            let folds = !literal && !blank_before && !blank && first_break == Some('\n');
            match first_break.take() {
                Some(_) if folds && breaks.is_empty() => text.push(' '),
                Some(_) if folds => {}
                first => text.extend(first),
            }
            text.push_str(&breaks);
            breaks.clear();
            blank_before = blank;
            let start = self.cursor.byte();
            self.cursor.skip_rest_of_line();
            text.push_str(self.cursor.slice(start, self.cursor.byte()));
            place.1 = self.cursor.index();
            first_break = self.cursor.skip_break();
            self.scan_block_breaks(&mut indent, &mut breaks)?;
        }
        if chomping != Chomping::Strip {
            text.extend(first_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        let token = Token::Scalar { text: text.into(), style: Style::Block };
        Ok(Found { token, start: place.0, end: place.1 })
    }

    /// Reads what follows the sign: what becomes of line ends, and how far the block is indented.
    fn scan_block_header(&mut self) -> Result<(Chomping, u32), Fault> {
        let (mut chomping, mut increment) = (None, None);
        loop {
            let byte = self.cursor.peek(0);
            match byte {
                b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                b'0' if increment.is_none() => return Err(self.fault(Why::BlockIndent)),
                b'1'..=b'9' if increment.is_none() => increment = Some(u32::from(byte - b'0')),
                _ => break,
            }
            self.cursor.skip_bytes(1);
        }
        self.skip_blanks();
        if self.cursor.peek(0) == b'#' {
            self.cursor.skip_rest_of_line();
        }
        if !self.cursor.is_break_or_end(0) {
            return Err(self.fault(Why::BlockHeader));
        }
        self.cursor.skip_break();
        Ok((chomping.unwrap_or(Chomping::Clip), increment.unwrap_or_default()))
    }

    /// Reads indentation and empty lines. The first line that is not empty tells the indentation, if nothing else has.
    fn scan_block_breaks(&mut self, indent: &mut i64, breaks: &mut String) -> Result<(), Fault> {
        let mut widest = 0;
        loop {
            let inside = |column: u32| *indent == 0 || i64::from(column) < *indent;
            while inside(self.cursor.column()) && self.cursor.peek(0) == b' ' {
                self.cursor.skip_bytes(1);
            }
            widest = widest.max(i64::from(self.cursor.column()));
            if inside(self.cursor.column()) && self.cursor.peek(0) == b'\t' {
                return Err(self.fault(Why::Tab));
            }
            match self.cursor.skip_break() {
                Some(read) => breaks.push(read),
                None => break,
            }
        }
        if *indent == 0 {
            *indent = widest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
