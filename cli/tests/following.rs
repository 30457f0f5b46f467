//! A gateway on a scripted API server: what it waits for before it is ready.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_testkit::http::Call;
use gatewright_testkit::kube_api::{Reply, ScriptedApi};
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{eventually, free_port};
use support::{Folder, program};

#[expect(dead_code, reason = "the other tests of the program use the rest")]
#[path = "commands/support.rs"]
mod support;

const SOON: Duration = Duration::from_secs(30);

/// Answers every list with no objects, and watches with silence, but lets lists of Secrets go to `secrets`.
fn api(secrets: impl Fn() -> Reply + Send + Sync + 'static) -> ScriptedApi {
    let silent = Arc::new(Mutex::new(Vec::new()));
    ScriptedApi::start(move |path| {
        if path.contains("watch=1") {
            let (open, events) = channel();
            silent.lock().expect("no script panics").push(open);
            return Reply::Events(events);
        }
        if path.contains("/secrets") { secrets() } else { Reply::list("1", &[]) }
    })
}

fn gateway(folder: &Folder, api: &ScriptedApi, admin: SocketAddr) -> ChildProcess {
    api.write_kubeconfig(&folder.path().join("config"));
    let mut command = program(folder.path());
    command.args(["gateway", "shop", "--cluster", "--kubeconfig", "config", "--workers", "1"]);
    for flag in ["--http", "--https"] {
        command.arg(flag).arg(format!("127.0.0.1:{}", free_port()));
    }
    ChildProcess::spawn("gateway", command.arg("--admin").arg(admin.to_string()))
}

#[test]
fn a_gateway_is_ready_when_everything_was_seen_and_not_before() {
    let folder = Folder::clean();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let api = api(move || {
        // It comes when the test lets it.
        released.lock().expect("no script panics").recv().ok();
        Reply::list("1", &[])
    });
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut process = gateway(&folder, &api, admin);
    // Watches of the others begin when their lists were taken in.
    eventually("Services and EndpointSlices are followed", SOON, || {
        let requests = api.requests();
        let watches = requests.iter().filter(|request| request.contains("watch=1")).count();
        let secrets = requests.iter().any(|request| request.contains("/secrets"));
        if watches >= 2 && secrets { Ok(()) } else { Err(format!("{requests:?}")) }
    });
    let ready = Call::get(admin, "localhost", "/ready").send();
    assert!(ready.as_ref().map_or(true, |answer| answer.status == 503), "{ready:?}");
    release.send(()).expect("the script waits");
    process.wait_for_http(admin, "/ready", SOON);
    assert!(process.terminate(SOON).success());
}

#[test]
fn a_gateway_that_may_not_see_everything_ends_and_says_what_is_missing() {
    let folder = Folder::clean();
    let api = api(|| {
        Reply::refusal(403, "secrets is forbidden: User \"gateway\" cannot list resource \"secrets\"")
    });
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut process = gateway(&folder, &api, admin);
    assert_eq!(process.wait(SOON).code(), Some(3), "{}", process.log());
    assert!(process.log().contains("error: not allowed: secrets is forbidden"), "{}", process.log());
}

#[test]
fn a_gateway_that_waits_for_the_cluster_can_be_stopped() {
    let folder = Folder::clean();
    let (_release, released) = channel::<()>();
    let released = Mutex::new(released);
    let api = api(move || {
        released.lock().expect("no script panics").recv().ok();
        Reply::list("1", &[])
    });
    let mut process = gateway(&folder, &api, SocketAddr::from(([127, 0, 0, 1], free_port())));
    eventually("Secrets are asked for", SOON, || {
        let requests = api.requests();
        if requests.iter().any(|request| request.contains("/secrets")) {
            Ok(())
        } else {
            Err(format!("{requests:?}"))
        }
    });
    assert_eq!(process.terminate(SOON).code(), Some(3), "{}", process.log());
}
