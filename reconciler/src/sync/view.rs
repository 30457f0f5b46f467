//! The read model: what is known of an application. A view is made once after each round and never changed; status,
//! metrics and readiness, and whoever else asks, read it and nothing else. It holds no secret: names, places, messages,
//! digests and numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::name::AppName;
use super::round::{Round, TargetReport, TargetStatus};

/// What is known of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its name.
    pub name: AppName,
    /// What it follows, without credentials.
    pub source: String,
    /// The last round that came to its end; none before the first.
    pub last: Option<Arc<Ended>>,
    /// Why the newest round came to no end; none where it did.
    pub failure: Option<String>,
    /// What has been counted.
    pub tally: Tally,
}

/// A round, and when it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What it found and did: revision, model, errors, what is held back, and the targets.
    pub round: Round,
    /// When it ended.
    pub at: Moment,
}

/// A point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// After RFC 3339.
    pub text: String,
    /// Seconds after 1970.
    pub seconds: i64,
}

/// What has been counted since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rounds that have ended.
    pub rounds: u64,
    /// Those with every target at the newest revision.
    pub in_sync: u64,
    /// Time that all have taken.
    pub took: Duration,
    /// When the last one in sync ended.
    pub last_in_sync: Option<Moment>,
    /// Objects that were changed in clusters, by target and `created`, `updated` or `deleted`.
    pub changes: BTreeMap<(String, &'static str), u64>,
}

impl View {
    /// Returns what is known before the first round.
    pub fn of(name: AppName, source: String) -> Self {
        View { name, source, last: None, failure: None, tally: Tally::default() }
    }

    /// Returns whether the newest round ended with every target at the source's state, and nothing held back.
    pub fn is_in_sync(&self) -> bool {
        self.failure.is_none() && self.last.as_ref().is_some_and(|last| last.round.is_in_sync())
    }

    /// Returns what is known after a round that took so long.
    pub(super) fn after(&self, round: Round, took: Duration, at: Moment) -> Self {
        let mut tally = self.tally.clone();
        tally.rounds += 1;
        tally.took += took;
        if round.is_in_sync() {
            tally.in_sync += 1;
            tally.last_in_sync = Some(at.clone());
        }
        for target in &round.targets {
            for (word, count) in changes(target) {
                *tally.changes.entry((target.name(), word)).or_default() += count;
            }
        }
        View { last: Some(Arc::new(Ended { round, at })), failure: None, tally, ..self.clone() }
    }

    /// Returns what is known after a round that came to no end.
    pub(super) fn failed(&self, failure: String) -> Self {
        View { failure: Some(failure), ..self.clone() }
    }
}

fn changes(target: &TargetStatus) -> Vec<(&'static str, u64)> {
    let TargetReport::Cluster(report) = &target.report else { return Vec::new() };
    let Some(counts) = report.objects else { return Vec::new() };
    let all = [("created", counts.created), ("updated", counts.updated), ("deleted", counts.deleted)];
    all.map(|(word, count)| (word, count as u64)).to_vec()
}

/// An application that is kept in sync, for those who look at it.
#[derive(Clone, Debug)]
pub struct Watched {
    views: watch::Receiver<Arc<View>>,
    wake: Arc<Notify>,
}

impl Watched {
    pub(super) fn new(views: watch::Receiver<Arc<View>>, wake: Arc<Notify>) -> Self {
        Watched { views, wake }
    }

    /// Returns what is known now.
    pub fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    /// Waits for the next view and returns it; none once there is no further one.
    pub async fn next(&mut self) -> Option<Arc<View>> {
        self.views.changed().await.ok()?;
        Some(self.views.borrow_and_update().clone())
    }

    /// Asks for a round. Several that ask during one round get one more.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use gatewright_cluster::told::Counts;

    use super::*;
    use crate::cluster::ClusterReport;
    use crate::outcome::RoundOutcome;

    fn moment(seconds: i64) -> Moment {
        Moment { text: format!("1970-01-01T00:00:{seconds:02}Z"), seconds }
    }

    #[test]
    fn a_view_counts_what_the_ones_before_did_and_changes_none_of_them() {
        let first = View::of(AppName::only(), "git+x@main".to_owned());
        let mut round = Round::of("git+x@main".to_owned());
        let objects = Some(Counts { created: 2, ..Counts::default() });
        let (cluster, inventory) = ("prod".to_owned(), "a/b".to_owned());
        let report = ClusterReport { cluster, inventory, objects, messages: Vec::new() };
        let report = TargetReport::Cluster(report);
        round.targets.push(TargetStatus { report, outcome: RoundOutcome::Incomplete });
        let second = first.after(round.clone(), Duration::from_millis(500), moment(7));
        round.targets[0].outcome = RoundOutcome::Applied;
        let third = second.after(round, Duration::from_secs(1), moment(8));
        assert_eq!((first.tally, first.last), (Tally::default(), None));
        assert_eq!((second.tally.rounds, second.tally.in_sync, second.tally.last_in_sync), (1, 0, None));
        let tally = third.tally.clone();
        assert_eq!((tally.rounds, tally.in_sync, tally.took), (2, 1, Duration::from_millis(1500)));
        assert_eq!(tally.last_in_sync, Some(moment(8)));
        assert_eq!(tally.changes.get(&("prod a/b".to_owned(), "created")), Some(&4));
        assert!(third.is_in_sync());
        let broken = third.failed("the disk is full".to_owned());
        assert!(!broken.is_in_sync());
        assert_eq!((broken.last, broken.tally), (third.last, third.tally));
    }
}
