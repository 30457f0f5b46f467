//! Worker threads: each has a runtime, listening sockets, connection pools and log lines of its own, and shares nothing
//! with the others but snapshots and counters.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::connection::{self, Connection};
use super::pool::Pools;
use super::shared::Shared;
use crate::access_log::{LogWriter, WorkerLog};
use crate::random::Random;

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
                let worker = Rc::new(Worker::new(index, shared, log));
                LocalSet::new().block_on(&runtime, worker.run(commands));
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

    /// Ends all workers and waits for them.
    pub(crate) fn shutdown(self, grace: Duration) {
        for index in 0..self.count() {
            self.tell(index, Command::Shutdown { grace });
        }
        for (sender, thread) in self.threads {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("GW0901 a worker panicked");
            }
        }
    }
}

/// What the tasks of one worker share.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pools: Pools,
    pub(crate) log: WorkerLog,
    pub(crate) random: Random,
    connections: RefCell<BTreeMap<u64, Rc<Connection>>>,
    next_connection: Cell<u64>,
    /// Ticks since the start.
    now: Cell<u64>,
    /// Woken when the last connection is gone.
    empty: Notify,
}

/// Keeps a connection in the worker's list.
pub(crate) struct Registered {
    worker: Rc<Worker>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut connections = self.worker.connections.borrow_mut();
        connections.remove(&self.number);
        if connections.is_empty() {
            self.worker.empty.notify_one();
        }
    }
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>, log: WorkerLog) -> Self {
        Self {
            index,
            shared,
            pools: Pools::default(),
            log,
            random: Random::new(index),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            now: Cell::new(0),
            empty: Notify::new(),
        }
    }

    /// Puts a connection in the list of those that can be drained, as long as the returned value lives.
    pub(crate) fn register(self: &Rc<Self>, connection: &Rc<Connection>) -> Registered {
        let number = self.next_connection.get();
        self.next_connection.set(number + 1);
        self.connections.borrow_mut().insert(number, connection.clone());
        Registered { worker: self.clone(), number }
    }

    /// Returns the time in ticks: coarse, and free to read.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    async fn run(self: Rc<Self>, mut commands: mpsc::UnboundedReceiver<Command>) {
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
                    tokio::task::spawn_local(accept(self.clone(), name, socket, stop));
                }
                Some(Command::Close { name }) => {
                    if let Some(stop) = accepting.remove(&name) {
                        stop.notify_one();
                    }
                    self.each_connection(|connection| *connection.listener() == name, Connection::drain);
                }
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
        self.each_connection(|_| true, Connection::drain);
        let drained = async {
            while !self.connections.borrow().is_empty() {
                self.empty.notified().await;
            }
        };
        if tokio::time::timeout(grace, drained).await.is_err() {
            self.each_connection(|_| true, Connection::kill);
            // Their tasks end at the next poll.
            tokio::task::yield_now().await;
        }
        self.log.flush();
    }

    fn tick(&self) {
        self.now.set(self.now.get() + 1);
        self.pools.sweep(Instant::now());
        self.each_connection(|_| true, |connection| connection.check(self.now.get()));
        self.log.flush();
    }

    fn each_connection(&self, which: impl Fn(&Connection) -> bool, act: impl Fn(&Connection)) {
        for connection in self.connections.borrow().values() {
            if which(connection) {
                act(connection);
            }
        }
    }
}

/// Accepts connections until told to stop; what has connected by then is still taken.
async fn accept(worker: Rc<Worker>, listener: Arc<str>, socket: std::net::TcpListener, stop: Rc<Notify>) {
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
                let connection = connection::serve(worker.clone(), listener.clone(), stream);
                tokio::task::spawn_local(connection);
            }
            Err(error) => {
                if worker.shared.accept_warnings.passes() {
                    tracing::warn!(%listener, %error, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
