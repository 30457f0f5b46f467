//! The chain of filters that every request passes before the router, and its response after it.
//!
//! A filter is made per request by a factory and sees headers, data and trailers of both directions. At each of them it
//! can go on, hold the message until it is resumed, or answer in the upstream's place; at any time it can ask for the
//! route to be chosen anew. The chain itself does no input or output, see [`chain`].

pub(crate) mod chain;
mod context;
mod cors;
mod registry;
mod signal;

use bytes::Bytes;
use http::HeaderMap;

pub use context::FilterContext;
pub(crate) use context::Routing;
pub use registry::{FilterFactory, FilterKind, FilterRegistry};
pub use signal::Resumer;
pub(crate) use signal::Signal;

pub use crate::message::{LocalReply, RequestHead, ResponseHead};

/// What a filter decides at a callback.
#[derive(Debug)]
pub enum Flow {
    /// The message goes on to the next filter.
    Continue,
    /// The message is held here. Data that arrives meanwhile is collected and shown again as a whole; the message goes
    /// on when a later callback continues or when [`Resumer::resume`] is called.
    Pause,
    /// The client gets this answer, and the request goes no further.
    Reply(LocalReply),
}

/// Says which parts of messages a filter wants to see beyond the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Data and trailers of the request.
    pub request_body: bool,
    /// Data and trailers of the response.
    pub response_body: bool,
}

/// A filter working on one request.
pub trait Filter {
    /// Says which bodies the filter wants to see. Bodies that no filter wants pass without a detour.
    fn interest(&self) -> Interest {
        Interest::default()
    }

    /// Sees the request's head. `end` says that there is neither data nor trailers.
    fn request_headers(
        &mut self,
        head: &mut RequestHead,
        end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow {
        let _ = (head, end, context);
        Flow::Continue
    }

    /// Sees data of the request, collected since the filter paused. `end` says that nothing follows.
    fn request_data(&mut self, data: &mut Bytes, end: bool, context: &mut FilterContext<'_>) -> Flow {
        let _ = (data, end, context);
        Flow::Continue
    }

    /// Sees the request's trailers.
    fn request_trailers(&mut self, trailers: &mut HeaderMap, context: &mut FilterContext<'_>) -> Flow {
        let _ = (trailers, context);
        Flow::Continue
    }

    /// Sees the response's head, also that of an answer given by the gateway itself.
    fn response_headers(
        &mut self,
        head: &mut ResponseHead,
        end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow {
        let _ = (head, end, context);
        Flow::Continue
    }

    /// Sees data of the response, collected since the filter paused.
    fn response_data(&mut self, data: &mut Bytes, end: bool, context: &mut FilterContext<'_>) -> Flow {
        let _ = (data, end, context);
        Flow::Continue
    }

    /// Sees the response's trailers.
    fn response_trailers(&mut self, trailers: &mut HeaderMap, context: &mut FilterContext<'_>) -> Flow {
        let _ = (trailers, context);
        Flow::Continue
    }
}
