//! What a child process cost: wall time, processor time and peak memory, read from /proc.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::kill_tree;

/// Linux counts processor time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
const POLL: Duration = Duration::from_micros(500);

/// The cost of one or several runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Wall time of one run.
    pub(crate) wall: Duration,
    /// Processor time of one run, all threads and the system's share.
    pub(crate) cpu: Duration,
    /// Largest resident memory of any run, in bytes.
    pub(crate) peak: u64,
}

/// Runs a command `runs` times and returns the mean cost; it must succeed each time.
///
/// Processor time has a grain of 10 ms: short commands need many runs.
///
/// # Errors
/// When the command fails or runs longer than `within`.
pub(crate) fn mean(mut command: impl FnMut() -> Command, runs: u32, within: Duration) -> Result<Cost> {
    let mut total = Cost::default();
    for _ in 0..runs {
        let cost = once(&mut command(), within)?;
        total.wall += cost.wall;
        total.cpu += cost.cpu;
        total.peak = total.peak.max(cost.peak);
    }
    Ok(Cost { wall: total.wall / runs, cpu: total.cpu / runs, peak: total.peak })
}

fn once(command: &mut Command, within: Duration) -> Result<Cost> {
    let name = command.get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    let id = child.id();
    let mut peak = 0;
    // The times of an ended process stay readable until it is waited for; its memory does not.
    while !Usage::read(id)?.ended {
        peak = peak.max(peak_memory(id).unwrap_or(0));
        if began.elapsed() > within {
            kill_tree(id);
            child.wait()?;
            bail!("{name} runs longer than {within:?}");
        }
        std::thread::sleep(POLL);
    }
    let wall = began.elapsed();
    let cpu = Usage::read(id)?.cpu;
    let status = child.wait()?;
    ensure!(status.success(), "{name}: {status}");
    Ok(Cost { wall, cpu, peak })
}

/// What the kernel says of a process.
pub(crate) struct Usage {
    /// Processor time so far, all threads.
    pub(crate) cpu: Duration,
    ended: bool,
}

impl Usage {
    /// Reads the numbers of a process of ours.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn read(id: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        Self::parse(&stat).with_context(|| format!("/proc/{id}/stat cannot be read: {stat}"))
    }

    fn parse(stat: &str) -> Option<Self> {
        // Field 3 is the state, 14 and 15 are the ticks in user and system mode.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
        Some(Self { cpu: TICK * ticks, ended: *fields.first()? == "Z" })
    }
}

/// Returns the largest resident memory so far, in bytes.
pub(crate) fn peak_memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ticks_and_state_behind_a_strange_name() {
        let stat = "12 (a b) c) Z 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        let usage = Usage::parse(stat).unwrap();
        assert!(usage.ended);
        assert_eq!(usage.cpu, Duration::from_secs(2));
    }

    #[test]
    fn measures_a_busy_child() {
        let busy = || {
            let mut command = Command::new("sh");
            command.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
            command
        };
        let cost = mean(busy, 1, Duration::from_secs(60)).unwrap();
        assert!(cost.cpu > Duration::ZERO && cost.peak > 0, "{cost:?}");
    }

    #[test]
    fn a_failing_child_is_an_error() {
        let error = mean(|| Command::new("false"), 1, Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("exit status: 1"));
    }
}
