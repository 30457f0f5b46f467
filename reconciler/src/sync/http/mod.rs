//! What a sync tells over HTTP, and how it is woken: `/status`, `/metrics`, `/ready`, `/api/v1/apps`, and `POST /webhook`,
//! which must be signed. What is told comes from views alone.

mod accept;
mod connections;
mod pages;
#[cfg(test)]
mod tests;
mod webhook;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::view::Watched;
use pages::{Shared, pages};

pub use webhook::WebhookSecret;

/// Largest body of a webhook. The body is not looked into: it only has to be signed.
const LARGEST: usize = 1024 * 1024;
/// How long a client may take for its headers, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long requests under way may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// A server that tells of a sync; it ends when it is dropped.
pub struct SyncServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl SyncServer {
    /// Listens, and tells of these applications. Without a secret there is no webhook.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn start(
        address: SocketAddr,
        apps: Vec<Watched>,
        secret: Option<WebhookSecret>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let pages = pages(Shared::new(apps, secret));
        let task = tokio::spawn(connections::serve(listener, pages, stopped, connections::LIMITS));
        Ok(SyncServer { address, stop, task })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nobody any more, and waits for the answers to requests under way.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        tokio::time::timeout(GRACE, &mut self.task).await.ok();
    }
}

impl Drop for SyncServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
