//! The text of files for showing the lines around a finding, without ever showing the content of a Secret.

use std::ops::Range;
use std::sync::Arc;

/// One file with its line starts.
pub(super) struct SourceText {
    text: Arc<str>,
    starts: Vec<usize>,
}

/// A few lines of a file.
pub(super) struct Window<'a> {
    /// Text of the lines.
    pub(super) text: &'a str,
    /// Number of the first line, from 1.
    pub(super) first_line: usize,
    /// Bytes of the file before the text.
    pub(super) offset: usize,
}

impl SourceText {
    pub(super) fn new(text: Arc<str>) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        SourceText { text, starts }
    }

    /// Returns a stretch of lines (from 1, end included), or nothing when there are no such lines or they belong to a
    /// Secret.
    pub(super) fn window(&self, lines: Range<usize>) -> Option<Window<'_>> {
        let known = 1..self.starts.len() + 1;
        if !known.contains(&lines.start) || self.is_secret(lines.start) || self.is_secret(lines.end) {
            return None;
        }
        let last = lines.end.min(self.starts.len());
        let bytes = self.starts[lines.start - 1]..self.starts.get(last).copied().unwrap_or(self.text.len());
        Some(Window {
            text: self.text[bytes.clone()].trim_end(),
            first_line: lines.start,
            offset: bytes.start,
        })
    }

    /// Returns the stretch of `range` in the first of its lines, moved to character borders.
    pub(super) fn first_line_of(&self, range: Range<usize>) -> Range<usize> {
        let floor = |at: usize| self.text.floor_char_boundary(at.min(self.text.len()));
        let (start, end) = (floor(range.start), floor(range.end.max(range.start)));
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        start..end.min(line_end)
    }

    fn line(&self, number: usize) -> &str {
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.starts.get(number - 1).map_or("", |start| &self.text[*start..end])
    }

    /// Returns the first and last line (both included) of the YAML document that holds a line.
    fn document(&self, line: usize) -> Range<usize> {
        let is_border = |number: &usize| self.line(*number).starts_with("---");
        let first = (1..=line).rev().find(is_border).unwrap_or(1);
        let last = (line + 1..=self.starts.len()).find(is_border).map_or(self.starts.len(), |next| next - 1);
        first..last
    }

    /// Returns whether the document around a line could be a Secret or a list with one, in YAML or JSON. Errs to the
    /// safe side, because the file may be too broken to be read properly.
    fn is_secret(&self, line: usize) -> bool {
        let document = self.document(line);
        (document.start..=document.end)
            .any(|number| self.line(number).contains("kind") && self.line(number).contains("Secret"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SourceText {
        SourceText::new(Arc::from(text))
    }

    #[test]
    fn a_window_holds_whole_lines() {
        let file = text("a: 1\n---\nb: 2\nc: 3\n---\nd: 4");
        let window = file.window(3..4).unwrap();
        assert_eq!((window.text, window.first_line, window.offset), ("b: 2\nc: 3", 3, 9));
        assert_eq!(file.window(6..6).unwrap().text, "d: 4");
    }

    #[test]
    fn lines_of_a_secret_are_never_shown() {
        let file = text("kind: Ingress\n---\nkind: Secret\ndata:\n  tls.key: aGVsbG8=\n---\nkind: Service\n");
        assert!(file.window(1..1).is_some());
        assert!(file.window(5..5).is_none());
        assert!(file.window(3..3).is_none());
        assert_eq!(file.window(7..7).unwrap().text, "kind: Service");
        assert!(text(r#"{"kind":"List","items":[{"kind":"Secret"}]}"#).window(1..1).is_none());
    }

    #[test]
    fn places_beyond_the_text_are_survived() {
        let file = text("ä: 1\n");
        assert!(file.window(9..9).is_none());
        assert!(file.window(0..0).is_none());
        assert_eq!(file.first_line_of(1..400), 0..5);
        assert_eq!(file.first_line_of(400..500), 6..6);
    }
}
