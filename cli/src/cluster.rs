//! Kube clusters on the command line: which one, as whom, and what became of its objects.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use gatewright_cluster::carry_out::Outcome;
use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::connect::{Access, ConnectError, connect};
use gatewright_cluster::decide::PruneBudget;
use gatewright_cluster::inventory::InventoryName;
use gatewright_compiler::manifest::EntityKey;
use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::cluster::{Feed, Feeding, LookError, Target};

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
    /// Objects that may be deleted, as they left the SOURCE [default: 10, and at most half of the inventory]
    #[arg(long, value_name = "NUMBER")]
    prune_budget: Option<usize>,
}

impl Context {
    /// Returns how a cluster is reached.
    pub fn access(&self, arguments: &AccessArgs, context: &str) -> Access {
        let kubeconfig = match &arguments.kubeconfig {
            Some(path) => vec![self.working_folder.join(path)],
            None => kubeconfig_files(),
        };
        let context = Some(context.to_owned()).filter(|name| !name.is_empty());
        Access { kubeconfig, context, allow_exec: arguments.allow_exec }
    }

    async fn connect(&self, arguments: &AccessArgs, context: &str) -> Result<Cluster, CliError> {
        if let Some(path) = arguments.kubeconfig.as_ref()
            && !self.working_folder.join(path).is_file()
        {
            return Err(CliError::environment(format!("there is no kubeconfig `{}`", path.display())));
        }
        Ok(connect(&self.access(arguments, context)).await?)
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
    ) -> Result<Target, CliError> {
        let cluster = self.connect(&arguments.access, context).await?;
        let inventory = arguments.inventory.clone().unwrap_or_else(|| InventoryName {
            namespace: options.system_namespace.clone(),
            name: "gatewright".to_owned(),
        });
        let budget = arguments.prune_budget.map_or(PruneBudget::Default, PruneBudget::Objects);
        Ok(Target { cluster, inventory, budget })
    }
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
        mut shutdown: Shutdown,
    ) -> Result<Option<LiveObjects>, CliError> {
        let Some(name) = &arguments.cluster else { return Ok(None) };
        let cluster = self.connect(&arguments.access, name).await?;
        let mut feed = Feed::start(&cluster, feeding);
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

/// Returns the files that kubectl reads.
fn kubeconfig_files() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match variable("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => variable("HOME").map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
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

impl From<LookError> for CliError {
    fn from(error: LookError) -> Self {
        CliError::environment(error.to_string())
    }
}

/// Tells what became of each object, failures on standard error, and returns how the command ends.
pub fn report(
    context: &Context,
    cluster: &str,
    outcomes: &BTreeMap<EntityKey, Outcome>,
    dry_run: bool,
) -> Result<Exit, CliError> {
    let mut text = String::new();
    for (key, outcome) in outcomes {
        let (sign, sentence) = sentence(key, outcome);
        if outcome.is_failure() {
            context.terminal.tell(&format!("{sentence}\n"));
        } else if outcome.is_write() || *outcome == Outcome::Kept {
            text.push_str(&format!("{sign} {sentence}\n"));
        }
    }
    let count = |wanted: fn(&Outcome) -> bool| outcomes.values().filter(|outcome| wanted(outcome)).count();
    text.push_str(&format!(
        "{} {cluster}: {} created, {} updated, {} deleted, {} as wanted, {} failed\n",
        if dry_run { "would apply to" } else { "applied to" },
        count(|outcome| *outcome == Outcome::Created),
        count(|outcome| *outcome == Outcome::Updated),
        count(|outcome| *outcome == Outcome::Deleted),
        count(|outcome| matches!(outcome, Outcome::Unchanged)),
        count(Outcome::is_failure),
    ));
    context.terminal.print(&text)?;
    let unreachable = |outcome: &Outcome| {
        matches!(outcome, Outcome::Failed(ClusterError::Unreachable { .. } | ClusterError::Unauthorized(_)))
    };
    Ok(if outcomes.values().any(unreachable) {
        Exit::Environment
    } else if outcomes.values().any(Outcome::is_failure) {
        Exit::Findings
    } else {
        Exit::Fine
    })
}

fn sentence(key: &EntityKey, outcome: &Outcome) -> (char, String) {
    match outcome {
        Outcome::Created => ('+', format!("{key} created")),
        Outcome::Updated => ('~', format!("{key} updated")),
        Outcome::Unchanged => (' ', format!("{key} is as wanted")),
        Outcome::Deleted => ('-', format!("{key} deleted")),
        Outcome::Released(owners) => {
            ('.', format!("GW0613 {key} is not deleted: {} applied to it too", owners.join(", ")))
        }
        Outcome::Kept => ('.', format!("GW0612 {key} is not deleted: the inventory was not there")),
        Outcome::Conflict(changes) => {
            let owned = changes.iter().filter(|change| !change.owners.is_empty());
            let owned: Vec<String> = owned
                .map(|change| format!("`{}` owns {}", change.owners.join("`, `"), change.pointer))
                .collect();
            let why = match owned.is_empty() {
                true => "it belongs to another ApplySet".to_owned(),
                false => owned.join(", "),
            };
            ('!', format!("GW0610 {key} is left alone: {why}"))
        }
        Outcome::Held(cause) => ('!', format!("GW0615 {key} is left alone: {cause} failed")),
        Outcome::Failed(error @ ClusterError::Conflict(_)) => {
            ('!', format!("GW0610 {key} is left alone: {error}"))
        }
        Outcome::Failed(error) => ('!', format!("GW0615 {key}: {error}")),
    }
}
