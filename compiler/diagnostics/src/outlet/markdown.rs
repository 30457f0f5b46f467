//! Foreign text in Markdown: names, paths and messages must not become markup, mentions, links or HTML.

use super::characters::is_hidden;
use super::visible;

/// Longest name that is written out, in characters.
const NAME: usize = 300;

/// Returns text as a code span on one line.
pub fn code(text: &str) -> String {
    let text = visible(&shortened(text)).into_owned();
    let mut fence = "`".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(NAME).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

/// Returns text for a sentence. Words in single backquotes stay code; everything else is escaped.
pub fn prose(text: &str) -> String {
    let text = visible(text);
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
    let start = out.len();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A mention would send mail to whoever has the name.
            '@' => out.push_str(MENTION),
            '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    // Bare addresses become links where it says so nowhere.
    let unlinked = out[start..].replace("://", ":&#47;/");
    out.truncate(start);
    out.push_str(&without_www(&unlinked));
}

/// An `@` that mentions nobody.
pub(super) const MENTION: &str = "@\u{200b}";

fn without_www(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.as_bytes().windows(4).position(|window| window.eq_ignore_ascii_case(b"www.")) {
        out.push_str(&rest[..at + 3]);
        out.push_str("&#46;");
        rest = &rest[at + 4..];
    }
    out + rest
}

/// Returns a fenced block; the fence is longer than any in the text.
pub fn block(language: &str, text: &str) -> String {
    let lines: Vec<String> =
        text.trim_end_matches('\n').split('\n').map(|line| visible_but_tabs(line).into_owned()).collect();
    let text = lines.join("\n");
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{text}\n{fence}\n")
}

fn visible_but_tabs(line: &str) -> std::borrow::Cow<'_, str> {
    if line.chars().any(|c| is_hidden(c) && c != '\t') || !line.contains('\t') {
        return visible(line);
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_any_text_on_one_line() {
        assert_eq!(code("a|b"), "`a|b`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\nb\u{202e}"), r"`a\nb\u{202e}`");
        assert_eq!(code(&"ä".repeat(301)).chars().count(), 302);
    }

    #[test]
    fn prose_keeps_code_and_escapes_the_rest() {
        assert_eq!(prose("host `a*` of <b> @all_x"), "host `a*` of &lt;b&gt; @\u{200b}all\\_x");
        assert_eq!(prose("one ` alone"), "one \\` alone");
        assert_eq!(
            prose("to https://a.b and WWW.a.b ![x](y)"),
            "to https:&#47;/a.b and WWW&#46;a.b !\\[x\\](y)"
        );
    }

    #[test]
    fn a_block_cannot_be_left_early() {
        assert_eq!(block("", "a\n```\nb\n"), "````\na\n```\nb\n````\n");
        assert_eq!(block("diff", "+a\u{1b}[m\r"), "```diff\n+a\\x1b[m\\r\n```\n");
    }
}
