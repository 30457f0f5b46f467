//! `gatewright apply`: brings a serving process or a kube cluster to a planned state.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use gatewright_cluster::carry_out::{Needs, carry_out};
use gatewright_compiler::Engine;
use gatewright_diagnostics::Severity;
use gatewright_plan::Plan;
use gatewright_plan::cluster::ClusterLevel;
use gatewright_reconciler::cluster::{self as target, ConnectedTarget, Depth, DesiredState, Looked};
use gatewright_reconciler::control::{self, Answer, Apply as Order, Endpoint, Question, Status};
use gatewright_reconciler::quarantine::quarantine;
use gatewright_reconciler::sides;
use gatewright_reconciler::source::{Hold, Loader, Source, SourceSpec};

use crate::Context;
use crate::cluster::{self, TargetArgs};
use crate::errors::{CliError, Exit};
use crate::inputs::{InputArgs, Inputs};
use crate::report::{KeepGoing, refused};
use crate::runtime;
use crate::settings::{PolicyArg, SettingsArgs};

/// Bring a serving process or a kube cluster to a planned state
///
/// With --control, hands the state to the process behind the control socket (`gatewright gateway --control` or
/// `gatewright xds --control`) and waits until every node has acknowledged it. With --cluster, applies the objects that
/// differ to a kube cluster (server-side apply as the field manager `gatewright`) and deletes what left the SOURCE and was
/// applied before; fields of other owners are not taken. A saved plan is refused when its source or the live state moved
/// since it was made.
#[derive(Debug, Args)]
pub struct Apply {
    /// A plan saved by `gatewright plan --out`, or SOURCEs
    #[arg(value_name = "PLAN or SOURCE", required = true)]
    what: Vec<String>,
    /// Control socket of the serving process
    #[arg(long, value_name = "PATH", conflicts_with = "cluster")]
    control: Option<PathBuf>,
    /// Seconds that the nodes may take to acknowledge
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// What becomes of SOURCEs with errors
    #[arg(long, value_name = "POLICY", default_value = "stop")]
    policy: PolicyArg,
    /// Do not ask before SOURCEs are applied
    #[arg(short, long)]
    yes: bool,
    /// Go on with SOURCEs that hold no manifest, or serve no host; never for clusters
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    target: TargetArgs,
    /// Only let the API server say what would happen
    #[arg(long, help_heading = "Cluster", conflicts_with = "control")]
    server_dry_run: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Apply {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let plan = self.saved_plan(context)?;
        let planned = plan.as_ref().and_then(|plan| plan.cluster.as_ref()).map(|level| level.context.clone());
        let Some(control) = &self.control else {
            let name = self.target.cluster.clone().or(planned).ok_or_else(|| {
                CliError::usage("nothing says what is brought to the state")
                    .with_hint("give --control PATH or --cluster [CONTEXT]")
            })?;
            return self.apply_to_cluster(context, &name, plan.as_ref());
        };
        let process = Endpoint::Socket(context.working_folder.join(control));
        runtime::run(|_| async move {
            let order = match plan {
                Some(plan) => self.order(context, sources_of(&plan), Some(plan.base.model), plan.head.model),
                None => self.order_of_sources(context, &process).await?,
            };
            let answer = control::ask(&process, &Question::Apply(order)).await?;
            report(context, answer)
        })
    }

    /// Returns the plan, where the one argument is a file that says it is one.
    fn saved_plan(&self, context: &Context) -> Result<Option<Plan>, CliError> {
        let [path] = self.what.as_slice() else { return Ok(None) };
        let file = context.working_folder.join(path);
        if !file.is_file() || file.extension().is_none_or(|extension| extension != "json") {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| CliError::environment(format!("cannot read `{path}`: {error}")))?;
        if !text.contains(gatewright_plan::FORMAT) {
            return Ok(None);
        }
        Plan::from_json(&text).map(Some).map_err(|error| CliError::usage(format!("`{path}`: {error}")))
    }

    /// Applies what differs to a cluster, as the one who holds its Lease.
    fn apply_to_cluster(&self, context: &Context, name: &str, plan: Option<&Plan>) -> Result<Exit, CliError> {
        let sources = plan.map_or_else(|| self.what.clone(), sources_of);
        let (inputs, engine) = self.compiled(context, &sources)?;
        if engine.has_errors() {
            return Err(refused("nothing is applied", KeepGoing::Impossible));
        }
        let desired = DesiredState::of(&inputs.source, &engine)?;
        runtime::block_on(async {
            let to = context.target(&self.target, name, &inputs.options).await?;
            let looked = target::look(&to, &desired, Depth::Managed).await?;
            let input = sides::input_of(&engine, &inputs.source);
            let apply = |looked| self.apply_to(context, &to, plan, &input, looked, &desired.needs);
            // Where nothing is written nobody is in the way.
            if self.server_dry_run || looked.round.withheld.is_some() || looked.round.is_settled() {
                return apply(looked).await;
            }
            let mut tenure =
                cluster::campaign(&context.cluster_target(&self.target, name, &inputs.options)).await?;
            let applied = tokio::select! {
                // Who held it before may have changed something since.
                applied = async { apply(target::look(&to, &desired, Depth::Managed).await?).await } => applied,
                () = tenure.lost() => Err(CliError::environment(format!("the Lease {} was lost", to.inventory))),
            };
            tenure.end().await;
            applied
        })
    }

