//! The text of files for showing the lines around a finding, without ever showing the content of a Secret.

use std::ops::Range;

use super::excerpt::Excerpt;

/// One file with its lines and documents. Making one costs a pass over the text; what is asked of it costs no more than
/// what is shown, however large the file and its lines are.
pub(super) struct SourceText {
    text: String,
    /// Where lines start.
    starts: Vec<usize>,
    /// First line of each document of YAML, from 1, and whether it could be a Secret or a list with one.
    documents: Vec<(usize, bool)>,
}

impl SourceText {
    pub(super) fn new(text: String) -> Self {
        let starts = line_starts(&text);
        let documents = documents(&text, &starts);
        SourceText { text, starts, documents }
    }

    /// Returns a stretch of lines (from 1, end included) with the parts of long ones that lie around `spans`, or nothing
    /// when there are no such lines or they belong to a Secret.
    pub(super) fn excerpt(&self, lines: Range<usize>, spans: &[Range<usize>]) -> Option<Excerpt> {
        let known = 1..self.starts.len() + 1;
        if !known.contains(&lines.start) || self.is_secret(lines.start) || self.is_secret(lines.end) {
            return None;
        }
        let last = lines.end.clamp(lines.start, self.starts.len());
        let mut excerpt = Excerpt::new(lines.start);
        for number in lines.start..=last {
            excerpt.add_line(&self.text, self.line(number), spans);
        }
        Some(excerpt)
    }

    /// Returns the stretch of `range` in the first of its lines, moved to character borders.
    pub(super) fn first_line_of(&self, range: Range<usize>) -> Range<usize> {
        let floor = |at: usize| self.text.floor_char_boundary(at.min(self.text.len()));
        let (start, end) = (floor(range.start), floor(range.end.max(range.start)));
        let number = self.starts.partition_point(|&line| line <= start).max(1);
        start..end.min(self.line(number).end.max(start))
    }

    /// Returns the bytes of a line without its end.
    fn line(&self, number: usize) -> Range<usize> {
        let start = self.starts[number - 1];
        let next = self.starts.get(number).copied().unwrap_or(self.text.len());
        start..start + self.text[start..next].trim_end_matches(['\n', '\r']).len()
    }

    /// Returns whether the document around a line could be a Secret or a list with one, in YAML or JSON. Errs to the
    /// safe side, because the file may be too broken to be read properly.
    fn is_secret(&self, line: usize) -> bool {
        let next = self.documents.partition_point(|(first, _)| *first <= line);
        self.documents[..next].last().is_some_and(|(_, secret)| *secret)
    }
}

/// Returns where lines start; a line ends with LF, CR LF or a lone CR, as places count them.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'\n' || (**byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

fn documents(text: &str, starts: &[usize]) -> Vec<(usize, bool)> {
    let mut documents = vec![(1, false)];
    let ends = starts[1..].iter().copied().chain([text.len()]);
    for (index, (start, end)) in starts.iter().zip(ends).enumerate() {
        let line = &text[*start..end];
        if line.starts_with("---") {
            documents.push((index + 1, false));
        }
        if let Some((_, secret)) = documents.last_mut()
            && !*secret
        {
            *secret = line.contains("kind") && line.contains("Secret");
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SourceText {
        SourceText::new(text.to_owned())
    }

    fn shown(file: &SourceText, lines: Range<usize>) -> Option<String> {
        file.excerpt(lines, &[]).map(|excerpt| excerpt.text)
    }

    #[test]
    fn an_excerpt_holds_whole_lines() {
        let file = text("a: 1\n---\nb: 2\r\nc: 3\r---\nd: 4");
        let excerpt = file.excerpt(3..4, std::slice::from_ref(&(9..10))).unwrap();
        assert_eq!((excerpt.text.as_str(), excerpt.first_line), ("b: 2\nc: 3", 3));
        assert_eq!(shown(&file, 6..6).as_deref(), Some("d: 4"));
    }

    #[test]
    fn lines_of_a_secret_are_never_shown() {
        let file = text("kind: Ingress\n---\nkind: Secret\ndata:\n  tls.key: aGVsbG8=\n---\nkind: Service\n");
        assert!(shown(&file, 1..1).is_some());
        assert!(shown(&file, 5..5).is_none());
        assert!(shown(&file, 3..3).is_none());
        assert_eq!(shown(&file, 7..7).as_deref(), Some("kind: Service"));
        assert!(shown(&text(r#"{"kind":"List","items":[{"kind":"Secret"}]}"#), 1..1).is_none());
    }

    #[test]
    fn places_beyond_the_text_are_survived() {
        let file = text("ä: 1\n");
        assert!(shown(&file, 9..9).is_none());
        assert!(shown(&file, 0..0).is_none());
        assert_eq!(file.first_line_of(1..400), 0..5);
        assert_eq!(file.first_line_of(400..500), 6..6);
    }
}
