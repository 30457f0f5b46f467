//! Runs the commands that README.md shows, on the example that it shows them on, and compares what they print.
//!
//! A block of language `console` holds commands (`$ gatewright ...`), each with its output; a line `...` stands for any
//! lines and `[..]` for any text. Comments of the page change the example before a block:
//! `<!-- edit PATH: "old" -> "new" -->`, and `<!-- undo -->` takes all changes back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gatewright_testkit::git::TempRepo;
use gatewright_testkit::golden::{diff, files_below};
use gatewright_testkit::workspace_root;

#[test]
fn the_readme_shows_what_happens() {
    let page = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let repo = TempRepo::new();
    copy(&workspace_root().join("examples"), &repo.path().join("examples"));
    repo.commit("the example");
    let steps = steps(&page);
    assert!(steps.iter().any(|step| matches!(step, Step::Run { .. })), "README.md shows no command");
    for step in &steps {
        match step {
            Step::Edit { path, old, new } => edit(&repo.path().join(path), old, new),
            Step::Undo => drop(repo.git(&["checkout", "--quiet", "."])),
            Step::Run { command, output } => {
                let actual = run(command, repo.path());
                assert!(
                    matches(&lines(output), &lines(&actual)),
                    "README.md shows something else for `{command}`:\n{}",
                    diff(output, &actual)
                );
            }
        }
    }
}

/// One thing that the page does.
#[derive(Debug, PartialEq)]
enum Step {
    Edit { path: String, old: String, new: String },
    Undo,
    Run { command: String, output: String },
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut console = false;
    for line in page.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ gatewright ").filter(|_| console) {
            steps.push(Step::Run { command: command.to_owned(), output: String::new() });
        } else if console {
            let Some(Step::Run { output, .. }) = steps.last_mut() else {
                panic!("output without command: {line}")
            };
            output.push_str(line);
            output.push('\n');
        } else if line == "<!-- undo -->" {
            steps.push(Step::Undo);
        } else if let Some(rest) = line.strip_prefix("<!-- edit ") {
            steps.push(parse_edit(rest).unwrap_or_else(|| panic!("not an edit: {line}")));
        }
    }
    steps
}

fn parse_edit(rest: &str) -> Option<Step> {
    let (path, change) = rest.strip_suffix(" -->")?.split_once(": ")?;
    let (old, new) = change.split_once(" -> ")?;
    let text = |quoted: &str| serde_json::from_str(quoted).ok();
    Some(Step::Edit { path: path.to_owned(), old: text(old)?, new: text(new)? })
}

fn edit(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(old), "{} has no {old:?}", file.display());
    fs::write(file, text.replacen(old, new, 1)).unwrap();
}

fn run(command: &str, folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(words(command))
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    let texts = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    texts.concat()
}

/// Splits a command at spaces outside of quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn matches(shown: &[&str], actual: &[&str]) -> bool {
    match (shown, actual) {
        ([], []) => true,
        (["...", rest @ ..], _) => (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..])),
        ([line, rest @ ..], [found, more @ ..]) => line_matches(line, found) && matches(rest, more),
        _ => false,
    }
}

fn line_matches(shown: &str, actual: &str) -> bool {
    match shown.split_once("[..]") {
        None => shown == actual,
        Some((before, after)) => actual.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| line_matches(after, &rest[at..])) || line_matches(after, "")
        }),
    }
}

fn copy(from: &Path, to: &Path) {
    for file in files_below(from).unwrap() {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}

#[test]
fn elisions_stand_for_lines_and_text() {
    let same = |shown: &str, actual: &str| matches(&lines(shown), &lines(actual));
    assert!(same("a\n...\nd\n", "a\nb\nc\nd\n") && same("a\n...\nd", "a\nd"));
    assert!(same("from [..] (x)", "from 12 (x)") && !same("from [..] (x)", "from 12 (y)"));
    assert!(!same("a", "a\nb") && !same("a\nb", "a"));
}

#[test]
fn pages_are_read_as_steps() {
    let page = "<!-- edit a.yaml: \"x\" -> \"y\\n\" -->\n```console\n$ gatewright validate .\nfine\n```\n<!-- undo -->\n";
    let expected = [
        Step::Edit { path: "a.yaml".into(), old: "x".into(), new: "y\n".into() },
        Step::Run { command: "validate .".into(), output: "fine\n".into() },
        Step::Undo,
    ];
    assert_eq!(steps(page), expected);
    assert_eq!(words("trace . \"GET https://a/\" -H 'a: b'"), ["trace", ".", "GET https://a/", "-H", "a: b"]);
}
