//! What every configuration stands on: echo backends, certificates, and the manifests that lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{BootstrapOptions, Engine};
use gatewright_ir::{ClusterName, Discovery, Ir, SecretRef};
use gatewright_testkit::EchoBackend;
use gatewright_testkit::certs::{Authority, Identity};
use gatewright_testkit::http::der;

use super::configuration::{CERTIFICATES, Configuration};
use super::manifest::{bridge, secret, service};
use super::vocabulary::{EMPTY_SERVICE, SERVICES};

/// Backends and certificates, for the whole run.
pub(crate) struct Ground {
    backends: Vec<EchoBackend>,
    identities: Vec<Identity>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("differential");
        let identity = |number| authority.server(&[&format!("cert-{number}.test")]);
        Ground {
            backends: SERVICES.into_iter().map(EchoBackend::start).collect(),
            identities: (0..CERTIFICATES).map(identity).collect(),
        }
    }

    /// Lets the backends forget what they received.
    pub(crate) fn forget_requests(&self) {
        for backend in &self.backends {
            backend.take_requests();
        }
    }

    /// Returns the files of some configurations, with everything that they refer to.
    pub(crate) fn files(&self, configurations: &[Configuration]) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> =
            configurations.iter().map(|one| (format!("{}.yaml", one.name), self.file(one))).collect();
        files.insert("registries.yaml".to_owned(), self.registries());
        files
    }

    fn file(&self, configuration: &Configuration) -> String {
        let text = configuration.text();
        let mut documents = vec![text.clone()];
        for backend in self.backends.iter().filter(|backend| text.contains(backend.name())) {
            documents.push(service(&configuration.name, backend.name(), &[backend.port()]));
        }
        if text.contains(EMPTY_SERVICE) {
            documents.push(service(&configuration.name, EMPTY_SERVICE, &[]));
        }
        for (number, identity) in self.identities.iter().enumerate() {
            let name = format!("cert-{number}");
            if text.contains(&name) {
                documents.push(secret(&configuration.name, &name, identity));
            }
        }
        documents.join("---\n")
    }

    fn registries(&self) -> String {
        let port = |index: usize| self.backends[index].port();
        bridge(&[
            format!("name: single, type: static, domain: \"127.0.0.1:{}\", port: 80", port(0)),
            format!(
                "name: pair, type: static, domain: \"127.0.0.1:{},127.0.0.1:{}\", port: 80",
                port(1),
                port(2)
            ),
        ])
    }

    /// Returns the names of the backends behind a cluster.
    pub(crate) fn backends_of(&self, ir: &Ir, cluster: &ClusterName) -> BTreeSet<&str> {
        let endpoints = match ir.clusters.get(cluster).map(|cluster| &cluster.discovery) {
            Some(Discovery::Dns(addresses)) => addresses.clone(),
            Some(Discovery::Endpoints) => {
                ir.endpoints.get(cluster).map(|set| set.endpoints.clone()).unwrap_or_default()
            }
            None => Vec::new(),
        };
        let ports: Vec<u16> = endpoints.iter().map(|endpoint| endpoint.port).collect();
        self.backends
            .iter()
            .filter(|backend| ports.contains(&backend.port()))
            .map(EchoBackend::name)
            .collect()
    }

    /// Returns the certificate of a Secret in DER.
    pub(crate) fn certificate(&self, secret: &SecretRef) -> Option<Vec<u8>> {
        let number: usize = secret.name.strip_prefix("cert-")?.parse().ok()?;
        der(&self.identities.get(number)?.certificate).ok()
    }
}

/// Compiles files. Errors are part of the game: what they concern is refused, and the rest goes on.
pub(crate) fn compile(files: &BTreeMap<String, String>) -> Engine {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let files = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
    engine.update(&SourceTree::in_memory(files)).expect("files in memory can be read");
    engine
}

/// Returns the static bootstrap in protobuf's binary form.
pub(crate) fn bootstrap(engine: &Engine, options: &BootstrapOptions) -> Vec<u8> {
    gatewright_xds::any(&engine.bootstrap(options)).value.to_vec()
}

/// Writes files into a folder.
pub(crate) fn write(folder: &Path, files: &BTreeMap<String, String>) {
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("a file in a temporary folder");
    }
}
