//! The state of one exchange in its filter chain: what each filter holds, and what has come out at the end. Pure: heads,
//! data and trailers are fed in, the proxy takes out what passed.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::context::{FilterContext, Routing};
use super::signal::{Event, Side, Signal};
use super::{Filter, Flow};
use crate::config::FilterUse;
use crate::message::{LocalReply, RequestHead, ResponseHead};

/// A part of a message that has passed every filter.
#[derive(Debug)]
pub(crate) enum Passed<H> {
    Head { head: H, end: bool },
    Data { data: Bytes, end: bool },
    Trailers(HeaderMap),
}

/// What one filter holds back of one message.
#[derive(Debug)]
struct Held<H> {
    paused: bool,
    head: Option<H>,
    data: Bytes,
    /// Whether `data` ends the message.
    end: bool,
    trailers: Option<HeaderMap>,
}

impl<H> Default for Held<H> {
    fn default() -> Self {
        Self { paused: false, head: None, data: Bytes::new(), end: false, trailers: None }
    }
}

/// One message on its way through the filters.
#[derive(Debug)]
pub(crate) struct Passage<H> {
    held: Vec<Held<H>>,
    pub(crate) passed: VecDeque<Passed<H>>,
}

impl<H> Passage<H> {
    fn new(stages: usize) -> Self {
        Self { held: std::iter::repeat_with(Held::default).take(stages).collect(), passed: VecDeque::new() }
    }

    /// Returns how much data filters hold back.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.iter().map(|held| held.data.len()).sum()
    }
}

/// The filters of one exchange. Stages count from the client to the upstream; a response runs through them backwards.
pub(crate) struct Chain {
    filters: Vec<Option<Box<dyn Filter>>>,
    pub(crate) request: Passage<RequestHead>,
    pub(crate) response: Passage<ResponseHead>,
    /// An answer that a filter gave; set once.
    pub(crate) reply: Option<LocalReply>,
    replied: bool,
    pub(crate) signal: Rc<Signal>,
}

