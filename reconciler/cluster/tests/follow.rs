//! What a follower tells when an API server ends watches, forgets versions, refuses and fails.
#![expect(clippy::unwrap_used, reason = "in a test that is the failure")]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use gatewright_cluster::client::ClusterError;
use gatewright_cluster::connect::{Access, connect};
use gatewright_cluster::watch::{Followed, News, follow};
use gatewright_kinds::Kind;
use gatewright_testkit::kube_api::{Reply, ScriptedApi, status};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A script that answers one request after the other, and what was told of it.
struct Scene {
    replies: Sender<Reply>,
    news: tokio::sync::mpsc::Receiver<News>,
    api: ScriptedApi,
}

impl Scene {
    async fn new() -> Self {
        let (replies, script) = channel();
        let script: Mutex<Receiver<Reply>> = Mutex::new(script);
        let api = ScriptedApi::start(move |_| {
            let next = script.lock().unwrap().recv();
            next.unwrap_or_else(|_| Reply::refusal(500, "the script has ended"))
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("config");
        api.write_kubeconfig(&kubeconfig);
        let cluster = connect(&Access { kubeconfig: vec![kubeconfig], ..Access::default() }).await.unwrap();
        let news = follow(&cluster, &[Followed::all(Kind::Service)]);
        Scene { replies, news, api }
    }

    fn reply(&self, reply: Reply) {
        self.replies.send(reply).unwrap();
    }

    /// Answers a watch with these events. It goes on until the sender is dropped.
    fn watch(&self, events: &[Value]) -> Sender<Value> {
        let (sender, receiver) = channel();
        events.iter().for_each(|event| sender.send(event.clone()).unwrap());
        self.reply(Reply::Events(receiver));
        sender
    }

    /// Waits for news, as one word each.
    async fn told(&mut self) -> String {
        match tokio::time::timeout(SOON, self.news.recv()).await.unwrap().unwrap() {
            News::All(_, objects) => {
                let names: Vec<&str> = objects.keys().map(|key| &*key.name).collect();
                format!("all {}", names.join(" "))
            }
            News::Is(object) => format!("is {}", object.key.name),
            News::Gone(key) => format!("gone {}", key.name),
            News::Failed(_, ClusterError::Unauthorized(_)) => "unauthorized".to_owned(),
            News::Failed(_, error) => format!("failed: {error}"),
        }
    }

    /// Returns the requests so far, their queries shortened to what matters.
    fn requests(&self) -> Vec<String> {
        let short = |request: &String| match request.split_once("resourceVersion=") {
            Some((_, version)) => format!("watch from {version}"),
            None => "list".to_owned(),
        };
        self.api.requests().iter().map(short).collect()
    }
}

fn service(name: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop", "resourceVersion": version}})
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let mut scene = Scene::new().await;
    scene.reply(Reply::list("3", &[service("a", "2")]));
    assert_eq!(scene.told().await, "all a");
    drop(scene.watch(&[event("MODIFIED", &service("a", "4")), event("ADDED", &service("b", "5"))]));
    assert_eq!([scene.told().await, scene.told().await], ["is a", "is b"]);
    let bookmark = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"resourceVersion": "9"}});
    drop(scene.watch(&[event("DELETED", &service("b", "6")), event("BOOKMARK", &bookmark)]));
    assert_eq!(scene.told().await, "gone b");
    let _open = scene.watch(&[event("MODIFIED", &service("a", "10"))]);
    assert_eq!(scene.told().await, "is a");
    assert_eq!(scene.requests(), ["list", "watch from 3", "watch from 5", "watch from 9"]);
}

#[tokio::test]
async fn changes_that_are_gone_are_made_up_for_by_a_list() {
    let mut scene = Scene::new().await;
    scene.reply(Reply::list("3", &[service("a", "2"), service("b", "2")]));
    assert_eq!(scene.told().await, "all a b");
    // In the middle of a watch, and as the answer to one.
    let gone = event("ERROR", &status(410, "too old resource version: 3 (8)"));
    let _open = scene.watch(&[event("MODIFIED", &service("a", "4")), gone]);
    assert_eq!(scene.told().await, "is a");
    scene.reply(Reply::list("8", &[service("b", "2"), service("c", "7")]));
    assert_eq!(scene.told().await, "all b c");
    scene.reply(Reply::refusal(410, "too old resource version: 8 (20)"));
    scene.reply(Reply::list("20", &[]));
    assert_eq!(scene.told().await, "all ");
    assert_eq!(scene.requests(), ["list", "watch from 3", "list", "watch from 8", "list"]);
}

#[tokio::test]
async fn a_failure_is_told_and_followed_by_a_list() {
    let mut scene = Scene::new().await;
    scene.reply(Reply::list("3", &[service("a", "2")]));
    assert_eq!(scene.told().await, "all a");
    scene.reply(Reply::refusal(401, "Unauthorized"));
    assert_eq!(scene.told().await, "unauthorized");
    scene.reply(Reply::refusal(403, "services is forbidden"));
    assert_eq!(scene.told().await, "failed: not allowed: services is forbidden");
    // An overloaded server is asked again before anything is told.
    scene.reply(Reply::refusal(429, "too many requests"));
    scene.reply(Reply::refusal(500, "etcdserver: leader changed"));
    scene.reply(Reply::list("5", &[service("a", "2")]));
    assert_eq!(scene.told().await, "all a");
    let _open = scene.watch(&[event("ADDED", &service("b", "6"))]);
    assert_eq!(scene.told().await, "is b");
}

#[tokio::test]
async fn a_kind_that_the_server_does_not_have_has_no_objects() {
    let mut scene = Scene::new().await;
    scene.reply(Reply::refusal(404, "the server could not find the requested resource"));
    assert_eq!(scene.told().await, "all ");
}
