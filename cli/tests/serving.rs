//! The commands that serve, as real processes: live edits, orders over the control socket, git sync, and the demo.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::Call;
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{EchoBackend, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(20);

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    program.env("GATEWRIGHT_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    program
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// One host whose paths each forward to the Service of that name; every Service is an echo backend.
fn manifests(routes: &[(&str, &EchoBackend)]) -> String {
    let mut text = String::from(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: shop.test\n    http:\n      paths:\n",
    );
    for (path, backend) in routes {
        let name = backend.name();
        text += &format!(
            "      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}\n"
        );
    }
    let services: BTreeMap<&str, u16> =
        routes.iter().map(|(_, backend)| (backend.name(), backend.port())).collect();
    for (name, port) in services {
        text += &format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [127.0.0.1]}}]\nports: [{{name: http, port: {port}}}]\n"
        );
    }
    text
}

struct Gateway {
    process: ChildProcess,
    http: SocketAddr,
    admin: SocketAddr,
    control: PathBuf,
}

impl Gateway {
    fn start(folder: &Path, source: &str, control: &Path) -> Self {
        let (http, https, admin) = (local(free_port()), local(free_port()), local(free_port()));
        let mut command = program();
        command.current_dir(folder).args(["gateway", source, "--control"]).arg(control);
        for (flag, address) in [("--http", http), ("--https", https), ("--admin", admin)] {
            command.args([flag, &address.to_string()]);
        }
        let mut process = ChildProcess::spawn("gateway", &mut command);
        process.wait_for_http(admin, "/ready", PATIENCE);
        Gateway { process, http, admin, control: control.to_owned() }
    }

    fn backend(&self, path: &str) -> String {
        match Call::get(self.http, "shop.test", path).send() {
            Ok(answer) if answer.status == 200 => {
                answer.json()["backend"].as_str().unwrap_or_default().to_owned()
            }
            Ok(answer) => answer.status.to_string(),
            Err(error) => error,
        }
    }

