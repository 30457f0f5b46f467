//! Writes schemas/manifests: JSON Schemas (2020-12) of the kinds that the compiler reads. Kubernetes' own kinds come
//! from the published API types, Higress' from the CRDs in schemas/crds. Prose is left out: the schemas check.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use gatewright_kinds::Kind;
use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::workspace;

/// Writes every schema.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    for (path, text) in generate(&root)? {
        std::fs::write(root.join(&path), text).with_context(|| format!("writing {path}"))?;
    }
    Ok(())
}

/// Returns every schema by path.
fn generate(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut schemas = BTreeMap::from([
        built_in::<Ingress>(),
        built_in::<IngressClass>(),
        built_in::<Service>(),
        built_in::<EndpointSlice>(),
        built_in::<Endpoints>(),
        built_in::<Secret>(),
        built_in::<ConfigMap>(),
    ]);
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.built_in()) {
        let file = format!("schemas/crds/{}.{}.yaml", kind.plural(), kind.group());
        schemas.insert(kind.as_str(), custom(&root.join(&file)).with_context(|| file)?);
    }
    for rule in &RULES {
        rule.add_to(&mut schemas)?;
    }
    if let Some(required) =
        schemas.get_mut("EndpointSlice").and_then(|schema| schema["required"].as_array_mut())
    {
        // The control plane itself writes `endpoints: null`, and the API server takes it.
        required.retain(|field| field != "endpoints");
    }
    let files = schemas.into_iter().map(|(kind, schema)| {
        let text = serde_json::to_string_pretty(&schema)?;
        Ok((format!("schemas/manifests/{kind}.json"), text + "\n"))
    });
    files.collect()
}

/// A rule that the API server checks in code, not by its published schema.
struct Rule {
    kind: &'static str,
    field: &'static str,
    check: Check,
}

enum Check {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A port number from this one on.
    PortFrom(u16),
}

const PROTOCOLS: Check = Check::Words(&["", "TCP", "UDP", "SCTP"]);

const RULES: [Rule; 15] = [
    rule(
        "Ingress",
        "spec.rules[].http.paths[].pathType",
        Check::Words(&["Exact", "ImplementationSpecific", "Prefix"]),
    ),
    rule("Ingress", "spec.rules[].http.paths[].backend.service.port.number", Check::PortFrom(0)),
    rule("Ingress", "spec.defaultBackend.service.port.number", Check::PortFrom(0)),
    rule(
        "Service",
        "spec.type",
        Check::Words(&["", "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
    ),
    rule("Service", "spec.sessionAffinity", Check::Words(&["", "ClientIP", "None"])),
    rule("Service", "spec.externalTrafficPolicy", Check::Words(&["", "Cluster", "Local"])),
    rule("Service", "spec.internalTrafficPolicy", Check::Words(&["Cluster", "Local"])),
    rule("Service", "spec.ports[].port", Check::PortFrom(1)),
    rule("Service", "spec.ports[].nodePort", Check::PortFrom(0)),
    rule("Service", "spec.ports[].protocol", PROTOCOLS),
    rule("EndpointSlice", "addressType", Check::Words(&["FQDN", "IPv4", "IPv6"])),
    rule("EndpointSlice", "ports[].port", Check::PortFrom(0)),
    rule("EndpointSlice", "ports[].protocol", PROTOCOLS),
    rule("Endpoints", "subsets[].ports[].port", Check::PortFrom(1)),
    rule("Endpoints", "subsets[].ports[].protocol", PROTOCOLS),
];

const fn rule(kind: &'static str, field: &'static str, check: Check) -> Rule {
    Rule { kind, field, check }
}

impl Rule {
    /// Adds the rule to its kind's schema.
    fn add_to(&self, schemas: &mut BTreeMap<&str, Value>) -> Result<()> {
        let mut pointer = String::new();
        for segment in self.field.split('.') {
            match segment.strip_suffix("[]") {
                Some(list) => pointer.push_str(&format!("/properties/{list}/items")),
                None => pointer.push_str(&format!("/properties/{segment}")),
            }
        }
        let schema = schemas.get_mut(self.kind).and_then(|schema| schema.pointer_mut(&pointer));
        let schema = schema.with_context(|| format!("{} has no {}", self.kind, self.field))?;
        match self.check {
            Check::Words(words) => schema["enum"] = json!(words),
            Check::PortFrom(least) => {
                schema["minimum"] = json!(least);
                schema["maximum"] = json!(u16::MAX);
            }
        }
        Ok(())
    }
}

/// Returns one of Kubernetes' own kinds and its schema.
fn built_in<T: JsonSchema + Resource>() -> (&'static str, Value) {
    (T::KIND, root(T::API_VERSION, T::KIND, structural::<T>()))
}

/// Returns the schema of a type as Kubernetes publishes it, without references.
fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    convert(&mut schema);
    schema
}

/// Returns the schema of a kind with a CRD.
fn custom(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file)?;
    let definition: Value = serde_yaml::from_str(&text)?;
    let spec = &definition["spec"];
    let version = &spec["versions"][0];
    let words = (spec["group"].as_str(), version["name"].as_str(), spec["names"]["kind"].as_str());
    let (Some(group), Some(name), Some(kind)) = words else { bail!("a group, version or kind is missing") };
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    convert(&mut schema);
    schema["properties"]["metadata"] = structural::<ObjectMeta>();
    Ok(root(&format!("{group}/{name}"), kind, schema))
}

