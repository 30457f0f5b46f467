//! `gatewright compile`: the artefacts, on standard output or as files.

use std::fmt::Write as _;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gatewright_compiler::{BootstrapOptions, Engine};
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::outlet::Form;
use gatewright_ir::Digest;
use gatewright_xds::render::{self, Keys};
use gatewright_xds::{XdsSnapshot, type_url};
use serde_json::{Value, json};

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::files::{self, Output};
use crate::inputs::InputArgs;
use crate::report::{KeepGoing, refused};
use crate::yaml;

/// Compile manifests to Envoy's xDS or another artefact
///
/// Findings go to standard error. Nothing is emitted while an error stands, unless --keep-going is given.
#[derive(Debug, Args)]
pub struct Compile {
    /// What is emitted
    #[arg(long, value_name = "FORMAT", default_value = "xds-yaml")]
    format: Artefact,
    /// Write files into this directory instead of standard output: one for each xDS type, or one for the artefact
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Emit what is sound although errors stand; what a broken protection covers answers 503
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    // Last, because its heading would stand above everything behind it.
    #[command(flatten)]
    input: InputArgs,
}

/// Addresses of a static bootstrap.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bootstrap")]
struct BootstrapArgs {
    /// Address on which Envoy listens
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Port of the clear-text listener
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    http_port: u16,
    /// Port of the TLS listener
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    https_port: u16,
    /// Port of Envoy's admin interface
    #[arg(long, value_name = "PORT", default_value_t = 15000)]
    admin_port: u16,
}

/// What is emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Artefact {
    /// Discovery responses, one YAML document for each xDS type; secrets are hidden
    XdsYaml,
    /// The same as a JSON list
    XdsJson,
    /// gatewright's own model, as YAML; secrets are hidden
    Ir,
    /// One static Envoy bootstrap in YAML, with private keys and all other secrets
    EnvoyBootstrap,
    /// For each xDS type the number of resources, their size and their version
    Summary,
}

/// The files of xDS types, in the order of output.
const FILES: [(&str, &str); 7] = [
    (type_url::LISTENER, "listeners"),
    (type_url::ROUTE, "routes"),
    (type_url::VIRTUAL_HOST, "virtual-hosts"),
    (type_url::CLUSTER, "clusters"),
    (type_url::ENDPOINT, "endpoints"),
    (type_url::SECRET, "secrets"),
    (type_url::EXTENSION_CONFIG, "extensions"),
];

