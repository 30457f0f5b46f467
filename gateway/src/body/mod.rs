//! The bodies of requests on their way to an upstream, wherever they come from: a client, a filter, a try before.

mod client;
mod replay;
mod whole;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub(crate) use client::{ClientBody, broken};
pub(crate) use replay::{Replay, ReplayBody};
pub(crate) use whole::WholeBody;

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
}

/// The body of a request on its way to an upstream. One enum instead of a box: most bodies need no wrapper.
pub(crate) enum RequestBody {
    Empty,
    /// All of it is here.
    Whole(WholeBody),
    Client(ClientBody),
    /// Made by whoever sits between the client and the upstream.
    Made(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
    Replay(ReplayBody),
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
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Client(body) => Pin::new(body).poll_frame(cx),
            Self::Made(body) => body.as_mut().poll_frame(cx),
            Self::Replay(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(body) => body.is_end_stream(),
            Self::Client(body) => body.is_end_stream(),
            Self::Made(body) => body.is_end_stream(),
            Self::Replay(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(body) => body.size_hint(),
            Self::Client(body) => body.size_hint(),
            Self::Made(body) => body.size_hint(),
            Self::Replay(body) => body.size_hint(),
        }
    }
}
