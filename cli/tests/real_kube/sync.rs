//! `gatewright sync` with a kube cluster as its target.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use gatewright_testkit::cluster::ADMIN;
use gatewright_testkit::eventually;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::process::ChildProcess;
use serde_json::Value;

use super::scene::Scene;
use super::support::{Run, program};

const SOON: Duration = Duration::from_secs(60);
/// An annotation that is an error, whatever stands beside it.
const BROKEN: &str = "annotations:\n    higress.io/destination: 'x% api.static'\n";

/// A repository that is kept in a namespace of the shared cluster.
pub(crate) struct Followed {
    pub(crate) scene: Scene,
    pub(crate) repository: TempRepo,
}

impl Followed {
    /// Makes the namespace and a repository with an Ingress and its Service; `settings` go into the part `sync`.
    pub(crate) fn new(namespace: &'static str, settings: &str) -> Self {
        let followed = Followed { scene: Scene::new(namespace), repository: TempRepo::new() };
        followed.write("service.yaml", &followed.scene.service());
        followed.write("web.yaml", &followed.scene.ingress("web"));
        followed.commit("one");
        followed.configure(&followed.scene.cluster.kubeconfig_of(ADMIN), settings);
        followed
    }

    /// Writes the settings, with a kubeconfig for the cluster.
    pub(crate) fn configure(&self, kubeconfig: &std::path::Path, settings: &str) {
        let text = format!(
            "sync:\n  source: {{repository: {}, revision: main, path: apps}}\n  targets:\n  - {{cluster: '', kubeconfig: {}, inventory: {}/gatewright}}\n  interval: 1\n  statusFile: status.json\n{settings}",
            self.repository.path().display(),
            kubeconfig.display(),
            self.scene.namespace,
        );
        self.scene.folder.write("gatewright.yaml", &text);
    }

