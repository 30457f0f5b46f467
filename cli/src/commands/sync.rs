//! `gatewright sync`: keeps serving processes and kube clusters at the newest sound revision of a source.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use gatewright_compiler::options::CompileOptions;
use gatewright_diagnostics::outlet::visible;
use gatewright_reconciler::cluster::{ClusterReport, ClusterTarget, LeaseOptions};
use gatewright_reconciler::control::ConnectedNode;
use gatewright_reconciler::extent::Consent;
use gatewright_reconciler::outcome::RoundOutcome;
use gatewright_reconciler::quarantine::Policy;
use gatewright_reconciler::source::{Hold, SourceSpec};
use gatewright_reconciler::sync::{
    ControlTarget, HeldBack, Pace, Round, Sync as Synchronizer, SyncOptions, SyncServer, TargetReport,
    TargetSpec, TargetStatus, WebhookSecret, write_status,
};
use jiff::Timestamp;

use crate::Context;
use crate::cluster::{self, TargetArgs, budget};
use crate::errors::{CliError, Exit};
use crate::inputs::{Configured, state_folder};
use crate::runtime::{self, Shutdown};
use crate::settings::{self, DriftArg, PolicyArg, SettingsArgs};

/// Keep gateways and kube clusters at the newest sound revision of a git source
///
/// Each round fetches the source, compiles it, orders the processes behind the control sockets (`gatewright gateway
/// --control` and `gatewright xds --control`) to serve it, and applies to clusters what differs, as `gatewright apply
/// --cluster` does. A revision with errors is never carried out: the last good one stays, or under `--policy quarantine`
/// the last good version of each broken object. What is not given as an argument comes from the part `sync` of the
/// settings file; a target that is given stands in the place of all targets of the file.
#[derive(Debug, Args)]
pub struct Sync {
    /// What to follow: usually `git+URL@BRANCH[:SUBDIR]` or `git:BRANCH[:SUBDIR]`
    #[arg(value_name = "SOURCE")]
    source: Option<SourceSpec>,
    /// Follow only commits that a key of this file has signed: allowed signers of OpenSSH, with keys of type ssh-ed25519
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
    /// Control socket of a serving process; repeatable
    #[arg(long, value_name = "PATH")]
    control: Vec<PathBuf>,
    /// Do one round and end: exit 0 when everything is in sync, 1 when the source has errors or something was refused or
    /// left alone, 3 otherwise
    #[arg(long)]
    once: bool,
    /// Seconds between rounds [default: 30]
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u64>,
    /// Seconds that the nodes of a process may take to acknowledge [default: 30]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// What becomes of a revision with errors [default: stop]
    #[arg(long, value_name = "POLICY")]
    policy: Option<PolicyArg>,
    /// Where the last good revision is remembered, and how much it serves [default: below ~/.local/state/gatewright]
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    /// Answer `/status`, `/metrics` and `/ready` at this address, and with a secret in the environment `POST /webhook`
    #[arg(long, value_name = "ADDR", conflicts_with = "once")]
    listen: Option<SocketAddr>,
    /// Write the outcome of each round to this file, as JSON
    #[arg(long, value_name = "FILE")]
    status_file: Option<PathBuf>,
    /// Order serving processes to serve a SOURCE that serves no host
    #[arg(long)]
    allow_empty: bool,
    /// What becomes of objects that were changed in the cluster
    #[arg(
        long,
        help_heading = "Cluster",
        value_name = "POLICY",
        default_value = "correct",
        requires = "cluster"
    )]
    drift: DriftArg,
    /// Seconds after which another instance takes a cluster over from one that went away without a word [default: 15]
    #[arg(long, help_heading = "Cluster", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(SHORTEST_LEASE..))]
    lease: Option<u64>,
    #[command(flatten)]
    target: Box<TargetArgs>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Seconds between rounds, and for acknowledgements, unless something else is said.
const SECONDS: u64 = 30;

