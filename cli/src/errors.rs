//! Every failure of the program with its sentence, hint and exit code.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use gatewright_compiler::source::ReadError;
use gatewright_diagnostics::outlet::{Form, is_hidden, record, sealed, visible};
use gatewright_reconciler::control::ControlError;
use gatewright_reconciler::quarantine::QuarantineError;
use gatewright_reconciler::source::SourceError;
use gatewright_reconciler::sync::{RunError, StateError};
use gatewright_xds::render::RenderError;

/// How a command ended. The numbers are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to complain about.
    Fine = 0,
    /// There are findings.
    Findings = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// A file, a repository or a peer failed.
    Environment = 3,
    /// The plan has changes.
    Changes = 4,
    /// The plan has risky changes.
    RiskyChanges = 5,
    /// gatewright broke one of its own rules.
    Bug = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A failure that ends a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    exit: Exit,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl CliError {
    /// Returns a failure of the arguments.
    pub fn usage(message: impl Into<String>) -> Self {
        CliError { exit: Exit::Usage, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Returns a refusal because of what the user wrote, which findings have told already.
    pub fn findings(message: impl Into<String>) -> Self {
        CliError { exit: Exit::Findings, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Returns a failure of the surroundings.
    pub fn environment(message: impl Into<String>) -> Self {
        CliError { exit: Exit::Environment, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Returns a broken rule of gatewright itself.
    pub fn bug(message: impl Into<String>) -> Self {
        let hint = Some(format!("this is a bug in gatewright {VERSION}; please report it with this message"));
        CliError { exit: Exit::Bug, message: message.into(), details: Vec::new(), hint }
    }

    /// Adds what the user can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what belongs to the message, each on a line of its own.
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// Returns what belongs to the message.
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// Returns the exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::Environment };
        CliError {
            exit,
            message: error.to_string(),
            details: Vec::new(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        CliError::environment(error.to_string())
    }
}

impl From<ControlError> for CliError {
    fn from(error: ControlError) -> Self {
        let reason =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        CliError::environment(format!("{error}{reason}"))
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let damaged = matches!(error, StateError::Damaged { .. });
        let error = CliError::environment(error.to_string());
        if damaged {
            error.with_hint("without the file, the targets are asked what they serve")
        } else {
            error
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::State(error) => error.into(),
            RunError::Status { .. } => CliError::environment(error.to_string()),
        }
    }
}

impl From<QuarantineError> for CliError {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Source(error) => error.into(),
            QuarantineError::Read(error) => error.into(),
        }
    }
}

impl From<RenderError> for CliError {
    fn from(error: RenderError) -> Self {
        CliError::bug(error.to_string())
    }
}

/// Shows what clap says about the arguments (help and version included) and returns the exit code that goes with it.
/// Clap repeats arguments as they are; in a CI run they may be the name of anybody's branch, or hold a password.
pub fn show_usage(error: &clap::Error, arguments: impl Iterator<Item = OsString>) -> Exit {
    if !error.use_stderr() {
        // A closed pipe is no reason to complain about the pipe.
        error.print().ok();
        return Exit::Fine;
    }
    let parts = parts(arguments);
    let plain = error.to_string();
    let shown = without_secrets(&plain, &parts);
    let odd: Vec<&String> = parts.iter().filter(|part| part.chars().any(is_hidden)).collect();
    if odd.is_empty() && shown == plain && std::io::stderr().is_terminal() {
        error.print().ok();
        return Exit::Usage;
    }
    let text = odd.iter().fold(shown, |text, part| text.replace(part.as_str(), &visible(part)));
    let text: String = sealed(Form::Text { color: false }, &text).collect();
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
    Exit::Usage
}

/// Returns arguments and the values of options in them, longest first.
fn parts(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut parts: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .flat_map(|argument| {
            let value = argument.split_once('=').map(|(_, value)| value.to_owned());
            std::iter::once(argument).chain(value)
        })
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

/// Hides the secrets of arguments where a text repeats them, and what is secret by its shape.
fn without_secrets(text: &str, parts: &[String]) -> String {
    let mut out = text.to_owned();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let shown = gatewright_secrets::argument(part);
        if shown != *part {
            out = out.replace(part.as_str(), &shown);
        }
    }
    gatewright_secrets::shapes(&out).into_owned()
}

/// Tells of a panic in words that a user can report.
pub fn report_panic(info: &PanicHookInfo<'_>) {
    let place =
        info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let message = gatewright_secrets::text(info.payload_as_str().unwrap_or("no message"));
    let first = record(Form::Text { color: false }, &format!("error: internal error{place}: {message}"));
    let mut stderr = std::io::stderr().lock();
    // With standard error gone there is nobody to tell.
    stderr.write_all(first.as_bytes()).ok();
    writeln!(stderr, "  = help: this is a bug in gatewright {VERSION}; please report it with this message")
        .ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_repeats_no_secret() {
        for argument in [
            "git+ftp://user:SESAME@h/x",
            "git+https://user:SESAME@h/x.git",
            "git+https://h/x?access_token=SESAME",
        ] {
            let arguments = ["gatewright", "validate", argument];
            let error = <crate::args::Cli as clap::Parser>::try_parse_from(arguments).unwrap_err();
            let shown = without_secrets(&error.to_string(), &[argument.to_owned()]);
            assert!(!shown.contains("SESAME") && shown.contains("[hidden]"), "{shown}");
        }
    }

    #[test]
    fn failures_have_the_exit_codes_of_the_contract() {
        let malformed = "git:".parse::<gatewright_reconciler::source::SourceSpec>().unwrap_err();
        assert_eq!(CliError::from(malformed).exit(), Exit::Usage);
        let missing = CliError::from(SourceError::NotFound("a".into()));
        assert_eq!((missing.exit(), missing.hint()), (Exit::Environment, None));
        let read = CliError::from(ReadError { path: "a.yaml".into(), reason: "gone".into() });
        assert_eq!((read.exit(), read.to_string().as_str()), (Exit::Environment, "cannot read a.yaml: gone"));
        assert_eq!(CliError::from(RenderError::UnknownType("x".into())).exit() as u8, 70);
    }
}
