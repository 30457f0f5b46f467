//! A request body that can be sent again: what a try has read is kept, up to a limit, for the next try.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{BodyError, RequestBody};

/// The most that is kept of one body; a longer one is sent once only.
const KEPT_BYTES: usize = 1024 * 1024;

/// A body shared by the tries of one request. Only the latest one reads on.
pub(crate) struct Replay {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    source: Box<RequestBody>,
    kept: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    bytes: usize,
    ended: bool,
    /// Whether something was read that is not kept.
    lost: bool,
}

/// One try's view of the body.
pub(crate) struct ReplayBody {
    inner: Rc<RefCell<Inner>>,
    next: usize,
    trailers_sent: bool,
}

impl Replay {
    pub(crate) fn new(source: RequestBody) -> Self {
        let source = Box::new(source);
        let inner = Inner { source, kept: Vec::new(), trailers: None, bytes: 0, ended: false, lost: false };
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// Returns whether the body can be had from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        !self.inner.borrow().lost
    }

    /// Returns the body from its beginning, unless a part of it is lost.
    pub(crate) fn body(&self) -> Option<RequestBody> {
        self.is_whole().then(|| {
            RequestBody::Replay(ReplayBody { inner: self.inner.clone(), next: 0, trailers_sent: false })
        })
    }
}

impl Inner {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len();
            self.lost |= self.bytes > KEPT_BYTES;
            if self.lost {
                self.kept.clear();
            } else {
                self.kept.push(data.clone());
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
    }
}

impl Body for ReplayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut inner = this.inner.borrow_mut();
        if let Some(data) = inner.kept.get(this.next) {
            this.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if inner.ended {
            let trailers =
                inner.trailers.clone().filter(|_| !std::mem::replace(&mut this.trailers_sent, true));
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(Pin::new(&mut *inner.source).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                inner.keep(frame);
                this.next = inner.kept.len();
                if frame.is_trailers() {
                    (inner.ended, this.trailers_sent) = (true, true);
                }
            }
            Some(Err(_)) => inner.lost = true,
            None => inner.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.inner.borrow();
        let read = self.next >= inner.kept.len();
        let trailers = inner.trailers.is_none() || self.trailers_sent;
        read && trailers && (inner.ended || inner.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.borrow();
        let kept: usize = inner.kept[self.next.min(inner.kept.len())..].iter().map(Bytes::len).sum();
        match inner.source.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + kept as u64),
            None => SizeHint::default(),
        }
    }
}
