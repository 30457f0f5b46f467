//! What goes over the control socket: one JSON object a line in each direction, one question a connection.

use gatewright_cluster::decide::PruneBudget;
use serde::{Deserialize, Serialize};

use crate::extent::Consent;
use crate::quarantine::Policy;
use crate::source::Hold;

/// A question to a serving process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// What is served, and how far the nodes are.
    Status,
    /// Serve another state of the source.
    Apply(Apply),
}

/// An order to serve another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apply {
    /// The SOURCEs of the new state, as they are given on the command line.
    pub sources: Vec<String>,
    /// The folder in which the SOURCEs are understood.
    pub working_folder: String,
    /// The model that must be live now; none skips the check.
    pub base_model: Option<String>,
    /// The model that the new state must compile to; none skips the check.
    pub head_model: Option<String>,
    /// What becomes of a new state with errors.
    #[serde(default)]
    pub policy: Policy,
    /// Objects that the new state takes from other revisions.
    #[serde(default)]
    pub held: Vec<Hold>,
    /// How many hosts, paths and objects the new state may lose at once; without a number the default.
    #[serde(default)]
    pub prune_budget: Option<usize>,
    /// Whether the new state may serve nothing.
    #[serde(default)]
    pub allow_empty: bool,
    /// How long to wait for the nodes, in milliseconds.
    pub timeout_ms: u64,
}

impl Apply {
    /// Returns what was agreed to for this state.
    pub(super) fn consent(&self) -> Consent {
        let budget = self.prune_budget.map_or(PruneBudget::Default, PruneBudget::Objects);
        Consent { budget, empty: self.allow_empty }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Question::Status`].
    Status(Status),
    /// The new state is live on every node, except for what they rejected.
    Applied(Status),
    /// The new state was published; these nodes have not acknowledged it in time.
    Unacknowledged(Status),
    /// The live state or the source is not the one that was planned for; nothing was changed.
    Stale {
        /// What moved.
        reason: String,
    },
    /// The new state has errors; nothing was changed.
    Refused {
        /// `CODE path:line message` of each error.
        errors: Vec<String>,
    },
    /// The new state serves nothing, or much less than the live one; nothing was changed.
    Shrunk {
        /// What would be lost.
        reason: String,
        /// The arguments that say it is meant.
        consent: String,
    },
    /// The question could not be handled; nothing was changed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What a process serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the xDS snapshot; none before the first.
    pub version: Option<String>,
    /// Digest of the model.
    pub model: Option<String>,
    /// The SOURCEs.
    pub sources: Vec<String>,
    /// Commits of SOURCEs that are revisions.
    pub revisions: Vec<String>,
    /// The SOURCEs with commits in the place of names.
    #[serde(default)]
    pub pinned: Vec<String>,
    /// Objects that are taken from other revisions.
    #[serde(default)]
    pub held: Vec<Hold>,
    /// Connected nodes.
    pub nodes: Vec<ConnectedNode>,
}

/// One connected node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectedNode {
    /// Its id.
    pub node: String,
    /// Whether it acknowledged the version, except for what it rejected.
    pub acknowledged: bool,
    /// Resources that it rejected, with its reasons.
    pub rejections: Vec<Rejected>,
}

/// A resource that a node does not accept; it keeps the version before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Message name of the type, `VirtualHost`.
    pub kind: String,
    /// Name of the resource.
    pub resource: String,
    /// The node's reason.
    pub message: String,
}
