//! Sends a request whose target is none that the HTTP library could write, such as `a/b` after a rewrite that lost its
//! slash: Envoy sends it, so it is sent here too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection in whose first request line another target is written.
pub(super) struct TargetIo<S> {
    inner: S,
    target: Option<Bytes>,
    /// What is left to write of what the library handed over first, with the other target.
    first: Vec<u8>,
    /// How many of the library's bytes that stands for.
    replaced: usize,
}

impl<S> TargetIo<S> {
    pub(super) fn new(inner: S, target: Bytes) -> Self {
        Self { inner, target: Some(target), first: Vec::new(), replaced: 0 }
    }

    /// Replaces the target in a request line, which the library hands over as a whole.
    fn replace(&mut self, head: &[u8], target: &[u8]) -> io::Result<()> {
        let mut spaces = head.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
        let (Some(first), Some(second)) = (spaces.next(), spaces.next()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a head without a request line"));
        };
        self.first = [&head[..=first], target, &head[second..]].concat();
        self.replaced = head.len();
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TargetIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(target) = this.target.take() {
            this.replace(buf, &target)?;
        }
        if this.replaced == 0 {
            return Pin::new(&mut this.inner).poll_write(cx, buf);
        }
        while !this.first.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_write(cx, &this.first))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(this.first.drain(..written)),
            }
        }
        Poll::Ready(Ok(std::mem::take(&mut this.replaced)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TargetIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}
