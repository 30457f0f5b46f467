//! Worker threads: each has a runtime, listening sockets, connection pools and log lines of its own, and shares nothing
//! with the others but snapshots and counters.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::connection::Connection;
use super::connections::Connections;
use super::context::Context;
use super::serve::serve;
use crate::access_log::{LogWriter, WorkerLog};
use crate::shared::Shared;
use crate::stream::Load;

/// How often a worker looks after what stands still and hands over log lines; the unit of limits that need no
/// precision.
const TICK: Duration = Duration::from_secs(1);
/// Pause after a failed accept, which mostly means that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What the control thread tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept connections of a listener, in the place of its former socket.
    Listen { name: Arc<str>, socket: std::net::TcpListener },
    /// Stop accepting, and drain the connections of a listener.
    Close { name: Arc<str> },
    /// Start these configurations of filters, and end all others.
    Filters(Arc<[Arc<Load>]>),
    /// Stop accepting, drain all connections, close what is left after `grace`, and end.
    Shutdown { grace: Duration },
}

/// All workers, as the control thread sees them.
pub(crate) struct Workers {
    threads: Vec<(mpsc::UnboundedSender<Command>, JoinHandle<()>)>,
}

impl Workers {
    /// Starts `count` threads.
    pub(crate) fn start(count: usize, shared: &Arc<Shared>, log: &LogWriter) -> io::Result<Self> {
        let mut threads = Vec::with_capacity(count);
        for index in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // Commands are few: one per listener and change.
            let (sender, commands) = mpsc::unbounded_channel();
            let (shared, log) = (shared.clone(), log.worker(shared.clone()));
            let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                LocalSet::new().block_on(&runtime, Worker::new(index, shared, log).run(commands));
            })?;
            threads.push((sender, thread));
        }
        Ok(Self { threads })
    }

    /// Takes all workers out.
    pub(crate) fn take(&mut self) -> Self {
        Self { threads: std::mem::take(&mut self.threads) }
    }

    pub(crate) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Tells worker number `index`, unless it has ended.
    pub(crate) fn tell(&self, index: usize, command: Command) {
        if let Some((sender, _)) = self.threads.get(index) {
            // A worker that has ended has nothing to do any more.
            let _ = sender.send(command);
        }
    }

    /// Tells every worker.
    pub(crate) fn tell_all(&self, command: impl Fn() -> Command) {
        for index in 0..self.count() {
            self.tell(index, command());
        }
    }

    /// Ends all workers and waits for them.
    pub(crate) fn shutdown(self, grace: Duration) {
        self.tell_all(|| Command::Shutdown { grace });
        for (sender, thread) in self.threads {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("GW0901 a worker panicked");
            }
        }
    }
}

/// One worker: its tasks' common ground and its connections.
struct Worker {
    context: Rc<Context>,
    connections: Rc<Connections>,
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>, log: WorkerLog) -> Self {
        let context = Rc::new(Context::new(index, shared, log));
        Self { context, connections: Rc::default() }
    }

    async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut accepting: BTreeMap<Arc<str>, Rc<Notify>> = BTreeMap::new();
        let mut tick = tokio::time::interval(TICK);
        let grace = loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                _ = tick.tick() => {
                    self.tick();
                    continue;
                }
            };
            match command {
                Some(Command::Listen { name, socket }) => {
                    let stop = Rc::new(Notify::new());
                    if let Some(former) = accepting.insert(name.clone(), stop.clone()) {
                        former.notify_one();
                    }
                    let (context, connections) = (self.context.clone(), self.connections.clone());
                    tokio::task::spawn_local(accept(context, connections, name, socket, stop));
                }
                Some(Command::Close { name }) => {
                    if let Some(stop) = accepting.remove(&name) {
                        stop.notify_one();
                    }
                    self.connections.each(|connection| *connection.listener() == name, Connection::drain);
                }
                Some(Command::Filters(loads)) => self.context.filters.follow(&loads),
                Some(Command::Shutdown { grace }) => break grace,
                None => break Duration::ZERO,
            }
        };
        for stop in accepting.values() {
            stop.notify_one();
        }
        self.finish(grace).await;
    }

    /// Drains all connections, and closes those that are left after `grace`.
    async fn finish(&self, grace: Duration) {
        // One turn for the accept loops to take in what has connected already.
        tokio::task::yield_now().await;
        self.connections.each(|_| true, Connection::drain);
        if tokio::time::timeout(grace, self.connections.gone()).await.is_err() {
            self.connections.each(|_| true, Connection::kill);
            // Their tasks end at the next poll.
            tokio::task::yield_now().await;
        }
        self.context.log.flush();
    }

    fn tick(&self) {
        self.context.clock.tick();
        self.context.upstream.sweep(Instant::now());
        self.connections.each(|_| true, Connection::check);
        self.context.log.flush();
    }
}

/// Accepts connections until told to stop; what has connected by then is still taken.
async fn accept(
    context: Rc<Context>,
    connections: Rc<Connections>,
    listener: Arc<str>,
    socket: std::net::TcpListener,
    stop: Rc<Notify>,
) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%listener, %error, "a socket cannot be used"),
    };
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted,
            () = stop.notified() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = serve(context.clone(), connections.clone(), listener.clone(), stream);
                tokio::task::spawn_local(served);
            }
            Err(error) => {
                if context.shared.accept_warnings.passes() {
                    tracing::warn!(%listener, %error, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
