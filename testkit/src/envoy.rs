//! Real Envoy, for the ignored `real_*` tests that `cargo xtask test` runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::http::Call;
use crate::process::ChildProcess;

/// Names the Envoy program; `cargo xtask test` sets it.
pub const PROGRAM: &str = "GATEWRIGHT_ENVOY";

/// Envoy starts in about a second on an idle machine.
const START: Duration = Duration::from_secs(60);
/// A configuration dump of thousands of hosts takes a while.
const ADMIN: Duration = Duration::from_secs(30);

/// Returns the Envoy program.
///
/// # Panics
/// When `GATEWRIGHT_ENVOY` names no file.
pub fn program() -> PathBuf {
    match std::env::var_os(PROGRAM).map(PathBuf::from) {
        Some(path) if path.is_file() => path,
        Some(path) => panic!("{PROGRAM}={} is not a file", path.display()),
        None => panic!("{PROGRAM} is not set: run this test through `cargo xtask test`"),
    }
}

/// Lets Envoy check a bootstrap (YAML or JSON) without serving it.
///
/// # Errors
/// What Envoy printed when it refused.
pub fn validate(bootstrap: &str) -> Result<(), String> {
    validate_file(TEXT, bootstrap.as_bytes())
}

/// As [`validate`], for a bootstrap in protobuf's binary form.
///
/// # Errors
/// What Envoy printed when it refused.
pub fn validate_binary(bootstrap: &[u8]) -> Result<(), String> {
    validate_file(BINARY, bootstrap)
}

fn validate_file(name: &str, bootstrap: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = write(folder.path(), name, bootstrap);
    let output = Command::new(program())
        .args(["--mode", "validate", "--log-level", "warning", "--disable-hot-restart", "--config-path"])
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("envoy cannot be run: {error}"));
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A running Envoy with one worker; it stops when dropped.
pub struct Envoy {
    process: ChildProcess,
    admin: SocketAddr,
    // Envoy reads its bootstrap from here.
    _folder: tempfile::TempDir,
}

impl Envoy {
    /// Starts Envoy on a bootstrap whose admin listener is 127.0.0.1:`admin_port`, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends or is not ready in time; the message shows the end of its log.
    pub fn start(bootstrap: &str, admin_port: u16) -> Self {
        let mut envoy = Self::launch(bootstrap, admin_port);
        envoy.wait_until_ready();
        envoy
    }

    /// As [`start`](Self::start), without waiting: for a bootstrap whose control plane the test starts later.
    pub fn launch(bootstrap: &str, admin_port: u16) -> Self {
        Self::launch_file(TEXT, bootstrap.as_bytes(), admin_port)
    }

    /// As [`launch`](Self::launch), with a bootstrap in protobuf's binary form: a large one is read in a fraction of the
    /// time.
    pub fn launch_binary(bootstrap: &[u8], admin_port: u16) -> Self {
        Self::launch_file(BINARY, bootstrap, admin_port)
    }

    fn launch_file(name: &str, bootstrap: &[u8], admin_port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = write(folder.path(), name, bootstrap);
        let process = ChildProcess::spawn(
            "envoy",
            Command::new(program())
                .args(["--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"])
                .arg("--config-path")
                .arg(file),
        );
        Self { process, admin: SocketAddr::from(([127, 0, 0, 1], admin_port)), _folder: folder }
    }

    /// Waits until `/ready` on the admin listener answers 200.
    pub fn wait_until_ready(&mut self) {
        self.process.wait_for_http(self.admin, "/ready", START);
    }

    /// Returns the process, for its log and id.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// Returns the text of an admin page.
    ///
    /// # Panics
    /// When the page does not answer 200.
    pub fn admin(&self, path: &str) -> String {
        let answer = Call::get(self.admin, "localhost", path)
            .timeout(ADMIN)
            .send()
            .unwrap_or_else(|error| panic!("envoy admin {path}: {error}"));
        assert_eq!(answer.status, 200, "envoy admin {path}");
        answer.text()
    }

    /// Returns `/config_dump`, endpoints included.
    ///
    /// # Panics
    /// When the page does not answer JSON.
    pub fn config_dump(&self) -> serde_json::Value {
        serde_json::from_str(&self.admin("/config_dump?include_eds")).expect("a configuration dump is JSON")
    }
}

/// JSON is YAML; Envoy chooses the reader by the name.
const TEXT: &str = "bootstrap.yaml";
const BINARY: &str = "bootstrap.pb";

fn write(folder: &Path, name: &str, bootstrap: &[u8]) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, bootstrap).expect("a bootstrap in a temporary folder");
    file
}
