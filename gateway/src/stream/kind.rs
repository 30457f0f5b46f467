//! Kinds of filters: what is loaded once from a configuration, attached to each worker, and makes a filter per stream.

use std::any::Any as AnySettings;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gatewright_xds::google::protobuf::Any;

use super::call::{CallAnswer, CallError, CallRequest};
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

/// What a worker does for the configurations that are attached to it.
pub(crate) trait Outside {
    /// Makes a call whose answer `then` gets.
    fn call(&self, request: CallRequest, then: Box<dyn FnOnce(CallAnswer)>) -> Result<Task, CallError>;
    /// Runs `then` after a time.
    fn timer(&self, after: Duration, then: Box<dyn FnOnce()>) -> Task;
}

/// The worker that a configuration is attached to.
#[derive(Clone)]
pub struct Worker {
    index: usize,
    outside: Rc<dyn Outside>,
}

impl Worker {
    pub(crate) fn new(index: usize, outside: Rc<dyn Outside>) -> Self {
        Self { index, outside }
    }

    /// Returns the worker's number, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Sends a request to a cluster, on behalf of no stream. `then` gets what comes of it, unless the task is dropped before.
    pub fn call(
        &self,
        request: CallRequest,
        then: impl FnOnce(CallAnswer) + 'static,
    ) -> Result<Task, CallError> {
        self.outside.call(request, Box::new(then))
    }

    /// Runs `then` after a time, unless the task is dropped before.
    pub fn timer(&self, after: Duration, then: impl FnOnce() + 'static) -> Task {
        self.outside.timer(after, Box::new(then))
    }
}

/// Something that a worker does for a configuration. Dropped, it is broken off.
pub struct Task {
    cancel: Option<Box<dyn FnOnce()>>,
}

impl Task {
    pub(crate) fn new(cancel: impl FnOnce() + 'static) -> Self {
        Self { cancel: Some(Box::new(cancel)) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
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
