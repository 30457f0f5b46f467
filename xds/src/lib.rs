//! xDS words shared by control and data plane.
//!
//! Generated messages (maps ordered, so equal messages have equal bytes), the names and type URLs that gatewright
//! uses, encoded resources, snapshots of them, and their readable form. Knows neither the IR nor any network.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[rustfmt::skip]
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "written by `cargo xtask codegen xds`, never by hand"
)]
pub mod generated;

mod chains;
pub mod features;
pub mod names;
pub mod render;
pub mod resource;
pub mod snapshot;
pub mod type_url;
mod well_known;

pub use chains::inline_chains;
pub use generated::{envoy, google};
pub use resource::{Resource, UnpackError, any, unpack};
pub use snapshot::{SnapshotDiff, XdsSnapshot};
pub use well_known::NegativeDuration;
