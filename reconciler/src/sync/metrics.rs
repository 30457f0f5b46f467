//! Metrics of a sync, in the text form of Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gatewright_diagnostics::outlet::label_value;

use super::round::{Round, TargetReport, TargetStatus};
use crate::outcome::RoundOutcome;

/// What has been counted, and the last round.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    rounds: u64,
    rounds_in_sync: u64,
    seconds: f64,
    last_in_sync: Option<i64>,
    last: Option<Round>,
    /// By target and word.
    changes: BTreeMap<(String, &'static str), u64>,
    pub(super) webhooks_accepted: u64,
    pub(super) webhooks_refused: u64,
}

impl Metrics {
    /// Counts a round that took so long and ended so many seconds after 1970.
    pub(super) fn count(&mut self, round: &Round, took: Duration, now: i64) {
        self.rounds += 1;
        self.seconds += took.as_secs_f64();
        if round.is_in_sync() {
            self.rounds_in_sync += 1;
            self.last_in_sync = Some(now);
        }
        for target in &round.targets {
            for (word, count) in changes(target) {
                *self.changes.entry((name(target), word)).or_default() += count;
            }
        }
        self.last = Some(round.clone());
    }

    fn of_last(&self, f: &mut fmt::Formatter<'_>, round: &Round) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: u64| one(f, name, "gauge", help, value);
        gauge("in_sync", "Whether every target is at the newest revision.", round.is_in_sync().into())?;
        gauge("source_readable", "Whether the source could be read.", round.unreadable.is_none().into())?;
        let errors = round.errors.len() as u64;
        gauge("source_errors", "Errors that stand in the source.", errors)?;
        let held = round.held.len() as u64;
        gauge("held_objects", "Broken objects that keep an earlier version.", held)?;
        family(f, "target_in_sync", "gauge", "Whether the target is as it was to be.")?;
        for target in &round.targets {
            let fine = u64::from(matches!(target.outcome, RoundOutcome::Unchanged | RoundOutcome::Applied));
            sample(f, "target_in_sync", &[("target", &name(target))], fine)?;
        }
        family(f, "target_standby", "gauge", "Whether another instance looks after the target.")?;
        for target in &round.targets {
            let away = u64::from(matches!(target.outcome, RoundOutcome::Standby(_)));
            sample(f, "target_standby", &[("target", &name(target))], away)?;
        }
        family(f, "target_objects", "gauge", "Objects of the target that are not as wanted.")?;
        for target in &round.targets {
            let TargetReport::Cluster(report) = &target.report else { continue };
            let counts = report.objects.unwrap_or_default();
            for (state, count) in [("drifted", counts.drifted), ("failed", counts.failed)] {
                let labels = [("target", name(target)), ("state", state.to_owned())];
                let labels = labels.each_ref().map(|(label, value)| (*label, value.as_str()));
                sample(f, "target_objects", &labels, count as u64)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        one(f, "rounds_total", "counter", "Rounds that have ended.", self.rounds)?;
        let help = "Rounds that ended with every target at the newest revision.";
        one(f, "rounds_in_sync_total", "counter", help, self.rounds_in_sync)?;
        one(f, "round_seconds_total", "counter", "Time that the rounds have taken.", self.seconds)?;
        let help = "When the last round in sync ended.";
        one(f, "last_in_sync_timestamp_seconds", "gauge", help, self.last_in_sync.unwrap_or_default())?;
        family(f, "webhooks_total", "counter", "Webhooks that came.")?;
        sample(f, "webhooks_total", &[("result", "accepted")], self.webhooks_accepted)?;
        sample(f, "webhooks_total", &[("result", "refused")], self.webhooks_refused)?;
        family(f, "changes_total", "counter", "Objects that were changed in clusters.")?;
        for ((target, change), count) in &self.changes {
            sample(f, "changes_total", &[("target", target), ("change", change)], count)?;
        }
        self.last.as_ref().map_or(Ok(()), |round| self.of_last(f, round))
    }
}

fn changes(target: &TargetStatus) -> Vec<(&'static str, u64)> {
    let TargetReport::Cluster(report) = &target.report else { return Vec::new() };
    let Some(counts) = report.objects else { return Vec::new() };
    let all = [("created", counts.created), ("updated", counts.updated), ("deleted", counts.deleted)];
    all.map(|(word, count)| (word, count as u64)).to_vec()
}

/// Returns what a target is called among all others.
fn name(target: &TargetStatus) -> String {
    match &target.report {
        TargetReport::Process { socket, .. } => socket.clone(),
        TargetReport::Cluster(report) => format!("{} {}", report.cluster, report.inventory),
    }
}

fn one(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    kind: &str,
    help: &str,
    value: impl fmt::Display,
) -> fmt::Result {
    family(f, name, kind, help)?;
    sample(f, name, &[], value)
}

fn family(f: &mut fmt::Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# HELP gatewright_sync_{name} {help}\n# TYPE gatewright_sync_{name} {kind}")
}

fn sample(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    labels: &[(&str, &str)],
    value: impl fmt::Display,
) -> fmt::Result {
    write!(f, "gatewright_sync_{name}")?;
    let labels: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", label_value(value))).collect();
    if !labels.is_empty() {
        write!(f, "{{{}}}", labels.join(","))?;
    }
    writeln!(f, " {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_cluster::told::Counts;

    use crate::cluster::ClusterReport;

    #[test]
    fn rounds_are_counted_and_the_last_one_is_shown() {
        let mut metrics = Metrics::default();
        assert!(metrics.to_string().contains("gatewright_sync_rounds_total 0\n"));
        let mut round = Round::of("git+x@main".to_owned());
        let objects = Counts { created: 2, failed: 1, ..Counts::default() };
        round.targets.push(TargetStatus {
            report: TargetReport::Cluster(ClusterReport {
                cluster: "pro\"d".to_owned(),
                inventory: "a/b".to_owned(),
                objects: Some(objects),
                messages: Vec::new(),
            }),
            outcome: RoundOutcome::Incomplete,
        });
        metrics.count(&round, Duration::from_millis(500), 7);
        round.targets[0].outcome = RoundOutcome::Applied;
        metrics.count(&round, Duration::from_secs(1), 8);
        let text = metrics.to_string();
        for line in [
            "gatewright_sync_rounds_total 2",
            "gatewright_sync_rounds_in_sync_total 1",
            "gatewright_sync_round_seconds_total 1.5",
            "gatewright_sync_last_in_sync_timestamp_seconds 8",
            "gatewright_sync_changes_total{target=\"pro\\\"d a/b\",change=\"created\"} 4",
            "gatewright_sync_target_in_sync{target=\"pro\\\"d a/b\"} 1",
            "gatewright_sync_target_objects{target=\"pro\\\"d a/b\",state=\"failed\"} 1",
            "gatewright_sync_in_sync 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_metric_stands_in_the_reference() {
        let mut metrics = Metrics::default();
        metrics.count(&Round::of("git+x@main".to_owned()), Duration::ZERO, 0);
        let text = metrics.to_string();
        let page = include_str!("../../../docs/reference/settings.md");
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE gatewright_sync_"));
        let names: Vec<&str> = families.filter_map(|family| family.split(' ').next()).collect();
        assert!(names.len() > 10, "{names:?}");
        let missing: Vec<&&str> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
