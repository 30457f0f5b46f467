//! What of a message passes a filter, and when: the rules of every way to hold a head, data and trailers.

use bytes::Bytes;
use http::{StatusCode, header};

use super::filter::{Event, Side, Step};
use super::host::Around;
use super::lane::{Hold, Part, Stage, joined};
use super::machine::Stream;
use crate::message::LocalReply;

impl Stream {
    pub(super) fn run_head(&mut self, side: Side, from: usize, around: &mut dyn Around) {
        for at in from..self.places.len() {
            if self.is_stopped(side) {
                return;
            }
            let place = self.place(side, at);
            self.lanes[side as usize].head_at = Some(at);
            if side == Side::Request {
                self.make(place, around);
            }
            let end = self.lanes[side as usize].head_end;
            let hold = match self.call(place, Event::Head { side, end }, around) {
                None | Some(Step::Continue) => Hold::Nothing,
                Some(Step::StopHeaders) => Hold::Head,
                Some(Step::Reply(reply)) => return self.answer(reply),
                Some(Step::StopAll | Step::Buffer | Step::Watermark | Step::NoBuffer) => Hold::All,
            };
            let lane = &mut self.lanes[side as usize];
            if lane.head_at == Some(at) {
                lane.stages[at].hold = hold;
                if hold != Hold::Nothing {
                    return;
                }
                continue;
            }
            // The filter has sent the head on itself, with data behind it.
            lane.stages[at].hold = if hold == Hold::Nothing { hold } else { Hold::Body };
            if hold == Hold::Nothing && std::mem::take(&mut lane.stages[at].end) {
                self.run_data(side, at + 1, Bytes::new(), true, around);
            }
            return;
        }
        if self.is_stopped(side) {
            return;
        }
        let lane = &mut self.lanes[side as usize];
        lane.head_at = Some(lane.stages.len());
        let end = lane.head_end;
        self.out(side, Part::Head { end });
    }

    pub(super) fn run_data(
        &mut self,
        side: Side,
        from: usize,
        mut data: Bytes,
        end: bool,
        around: &mut dyn Around,
    ) {
        for at in from..self.places.len() {
            if self.is_stopped(side) {
                return;
            }
            match self.data_at(side, at, data, end, around) {
                Some(rest) => data = rest,
                None => return,
            }
        }
        if !self.is_stopped(side) && (!data.is_empty() || end) {
            self.out(side, Part::Data { data, end });
        }
    }

    /// Brings data to a position, and returns what goes on from there at once.
    fn data_at(
        &mut self,
        side: Side,
        at: usize,
        data: Bytes,
        end: bool,
        around: &mut dyn Around,
    ) -> Option<Bytes> {
        let place = self.place(side, at);
        let sees = self.places[place].interest.body(side);
        let stage = &mut self.lanes[side as usize].stages[at];
        if stage.finished {
            return None;
        }
        if stage.hold == Hold::All || !sees && stage.hold != Hold::Nothing {
            stage.keep(data, end);
            return None;
        }
        if !sees {
            return Some(data);
        }
        let mut data = if stage.only_new { data } else { joined(std::mem::take(&mut stage.data), data) };
        let had_trailers = self.state.trailers(side).is_some();
        let step = self.call(place, Event::Data { side, data: &mut data, end }, around)?;
        if self.is_stopped(side) {
            return None;
        }
        let made_trailers = end && !had_trailers && self.state.trailers(side).is_some();
        let end = end && !made_trailers;
        let stage = &mut self.lanes[side as usize].stages[at];
        stage.trailers |= made_trailers;
        match step {
            Step::Continue if stage.hold == Hold::Nothing && !stage.trailers => return Some(data),
            Step::Continue => {
                stage.hold = Hold::Body;
                stage.keep(data, end);
                self.release(side, at, around);
            }
            Step::Reply(reply) => self.answer(reply),
            Step::Buffer | Step::StopHeaders | Step::StopAll => self.hold(side, at, data, end, false),
            Step::Watermark => self.hold(side, at, data, end, true),
            Step::NoBuffer => self.hold(side, at, Bytes::new(), end, true),
        }
        None
    }

