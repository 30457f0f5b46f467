//! Characters that are not seen, or that change how their neighbours are seen, written so that they can be read.

use std::borrow::Cow;

/// Returns whether a character has no shape of its own or moves others: control characters, line and paragraph
/// separators, marks and overrides of direction, and what has no width.
pub fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' => true,
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Returns a foreign value on one line, with hidden characters as escapes (`\n`, `\x1b`, `\u{202e}`) and nothing that the
/// log of a CI run takes for a command.
pub fn visible(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(is_hidden);
    if plain && !text.contains(COMMAND) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            push_visible(&mut out, c);
        } else {
            out.push(c);
        }
    }
    broken_commands(out).into()
}

/// Starts a command anywhere in a line of a CI log.
pub(super) const COMMAND: &str = "##[";

/// Returns a text in which no such command starts.
pub(super) fn broken_commands(text: String) -> String {
    if text.contains(COMMAND) { text.replace(COMMAND, r"##\x5b") } else { text }
}

/// Writes a hidden character as an escape.
pub(crate) fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        '\0'..='\u{7f}' => out.push_str(&format!(r"\x{:02x}", u32::from(c))),
        c => out.push_str(&format!(r"\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays_and_what_is_not_becomes_an_escape() {
        for seen in ["", "shop/web.yaml", "größe 東京 · → …", "a\\b"] {
            assert!(matches!(visible(seen), Cow::Borrowed(same) if same == seen), "{seen}");
        }
        assert_eq!(visible("a\nb\r\t\u{1b}[2J\0"), r"a\nb\r\t\x1b[2J\x00");
        assert_eq!(
            visible("\u{9b}31m\u{202e}\u{200b}\u{feff}\u{e0041}"),
            r"\u{9b}31m\u{202e}\u{200b}\u{feff}\u{e0041}"
        );
        assert_eq!(visible("x ##[error]y"), r"x ##\x5berror]y");
    }
}
