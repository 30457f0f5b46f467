//! Stands for a filter whose configuration is discovered and is not there: without it nothing can be served.

use http::StatusCode;

use crate::message::LocalReply;
use crate::stream::{Event, Factory, Filter, Host, Start, Step};

/// Makes filters that answer 500, as Envoy does where a discovered configuration is missing.
pub(crate) struct Missing;

impl Factory for Missing {
    fn filter(&self, _start: &Start<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(Unconfigured))
    }
}

struct Unconfigured;

impl Filter for Unconfigured {
    fn on(&mut self, event: Event<'_>, _host: &mut Host<'_>) -> Step {
        match event {
            Event::Head { .. } => Step::Reply(LocalReply::new(StatusCode::INTERNAL_SERVER_ERROR, "")),
            _ => Step::Continue,
        }
    }
}
