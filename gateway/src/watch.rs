//! Looks after one request: what has come of its body, and whether anything still moves on it.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::clock::Clock;

/// The state of one request that its bodies report to and that the worker's tick looks at. Time is counted in ticks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Bytes of the request's body so far.
    pub(crate) received: Cell<u64>,
    /// Whether the whole request has come.
    pub(crate) request_complete: Cell<bool>,
    /// Why the rest of the request will not come.
    pub(crate) broken: Cell<Option<Broken>>,
    clock: Clock,
    last_move: Cell<u64>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// How the body of a request broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The client went away.
    Gone,
    /// What came is no body.
    Malformed,
}

impl Watch {
    /// Starts now.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { last_move: Cell::new(clock.now()), clock, ..Self::default() }
    }

    /// Notes that something moved.
    pub(crate) fn touch(&self) {
        self.last_move.set(self.clock.now());
    }

    /// Ends the request if nothing has moved for `limit` ticks.
    pub(crate) fn check(&self, limit: u64) {
        // A tick is not a moment: one more makes sure that the whole time is over.
        if self.clock.now().saturating_sub(self.last_move.get()) > limit
            && !self.expired.replace(true)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// Has the task woken when the request is ended. The latest task counts: first the one that answers, then the one
    /// that sends the answer.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }
}
