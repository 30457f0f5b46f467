//! Metrics of a sync, in the text form of Prometheus: what views say, labelled by application.

use std::fmt::Display;
use std::sync::Arc;

use gatewright_diagnostics::outlet::label_value;

use super::round::{Round, TargetReport, TargetStatus};
use super::view::View;
use crate::outcome::RoundOutcome;

/// Webhooks that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Webhooks {
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

/// Returns all metrics.
pub(super) fn text(views: &[Arc<View>], webhooks: Webhooks) -> String {
    let mut page = Page { views, text: String::new() };
    counted(&mut page);
    newest(&mut page);
    targets(&mut page);
    page.family("webhooks_total", "counter", "Webhooks that came.");
    page.sample("webhooks_total", &[("result", "accepted")], webhooks.accepted);
    page.sample("webhooks_total", &[("result", "refused")], webhooks.refused);
    page.text
}

/// Writes what has been counted since the start.
fn counted(page: &mut Page<'_>) {
    page.each("rounds_total", "counter", "Rounds that have ended.", |view| Some(view.tally.rounds));
    let help = "Rounds that ended with every target at the newest revision.";
    page.each("rounds_in_sync_total", "counter", help, |view| Some(view.tally.in_sync));
    let help = "Time that the rounds have taken.";
    page.each("round_seconds_total", "counter", help, |view| Some(view.tally.took.as_secs_f64()));
    let help = "When the last round in sync ended.";
    page.each("last_in_sync_timestamp_seconds", "gauge", help, |view| {
        Some(view.tally.last_in_sync.as_ref().map_or(0, |moment| moment.seconds))
    });
    page.family("changes_total", "counter", "Objects that were changed in clusters.");
    for view in page.views {
        for ((target, change), count) in &view.tally.changes {
            let labels = [("app", view.name.as_str()), ("target", target), ("change", change)];
            page.sample("changes_total", &labels, count);
        }
    }
}

/// Writes what is so after the newest round.
fn newest(page: &mut Page<'_>) {
    let help = "Whether the newest round came to no end.";
    page.each("round_failed", "gauge", help, |view| Some(u64::from(view.failure.is_some())));
    let help = "Whether every target is at the newest revision.";
    page.each("in_sync", "gauge", help, |view| Some(u64::from(view.is_in_sync())));
    let help = "Whether the source could be read.";
    page.of_last("source_readable", help, |round| round.unreadable.is_none().into());
    page.of_last("source_errors", "Errors that stand in the source.", |round| round.errors.len() as u64);
    let help = "Broken objects that keep an earlier version.";
    page.of_last("held_objects", help, |round| round.held.len() as u64);
}

fn targets(page: &mut Page<'_>) {
    let help = "Whether the target is as it was to be.";
    page.of_targets("target_in_sync", help, |target| {
        matches!(target.outcome, RoundOutcome::Unchanged | RoundOutcome::Applied)
    });
    let help = "Whether another instance looks after the target.";
    page.of_targets("target_standby", help, |target| matches!(target.outcome, RoundOutcome::Standby(_)));
    page.family("target_objects", "gauge", "Objects of the target that are not as wanted.");
    for (app, target) in last_targets(page.views) {
        let TargetReport::Cluster(report) = &target.report else { continue };
        let counts = report.objects.unwrap_or_default();
        for (state, count) in [("drifted", counts.drifted), ("failed", counts.failed)] {
            let labels = [("app", app), ("target", &target.name()), ("state", state)];
            page.sample("target_objects", &labels, count);
        }
    }
}

/// Returns the targets of all newest rounds, with the names of their applications.
fn last_targets(views: &[Arc<View>]) -> impl Iterator<Item = (&str, &TargetStatus)> {
    let lasts = views.iter().filter_map(|view| Some((view.name.as_str(), view.last.as_ref()?)));
    lasts.flat_map(|(app, last)| last.round.targets.iter().map(move |target| (app, target)))
}

/// A page that is being written.
struct Page<'a> {
    views: &'a [Arc<View>],
    text: String,
}

