//! `gatewright sync`: keeps serving processes at the newest sound revision of a source.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gatewright_reconciler::control::Node;
use gatewright_reconciler::source::SourceSpec;
use gatewright_reconciler::sync::{Outcome, Round, Sync as Synchronizer, SyncOptions, Target, write_status};

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::runtime::{self, Shutdown};
use crate::settings::SettingsArgs;

/// Keep gateways at the newest sound revision of a git source
///
/// Each round fetches the source, compiles it, and orders the processes behind the control sockets (`gatewright gateway
/// --control` and `gatewright xds --control`) to serve it. A revision with errors is never ordered: the last good one
/// keeps serving.
#[derive(Debug, Args)]
pub struct Sync {
    /// What to follow: usually `git+URL@BRANCH[:SUBDIR]` or `git:BRANCH[:SUBDIR]`
    #[arg(value_name = "SOURCE")]
    source: SourceSpec,
    /// Control socket of a serving process; repeatable
    #[arg(long, value_name = "PATH", required = true)]
    control: Vec<PathBuf>,
    /// Do one round and end: exit 0 when everything is in sync, 1 when the source has errors, 3 otherwise
    #[arg(long)]
    once: bool,
    /// Seconds between rounds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    interval: u64,
    /// Seconds that the nodes of a process may take to acknowledge
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Write the outcome of each round to this file, as JSON
    #[arg(long, value_name = "FILE")]
    status_file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Sync {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let configured = context.settings(&self.settings, None)?;
        let options = SyncOptions {
            source: self.source.clone(),
            targets: self.control.iter().map(|path| context.working_folder.join(path)).collect(),
            timeout: Duration::from_secs(self.timeout),
            compile: configured.options,
        };
        let synchronizer = Synchronizer::new(options, context.loader()?);
        runtime::run(|shutdown| self.rounds(synchronizer, context, shutdown))
    }

    async fn rounds(
        &self,
        mut synchronizer: Synchronizer,
        context: &Context,
        mut shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let mut last: Option<Round> = None;
        loop {
            let round = synchronizer.round().await;
            self.write(context, &round)?;
            if self.once || last.as_ref() != Some(&round) {
                context.terminal.tell(&text(&round));
            }
            if self.once {
                return Ok(exit(&round));
            }
            last = Some(round);
            tokio::select! {
                () = shutdown.requested() => return Ok(Exit::Fine),
                () = tokio::time::sleep(Duration::from_secs(self.interval)) => {}
            }
        }
    }

    fn write(&self, context: &Context, round: &Round) -> Result<(), CliError> {
        let Some(path) = &self.status_file else { return Ok(()) };
        write_status(&context.working_folder.join(path), round)
            .map_err(|error| CliError::environment(format!("cannot write `{}`: {error}", path.display())))
    }
}

fn exit(round: &Round) -> Exit {
    if round.is_in_sync() {
        Exit::Fine
    } else if round.errors.is_empty() {
        Exit::Environment
    } else {
        Exit::Findings
    }
}

fn text(round: &Round) -> String {
    let revision =
        round.revision.as_deref().map(|id| format!(" at {}", id.get(..10).unwrap_or(id))).unwrap_or_default();
    let mut text = format!("{}{revision}: ", round.source);
    match (&round.unreadable, round.errors.len()) {
        (Some(reason), _) => text.push_str(&format!("cannot be read: {reason}\n")),
        (None, 0) => text.push_str("sound\n"),
        (None, count) => {
            text.push_str(&format!("{count} errors, so the last good state keeps serving\n"));
            text.extend(round.errors.iter().map(|error| format!("  {error}\n")));
        }
    }
    text.extend(round.targets.iter().map(target_text));
    text
}

fn target_text(target: &Target) -> String {
    let outcome = match &target.outcome {
        Outcome::Unchanged => "serves it already".to_owned(),
        Outcome::Applied => format!("applied, acknowledged by {}", count(target.nodes.len())),
        Outcome::Kept => "left as it was".to_owned(),
        Outcome::Unacknowledged => {
            let silent = target.nodes.iter().filter(|node| !node.acknowledged).map(|node| node.node.as_str());
            format!("applied, not acknowledged by {}", silent.collect::<Vec<_>>().join(", "))
        }
        Outcome::Failed(reason) => reason.clone(),
    };
    let mut text = format!("  {}: {outcome}\n", target.socket);
    text.extend(target.nodes.iter().flat_map(rejections));
    text
}

fn rejections(node: &Node) -> impl Iterator<Item = String> {
    node.rejections.iter().map(|rejected| {
        format!(
            "    GW0701 node `{}` rejects {} `{}`: {}\n",
            node.node, rejected.kind, rejected.resource, rejected.message
        )
    })
}

fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node".to_owned(),
        many => format!("{many} nodes"),
    }
}
