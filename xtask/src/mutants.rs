//! `cargo xtask mutants`: hand-planted bugs, kept as data in `xtask/mutants/`, each of which a named test must catch.
//!
//! The bugs are planted in a work tree of their own below `target/`, so that nothing happens to the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::report::{Report, StepResult};
use crate::{process, testbed, workspace};

const GIT: Duration = Duration::from_secs(120);
const BUILD: Duration = Duration::from_secs(1800);
const TEST: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only mutants whose name contains this.
    filter: Option<String>,
    /// Only show the list.
    #[arg(long)]
    list: bool,
}

/// One planted bug.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// Unique, in words joined by hyphens.
    name: String,
    /// The rule that the bug breaks.
    breaks: String,
    /// Relative to the root.
    file: PathBuf,
    /// Text that occurs once in the file.
    find: String,
    /// What stands there instead.
    replace: String,
    /// Arguments of `cargo test` that must fail with the bug and pass without it.
    caught_by: Vec<String>,
}

/// Plants each bug in turn and expects its test to fail.
///
/// # Errors
/// When the list or the work tree is unusable.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut mutants = all()?;
    if let Some(filter) = &arguments.filter {
        mutants.retain(|mutant| mutant.name.contains(filter));
    }
    if arguments.list {
        for mutant in &mutants {
            println!("{:<32} {}", mutant.name, mutant.breaks);
        }
        println!("{} mutants", mutants.len());
        return Ok(ExitCode::SUCCESS);
    }
    let place = Place::make()?;
    let mut report = Report::default();
    for command in mutants.iter().map(|mutant| mutant.caught_by.clone()).collect::<BTreeSet<_>>() {
        report.step(&format!("sound: {}", command.join(" ")), || place.expect_pass(&command));
    }
    for mutant in &mutants {
        report.step(&mutant.name, || place.expect_caught(mutant));
    }
    println!();
    print!("{}", report.render());
    Ok(if report.total().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the list and checks that names are unique.
fn all() -> Result<Vec<Mutant>> {
    let folder = workspace::root().join("xtask/mutants");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    let mut mutants: Vec<Mutant> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let read: Vec<Mutant> = serde_yaml::from_str(&text).with_context(|| file.display().to_string())?;
        for mutant in read {
            ensure!(
                mutants.iter().all(|other| other.name != mutant.name),
                "two mutants named {}",
                mutant.name
            );
            mutants.push(mutant);
        }
    }
    Ok(mutants)
}

impl Mutant {
    /// Returns the file's text with the bug in it.
    fn plant(&self, text: &str) -> Result<String> {
        let found = text.matches(&self.find).count();
        ensure!(found == 1, "{}: its text occurs {found} times in {}", self.name, self.file.display());
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// The work tree in which bugs are planted.
struct Place {
    folder: PathBuf,
    target: PathBuf,
}

impl Place {
    fn make() -> Result<Self> {
        let base = workspace::target()?.join("mutants");
        let place = Self { folder: base.join("checkout"), target: base.join("target") };
        fs::create_dir_all(&base)?;
        if place.folder.is_dir() {
            git(&place.folder, &["checkout", "--quiet", "--force", "--detach", &head()?])?;
        } else {
            git(&workspace::root(), &["worktree", "prune"])?;
            let folder = place.folder.to_string_lossy().into_owned();
            git(&workspace::root(), &["worktree", "add", "--quiet", "--detach", &folder, &head()?])?;
        }
        Ok(place)
    }

    fn expect_pass(&self, arguments: &[String]) -> Result<StepResult> {
        let built = self.cargo(arguments, &["--no-run"], BUILD)?;
        ensure!(built.success(), "without any bug this does not build: {}", built.reason());
        let ended = self.cargo(arguments, &[], TEST)?;
        ensure!(ended.success(), "fails without any bug: {}", ended.reason());
        let ran = crate::report::test_results(&ended.lines).passed;
        ensure!(ran > 0, "runs no test");
        Ok(StepResult::passed())
    }

    fn expect_caught(&self, mutant: &Mutant) -> Result<StepResult> {
        let file = self.folder.join(&mutant.file);
        let sound = fs::read_to_string(&file).with_context(|| mutant.file.display().to_string())?;
        fs::write(&file, mutant.plant(&sound)?)?;
        let outcome = self.judge(mutant);
        fs::write(&file, sound)?;
        outcome
    }

    fn judge(&self, mutant: &Mutant) -> Result<StepResult> {
        // A bug that does not compile says nothing about the tests.
        let built = self.cargo(&mutant.caught_by, &["--no-run"], BUILD)?;
        ensure!(built.success(), "the bug does not compile: {}", built.reason());
        let ended = self.cargo(&mutant.caught_by, &[], TEST)?;
        Ok(match ended.success() {
            true => StepResult::failed(format!("not caught: {}", mutant.breaks)),
            false => StepResult::passed(),
        })
    }

    /// Runs `cargo test` in the work tree; `further` stands before the arguments of the test program.
    fn cargo(&self, arguments: &[String], further: &[&str], within: Duration) -> Result<process::Ended> {
        let mut own: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let split = own.iter().position(|argument| *argument == "--").unwrap_or(own.len());
        own.splice(split..split, further.iter().copied());
        let mut cargo = workspace::cargo();
        cargo.current_dir(&self.folder).args(["test", "--quiet", "--locked"]).args(own);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        if std::env::var_os(testbed::ENVOY).is_none()
            && arguments.iter().any(|argument| argument.contains("real_"))
        {
            cargo.env(testbed::ENVOY, testbed::envoy()?);
        }
        process::run_quietly(&mut cargo, within)
    }
}

fn head() -> Result<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(workspace::root()).output()?;
    ensure!(output.status.success(), "git rev-parse HEAD: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let ended = process::run_quietly(Command::new("git").args(arguments).current_dir(folder), GIT)?;
    if !ended.success() {
        bail!("git {}: {}", arguments.join(" "), ended.lines.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_can_be_planted() {
        for mutant in all().unwrap() {
            let file = workspace::root().join(&mutant.file);
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", mutant.name));
            let planted = mutant.plant(&text).unwrap();
            assert_ne!(planted, text, "{}", mutant.name);
        }
    }

    #[test]
    fn a_text_that_occurs_twice_is_refused() {
        let mutant: Mutant =
            serde_yaml::from_str("{name: n, breaks: b, file: f, find: x, replace: y, caught_by: [-p, z]}")
                .unwrap();
        assert_eq!(mutant.plant("a x b").unwrap(), "a y b");
        assert!(mutant.plant("x x").is_err());
    }
}
