//! `--policy quarantine` with real processes: what a gateway answers while objects are held back, and what survives the
//! end of a sync.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::Call;
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{EchoBackend, eventually, free_port};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// An annotation that is an error, whatever stands beside it.
const BROKEN: &str = "higress.io/destination: 'x% api.static'";

struct Bench {
    repository: TempRepo,
    folder: tempfile::TempDir,
    backends: [EchoBackend; 3],
}

impl Bench {
    fn new() -> Self {
        let backends = ["one", "two", "three"].map(EchoBackend::start);
        Bench { repository: TempRepo::new(), folder: tempfile::tempdir().unwrap(), backends }
    }

    /// Writes an Ingress for the host of its name that sends everything to a backend.
    fn ingress(&self, name: &str, backend: &str, annotations: &str) -> &Self {
        let port = self.backends.iter().find(|known| known.name() == backend).unwrap().port();
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: {name}.test\n    http:\n      paths:\n      - {{path: /, pathType: Prefix, backend: {{service: {{name: {backend}, port: {{number: 80}}}}}}}}\n"
        );
        self.repository.write(&format!("{name}.yaml"), &text);
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {backend}, namespace: shop}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {backend}-1, namespace: shop, labels: {{kubernetes.io/service-name: {backend}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [127.0.0.1]}}]\nports: [{{name: http, port: {port}}}]\n"
        );
        self.repository.write(&format!("services/{backend}.yaml"), &service);
        self
    }

    fn commit(&self, message: &str) -> String {
        self.repository.commit(message)
    }

    fn source(&self, revision: &str) -> String {
        format!("git+{}@{revision}", self.repository.url())
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("GATEWRIGHT_STATE_DIR", self.folder.path().join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output: Output = self.program(arguments).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), told.concat())
    }

    fn sync(&self) -> (Option<i32>, String) {
        let source = self.source("main");
        self.run(&[
            "sync",
            &source,
            "--control",
            "c.sock",
            "--once",
            "--policy",
            "quarantine",
            "--status-file",
            "s.json",
        ])
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("s.json")).unwrap()).unwrap()
    }

    fn gateway(&self, revision: &str) -> Gateway {
        let [http, https, admin] =
            [free_port(), free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = self.program(&["gateway", &self.source(revision), "--control", "c.sock"]);
        for (flag, address) in [("--http", http), ("--https", https), ("--admin", admin)] {
            command.args([flag, &address.to_string()]);
        }
        let mut process = ChildProcess::spawn("gateway", &mut command);
        process.wait_for_http(admin, "/ready", PATIENCE);
        Gateway { process, http }
    }

    /// Returns the state files of syncs.
    fn state_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("state")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        // Those of the gateway stand beside it.
        paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("sync-")).collect()
    }
}

struct Gateway {
    process: ChildProcess,
    http: SocketAddr,
}

impl Gateway {
    /// Returns the backend that answers for a host, or the status of the gateway's own answer.
    fn backend(&self, host: &str) -> String {
        let answer = Call::get(self.http, host, "/").send().unwrap();
        match answer.status {
            200 => answer.json()["backend"].as_str().unwrap_or_default().to_owned(),
            status => status.to_string(),
        }
    }
}

