//! Commands with a bounded time, whose output is shown as it comes and kept.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How long output is still awaited from a command that has ended: a stray child may hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status, or nothing when the time was up and the command was killed.
    pub(crate) status: Option<ExitStatus>,
    /// Lines of both outputs, in the order in which they came.
    pub(crate) lines: Vec<String>,
}

impl Ended {
    /// Tells whether the command ended by itself with success.
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Says in a few words how the command failed.
    pub(crate) fn reason(&self) -> String {
        match self.status {
            None => "time is up".to_owned(),
            Some(status) => status.to_string(),
        }
    }
}

/// Runs a command to its end, or kills it with all its children when `within` has passed.
///
/// # Errors
/// When the command cannot be started.
pub(crate) fn run(command: &mut Command, within: Duration) -> Result<Ended> {
    collect(command, within, true)
}

/// As [`run`], without showing the output.
///
/// # Errors
/// When the command cannot be started.
pub(crate) fn run_quietly(command: &mut Command, within: Duration) -> Result<Ended> {
    collect(command, within, false)
}

fn collect(command: &mut Command, within: Duration, show: bool) -> Result<Ended> {
    let deadline = Instant::now() + within;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    let (sender, receiver) = channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    let mut lines = Vec::new();
    let mut keep = |line: String| {
        if show {
            // Nobody may be reading any more; the run goes on for its result.
            writeln!(std::io::stdout(), "{line}").ok();
        }
        lines.push(line);
    };
    let status = follow(&mut child, &receiver, deadline, &mut keep)?;
    Ok(Ended { status, lines })
}

fn follow(
    child: &mut Child,
    receiver: &Receiver<String>,
    deadline: Instant,
    keep: &mut impl FnMut(String),
) -> Result<Option<ExitStatus>> {
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => keep(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                if let Some(status) = child.try_wait()? {
                    drain(receiver, keep);
                    return Ok(Some(status));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if Instant::now() >= deadline {
            kill_tree(child.id());
            child.wait()?;
            drain(receiver, keep);
            return Ok(None);
        }
    }
}

fn drain(receiver: &Receiver<String>, keep: &mut impl FnMut(String)) {
    let end = Instant::now() + DRAIN;
    while let Ok(line) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
        keep(line);
    }
}

fn forward(pipe: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
}

/// Kills a process and everything that it started, as far as the kernel still knows the relation.
pub(crate) fn kill_tree(id: u32) {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (process, parent) in processes() {
        children.entry(parent).or_default().push(process);
    }
    let mut doomed = vec![id];
    let mut next = 0;
    while next < doomed.len() {
        doomed.extend(children.get(&doomed[next]).into_iter().flatten());
        next += 1;
    }
    // A process that ended in between is no failure.
    Command::new("kill")
        .arg("-KILL")
        .args(doomed.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .ok();
}

/// Returns (process, parent) of everything that runs.
fn processes() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name stands in parentheses and may hold anything; state and parent follow it.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((id, parent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn keeps_both_outputs_and_the_status() {
        let ended =
            run_quietly(&mut shell("echo out; echo err >&2; exit 3"), Duration::from_secs(10)).unwrap();
        let mut lines = ended.lines.clone();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        assert_eq!(ended.reason(), "exit status: 3");
    }

    #[test]
    fn kills_children_when_time_is_up() {
        let ended =
            run_quietly(&mut shell("sh -c 'echo $$; sleep 60; :' & wait"), Duration::from_millis(500))
                .unwrap();
        assert!(ended.status.is_none());
        let child: u32 = ended.lines[0].parse().unwrap();
        // Its parent is gone too, so it may stay as an entry that nobody collects.
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}
