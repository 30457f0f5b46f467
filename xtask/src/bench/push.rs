//! Bytes on the wire for one edited file: an ADS server on a repository, a delta client, and a counter between them.
//!
//! The counter knows nothing of the protocol, so framing and repetition are in the figure.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::repository::Repository;

const SERVER_PORT: u16 = 18_084;
const HTTP_PORT: u16 = 18_085;
const HTTPS_PORT: u16 = 18_086;
const ADMIN_PORT: u16 = 18_087;
const EDITS: usize = 5;
/// A first configuration of 20,000 hosts takes a while; an edit never does.
const FIRST: Duration = Duration::from_secs(120);
const EDIT: Duration = Duration::from_secs(30);
/// No byte for this long: the push is over.
const QUIET: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// Returns the median of the bytes that reach a delta client when one file is edited.
///
/// # Errors
/// When server or client end, or an edit moves no byte.
pub(crate) fn bytes_of_an_edit(gatewright: &Path, repository: &Repository) -> Result<u64> {
    let mut server = Command::new(gatewright);
    server.arg("xds").arg(&repository.folder).args(["--listen", &address(SERVER_PORT)]);
    server.args(["--http", &address(HTTP_PORT), "--https", &address(HTTPS_PORT)]);
    let mut server = Running::start(&mut server)?;
    let counter = Counter::start()?;
    let mut client = Command::new(gatewright);
    client.args(["gateway", "--xds", &address(counter.port), "--admin", &address(ADMIN_PORT)]);
    let mut client = Running::start(&mut client)?;
    counter.settled_beyond(0, FIRST).context("the first configuration")?;
    let mut pushed = Vec::new();
    for edit in 0..EDITS {
        ensure!(server.runs()? && client.runs()?, "the server or the client has ended");
        let before = counter.bytes();
        fs::write(repository.edited_file(), Repository::edited_text(&format!("/moved-{edit}")))?;
        pushed.push(counter.settled_beyond(before, EDIT)? - before);
    }
    fs::write(repository.edited_file(), Repository::edited_text("/api"))?;
    pushed.sort_unstable();
    Ok(pushed[EDITS / 2])
}

/// Returns a port of this machine as an address.
pub(super) fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A process that ends with its value.
pub(super) struct Running(Child);

impl Running {
    /// Starts it, without input and with its output thrown away.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("{name} cannot be run"))?))
    }

    /// Tells whether it has not ended yet.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn runs(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Returns the process's number.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then the measurement has failed already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Forwards connections to the server and counts what comes back.
struct Counter {
    port: u16,
    bytes: Arc<AtomicU64>,
}

impl Counter {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let counter = Self { port: listener.local_addr()?.port(), bytes: Arc::default() };
        let bytes = Arc::clone(&counter.bytes);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // While the server still starts, the client is turned away and tries again.
                let Ok(server) = TcpStream::connect(("127.0.0.1", SERVER_PORT)) else { continue };
                let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                forward(client, to_server, None);
                forward(server, to_client, Some(Arc::clone(&bytes)));
            }
        });
        Ok(counter)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until more than `before` bytes have come and no more do, and returns the count.
    fn settled_beyond(&self, before: u64, within: Duration) -> Result<u64> {
        let deadline = Instant::now() + within;
        let (mut last, mut since) = (before, Instant::now());
        while Instant::now() < deadline {
            let now = self.bytes();
            if now != last {
                (last, since) = (now, Instant::now());
            } else if last > before && since.elapsed() >= QUIET {
                return Ok(last);
            }
            std::thread::sleep(POLL);
        }
        bail!("{} bytes came within {within:?}, and no end", last - before)
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, count: Option<Arc<AtomicU64>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
            if let Some(bytes) = &count {
                bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
        }
        // The other direction ends with this one; the peer may be gone already.
        to.shutdown(Shutdown::Both).ok();
    });
}
