//! Where a part of a text stands in the file. Quotes, escapes, indentation and the folding of lines add and take white
//! space and signs of their own; the characters that are none of it stand in the same order in both.

use super::scalar::Style;
use crate::finding::Within;

/// Returns where a stretch of a text is written, in characters from the start of what is written of the text. It ends on
/// the line on which it begins. None if the stretch holds nothing but white space.
pub(crate) fn written(text: &str, style: Style, source: &str, within: Within) -> Option<Within> {
    let seen = |(_, c): &(usize, char)| !is_white(*c);
    let before = text.chars().enumerate().take(within.start).filter(seen).count();
    let length = within.end.saturating_sub(within.start);
    let count = text.chars().enumerate().skip(within.start).take(length).filter(seen).count();
    let places = match style {
        Style::Quoted => of_quoted(source),
        Style::Plain | Style::Block => {
            let places = source.chars().enumerate().filter(seen);
            places.map(|(start, _)| Within { start, end: start + 1 }).collect()
        }
    };
    let stretch = places.get(before..before + count)?;
    let start = stretch.first()?.start;
    let line = source.chars().skip(start).take_while(|c| !is_line_end(*c)).count();
    let last = stretch.iter().rfind(|place| place.end <= start + line)?;
    Some(Within { start, end: last.end })
}

/// Returns where each character of a text in quotes is written that is no white space.
fn of_quoted(source: &str) -> Vec<Within> {
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
            places.push(Within { start: at, end: at + length });
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
        let found = written(text, style, source, within).unwrap();
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
        let blank = written(" x ", Style::Quoted, "' x '", Within { start: 0, end: 1 });
        assert_eq!(blank, None);
    }
}
