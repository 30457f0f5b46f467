//! Messages that pass through a filter chain: the head is driven here, the bodies filter themselves as they are read.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::Content;
use super::routing::RouteChoice;
use crate::body::{BodyError, RequestBody};
use crate::config::{HttpConnections, Route};
use crate::filter::chain::{Chain, Passage, Passed, Surroundings};
use crate::filter::{Routing as _, Signal};
use crate::message::{LocalReply, RequestHead, ResponseHead};

/// The most that filters may hold of one message.
const HELD_BYTES: usize = 1024 * 1024;

/// A request in its filter chain. Shared by the task that answers it and the ones that read its bodies.
pub(crate) struct Session {
    inner: RefCell<Inner>,
    signal: Rc<Signal>,
}

struct Inner {
    chain: Box<Chain>,
    choice: RouteChoice,
    http: Arc<HttpConnections>,
}

impl Inner {
    fn with<R>(&mut self, call: impl FnOnce(&mut Chain, &mut Surroundings<'_>) -> R) -> R {
        let mut around = Surroundings { uses: &self.http.filters, routing: &mut self.choice };
        call(&mut self.chain, &mut around)
    }
}

impl Session {
    pub(crate) fn new(chain: Box<Chain>, choice: RouteChoice, http: Arc<HttpConnections>) -> Rc<Self> {
        let signal = chain.signal.clone();
        Rc::new(Self { inner: RefCell::new(Inner { chain, choice, http }), signal })
    }

    /// Returns the route of the request as it is now.
    pub(crate) fn route(&self, head: &RequestHead) -> Option<Arc<Route>> {
        self.inner.borrow_mut().choice.route(head)
    }

    /// Waits until the request's head has passed every filter, feeding them the body as far as they want it.
    pub(crate) async fn request_head(
        self: &Rc<Self>,
        body: RequestBody,
    ) -> Result<(RequestHead, RequestBody), LocalReply> {
        let mut body = FilteredRequest::new(self.clone(), body);
        let head = poll_fn(|cx| body.poll_head(cx)).await?;
        Ok((head, body.into_body()))
    }

