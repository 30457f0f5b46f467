//! Protocols beyond plain requests: HTTP/2 on both sides, trailers, streams, WebSocket, and clients that misbehave.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gatewright_gateway::stream::{Event, Host, Side, Step};
use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Call, Protocol};
use gatewright_xds::Resource;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use support::filters::{Behaviours, Gate, Memory, Notes, TestKind, filter};
use support::resources::*;
use support::{Rig, SOON, raw};
use tokio::sync::mpsc;

const HOST: &str = "a.example.com";

fn rig(upstream: Vec<Resource>) -> Rig {
    Rig::start(world(vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))])], vec![upstream]))
}

/// A body made of what is sent into its channel.
struct ChannelBody(mpsc::Receiver<Frame<Bytes>>);

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// Serves with `answer` on a free port, HTTP/1.1 and HTTP/2, until the process ends.
fn server<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<ChannelBody>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = answer.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let response = answer(request);
                        async move { Ok::<_, Infallible>(response.await) }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address
}

fn trailers(name: &'static str, value: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static(value));
    Frame::trailers(trailers)
}

/// Answers as a gRPC server does: data, then the status in trailers; the request's trailer comes back in a header of it.
async fn grpc(request: Request<Incoming>) -> Response<ChannelBody> {
    let te = request.headers().get("te").cloned();
    let collected = request.into_body().collect().await.unwrap();
    let echoed = collected.trailers().and_then(|trailers| trailers.get("x-client")).cloned();
    let (sender, receiver) = mpsc::channel(4);
    sender.send(Frame::data(collected.to_bytes())).await.unwrap();
    sender.send(trailers("grpc-status", "0")).await.unwrap();
    let mut response = Response::new(ChannelBody(receiver));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    for (name, value) in [("x-te", te), ("x-client", echoed)] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[test]
fn http2_works_on_both_sides_in_every_combination() {
    let backend = EchoBackend::start("a");
    for upstream in [upstream("a", &[backend.address()]), upstream_http2("a", &[backend.address()])] {
        let rig = rig(upstream);
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let call = Call::new("POST", rig.http(), HOST, "/x?y=1").protocol(protocol).body("hello");
            let answer = call.send().unwrap();
            assert_eq!(answer.status, 200, "{protocol:?} {}", answer.text());
            let seen = backend.take_requests().pop().unwrap();
            assert_eq!(
                (seen.host.as_str(), seen.path.as_str(), &seen.body[..]),
                (HOST, "/x?y=1", &b"hello"[..])
            );
        }
    }
}

#[test]
fn grpc_passes_with_trailers_both_ways() {
    let rig = rig(upstream_http2("a", &[server(grpc)]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(rig.http()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (body, receiver) = mpsc::channel(4);
        let request = Request::post(format!("http://{HOST}/pkg.Service/Method"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(ChannelBody(receiver))
            .unwrap();
        body.send(Frame::data(Bytes::from_static(b"message"))).await.unwrap();
        body.send(trailers("x-client", "yes")).await.unwrap();
        drop(body);
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-te"], "trailers");
        assert_eq!(response.headers()["x-client"], "yes");
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), "message");
    });
}

#[test]
fn events_arrive_as_they_are_sent() {
    let (feed, source) = mpsc::channel::<Frame<Bytes>>(4);
    let source = Arc::new(std::sync::Mutex::new(Some(source)));
    let address = server(move |_request| {
        let body = source.lock().unwrap().take().unwrap();
        async move {
            Response::builder().header("content-type", "text/event-stream").body(ChannelBody(body)).unwrap()
        }
    });
    let rig = rig(upstream("a", &[address]));
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    write!(client, "GET /events HTTP/1.1\r\nhost: {HOST}\r\n\r\n").unwrap();
    read_until(&mut client, "\r\n\r\n");
    for event in ["data: one\n\n", "data: two\n\n"] {
        feed.blocking_send(Frame::data(Bytes::from_static(event.as_bytes()))).unwrap();
        // The next one is sent only when this one is here.
        read_until(&mut client, event);
    }
    drop(feed);
    read_until(&mut client, "0\r\n\r\n");
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8(all).unwrap()
}

/// A server that agrees to a WebSocket and sends every byte back.
fn websocket_server() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let head = read_until(&mut stream, "\r\n\r\n").to_ascii_lowercase();
                assert!(
                    head.contains("upgrade: websocket") && head.contains("connection: upgrade"),
                    "{head}"
                );
                let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
                stream.write_all(answer.as_bytes()).unwrap();
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..count]).unwrap();
                }
            });
        }
    });
    address
}

#[test]
fn a_websocket_carries_bytes_both_ways() {
    let rig = rig(upstream("a", &[websocket_server()]));
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    write!(client, "GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n").unwrap();
    let head = read_until(&mut client, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("sec-websocket-accept: x"), "{head}");
    for message in ["hello", "again"] {
        client.write_all(message.as_bytes()).unwrap();
        assert_eq!(read_until(&mut client, message), message);
    }
    // A change of configuration leaves the tunnel alone.
    rig.control.put(vec![host(HTTP_ROUTES, "b.example.com", vec![to(prefix("/"), forward("a"))])]);
    rig.control.settle();
    client.write_all(b"still").unwrap();
    read_until(&mut client, "still");
    drop(client);
    let line = rig.log.line("/ws");
    assert_eq!((&line["response_code"], &line["bytes_received"]), (&101.into(), &15.into()));
}

/// Marks what agrees to another protocol.
fn agree(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    if let Event::Head { side: Side::Response, .. } = event {
        let head = host.response_mut().unwrap();
        let status = HeaderValue::from_str(head.status.as_str()).unwrap();
        head.headers.insert("x-agreed", status);
    }
    Step::Continue
}

