//! The gateway's view of the world: one writer ([`store::Store`]) turns accepted xDS resources into immutable
//! snapshots, which workers read without a lock. Old snapshots are dropped on the control thread.

mod apply_chains;
mod apply_clusters;
mod apply_extensions;
mod apply_listeners;
mod apply_routes;
mod apply_secrets;
pub(crate) mod cluster;
mod completeness;
mod hosts;
mod listener;
mod retired;
mod secrets;
mod snapshot;
pub(crate) mod store;
mod tls_configs;
mod transport;

pub(crate) use cluster::{Cluster, Endpoint};
pub(crate) use completeness::Wanted;
pub(crate) use listener::Listener;
pub(crate) use retired::Retired;
pub(crate) use snapshot::Snapshot;
pub(crate) use store::{Accepted, Store};
pub(crate) use transport::Transport;

#[cfg(test)]
mod tests;
