//! The control thread: takes xDS updates, resolves names, owns the state and the listening sockets, and tells the
//! workers what to listen on. Nothing here can slow a request down.

mod ads;
mod resolver;
mod sockets;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_xds_client::{AdsClient, ConfigurationError, InterestHandle};
use tokio::sync::{mpsc, oneshot, watch};

use crate::access_log::LogWriter;
use crate::proxy::{Command, Workers};
use crate::shared::Shared;
use crate::state::{Accepted, Retired, Store};
use crate::stream::{FilterRegistry, Load, Loader};
use resolver::Resolver;
use sockets::Sockets;

/// How long the server is waited for before a resource that does not come counts as absent (Envoy's
/// `initial_fetch_timeout`).
const PATIENCE: Duration = Duration::from_secs(15);
/// How often old snapshots and missing resources are looked after.
const COLLECT: Duration = Duration::from_millis(500);
/// Addresses from DNS that may wait to be applied.
const WAITING_ADDRESSES: usize = 64;

/// How far the gateway is, for everybody who waits for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Set once, with the first complete configuration.
    pub(crate) ready: bool,
    /// What is missing for that.
    pub(crate) missing: Vec<String>,
    /// Whether there is a stream to the xDS server.
    pub(crate) connected: bool,
    /// Where listeners can be reached.
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
    /// Listeners whose address cannot be had.
    pub(crate) failed_listeners: BTreeMap<String, (SocketAddr, std::io::ErrorKind, String)>,
}

/// What xDS says at one moment, for the admin endpoint.
#[derive(Debug)]
pub(crate) struct Dump {
    pub(crate) accepted: BTreeMap<&'static str, BTreeMap<String, Arc<Accepted>>>,
    pub(crate) counts: BTreeMap<&'static str, crate::state::store::TypeCounts>,
}

/// Asks the control thread for a [`Dump`].
pub(crate) struct DumpRequest {
    /// Whether the resources are wanted too, and not only the counts.
    pub(crate) resources: bool,
    pub(crate) answer: oneshot::Sender<Dump>,
}

/// What the control thread starts with.
pub(crate) struct Setup {
    pub(crate) server: String,
    pub(crate) node_id: String,
    pub(crate) filters: FilterRegistry,
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Workers,
    pub(crate) log: LogWriter,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) dumps: mpsc::Receiver<DumpRequest>,
    /// Ends the gateway, with the time that connections get to finish.
    pub(crate) stop: oneshot::Receiver<Duration>,
}

/// Checks what [`run`] would fail on later.
pub(crate) fn check(setup: &Setup) -> Result<(), ConfigurationError> {
    AdsClient::new(ads::options(&setup.server, &setup.node_id)).map(drop)
}

/// Runs the control thread until the gateway ends.
pub(crate) async fn run(setup: Setup) -> Result<(), ConfigurationError> {
    let Setup { server, node_id, filters, shared, workers, log, progress, mut dumps, stop } = setup;
    let (client, interests) = AdsClient::new(ads::options(&server, &node_id))?;
    let (found, mut addresses) = mpsc::channel(WAITING_ADDRESSES);
    // One message per configuration that takes its time.
    let (loads, mut loaded) = mpsc::unbounded_channel();
    let control = Rc::new(RefCell::new(Control {
        store: Store::new(Loader::new(filters)),
        attached: Arc::default(),
        loads,
        sockets: Sockets::new(workers.count()),
        resolver: Resolver::new(found),
        retired: Retired::default(),
        shared,
        workers,
        interests,
        progress,
        last_update: Instant::now(),
    }));
    let mut handler = ads::AdsHandler(control.clone());
    let subscription = client.run(&mut handler);
    tokio::pin!(subscription, stop);
    let mut collect = tokio::time::interval(COLLECT);
    let grace = loop {
        tokio::select! {
            never = &mut subscription => match never {},
            Some((cluster, endpoints)) = addresses.recv() => control.borrow_mut().resolved(&cluster, endpoints),
            Some(()) = loaded.recv() => control.borrow_mut().loaded(),
            Some(request) = dumps.recv() => control.borrow().dump(request),
            _ = collect.tick() => control.borrow_mut().tick(),
            // A gateway that nobody holds any more ends as well.
            grace = &mut stop => break grace.unwrap_or_default(),
        }
    };
    // What is pinned and what borrows it live to the end of this function, so the workers are taken out.
    let workers = control.borrow_mut().workers.take();
    workers.shutdown(grace);
    log.finish();
    Ok(())
}

