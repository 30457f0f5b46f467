//! `gatewright completions`: scripts that complete the command line in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use gatewright_diagnostics::outlet::Form;

use crate::Context;
use crate::args::Cli;
use crate::errors::{CliError, Exit};

/// Print the completion script of a shell
///
/// For bash: gatewright completions bash > /etc/bash_completion.d/gatewright
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "gatewright", &mut script);
        context.terminal.print(Form::Own, &String::from_utf8_lossy(&script))?;
        Ok(Exit::Fine)
    }
}
