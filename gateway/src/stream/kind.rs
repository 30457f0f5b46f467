//! Kinds of filters: what is loaded once from a configuration, attached to each worker, and makes a filter per stream.

use std::any::Any as AnySettings;
use std::rc::Rc;
use std::sync::Arc;

use gatewright_xds::google::protobuf::Any;

use super::filter::Filter;
use crate::config::{FieldError, Route};
use crate::message::RequestHead;

/// A kind of filter: turns its messages into something that makes filters, and into settings that routes hold.
pub trait FilterKind: Send + Sync {
    /// Returns the type URL of the message in a listener's chain.
    fn chain_type(&self) -> &'static str;

    /// Returns the type URL of the message that routes hold, if there is one.
    fn route_type(&self) -> Option<&'static str> {
        None
    }

    /// Reads the message of a chain. Work that takes longer than a moment belongs in [`Loading::Later`]: this is called on
    /// the thread that takes the configuration.
    fn load(&self, message: Any) -> Loading;

    /// Reads the message of a route. Filters get the result back by its type.
    fn route_settings(&self, message: Any) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        let _ = message;
        Err(FieldError::unsupported("typed_config"))
    }
}

/// What loading a configuration ends in: an error names the field.
pub type Loaded = Result<Arc<dyn Shared>, FieldError>;

/// The loading of a configuration.
pub enum Loading {
    /// It is loaded, or cannot be: then its resource is rejected.
    Ready(Loaded),
    /// It is to be loaded on a thread of its own. Its resource waits for that, and everything else goes on.
    Later(Box<dyn FnOnce() -> Loaded + Send>),
}

/// A loaded configuration, shared by all workers.
pub trait Shared: Send + Sync {
    /// Starts it on a worker. The result lives there as long as the configuration is in effect, or a stream uses it.
    fn attach(&self, worker: &Worker) -> Rc<dyn Factory>;
}

/// The worker that a configuration is attached to.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    index: usize,
}

impl Worker {
    pub(crate) fn new(index: usize) -> Self {
        Self { index }
    }

    /// Returns the worker's number, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

/// A configuration on one worker.
pub trait Factory {
    /// Makes the filter of a stream, or none when it has nothing to do there: then it costs nothing.
    fn filter(&self, start: &Start<'_>) -> Option<Box<dyn Filter>>;
}

/// The request for which a filter is made.
#[derive(Debug)]
pub struct Start<'a> {
    pub(crate) name: &'a str,
    pub(crate) head: &'a RequestHead,
    pub(crate) route: Option<&'a Arc<Route>>,
}

impl<'a> Start<'a> {
    /// Returns the filter's name, under which routes hold settings for it.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the request's head as it reaches the filter.
    pub fn head(&self) -> &'a RequestHead {
        self.head
    }

    /// Returns the request's route; none when no route matches.
    pub fn route(&self) -> Option<&'a Arc<Route>> {
        self.route
    }
}
