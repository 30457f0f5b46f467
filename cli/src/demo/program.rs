//! Runs this program's own commands in the demo's repository and shows them as a user would type them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::errors::CliError;
use crate::terminal::Terminal;

/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The program, started in one folder.
pub(super) struct Program {
    path: PathBuf,
    folder: PathBuf,
    terminal: Terminal,
}

impl Program {
    /// Returns this very program, to be started in `folder`.
    pub(super) fn in_folder(folder: &Path, terminal: &Terminal) -> Result<Self, CliError> {
        Ok(Program {
            path: std::env::current_exe().map_err(|error| failed(&error))?,
            folder: folder.to_owned(),
            terminal: terminal.clone(),
        })
    }

    /// Shows and runs a command to its end, shows everything that it wrote, and returns its exit code.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<i32, CliError> {
        self.show(arguments)?;
        let output = self.command(arguments).stdin(Stdio::null()).output().map_err(|error| failed(&error))?;
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        for line in told.lines().chain(written.lines()) {
            self.terminal.show(&format!("  {line}\n").replace("  \n", "\n"))?;
        }
        Ok(code(output.status))
    }

    /// Shows and starts a command that runs until it is stopped; its output goes to a file beside the repository.
    pub(super) fn start(&self, arguments: &[&str], log: &Path) -> Result<Running, CliError> {
        self.show(arguments)?;
        let log = std::fs::File::create(log).map_err(|error| failed(&error))?;
        let errors = log.try_clone().map_err(|error| failed(&error))?;
        let child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| failed(&error))?;
        Ok(Running(Some(child)))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).current_dir(&self.folder).env("NO_COLOR", "1");
        command.env("GATEWRIGHT_STATE_DIR", self.folder.join(".state"));
        command
    }

    fn show(&self, arguments: &[&str]) -> Result<(), CliError> {
        self.terminal.show(&format!("\n$ gatewright {}\n", arguments.join(" ")))
    }
}

fn failed(error: &io::Error) -> CliError {
    CliError::environment(format!("cannot run gatewright: {error}"))
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// A running command. It is stopped when this value goes away.
pub(super) struct Running(Option<Child>);

impl Running {
    /// Returns the process id.
    pub(super) fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    /// Returns the exit code, once the process has ended.
    pub(super) fn ended(&mut self) -> Option<i32> {
        self.0.as_mut()?.try_wait().ok().flatten().map(code)
    }

    /// Asks the process to end, waits for it, and returns its exit code; one that does not obey is killed.
    pub(super) fn stop(mut self, patience: Duration) -> Option<i32> {
        let mut child = self.0.take()?;
        terminate(child.id());
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(code(status));
            }
            std::thread::sleep(POLL);
        }
        child.kill().ok();
        child.wait().ok().map(code)
    }

    /// Leaves the process running.
    pub(super) fn leave(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Sends SIGTERM, which the standard library cannot do.
fn terminate(id: u32) {
    Command::new("kill").arg("-TERM").arg(id.to_string()).stderr(Stdio::null()).status().ok();
}
