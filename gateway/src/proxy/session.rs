//! Drives a stream: feeds it the messages as they come, gives out what passed, and carries out what filters order.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::task::AbortHandle;

use super::connection::Connection;
use super::routing::{Chosen, RouteChoice};
use crate::config::HttpConnections;
use crate::message::{LocalReply, RequestHead};
use crate::stream::{Info, Order, Outcome, Part, Place, Side, Signal, Start, Stream};

/// A stream at work. Shared by the task that answers the request, the ones that read its bodies, and the calls and timers of
/// its filters.
pub(crate) struct Session {
    inner: RefCell<Inner>,
    signal: Rc<Signal>,
    connection: Rc<Connection>,
    /// Calls and timers under way.
    tasks: RefCell<Vec<AbortHandle>>,
}

pub(super) struct Inner {
    pub(super) stream: Stream,
    choice: RouteChoice,
}

/// What takes the place of a message that was on its way.
#[derive(Debug)]
pub(crate) enum Instead {
    Reply(LocalReply),
    /// No response at all.
    End,
}

/// Starts a stream for a request that a filter has something to do with; else the request goes on as it is, and costs
/// neither memory nor a look at its body.
pub(crate) fn start(
    connection: &Rc<Connection>,
    http: &HttpConnections,
    mut choice: RouteChoice,
    head: RequestHead,
    end: bool,
) -> Result<(RequestHead, Option<Chosen>), Rc<Session>> {
    choice.choose(&head);
    let mut filters = http.filters.iter();
    while let Some(filter) = filters.next() {
        let route = choice.choose(&head).map(|chosen| &chosen.route);
        if !filter.runs_on(route.map(|route| &**route)) {
            continue;
        }
        let factory = connection.context.filters.factory(filter);
        let Some(first) = factory.filter(&Start { name: &filter.name, head: &head, route }) else { continue };
        let rest = filters.filter(|filter| filter.runs_on(route.map(|route| &**route)));
        let rest = rest
            .map(|filter| Place::new(filter.name.clone(), connection.context.filters.factory(filter), None));
        let mut places = vec![Place::new(filter.name.clone(), factory, Some(first))];
        places.extend(rest);
        return Err(Session::new(connection.clone(), choice, places, head, end));
    }
    Ok((head, choice.chosen()))
}

impl Session {
    fn new(
        connection: Rc<Connection>,
        mut choice: RouteChoice,
        places: Vec<Place>,
        head: RequestHead,
        end: bool,
    ) -> Rc<Self> {
        let info = Info::new(connection.info());
        let mut stream = Stream::start(places, head, end, info, &mut choice);
        let (signal, orders) = (stream.signal().clone(), stream.orders());
        let inner = RefCell::new(Inner { stream, choice });
        let session = Rc::new(Self { inner, signal, connection, tasks: RefCell::default() });
        session.carry_out(orders);
        session
    }

    /// Returns the route of the request as it is now.
    pub(crate) fn route(&self, head: &RequestHead) -> Option<Chosen> {
        self.inner.borrow_mut().choice.choose(head).cloned()
    }

    /// Waits until something takes the place of the response that is under way.
    pub(crate) async fn instead(self: &Rc<Self>) -> Instead {
        poll_fn(|cx| {
            self.register(cx);
            match self.settle().instead() {
                Some(instead) => Poll::Ready(instead),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Notes which upstream endpoint answered.
    pub(crate) fn answered_by(&self, endpoint: Option<std::sync::Arc<str>>) {
        self.inner.borrow_mut().stream.info().upstream = endpoint;
    }

    /// Ends the stream: filters write about it and are dropped.
    pub(crate) fn finish(&self, outcome: Outcome) {
        for task in self.tasks.take() {
            task.abort();
        }
        let Inner { stream, choice } = &mut *self.inner.borrow_mut();
        stream.finish(outcome, choice);
    }

    pub(super) fn register(&self, cx: &Context<'_>) {
        self.signal.register(cx.waker());
    }

    /// Does something with the stream, and carries out what filters order on the way.
    pub(super) fn with<R>(self: &Rc<Self>, act: impl FnOnce(&mut Stream, &mut RouteChoice) -> R) -> R {
        let Inner { stream, choice } = &mut *self.inner.borrow_mut();
        let result = act(stream, choice);
        self.carry_out(stream.orders());
        result
    }

    /// Wakes filters that are to be woken, and returns the stream.
    pub(super) fn settle(self: &Rc<Self>) -> RefMut<'_, Inner> {
        self.with(|stream, choice| stream.settle(choice));
        self.inner.borrow_mut()
    }

    /// Feeds a frame of a message, or its end.
    pub(super) fn feed(self: &Rc<Self>, side: Side, frame: Option<Frame<Bytes>>, end: bool) {
        self.with(|stream, choice| match frame.map(Frame::into_data) {
            None => stream.data(side, Bytes::new(), true, choice),
            Some(Ok(data)) => stream.data(side, data, end, choice),
            Some(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    stream.trailers(side, trailers, choice);
                }
            }
        });
    }

    fn carry_out(self: &Rc<Self>, orders: Vec<Order>) {
        for order in orders {
            let (session, caller) = (Rc::downgrade(self), self.connection.context.caller.clone());
            let task = tokio::task::spawn_local(async move {
                match order {
                    Order::Call { place, id, request } => {
                        let answer = caller.call(*request).await;
                        let Some(session) = session.upgrade() else { return };
                        session.with(|stream, choice| stream.called(place, id, answer, choice));
                        session.signal.wake();
                    }
                    Order::Timer { place, id, after } => {
                        tokio::time::sleep(after).await;
                        let Some(session) = session.upgrade() else { return };
                        session.with(|stream, choice| stream.timed(place, id, choice));
                        session.signal.wake();
                    }
                }
            });
            let mut tasks = self.tasks.borrow_mut();
            tasks.retain(|task| !task.is_finished());
            tasks.push(task.abort_handle());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in self.tasks.take() {
            task.abort();
        }
    }
}

impl Inner {
    /// Takes out what takes the place of the message that is under way.
    pub(super) fn instead(&mut self) -> Option<Instead> {
        if self.stream.has_ended() {
            return Some(Instead::End);
        }
        self.stream.take_reply().map(Instead::Reply)
    }

    /// Takes the next part of a body out. `Some(None)` is the end.
    pub(super) fn next_frame(&mut self, side: Side, ended: &mut bool) -> Option<Option<Frame<Bytes>>> {
        while !*ended {
            match self.stream.next_part(side)? {
                Part::Head { .. } => {}
                Part::Data { data, end } => {
                    *ended = end;
                    if !data.is_empty() {
                        return Some(Some(Frame::data(data)));
                    }
                }
                Part::Trailers => {
                    *ended = true;
                    return Some(Some(Frame::trailers(self.stream.take_trailers(side))));
                }
            }
        }
        Some(None)
    }
}
