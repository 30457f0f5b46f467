//! Kube clusters, where sources and the compiler meet them; what needs neither is in gatewright-cluster.
//!
//! [`wanted()`] and [`DesiredState`] say what a source wants in a cluster; [`look`] says what is there and what is to be done,
//! for an apply and as a [`level`] and two [`Projection`]s of a plan; `keep` does it round by round for a sync. A [`Feed`]
//! goes the other way: live objects stand beside the files of a source that is served.

mod events;
mod feed;
mod keep;
mod level;
mod projection;
mod target;
mod wanted;

pub use feed::{Change, Feed, Feeding};
pub(crate) use keep::{Aim, Candidate, bring};
pub use keep::{ClusterReport, LeaseOptions};
pub use level::level;
pub use projection::{Projection, base, head};
pub use target::{ClusterTarget, ConnectedTarget, Depth, Looked, look};
pub use wanted::{DesiredState, wanted};
