//! Several instances of `gatewright sync`, of which one is at work.

use std::time::Duration;

use gatewright_testkit::eventually;
use gatewright_testkit::process::ChildProcess;
use serde_json::{Value, json};

use super::scene::Scene;
use super::sync::Followed;

const SOON: Duration = Duration::from_secs(60);
/// The shortest time of a Lease.
const LEASE: &str = "  lease: 3\n";

/// Returns who holds the Lease of the scene; empty where nobody does.
fn holder(followed: &Followed) -> String {
    let lease = followed.scene.object("apis/coordination.k8s.io/v1", "leases", "gatewright");
    let holder = lease.map(|lease| lease["spec"]["holderIdentity"].clone()).unwrap_or_default();
    holder.as_str().unwrap_or_default().to_owned()
}

/// Starts an instance with a status file of its own.
fn start(followed: &Followed, status: &str) -> ChildProcess {
    ChildProcess::spawn("sync", followed.program().args(["sync", "--status-file", status]))
}

/// Waits until an instance says this of the cluster.
fn wait_for(followed: &Followed, status: &str, outcome: &str) {
    eventually(&format!("{status} says {outcome}"), SOON, || {
        let text = std::fs::read_to_string(followed.scene.folder.path().join(status)).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if value["targets"][0]["outcome"]["outcome"] == outcome { Ok(()) } else { Err(text) }
    });
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn one_instance_is_at_work_and_hands_over_at_its_end() {
    let followed = Followed::new("lease-order", LEASE);
    let mut first = start(&followed, "first.json");
    wait_for(&followed, "first.json", "unchanged");
    let held_by = holder(&followed);
    let second = start(&followed, "second.json");
    wait_for(&followed, "second.json", "standby");
    let told = format!("  cluster admin: left to {held_by}, which holds the Lease lease-order/gatewright\n");
    second.wait_for_log(&told, SOON);
    let once = followed.once();
    assert_eq!(once.code, 3, "{once:?}");
    assert!(once.stderr.contains(&told), "{once:?}");

    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.commit("two");
    followed.wait_for_timeout("web", "6");
    wait_for(&followed, "second.json", "standby");
    assert!(first.terminate(SOON).success());
    wait_for(&followed, "second.json", "unchanged");
    assert_ne!(holder(&followed), held_by);
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"7\""));
    followed.commit("three");
    followed.wait_for_timeout("web", "7");
    drop(second);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_instance_that_is_gone_without_a_word_is_replaced() {
    let followed = Followed::new("lease-killed", LEASE);
    let mut first = start(&followed, "first.json");
    wait_for(&followed, "first.json", "unchanged");
    let held_by = holder(&followed);
    first.kill();
    assert_eq!(holder(&followed), held_by);
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.commit("two");
    // One round finds out by itself that nobody is there any more.
    followed.round(0);
    assert_eq!(followed.timeout("web"), "6");
    assert_eq!(holder(&followed), "");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn who_loses_the_lease_stops() {
    let followed = Followed::new("lease-lost", LEASE);
    let process = start(&followed, "first.json");
    wait_for(&followed, "first.json", "unchanged");
    let path = "/apis/coordination.k8s.io/v1/namespaces/lease-lost/leases/gatewright";
    let taken = json!({"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600}}).to_string();
    let (status, answer) = followed.scene.cluster.call("PATCH", path, "application/merge-patch+json", &taken);
    assert_eq!(status, 200, "{answer}");
    process.wait_for_log(
        "  cluster admin: left to somebody, which holds the Lease lease-lost/gatewright\n",
        SOON,
    );
    let writes = followed.scene.writes();
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    let commit = followed.commit("two");
    eventually("a round has seen the commit", SOON, || {
        let text = followed.scene.folder.read("first.json");
        if text.contains(&commit) { Ok(()) } else { Err(text) }
    });
    assert_eq!(followed.scene.writes(), writes);
    let free = json!({"spec": {"holderIdentity": ""}}).to_string();
    assert_eq!(followed.scene.cluster.call("PATCH", path, "application/merge-patch+json", &free).0, 200);
    followed.wait_for_timeout("web", "6");
}

/// Writes that somebody holds the Lease of a scene for so long, and never renews it.
fn held_by(scene: &Scene, holder: &str, seconds: u64) {
    let namespace = scene.namespace;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    let body = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "gatewright", "namespace": namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    let (status, answer) = scene.cluster.call("POST", &path, "application/json", &body.to_string());
    assert_eq!(status, 201, "{answer}");
}

/// Returns what the Lease of a scene says.
fn lease(scene: &Scene) -> Option<Value> {
    scene.object("apis/coordination.k8s.io/v1", "leases", "gatewright").map(|lease| lease["spec"].clone())
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_apply_asks_for_the_lease_and_hands_it_back() {
    let scene = Scene::new("apply-lease");
    assert_eq!(lease(&scene), None);
    let dry = scene.run("apply", &["--server-dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(lease(&scene), None, "nobody is in the way of who writes nothing");
    scene.apply();
    let spec = lease(&scene).expect("the Lease was asked for");
    assert_eq!(spec["holderIdentity"], "", "{spec}");
    // A round that changes nothing leaves the Lease alone.
    scene.apply();
    assert_eq!(lease(&scene), Some(spec));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_apply_leaves_a_cluster_alone_that_another_one_looks_after() {
    let followed = Followed::new("apply-held", LEASE);
    let mut sync = start(&followed, "sync.json");
    wait_for(&followed, "sync.json", "unchanged");
    let holder = holder(&followed);
    let scene = &followed.scene;
    scene.write("ingress.yaml", &scene.ingress("web").replace("\"5\"", "\"9\""));
    let writes = scene.writes();
    let run = scene.run("apply", &["--yes"]);
    assert_eq!(run.code, 3, "{run:?}");
    let told = format!(
        "error: {holder} looks after the cluster and holds the Lease apply-held/gatewright; nothing is changed\n"
    );
    assert!(run.stderr.starts_with(&told), "{run:?}");
    assert_eq!(scene.writes(), writes);
    assert_eq!(followed.timeout("web"), "5");
    assert!(sync.terminate(SOON).success());
    scene.apply();
    assert_eq!(followed.timeout("web"), "9");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_apply_takes_over_from_a_holder_that_is_gone() {
    let scene = Scene::new("apply-expired");
    held_by(&scene, "somebody", 2);
    scene.apply();
    assert!(scene.live_ingress("web").is_some());
    let spec = lease(&scene).expect("the Lease is there");
    assert_eq!((&spec["holderIdentity"], &spec["leaseTransitions"]), (&"".into(), &1.into()), "{spec}");
}
