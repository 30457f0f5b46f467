//! A stream: a request and its response on their way through the filters. Pure: heads, data, trailers and events are fed
//! in, and whoever drives it takes out what passed and carries out what filters ordered. What passes when is in
//! [`super::passing`].

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::call::{CallAnswer, CallId, Order, TimerId};
use super::filter::{Event, Filter, Interest, Side, Step};
use super::host::{Act, Around, Host, Message, State};
use super::info::{Info, Outcome};
use super::kind::{Factory, Start};
use super::lane::{Hold, Lane, Part};
use super::signal::Signal;
use crate::message::{LocalReply, RequestHead, ResponseHead};

/// How much a filter may hold of one message, unless it sets another limit: Envoy's buffer limit of a connection.
const BUFFER_LIMIT: usize = 1024 * 1024;

/// A filter's place in a stream.
pub(crate) struct Place {
    pub(crate) name: Arc<str>,
    pub(crate) factory: Rc<dyn Factory>,
    filter: Option<Box<dyn Filter>>,
    pub(super) interest: Interest,
}

impl Place {
    pub(crate) fn new(name: Arc<str>, factory: Rc<dyn Factory>, filter: Option<Box<dyn Filter>>) -> Self {
        let interest = filter.as_deref().map_or_else(Interest::default, Filter::interest);
        Self { name, factory, filter, interest }
    }
}

/// A request and its response on their way through the filters. Places count from the client to the upstream; a response
/// runs through them backwards.
pub(crate) struct Stream {
    pub(super) places: Vec<Place>,
    pub(super) state: State,
    pub(super) lanes: [Lane; 2],
    /// An answer that a filter gave, until it is taken out.
    pub(super) reply: Option<LocalReply>,
    pub(super) replied: bool,
    /// A filter asked for the end, or the stream is over.
    ended: bool,
    /// The message whose part is being fed: its own reader needs no waking.
    fed: Option<Side>,
}

impl Stream {
    /// Makes a stream of a request whose first places are those of filters that have nothing to do with it, and starts it
    /// at the first filter that has.
    pub(crate) fn start(
        places: Vec<Place>,
        head: RequestHead,
        end: bool,
        info: Info,
        around: &mut dyn Around,
    ) -> Self {
        let state = State {
            info,
            request: Message { head: Some(head), trailers: None },
            response: Message::default(),
            acts: Default::default(),
            injected: Vec::new(),
            orders: Vec::new(),
            limits: vec![[BUFFER_LIMIT; 2]; places.len()],
            signal: Rc::new(Signal::default()),
            next_id: 0,
        };
        let lanes = [Lane::new(places.len()), Lane::new(places.len())];
        let mut stream = Self { places, state, lanes, reply: None, replied: false, ended: false, fed: None };
        stream.lanes[Side::Request as usize].head_end = end;
        stream.feed(Side::Request, around, |stream, around| stream.run_head(Side::Request, 0, around));
        stream
    }

    /// Feeds the head of a response. Every filter that exists sees it, also that of an answer of the gateway.
    pub(crate) fn response_head(&mut self, head: ResponseHead, end: bool, around: &mut dyn Around) {
        self.reply = None;
        self.state.response.head = Some(head);
        self.lanes[Side::Response as usize].head_end = end;
        self.feed(Side::Response, around, |stream, around| stream.run_head(Side::Response, 0, around));
    }

    /// Feeds data of a message.
    pub(crate) fn data(&mut self, side: Side, data: Bytes, end: bool, around: &mut dyn Around) {
        self.feed(side, around, |stream, around| stream.run_data(side, 0, data, end, around));
    }

    /// Feeds the trailers of a message.
    pub(crate) fn trailers(&mut self, side: Side, trailers: HeaderMap, around: &mut dyn Around) {
        match side {
            Side::Request => self.state.request.trailers = Some(trailers),
            Side::Response => self.state.response.trailers = Some(trailers),
        }
        self.feed(side, around, |stream, around| stream.run_trailers(side, 0, around));
    }

