//! Counts that bytes moved on a connection, so that the worker's tick can tell a slow head from an idle connection and a
//! silent tunnel from a busy one, and has what a client sends looked at.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inspect::Inspector;

/// Frames that carry no request, by one client within one tick. Clients in good faith send a few dozen.
pub(crate) const CONTROL_FRAMES: u32 = 2000;

/// Bytes sent for which a client may open a window once more: even one that answers each small frame stays below.
const BYTES_FOR_A_WINDOW: u64 = 16;

/// A stream whose reads and writes are counted. The counters are atomic only because hyper wants to be able to send the
/// stream to another thread.
pub(crate) struct WatchedIo<S> {
    inner: S,
    moves: Arc<Moves>,
    inspector: Option<Inspector>,
}

/// How often something was read and written, and what was found in it.
#[derive(Debug)]
pub(crate) struct Moves {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// The number of the first head that two readers could understand differently.
    pub(crate) faulty_head: AtomicU64,
    /// The connection speaks another protocol from now on, which nobody looks at.
    pub(crate) switched: AtomicBool,
    control_frames: AtomicU32,
    window_frames: AtomicU32,
    /// Bytes written in this tick, and a share of those before.
    written: AtomicU64,
}

impl Default for Moves {
    fn default() -> Self {
        Self {
            reads: AtomicU64::default(),
            writes: AtomicU64::default(),
            faulty_head: AtomicU64::new(u64::MAX),
            switched: AtomicBool::default(),
            control_frames: AtomicU32::default(),
            window_frames: AtomicU32::default(),
            written: AtomicU64::default(),
        }
    }
}

impl Moves {
    /// Returns the count of both.
    pub(crate) fn all(&self) -> u64 {
        self.reads.load(Ordering::Relaxed) + self.writes.load(Ordering::Relaxed)
    }

    /// Counts control frames, and returns whether they are too many.
    pub(crate) fn count_control(&self, frames: u32) -> bool {
        self.control_frames.fetch_add(frames, Ordering::Relaxed).saturating_add(frames) > CONTROL_FRAMES
    }

    /// Counts frames that open a window, and returns whether they are too many for what was sent.
    pub(crate) fn count_windows(&self, frames: u32) -> bool {
        let counted = self.window_frames.fetch_add(frames, Ordering::Relaxed).saturating_add(frames);
        let earned = self.written.load(Ordering::Relaxed) / BYTES_FOR_A_WINDOW;
        u64::from(counted) > u64::from(CONTROL_FRAMES) + earned
    }

    /// Counts bytes that were sent.
    pub(crate) fn count_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins to count anew. What was sent a moment ago is still being answered.
    pub(crate) fn next_tick(&self) {
        self.control_frames.store(0, Ordering::Relaxed);
        self.window_frames.store(0, Ordering::Relaxed);
        self.written.store(self.written.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
    }
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
