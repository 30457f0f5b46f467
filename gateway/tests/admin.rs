//! What an operator sees: metrics, clusters, dump and access log of real requests.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::Call;
use gatewright_testkit::wait::eventually;
use support::resources::*;
use support::{Rig, SOON};

const HOST: &str = "a.example.com";
const CLUSTER: &str = "outbound|80||web.shop.svc";

fn rig(backend: &EchoBackend) -> Rig {
    let hosts = vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward(CLUSTER))])];
    Rig::start(world(hosts, vec![upstream(CLUSTER, &[backend.address()])]))
}

#[test]
fn metrics_count_what_happened() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    for _ in 0..3 {
        rig.get(HOST, "/");
    }
    Call::get(rig.http(), HOST, "/").header("x-echo-status", "500").send().unwrap();
    rig.get("unknown.example.com", "/");
    let labels = format!(
        "reporter=\"source\",destination_service=\"web.shop.svc\",destination_cluster_name=\"{CLUSTER}\""
    );
    let unknown = "reporter=\"source\",destination_service=\"unknown\",destination_cluster_name=\"unknown\"";
    let expected = [
        format!("istio_requests_total{{{labels},response_code=\"200\",response_flags=\"-\"}} 3"),
        format!("istio_requests_total{{{labels},response_code=\"500\",response_flags=\"-\"}} 1"),
        format!("istio_requests_total{{{unknown},response_code=\"404\",response_flags=\"NR\"}} 1"),
        format!("istio_request_duration_milliseconds_count{{{labels}}} 4"),
        format!("istio_request_duration_milliseconds_bucket{{{labels},le=\"+Inf\"}} 4"),
        format!("envoy_cluster_upstream_rq_total{{envoy_cluster_name=\"{CLUSTER}\"}} 4"),
        format!("envoy_cluster_membership_healthy{{envoy_cluster_name=\"{CLUSTER}\"}} 1"),
        "envoy_listener_downstream_cx_active{envoy_listener_address=\"0.0.0.0_80\"} 0".to_owned(),
        "envoy_listener_downstream_cx_total{envoy_listener_address=\"0.0.0.0_80\"} 5".to_owned(),
        "gatewright_xds_connected 1".to_owned(),
    ];
    eventually("the metrics", SOON, || {
        let text = rig.admin("/stats/prometheus").text();
        let missing = expected.iter().find(|line| !text.lines().any(|found| found == *line));
        missing.map_or(Ok(()), |line| Err(format!("{line}\nis not in\n{text}")))
    });
    let active = format!("envoy_cluster_upstream_cx_active{{envoy_cluster_name=\"{CLUSTER}\"}} ");
    let text = rig.admin("/stats/prometheus").text();
    let line = text.lines().find(|line| line.starts_with(&active)).unwrap();
    assert!(line[active.len()..].parse::<u32>().unwrap() >= 1, "{line}");
}

#[test]
fn every_metric_has_its_type_and_readable_lines() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    rig.get(HOST, "/");
    let mut typed = std::collections::BTreeSet::new();
    for line in rig.admin("/stats/prometheus").text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(typed.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(typed.contains(name) || typed.contains(family), "{line}");
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn clusters_and_dump_show_what_is_in_effect() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let clusters = rig.admin("/clusters").text();
    assert!(
        clusters.contains(&format!("{CLUSTER}::{}::health_flags::healthy\n", backend.address())),
        "{clusters}"
    );
    let dump = rig.admin("/config_dump").json();
    let section = |name: &str| {
        let configs = dump["configs"].as_array().unwrap();
        configs.iter().find(|section| section["@type"].as_str().unwrap().ends_with(name)).unwrap()
    };
    let cluster = &section("ClustersConfigDump")["dynamic_active_clusters"][0];
    assert_eq!(cluster["cluster"]["name"], CLUSTER);
    assert!(!cluster["version_info"].as_str().unwrap().is_empty());
    let listener = &section("ListenersConfigDump")["dynamic_listeners"][0]["active_state"]["listener"];
    assert_eq!(listener["name"], HTTP);
    assert_eq!(section("RoutesConfigDump")["dynamic_route_configs"][0]["route_config"]["name"], HTTP_ROUTES);
    let host = &section("VirtualHostsConfigDump")["dynamic_virtual_hosts"][0]["virtual_host"];
    assert_eq!(host["routes"][0]["route"]["cluster"], CLUSTER);
    let endpoints = &section("EndpointsConfigDump")["dynamic_endpoint_configs"][0]["endpoint_config"];
    assert_eq!(endpoints["cluster_name"], CLUSTER);
    assert!(rig.admin("/listeners").text().contains(&rig.http().to_string()));
    assert_eq!(rig.admin("/nothing").status, 404);
}

#[test]
fn the_access_log_tells_route_upstream_and_sizes() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let answer = Call::new("POST", rig.http(), HOST, "/logged?q=1")
        .header("user-agent", "te\"st")
        .body("12345")
        .send()
        .unwrap();
    let line = rig.log.line("/logged?q=1");
    for (field, value) in [
        ("method", "POST"),
        ("authority", HOST),
        ("protocol", "HTTP/1.1"),
        ("route_name", "test/route"),
        ("upstream_cluster", CLUSTER),
        ("upstream_host", &backend.address().to_string()),
        ("response_flags", "-"),
        ("user_agent", "te\"st"),
        ("x_forwarded_for", "127.0.0.1"),
        ("requested_server_name", "-"),
        ("downstream_local_address", &rig.http().to_string()),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    assert_eq!(line["response_code"], 200);
    assert_eq!(line["bytes_received"], 5);
    assert_eq!(line["bytes_sent"], answer.body.len());
    assert!(line["duration"].is_u64() && line["upstream_service_time"].is_u64());
    let seen = backend.take_requests().pop().unwrap();
    assert_eq!(line["request_id"].as_str(), seen.header("x-request-id").as_deref());
}
