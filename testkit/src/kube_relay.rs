//! A relay to an API server that shows its clients the loopback address in the place of [`STAND_IN`].
//!
//! The API server takes no loopback address into an EndpointSlice, and the backends of a test have no other one. Both
//! addresses are equally long, so that nothing else of an answer changes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use crate::http::{Protocol, Tls, client_config};

/// What a test writes as the address of an endpoint; nobody has it.
pub const STAND_IN: &str = "10.99.0.1";
const LOOPBACK: &str = "127.0.0.1";

/// A running relay; it and its connections end when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Relay {
    /// Starts a relay in clear text to a server that has a certificate of this authority.
    pub(crate) fn start(server: SocketAddr, authority: &str) -> Self {
        let tls = Tls { authority: Some(authority.to_owned()), ..Tls::default() };
        let config = client_config(&tls, Protocol::Http1).expect("the authority of the test is one");
        let connector = TlsConnector::from(Arc::new(config));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of 127.0.0.1");
        listener.set_nonblocking(true).expect("a socket can be told not to block");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        // On a thread of its own: a runtime must not be entered from inside another one.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket of this process");
                tokio::select! {
                    () = accept(listener, server, connector) => {}
                    _ = stopped => {}
                }
            });
        });
        Relay { address, running: Some((stop, thread)) }
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        // One that has ended needs no word.
        stop.send(()).ok();
        thread.join().ok();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, connector: TlsConnector) {
    while let Ok((client, _)) = listener.accept().await {
        let connector = connector.clone();
        // A server that is away is a connection that closes.
        tokio::spawn(async move { connect(client, server, connector).await.ok() });
    }
}

async fn connect(client: TcpStream, server: SocketAddr, connector: TlsConnector) -> io::Result<()> {
    let stream = TcpStream::connect(server).await?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let (from_server, mut to_server) = tokio::io::split(connector.connect(name, stream).await?);
    let (mut from_client, to_client) = client.into_split();
    tokio::select! {
        ended = tokio::io::copy(&mut from_client, &mut to_server) => ended.map(drop),
        ended = replacing(from_server, to_client) => ended,
    }
}

/// Copies, with the loopback address in the place of the other one. What may be its beginning waits for the rest.
async fn replacing(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        waiting.extend_from_slice(&buffer[..read]);
        replace(&mut waiting);
        let kept = if read == 0 { 0 } else { begun(&waiting) };
        let rest = waiting.split_off(waiting.len() - kept);
        to.write_all(&waiting).await?;
        waiting = rest;
        if read == 0 {
            return to.shutdown().await;
        }
    }
}

fn replace(bytes: &mut [u8]) {
    let mut place = 0;
    while place + STAND_IN.len() <= bytes.len() {
        if bytes[place..].starts_with(STAND_IN.as_bytes()) {
            bytes[place..place + STAND_IN.len()].copy_from_slice(LOOPBACK.as_bytes());
        }
        place += 1;
    }
}

/// Returns how many bytes at the end may be the beginning of the address.
fn begun(bytes: &[u8]) -> usize {
    let longest = (STAND_IN.len() - 1).min(bytes.len());
    (1..=longest).rev().find(|length| bytes.ends_with(&STAND_IN.as_bytes()[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_replaced_wherever_it_is_cut() {
        let text = format!("[\"{STAND_IN}\",\"10.9\"]\n{STAND_IN}");
        let wanted = text.replace(STAND_IN, LOOPBACK);
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut copied = Vec::new();
            replacing(first.chain(second), &mut copied).await.unwrap();
            assert_eq!(String::from_utf8(copied).unwrap(), wanted, "cut at {cut}");
        }
    }
}