    /// Waits until a filter answers the request.
    pub(crate) async fn reply(&self) -> LocalReply {
        poll_fn(|cx| {
            self.signal.register(cx.waker());
            match self.settle().chain.reply.take() {
                Some(reply) => Poll::Ready(reply),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Sends a response through the filters. An answer of a filter takes its place, and passes no filter again.
    pub(crate) async fn response(
        self: &Rc<Self>,
        head: ResponseHead,
        content: Content,
    ) -> Result<(ResponseHead, Content), LocalReply> {
        let end = content.is_end_stream();
        self.inner.borrow_mut().with(|chain, around| {
            chain.reply = None;
            chain.response_head(head, end, around);
        });
        let mut body =
            FilteredResponse { session: self.clone(), source: Some(content).filter(|_| !end), ended: false };
        let head = poll_fn(|cx| body.poll_head(cx)).await;
        match head {
            Ok(head) => Ok((head, body.into_content())),
            Err(reply) => {
                self.inner.borrow_mut().chain.discard_response();
                Err(reply)
            }
        }
    }

    fn settle(&self) -> RefMut<'_, Inner> {
        let mut inner = self.inner.borrow_mut();
        inner.with(|chain, around| chain.settle(around));
        inner
    }
}

/// Returns the head if it is the next part to come out, and notes whether it is all there is.
fn take_head<H>(passage: &mut Passage<H>, ended: &mut bool) -> Option<H> {
    match passage.passed.pop_front() {
        Some(Passed::Head { head, end }) => {
            *ended = end;
            Some(head)
        }
        Some(other) => {
            passage.passed.push_front(other);
            None
        }
        None => None,
    }
}

/// Takes the next part of a body out. `Some(None)` is the end.
fn take_body<H>(passage: &mut Passage<H>, ended: &mut bool) -> Option<Option<Frame<Bytes>>> {
    loop {
        if *ended {
            return Some(None);
        }
        match passage.passed.pop_front()? {
            Passed::Head { .. } => {}
            Passed::Data { data, end } => {
                *ended = end;
                if !data.is_empty() {
                    return Some(Some(Frame::data(data)));
                }
            }
            Passed::Trailers(trailers) => {
                *ended = true;
                return Some(Some(Frame::trailers(trailers)));
            }
        }
    }
}

/// A request's body on its way through the filters.
pub(crate) struct FilteredRequest {
    session: Rc<Session>,
    source: Option<Box<RequestBody>>,
    ended: bool,
}

impl FilteredRequest {
    fn new(session: Rc<Session>, body: RequestBody) -> Self {
        let source = (!body.is_end_stream()).then(|| Box::new(body));
        Self { session, source, ended: false }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<RequestHead, LocalReply>> {
        self.session.signal.register(cx.waker());
        loop {
            let mut inner = self.session.settle();
            if let Some(reply) = inner.chain.reply.take() {
                return Poll::Ready(Err(reply));
            }
            if let Some(head) = take_head(&mut inner.chain.request, &mut self.ended) {
                return Poll::Ready(Ok(head));
            }
            // A held head whose filter has no use for the body: it stays with the client meanwhile.
            if !inner.chain.wants_request_body() {
                return Poll::Pending;
            }
            drop(inner);
            match self.feed(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(crate::message::reply::bad_request())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Feeds the next part of the source.
    fn feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(source) = &mut self.source else { return Poll::Pending };
        let frame = std::task::ready!(Pin::new(&mut **source).poll_frame(cx)).transpose()?;
        let end = frame.is_none() || source.is_end_stream();
        if end {
            self.source = None;
        }
        let mut inner = self.session.inner.borrow_mut();
        inner.with(|chain, around| {
            match frame.map(Frame::into_data) {
                None => chain.request_data(Bytes::new(), true, around),
                Some(Ok(data)) => chain.request_data(data, end, around),
                Some(Err(frame)) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        chain.request_trailers(trailers, around);
                    }
                }
            }
            if chain.request.held_bytes() > HELD_BYTES {
                chain.answer(LocalReply::new(http::StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large"));
            }
        });
        Poll::Ready(Ok(()))
    }

    /// Returns the shortest form of what is left: the source itself when no filter looks at it.
    fn into_body(mut self) -> RequestBody {
        let inner = self.session.inner.borrow();
        let direct = inner.chain.request.passed.is_empty() && !inner.chain.takes_request_body();
        drop(inner);
        match self.source.take() {
            _ if self.ended => RequestBody::Empty,
            Some(source) if direct => *source,
            source => {
                self.source = source;
                RequestBody::Made(Box::pin(self))
            }
        }
    }
}

impl Body for FilteredRequest {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.session.signal.register(cx.waker());
        loop {
            let mut inner = this.session.settle();
            if inner.chain.has_replied() {
                return Poll::Ready(Some(Err(BodyError::Answered)));
            }
            if let Some(frame) = take_body(&mut inner.chain.request, &mut this.ended) {
                return Poll::Ready(frame.map(Ok));
            }
            drop(inner);
            match this.feed(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A response's body on its way through the filters.
pub(crate) struct FilteredResponse {
    session: Rc<Session>,
    source: Option<Content>,
    ended: bool,
}

impl FilteredResponse {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, LocalReply>> {
        self.session.signal.register(cx.waker());
        loop {
            let mut inner = self.session.settle();
            if let Some(reply) = inner.chain.reply.take() {
                return Poll::Ready(Err(reply));
            }
            if let Some(head) = take_head(&mut inner.chain.response, &mut self.ended) {
                return Poll::Ready(Ok(head));
            }
            if !inner.chain.wants_response_body() {
                return Poll::Pending;
            }
            drop(inner);
            match self.feed(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    return Poll::Ready(Err(crate::message::reply::upstream_failure(
                        "connection termination",
                    )));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(source) = &mut self.source else { return Poll::Pending };
        let frame = std::task::ready!(source.poll_frame(cx)).transpose()?;
        let end = frame.is_none() || source.is_end_stream();
        if end {
            self.source = None;
        }
        let mut inner = self.session.inner.borrow_mut();
        let held = inner.with(|chain, around| {
            match frame.map(Frame::into_data) {
                None => chain.response_data(Bytes::new(), true, around),
                Some(Ok(data)) => chain.response_data(data, end, around),
                Some(Err(frame)) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        chain.response_trailers(trailers, around);
                    }
                }
            }
            chain.response.held_bytes()
        });
        Poll::Ready(if held > HELD_BYTES { Err(BodyError::TooLarge) } else { Ok(()) })
    }

    fn into_content(mut self) -> Content {
        let inner = self.session.inner.borrow();
        let direct = inner.chain.response.passed.is_empty() && !inner.chain.takes_response_body();
        drop(inner);
        match self.source.take() {
            _ if self.ended => Content::Empty,
            Some(source) if direct => source,
            source => {
                self.source = source;
                Content::Filtered(Box::new(self))
            }
        }
    }
}

impl Body for FilteredResponse {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.session.signal.register(cx.waker());
        loop {
            let mut inner = this.session.settle();
            if let Some(frame) = take_body(&mut inner.chain.response, &mut this.ended) {
                return Poll::Ready(frame.map(Ok));
            }
            if inner.chain.reply.take().is_some() {
                // The head is out: all that is left is to end the response early.
                return Poll::Ready(Some(Err(BodyError::Answered)));
            }
            drop(inner);
            match this.feed(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
