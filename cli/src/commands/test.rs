//! `gatewright test`: route tests and goldens, what a team runs in CI to pin its routes.

mod check;
mod file;
mod golden;
mod show;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use gatewright_behaviour::Model;
use gatewright_compiler::Engine;
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::outlet::Form;
use gatewright_reconciler::sides::State;
use gatewright_reconciler::source::SourceSpec;

use crate::Context;
use crate::commands::trace::Report;
use crate::errors::{CliError, Exit};
use crate::inputs::{InputArgs, Inputs};
use crate::report::{Findings, KeepGoing, Settled, refused};

pub use file::SCHEMA;

/// Run route tests and compare golden snapshots
///
/// Runs every `*.gwtest.yaml` of the SOURCE (a request and what must happen to it; `gatewright schema gwtest`), and
/// compares what is compiled with the goldens in its folder `snapshots`. Nothing is sent anywhere.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    input: InputArgs,
    /// Write goldens instead of comparing them, and remove those that nothing makes any more
    #[arg(long)]
    update: bool,
    /// Folder of the goldens [default: `snapshots` in the SOURCE, where that is a folder]
    #[arg(long, value_name = "DIR")]
    snapshots: Option<PathBuf>,
    /// How results are shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JUnit XML
    Junit,
}

/// The tests of one file, or the goldens.
struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One test with its result.
struct Case {
    name: String,
    /// File and line of the test; none for goldens.
    place: Option<String>,
    /// What is wrong, in lines; none passes.
    failure: Option<String>,
    time: Duration,
}

impl Test {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let inputs = context.inputs(&self.input)?;
        let mut engine = Engine::new(inputs.options.clone());
        engine.update(&inputs.source.tree)?;
        if engine.has_errors() || inputs.has_settings_errors() {
            inputs.findings(engine.diagnostics()?).at_least(Severity::Error).tell(&context.terminal);
            return Err(refused("nothing is tested", KeepGoing::Impossible));
        }
        let state = State::of(&engine, &inputs.source)?;
        let Some(mut suites) = self.route_tests(context, &inputs, &engine, &state)? else {
            return Err(CliError::findings("nothing is tested while a test file has errors"));
        };
        let folder = self.snapshots(context);
        suites.extend(self.goldens(&inputs, &engine, folder.as_deref())?);
        if suites.iter().all(|suite| suite.cases.is_empty()) {
            return Err(CliError::findings("there is nothing to test").with_hint(
                "write a *.gwtest.yaml into the SOURCE, or accept what is compiled now as goldens: --update",
            ));
        }
        match self.format {
            Format::Text => context.terminal.show(&show::text(&suites, context.terminal.stdout_color()))?,
            Format::Junit => context.terminal.print(Form::Xml, &show::junit(&suites)?)?,
        }
        let failed = suites.iter().flat_map(|suite| &suite.cases).any(|case| case.failure.is_some());
        Ok(if failed { Exit::Findings } else { Exit::Fine })
    }

    /// Runs the test files; none where one of them cannot be read.
    fn route_tests(
        &self,
        context: &Context,
        inputs: &Inputs,
        engine: &Engine,
        state: &State<'_>,
    ) -> Result<Option<Vec<Suite>>, CliError> {
        let source = &inputs.source;
        let model = Model::new(engine.ir());
        let mut suites = Vec::new();
        let mut sound = true;
        for (path, content) in &source.tests {
            let text = source.tree.reader.read(path, content)?;
            let shown = source.shown(path);
            let (tests, findings) = file::read(&shown, &text);
            if !findings.is_empty() {
                sound = false;
                tell(
                    context,
                    inputs,
                    Settled { findings, path: shown, relative: source.relative(path), text },
                );
                continue;
            }
            let cases = tests.iter().map(|test| {
                let start = Instant::now();
                let report = Report::of(&model, engine, state, &test.request);
                let failures = check::failures(test, &report);
                Case {
                    name: test.name.clone(),
                    place: Some(source.provenance(path, test.line)),
                    failure: (!failures.is_empty()).then(|| show::failure(&failures, test, &report)),
                    time: start.elapsed(),
                }
            });
            suites.push(Suite { name: shown, cases: cases.collect() });
        }
        Ok(sound.then_some(suites))
    }

    fn goldens(
        &self,
        inputs: &Inputs,
        engine: &Engine,
        folder: Option<&std::path::Path>,
    ) -> Result<Option<Suite>, CliError> {
        let Some(folder) = folder else {
            return match self.update {
                true => Err(CliError::usage("--update needs a folder for the goldens")
                    .with_hint("give it with --snapshots DIR")),
                false => Ok(None),
            };
        };
        let goldens = golden::Goldens { folder, wanted: golden::artefacts(engine, &inputs.source)? };
        if self.update {
            goldens.write()?;
        } else if !folder.is_dir() {
            return match self.snapshots {
                Some(_) => Err(CliError::environment(format!("there is no folder `{}`", folder.display()))
                    .with_hint("accept what is compiled now as goldens: --update")),
                None => Ok(None),
            };
        }
        Ok(Some(Suite { name: "snapshots".to_owned(), cases: goldens.compare()? }))
    }

    /// Returns the folder of the goldens: the one that is given, or that of the first SOURCE that is a folder on disk.
    fn snapshots(&self, context: &Context) -> Option<PathBuf> {
        if let Some(folder) = &self.snapshots {
            return Some(context.working_folder.join(folder));
        }
        self.input.sources.iter().find_map(|spec| {
            let SourceSpec::Path(path) = spec else { return None };
            let folder = context.working_folder.join(path);
            folder.is_dir().then(|| folder.join("snapshots"))
        })
    }
}

fn tell(context: &Context, inputs: &Inputs, settled: Settled) {
    Findings::new(&inputs.source, Vec::new(), Some(&settled)).tell(&context.terminal);
}
