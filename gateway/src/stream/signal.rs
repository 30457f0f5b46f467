//! How a filter's own work outside of events reaches its stream, and who waits for what a stream gives out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// Filters to be woken, and who waits for the stream. Up to three tasks do: the one that answers the request, and the ones
/// that read the two bodies.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    woken: RefCell<VecDeque<usize>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Returns the place of a filter that is to be woken.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.woken.borrow_mut().pop_front()
    }

    /// Has the task woken by the next [`Signal::wake`].
    pub(crate) fn register(&self, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    pub(crate) fn wake(&self) {
        let waiting = self.waiting.take();
        for waker in waiting {
            waker.wake();
        }
    }
}

/// Brings a filter an [`super::Event::Woken`] from outside of its events. Works on the thread of the stream only, and
/// without effect once the stream is over.
#[derive(Clone, Debug)]
pub struct FilterWaker {
    signal: Weak<Signal>,
    place: usize,
}

impl FilterWaker {
    pub(super) fn new(signal: &Rc<Signal>, place: usize) -> Self {
        Self { signal: Rc::downgrade(signal), place }
    }

    /// Wakes the filter.
    pub fn wake(&self) {
        if let Some(signal) = self.signal.upgrade() {
            signal.woken.borrow_mut().push_back(self.place);
            signal.wake();
        }
    }
}
