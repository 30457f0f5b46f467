//! Services of registries: an instance that moves is one resource, from a snapshot in the source as from a registry that
//! tells it, and a registry that tells something is believed before a snapshot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use gatewright_compiler::input::{Input, Object, Objects};
use gatewright_compiler::manifest::{DiscoveredService, Instance, ServiceState};
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::parse::REGISTRY_LOCK;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{Delta, Engine, WorkCounters};
use gatewright_ir::{ClusterName, Endpoint};
use gatewright_xds::type_url;

const HOST: &str = "orders.g.public.nacos";

const MANIFESTS: &str = r#"
apiVersion: networking.higress.io/v1
kind: McpBridge
metadata: {name: default, namespace: higress-system}
spec:
  registries: [{name: prod, type: nacos2, domain: nacos.test, port: 8848, nacosGroups: [g]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: {higress.io/destination: orders.g.public.nacos}
spec:
  ingressClassName: higress
  rules:
  - host: shop.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}}
"#;

fn snapshot(instances: &str) -> String {
    format!(
        r#"{{"version": 1, "registries": [{{"type": "nacos2", "name": "prod", "services": [
            {{"host": "{HOST}", "port": 8080, "instances": [{instances}]}}]}}]}}"#
    )
}

fn files(snapshot: Option<String>) -> SourceTree {
    let manifests = [("all.yaml", MANIFESTS.to_owned())].into_iter();
    SourceTree::in_memory(manifests.chain(snapshot.map(|text| (REGISTRY_LOCK, text))))
}

fn updated(engine: &mut Engine, snapshot: Option<&str>, told: &Objects) -> Delta {
    let manifests = files(snapshot.map(self::snapshot));
    engine.update(Input { manifests, live: Objects::default(), kept: told.clone() }).unwrap()
}

fn told(address: &str, port: u16) -> Object {
    let instance = Instance { ip: address.into(), port: 8080, weight: 100, healthy: true };
    let instances = vec![instance];
    let host = HOST.to_owned();
    let service = DiscoveredService { host, port, protocol: None, state: ServiceState::Known, instances };
    Object::offered("nacos2", "prod", service)
}

fn endpoints(engine: &Engine, port: u32) -> Vec<Endpoint> {
    let set = engine.ir().endpoints.get(&ClusterName::outbound(port, "", HOST));
    set.map(|set| set.endpoints.clone()).unwrap_or_default()
}

fn one_resource(delta: &Delta, files_parsed: usize) {
    let work =
        WorkCounters { files_parsed, clusters_lowered: 1, resources_emitted: 1, ..WorkCounters::default() };
    assert_eq!(delta.counters, work);
    let changed: Vec<&str> = delta.changed.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(changed, [type_url::ENDPOINT]);
}

#[test]
fn an_instance_of_a_snapshot_that_moves_is_one_resource() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let nothing = Objects::default();
    updated(&mut engine, Some(r#"{"ip": "127.0.0.1", "port": 8080}"#), &nothing);
    assert_eq!(endpoints(&engine, 8080), [Endpoint::new("127.0.0.1", 8080)]);
    let moved = r#"{"ip": "127.0.0.2", "port": 8080, "weight": 50}, {"ip": "127.0.0.3", "port": 8080, "healthy": false}"#;
    one_resource(&updated(&mut engine, Some(moved), &nothing), 1);
    let expected = [
        Endpoint::new("127.0.0.2", 8080),
        Endpoint { weight: 2, healthy: false, ..Endpoint::new("127.0.0.3", 8080) },
    ];
    assert_eq!(endpoints(&engine, 8080), expected);
}

#[test]
fn an_instance_that_a_registry_moves_is_one_resource_and_nothing_is_parsed() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let mut told_now = Objects::default();
    told_now.put(Object::registry("nacos2", "prod", true));
    told_now.put(told("127.0.0.1", 8080));
    updated(&mut engine, None, &told_now);
    assert!(told_now.put(told("127.0.0.2", 8080)) && !told_now.put(told("127.0.0.2", 8080)));
    one_resource(&updated(&mut engine, None, &told_now), 0);
    assert_eq!(endpoints(&engine, 8080), [Endpoint::new("127.0.0.2", 8080)]);
    // Another port is another cluster, which the route has to name.
    assert!(told_now.put(told("127.0.0.2", 9090)));
    let delta = updated(&mut engine, None, &told_now);
    assert_eq!((delta.counters.files_parsed, delta.counters.hosts_lowered), (0, 1));
    assert_eq!(endpoints(&engine, 9090), [Endpoint::new("127.0.0.2", 8080)]);
}

#[test]
fn what_a_registry_tells_counts_before_a_snapshot() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let locked = Some(r#"{"ip": "127.0.0.1", "port": 8080}"#);
    let mut told_now = Objects::default();
    told_now.put(told("127.0.0.2", 8080));
    updated(&mut engine, locked, &told_now);
    assert_eq!(endpoints(&engine, 8080), [Endpoint::new("127.0.0.2", 8080)]);
    updated(&mut engine, locked, &Objects::default());
    assert_eq!(endpoints(&engine, 8080), [Endpoint::new("127.0.0.1", 8080)]);
}

#[test]
fn two_registries_that_offer_a_host_are_told_of_and_the_last_one_counts() {
    let second =
        "registries: [{name: zone, type: nacos2, domain: nacos.test, port: 8848, nacosGroups: [g]}, ";
    let manifests = MANIFESTS.replace("registries: [", second);
    let service =
        |ip| format!(r#"[{{"host": "{HOST}", "port": 80, "instances": [{{"ip": "{ip}", "port": 80}}]}}]"#);
    let lock = format!(
        r#"{{"version": 1, "registries": [{{"type": "nacos2", "name": "zone", "services": {}}},
            {{"type": "nacos2", "name": "prod", "services": {}}}]}}"#,
        service("127.0.0.1"),
        service("127.0.0.2")
    );
    let tree = SourceTree::in_memory([("all.yaml", manifests), (REGISTRY_LOCK, lock)]);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&tree).unwrap();
    assert_eq!(endpoints(&engine, 80), [Endpoint::new("127.0.0.1", 80)]);
    let found = engine.diagnostics().unwrap();
    let found: Vec<(&str, usize)> =
        found.iter().map(|found| (found.code.id, found.primary.span.start.line)).collect();
    assert_eq!(found, [("GW0450", 1)]);
}

#[test]
fn weights_beyond_what_envoy_adds_up_keep_their_ratio() {
    let instance = |index: usize, weight| Instance {
        ip: format!("127.1.{}.{}", index / 256, index % 256),
        port: 80,
        weight,
        healthy: true,
    };
    let mut instances: Vec<Instance> = (0..6000).map(|index| instance(index, 1_000_000)).collect();
    instances.push(instance(6000, 499_999));
    let service =
        DiscoveredService { host: HOST.into(), port: 8080, instances, ..DiscoveredService::default() };
    let mut told = Objects::default();
    told.put(Object::offered("nacos2", "prod", service));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    updated(&mut engine, None, &told);
    let endpoints = endpoints(&engine, 8080);
    assert!(endpoints.iter().map(|endpoint| u64::from(endpoint.weight)).sum::<u64>() <= u64::from(u32::MAX));
    let heavy = endpoints[0].weight;
    assert!(endpoints.iter().any(|light| heavy.abs_diff(2 * light.weight) <= 2), "{heavy}");
}
