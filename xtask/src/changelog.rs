//! The changelog: fragments below `docs/changes/unreleased`, one for each change, become a section of `CHANGELOG.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use crate::workspace;

/// Where the fragments lie.
const FOLDER: &str = "docs/changes/unreleased";
const FILE: &str = "CHANGELOG.md";
/// What stands above the sections, newest first.
const HEAD: &str = "\
# Changelog

What a user notices, newest version first. What is not released yet lies in
[docs/changes/unreleased](docs/changes/unreleased).
";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Version to release: its section is written to CHANGELOG.md, and the fragments are removed. Without a version, the
    /// section is printed
    #[arg(requires = "date")]
    version: Option<String>,
    /// Day of the release, YYYY-MM-DD
    #[arg(long)]
    date: Option<String>,
}

/// Kinds of changes in the order of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Breaking,
    Security,
    Added,
    Changed,
    Deprecated,
    Fixed,
    Performance,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Breaking,
        Kind::Security,
        Kind::Added,
        Kind::Changed,
        Kind::Deprecated,
        Kind::Fixed,
        Kind::Performance,
    ];

    fn heading(self) -> &'static str {
        match self {
            Kind::Breaking => "Breaking",
            Kind::Security => "Security",
            Kind::Added => "Added",
            Kind::Changed => "Changed",
            Kind::Deprecated => "Deprecated",
            Kind::Fixed => "Fixed",
            Kind::Performance => "Performance",
        }
    }
}

/// One change.
#[derive(Debug, PartialEq, Eq)]
struct Fragment {
    kind: Kind,
    text: String,
}

/// Prints the section of what is not released, or releases it.
///
/// # Errors
/// A fragment is none, there is none, or a file cannot be read or written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let paths = paths()?;
    let mut fragments = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(workspace::root().join(path))?;
        fragments.push(read(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?);
    }
    let (Some(version), Some(date)) = (&arguments.version, &arguments.date) else {
        print!("{}", section("Unreleased", &fragments));
        return Ok(ExitCode::SUCCESS);
    };
    ensure!(!fragments.is_empty(), "there is nothing to release below {FOLDER}");
    check_date(date)?;
    let file = workspace::root().join(FILE);
    let before = if file.exists() { fs::read_to_string(&file)? } else { HEAD.to_owned() };
    let after = released(&before, &section(&format!("{version} - {date}"), &fragments), version)?;
    fs::write(&file, after)?;
    for path in &paths {
        fs::remove_file(workspace::root().join(path))?;
    }
    println!("{FILE}: {} changes of {version}", paths.len());
    Ok(ExitCode::SUCCESS)
}

/// Returns what is wrong with a fragment.
fn problem(text: &str) -> Option<String> {
    read(text).err()
}

fn paths() -> Result<Vec<PathBuf>> {
    let files = workspace::files()?;
    Ok(files.into_iter().filter(|path| path.starts_with(FOLDER)).collect())
}

/// Reads a fragment: the kind, an empty line, one paragraph.
fn read(text: &str) -> Result<Fragment, String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let kind = Kind::ALL.into_iter().find(|kind| kind.heading().to_lowercase() == first);
    let Some(kind) = kind else {
        let known = Kind::ALL.map(|kind| kind.heading().to_lowercase()).join(", ");
        return Err(format!("the first line is the kind of change ({known}), not `{first}`"));
    };
    let paragraph = rest.strip_prefix('\n').map(str::trim_end).unwrap_or_default();
    if paragraph.is_empty() || paragraph.starts_with('\n') || paragraph.contains("\n\n") {
        return Err("behind the kind stand an empty line and one paragraph".to_owned());
    }
    Ok(Fragment { kind, text: paragraph.replace("](../../", "](docs/") })
}

