//! Kube clusters on the command line: which one, as whom, and what became of its objects.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gatewright_cluster::carry_out::StepOutcome;
use gatewright_cluster::client::ClusterError;
use gatewright_cluster::connect::{Access, ConnectError, connect};
use gatewright_cluster::decide::{Drift, PruneBudget};
use gatewright_cluster::inventory::InventoryName;
use gatewright_cluster::lease::{Candidacy, Standing, Tenure};
use gatewright_cluster::told::{Counts, sentence};
use gatewright_compiler::options::CompileOptions;
use gatewright_diagnostics::outlet::visible;
use gatewright_kinds::EntityKey;
use gatewright_reconciler::cluster::{ClusterTarget, ConnectedTarget, Feed, Feeding};
use jiff::Timestamp;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::runtime::Shutdown;
use crate::serving::LiveObjects;

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct AccessArgs {
    /// Kubeconfig file [default: those of KUBECONFIG, else ~/.kube/config, else the service account of the Pod]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Run the program that the kubeconfig names for credentials
    #[arg(long)]
    allow_exec: bool,
}

/// A cluster that is applied to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct TargetArgs {
    /// A kube cluster, by context of the kubeconfig [without a value: the current one]
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, default_missing_value = "")]
    pub cluster: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
    /// ConfigMap that keeps what was applied, as an ApplySet [default: gatewright in the system namespace]
    #[arg(long, value_name = "NAMESPACE/NAME")]
    inventory: Option<InventoryName>,
    /// Objects that may be deleted, as they left the SOURCE [default: 10, and at most half of the inventory]; for serving
    /// processes, hosts, paths and objects that they may lose
    #[arg(long, value_name = "NUMBER")]
    pub prune_budget: Option<usize>,
}

impl TargetArgs {
    /// Returns an argument that was given and says something of a target.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--cluster", self.cluster.is_some()),
            ("--inventory", self.inventory.is_some()),
            ("--prune-budget", self.prune_budget.is_some()),
            ("--kubeconfig", self.access.kubeconfig.is_some()),
            ("--allow-exec", self.access.allow_exec),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

impl Context {
    /// Returns how a cluster is reached; an empty text is the current context.
    pub fn access(&self, arguments: &AccessArgs, context: &str) -> Access {
        let named = arguments.kubeconfig.as_ref().map(|path| self.working_folder.join(path));
        Access::of(named, context, arguments.allow_exec)
    }

    /// Returns a cluster that is applied to; `context` names it.
    ///
    /// # Errors
    /// There is no way to it.
    pub async fn target(
        &self,
        arguments: &TargetArgs,
        context: &str,
        options: &CompileOptions,
    ) -> Result<ConnectedTarget, CliError> {
        let target = self.cluster_target(arguments, context, options);
        Ok(ClusterTarget { drift: Drift::Conflict, ..target }.connect().await?)
    }

    /// Returns the same before anything is asked.
    pub fn cluster_target(
        &self,
        arguments: &TargetArgs,
        context: &str,
        options: &CompileOptions,
    ) -> ClusterTarget {
        ClusterTarget {
            access: self.access(&arguments.access, context),
            inventory: arguments.inventory.clone().unwrap_or_else(|| inventory(options)),
            budget: budget(arguments.prune_budget),
            drift: Drift::Correct,
        }
    }
}

/// Returns the inventory that is used unless another one is named.
pub fn inventory(options: &CompileOptions) -> InventoryName {
    InventoryName { namespace: options.system_namespace.clone(), name: "gatewright".to_owned() }
}

/// Seconds that a Lease is held without a renewal, unless something else is said.
pub const LEASE: u64 = 15;

/// Returns a name for this process that no other one has, by which people find it.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.as_deref().map_or("gatewright", str::trim).to_owned();
    let start = Timestamp::now().as_nanosecond();
    let id = blake3::hash(format!("{host} {} {start}", std::process::id()).as_bytes()).to_hex();
    format!("{host}_{}", &id[..8])
}

/// Returns the time of day after RFC 3339, with microseconds.
pub fn clock() -> String {
    Timestamp::now().strftime("%FT%T%.6fZ").to_string()
}

/// Asks for the Lease of a cluster, which says who looks after it.
///
/// # Errors
/// Another instance holds it and is alive, or the API server does not say.
pub async fn campaign(target: &ClusterTarget) -> Result<Tenure, CliError> {
    let mut tenure = Tenure::begin(Candidacy {
        access: target.access.clone(),
        name: target.inventory.clone(),
        identity: identity(),
        duration: Duration::from_secs(LEASE),
        clock,
    });
    let name = &target.inventory;
    let refusal = match tenure.standing(true).await {
        Standing::Held(_) => return Ok(tenure),
        Standing::Waiting(holder) | Standing::Standby(holder) => CliError::environment(format!(
            "{holder} looks after the cluster and holds the Lease {name}; nothing is changed"
        ))
        .with_hint("commit to what it follows, or end it first"),
        Standing::Failed(reason) => CliError::environment(reason),
        Standing::Unknown => CliError::bug("it is not known who holds the Lease"),
    };
    tenure.end().await;
    Err(refusal)
}

/// Returns how much may be deleted.
pub fn budget(objects: Option<usize>) -> PruneBudget {
    objects.map_or(PruneBudget::Default, PruneBudget::Objects)
}

/// A cluster that is followed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct FollowArgs {
    /// Take Services, endpoints and certificates from a kube cluster, by context of the kubeconfig [without a value: the
    /// current one]; without a SOURCE, everything else too
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, default_missing_value = "", conflicts_with = "control")]
    pub cluster: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
}

impl Context {
    /// Begins to follow the cluster that the arguments name, and waits until all of it was seen; none where none is
    /// named.
    ///
    /// # Errors
    /// There is no way to it, it does not answer, or the program is to end.
    pub async fn follow(
        &self,
        arguments: &FollowArgs,
        feeding: Feeding,
        options: &CompileOptions,
        mut shutdown: Shutdown,
    ) -> Result<Option<LiveObjects>, CliError> {
        let Some(name) = &arguments.cluster else { return Ok(None) };
        let cluster = connect(&self.access(&arguments.access, name)).await?;
        let mut feed = Feed::start(&cluster, feeding, options);
        tokio::select! {
            first = feed.first() => {
                let first = first?;
                Ok(Some(LiveObjects { feed, first }))
            }
            () = shutdown.requested() => {
                Err(CliError::environment("stopped before the cluster was seen as a whole"))
            }
        }
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        let failure = CliError::environment(error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        CliError::environment(error.to_string())
    }
}

/// Tells what became of each object, failures on standard error, and returns how the command ends.
pub fn report(
    context: &Context,
    cluster: &str,
    outcomes: &BTreeMap<EntityKey, StepOutcome>,
    dry_run: bool,
) -> Result<Exit, CliError> {
    let mut text = String::new();
    for (key, outcome) in outcomes {
        let (sign, sentence) = sentence(key, outcome);
        if outcome.is_failure() {
            context.terminal.remark(&sentence);
        } else if *outcome != StepOutcome::Unchanged {
            text.push_str(&format!("{sign} {}\n", visible(&sentence)));
        }
    }
    let done = if dry_run { "would apply to" } else { "applied to" };
    text.push_str(&format!("{done} {}: {}\n", visible(cluster), Counts::of(outcomes)));
    context.terminal.show(&text)?;
    Ok(if outcomes.values().any(|outcome| outcome.unreachable().is_some()) {
        Exit::Environment
    } else if outcomes.values().any(StepOutcome::is_failure) {
        Exit::Findings
    } else {
        Exit::Fine
    })
}
