//! The ADS server: brings every connected data plane to the newest published snapshot, in both forms of the protocol.
//!
//! `stream` is the state machine of one stream, `types` that of one resource type on it; both are synchronous. `batch`
//! is the content of one response, and cuts what is too large for one.
//! `service` connects them to gRPC, and `status` tells how far every node is and what it rejects.

mod batch;
mod delta;
mod service;
mod sotw;
mod status;
mod stream;
mod types;

pub use service::{ServeOptions, SnapshotServer};
pub use status::{NodeStatus, Rejection, ServerStatus, UnknownVersion};
pub use stream::Protocol;

#[cfg(test)]
mod tests;
