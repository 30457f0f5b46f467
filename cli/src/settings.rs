//! Settings of gatewright: flags, and the file `gatewright.yaml` that `schemas/gatewright.schema.json` describes.

mod app;
mod sync;

use std::sync::LazyLock;

use clap::{Args, ValueEnum};
use gatewright_cluster::decide::Drift;
use gatewright_compiler::finding::{Part, escape};
use gatewright_compiler::manifest::DocumentIndex;
use gatewright_compiler::options::{CompileOptions, HigressVersion, Profile};
use gatewright_compiler::parse::{Locator, nearest};
use gatewright_diagnostics::{Code, Diagnostic, Label, Position, Span, code};
use gatewright_reconciler::quarantine::Policy;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{JsonType, Validator};
use serde::Deserialize;
use serde_json::Value;

pub use app::AppSettings;
pub use sync::SyncSettings;

/// The schema of `gatewright.yaml`.
pub const SCHEMA: &str = include_str!("../../schemas/gatewright.schema.json");

/// The name of the settings file.
pub const FILE: &str = "gatewright.yaml";

static VALIDATOR: LazyLock<(Value, Validator)> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    (schema, validator)
});

/// Settings as flags; each stands above the settings file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// Settings file [default: gatewright.yaml of the SOURCE or of the working folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
    /// Higress' own namespace [default: higress-system]
    #[arg(long, value_name = "NAME")]
    pub system_namespace: Option<String>,
    /// Ingress class that is served; an empty text serves every Ingress [default: higress]
    #[arg(long, value_name = "NAME")]
    pub ingress_class: Option<String>,
    /// Only namespace whose Ingresses are served [default: all]
    #[arg(long, value_name = "NAME")]
    pub watch_namespace: Option<String>,
    /// DNS suffix of the kube cluster [default: cluster.local]
    #[arg(long, value_name = "NAME")]
    pub cluster_domain: Option<String>,
    /// Higress release whose behavior is compiled where releases differ [default: 2.2]
    #[arg(long, value_name = "VERSION")]
    pub higress: Option<HigressArg>,
    /// What is accepted: only what Higress accepts, or gatewright's extensions too [default: native]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<ProfileArg>,
}

/// A Higress release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
pub enum HigressArg {
    /// On Istio 1.19
    #[value(name = "2.1")]
    #[serde(rename = "2.1")]
    V2_1,
    /// On Istio 1.27
    #[value(name = "2.2")]
    #[serde(rename = "2.2")]
    V2_2,
}

/// A profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileArg {
    /// Only what upstream Higress accepts
    Higress,
    /// gatewright's extensions too
    Native,
}

/// What becomes of a revision with errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyArg {
    /// It is not served; the last good one stays
    Stop,
    /// Each broken object keeps its last good version, or answers 503 where none is known; the rest is served
    Quarantine,
}

impl From<PolicyArg> for Policy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Stop => Policy::Stop,
            PolicyArg::Quarantine => Policy::Quarantine,
        }
    }
}

/// What becomes of objects that were changed in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftArg {
    /// They are changed back
    Correct,
    /// They are left as they are and told, until the source wants something else of them
    Report,
}

impl From<DriftArg> for Drift {
    fn from(drift: DriftArg) -> Self {
        match drift {
            DriftArg::Correct => Drift::Correct,
            DriftArg::Report => Drift::Report,
        }
    }
}

/// Settings, each from where it stands highest; none where it stands nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    system_namespace: Option<String>,
    ingress_class: Option<String>,
    watch_namespace: Option<String>,
    cluster_domain: Option<String>,
    higress: Option<HigressArg>,
    profile: Option<ProfileArg>,
    /// What `gatewright sync` follows and keeps.
    pub sync: SyncSettings,
}

impl Settings {
    /// Reads a settings file. With findings, the settings are empty.
    pub fn read(path: &str, text: &[u8]) -> (Self, Vec<Diagnostic>) {
        let value = match document(text) {
            Ok(value) => value,
            Err(error) => return (Settings::default(), vec![syntax(path, &error)]),
        };
        let errors: Vec<ValidationError<'_>> = VALIDATOR.1.iter_errors(&value).collect();
        let locator = Locator::new(text);
        if errors.is_empty() {
            let settings: Settings =
                serde_json::from_value(value).expect("what fits the schema fits the type");
            let problems = settings.sync.problems();
            if problems.is_empty() {
                return (settings, Vec::new());
            }
            return refused(problems.into_iter().map(|problem| problem.finding(path, &locator)).collect());
        }
        refused(errors.iter().flat_map(|error| findings(path, &locator, error)).collect())
    }

