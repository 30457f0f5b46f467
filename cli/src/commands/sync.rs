//! `gatewright sync`: keeps serving processes and kube clusters at the newest sound revision of a source.

mod job;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::cluster::{ClusterTarget, LeaseOptions};
use gatewright_reconciler::control::Endpoint;
use gatewright_reconciler::extent::Consent;
use gatewright_reconciler::quarantine::Policy;
use gatewright_reconciler::source::SourceSpec;
use gatewright_reconciler::sync::{App, AppName, ControlTarget, TargetSpec};

use crate::Context;
use crate::cluster::{self, TargetArgs, budget};
use crate::errors::{CliError, Exit};
use crate::inputs::{Configured, state_folder};
use crate::runtime;
use crate::settings::{self, AppSettings, DriftArg, PolicyArg, SettingsArgs};

use job::Job;

/// Keep gateways and kube clusters at the newest sound revision of a git source
///
/// Each round fetches the source, compiles it, orders the processes behind the control sockets (`gatewright gateway
/// --control` and `gatewright xds --control`) to serve it, and applies to clusters what differs, as `gatewright apply
/// --cluster` does. A revision with errors is never carried out: the last good one stays, or under `--policy quarantine`
/// the last good version of each broken object. What is not given as an argument comes from the part `sync` of the
/// settings file; a target that is given stands in the place of all targets of the file. Several
/// sources, each with targets of its own, are the applications of `sync.apps` there.
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

/// Seconds that a Lease is held without a renewal at least.
const SHORTEST_LEASE: u64 = 3;

impl Sync {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let configured = context.settings(&self.settings, None)?;
        configured.refuse_problem(&context.terminal, "nothing is synced")?;
        let job = self.job(context, configured)?;
        runtime::run(|shutdown| job.run(context, shutdown))
    }

    /// Puts the arguments above the settings.
    fn job(&self, context: &Context, configured: Configured) -> Result<Job, CliError> {
        let Configured { sync: settings, folder, options, .. } = configured;
        let apps = settings.apps();
        if let Some(given) = self.of_one_app().filter(|_| apps.iter().any(|app| app.name.is_some())) {
            let what =
                format!("{given} is for one application, and `sync.apps` in {} has names", settings::FILE);
            return Err(CliError::usage(what).with_hint("write it into the application that it is for"));
        }
        let identity = cluster::identity();
        let apps = apps.iter().map(|app| self.app(context, app, &folder, &identity, &options));
        Ok(Job {
            apps: apps.collect::<Result<_, _>>()?,
            once: self.once,
            listen: self.listen.or(settings.listen()).filter(|_| !self.once),
        })
    }

    /// Returns an argument that was given and says what one application is.
    fn of_one_app(&self) -> Option<&'static str> {
        let given = [
            ("SOURCE", self.source.is_some()),
            ("--control", !self.control.is_empty()),
            ("--signers", self.signers.is_some()),
            ("--state-file", self.state_file.is_some()),
            ("--status-file", self.status_file.is_some()),
            ("--allow-empty", self.allow_empty),
        ];
        let given = given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name);
        given.or_else(|| self.target.given())
    }

    /// Puts the arguments above the settings of one application. `folder` is that of the settings file.
    fn app(
        &self,
        context: &Context,
        settings: &AppSettings,
        folder: &Path,
        identity: &str,
        options: &CompileOptions,
    ) -> Result<App, CliError> {
        let working_folder = &context.working_folder;
        let source = match &self.source {
            Some(source) => Some(source.clone()),
            None => settings.source(folder)?,
        };
        let source = source.ok_or_else(|| lacking("SOURCE", "source", settings))?;
        let mut targets = self.targets(context, options);
        if targets.is_empty() {
            targets = settings.targets(&working_folder.join(folder), options);
        }
        if targets.is_empty() {
            return Err(lacking("a target (--control, --cluster)", "targets", settings));
        }
        let seconds = |flag: Option<u64>, setting: Option<u64>, default: u64| {
            Duration::from_secs(flag.or(setting).unwrap_or(default))
        };
        let policy = self.policy.or(settings.policy).map_or(Policy::Stop, Policy::from);
        let state_file = self.state_file.clone().or_else(|| settings.state_file(folder));
        // Under the policy `stop` a place that nobody named may be one that cannot be written.
        let state_needed = state_file.is_some() || policy == Policy::Quarantine;
        let state_file = match state_file {
            Some(path) => working_folder.join(path),
            None => state_folder().join(state_name(settings.name.as_ref(), &source, &targets)),
        };
        let status_file = self.status_file.clone().or_else(|| settings.status_file(folder));
        let signers = self.signers.clone().or_else(|| settings.signers(folder));
        Ok(App {
            name: settings.name.clone().unwrap_or_else(AppName::only),
            source,
            signers: signers.map(|path| working_folder.join(path)),
            targets,
            interval: seconds(self.interval, settings.interval, SECONDS),
            timeout: seconds(self.timeout, settings.timeout, SECONDS),
            policy,
            state_file,
            state_needed,
            status_file: status_file.map(|path| working_folder.join(path)),
            leases: LeaseOptions {
                identity: identity_of(identity, settings.name.as_ref()),
                duration: seconds(self.lease, settings.lease, cluster::LEASE),
                once: self.once,
                clock: cluster::clock,
            },
            compile: options.clone(),
        })
    }

    /// Returns the targets that are given as arguments.
    fn targets(&self, context: &Context, options: &CompileOptions) -> Vec<TargetSpec> {
        let consent = Consent { budget: budget(self.target.prune_budget), empty: self.allow_empty };
        let sockets = self.control.iter().map(|path| context.working_folder.join(path));
        let processes = sockets.map(|socket| ControlTarget { endpoint: Endpoint::Socket(socket), consent });
        let cluster = self.target.cluster.iter();
        let cluster = cluster.map(|name| ClusterTarget {
            drift: self.drift.into(),
            ..context.cluster_target(&self.target, name, options)
        });
        processes.map(TargetSpec::Control).chain(cluster.map(TargetSpec::Cluster)).collect()
    }
}

