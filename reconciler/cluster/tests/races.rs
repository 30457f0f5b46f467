//! What a round does where an object changes at the same time, and where not everything may be looked at.
#![expect(clippy::unwrap_used, reason = "in a test that is the failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use gatewright_cluster::carry_out::{Needs, StepOutcome, carry_out};
use gatewright_cluster::client::Cluster;
use gatewright_cluster::connect::{Access, connect};
use gatewright_cluster::decide::{MANAGER, Rules, decide};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::{InventoryName, PART_OF};
use gatewright_cluster::observe::{Observed, Scope, observe};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_testkit::kube_api::{Reply, ScriptedApi};
use serde_json::{Value, json};

async fn cluster(api: &ScriptedApi) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    api.write_kubeconfig(&kubeconfig);
    connect(&Access { kubeconfig: vec![kubeconfig], ..Access::default() }).await.unwrap()
}

fn inventory() -> InventoryName {
    "higress-system/gatewright".parse().unwrap()
}

fn manifest(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}})
}

/// Returns a member of the inventory at a version.
fn member(name: &str, version: &str) -> Value {
    let mut value = manifest(name);
    value["metadata"]["labels"] = json!({PART_OF: inventory().id()});
    value["metadata"]["resourceVersion"] = version.into();
    value["metadata"]["uid"] = name.into();
    value["metadata"]["managedFields"] = json!([{"manager": MANAGER, "operation": "Apply", "fieldsV1": {}}]);
    value
}

fn wanted(names: &[&str]) -> BTreeMap<EntityKey, Desired> {
    let desired = names.iter().map(|name| Desired::new(manifest(name)).unwrap());
    desired.map(|desired| (desired.key.clone(), desired)).collect()
}

/// Carries out a round that makes `new` and deletes `old`. `answer` is asked for the answer to each request about those two,
/// counted from 0.
async fn round(
    answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> BTreeMap<String, StepOutcome> {
    let asked = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let parent = inventory().manifest(&Default::default(), None);
    let of_parent = parent.clone();
    let api = ScriptedApi::start(move |path| {
        let path = path.split('?').next().unwrap_or_default();
        let of = ["new", "old"].iter().position(|name| path.ends_with(&format!("/configmaps/{name}")));
        match of {
            Some(index) => answer(["new", "old"][index], asked[index].fetch_add(1, Ordering::SeqCst)),
            None => Reply::Json(200, of_parent.clone()),
        }
    });
    let cluster = cluster(&api).await;
    let live = gatewright_cluster::live::LiveObject::new(Kind::ConfigMap, member("old", "1")).unwrap();
    let observed = Observed {
        objects: BTreeMap::from([(live.key.clone(), live.into())]),
        parent: gatewright_cluster::live::LiveObject::new(Kind::ConfigMap, parent),
        only: None,
    };
    let round = decide(&wanted(&["new"]), &observed, &inventory(), Rules::default());
    assert_eq!(round.withheld, None);
    let outcomes = carry_out(&cluster, &round, &Needs::new(), false).await.unwrap();
    outcomes.into_iter().map(|(key, outcome)| (key.name.to_string(), outcome)).collect()
}

fn moved() -> Reply {
    Reply::refusal(409, "the object has been modified; please apply your changes to the latest version")
}

#[tokio::test]
async fn an_object_that_changes_at_the_same_time_is_tried_again_within_the_round() {
    let outcomes = round(|name, asked| match (name, asked) {
        ("new", 0 | 1) => moved(),
        ("new", _) => Reply::Json(201, manifest("new")),
        // The deletion meets another version, which is looked at.
        (_, 0) => moved(),
        (_, 1) => Reply::Json(200, member("old", "2")),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    assert_eq!(outcomes["new"], StepOutcome::Created);
    assert_eq!(outcomes["old"], StepOutcome::Deleted);
}

#[tokio::test]
async fn what_changes_again_and_again_is_told_and_what_is_no_member_any_more_stays() {
    let outcomes = round(|name, asked| match (name, asked) {
        ("new", _) => Reply::Json(201, manifest("new")),
        (_, 0) => moved(),
        (_, 1) => Reply::Json(200, manifest("old")),
        _ => Reply::refusal(500, "it is not asked to delete what is somebody else's"),
    })
    .await;
    assert_eq!(outcomes["old"], StepOutcome::Unchanged);
    let outcomes = round(|name, _| if name == "new" { moved() } else { Reply::Json(200, json!({})) }).await;
    assert!(outcomes["new"].is_failure(), "{outcomes:?}");
}

#[tokio::test]
async fn who_may_not_list_everywhere_lists_where_the_source_has_a_part() {
    let api = ScriptedApi::start(|path| match path.split('?').next().unwrap_or_default() {
        "/apis/networking.k8s.io/v1/namespaces/shop/ingresses" => Reply::list(
            "1",
            &[
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "shop"}}),
            ],
        ),
        path if path.contains("/configmaps/") => Reply::refusal(404, "not found"),
        path if path.contains("/namespaces/") => Reply::list("1", &[]),
        _ => Reply::refusal(403, "forbidden: cannot list at the cluster scope"),
    });
    let cluster = cluster(&api).await;
    let key = EntityKey::new(Kind::Ingress, "shop", "web");
    let inventory = inventory();
    let scope = Scope {
        wanted: BTreeSet::from([&key]),
        referenced: BTreeSet::new(),
        inventory: &inventory,
        namespaces: None,
    };
    let observed = observe(&cluster, &scope).await.unwrap();
    assert!(observed.objects.contains_key(&key));
    assert_eq!(
        observed.limits().as_deref(),
        Some(
            "not allowed to look at all namespaces: what stands outside of higress-system, shop is not known"
        )
    );
    // A class that the source wants must be seen.
    let class = EntityKey::new(Kind::IngressClass, "", "higress");
    let scope = Scope { wanted: BTreeSet::from([&key, &class]), ..scope };
    assert!(observe(&cluster, &scope).await.is_err());
}
