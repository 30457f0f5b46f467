//! A serving process as a target: it is asked what it serves, and ordered to serve something else.

use std::path::{Path, PathBuf};

use super::Wanted;
use super::round::{TargetReport, TargetStatus};
use crate::control::{self, Answer, Apply, ConnectedNode, Question};
use crate::extent::{Consent, Shrinkage};
use crate::outcome::RoundOutcome;

/// A serving process that is kept in sync.
#[derive(Clone, Debug)]
pub struct ControlTarget {
    /// Its control socket.
    pub socket: PathBuf,
    /// What it may lose at once.
    pub consent: Consent,
}

/// Orders a process to serve what is wanted, unless it does. Where that is not `current`, a process that serves it is only
/// left as it was.
pub(super) async fn bring(socket: &Path, order: Apply, wanted: &Wanted, current: bool) -> TargetStatus {
    let live = match status(socket).await {
        Ok(status) => status,
        Err(reason) => return failed(socket, reason),
    };
    if live.model.as_ref() == Some(&wanted.model) && live.nodes.iter().all(|node| node.acknowledged) {
        let outcome = if current { RoundOutcome::Unchanged } else { RoundOutcome::Kept };
        return target(socket, live.model, outcome, live.nodes);
    }
    let order = Question::Apply(Apply { base_model: live.model, ..order });
    match control::ask(socket, &order).await {
        Ok(Answer::Applied(status)) => target(socket, status.model, RoundOutcome::Applied, status.nodes),
        Ok(Answer::Unacknowledged(status)) => {
            target(socket, status.model, RoundOutcome::Unacknowledged, status.nodes)
        }
        Ok(Answer::Stale { reason } | Answer::Failed { reason }) => failed(socket, reason),
        Ok(Answer::Refused { errors }) => failed(socket, errors.join("; ")),
        Ok(Answer::Shrunk { reason, consent }) => match status(socket).await {
            Ok(live) => {
                target(socket, live.model, RoundOutcome::Refused(refusal(&reason, &consent)), live.nodes)
            }
            Err(reason) => failed(socket, reason),
        },
        Ok(Answer::Status(_)) => failed(socket, "it answered another question".to_owned()),
        Err(error) => failed(socket, error.to_string()),
    }
}

/// Leaves a process as it is because the source serves suspiciously little, unless that is what it serves.
pub(super) async fn refused(socket: &Path, wanted: &Wanted, shrinkage: &Shrinkage) -> TargetStatus {
    match status(socket).await {
        Ok(live) if live.model.as_ref() == Some(&wanted.model) => {
            target(socket, live.model, RoundOutcome::Unchanged, live.nodes)
        }
        Ok(live) => {
            let reason = refusal(&shrinkage.to_string(), &shrinkage.consent());
            target(socket, live.model, RoundOutcome::Refused(reason), live.nodes)
        }
        Err(reason) => failed(socket, reason),
    }
}

fn refusal(reason: &str, consent: &str) -> String {
    format!("GW0617 {reason}: nothing is changed (if it is meant: {consent})")
}

/// Asks a process what it serves, and leaves it at that.
pub(super) async fn kept(socket: &Path) -> TargetStatus {
    match status(socket).await {
        Ok(status) => target(socket, status.model, RoundOutcome::Kept, status.nodes),
        Err(reason) => failed(socket, reason),
    }
}

/// Asks a process what it serves.
pub(super) async fn status(socket: &Path) -> Result<control::Status, String> {
    match control::ask(socket, &Question::Status).await {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(Answer::Failed { reason }) => Err(reason),
        Ok(_) => Err("it answered another question".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn failed(socket: &Path, reason: String) -> TargetStatus {
    target(socket, None, RoundOutcome::Failed(reason), Vec::new())
}

fn target(
    socket: &Path,
    model: Option<String>,
    outcome: RoundOutcome,
    nodes: Vec<ConnectedNode>,
) -> TargetStatus {
    TargetStatus {
        report: TargetReport::Process { socket: socket.display().to_string(), model, nodes },
        outcome,
    }
}
