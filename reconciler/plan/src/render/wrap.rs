//! Text in lines of a limited width.

/// Breaks `text` at spaces so that no line is longer than `width` characters, as far as its words allow. The first line
/// starts behind `first`, the others behind `rest`; both count.
pub(crate) fn wrap(first: &str, rest: &str, text: &str, width: usize) -> String {
    let mut out = String::from(first);
    let mut column = first.chars().count();
    let mut at_start = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !at_start && column + 1 + length > width {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(rest);
            column = rest.chars().count();
            at_start = true;
        }
        if !at_start {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        at_start = false;
    }
    out.push('\n');
    out
}

/// Returns at most `limit` characters of a text, with `…` where it was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => {
            let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_unless_a_word_is_longer() {
        assert_eq!(wrap("- ", "  ", "one two three", 9), "- one two\n  three\n");
        assert_eq!(wrap("", "", "incomprehensible a", 5), "incomprehensible\na\n");
        assert_eq!(wrap("x ", "  ", "", 5), "x \n");
    }

    #[test]
    fn a_cut_shows() {
        assert_eq!(shorten("äbc", 3), "äbc");
        assert_eq!(shorten("äbcd", 3), "äb…");
    }
}