#[test]
fn a_filter_sees_the_agreement_to_a_websocket() {
    let hosts = vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))])];
    let mut all = world(hosts, vec![upstream("a", &[websocket_server()])]);
    let chain = vec![filter("agree", "agree")];
    all[0] = Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, chain)));
    let behaviours = Behaviours::from([("agree", (false, false, agree as _))]);
    let notes = Notes::default();
    let kind = TestKind { behaviours, notes: notes.clone(), gate: Gate::default() };
    let rig = Rig::launch(all, |options| options.filters.add(Arc::new(kind)));
    rig.wait_until_ready();
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    write!(client, "GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n").unwrap();
    let head = read_until(&mut client, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("x-agreed: 101"), "{head}");
    client.write_all(b"hello").unwrap();
    assert_eq!(read_until(&mut client, "hello"), "hello");
    assert_eq!(notes.count("delete "), 0, "the stream lasts as long as the tunnel");
    drop(client);
    notes.wait_for("delete ", 1);
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    let long = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n", "a".repeat(70_000));
    let many: String = (0..150).map(|index| format!("x{index}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n{many}\r\n");
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.0\r\nhost: {HOST}\r\n\r\n"), "200"),
        (format!("GET http://{HOST}/x HTTP/1.1\r\nhost: other\r\n\r\n"), "200"),
        (format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nhost: {HOST}\r\n\r\n"), "400"),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n".to_owned(), "404"),
        ("FOO\r\n\r\n".to_owned(), "400"),
        (format!("FOO / HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (format!("GET /a%00 HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n"), "403"),
        (format!("CONNECT {HOST}:80 HTTP/1.1\r\nhost: {HOST}:80\r\n\r\n"), "404"),
        (format!("OPTIONS * HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "404"),
        (format!("GET * HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (format!("GET a HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (format!("GET /é HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (format!("GET /?é HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "400"),
        (
            format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
            "400",
        ),
        (long, "431"),
        (many, "431"),
    ] {
        let answer = raw(rig.http(), request.as_bytes());
        let start: String = request.chars().take(80).collect();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{start:?} -> {answer}");
    }
}

#[test]
fn a_length_beside_chunks_smuggles_nothing() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    let request = format!(
        "POST /first HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nX"
    );
    raw(rig.http(), request.as_bytes());
    for seen in backend.take_requests() {
        assert_eq!((seen.path.as_str(), seen.body.len()), ("/first", 0));
        assert_eq!(seen.header("content-length").filter(|length| length != "0"), None);
    }
    assert_eq!(rig.get(HOST, "/next").status, 200);
    assert_eq!(backend.take_requests().len(), 1);
}

#[test]
fn a_client_that_waits_for_continue_gets_it() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    write!(client, "POST /x HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        .unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 100 "));
    client.write_all(b"hello").unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert_eq!(backend.take_requests().pop().unwrap().body, "hello");
}

#[test]
fn a_slow_client_disturbs_nobody_and_is_served() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(rig.http()).unwrap()).collect();
    let request = format!("GET /slow HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let (first, last) = request.split_at(10);
    for client in &mut slow {
        client.write_all(first.as_bytes()).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(rig.get(HOST, "/fast").status, 200);
    }
    for client in &mut slow {
        client.set_read_timeout(Some(SOON)).unwrap();
        client.write_all(last.as_bytes()).unwrap();
        assert!(read_until(client, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn what_stands_still_too_long_is_ended() {
    let backend = EchoBackend::start("a");
    let mut manager = manager(HTTP_ROUTES, vec![]);
    manager.stream_idle_timeout = Some(Duration::from_secs(1).into());
    let mut all = world(
        vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))])],
        vec![upstream("a", &[backend.address()])],
    );
    all[0] = Resource::of(&listener_with(HTTP, 0, &manager));
    let rig = Rig::start(all);
    // A head that does not come to its end.
    let mut half = TcpStream::connect(rig.http()).unwrap();
    half.set_read_timeout(Some(SOON)).unwrap();
    half.write_all(b"GET / HT").unwrap();
    // An upstream that does not answer.
    let answer = Call::get(rig.http(), HOST, "/silent").header("x-echo-delay-ms", "9000").send().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (504, "stream timeout"));
    assert_eq!(rig.log.line("/silent")["response_flags"], "SI");
    assert_eq!(half.read(&mut [0; 100]).unwrap_or(0), 0, "the half head is still waited for");
}

#[test]
fn a_client_that_goes_away_is_noticed() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    let mut client = TcpStream::connect(rig.http()).unwrap();
    write!(client, "GET /gone HTTP/1.1\r\nhost: {HOST}\r\nx-echo-delay-ms: 3000\r\n\r\n").unwrap();
    gatewright_testkit::eventually("the request upstream", SOON, || {
        if backend.requests().is_empty() { Err("not there".to_owned()) } else { Ok(()) }
    });
    drop(client);
    let line = rig.log.line("/gone");
    assert_eq!((&line["response_flags"], &line["response_code"]), (&"DC".into(), &0.into()));
}

#[test]
fn an_empty_cookie_of_http2_is_none() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]));
    for (protocol, cookie) in [(Protocol::Http1, Some("")), (Protocol::Http2, None)] {
        let call = Call::get(rig.http(), HOST, "/").header("cookie", "").protocol(protocol);
        assert_eq!(call.send().unwrap().status, 200);
        assert_eq!(backend.take_requests()[0].header("cookie").as_deref(), cookie, "{protocol:?}");
    }
}