    fn expect(&self, path: &str, backend: &str) {
        eventually(&format!("{path} is served by {backend}"), PATIENCE, || {
            let seen = self.backend(path);
            if seen == backend { Ok(()) } else { Err(seen) }
        });
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_edited_folder_goes_live_without_a_failed_request_and_a_broken_one_does_not() {
    let (old, new) = (EchoBackend::start("old"), EchoBackend::start("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    std::fs::write(&file, manifests(&[("/stay", &old), ("/move", &old)])).unwrap();
    let gateway = Gateway::start(folder.path(), ".", &folder.path().join("c.sock"));
    assert_eq!(gateway.backend("/move"), "old");

    let (stop, failed, sent) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let client = {
        let (stop, failed, sent, http) = (stop.clone(), failed.clone(), sent.clone(), gateway.http);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let answer = Call::get(http, "shop.test", "/stay").send();
                sent.fetch_add(1, Ordering::Relaxed);
                if !answer.is_ok_and(|answer| answer.status == 200) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    std::fs::write(&file, manifests(&[("/stay", &old), ("/move", &new)])).unwrap();
    gateway.expect("/move", "new");
    std::fs::write(&file, "kind: Ingress\nspec: [\n").unwrap();
    gateway.process.wait_for_log("still serving the last state without errors", PATIENCE);
    assert_eq!(gateway.backend("/move"), "new");
    std::fs::write(&file, manifests(&[("/stay", &old), ("/move", &old)])).unwrap();
    gateway.expect("/move", "old");
    let begin = Instant::now();
    while sent.load(Ordering::Relaxed) <= 20 && begin.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Relaxed);
    client.join().unwrap();
    assert!(sent.load(Ordering::Relaxed) > 20);
    assert_eq!(failed.load(Ordering::Relaxed), 0);
}

#[test]
fn a_saved_plan_is_applied_once_and_refused_when_the_live_state_moved() {
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let repository = TempRepo::new();
    repository.write("web.yaml", &manifests(&[("/", &one), ("/two", &two)])).commit("one");
    repository.git(&["tag", "v1"]);
    repository.write("web.yaml", &manifests(&[("/", &two), ("/two", &two)])).commit("two");
    repository.git(&["tag", "v2"]);
    let gateway = Gateway::start(repository.path(), "git:v1", &repository.path().join(".c.sock"));
    let control = gateway.control.display().to_string();

    let planned = run(repository.path(), &["plan", "git:v2", "--base", "git:v1", "--out", ".plan.json"]);
    assert_eq!(planned.status.code(), Some(0), "{}", told(&planned));
    let applied = run(repository.path(), &["apply", ".plan.json", "--control", &control]);
    assert_eq!(applied.status.code(), Some(0), "{}", told(&applied));
    assert_eq!(gateway.backend("/"), "two");

    let again = run(repository.path(), &["apply", ".plan.json", "--control", &control]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("GW0601"), "{}", told(&again));
    let back = run(repository.path(), &["apply", "git:v1", "--yes", "--control", &control]);
    assert_eq!(back.status.code(), Some(0), "{}", told(&back));
    assert_eq!(gateway.backend("/"), "one");
    let unasked = run(repository.path(), &["apply", "git:v2", "--control", &control]);
    assert_eq!(unasked.status.code(), Some(2), "{}", told(&unasked));
}

#[test]
fn sync_follows_a_branch_and_keeps_the_last_good_revision() {
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let repository = TempRepo::new();
    repository.write("web.yaml", &manifests(&[("/", &one)])).commit("one");
    repository.git(&["branch", "-M", "main"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let source = format!("git+{}@main", repository.url());
    let gateway = Gateway::start(elsewhere.path(), &source, &elsewhere.path().join("c.sock"));
    let control = gateway.control.display().to_string();
    let round = || {
        run(elsewhere.path(), &["sync", &source, "--control", &control, "--once", "--status-file", "s.json"])
    };
    let status = || -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(elsewhere.path().join("s.json")).unwrap()).unwrap()
    };

    let first = round();
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    assert_eq!(status()["targets"][0]["outcome"]["outcome"], "unchanged", "{}", status());

    let good = repository.write("web.yaml", &manifests(&[("/", &two)])).commit("two");
    let second = round();
    assert_eq!(second.status.code(), Some(0), "{}", told(&second));
    assert_eq!(gateway.backend("/"), "two");
    assert_eq!(status()["revision"], serde_json::Value::from(good.trim()));

    repository.write("web.yaml", "kind: Ingress\nspec: [\n").commit("broken");
    let third = round();
    assert_eq!(third.status.code(), Some(1), "{}", told(&third));
    assert!(told(&third).contains("GW0001"), "{}", told(&third));
    assert_eq!(gateway.backend("/"), "two");
    assert_eq!(status()["in_sync"], false);
}

#[test]
fn sync_takes_source_targets_and_status_file_from_the_settings() {
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let folder = tempfile::tempdir().unwrap();
    let repository = TempRepo::new();
    repository.write("shop/web.yaml", &manifests(&[("/", &one)])).commit("one");
    std::os::unix::fs::symlink(repository.path(), folder.path().join("repository")).unwrap();
    std::fs::create_dir_all(folder.path().join("ops")).unwrap();
    let gateway =
        Gateway::start(folder.path(), "git+./repository@main:shop", &folder.path().join("ops/c.sock"));
    std::fs::write(
        folder.path().join("ops/gatewright.yaml"),
        "sync:\n  source: {repository: ../repository, revision: main, path: shop}\n  targets: [{control: c.sock}]\n  statusFile: s.json\n",
    )
    .unwrap();

    repository.write("shop/web.yaml", &manifests(&[("/", &two)])).commit("two");
    let round = run(folder.path(), &["sync", "--config", "ops/gatewright.yaml", "--once"]);
    assert_eq!(round.status.code(), Some(0), "{}", told(&round));
    assert_eq!(gateway.backend("/"), "two");
    let status = std::fs::read_to_string(folder.path().join("ops/s.json")).unwrap();
    assert!(status.contains("\"in_sync\": true"), "{status}");

    let elsewhere = ["--config", "ops/gatewright.yaml", "--once", "--control", "nobody.sock"];
    let round = run(folder.path(), &[&["sync"], &elsewhere[..]].concat());
    assert_eq!(round.status.code(), Some(3), "{}", told(&round));
    assert!(told(&round).contains("nobody.sock"), "{}", told(&round));
}

#[test]
fn a_gateway_follows_a_separate_xds_server() {
    let backend = EchoBackend::start("only");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.yaml"), manifests(&[("/", &backend)])).unwrap();
    let (listen, http, admin) = (local(free_port()), local(free_port()), local(free_port()));
    let mut server = program();
    server.current_dir(folder.path()).args([
        "xds",
        ".",
        "--listen",
        &listen.to_string(),
        "--http",
        &http.to_string(),
    ]);
    let server = ChildProcess::spawn("xds", &mut server);
    server.wait_for_log("serving xDS on", PATIENCE);
    let mut gateway = program();
    gateway.args(["gateway", "--xds", &listen.to_string(), "--admin", &admin.to_string()]);
    let mut gateway = ChildProcess::spawn("gateway", &mut gateway);
    gateway.wait_for_http(admin, "/ready", PATIENCE);
    let answer = Call::get(http, "shop.test", "/").send().unwrap();
    assert_eq!((answer.status, answer.json()["backend"].as_str()), (200, Some("only")));
    assert!(gateway.terminate(PATIENCE).success());
}

#[test]
fn a_taken_port_and_a_missing_socket_are_one_clear_error() {
    let backend = EchoBackend::start("only");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.yaml"), manifests(&[("/", &backend)])).unwrap();
    let taken = TcpListener::bind(local(0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let admin = local(free_port()).to_string();
    let https = local(free_port()).to_string();
    let refused =
        run(folder.path(), &["gateway", ".", "--http", &taken, "--https", &https, "--admin", &admin]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains(&taken), "{}", told(&refused));
    let nobody = run(folder.path(), &["apply", ".", "--yes", "--control", "nobody.sock"]);
    assert_eq!(nobody.status.code(), Some(3));
    assert!(told(&nobody).contains("nobody.sock"), "{}", told(&nobody));
}

#[test]
fn a_killed_gateway_leaves_a_socket_that_the_next_one_takes_over() {
    let backend = EchoBackend::start("only");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.yaml"), manifests(&[("/", &backend)])).unwrap();
    let control = folder.path().join("c.sock");
    let mut first = Gateway::start(folder.path(), ".", &control);
    first.process.kill();
    assert!(control.exists());
    let mut second = Gateway::start(folder.path(), ".", &control);
    assert_eq!(second.backend("/"), "only");
    assert!(second.process.terminate(PATIENCE).success());
    assert!(!control.exists());
    assert!(Call::get(second.admin, "localhost", "/ready").send().is_err());
}

#[test]
fn the_demo_ends_well_and_leaves_nothing() {
    let ended = run(Path::new("."), &["demo"]);
    let text = told(&ended);
    assert_eq!(ended.status.code(), Some(0), "{text}");
    assert!(text.contains(" 0 failed") && !text.contains("WRONG") && !text.contains("PROBLEM"), "{text}");
    let folder = text.split("--out ").nth(1).and_then(|rest| rest.split("/plan.json").next()).unwrap();
    assert!(!Path::new(folder).exists(), "{folder} is left");
}

#[test]
fn the_demo_says_that_its_port_is_taken() {
    let taken = TcpListener::bind(local(0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let ended = run(Path::new("."), &["demo", "--http", &taken]);
    assert_eq!(ended.status.code(), Some(3), "{}", told(&ended));
    assert!(told(&ended).contains(&taken), "{}", told(&ended));
}

#[test]
fn the_admin_pages_answer_when_no_descriptor_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let backend = EchoBackend::start("a");
    std::fs::write(folder.path().join("web.yaml"), manifests(&[("/", &backend)])).unwrap();
    let (http, https, admin) = (local(free_port()), local(free_port()), local(free_port()));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gatewright"), "gateway"]);
    command.arg(folder.path()).args([
        "--workers",
        "1",
        "--http",
        &http.to_string(),
        "--https",
        &https.to_string(),
    ]);
    let mut gateway = ChildProcess::spawn("gateway", command.args(["--admin", &admin.to_string()]));
    gateway.wait_for_http(admin, "/ready", PATIENCE);
    let started = Instant::now();
    let _open: Vec<_> = (0..250).map(|_| std::net::TcpStream::connect(http).unwrap()).collect();
    let warning = "connections cannot be accepted";
    gateway.wait_for_log(warning, PATIENCE);
    for _ in 0..5 {
        assert_eq!(Call::get(admin, "localhost", "/ready").send().unwrap().status, 200);
        thread::sleep(Duration::from_millis(300));
    }
    let warnings = gateway.log().matches(warning).count() as u64;
    assert!(warnings <= started.elapsed().as_secs() + 1, "{warnings} warnings");
}