    /// Applies what differs in a cluster that was looked at, if the plan that was read still says what would be done.
    async fn apply_to(
        &self,
        context: &Context,
        to: &ConnectedTarget,
        plan: Option<&Plan>,
        input: &str,
        looked: Looked,
        needs: &Needs,
    ) -> Result<Exit, CliError> {
        if let Some(limits) = looked.observed.limits() {
            context.terminal.tell(&format!("{limits}\n"));
        }
        let name = to.cluster.name();
        if let Some(why) = &looked.round.withheld {
            return Err(CliError::findings(format!("GW0611 {why}"))
                .with_hint("look at it with `gatewright plan --cluster`; --prune-budget allows deletions"));
        }
        let level = target::level(&looked, name, None);
        match plan {
            Some(plan) => fresh(plan, input, &level)?,
            None if self.server_dry_run || looked.round.is_settled() => {}
            None => {
                context
                    .terminal
                    .tell(&gatewright_plan::render::cluster(&level, context.terminal.stderr_color()));
                self.confirm(context)?;
            }
        }
        let outcomes = carry_out(&to.cluster, &looked.round, needs, self.server_dry_run).await?;
        cluster::report(context, name, &outcomes, self.server_dry_run)
    }

    /// Reads and compiles SOURCEs, and tells what is wrong with them.
    fn compiled(&self, context: &Context, sources: &[String]) -> Result<(Inputs, Engine), CliError> {
        let sources: Vec<SourceSpec> = sources
            .iter()
            .map(|text| {
                let shown = gatewright_secrets::argument(text);
                text.parse().map_err(|error| CliError::usage(format!("`{shown}` is no SOURCE: {error}")))
            })
            .collect::<Result<_, _>>()?;
        let inputs = context.inputs(&InputArgs {
            sources,
            allow_empty: self.allow_empty,
            settings: self.settings.clone(),
        })?;
        inputs.refuse_settings_errors(&context.terminal, "nothing is applied")?;
        let mut engine = Engine::new(inputs.options.clone());
        engine.update(&inputs.source.tree)?;
        inputs.refuse_nothing(&engine, &context.terminal, "nothing is applied")?;
        inputs.findings(engine.diagnostics()?).at_least(Severity::Warning).tell(&context.terminal);
        Ok((inputs, engine))
    }

    /// Compiles the SOURCEs, so that what is ordered is exactly what was looked at.
    async fn order_of_sources(&self, context: &Context, process: &Endpoint) -> Result<Order, CliError> {
        let (inputs, mut engine) = self.compiled(context, &self.what)?;
        let mut held = Vec::new();
        if engine.has_errors() {
            if self.policy == PolicyArg::Stop {
                return Err(refused("nothing is applied", KeepGoing::Impossible));
            }
            held = quarantined(context, &mut engine, &inputs.source, process).await?;
        }
        self.confirm(context)?;
        let order = self.order(context, self.what.clone(), None, engine.ir().digest().hex());
        Ok(Order { held, ..order })
    }

    fn confirm(&self, context: &Context) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(CliError::usage("applying SOURCEs without a plan needs consent")
                .with_hint("give --yes, or apply a plan saved by `gatewright plan --out`"));
        }
        context.terminal.tell("Apply this state? Only `yes` is accepted: ");
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| CliError::environment(format!("cannot read the answer: {error}")))?;
        if answer.trim() == "yes" { Ok(()) } else { Err(CliError::findings("nothing was applied")) }
    }

    fn order(&self, context: &Context, sources: Vec<String>, base: Option<String>, head: String) -> Order {
        Order {
            sources,
            working_folder: context.working_folder.display().to_string(),
            base_model: base,
            head_model: Some(head),
            policy: self.policy.into(),
            held: Vec::new(),
            prune_budget: self.target.prune_budget,
            allow_empty: self.allow_empty,
            timeout_ms: self.timeout.saturating_mul(1000),
        }
    }
}