impl Page<'_> {
    /// Writes a family with a sample for each application that has the value.
    fn each<T: Display>(&mut self, name: &str, kind: &str, help: &str, value: impl Fn(&View) -> Option<T>) {
        self.family(name, kind, help);
        for view in self.views {
            if let Some(value) = value(view) {
                self.sample(name, &[("app", view.name.as_str())], value);
            }
        }
    }

    fn of_last(&mut self, name: &str, help: &str, value: impl Fn(&Round) -> u64) {
        self.each(name, "gauge", help, |view| view.last.as_ref().map(|last| value(&last.round)));
    }

    fn of_targets(&mut self, name: &str, help: &str, is_so: impl Fn(&TargetStatus) -> bool) {
        self.family(name, "gauge", help);
        for (app, target) in last_targets(self.views) {
            self.sample(name, &[("app", app), ("target", &target.name())], u64::from(is_so(target)));
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let name = format!("gatewright_sync_{name}");
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", label_value(value)));
        let labels: Vec<String> = labels.collect();
        self.text.push_str(&format!("gatewright_sync_{name}{{{}}} {value}\n", labels.join(",")));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_cluster::told::Counts;

    use super::*;
    use crate::cluster::ClusterReport;
    use crate::sync::view::Moment;

    fn view(name: &str, rounds: Vec<Round>) -> Arc<View> {
        let mut view = View::of(name.parse().unwrap(), "git+x@main".to_owned());
        for (seconds, round) in (7..).zip(rounds) {
            let at = Moment { text: String::new(), seconds };
            view = view.after(round, Duration::from_millis(750), at);
        }
        Arc::new(view)
    }

    #[test]
    fn rounds_are_counted_and_the_last_one_is_shown_by_application() {
        let mut round = Round::of("git+x@main".to_owned());
        round.targets.push(TargetStatus {
            report: TargetReport::Cluster(ClusterReport {
                cluster: "pro\"d".to_owned(),
                inventory: "a/b".to_owned(),
                objects: Some(Counts { created: 2, failed: 1, ..Counts::default() }),
                messages: Vec::new(),
            }),
            outcome: RoundOutcome::Incomplete,
        });
        let first = round.clone();
        round.targets[0].outcome = RoundOutcome::Applied;
        let broken = Arc::new(view("docs", Vec::new()).failed("the disk is full".to_owned()));
        let text = text(&[view("shop", vec![first, round]), broken], Webhooks { accepted: 1, refused: 2 });
        for line in [
            "gatewright_sync_rounds_total{app=\"shop\"} 2",
            "gatewright_sync_rounds_total{app=\"docs\"} 0",
            "gatewright_sync_rounds_in_sync_total{app=\"shop\"} 1",
            "gatewright_sync_round_seconds_total{app=\"shop\"} 1.5",
            "gatewright_sync_last_in_sync_timestamp_seconds{app=\"shop\"} 8",
            "gatewright_sync_last_in_sync_timestamp_seconds{app=\"docs\"} 0",
            "gatewright_sync_changes_total{app=\"shop\",target=\"pro\\\"d a/b\",change=\"created\"} 4",
            "gatewright_sync_target_in_sync{app=\"shop\",target=\"pro\\\"d a/b\"} 1",
            "gatewright_sync_target_objects{app=\"shop\",target=\"pro\\\"d a/b\",state=\"failed\"} 1",
            "gatewright_sync_in_sync{app=\"shop\"} 1",
            "gatewright_sync_in_sync{app=\"docs\"} 0",
            "gatewright_sync_round_failed{app=\"docs\"} 1",
            "gatewright_sync_webhooks_total{result=\"refused\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("source_readable{app=\"docs\"}"), "{text}");
        let families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let once: std::collections::BTreeSet<&&str> = families.iter().collect();
        assert_eq!(families.len(), once.len(), "{families:?}");
    }

    #[test]
    fn every_metric_stands_in_the_reference() {
        let text = text(&[], Webhooks::default());
        let page = include_str!("../../../docs/reference/settings.md");
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE gatewright_sync_"));
        let names: Vec<&str> = families.filter_map(|family| family.split(' ').next()).collect();
        assert!(names.len() > 10, "{names:?}");
        let missing: Vec<&&str> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
