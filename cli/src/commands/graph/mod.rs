//! `gatewright graph`: what refers to what.

mod render;

use clap::{Args, ValueEnum};
use gatewright_compiler::graph::{Focus, Reach};
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::outlet::Form;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::inputs::InputArgs;

/// Show the dependency graph of manifests
///
/// Objects, hosts and registry services, and what refers to what. Errors are told on standard error and do not keep the
/// graph of everything else from being shown.
#[derive(Debug, Args)]
pub struct Graph {
    /// How the graph is shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Show only what is connected with KIND/NAMESPACE/NAME, host/NAME or service/NAME
    #[arg(long, value_name = "OBJECT")]
    focus: Option<Focus>,
    /// Show what the object in focus depends on
    #[arg(long, requires = "focus")]
    depends_on: bool,
    /// Show what depends on the object in focus: what a change of it can touch
    #[arg(long, requires = "focus")]
    dependents: bool,
    // Last, because its heading would stand above everything behind it.
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid, e.g. in a Markdown page
    Mermaid,
    /// Nodes and edges as one JSON object
    Json,
}

impl Graph {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let inputs = context.inputs(&self.input)?;
        let compiled = inputs.compile()?;
        let errors = inputs.findings(compiled.diagnostics).at_least(Severity::Error);
        let exit = if errors.any(Severity::Error) { Exit::Findings } else { Exit::Fine };
        errors.tell(&context.terminal);
        let mut graph = compiled.engine.graph();
        if let Some(focus) = &self.focus {
            graph = graph.focus(focus, self.reach()).ok_or_else(|| {
                CliError::usage("the object in focus is neither in the SOURCE nor referred to")
            })?;
        }
        match self.format {
            Format::Text => context.terminal.show(&render::text(&graph))?,
            Format::Dot => context.terminal.print(Form::Dot, &render::dot(&graph))?,
            Format::Mermaid => context.terminal.print(Form::Mermaid, &render::mermaid(&graph))?,
            Format::Json => context.terminal.print(Form::Json, &render::json(&graph))?,
        }
        Ok(exit)
    }

    fn reach(&self) -> Reach {
        match (self.depends_on, self.dependents) {
            (true, false) => Reach::DependsOn,
            (false, true) => Reach::Dependents,
            (true, true) | (false, false) => Reach::Both,
        }
    }
}
