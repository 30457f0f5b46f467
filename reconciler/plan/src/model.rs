//! The plan as a value: what is saved, loaded, shown and applied.

use std::fmt;

use gatewright_behaviour::RiskLevel;
use gatewright_diagnostics::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::behaviour::BehaviourLevel;
use crate::cluster::ClusterLevel;
use crate::objects::{Change, ObjectLevel};
use crate::side::Location;
use crate::xds::XdsLevel;

/// Name and number of the saved form. The number grows when a reader of the older form would misread the newer one.
pub const FORMAT: &str = "gatewright-plan/1";

/// What a change of the input does: to objects, to xDS resources and to requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: String,
    /// Digest of everything below: two plans with equal digests say the same about the same inputs.
    pub digest: String,
    /// The state that is left.
    pub base: State,
    /// The state that is entered.
    pub head: State,
    /// What a careful operator would stop for.
    pub risks: Vec<Risk>,
    /// Requests that are answered differently.
    pub behaviour: BehaviourLevel,
    /// Objects that differ.
    pub objects: ObjectLevel,
    /// xDS resources that differ.
    pub xds: XdsLevel,
    /// What the plan does not know.
    pub assumptions: Vec<Finding>,
    /// Errors and warnings of the head that the base does not have.
    pub new_findings: Vec<Finding>,
    /// What is done with each object of a kube cluster, where the plan is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterLevel>,
}

/// One state of the input, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The SOURCEs.
    pub source: String,
    /// Full id of the commit, where the state is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Digest of all files.
    pub input: String,
    /// Digest of the model, which depends on no listener address.
    pub model: String,
    /// Version of the xDS snapshot.
    pub xds: String,
    /// Errors that stand; parts of a base with errors are compared as refused.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.revision
            .iter()
            .try_for_each(|revision| write!(f, " ({})", revision.get(..10).unwrap_or(revision)))
    }
}

/// A finding of the compiler, without its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The code.
    pub code: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// Where.
    pub location: Location,
}

/// One reason to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// Kind, e.g. `TLS lost`.
    pub kind: String,
    /// How bad.
    pub level: RiskLevel,
    /// What is lost or widened, in one sentence.
    pub message: String,
    /// Index of the class of requests; none for the change as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// A request that shows it, as `trace` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
    /// What causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// What a plan comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No object, no xDS resource and no request is touched.
    NoChange,
    /// Something changes.
    Changes,
    /// Something changes that a careful operator would stop for.
    RiskyChanges,
}

/// The three levels of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Requests.
    Behaviour,
    /// Objects.
    Objects,
    /// xDS resources.
    Xds,
}

impl Level {
    /// Every level, in the order in which they are shown.
    pub const ALL: [Level; 3] = [Level::Behaviour, Level::Objects, Level::Xds];
}

impl Plan {
    /// Adds what is done with the objects of a kube cluster.
    pub fn with_cluster(mut self, cluster: ClusterLevel) -> Self {
        self.cluster = Some(cluster);
        self.digest = self.content_digest();
        self
    }

    /// Returns what the plan comes down to.
    pub fn verdict(&self) -> Verdict {
        if self.risks.iter().any(|risk| risk.level == RiskLevel::Stop) {
            return Verdict::RiskyChanges;
        }
        if self.cluster.as_ref().is_some_and(|cluster| cluster.refusal.is_some()) {
            return Verdict::RiskyChanges;
        }
        let same = self.objects.changes.is_empty()
            && self.xds.changes.is_empty()
            && self.behaviour.classes.is_empty()
            && self.cluster.as_ref().is_none_or(ClusterLevel::is_settled);
        if same { Verdict::NoChange } else { Verdict::Changes }
    }

    /// Returns the number of objects with this kind of change.
    pub fn objects(&self, change: Change) -> usize {
        self.objects.changes.iter().filter(|row| row.change == change).count()
    }

    /// Returns the number of xDS resources with this kind of change.
    pub fn resources(&self, change: Change) -> usize {
        self.xds.changes.iter().filter(|row| row.change == change).count()
    }
}

impl Finding {
    /// Returns the short form of a diagnostic whose file is of a commit, if it is.
    pub fn of(found: &Diagnostic, revision: Option<String>) -> Self {
        Finding {
            code: found.code.id.to_owned(),
            severity: found.severity.as_str().to_owned(),
            message: found.message.clone(),
            location: Location {
                path: found.primary.path.clone(),
                line: found.primary.span.start.line.max(1),
                revision,
            },
        }
    }
}
