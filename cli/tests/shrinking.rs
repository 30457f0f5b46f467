//! A source that suddenly serves nothing or much less, with real processes: the last good state keeps serving until
//! somebody says that it is meant, also when a process ends in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::Call;
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{EchoBackend, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder for state files and the control socket, and a backend.
struct Bench {
    folder: tempfile::TempDir,
    backend: EchoBackend,
}

impl Bench {
    fn new() -> Self {
        Bench { folder: tempfile::tempdir().unwrap(), backend: EchoBackend::start("one") }
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("c.sock")
    }

    fn ingress(host: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {host}, namespace: shop}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: {host}\n    http:\n      paths:\n      - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
        )
    }

    fn service(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nendpoints: [{{addresses: [127.0.0.1]}}]\nports: [{{name: http, port: {}}}]\n",
            self.backend.port()
        )
    }

    /// Writes a Service and Ingresses `h1.test`, `h2.test` and so on.
    fn write(&self, folder: &Path, hosts: usize) {
        std::fs::write(folder.join("web.yaml"), self.service()).unwrap();
        for number in 1..=hosts {
            let host = format!("h{number}.test");
            std::fs::write(folder.join(format!("{host}.yaml")), Self::ingress(&host)).unwrap();
        }
    }

    fn program(&self, working_folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.current_dir(working_folder).args(arguments);
        command.env("GATEWRIGHT_STATE_DIR", self.folder.path().join("state"));
        command
    }

    fn gateway(&self, working_folder: &Path, source: &str, arguments: &[&str]) -> Gateway {
        let [http, https, admin] =
            [free_port(), free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = self.program(working_folder, &["gateway", source]);
        command.args(arguments).arg("--control").arg(self.control());
        for (flag, address) in [("--http", http), ("--https", https), ("--admin", admin)] {
            command.args([flag, &address.to_string()]);
        }
        Gateway { process: ChildProcess::spawn("gateway", &mut command), http, admin }
    }

    fn serving(&self, working_folder: &Path, source: &str) -> Gateway {
        let mut gateway = self.gateway(working_folder, source, &[]);
        gateway.process.wait_for_http(gateway.admin, "/ready", PATIENCE);
        gateway
    }

    /// Does one round in a process of its own, and returns its exit code and what it told.
    fn sync(&self, repository: &TempRepo, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.program(repository.path(), &["sync", "git:main", "--once"]);
        let output = command.args(arguments).arg("--control").arg(self.control()).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), told.concat())
    }
}

struct Gateway {
    process: ChildProcess,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn status(&self, host: &str) -> u16 {
        Call::get(self.http, host, "/").send().unwrap().status
    }
}

#[test]
fn a_branch_whose_manifests_vanish_is_refused_until_it_is_meant() {
    let (bench, repository) = (Bench::new(), TempRepo::new());
    bench.write(repository.path(), 3);
    repository.commit("three");
    repository.git(&["branch", "-M", "main"]);
    let mut gateway = bench.serving(repository.path(), "git:main");
    assert_eq!(bench.sync(&repository, &[]).0, Some(0));

    repository.write(".gatewrightignore", "*\n").commit("hidden");
    // Each round is a process of its own.
    for _ in 0..2 {
        let (code, told) = bench.sync(&repository, &[]);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.contains("GW0617 the source serves no host, and the last good state serves 3"),
            "{told}"
        );
    }
    gateway.process.wait_for_log("GW0617", PATIENCE);
    assert_eq!(gateway.status("h1.test"), 200);

    // What started on the hidden manifests serves what was good.
    gateway.process.kill();
    let gateway = bench.serving(repository.path(), "git:main");
    assert!(gateway.process.log().contains("serving the last good state, "), "{}", gateway.process.log());
    assert_eq!(gateway.status("h3.test"), 200);
    let (code, told) = bench.sync(&repository, &["--prune-budget", "100"]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(gateway.status("h3.test"), 200);

    let (code, told) = bench.sync(&repository, &["--allow-empty"]);
    assert_eq!(code, Some(0), "{told}");
    assert_ne!(gateway.status("h3.test"), 200);
}

