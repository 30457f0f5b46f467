//! What workers read: listeners, route tables and upstream clusters at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_http::authority;

use super::cluster::Cluster;
use super::hosts::{HostTable, Names};
use super::listener::Listener;
use crate::config::VirtualHost;

/// Everything a request needs, immutable. Successors share what did not change.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    pub(crate) routes: BTreeMap<Arc<str>, RouteTable>,
    pub(crate) clusters: Names<Arc<Cluster>>,
}

/// The routes of a listener.
#[derive(Clone, Debug)]
pub(crate) struct RouteTable {
    /// Whether `host:port` is looked up as `host`.
    pub(crate) ignore_port: bool,
    pub(crate) hosts: HostTable,
}

impl RouteTable {
    /// Returns the virtual host that serves `authority`.
    pub(crate) fn host(&self, authority: &str) -> Option<&Arc<VirtualHost>> {
        let host = if self.ignore_port { authority::host(authority) } else { authority::lower(authority) };
        self.hosts.find(&host)
    }
}

impl Snapshot {
    /// Returns the cluster that requests for `name` go to: of an aggregate the first member with a usable endpoint, or
    /// the first that exists.
    pub(crate) fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        let cluster = self.clusters.get(name)?;
        let Some(members) = cluster.members() else { return Some(cluster) };
        // One level: an aggregate of aggregates is refused by nobody, but its inner ones have no endpoints of their own.
        let mut known = members.iter().filter_map(|member| self.clusters.get(member));
        known.clone().find(|member| member.has_usable_endpoint()).or_else(|| known.next())
    }
}
