//! The asynchronous runtime of commands that run until they are stopped.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::errors::{CliError, Exit};

/// Says when the user wants the command to end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Waits until the first SIGINT or SIGTERM.
    pub async fn requested(&mut self) {
        // The sender lives as long as the runtime.
        self.0.wait_for(|stop| *stop).await.ok();
    }

    /// Returns whether it was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Runs `work` on a runtime with a few threads. The first SIGINT or SIGTERM is passed on to `work`, which ends in its own
/// time; a second one ends the program at once.
pub fn run<F, W>(work: F) -> Result<Exit, CliError>
where
    F: FnOnce(Shutdown) -> W,
    W: Future<Output = Result<Exit, CliError>>,
{
    let failed = |error: std::io::Error| CliError::environment(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut work = std::pin::pin!(work(Shutdown(stopped)));
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.send_replace(true) {
                return Ok(Exit::Environment);
            }
        }
    })
}

/// Runs `work` to its end; a signal ends the program. What it has spawned goes on while it waits for a person.
///
/// # Errors
/// What `work` returns, or the runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| CliError::environment(format!("cannot start: {error}")))?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_the_work_is_the_result() {
        let exit = run(|shutdown| async move {
            assert!(!shutdown.is_requested());
            Ok(Exit::Changes)
        });
        assert_eq!(exit, Ok(Exit::Changes));
    }
}
