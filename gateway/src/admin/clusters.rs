//! `/clusters` in Envoy's text form: `cluster::address::key::value`.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use gatewright_diagnostics::outlet::visible;

use crate::state::{Cluster, Snapshot};

/// Renders all upstream clusters, ordered by name.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut clusters: Vec<&Cluster> = snapshot.clusters.values().map(|cluster| &**cluster).collect();
    clusters.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    let mut out = String::new();
    for cluster in clusters {
        one(&mut out, cluster);
    }
    out
}

fn one(out: &mut String, cluster: &Cluster) {
    let name = visible(&cluster.config.name);
    let limits = cluster.config.limits;
    let mut line = |rest: String| {
        let _ = writeln!(out, "{name}::{rest}");
    };
    line(format!("observability_name::{name}"));
    line(format!("default_priority::max_connections::{}", limits.connections));
    line(format!("default_priority::max_pending_requests::{}", limits.pending));
    line(format!("default_priority::max_requests::{}", limits.requests));
    line(format!("default_priority::max_retries::{}", limits.retries));
    for (endpoint, entry) in cluster.endpoints.all.iter() {
        let address = visible(&endpoint.label);
        let health = if entry.healthy { "healthy" } else { "/failed_eds_health" };
        line(format!("{address}::rq_active::{}", endpoint.active_requests.load(Ordering::Relaxed)));
        line(format!("{address}::health_flags::{health}"));
        line(format!("{address}::weight::{}", entry.weight));
    }
}
