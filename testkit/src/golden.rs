//! Golden files: expected outputs under `snapshots/`, compared by tests and rewritten by `cargo xtask bless` only.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use similar::{ChangeTag, TextDiff};

/// Set to `1` by `cargo xtask bless`: goldens are written instead of compared.
pub const BLESS: &str = "GATEWRIGHT_BLESS";
/// Names a file to which each golden's path is appended, so that the runner can tell orphans.
pub const LOG: &str = "GATEWRIGHT_GOLDEN_LOG";

/// Compares `actual` with the golden `snapshots/<path>`.
///
/// # Panics
/// When they differ or the golden is missing; the message is a line diff and the command that accepts it.
pub fn assert_golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    assert!(
        path.components().all(|part| matches!(part, Component::Normal(_))),
        "a golden's path is relative to snapshots/ and stays inside: {}",
        path.display()
    );
    if let Some(log) = std::env::var_os(LOG) {
        record(Path::new(&log), path);
    }
    let file = crate::workspace_root().join("snapshots").join(path);
    let bless = std::env::var_os(BLESS).is_some_and(|value| value == "1");
    if let Err(difference) = check(&file, actual, bless) {
        panic!("golden snapshots/{}: {difference}", path.display());
    }
}

/// Compares `actual` with a generated file that is committed outside `snapshots/`, such as a page of `docs/`; `path` is
/// relative to the root of the checkout.
///
/// # Panics
/// Like [`assert_golden`].
pub fn assert_generated(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    let bless = std::env::var_os(BLESS).is_some_and(|value| value == "1");
    if let Err(difference) = check(&crate::workspace_root().join(path), actual, bless) {
        panic!("generated {}: {difference}", path.display());
    }
}

fn check(file: &Path, actual: &str, bless: bool) -> Result<(), String> {
    let expected = match fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if expected.as_deref() == Some(actual) {
        return Ok(());
    }
    if bless {
        return write(file, actual).map_err(|error| format!("cannot be written: {error}"));
    }
    let accept = "accept with `cargo xtask bless` after reading it";
    match expected {
        None => Err(format!("does not exist; {accept}. The test made:\n{actual}")),
        Some(expected) => Err(format!("differs; {accept}.\n{}", diff(&expected, actual))),
    }
}

fn write(file: &Path, actual: &str) -> std::io::Result<()> {
    fs::create_dir_all(file.parent().expect("a golden has a folder"))?;
    fs::write(file, actual)
}

fn record(log: &Path, golden: &Path) {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap_or_else(|error| panic!("golden log {}: {error}", log.display()));
    // One write per line: appends of several test binaries do not mix.
    file.write_all(format!("{}\n", golden.display()).as_bytes())
        .unwrap_or_else(|error| panic!("golden log {}: {error}", log.display()));
}

/// Renders a line diff with three lines of context: `-` expected, `+` actual.
pub fn diff(expected: &str, actual: &str) -> String {
    let diff = TextDiff::from_lines(expected, actual);
    let mut out = String::new();
    for (index, group) in diff.grouped_ops(3).iter().enumerate() {
        if index > 0 {
            out.push_str("   ...\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.old_index().or(change.new_index()).map_or(0, |index| index + 1);
            out.push_str(&format!("{line:5} {sign} {}\n", change.value().trim_end_matches('\n')));
        }
    }
    if expected.trim_end_matches('\n') == actual.trim_end_matches('\n') {
        out.push_str("(only the line ends at the end of the file differ)\n");
    }
    out
}

/// Lists the files below `folder`, relative to it and sorted; none when the folder does not exist.
pub fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(folder) {
                found.push(path.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_golden_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        fs::write(&file, "one\n").unwrap();
        assert_eq!(check(&file, "one\n", false), Ok(()));
    }

    #[test]
    fn a_difference_shows_both_lines_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        fs::write(&file, "one\ntwo\n").unwrap();
        let message = check(&file, "one\n2\n", false).unwrap_err();
        assert!(message.contains("    2 - two\n    2 + 2\n"), "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_missing_golden_fails_until_blessed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/a.txt");
        assert!(check(&file, "x\n", false).unwrap_err().contains("does not exist"));
        check(&file, "x\n", true).unwrap();
        assert_eq!(check(&file, "x\n", false), Ok(()));
        assert_eq!(files_below(folder.path()).unwrap(), [PathBuf::from("new/a.txt")]);
    }

    #[test]
    fn a_missing_last_newline_is_named() {
        assert!(diff("a\n", "a").contains("line ends"));
    }
}
