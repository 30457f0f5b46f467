//! What the tasks of one worker share.

use std::rc::Rc;
use std::sync::Arc;

use super::attached::Attached;
use super::call::{Caller, Errands};
use crate::access_log::WorkerLog;
use crate::clock::Clock;
use crate::random::Random;
use crate::shared::Shared;
use crate::stream::Worker;
use crate::upstream::Client;

/// What the tasks of one worker share, and the worker itself uses: nothing here knows connections or requests.
pub(crate) struct Context {
    pub(crate) worker: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstream: Rc<Client>,
    pub(crate) caller: Rc<Caller>,
    pub(crate) filters: Attached,
    pub(crate) log: WorkerLog,
    pub(crate) random: Random,
    pub(crate) clock: Clock,
}

impl Context {
    pub(crate) fn new(worker: usize, shared: Arc<Shared>, log: WorkerLog) -> Self {
        let upstream = Rc::new(Client::new(worker));
        let caller = Rc::new(Caller::new(upstream.clone(), shared.clone()));
        Self {
            worker,
            shared,
            upstream,
            filters: Attached::new(Worker::new(worker, Rc::new(Errands(caller.clone())))),
            caller,
            log,
            random: Random::new(worker),
            clock: Clock::default(),
        }
    }
}
