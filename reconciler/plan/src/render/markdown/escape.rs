//! Foreign text in markdown: names, paths and messages must not become markup, mentions or HTML.

use super::super::wrap::shorten;

/// Longest name that is written out.
const NAME: usize = 300;

/// Returns text as a code span on one line.
pub(super) fn code(text: &str) -> String {
    let text: String = shorten(text, NAME).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut fence = "`".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Returns text for a sentence. Words in single backquotes stay code; everything else is escaped.
pub(super) fn prose(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('`');
    if let Some(first) = parts.next() {
        plain(first, &mut out);
    }
    let rest: Vec<&str> = parts.collect();
    let mut index = 0;
    while index < rest.len() {
        // A quote without an end is an ordinary character.
        if index + 1 < rest.len() && !rest[index].is_empty() {
            out.push('`');
            out.push_str(rest[index]);
            out.push('`');
            plain(rest[index + 1], &mut out);
            index += 2;
        } else {
            out.push_str("\\`");
            plain(rest[index], &mut out);
            index += 1;
        }
    }
    out
}

fn plain(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A mention would send mail to whoever has the name.
            '@' => out.push_str("@\u{200b}"),
            '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
}

/// Returns a fenced block; the fence is longer than any in the text.
pub(super) fn block(language: &str, text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_any_text_on_one_line() {
        assert_eq!(code("a|b"), "`a|b`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\nb"), "`a b`");
    }

    #[test]
    fn prose_keeps_code_and_escapes_the_rest() {
        assert_eq!(prose("host `a*` of <b> @all_x"), "host `a*` of &lt;b&gt; @\u{200b}all\\_x");
        assert_eq!(prose("one ` alone"), "one \\` alone");
    }

    #[test]
    fn a_block_cannot_be_left_early() {
        assert_eq!(block("", "a\n```\nb\n"), "````\na\n```\nb\n````\n");
    }
}
