//! Child processes that cannot outlive their test.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::http::Call;
use crate::wait::{eventually, poll};

/// Longest wait for one readiness question.
const PROBE: Duration = Duration::from_secs(2);
/// How much of the log a failure shows.
const TAIL_LINES: usize = 40;

/// A running program whose output goes to a log file; killed when dropped.
pub struct ChildProcess {
    name: String,
    child: Child,
    folder: tempfile::TempDir,
}

impl ChildProcess {
    /// Starts the command with both outputs in one log and no input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = fs::File::create(folder.path().join("log")).expect("a log file");
        let copy = log.try_clone().expect("a second handle of the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { name: name.to_owned(), child, folder }
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program printed so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the exit status when the program has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Waits until `GET path` at `address` answers 200.
    ///
    /// # Panics
    /// When the program ends first or `within` passes; the message shows the end of its log.
    pub fn wait_for_http(&mut self, address: SocketAddr, path: &str, within: Duration) {
        let result = poll(within, || {
            if let Some(status) = self.exited() {
                return Ok(Err(format!("ended with {status}")));
            }
            let answer = Call::get(address, "localhost", path).timeout(PROBE).send()?;
            if answer.status == 200 { Ok(Ok(())) } else { Err(format!("answers {}", answer.status)) }
        });
        if let Err(reason) = result.and_then(|ended| ended) {
            panic!("{} is not ready at {address}{path}: {reason}\n{}", self.name, self.log_tail());
        }
    }

    /// Waits until the log contains `text`.
    ///
    /// # Panics
    /// When `within` passes; the message shows the end of the log.
    pub fn wait_for_log(&self, text: &str, within: Duration) {
        eventually(&format!("{}: {text:?} in its log", self.name), within, || {
            if self.log().contains(text) { Ok(()) } else { Err(self.log_tail()) }
        });
    }

    /// Asks the program to end (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// When it still runs after `within`.
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        if self.exited().is_none() {
            let id = self.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &id]).status();
            assert!(sent.is_ok_and(|status| status.success()), "no signal for {}", self.name);
        }
        self.wait(within)
    }

    /// Waits for the program to end by itself.
    ///
    /// # Panics
    /// When it still runs after `within`; the message shows the end of its log.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let ended = poll(within, || self.exited().ok_or_else(|| "still runs".to_owned()));
        ended.unwrap_or_else(|reason| panic!("{} {reason} after {within:?}\n{}", self.name, self.log_tail()))
    }

    /// Ends the program at once (SIGKILL). Does nothing when it has ended.
    pub fn kill(&mut self) {
        // Fails only when the program has ended already; then waiting collects it.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let first = lines.len().saturating_sub(TAIL_LINES);
        format!("--- the log ends with ---\n{}", lines[first..].join("\n"))
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EchoBackend;

    fn sleeper() -> ChildProcess {
        ChildProcess::spawn("sleeper", Command::new("sh").args(["-c", "echo awake; exec sleep 60"]))
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = sleeper();
        let folder = format!("/proc/{}", process.id());
        process.wait_for_log("awake", Duration::from_secs(5));
        assert!(fs::exists(&folder).unwrap());
        drop(process);
        assert!(!fs::exists(&folder).unwrap());
    }

    #[test]
    fn terminate_reports_the_signal() {
        let mut process = sleeper();
        process.wait_for_log("awake", Duration::from_secs(5));
        assert!(!process.terminate(Duration::from_secs(5)).success());
    }

    #[test]
    fn ready_when_the_address_answers() {
        let backend = EchoBackend::start("ready");
        sleeper().wait_for_http(backend.address(), "/ready", Duration::from_secs(5));
    }

    #[test]
    #[should_panic(expected = "ended with exit status: 3")]
    fn a_process_that_ends_early_is_reported_at_once() {
        let mut process = ChildProcess::spawn("short", Command::new("sh").args(["-c", "exit 3"]));
        let nobody = SocketAddr::from(([127, 0, 0, 1], crate::free_port()));
        process.wait_for_http(nobody, "/ready", Duration::from_secs(30));
    }
}
