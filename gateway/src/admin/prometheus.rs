//! `/stats/prometheus`: the metrics of Istio's and Envoy's names that dashboards of Higress read, and our own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use gatewright_xds::type_url;

use crate::shared::Shared;
use crate::state::Cluster;
use crate::state::store::TypeCounts;
use crate::stats::{BOUNDS_MS, ClusterStats, Histogram, RequestCounts};

/// Renders all metrics in the text format of Prometheus.
pub(super) fn text(
    shared: &Shared,
    xds: Option<&BTreeMap<&'static str, TypeCounts>>,
    connected: bool,
) -> String {
    let snapshot = shared.snapshot.load();
    let mut clusters: Vec<&Cluster> = snapshot.clusters.values().map(|cluster| &**cluster).collect();
    clusters.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    let mut out = String::new();
    requests(&mut out, shared, &clusters);
    durations(&mut out, shared, &clusters);
    upstream(&mut out, &clusters);
    downstream(&mut out, shared);
    control(&mut out, shared, xds, connected);
    out
}

fn head(out: &mut String, name: &str, kind: &str) {
    let _ = writeln!(out, "# TYPE {name} {kind}");
}

/// Writes one sample; labels are already escaped.
fn sample(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

fn escaped(value: &str) -> String {
    gatewright_diagnostics::outlet::label_value(value)
}

/// Returns the labels that Istio gives requests of a cluster.
fn destination(cluster: Option<&Cluster>) -> String {
    let name = cluster.map_or("unknown", |cluster| &cluster.config.name);
    let service = name.rsplit('|').next().unwrap_or(name);
    format!(
        "reporter=\"source\",destination_service=\"{}\",destination_cluster_name=\"{}\"",
        escaped(service),
        escaped(name)
    )
}

fn requests(out: &mut String, shared: &Shared, clusters: &[&Cluster]) {
    let name = "istio_requests_total";
    head(out, name, "counter");
    let mut write = |cluster: Option<&Cluster>, counts: &RequestCounts| {
        let destination = destination(cluster);
        for ((code, flags), count) in counts.read() {
            let labels = format!("{destination},response_code=\"{code}\",response_flags=\"{flags}\"");
            sample(out, name, &labels, count);
        }
    };
    write(None, &shared.stats.requests);
    for cluster in clusters {
        write(Some(cluster), &cluster.shared.stats.requests);
    }
}

fn durations(out: &mut String, shared: &Shared, clusters: &[&Cluster]) {
    let name = "istio_request_duration_milliseconds";
    head(out, name, "histogram");
    histogram(out, name, &destination(None), &shared.stats.durations);
    for cluster in clusters {
        histogram(out, name, &destination(Some(cluster)), &cluster.shared.stats.durations);
    }
}

fn histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let (counts, sum) = histogram.read();
    let total = counts[BOUNDS_MS.len()];
    if total == 0 {
        return;
    }
    for (bound, count) in BOUNDS_MS.iter().zip(counts) {
        sample(out, &format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), count);
    }
    sample(out, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), total);
    sample(out, &format!("{name}_sum"), labels, sum);
    sample(out, &format!("{name}_count"), labels, total);
}

type Read = fn(&Cluster) -> u64;

/// Envoy's metrics of upstream clusters.
const UPSTREAM: [(&str, &str, Read); 11] = [
    ("cx_active", "gauge", |cluster| cluster.shared.active_connections.load(Ordering::Relaxed).into()),
    ("cx_total", "counter", |cluster| cluster.shared.stats.connections.get()),
    ("cx_connect_fail", "counter", |cluster| cluster.shared.stats.connect_failures.get()),
    ("cx_connect_timeout", "counter", |cluster| cluster.shared.stats.connect_timeouts.get()),
    ("rq_active", "gauge", |cluster| cluster.shared.active_requests.load(Ordering::Relaxed).into()),
    ("rq_pending_active", "gauge", |cluster| cluster.shared.pending_requests.load(Ordering::Relaxed).into()),
    ("rq_pending_overflow", "counter", |cluster| cluster.shared.stats.overflows.get()),
    ("rq_retry", "counter", |cluster| stats(cluster).retries.get()),
    ("rq_timeout", "counter", |cluster| stats(cluster).timeouts.get()),
    ("rq_rx_reset", "counter", |cluster| stats(cluster).resets.get()),
    ("rq_total", "counter", |cluster| stats(cluster).tries.get()),
];

