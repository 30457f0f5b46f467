//! What the golden tests share: folders of manifests as sources, and every artefact as text.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_compiler::parse::is_registry_lock;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{BootstrapOptions, Compiled};
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::render::{Report, TextOptions, in_memory, text};
use gatewright_testkit::{envoy, golden};
use gatewright_xds::render::{Keys, message, resource, yaml_text};
use gatewright_xds::type_url;

/// The xDS types with an artefact of their own, by the name of its file.
pub(crate) const XDS: [(&str, &str); 6] = [
    ("listeners.yaml", type_url::LISTENER),
    ("routes.yaml", type_url::ROUTE),
    ("virtual-hosts.yaml", type_url::VIRTUAL_HOST),
    ("clusters.yaml", type_url::CLUSTER),
    ("endpoints.yaml", type_url::ENDPOINT),
    ("secrets.yaml", type_url::SECRET),
];

/// The manifests of a folder: every YAML file below it that is no route test, and a snapshot of registries, by its path in
/// the folder.
pub(crate) struct Manifests(BTreeMap<String, String>);

impl Manifests {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let files = golden::files_below(folder).unwrap();
        let manifests = files.into_iter().filter_map(|path| {
            let name = path.to_str()?.to_owned();
            let manifest = name.ends_with(".yaml") && !name.ends_with(".gwtest.yaml");
            let wanted = manifest || is_registry_lock(&name);
            wanted.then(|| (name, fs::read_to_string(folder.join(path)).unwrap()))
        });
        Manifests(manifests.collect())
    }

    /// Adds a file.
    pub(crate) fn with(mut self, path: &str, text: String) -> Self {
        self.0.insert(path.to_owned(), text);
        self
    }

    /// Returns them as a source.
    pub(crate) fn tree(&self) -> SourceTree {
        SourceTree::in_memory(self.0.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// Renders an artefact by the name of its golden file.
    pub(crate) fn artefact(&self, compiled: &Compiled, name: &str) -> String {
        match name {
            "ir.yaml" => serde_yaml::to_string(compiled.engine.ir()).unwrap(),
            "diagnostics.txt" => self.diagnostics(compiled),
            _ => {
                let known = XDS.iter().find(|(file, _)| *file == name);
                let (_, kind) = known.unwrap_or_else(|| panic!("no artefact is called {name}"));
                resources(compiled, kind)
            }
        }
    }

    fn diagnostics(&self, compiled: &Compiled) -> String {
        let files: Vec<String> = self.0.keys().cloned().collect();
        let report = Report {
            diagnostics: &compiled.diagnostics,
            files: &files,
            passed_over: compiled.engine.passed_over().count(),
            version: "0.0.0",
            fail_on: Severity::Error,
        };
        let source = |path: &str| self.0.get(path).map(|text| Arc::from(text.as_bytes()));
        in_memory(|out| text(&report, &TextOptions { color: false, source: &source }, out))
    }
}

/// Renders all resources of a type as one YAML mapping by name, keys hidden.
fn resources(compiled: &Compiled, kind: &str) -> String {
    let xds = compiled.engine.xds().with_inline_chains();
    let rendered = xds.of_type(kind).map(|found| {
        let value = resource(found, Keys::Hidden).unwrap();
        (found.name().to_owned(), value)
    });
    yaml_text(&rendered.collect::<serde_json::Map<_, _>>().into())
}

/// Lets a real Envoy judge what a source becomes, errors or not: what is broken refuses and must be valid all the same.
pub(crate) fn assert_envoy_accepts(compiled: &Compiled) {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    // Validation opens no port.
    let options = BootstrapOptions { http: at(10080), https: at(10443), admin: at(10000) };
    let bootstrap = message(&compiled.engine.bootstrap(&options), Keys::Shown).unwrap();
    if let Err(reason) = envoy::validate(&yaml_text(&bootstrap)) {
        panic!("Envoy refuses it:\n{reason}");
    }
}

/// Returns the folders of a folder, sorted.
pub(crate) fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Runs a check for each folder and fails once, after all of them, with the names of those that failed.
pub(crate) fn for_each(folders: &[PathBuf], check: impl Fn(&Path)) {
    assert!(!folders.is_empty(), "there is nothing to check");
    let failed: Vec<String> = folders
        .iter()
        .filter(|folder| catch_unwind(AssertUnwindSafe(|| check(folder))).is_err())
        .map(|folder| folder.display().to_string())
        .collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), folders.len(), failed.join("\n"));
}