/// Where the secret of webhooks comes from.
const SECRET: &str = "GATEWRIGHT_WEBHOOK_SECRET";
const SECRET_FILE: &str = "GATEWRIGHT_WEBHOOK_SECRET_FILE";

/// Seconds that a Lease is held without a renewal at least.
const SHORTEST_LEASE: u64 = 3;

/// What arguments and settings come to.
struct Job {
    options: SyncOptions,
    once: bool,
    interval: Duration,
    status_file: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

impl Sync {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let configured = context.settings(&self.settings, None)?;
        configured.refuse_problem(&context.terminal, "nothing is synced")?;
        let job = self.job(context, configured)?;
        let synchronizer = Synchronizer::new(job.options.clone(), context.loader()?)?;
        runtime::run(|shutdown| job.run(synchronizer, context, shutdown))
    }

    /// Puts the arguments above the settings.
    fn job(&self, context: &Context, configured: Configured) -> Result<Job, CliError> {
        let working_folder = &context.working_folder;
        let Configured { sync: settings, folder, options, .. } = configured;
        let source = match &self.source {
            Some(source) => Some(source.clone()),
            None => settings.source(&folder)?,
        };
        let source = source.ok_or_else(|| lacking("SOURCE", "source"))?;
        let mut targets = self.targets(context, &options);
        if targets.is_empty() {
            targets = settings.targets(&working_folder.join(&folder), &options);
        }
        if targets.is_empty() {
            return Err(lacking("a target (--control, --cluster)", "targets"));
        }
        let seconds = |flag: Option<u64>, setting: Option<u64>, default: u64| {
            Duration::from_secs(flag.or(setting).unwrap_or(default))
        };
        let policy = self.policy.or(settings.policy).map_or(Policy::Stop, Policy::from);
        let state_file = self.state_file.clone().or_else(|| settings.state_file(&folder));
        // Under the policy `stop` a place that nobody named may be one that cannot be written.
        let state_needed = state_file.is_some() || policy == Policy::Quarantine;
        let state_file = match state_file {
            Some(path) => working_folder.join(path),
            None => state_folder().join(state_name(&source, &targets)),
        };
        let status_file = self.status_file.clone().or_else(|| settings.status_file(&folder));
        let signers = self.signers.clone().or_else(|| settings.signers(&folder));
        Ok(Job {
            options: SyncOptions {
                source,
                signers: signers.map(|path| working_folder.join(path)),
                targets,
                timeout: seconds(self.timeout, settings.timeout, SECONDS),
                policy,
                state_file,
                state_needed,
                leases: LeaseOptions {
                    identity: cluster::identity(),
                    duration: seconds(self.lease, settings.lease, cluster::LEASE),
                    once: self.once,
                    clock: cluster::clock,
                },
                compile: options,
            },
            once: self.once,
            interval: seconds(self.interval, settings.interval, SECONDS),
            status_file: status_file.map(|path| working_folder.join(path)),
            listen: self.listen.or(settings.listen()).filter(|_| !self.once),
        })
    }

    /// Returns the targets that are given as arguments.
    fn targets(&self, context: &Context, options: &CompileOptions) -> Vec<TargetSpec> {
        let consent = Consent { budget: budget(self.target.prune_budget), empty: self.allow_empty };
        let sockets = self.control.iter().map(|path| context.working_folder.join(path));
        let processes = sockets.map(|socket| ControlTarget { socket, consent });
        let cluster = self.target.cluster.iter();
        let cluster = cluster.map(|name| ClusterTarget {
            drift: self.drift.into(),
            ..context.cluster_target(&self.target, name, options)
        });
        processes.map(TargetSpec::Control).chain(cluster.map(TargetSpec::Cluster)).collect()
    }
}

fn lacking(argument: &str, setting: &str) -> CliError {
    CliError::usage(format!("there is neither {argument} nor `sync.{setting}` in {}", settings::FILE))
}

