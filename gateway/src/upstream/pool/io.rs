//! The bytes of a connection to an endpoint, in clear text or through TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::ConnectError;
use crate::state::{Cluster, Endpoint, Transport};

/// A connection to an endpoint.
pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Io {
    /// Opens a connection, through the handshake where there is one.
    pub(super) async fn open(cluster: &Cluster, endpoint: &Endpoint) -> Result<Self, ConnectError> {
        if let Transport::Unusable(reason) = &cluster.transport {
            return Err(ConnectError::Failed((*reason).to_owned()));
        }
        let stream = TcpStream::connect(endpoint.address).await.map_err(failed)?;
        // A request is written as a whole: waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let (Transport::Tls(tls), Some(settings)) = (&cluster.transport, &cluster.config.tls) else {
            return Ok(Self::Plain(stream));
        };
        // Without a name to ask for, the library wants one to keep sessions by.
        let name = match &settings.server_name {
            Some(name) => ServerName::DnsName(name.clone()),
            None => ServerName::from(endpoint.address.ip()),
        };
        let stream = TlsConnector::from(tls.client.clone()).connect(name, stream).await.map_err(failed)?;
        let chosen = stream.get_ref().1.alpn_protocol();
        if chosen.is_some_and(|chosen| chosen != cluster.config.protocol.alpn()) {
            return Err(ConnectError::Failed("the endpoint chose another protocol".to_owned()));
        }
        Ok(Self::Tls(Box::new(stream)))
    }
}

fn failed(error: io::Error) -> ConnectError {
    ConnectError::Failed(error.to_string())
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
