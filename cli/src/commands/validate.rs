//! `gatewright validate`: everything that is wrong or odd, in a form for people, CI or code scanning.

use clap::{Args, ValueEnum};
use gatewright_diagnostics::Severity;
use gatewright_reconciler::source::SourceSpec;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::inputs::InputArgs;
use crate::report::Format;

/// Check manifests: syntax, schema, references and meaning
///
/// Reports every finding at once and needs neither a cluster nor a network.
#[derive(Debug, Args)]
pub struct Validate {
    /// How findings are shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Severities that make the exit code 1; the mildest one counts
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',', default_value = "error")]
    fail_on: Vec<FailOn>,
    /// Name each object that is left out, instead of one and a number for each kind and folder
    #[arg(long)]
    verbose: bool,
    /// Make no network call; this is the default, and with it remote SOURCEs are refused
    #[arg(long)]
    offline: bool,
    // Last, because its heading would stand above everything behind it.
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Every finding
    Info,
}

impl Validate {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        if self.offline
            && let Some(spec) = self.input.sources.iter().find(|spec| is_remote(spec))
        {
            return Err(CliError::usage(format!(
                "--offline and the remote SOURCE `{spec}` exclude each other"
            )));
        }
        let inputs = context.inputs(&self.input)?;
        let checked = inputs.check()?;
        let findings = inputs.findings(checked.diagnostics).passing_over(checked.passed_over);
        let findings = if self.verbose { findings } else { findings.condensed() };
        let fail_on = self.fail_on();
        let color = context.terminal.stdout_color();
        let exit = if findings.any(fail_on) { Exit::Findings } else { Exit::Fine };
        let form = self.format.form(color);
        let terminal = &context.terminal;
        terminal.print_pieces(form, |out| findings.render(self.format, fail_on, color, out))?;
        Ok(exit)
    }

    fn fail_on(&self) -> Severity {
        match self.fail_on.iter().max() {
            None | Some(FailOn::Error) => Severity::Error,
            Some(FailOn::Warning) => Severity::Warning,
            Some(FailOn::Info) => Severity::Info,
        }
    }
}

fn is_remote(spec: &SourceSpec) -> bool {
    matches!(spec, SourceSpec::Remote { url, .. } if !url.is_local())
}
