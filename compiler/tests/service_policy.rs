//! What Ingresses say of a Service: an edit lowers the host of its Ingress and the Service's clusters, and the next oldest
//! takes over where the oldest goes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::collections::BTreeMap;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{Delta, Engine, WorkCounters};
use gatewright_ir::{ClusterName, LoadBalancing};
use gatewright_xds::type_url;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";

fn ingress(order: usize, policy: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i{order}\n  annotations:\n    \
         gatewright.io/order: \"{order}\"\n    higress.io/load-balance: {policy}\nspec:\n  ingressClassName: higress\n  \
         rules:\n  - host: h{order}.test\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, \
         port: {{number: 80}}}}}}}}]}}\n"
    )
}

fn updated(engine: &mut Engine, files: &BTreeMap<String, String>) -> Delta {
    engine.update(&SourceTree::in_memory(files.clone())).unwrap()
}

fn balancing(engine: &Engine) -> LoadBalancing {
    engine.ir().clusters[&ClusterName::outbound(80, "", "web.default.svc.cluster.local")].load_balancing
}

#[test]
fn the_oldest_decides_and_an_edit_of_it_is_one_cluster() {
    let mut files: BTreeMap<String, String> =
        (0..20).map(|order| (format!("{order}.yaml"), ingress(order, "random"))).collect();
    files.insert("service.yaml".into(), SERVICE.into());
    files.insert("1.yaml".into(), ingress(1, "round_robin"));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    updated(&mut engine, &files);
    assert_eq!(balancing(&engine), LoadBalancing::Random);
    files.insert("0.yaml".into(), ingress(0, "least_conn"));
    let delta = updated(&mut engine, &files);
    let work = WorkCounters {
        files_parsed: 1,
        ingresses_analyzed: 1,
        hosts_lowered: 1,
        clusters_lowered: 1,
        resources_emitted: 1,
    };
    assert_eq!(delta.counters, work);
    let changed: Vec<&str> = delta.changed.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(changed, [type_url::CLUSTER]);
    assert_eq!(balancing(&engine), LoadBalancing::LeastRequest);
    files.remove("0.yaml");
    updated(&mut engine, &files);
    assert_eq!(balancing(&engine), LoadBalancing::RoundRobin);
}
