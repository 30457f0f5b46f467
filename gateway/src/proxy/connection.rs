//! One client connection: its settings, the requests under way on it, and when it has to end.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use http::Version;

use super::context::Context;
use super::moves::Moves;
use crate::config::HttpConnections;
use crate::message::Scheme;
use crate::message::address::Ends;
use crate::shared::ListenerStats;
use crate::state::Listener;
use crate::stream::ConnectionInfo;
use crate::watch::Watch;

/// A client connection.
pub(crate) struct Connection {
    pub(crate) context: Rc<Context>,
    pub(crate) ends: Ends,
    pub(crate) scheme: Scheme,
    /// The name that the client asked for in TLS.
    pub(crate) server_name: Option<Box<str>>,
    /// Made when the first filter wants it.
    info: OnceCell<Rc<ConnectionInfo>>,
    listener: Arc<str>,
    current: RefCell<Current>,
    /// The requests under way.
    streams: RefCell<Vec<Rc<Watch>>>,
    pub(crate) moves: Arc<Moves>,
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
    pub(crate) fn new(
        context: Rc<Context>,
        ends: Ends,
        listener: Arc<Listener>,
        http: Arc<HttpConnections>,
        tls: Option<Option<Box<str>>>,
    ) -> Rc<Self> {
        let name = listener.config.name.clone();
        let idle = Idle { since: context.clock.now(), reads: 0, head_since: None };
        let stats = context.shared.listener_stats(&name);
        stats.active.fetch_add(1, Ordering::Relaxed);
        stats.total.fetch_add(1, Ordering::Relaxed);
        Rc::new(Self {
            context,
            ends,
            scheme: if tls.is_some() { Scheme::Https } else { Scheme::Http },
            server_name: tls.flatten(),
            info: OnceCell::new(),
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
        let snapshot = self.context.shared.snapshot.load();
        let mut current = self.current.borrow_mut();
        if let Some(listener) = snapshot.listeners.get(&self.listener)
            && !Arc::ptr_eq(listener, &current.listener)
        {
            current.listener = listener.clone();
            if let Some(http) = listener.http(self.server_name.as_deref()) {
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

    /// Returns the connection as filters see it.
    pub(crate) fn info(&self) -> Rc<ConnectionInfo> {
        let new = || {
            Rc::new(ConnectionInfo {
                remote: self.ends.remote.clone(),
                local: self.ends.local.clone(),
                server_name: self.server_name.clone(),
                tls: self.scheme == Scheme::Https,
            })
        };
        self.info.get_or_init(new).clone()
    }

    pub(crate) fn listener(&self) -> &Arc<str> {
        &self.listener
    }

    pub(crate) fn request_started(&self, version: Version) -> Rc<Watch> {
        let watch = Rc::new(Watch::new(self.context.clock.clone()));
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
            self.idle.set(Idle { since: self.context.clock.now(), reads, head_since: None });
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

    /// Ends what has stood still for too long: requests, the head of a request, the connection.
    pub(crate) fn check(&self) {
        let now = self.context.clock.now();
        self.moves.next_tick();
        let http = self.current.borrow().http.clone();
        let streams = self.streams.borrow();
        if let Some(limit) = http.stream_idle_timeout {
            for watch in streams.iter() {
                watch.check(ticks(limit));
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

/// Drives a connection, and carries out what [`Connection::drain`] and [`Connection::kill`] ask for.
pub(crate) async fn follow_state<C, E>(
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