    /// Puts flags above the settings.
    pub fn with(self, flags: &SettingsArgs) -> Self {
        let flags = flags.clone();
        Settings {
            system_namespace: flags.system_namespace.or(self.system_namespace),
            ingress_class: flags.ingress_class.or(self.ingress_class),
            watch_namespace: flags.watch_namespace.or(self.watch_namespace),
            cluster_domain: flags.cluster_domain.or(self.cluster_domain),
            higress: flags.higress.or(self.higress),
            profile: flags.profile.or(self.profile),
            sync: self.sync,
        }
    }

    /// Returns the settings of a compilation, with the defaults of a Higress installation for the rest.
    pub fn options(&self) -> CompileOptions {
        let defaults = CompileOptions::higress_defaults();
        let own = self.clone();
        CompileOptions {
            system_namespace: own.system_namespace.unwrap_or(defaults.system_namespace),
            ingress_class: own.ingress_class.unwrap_or(defaults.ingress_class),
            watch_namespace: own.watch_namespace.or(defaults.watch_namespace),
            cluster_domain: own.cluster_domain.unwrap_or(defaults.cluster_domain),
            higress: own.higress.map_or(defaults.higress, |version| match version {
                HigressArg::V2_1 => HigressVersion::V2_1,
                HigressArg::V2_2 => HigressVersion::V2_2,
            }),
            profile: own.profile.map_or(defaults.profile, |profile| match profile {
                ProfileArg::Higress => Profile::Higress,
                ProfileArg::Native => Profile::Native,
            }),
            ..defaults
        }
    }
}

/// Something that is wrong with the settings and that the schema cannot see.
struct Problem {
    code: &'static Code,
    /// JSON pointer to the place.
    pointer: String,
    message: String,
    /// Pointer to another place that it is about, and what stands there.
    other: Option<(String, String)>,
    help: Option<String>,
}

impl Problem {
    fn new(pointer: String, message: String) -> Self {
        Problem { code: &code::GW0801, pointer, message, other: None, help: None }
    }

    fn finding(self, path: &str, locator: &Locator) -> Diagnostic {
        let place = |pointer: &str| place(path, locator, pointer, Part::Value);
        let mut finding = Diagnostic::new(self.code, self.message, place(&self.pointer));
        let other = self.other.map(|(pointer, text)| Label { text, ..place(&pointer) });
        finding.related.extend(other);
        finding.help = self.help;
        finding
    }
}

/// With findings, the settings are empty.
fn refused(mut findings: Vec<Diagnostic>) -> (Settings, Vec<Diagnostic>) {
    gatewright_diagnostics::sort(&mut findings);
    (Settings::default(), findings)
}

/// Reads the one document; an empty file has no settings. `higress: 2.2` is a number to YAML and meant as a text.
fn document(text: &[u8]) -> Result<Value, serde_yaml::Error> {
    let mut value: Value = serde_yaml::from_slice(text)?;
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    if let Some(version) = value.get_mut("higress").filter(|version| version.is_number()) {
        *version = Value::String(version.to_string());
    }
    Ok(value)
}

fn syntax(path: &str, error: &serde_yaml::Error) -> Diagnostic {
    let start = error.location().map_or_else(Position::default, |place| Position {
        offset: place.index(),
        line: place.line(),
        column: place.column(),
    });
    let text = error.to_string();
    // The place stands beside the message.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Diagnostic::new(&code::GW0801, message, label(path, Span { start, end: start }))
}

