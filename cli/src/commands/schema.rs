//! `gatewright schema`: the JSON Schemas that are published and checked.

use clap::Args;
use gatewright_compiler::parse::nearest;
use gatewright_diagnostics::outlet::Form;

use crate::Context;
use crate::errors::{CliError, Exit};

/// Print a JSON Schema
///
/// Without an argument, all schemas are listed.
#[derive(Debug, Args)]
pub struct Schema {
    /// Name of the schema
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

macro_rules! schemas {
    ($($name:literal $file:literal $summary:literal,)*) => {
        /// Every schema: name, text and what it describes.
        const SCHEMAS: &[(&str, &str, &str)] =
            &[$(($name, include_str!(concat!("../../../schemas/", $file)), $summary),)*];
    };
}

schemas! {
    "diagnostics" "diagnostics.schema.json" "what `validate --format json` prints",
    "plan" "plan.schema.json" "what `plan --format json` prints and `plan --out` saves",
    "trace" "trace.schema.json" "what `trace --format json` prints",
    "sync" "sync.schema.json" "what `sync` writes to its status file and answers over HTTP",
    "gwtest" "gwtest.schema.json" "route tests, *.gwtest.yaml",
    "gatewright" "gatewright.schema.json" "the settings file gatewright.yaml",
    "registries" "registries.schema.json" "snapshots of registries, registries.lock.json",
    "ConfigMap" "manifests/ConfigMap.json" "accepted manifests of this kind",
    "EndpointSlice" "manifests/EndpointSlice.json" "accepted manifests of this kind",
    "Endpoints" "manifests/Endpoints.json" "accepted manifests of this kind",
    "Ingress" "manifests/Ingress.json" "accepted manifests of this kind",
    "IngressClass" "manifests/IngressClass.json" "accepted manifests of this kind",
    "McpBridge" "manifests/McpBridge.json" "accepted manifests of this kind, profile higress",
    "Secret" "manifests/Secret.json" "accepted manifests of this kind",
    "Service" "manifests/Service.json" "accepted manifests of this kind",
    "WasmPlugin" "manifests/WasmPlugin.json" "accepted manifests of this kind, profile higress",
}

impl Schema {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        context.terminal.print(
            Form::Own,
            &match &self.name {
                None => SCHEMAS.iter().map(|(name, _, summary)| format!("{name:<14} {summary}\n")).collect(),
                Some(name) => text(name)?.to_owned(),
            },
        )?;
        Ok(Exit::Fine)
    }
}

fn text(name: &str) -> Result<&'static str, CliError> {
    let found = SCHEMAS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, text, _)| *text).ok_or_else(|| {
        let error = CliError::usage(format!("there is no schema `{name}`"));
        match nearest(name, SCHEMAS.iter().map(|(known, ..)| *known)) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error.with_hint("`gatewright schema` lists all schemas"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_a_schema() {
        for (name, text, _) in SCHEMAS {
            let schema: serde_json::Value = serde_json::from_str(text).unwrap();
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_one() {
        assert!(text("ingress").is_ok());
        assert_eq!(text("Ingres").unwrap_err().hint(), Some("did you mean `Ingress`?"));
    }
}