    /// Writes a manifest of the source.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.repository.write(&format!("apps/{path}"), text);
    }

    /// Deletes a manifest of the source.
    pub(crate) fn remove(&self, path: &str) {
        self.repository.remove(&format!("apps/{path}"));
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.repository.commit(message)
    }

    /// Returns the program in the folder of the settings.
    pub(crate) fn program(&self) -> Command {
        program(self.scene.folder.path())
    }

    /// Does one round.
    pub(crate) fn once(&self) -> Run {
        self.scene.folder.run(&["sync", "--once"])
    }

    /// Does one round that must end with this exit code, and returns what was told.
    pub(crate) fn round(&self, code: i32) -> String {
        let run = self.once();
        assert_eq!(run.code, code, "{run:?}");
        run.stderr
    }

    /// Starts the loop.
    pub(crate) fn start(&self) -> ChildProcess {
        ChildProcess::spawn("sync", self.program().arg("sync"))
    }

    /// Returns the status file; null before the first round.
    pub(crate) fn status(&self) -> Value {
        let text = std::fs::read_to_string(self.status_file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn status_file(&self) -> PathBuf {
        self.scene.folder.path().join("status.json")
    }

    /// Returns the timeout of a live Ingress.
    pub(crate) fn timeout(&self, name: &str) -> Value {
        self.scene
            .live_ingress(name)
            .map(|ingress| ingress["metadata"]["annotations"]["higress.io/timeout"].clone())
            .unwrap_or_default()
    }

    /// Waits until a round says this of the cluster.
    pub(crate) fn wait_for_outcome(&self, outcome: &str) {
        eventually(&format!("a round says {outcome}"), SOON, || {
            let status = self.status();
            if status["targets"][0]["outcome"]["outcome"] == outcome {
                Ok(())
            } else {
                Err(status.to_string())
            }
        });
    }

    /// Waits until a live Ingress has a timeout.
    pub(crate) fn wait_for_timeout(&self, name: &str, timeout: &str) {
        eventually(&format!("{name} has the timeout {timeout}"), SOON, || match self.timeout(name) {
            Value::String(live) if live == timeout => Ok(()),
            other => Err(other.to_string()),
        });
    }
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_round_applies_what_differs_and_one_without_changes_writes_nothing() {
    let followed = Followed::new("sync-rounds", "");
    let told = followed.round(0);
    assert!(
        told.contains("  cluster admin: 2 created, 0 updated, 0 deleted, 0 as wanted, 0 failed\n"),
        "{told}"
    );
    let target = followed.status()["targets"][0].clone();
    assert_eq!(
        (&target["cluster"], &target["inventory"]),
        (&"admin".into(), &"sync-rounds/gatewright".into())
    );
    assert_eq!(
        (&target["outcome"]["outcome"], &target["objects"]["created"]),
        (&"applied".into(), &2.into())
    );
    let writes = followed.scene.writes();
    let told = followed.round(0);
    assert!(told.contains("0 created, 0 updated, 0 deleted, 2 as wanted, 0 failed"), "{told}");
    assert_eq!(followed.scene.writes(), writes, "a round without changes writes nothing");
    assert_eq!(followed.status()["in_sync"], true);
    assert_eq!(followed.status()["targets"][0]["outcome"]["outcome"], "unchanged");

    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.write("api.yaml", &followed.scene.ingress("api"));
    followed.commit("two");
    let told = followed.round(0);
    assert!(told.contains("1 created, 1 updated, 0 deleted, 1 as wanted"), "{told}");
    assert_eq!(followed.timeout("web"), "6");
    followed.remove("api.yaml");
    followed.commit("three");
    assert!(followed.round(0).contains("    Ingress sync-rounds/api deleted\n"));
    assert_eq!(followed.scene.live_ingress("api"), None);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn the_loop_follows_the_repository_and_goes_on_after_the_remote_was_gone() {
    let followed = Followed::new("sync-loop", "");
    let mut process = followed.start();
    followed.wait_for_timeout("web", "5");
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"7\""));
    followed.commit("two");
    followed.wait_for_timeout("web", "7");

    let away = followed.repository.path().with_extension("away");
    std::fs::rename(followed.repository.path(), &away).unwrap();
    process.wait_for_log("cannot be read: ", SOON);
    assert_eq!(followed.timeout("web"), "7", "what was applied stays");
    eventually("the status says so", SOON, || {
        let status = followed.status();
        let kept = status["targets"][0]["outcome"]["outcome"] == "kept" && status["in_sync"] == false;
        if kept && status["unreadable"].is_string() { Ok(()) } else { Err(status.to_string()) }
    });
    std::fs::rename(&away, followed.repository.path()).unwrap();
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"8\""));
    followed.commit("three");
    followed.wait_for_timeout("web", "8");
    followed.wait_for_outcome("unchanged");
    let writes = followed.scene.writes();
    let rounds = || std::fs::metadata(followed.status_file()).and_then(|file| file.modified()).ok();
    let before = rounds();
    eventually("another round", SOON, || if rounds() == before { Err("none".to_owned()) } else { Ok(()) });
    assert_eq!(followed.scene.writes(), writes, "a round without changes writes nothing");
    assert!(process.terminate(SOON).success());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_revision_with_errors_changes_nothing_under_stop() {
    let followed = Followed::new("sync-stop", "");
    followed.round(0);
    followed.write("web.yaml", &followed.scene.ingress("web").replace("annotations:\n", BROKEN));
    followed.write("new.yaml", &followed.scene.ingress("new"));
    followed.commit("two");
    let writes = followed.scene.writes();
    let told = followed.round(1);
    assert!(told.contains("so the last good state keeps serving\n"), "{told}");
    assert!(told.contains("  cluster admin: left as it was\n"), "{told}");
    assert_eq!(followed.scene.writes(), writes);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn broken_objects_keep_their_version_and_nothing_is_deleted_under_quarantine() {
    let followed = Followed::new("sync-held", "  policy: quarantine\n  stateFile: state.json\n");
    followed.write("file.yaml", &followed.scene.ingress("file"));
    let both = [followed.scene.ingress("api"), followed.scene.ingress("gone")].join("---\n");
    followed.write("api.yaml", &both);
    followed.commit("one and more");
    followed.round(0);
    // One is broken, one cannot be read but for its kind, one is really gone, one is new and broken, and one is sound.
    let broken =
        |name: &str| followed.scene.ingress(name).replace("annotations:\n", BROKEN).replace("\"5\"", "\"6\"");
    followed.write("web.yaml", &broken("web"));
    followed.write("file.yaml", "{: [\n");
    followed.write("new.yaml", &broken("new"));
    followed.write("api.yaml", &followed.scene.ingress("api").replace("\"5\"", "\"6\""));
    followed.commit("two");
    let told = followed.round(1);
    assert!(told.contains("0 created, 1 updated, 0 deleted, 3 as wanted, 0 failed"), "{told}");
    let waits = "    GW0614 Ingress sync-held/gone is not deleted: errors stand in the source\n";
    assert!(told.contains(waits), "{told}");
    assert_eq!((followed.timeout("web"), followed.timeout("api")), ("5".into(), "6".into()));
    assert_eq!((followed.timeout("file"), followed.timeout("gone")), ("5".into(), "5".into()));
    assert_eq!(followed.scene.live_ingress("new"), None, "it never had a good version");

    // A held object that somebody deletes comes back as it was.
    followed.scene.cluster.admin(&["delete", "ingress", "web", "-n", "sync-held"], "");
    assert!(followed.round(1).contains("    Ingress sync-held/web created\n"));
    assert_eq!(followed.timeout("web"), "5");

    for name in ["web", "new", "file"] {
        followed.write(&format!("{name}.yaml"), &followed.scene.ingress(name));
    }
    followed.commit("three");
    let told = followed.round(0);
    assert!(told.contains("1 created, 0 updated, 1 deleted"), "{told}");
    assert_eq!(followed.scene.live_ingress("gone"), None);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn what_fails_at_one_target_stops_no_other_one() {
    let followed = Followed::new("sync-targets", "");
    let settings = followed.scene.folder.read("gatewright.yaml");
    let missing = "  targets:\n  - {control: nobody.sock}\n  - {cluster: other, kubeconfig: missing}\n  - {cluster: unknown, kubeconfig: admin.kubeconfig}\n";
    let admin = std::fs::read_to_string(followed.scene.cluster.kubeconfig_of(ADMIN)).unwrap();
    followed.scene.folder.write("admin.kubeconfig", &admin);
    followed.scene.folder.write("gatewright.yaml", &settings.replace("  targets:\n", missing));
    let told = followed.round(3);
    assert!(told.contains("  cluster admin: 2 created"), "{told}");
    let folder = followed.scene.folder.path().display();
    assert!(
        told.contains(&format!("  cluster other: there is no kubeconfig `{folder}/missing`\n")),
        "{told}"
    );
    assert!(told.contains("  cluster unknown: the kubeconfig has no context `unknown`\n"), "{told}");
    assert!(told.contains(&format!("  {folder}/nobody.sock: ")), "{told}");
    // An object that fails is told, and the others are applied.
    followed.scene.folder.write("gatewright.yaml", &settings);
    let nowhere = followed.scene.ingress("nowhere").replace("namespace: sync-targets", "namespace: no-such");
    followed.write("nowhere.yaml", &nowhere);
    followed.write("more.yaml", &followed.scene.ingress("more"));
    followed.commit("two");
    let told = followed.round(1);
    assert!(told.contains("1 created, 0 updated, 0 deleted, 2 as wanted, 1 failed"), "{told}");
    let why = "    GW0615 Ingress no-such/nowhere: namespaces \"no-such\" not found (status 404)\n";
    assert!(told.contains(why), "{told}");
    assert_eq!(followed.status()["targets"][0]["outcome"]["outcome"], "incomplete");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_suspicious_source_is_refused_and_a_larger_budget_is_a_setting() {
    let followed = Followed::new("sync-budget", "");
    for name in ["a", "b", "c"] {
        followed.write(&format!("{name}.yaml"), &followed.scene.ingress(name));
    }
    followed.commit("more");
    followed.round(0);
    for name in ["a", "b", "c"] {
        followed.remove(&format!("{name}.yaml"));
    }
    followed.commit("less");
    let writes = followed.scene.writes();
    let told = followed.round(1);
    let refused =
        "  cluster admin: GW0611 3 of the inventory's 5 objects left the source: nothing is changed\n";
    assert!(told.contains(refused), "{told}");
    assert_eq!(followed.status()["targets"][0]["outcome"]["outcome"], "refused");
    assert_eq!(followed.scene.writes(), writes);
    let settings = followed.scene.folder.read("gatewright.yaml");
    let settings = settings.replace("/gatewright}\n", "/gatewright, pruneBudget: 3}\n");
    followed.scene.folder.write("gatewright.yaml", &settings);
    assert!(followed.round(0).contains("0 created, 0 updated, 3 deleted, 2 as wanted"));
}

/// Lets somebody change the timeout of an Ingress.
fn edit(followed: &Followed, timeout: &str) {
    let annotation = format!("higress.io/timeout={timeout}");
    let namespace = followed.scene.namespace;
    followed
        .scene
        .cluster
        .admin(&["annotate", "--overwrite", "ingress", "web", "-n", namespace, &annotation], "");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn drift_is_corrected_but_what_was_never_applied_is_left_to_its_owner() {
    let followed = Followed::new("sync-correct", "");
    followed.round(0);
    edit(&followed, "9");
    assert_eq!(followed.timeout("web"), "9");
    let told = followed.round(0);
    let corrected = "    Ingress sync-correct/web corrected, as it was changed in the cluster: \
        /metadata/annotations/higress.io~1timeout (`kubectl-annotate`)\n";
    assert!(told.contains(corrected), "{told}");
    assert_eq!(followed.timeout("web"), "5");
    // What the manifest does not name is not drift.
    let theirs = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: sync-correct, annotations: {theirs: x}}}";
    followed.scene.apply_as("annotator", theirs);
    let writes = followed.scene.writes();
    assert!(followed.round(0).contains("2 as wanted"));
    assert_eq!(followed.scene.writes(), writes);

    followed.scene.apply_as("helm", &followed.scene.ingress("other").replace("\"5\"", "\"9\""));
    followed.write("other.yaml", &followed.scene.ingress("other"));
    followed.commit("two");
    let told = followed.round(1);
    assert!(told.contains("    GW0610 Ingress sync-correct/other is left alone: `helm` owns "), "{told}");
    assert_eq!(followed.timeout("other"), "9");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn drift_is_reported_until_the_source_wants_something_else() {
    let followed = Followed::new("sync-report", "");
    let settings = followed.scene.folder.read("gatewright.yaml");
    let settings = settings.replace("/gatewright}\n", "/gatewright, drift: report}\n");
    followed.scene.folder.write("gatewright.yaml", &settings);
    let first = followed.repository.git(&["rev-parse", "HEAD"]);
    followed.round(0);
    let inventory = || followed.scene.object("api/v1", "configmaps", "gatewright").unwrap();
    let state = inventory()["metadata"]["annotations"]["gatewright.io/state"].clone();
    assert!(state.as_str().unwrap().ends_with(&format!("@{first}:apps")), "{state}");

    edit(&followed, "9");
    followed.scene.cluster.admin(&["delete", "service", "web", "-n", "sync-report"], "");
    let writes = followed.scene.writes();
    let reported = |told: &str| {
        let changed = "    GW0616 Ingress sync-report/web was changed in the cluster and is left so: \
            /metadata/annotations/higress.io~1timeout (`kubectl-annotate`)\n";
        let deleted =
            "    GW0616 Service sync-report/web was deleted in the cluster, and it is left at that\n";
        assert!(told.contains(changed) && told.contains(deleted), "{told}");
    };
    reported(&followed.round(1));
    assert_eq!(followed.scene.writes(), writes);
    assert_eq!(followed.status()["targets"][0]["outcome"]["outcome"], "drifted");
    assert_eq!(followed.status()["targets"][0]["objects"]["drifted"], 2);

    // Another revision that says nothing of them does not touch them.
    followed.write("api.yaml", &followed.scene.ingress("api"));
    followed.commit("two");
    reported(&followed.round(1));
    assert_eq!(followed.timeout("api"), "5");
    assert_eq!(followed.timeout("web"), "9");

    // The field belongs to somebody else; the Service to nobody.
    followed.write("web.yaml", &followed.scene.ingress("web").replace("\"5\"", "\"6\""));
    followed.write("service.yaml", &followed.scene.service().replace("port: 80", "port: 80\n    name: http"));
    followed.commit("three");
    let told = followed.round(1);
    assert!(told.contains("    Service sync-report/web created\n"), "{told}");
    assert!(told.contains("    GW0610 Ingress sync-report/web is left alone: "), "{told}");
    edit(&followed, "6");
    assert!(followed.round(0).contains("3 as wanted"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn drift_goes_on_being_corrected_while_the_remote_is_gone() {
    let followed = Followed::new("sync-kept", "");
    let mut process = followed.start();
    followed.wait_for_timeout("web", "5");
    let away = followed.repository.path().with_extension("away");
    std::fs::rename(followed.repository.path(), &away).unwrap();
    process.wait_for_log("cannot be read: ", SOON);
    edit(&followed, "9");
    followed.wait_for_timeout("web", "5");
    std::fs::rename(&away, followed.repository.path()).unwrap();
    assert!(process.terminate(SOON).success());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn changes_and_trouble_are_events_beside_the_inventory_and_nothing_is_told_twice() {
    let followed = Followed::new("sync-events", "");
    let process = followed.start();
    let events = || {
        let list = followed.scene.cluster.get("/apis/events.k8s.io/v1/namespaces/sync-events/events");
        let mut events = list["items"].as_array().unwrap().clone();
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
        events
    };
    let wait_for = |reasons: &[&str]| {
        eventually(&format!("{reasons:?}"), SOON, || {
            let told: Vec<Value> = events().iter().map(|event| event["reason"].clone()).collect();
            if told == reasons { Ok(()) } else { Err(format!("{told:?}\n{}", process.log())) }
        });
    };
    wait_for(&["Applied"]);
    followed.write("web.yaml", "{: [\n");
    followed.commit("two");
    wait_for(&["Applied", "SourceBroken"]);
    followed.write("web.yaml", &followed.scene.ingress("web"));
    followed.commit("three");
    wait_for(&["Applied", "SourceBroken", "InSync"]);
    drop(process);
    let events = events();
    let first = &events[0];
    let note = first["note"].as_str().unwrap();
    assert!(
        note.starts_with("2 created, 0 updated") && note.contains("Ingress sync-events/web created"),
        "{note}"
    );
    assert_eq!((&first["type"], &first["action"]), (&"Normal".into(), &"Sync".into()));
    let parent = followed.scene.object("api/v1", "configmaps", "gatewright").unwrap();
    assert_eq!(first["regarding"]["uid"], parent["metadata"]["uid"]);
    assert_eq!(events[1]["type"], "Warning");
    assert!(events[1]["note"].as_str().unwrap().starts_with("an error stands in the source: GW0001 "));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn drift_is_noticed_between_rounds() {
    let followed = Followed::new("sync-watch", "");
    let settings = followed.scene.folder.read("gatewright.yaml");
    followed.scene.folder.write("gatewright.yaml", &settings.replace("interval: 1\n", "interval: 3600\n"));
    let process = followed.start();
    // The first round's own changes are seen too.
    followed.wait_for_outcome("unchanged");
    edit(&followed, "9");
    followed.wait_for_timeout("web", "5");
    followed.scene.cluster.admin(&["delete", "service", "web", "-n", "sync-watch"], "");
    eventually("the Service is there again", SOON, || {
        followed.scene.object("api/v1", "services", "web").map(drop).ok_or_else(|| process.log())
    });
    followed.wait_for_outcome("unchanged");
}
