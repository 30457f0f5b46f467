//! A Secret that becomes unusable while it is served: its certificate stays, everything else goes on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::fs;
use std::sync::Arc;

use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::live::{Live, Offer, OnErrors};
use gatewright_reconciler::serve::{ServeOptions, SnapshotServer};
use gatewright_reconciler::source::{Credentials, Loader};
use gatewright_testkit::certs::{Authority, Identity};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::Secret;
use gatewright_xds::{names, type_url};

struct Bench {
    folder: tempfile::TempDir,
    live: Live,
}

impl Bench {
    fn new() -> Self {
        let server = SnapshotServer::new(ServeOptions::default());
        let live = Live::new(CompileOptions::higress_defaults(), server, OnErrors::KeepGoing);
        Bench { folder: tempfile::tempdir().unwrap(), live }
    }

    /// A process that starts again on the same folder.
    fn restarted(self) -> Self {
        Bench { folder: self.folder, ..Bench::new() }
    }

    fn write(&self, path: &str, content: &str) -> &Self {
        fs::write(self.folder.path().join(path), content).unwrap();
        self
    }

    /// Serves what the folder holds, and returns the codes of errors.
    fn serve(&mut self) -> Vec<&'static str> {
        let loader = Loader {
            working_folder: self.folder.path().to_owned(),
            cache_folder: self.folder.path().join(".cache"),
            credentials: Credentials::default(),
        };
        let source = loader.load(&[self.folder.path().display().to_string().parse().unwrap()]).unwrap();
        match self.live.offer(Arc::new(source)).unwrap() {
            Offer::Published { .. } => {
                let errors = self.live.findings(gatewright_diagnostics::Severity::Error).unwrap();
                errors.iter().map(|found| found.code.id).collect()
            }
            Offer::Refused | Offer::Shrunk { .. } => panic!("it is served in spite of errors"),
        }
    }

    /// Returns what is served as the certificate.
    fn certificate(&self) -> Option<Secret> {
        let snapshot = self.live.server().snapshot().unwrap();
        let found = snapshot.get(type_url::SECRET, &names::secret("shop", "shop-tls"))?;
        Some(found.decode().unwrap())
    }

    fn serves(&self, host: &str) -> bool {
        let snapshot = self.live.server().snapshot().unwrap();
        snapshot.of_type(type_url::VIRTUAL_HOST).any(|found| found.name().contains(host))
    }
}

fn ingress(host: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {host}, namespace: shop}}\nspec:\n  \
         ingressClassName: higress\n  tls: [{{hosts: [{host}], secretName: shop-tls}}]\n  rules:\n  - host: {host}\n    \
         http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}\n"
    )
}

fn secret(certificate: &str, key: &str) -> String {
    let block = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: shop-tls, namespace: shop}}\ntype: kubernetes.io/tls\nstringData:\n  \
         tls.crt: |\n{}  tls.key: |\n{}",
        block(certificate),
        block(key)
    )
}

fn pair() -> Identity {
    Authority::new("kept").server(&["a.test"])
}

#[test]
fn an_unusable_secret_keeps_its_certificate_until_it_is_usable_or_the_process_ends() {
    let mut bench = Bench::new();
    let first = pair();
    bench.write("a.yaml", &ingress("a.test")).write("tls.yaml", &secret(&first.certificate, &first.key));
    assert_eq!(bench.serve(), [""; 0]);
    let good = bench.certificate().unwrap();
    for useless in [
        secret("see the vault", "see the vault"),
        secret("ENC[AES256_GCM,data:YQ==,type:str]", "ENC[AES256_GCM,data:Yg==,type:str]"),
        "apiVersion: v1\nkind: [Secret".to_owned(),
    ] {
        // What else changes is served.
        bench.write("tls.yaml", &useless).write("b.yaml", &ingress("b.test"));
        let codes = bench.serve();
        assert!(codes.contains(&"GW0460") && !codes.contains(&"GW0212"), "{codes:?}");
        assert_eq!(bench.certificate().as_ref(), Some(&good));
        assert!(bench.serves("b.test"));
        fs::remove_file(bench.folder.path().join("b.yaml")).unwrap();
        assert!(bench.serve().contains(&"GW0460"), "it stays so");
        assert_eq!(bench.certificate().as_ref(), Some(&good));
    }
    let second = pair();
    bench.write("tls.yaml", &secret(&second.certificate, &second.key));
    assert_eq!(bench.serve(), [""; 0]);
    assert_ne!(bench.certificate().as_ref(), Some(&good), "the new one is served");
    bench.write("tls.yaml", &secret("see the vault", "see the vault"));
    let mut bench = bench.restarted();
    assert_eq!(bench.serve(), ["GW0212"]);
    assert_eq!(bench.certificate(), None);
}

#[test]
fn a_secret_that_is_gone_takes_its_certificate_along() {
    let mut bench = Bench::new();
    let pair = pair();
    bench.write("a.yaml", &ingress("a.test")).write("tls.yaml", &secret(&pair.certificate, &pair.key));
    bench.serve();
    fs::remove_file(bench.folder.path().join("tls.yaml")).unwrap();
    assert_eq!(bench.serve(), [""; 0]);
    assert_eq!(bench.certificate(), None);
}
