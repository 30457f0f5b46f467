//! A serving process as a target: it is asked what it serves, and ordered to serve something else.

use super::Wanted;
use super::round::{TargetReport, TargetStatus};
use crate::control::{self, Answer, Apply, ConnectedNode, ControlError, Endpoint, Question};
use crate::extent::{Consent, Shrinkage};
use crate::outcome::RoundOutcome;

/// A serving process that is kept in sync.
#[derive(Clone, Debug)]
pub struct ControlTarget {
    /// Where it answers.
    pub endpoint: Endpoint,
    /// What it may lose at once.
    pub consent: Consent,
}

/// Orders a process to serve what is wanted, unless it does. Where that is not `current`, a process that serves it is only
/// left as it was.
pub(super) async fn bring(endpoint: &Endpoint, order: Apply, wanted: &Wanted, current: bool) -> TargetStatus {
    let live = match status(endpoint).await {
        Ok(status) => status,
        Err(reason) => return failed(endpoint, reason),
    };
    if live.model.as_ref() == Some(&wanted.model) && live.nodes.iter().all(|node| node.acknowledged) {
        let outcome = if current { RoundOutcome::Unchanged } else { RoundOutcome::Kept };
        return target(endpoint, live.model, outcome, live.nodes);
    }
    let order = Question::Apply(Apply { base_model: live.model, ..order });
    match control::ask(endpoint, &order).await {
        Ok(Answer::Applied(status)) => target(endpoint, status.model, RoundOutcome::Applied, status.nodes),
        Ok(Answer::Unacknowledged(status)) => {
            target(endpoint, status.model, RoundOutcome::Unacknowledged, status.nodes)
        }
        Ok(Answer::Stale { reason } | Answer::Failed { reason }) => failed(endpoint, reason),
        Ok(Answer::Refused { errors }) => failed(endpoint, errors.join("; ")),
        Ok(Answer::Shrunk { reason, consent }) => match status(endpoint).await {
            Ok(live) => {
                target(endpoint, live.model, RoundOutcome::Refused(refusal(&reason, &consent)), live.nodes)
            }
            Err(reason) => failed(endpoint, reason),
        },
        Ok(Answer::Status(_)) => failed(endpoint, "it answered another question".to_owned()),
        Err(error) => failed(endpoint, told(endpoint, &error)),
    }
}

/// Leaves a process as it is because the source serves suspiciously little, unless that is what it serves.
pub(super) async fn refused(endpoint: &Endpoint, wanted: &Wanted, shrinkage: &Shrinkage) -> TargetStatus {
    match status(endpoint).await {
        Ok(live) if live.model.as_ref() == Some(&wanted.model) => {
            target(endpoint, live.model, RoundOutcome::Unchanged, live.nodes)
        }
        Ok(live) => {
            let reason = refusal(&shrinkage.to_string(), &shrinkage.consent());
            target(endpoint, live.model, RoundOutcome::Refused(reason), live.nodes)
        }
        Err(reason) => failed(endpoint, reason),
    }
}

fn refusal(reason: &str, consent: &str) -> String {
    format!("GW0617 {reason}: nothing is changed (if it is meant: {consent})")
}

/// Asks a process what it serves, and leaves it at that.
pub(super) async fn kept(endpoint: &Endpoint) -> TargetStatus {
    match status(endpoint).await {
        Ok(status) => target(endpoint, status.model, RoundOutcome::Kept, status.nodes),
        Err(reason) => failed(endpoint, reason),
    }
}

/// Asks a process what it serves.
pub(super) async fn status(endpoint: &Endpoint) -> Result<control::Status, String> {
    match control::ask(endpoint, &Question::Status).await {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(Answer::Failed { reason }) => Err(reason),
        Ok(_) => Err("it answered another question".to_owned()),
        Err(error) => Err(told(endpoint, &error)),
    }
}

/// Returns what is wrong; between machines, what the network says of it too.
fn told(endpoint: &Endpoint, error: &ControlError) -> String {
    match std::error::Error::source(error) {
        Some(source) if matches!(endpoint, Endpoint::Network(_)) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

fn failed(endpoint: &Endpoint, reason: String) -> TargetStatus {
    target(endpoint, None, RoundOutcome::Failed(reason), Vec::new())
}

fn target(
    endpoint: &Endpoint,
    model: Option<String>,
    outcome: RoundOutcome,
    nodes: Vec<ConnectedNode>,
) -> TargetStatus {
    TargetStatus { report: TargetReport::Process { socket: endpoint.place(), model, nodes }, outcome }
}
