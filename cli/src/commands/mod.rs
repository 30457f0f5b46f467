//! One file per command. A new command is a `mod` line and a line of the table.

pub mod apply;
pub mod compile;
pub mod completions;
pub mod demo;
pub mod explain;
pub mod gateway;
pub mod graph;
pub mod import;
pub mod plan;
pub mod schema;
pub mod sync;
pub mod test;
pub mod trace;
pub mod validate;
pub mod version;
pub mod xds;

use clap::Subcommand;

use crate::Context;
use crate::errors::{CliError, Exit};

macro_rules! commands {
    ($($(#[$attribute:meta])* $module:ident::$name:ident,)*) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(
                #[allow(missing_docs, reason = "the help text is the documentation of the arguments")]
                $(#[$attribute])*
                $name($module::$name),
            )*
        }

        impl Command {
            /// Carries the command out.
            pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
                match self {
                    $(Command::$name(arguments) => arguments.run(context),)*
                }
            }
        }
    };
}

// In the order of the help text.
commands! {
    demo::Demo,
    validate::Validate,
    compile::Compile,
    graph::Graph,
    trace::Trace,
    test::Test,
    plan::Plan,
    gateway::Gateway,
    xds::Xds,
    apply::Apply,
    sync::Sync,
    import::Import,
    explain::Explain,
    schema::Schema,
    completions::Completions,
    version::Version,
    #[command(hide = true)]
    demo::DemoBackends,
}
