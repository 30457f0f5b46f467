//! A few lines of a file for showing: hidden characters can be seen, and of a long line only what lies around the places
//! in question is there.

use std::ops::Range;

use crate::outlet::{is_hidden, push_visible};

/// Longest line that is shown whole, in bytes.
const LONG: usize = 240;
/// Bytes shown before and behind a place in a longer one.
const BEFORE: usize = 60;
const BEHIND: usize = 100;
/// Stands for what is left out.
const CUT: &str = "...";

/// The lines.
pub(super) struct Excerpt {
    /// Their text.
    pub(super) text: String,
    /// Number of the first, from 1.
    pub(super) first_line: usize,
    /// Whether a part of a line is left out, so that columns are not those of the file.
    pub(super) is_cut: bool,
    /// Pairs of offsets in the file and in the text where the distance between both changes, ascending.
    anchors: Vec<(usize, usize)>,
}

impl Excerpt {
    /// Returns an excerpt without lines.
    pub(super) fn new(first_line: usize) -> Self {
        Excerpt { text: String::new(), first_line, is_cut: false, anchors: Vec::new() }
    }

    /// Adds the next line, which lies at `line` in the file.
    pub(super) fn add_line(&mut self, file: &str, line: Range<usize>, spans: &[Range<usize>]) {
        if !self.anchors.is_empty() {
            self.text.push('\n');
        }
        let shown = window(file, &line, spans);
        self.is_cut |= shown != line;
        if shown.start > line.start {
            self.text.push_str(CUT);
        }
        self.add_characters(&file[shown.clone()], shown.start);
        if shown.end < line.end {
            self.text.push_str(CUT);
        }
    }

    fn add_characters(&mut self, text: &str, offset: usize) {
        self.anchors.push((offset, self.text.len()));
        let mut start = 0;
        for (at, c) in text.char_indices() {
            // A tab is as wide as the terminal likes, and `##[` would be a command in a log.
            let bracket = c == '[' && text[..at].ends_with("##");
            if (is_hidden(c) && c != '\t') || bracket {
                self.text.push_str(&text[start..at]);
                match bracket {
                    true => self.text.push_str(r"\x5b"),
                    false => push_visible(&mut self.text, c),
                }
                start = at + c.len_utf8();
                self.anchors.push((offset + start, self.text.len()));
            }
        }
        self.text.push_str(&text[start..]);
    }

    /// Returns where a stretch of the file lies in the text, as far as it is shown.
    pub(super) fn within(&self, range: Range<usize>) -> Range<usize> {
        let start = self.position(range.start);
        start..self.position(range.end).max(start)
    }

    fn position(&self, offset: usize) -> usize {
        let next = self.anchors.partition_point(|(of_file, _)| *of_file <= offset);
        let Some((of_file, of_text)) = self.anchors[..next].last() else { return 0 };
        let limit = self.anchors.get(next).map_or(self.text.len(), |(_, of_text)| *of_text);
        self.text.floor_char_boundary((of_text + (offset - of_file)).min(limit))
    }
}

/// Returns which part of a line is shown: all of a short one, otherwise what lies around the spans in it.
fn window(file: &str, line: &Range<usize>, spans: &[Range<usize>]) -> Range<usize> {
    if line.len() <= LONG {
        return line.clone();
    }
    let here = || spans.iter().filter(|span| line.contains(&span.start));
    let start = here().map(|span| span.start).min().unwrap_or(line.start);
    let end = here().map(|span| span.end).max().unwrap_or(line.start).clamp(start, line.end);
    let start = file.ceil_char_boundary(start.saturating_sub(BEFORE).max(line.start));
    start..file.floor_char_boundary((end + BEHIND).min(line.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(file: &str, span: Range<usize>) -> Excerpt {
        let mut excerpt = Excerpt::new(1);
        excerpt.add_line(file, 0..file.len(), &[span]);
        excerpt
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let file = format!("{}needle{}", "é".repeat(5_000), "x".repeat(90_000));
        let span = 10_000..10_006;
        let excerpt = excerpt(&file, span.clone());
        assert!(excerpt.is_cut && excerpt.text.len() < 240, "{}", excerpt.text);
        assert!(excerpt.text.starts_with("...é") && excerpt.text.ends_with("x..."), "{}", excerpt.text);
        assert_eq!(&excerpt.text[excerpt.within(span)], "needle");
    }

    #[test]
    fn hidden_characters_are_seen_and_move_what_is_behind_them() {
        let file = "a: \"\u{1b}[2J\u{202e}\"\tb ##[x] c";
        let excerpt = excerpt(file, 0..1);
        assert_eq!(excerpt.text, "a: \"\\x1b[2J\\u{202e}\"\tb ##\\x5bx] c");
        let last = file.len() - 1..file.len();
        assert_eq!(&excerpt.text[excerpt.within(last)], "c");
        assert!(!excerpt.is_cut);
    }

    #[test]
    fn a_stretch_that_is_not_shown_is_the_nearest_place() {
        let file = "x".repeat(1000);
        let excerpt = excerpt(&file, 500..510);
        assert_eq!(excerpt.within(0..1), 0..0);
        assert!(excerpt.within(0..2000).end <= excerpt.text.len());
    }
}
