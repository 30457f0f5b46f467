//! The bytes of a file as text, and places in it: the parser counts characters, findings give bytes, lines and columns.

use gatewright_diagnostics::{Position, Span};

/// Largest file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// A stretch of text in characters from the start of the file, end excluded. Half the size of a [`Span`] in words, and
/// free to make: most are never shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharSpan {
    /// First character.
    pub(crate) start: u32,
    /// First character behind.
    pub(crate) end: u32,
}

impl CharSpan {
    /// Returns the span from the start of one to the end of another.
    pub(crate) fn to(self, end: CharSpan) -> CharSpan {
        CharSpan { start: self.start, end: end.end.max(self.start) }
    }
}

/// Where the lines of a text are. Making one costs a pass over the text, so it is made for the first finding.
#[derive(Debug)]
pub(crate) struct LineIndex {
    /// Byte offset at which each line starts.
    starts: Vec<usize>,
    /// Byte offset of every [`STRIDE`]th character; empty where all characters are single bytes.
    checkpoints: Vec<usize>,
}

/// Characters between two checkpoints.
const STRIDE: usize = 256;

impl LineIndex {
    /// Indexes a text.
    pub(crate) fn new(text: &str) -> Self {
        let checkpoints = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(STRIDE).map(|(offset, _)| offset).collect()
        };
        LineIndex { starts: line_starts(text), checkpoints }
    }
}

/// A text with its index: translates characters into positions.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    index: &'a LineIndex,
}

impl<'a> Lines<'a> {
    /// Joins a text and its index.
    pub(crate) fn new(text: &'a str, index: &'a LineIndex) -> Self {
        Lines { text, index }
    }

    /// Returns the place of a stretch of characters.
    pub(crate) fn span(self, span: CharSpan) -> Span {
        let start = self.position(self.byte_of(span.start));
        if span.end <= span.start {
            return Span { start, end: start };
        }
        Span { start, end: self.position(self.byte_of(span.end)) }
    }

    /// Returns the text of a stretch of characters.
    pub(crate) fn slice(self, span: CharSpan) -> &'a str {
        self.text.get(self.byte_of(span.start)..self.byte_of(span.end)).unwrap_or_default()
    }

    /// Returns the byte offset of a character.
    pub(crate) fn byte_of(self, char_index: u32) -> usize {
        let index = char_index as usize;
        if self.index.checkpoints.is_empty() {
            return index.min(self.text.len());
        }
        let Some(&base) = self.index.checkpoints.get(index / STRIDE) else { return self.text.len() };
        self.text[base..]
            .char_indices()
            .nth(index % STRIDE)
            .map_or(self.text.len(), |(offset, _)| base + offset)
    }

    fn position(self, offset: usize) -> Position {
        let line = self.index.starts.partition_point(|&start| start <= offset).max(1);
        let start = self.index.starts[line - 1];
        Position { offset, line, column: self.text[start..offset].chars().count() + 1 }
    }
}

/// Returns where lines start; a line ends with LF, CR LF or a lone CR, as in YAML.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (offset, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(offset + 1) != Some(&b'\n')) {
            starts.push(offset + 1);
        }
    }
    starts
}

/// Says why bytes are not readable text.
pub(crate) fn read(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    std::str::from_utf8(bytes).map_err(|error| match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Unreadable::Utf16,
        _ => Unreadable::NotUtf8 { valid_up_to: error.valid_up_to() },
    })
}

/// A file that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// More than [`MAX_BYTES`].
    TooLarge,
    /// Starts with the byte order mark of UTF-16.
    Utf16,
    /// Has bytes that are no UTF-8.
    NotUtf8 {
        /// Length of the text before them, in bytes.
        valid_up_to: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, char_index: u32) -> (usize, usize, usize) {
        let index = LineIndex::new(text);
        let start = Lines::new(text, &index).span(CharSpan { start: char_index, end: char_index + 1 }).start;
        (start.offset, start.line, start.column)
    }

    #[test]
    fn columns_count_characters_and_offsets_count_bytes() {
        assert_eq!(place("a: ü\nb: ü", 3), (3, 1, 4));
        assert_eq!(place("a: ü\nb: ü", 8), (9, 2, 4));
        assert_eq!(place("plain\ntext", 7), (7, 2, 2));
    }

    #[test]
    fn every_line_ending_of_yaml_counts_once() {
        assert_eq!(place("a\r\nb", 3), (3, 2, 1));
        assert_eq!(place("a\rb", 2), (2, 2, 1));
        assert_eq!(place("a\n\nb", 3), (3, 3, 1));
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        assert_eq!(place("ü", 99), (2, 1, 2));
        assert_eq!(place("u", 99), (1, 1, 2));
    }

    #[test]
    fn checkpoints_agree_with_counting() {
        let text: String = (0..2000).map(|n| if n % 7 == 0 { 'é' } else { 'e' }).collect();
        let index = LineIndex::new(&text);
        let lines = Lines::new(&text, &index);
        for (index, (offset, _)) in text.char_indices().enumerate() {
            assert_eq!(lines.byte_of(index as u32), offset);
        }
    }

    #[test]
    fn unreadable_bytes_are_told_apart() {
        assert_eq!(read(b"a: \xff"), Err(Unreadable::NotUtf8 { valid_up_to: 3 }));
        assert_eq!(read(b"\xff\xfea\0"), Err(Unreadable::Utf16));
        assert_eq!(read(&vec![b' '; MAX_BYTES + 1]), Err(Unreadable::TooLarge));
    }
}