impl Job {
    async fn run(
        &self,
        mut synchronizer: Synchronizer,
        context: &Context,
        shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let server = self.serve(context).await?;
        let ended = self.rounds(&mut synchronizer, server.as_ref(), context, shutdown).await;
        synchronizer.end().await;
        if let Some(server) = server {
            server.end().await;
        }
        ended
    }

    async fn rounds(
        &self,
        synchronizer: &mut Synchronizer,
        server: Option<&SyncServer>,
        context: &Context,
        mut shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let mut last: Option<Round> = None;
        let mut pace = Pace::new(self.interval);
        loop {
            let began = Instant::now();
            let round = synchronizer.round(&now()).await?;
            self.write(&round)?;
            server
                .iter()
                .for_each(|server| server.publish(&round, began.elapsed(), Timestamp::now().as_second()));
            if self.once || last.as_ref() != Some(&round) {
                context.terminal.tell(&text(&round));
            }
            if self.once {
                return Ok(exit(&round));
            }
            let pause = pace.pause(round.has_failed(), fraction());
            last = Some(round);
            tokio::select! {
                () = shutdown.requested() => return Ok(Exit::Fine),
                () = synchronizer.woken() => {}
                () = woken(server) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts to answer over HTTP, where that is asked for.
    async fn serve(&self, context: &Context) -> Result<Option<SyncServer>, CliError> {
        let Some(address) = self.listen else { return Ok(None) };
        let server = SyncServer::start(address, webhook_secret()?).await;
        let server =
            server.map_err(|error| CliError::environment(format!("cannot listen on {address}: {error}")))?;
        context.terminal.remark(&format!("status and metrics on http://{}", server.address()));
        Ok(Some(server))
    }

    fn write(&self, round: &Round) -> Result<(), CliError> {
        let Some(path) = &self.status_file else { return Ok(()) };
        write_status(path, round)
            .map_err(|error| CliError::environment(format!("cannot write `{}`: {error}", path.display())))
    }
}

/// Waits for a webhook, for ever where there is none.
async fn woken(server: Option<&SyncServer>) {
    match server {
        Some(server) => server.woken().await,
        None => std::future::pending().await,
    }
}

/// Returns the secret of webhooks: that of the environment, or of the file that the environment names.
fn webhook_secret() -> Result<Option<WebhookSecret>, CliError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let secret = match (variable(SECRET), variable(SECRET_FILE)) {
        (Some(secret), _) => secret.into_encoded_bytes(),
        (None, Some(file)) => std::fs::read(&file).map_err(|error| {
            CliError::environment(format!("cannot read `{}`: {error}", Path::new(&file).display()))
        })?,
        (None, None) => return Ok(None),
    };
    let end = secret.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let secret = WebhookSecret::new(&secret[..end]);
    secret.map(Some).ok_or_else(|| CliError::environment("the secret of the webhook is empty"))
}

/// Returns a number between 0 and 1 that two instances hardly share.
fn fraction() -> f64 {
    f64::from(Timestamp::now().subsec_nanosecond()) / 1e9
}

/// Returns the time after RFC 3339, in whole seconds.
fn now() -> String {
    Timestamp::now().strftime("%FT%TZ").to_string()
}

/// Returns a name that two different jobs do not share.
fn state_name(source: &SourceSpec, targets: &[TargetSpec]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(source.to_string()).chain(targets.iter().map(ToString::to_string)) {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    format!("sync-{}.json", &hasher.finalize().to_hex()[..24])
}

fn exit(round: &Round) -> Exit {
    let failed = |target: &TargetStatus| {
        matches!(
            target.outcome,
            RoundOutcome::Failed(_) | RoundOutcome::Unacknowledged | RoundOutcome::Standby(_)
        )
    };
    if round.is_in_sync() {
        Exit::Fine
    } else if round.errors.is_empty() && (round.unreadable.is_some() || round.targets.iter().any(failed)) {
        Exit::Environment
    } else {
        Exit::Findings
    }
}

/// Says in lines what a round did. What others wrote stays on the line that it is in.
fn text(round: &Round) -> String {
    let revision =
        round.revision.as_deref().map(|id| format!(" at {}", id.get(..10).unwrap_or(id))).unwrap_or_default();
    let state = match (&round.unreadable, round.errors.len()) {
        (Some(reason), _) => format!("cannot be read: {reason}"),
        (None, 0) => "sound".to_owned(),
        (None, 1) => format!("1 error, so {}", consequence(round)),
        (None, count) => format!("{count} errors, so {}", consequence(round)),
    };
    let mut lines = vec![format!("{}{revision}: {state}", round.source)];
    if round.unreadable.is_none() {
        lines.extend(round.errors.iter().map(|error| format!("  {error}")));
    }
    lines.extend(round.held.iter().map(held_text));
    let refused =
        |object: &_| format!("  refuses {object}: no good version of it is known, so it answers 503");
    lines.extend(round.refused.iter().map(refused));
    lines.extend(round.targets.iter().flat_map(target_text));
    lines.iter().map(|line| format!("{}\n", visible(line))).collect()
}

fn consequence(round: &Round) -> String {
    if round.model.is_none() {
        return "the last good state keeps serving".to_owned();
    }
    format!("{} held back, {} refused, the rest goes on", round.held.len(), round.refused.len())
}

fn held_text(held: &HeldBack) -> String {
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    let broken = held.broken_in.as_deref().map(|id| format!("broken in {}, ", short(id))).unwrap_or_default();
    let Hold { object, revision, path, .. } = &held.hold;
    format!("  holds back {object}: as {path} has it in {}, {broken}since {}", short(revision), held.since)
}

fn target_text(target: &TargetStatus) -> Vec<String> {
    match &target.report {
        TargetReport::Process { socket, nodes, .. } => {
            let first = format!("  {socket}: {}", process_text(&target.outcome, nodes));
            std::iter::once(first).chain(nodes.iter().flat_map(rejections)).collect()
        }
        TargetReport::Cluster(report) => {
            let first = format!("  cluster {}: {}", report.cluster, cluster_text(&target.outcome, report));
            let messages = report.messages.iter().map(|message| format!("    {message}"));
            std::iter::once(first).chain(messages).collect()
        }
    }
}

fn process_text(outcome: &RoundOutcome, nodes: &[ConnectedNode]) -> String {
    match outcome {
        RoundOutcome::Unchanged => "serves it already".to_owned(),
        RoundOutcome::Applied => format!("applied, acknowledged by {}", count(nodes.len())),
        RoundOutcome::Kept => "left as it was".to_owned(),
        RoundOutcome::Unacknowledged
        | RoundOutcome::Incomplete
        | RoundOutcome::Drifted
        | RoundOutcome::Standby(_) => {
            let silent = nodes.iter().filter(|node| !node.acknowledged).map(|node| node.node.as_str());
            format!("applied, not acknowledged by {}", silent.collect::<Vec<_>>().join(", "))
        }
        RoundOutcome::Failed(reason) | RoundOutcome::Refused(reason) => reason.clone(),
    }
}

fn cluster_text(outcome: &RoundOutcome, report: &ClusterReport) -> String {
    match outcome {
        RoundOutcome::Kept => "left as it was".to_owned(),
        RoundOutcome::Standby(holder) => {
            format!("left to {holder}, which holds the Lease {}", report.inventory)
        }
        RoundOutcome::Failed(reason) | RoundOutcome::Refused(reason) => reason.clone(),
        _ => report.objects.map(|counts| counts.to_string()).unwrap_or_default(),
    }
}

fn rejections(node: &ConnectedNode) -> impl Iterator<Item = String> {
    node.rejections.iter().map(|rejected| {
        format!(
            "    GW0701 node `{}` rejects {} `{}`: {}",
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
