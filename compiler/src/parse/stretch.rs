//! Where a part of a text stands in the file. Quotes, escapes, indentation and the folding of lines add and take white
//! space and signs of their own; the characters that are none of it stand in the same order in both.

use super::scalar::Style;
use crate::finding::Within;

/// A text and what is written of it, laid side by side once for all stretches that are looked for.
pub(crate) struct Stretches {
    /// Which characters of the text are no white space.
    seen: Vec<u32>,
    /// Where each of them is written, from the start of what is written of the text.
    places: Vec<Place>,
    /// Where lines of what is written end.
    line_ends: Vec<u32>,
}

/// Where one character is written. Half the size of a [`Within`]: there are as many as characters.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
}

impl Stretches {
    /// Lays a text beside what is written of it.
    pub(crate) fn of(text: &str, style: Style, source: &str) -> Self {
        let seen = |(_, c): &(usize, char)| !is_white(*c);
        let places = match style {
            Style::Quoted => of_quoted(source),
            Style::Plain | Style::Block => {
                let places = source.chars().enumerate().filter(seen);
                places.map(|(at, _)| Place { start: at as u32, end: at as u32 + 1 }).collect()
            }
        };
        let line_ends = source.chars().enumerate().filter(|(_, c)| is_line_end(*c));
        Stretches {
            seen: text.chars().enumerate().filter(seen).map(|(at, _)| at as u32).collect(),
            places,
            line_ends: line_ends.map(|(at, _)| at as u32).collect(),
        }
    }

    /// Returns where a stretch of the text is written, in characters from the start of what is written of the text. It
    /// ends on the line on which it begins. None if the stretch holds nothing but white space.
    pub(crate) fn written(&self, within: Within) -> Option<Within> {
        let before = |end: usize| self.seen.partition_point(|&at| (at as usize) < end);
        let stretch = self.places.get(before(within.start)..before(within.end))?;
        let start = stretch.first()?.start;
        let next = self.line_ends.partition_point(|&end| end < start);
        let line_end = self.line_ends.get(next).copied().unwrap_or(u32::MAX);
        let last = stretch.iter().rfind(|place| place.end <= line_end)?;
        Some(Within { start: start as usize, end: last.end as usize })
    }
}

/// Returns where each character of a text in quotes is written that is no white space.
fn of_quoted(source: &str) -> Vec<Place> {
    let characters: Vec<char> = source.chars().collect();
    let Some(open) = characters.iter().position(|c| matches!(c, '"' | '\'')) else { return Vec::new() };
    let quote = characters[open];
    let mut places = Vec::new();
    let mut at = open + 1;
    while at < characters.len() {
        let next = characters.get(at + 1).copied();
        let (length, white) = match characters[at] {
            '\'' if quote == '\'' && next == Some('\'') => (2, false),
            c if c == quote => break,
            '\\' if quote == '"' => escape(next, &characters[at..]),
            c => (1, is_white(c)),
        };
        if !white {
            places.push(Place { start: at as u32, end: (at + length) as u32 });
        }
        at += length;
    }
    places
}

/// Returns how long an escape is, and whether it stands for white space.
fn escape(letter: Option<char>, escape: &[char]) -> (usize, bool) {
    let digits = match letter {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        letter => return (2, letter.is_none_or(|c| is_line_end(c) || " \ttnrNLP".contains(c))),
    };
    let code: String = escape.iter().skip(2).take(digits).collect();
    let character = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
    (2 + digits, character.is_some_and(is_white))
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t') || is_line_end(c)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, style: Style, source: &str, part: &str, expected: &str) {
        let byte = text.find(part).unwrap();
        let start = text[..byte].chars().count();
        let within = Within { start, end: start + part.chars().count() };
        let found = Stretches::of(text, style, source).written(within).unwrap();
        let shown: String = source.chars().skip(found.start).take(found.end - found.start).collect();
        assert_eq!(shown, expected, "{part} in {source:?}");
    }

    #[test]
    fn parts_are_found_in_every_style() {
        check("one\n two x\n", Style::Block, "one\n     two x", "two x", "two x");
        check("one two\nthree", Style::Block, "one\n  two\n\n  three", "three", "three");
        check("a b c d", Style::Plain, "a b\n  c d", "c d", "c d");
        check("it's\nme", Style::Quoted, "'it''s\n\n  me'", "it's", "it''s");
        check("a\nb \"c\" d", Style::Quoted, "\"a\\nb \\\"c\\\" d\"", "\"c\"", "\\\"c\\\"");
        check("\u{e9}\tx\ny", Style::Quoted, "!!str \"\\u00e9\\tx\\x0ay\"", "y", "y");
        check("a b", Style::Quoted, "\"a\\\n   \\ b\"", "b", "b");
    }

    #[test]
    fn a_part_ends_with_its_first_line() {
        check("a b c d", Style::Plain, "a b\n  c d", "b c", "b");
        let blank = Stretches::of(" x ", Style::Quoted, "' x '");
        assert_eq!(blank.written(Within { start: 0, end: 1 }), None);
        assert_eq!(blank.written(Within { start: 2, end: 1 }), None);
    }
}
