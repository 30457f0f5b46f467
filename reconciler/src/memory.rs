//! What a serving process must remember beyond its end: how much its source served, and the revision that did.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::extent::Extent;
use crate::source::{Loader, Source, SourceSpec};

/// First words of the file.
const FORMAT: &str = "gatewright-serving-state/1";

/// The last good state of a source, in a file.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    working_folder: PathBuf,
    /// The SOURCEs as they were given, and with commits in the place of names.
    specs: Vec<SourceSpec>,
    pinned: Vec<SourceSpec>,
    record: Option<Record>,
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
        (Memory { path, working_folder, specs, pinned, record }, problem)
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
    /// without one, that of the memory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(
        &mut self,
        source: &Source,
        working_folder: Option<&Path>,
        served: &Extent,
    ) -> io::Result<()> {
        if !self.is_own(source, working_folder) {
            return Ok(());
        }
        let sources = source.pinned().iter().map(ToString::to_string).collect();
        let record = Record { format: FORMAT.to_owned(), sources, served: served.clone() };
        if self.record.as_ref() == Some(&record) {
            return Ok(());
        }
        let written = atomic::replace_private(&self.path, &record);
        self.record = Some(record);
        written
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

fn read(path: &Path) -> Result<Option<Record>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if record.format == FORMAT { Ok(Some(record)) } else { Err(format!("its format is not {FORMAT}")) }
}
