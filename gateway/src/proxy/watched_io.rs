//! Counts that bytes moved on a connection, so that the worker's tick can tell a slow head from an idle connection and a
//! silent tunnel from a busy one, and has what a client sends looked at.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inspect::Inspector;
use super::moves::Moves;

/// A stream whose reads and writes are counted. The counters are atomic only because hyper wants to be able to send the
/// stream to another thread.
pub(crate) struct WatchedIo<S> {
    inner: S,
    moves: Arc<Moves>,
    inspector: Option<Inspector>,
}

impl<S> WatchedIo<S> {
    pub(crate) fn new(inner: S, moves: Arc<Moves>) -> Self {
        Self { inner, moves, inspector: None }
    }

    /// Makes a stream on which a client's requests are looked at.
    pub(crate) fn inspected(inner: S, moves: Arc<Moves>) -> Self {
        Self { inner, moves, inspector: Some(Inspector::default()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(inspector) = &this.inspector {
            inspector.check()?;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            this.moves.reads.fetch_add(1, Ordering::Relaxed);
            if let Some(inspector) = &mut this.inspector
                && !this.moves.switched.load(Ordering::Relaxed)
            {
                inspector.read(read, &this.moves);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> WatchedIo<S> {
    fn wrote(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        self.moves.writes.fetch_add(1, Ordering::Relaxed);
        if let (Ok(bytes), Some(_)) = (&result, &self.inspector) {
            self.moves.count_written(*bytes as u64);
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        self.wrote(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs));
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
