//! Checks against the JSON Schemas in `schemas/manifests/`. Messages are written here: those of the validator repeat
//! the user's values, which may be secret.

use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use gatewright_diagnostics::{Code, code};
use gatewright_kinds::Kind;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Value, json};

use super::issue::{Issue, Repair, bounded, path};
use super::nearest::{completion, nearest};
use super::registry_lock::REGISTRY_LOCK;
use super::tree::{NodeId, Tree};
use super::tree_json::{TreeJson, TreeNode};
use crate::finding::escape;
use crate::options::Profile;

/// A schema, ready for use.
pub(crate) struct Schema {
    /// The kind of the objects.
    kind: &'static str,
    document: Value,
    /// Says whether a tree is valid.
    quick: Validator<TreeJson>,
    /// Says what is wrong with a value; made for the first one that is not valid.
    thorough: OnceLock<Validator>,
    /// What an unknown field is.
    unknown_field: &'static Code,
    /// Whether messages may repeat values.
    echo: Echo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    Values,
    /// Only values that should have been one of a list of words.
    Words,
    Nothing,
}

macro_rules! schemas {
    ($($name:ident: $file:literal, $unknown:ident, $echo:ident, $extend:expr;)*) => {
        $(static $name: LazyLock<Schema> = LazyLock::new(|| {
            let text = include_str!(concat!("../../../schemas/manifests/", $file, ".json"));
            Schema::new($file, text, &code::$unknown, Echo::$echo, $extend)
        });)*
    };
}

schemas! {
    INGRESS: "Ingress", GW0101, Values, |_| {};
    INGRESS_CLASS: "IngressClass", GW0101, Values, |_| {};
    SERVICE: "Service", GW0101, Values, |_| {};
    ENDPOINT_SLICE: "EndpointSlice", GW0101, Values, |_| {};
    ENDPOINTS: "Endpoints", GW0101, Values, |_| {};
    SECRET: "Secret", GW0101, Nothing, |_| {};
    CONFIG_MAP: "ConfigMap", GW0101, Values, |_| {};
    MCP_BRIDGE: "McpBridge", GW0106, Words, |_| {};
    WASM_PLUGIN: "WasmPlugin", GW0106, Words, |_| {};
    MCP_BRIDGE_DIALECT: "McpBridge", GW0106, Words, extend_mcp_bridge;
    WASM_PLUGIN_DIALECT: "WasmPlugin", GW0106, Words, extend_wasm_plugin;
}

static REGISTRIES: LazyLock<Schema> = LazyLock::new(|| {
    let text = include_str!("../../../schemas/registries.schema.json");
    Schema::new(REGISTRY_LOCK, text, &code::GW0101, Echo::Values, |_| {})
});

/// Returns the schema of a kind; of registries and their services that of a whole snapshot.
pub(crate) fn of(kind: Kind, profile: Profile) -> &'static Schema {
    match (kind, profile) {
        (Kind::Ingress, _) => &INGRESS,
        (Kind::IngressClass, _) => &INGRESS_CLASS,
        (Kind::Service, _) => &SERVICE,
        (Kind::EndpointSlice, _) => &ENDPOINT_SLICE,
        (Kind::Secret, _) => &SECRET,
        (Kind::ConfigMap, _) => &CONFIG_MAP,
        (Kind::McpBridge, Profile::Higress) => &MCP_BRIDGE,
        (Kind::McpBridge, Profile::Native) => &MCP_BRIDGE_DIALECT,
        (Kind::WasmPlugin, Profile::Higress) => &WASM_PLUGIN,
        (Kind::WasmPlugin, Profile::Native) => &WASM_PLUGIN_DIALECT,
        // They stand in one snapshot.
        (Kind::Registry | Kind::RegistryService, _) => &REGISTRIES,
    }
}

/// Returns the schema of `v1` Endpoints.
pub(crate) fn of_endpoints() -> &'static Schema {
    &ENDPOINTS
}

/// Adds the forms of the guide's dialect.
fn extend_mcp_bridge(document: &mut Value) {
    let texts = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    let spec = &mut document["properties"]["spec"]["properties"];
    let registry = &mut spec["registries"]["items"]["properties"];
    registry["domain"] = texts.clone();
    registry["address"] = texts;
    spec["dns"] = spec["registries"].clone();
    spec["nacos"] = json!({
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "name": {"type": "string"},
                "address": {"type": "string"},
                "namespaceId": {"type": "string"},
                "serviceGroups": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "group": {"type": "string"},
                            "namespaces": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                },
            },
        },
    });
}

