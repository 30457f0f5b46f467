//! The answering side of a control address: as on a control socket, but only for who shows a certificate of the authority.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::ControlError;
use super::identity::{Door, Identity};
use super::server::{Control, converse};

/// Connections at once; others wait.
const CONNECTIONS: usize = 16;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long one who was refused may take to hear why.
const FAREWELL: Duration = Duration::from_secs(1);

/// A control address that is listened on.
pub struct ControlAddress {
    listener: TcpListener,
    address: SocketAddr,
    door: Arc<Door>,
}

impl ControlAddress {
    /// Reads the identity and listens; nothing is answered yet.
    ///
    /// # Errors
    /// A file of the identity is of no use, or the address cannot be had.
    pub async fn listen(address: SocketAddr, identity: Identity) -> Result<Self, ControlError> {
        let door = Arc::new(Door::open(identity)?);
        let failed = |source| ControlError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(ControlAddress { listener, address, door })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done.
    pub async fn serve(self, control: Control, stop: impl Future<Output = ()>) {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = async {
                let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = &mut stop => return,
                next = next => next,
            };
            let (door, control) = (self.door.clone(), control.clone());
            match accepted {
                Ok((stream, peer)) => drop(tokio::spawn(async move {
                    if let Err(error) = answer(stream, &door, control).await {
                        tracing::debug!(%peer, %error, "a control connection ended early");
                    }
                    drop(permit);
                })),
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn answer(stream: TcpStream, door: &Door, control: Control) -> io::Result<()> {
    let mut stream = timeout(HANDSHAKE, handshake(stream, door)).await??;
    converse(&mut stream, control).await?;
    stream.shutdown().await
}

/// Lets in who shows the right certificate. Who is refused hears it: closing with unread bytes would take the alert away.
async fn handshake(stream: TcpStream, door: &Door) -> io::Result<TlsStream<TcpStream>> {
    match TlsAcceptor::from(door.now()).accept(stream).into_fallible().await {
        Ok(stream) => Ok(stream),
        Err((error, mut stream)) => {
            let farewell = async {
                stream.shutdown().await?;
                let mut rest = [0; 1024];
                while stream.read(&mut rest).await? > 0 {}
                io::Result::Ok(())
            };
            timeout(FAREWELL, farewell).await.ok();
            Err(error)
        }
    }
}
