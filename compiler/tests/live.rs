//! Objects that are known without a file: they count where no file has one of their key, and a change of one costs what
//! depends on it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use gatewright_compiler::input::{Input, Object, Objects};
use gatewright_compiler::options::{CompileOptions, Profile};
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{Delta, Engine, WorkCounters};
use gatewright_ir::ClusterName;
use gatewright_kinds::Kind;
use gatewright_xds::type_url;
use serde_json::{Value, json};

const INGRESS: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: shop.test\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}\n";

fn service(port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": [{"name": "http", "port": port}]},
    })
}

fn slice(address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [address]}],
    })
}

fn objects(values: &[Value]) -> Objects {
    let mut objects = Objects::default();
    for value in values {
        assert!(objects.put(Object::read(value, Profile::Native).unwrap()));
    }
    objects
}

fn updated(engine: &mut Engine, files: &[(&str, String)], live: &Objects) -> Delta {
    let manifests = SourceTree::in_memory(files.iter().cloned());
    engine.update(Input { manifests, live: live.clone(), kept: Objects::default() }).unwrap()
}

fn endpoints(engine: &Engine, port: u32) -> Vec<String> {
    let name = ClusterName::outbound(port, "", "web.shop.svc.cluster.local");
    let set = engine.ir().endpoints.get(&name);
    set.into_iter().flat_map(|set| &set.endpoints).map(|endpoint| endpoint.address.clone()).collect()
}

#[test]
fn an_endpoint_that_moves_is_one_resource_and_nothing_is_parsed_or_lowered() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let files = [("web.yaml", INGRESS.to_owned())];
    let mut live = objects(&[service(80), slice("127.0.0.1")]);
    updated(&mut engine, &files, &live);
    assert_eq!(endpoints(&engine, 80), ["127.0.0.1"]);
    // What is told again is no news.
    assert!(!live.put(Object::read(&slice("127.0.0.1"), Profile::Native).unwrap()));
    assert!(live.put(Object::read(&slice("127.0.0.2"), Profile::Native).unwrap()));
    let delta = updated(&mut engine, &files, &live);
    let work = WorkCounters { clusters_lowered: 1, resources_emitted: 1, ..WorkCounters::default() };
    assert_eq!(delta.counters, work);
    let changed: Vec<&str> = delta.changed.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(changed, [type_url::ENDPOINT]);
    assert_eq!(endpoints(&engine, 80), ["127.0.0.2"]);
}

#[test]
fn what_the_source_has_stays_its_own_and_what_it_gives_up_is_live() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let live = objects(&[service(80), slice("127.0.0.1")]);
    let own = service(81).to_string();
    let both = [("web.yaml", INGRESS.to_owned()), ("a.yaml", own.clone()), ("b.json", own)];
    updated(&mut engine, &both[..2], &live);
    assert_eq!((endpoints(&engine, 80), endpoints(&engine, 81)), (vec![], vec!["127.0.0.1".to_owned()]));
    // Two files are a mistake of the source, which no live object mends.
    updated(&mut engine, &both, &live);
    assert!(engine.has_errors());
    updated(&mut engine, &both[..1], &live);
    assert!(!engine.has_errors());
    assert_eq!(endpoints(&engine, 80), ["127.0.0.1"]);
    updated(&mut engine, &both[..1], &Objects::default());
    assert_eq!(endpoints(&engine, 80), Vec::<String>::new());
}

#[test]
fn a_finding_about_a_live_object_names_it_and_no_line() {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let mut broken = service(80);
    broken["spec"]["ports"][0]["port"] = json!("http");
    updated(&mut engine, &[("web.yaml", INGRESS.to_owned())], &objects(&[broken]));
    let found = engine.diagnostics().unwrap();
    let about: Vec<(&str, usize)> = found
        .iter()
        .filter(|found| found.entity.as_deref() == Some("Service shop/web"))
        .map(|found| (found.primary.path.as_str(), found.primary.span.start.line))
        .collect();
    assert_eq!(about, [("cluster:Service shop/web", 0)]);
}

#[test]
fn an_object_that_is_mended_is_news_though_it_reads_the_same() {
    let (mut broken, sound) = (service(80), service(80));
    // What is of another type counts as missing.
    broken["spec"]["externalName"] = json!(1);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let files = [("web.yaml", INGRESS.to_owned())];
    let mut live = objects(&[broken.clone(), slice("127.0.0.1")]);
    updated(&mut engine, &files, &live);
    assert!(engine.has_errors());
    assert!(!live.put(Object::read(&broken, Profile::Native).unwrap()));
    assert!(live.put(Object::read(&sound, Profile::Native).unwrap()));
    updated(&mut engine, &files, &live);
    assert!(!engine.has_errors());
}

#[test]
fn kinds_whose_names_begin_alike_are_kept_apart() {
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "a"},
        "spec": {"controller": "higress.io/higress-controller"},
    });
    let live = objects(&[class, service(80), slice("127.0.0.1")]);
    let keys = |kind| live.of_kind(kind).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(keys(Kind::Ingress), Vec::<String>::new());
    assert_eq!(keys(Kind::IngressClass), ["IngressClass a"]);
    assert_eq!(keys(Kind::Service), ["Service shop/web"]);
}
