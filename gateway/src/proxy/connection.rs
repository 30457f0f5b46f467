//! One client connection: TLS and protocol are found out, then requests are served until one side has enough.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use http::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::exchange;
use super::executor::LocalExecutor;
use super::moves::Moves;
use super::shared::ListenerStats;
use super::watch::Watch;
use super::watched_io::WatchedIo;
use super::worker::Worker;
use crate::config::HttpConnections;
use crate::message::Scheme;
use crate::message::address::Ends;
use crate::state::Listener;

/// A client that does not finish the TLS handshake in this time is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const STREAMS: u32 = 1024;

/// A client connection.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) ends: Ends,
    pub(crate) scheme: Scheme,
    /// The name that the client asked for in TLS.
    pub(crate) server_name: Option<Box<str>>,
    listener: Arc<str>,
    current: RefCell<Current>,
    /// The requests under way.
    streams: RefCell<Vec<Rc<Watch>>>,
    moves: Arc<Moves>,
    http2: Cell<bool>,
    /// Requests of HTTP/1 so far.
    requests: Cell<u64>,
    idle: Cell<Idle>,
    state: Cell<State>,
    wakers: RefCell<Vec<Waker>>,
    stats: Arc<ListenerStats>,
}

/// A connection without a request, in ticks.
#[derive(Clone, Copy, Debug)]
struct Idle {
    since: u64,
    /// Reads when that began: more means that the head of a request has begun to come.
    reads: u64,
    /// When that was noticed.
    head_since: Option<u64>,
}

/// Returns how many ticks a time is, at least one.
fn ticks(time: Duration) -> u64 {
    time.as_secs().max(1)
}

/// The listener as the connection saw it last, and the settings it gives.
struct Current {
    listener: Arc<Listener>,
    http: Arc<HttpConnections>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Open,
    /// No new request; those under way are finished.
    Draining,
    /// Closed now.
    Killed,
}

impl Connection {
    fn new(
        worker: Rc<Worker>,
        ends: Ends,
        listener: Arc<Listener>,
        http: Arc<HttpConnections>,
        tls: Option<Option<Box<str>>>,
    ) -> Rc<Self> {
        let name = listener.config.name.clone();
        let idle = Idle { since: worker.now(), reads: 0, head_since: None };
        let stats = worker.shared.listener_stats(&name);
        stats.active.fetch_add(1, Ordering::Relaxed);
        stats.total.fetch_add(1, Ordering::Relaxed);
        Rc::new(Self {
            worker,
            ends,
            scheme: if tls.is_some() { Scheme::Https } else { Scheme::Http },
            server_name: tls.flatten(),
            listener: name,
            current: RefCell::new(Current { listener, http }),
            streams: RefCell::default(),
            moves: Arc::default(),
            http2: Cell::new(false),
            requests: Cell::new(0),
            idle: Cell::new(idle),
            state: Cell::new(State::Open),
            wakers: RefCell::default(),
            stats,
        })
    }

    /// Returns the settings for the next request: the newest ones of the filter chain that this connection would get
    /// today, or those it has while there is none.
    pub(crate) fn http(&self) -> Arc<HttpConnections> {
        let snapshot = self.worker.shared.snapshot.load();
        let mut current = self.current.borrow_mut();
        if let Some(listener) = snapshot.listeners.get(&self.listener)
            && !Arc::ptr_eq(listener, &current.listener)
        {
            current.listener = listener.clone();
            if let Some(http) = listener.chain(self.server_name.as_deref()).and_then(|chain| chain.http()) {
                current.http = http.clone();
            }
        }
        current.http.clone()
    }

    /// Returns whether the next request has a fault that the HTTP library does not tell. To be asked once for each.
    pub(crate) fn next_is_faulty(&self, version: Version) -> bool {
        if version == Version::HTTP_2 {
            return false;
        }
        self.requests.set(self.requests.get() + 1);
        self.requests.get() >= self.moves.faulty_head.load(Ordering::Relaxed)
    }

    /// Notes that another protocol is spoken from now on.
    pub(crate) fn switched(&self) {
        self.moves.switched.store(true, Ordering::Relaxed);
    }

    pub(crate) fn listener(&self) -> &Arc<str> {
        &self.listener
    }

    pub(crate) fn request_started(&self, version: Version) -> Rc<Watch> {
        let watch = Rc::new(Watch::new(self.worker.now()));
        self.streams.borrow_mut().push(watch.clone());
        self.http2.set(version == Version::HTTP_2);
        watch
    }

    pub(crate) fn request_ended(&self, watch: &Rc<Watch>) {
        let mut streams = self.streams.borrow_mut();
        if let Some(position) = streams.iter().position(|known| Rc::ptr_eq(known, watch)) {
            streams.swap_remove(position);
        }
        if streams.is_empty() {
            let reads = self.moves.reads.load(Ordering::Relaxed);
            self.idle.set(Idle { since: self.worker.now(), reads, head_since: None });
        }
    }