/// The control thread's state.
struct Control {
    store: Store,
    sockets: Sockets,
    resolver: Resolver,
    retired: Retired,
    shared: Arc<Shared>,
    workers: Workers,
    interests: InterestHandle,
    /// The configurations of filters that workers were told of last.
    attached: Arc<[Arc<Load>]>,
    /// Where the end of a loading is told.
    loads: mpsc::UnboundedSender<()>,
    progress: watch::Sender<Progress>,
    /// When the server sent something last.
    last_update: Instant,
}

impl Control {
    fn resolved(&mut self, cluster: &str, endpoints: crate::config::Endpoints) {
        if self.store.resolve(cluster, endpoints) {
            self.publish(false);
        }
    }

    /// Has configurations of filters loaded that take their time, on threads of their own.
    fn load(&self) {
        for work in self.store.work() {
            let (running, ended) = (tokio::task::spawn_blocking(|| work.run()), self.loads.clone());
            tokio::task::spawn_local(async move {
                // A loading that panicked is one that failed.
                let _ = running.await;
                let _ = ended.send(());
            });
        }
    }

    fn loaded(&mut self) {
        self.store.loaded();
        self.publish(true);
    }

    /// Drops what nobody uses any more, and stops waiting for a server that is there and silent.
    fn tick(&mut self) {
        self.retired.collect();
        self.store.forget_unused(Instant::now());
        let waits = {
            let progress = self.progress.borrow();
            progress.connected && !progress.missing.is_empty()
        };
        if waits && self.last_update.elapsed() >= PATIENCE {
            self.last_update = Instant::now();
            self.store.stop_waiting();
            self.publish(false);
        }
    }

    fn dump(&self, request: DumpRequest) {
        let accepted = if request.resources { self.store.accepted().clone() } else { BTreeMap::new() };
        let dump = Dump { accepted, counts: self.store.counts().clone() };
        // Whoever asked may have gone.
        let _ = request.answer.send(dump);
    }

    /// Puts the state in effect: first what requests read, then the sockets that bring requests. `references` says that
    /// resources may name others than before; without it the cost does not grow with their number.
    fn publish(&mut self, references: bool) {
        if !Arc::ptr_eq(&self.attached, self.store.filters_in_use()) {
            self.attached = self.store.filters_in_use().clone();
            self.workers.tell_all(|| Command::Filters(self.attached.clone()));
        }
        let next = Arc::new(self.store.snapshot());
        let before = self.shared.snapshot.swap(next.clone());
        self.retired.push(before);
        if references {
            self.resolver.follow(self.store.dns_clusters());
            ads::subscribe(&self.interests, &self.store.wanted());
        }
        self.sockets.follow(&next, &self.workers);
        let complete = {
            let progress = self.progress.borrow();
            progress.ready && progress.missing.is_empty()
        };
        let missing = if references || !complete { self.store.missing() } else { Vec::new() };
        self.progress.send_if_modified(|progress| {
            let before = progress.clone();
            if !progress.ready && missing.is_empty() {
                progress.ready = true;
                tracing::info!("the first complete configuration is live");
            }
            progress.missing = missing;
            progress.listeners = self.sockets.addresses();
            progress.failed_listeners = self.sockets.failures();
            *progress != before
        });
    }
}
