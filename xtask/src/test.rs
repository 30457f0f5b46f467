//! `cargo xtask test`: every check and test, with the real components that they need, and one line at the end.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::conformance::{self, Engine};
use crate::report::{Counts, Report, StepResult, test_results};
use crate::{bless, machine, process, testbed, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// As root: install missing Debian packages.
    #[arg(long)]
    system_packages: bool,
}

const FETCH: Duration = Duration::from_secs(300);
const FORMAT: Duration = Duration::from_secs(120);
const LINT: Duration = Duration::from_secs(1500);
const TEST: Duration = Duration::from_secs(1500);
const REAL: Duration = Duration::from_secs(900);

/// How the names of test programs begin that need a kube-apiserver.
const NEEDS_KUBE: &str = "real_kube";

/// Real components for tests, as far as they could be had.
#[derive(Default)]
struct Components {
    envoy: Option<PathBuf>,
    kube: Option<PathBuf>,
    yaml: Option<PathBuf>,
}
const CHECK: Duration = Duration::from_secs(60);

/// Runs all steps; a failed one does not hide the next.
///
/// # Errors
/// When not even the first step can be reported.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report::default();
    let log = workspace::target()?.join("goldens.log");
    if log.exists() {
        fs::remove_file(&log).with_context(|| format!("{} cannot be removed", log.display()))?;
    }
    report.step("machine", || machine::prepare(arguments.system_packages));
    report.step("fetch", || cargo(&["fetch", "--locked"], FETCH));
    report.step("fmt", || cargo(&["fmt", "--all", "--check"], FORMAT));
    report.step("clippy", || {
        // With the programs of the bench, which nothing else builds.
        let bench = ["--features", "xtask/bench"];
        let all = ["clippy", "--workspace", "--all-targets", "--locked"];
        cargo(&[&all[..], &bench, &["--", "-D", "warnings"]].concat(), LINT)
    });
    let mut ignored = 0;
    let plain = report.step("test", || {
        let mut outcome = tests(&[], &log, &Components::default(), TEST)?;
        // Counted where they run, or do not.
        ignored = std::mem::take(&mut outcome.counts.skipped);
        Ok(outcome)
    });
    real(&mut report, &log, ignored);
    if plain.failed == 0 {
        report.step("goldens", || bless::orphans(&log));
    }
    conformance(&mut report);
    report.step("workflows", workflows);
    println!();
    print!("{}", report.render());
    Ok(if report.total().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A cargo command that is one check.
fn cargo(arguments: &[&str], within: Duration) -> Result<StepResult> {
    let ended = process::run(workspace::cargo().args(arguments), within)?;
    Ok(if ended.success() { StepResult::passed() } else { StepResult::failed(ended.reason()) })
}

/// Runs tests of the workspace and returns what they came to, ignored ones as skipped.
fn tests(
    arguments: &[&str],
    golden_log: &Path,
    components: &Components,
    within: Duration,
) -> Result<StepResult> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(arguments);
    cargo.env(bless::GOLDEN_LOG, golden_log).env("INSTA_UPDATE", "no");
    let paths = [
        (testbed::ENVOY, &components.envoy),
        (testbed::KUBE, &components.kube),
        (testbed::YAML, &components.yaml),
    ];
    for (name, path) in paths {
        path.iter().for_each(|path| _ = cargo.env(name, path));
    }
    let ended = process::run(&mut cargo, within)?;
    let mut counts = test_results(&ended.lines);
    // A compile error, a crash of a test binary or the time limit leave no line of their own.
    if !ended.success() && counts.failed == 0 {
        counts += Counts::FAILED;
    }
    let note = (!ended.success()).then(|| format!("cargo test: {}", ended.reason()));
    Ok(StepResult { counts, note })
}

