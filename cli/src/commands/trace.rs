//! `gatewright trace`: what happens to one request, and why.

mod hidden;
mod report;
mod text;

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use gatewright_behaviour::{Model, Request, RequestError};
use gatewright_compiler::Engine;
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::outlet::Form;
use gatewright_reconciler::sides::State;
use gatewright_reconciler::source::SourceSpec;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::inputs::InputArgs;
use crate::settings::SettingsArgs;

pub use report::{Forwarded, Report, Result, Upstream};

/// The published schema of the JSON form.
pub const SCHEMA: &str = include_str!("../../../schemas/trace.schema.json");

/// Show what happens to one request, and why
///
/// Names the listener, the hosts and routes that were tried, why each did not match, the plugins and header edits, the
/// upstream and the line that decided. Nothing is sent anywhere. What is secret in the request is used and not shown.
#[derive(Debug, Args)]
pub struct Trace {
    /// What to read: a directory, a file, `-`, `git:REV[:SUBDIR]` or `git+URL@REV[:SUBDIR]`; the last argument is the
    /// request: `[METHOD] URL`, with `-H 'name: value'`, `--sni NAME` or `--no-sni` inside it as far as they are wanted
    #[arg(value_name = "SOURCE... REQUEST", required = true, num_args = 2..)]
    arguments: Vec<String>,
    /// Header of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Server name in the TLS handshake [default: the host of the URL]
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// Send no server name in the TLS handshake
    #[arg(long, conflicts_with = "sni")]
    no_sni: bool,
    /// Address of the client
    #[arg(long, value_name = "IP")]
    source_address: Option<IpAddr>,
    /// How the trace is shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// The document of schemas/trace.schema.json
    Json,
}

impl Trace {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> std::result::Result<Exit, CliError> {
        let (request, sources) =
            self.arguments.split_last().ok_or_else(|| CliError::usage("no request is given"))?;
        let request = self.request(request)?;
        let sources: Vec<SourceSpec> =
            sources.iter().map(|source| source.parse()).collect::<std::result::Result<_, _>>()?;
        let inputs =
            context.inputs(&InputArgs { sources, allow_empty: true, settings: self.settings.clone() })?;
        let mut engine = Engine::new(inputs.options.clone());
        engine.update(&inputs.source.tree)?;
        let errors = engine.has_errors() || inputs.has_settings_errors();
        if errors {
            // What is broken answers 503, which the trace shows; the reader should know why.
            inputs.findings(engine.diagnostics()?).at_least(Severity::Error).tell(&context.terminal);
        }
        let state = State::of(&engine, &inputs.source)?;
        let report = Report::of(&Model::new(engine.ir()), &engine, &state, &request).shown();
        match self.format {
            Format::Text => context.terminal.show(&text::text(&report, context.terminal.stdout_color()))?,
            Format::Json => context.terminal.print(Form::Json, &report.json())?,
        }
        Ok(if errors { Exit::Findings } else { Exit::Fine })
    }

    fn request(&self, text: &str) -> std::result::Result<Request, CliError> {
        let wrong = |error: RequestError| {
            CliError::usage(format!("the request: {error}"))
                .with_hint("write it as one argument, e.g. \"GET https://shop.example.com/cart\"")
        };
        let mut request = Request::parse(text).map_err(wrong)?;
        for header in &self.headers {
            request = request.with_header_line(header).map_err(wrong)?;
        }
        if let Some(name) = &self.sni {
            request.sni = Some(name.clone());
        }
        if self.no_sni {
            request.sni = None;
        }
        request.source = self.source_address;
        Ok(request)
    }
}
