//! An application round by round: at its own pace, on a thread of its own, with its own failures. Nothing that it waits for
//! or computes delays another one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

use super::pace::Pace;
use super::round::write_status;
use super::state::StateError;
use super::view::{Moment, View, Watched};
use super::{App, Sync};
use crate::source::Loader;

/// Why a round came to no end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state file is of no use.
    #[error(transparent)]
    State(#[from] StateError),
    /// The status file cannot be written.
    #[error("cannot write `{}`: {error}", .path.display())]
    Status {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

/// What the time is.
#[derive(Clone, Copy, Debug)]
pub struct Clock(fn(i64) -> String);

impl Clock {
    /// Returns a clock; `written` writes seconds after 1970 after RFC 3339.
    pub fn new(written: fn(i64) -> String) -> Self {
        Clock(written)
    }

    fn now(self) -> Moment {
        let seconds = i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX);
        Moment { text: (self.0)(seconds), seconds }
    }
}

/// An application that is looked after.
pub struct Runner {
    sync: Sync,
    clock: Clock,
    pace: Pace,
    status_file: Option<PathBuf>,
    wake: Arc<Notify>,
    views: watch::Sender<Arc<View>>,
}

impl Runner {
    /// Returns an application that has done no round, and a way to look at it.
    ///
    /// # Errors
    /// The state file is there and of no use.
    pub fn new(app: App, loader: Loader, clock: Clock) -> Result<(Self, Watched), StateError> {
        let first = View::of(app.name.clone(), app.source.to_string());
        let (views, seen) = watch::channel(Arc::new(first));
        let wake = Arc::new(Notify::new());
        let watched = Watched::new(seen, wake.clone());
        let (pace, status_file) = (Pace::new(app.interval), app.status_file.clone());
        let sync = Sync::new(app, loader)?;
        Ok((Runner { sync, clock, pace, status_file, wake, views }, watched))
    }

    /// Does one round, hands all Leases over, and returns how the round ended.
    pub fn once(mut self) -> oneshot::Receiver<Result<(), RunError>> {
        on_thread(async move {
            let ended = self.round().await;
            self.sync.end().await;
            ended
        })
    }

    /// Does rounds until it is to stop, and hands all Leases over. A round that fails is told in the view and tried again.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> oneshot::Receiver<()> {
        on_thread(async move {
            let mut stop = std::pin::pin!(stop);
            loop {
                let failed = self.round().await.is_err() || self.has_failed();
                let pause = self.pace.pause(failed, fraction());
                tokio::select! {
                    () = &mut stop => break,
                    () = self.sync.woken() => {}
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            self.sync.end().await;
        })
    }

    /// Does one round, and tells of it.
    async fn round(&mut self) -> Result<(), RunError> {
        let done = self.try_round().await;
        if let Err(error) = &done {
            let failed = self.views.borrow().failed(error.to_string());
            self.views.send_replace(Arc::new(failed));
        }
        done
    }

    async fn try_round(&mut self) -> Result<(), RunError> {
        let began = Instant::now();
        let round = self.sync.round(&self.clock.now().text).await?;
        let view = self.views.borrow().after(round, began.elapsed(), self.clock.now());
        let written = self.write_status(&view);
        self.views.send_replace(Arc::new(view));
        written
    }

    fn write_status(&self, view: &View) -> Result<(), RunError> {
        let (Some(path), Some(last)) = (self.status_file.as_deref(), &view.last) else { return Ok(()) };
        write_status(path, &last.round)
            .map_err(|error| RunError::Status { path: Path::new(path).to_owned(), error })
    }

    /// Returns whether something could not be reached or asked.
    fn has_failed(&self) -> bool {
        self.views.borrow().last.as_ref().is_some_and(|last| last.round.has_failed())
    }
}

/// Runs `work` on a thread of its own, as reading and compiling a source waits and computes without letting others go on.
/// What it waits for is done by the runtime of the caller. Nothing comes back from work that panics.
fn on_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> oneshot::Receiver<T> {
    let (done, result) = oneshot::channel();
    let runtime = Handle::current();
    thread::spawn(move || done.send(runtime.block_on(work)).ok());
    result
}

/// Returns a number between 0 and 1 that two instances hardly share.
fn fraction() -> f64 {
    f64::from(since_1970().subsec_nanos()) / 1e9
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
