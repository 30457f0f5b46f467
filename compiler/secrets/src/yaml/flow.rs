//! Mappings and lists between brackets, which may go on over many lines.

use std::ops::Range;

use super::{Mode, Place};
use crate::HIDDEN;
use crate::manifest::{is_label, is_value};
use crate::names::is_secret_name;

/// Brackets that are open.
#[derive(Debug, Default)]
pub(super) struct Flow {
    frames: Vec<Frame>,
    /// A text whose quote is still open, and what its place is.
    open: Option<(char, Place)>,
}

/// One bracket.
#[derive(Debug, Default)]
struct Frame {
    /// What is above.
    place: Place,
    is_mapping: bool,
    /// The field whose value is read.
    field: Option<(String, Place)>,
    /// A field beside names something secret.
    pair: bool,
    /// Values that such a name would make secret.
    values: Vec<Range<usize>>,
}

impl Frame {
    fn here(&self) -> Place {
        self.field.as_ref().map_or(self.place, |(_, place)| *place)
    }
}

impl Flow {
    /// Returns the state before the first bracket.
    pub(super) fn new(place: Place) -> Self {
        Flow { frames: vec![Frame { place, ..Frame::default() }], open: None }
    }

    /// Returns the state behind the begin of a quoted text that does not end in its line.
    pub(super) fn quote(place: Place, value: &str) -> Self {
        let mut flow = Flow::new(place);
        flow.open = value.chars().next().map(|quote| (quote, place));
        flow
    }

    /// Reads a line and returns whether something is still open behind it.
    pub(super) fn line(
        &mut self,
        text: &str,
        offset: usize,
        mode: Mode,
        ranges: &mut Vec<Range<usize>>,
    ) -> bool {
        let mut at = 0;
        if let Some((quote, place)) = self.open.take() {
            let end = closing(text, quote);
            let own = end.unwrap_or(text.len());
            if own > 0 {
                place.scalar(&text[..own], offset, mode, ranges);
            }
            if end.is_none() {
                self.open = Some((quote, place));
                return true;
            }
            at = own;
        }
        while let Some(c) = text[at..].chars().next() {
            let step = match c {
                // No list, but what is hidden already.
                '[' if text[at..].starts_with(HIDDEN) => HIDDEN.len(),
                '{' | '[' => self.opens(c == '{'),
                '}' | ']' => self.closes(),
                ',' => self.comma(),
                // Anchors and tags say nothing; what they stand before is a value like any other.
                '&' | '!' => {
                    text[at..].find([' ', ',', '[', ']', '{', '}']).unwrap_or(text.len() - at).max(1)
                }
                '#' if at == 0 || text[..at].ends_with(' ') => text.len() - at,
                c if c.is_whitespace() || c == ':' => c.len_utf8(),
                _ => self.token(&text[at..], offset + at, mode, ranges),
            };
            at += step;
            if self.frames.len() <= 1 && self.open.is_none() {
                return false;
            }
        }
        true
    }

    fn opens(&mut self, is_mapping: bool) -> usize {
        let place = self.frames.last().map_or(Place::default(), Frame::here);
        self.frames.push(Frame { place, is_mapping, ..Frame::default() });
        1
    }

    fn closes(&mut self) -> usize {
        self.frames.pop();
        1
    }

    fn comma(&mut self) -> usize {
        if let Some(frame) = self.frames.last_mut() {
            frame.field = None;
        }
        1
    }

    /// Reads a key or a value and returns its length.
    fn token(&mut self, text: &str, start: usize, mode: Mode, ranges: &mut Vec<Range<usize>>) -> usize {
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (length, ended) = match quote {
            Some(quote) => match closing(&text[1..], quote) {
                Some(end) => (1 + end, true),
                None => (text.len(), false),
            },
            None => (plain(text), true),
        };
        let own = &text[..length];
        let Some(frame) = self.frames.last_mut() else { return length };
        let name = own.trim_matches(['"', '\'']);
        let is_key = text[length..].trim_start().starts_with(':') && (frame.is_mapping || quote.is_none());
        if is_key && ended {
            frame.field = Some((name.to_owned(), frame.place.field(name, mode)));
            return length;
        }
        let place = frame.here();
        place.scalar(own, start, mode, ranges);
        if let Some((field, _)) = &frame.field {
            if is_label(field) && is_secret_name(name) {
                frame.pair = true;
                ranges.append(&mut frame.values);
            } else if is_value(field) && frame.pair {
                ranges.push(start..start + length);
            } else if is_value(field) {
                frame.values.push(start..start + length);
            }
        }
        if !ended {
            self.open = quote.map(|quote| (quote, place));
        }
        length
    }
}

/// Returns the length up to and with the closing quote.
pub(super) fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns the length of a text without quotes.
fn plain(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |at: usize| match bytes[at] {
        b',' | b'{' | b'}' | b'[' | b']' => true,
        b':' => bytes.get(at + 1).is_none_or(|next| b" \t,{}[]".contains(next)),
        b'#' => at > 0 && bytes[at - 1] == b' ',
        _ => false,
    };
    let end = (0..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len());
    text[..end.max(1)].trim_end().len().max(1)
}
