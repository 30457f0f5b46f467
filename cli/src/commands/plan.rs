//! `gatewright plan`: what a change does, before anything does it.

use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gatewright_compiler::Engine;
use gatewright_compiler::source::SourceTree;
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::outlet::Form;
use gatewright_plan::render::{self, TextOptions};
use gatewright_plan::{Level, Plan as PlanDocument, PlanOptions, RiskOptions, Verdict};
use gatewright_reconciler::cluster::{self, Depth, DesiredState};
use gatewright_reconciler::sides::{self, State};
use gatewright_reconciler::source::SourceSpec;

use crate::Context;
use crate::cluster::TargetArgs;
use crate::errors::{CliError, Exit};
use crate::files::{self, Output};
use crate::inputs::{InputArgs, Inputs};
use crate::report::{KeepGoing, refused};
use crate::runtime;

/// The published schema of a saved plan.
pub const SCHEMA: &str = include_str!("../../../schemas/plan.schema.json");

/// Show what a change does to requests, objects and xDS resources
///
/// Compares the SOURCE with a base, usually another revision, or with what a kube cluster holds, and changes nothing.
/// Secret values and plugin configuration are never shown, only whether they differ.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    input: InputArgs,
    /// What the SOURCE is compared with; repeatable, several merge. With --cluster it is shown beside the live values
    #[arg(long, value_name = "SOURCE", required_unless_present = "cluster")]
    base: Vec<SourceSpec>,
    /// How the plan is shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Levels that text and markdown show in detail; JSON has all of them
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', default_value = "behaviour,objects,xds")]
    level: Vec<LevelArg>,
    /// Show the text difference of each xDS resource
    #[arg(long)]
    show_xds: bool,
    /// Exit with 4 where there are changes, and with 5 where some are risky
    #[arg(long)]
    detailed_exitcode: bool,
    /// Save the plan, as JSON, for `gatewright apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Levels and thresholds of risks, as YAML
    #[arg(long, value_name = "FILE")]
    risk_config: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A pull-request comment of at most 65,536 bytes
    Markdown,
    /// The document of schemas/plan.schema.json
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LevelArg {
    /// Requests
    Behaviour,
    /// Objects, field by field
    Objects,
    /// xDS resources
    Xds,
}

