//! Serving a client connection: TLS and protocol are found out, then requests are answered until one side has enough.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::connection::{Connection, follow_state};
use super::connections::Connections;
use super::context::Context;
use super::exchange;
use super::watched_io::WatchedIo;
use crate::config::HttpConnections;
use crate::executor::LocalExecutor;
use crate::message::address::Ends;
use crate::state::Listener;

/// A client that does not finish the TLS handshake in this time is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const STREAMS: u32 = 1024;

/// Serves a connection that `listener` accepted.
pub(crate) async fn serve(
    context: Rc<Context>,
    connections: Rc<Connections>,
    listener: Arc<str>,
    stream: TcpStream,
) {
    let Some(listener) = context.shared.snapshot.load().listeners.get(&listener).cloned() else { return };
    let (Ok(remote), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
    // Responses are written as a whole: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let ends = Ends::new(remote, local);
    if listener.config.is_tls() {
        let served = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(&context, &listener, stream)).await;
        let Some((stream, http, name)) = served.ok().flatten() else {
            context.shared.stats.tls_errors.add(1);
            return;
        };
        let protocol = Protocol::of_alpn(stream.get_ref().1.alpn_protocol());
        let connection = Connection::new(context, ends, listener, http, Some(name));
        serve_http(connection, &connections, stream, protocol).await;
    } else if let Some(http) = listener.http(None).cloned() {
        let connection = Connection::new(context, ends, listener, http, None);
        serve_http(connection, &connections, stream, Protocol::Either).await;
    }
}

type Secured = (tokio_rustls::server::TlsStream<TcpStream>, Arc<HttpConnections>, Option<Box<str>>);

/// Reads the client's hello, chooses the filter chain by its server name, and completes the handshake with that chain's
/// certificate. None when the client is refused or fails.
async fn handshake(context: &Context, listener: &Listener, stream: TcpStream) -> Option<Secured> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.ok()?;
    let name: Option<Box<str>> =
        start.client_hello().server_name().map(|name| name.to_ascii_lowercase().trim_end_matches('.').into());
    let http = listener.http(name.as_deref())?;
    let config = listener.chain(name.as_deref())?.server_config()?;
    let stream = match start.into_stream(config.clone()).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, worker = context.worker, "a TLS handshake failed");
            return None;
        }
    };
    Some((stream, http.clone(), name))
}

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    /// Told by its first bytes.
    Either,
}

impl Protocol {
    fn of_alpn(protocol: Option<&[u8]>) -> Self {
        match protocol {
            Some(b"h2") => Self::Http2,
            Some(_) => Self::Http1,
            None => Self::Either,
        }
    }
}

async fn serve_http<S>(
    connection: Rc<Connection>,
    connections: &Rc<Connections>,
    stream: S,
    protocol: Protocol,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _registered = connections.register(&connection);
    let builder = builder(protocol, &connection.http());
    let service = service_fn({
        let connection = connection.clone();
        move |request: hyper::Request<Incoming>| exchange::answer(connection.clone(), request)
    });
    let stream = WatchedIo::inspected(stream, connection.moves.clone());
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = follow_state(&connection, pin!(served), |served| served.graceful_shutdown()).await {
        tracing::trace!(%error, "a client connection ended");
    }
}

fn builder(protocol: Protocol, http: &HttpConnections) -> auto::Builder<LocalExecutor> {
    let mut builder = auto::Builder::new(LocalExecutor);
    // No timer: idle connections and slow heads are found by the worker's tick, without a timer per request.
    builder.http1().max_buf_size(http.header_bytes.max(8192)).header_read_timeout(None);
    builder
        .http2()
        .max_header_list_size(http.header_bytes as u32)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
        Protocol::Either => builder,
    }
}
