//! What is told as a Kubernetes event, beside the inventory: changes, and trouble when it begins and when it is over.

use gatewright_cluster::events::Event;
use gatewright_diagnostics::outlet::visible;

use super::ClusterReport;
use crate::outcome::RoundOutcome;

/// What was told last of a cluster.
#[derive(Debug, Default)]
pub(super) struct Told(Option<Event>);

impl Told {
    /// Returns what is to be told of a round; nothing where nothing is new.
    pub(super) fn next(&mut self, event: Option<Event>) -> Option<Event> {
        let before = self.0.take();
        match event {
            Some(event) if before.as_ref() == Some(&event) => {
                self.0 = before;
                None
            }
            Some(event) => {
                self.0 = Some(event.clone());
                Some(event)
            }
            None => before.filter(|before| before.warning).map(|_| Event {
                warning: false,
                reason: "InSync",
                note: "everything is as wanted".to_owned(),
            }),
        }
    }
}

/// Returns what a round did with a cluster as an event; none where all is as it was and as it should be. `trouble` is that
/// of the source.
pub(super) fn event(outcome: &RoundOutcome, report: &ClusterReport, trouble: Option<&str>) -> Option<Event> {
    let counts = report.objects.map(|objects| objects.to_string()).unwrap_or_default();
    let note = |messages: Vec<&str>| [vec![counts.as_str()], messages].concat().join("; ");
    let all = || note(report.messages.iter().map(String::as_str).collect());
    // A note has little room: what is not as wanted stands in front of what was done.
    let coded = || {
        let messages = report.messages.iter().map(String::as_str);
        note(messages.filter(|message| message.starts_with("GW")).collect())
    };
    let (warning, reason, note) = match (outcome, trouble) {
        (RoundOutcome::Refused(why), _) => (true, "Refused", why.clone()),
        (RoundOutcome::Incomplete, _) => (true, "Incomplete", coded()),
        (RoundOutcome::Drifted, _) => (true, "Drifted", coded()),
        (RoundOutcome::Failed(_) | RoundOutcome::Standby(_), _) => return None,
        (_, Some(trouble)) if counts.is_empty() => (true, "SourceBroken", trouble.to_owned()),
        (RoundOutcome::Applied, Some(trouble)) => (true, "SourceBroken", format!("{trouble}; {}", all())),
        (_, Some(trouble)) => (true, "SourceBroken", trouble.to_owned()),
        (RoundOutcome::Applied, None) => (false, "Applied", all()),
        _ => return None,
    };
    let note = gatewright_secrets::text(&note);
    Some(Event { warning, reason, note: visible(&note).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ClusterReport {
        ClusterReport {
            cluster: "c".to_owned(),
            inventory: "a/b".to_owned(),
            objects: None,
            messages: vec!["GW0615 x".to_owned()],
        }
    }

    #[test]
    fn trouble_is_told_once_and_its_end_too() {
        let mut told = Told::default();
        let mut reason = |outcome: &RoundOutcome, trouble: Option<&str>| {
            told.next(event(outcome, &report(), trouble)).map(|event| event.reason)
        };
        assert_eq!(reason(&RoundOutcome::Unchanged, None), None);
        assert_eq!(reason(&RoundOutcome::Applied, None), Some("Applied"));
        assert_eq!(reason(&RoundOutcome::Unchanged, None), None);
        assert_eq!(reason(&RoundOutcome::Kept, Some("gone")), Some("SourceBroken"));
        assert_eq!(reason(&RoundOutcome::Kept, Some("gone")), None);
        assert_eq!(reason(&RoundOutcome::Kept, Some("other")), Some("SourceBroken"));
        assert_eq!(reason(&RoundOutcome::Incomplete, None), Some("Incomplete"));
        assert_eq!(reason(&RoundOutcome::Unchanged, None), Some("InSync"));
        assert_eq!(reason(&RoundOutcome::Unchanged, None), None);
    }
}
