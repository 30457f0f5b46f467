//! `cargo xtask bless`: golden files from what the tests make, and the search for goldens that no test asks for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::report::StepResult;
use crate::{process, workspace};

/// Told to the golden harness of testkit: write instead of compare.
const BLESS: &str = "GATEWRIGHT_BLESS";
/// Told to the golden harness of testkit: where to note which goldens were asked for.
pub(crate) const GOLDEN_LOG: &str = "GATEWRIGHT_GOLDEN_LOG";

const TEST: Duration = Duration::from_secs(1500);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this; orphans are then left alone.
    filter: Option<String>,
    /// Only tests of this package; orphans are then left alone.
    #[arg(long, short)]
    package: Option<String>,
}

/// Rewrites goldens and, after a full run, removes orphans.
///
/// # Errors
/// When tests fail for another reason than a golden.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let log = workspace::target()?.join("goldens-blessed.log");
    if log.exists() {
        fs::remove_file(&log)?;
    }
    let mut cargo = workspace::cargo();
    cargo.arg("test");
    match &arguments.package {
        Some(package) => cargo.args(["--package", package]),
        None => cargo.arg("--workspace"),
    };
    cargo.arg("--no-fail-fast").args(&arguments.filter).env(BLESS, "1").env(GOLDEN_LOG, &log);
    let ended = process::run(&mut cargo, TEST)?;
    ensure!(ended.success(), "tests fail for another reason than a golden: {}", ended.reason());
    if arguments.filter.is_none() && arguments.package.is_none() {
        for orphan in find_orphans(&log)? {
            println!("removed snapshots/{}", orphan.display());
            fs::remove_file(snapshots().join(orphan))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that each golden was asked for by a test of the run that wrote `log`.
///
/// # Errors
/// When the folder of goldens cannot be read.
pub(crate) fn orphans(log: &Path) -> Result<StepResult> {
    let orphans = find_orphans(log)?;
    if orphans.is_empty() {
        return Ok(StepResult::passed());
    }
    let names: Vec<String> = orphans.iter().map(|path| format!("snapshots/{}", path.display())).collect();
    Ok(StepResult::failed(format!("no test asks for {}; cargo xtask bless removes them", names.join(", "))))
}

fn find_orphans(log: &Path) -> Result<Vec<PathBuf>> {
    let asked = match fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", log.display())),
    };
    let asked: BTreeSet<&str> = asked.lines().collect();
    let files = workspace::files()?;
    let goldens = files.iter().filter_map(|file| file.strip_prefix("snapshots").ok());
    let is_note = |golden: &Path| golden.file_name().is_some_and(|name| name == "README.md");
    let orphan = |golden: &&Path| !is_note(golden) && !asked.contains(&*golden.to_string_lossy());
    Ok(goldens.filter(orphan).map(Path::to_path_buf).collect())
}

fn snapshots() -> PathBuf {
    workspace::root().join("snapshots")
}