/// Adds the guide's phase.
fn extend_wasm_plugin(document: &mut Value) {
    if let Some(phases) = document["properties"]["spec"]["properties"]["phase"]["enum"].as_array_mut() {
        phases.push("DEFAULT".into());
    }
}

impl Schema {
    fn new(
        kind: &'static str,
        text: &str,
        unknown_field: &'static Code,
        echo: Echo,
        extend: fn(&mut Value),
    ) -> Self {
        let mut document: Value = serde_json::from_str(text).expect("committed schemas are JSON");
        extend(&mut document);
        let quick =
            jsonschema::options_for::<TreeJson>().should_validate_formats(true).offline().build(&document);
        let quick = quick.expect("committed schemas are valid");
        Schema { kind, document, quick, thorough: OnceLock::new(), unknown_field, echo }
    }

    /// Returns whether a node is valid, as far as that can be told without its value.
    pub(crate) fn accepts(&self, tree: &Tree<'_>, node: NodeId) -> bool {
        tree.straight && self.quick.is_valid(TreeNode::Of(tree, node))
    }

    /// Returns what of a value does not fit.
    pub(crate) fn check(&self, value: &Value) -> Vec<Issue> {
        let thorough = self.thorough.get_or_init(|| {
            let options = jsonschema::options().should_validate_formats(true).offline();
            options.build(&self.document).expect("committed schemas are valid")
        });
        thorough.iter_errors(value).flat_map(|error| self.issues(value, &error)).collect()
    }

    fn issues(&self, root: &Value, error: &ValidationError<'_>) -> Vec<Issue> {
        let pointer = error.instance_path().as_str();
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = self.known_fields(error);
            let siblings = root.pointer(pointer);
            return unexpected.iter().map(|name| self.unknown(pointer, name, &known, siblings)).collect();
        }
        if let ValidationErrorKind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default();
            let message = format!("{} lacks the field `{name}`", path(pointer));
            let issue = Issue::key(&code::GW0102, pointer, message);
            return vec![Issue { repair: Repair::Add(vec![name.to_owned()]), ..issue }];
        }
        let problem = self.problem(error);
        let mut issue = Issue::value(&code::GW0102, pointer, format!("{} {problem}", path(pointer)));
        match error.kind() {
            ValidationErrorKind::Type { kind } => suggest_quotes(&mut issue, kind, error.instance()),
            ValidationErrorKind::Enum { options } => suggest_word(&mut issue, options, error.instance()),
            _ => {}
        }
        vec![issue]
    }

    /// Returns the fields that the schema has where `error` was found.
    fn known_fields(&self, error: &ValidationError<'_>) -> Vec<&str> {
        let keyword = error.schema_path().as_str();
        let properties =
            self.document.pointer(parent_of(keyword)).and_then(|schema| schema["properties"].as_object());
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
    }

    fn unknown(&self, parent: &str, name: &str, known: &[&str], siblings: Option<&Value>) -> Issue {
        let pointer = format!("{parent}/{}", escape(name));
        let place = if parent.is_empty() { "the object".to_owned() } else { path(parent) };
        let mut issue =
            Issue::key(self.unknown_field, pointer, format!("{place} has no field `{}`", bounded(name)));
        let free = |field: &&str| siblings.is_none_or(|siblings| siblings.get(field).is_none());
        if let Some((help, meant)) = moved(name) {
            issue.help = Some(help.to_owned());
            issue.meant = Some(meant.to_owned());
        } else if let Some(meant) = nearest(name, known.iter().copied()) {
            issue.help = Some(format!("write `{meant}`"));
            if free(&meant) {
                issue.repair = Repair::Key(meant.to_owned());
                issue.meant = Some(meant.to_owned());
            }
        } else if let Some(meant) = completion(name, known.iter().copied()) {
            issue.help = Some(format!("write `{meant}`, if that is meant"));
        }
        if self.unknown_field.id == code::GW0106.id {
            issue.notes.push("the API server drops it, so it has no effect".into());
        }
        issue
    }

    /// Returns what is wrong with a value, as the end of a sentence that starts with its path.
    fn problem(&self, error: &ValidationError<'_>) -> String {
        let secret = gatewright_secrets::hides(self.kind, error.instance_path().as_str());
        let echo = if secret { Echo::Nothing } else { self.echo };
        let found = || match echo {
            Echo::Values => described(error.instance()),
            Echo::Words | Echo::Nothing => type_of(error.instance()).to_owned(),
        };
        match error.kind() {
            ValidationErrorKind::Type { kind } => format!("must be {}, found {}", wanted(kind), found()),
            ValidationErrorKind::Enum { options } => {
                let found = match echo {
                    Echo::Nothing => type_of(error.instance()).to_owned(),
                    Echo::Values | Echo::Words => described(error.instance()),
                };
                format!("must be {}, found {found}", one_of(options))
            }
            ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, found {}", found()),
            ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, found {}", found()),
            ValidationErrorKind::MinLength { limit } => {
                format!("must have at least {limit} {}", counted(*limit, "character"))
            }
            ValidationErrorKind::MaxLength { limit } => {
                format!("must have at most {limit} {}", counted(*limit, "character"))
            }
            ValidationErrorKind::MinItems { limit } => {
                format!("must have at least {limit} {}", counted(*limit, "element"))
            }
            ValidationErrorKind::MaxItems { limit } => {
                format!("must have at most {limit} {}", counted(*limit, "element"))
            }
            ValidationErrorKind::Format { format } if format == "date-time" => {
                format!("must be a time like 2026-01-31T12:00:00Z, found {}", found())
            }
            ValidationErrorKind::AnyOf { .. } => {
                format!("must be text or a list of texts, found {}", found())
            }
            kind => format!("does not fit the schema ({})", kind.keyword()),
        }
    }
}

