//! The conformance suite: an outside folder, run against the program of this checkout.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::report::{Counts, Report, StepResult};
use crate::{process, testbed, workspace};

/// Names the suite's folder; the default lies beside the checkout.
const FOLDER: &str = "GATEWRIGHT_CONFORMANCE";
const BESIDE: &str = "../shared/conformance";
const CLAIMS: &str = include_str!("../conformance.txt");

const RUN: Duration = Duration::from_secs(420);
const BUILD: Duration = Duration::from_secs(1500);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this engine.
    #[arg(long)]
    engine: Option<Engine>,
    /// Only this test instead of the claimed ones (repeatable).
    #[arg(long)]
    only: Vec<String>,
    /// Use this program instead of building one.
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Further arguments for the suite.
    #[arg(last = true)]
    further: Vec<String>,
}

/// One way to run the suite.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Real Envoy on a static bootstrap.
    Envoy,
    /// The bundled gateway, restarted between steps.
    Gatewright,
    /// The bundled gateway, its folder rewritten between steps.
    Live,
}

impl Engine {
    /// Every engine, in the order of a full run.
    pub(crate) const ALL: [Self; 3] = [Self::Envoy, Self::Gatewright, Self::Live];

    /// Returns the name of its step in a report.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::Envoy => "conformance envoy",
            Self::Gatewright => "conformance gatewright",
            Self::Live => "conformance live",
        }
    }
}

/// Runs the suite by hand.
///
/// # Errors
/// When there is no suite, no program or no Python environment.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = folder().with_context(|| format!("no conformance suite: set {FOLDER}"))?;
    let program = match &arguments.bin {
        Some(program) => std::path::absolute(program)?,
        None => build()?,
    };
    let tests = if arguments.only.is_empty() { claims() } else { arguments.only.clone() };
    let engines = arguments.engine.map_or(Engine::ALL.to_vec(), |engine| vec![engine]);
    let mut report = Report::default();
    for engine in engines {
        report.step(engine.step(), || suite(&folder, engine, &program, &tests, &arguments.further));
    }
    println!();
    print!("{}", report.render());
    Ok(if report.total().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the suite's folder when there is one.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map_or_else(|| workspace::root().join(BESIDE), PathBuf::from);
    folder.join("conformance.py").is_file().then_some(folder)
}

/// Returns the names of the claimed tests.
pub(crate) fn claims() -> Vec<String> {
    CLAIMS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Builds the program as `cargo test --workspace` does, beside a test of it: with other features everything would
/// compile twice.
///
/// # Errors
/// When the build fails.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-run", "--test", "commands"]);
    let ended = process::run(&mut cargo, BUILD)?;
    ensure!(ended.success(), "the program does not build: {}", ended.reason());
    Ok(workspace::target()?.join("debug/gatewright"))
}

/// Runs the named tests on one engine.
///
/// # Errors
/// When the suite cannot be started, or Envoy is needed and cannot be had.
pub(crate) fn suite(
    folder: &Path,
    engine: Engine,
    program: &Path,
    tests: &[String],
    further: &[String],
) -> Result<StepResult> {
    if tests.is_empty() {
        return Ok(StepResult::skipped("no test is claimed in xtask/conformance.txt"));
    }
    let mut command = Command::new(testbed::python()?);
    // The suite's folder may be read-only and is not ours: no byte code is left there.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(folder.join("conformance.py"));
    match engine {
        Engine::Envoy => command.args(["--engine", "envoy", "--envoy"]).arg(testbed::envoy()?),
        Engine::Gatewright => command.args(["--engine", "gatewright"]),
        Engine::Live => command.args(["--engine", "gatewright", "--update", "live"]),
    };
    command.args(["--jobs", "2", "--bin"]).arg(program).args(further);
    for test in tests {
        command.args(["--only", test]);
    }
    let ended = process::run(&mut command, RUN)?;
    let Some(mut counts) = ended.lines.iter().rev().find_map(|line| summary(line)) else {
        return Ok(StepResult::failed(format!("the suite itself failed: {}", ended.reason())));
    };
    let note = match ended.status.and_then(|status| status.code()) {
        Some(0 | 1) => None,
        // A test that could not be run at all is in none of the suite's own numbers.
        _ => {
            counts += Counts::FAILED;
            Some(format!("the suite could not run every test: {}", ended.reason()))
        }
    };
    Ok(StepResult { counts, note })
}

/// Reads the suite's last line, `N passed, N failed, N skipped`, whatever follows on it.
fn summary(line: &str) -> Option<Counts> {
    let mut parts = line.split(", ");
    let mut number = |word: &str| {
        let (number, rest) = parts.next()?.split_once(' ')?;
        if rest.starts_with(word) { number.parse().ok() } else { None }
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("skipped")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_last_line() {
        let counts = Counts { passed: 12, failed: 1, skipped: 3 };
        assert_eq!(summary("12 passed, 1 failed, 3 skipped"), Some(counts));
        assert_eq!(summary("12 passed, 1 failed, 3 skipped (4.1s)"), Some(counts));
        assert_eq!(summary("PASS HTTPRouteMatchPath :: main"), None);
    }

    #[test]
    fn claims_are_named_once() {
        let mut claims = claims();
        let count = claims.len();
        claims.sort();
        claims.dedup();
        assert_eq!(claims.len(), count);
    }
}