impl Compile {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        if self.output.is_some() && self.format == Artefact::Summary {
            return Err(CliError::usage("--format summary has no files: leave --output out"));
        }
        let inputs = context.inputs(&self.input)?;
        inputs.source.read_once();
        // The process ends with the output: to take the model apart first would be a tenth of its time.
        let mut engine = ManuallyDrop::new(Engine::new(inputs.options.clone()));
        engine.update(&inputs.source.tree)?;
        inputs.refuse_nothing(&engine, &context.terminal, "nothing is emitted")?;
        let errors = engine.has_errors() || inputs.has_settings_errors();
        // A summary is what a benchmark times: places are looked up only when there is something to say.
        if errors || self.format != Artefact::Summary {
            inputs.findings(engine.diagnostics()?).at_least(Severity::Warning).tell(&context.terminal);
        }
        if errors && !self.keep_going {
            return Err(refused("nothing is emitted", KeepGoing::Possible));
        }
        match &self.output {
            None if self.format == Artefact::EnvoyBootstrap => {
                context.terminal.hand_over(self.form(), &self.text(&engine)?)?;
            }
            None => context.terminal.print(self.form(), &self.text(&engine)?)?,
            Some(folder) => files::write_all(&context.working_folder.join(folder), &self.files(&engine)?)?,
        }
        Ok(if errors { Exit::Findings } else { Exit::Fine })
    }

    fn form(&self) -> Form {
        match self.format {
            Artefact::XdsJson => Form::Json,
            Artefact::Summary => Form::Text { color: false },
            Artefact::XdsYaml | Artefact::Ir | Artefact::EnvoyBootstrap => Form::Yaml,
        }
    }

    fn text(&self, engine: &Engine) -> Result<String, CliError> {
        match self.format {
            Artefact::XdsYaml => {
                let responses = responses(&engine.xds().with_inline_chains())?;
                Ok(responses.iter().map(|(_, response)| format!("---\n{}", yaml::text(response))).collect())
            }
            Artefact::XdsJson => {
                let responses: Vec<Value> = responses(&engine.xds().with_inline_chains())?
                    .into_iter()
                    .map(|(_, response)| response)
                    .collect();
                Ok(render::json_text(&Value::Array(responses)))
            }
            Artefact::Ir => ir(engine),
            Artefact::EnvoyBootstrap => self.bootstrap(engine),
            Artefact::Summary => Ok(summary(&engine.xds().with_inline_chains())),
        }
    }

    fn files(&self, engine: &Engine) -> Result<Vec<Output>, CliError> {
        let single = |name: &str, content, private| vec![Output { name: name.to_owned(), content, private }];
        let (end, write): (&str, fn(&Value) -> String) = match self.format {
            Artefact::XdsYaml => ("yaml", yaml::text),
            Artefact::XdsJson => ("json", render::json_text),
            Artefact::Ir => return Ok(single("ir.yaml", ir(engine)?, false)),
            Artefact::EnvoyBootstrap => {
                return Ok(single("envoy-bootstrap.yaml", self.bootstrap(engine)?, true));
            }
            Artefact::Summary => return Ok(Vec::new()),
        };
        let outputs = responses(&engine.xds().with_inline_chains())?.into_iter().map(|(name, response)| {
            Output { name: format!("{name}.{end}"), content: write(&response), private: false }
        });
        Ok(outputs.collect())
    }

    fn bootstrap(&self, engine: &Engine) -> Result<String, CliError> {
        let at = |port| SocketAddr::new(self.bootstrap.address, port);
        let bootstrap = engine.bootstrap(&BootstrapOptions {
            http: at(self.bootstrap.http_port),
            https: at(self.bootstrap.https_port),
            admin: at(self.bootstrap.admin_port),
        });
        Ok(yaml::text(&render::message(&bootstrap, Keys::Shown)?))
    }
}

/// Returns for each xDS type, empty ones included, what a server would answer: the form that Envoy also reads from
/// files.
fn responses(xds: &XdsSnapshot) -> Result<Vec<(&'static str, Value)>, CliError> {
    FILES
        .iter()
        .map(|(type_url, name)| {
            let resources =
                xds.of_type(type_url).map(|resource| render::any(&resource.to_any(), Keys::Hidden));
            let resources = resources.collect::<Result<Vec<Value>, _>>()?;
            let version = version(xds, type_url);
            Ok((*name, json!({ "type_url": type_url, "version_info": version, "resources": resources })))
        })
        .collect()
}

/// Returns a hash of the names and versions of all resources of a type.
fn version(xds: &XdsSnapshot, type_url: &str) -> String {
    let mut all = String::new();
    for resource in xds.of_type(type_url) {
        writeln!(all, "{} {}", resource.name(), resource.version()).expect("writing to a string");
    }
    Digest::of_bytes(all.as_bytes()).short()
}

fn ir(engine: &Engine) -> Result<String, CliError> {
    let mut value =
        serde_json::to_value(engine.ir()).map_err(|error| CliError::bug(format!("the model: {error}")))?;
    gatewright_secrets::document(&mut value);
    Ok(yaml::text(&value))
}

fn summary(xds: &XdsSnapshot) -> String {
    let mut out = format!("{:<22} {:>9} {:>12}  {}\n", "TYPE", "COUNT", "BYTES", "VERSION");
    for (type_url, _) in FILES {
        let (count, bytes) = xds
            .of_type(type_url)
            .fold((0, 0), |(count, bytes), resource| (count + 1, bytes + resource.body().len()));
        let (name, version) = (type_url::short(type_url), version(xds, type_url));
        writeln!(out, "{name:<22} {count:>9} {bytes:>12}  {version}").expect("writing to a string");
    }
    let bytes: usize = xds.iter().map(|resource| resource.body().len()).sum();
    writeln!(out, "{:<22} {:>9} {bytes:>12}  {}", "total", xds.len(), xds.version())
        .expect("writing to a string");
    out
}
