//! What is answered, how connections are bounded, and how the server ends.

use std::net::SocketAddr;

use std::sync::Arc;

use gatewright_testkit::http::{Answer, Call};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::connections::Limits;
use super::*;
use crate::sync::round::Round;
use crate::sync::view::{Moment, View};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

const PATIENCE: Duration = Duration::from_secs(10);

/// An application that does rounds when it is told to.
struct Puppet {
    views: watch::Sender<Arc<View>>,
    wake: Arc<Notify>,
}

impl Puppet {
    fn new(name: &str) -> (Self, Watched) {
        let view = View::of(name.parse().unwrap(), format!("git+{name}@main"));
        let (views, seen) = watch::channel(Arc::new(view));
        let wake = Arc::new(Notify::new());
        (Puppet { views, wake: wake.clone() }, Watched::new(seen, wake))
    }

    fn round(&self) {
        let before = self.views.borrow().clone();
        let round = Round::of(before.source.clone());
        let at = Moment { text: "1970-01-01T00:00:07Z".to_owned(), seconds: 7 };
        self.views.send_replace(Arc::new(before.after(round, Duration::ZERO, at)));
    }
}

async fn server(apps: Vec<Watched>) -> SyncServer {
    SyncServer::start(ANYWHERE, apps, WebhookSecret::new(b"secret")).await.unwrap()
}

async fn send(call: Call) -> Answer {
    tokio::task::spawn_blocking(move || call.send().unwrap()).await.unwrap()
}

async fn call(address: SocketAddr, method: &str, path: &str) -> Answer {
    send(Call::new(method, address, "localhost", path)).await
}

#[tokio::test]
async fn each_page_takes_its_methods_and_says_which() {
    let (puppet, watched) = Puppet::new("default");
    let server = server(vec![watched]).await;
    let at = server.address();
    for page in ["/status", "/ready"] {
        let answer = call(at, "GET", page).await;
        assert_eq!((answer.status, answer.text().as_str()), (503, "no round has ended yet\n"), "{page}");
    }
    puppet.round();
    for (page, kind) in
        [("/status", "application/json"), ("/ready", "text/plain"), ("/metrics", "text/plain; version=0.0.4")]
    {
        let get = call(at, "GET", page).await;
        assert_eq!((get.status, get.header("content-type").as_deref()), (200, Some(kind)), "{page}");
        let head = call(at, "HEAD", page).await;
        assert_eq!((head.status, head.text()), (200, String::new()), "{page}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string()), "{page}");
        for method in ["POST", "DELETE", "OPTIONS"] {
            let other = call(at, method, page).await;
            assert_eq!((other.status, other.text().as_str()), (405, "no such method\n"), "{method} {page}");
            assert_eq!(other.header("allow").as_deref(), Some("GET,HEAD"), "{method} {page}");
        }
    }
    let webhook = call(at, "GET", "/webhook").await;
    assert_eq!((webhook.status, webhook.header("allow").as_deref()), (405, Some("POST")));
    for path in ["/", "/other", "/status/", "/status/x", "/%2e%2e/status"] {
        let answer = call(at, "GET", path).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, "no such page\n"), "{path}");
    }
    for name in ["other", "%ff", "default%20"] {
        let answer = call(at, "GET", &format!("/api/v1/apps/{name}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, "no such application\n"), "{name}");
    }
}

#[tokio::test]
async fn several_applications_are_told_side_by_side_and_are_ready_together() {
    let (shop, first) = Puppet::new("shop");
    let (docs, second) = Puppet::new("docs");
    let server = server(vec![first, second]).await;
    let at = server.address();
    shop.round();
    assert_eq!(call(at, "GET", "/ready").await.status, 503);
    let one = call(at, "GET", "/api/v1/apps/docs").await.json();
    assert_eq!((&one["name"], &one["last"]), (&"docs".into(), &serde_json::Value::Null));
    docs.round();
    assert_eq!(call(at, "GET", "/ready").await.status, 200);
    let all = call(at, "GET", "/api/v1/apps").await;
    assert_eq!(call(at, "GET", "/status").await.json(), all.json());
    let all = all.json();
    let names: Vec<_> = all["apps"].as_array().unwrap().iter().map(|app| &app["name"]).collect();
    assert_eq!(names, ["shop", "docs"]);
    let text = send(Call::get(at, "localhost", "/status").header("accept", "text/plain")).await;
    assert_eq!(text.text(), "shop: git+shop@main: sound\ndocs: git+docs@main: sound\n");
    assert_eq!(text.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(text.header("vary").as_deref(), Some("accept"));
    let signature = "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355";
    let hook = Call::new("POST", at, "localhost", "/webhook").body("body");
    assert_eq!(send(hook.header("x-hub-signature-256", signature)).await.status, 202);
    for puppet in [shop, docs] {
        tokio::time::timeout(PATIENCE, puppet.wake.notified()).await.expect("every application is woken");
    }
}

#[tokio::test]
async fn an_end_answers_what_is_under_way_and_accepts_nobody_else() {
    let server = server(Vec::new()).await;
    let at = server.address();
    let mut waiting = TcpStream::connect(at).await.unwrap();
    let head = "POST /webhook HTTP/1.1\r\nhost: localhost\r\nx-hub-signature-256: sha256=00\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    waiting.write_all(head.as_bytes()).await.unwrap();
    // The server reads the body once it says so.
    let mut told = [0; 25];
    waiting.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    let idle = TcpStream::connect(at).await.unwrap();
    let end = tokio::spawn(server.end());
    while TcpStream::connect(at).await.is_ok() {
        tokio::task::yield_now().await;
    }
    waiting.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("the signature is wrong\n"), "{answer}");
    end.await.unwrap();
    drop(idle);
}

/// Starts to answer with other limits, and returns where; dropping the sender ends it.
async fn limited(limits: Limits) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(connections::serve(listener, pages(Shared::new(Vec::new(), None)), stopped, limits));
    (address, stop)
}

#[tokio::test]
async fn who_is_slow_is_let_go() {
    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(3600);
    for (headers, lifetime) in [(SHORT, LONG), (LONG, SHORT)] {
        let (at, _stop) = limited(Limits { connections: 1, headers, lifetime }).await;
        let mut silent = TcpStream::connect(at).await.unwrap();
        silent.write_all(b"GET /ready HTTP/1.1\r\n").await.unwrap();
        // What the system says of a closed connection depends on what was under way.
        silent.read_to_end(&mut Vec::new()).await.ok();
    }
}

#[tokio::test]
async fn more_clients_than_may_be_wait() {
    const LONG: Duration = Duration::from_secs(3600);
    let (at, _stop) = limited(Limits { connections: 1, headers: LONG, lifetime: LONG }).await;
    let first = TcpStream::connect(at).await.unwrap();
    let mut second = TcpStream::connect(at).await.unwrap();
    second.write_all(b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_to_string(&mut answer)).await;
    assert!(early.is_err(), "{answer}");
    drop(first);
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
