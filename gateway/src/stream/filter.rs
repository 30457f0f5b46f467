//! What a filter is: it is shown events, and says of each how its message goes on.

use bytes::Bytes;

use super::call::{CallAnswer, CallId, TimerId};
use super::host::Host;
use crate::message::LocalReply;

/// Which message of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream, or the gateway itself, to the client.
    Response,
}

/// What happens to a filter.
#[derive(Debug)]
pub enum Event<'a> {
    /// The head of a message has come; [`Host`] shows it. `end` says that neither data nor trailers follow.
    Head {
        /// Which message.
        side: Side,
        /// Whether the head is all there is.
        end: bool,
    },
    /// Data has come, which the filter may change: what is left in `data` goes on.
    Data {
        /// Which message.
        side: Side,
        /// New data; everything collected so far after [`Step::Buffer`].
        data: &'a mut Bytes,
        /// Whether nothing follows.
        end: bool,
    },
    /// Trailers have come; [`Host`] shows them.
    Trailers {
        /// Which message.
        side: Side,
    },
    /// A call of [`Host::call`] has ended.
    Called {
        /// The call.
        call: CallId,
        /// What came of it.
        answer: CallAnswer,
    },
    /// The time of [`Host::timer`] is over.
    Timer {
        /// The timer.
        timer: TimerId,
    },
    /// Somebody has used the filter's [`super::FilterWaker`].
    Woken,
    /// The stream is over, and this is the moment to write about it: both messages are as they were at last.
    Log,
    /// Every filter has had its `Log`. What follows is the drop of the filter, with its stream.
    Done,
}

/// What a filter decides at an event.
///
/// At a call's answer, a timer or a wake-up only [`Step::Reply`] has a meaning: whatever is held stays held until
/// [`Host::resume`], so that a filter which waits for two things cannot be opened by the first of them.
#[derive(Debug)]
pub enum Step {
    /// The message goes on to the next filter. After data or trailers this lets a head go on that was held by
    /// [`Step::StopHeaders`], never one that was held by [`Step::StopAll`].
    Continue,
    /// At a head: the head is held, and this filter is shown the data that follows, when it can still edit the head.
    StopHeaders,
    /// At a head: nothing of the message goes on, not even to this filter, until [`Host::resume`]; then this filter is
    /// shown what was collected. The client is not read beyond the limit meanwhile.
    StopAll,
    /// At data: it is collected, and the next event shows everything collected. More than the limit is refused.
    Buffer,
    /// At data: it is collected, and the next event shows what is new. The sender is not read beyond the limit.
    Watermark,
    /// At data: it is the filter's own now, and goes on only by [`Host::inject`].
    NoBuffer,
    /// The client gets this answer, and the request goes no further. The first answer counts.
    Reply(LocalReply),
}

/// Says which parts of messages a filter wants to see beyond the heads. Asked once, when the filter is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Data and trailers of the request.
    pub request_body: bool,
    /// Data and trailers of the response.
    pub response_body: bool,
}

impl Interest {
    pub(super) fn body(self, side: Side) -> bool {
        match side {
            Side::Request => self.request_body,
            Side::Response => self.response_body,
        }
    }
}

/// A filter working on one stream. It is dropped with the stream, after [`Event::Done`].
pub trait Filter {
    /// Says which bodies the filter wants to see. Bodies that no filter wants pass without a detour.
    fn interest(&self) -> Interest {
        Interest::default()
    }

    /// Handles an event.
    fn on(&mut self, event: Event<'_>, host: &mut Host<'_>) -> Step;
}
