//! The configurations of filters on one worker: started when they come, ended when they go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{FilterUse, Source};
use crate::filters::Missing;
use crate::stream::{Factory, Load, Worker};

/// What was made of each configuration for this worker, by its number.
pub(crate) struct Attached {
    worker: Worker,
    factories: RefCell<BTreeMap<u64, Rc<dyn Factory>>>,
}

impl Attached {
    pub(crate) fn new(worker: Worker) -> Self {
        Self { worker, factories: RefCell::default() }
    }

    /// Starts what is new of `loads`, and ends what is none of them any more; streams that use it keep it until their end.
    pub(crate) fn follow(&self, loads: &[Arc<Load>]) {
        let mut old = self.factories.take();
        let mut kept = BTreeMap::new();
        for load in loads {
            let known = old.remove(&load.id);
            let Some(factory) = known.or_else(|| self.attach(load)) else { continue };
            kept.insert(load.id, factory);
        }
        *self.factories.borrow_mut() = kept;
        // Ended last, when nothing is borrowed any more: what it does is its own.
        drop(old);
    }

    /// Returns what makes the filters of a place in a chain. What this worker was not told of yet is started now; what is
    /// missing has filters that refuse.
    pub(crate) fn factory(&self, filter: &FilterUse) -> Rc<dyn Factory> {
        let made = match &filter.source {
            Source::Typed(load) => self.made(load),
            Source::Discovered { .. } => filter.load().and_then(|load| self.made(&load)),
        };
        made.unwrap_or_else(|| Rc::new(Missing))
    }

    fn made(&self, load: &Load) -> Option<Rc<dyn Factory>> {
        if let Some(factory) = self.factories.borrow().get(&load.id) {
            return Some(factory.clone());
        }
        let factory = self.attach(load)?;
        self.factories.borrow_mut().insert(load.id, factory.clone());
        Some(factory)
    }

    fn attach(&self, load: &Load) -> Option<Rc<dyn Factory>> {
        Some(load.shared()?.attach(&self.worker))
    }
}
