//! The table that a bench prints, with the machine that made it.

use std::fs;

use anyhow::Result;

/// Rows of one bench.
pub(crate) struct Report {
    machine: String,
    rows: Vec<[String; 3]>,
    /// What is measured; everything if empty.
    only: Vec<String>,
    failed: bool,
}

impl Report {
    /// Starts a table for this machine, with `only` these measurements if some are named.
    pub(crate) fn new(only: Vec<String>) -> Self {
        Self { machine: machine(), rows: Vec::new(), only, failed: false }
    }

    /// Adds and prints a row: what was measured, the figure, what it should be.
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl Into<String>, target: &str) {
        let row = [what.into(), figure.into(), target.to_owned()];
        println!("{}: {}", row[0], row[1]);
        self.rows.push(row);
    }

    /// Runs one measurement; what fails becomes a row that says so, and the others go on.
    pub(crate) fn attempt(&mut self, what: &str, measure: impl FnOnce(&mut Self) -> Result<()>) {
        if !self.only.is_empty() && !self.only.iter().any(|only| only == what) {
            return;
        }
        if let Err(error) = measure(self) {
            self.failed = true;
            self.row(what, format!("not measured: {error:#}"), "");
        }
    }

    /// Tells whether everything was measured.
    pub(crate) fn complete(&self) -> bool {
        !self.failed
    }

    /// Renders Markdown.
    pub(crate) fn render(&self) -> String {
        let mut out = format!("Machine: {}\n\n| what | measured | target |\n|---|---|---|\n", self.machine);
        for [what, figure, target] in &self.rows {
            out.push_str(&format!("| {what} | {figure} | {target} |\n"));
        }
        out
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    format!("{cores} cores, {model}, load at the start {load}")
}