/// Adds what every object has.
fn root(api_version: &str, kind: &str, mut schema: Value) -> Value {
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(format!("{kind} {api_version}"));
    schema["properties"]["apiVersion"] = json!({"const": api_version});
    schema["properties"]["kind"] = json!({"const": kind});
    let mut required = vec![json!("apiVersion"), json!("kind"), json!("metadata")];
    required.extend(
        schema["required"].as_array().into_iter().flatten().filter(|field| *field != "metadata").cloned(),
    );
    schema["required"] = Value::Array(required);
    if let Some(members) = schema["properties"].as_object_mut() {
        nullable(
            members
                .get_mut("metadata")
                .and_then(|metadata| metadata.pointer_mut("/properties/creationTimestamp")),
        );
    }
    schema
}

/// kubectl writes `creationTimestamp: null`.
fn nullable(schema: Option<&mut Value>) {
    if let Some(schema) = schema {
        schema["type"] = json!(["string", "null"]);
    }
}

/// Turns a structural schema of Kubernetes into plain JSON Schema, down to the leaves.
fn convert(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    for prose in ["description", "title", "default", "example", "$schema"] {
        members.remove(prose);
    }
    convert_type(members);
    let free = members.remove("x-kubernetes-preserve-unknown-fields") == Some(Value::Bool(true));
    members.retain(|keyword, _| !keyword.starts_with("x-kubernetes-"));
    if members.contains_key("properties") && !free && !members.contains_key("additionalProperties") {
        members.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(convert);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(keyword) {
            convert(inner);
        }
    }
}

/// Formats that validators do not know become bounds; extensions of Kubernetes become types.
fn convert_type(members: &mut Map<String, Value>) {
    let format = members.get("format").and_then(Value::as_str).unwrap_or_default().to_owned();
    let bounds = match format.as_str() {
        "int32" => Some((json!(i32::MIN), json!(i32::MAX))),
        "int64" => Some((json!(i64::MIN), json!(i64::MAX))),
        _ => None,
    };
    if format != "date-time" {
        members.remove("format");
    }
    if let Some((least, most)) = bounds {
        members.insert("minimum".into(), least);
        members.insert("maximum".into(), most);
    }
    if format == "int-or-string" || members.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        members.insert("type".into(), json!(["integer", "string"]));
    }
    if members.remove("nullable") == Some(Value::Bool(true))
        && let Some(kind) = members.get_mut("type")
    {
        *kind = json!([kind.take(), "null"]);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};

    use super::*;

    /// What the types or CRDs say of a kind: version, name, plural, and whether it is namespaced.
    type Published = (String, String, String, bool);

    fn namespaced<T: Resource<Scope = NamespaceResourceScope>>() -> Published {
        (T::API_VERSION.to_owned(), T::KIND.to_owned(), T::URL_PATH_SEGMENT.to_owned(), true)
    }

    fn of_cluster<T: Resource<Scope = ClusterResourceScope>>() -> Published {
        (T::API_VERSION.to_owned(), T::KIND.to_owned(), T::URL_PATH_SEGMENT.to_owned(), false)
    }

    fn of_crd(kind: Kind) -> Published {
        let file = format!("schemas/crds/{}.{}.yaml", kind.plural(), kind.group());
        let text = std::fs::read_to_string(workspace::root().join(file)).unwrap();
        let spec = serde_yaml::from_str::<Value>(&text).unwrap()["spec"].clone();
        let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let version = format!("{}/{}", text("/group"), text("/versions/0/name"));
        (version, text("/names/kind"), text("/names/plural"), text("/scope") == "Namespaced")
    }

    #[test]
    fn the_table_of_kinds_says_what_is_published() {
        let published = [
            namespaced::<Ingress>(),
            of_cluster::<IngressClass>(),
            namespaced::<Service>(),
            namespaced::<EndpointSlice>(),
            namespaced::<Secret>(),
            namespaced::<ConfigMap>(),
            of_crd(Kind::McpBridge),
            of_crd(Kind::WasmPlugin),
        ];
        let table = Kind::ALL.map(|kind| {
            let texts = [kind.api_version(), kind.as_str(), kind.plural()].map(str::to_owned);
            let [version, name, plural] = texts;
            (version, name, plural, kind.namespaced())
        });
        assert_eq!(table, published);
    }

    #[test]
    fn committed_schemas_are_what_the_types_and_crds_give() {
        let root = workspace::root();
        for (path, expected) in generate(&root).unwrap() {
            let committed = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
            assert!(committed == expected, "{path} is out of date: run `cargo xtask codegen schemas`");
        }
    }
}
