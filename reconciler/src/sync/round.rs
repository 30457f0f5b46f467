//! What a round found and did, and the status file that tells of it.

use std::io;
use std::path::Path;

use gatewright_diagnostics::outlet::{Form, released};
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::cluster::ClusterReport;
use crate::control::ConnectedNode;
use crate::outcome::RoundOutcome;
use crate::source::Hold;

/// What a round found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The source, without credentials.
    pub source: String,
    /// The commit, where the source could be read and is a revision.
    pub revision: Option<String>,
    /// Digest of the model that is to be served.
    pub model: Option<String>,
    /// Errors of the source, `CODE path:line message`. With any, nothing is ordered under the policy `stop`.
    pub errors: Vec<String>,
    /// Broken objects that keep their last good version.
    pub held: Vec<HeldBack>,
    /// Broken objects without a known good version: what they cover answers 503.
    pub refused: Vec<String>,
    /// Why the source could not be read; nothing was ordered then.
    pub unreadable: Option<String>,
    /// The targets, in the order of the options.
    pub targets: Vec<TargetStatus>,
}

/// An object that is held back, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The object, and the revision whose version it keeps.
    #[serde(flatten)]
    pub hold: Hold,
    /// Full id of the first commit that was seen without a good version.
    pub broken_in: Option<String>,
    /// When that was seen, after RFC 3339.
    pub since: String,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Which one it is, and what is known of it after the round.
    #[serde(flatten)]
    pub report: TargetReport,
    /// What the round did with it.
    pub outcome: RoundOutcome,
}

impl TargetStatus {
    /// Returns what the target is called among all others.
    pub(super) fn name(&self) -> String {
        match &self.report {
            TargetReport::Process { socket, .. } => socket.clone(),
            TargetReport::Cluster(report) => format!("{} {}", report.cluster, report.inventory),
        }
    }
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetReport {
    /// A serving process.
    Process {
        /// The control socket or address.
        socket: String,
        /// What it serves, where it answered.
        model: Option<String>,
        /// Its nodes.
        nodes: Vec<ConnectedNode>,
    },
    /// A kube cluster.
    Cluster(ClusterReport),
}

impl Round {
    /// Returns a round of a source that has found nothing yet.
    pub(super) fn of(source: String) -> Self {
        Round {
            source,
            revision: None,
            model: None,
            errors: Vec::new(),
            held: Vec::new(),
            refused: Vec::new(),
            unreadable: None,
            targets: Vec::new(),
        }
    }

    /// Returns whether every target is at the source's state, and nothing of it is held back.
    pub fn is_in_sync(&self) -> bool {
        self.is_sound() && self.is_carried_out()
    }

    /// Returns whether every target is as it was to be.
    pub fn is_carried_out(&self) -> bool {
        self.targets
            .iter()
            .all(|target| matches!(target.outcome, RoundOutcome::Unchanged | RoundOutcome::Applied))
    }

    /// Returns whether something could not be reached or asked.
    pub fn has_failed(&self) -> bool {
        let failed = |target: &TargetStatus| matches!(target.outcome, RoundOutcome::Failed(_));
        self.unreadable.is_some() || self.targets.iter().any(failed)
    }

    /// Returns whether the source could be read and has no error.
    pub fn is_sound(&self) -> bool {
        self.errors.is_empty() && self.unreadable.is_none()
    }

    /// Returns what is wrong with the source.
    pub(super) fn trouble(&self) -> Option<String> {
        if let Some(reason) = &self.unreadable {
            return Some(format!("the source cannot be read: {reason}"));
        }
        match self.errors.as_slice() {
            [] => None,
            [error] => Some(format!("an error stands in the source: {error}")),
            [first, ..] => Some(format!("{} errors stand in the source, first {first}", self.errors.len())),
        }
    }
}

/// The status file, and what `/status` answers for one application.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    format: &'static str,
    in_sync: bool,
    #[serde(flatten)]
    round: &'a Round,
}

impl<'a> Status<'a> {
    pub(super) fn of(round: &'a Round) -> Self {
        Status { format: "gatewright-sync/1", in_sync: round.is_in_sync(), round }
    }
}

/// Writes the status file: the last round, replaced as a whole.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_status(path: &Path, round: &Round) -> io::Result<()> {
    atomic::replace(path, &status_text(round))
}

/// Returns what stands in the status file.
pub(super) fn status_text(round: &Round) -> String {
    let text = serde_json::to_string_pretty(&Status::of(round)).expect("texts, numbers and lists are JSON");
    released(Form::Json, text + "\n")
}