fn lacking(argument: &str, setting: &str, app: &AppSettings) -> CliError {
    let message = match &app.name {
        Some(name) => format!("application `{name}` has no `{setting}` in {}", settings::FILE),
        None => format!("there is neither {argument} nor `sync.{setting}` in {}", settings::FILE),
    };
    CliError::usage(message)
}

/// Returns who holds the Leases of an application. Two of one process that lead to one inventory by different ways must
/// not take each other's Lease for their own.
fn identity_of(process: &str, app: Option<&AppName>) -> String {
    app.map_or_else(|| process.to_owned(), |app| format!("{process}_{app}"))
}

/// Returns a name that two different applications do not share.
fn state_name(app: Option<&AppName>, source: &SourceSpec, targets: &[TargetSpec]) -> String {
    let mut hasher = blake3::Hasher::new();
    let app = app.map(|app| format!("app {app}"));
    let parts = app.into_iter().chain([source.to_string()]).chain(targets.iter().map(ToString::to_string));
    for part in parts {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    format!("sync-{}.json", &hasher.finalize().to_hex()[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_share_neither_leases_nor_state() {
        let source: SourceSpec = "git+/r@main".parse().unwrap();
        let names: [AppName; 2] = ["shop", "docs"].map(|name| name.parse().unwrap());
        let [shop, docs] = names.each_ref().map(Some);
        assert_ne!(identity_of("host_1", shop), identity_of("host_1", docs));
        assert_eq!(identity_of("host_1", None), "host_1");
        assert_ne!(state_name(shop, &source, &[]), state_name(docs, &source, &[]));
        assert_ne!(state_name(shop, &source, &[]), state_name(None, &source, &[]));
    }
}
