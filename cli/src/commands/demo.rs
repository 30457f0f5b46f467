//! `gatewright demo`: a guided run of the whole path.

use std::net::SocketAddr;

use clap::Args;

use crate::Context;
pub use crate::demo::DemoBackends;
use crate::demo::{self, Setting};
use crate::errors::{CliError, Exit};
use crate::runtime;

/// Walk through the whole path in a temporary folder
///
/// Makes a git repository from an example, finds a mistake, plans a change, serves it with the bundled gateway, applies
/// the change while clients keep sending, and replays every witness before and after. Everything is computed while it
/// runs; nothing is left behind.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave gateway, upstreams and repository, with the next commands to try
    #[arg(long)]
    keep: bool,
    /// Address of the clear-text listener [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "IP:PORT")]
    http: Option<SocketAddr>,
    /// Address of the TLS listener [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "IP:PORT")]
    https: Option<SocketAddr>,
}

impl Demo {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let setting = Setting {
            terminal: context.terminal.clone(),
            keep: self.keep,
            http: self.http,
            https: self.https,
        };
        runtime::run(|mut shutdown| async move {
            tokio::select! {
                result = demo::run(&setting) => result,
                () = shutdown.requested() => Err(CliError::environment("the demo was interrupted")),
            }
        })
    }
}
