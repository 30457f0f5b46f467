//! The body of a response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::filtered::{FilteredResponse, Rest};
use super::record::Record;
use super::source::Source;
use crate::body::{BodyError, broken};
use crate::stats::ResponseFlags;
use crate::watch::Broken;

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

/// What a response's body is to the connection.
pub(crate) enum Content {
    Direct(Source),
    Filtered(Box<FilteredResponse>),
}

impl From<Source> for Content {
    fn from(source: Source) -> Self {
        Self::Direct(source)
    }
}

impl From<Rest> for Content {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::Direct(source) => Self::Direct(source),
            Rest::Filtered(body) => Self::Filtered(body),
        }
    }
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
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Direct(source) => source.poll_frame(cx),
            Self::Filtered(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(source) => source.is_end_stream(),
            Self::Filtered(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(source) => source.size_hint(),
            Self::Filtered(body) => body.size_hint(),
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
