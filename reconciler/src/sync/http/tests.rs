//! What is answered, how connections are bounded, and how the server ends.

use std::net::SocketAddr;

use gatewright_testkit::http::{Answer, Call};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connections::Limits;
use super::*;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn server(secret: &str) -> SyncServer {
    SyncServer::start(ANYWHERE, WebhookSecret::new(secret.as_bytes())).await.unwrap()
}

async fn call(address: SocketAddr, method: &str, path: &str) -> Answer {
    let call = Call::new(method, address, "localhost", path);
    tokio::task::spawn_blocking(move || call.send().unwrap()).await.unwrap()
}

#[tokio::test]
async fn each_page_takes_its_methods_and_says_which() {
    let server = server("").await;
    let at = server.address();
    for page in ["/status", "/ready"] {
        let answer = call(at, "GET", page).await;
        assert_eq!((answer.status, answer.text().as_str()), (503, "no round has ended yet\n"), "{page}");
    }
    server.publish(&Round::of("git+x@main".to_owned()), Duration::ZERO, 7);
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
}

#[tokio::test]
async fn an_end_answers_what_is_under_way_and_accepts_nobody_else() {
    let server = server("secret").await;
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
    tokio::spawn(connections::serve(listener, pages(Shared::new(None)), stopped, limits));
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
