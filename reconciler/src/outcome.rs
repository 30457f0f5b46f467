//! What became of a target of a sync, be it a serving process or a kube cluster.

use serde::{Deserialize, Serialize};

/// What a round did with a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum RoundOutcome {
    /// It was as wanted already.
    Unchanged,
    /// It is as wanted now, and its nodes acknowledged.
    Applied,
    /// Another instance, which is named, looks after it.
    Standby(String),
    /// It was left as it was: the source is unreadable or has errors.
    Kept,
    /// It serves the model now, but not all of its nodes acknowledged in time.
    Unacknowledged,
    /// Objects were changed in the cluster and are left so; the rest is as wanted.
    Drifted,
    /// Some of its objects are not as wanted; the rest is.
    Incomplete,
    /// Nothing of it was changed, as what would change is suspicious.
    Refused(String),
    /// It could not be reached or did not obey.
    Failed(String),
}
