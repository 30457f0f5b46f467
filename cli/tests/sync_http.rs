//! What `gatewright sync` answers over HTTP, and how a webhook wakes it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use gatewright_testkit::eventually;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::{Answer, Call};
use gatewright_testkit::process::ChildProcess;

const SOON: Duration = Duration::from_secs(30);
const MANIFEST: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
/// What `printf body | openssl dgst -sha256 -hmac secret` prints.
const SIGNATURE: &str = "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355";

struct Bench {
    repository: TempRepo,
    process: ChildProcess,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// Starts a sync that would do its second round in an hour.
    fn start(environment: &[(&str, &str)]) -> Self {
        let repository = TempRepo::new();
        repository.write("web.yaml", MANIFEST).commit("one");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret\n").unwrap();
        let settings = format!(
            "sync:\n  source: {{repository: {}, revision: main}}\n  targets: [{{control: nobody.sock}}]\n  interval: 3600\n  listen: 127.0.0.1:0\n",
            repository.path().display()
        );
        std::fs::write(folder.path().join("gatewright.yaml"), settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.env("GATEWRIGHT_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
        command.current_dir(folder.path()).arg("sync").envs(environment.iter().copied());
        let process = ChildProcess::spawn("sync", &mut command);
        process.wait_for_log("status and metrics on http://", SOON);
        let log = process.log();
        let address = log.split("http://").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let address = address.parse().unwrap();
        let mut bench = Bench { repository, process, address, _folder: folder };
        bench.process.wait_for_http(address, "/ready", SOON);
        bench
    }

    fn get(&self, path: &str) -> Answer {
        Call::get(self.address, "localhost", path).send().unwrap()
    }

    fn post(&self, signature: Option<&str>, body: &str) -> (u16, String) {
        let mut call = Call::new("POST", self.address, "localhost", "/webhook").body(body.to_owned());
        if let Some(signature) = signature {
            call = call.header("x-hub-signature-256", signature);
        }
        let answer = call.send().unwrap();
        (answer.status, answer.text())
    }

    fn wait_for_revision(&self, revision: &str) {
        eventually("a round at the revision", SOON, || {
            let status = self.get("/status").json();
            if status["revision"] == revision { Ok(()) } else { Err(status.to_string()) }
        });
    }
}

#[test]
fn a_signed_webhook_starts_a_round_and_nothing_else_does() {
    let bench = Bench::start(&[("GATEWRIGHT_WEBHOOK_SECRET_FILE", "secret")]);
    let first = bench.repository.git(&["rev-parse", "HEAD"]);
    bench.wait_for_revision(&first);
    assert_eq!(bench.get("/status").json()["targets"][0]["outcome"]["outcome"], "failed");
    let second = bench.repository.write("web.yaml", &MANIFEST.replace("80", "81")).commit("two");
    let wrong = SIGNATURE.replace("dc4", "dc5");
    assert_eq!(bench.post(None, "body"), (401, "the signature is missing\n".to_owned()));
    assert_eq!(bench.post(Some(&wrong), "body"), (401, "the signature is wrong\n".to_owned()));
    assert_eq!(bench.post(Some(SIGNATURE), "another body").0, 401);
    assert_eq!(bench.post(Some(SIGNATURE), &"x".repeat(1024 * 1024 + 1)).0, 413);
    assert_eq!(bench.get("/status").json()["revision"], first.as_str());
    assert_eq!(bench.post(Some(SIGNATURE), "body"), (202, "a round follows\n".to_owned()));
    bench.wait_for_revision(&second);

    let metrics = bench.get("/metrics");
    assert_eq!(metrics.header("content-type").as_deref(), Some("text/plain; version=0.0.4"));
    for line in [
        "gatewright_sync_rounds_total{app=\"default\"} 2",
        "gatewright_sync_in_sync{app=\"default\"} 0",
        "gatewright_sync_webhooks_total{result=\"accepted\"} 1",
        "gatewright_sync_webhooks_total{result=\"refused\"} 4",
    ] {
        assert!(metrics.text().lines().any(|other| other == line), "{line}\n{}", metrics.text());
    }
    assert_eq!(bench.get("/webhook").status, 405);
    assert_eq!(bench.get("/other").status, 404);
    let told = format!("{}{}{}", bench.process.log(), metrics.text(), bench.get("/status").text());
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn without_a_secret_there_is_no_webhook() {
    let bench = Bench::start(&[]);
    assert_eq!(bench.post(Some(SIGNATURE), "body").0, 404);
    let taken = bench.address.to_string();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.env("GATEWRIGHT_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
        command.current_dir(folder.path()).args(["sync", ".", "--control", "nobody.sock"]).args(arguments);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = run(&["--listen", &taken], &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains(&format!("error: cannot listen on {taken}: ")), "{told}");
    let empty = ("GATEWRIGHT_WEBHOOK_SECRET", "\n");
    let (code, told) = run(&["--listen", "127.0.0.1:0"], &[empty]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("error: the secret of the webhook is empty\n"), "{told}");
    let missing = ("GATEWRIGHT_WEBHOOK_SECRET_FILE", "missing");
    assert!(run(&["--listen", "127.0.0.1:0"], &[missing]).1.contains("error: cannot read `missing`: "));
}
