//! What a round did, in lines for people.

use gatewright_diagnostics::outlet::visible;

use super::name::AppName;
use super::round::{HeldBack, Round, TargetReport, TargetStatus};
use super::view::View;
use crate::cluster::ClusterReport;
use crate::control::ConnectedNode;
use crate::outcome::RoundOutcome;
use crate::source::Hold;

/// Returns what is known of an application, in lines. The first one names it, where it is one of several.
pub(super) fn view_text(view: &View, several: bool) -> String {
    let name = several.then_some(&view.name);
    let round = view.last.as_ref().map(|last| round_text(&last.round, name));
    let failure = view.failure.as_ref().map(|failure| failure_text(failure, name));
    let nothing = || line(&format!("{}{}: no round has ended yet", head(name), view.source));
    let text: String = [round, failure].into_iter().flatten().collect();
    if text.is_empty() { nothing() } else { text }
}

/// Says in lines what a round did. The first one names the application, where that is given. What others wrote stays on the
/// line that it is in.
pub fn round_text(round: &Round, name: Option<&AppName>) -> String {
    let revision =
        round.revision.as_deref().map(|id| format!(" at {}", id.get(..10).unwrap_or(id))).unwrap_or_default();
    let state = match (&round.unreadable, round.errors.len()) {
        (Some(reason), _) => format!("cannot be read: {reason}"),
        (None, 0) => "sound".to_owned(),
        (None, 1) => format!("1 error, so {}", consequence(round)),
        (None, count) => format!("{count} errors, so {}", consequence(round)),
    };
    let mut lines = vec![format!("{}{}{revision}: {state}", head(name), round.source)];
    if round.unreadable.is_none() {
        lines.extend(round.errors.iter().map(|error| format!("  {error}")));
    }
    lines.extend(round.held.iter().map(held_text));
    let refused =
        |object: &_| format!("  refuses {object}: no good version of it is known, so it answers 503");
    lines.extend(round.refused.iter().map(refused));
    lines.extend(round.targets.iter().flat_map(target_text));
    lines.iter().map(|text| line(text)).collect()
}

/// Says in a line why a round came to no end.
pub fn failure_text(failure: &str, name: Option<&AppName>) -> String {
    line(&format!("{}the round came to no end: {failure}", head(name)))
}

fn head(name: Option<&AppName>) -> String {
    name.map(|name| format!("{name}: ")).unwrap_or_default()
}

fn line(text: &str) -> String {
    format!("{}\n", visible(text))
}

fn consequence(round: &Round) -> String {
    if round.model.is_none() {
        return "the last good state keeps serving".to_owned();
    }
    format!("{} held back, {} refused, the rest goes on", round.held.len(), round.refused.len())
}

fn held_text(held: &HeldBack) -> String {
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    let broken = held.broken_in.as_deref().map(|id| format!("broken in {}, ", short(id))).unwrap_or_default();
    let Hold { object, revision, path, .. } = &held.hold;
    format!("  holds back {object}: as {path} has it in {}, {broken}since {}", short(revision), held.since)
}

fn target_text(target: &TargetStatus) -> Vec<String> {
    match &target.report {
        TargetReport::Process { socket, nodes, .. } => {
            let first = format!("  {socket}: {}", process_text(&target.outcome, nodes));
            std::iter::once(first).chain(nodes.iter().flat_map(rejections)).collect()
        }
        TargetReport::Cluster(report) => {
            let first = format!("  cluster {}: {}", report.cluster, cluster_text(&target.outcome, report));
            let messages = report.messages.iter().map(|message| format!("    {message}"));
            std::iter::once(first).chain(messages).collect()
        }
    }
}

fn process_text(outcome: &RoundOutcome, nodes: &[ConnectedNode]) -> String {
    match outcome {
        RoundOutcome::Unchanged => "serves it already".to_owned(),
        RoundOutcome::Applied => format!("applied, acknowledged by {}", count(nodes.len())),
        RoundOutcome::Kept => "left as it was".to_owned(),
        RoundOutcome::Unacknowledged
        | RoundOutcome::Incomplete
        | RoundOutcome::Drifted
        | RoundOutcome::Standby(_) => {
            let silent = nodes.iter().filter(|node| !node.acknowledged).map(|node| node.node.as_str());
            format!("applied, not acknowledged by {}", silent.collect::<Vec<_>>().join(", "))
        }
        RoundOutcome::Failed(reason) | RoundOutcome::Refused(reason) => reason.clone(),
    }
}

fn cluster_text(outcome: &RoundOutcome, report: &ClusterReport) -> String {
    match outcome {
        RoundOutcome::Kept => "left as it was".to_owned(),
        RoundOutcome::Standby(holder) => {
            format!("left to {holder}, which holds the Lease {}", report.inventory)
        }
        RoundOutcome::Failed(reason) | RoundOutcome::Refused(reason) => reason.clone(),
        _ => report.objects.map(|counts| counts.to_string()).unwrap_or_default(),
    }
}

fn rejections(node: &ConnectedNode) -> impl Iterator<Item = String> {
    node.rejections.iter().map(|rejected| {
        format!(
            "    GW0701 node `{}` rejects {} `{}`: {}",
            node.node, rejected.kind, rejected.resource, rejected.message
        )
    })
}

fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node".to_owned(),
        many => format!("{many} nodes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_under_its_name_where_there_are_several() {
        let source = "git+x@main".to_owned();
        let view = View::of("shop".parse().unwrap(), source.clone());
        assert_eq!(view_text(&view, false), "git+x@main: no round has ended yet\n");
        let mut round = Round::of(source);
        round.unreadable = Some("it is gone\nfor ever".to_owned());
        let view = view.after(round, std::time::Duration::ZERO, super::super::view::Moment::default());
        assert_eq!(view_text(&view, true), "shop: git+x@main: cannot be read: it is gone\\nfor ever\n");
        let view = view.failed("the disk is full".to_owned());
        let lines = view_text(&view, true);
        assert!(lines.ends_with("\nshop: the round came to no end: the disk is full\n"), "{lines}");
    }
}