/// Runs the tests that need real components; `ignored` is how many the plain run left out.
fn real(report: &mut Report, golden_log: &Path, ignored: usize) {
    let components = Components {
        envoy: component(report, "envoy", testbed::envoy),
        kube: component(report, "kube", testbed::kube),
        yaml: component(report, "yaml", testbed::yaml),
    };
    if components.envoy.is_none() {
        let counts = Counts { skipped: ignored, ..Counts::default() };
        report.step("test real", || Ok(StepResult { counts, note: Some("no Envoy".to_owned()) }));
        return;
    }
    report.step("test real", || {
        let (real, other): (BTreeSet<String>, _) =
            test_programs()?.into_iter().partition(|name| name.starts_with("real_"));
        let available = |name: &&String| components.kube.is_some() || !name.starts_with(NEEDS_KUBE);
        let mut whole: Vec<&str> = Vec::new();
        whole.extend(real.iter().filter(available).flat_map(|name| ["--test", name]));
        whole.extend(["--", "--ignored"]);
        let mut named: Vec<&str> = vec!["--lib", "--bins"];
        named.extend(other.iter().flat_map(|name| ["--test", name]));
        named.extend(["--", "--ignored", "real_"]);
        if components.yaml.is_none() {
            named.extend(["--skip", "real_kubernetes"]);
        }
        if !machine::is_there(machine::SSH_SERVER) {
            whole.extend(["--skip", "over_ssh"]);
        }
        let mut outcome = tests(&whole, golden_log, &components, REAL)?;
        let second = tests(&named, golden_log, &components, REAL)?;
        outcome.counts += second.counts;
        outcome.note = outcome.note.or(second.note);
        let left_out = ignored.saturating_sub(outcome.counts.passed + outcome.counts.failed);
        outcome.counts.skipped = left_out;
        if left_out > 0 && outcome.note.is_none() {
            let kube = if components.kube.is_none() { "need a kube-apiserver or " } else { "" };
            outcome.note = Some(format!("{left_out} ignored tests {kube}are for runs by hand"));
        }
        Ok(outcome)
    });
}

/// Makes sure of one component; none where it cannot be had.
fn component(report: &mut Report, name: &str, provision: fn() -> Result<PathBuf>) -> Option<PathBuf> {
    let mut found = None;
    report.step(name, || match provision() {
        Ok(path) => {
            println!("{}", path.display());
            found = Some(path);
            Ok(StepResult::passed())
        }
        Err(error) => Ok(unavailable(&error)),
    });
    found
}

/// Returns the names of all test programs.
fn test_programs() -> Result<BTreeSet<String>> {
    let metadata = workspace::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    Ok(tests.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

fn conformance(report: &mut Report) {
    let Some(folder) = conformance::folder() else {
        report.step("conformance", || {
            Ok(StepResult::skipped("no suite beside the checkout and GATEWRIGHT_CONFORMANCE not set"))
        });
        return;
    };
    let claims = conformance::claims();
    let mut program = None;
    report.step("conformance program", || {
        program = Some(conformance::build()?);
        Ok(StepResult::passed())
    });
    let Some(program) = program else { return };
    for engine in Engine::ALL {
        report.step(engine.step(), || conformance::suite(&folder, engine, &program, &claims, &[]));
    }
}

fn workflows() -> Result<StepResult> {
    let folder = workspace::root().join(".github/workflows");
    if !folder.is_dir() {
        return Ok(StepResult::skipped("no workflow files"));
    }
    let program = match testbed::actionlint() {
        Ok(program) => program,
        Err(error) => return Ok(unavailable(&error)),
    };
    let mut lint = std::process::Command::new(program);
    let ended = process::run(lint.current_dir(workspace::root()), CHECK)?;
    Ok(if ended.success() { StepResult::passed() } else { StepResult::failed(ended.reason()) })
}

/// A component that cannot be had is a failure where the run was told to set everything up, else it is skipped.
fn unavailable(error: &anyhow::Error) -> StepResult {
    let reason = format!("{error:#}");
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        StepResult::failed(reason)
    } else {
        StepResult::skipped(reason)
    }
}
