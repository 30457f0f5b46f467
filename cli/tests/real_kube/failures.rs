//! What a sync does when it is killed, when the repository or the API server fails, and when the source is not what it
//! should be.

use std::path::PathBuf;
use std::time::Duration;

use gatewright_testkit::cluster::{ADMIN, Cluster};
use gatewright_testkit::eventually;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::git_http::GitHttp;
use gatewright_testkit::kube_relay::Trouble;
use gatewright_testkit::process::ChildProcess;
use serde_json::Value;

use super::support::{Folder, SERVICE, program};
use super::sync::Followed;

const SOON: Duration = Duration::from_secs(60);

/// Returns the names of all Ingresses of the scene with their timeouts.
fn timeouts(followed: &Followed) -> Vec<(String, Value)> {
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{}/ingresses", followed.scene.namespace);
    let list = followed.scene.cluster.get(&path);
    let items = list["items"].as_array().expect("a list has items");
    let timeout = |item: &Value| {
        let metadata = &item["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        (name, metadata["annotations"]["higress.io/timeout"].clone())
    };
    items.iter().map(timeout).collect()
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn killed_at_any_step_the_next_start_ends_in_the_same_state() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let settings = "  lease: 3\n  policy: quarantine\n  stateFile: state.json\n";
    let followed = Followed::new("fail-killed", settings);
    let cluster = followed.scene.cluster;
    followed.configure(&cluster.loopback_kubeconfig_of(ADMIN), settings);
    // So that there is a moment between two steps.
    for method in ["PATCH", "DELETE"] {
        cluster.trouble(
            method,
            "/namespaces/fail-killed/",
            usize::MAX,
            Trouble::Wait(Duration::from_millis(150)),
        );
    }
    // A round writes the inventory, a Service, six Ingresses, deletes one, and writes the inventory again.
    for (round, writes) in [0, 1, 2, 3, 6, 8, 9, 10].into_iter().enumerate() {
        for name in NAMES {
            let changed = followed.scene.ingress(name).replace("\"5\"", &format!("\"{}\"", round + 10));
            followed.write(&format!("{name}.yaml"), &changed);
        }
        let port = format!("port: {}", 80 + round);
        followed.write("service.yaml", &followed.scene.service().replace("port: 80", &port));
        followed.write(&format!("new{round}.yaml"), &followed.scene.ingress(&format!("new{round}")));
        if let Some(before) = round.checked_sub(1) {
            followed.remove(&format!("new{before}.yaml"));
        }
        let commit = followed.commit(&format!("round {round}"));
        let before = followed.scene.writes();
        let mut process = followed.start();
        eventually(&format!("{writes} writes"), SOON, || {
            let done = followed.scene.writes() - before;
            let settled = || {
                let status = followed.status();
                status["revision"] == commit.as_str() && status["in_sync"] == true
            };
            if done >= writes || settled() { Ok(()) } else { Err(format!("{done}")) }
        });
        process.kill();
    }
    cluster.no_trouble("/namespaces/fail-killed/");
    followed.round(0);
    let wanted = ["a", "b", "c", "d"].map(|name| (name.to_owned(), "17".into()));
    let others = [("new7".to_owned(), "5".into()), ("web".to_owned(), "5".into())];
    assert_eq!(timeouts(&followed), wanted.into_iter().chain(others).collect::<Vec<_>>());
    let service = followed.scene.object("api/v1", "services", "web").unwrap();
    assert_eq!(service["spec"]["ports"].as_array().map(Vec::len), Some(1), "{service}");
    assert_eq!(service["spec"]["ports"][0]["port"], 87);
    let writes = followed.scene.writes();
    assert!(followed.round(0).contains("0 created, 0 updated, 0 deleted, 7 as wanted, 0 failed"));
    assert_eq!(followed.scene.writes(), writes);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn what_the_api_server_refuses_is_tried_again_and_told_when_it_stays() {
    let followed = Followed::new("fail-answers", "");
    let cluster = followed.scene.cluster;
    followed.configure(&cluster.loopback_kubeconfig_of(ADMIN), "");
    followed.round(0);
    const WEB: &str = "/namespaces/fail-answers/ingresses/web?";
    let change = |timeout: &str| {
        followed
            .write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", &format!("\"{timeout}\"")));
        followed.commit(timeout);
    };
    // What may pass is waited for.
    let slow = Trouble::Wait(Duration::from_secs(2));
    for (timeout, trouble) in [("10", Trouble::Answer(429)), ("11", Trouble::Answer(500)), ("12", slow)] {
        change(timeout);
        cluster.trouble("PATCH", WEB, 2, trouble);
        assert!(followed.round(0).contains("0 created, 1 updated"));
        assert_eq!(followed.timeout("web"), timeout);
        cluster.no_trouble(WEB);
    }
    // What stays is told, and the rest is applied.
    cluster.trouble("PATCH", WEB, usize::MAX, Trouble::Answer(500));
    change("13");
    followed.write("other.yaml", &followed.scene.ingress("other"));
    followed.commit("other");
    let told = followed.round(1);
    let why = "    GW0615 Ingress fail-answers/web: the test wants it so (status 500)\n";
    assert!(told.contains(why), "{told}");
    assert!(told.contains("1 created, 0 updated, 0 deleted, 1 as wanted, 1 failed"), "{told}");
    cluster.no_trouble(WEB);
    assert!(followed.round(0).contains("1 updated"));
    // Somebody was faster: the same round looks again, and tells it only when that goes on.
    change("14");
    cluster.trouble("PATCH", WEB, 1, Trouble::Answer(409));
    assert!(followed.round(0).contains("1 updated"));
    assert_eq!(followed.timeout("web"), "14");
    change("15");
    cluster.trouble("PATCH", WEB, usize::MAX, Trouble::Answer(409));
    let told = followed.round(1);
    let why = "    GW0615 Ingress fail-answers/web: it changed in the meantime: the test wants it so\n";
    assert!(told.contains(why), "{told}");
    cluster.no_trouble(WEB);
    assert!(followed.round(0).contains("1 updated"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn credentials_that_expire_are_told_and_new_ones_are_taken() {
    let followed = Followed::new("fail-token", "");
    let kubeconfig = followed.scene.folder.path().join("kubeconfig");
    let valid = std::fs::read_to_string(followed.scene.cluster.kubeconfig_of(ADMIN)).unwrap();
    let expired = valid.replace("token-of-admin", "expired");
    assert_ne!(valid, expired);
    std::fs::write(&kubeconfig, &valid).unwrap();
    followed.configure(&kubeconfig, "");
    let process = followed.start();
    followed.wait_for_outcome("unchanged");
    std::fs::write(&kubeconfig, &expired).unwrap();
    followed.wait_for_outcome("failed");
    let reason = followed.status()["targets"][0]["outcome"]["reason"].clone();
    assert!(
        reason.as_str().unwrap().starts_with("the API server does not accept the credentials"),
        "{reason}"
    );
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.commit("two");
    std::fs::write(&kubeconfig, &valid).unwrap();
    followed.wait_for_timeout("web", "6");
    assert!(!process.log().contains("expired") && !process.log().contains("token-of-admin"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_api_server_that_is_away_is_told_and_caught_up_with() {
    let mut cluster = Cluster::start();
    cluster.namespace("shop");
    let (folder, repository) = (Folder::new(), TempRepo::new());
    repository.write("service.yaml", SERVICE).commit("one");
    let settings = format!(
        "sync:\n  source: {{repository: {}, revision: main}}\n  targets:\n  - {{cluster: admin, kubeconfig: {}, inventory: shop/gatewright}}\n  interval: 1\n  lease: 3\n  statusFile: status.json\n",
        repository.path().display(),
        cluster.kubeconfig_of(ADMIN).display()
    );
    folder.write("gatewright.yaml", &settings);
    let mut process = ChildProcess::spawn("sync", program(folder.path()).arg("sync"));
    let wait_for = |text: &str| {
        eventually(&format!("a round says {text}"), Duration::from_secs(120), || {
            let status = std::fs::read_to_string(folder.path().join("status.json")).unwrap_or_default();
            if status.contains(text) { Ok(()) } else { Err(status) }
        });
    };
    wait_for("\"outcome\": \"unchanged\"");
    cluster.stop();
    wait_for(" cannot be reached: ");
    repository.write("service.yaml", &SERVICE.replace("port: 80", "port: 81")).commit("two");
    cluster.start_again();
    eventually("the commit is applied", Duration::from_secs(120), || {
        let service = cluster.get("/api/v1/namespaces/shop/services/web");
        let port = &service["spec"]["ports"][0]["port"];
        if *port == 81 { Ok(()) } else { Err(port.to_string()) }
    });
    assert!(process.terminate(SOON).success());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_history_that_was_rewritten_is_followed_to_its_new_end() {
    for (namespace, drift) in [("fail-forced", ""), ("fail-forced-report", ", drift: report")] {
        let followed = Followed::new(namespace, "");
        let settings = followed.scene.folder.read("gatewright.yaml");
        followed
            .scene
            .folder
            .write("gatewright.yaml", &settings.replace("/gatewright}", &format!("/gatewright{drift}}}")));
        followed.round(0);
        followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
        let git = |arguments: &[&str]| followed.repository.git(arguments);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--amend", "--message", "rewritten"]);
        git(&["reflog", "expire", "--expire=now", "--all"]);
        git(&["gc", "--quiet", "--prune=now"]);
        assert!(followed.round(0).contains("0 created, 1 updated, 0 deleted, 1 as wanted"));
        assert_eq!(followed.timeout("web"), "6");
    }
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_damaged_repository_changes_nothing() {
    let followed = Followed::new("fail-damaged", "");
    followed.round(0);
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.commit("two");
    let blob = followed.repository.git(&["rev-parse", "HEAD:apps/web.yaml"]);
    let object: PathBuf = followed.repository.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let sound = std::fs::read(&object).unwrap();
    // Git makes its objects read-only.
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "nothing that git wrote").unwrap();
    let writes = followed.scene.writes();
    let told = followed.round(3);
    assert!(told.contains(": cannot be read: "), "{told}");
    assert!(told.contains("  cluster admin: left as it was\n"), "{told}");
    assert_eq!(followed.scene.writes(), writes);
    std::fs::write(&object, sound).unwrap();
    assert!(followed.round(0).contains("1 updated"));
}

/// A repository with five objects of which each change looks suspicious.
fn five(namespace: &'static str) -> Followed {
    let followed = Followed::new(namespace, "");
    for name in ["a", "b", "c"] {
        followed.write(&format!("{name}.yaml"), &followed.scene.ingress(name));
    }
    followed.write("notes.txt", "nothing\n");
    followed.commit("five");
    followed.round(0);
    followed
}

/// Does a round that changes nothing, for this reason.
fn refused(followed: &Followed, code: i32, reason: &str) {
    let writes = followed.scene.writes();
    let told = followed.round(code);
    assert!(told.contains(reason), "{reason}\n{told}");
    assert_eq!(followed.scene.writes(), writes, "{told}");
}

/// Replaces a part of the settings.
fn set(followed: &Followed, before: &str, after: &str) {
    let settings = followed.scene.folder.read("gatewright.yaml");
    assert!(settings.contains(before), "{settings}");
    followed.scene.folder.write("gatewright.yaml", &settings.replace(before, after));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_source_that_is_not_what_it_was_deletes_nothing() {
    let followed = five("fail-matrix");
    let git = |arguments: &[&str]| followed.repository.git(arguments);
    // A branch with something else, and one that is not there.
    git(&["checkout", "--quiet", "-b", "other"]);
    for file in ["a", "b", "c", "web"] {
        followed.remove(&format!("{file}.yaml"));
    }
    followed.commit("other");
    set(&followed, "revision: main", "revision: other");
    refused(&followed, 1, "GW0611 4 of the inventory's 5 objects left the source: nothing is changed");
    set(&followed, "revision: other", "revision: nowhere");
    refused(&followed, 3, ": cannot be read: there is no revision `nowhere` in ");
    set(&followed, "revision: nowhere", "revision: other");
    // No object at all.
    followed.remove("service.yaml");
    followed.commit("empty");
    let empty =
        "GW0611 the source has no object, and the inventory fail-matrix/gatewright has 5: nothing is deleted";
    refused(&followed, 1, empty);
    // A path with something else, and one that is not there.
    git(&["checkout", "--quiet", "main"]);
    set(&followed, "revision: other", "revision: main");
    let other = followed.scene.ingress("other");
    followed.repository.write("others/other.yaml", &other);
    followed.commit("others");
    set(&followed, "path: apps", "path: others");
    refused(&followed, 1, "GW0611 5 of the inventory's 5 objects left the source: nothing is changed");
    set(&followed, "path: others", "path: elsewhere");
    refused(&followed, 3, ": cannot be read: ");
    set(&followed, "path: elsewhere", "path: apps");
    // Renamed inside of the path, nothing is gone; the path itself renamed, it is not there.
    git(&["mv", "apps/a.yaml", "apps/renamed.yaml"]);
    followed.commit("renamed file");
    assert!(followed.round(0).contains("0 created, 0 updated, 0 deleted, 5 as wanted"));
    git(&["mv", "apps", "applications"]);
    followed.commit("renamed folder");
    refused(&followed, 3, ": cannot be read: ");
    set(&followed, "path: apps", "path: applications");
    assert!(followed.round(0).contains("0 created, 0 updated, 0 deleted, 5 as wanted"));
    assert_eq!(timeouts(&followed).len(), 4);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_lost_inventory_and_other_owners_keep_what_they_have() {
    let followed = five("fail-owners");
    let theirs = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: fail-owners, annotations: {theirs: x}}}";
    followed.scene.apply_as("argocd", theirs);
    followed.remove("a.yaml");
    followed.commit("without a");
    let told = followed.round(0);
    assert!(
        told.contains("    GW0613 Ingress fail-owners/a is not deleted: argocd applied to it too\n"),
        "{told}"
    );
    followed.scene.cluster.admin(&["delete", "configmap", "gatewright", "-n", "fail-owners"], "");
    followed.remove("b.yaml");
    followed.commit("without b");
    let told = followed.round(0);
    assert!(
        told.contains("    GW0612 Ingress fail-owners/b is not deleted: the inventory was not there\n"),
        "{told}"
    );
    assert!(followed.scene.live_ingress("b").is_some());
    assert!(followed.round(0).contains("    Ingress fail-owners/b deleted\n"));
    assert!(followed.scene.live_ingress("a").is_some());
}

/// The next process has nothing but what the last one remembered.
#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn after_a_restart_without_the_source_the_last_good_revision_is_looked_after() {
    let followed = Followed::new("fail-restart", "");
    let mut server = GitHttp::serve(followed.repository.path());
    let settings = followed.scene.folder.read("gatewright.yaml");
    let local = followed.repository.path().display().to_string();
    followed
        .scene
        .folder
        .write("gatewright.yaml", &(settings.replace(&local, &server.url()) + "  stateFile: state.json\n"));
    followed.round(0);
    assert_eq!(followed.timeout("web"), "5");
    server.kill();
    let annotate = |timeout: &str| {
        let annotation = format!("higress.io/timeout={timeout}");
        let cluster = followed.scene.cluster;
        cluster.admin(&["annotate", "--overwrite", "ingress", "web", "-n", "fail-restart", &annotation], "");
    };
    annotate("9");
    let told = followed.round(3);
    assert!(told.contains(": cannot be read: "), "{told}");
    assert!(told.contains("Ingress fail-restart/web corrected, as it was changed in the cluster"), "{told}");
    assert_eq!(followed.timeout("web"), "5");
    let status = followed.status();
    assert_eq!(status["in_sync"], false, "{status}");
    assert!(status["unreadable"].is_string(), "{status}");

    // So does one that goes on, and it takes up the source when that is back.
    let mut process = followed.start();
    process.wait_for_log("cannot be read: ", SOON);
    annotate("8");
    followed.wait_for_timeout("web", "5");
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.commit("two");
    server.restart();
    followed.wait_for_timeout("web", "6");
    assert!(process.terminate(SOON).success());
}
