//! A relay to an API server that shows its clients the loopback address in the place of [`STAND_IN`], and makes trouble
//! where a test asks for it.
//!
//! The API server takes no loopback address into an EndpointSlice, and the backends of a test have no other one. Both
//! addresses are equally long, so that nothing else of an answer changes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use crate::http::{Protocol, Tls, client_config};
use crate::kube_api::status;

/// What a test writes as the address of an endpoint; nobody has it.
pub const STAND_IN: &str = "10.99.0.1";
const LOOPBACK: &str = "127.0.0.1";

/// What happens to a request in the place of an answer of the API server.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// It is refused with this status, and the API server never sees it.
    Answer(u16),
    /// It goes on after this time.
    Wait(Duration),
}

/// Trouble for requests that are told by their first line.
struct Ordered {
    method: String,
    part: String,
    left: usize,
    trouble: Trouble,
}

/// The trouble of a relay.
#[derive(Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<Vec<Ordered>>>);

impl Troubles {
    /// Orders trouble for the next requests of a method whose path has this part.
    pub(crate) fn order(&self, method: &str, part: &str, times: usize, trouble: Trouble) {
        let (method, part) = (method.to_owned(), part.to_owned());
        self.ordered().push(Ordered { method, part, left: times, trouble });
    }

    /// Takes back all trouble for paths with this part.
    pub(crate) fn end(&self, part: &str) {
        self.ordered().retain(|ordered| ordered.part != part);
    }

    fn ordered(&self) -> MutexGuard<'_, Vec<Ordered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the trouble of a request, if these are its first bytes.
    fn of(&self, bytes: &[u8]) -> Option<Trouble> {
        let line = bytes.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?.strip_suffix(" HTTP/1.1")?;
        let (method, path) = line.split_once(' ')?;
        let mut all = self.ordered();
        let ordered = all
            .iter_mut()
            .find(|ordered| ordered.left > 0 && ordered.method == method && path.contains(&ordered.part))?;
        ordered.left -= 1;
        Some(ordered.trouble)
    }
}

/// Returns an answer with which the API server would refuse a request.
fn refusal(code: u16) -> String {
    let body = status(code, "the test wants it so").to_string();
    format!(
        "HTTP/1.1 {code} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A running relay; it and its connections end when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    pub(crate) troubles: Troubles,
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
        let troubles = Troubles::default();
        let known = troubles.clone();
        // On a thread of its own: a runtime must not be entered from inside another one.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket of this process");
                tokio::select! {
                    () = accept(listener, server, connector, known) => {}
                    _ = stopped => {}
                }
            });
        });
        Relay { address, troubles, running: Some((stop, thread)) }
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

async fn accept(listener: TcpListener, server: SocketAddr, connector: TlsConnector, troubles: Troubles) {
    while let Ok((client, _)) = listener.accept().await {
        let (connector, troubles) = (connector.clone(), troubles.clone());
        // A server that is away is a connection that closes.
        tokio::spawn(async move { connect(client, server, connector, troubles).await.ok() });
    }
}

async fn connect(
    client: TcpStream,
    server: SocketAddr,
    connector: TlsConnector,
    troubles: Troubles,
) -> io::Result<()> {
    let stream = TcpStream::connect(server).await?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let (from_server, to_server) = tokio::io::split(connector.connect(name, stream).await?);
    let (from_client, mut to_client) = client.into_split();
    let refused = tokio::select! {
        ended = requests(from_client, to_server, &troubles) => ended?,
        ended = replacing(from_server, &mut to_client) => return ended,
    };
    match refused {
        Some(code) => to_client.write_all(refusal(code).as_bytes()).await,
        None => Ok(()),
    }
}

/// Copies requests until one is to be refused, and returns with which status. A client sends one at a time and waits, so
/// that each begins with what is read at once.
async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    troubles: &Troubles,
) -> io::Result<Option<u16>> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        match troubles.of(&buffer[..read]) {
            Some(Trouble::Answer(code)) => return Ok(Some(code)),
            Some(Trouble::Wait(time)) => tokio::time::sleep(time).await,
            None => {}
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
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
    async fn the_requests_that_are_named_meet_their_trouble_as_often_as_ordered() {
        let troubles = Troubles::default();
        troubles.order("PATCH", "/a?", 1, Trouble::Answer(500));
        let copied = async |text: &str| {
            let mut to = Vec::new();
            let refused = requests(text.as_bytes(), &mut to, &troubles).await.unwrap();
            (refused, String::from_utf8(to).unwrap())
        };
        let get = "GET /a?x HTTP/1.1\r\n\r\n";
        assert_eq!(copied(get).await, (None, get.to_owned()));
        let patch = "PATCH /a?x HTTP/1.1\r\n\r\n{}";
        assert_eq!(copied(patch).await, (Some(500), String::new()));
        assert_eq!(copied(patch).await, (None, patch.to_owned()));
        troubles.order("PATCH", "/a?", 9, Trouble::Answer(500));
        troubles.end("/a?");
        assert_eq!(copied(patch).await, (None, patch.to_owned()));
    }

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
