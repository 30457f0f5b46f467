//! What is kept in sync with what.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gatewright_compiler::options::CompileOptions;

use super::name::AppName;
use super::process::ControlTarget;
use crate::cluster::{ClusterTarget, LeaseOptions};
use crate::quarantine::Policy;
use crate::source::SourceSpec;

/// An application: a source, and what is kept at its newest sound state.
#[derive(Clone, Debug)]
pub struct App {
    /// What it is called.
    pub name: AppName,
    /// The source.
    pub source: SourceSpec,
    /// File that says who must have signed a commit; without one, nobody need have.
    pub signers: Option<PathBuf>,
    /// What is brought to it.
    pub targets: Vec<TargetSpec>,
    /// Time between rounds.
    pub interval: Duration,
    /// How long the nodes of a serving process may take to acknowledge.
    pub timeout: Duration,
    /// What becomes of a revision with errors.
    pub policy: Policy,
    /// Where the last good revision is remembered, and how much it serves.
    pub state_file: PathBuf,
    /// Whether a round ends where that file cannot be written.
    pub state_needed: bool,
    /// Where the outcome of each round is written.
    pub status_file: Option<PathBuf>,
    /// How instances keep apart.
    pub leases: LeaseOptions,
    /// Settings of the compilation.
    pub compile: CompileOptions,
}

/// What is brought to the source's state.
#[derive(Clone, Debug)]
pub enum TargetSpec {
    /// A serving process.
    Control(ControlTarget),
    /// A kube cluster.
    Cluster(ClusterTarget),
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetSpec::Control(process) => f.write_str(&process.endpoint.place()),
            TargetSpec::Cluster(cluster) => write!(f, "{cluster}"),
        }
    }
}
