//! The command line as a whole. What a command takes stands in the file of the command.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, ValueEnum};

use crate::commands::Command;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
SOURCE is a directory, a file, `-` for standard input, `git:REV[:SUBDIR]` for a revision of the repository around the \
working folder, or `git+URL@REV[:SUBDIR]` for a revision of another one.

Exit codes: 0 fine, 1 findings, 2 wrong arguments, 3 a file, repository or peer failed, 70 a bug in gatewright.";

const AFTER_LONG_HELP: &str = "\
SOURCE:
  DIR, FILE             manifests on disk (.yaml, .yml, .json)
  -                     standard input
  git:REV[:SUBDIR]      a revision of the repository around the working folder
  git+URL@REV[:SUBDIR]  a branch, tag or full commit id of another one, by URL or path
  Hidden folders are left out, and so is what a .gatewrightignore names (patterns as in .gitignore).

Exit codes:
  0   fine
  1   findings, or a plan refused because of them
  2   wrong arguments
  3   a file, repository or peer failed
  4   the plan has changes (with --detailed-exitcode)
  5   the plan has risky changes (with --detailed-exitcode)
  70  a bug in gatewright

Environment:
  NO_COLOR                                                    turn colors off
  GATEWRIGHT_CACHE_DIR                                        where fetched repositories are kept
  GATEWRIGHT_STATE_DIR                                        where the last good state is remembered
  GATEWRIGHT_GIT_USERNAME, GATEWRIGHT_GIT_PASSWORD            credentials for http and https
  GATEWRIGHT_GIT_PASSWORD_FILE                                file that holds the password
  GATEWRIGHT_GIT_SSH_KEY_FILE, GATEWRIGHT_GIT_SSH_PASSPHRASE  key for ssh, beside an agent
  GATEWRIGHT_WEBHOOK_SECRET, GATEWRIGHT_WEBHOOK_SECRET_FILE   what webhooks to `sync` are signed with
  GATEWRIGHT_LOG                                              log levels on standard error, warn unless given";

/// Compiler, planner and gateway for Higress-style gateway configuration
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, styles = STYLES, max_term_width = 100, after_help = AFTER_HELP)]
#[command(after_long_help = AFTER_LONG_HELP)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// When to use colors; `auto` also heeds NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(help_heading = "Output")]
    pub color: Color,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that can show them, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_texts_are_the_accepted_ones() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let main = command.render_long_help().to_string();
        gatewright_testkit::assert_golden("cli/help/gatewright.txt", &main);
        for subcommand in command.get_subcommands_mut() {
            let help = subcommand.clone().term_width(100).render_long_help().to_string();
            let file = format!("cli/help/{}.txt", subcommand.get_name());
            gatewright_testkit::assert_golden(file, &help);
        }
    }
}
