//! Sources from a git remote over ssh: a real OpenSSH server, its key known or not, and keys that are let in or not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::path::Path;
use std::process::Command;

use gatewright_testkit::git::TempRepo;
use gatewright_testkit::git_ssh::GitSsh;

struct Bench {
    repository: TempRepo,
    server: GitSsh,
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let repository = TempRepo::new();
        repository.write(
            "a.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n",
        );
        repository.commit("one");
        let bench = Bench { repository, server: GitSsh::start(), home: tempfile::tempdir().unwrap() };
        std::fs::create_dir(bench.home.path().join(".ssh")).unwrap();
        bench
    }

    fn know(&self, lines: &str) {
        std::fs::write(self.home.path().join(".ssh/known_hosts"), lines).unwrap();
    }

    fn url(&self) -> String {
        self.server.url(self.repository.path())
    }

    /// Compiles the source with a private key, and returns the exit code and what was said.
    fn compile(&self, revision: &str, key: Option<&Path>) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.args(["compile", "--format", "summary", &format!("git+{}@{revision}", self.url())]);
        command.current_dir(self.home.path()).env("HOME", self.home.path());
        command.env_remove("SSH_AUTH_SOCK").env_remove("XDG_CACHE_HOME");
        if let Some(key) = key {
            command.env("GATEWRIGHT_GIT_SSH_KEY_FILE", key);
        }
        let output = command.output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), told.concat())
    }

    fn fails(&self, revision: &str, key: Option<&Path>, sentence: &str) {
        let (code, told) = self.compile(revision, key);
        assert_eq!(code, Some(3), "{told}");
        assert!(told.starts_with(&format!("error: {sentence}")), "{sentence}: {told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    }
}

#[test]
#[ignore = "needs sshd: cargo xtask test"]
fn a_branch_is_fetched_over_ssh_and_followed() {
    let bench = Bench::new();
    bench.know(&bench.server.known_host(true));
    let key = bench.server.client_key();
    let (code, told) = bench.compile("main", Some(&key));
    assert_eq!(code, Some(0), "{told}");
    bench.fails("gone", Some(&key), &format!("there is no revision `gone` in {}", bench.url()));
    bench.repository.write("a.yaml", "kind: Service\nspec: [\n").commit("two");
    let (code, told) = bench.compile("main", Some(&key));
    assert_eq!(code, Some(1), "{told}");
}

#[test]
#[ignore = "needs sshd: cargo xtask test"]
fn a_host_over_ssh_must_be_known_by_its_key() {
    let bench = Bench::new();
    let key = bench.server.client_key();
    let untrusted = format!("{} cannot prove its identity: ", bench.url());
    bench.fails("main", Some(&key), &untrusted);
    bench.know("");
    bench.fails("main", Some(&key), &untrusted);
    bench.know(&bench.server.known_host(false));
    bench.fails("main", Some(&key), &untrusted);
    bench.know(&bench.server.known_host(true));
    assert_eq!(bench.compile("main", Some(&key)).0, Some(0));
}

#[test]
#[ignore = "needs sshd: cargo xtask test"]
fn a_key_over_ssh_must_be_let_in() {
    let bench = Bench::new();
    bench.know(&bench.server.known_host(true));
    let denied = format!("{} refuses access: ", bench.url());
    bench.fails("main", None, &format!("{denied}it asks for credentials and none are given"));
    let stranger = bench.server.stranger_key();
    bench.fails("main", Some(&stranger), &format!("{denied}the credentials are not accepted (tried: "));
    let missing = bench.home.path().join("no-key");
    bench.fails("main", Some(&missing), &format!("there is no file or folder `{}`", missing.display()));
}