fn findings(path: &str, locator: &Locator, error: &ValidationError<'_>) -> Vec<Diagnostic> {
    let pointer = error.instance_path().to_string();
    let name = pointer.trim_start_matches('/').replace('/', ".");
    let place = |pointer: &str, part| place(path, locator, pointer, part);
    let found = |message: String| vec![Diagnostic::new(&code::GW0801, message, place(&pointer, Part::Value))];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|key| {
                let place = place(&format!("{pointer}/{}", escape(key)), Part::Key);
                let mut finding =
                    Diagnostic::new(&code::GW0801, format!("there is no setting `{key}`"), place);
                finding.help = nearest(key, known(&pointer)).map(|meant| format!("write `{meant}`"));
                finding
            })
            .collect(),
        ValidationErrorKind::Enum { options } => {
            let words = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
            found(format!("`{name}` must be {}", words.join(" or ")))
        }
        ValidationErrorKind::Required { property } => {
            found(format!("`{name}` needs `{}`", property.as_str().unwrap_or_default()))
        }
        ValidationErrorKind::Type { .. } if pointer.is_empty() => found("settings are a mapping".to_owned()),
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => {
            found(format!("`{name}` must be {}", in_words(*wanted)))
        }
        ValidationErrorKind::MinLength { .. } => found(format!("`{name}` is empty")),
        ValidationErrorKind::Pattern { .. } => {
            found(format!("`{name}` must be lower-case letters, digits and `-` between them, 63 at most"))
        }
        ValidationErrorKind::Minimum { limit } => found(format!("`{name}` must be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => found(format!("`{name}` must be at most {limit}")),
        _ => found(error.to_string()),
    }
}

fn in_words(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "empty",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "a text",
    }
}

fn place(path: &str, locator: &Locator, pointer: &str, part: Part) -> Label {
    let document = DocumentIndex { document: 0, item: None };
    label(path, locator.locate(document, pointer, part).unwrap_or_default())
}

/// Returns the names that the schema knows in the mapping at `pointer`.
fn known(pointer: &str) -> Vec<&'static str> {
    let mut steps = pointer.split('/').filter(|step| !step.is_empty());
    let place = steps.try_fold(&VALIDATOR.0, |schema, step| {
        let next = match schema.get("properties") {
            Some(properties) => properties.get(step)?,
            None => schema.get("items")?,
        };
        let definition = next.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        definition.map_or(Some(next), |pointer| VALIDATOR.0.pointer(pointer))
    });
    let properties = place.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys()).map(String::as_str).collect()
}

