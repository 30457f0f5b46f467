//! Watches folders and hands out each new state once changes have settled.
//!
//! The system says where something changed, and a new reading says what: events are hints only. Where the system cannot
//! watch, and as a net below it, readings are repeated; they are cheap because unchanged files are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::edit::Hint;
use super::error::SourceError;
use super::folder::Linked;
use super::loader::{Loader, Source};

/// Changes have settled when nothing more comes for this long...
const QUIET: Duration = Duration::from_millis(4);
/// ...which grows by as much with this many events, because they are a storm...
const STORM: u32 = 16;
/// ...up to this, which is also for files that somebody still writes, and for what only a walk can tell...
const LONGEST_QUIET: Duration = Duration::from_millis(40);
/// ...or when they have gone on for this long.
const LONGEST_SETTLING: Duration = Duration::from_millis(150);
/// More files than this are found by a walk.
const MANY: usize = 1_000;
/// Time between readings while the system watches.
const NET: Duration = Duration::from_secs(5);
/// Time between readings while the name of a revision may move.
const REVISION_POLL: Duration = Duration::from_secs(1);
/// Time between readings where the system does not watch...
const POLL: Duration = Duration::from_millis(200);
/// ...but at least this many times what a reading takes.
const POLL_SHARE: u32 = 5;
/// A failure counts when it lasts this long: files come and go while somebody writes many of them.
const LASTING: Duration = Duration::from_millis(100);

/// A running watch; it ends when dropped.
pub struct Watch {
    changes: tokio::sync::mpsc::Receiver<Result<Arc<Source>, SourceError>>,
    stop: Stop,
}

impl Watch {
    /// Begins to watch the SOURCEs of `source`.
    pub fn start(loader: Loader, source: Arc<Source>) -> Self {
        Self::with_eyes(loader, source, true)
    }

    /// Begins to watch by repeated reading alone.
    #[cfg(test)]
    pub(super) fn start_polling(loader: Loader, source: Arc<Source>) -> Self {
        Self::with_eyes(loader, source, false)
    }

    fn with_eyes(loader: Loader, source: Arc<Source>, eyes: bool) -> Self {
        // One state may wait for a slow receiver; the reading after it shows what has changed meanwhile.
        let (send, changes) = tokio::sync::mpsc::channel(1);
        let (wake, woken) = mpsc::channel();
        let stop = Stop { wake: wake.clone(), stopped: Arc::new(AtomicBool::new(false)) };
        let stopped = stop.stopped.clone();
        let eyes =
            eyes.then(|| Eyes { wake, watcher: None, watched: Linked::default(), ids: BTreeMap::new() });
        thread::spawn(move || Loop { loader, source, eyes, woken, stopped, send, failure: None }.run());
        Watch { changes, stop }
    }

    /// Waits for the next state, or for a failure to read it. After a failure the watch goes on, and the next state
    /// comes when reading works again.
    pub async fn changed(&mut self) -> Result<Arc<Source>, SourceError> {
        match self.changes.recv().await {
            Some(change) => change,
            // The thread ends only after this value is gone.
            None => std::future::pending().await,
        }
    }

    /// Waits for the next state outside of a runtime; nothing comes within the given time.
    #[cfg(test)]
    pub(super) fn changed_within(&mut self, time: Duration) -> Option<Result<Arc<Source>, SourceError>> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if let Ok(change) = self.changes.try_recv() {
                return Some(change);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.stopped.store(true, Ordering::Relaxed);
        // Fails only when the thread has ended already.
        self.stop.wake.send(Wake::Anything).ok();
    }
}

/// What ends the pause between two readings.
enum Wake {
    /// The system says where something changed.
    Event(notify::Event),
    /// Nobody says where.
    Anything,
}

struct Stop {
    wake: mpsc::Sender<Wake>,
    stopped: Arc<AtomicBool>,
}

struct Loop {
    loader: Loader,
    source: Arc<Source>,
    eyes: Option<Eyes>,
    woken: mpsc::Receiver<Wake>,
    stopped: Arc<AtomicBool>,
    send: tokio::sync::mpsc::Sender<Result<Arc<Source>, SourceError>>,
    /// The failure that the receiver knows of.
    failure: Option<SourceError>,
}

impl Loop {
    fn run(mut self) {
        let mut reading = Duration::ZERO;
        loop {
            let watching = self.look();
            let told = self.wait(watching, reading);
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let begin = Instant::now();
            if self.read(told).is_break() {
                return;
            }
            reading = begin.elapsed();
        }
    }

    /// Points the eyes at what the source is now, and returns whether the system watches.
    fn look(&mut self) -> bool {
        let watched = self.source.watched(&self.loader.working_folder);
        self.eyes.as_mut().is_some_and(|eyes| eyes.look_at(watched))
    }

