//! Where a response's body comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::body::BodyError;
use crate::upstream::UpstreamBody;

/// Where a response's body comes from.
pub(crate) enum Source {
    Empty,
    Full(Bytes),
    Upstream(UpstreamBody),
}

impl Source {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Full(data) if data.is_empty() => Poll::Ready(None),
            Self::Full(data) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(data) => data.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}
