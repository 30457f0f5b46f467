//! Starting and ending a gateway.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::access_log::LogWriter;
use crate::admin;
use crate::control::{self, Progress, Setup};
use crate::error::GatewayError;
use crate::filters;
use crate::proxy::Workers;
use crate::shared::Shared;
use crate::stream::FilterRegistry;

/// Requests for a dump that may wait.
const WAITING_DUMPS: usize = 8;

/// What a gateway needs to know before it hears from its xDS server.
pub struct GatewayOptions {
    /// The xDS server: `http://HOST:PORT` or `unix:PATH`.
    pub xds: String,
    /// The name by which the server knows this gateway.
    pub node_id: String,
    /// Addresses of the admin endpoint; port 0 takes a free one.
    pub admin: Vec<SocketAddr>,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// Where access log lines go; none logs nothing.
    pub access_log: Option<Box<dyn Write + Send>>,
    /// The filters that configuration can name.
    pub filters: FilterRegistry,
}

impl GatewayOptions {
    /// Returns options for a gateway without admin endpoint and access log, with one worker per core.
    pub fn new(xds: impl Into<String>, node_id: impl Into<String>) -> Self {
        Self {
            xds: xds.into(),
            node_id: node_id.into(),
            admin: Vec::new(),
            workers: 0,
            access_log: None,
            filters: filters::standard(),
        }
    }
}

/// A gateway at work. It ends, without waiting for its connections, when this value is dropped.
pub struct RunningGateway {
    admin: Vec<SocketAddr>,
    progress: watch::Receiver<Progress>,
    stop: Option<oneshot::Sender<Duration>>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts a gateway. It returns as soon as its threads run; [`RunningGateway::ready`] waits for its first configuration.
pub fn run(options: GatewayOptions) -> Result<RunningGateway, GatewayError> {
    let admin_sockets = admin::bind(&options.admin)?;
    let admin = admin_sockets.iter().map(|(address, _)| *address).collect();
    let shared = Arc::new(Shared::default());
    let log = LogWriter::start(options.access_log).map_err(GatewayError::Threads)?;
    let workers =
        Workers::start(worker_count(options.workers), &shared, &log).map_err(GatewayError::Threads)?;
    let (progress_sender, progress) = watch::channel(Progress::default());
    let (dump_sender, dumps) = mpsc::channel(WAITING_DUMPS);
    let (stop, stopped) = oneshot::channel();
    let setup = Setup {
        server: options.xds,
        node_id: options.node_id,
        filters: options.filters,
        shared: shared.clone(),
        workers,
        log,
        progress: progress_sender,
        dumps,
        stop: stopped,
    };
    control::check(&setup)?;
    let view = admin::View { shared, progress: progress.clone(), dumps: dump_sender };
    let mut threads = vec![start_thread("control", move || control::run(setup))?];
    if !admin_sockets.is_empty() {
        threads.push(start_thread("admin", move || admin::serve(admin_sockets, view))?);
    }
    Ok(RunningGateway { admin, progress, stop: Some(stop), threads })
}

fn worker_count(asked: usize) -> usize {
    match asked {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

/// Starts a thread with a runtime of its own that runs one future to its end.
fn start_thread<F, T>(
    name: &str,
    future: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<()>, GatewayError>
where
    F: Future<Output = T> + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(GatewayError::Threads)?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async { drop(future().await) });
            // A name that is being looked up must not hold up the end.
            runtime.shutdown_background();
        })
        .map_err(GatewayError::Threads)
}

impl RunningGateway {
    /// Waits until the first complete configuration is live: every listener open, with its routes, hosts, upstream
    /// clusters, endpoints and certificates.
    pub async fn ready(&self) -> Result<(), GatewayError> {
        let mut progress = self.progress.clone();
        let reached = progress
            .wait_for(|progress| progress.ready || !progress.failed_listeners.is_empty())
            .await
            .map_err(|_| GatewayError::Ended)?;
        if reached.ready {
            return Ok(());
        }
        match reached.failed_listeners.iter().next() {
            None => Ok(()),
            Some((listener, (address, kind, _))) => Err(GatewayError::Listen {
                listener: listener.clone(),
                address: *address,
                source: io::Error::from(*kind),
            }),
        }
    }

    /// Returns whether [`RunningGateway::ready`] would return at once.
    pub fn is_ready(&self) -> bool {
        self.progress.borrow().ready
    }

    /// Returns what is missing for the first complete configuration, in words.
    pub fn missing(&self) -> Vec<String> {
        self.progress.borrow().missing.clone()
    }

    /// Returns whether there is a stream to the xDS server.
    pub fn is_connected(&self) -> bool {
        self.progress.borrow().connected
    }

    /// Returns the addresses of the admin endpoint, in the order of the options.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin
    }

    /// Returns where the listeners can be reached, by name.
    pub fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        self.progress.borrow().listeners.clone()
    }

    /// Ends the gateway: no new connection is accepted, requests under way have `grace` to finish, and the access log is
    /// written to its end.
    pub async fn shutdown(mut self, grace: Duration) {
        if let Some(stop) = self.stop.take() {
            // A control thread that has ended needs no order.
            let _ = stop.send(grace);
        }
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("GW0901 a thread of the gateway panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("GW0901 the end of the gateway's threads could not be waited for");
        }
    }
}
