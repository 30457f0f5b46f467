//! The command line of gatewright: arguments, terminal, files and exit codes. Everything else lies in the crates below.
//!
//! [`args`] reads the command line, [`commands`] holds a file for each command, [`inputs`] reads SOURCEs and settings,
//! [`cluster`] finds kube clusters, [`consent`] says what may be lost, [`control`] where orders are taken, [`report`] shows findings, and [`errors`] gives every failure its sentence, hint and exit code.

#![forbid(unsafe_code)]

pub mod args;
pub mod cluster;
pub mod commands;
pub mod consent;
pub mod control;
pub mod demo;
pub mod errors;
pub mod files;
pub mod inputs;
pub mod report;
pub mod runtime;
pub mod serving;
pub mod settings;
pub mod terminal;
pub mod yaml;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::errors::{CliError, Exit};
use crate::terminal::Terminal;

/// Runs the program: reads the arguments, carries out the command, and returns the exit code.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(errors::report_panic));
    guarded(run).into()
}

/// Turns a panic, of which the hook has told, into an exit code.
fn guarded(work: impl FnOnce() -> Exit) -> Exit {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Exit::Bug)
}

fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return errors::show_usage(&error, std::env::args_os().skip(1)),
    };
    let terminal = Terminal::new(cli.color);
    log_to_stderr(&terminal);
    let result = std::env::current_dir()
        .map_err(|error| CliError::environment(format!("cannot tell the working folder: {error}")))
        .and_then(|working_folder| cli.command.run(&Context { terminal: terminal.clone(), working_folder }));
    match result {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&error);
            error.exit()
        }
    }
}

/// Sends log events to standard error: warnings, unless `GATEWRIGHT_LOG` names other levels (`debug`,
/// `gatewright_gateway=debug`).
fn log_to_stderr(terminal: &Terminal) {
    use tracing_subscriber::EnvFilter;
    let asked = std::env::var("GATEWRIGHT_LOG").unwrap_or_default();
    let levels = EnvFilter::builder().with_default_directive(tracing::Level::WARN.into());
    let filter = levels.parse(&asked).unwrap_or_else(|error| {
        terminal.remark(&format!("warning: GATEWRIGHT_LOG is not understood and counts as `warn`: {error}"));
        EnvFilter::new("warn")
    });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal.stderr_color());
    let writer = terminal.log();
    log.with_writer(move || writer).init();
}

/// The surroundings of a command.
pub struct Context {
    /// Where output goes.
    pub terminal: Terminal,
    /// The folder in which the program was started.
    pub working_folder: std::path::PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_with_its_own_exit_code() {
        assert_eq!(guarded(|| panic!("a broken rule")), Exit::Bug);
        assert_eq!(guarded(|| Exit::Findings), Exit::Findings);
    }
}