impl Plan {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        if [&self.input.sources, &self.base].iter().all(|specs| specs.contains(&SourceSpec::Stdin)) {
            return Err(CliError::usage(
                "standard input can be read only once: SOURCE and --base cannot both be `-`",
            ));
        }
        let options = PlanOptions { xds_text: self.show_xds, risks: self.risk_options(context)? };
        let base_arguments = InputArgs {
            sources: self.base.clone(),
            allow_empty: true,
            settings: self.input.settings.clone(),
        };
        let base = || (!self.base.is_empty()).then(|| context.inputs(&base_arguments)).transpose();
        let (base, head) = rayon::join(base, || context.inputs(&self.input));
        let (base, head) = (base?, head?);
        let plan = match (&self.target.cluster, &base) {
            (Some(name), base) => self.plan_for_cluster(context, name, base.as_ref(), &head, &options)?,
            (None, Some(base)) => self.plan(context, base, &head, &options)?,
            (None, None) => unreachable!("one of the two is given"),
        };
        let Some(plan) = plan else {
            return Err(refused("nothing is planned", KeepGoing::Impossible));
        };
        if let Some(path) = &self.out {
            save(context, path, &plan)?;
        }
        let color = context.terminal.stdout_color();
        let form = match self.format {
            Format::Text => Form::Text { color },
            Format::Markdown => Form::Markdown,
            Format::Json => Form::Json,
        };
        context.terminal.print(form, &self.render(&plan, color))?;
        Ok(match plan.verdict() {
            _ if !self.detailed_exitcode => Exit::Fine,
            Verdict::NoChange => Exit::Fine,
            Verdict::Changes => Exit::Changes,
            Verdict::RiskyChanges => Exit::RiskyChanges,
        })
    }

    /// Makes the plan; none where the head has errors, which are told.
    fn plan(
        &self,
        context: &Context,
        base: &Inputs,
        head: &Inputs,
        options: &PlanOptions,
    ) -> Result<Option<PlanDocument>, CliError> {
        [base, head].iter().for_each(|inputs| inputs.source.read_once());
        // The process ends with the plan: to take the states apart first would be a tenth of its time.
        let mut engine = ManuallyDrop::new(Engine::new(base.options.clone()));
        engine.update(&base.source.tree)?;
        let before = ManuallyDrop::new(State::of(&engine, &base.source)?);
        // What held manifests in the base is not lost by a mistake.
        let expected = engine.files_with_manifests();
        let tree = SourceTree { expected, ..head.source.tree.clone() };
        if base.options != head.options {
            // Other settings are another compilation altogether.
            *engine = Engine::new(head.options.clone());
        }
        engine.update(&tree)?;
        head.refuse_nothing(&engine, &context.terminal, "nothing is planned")?;
        if engine.has_errors() || head.has_settings_errors() {
            head.findings(engine.diagnostics()?).at_least(Severity::Error).tell(&context.terminal);
            return Ok(None);
        }
        let after = ManuallyDrop::new(State::of(&engine, &head.source)?);
        Ok(Some(sides::plan(&before, &after, &mut engine, options)?))
    }

    /// Makes the plan of an apply to a cluster; none where the head has errors, which are told.
    fn plan_for_cluster(
        &self,
        context: &Context,
        name: &str,
        base: Option<&Inputs>,
        head: &Inputs,
        options: &PlanOptions,
    ) -> Result<Option<PlanDocument>, CliError> {
        let mut engine = Engine::new(head.options.clone());
        engine.update(&head.source.tree)?;
        head.refuse_nothing(&engine, &context.terminal, "nothing is planned")?;
        if engine.has_errors() || head.has_settings_errors() {
            head.findings(engine.diagnostics()?).at_least(Severity::Error).tell(&context.terminal);
            return Ok(None);
        }
        let desired = DesiredState::of(&head.source, &engine)?;
        let (looked, name) = runtime::block_on(async {
            let target = context.target(&self.target, name, &head.options).await?;
            let looked = cluster::look(&target, &desired, Depth::Referenced).await?;
            if let Some(limits) = looked.observed.limits() {
                context.terminal.tell(&format!("{limits}\n"));
            }
            Ok((looked, target.cluster.name().to_owned()))
        })?;
        let old = cluster::base(&looked, &name);
        let new = cluster::head(&looked, &name, &engine.provenance());
        let mut both = Engine::new(head.options.clone());
        both.update(&old.tree)?;
        let before = State::of_cluster(&both, &head.source, &old, Vec::new())?;
        both.update(&new.tree)?;
        let after = State::of_cluster(&both, &head.source, &new, sides::told(&engine)?)?;
        let beside = base.map(|base| cluster::wanted(&base.source)).transpose()?;
        let level = cluster::level(&looked, &name, beside.as_ref());
        Ok(Some(sides::plan(&before, &after, &mut both, options)?.with_cluster(level)))
    }

    fn render(&self, plan: &PlanDocument, color: bool) -> String {
        let levels: Vec<Level> = self
            .level
            .iter()
            .map(|level| match level {
                LevelArg::Behaviour => Level::Behaviour,
                LevelArg::Objects => Level::Objects,
                LevelArg::Xds => Level::Xds,
            })
            .collect();
        match self.format {
            Format::Text => render::text(plan, TextOptions { color, levels: &levels }),
            Format::Markdown => render::markdown(plan, &levels),
            Format::Json => plan.to_json(),
        }
    }

    fn risk_options(&self, context: &Context) -> Result<RiskOptions, CliError> {
        let Some(path) = &self.risk_config else { return Ok(RiskOptions::default()) };
        let shown = path.display();
        let text = std::fs::read(context.working_folder.join(path))
            .map_err(|error| CliError::environment(format!("cannot read `{shown}`: {error}")))?;
        serde_yaml::from_slice(&text).map_err(|error| CliError::usage(format!("`{shown}`: {error}")))
    }
}

/// Writes the plan so that a reader sees all of it or none.
fn save(context: &Context, path: &std::path::Path, plan: &PlanDocument) -> Result<(), CliError> {
    let file = context.working_folder.join(path);
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(CliError::usage(format!("`{}` is no name for a file", path.display())));
    };
    let name = name.to_string_lossy().into_owned();
    files::write_all(folder, &[Output { name, content: plan.to_json(), private: false }])
}
