//! A real HTTP backend that answers with what it received, as JSON, and remembers every request.
//!
//! It speaks HTTP/1.1 and, with prior knowledge, HTTP/2 on the same port. Request headers steer single answers:
//! `x-echo-status: 503`, `x-echo-delay-ms: 200`, `x-echo-set-NAME: value` (a response header). Behind TLS it tells what the
//! client showed as well.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certs::{Identity, server_config};

/// What the backend received in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Method in capitals.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// `Host` or `:authority`; empty when the request had neither.
    pub host: String,
    /// Headers by lower-case name, each with its lines in order.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The whole body.
    pub body: Bytes,
}

impl Recorded {
    /// Returns the lines of one header joined with a comma, or nothing when it is absent.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(&name.to_ascii_lowercase()).map(|lines| lines.join(","))
    }
}

/// A running backend; it stops when dropped.
pub struct EchoBackend {
    name: String,
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    tls: Option<TlsAcceptor>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl EchoBackend {
    /// Starts a backend on a free port of 127.0.0.1; it accepts connections when this returns.
    pub fn start(name: &str) -> Self {
        Self::start_on(name, crate::free_port())
    }

    /// Starts a backend on this port of 127.0.0.1.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start_on(name: &str, port: u16) -> Self {
        Self::launch(name, port, None)
    }

    /// Starts a backend behind TLS, of TLS 1.2 and 1.3. With `clients`, the PEM of an authority, it wants a certificate that
    /// this one has signed.
    ///
    /// # Panics
    /// When the certificate or the authority cannot be used.
    pub fn start_tls(name: &str, identity: &Identity, clients: Option<&str>) -> Self {
        let acceptor = TlsAcceptor::from(server_config(identity, clients));
        Self::launch(name, crate::free_port(), Some(acceptor))
    }

    fn launch(name: &str, port: u16, tls: Option<TlsAcceptor>) -> Self {
        let mut backend = Self {
            name: name.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            requests: Arc::default(),
            tls,
            running: None,
        };
        backend.restart();
        backend
    }

    /// Returns the name that stands in each answer.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where the backend listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the requests received so far, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the requests received so far and forgets them.
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops accepting and closes every connection, as a crash would. Does nothing when already stopped.
    pub fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // The thread is gone already when nobody receives: then there is nothing left to stop.
            stop.send(()).ok();
            thread.join().expect("the backend's thread does not panic");
        }
    }

    /// Listens again on the same port after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        self.kill();
        let address = self.address;
        let listener = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .unwrap_or_else(|error| panic!("backend {} on {address}: {error}", self.name));
        let (stop, stopped) = oneshot::channel();
        let state = State {
            name: Arc::from(self.name.as_str()),
            requests: Arc::clone(&self.requests),
            shown: Value::Null,
        };
        let tls = self.tls.clone();
        let thread = std::thread::spawn(move || run(listener, tls, state, stopped));
        self.running = Some((stop, thread));
    }
}

impl Drop for EchoBackend {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Clone)]
struct State {
    name: Arc<str>,
    requests: Arc<Mutex<Vec<Recorded>>>,
    /// What the client showed in the handshake; nothing in clear text.
    shown: Value,
}