/// Returns where a field of an older version has gone: the advice, and the field of this version.
fn moved(field: &str) -> Option<(&'static str, &'static str)> {
    match field {
        "serviceName" => Some(("write `service.name`, as of networking.k8s.io/v1", "service")),
        "servicePort" => {
            let advice = "write `service.port.number` or `service.port.name`, as of networking.k8s.io/v1";
            Some((advice, "service"))
        }
        _ => None,
    }
}

/// A field that is missing because its name is misspelled or an older one is told once, as what was written.
pub(crate) fn drop_misspelled(issues: &mut Vec<Issue>) {
    let meant: BTreeSet<String> = issues
        .iter()
        .filter_map(|issue| Some(format!("{}/{}", parent_of(&issue.pointer), issue.meant.as_ref()?)))
        .collect();
    issues.retain(|issue| match &issue.repair {
        Repair::Add(names) => !names.iter().any(|name| meant.contains(&format!("{}/{name}", issue.pointer))),
        _ => true,
    });
}

fn parent_of(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A value of the wrong type often only has quotes too many or too few.
fn suggest_quotes(issue: &mut Issue, kind: &TypeKind, value: &Value) {
    let accepts = |wanted: JsonType| match kind {
        TypeKind::Single(only) => *only == wanted,
        TypeKind::Multiple(several) => several.contains(wanted),
    };
    let unquoted = match value {
        Value::Bool(_) | Value::Number(_) if accepts(JsonType::String) => {
            issue.help = Some("put the value in quotes".into());
            issue.repair = Repair::Quote;
            return;
        }
        Value::String(text) if accepts(JsonType::Integer) => {
            text.parse().map(|number: i64| number.to_string()).ok()
        }
        Value::String(text) if accepts(JsonType::Boolean) => {
            text.parse().map(|value: bool| value.to_string()).ok()
        }
        _ => None,
    };
    if let Some(literal) = unquoted {
        issue.help = Some("write the value without quotes".into());
        issue.repair = Repair::Literal(literal);
    }
}

/// A word that differs from a known one only by case is that one.
fn suggest_word(issue: &mut Issue, options: &Value, value: &Value) {
    let words = || options.as_array().into_iter().flatten().filter_map(Value::as_str);
    let Some(meant) = value.as_str().and_then(|text| nearest(text, words())) else { return };
    issue.help = Some(format!("write `{meant}`"));
    if value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(meant)) {
        issue.repair = Repair::Value(meant.to_owned());
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn one_of(options: &Value) -> String {
    let words: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match words.as_slice() {
        [] => "one of the listed values".into(),
        [only] => format!("`{only}`"),
        [others @ .., last] => format!("`{}` or `{last}`", others.join("`, `")),
    }
}

fn wanted(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => type_words(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let kinds = kinds.iter().filter(|kind| *kind != JsonType::Null);
            let words: Vec<&str> = kinds.map(type_words).collect();
            words.join(" or ")
        }
    }
}

fn type_words(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "text",
    }
}

/// Returns a value as messages name it.
fn described(value: &Value) -> String {
    match value {
        Value::Bool(_) => format!("the boolean {value}"),
        Value::Number(_) => format!("the number {value}"),
        Value::String(text) => format!("\"{}\"", bounded(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => type_of(value).to_owned(),
    }
}

/// Returns a value's type, for values that messages must not repeat.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
