//! A namespace of the shared API server with a folder of manifests for it.

use std::path::PathBuf;

use gatewright_testkit::cluster::{ADMIN, Cluster, shared};
use serde_json::Value;

use super::support::{Folder, Run};

/// A namespace of its own.
pub(crate) struct Scene {
    pub(crate) cluster: &'static Cluster,
    pub(crate) folder: Folder,
    pub(crate) namespace: &'static str,
    kubeconfig: PathBuf,
}

impl Scene {
    /// Makes the namespace; the program runs as the admin.
    pub(crate) fn new(namespace: &'static str) -> Self {
        let cluster = shared();
        cluster.namespace(namespace);
        let scene =
            Scene { cluster, folder: Folder::new(), namespace, kubeconfig: cluster.kubeconfig_of(ADMIN) };
        scene.write("ingress.yaml", &scene.ingress("web"));
        scene.write("service.yaml", &scene.service());
        scene
    }

    /// Writes a manifest of the source.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.folder.write(&format!("source/{path}"), text);
    }

    /// Deletes a manifest of the source.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join("source").join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Runs a command on the source and the cluster, with an inventory in the scene's namespace.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let kubeconfig = self.kubeconfig.to_str().expect("a temporary folder is text");
        let inventory = format!("{}/gatewright", self.namespace);
        let mut all =
            vec![command, "source", "--cluster", "--kubeconfig", kubeconfig, "--inventory", &inventory];
        all.extend(arguments);
        self.folder.run(&all)
    }

    /// Applies the source and checks that it succeeds.
    pub(crate) fn apply(&self) -> Run {
        let run = self.run("apply", &["--yes"]);
        assert_eq!(run.code, 0, "{run:?}");
        run
    }

    /// Reads an object of the namespace; none where there is none.
    pub(crate) fn object(&self, api: &str, resource: &str, name: &str) -> Option<Value> {
        let path = format!("/{api}/namespaces/{}/{resource}/{name}", self.namespace);
        let (status, value) = self.cluster.call("GET", &path, "application/json", "");
        assert!(status == 200 || status == 404, "GET {path}: {value}");
        (status == 200).then_some(value)
    }

    /// Reads an Ingress of the namespace.
    pub(crate) fn live_ingress(&self, name: &str) -> Option<Value> {
        self.object("apis/networking.k8s.io/v1", "ingresses", name)
    }

    /// Returns how many requests of the admin have changed objects of the namespace, Leases and events left out.
    pub(crate) fn writes(&self) -> usize {
        let here = |write: &&String| {
            write.contains(&format!(" {}/", self.namespace))
                && ![" leases ", " events "].iter().any(|own| write.contains(own))
        };
        self.cluster.writes_of(ADMIN).iter().filter(here).count()
    }

    /// Lets another field manager apply something.
    pub(crate) fn apply_as(&self, manager: &str, manifest: &str) {
        let arguments =
            ["apply", "--server-side", "--force-conflicts", "--field-manager", manager, "-f", "-"];
        self.cluster.admin(&arguments, manifest);
    }

    pub(crate) fn service(&self) -> String {
        format!(
            "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: {}
spec:
  ports:
  - port: 80
",
            self.namespace
        )
    }

    /// Returns an Ingress with a host of its own.
    pub(crate) fn ingress(&self, name: &str) -> String {
        format!(
            "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    higress.io/timeout: \"5\"
spec:
  ingressClassName: higress
  rules:
  - host: {name}.{namespace}.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port:
              number: 80
",
            namespace = self.namespace
        )
    }
}