    /// Brings a filter the answer to its call.
    pub(crate) fn called(&mut self, place: usize, call: CallId, answer: CallAnswer, around: &mut dyn Around) {
        self.tell(place, Event::Called { call, answer }, around);
    }

    /// Tells a filter that its time is over.
    pub(crate) fn timed(&mut self, place: usize, timer: TimerId, around: &mut dyn Around) {
        self.tell(place, Event::Timer { timer }, around);
    }

    /// Wakes the filters that were asked to be woken.
    pub(crate) fn settle(&mut self, around: &mut dyn Around) {
        let signal = self.state.signal.clone();
        while let Some(place) = signal.pop() {
            self.tell(place, Event::Woken, around);
        }
    }

    /// Ends the stream: every filter writes about it, then every filter is told that it is done, and is dropped.
    pub(crate) fn finish(&mut self, outcome: Outcome, around: &mut dyn Around) {
        self.state.info.outcome = Some(outcome);
        for place in 0..self.places.len() {
            self.call(place, Event::Log, around);
        }
        for place in 0..self.places.len() {
            self.call(place, Event::Done, around);
            self.places[place].filter = None;
        }
        self.ended = true;
        self.state.orders.clear();
        self.state.signal.wake();
    }

    pub(crate) fn signal(&self) -> &Rc<Signal> {
        &self.state.signal
    }

    pub(crate) fn info(&mut self) -> &mut Info {
        &mut self.state.info
    }

