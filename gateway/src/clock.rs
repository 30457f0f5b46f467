//! The time of one worker in ticks.

use std::cell::Cell;
use std::rc::Rc;

/// Counts the ticks of one worker since its start: coarse, and free to read. Copies show the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Rc<Cell<u64>>);

impl Clock {
    /// Returns the ticks so far.
    pub(crate) fn now(&self) -> u64 {
        self.0.get()
    }

    /// Lets one tick pass.
    pub(crate) fn tick(&self) {
        self.0.set(self.0.get() + 1);
    }
}