/// A message direction: which callbacks it has and which stage is next.
trait Direction {
    type Head;
    const SIDE: Side;
    fn passage(chain: &mut Chain) -> &mut Passage<Self::Head>;
    /// Returns the stage after `stage` on the message's way, or none at the end.
    fn next(stage: usize, stages: usize) -> Option<usize>;
    fn wants_body(filter: &dyn Filter) -> bool;
    fn head(
        filter: &mut dyn Filter,
        head: &mut Self::Head,
        end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow;
    fn data(filter: &mut dyn Filter, data: &mut Bytes, end: bool, context: &mut FilterContext<'_>) -> Flow;
    fn trailers(filter: &mut dyn Filter, trailers: &mut HeaderMap, context: &mut FilterContext<'_>) -> Flow;
}

struct Upwards;
struct Downwards;

impl Direction for Upwards {
    type Head = RequestHead;
    const SIDE: Side = Side::Request;
    fn passage(chain: &mut Chain) -> &mut Passage<RequestHead> {
        &mut chain.request
    }
    fn next(stage: usize, stages: usize) -> Option<usize> {
        (stage + 1 < stages).then_some(stage + 1)
    }
    fn wants_body(filter: &dyn Filter) -> bool {
        filter.interest().request_body
    }
    fn head(
        filter: &mut dyn Filter,
        head: &mut RequestHead,
        end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow {
        filter.request_headers(head, end, context)
    }
    fn data(filter: &mut dyn Filter, data: &mut Bytes, end: bool, context: &mut FilterContext<'_>) -> Flow {
        filter.request_data(data, end, context)
    }
    fn trailers(filter: &mut dyn Filter, trailers: &mut HeaderMap, context: &mut FilterContext<'_>) -> Flow {
        filter.request_trailers(trailers, context)
    }
}

impl Direction for Downwards {
    type Head = ResponseHead;
    const SIDE: Side = Side::Response;
    fn passage(chain: &mut Chain) -> &mut Passage<ResponseHead> {
        &mut chain.response
    }
    fn next(stage: usize, _stages: usize) -> Option<usize> {
        stage.checked_sub(1)
    }
    fn wants_body(filter: &dyn Filter) -> bool {
        filter.interest().response_body
    }
    fn head(
        filter: &mut dyn Filter,
        head: &mut ResponseHead,
        end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow {
        filter.response_headers(head, end, context)
    }
    fn data(filter: &mut dyn Filter, data: &mut Bytes, end: bool, context: &mut FilterContext<'_>) -> Flow {
        filter.response_data(data, end, context)
    }
    fn trailers(filter: &mut dyn Filter, trailers: &mut HeaderMap, context: &mut FilterContext<'_>) -> Flow {
        filter.response_trailers(trailers, context)
    }
}

/// What a call into the chain needs from the proxy.
pub(crate) struct Surroundings<'a> {
    pub(crate) uses: &'a [FilterUse],
    pub(crate) routing: &'a mut dyn Routing,
}

impl Chain {
    fn new(stages: usize, signal: Rc<Signal>) -> Self {
        Self {
            filters: std::iter::repeat_with(|| None).take(stages).collect(),
            request: Passage::new(stages),
            response: Passage::new(stages),
            reply: None,
            replied: false,
            signal,
        }
    }

    /// Sends a request's head into the chain. Returns the head itself when no filter has anything to do with the
    /// request: then there is no chain.
    pub(crate) fn start(
        head: RequestHead,
        end: bool,
        around: &mut Surroundings<'_>,
    ) -> Result<RequestHead, Box<Self>> {
        if around.uses.is_empty() {
            return Ok(head);
        }
        let signal = Rc::new(Signal::default());
        for stage in 0..around.uses.len() {
            let Some(filter) = make_filter(stage, &head, &signal, around) else { continue };
            let mut chain = Box::new(Self::new(around.uses.len(), signal));
            chain.filters[stage] = Some(filter);
            chain.head::<Upwards>(Some(stage), head, end, around);
            return Err(chain);
        }
        Ok(head)
    }

    /// Sends data of the request's body into the chain.
    pub(crate) fn request_data(&mut self, data: Bytes, end: bool, around: &mut Surroundings<'_>) {
        self.data::<Upwards>(Some(0), data, end, around);
    }

    /// Sends the request's trailers into the chain.
    pub(crate) fn request_trailers(&mut self, trailers: HeaderMap, around: &mut Surroundings<'_>) {
        self.trailers::<Upwards>(Some(0), trailers, around);
    }

    /// Sends a response's head into the chain. Every filter that exists sees it, also for an answer of the gateway.
    pub(crate) fn response_head(&mut self, head: ResponseHead, end: bool, around: &mut Surroundings<'_>) {
        self.head::<Downwards>(self.filters.len().checked_sub(1), head, end, around);
    }

    /// Sends data of the response's body into the chain.
    pub(crate) fn response_data(&mut self, data: Bytes, end: bool, around: &mut Surroundings<'_>) {
        self.data::<Downwards>(self.filters.len().checked_sub(1), data, end, around);
    }

    /// Sends the response's trailers into the chain.
    pub(crate) fn response_trailers(&mut self, trailers: HeaderMap, around: &mut Surroundings<'_>) {
        self.trailers::<Downwards>(self.filters.len().checked_sub(1), trailers, around);
    }

    /// Carries out what filters asked for outside callbacks.
    pub(crate) fn settle(&mut self, around: &mut Surroundings<'_>) {
        let signal = self.signal.clone();
        while let Some(event) = signal.pop() {
            match event {
                Event::Resume { stage, side: Side::Request } => self.release::<Upwards>(stage, around),
                Event::Resume { stage, side: Side::Response } => self.release::<Downwards>(stage, around),
                Event::Reply(reply) => self.answer(reply),
            }
        }
    }

    /// Returns whether a filter wants to see the request's body, or holds the request.
    pub(crate) fn takes_request_body(&self) -> bool {
        self.filters.iter().flatten().any(|filter| filter.interest().request_body)
            || self.request.held.iter().any(|held| held.paused)
    }

    /// Returns whether a filter wants to see the response's body, or holds the response.
    pub(crate) fn takes_response_body(&self) -> bool {
        self.filters.iter().flatten().any(|filter| filter.interest().response_body)
            || self.response.held.iter().any(|held| held.paused)
    }

    /// Returns whether reading the request's body can move its head: a filter that sees the body holds it.
    pub(crate) fn wants_request_body(&self) -> bool {
        let held = self.request.held.iter().zip(&self.filters);
        held.into_iter().any(|(held, filter)| {
            held.head.is_some() && filter.as_deref().is_some_and(|filter| filter.interest().request_body)
        })
    }

    /// Returns whether reading the response's body can move its head.
    pub(crate) fn wants_response_body(&self) -> bool {
        let held = self.response.held.iter().zip(&self.filters);
        held.into_iter().any(|(held, filter)| {
            held.head.is_some() && filter.as_deref().is_some_and(|filter| filter.interest().response_body)
        })
    }

    /// Returns whether a filter has answered the request.
    pub(crate) fn has_replied(&self) -> bool {
        self.replied
    }

    /// Drops what is under way of a response that another answer replaces.
    pub(crate) fn discard_response(&mut self) {
        self.response = Passage::new(self.filters.len());
    }

    /// Answers the request, unless it has been answered.
    pub(crate) fn answer(&mut self, reply: LocalReply) {
        if !std::mem::replace(&mut self.replied, true) {
            self.reply = Some(reply);
            self.signal.wake();
        }
    }

    /// Calls `call` on the filter at `stage`; a stage without filter continues.
    fn call<D: Direction>(
        &mut self,
        stage: usize,
        around: &mut Surroundings<'_>,
        call: impl FnOnce(&mut dyn Filter, &mut FilterContext<'_>) -> Flow,
    ) -> Flow {
        let Some(filter) = &mut self.filters[stage] else { return Flow::Continue };
        let mut context = FilterContext {
            name: &around.uses[stage].name,
            routing: &mut *around.routing,
            signal: &self.signal,
            stage,
            side: D::SIDE,
        };
        call(filter.as_mut(), &mut context)
    }

    fn head<D: Direction>(
        &mut self,
        mut stage: Option<usize>,
        mut head: D::Head,
        end: bool,
        around: &mut Surroundings<'_>,
    ) where
        Self: MakeOnTheWay<D>,
    {
        while let Some(now) = stage {
            self.make_on_the_way(now, &head, around);
            match self.call::<D>(now, around, |filter, context| D::head(filter, &mut head, end, context)) {
                Flow::Continue => stage = D::next(now, self.filters.len()),
                Flow::Pause => {
                    let held = &mut D::passage(self).held[now];
                    (held.paused, held.head, held.end) = (true, Some(head), end);
                    return;
                }
                Flow::Reply(reply) => return self.answer(reply),
            }
        }
        D::passage(self).passed.push_back(Passed::Head { head, end });
    }

    fn data<D: Direction>(
        &mut self,
        mut stage: Option<usize>,
        mut data: Bytes,
        end: bool,
        around: &mut Surroundings<'_>,
    ) where
        Self: MakeOnTheWay<D>,
    {
        while let Some(now) = stage {
            let held = &mut D::passage(self).held[now];
            let paused = held.paused;
            if paused {
                data = joined(std::mem::take(&mut held.data), data);
            }
            let wants = self.filters[now].as_deref().is_some_and(D::wants_body);
            let flow = match (wants, paused) {
                (false, false) => Flow::Continue,
                (false, true) => Flow::Pause,
                (true, _) => {
                    self.call::<D>(now, around, |filter, context| D::data(filter, &mut data, end, context))
                }
            };
            match flow {
                Flow::Continue if paused => {
                    let held = &mut D::passage(self).held[now];
                    (held.data, held.end) = (data, end);
                    return self.release::<D>(now, around);
                }
                Flow::Continue => stage = D::next(now, self.filters.len()),
                Flow::Pause => {
                    let held = &mut D::passage(self).held[now];
                    (held.paused, held.data, held.end) = (true, data, end);
                    return;
                }
                Flow::Reply(reply) => return self.answer(reply),
            }
        }
        if !data.is_empty() || end {
            D::passage(self).passed.push_back(Passed::Data { data, end });
        }
    }

    fn trailers<D: Direction>(
        &mut self,
        mut stage: Option<usize>,
        mut trailers: HeaderMap,
        around: &mut Surroundings<'_>,
    ) where
        Self: MakeOnTheWay<D>,
    {
        while let Some(now) = stage {
            let paused = D::passage(self).held[now].paused;
            let wants = self.filters[now].as_deref().is_some_and(D::wants_body);
            let flow = match (wants, paused) {
                (false, false) => Flow::Continue,
                (false, true) => Flow::Pause,
                (true, _) => {
                    self.call::<D>(now, around, |filter, context| D::trailers(filter, &mut trailers, context))
                }
            };
            match flow {
                Flow::Continue if paused => {
                    D::passage(self).held[now].trailers = Some(trailers);
                    return self.release::<D>(now, around);
                }
                Flow::Continue => stage = D::next(now, self.filters.len()),
                Flow::Pause => {
                    let held = &mut D::passage(self).held[now];
                    (held.paused, held.trailers) = (true, Some(trailers));
                    return;
                }
                Flow::Reply(reply) => return self.answer(reply),
            }
        }
        D::passage(self).passed.push_back(Passed::Trailers(trailers));
    }

    /// Lets what `stage` holds go on.
    fn release<D: Direction>(&mut self, stage: usize, around: &mut Surroundings<'_>)
    where
        Self: MakeOnTheWay<D>,
    {
        let held = &mut D::passage(self).held[stage];
        if !held.paused {
            return;
        }
        let Held { head, data, end, trailers, .. } = std::mem::take(held);
        let next = D::next(stage, self.filters.len());
        let had_head = head.is_some();
        if let Some(head) = head {
            self.head::<D>(next, head, end && data.is_empty(), around);
        }
        if !data.is_empty() || (end && !had_head) {
            self.data::<D>(next, data, end, around);
        }
        if let Some(trailers) = trailers {
            self.trailers::<D>(next, trailers, around);
        }
    }
}

/// Filters come into being as the request's head reaches their stage, so that they see the route that earlier ones
/// chose. A response meets those that exist.
trait MakeOnTheWay<D: Direction> {
    fn make_on_the_way(&mut self, stage: usize, head: &D::Head, around: &mut Surroundings<'_>);
}

impl MakeOnTheWay<Upwards> for Chain {
    fn make_on_the_way(&mut self, stage: usize, head: &RequestHead, around: &mut Surroundings<'_>) {
        if self.filters[stage].is_none() {
            self.filters[stage] = make_filter(stage, head, &self.signal, around);
        }
    }
}

impl MakeOnTheWay<Downwards> for Chain {
    fn make_on_the_way(&mut self, _stage: usize, _head: &ResponseHead, _around: &mut Surroundings<'_>) {}
}

fn make_filter(
    stage: usize,
    head: &RequestHead,
    signal: &Rc<Signal>,
    around: &mut Surroundings<'_>,
) -> Option<Box<dyn Filter>> {
    let FilterUse { name, factory } = &around.uses[stage];
    let mut context =
        FilterContext { name, routing: &mut *around.routing, signal, stage, side: Side::Request };
    factory.filter(head, &mut context)
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    if second.is_empty() {
        return first;
    }
    let mut all = match first.try_into_mut() {
        Ok(buffer) => buffer,
        Err(shared) => BytesMut::from(&shared[..]),
    };
    all.extend_from_slice(&second);
    all.freeze()
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
