//! What a sync tells over HTTP, and how it is woken: `/status`, `/metrics`, `/ready`, and `POST /webhook`, which must be
//! signed.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use gatewright_diagnostics::outlet::{Form, released};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::metrics::Metrics;
use super::round::{Round, status_text};

/// Largest body of a webhook. The body is not looked into: it only has to be signed.
const LARGEST: usize = 1024 * 1024;
/// How long a client may take for its headers, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; others wait.
const CONNECTIONS: usize = 64;
const JSON: &str = "application/json";
/// Where a signature stands, and how it begins.
const SIGNATURE: &str = "x-hub-signature-256";
const ALGORITHM: &str = "sha256=";

/// What webhooks are signed with.
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// Takes a secret; none where it is empty and would protect nothing.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (!secret.is_empty()).then(|| WebhookSecret(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Returns whether a body has this signature, `sha256=` and 64 hexadecimal digits. The time that the answer takes says
    /// nothing about the right one.
    fn has_signed(&self, body: &[u8], signature: &str) -> bool {
        let tag = signature.strip_prefix(ALGORITHM).and_then(bytes_of_hex);
        tag.is_some_and(|tag| hmac::verify(&self.0, body, &tag).is_ok())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let bytes = pairs.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    bytes.collect()
}

/// A server that tells of a sync; it ends when it is dropped.
pub struct SyncServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    secret: Option<WebhookSecret>,
    told: Mutex<Told>,
    woken: Notify,
}

#[derive(Default)]
struct Told {
    /// The status file's text; none before the first round.
    status: Option<String>,
    metrics: Metrics,
}

impl SyncServer {
    /// Listens. Without a secret there is no webhook.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn start(address: SocketAddr, secret: Option<WebhookSecret>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { secret, told: Mutex::default(), woken: Notify::new() });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(SyncServer { address, shared, task })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells of a round that took so long and ended so many seconds after 1970.
    pub fn publish(&self, round: &Round, took: Duration, now: i64) {
        let mut told = self.shared.told();
        told.metrics.count(round, took, now);
        told.status = status_text(round).ok();
    }

    /// Waits for a webhook. Several that come during one round ask for one more.
    pub async fn woken(&self) {
        self.shared.woken.notified().await;
    }
}

impl Drop for SyncServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/status") => match self.told().status.clone() {
                Some(status) => text(StatusCode::OK, JSON, status),
                None => plain(StatusCode::SERVICE_UNAVAILABLE, "no round has ended yet\n"),
            },
            (&Method::GET, "/ready") => match self.told().status.is_some() {
                true => plain(StatusCode::OK, "ready\n"),
                false => plain(StatusCode::SERVICE_UNAVAILABLE, "no round has ended yet\n"),
            },
            (&Method::GET, "/metrics") => {
                let metrics = self.told().metrics.to_string();
                text(StatusCode::OK, "text/plain; version=0.0.4", metrics)
            }
            (&Method::POST, "/webhook") => match &self.secret {
                Some(secret) => self.webhook(request, secret).await,
                None => plain(StatusCode::NOT_FOUND, "there is no secret for webhooks\n"),
            },
            (_, "/status" | "/ready" | "/metrics" | "/webhook") => {
                plain(StatusCode::METHOD_NOT_ALLOWED, "no such method\n")
            }
            _ => plain(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }

    async fn webhook(&self, request: Request<Incoming>, secret: &WebhookSecret) -> Response<Full<Bytes>> {
        let signature = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
        let Some(signature) = signature.map(str::to_owned) else {
            return self.refuse(StatusCode::UNAUTHORIZED, "the signature is missing\n");
        };
        let body = Limited::new(request.into_body(), LARGEST).collect();
        let body = match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB\n");
            }
            Ok(Err(_)) => return self.refuse(StatusCode::BAD_REQUEST, "the body broke off\n"),
            Err(_) => return self.refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long\n"),
        };
        if !secret.has_signed(&body, &signature) {
            return self.refuse(StatusCode::UNAUTHORIZED, "the signature is wrong\n");
        }
        self.told().metrics.webhooks_accepted += 1;
        self.woken.notify_one();
        plain(StatusCode::ACCEPTED, "a round follows\n")
    }

    fn refuse(&self, status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
        self.told().metrics.webhooks_refused += 1;
        plain(status, why)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, as a rule; they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // A client that breaks off has nobody to tell.
            connection.serve_connection(TokioIo::new(stream), service).await.ok();
            drop(permit);
        });
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    text(status, "text/plain", body.to_owned())
}

/// Returns an answer with nothing in it that steers a terminal or is secret by its shape, whoever put it in.
fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let form = if kind == JSON { Form::Json } else { Form::Text { color: false } };
    let mut response = Response::new(Full::new(released(form, body).into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_of_the_right_body_counts() {
        // printf body | openssl dgst -sha256 -hmac secret
        const SIGNED: &str = "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355";
        let secret = WebhookSecret::new(b"secret").unwrap();
        assert!(secret.has_signed(b"body", SIGNED));
        assert!(secret.has_signed(b"body", &SIGNED.to_uppercase().replace("SHA256", "sha256")));
        assert!(!secret.has_signed(b"bodi", SIGNED));
        assert!(!WebhookSecret::new(b"other").unwrap().has_signed(b"body", SIGNED));
        for wrong in ["", "sha256=", &SIGNED[..70], &SIGNED[..69], &SIGNED[7..], "sha256=zz", "sha256=é"] {
            assert!(!secret.has_signed(b"body", wrong), "{wrong}");
        }
        assert!(WebhookSecret::new(b"").is_none());
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