    /// Takes out what is to be carried out.
    pub(crate) fn orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.state.orders)
    }

    /// Takes the answer out that a filter gave.
    pub(crate) fn take_reply(&mut self) -> Option<LocalReply> {
        self.reply.take()
    }

    pub(crate) fn has_replied(&self) -> bool {
        self.replied
    }

    /// Returns whether the stream is to end without a response, or is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Answers the request, unless it has been answered.
    pub(crate) fn answer(&mut self, reply: LocalReply) {
        if !std::mem::replace(&mut self.replied, true) {
            self.reply = Some(reply);
            self.state.signal.wake();
        }
    }

    /// Drops what is under way of a response that another answer replaces.
    pub(crate) fn discard_response(&mut self) {
        self.lanes[Side::Response as usize] = Lane::new(self.places.len());
    }

    /// Returns the request as it leaves the filters, if it does; with it whether it is all there is.
    pub(crate) fn request_out(&mut self) -> Option<(RequestHead, bool)> {
        let end = self.head_out(Side::Request)?;
        Some((self.state.request.head.clone()?, end))
    }

    /// Returns the response as it leaves the filters, if it does; with it whether it is all there is.
    pub(crate) fn response_out(&mut self) -> Option<(ResponseHead, bool)> {
        let end = self.head_out(Side::Response)?;
        Some((self.state.response.head.clone()?, end))
    }

    fn head_out(&mut self, side: Side) -> Option<bool> {
        let lane = &mut self.lanes[side as usize];
        let Some(Part::Head { end }) = lane.out.front() else { return None };
        let end = *end;
        lane.out.pop_front();
        if !end {
            self.fit_length(side);
        }
        Some(end)
    }

    /// Takes the next part of a body out.
    pub(crate) fn next_part(&mut self, side: Side) -> Option<Part> {
        self.lanes[side as usize].out.pop_front()
    }

    /// Returns the trailers of a message.
    pub(crate) fn take_trailers(&mut self, side: Side) -> HeaderMap {
        self.state.trailers(side).clone().unwrap_or_default()
    }

    /// Returns how long the rest of a body is, if all of it is out.
    pub(crate) fn rest(&self, side: Side) -> Option<usize> {
        self.lanes[side as usize].whole()
    }

    /// Returns whether a filter sees data of a message, holds the message, or has made some of it.
    pub(crate) fn takes_body(&self, side: Side) -> bool {
        let lane = &self.lanes[side as usize];
        !lane.out.is_empty()
            || self.places.iter().any(|place| place.interest.body(side))
            || lane.stages.iter().any(|stage| stage.hold != Hold::Nothing)
    }

    /// Returns whether more of a message may be fed: not while its head waits for a filter that looks at no body, or a
    /// filter holds as much as it may.
    pub(crate) fn wants_more(&self, side: Side) -> bool {
        let lane = &self.lanes[side as usize];
        lane.stages.iter().enumerate().all(|(at, stage)| {
            let place = self.place(side, at);
            let blind = lane.head_at == Some(at) && !self.places[place].interest.body(side);
            let full =
                stage.hold != Hold::Nothing && stage.data.len() >= self.state.limits[place][side as usize];
            stage.hold == Hold::Nothing || !blind && (!full || stage.refuses())
        })
    }

    /// Runs `act` as the feeding of a message, and what filters ask for afterwards.
    fn feed(&mut self, side: Side, around: &mut dyn Around, act: impl FnOnce(&mut Self, &mut dyn Around)) {
        self.fed = Some(side);
        act(self, around);
        self.carry_out(around);
        self.fed = None;
    }

    /// Shows a filter an event that belongs to no message.
    fn tell(&mut self, place: usize, event: Event<'_>, around: &mut dyn Around) {
        if self.ended {
            return;
        }
        if let Some(Step::Reply(reply)) = self.call(place, event, around) {
            self.answer(reply);
        }
        self.carry_out(around);
    }

    fn carry_out(&mut self, around: &mut dyn Around) {
        while let Some(act) = self.state.acts.pop_front() {
            match act {
                Act::Resume { side, place } => self.release(side, self.position(side, place), around),
                Act::End => self.end(),
            }
        }
    }

    /// Shows a filter an event, and passes on what it makes of its own. A place without filter does nothing.
    pub(super) fn call(&mut self, place: usize, event: Event<'_>, around: &mut dyn Around) -> Option<Step> {
        let Place { name, filter, .. } = &mut self.places[place];
        let mut host = Host { place, name, state: &mut self.state, around: &mut *around };
        let step = filter.as_mut()?.on(event, &mut host);
        for (side, data, end) in std::mem::take(&mut self.state.injected) {
            self.inject(side, self.position(side, place), data, end, around);
        }
        Some(match step {
            // The first answer counts; it is on its way, and another one must not hold it up.
            Step::Reply(_) if self.replied => Step::Continue,
            step => step,
        })
    }

    /// Returns the place at a position of a message's way.
    pub(super) fn place(&self, side: Side, position: usize) -> usize {
        match side {
            Side::Request => position,
            Side::Response => self.places.len() - 1 - position,
        }
    }

    /// Returns the position of a place on a message's way.
    fn position(&self, side: Side, place: usize) -> usize {
        self.place(side, place)
    }

    /// Returns whether nothing of a message goes on any more.
    pub(super) fn is_stopped(&self, side: Side) -> bool {
        self.ended
            || match side {
                Side::Request => self.replied,
                Side::Response => self.reply.is_some(),
            }
    }

    pub(super) fn out(&mut self, side: Side, part: Part) {
        self.lanes[side as usize].out.push_back(part);
        if self.fed != Some(side) {
            self.state.signal.wake();
        }
    }

    /// Filters come into being as the request's head reaches them, so that they see the route that earlier ones chose. A
    /// response meets those that exist.
    pub(super) fn make(&mut self, place: usize, around: &mut dyn Around) {
        let Some(head) = &self.state.request.head else { return };
        let here = &mut self.places[place];
        if here.filter.is_none() {
            let route = around.route(head);
            let start = Start { name: &here.name, head, route: route.as_ref() };
            here.filter = here.factory.filter(&start);
            here.interest = here.filter.as_deref().map_or_else(Interest::default, Filter::interest);
        }
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.state.signal.wake();
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
