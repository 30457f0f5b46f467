//! What an apply of 4,000 Ingresses costs beside the bare requests that it sends, and a round without changes.
//!
//! `KUBEBUILDER_ASSETS=$(echo $PWD/.testbed/kube-*) cargo bench -p gatewright-cluster --bench apply`, where
//! `cargo xtask test` has built the API server; it fails when a limit is passed or an object is written twice.
#![expect(clippy::unwrap_used, reason = "without its surroundings it cannot measure")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use gatewright_cluster::carry_out::{Needs, StepOutcome, carry_out};
use gatewright_cluster::client::{ApplyOptions, Cluster};
use gatewright_cluster::connect::{Access, connect};
use gatewright_cluster::decide::{Round, Rules, decide};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::InventoryName;
use gatewright_cluster::observe::{Scope, observe};
use gatewright_kinds::EntityKey;
use gatewright_testkit::cluster::{ADMIN, Cluster as Server};
use serde_json::json;

const OBJECTS: usize = 4_000;
const IN_FLIGHT: usize = 16;
/// An apply may take this much longer than its requests.
const OVERHEAD: f64 = 1.5;
const SETTLED: Duration = Duration::from_secs(1);
const MEMORY_KIB: u64 = 150 * 1024;

fn wanted(namespace: &str) -> BTreeMap<EntityKey, Desired> {
    let ingress = |index: usize| {
        Desired::new(json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": format!("web-{index:04}"),
                "namespace": namespace,
                "annotations": {"higress.io/timeout": "5", "higress.io/rewrite-target": "/"},
            },
            "spec": {"ingressClassName": "higress", "rules": [{
                "host": format!("h{index}.example.com"),
                "http": {"paths": [{"path": "/v1", "pathType": "Prefix",
                    "backend": {"service": {"name": "web", "port": {"number": 80}}}}]},
            }]},
        }))
    };
    (0..OBJECTS).filter_map(ingress).map(|desired| (desired.key.clone(), desired)).collect()
}

async fn look(cluster: &Cluster, wanted: &BTreeMap<EntityKey, Desired>, inventory: &InventoryName) -> Round {
    let scope =
        Scope { wanted: wanted.keys().collect(), referenced: BTreeSet::new(), inventory, namespaces: None };
    let observed = observe(cluster, &scope).await.unwrap();
    decide(wanted, &observed, inventory, Rules::default())
}

fn most_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends the same applies without looking at anything, and cleans up after them.
async fn bare(server: &Server, cluster: &Cluster) -> Duration {
    let objects = wanted("bare");
    let began = Instant::now();
    let options = ApplyOptions { manager: "bare", force: false, dry_run: false };
    let applies = objects.values().map(|desired| cluster.apply(&desired.key, &desired.value, options));
    let applies: Vec<_> = applies.collect();
    let applied = stream::iter(applies).buffer_unordered(IN_FLIGHT);
    applied.for_each(|answer| async move { assert!(answer.is_ok()) }).await;
    let took = began.elapsed();
    let all = "/apis/networking.k8s.io/v1/namespaces/bare/ingresses";
    assert_eq!(server.call("DELETE", all, "application/json", "").0, 200);
    took
}

async fn measure() {
    let server = Server::start();
    let access = Access { kubeconfig: vec![server.kubeconfig_of(ADMIN)], ..Access::default() };
    let cluster = connect(&access).await.unwrap();
    for namespace in ["bare", "round"] {
        server.namespace(namespace);
    }
    let requests = bare(&server, &cluster).await;

    let inventory = "round/gatewright".parse().unwrap();
    let source = wanted("round");
    let apply = {
        let began = Instant::now();
        let round = look(&cluster, &source, &inventory).await;
        let outcomes = carry_out(&cluster, &round, &Needs::new(), false).await.unwrap();
        assert!(outcomes.values().all(|outcome| *outcome == StepOutcome::Created));
        began.elapsed()
    };

    let began = Instant::now();
    let round = look(&cluster, &source, &inventory).await;
    assert!(round.is_settled());
    carry_out(&cluster, &round, &Needs::new(), false).await.unwrap();
    let settled = began.elapsed();
    let memory = most_memory_kib();

    let writes = server.writes_of(ADMIN);
    let here = writes.iter().filter(|write| write.contains(" round/"));
    assert_eq!(here.count(), OBJECTS + 1, "each object once, and the inventory");
    let ratio = apply.as_secs_f64() / requests.as_secs_f64();
    println!(
        "{OBJECTS} Ingresses: bare {requests:?}, apply {apply:?} ({ratio:.2} times), no change {settled:?}, {memory} KiB"
    );
    assert!(ratio <= OVERHEAD, "an apply takes {ratio:.2} times what its requests take");
    assert!(settled <= SETTLED, "a round without changes takes {settled:?}");
    assert!(memory <= MEMORY_KIB, "{memory} KiB");
}

fn main() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure());
}