    fn wait(&self, watching: bool, reading: Duration) -> Told {
        let mut told = Told::default();
        let pause = if watching { NET } else { POLL.max(reading * POLL_SHARE) };
        let pause = if self.source.has_moving_revision() { pause.min(REVISION_POLL) } else { pause };
        let mut next = self.woken.recv_timeout(pause);
        if next.is_err() {
            told.anything = true;
            return told;
        }
        let begin = Instant::now();
        while let Ok(wake) = next {
            told.take(wake);
            if begin.elapsed() >= LONGEST_SETTLING {
                break;
            }
            next = self.woken.recv_timeout(told.quiet());
        }
        told
    }

    /// Reads once and tells the receiver what is new. Breaks when there is no receiver any more.
    fn read(&mut self, told: Told) -> std::ops::ControlFlow<()> {
        // What was named before a failure was not followed.
        let hint = if self.failure.is_some() { Hint::Anything } else { told.hint() };
        let news = match self.reload(&hint) {
            Ok((source, changed)) => {
                self.source = Arc::new(source);
                let recovered = self.failure.take().is_some();
                (changed || recovered).then(|| Ok(self.source.clone()))
            }
            Err(error) if self.failure.as_ref() == Some(&error) => None,
            Err(error) => {
                self.failure = Some(error.clone());
                Some(Err(error))
            }
        };
        match news.map(|news| self.send.blocking_send(news)) {
            Some(Err(_)) => std::ops::ControlFlow::Break(()),
            Some(Ok(())) | None => std::ops::ControlFlow::Continue(()),
        }
    }

    fn reload(&self, hint: &Hint) -> Result<(Source, bool), SourceError> {
        self.loader.reload_after(&self.source, hint).or_else(|_| {
            thread::sleep(LASTING);
            self.loader.reload(&self.source)
        })
    }
}

/// What the system has told since the last reading.
#[derive(Default)]
struct Told {
    paths: BTreeSet<PathBuf>,
    /// Files that were written and perhaps are still.
    open: BTreeSet<PathBuf>,
    anything: bool,
    events: u32,
}

impl Told {
    fn take(&mut self, wake: Wake) {
        self.events += 1;
        let event = match wake {
            Wake::Event(event) if !event.need_rescan() && !event.paths.is_empty() => event,
            Wake::Event(_) | Wake::Anything => {
                self.anything = true;
                return;
            }
        };
        for path in event.paths {
            match event.kind {
                EventKind::Create(CreateKind::File)
                | EventKind::Modify(ModifyKind::Any | ModifyKind::Data(_)) => {
                    self.open.insert(path.clone());
                }
                EventKind::Modify(ModifyKind::Metadata(_)) => {}
                EventKind::Create(CreateKind::Folder) => self.anything = true,
                _ => _ = self.open.remove(&path),
            }
            self.paths.insert(path);
        }
        self.anything |= self.paths.len() > MANY;
    }

    /// Returns how long nothing must come now.
    fn quiet(&self) -> Duration {
        if self.anything || !self.open.is_empty() {
            return LONGEST_QUIET;
        }
        LONGEST_QUIET.min(QUIET * (1 + self.events / STORM))
    }

    fn hint(self) -> Hint {
        if self.anything { Hint::Anything } else { Hint::Paths(self.paths) }
    }
}

/// The system's watch over a set of folders.
struct Eyes {
    wake: mpsc::Sender<Wake>,
    watcher: Option<RecommendedWatcher>,
    watched: Linked,
    /// Device and inode of each watched folder: another folder under the same name is not watched yet.
    ids: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

impl Eyes {
    fn look_at(&mut self, watched: Linked) -> bool {
        let ids = watched.whole.iter().chain(&watched.around).map(|path| (path.clone(), id(path))).collect();
        if self.watcher.is_some() && (&self.watched, &self.ids) == (&watched, &ids) {
            return true;
        }
        self.watcher = self.open(&watched).ok();
        (self.watched, self.ids) = (watched, ids);
        // What happened before the eyes were open was seen by nobody.
        self.wake.send(Wake::Anything).ok();
        self.watcher.is_some()
    }

    fn open(&self, watched: &Linked) -> notify::Result<RecommendedWatcher> {
        let wake = self.wake.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, matters) {
                // Fails only when the watch has ended.
                wake.send(event.map_or(Wake::Anything, Wake::Event)).ok();
            }
        };
        // Links are resolved by the reading, which knows where they may lead.
        let mut watcher = RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false))?;
        for folder in &watched.whole {
            watcher.watch(&real(folder), RecursiveMode::Recursive)?;
            if let Some(parent) = link_parent(folder) {
                watcher.watch(parent, RecursiveMode::NonRecursive)?;
            }
        }
        for folder in &watched.around {
            watcher.watch(&real(folder), RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    }
}

/// Returns whether an event can mean another content: reading is none, and git's own folder holds no manifest.
fn matters(event: &notify::Event) -> bool {
    let only_read =
        matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    let in_git = |path: &PathBuf| path.components().any(|part| part.as_os_str() == ".git");
    !only_read && (event.paths.is_empty() || !event.paths.iter().all(in_git))
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the folder that holds a link which may be turned elsewhere.
fn link_parent(path: &Path) -> Option<&Path> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    path.parent().filter(|_| is_link)
}

#[cfg(test)]
mod tests;