#[test]
fn a_branch_that_shrinks_is_carried_out_within_the_budget_and_is_the_next_base() {
    let (bench, repository) = (Bench::new(), TempRepo::new());
    bench.write(repository.path(), 6);
    repository.commit("six");
    repository.git(&["branch", "-M", "main"]);
    let elsewhere = tempfile::tempdir().unwrap();
    bench.write(elsewhere.path(), 1);
    let gateway = bench.serving(elsewhere.path(), ".");
    assert_eq!(bench.sync(&repository, &[]).0, Some(0));

    for number in 3..=6 {
        std::fs::remove_file(repository.path().join(format!("h{number}.test.yaml"))).unwrap();
    }
    repository.commit("two");
    let (code, told) = bench.sync(&repository, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("GW0617 4 of 6 hosts left the source (h3.test, h4.test, h5.test and 1 more)"),
        "{told}"
    );
    assert!(told.contains("--prune-budget 4"), "{told}");
    assert_eq!(gateway.status("h6.test"), 200);
    let (code, told) = bench.sync(&repository, &["--prune-budget", "4"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!((gateway.status("h6.test"), gateway.status("h2.test")), (404, 200));

    std::fs::remove_file(repository.path().join("h2.test.yaml")).unwrap();
    repository.commit("one");
    assert_eq!(bench.sync(&repository, &[]).0, Some(0));
    assert_eq!((gateway.status("h2.test"), gateway.status("h1.test")), (404, 200));
}

#[test]
fn a_followed_folder_that_loses_its_manifests_keeps_serving_them() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    bench.write(folder.path(), 5);
    let mut gateway = bench.serving(folder.path(), ".");
    // Another class is nobody's mistake to the compiler.
    for number in 1..=4 {
        let host = format!("h{number}.test");
        let other = Bench::ingress(&host).replace("ingressClassName: higress", "ingressClassName: nginx");
        std::fs::write(folder.path().join(format!("{host}.yaml")), other).unwrap();
    }
    gateway.process.wait_for_log("GW0617 4 of 5 hosts left the source", PATIENCE);
    assert_eq!((gateway.status("h1.test"), gateway.status("h5.test")), (200, 200));
    gateway.process.kill();

    let mut refused = bench.gateway(folder.path(), ".", &[]);
    assert_eq!(refused.process.wait(PATIENCE).code(), Some(1), "{}", refused.process.log());
    assert!(
        refused.process.log().contains("if it is meant, give --prune-budget 4"),
        "{}",
        refused.process.log()
    );
    let mut meant = bench.gateway(folder.path(), ".", &["--prune-budget", "4"]);
    meant.process.wait_for_http(meant.admin, "/ready", PATIENCE);
    assert_eq!((meant.status("h1.test"), meant.status("h5.test")), (404, 200));
    meant.process.kill();
    // What was meant is the base of the next start.
    let gateway = bench.serving(folder.path(), ".");
    bench.write(folder.path(), 5);
    eventually("the hosts are back", PATIENCE, || match gateway.status("h1.test") {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
}

#[test]
fn a_gateway_does_not_start_on_nothing_unless_it_is_meant() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("web.yaml"), bench.service()).unwrap();
    let mut refused = bench.gateway(folder.path(), ".", &[]);
    assert_eq!(refused.process.wait(PATIENCE).code(), Some(1));
    assert!(refused.process.log().contains("GW0617 the source serves no host"), "{}", refused.process.log());
    let mut meant = bench.gateway(folder.path(), ".", &["--allow-empty"]);
    meant.process.wait_for_http(meant.admin, "/ready", PATIENCE);
    assert_ne!(meant.status("h1.test"), 200);
}

#[test]
fn a_sync_that_starts_without_a_good_source_looks_after_what_was_good() {
    let (bench, repository) = (Bench::new(), TempRepo::new());
    bench.write(repository.path(), 2);
    repository.commit("two");
    repository.git(&["branch", "-M", "main"]);
    let elsewhere = tempfile::tempdir().unwrap();
    bench.write(elsewhere.path(), 1);
    let mut gateway = bench.serving(elsewhere.path(), ".");
    assert_eq!(bench.sync(&repository, &[]).0, Some(0));
    assert_eq!(gateway.status("h2.test"), 200);

    // The gateway forgets what it was ordered to, and the branch is gone.
    gateway.process.kill();
    repository.git(&["branch", "-m", "main", "gone"]);
    let mut gateway = bench.serving(elsewhere.path(), ".");
    assert_eq!(gateway.status("h2.test"), 404);
    let (code, told) = bench.sync(&repository, &[]);
    assert_eq!(code, Some(3), "{told}");
    assert_eq!(gateway.status("h2.test"), 200);

    gateway.process.kill();
    repository.git(&["branch", "-m", "gone", "main"]);
    repository.write("h1.test.yaml", "kind: Ingress\nspec: [\n").commit("broken");
    let gateway = bench.serving(elsewhere.path(), ".");
    let (code, told) = bench.sync(&repository, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!((gateway.status("h1.test"), gateway.status("h2.test")), (200, 200));
    let (code, told) = bench.sync(&repository, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("left as it was"), "{told}");
}

#[test]
fn garbage_in_the_place_of_manifests_is_no_deletion() {
    let (bench, repository) = (Bench::new(), TempRepo::new());
    bench.write(repository.path(), 3);
    repository.commit("three");
    repository.git(&["branch", "-M", "main"]);
    let mut gateway = bench.serving(repository.path(), ".");
    assert_eq!(bench.sync(&repository, &[]).0, Some(0));

    // One host of three would be within the budget.
    let name = "h1.test.yaml";
    for (garbage, told) in [
        ("{: [\n", "GW0001"),
        ("<<<<<<< ours\n", "GW0009"),
        ("host: {{ .host }}-x\n", "GW0010"),
        ("metadata: {name: web}\n", "GW0009"),
    ] {
        let before = gateway.process.log().len();
        repository.write(name, garbage).commit("garbage");
        eventually(garbage, PATIENCE, || match gateway.process.log()[before..].contains(told) {
            true => Ok(()),
            false => Err(gateway.process.log()),
        });
        // Each round is a process of its own.
        let (code, log) = bench.sync(&repository, &[]);
        assert!(code == Some(1) && log.contains(told), "{garbage}: {log}");
        assert_eq!(gateway.status("h1.test"), 200, "{garbage}");
    }
    gateway.process.kill();
    let mut refused = bench.gateway(repository.path(), ".", &[]);
    assert_eq!(refused.process.wait(PATIENCE).code(), Some(1), "{}", refused.process.log());

    // Nothing is what it says.
    repository.write(name, "# moved\n").commit("moved");
    let gateway = bench.serving(repository.path(), ".");
    assert_eq!((gateway.status("h1.test"), gateway.status("h2.test")), (404, 200));
    let (code, log) = bench.sync(&repository, &[]);
    assert_eq!(code, Some(0), "{log}");
}
