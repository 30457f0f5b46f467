//! The bytes of a file as text, and places in it: the parser counts characters, findings give bytes, lines and columns.

use std::borrow::Cow;

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
        Position { offset, line, column: self.characters(start, offset) + 1 }
    }

    /// Counts the characters between two offsets, at the same cost however far apart they are: a line can be as long as
    /// a file.
    fn characters(self, start: usize, end: usize) -> usize {
        if self.index.checkpoints.is_empty() {
            return end - start;
        }
        let before = |offset: usize| {
            let next = self.index.checkpoints.partition_point(|&checkpoint| checkpoint <= offset).max(1);
            (next - 1) * STRIDE + self.text[self.index.checkpoints[next - 1]..offset].chars().count()
        };
        before(end) - before(start)
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

/// Returns the text of a file, or why it has none.
pub(crate) fn read(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    std::str::from_utf8(bytes).map(join_surrogates).map_err(|error| match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Unreadable::Utf16,
        _ => Unreadable::NotUtf8 { valid_up_to: error.valid_up_to() },
    })
}

/// JSON writes characters beyond 16 bits as two escapes, which YAML has not. In JSON files each pair becomes one escape
/// of YAML, and the string that holds it is followed by as many spaces as it lost, so that every place stays.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return text.into();
    }
    let mut joined = String::with_capacity(text.len());
    let (mut rest, mut in_string, mut lost) = (text, false, 0);
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '\\' if in_string => match surrogate_pair(rest) {
                Some(character) => {
                    joined.push_str(&format!("\\U{:08X}", u32::from(character)));
                    lost += 2;
                    PAIR
                }
                None => {
                    let escape = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                    joined.push_str(&rest[..escape]);
                    escape
                }
            },
            '"' => {
                in_string = !in_string;
                joined.push('"');
                joined
                    .extend(std::iter::repeat_n(' ', if in_string { 0 } else { std::mem::take(&mut lost) }));
                1
            }
            other => {
                joined.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    joined.extend(std::iter::repeat_n(' ', lost));
    joined.into()
}

/// Length of two escapes.
const PAIR: usize = "\\ud83d\\ude00".len();

/// Returns the character of two escapes at the start of a text, if it starts with two that make one.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |escape: &str| u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok();
    let units = [unit(text.get(..PAIR / 2)?)?, unit(text.get(PAIR / 2..PAIR)?)?];
    let mut characters = char::decode_utf16(units);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Some(character),
        _ => None,
    }
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
            assert_eq!(lines.position(offset).column, index + 1);
        }
    }

    #[test]
    fn pairs_of_escapes_in_json_become_one_and_keep_places() {
        let json = r#"{"a\\": "x\ud83d\ude00y\"", "b": "\u00e9\ud83d"}"#;
        let joined = r#"{"a\\": "x\U0001F600y\""  , "b": "\u00e9\ud83d"}"#;
        assert_eq!(read(json.as_bytes()).unwrap(), joined);
        let unclosed = r#"{"\ud83d\ude00"#;
        assert_eq!(read(unclosed.as_bytes()).unwrap(), r#"{"\U0001F600  "#);
        for unchanged in
            [r#"a: "\ud83d\ude00""#, r#"{"a": "\u00e9"}"#, "{\"\\", "{\"\\é", "{\"\\ué", "{\"\\u+123\\u-123"]
        {
            assert_eq!(read(unchanged.as_bytes()).unwrap(), unchanged);
        }
    }

    #[test]
    fn unreadable_bytes_are_told_apart() {
        assert_eq!(read(b"a: \xff"), Err(Unreadable::NotUtf8 { valid_up_to: 3 }));
        assert_eq!(read(b"\xff\xfea\0"), Err(Unreadable::Utf16));
        assert_eq!(read(&vec![b' '; MAX_BYTES + 1]), Err(Unreadable::TooLarge));
    }
}
