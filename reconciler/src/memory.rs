//! What a serving process must remember beyond its end: how much its source served, and the revision that did.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::extent::Extent;
use crate::source::{Loader, Source, SourceSpec};

/// First words of the file.
const FORMAT: &str = "gatewright-serving-state/1";
/// Between two records of a source that changes all the time: each is as large as the source.
const PACE: Duration = Duration::from_secs(1);

/// The last good state of a source, in a file.
#[derive(Debug)]
pub struct Memory {
    working_folder: PathBuf,
    /// The SOURCEs as they were given, and with commits in the place of names.
    specs: Vec<SourceSpec>,
    pinned: Vec<SourceSpec>,
    record: Option<Record>,
    writer: Writer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: String,
    /// The SOURCEs of the state, with commits in the place of names.
    sources: Vec<String>,
    served: Extent,
}

impl Memory {
    /// Opens the memory of a source. A file that is missing or cannot be understood remembers nothing; the second is told.
    pub fn open(path: PathBuf, loader: &Loader, source: &Source) -> (Self, Option<String>) {
        let told = |reason: String| format!("the state file `{}` is of no use: {reason}", path.display());
        let (record, problem) = match read(&path) {
            Ok(record) => (record, None),
            Err(reason) => (None, Some(told(reason))),
        };
        let working_folder = loader.working_folder.clone();
        let (specs, pinned) = (source.specs().cloned().collect(), source.pinned());
        (Memory { working_folder, specs, pinned, record, writer: Writer::new(path) }, problem)
    }

    /// Returns how much the last good state served.
    pub fn extent(&self) -> Option<&Extent> {
        self.record.as_ref().map(|record| &record.served)
    }

    /// Returns the last good state, where it is one of revisions and those can still be read: what stood in a folder
    /// is gone.
    pub fn last_good(&self, loader: &Loader) -> Option<Source> {
        let record = self.record.as_ref()?;
        let specs: Vec<SourceSpec> =
            record.sources.iter().map(|text| text.parse()).collect::<Result<_, _>>().ok()?;
        let commits = !specs.is_empty() && specs.iter().all(|spec| matches!(spec, SourceSpec::Remote { .. }));
        commits.then(|| loader.load(&specs)).and_then(Result::ok)
    }

    /// Remembers a state, if it is one of this memory's source. `working_folder` is that in which its SOURCEs are understood;
    /// without one, that of the memory. The file is written a little later, the newest state by the end of the memory at
    /// the latest; that it cannot be written is told and hinders nothing.
    pub fn remember(&mut self, source: &Source, working_folder: Option<&Path>, served: &Extent) {
        if !self.is_own(source, working_folder) {
            return;
        }
        let sources = source.pinned().iter().map(ToString::to_string).collect();
        let record = Record { format: FORMAT.to_owned(), sources, served: served.clone() };
        if self.record.as_ref() != Some(&record) {
            self.writer.take(record.clone());
            self.record = Some(record);
        }
    }

    /// Waits until everything that was remembered is written.
    pub fn settle(&mut self) {
        let path = self.writer.path.clone();
        // The end of a writer is the end of its writing.
        drop(std::mem::replace(&mut self.writer, Writer::new(path)));
    }

    /// Returns whether a state is one of the source that is remembered: the same SOURCEs, or other commits of it.
    fn is_own(&self, source: &Source, working_folder: Option<&Path>) -> bool {
        if working_folder.is_none_or(|folder| folder == self.working_folder) && source.specs().eq(&self.specs)
        {
            return true;
        }
        let pinned = source.pinned();
        let beside = |(one, other): (&SourceSpec, &SourceSpec)| one.is_commit_beside(other);
        pinned.len() == self.pinned.len() && pinned.iter().zip(&self.pinned).all(beside)
    }
}

/// A thread that writes records to a file, the newest of those that wait.
#[derive(Debug)]
struct Writer {
    path: PathBuf,
    /// None when the thread is to end.
    records: Option<Sender<Record>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        let (records, taken) = mpsc::channel();
        let file = path.clone();
        let thread = std::thread::spawn(move || write_all(&file, &taken));
        Writer { path, records: Some(records), thread: Some(thread) }
    }

    fn take(&self, record: Record) {
        if let Some(records) = &self.records {
            // The thread ends only after this sender.
            records.send(record).ok();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.records = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the state file has panicked");
        }
    }
}

/// Writes records until there will be no more.
fn write_all(path: &Path, records: &Receiver<Record>) {
    let mut waiting: Option<Record> = None;
    let mut due = Instant::now();
    loop {
        let told = match waiting {
            None => records.recv().map_err(RecvTimeoutError::from),
            Some(_) => records.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let last = told == Err(RecvTimeoutError::Disconnected);
        waiting = told.ok().or(waiting);
        if (last || due <= Instant::now())
            && let Some(record) = waiting.take()
        {
            write(path, &record);
            due = Instant::now() + PACE;
        }
        if last {
            return;
        }
    }
}

fn write(path: &Path, record: &Record) {
    if let Err(error) = atomic::replace_private(path, record) {
        tracing::warn!(%error, "the state file cannot be written: the next start will not know what is served");
    }
}

fn read(path: &Path) -> Result<Option<Record>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if record.format == FORMAT { Ok(Some(record)) } else { Err(format!("its format is not {FORMAT}")) }
}
