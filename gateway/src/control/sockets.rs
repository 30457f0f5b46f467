//! Listening sockets: one per worker and listener, bound when a listener comes and opened when it goes live, so that an
//! address that cannot be had is known before anything depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::proxy::{Command, Workers};
use crate::state::Snapshot;
use crate::state::store::Ports;

/// Connections that may wait to be accepted, per worker.
const BACKLOG: i32 = 1024;

/// The listening sockets.
pub(super) struct Sockets {
    workers: usize,
    open: BTreeMap<Arc<str>, Open>,
    /// Bound for listeners that are not live yet.
    bound: BTreeMap<Arc<str>, Bound>,
    /// Addresses given up, whose sockets a worker may hold a moment longer.
    given_up: BTreeSet<SocketAddr>,
    failures: BTreeMap<Arc<str>, (SocketAddr, io::ErrorKind, String)>,
}

struct Open {
    asked: SocketAddr,
    address: SocketAddr,
}

struct Bound {
    asked: SocketAddr,
    address: SocketAddr,
    sockets: Vec<Socket>,
}

impl Sockets {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            open: BTreeMap::new(),
            bound: BTreeMap::new(),
            given_up: BTreeSet::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Opens the sockets of listeners that went live, and closes those of listeners that are gone.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, workers: &Workers) {
        for (name, listener) in &snapshot.listeners {
            let Some(bound) = self.bound.remove(name) else { continue };
            if bound.asked != listener.config.address {
                self.bound.insert(name.clone(), bound);
                continue;
            }
            let Bound { asked, address, sockets } = bound;
            for (index, socket) in sockets.into_iter().enumerate() {
                match open(socket) {
                    Ok(socket) => workers.tell(index, Command::Listen { name: name.clone(), socket }),
                    Err(error) => tracing::error!(listener = %name, %address, %error, "cannot listen"),
                }
            }
            tracing::info!(listener = %name, %address, "listening");
            if let Some(former) = self.open.insert(name.clone(), Open { asked, address }) {
                self.given_up.insert(former.address);
            }
        }
        let gone: Vec<Arc<str>> =
            self.open.keys().filter(|name| !snapshot.listeners.contains_key(*name)).cloned().collect();
        for name in gone {
            if let Some(open) = self.open.remove(&name) {
                tracing::info!(listener = %name, address = %open.address, "no longer listening");
                self.given_up.insert(open.address);
            }
            for index in 0..workers.count() {
                workers.tell(index, Command::Close { name: name.clone() });
            }
        }
    }

    /// Returns where listeners can be reached.
    pub(super) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.open.iter().map(|(name, open)| (name.to_string(), open.address)).collect()
    }

    /// Returns the listeners whose address cannot be had, with the reason.
    pub(super) fn failures(&self) -> BTreeMap<String, (SocketAddr, io::ErrorKind, String)> {
        self.failures.iter().map(|(name, failure)| (name.to_string(), failure.clone())).collect()
    }

    fn bind(&self, asked: SocketAddr) -> io::Result<Bound> {
        // Sockets of other processes that share ports would share this one too: only a socket that does not share
        // notices them.
        let ours = self.given_up.contains(&asked);
        if !ours && asked.port() != 0 {
            socket(asked, false)?;
        }
        let first = socket(asked, true)?;
        let address = first.local_addr()?.as_socket().unwrap_or(asked);
        let mut sockets = vec![first];
        for _ in 1..self.workers {
            sockets.push(socket(address, true)?);
        }
        Ok(Bound { asked, address, sockets })
    }
}

impl Ports for Sockets {
    fn reserve(&mut self, name: &Arc<str>, address: SocketAddr) -> Result<(), String> {
        if self.open.get(name).is_some_and(|open| open.asked == address) {
            // Back to the address it has: what was bound for another one is not needed.
            self.bound.remove(name);
            self.failures.remove(name);
            return Ok(());
        }
        if self.bound.get(name).is_some_and(|bound| bound.asked == address) {
            return Ok(());
        }
        match self.bind(address) {
            Ok(bound) => {
                self.bound.insert(name.clone(), bound);
                self.failures.remove(name);
                Ok(())
            }
            Err(error) => {
                self.failures.insert(name.clone(), (address, error.kind(), error.to_string()));
                Err(format!("cannot listen on {address}: {error}"))
            }
        }
    }

    fn release(&mut self, name: &str) {
        self.bound.remove(name);
        self.failures.remove(name);
        if let Some(open) = self.open.get(name) {
            self.given_up.insert(open.address);
        }
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open(socket: Socket) -> io::Result<std::net::TcpListener> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
