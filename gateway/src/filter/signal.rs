//! How a paused filter reaches its request from outside a callback.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use crate::message::LocalReply;

/// Which message of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Something a filter asked for outside a callback.
#[derive(Debug)]
pub(crate) enum Event {
    Resume { stage: usize, side: Side },
    Reply(LocalReply),
}

/// The events of one exchange and who waits for them. Up to three tasks do: the one that answers the request, and the
/// ones that read the two bodies.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    wakers: Vec<Waker>,
}

impl Signal {
    pub(crate) fn push(&self, event: Event) {
        self.inner.borrow_mut().events.push_back(event);
        self.wake();
    }

    pub(crate) fn pop(&self) -> Option<Event> {
        self.inner.borrow_mut().events.pop_front()
    }

    /// Has the task woken by the next event or [`Signal::wake`].
    pub(crate) fn register(&self, waker: &Waker) {
        let mut inner = self.inner.borrow_mut();
        if !inner.wakers.iter().any(|known| known.will_wake(waker)) {
            inner.wakers.push(waker.clone());
        }
    }

    pub(crate) fn wake(&self) {
        let wakers = std::mem::take(&mut self.inner.borrow_mut().wakers);
        for waker in wakers {
            waker.wake();
        }
    }
}

/// Lets a filter's own work (a timer, a call to another service) continue or answer a request that the filter paused.
/// Works on the thread of the request only; without effect once the request is over.
#[derive(Clone, Debug)]
pub struct Resumer {
    pub(super) signal: Rc<Signal>,
    pub(super) stage: usize,
    pub(super) side: Side,
}

impl Resumer {
    /// Lets the held message go on past the filter.
    pub fn resume(&self) {
        self.signal.push(Event::Resume { stage: self.stage, side: self.side });
    }

    /// Answers the request, unless an answer is under way already.
    pub fn reply(&self, reply: LocalReply) {
        self.signal.push(Event::Reply(reply));
    }
}
