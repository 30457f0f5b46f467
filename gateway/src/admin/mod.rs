//! The admin endpoint: `/ready`, `/config_dump`, `/clusters`, `/listeners` and `/stats/prometheus`, on a thread of its
//! own, so that neither a busy gateway nor a busy scraper disturbs the other.

mod clusters;
mod config_dump;
mod hosts;
mod prometheus;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gatewright_diagnostics::outlet::{Form, released, visible};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::control::{DumpRequest, Progress};
use crate::descriptors::Reserve;
use crate::error::GatewayError;
use crate::shared::Shared;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// The body of an answer.
type Page = UnsyncBoxBody<Bytes, Infallible>;

/// What the admin endpoint can see.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) dumps: mpsc::Sender<DumpRequest>,
}

/// Binds the addresses; each comes back as what it became.
pub(crate) fn bind(
    addresses: &[SocketAddr],
) -> Result<Vec<(SocketAddr, std::net::TcpListener)>, GatewayError> {
    addresses
        .iter()
        .map(|&address| {
            let socket = std::net::TcpListener::bind(address)
                .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                .map_err(|source| GatewayError::Admin { address, source })?;
            let bound = socket.local_addr().map_err(|source| GatewayError::Admin { address, source })?;
            Ok((bound, socket))
        })
        .collect()
}

/// Serves until the control thread has ended.
pub(crate) async fn serve(sockets: Vec<(SocketAddr, std::net::TcpListener)>, view: View) {
    let mut progress = view.progress.clone();
    for (address, socket) in sockets {
        match TcpListener::from_std(socket) {
            Ok(socket) => drop(tokio::task::spawn_local(accept(socket, view.clone()))),
            Err(error) => tracing::error!(%address, %error, "the admin endpoint cannot use its socket"),
        }
    }
    // The sender lives as long as the control thread.
    while progress.changed().await.is_ok() {}
}

async fn accept(socket: TcpListener, view: View) {
    let reserve = Rc::new(RefCell::new(Reserve::default()));
    reserve.borrow_mut().fill();
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                let (view, reserve) = (view.clone(), reserve.clone());
                tokio::task::spawn_local(async move {
                    serve_connection(stream, view).await;
                    reserve.borrow_mut().fill();
                });
            }
            // Without a pause: the descriptor would go to another connection.
            Err(_) if reserve.borrow_mut().give() => {}
            Err(error) => {
                if view.shared.accept_warnings.passes() {
                    tracing::warn!(%error, "admin connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, view: View) {
    let service = service_fn(move |request| answer(request, view.clone()));
    let served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::trace!(%error, "an admin connection ended");
    }
}

async fn answer(request: Request<Incoming>, view: View) -> Result<Response<Page>, Infallible> {
    if !hosts::may_ask(&request) {
        let text = "the admin pages are served for localhost and for addresses, not for other names\n";
        return Ok(response(StatusCode::MISDIRECTED_REQUEST, TEXT, text.to_owned()));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n".to_owned()));
    }
    Ok(match request.uri().path() {
        "/ready" | "/healthz/ready" => ready(&view),
        "/stats/prometheus" => response(StatusCode::OK, METRICS, metrics(&view).await),
        "/clusters" => response(StatusCode::OK, TEXT, clusters::text(&view.shared.snapshot.load())),
        "/listeners" => response(StatusCode::OK, TEXT, listeners(&view)),
        "/config_dump" => match dump(&view, true).await {
            Some(dump) => in_pieces(config_dump::pieces(dump)),
            None => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the gateway is ending\n".to_owned()),
        },
        "/" => response(
            StatusCode::OK,
            TEXT,
            "/ready\n/config_dump\n/clusters\n/listeners\n/stats/prometheus\n".to_owned(),
        ),
        _ => response(StatusCode::NOT_FOUND, TEXT, "not found; / lists what there is\n".to_owned()),
    })
}

fn ready(view: &View) -> Response<Page> {
    let progress = view.progress.borrow();
    if progress.ready {
        return response(StatusCode::OK, TEXT, "LIVE\n".to_owned());
    }
    let mut text = "INITIALIZING\n".to_owned();
    if !progress.connected {
        text.push_str("no stream to the xDS server\n");
    }
    for (name, (address, _, reason)) in &progress.failed_listeners {
        let line = format!("listener {name} cannot listen on {address}: {reason}");
        text.push_str(&format!("{}\n", visible(&line)));
    }
    for missing in &progress.missing {
        text.push_str(&format!("missing: {}\n", visible(missing)));
    }
    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
}

fn listeners(view: &View) -> String {
    let progress = view.progress.borrow();
    progress.listeners.iter().map(|(name, address)| format!("{}::{address}\n", visible(name))).collect()
}

async fn metrics(view: &View) -> String {
    let dump = dump(view, false).await;
    let connected = view.progress.borrow().connected;
    prometheus::text(&view.shared, dump.as_ref().map(|dump| &dump.counts), connected)
}

async fn dump(view: &View, resources: bool) -> Option<crate::control::Dump> {
    let (answer, receiver) = oneshot::channel();
    view.dumps.send(DumpRequest { resources, answer }).await.ok()?;
    receiver.await.ok()
}

/// Returns an answer with nothing in it that steers a terminal or is secret by its shape, whoever put it in.
fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Page> {
    let text = released(Form::Text { color: false }, text);
    page(status, content_type, Full::new(Bytes::from(text)).boxed_unsync())
}

/// Returns an answer in JSON that is made as the client takes it.
fn in_pieces(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Response<Page> {
    let frames = stream::iter(pieces.map(|piece| Ok(Frame::data(piece))));
    page(StatusCode::OK, JSON, StreamBody::new(frames).boxed_unsync())
}

fn page(status: StatusCode, content_type: &'static str, body: Page) -> Response<Page> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
