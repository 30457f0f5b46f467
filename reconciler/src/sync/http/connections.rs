//! Connections of clients: so many at once, each for one request and for so long.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::PATIENCE;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once; others wait.
    pub(super) connections: u16,
    /// How long a client may take for its headers.
    pub(super) headers: Duration,
    /// How long one connection may take as a whole: its headers, its body, and reading the answer.
    pub(super) lifetime: Duration,
}

/// The limits of a server.
pub(super) const LIMITS: Limits =
    Limits { connections: 64, headers: PATIENCE, lifetime: Duration::from_secs(30) };

/// Says when to end.
pub(super) type Stop = watch::Receiver<bool>;

/// Answers at a listener until it is to stop and the requests under way were answered.
pub(super) async fn serve(listener: TcpListener, pages: Router, stop: Stop, limits: Limits) {
    let free = Arc::new(Semaphore::new(limits.connections.into()));
    loop {
        let (stream, permit) = tokio::select! {
            next = next(&listener, &free) => next,
            () = stopped(stop.clone()) => break,
        };
        let (pages, stop) = (pages.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::time::timeout(limits.lifetime, converse(stream, pages, stop, limits.headers)).await.ok();
            drop(permit);
        });
    }
    drop(listener);
    // All of them are free once every connection has ended; the semaphore is never closed.
    free.acquire_many(limits.connections.into()).await.ok();
}

async fn next(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Out of file descriptors, as a rule; they come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: TcpStream, pages: Router, stop: Stop, headers: Duration) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(headers).keep_alive(false);
    let service = TowerToHyperService::new(pages);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A client that breaks off has nobody to tell.
    tokio::select! {
        _ = &mut connection => return,
        () = stopped(stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}

/// Waits until it is to stop; that the server was dropped says so too.
async fn stopped(mut stop: Stop) {
    stop.wait_for(|stop| *stop).await.ok();
}
