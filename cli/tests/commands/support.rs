//! A folder with manifests, and runs of the program in it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A folder that is no repository, outside of any other one.
pub(crate) struct Folder(tempfile::TempDir);

/// What a run did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Returns a folder with manifests that have no error.
    pub(crate) fn clean() -> Self {
        let folder = Folder::new();
        folder.write("shop/web.yaml", &(ingress("web", "shop.example.com") + "---\n" + SERVICE));
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) -> &Self {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder");
        fs::write(file, content).expect("a file");
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Lists a folder, hidden names included.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join(path)).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(self.path(), arguments, "")
    }

    pub(crate) fn run_with_stdin(&self, arguments: &[&str], stdin: &str) -> Run {
        run(self.path(), arguments, stdin)
    }
}

impl Run {
    /// Returns standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// Checks that the run failed with one sentence and nothing on standard output.
    pub(crate) fn assert_fails(&self, code: i32, sentence: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with(&format!("error: {sentence}\n")), "{}", self.stderr);
    }
}

/// Returns the program with an environment of its own.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("GIT_CEILING_DIRECTORIES", folder.parent().expect("a folder has a parent"));
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str], stdin: &str) -> Run {
    let mut child = program(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that reads nothing may have ended already.
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).ok();
    let output = child.wait_with_output().expect("a child of this process");
    Run {
        code: output.status.code().expect("the program is not killed"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

pub(crate) const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  ports:
  - port: 80
";

/// Returns an Ingress without mistakes.
pub(crate) fn ingress(name: &str, host: &str) -> String {
    format!(
        "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: shop
spec:
  ingressClassName: higress
  rules:
  - host: {host}
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port:
              number: 80
"
    )
}

/// Returns an Ingress with a field that does not exist.
pub(crate) fn broken_ingress(name: &str, host: &str) -> String {
    ingress(name, host).replace("pathType: Prefix", "pathType: Prefix\n        pathTypo: x")
}

/// Returns an Ingress with an annotation that nothing reads.
pub(crate) fn odd_ingress(name: &str, host: &str) -> String {
    ingress(name, host).replace("spec:", "  annotations:\n    higress.io/tiemout: \"5\"\nspec:")
}
