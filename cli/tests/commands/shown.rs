//! What pages and messages tell people to type is something that the program takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, Parser as _};
use gatewright_cli::args::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Returns the files below a folder whose name ends so, tests left out.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name != "tests" && name != "target" && name != "generated" => open.push(path),
                false if name.ends_with(end) && !name.contains("test") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Returns every command line that a page shows: between backquotes, or on a line of a block.
fn command_lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut prose = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block || line.starts_with("    ") {
            lines.push(line.trim().trim_start_matches("$ ").to_owned());
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    lines.extend(spans(&prose));
    commands_in(lines)
}

/// Returns what stands between backquotes, each span on one line.
fn spans(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn commands_in(lines: Vec<String>) -> Vec<String> {
    let parts = lines.iter().flat_map(|line| line.split(['|', ';', '>', '&'])).map(str::trim);
    let of_ours = |line: &&str| line.starts_with("gatewright ") || line.starts_with("cargo run -- ");
    parts.filter(of_ours).map(str::to_owned).collect()
}

/// Splits a line at spaces outside of quotes, as a shell does.
fn words(line: &str) -> Vec<String> {
    let line =
        line.strip_prefix("cargo run -- ").map_or(line.to_owned(), |rest| format!("gatewright {rest}"));
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("one word").push(c),
        }
    }
    words.retain(|word| !word.is_empty() && word != "..." && word != "…" && word != "\\");
    words.iter().map(|word| word.trim_matches(['[', ']', ',']).to_owned()).collect()
}

/// Returns why the program does not take a line. What is left out in a sentence, or stands for a value, is no reason.
fn objection(line: &str) -> Option<String> {
    let words = words(line);
    let is_prose =
        words.get(1).is_none_or(|word| !word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-'));
    if is_prose {
        return None;
    }
    let error = Cli::try_parse_from(&words).err()?;
    matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
        .then(|| error.to_string())
}

#[test]
fn command_lines_of_pages_are_taken() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    let mut pages =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root().join(page)).to_vec();
    pages.extend(["docs", "examples"].iter().flat_map(|folder| files(&root().join(folder), ".md")));
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        for line in command_lines(&text) {
            seen += 1;
            wrong.extend(objection(&line).map(|why| format!("{}: {line}\n{why}", page.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} command lines were found");
}

/// Returns the texts between quotes on the lines of code, up to its tests.
fn literals(code: &str) -> String {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.filter(|line| line.contains('"')).collect::<Vec<_>>().join("\n")
}

fn options_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let options = words.filter(|word| {
        word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    options.map(str::to_owned).collect()
}

fn own_options(command: &Command) -> BTreeSet<String> {
    let longs = command.get_arguments().filter_map(|argument| argument.get_long());
    longs.chain(["color", "help", "version"]).map(|long| format!("--{long}")).collect()
}

/// Returns the command whose folder or file this is.
fn command_of<'c>(cli: &'c Command, file: &Path) -> Option<&'c Command> {
    let inside = file.strip_prefix(root().join("cli/src/commands")).ok()?;
    let name = inside.iter().next()?.to_string_lossy();
    cli.find_subcommand(name.trim_end_matches(".rs"))
}

#[test]
fn options_and_command_lines_of_messages_exist() {
    let cli = Cli::command();
    let mut all: BTreeSet<String> = cli.get_subcommands().flat_map(own_options).collect();
    // Of git.
    all.extend(["--global", "--add"].map(str::to_owned));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for folder in ["cli/src", "compiler/src", "reconciler", "gateway/src"] {
        for file in files(&root().join(folder), ".rs") {
            let text = literals(&fs::read_to_string(&file).expect("code"));
            for line in commands_in(text.lines().flat_map(spans).collect()) {
                seen += 1;
                wrong.extend(objection(&line).map(|why| format!("{}: {line}\n{why}", file.display())));
            }
            let own = command_of(&cli, &file).map(own_options);
            for line in text.lines().filter(|line| !line.contains("gatewright ")) {
                for option in options_in(line) {
                    seen += 1;
                    if !own.as_ref().unwrap_or(&all).contains(&option) && !is_about_another(line, &cli) {
                        wrong.push(format!("{}: {option} in {line}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} options and command lines were found");
}

/// Returns whether a line names the command that has the option, as in `validate --format json`.
fn is_about_another(line: &str, cli: &Command) -> bool {
    line.split('`').any(|span| {
        let mut words = span.split_whitespace();
        let command = words.next().and_then(|word| cli.find_subcommand(word));
        command.is_some_and(|command| options_in(span).is_subset(&own_options(command)))
    })
}