fn section(title: &str, fragments: &[Fragment]) -> String {
    let mut by_kind: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
    for fragment in fragments {
        by_kind.entry(fragment.kind).or_default().push(&fragment.text);
    }
    let mut text = format!("## {title}\n");
    for (kind, changes) in by_kind {
        text += &format!("\n### {}\n\n", kind.heading());
        text.extend(changes.into_iter().map(item));
    }
    text
}

/// Returns a paragraph as an item of a list.
fn item(paragraph: &str) -> String {
    let mut text = String::new();
    for (index, line) in paragraph.lines().enumerate() {
        text += if index == 0 { "- " } else { "  " };
        text += line;
        text.push('\n');
    }
    text
}

/// Puts a new section above the others.
fn released(before: &str, section: &str, version: &str) -> Result<String> {
    if before.contains(&format!("\n## {version} ")) {
        bail!("{FILE} has a section of {version} already");
    }
    let start = before.find("\n## ").map_or(before.len(), |at| at + 1);
    let (head, sections) = before.split_at(start);
    let parts = [head.trim_end(), section.trim_end(), sections.trim_end()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(parts.join("\n\n") + "\n")
}

fn check_date(date: &str) -> Result<()> {
    let parts: Vec<&str> = date.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    ensure!(
        lengths == [4, 2, 2] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())),
        "{date} is not YYYY-MM-DD"
    );
    Ok(())
}

/// Returns what is wrong with the fragments and the changelog of a checkout.
pub(crate) fn check<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut changelog = false;
    for (path, text) in files {
        if path.starts_with(FOLDER) {
            findings.extend(problem(text).map(|reason| format!("{}: {reason}", path.display())));
        }
        if path == Path::new(FILE) {
            changelog = true;
            if !text.starts_with(HEAD) {
                findings.push(format!("{FILE} does not begin as `cargo xtask changelog` writes it"));
            }
        }
    }
    if !changelog {
        findings.push(format!("there is no {FILE}"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: &str, text: &str) -> Fragment {
        read(&format!("{kind}\n\n{text}\n")).unwrap()
    }

    #[test]
    fn a_release_stands_above_the_others_in_the_order_of_kinds() {
        let fragments = [
            fragment("fixed", "A hole\nis closed."),
            fragment("breaking", "A flag is gone."),
            fragment("fixed", "See [there](../../reference/settings.md)."),
        ];
        let first = released(HEAD, &section("0.1.0 - 2026-01-01", &fragments[..1]), "0.1.0").unwrap();
        let second = released(&first, &section("0.2.0 - 2026-02-01", &fragments), "0.2.0").unwrap();
        let expected = format!(
            "{HEAD}\n## 0.2.0 - 2026-02-01\n\n### Breaking\n\n- A flag is gone.\n\n### Fixed\n\n- A hole\n  is closed.\n- See [there](docs/reference/settings.md).\n\n## 0.1.0 - 2026-01-01\n\n### Fixed\n\n- A hole\n  is closed.\n"
        );
        assert_eq!(second, expected);
        assert!(released(&second, "", "0.2.0").is_err());
    }

    #[test]
    fn what_is_no_fragment_is_named() {
        for text in
            ["", "new\n\ntext\n", "added\ntext\n", "added\n\n", "added\n\n\ntext\n", "added\n\none\n\ntwo\n"]
        {
            assert!(problem(text).is_some(), "{text:?}");
        }
        assert_eq!(problem("added\n\none\ntwo\n"), None);
        let files = [(Path::new("docs/changes/unreleased/a.md"), "what\n"), (Path::new(FILE), "# Changes\n")];
        assert_eq!(check(files.into_iter()).len(), 2);
        assert_eq!(check([(Path::new(FILE), HEAD)].into_iter()), <[String; 0]>::default());
    }

    #[test]
    fn a_release_has_a_day() {
        assert!(check_date("2026-01-31").is_ok());
        for date in ["", "2026-1-31", "31.01.2026", "2026-01-3x"] {
            assert!(check_date(date).is_err(), "{date}");
        }
    }
}
