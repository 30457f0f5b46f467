//! `cargo xtask fuzz`: the fuzz targets, seeded with every manifest of the checkout, for a bounded time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{process, testbed, workspace};

const TOOLCHAIN: &str = "nightly";
/// For the build before and the last inputs after the fuzzing time.
const GRACE: Duration = Duration::from_secs(1200);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target in fuzz/fuzz_targets.
    #[arg(long, default_value = "yaml")]
    target: String,
    /// How long to fuzz.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs one target; a crash is left below fuzz/artifacts and fails.
///
/// # Errors
/// When cargo-fuzz or the nightly toolchain cannot be had.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = testbed::cargo_fuzz()?;
    let seeds = seeds()?;
    let fuzz = workspace::root().join("fuzz");
    let corpus = fuzz.join("corpus").join(&arguments.target);
    fs::create_dir_all(&corpus)?;
    let mut command = Command::new(program);
    // The cargo that runs this is the pinned one; the target needs the other toolchain's.
    command.env_remove("CARGO").env("RUSTUP_TOOLCHAIN", TOOLCHAIN).current_dir(&fuzz);
    // Without unsafe code there is nothing for a sanitizer to find, and threads only slow small inputs down.
    command.env("RAYON_NUM_THREADS", "1").args(["run", "--fuzz-dir", ".", "--sanitizer", "none"]);
    command.arg(&arguments.target).arg(corpus).arg(seeds).arg("--");
    command.arg(format!("-max_total_time={}", arguments.seconds)).args([
        "-timeout=10",
        "-max_len=8192",
        "-dict=yaml.dict",
    ]);
    let within = Duration::from_secs(arguments.seconds) + GRACE;
    let ended = process::run(&mut command, within)?;
    println!(
        "{}: {}",
        arguments.target,
        if ended.success() { "no crash".to_owned() } else { ended.reason() }
    );
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the manifests of the checkout into one flat folder, which is what the fuzzer reads.
fn seeds() -> Result<PathBuf> {
    let folder = workspace::target()?.join("fuzz-seeds");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let is_manifest = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    for path in workspace::files()?.iter().filter(is_manifest) {
        let name = flat_name(path);
        fs::copy(workspace::root().join(path), folder.join(&name)).with_context(|| name.clone())?;
    }
    Ok(folder)
}

fn flat_name(path: &Path) -> String {
    path.to_string_lossy().replace('/', "_")
}