fn label(path: &str, span: Span) -> Label {
    Label { path: path.to_owned(), span, text: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let (_, findings) = Settings::read("gatewright.yaml", text.as_bytes());
        findings
            .iter()
            .map(|finding| {
                let place = finding.primary.span.start;
                let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{}:{} {}{help}", place.line, place.column, finding.message)
            })
            .collect()
    }

    #[test]
    fn every_setting_is_read_and_flags_stand_above() {
        let text = "systemNamespace: a\ningressClass: b\nwatchNamespace: c\nclusterDomain: d\nhigress: 2.1\nprofile: higress\n";
        let (settings, findings) = Settings::read("gatewright.yaml", text.as_bytes());
        assert_eq!(findings, []);
        let options = settings.clone().options();
        assert_eq!((options.higress, options.profile), (HigressVersion::V2_1, Profile::Higress));
        assert_eq!(options.watch_namespace.as_deref(), Some("c"));
        let flags = SettingsArgs { ingress_class: Some(String::new()), ..SettingsArgs::default() };
        assert_eq!(settings.with(&flags).options().ingress_class, "");
    }

    #[test]
    fn an_empty_file_and_no_file_are_the_defaults() {
        for text in ["", "# nothing\n", "{}\n"] {
            let (settings, findings) = Settings::read("gatewright.yaml", text.as_bytes());
            assert_eq!(findings, []);
            assert_eq!(settings.options(), CompileOptions::higress_defaults());
        }
    }

    #[test]
    fn all_mistakes_are_located_at_once() {
        assert_eq!(
            messages("ingressclass: x\nprofile: envoy\nclusterDomain: [a]\n"),
            [
                "1:1 there is no setting `ingressclass` (write `ingressClass`)",
                "2:10 `profile` must be `higress` or `native`",
                "3:16 `clusterDomain` must be a text",
            ]
        );
        assert_eq!(
            messages(
                "sync:\n  source: {revision: main}\n  targets: [{socket: a}]\n  interval: 0\n  timeout: x\n"
            ),
            [
                "2:11 `sync.source` needs `repository`",
                "3:14 there is no setting `socket`",
                "4:13 `sync.interval` must be at least 1",
                "5:12 `sync.timeout` must be a whole number",
            ]
        );
        assert_eq!(messages("- a\n"), ["1:1 settings are a mapping"]);
        assert_eq!(messages("higress: 2.3\n"), ["1:10 `higress` must be `2.1` or `2.2`"]);
    }

    #[test]
    fn what_no_schema_sees_is_located_and_repeats_no_password() {
        let source =
            |repository: &str| messages(&format!("sync:\n  source: {{repository: \"{repository}\"}}\n"));
        assert_eq!(source("ftp://git.test/a"), ["2:24 only http, https, ssh and file are supported"]);
        let message = "2:24 `sync.source.repository` must hold no password: give it in the environment";
        assert_eq!(source("https://me:hunter2@git.test/a"), [message]);
        let outside = messages("sync:\n  source: {repository: a, path: ../b}\n");
        assert!(outside[0].starts_with("2:33 the folder must be a path from the root"), "{outside:?}");
        let target = |target: &str| messages(&format!("sync:\n  targets:\n  - {target}\n"));
        let neither = "3:5 `sync.targets.0` needs one of `control`, `address` and `cluster`";
        assert_eq!(target("{inventory: a/b}"), [neither]);
        assert_eq!(target("{control: a, cluster: b}"), [neither]);
        let misplaced = "3:25 `sync.targets.0`: `drift` is for clusters";
        assert_eq!(target("{control: a, drift: report}"), [misplaced]);
        let misplaced = "3:30 `sync.targets.0`: `allowEmpty` is for processes";
        assert_eq!(target("{cluster: a, allowEmpty: true}"), [misplaced]);
        let remote = |rest: &str| target(&format!("{{certificate: c, key: k, authority: a, {rest}}}"));
        assert_eq!(remote("address: \"gw:15011\", serverName: gw.test"), <[String; 0]>::default());
        let port = "3:53 `gw` is not an address: write HOST:PORT, or [IP]:PORT for IPv6";
        assert_eq!(remote("address: gw"), [port]);
        let named = "3:77 `g w` is no name that a certificate can have: write a DNS name or an IP address";
        assert_eq!(remote("address: \"gw:15011\", serverName: g w"), [named]);
        assert_eq!(remote("control: s"), ["3:19 `sync.targets.0`: `certificate` is for addresses"]);
        let lacking = "3:5 `sync.targets.0`: `address` needs `authority`";
        assert_eq!(target("{address: \"gw:1\", certificate: c, key: k}"), [lacking]);
        let listen = messages("sync: {listen: localhost:80}\n");
        assert_eq!(listen, ["1:16 `localhost:80` is not an address: write IP:PORT"]);
        assert_eq!(target("{cluster: a, inventory: b}"), ["3:29 `b` is not NAMESPACE/NAME"]);
    }

    #[test]
    fn broken_yaml_is_located() {
        let all = messages("profile: native\n  higress: x\n");
        assert_eq!(all.len(), 1);
        assert!(all[0].starts_with("2:"), "{all:?}");
    }

    #[test]
    fn every_setting_stands_in_the_reference() {
        let page = include_str!("../../docs/reference/settings.md");
        let names = |pointer: &str, prefix: &str| {
            known(pointer).into_iter().map(|name| format!("| `{prefix}{name}`")).collect::<Vec<_>>()
        };
        let places =
            [("", ""), ("/sync", "sync."), ("/sync/source", "sync.source."), ("/sync/targets/0", "")];
        let mut names = places.map(|(pointer, prefix)| names(pointer, prefix)).concat();
        names.retain(|name| !["| `sync`", "| `sync.source`"].contains(&name.as_str()));
        let missing: Vec<&String> = names.iter().filter(|name| !page.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let examples: Vec<&str> =
            page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(examples.len() > 1, "{examples:?}");
        for example in examples {
            assert_eq!(messages(example), <[String; 0]>::default(), "{example}");
        }
    }

    #[test]
    fn the_schema_and_the_type_name_the_same_settings() {
        let sorted = |fields: &'static str| {
            let mut fields: Vec<&str> = fields.split(' ').collect();
            fields.sort_unstable();
            fields
        };
        let fields = "systemNamespace ingressClass watchNamespace clusterDomain higress profile sync";
        assert_eq!(known(""), sorted(fields));
        assert_eq!(
            known("/sync"),
            sorted("source targets interval timeout lease policy stateFile statusFile listen apps")
        );
        let of_app = "name source targets interval timeout lease policy stateFile statusFile";
        assert_eq!(known("/sync/apps/0"), sorted(of_app));
        assert_eq!(known("/sync/source"), sorted("repository revision path signers"));
        assert_eq!(
            known("/sync/targets/0"),
            sorted(
                "control address serverName certificate key authority cluster kubeconfig allowExec inventory pruneBudget allowEmpty drift"
            )
        );
    }
}
