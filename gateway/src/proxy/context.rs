//! What the tasks of one worker share.

use std::sync::Arc;

use super::attached::Attached;
use crate::access_log::WorkerLog;
use crate::clock::Clock;
use crate::random::Random;
use crate::shared::Shared;
use crate::upstream::Client;

/// What the tasks of one worker share, and the worker itself uses: nothing here knows connections or requests.
pub(crate) struct Context {
    pub(crate) worker: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstream: Client,
    pub(crate) filters: Attached,
    pub(crate) log: WorkerLog,
    pub(crate) random: Random,
    pub(crate) clock: Clock,
}

impl Context {
    pub(crate) fn new(worker: usize, shared: Arc<Shared>, log: WorkerLog) -> Self {
        Self {
            worker,
            shared,
            upstream: Client::new(worker),
            filters: Attached::new(worker),
            log,
            random: Random::new(worker),
            clock: Clock::default(),
        }
    }
}
