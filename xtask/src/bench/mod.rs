//! `cargo xtask bench`: what compiling, planning, pushing and serving cost, on seeded repositories.

mod certificates;
mod findings;
mod follow;
mod load;
mod measure;
mod nginx;
mod push;
mod report;
mod repository;
mod serve;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{process, workspace};
use measure::Cost;
use report::Report;
use repository::Repository;

const BUILD: Duration = Duration::from_secs(3600);
const RUN: Duration = Duration::from_secs(300);
/// Any fixed number: the same repository everywhere.
const SEED: u64 = 20_261_124;
/// Runs are repeated until about this many Ingresses were compiled, so that short ones are averaged.
const SAMPLE: usize = 40_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ingresses of each repository.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 20_000])]
    sizes: Vec<usize>,
    /// Measure the programs that are built already.
    #[arg(long)]
    no_build: bool,
    /// Measure programs of another profile, to try the bench itself.
    #[arg(long, default_value = "release", requires = "no_build")]
    profile: String,
    /// Measure these alone: `cold compile`, `edit`, `plan`, `push`, `large`, `followed`, `certificates`, `findings`, `requests`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Runs the bench and writes `target/bench/report.md`.
///
/// # Errors
/// When a program does not build or fails.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let target = workspace::target()?;
    if !arguments.no_build {
        build()?;
    }
    let programs = Programs {
        gatewright: target.join(&arguments.profile).join("gatewright"),
        bare: target.join(&arguments.profile).join("bench-bare"),
        edit: target.join(&arguments.profile).join("bench-edit"),
    };
    let mut report = Report::new(arguments.only.clone());
    for &size in &arguments.sizes {
        let repository = Repository::make(&target.join("bench"), size, SEED)?;
        report.attempt("cold compile", |report| cold(&programs, &repository, report));
        report.attempt("edit", |report| edit(&programs, &repository, report));
        report.attempt("plan", |report| plan(&programs, &repository, report));
        report.attempt("push", |report| push(&programs, &repository, report));
    }
    let (gatewright, scratch) = (&programs.gatewright, target.join("bench"));
    let largest = arguments.sizes.iter().copied().max().unwrap_or(0);
    report.attempt("large", |report| follow::large(gatewright, &scratch, largest * 3 / 2, report));
    report.attempt("followed", |report| follow::edits(gatewright, &scratch, largest, report));
    report.attempt("certificates", |report| certificates::run(gatewright, &scratch, largest, report));
    report.attempt("findings", |report| findings::run(gatewright, &scratch, report));
    report.attempt("requests", |report| requests(&programs, &scratch, report));
    let text = report.render();
    let file = target.join("bench/report.md");
    std::fs::write(&file, &text)?;
    println!("\n{text}\nwritten to {}", file.display());
    Ok(if report.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Programs {
    gatewright: PathBuf,
    bare: PathBuf,
    edit: PathBuf,
}

fn build() -> Result<()> {
    for arguments in [
        &["--package", "gatewright"][..],
        &["--package", "xtask", "--features", "bench", "--bin", "bench-bare", "--bin", "bench-edit"][..],
    ] {
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--release", "--locked"]).args(arguments);
        let ended = process::run(&mut cargo, BUILD)?;
        ensure!(ended.success(), "cargo build {}: {}", arguments.join(" "), ended.reason());
    }
    Ok(())
}

/// Cold compile against loading the same files bare.
fn cold(programs: &Programs, repository: &Repository, report: &mut Report) -> Result<()> {
    let runs = u32::try_from(SAMPLE / repository.ingresses.max(1))?.clamp(3, 40);
    let folder = &repository.folder;
    let bare = measure::mean(|| with(&programs.bare, &[], folder), runs, RUN)?;
    let compile = |folder: &Path| {
        let mut command = with(&programs.gatewright, &["compile"], folder);
        command.args(["--format", "summary"]);
        command
    };
    let cold = measure::mean(|| compile(folder), runs, RUN)?;
    let size = repository.ingresses;
    report.row(format!("{size} Ingresses: bare load, CPU"), milliseconds(bare.cpu), "");
    report.row(format!("{size} Ingresses: cold compile, wall"), milliseconds(cold.wall), "");
    report.row(format!("{size} Ingresses: cold compile, CPU"), milliseconds(cold.cpu), "");
    report.row(
        format!("{size} Ingresses: compile / bare load"),
        ratio(cold.cpu, bare.cpu),
        "at most 3x, heading for 1.5x",
    );
    report.row(
        format!("{size} Ingresses: peak memory"),
        memory(&cold, repository.bytes),
        "at most 12x the input",
    );
    Ok(())
}

/// One edited file to new resources, inside the compiler.
fn edit(programs: &Programs, repository: &Repository, report: &mut Report) -> Result<()> {
    let file = repository.edited_file();
    let rows = [
        (file.as_path(), "edit to new resources", "within 20 ms"),
        (Path::new("endpoint"), "endpoint that moves to new resources", "within 2 ms, one resource"),
    ];
    for (what, name, target) in rows {
        let mut command = with(&programs.edit, &[], &repository.folder);
        let ended = process::run_quietly(command.arg(what), RUN)?;
        ensure!(ended.success(), "bench-edit: {}: {}", ended.reason(), ended.lines.join(" "));
        let micros: u64 = ended.lines.first().context("bench-edit prints a number")?.parse()?;
        let figure =
            format!("{}; {}", milliseconds(Duration::from_micros(micros)), ended.lines[1..].join(" "));
        report.row(format!("{} Ingresses: {name}", repository.ingresses), figure, target);
    }
    Ok(())
}

/// Plan of a commit that edits one file, both revisions read from git.
fn plan(programs: &Programs, repository: &Repository, report: &mut Report) -> Result<()> {
    repository.commit_edit(RUN)?;
    let plan = || {
        let mut command = Command::new(&programs.gatewright);
        command.args(["plan", "git:HEAD", "--base", "git:HEAD~1"]).current_dir(&repository.folder);
        command
    };
    let cost = measure::mean(plan, 3, RUN)?;
    let size = repository.ingresses;
    report.row(
        format!("{size} Ingresses: plan of a one-file commit, wall"),
        milliseconds(cost.wall),
        "within 1500 ms",
    );
    report.row(format!("{size} Ingresses: plan of a one-file commit, CPU"), milliseconds(cost.cpu), "");
    Ok(())
}

/// Bytes that one edit costs a delta client.
fn push(programs: &Programs, repository: &Repository, report: &mut Report) -> Result<()> {
    let bytes = push::bytes_of_an_edit(&programs.gatewright, repository)?;
    let size = repository.ingresses;
    report.row(
        format!("{size} Ingresses: bytes pushed for one edit"),
        format!("{bytes} bytes"),
        "at most 2000",
    );
    Ok(())
}

/// Processor time per request on a repository of ordinary size.
fn requests(programs: &Programs, folder: &Path, report: &mut Report) -> Result<()> {
    let repository = Repository::make(folder, 1_000, SEED)?;
    let costs = serve::compare(&programs.gatewright, &repository, folder)?;
    for (costs, (protocol, goal)) in costs.iter().zip([("HTTP/1.1", "1.05"), ("HTTP/2", "0.9")]) {
        report.row(format!("CPU per request, {protocol}: nginx"), microseconds(costs.nginx), "");
        report.row(format!("CPU per request, {protocol}: Envoy"), microseconds(costs.envoy), "");
        report.row(format!("CPU per request, {protocol}: bundled gateway"), microseconds(costs.gateway), "");
        let against = |peer: &str| format!("CPU per request, {protocol}: gateway / {peer}");
        let goal = format!("at most {goal}x");
        report.row(against("nginx"), ratio(costs.gateway, costs.nginx), &goal);
        report.row(against("Envoy"), ratio(costs.gateway, costs.envoy), "at most 0.5x");
    }
    Ok(())
}

fn with(program: &Path, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(folder);
    command
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1_000_000.0)
}

fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2}x", a.as_secs_f64() / b.as_secs_f64())
}

fn memory(cost: &Cost, input: u64) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!("{:.1} MiB, {:.1}x of {:.1} MiB", mib(cost.peak), cost.peak as f64 / input as f64, mib(input))
}
