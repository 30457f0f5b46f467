//! `gatewright import`: the objects of a kube cluster as manifests of a clean repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::connect::connect;
use gatewright_cluster::export;
use gatewright_cluster::live::LiveObject;
use gatewright_compiler::parse::raw_objects;
use gatewright_kinds::Kind;
use serde_json::Value;

use crate::Context;
use crate::cluster::AccessArgs;
use crate::errors::{CliError, Exit};
use crate::files::{self, Output};
use crate::runtime;

/// Kinds that are imported: what a Higress gateway is configured with. Services and Secrets have other owners.
const KINDS: [Kind; 3] = [Kind::Ingress, Kind::McpBridge, Kind::WasmPlugin];

/// Write the Ingresses, McpBridges and WasmPlugins of a kube cluster as manifests
///
/// One file for each object, below a folder for each namespace, without status, ages and what tools keep for themselves. A
/// plan of the folder against the same cluster is empty. Nothing is changed in the cluster. What is secret in the objects, as
/// the credentials of a registry or a plugin's configuration, is in the files, which only you can read.
#[derive(Debug, Args)]
pub struct Import {
    /// Folder to write to; it must be new or empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The kube cluster, by context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, default_missing_value = "")]
    cluster: Option<String>,
    /// Only namespaces with this name; repeatable [default: all]
    #[arg(long, value_name = "NAME")]
    namespace: Vec<String>,
    #[command(flatten)]
    access: AccessArgs,
}

impl Import {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let folder = context.working_folder.join(&self.folder);
        check_empty(&folder, &self.folder)?;
        let objects = runtime::block_on(async {
            let name = self.cluster.as_deref().unwrap_or_default();
            let cluster = connect(&context.access(&self.access, name)).await?;
            Ok(self.list(&cluster).await?)
        })?;
        let mut files: BTreeMap<&str, Vec<Output>> = BTreeMap::new();
        for object in &objects {
            files.entry(&object.key.namespace).or_default().push(output(object)?);
        }
        for (namespace, outputs) in &files {
            files::write_all(&folder.join(namespace), outputs)?;
        }
        context.terminal.show(&format!(
            "wrote {} manifests of {} namespaces to {}\n",
            objects.len(),
            files.len(),
            self.folder.display()
        ))?;
        Ok(Exit::Fine)
    }

    async fn list(&self, cluster: &Cluster) -> Result<Vec<LiveObject>, ClusterError> {
        let namespaces = Some(self.namespace.as_slice()).filter(|names| !names.is_empty());
        let mut objects = Vec::new();
        for kind in KINDS {
            objects.extend(cluster.list(kind, namespaces, None).await?);
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }
}

/// Files that are there already would become part of the import, or be lost.
fn check_empty(folder: &Path, shown: &Path) -> Result<(), CliError> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(CliError::usage(format!("`{}` is not empty", shown.display()))
            .with_hint("import into a new folder, and compare it with what you have")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::environment(format!("cannot read `{}`: {error}", shown.display()))),
    }
}

fn output(object: &LiveObject) -> Result<Output, CliError> {
    let key = &object.key;
    let name = format!("{}-{}.yaml", key.kind.as_str().to_ascii_lowercase(), key.name);
    if name.contains(std::path::MAIN_SEPARATOR) || key.namespace.contains(['.', std::path::MAIN_SEPARATOR]) {
        return Err(CliError::environment(format!("{key} has a name that no file can have")));
    }
    Ok(Output { name, content: text(&export::manifest(object)), private: true })
}

/// Writes a manifest as YAML; as JSON, which is YAML too, where a text could be read as something else.
fn text(manifest: &Value) -> String {
    let yaml = serde_yaml::to_string(manifest).unwrap_or_default();
    let read = raw_objects(yaml.as_bytes());
    if read.len() == 1 && read[0].value == *manifest {
        return yaml;
    }
    let mut json = serde_json::to_string_pretty(manifest).expect("a JSON value is JSON");
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_reads_as_what_it_was() {
        for word in
            ["on", "0755", "1_000", "~", "12:30:00", "a: b", "two\nlines\n", " x ", "=", "1e3", "0x1f"]
        {
            let manifest = json!({"kind": "Ingress", "metadata": {"annotations": {"x": word, "y": "z"}}});
            let read = raw_objects(text(&manifest).as_bytes());
            assert_eq!(read[0].value, manifest, "{word:?}");
        }
    }

    #[test]
    fn names_stay_inside_of_the_folder() {
        let object = |namespace: &str, name: &str| {
            let value = json!({"apiVersion": "v1", "metadata": {"namespace": namespace, "name": name}});
            LiveObject::new(Kind::Ingress, value).unwrap()
        };
        assert_eq!(output(&object("shop", "a.b")).unwrap().name, "ingress-a.b.yaml");
        assert!(output(&object("shop", "../x")).is_err());
        assert!(output(&object("..", "x")).is_err());
    }
}
