//! The body of a request as the client sends it, counted.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::BodyError;
use crate::watch::{Broken, Watch};

/// The body of a request as the client sends it; what comes of it is noted in its watch.
pub(crate) struct ClientBody {
    incoming: Incoming,
    watch: Rc<Watch>,
}

impl ClientBody {
    pub(crate) fn new(incoming: Incoming, watch: Rc<Watch>) -> Self {
        Self { incoming, watch }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.watch.touch();
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

/// Tells bytes that are no body from a peer that went away.
pub(crate) fn broken(error: &hyper::Error) -> Broken {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Broken::Malformed,
        _ => Broken::Gone,
    }
}