    /// Lets the requests under way finish and closes the connection then.
    pub(crate) fn drain(&self) {
        self.change(State::Draining);
    }

    /// Closes the connection now.
    pub(crate) fn kill(&self) {
        self.change(State::Killed);
    }

    /// Ends what has stood still for too long at tick `now`: requests, the head of a request, the connection.
    pub(crate) fn check(&self, now: u64) {
        self.moves.next_tick();
        let http = self.current.borrow().http.clone();
        let streams = self.streams.borrow();
        if let Some(limit) = http.stream_idle_timeout {
            for watch in streams.iter() {
                watch.check(now, ticks(limit));
            }
        }
        if !streams.is_empty() {
            return;
        }
        drop(streams);
        let mut idle = self.idle.get();
        let head_limit = http.request_headers_timeout.or(http.stream_idle_timeout);
        // On HTTP/2 frames come that belong to no request, and a head comes as a whole.
        if !self.http2.get() && self.moves.reads.load(Ordering::Relaxed) > idle.reads {
            let since = *idle.head_since.get_or_insert(now);
            self.idle.set(idle);
            if head_limit.is_some_and(|limit| now - since > ticks(limit)) {
                self.kill();
            }
        } else if http.idle_timeout.is_some_and(|limit| now - idle.since > ticks(limit)) {
            self.drain();
        }
    }

    /// Waits until the connection must be closed.
    pub(crate) async fn killed(&self) {
        poll_fn(|cx| {
            if self.state.get() == State::Killed {
                return Poll::Ready(());
            }
            self.register(cx.waker());
            Poll::Pending
        })
        .await;
    }

    fn change(&self, state: State) {
        if self.state.get() < state {
            self.state.set(state);
            for waker in self.wakers.take() {
                waker.wake();
            }
        }
    }

    fn register(&self, waker: &Waker) {
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stats.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection that `listener` accepted.
pub(crate) async fn serve(worker: Rc<Worker>, listener: Arc<str>, stream: TcpStream) {
    let Some(listener) = worker.shared.snapshot.load().listeners.get(&listener).cloned() else { return };
    let (Ok(remote), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
    // Responses are written as a whole: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let ends = Ends::new(remote, local);
    if listener.config.is_tls() {
        let served = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(&worker, &listener, stream)).await;
        let Some((stream, http, name)) = served.ok().flatten() else {
            worker.shared.stats.tls_errors.add(1);
            return;
        };
        let protocol = Protocol::of_alpn(stream.get_ref().1.alpn_protocol());
        let connection = Connection::new(worker, ends, listener, http, Some(name));
        serve_http(connection, stream, protocol).await;
    } else if let Some(http) = listener.chain(None).and_then(|chain| chain.http()).cloned() {
        let connection = Connection::new(worker, ends, listener, http, None);
        serve_http(connection, stream, Protocol::Either).await;
    }
}

type Secured = (tokio_rustls::server::TlsStream<TcpStream>, Arc<HttpConnections>, Option<Box<str>>);

/// Reads the client's hello, chooses the filter chain by its server name, and completes the handshake with that chain's
/// certificate. None when the client is refused or fails.
async fn handshake(worker: &Worker, listener: &Listener, stream: TcpStream) -> Option<Secured> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.ok()?;
    let name: Option<Box<str>> =
        start.client_hello().server_name().map(|name| name.to_ascii_lowercase().trim_end_matches('.').into());
    let chain = listener.chain(name.as_deref())?;
    let (http, config) = (chain.http()?, chain.server_config()?);
    let stream = match start.into_stream(config.clone()).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, worker = worker.index, "a TLS handshake failed");
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

async fn serve_http<S>(connection: Rc<Connection>, stream: S, protocol: Protocol)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _registered = connection.worker.register(&connection);
    let builder = builder(protocol, &connection.http());
    let service = service_fn({
        let connection = connection.clone();
        move |request: hyper::Request<Incoming>| {
            let connection = connection.clone();
            async move { Ok::<_, Infallible>(exchange::answer(connection, request).await) }
        }
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

/// Drives a connection, and carries out what [`Connection::drain`] and [`Connection::kill`] ask for.
async fn follow_state<C, E>(
    connection: &Connection,
    mut served: Pin<&mut C>,
    close: impl Fn(Pin<&mut C>),
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut seen = State::Open;
    let mut registered = false;
    poll_fn(|cx| {
        let state = connection.state.get();
        if state > seen {
            seen = state;
            if state == State::Killed {
                return Poll::Ready(Ok(()));
            }
            registered = false;
            close(served.as_mut());
        }
        // The task's waker stays the same, so once is enough.
        if !std::mem::replace(&mut registered, true) {
            connection.register(cx.waker());
        }
        served.as_mut().poll(cx)
    })
    .await
}