#[test]
fn a_broken_object_keeps_its_last_good_version_and_the_rest_moves_on() {
    let bench = Bench::new();
    let first = bench.ingress("web", "one", "").ingress("api", "one", "").commit("one");
    let gateway = bench.gateway("main");
    assert_eq!(bench.sync().0, Some(0));

    let second = bench
        .ingress("web", "two", BROKEN)
        .ingress("api", "two", "")
        .ingress("new", "two", BROKEN)
        .commit("two");
    let (code, told) = bench.sync();
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(gateway.backend("web.test"), "one");
    assert_eq!(gateway.backend("api.test"), "two");
    assert_eq!(gateway.backend("new.test"), "503");
    let line = format!(
        "holds back Ingress shop/web: as web.yaml has it in {}, broken in {}, since 2",
        &first[..10],
        &second[..10]
    );
    assert!(told.contains(&line), "{told}");
    assert!(told.contains("refuses Ingress shop/new: no good version of it is known"), "{told}");
    let status = bench.status();
    let held = &status["held"][0];
    assert_eq!((&held["object"], &held["revision"]), (&"Ingress shop/web".into(), &first.as_str().into()));
    assert_eq!((&held["broken_in"], &held["path"]), (&second.as_str().into(), &"web.yaml".into()));
    assert_eq!((&status["in_sync"], &status["refused"][0]), (&false.into(), &"Ingress shop/new".into()));
    assert_eq!(status["targets"][0]["outcome"]["outcome"], "applied");
    let since = held["since"].clone();

    bench.ingress("api", "three", "").commit("three");
    assert_eq!(bench.sync().0, Some(1));
    assert_eq!((gateway.backend("web.test"), gateway.backend("api.test")), ("one".into(), "three".into()));
    let held = bench.status()["held"][0].clone();
    assert_eq!((&held["broken_in"], &held["since"]), (&second.as_str().into(), &since));

    bench.ingress("web", "three", "").ingress("new", "three", "").commit("four");
    let (code, told) = bench.sync();
    assert_eq!(code, Some(0), "{told}");
    for host in ["web.test", "api.test", "new.test"] {
        assert_eq!(gateway.backend(host), "three");
    }
    assert_eq!(bench.status()["held"], Value::Array(Vec::new()));
}

#[test]
fn what_is_held_back_survives_the_end_of_sync_and_gateway() {
    let bench = Bench::new();
    let oldest = bench.ingress("web", "two", "").ingress("api", "two", "").commit("oldest");
    bench.ingress("web", "one", "").commit("good");
    let mut gateway = bench.gateway("main");
    assert_eq!(bench.sync().0, Some(0));
    bench.ingress("web", "three", BROKEN).ingress("api", "three", "").commit("broken");
    let arguments = ["--control", "c.sock", "--interval", "1", "--policy", "quarantine"];
    let mut sync = ChildProcess::spawn(
        "sync",
        &mut bench.program(&[&["sync", &bench.source("main")], &arguments[..]].concat()),
    );
    eventually("the broken revision is quarantined", PATIENCE, || {
        match gateway.backend("api.test").as_str() {
            "three" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    assert_eq!(gateway.backend("web.test"), "one");
    sync.kill();
    gateway.process.kill();

    // The next gateway begins with something that nobody wants any more.
    let gateway = bench.gateway(&oldest);
    assert_eq!(gateway.backend("web.test"), "two");
    let (code, told) = bench.sync();
    assert_eq!(code, Some(1), "{told}");
    assert_eq!((gateway.backend("web.test"), gateway.backend("api.test")), ("one".into(), "three".into()));

    let [file] = bench.state_files().try_into().unwrap();
    std::fs::write(&file, "{").unwrap();
    let (code, told) = bench.sync();
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("is damaged: "), "{told}");
    // Without the file the targets are asked.
    std::fs::remove_file(&file).unwrap();
    bench.ingress("api", "one", "").commit("still broken");
    assert_eq!(bench.sync().0, Some(1));
    assert_eq!((gateway.backend("web.test"), gateway.backend("api.test")), ("one".into(), "one".into()));
}

#[test]
fn apply_holds_back_what_the_serving_process_has_in_a_good_version() {
    let bench = Bench::new();
    bench.ingress("web", "one", "").ingress("api", "one", "").commit("one");
    let gateway = bench.gateway("main");
    bench.ingress("web", "two", BROKEN).ingress("api", "two", "").commit("two");
    let source = bench.source("main");
    let apply =
        |policy: &str| bench.run(&["apply", &source, "--yes", "--control", "c.sock", "--policy", policy]);
    let (code, told) = apply("stop");
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(gateway.backend("api.test"), "one");
    let (code, told) = apply("quarantine");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("holds back Ingress shop/web: as web.yaml has it in "), "{told}");
    assert_eq!((gateway.backend("web.test"), gateway.backend("api.test")), ("one".into(), "two".into()));
    bench.ingress("api", "three", "").commit("three");
    assert_eq!(apply("quarantine").0, Some(0));
    assert_eq!((gateway.backend("web.test"), gateway.backend("api.test")), ("one".into(), "three".into()));
}
