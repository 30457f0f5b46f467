//! Messages on their way through a stream: a head is waited for, a body filters itself as it is read.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::session::{Instead, Session};
use super::source::Source;
use crate::body::{BodyError, RequestBody};
use crate::message::{RequestHead, ResponseHead, reply};
use crate::stream::Side;

/// Waits until a request's head has passed every filter, feeding them the body as far as they want it.
pub(crate) async fn request(
    session: &Rc<Session>,
    body: RequestBody,
) -> Result<(RequestHead, RequestBody), Instead> {
    let source = (!body.is_end_stream()).then(|| Box::new(body));
    let mut body = FilteredRequest { session: session.clone(), source, ended: false };
    let head = poll_fn(|cx| body.poll_head(cx)).await?;
    Ok((head, body.into_body()))
}

/// What is left of a response's body: as it came, or behind filters.
pub(crate) enum Rest {
    Direct(Source),
    Filtered(Box<FilteredResponse>),
}

/// Sends a response through the filters. What a filter wants instead takes its place, and passes no filter again.
pub(crate) async fn response(
    session: &Rc<Session>,
    head: ResponseHead,
    source: Source,
) -> Result<(ResponseHead, Rest), Instead> {
    let end = source.is_end_stream();
    session.with(|stream, choice| stream.response_head(head, end, choice));
    let mut body =
        FilteredResponse { session: session.clone(), source: Some(source).filter(|_| !end), ended: false };
    match poll_fn(|cx| body.poll_head(cx)).await {
        Ok(head) => Ok((head, body.into_rest())),
        Err(instead) => {
            session.with(|stream, _| stream.discard_response());
            Err(instead)
        }
    }
}

/// Sends the head of a response through the filters that another protocol follows: that one passes none.
pub(crate) async fn agreement(session: &Rc<Session>, head: ResponseHead) -> Result<ResponseHead, Instead> {
    session.with(|stream, choice| stream.response_head(head, false, choice));
    let mut body = FilteredResponse { session: session.clone(), source: None, ended: false };
    poll_fn(|cx| body.poll_head(cx)).await
}

/// A request's body on its way through the filters.
struct FilteredRequest {
    session: Rc<Session>,
    source: Option<Box<RequestBody>>,
    ended: bool,
}

impl FilteredRequest {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<RequestHead, Instead>> {
        self.session.register(cx);
        loop {
            let mut inner = self.session.settle();
            if let Some(instead) = inner.instead() {
                return Poll::Ready(Err(instead));
            }
            if let Some((head, end)) = inner.stream.request_out() {
                self.ended = end;
                return Poll::Ready(Ok(head));
            }
            if !inner.stream.wants_more(Side::Request) {
                return Poll::Pending;
            }
            drop(inner);
            if ready!(self.feed(cx)).is_err() {
                return Poll::Ready(Err(Instead::Reply(reply::bad_request())));
            }
        }
    }

    /// Feeds the next part of the source.
    fn feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(source) = &mut self.source else { return Poll::Pending };
        let frame = ready!(Pin::new(&mut **source).poll_frame(cx)).transpose()?;
        let end = frame.is_none() || source.is_end_stream();
        if end {
            self.source = None;
        }
        self.session.feed(Side::Request, frame, end);
        Poll::Ready(Ok(()))
    }

    /// Returns the shortest form of what is left: the source itself when no filter looks at it.
    fn into_body(mut self) -> RequestBody {
        let direct = !self.session.with(|stream, _| stream.takes_body(Side::Request));
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
        this.session.register(cx);
        loop {
            let mut inner = this.session.settle();
            if inner.stream.has_replied() || inner.stream.has_ended() {
                return Poll::Ready(Some(Err(BodyError::Answered)));
            }
            if let Some(frame) = inner.next_frame(Side::Request, &mut this.ended) {
                return Poll::Ready(frame.map(Ok));
            }
            if !inner.stream.wants_more(Side::Request) {
                return Poll::Pending;
            }
            drop(inner);
            if let Err(error) = ready!(this.feed(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        rest(&self.session, Side::Request)
    }
}

/// A response's body on its way through the filters.
pub(crate) struct FilteredResponse {
    session: Rc<Session>,
    source: Option<Source>,
    ended: bool,
}

impl FilteredResponse {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Instead>> {
        self.session.register(cx);
        loop {
            let mut inner = self.session.settle();
            if let Some(instead) = inner.instead() {
                return Poll::Ready(Err(instead));
            }
            if let Some((head, end)) = inner.stream.response_out() {
                self.ended = end;
                return Poll::Ready(Ok(head));
            }
            if !inner.stream.wants_more(Side::Response) {
                return Poll::Pending;
            }
            drop(inner);
            if ready!(self.feed(cx)).is_err() {
                let reply = reply::upstream_failure("connection termination");
                return Poll::Ready(Err(Instead::Reply(reply)));
            }
        }
    }

    fn feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(source) = &mut self.source else { return Poll::Pending };
        let frame = ready!(source.poll_frame(cx)).transpose()?;
        let end = frame.is_none() || source.is_end_stream();
        if end {
            self.source = None;
        }
        self.session.feed(Side::Response, frame, end);
        Poll::Ready(Ok(()))
    }

    fn into_rest(mut self) -> Rest {
        let direct = !self.session.with(|stream, _| stream.takes_body(Side::Response));
        match self.source.take() {
            _ if self.ended => Rest::Direct(Source::Empty),
            Some(source) if direct => Rest::Direct(source),
            source => {
                self.source = source;
                Rest::Filtered(Box::new(self))
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
        this.session.register(cx);
        loop {
            let mut inner = this.session.settle();
            if let Some(frame) = inner.next_frame(Side::Response, &mut this.ended) {
                return Poll::Ready(frame.map(Ok));
            }
            if inner.instead().is_some() {
                // The head is out: all that is left is to end the response early.
                return Poll::Ready(Some(Err(BodyError::Answered)));
            }
            if !inner.stream.wants_more(Side::Response) {
                return Poll::Pending;
            }
            drop(inner);
            if let Err(error) = ready!(this.feed(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        rest(&self.session, Side::Response)
    }
}

/// Returns how long the rest of a body is, where filters have let all of it go on.
fn rest(session: &Rc<Session>, side: Side) -> SizeHint {
    match session.with(|stream, _| stream.rest(side)) {
        Some(length) => SizeHint::with_exact(length as u64),
        None => SizeHint::default(),
    }
}