    /// Holds data that a filter has seen. More than the limit is refused, unless its sender waits instead.
    fn hold(&mut self, side: Side, at: usize, data: Bytes, end: bool, only_new: bool) {
        let limit = self.state.limits[self.place(side, at)][side as usize];
        let lane = &mut self.lanes[side as usize];
        let head_is_out = lane.head_at == Some(lane.stages.len());
        let stage = &mut lane.stages[at];
        (stage.hold, stage.only_new) = (Hold::Body, only_new);
        stage.keep(data, end);
        if !stage.refuses() || stage.data.len() <= limit {
            return;
        }
        match side {
            Side::Request => {
                self.answer(LocalReply::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large"));
            }
            Side::Response if head_is_out => self.end(),
            Side::Response => {
                self.replied = true;
                let text = "Internal Server Error";
                self.reply = Some(LocalReply::new(StatusCode::INTERNAL_SERVER_ERROR, text));
            }
        }
    }

    pub(super) fn run_trailers(&mut self, side: Side, from: usize, around: &mut dyn Around) {
        for at in from..self.places.len() {
            if self.is_stopped(side) {
                return;
            }
            let place = self.place(side, at);
            let sees = self.places[place].interest.body(side);
            let stage = &mut self.lanes[side as usize].stages[at];
            if stage.finished {
                return;
            }
            if stage.hold == Hold::All || !sees && stage.hold != Hold::Nothing {
                stage.trailers = true;
                return;
            }
            let step = if sees { self.call(place, Event::Trailers { side }, around) } else { None };
            let stage = &mut self.lanes[side as usize].stages[at];
            match step {
                None | Some(Step::Continue) if stage.hold == Hold::Nothing => continue,
                None | Some(Step::Continue) => {
                    (stage.hold, stage.trailers) = (Hold::Body, true);
                    self.release(side, at, around);
                }
                Some(Step::Reply(reply)) => self.answer(reply),
                Some(_) => (stage.hold, stage.trailers) = (Hold::Body, true),
            }
            return;
        }
        if !self.is_stopped(side) {
            self.out(side, Part::Trailers);
        }
    }

    /// Lets what is held at a position go on: a head first. What the filter there was not shown yet is shown to it.
    pub(super) fn release(&mut self, side: Side, at: usize, around: &mut dyn Around) {
        let lane = &mut self.lanes[side as usize];
        let Stage { hold, data, end, trailers, finished, .. } = std::mem::take(&mut lane.stages[at]);
        lane.stages[at].finished = finished;
        if hold == Hold::Nothing || finished {
            return;
        }
        if lane.head_at == Some(at) {
            self.run_head(side, at + 1, around);
        }
        let next = if hold == Hold::All { at } else { at + 1 };
        if !data.is_empty() || end {
            self.run_data(side, next, data, end && !trailers, around);
        }
        if trailers {
            self.run_trailers(side, next, around);
        }
    }

    /// Sends data on that the filter at a position made, behind the head.
    pub(super) fn inject(&mut self, side: Side, at: usize, data: Bytes, end: bool, around: &mut dyn Around) {
        let lane = &mut self.lanes[side as usize];
        let stage = &mut lane.stages[at];
        if stage.finished || lane.head_at.is_none_or(|head| head < at) {
            return;
        }
        lane.made = true;
        stage.finished = end;
        if lane.head_at == Some(at) {
            stage.end |= std::mem::take(&mut lane.head_end) && !end;
            self.run_head(side, at + 1, around);
        }
        self.run_data(side, at + 1, data, end, around);
    }

    /// Corrects the length that a head tells, when filters may have changed what follows: it is the true one where all of
    /// it is here, and is left out elsewhere.
    pub(super) fn fit_length(&mut self, side: Side) {
        let lane = &self.lanes[side as usize];
        if !lane.made && !self.places.iter().any(|place| place.interest.body(side)) {
            return;
        }
        let length = lane.whole();
        let headers = match side {
            Side::Request => self.state.request.head.as_mut().map(|head| &mut head.headers),
            Side::Response => self.state.response.head.as_mut().map(|head| &mut head.headers),
        };
        let Some(headers) = headers.filter(|headers| headers.contains_key(header::CONTENT_LENGTH)) else {
            return;
        };
        match length {
            Some(length) => drop(headers.insert(header::CONTENT_LENGTH, length.into())),
            None => drop(headers.remove(header::CONTENT_LENGTH)),
        }
    }
}