/// Serves until told to stop; dropping the runtime drops the connections with it.
fn run(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    state: State,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the backend");
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener).expect("a listener that does not block");
        tokio::select! {
            () = accept(listener, tls, state) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: State) {
    loop {
        // An error here concerns one connection that is gone again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else { return serve(stream, state).await };
            // A client that does not trust the certificate ends the handshake.
            let Ok(stream) = tls.accept(stream).await else { return };
            let shown = shown(&stream);
            serve(stream, State { shown, ..state }).await;
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: State) {
    let service = service_fn(move |request| answer(state.clone(), request));
    // A client that goes away in the middle is no concern of the backend.
    auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
}

/// Returns what a client showed: the name that it asked for, the protocol that came of it, and its certificate in base64.
fn shown<S>(stream: &TlsStream<S>) -> Value {
    let connection = stream.get_ref().1;
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    json!({
        "server_name": connection.server_name(),
        "alpn": connection.alpn_protocol().map(String::from_utf8_lossy),
        "certificate": certificate.map(|der| BASE64_STANDARD.encode(der)),
    })
}

async fn answer(state: State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "the body broke off"));
    };
    let recorded = Recorded {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        host: host(&head),
        headers: lines(&head.headers),
        body,
    };
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
    let Ok(wish) = Wish::read(&head.headers) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "an x-echo header cannot be read"));
    };
    tokio::time::sleep(wish.delay).await;
    let text = json!({
        "backend": &*state.name,
        "method": recorded.method,
        "path": recorded.path,
        "host": recorded.host,
        "protocol": format!("{:?}", head.version),
        "headers": recorded.headers,
        "body": String::from_utf8_lossy(&recorded.body),
        "tls": state.shown,
    });
    let text = text.to_string();
    let length = text.len();
    // Left to the library an answer to HEAD has a body on HTTP/2, which clients refuse.
    let bodiless = head.method == Method::HEAD;
    let mut response = Response::new(Full::from(if bodiless { String::new() } else { text }));
    *response.status_mut() = wish.status;
    *response.headers_mut() = wish.headers;
    if bodiless {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    }
    Ok(response)
}

/// What the `x-echo-*` headers of a request ask for.
struct Wish {
    status: StatusCode,
    delay: Duration,
    headers: HeaderMap,
}

impl Wish {
    fn read(request: &HeaderMap) -> Result<Self, Box<dyn std::error::Error>> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in request {
            if let Some(name) = name.as_str().strip_prefix("x-echo-set-") {
                headers.insert(HeaderName::from_bytes(name.as_bytes())?, value.clone());
            }
        }
        let text = |name: &str| request.get(name).map(|value| value.to_str().map(str::to_owned)).transpose();
        let status = text("x-echo-status")?.map_or(Ok(StatusCode::OK), |code| code.parse())?;
        let delay = text("x-echo-delay-ms")?.map_or(Ok(0), |milliseconds| milliseconds.parse())?;
        Ok(Self { status, delay: Duration::from_millis(delay), headers })
    }
}

fn host(head: &http::request::Parts) -> String {
    match (head.headers.get(http::header::HOST), head.uri.authority()) {
        (Some(host), _) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        (None, Some(authority)) => authority.to_string(),
        (None, None) => String::new(),
    }
}

fn lines(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let line = String::from_utf8_lossy(value.as_bytes()).into_owned();
        lines.entry(name.as_str().to_owned()).or_default().push(line);
    }
    lines
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Call, Protocol};

    #[test]
    fn echoes_over_both_protocols() {
        let backend = EchoBackend::start("blue");
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = Call::get(backend.address(), "shop.example.com", "/cart?x=1")
                .header("x-team", "a")
                .header("x-team", "b")
                .protocol(protocol)
                .send()
                .unwrap();
            assert_eq!(answer.status, 200);
            let body = answer.json();
            assert_eq!(body["backend"], "blue");
            assert_eq!(body["path"], "/cart?x=1");
            assert_eq!(body["host"], "shop.example.com");
            assert_eq!(body["headers"]["x-team"], json!(["a", "b"]));
        }
        let requests = backend.take_requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].header("X-Team").as_deref(), Some("a,b"));
        assert!(backend.requests().is_empty());
    }

    #[test]
    fn headers_steer_the_answer() {
        let backend = EchoBackend::start("blue");
        let answer = Call::new("POST", backend.address(), "h", "/")
            .header("x-echo-status", "503")
            .header("x-echo-set-x-color", "green")
            .body("payload")
            .send()
            .unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("x-color").as_deref(), Some("green"));
        assert_eq!(answer.json()["body"], "payload");
    }

    #[test]
    fn a_killed_backend_refuses_and_a_restarted_one_answers() {
        let mut backend = EchoBackend::start("blue");
        backend.kill();
        assert!(Call::get(backend.address(), "h", "/").send().is_err());
        backend.restart();
        assert_eq!(Call::get(backend.address(), "h", "/").send().unwrap().status, 200);
    }
}
