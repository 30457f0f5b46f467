//! Foreign text in the languages of graphs.

use super::visible;

/// Returns text as a quoted string of Graphviz.
pub fn dot(text: &str) -> String {
    format!("\"{}\"", visible(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns text for a quoted label of Mermaid, which reads entities, HTML and, behind a backquote, Markdown.
pub fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '#' => out.push_str("#35;"),
            '`' => out.push_str("#96;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stays_inside_its_quotes() {
        assert_eq!(dot("a\"];b\\\n"), r#""a\"];b\\\\n""#);
        assert_eq!(mermaid("\"]<b>#quot;```\n"), r"&quot;]&lt;b&gt;#35;quot;#96;#96;#96;\n");
    }
}
