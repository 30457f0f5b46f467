//! What a filter can see and ask for while it is shown an event.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;

use super::call::{CallError, CallId, CallRequest, Order, TimerId};
use super::filter::Side;
use super::info::{ConnectionInfo, Info, Outcome};
use super::signal::{FilterWaker, Signal};
use crate::config::Route;
use crate::message::{RequestHead, ResponseHead};

/// What a stream needs of its surroundings: the request's route, and which clusters there are.
pub(crate) trait Around {
    /// Returns the route, choosing it at the first call and after each [`Around::clear_route`].
    fn route(&mut self, head: &RequestHead) -> Option<Arc<Route>>;
    /// Returns the cluster that the route chosen last sends this request to.
    fn cluster(&self) -> Option<Arc<str>>;
    /// Forgets the route.
    fn clear_route(&mut self);
    /// Returns whether there is a cluster of this name.
    fn has_cluster(&self, name: &str) -> bool;
}

/// What there is of one message.
#[derive(Debug)]
pub(crate) struct Message<H> {
    pub(crate) head: Option<H>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl<H> Default for Message<H> {
    fn default() -> Self {
        Self { head: None, trailers: None }
    }
}

/// What filters asked for that is carried out when their event is over.
#[derive(Debug)]
pub(super) enum Act {
    Resume { side: Side, place: usize },
    End,
}

/// What all filters of a stream see and change.
pub(super) struct State {
    pub(super) info: Info,
    pub(super) request: Message<RequestHead>,
    pub(super) response: Message<ResponseHead>,
    pub(super) acts: VecDeque<Act>,
    /// Data that the filter at hand makes, in its order.
    pub(super) injected: Vec<(Side, Bytes, bool)>,
    pub(super) orders: Vec<Order>,
    /// By place and side: how much may be held there.
    pub(super) limits: Vec<[usize; 2]>,
    pub(super) signal: Rc<Signal>,
    pub(super) next_id: u32,
}

impl State {
    pub(super) fn trailers(&self, side: Side) -> &Option<HeaderMap> {
        match side {
            Side::Request => &self.request.trailers,
            Side::Response => &self.response.trailers,
        }
    }

    fn trailers_mut(&mut self, side: Side) -> &mut Option<HeaderMap> {
        match side {
            Side::Request => &mut self.request.trailers,
            Side::Response => &mut self.response.trailers,
        }
    }

    fn next_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }
}

/// What a filter can see and ask for while it is shown an event.
pub struct Host<'a> {
    pub(super) place: usize,
    pub(super) name: &'a str,
    pub(super) state: &'a mut State,
    pub(super) around: &'a mut dyn Around,
}

impl Host<'_> {
    /// Returns the filter's name, under which routes hold settings for it.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the head of the request, from its coming to the end of the stream.
    pub fn request(&self) -> Option<&RequestHead> {
        self.state.request.head.as_ref()
    }

    /// Returns the head of the request to be edited. Edits reach the upstream as long as a filter holds the head.
    pub fn request_mut(&mut self) -> Option<&mut RequestHead> {
        self.state.request.head.as_mut()
    }

    /// Returns the head of the response, from its coming to the end of the stream.
    pub fn response(&self) -> Option<&ResponseHead> {
        self.state.response.head.as_ref()
    }

    /// Returns the head of the response to be edited. Edits reach the client as long as a filter holds the head.
    pub fn response_mut(&mut self) -> Option<&mut ResponseHead> {
        self.state.response.head.as_mut()
    }

    /// Returns the trailers of a message that have come.
    pub fn trailers(&self, side: Side) -> Option<&HeaderMap> {
        self.state.trailers(side).as_ref()
    }

    /// Returns the trailers of a message to be edited. At the last data of a message this makes some where there are none.
    pub fn trailers_mut(&mut self, side: Side) -> &mut HeaderMap {
        self.state.trailers_mut(side).get_or_insert_default()
    }

    /// Returns the request's route, choosing it if nobody has yet. None means that no route matches.
    pub fn route(&mut self) -> Option<Arc<Route>> {
        self.around.route(self.state.request.head.as_ref()?)
    }

    /// Returns the cluster that the request is sent to, as chosen with the route.
    pub fn cluster(&mut self) -> Option<Arc<str>> {
        self.route()?;
        self.around.cluster()
    }

    /// Forgets the route: whoever needs it next has it chosen anew from the head as it is then. Without effect once the
    /// request has left the filters.
    pub fn clear_route(&mut self) {
        self.around.clear_route();
    }

    /// Lets what this filter holds of a message go on. Without effect if it holds nothing.
    pub fn resume(&mut self, side: Side) {
        self.state.acts.push_back(Act::Resume { side, place: self.place });
    }

    /// Sends data of the filter's own to the filters after it, before what it is shown now. A head that this filter holds
    /// goes first. After `end` nothing of the message follows.
    pub fn inject(&mut self, side: Side, data: Bytes, end: bool) {
        self.state.injected.push((side, data, end));
    }

    /// Ends the stream without a response: the connection of an HTTP/1 client is closed, the stream of an HTTP/2 client
    /// reset.
    pub fn end(&mut self) {
        self.state.acts.push_back(Act::End);
    }

    /// Sends a request to a cluster. What comes of it comes as [`super::Event::Called`], unless the stream ends before.
    pub fn call(&mut self, request: CallRequest) -> Result<CallId, CallError> {
        if !self.around.has_cluster(&request.cluster) {
            return Err(CallError::UnknownCluster);
        }
        let id = CallId(self.state.next_id());
        self.state.orders.push(Order::Call { place: self.place, id, request: Box::new(request) });
        Ok(id)
    }

    /// Asks for an [`super::Event::Timer`] after this time.
    pub fn timer(&mut self, after: Duration) -> TimerId {
        let id = TimerId(self.state.next_id());
        self.state.orders.push(Order::Timer { place: self.place, id, after });
        id
    }

    /// Returns what wakes this filter from outside of its events.
    pub fn waker(&self) -> FilterWaker {
        FilterWaker::new(&self.state.signal, self.place)
    }

    /// Returns how much this filter may hold of a message.
    pub fn buffer_limit(&self, side: Side) -> usize {
        self.state.limits[self.place][side as usize]
    }

    /// Sets how many bytes this filter may hold of a message.
    pub fn set_buffer_limit(&mut self, side: Side, bytes: usize) {
        self.state.limits[self.place][side as usize] = bytes;
    }

    /// Returns what a filter of this stream has set by this name.
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        self.state.info.properties.get(name)
    }

    /// Keeps a value for all filters of this stream.
    pub fn set_property(&mut self, name: &str, value: Bytes) {
        self.state.info.properties.insert(name.into(), value);
    }

    /// Returns the client's connection.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.state.info.connection
    }

    /// Returns when the request came.
    pub fn start(&self) -> SystemTime {
        self.state.info.start
    }

    /// Returns the address of the upstream endpoint that answered.
    pub fn upstream(&self) -> Option<&str> {
        self.state.info.upstream.as_deref()
    }

    /// Returns how the stream ended; none before [`super::Event::Log`].
    pub fn outcome(&self) -> Option<&Outcome> {
        self.state.info.outcome.as_ref()
    }
}