/// Refuses a plan whose source or cluster is not what it was.
fn fresh(plan: &Plan, input: &str, now: &ClusterLevel) -> Result<(), CliError> {
    let stale = |reason: String| {
        CliError::findings(format!("GW0601 {reason}; nothing was changed")).with_hint("make the plan again")
    };
    if plan.head.input != input {
        return Err(stale("the source or its settings are not those that the plan was made from".to_owned()));
    }
    let Some(then) = &plan.cluster else {
        return Err(CliError::usage("the plan is not for a cluster")
            .with_hint("make one with `gatewright plan SOURCE --cluster`"));
    };
    let actions = |level: &ClusterLevel| -> Vec<_> {
        let step = |step: &gatewright_plan::cluster::ClusterStep| {
            (step.entity.clone(), step.action, step.force, step.seen.clone())
        };
        level.steps.iter().map(step).collect()
    };
    if then.context != now.context || then.inventory != now.inventory {
        return Err(stale(format!("the plan is for {} and inventory {}", then.context, then.inventory)));
    }
    let (then, now) = (actions(then), actions(now));
    let moved = then.iter().find(|step| !now.contains(step)).or(now.iter().find(|step| !then.contains(step)));
    match moved {
        Some((entity, ..)) => Err(stale(format!("{entity} moved in the cluster"))),
        None => Ok(()),
    }
}

/// Several SOURCEs stand in a plan with spaces between them.
fn sources_of(plan: &Plan) -> Vec<String> {
    plan.head.source.split(' ').map(str::to_owned).collect()
}

/// Takes broken objects as the serving process has them, tells of it, and leaves the engine at the result.
async fn quarantined(
    context: &Context,
    engine: &mut Engine,
    source: &Source,
    process: &Endpoint,
) -> Result<Vec<Hold>, CliError> {
    let loader = context.loader()?;
    let last = match control::ask(process, &Question::Status).await? {
        Answer::Status(status) => last_state(&loader, &status)?,
        other => return Err(CliError::bug(format!("the serving process answered {other:?}"))),
    };
    let done = quarantine(&loader, engine, source, last.as_ref())?;
    for hold in done.source.holds() {
        let short = hold.revision.get(..10).unwrap_or(&hold.revision);
        context.terminal.remark(&format!("holds back {}: as {} has it in {short}", hold.object, hold.path));
    }
    for object in &done.refused {
        let text = format!("refuses {object}: no good version of it is served, so it answers 503");
        context.terminal.remark(&text);
    }
    Ok(done.source.holds().to_vec())
}

/// Reads what a process serves, where that is in revisions.
fn last_state(loader: &Loader, status: &Status) -> Result<Option<Source>, CliError> {
    let specs: Vec<SourceSpec> = status.pinned.iter().filter_map(|text| text.parse().ok()).collect();
    if specs.is_empty() || !specs.iter().all(|spec| matches!(spec, SourceSpec::Remote { .. })) {
        return Ok(None);
    }
    let source = loader.load(&specs)?;
    Ok(Some(loader.hold(&source, &status.held)?))
}

fn report(context: &Context, answer: Answer) -> Result<Exit, CliError> {
    match answer {
        Answer::Applied(status) => {
            tell(context, &status);
            let version = status.version.as_deref().unwrap_or("none");
            context.terminal.show(&format!(
                "applied: version {version}, acknowledged by {} nodes\n",
                status.nodes.len()
            ))?;
            let rejected = status.nodes.iter().any(|node| !node.rejections.is_empty());
            Ok(if rejected { Exit::Findings } else { Exit::Fine })
        }
        Answer::Unacknowledged(status) => {
            tell(context, &status);
            let silent: Vec<&str> = status
                .nodes
                .iter()
                .filter(|node| !node.acknowledged)
                .map(|node| node.node.as_str())
                .collect();
            Err(CliError::environment(format!("GW0602 not acknowledged in time by {}", silent.join(", "))))
        }
        Answer::Stale { reason } => Err(CliError::findings(format!("GW0601 {reason}; nothing was changed"))
            .with_hint("make the plan again")),
        Answer::Refused { errors } => {
            Err(CliError::findings("the state has errors; nothing was changed:").with_details(errors))
        }
        Answer::Shrunk { reason, consent } => {
            Err(CliError::findings(format!("GW0617 {reason}; nothing was changed"))
                .with_hint(format!("look at it with `gatewright plan`; if it is meant, give {consent}")))
        }
        Answer::Failed { reason } => Err(CliError::environment(format!("{reason}; nothing was changed"))),
        Answer::Status(_) => Err(CliError::bug("the serving process answered another question")),
    }
}

fn tell(context: &Context, status: &Status) {
    for node in &status.nodes {
        for rejected in &node.rejections {
            context.terminal.remark(&format!(
                "GW0701 node `{}` rejects {} `{}`: {}",
                node.node, rejected.kind, rejected.resource, rejected.message
            ));
        }
    }
}
