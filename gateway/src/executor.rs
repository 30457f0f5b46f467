//! Runs the tasks of HTTP/2 connections on the worker's own thread.

use std::future::Future;

/// Spawns on the current local set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