fn stats(cluster: &Cluster) -> &ClusterStats {
    &cluster.shared.stats
}

fn upstream(out: &mut String, clusters: &[&Cluster]) {
    for (short, kind, read) in UPSTREAM {
        let name = format!("envoy_cluster_upstream_{short}");
        head(out, &name, kind);
        for cluster in clusters {
            let labels = format!("envoy_cluster_name=\"{}\"", escaped(&cluster.config.name));
            sample(out, &name, &labels, read(cluster));
        }
    }
    for (name, healthy_only) in
        [("envoy_cluster_membership_total", false), ("envoy_cluster_membership_healthy", true)]
    {
        head(out, name, "gauge");
        for cluster in clusters {
            let labels = format!("envoy_cluster_name=\"{}\"", escaped(&cluster.config.name));
            let all = cluster.endpoints.all.iter();
            sample(out, name, &labels, all.filter(|(_, entry)| entry.healthy || !healthy_only).count());
        }
    }
}

fn downstream(out: &mut String, shared: &Shared) {
    let listeners = shared.all_listener_stats();
    head(out, "envoy_listener_downstream_cx_active", "gauge");
    for (listener, stats) in &listeners {
        let labels = format!("envoy_listener_address=\"{}\"", escaped(listener));
        sample(out, "envoy_listener_downstream_cx_active", &labels, stats.active.load(Ordering::Relaxed));
    }
    head(out, "envoy_listener_downstream_cx_total", "counter");
    for (listener, stats) in &listeners {
        let labels = format!("envoy_listener_address=\"{}\"", escaped(listener));
        sample(out, "envoy_listener_downstream_cx_total", &labels, stats.total.load(Ordering::Relaxed));
    }
    head(out, "gatewright_tls_handshake_failures_total", "counter");
    sample(out, "gatewright_tls_handshake_failures_total", "", shared.stats.tls_errors.get());
    head(out, "gatewright_access_log_lines_dropped_total", "counter");
    sample(out, "gatewright_access_log_lines_dropped_total", "", shared.stats.log_lines_dropped.get());
}

fn control(
    out: &mut String,
    shared: &Shared,
    xds: Option<&BTreeMap<&'static str, TypeCounts>>,
    connected: bool,
) {
    head(out, "gatewright_xds_connected", "gauge");
    sample(out, "gatewright_xds_connected", "", u8::from(connected));
    let snapshot = shared.snapshot.load();
    head(out, "gatewright_upstream_clusters", "gauge");
    sample(out, "gatewright_upstream_clusters", "", snapshot.clusters.len());
    let Some(xds) = xds else { return };
    head(out, "gatewright_xds_responses_total", "counter");
    for (type_url, counts) in xds {
        let labels = format!("type=\"{}\"", type_url::short(type_url));
        sample(out, "gatewright_xds_responses_total", &labels, counts.responses);
    }
    head(out, "gatewright_xds_rejected_resources_total", "counter");
    for (type_url, counts) in xds {
        let labels = format!("type=\"{}\"", type_url::short(type_url));
        sample(out, "gatewright_xds_rejected_resources_total", &labels, counts.rejections);
    }
    head(out, "gatewright_xds_version_info", "gauge");
    for (type_url, counts) in xds {
        let labels =
            format!("type=\"{}\",version=\"{}\"", type_url::short(type_url), escaped(&counts.version));
        sample(out, "gatewright_xds_version_info", &labels, 1);
    }
}
