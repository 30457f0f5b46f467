//! Each code of the table has a page and each page a code.

use std::collections::BTreeSet;

use super::TextFile;

const TABLE: &str = "compiler/diagnostics/src/codes.rs";
const PAGES: &str = "docs/diagnostics";

/// Compares the table of codes with the folder of pages.
pub(crate) fn check(files: &[TextFile]) -> Vec<String> {
    let codes: BTreeSet<String> = files
        .iter()
        .filter(|file| file.path.as_os_str() == TABLE)
        .flat_map(|file| file.source_lines())
        .filter_map(|(_, line)| first_code(line))
        .collect();
    let pages: BTreeSet<String> = files
        .iter()
        .filter(|file| file.below(PAGES))
        .filter_map(|file| Some(file.path.file_stem()?.to_str()?.to_owned()))
        .filter(|stem| first_code(stem).as_ref() == Some(stem))
        .collect();
    let without_page =
        codes.difference(&pages).map(|code| format!("{TABLE}: {code} has no page {PAGES}/{code}.md"));
    let without_code =
        pages.difference(&codes).map(|page| format!("{PAGES}/{page}.md: no such code in {TABLE}"));
    without_page.chain(without_code).collect()
}

/// Returns the code (`GW` and four digits) with which a row of the table begins.
fn first_code(line: &str) -> Option<String> {
    let word: String = line.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    let digits = word.strip_prefix("GW")?;
    (digits.len() == 4 && digits.chars().all(|c| c.is_ascii_digit())).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_checked() {
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.to_owned() };
        let files = [
            file(
                TABLE,
                "    GW0001 not_yaml Error \"0.1\" \"x\";\n    GW0002 twice Error \"0.1\" \"see GW0001\";\n",
            ),
            file("docs/diagnostics/GW0001.md", ""),
            file("docs/diagnostics/GW0900.md", ""),
            file("docs/diagnostics/README.md", ""),
        ];
        let findings = check(&files);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("GW0002 has no page"));
        assert!(findings[1].contains("GW0900.md: no such code"));
    }
}
