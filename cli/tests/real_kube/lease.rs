//! Several instances of `gatewright sync`, of which one is at work.

use std::time::Duration;

use gatewright_testkit::eventually;
use gatewright_testkit::process::ChildProcess;
use serde_json::{Value, json};

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
