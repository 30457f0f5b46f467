//! The bodies that pass through the proxy. One enum per direction instead of a box: most bodies need no wrapper.

use std::error::Error as _;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::filtered::{FilteredRequest, FilteredResponse};
use super::pool::Lease;
use super::record::Record;
use super::replay::ReplayBody;
use super::watch::{Broken, Watch};
use super::worker::Worker;
use crate::stats::ResponseFlags;

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    #[error("the time limit of the route is over")]
    Timeout,
    #[error("nothing moved for too long")]
    Idle,
    #[error("a filter answered the request")]
    Answered,
    #[error("the body is too large to be held by a filter")]
    TooLarge,
}

/// The body of a request on its way to an upstream.
pub(crate) enum RequestBody {
    Empty,
    Client(ClientBody),
    Filtered(FilteredRequest),
    Replay(ReplayBody),
}

/// The body of a request as the client sends it, counted.
pub(crate) struct ClientBody {
    pub(crate) incoming: Incoming,
    pub(crate) watch: Rc<Watch>,
    pub(crate) worker: Rc<Worker>,
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.watch.touch(self.worker.now());
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.watch.received.set(self.watch.received.get() + data.len() as u64);
        }
        if self.incoming.is_end_stream() {
            self.watch.request_complete.set(true);
        }
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                self.watch.broken.set(Some(broken(&error)));
                BodyError::Peer(error)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Tells bytes that are no body from a client that went away.
fn broken(error: &hyper::Error) -> Broken {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Broken::Malformed,
        _ => Broken::Gone,
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => Pin::new(body).poll_frame(cx),
            Self::Filtered(body) => Pin::new(body).poll_frame(cx),
            Self::Replay(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.is_end_stream(),
            Self::Filtered(body) => body.is_end_stream(),
            Self::Replay(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
            Self::Replay(body) => body.size_hint(),
        }
    }
}

/// The body of an upstream's response. The connection goes back to its pool at the end.
pub(crate) struct UpstreamBody {
    pub(crate) incoming: Incoming,
    pub(crate) lease: Option<Lease>,
    /// When the route's limit of time is over.
    pub(crate) deadline: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(None) => {
                if let Some(lease) = this.lease.take() {
                    lease.release();
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                // Dropped without release: nobody can use the connection again.
                this.lease = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                if let Some(deadline) = &mut this.deadline {
                    ready!(deadline.as_mut().poll(cx));
                    this.lease = None;
                    return Poll::Ready(Some(Err(BodyError::Timeout)));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // A body of known length, or none at all, is not always polled to its very end.
        self.release_at_end();
    }
}

/// The body of a response on its way to the client, with the request's record, which ends with it.
pub(crate) struct ResponseBody {
    content: Content,
    record: Option<Box<Record>>,
    /// Why the body breaks off, kept back for a moment.
    failed: Option<BodyError>,
}

fn is_malformed(error: &BodyError) -> bool {
    matches!(error, BodyError::Peer(error) if broken(error) == Broken::Malformed)
}

/// Where a response's body comes from.
pub(crate) enum Content {
    Empty,
    Full(Bytes),
    Upstream(UpstreamBody),
    Filtered(Box<FilteredResponse>),
}

impl ResponseBody {
    pub(crate) fn new(content: Content, record: Box<Record>) -> Self {
        Self { content, record: Some(record), failed: None }
    }

    /// Makes a body for a request of which there is no record.
    pub(crate) fn unrecorded(content: Content) -> Self {
        Self { content, record: None, failed: None }
    }

    fn finish(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.complete = true;
        }
    }

    fn fail(&mut self, error: &BodyError) {
        if let Some(mut record) = self.record.take() {
            record.flags.add(match (error, record.watch.broken.get()) {
                (BodyError::Timeout, _) => ResponseFlags::UPSTREAM_TIMEOUT,
                (_, Some(Broken::Malformed)) => ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                (_, Some(Broken::Gone)) => ResponseFlags::DOWNSTREAM_DISCONNECT,
                _ if is_malformed(error) => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
                _ => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            });
        }
    }
}

impl Content {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Full(data) if data.is_empty() => Poll::Ready(None),
            Self::Full(data) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Filtered(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(data) => data.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Filtered(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            Self::Upstream(body) => body.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(record) = &this.record {
            if record.watch.is_expired() {
                this.record = None;
                return Poll::Ready(Some(Err(BodyError::Idle)));
            }
            record.watch.register(cx.waker());
        }
        let frame = ready!(this.content.poll_frame(cx));
        if let Some(record) = &this.record {
            record.touch();
        }
        match frame {
            None => this.finish(),
            Some(Err(error)) => {
                this.fail(&error);
                // The library drops what it has not written when a body fails: the head goes out first.
                this.failed = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Ok(frame)) => {
                if let (Some(data), Some(record)) = (frame.data_ref(), &mut this.record) {
                    record.sent += data.len() as u64;
                }
                return Poll::Ready(Some(Ok(frame)));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.finish();
        }
    }
}
