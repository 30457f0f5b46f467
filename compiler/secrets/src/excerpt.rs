//! Texts of files for showing, with what is secret in them replaced line by line.

use std::borrow::Cow;
use std::ops::Range;

use crate::{HIDDEN, merge, replace, shape, yaml};

/// Returns a text, which may be YAML, JSON, or anything, for showing.
pub fn excerpt(text: &str) -> String {
    replace(text, lines(text)).into_owned()
}

/// Returns a text of which stretches are shown by their offsets: what is hidden keeps its length, which for short secrets
/// is made of stars.
pub fn masked(text: &str) -> Cow<'_, str> {
    let hidden = lines(text);
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in hidden {
        out.push_str(&text[at..range.start]);
        match range.len().checked_sub(HIDDEN.len()) {
            Some(more) => {
                out.push_str(&HIDDEN[..HIDDEN.len() - 1]);
                out.push_str(&".".repeat(more));
                out.push(']');
            }
            None => out.push_str(&"*".repeat(range.len())),
        }
        at = range.end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// Finds the secrets of a text, each on one line.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    yaml::find(text, &mut ranges);
    shape::find_all(text, &mut ranges);
    merge(&mut ranges);
    let mut lines = Vec::new();
    ranges.into_iter().for_each(|range| by_line(text, range, &mut lines));
    lines
}

/// Splits a stretch into its lines, so that lines keep their numbers and their indentation.
fn by_line(text: &str, range: Range<usize>, lines: &mut Vec<Range<usize>>) {
    let mut at = range.start;
    for line in text[range].split_inclusive(['\n', '\r']) {
        let own = line.trim();
        let start = at + line.len() - line.trim_start().len();
        if !own.is_empty() {
            lines.push(start..start + own.len());
        }
        at += line.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_keeps_its_offsets() {
        let text = "ä: {token: SÄSAME-AND-MORE, psk: ABC, a: b}\n";
        let shown = masked(text);
        assert_eq!(shown, "ä: {token: [hidden........], psk: ***, a: b}\n");
        assert_eq!(shown.len(), text.len());
        assert!(matches!(masked("a: b\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_stay_lines() {
        let text = "a: |\n  -----BEGIN PRIVATE KEY-----\n  SESAME\n  -----END PRIVATE KEY-----\nb: c\n";
        assert_eq!(excerpt(text), "a: |\n  [hidden]\n  [hidden]\n  [hidden]\nb: c\n");
    }
}
