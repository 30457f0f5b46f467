//! Documents: their relative links lead somewhere, and the tests that ARCHITECTURE.md names exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::TextFile;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// The part of it whose words in code font are names of tests.
const INVARIANTS: &str = "\n## Invariants\n";

/// Checks every Markdown file.
pub(crate) fn check(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.extension().is_some_and(|end| end == "md")) {
        findings.extend(dead_links(file, files));
        if file.path.as_os_str() == ARCHITECTURE {
            findings.extend(missing_tests(file, files));
        }
    }
    findings
}

fn dead_links(file: &TextFile, files: &[TextFile]) -> Vec<String> {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (number, line) in prose(&file.text) {
        for target in links(line) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let leads = resolve(folder, path).is_some_and(|to| files.iter().any(|other| other.below(&to)));
            if !leads {
                findings.push(format!("{}:{number}: no file {target}", file.path.display()));
            }
        }
    }
    findings
}

/// Returns the lines outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((index + 1, line))
    })
}

/// Returns the targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Returns the path from the root of the checkout; none where it leaves the checkout.
fn resolve(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => resolved.pop().then_some(())?,
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    Some(resolved)
}

fn missing_tests(file: &TextFile, files: &[TextFile]) -> Vec<String> {
    let Some((_, rest)) = file.text.split_once(INVARIANTS) else {
        return vec![format!("{ARCHITECTURE}: no section of invariants")];
    };
    let section = rest.split("\n## ").next().unwrap_or_default();
    let functions: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| file.text.lines())
        .filter_map(|line| line.trim_start().trim_start_matches("async ").strip_prefix("fn "))
        .filter_map(|rest| rest.split('(').next())
        .collect();
    let words = section.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    words
        .filter(is_test)
        .filter(|name| !functions.contains(name))
        .map(|name| format!("{ARCHITECTURE}: no test {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<TextFile> = files
            .iter()
            .map(|(path, text)| TextFile { path: path.into(), text: (*text).to_owned() })
            .collect();
        check(&files)
    }

    #[test]
    fn links_lead_to_files_and_folders() {
        let page = "[a](../a.md#part) [b](b/) [web](https://example.com)\n```\n[code](nowhere)\n```\n";
        assert!(findings(&[("docs/x.md", page), ("a.md", ""), ("docs/b/c.md", "")]).is_empty());
        assert_eq!(findings(&[("docs/x.md", "\n[a](a.md)\n")]), ["docs/x.md:2: no file a.md"]);
        assert_eq!(findings(&[("x.md", "[a](../a.md)")]), ["x.md:1: no file ../a.md"]);
    }

    #[test]
    fn invariants_name_tests_that_exist() {
        let page =
            "# A\n\n## Invariants\n\n`it_holds`, `it_is_gone` and `emit/`\n\n## More\n\n`not_looked_at`\n";
        let code = "//! x\n#[test]\nfn it_holds() {}\n";
        assert_eq!(
            findings(&[(ARCHITECTURE, page), ("a.rs", code)]),
            ["ARCHITECTURE.md: no test it_is_gone"]
        );
    }
}
