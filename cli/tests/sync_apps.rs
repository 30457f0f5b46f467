//! Several applications in one `gatewright sync`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use gatewright_testkit::certs::Authority;
use gatewright_testkit::eventually;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::{Answer, Call};
use gatewright_testkit::process::ChildProcess;

const SOON: Duration = Duration::from_secs(30);
const MANIFEST: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";

/// A folder with a settings file.
struct Bench {
    folder: tempfile::TempDir,
    repository: TempRepo,
}

impl Bench {
    fn new() -> Self {
        let repository = TempRepo::new();
        repository.write("web.yaml", MANIFEST).commit("one");
        Bench { folder: tempfile::tempdir().unwrap(), repository }
    }

    /// Writes the settings: an application with each source, which keeps a process that nobody has started.
    fn configure(&self, rest: &str, apps: &[(&str, &str)]) {
        let app = |(name, source): &(&str, &str)| {
            format!(
                "  - name: {name}\n    source: {{repository: \"{source}\", revision: main}}\n    targets: [{{control: {name}.sock}}]\n"
            )
        };
        let apps: String = apps.iter().map(app).collect();
        let text = format!("sync:\n{rest}  apps:\n{apps}");
        std::fs::write(self.folder.path().join("gatewright.yaml"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.env("GATEWRIGHT_STATE_DIR", self.folder.path().join("state"));
        command.env("GATEWRIGHT_CACHE_DIR", self.folder.path().join("cache"));
        command.current_dir(self.folder.path()).arg("sync");
        command
    }

    fn once(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command().arg("--once").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn get(address: SocketAddr, path: &str) -> Answer {
    Call::get(address, "localhost", path).send().unwrap()
}

#[test]
fn an_application_that_waits_delays_no_other_one() {
    // Connections wait here for an answer that never comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::new();
    let url = format!("http://{}/gateways.git", silent.local_addr().unwrap());
    let repository = bench.repository.path().display().to_string();
    bench.configure(
        "  interval: 1\n  listen: 127.0.0.1:0\n",
        &[("waits", &url), ("one", &repository), ("two", &repository)],
    );
    let process = ChildProcess::spawn("sync", &mut bench.command());
    process.wait_for_log("status and metrics on http://", SOON);
    let log = process.log();
    let address = log.split("http://").nth(1).and_then(|rest| rest.lines().next()).unwrap().parse().unwrap();
    let _held = silent.accept().unwrap();
    let second = bench.repository.write("web.yaml", &MANIFEST.replace("80", "81")).commit("two");
    for name in ["one", "two"] {
        eventually("a later round", SOON, || {
            let app = get(address, &format!("/api/v1/apps/{name}")).json();
            let revision = &app["last"]["status"]["revision"];
            let rounds = app["rounds"]["ended"].as_u64().unwrap();
            if rounds > 1 && *revision == second { Ok(()) } else { Err(app.to_string()) }
        });
    }
    let waits = get(address, "/api/v1/apps/waits").json();
    assert_eq!((&waits["last"], &waits["rounds"]["ended"]), (&serde_json::Value::Null, &0.into()));
    assert_eq!(get(address, "/ready").status, 503);
    let metrics = get(address, "/metrics").text();
    for line in ["rounds_total{app=\"waits\"} 0", "source_readable{app=\"one\"} 1"] {
        assert!(metrics.contains(&format!("gatewright_sync_{line}\n")), "{line}\n{metrics}");
    }
    assert!(process.log().contains("one: git+"), "{}", process.log());
}

#[test]
fn one_round_of_each_ends_with_the_worst_exit_code() {
    let bench = Bench::new();
    let broken = TempRepo::new();
    broken.write("web.yaml", &MANIFEST.replace("80", "'x'")).commit("one");
    let paths = [&bench.repository, &broken].map(|repository| repository.path().display().to_string());
    bench.configure("", &[("broken", &paths[1]), ("lonely", &paths[0])]);
    let (code, told) = bench.once(&[]);
    assert_eq!(code, Some(3), "{told}");
    let heads: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(
        heads.len() == 2 && heads[0].starts_with("broken: git+") && heads[1].starts_with("lonely: git+"),
        "{told}"
    );
    assert!(heads[0].ends_with("1 error, so the last good state keeps serving"), "{told}");
}

#[test]
fn what_does_not_fit_together_is_refused_before_anything_is_done() {
    let bench = Bench::new();
    let path = bench.repository.path().display().to_string();
    bench.configure("", &[("shop", &path), ("shop", &path)]);
    let (code, told) = bench.once(&[]);
    assert_eq!(code, Some(1), "{told}");
    for part in
        ["error[GW0803]", "gatewright.yaml:6:11", "two applications are called `shop`", "nothing is synced"]
    {
        assert!(told.contains(part), "{part}\n{told}");
    }
    bench.configure("", &[("shop", &path), ("docs", &path)]);
    for argument in ["--control=x", "--inventory=a/b", "--status-file=s", "--allow-empty", "."] {
        let (code, told) = bench.once(&[argument]);
        assert_eq!(code, Some(2), "{argument} {told}");
        assert!(
            told.contains("is for one application, and `sync.apps` in gatewright.yaml has names"),
            "{told}"
        );
    }
    assert!(!bench.folder.path().join("state").exists());
}

#[test]
fn a_process_takes_orders_at_its_control_address() {
    let bench = Bench::new();
    let authority = Authority::new("ours");
    let write = |name: &str, text: &str| std::fs::write(bench.folder.path().join(name), text).unwrap();
    for (name, pair) in [("gw", authority.server(&["gw.test"])), ("sync", authority.client("sync"))] {
        write(&format!("{name}.crt"), &pair.certificate);
        write(&format!("{name}.key"), &pair.key);
    }
    write("ca.crt", authority.pem());
    let source = format!("git+{}@main", bench.repository.path().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.env("GATEWRIGHT_STATE_DIR", bench.folder.path().join("state"));
    command.current_dir(bench.folder.path()).args([
        "xds",
        &source,
        "--listen",
        "127.0.0.1:0",
        "--allow-empty",
    ]);
    command.args(["--control-listen", "127.0.0.1:0", "--control-certificate", "gw.crt"]);
    command.args(["--control-key", "gw.key", "--control-authority", "ca.crt"]);
    let process = ChildProcess::spawn("xds", &mut command);
    process.wait_for_log("taking orders on ", SOON);
    let log = process.log();
    let address = log.split("taking orders on ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let settings = |name: &str| {
        format!(
            "sync:\n  source: {{repository: \"{}\", revision: main}}\n  targets:\n  - {{address: \"{address}\", serverName: {name}, certificate: sync.crt, key: sync.key, authority: ca.crt, allowEmpty: true}}\n",
            bench.repository.path().display()
        )
    };
    write("gatewright.yaml", &settings("gw.test"));
    let (code, told) = bench.once(&[]);
    assert!(code == Some(0) && told.contains(&format!("  {address}: serves it already\n")), "{told}");
    bench.repository.write("web.yaml", &MANIFEST.replace("80", "81")).commit("two");
    let (code, told) = bench.once(&[]);
    assert!(code == Some(0) && told.contains(&format!("  {address}: ")), "{told}");
    write("gatewright.yaml", &settings("other.test"));
    let (code, told) = bench.once(&[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains(&format!("GW0618 no trust between this side and the control address {address}: ")),
        "{told}"
    );
}
