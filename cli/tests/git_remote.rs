//! Commands on a git remote over HTTP: the real `git http-backend`, the real program, and a gateway that goes on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use gatewright_testkit::eventually;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::git_http::GitHttp;
use gatewright_testkit::process::ChildProcess;

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "hunter2";

struct Bench {
    repository: TempRepo,
    server: GitHttp,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let repository = TempRepo::new();
        repository.write("shop/web.yaml", &manifest("/one")).commit("one");
        let server = GitHttp::serve(repository.path());
        server.require("me", PASSWORD);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), PASSWORD).unwrap();
        let settings = format!(
            "sync:\n  source: {{repository: {}, revision: main, path: shop}}\n  targets: [{{control: c.sock}}]\n  interval: 1\n  statusFile: s.json\n",
            server.url()
        );
        std::fs::write(folder.path().join("gatewright.yaml"), settings).unwrap();
        Bench { repository, server, folder }
    }

    fn source(&self) -> String {
        format!("git+{}@main:shop", self.server.url())
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("GATEWRIGHT_CACHE_DIR", self.folder.path().join("cache"));
        command.env("GATEWRIGHT_STATE_DIR", self.folder.path().join("state"));
        command.env("GATEWRIGHT_GIT_USERNAME", "me");
        command.env("GATEWRIGHT_GIT_PASSWORD_FILE", self.folder.path().join("token"));
        command.env("GATEWRIGHT_LOG", "trace");
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output: Output = self.program(arguments).output().unwrap();
        let told =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains(PASSWORD), "{told}");
        (output.status.code(), told)
    }

    /// Serves the source with the control socket of the settings.
    fn serve(&self) -> ChildProcess {
        let source = self.source();
        let mut command = self.program(&["xds", &source, "--listen", "127.0.0.1:0", "--control", "c.sock"]);
        let process = ChildProcess::spawn("xds", &mut command);
        process.wait_for_log("serving xDS on", PATIENCE);
        process
    }

    fn status(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.folder.path().join("s.json")).unwrap_or_default();
        assert!(!text.contains(PASSWORD), "{text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn wait_for_status(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        eventually(what, PATIENCE, || {
            let status = self.status();
            if holds(&status) { Ok(()) } else { Err(status.to_string()) }
        });
    }
}

fn manifest(path: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web, namespace: shop}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: shop.test\n    http:\n      paths:\n      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
    )
}

#[test]
fn every_command_reads_a_remote() {
    let bench = Bench::new();
    let (code, told) = bench.run(&["validate", &bench.source()]);
    assert_eq!(code, Some(0), "{told}");
    let first = bench.repository.git(&["rev-parse", "HEAD"]);
    bench.repository.write("shop/web.yaml", &manifest("/two")).commit("two");
    let base = bench.source().replace("@main", &format!("@{first}"));
    let (code, told) = bench.run(&["plan", &bench.source(), "--base", &base, "--detailed-exitcode"]);
    assert!(matches!(code, Some(4 | 5)), "{told}");
    assert!(told.contains("/one") && told.contains("/two"), "{told}");
}

#[test]
fn what_fails_at_a_remote_is_one_clear_error_and_exit_3() {
    let mut bench = Bench::new();
    let url = bench.server.url();
    let gone = bench.source().replace("@main", "@gone");
    let fails = |bench: &Bench, arguments: &[&str], said: &str| {
        let (code, told) = bench.run(arguments);
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(said), "{said}: {told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    };
    fails(&bench, &["validate", &gone], &format!("error: there is no revision `gone` in {url}\n"));
    std::fs::write(bench.folder.path().join("token"), "wrong").unwrap();
    let denied = format!("error: {url} refuses access: the credentials are not accepted (tried: password)\n");
    fails(&bench, &["validate", &bench.source()], &denied);
    std::fs::write(bench.folder.path().join("token"), PASSWORD).unwrap();
    bench.server.cut_packs(Some(60));
    fails(&bench, &["validate", &bench.source()], &format!("error: cannot reach {url}: "));
    bench.server.kill();
    fails(&bench, &["validate", &bench.source()], &format!("error: cannot reach {url}: "));
}

#[test]
fn sync_once_of_a_broken_remote_exits_3_and_leaves_the_target_as_it_was() {
    let mut bench = Bench::new();
    let _served = bench.serve();
    let (code, told) = bench.run(&["sync", "--once"]);
    assert_eq!(code, Some(0), "{told}");
    let model = bench.status()["targets"][0]["model"].clone();
    assert!(model.is_string(), "{}", bench.status());
    bench.repository.write("shop/web.yaml", &manifest("/two")).commit("two");
    let kept = |bench: &Bench, reason: &str| {
        let (code, told) = bench.run(&["sync", "--once"]);
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(&format!("cannot be read: {reason}")), "{told}");
        let target = &bench.status()["targets"][0];
        assert_eq!((&target["outcome"]["outcome"], &target["model"]), (&"kept".into(), &model));
    };
    let unreachable = format!("cannot reach {}: ", bench.server.url());
    bench.server.cut_packs(Some(60));
    kept(&bench, &unreachable);
    bench.server.kill();
    kept(&bench, &unreachable);
    bench.server.restart();
    bench.server.cut_packs(None);
    bench.repository.git(&["branch", "--quiet", "--move", "main", "trunk"]);
    kept(&bench, &format!("there is no revision `main` in {}", bench.server.url()));
    bench.repository.git(&["branch", "--quiet", "--move", "trunk", "main"]);
    let (code, told) = bench.run(&["sync", "--once"]);
    assert_eq!(code, Some(0), "{told}");
    assert_ne!(bench.status()["targets"][0]["model"], model);
}

#[test]
fn a_watching_sync_keeps_the_last_good_state_and_goes_on_when_the_remote_is_back() {
    let mut bench = Bench::new();
    let _served = bench.serve();
    let mut sync = ChildProcess::spawn("sync", &mut bench.program(&["sync"]));
    bench.wait_for_status("the first round", |status| status["in_sync"] == true);
    let model = bench.status()["model"].clone();

    bench.server.kill();
    bench.wait_for_status("the loss is noticed", |status| status["unreadable"].is_string());
    assert_eq!(bench.status()["targets"][0]["model"], model);
    bench.repository.write("shop/web.yaml", &manifest("/two")).commit("two");
    bench.server.restart();
    bench.wait_for_status("the second revision", |status| {
        status["in_sync"] == true && status["model"] != model
    });

    let second = bench.status()["model"].clone();
    bench.repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let forced = bench.repository.write("shop/web.yaml", &manifest("/three")).commit("three");
    bench.wait_for_status("the force-pushed revision", |status| {
        status["revision"] == forced.as_str() && status["in_sync"] == true
    });
    assert_ne!(bench.status()["model"], second);
    assert!(sync.terminate(PATIENCE).success(), "{}", sync.log());
    assert!(!sync.log().contains(PASSWORD), "{}", sync.log());
    assert!(Path::new(&bench.folder.path().join("s.json")).exists());
}
