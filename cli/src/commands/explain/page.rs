//! A page of Markdown for a terminal: paragraphs and lists in lines that fit, links by the name of their page, code as it
//! is.

/// Narrowest terminal that is heeded.
const NARROWEST: usize = 40;

/// Lays a page out for a terminal of `width` columns.
pub(super) fn fitted(page: &str, width: usize) -> String {
    let mut out = Layout { out: String::new(), open: String::new(), width: width.max(NARROWEST) };
    let mut in_code = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            out.close();
            in_code = !in_code;
            // What follows the language is for the tests of the page.
            out.line(&format!("```{}", language.split(' ').next().unwrap_or_default()));
        } else if in_code {
            out.line(line);
        } else if line.is_empty() || line.starts_with(['#', '|', '<']) {
            out.close();
            out.line(line);
        } else if line.starts_with("- ") {
            out.close();
            out.open = line.to_owned();
        } else if out.open.is_empty() {
            out.open = line.to_owned();
        } else {
            out.open = format!("{} {}", out.open, line.trim_start());
        }
    }
    out.close();
    out.out
}

struct Layout {
    out: String,
    /// The paragraph or list item that is not at its end yet.
    open: String,
    width: usize,
}

impl Layout {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Writes the open paragraph.
    fn close(&mut self) {
        let text = without_targets(&std::mem::take(&mut self.open));
        if text.is_empty() {
            return;
        }
        let indent = if text.starts_with("- ") { "  " } else { "" };
        let mut line = String::new();
        let mut at_start = true;
        for word in text.split_whitespace() {
            if !at_start && line.chars().count() + 1 + word.chars().count() > self.width {
                self.line(&line);
                line = indent.to_owned();
                at_start = true;
            }
            if !at_start {
                line.push(' ');
            }
            line.push_str(word);
            at_start = false;
        }
        self.line(&line);
    }
}

/// Writes `[text](target)` as `text`, with the code or the file of the target where the text does not name it.
fn without_targets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link.split_once("](").and_then(|(name, behind)| Some((name, behind.split_once(')')?)));
        let in_code = (out.matches('`').count() + before.matches('`').count()) % 2 == 1;
        match parts.filter(|(name, _)| !in_code && !name.contains(['[', '`'])) {
            Some((name, (target, behind))) => {
                out.push_str(before);
                out.push_str(name);
                let page = page_of(target);
                if !name.contains(&page) {
                    out.push_str(&format!(" ({page})"));
                }
                rest = behind;
            }
            None => {
                out.push_str(before);
                out.push('[');
                rest = link;
            }
        }
    }
    out + rest
}

/// Returns what a page is called outside of the folder of diagnostics: its code, or its file from the root.
fn page_of(target: &str) -> String {
    let file = target.split('#').next().unwrap_or_default();
    match file.strip_prefix("../") {
        Some(other) => format!("docs/{other}"),
        None => file.trim_end_matches(".md").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use gatewright_diagnostics::CODES;

    use super::*;

    #[test]
    fn paragraphs_and_lists_are_filled_and_code_stays() {
        let page = "# A title\n\nSome words that are\nfilled again up to forty columns.\n\n- an item with [a link](x.md) and\n  more words behind [GW0001](GW0001.md)\n- [a list](../reference/x.md#y) b[0] `[x](y)`\n\n```yaml triggers\na:   b\n\n  - c\n```\n";
        let expected = "# A title\n\nSome words that are filled again up to\nforty columns.\n\n- an item with a link (x) and more words\n  behind GW0001\n- a list (docs/reference/x.md) b[0]\n  `[x](y)`\n\n```yaml\na:   b\n\n  - c\n```\n";
        assert_eq!(fitted(page, 40), expected);
    }

    #[test]
    fn every_page_fits_a_terminal_of_eighty_columns() {
        for code in CODES {
            for line in fitted(code.page, 80).lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", code.id);
            }
        }
    }
}
