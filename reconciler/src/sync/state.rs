//! What a sync must remember beyond its end: the last good revision, and what is held back.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::round::HeldBack;
use crate::atomic;
use crate::extent::Extent;

/// First words of the file.
const FORMAT: &str = "gatewright-sync-state/1";

/// The last state that was to be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: String,
    /// What is followed; a record of another source is of no use.
    pub(super) source: String,
    /// The revision, as a SOURCE that names a commit; empty where the source has none.
    pub(super) revision: String,
    /// What that state took from other revisions.
    pub(super) held: Vec<HeldBack>,
    /// How much the last state serves that serving processes were brought to.
    #[serde(default)]
    pub(super) served: Option<Extent>,
}

/// Says that there is a state file, and no use in it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("cannot use the state file `{}`: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// It is not what gatewright writes.
    #[error("the state file `{}` is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Record {
    pub(super) fn new(source: String, revision: String) -> Self {
        Record { format: FORMAT.to_owned(), source, revision, held: Vec::new(), served: None }
    }

    /// Reads the record of a source; none where there is no file, or one of another source.
    pub(super) fn read(path: &Path, source: &str) -> Result<Option<Self>, StateError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io { path: path.to_owned(), error }),
        };
        let damaged = |reason: String| StateError::Damaged { path: path.to_owned(), reason };
        let record: Record = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if record.format != FORMAT {
            return Err(damaged(format!("its format is not {FORMAT}")));
        }
        Ok((record.source == source).then_some(record))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), StateError> {
        atomic::replace_private(path, self).map_err(|error| StateError::Io { path: path.to_owned(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_for_its_own_source_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/state.json");
        assert_eq!(Record::read(&path, "a").unwrap(), None);
        let record = Record::new("a".into(), "git+/r@0".into());
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path, "a").unwrap(), Some(record));
        assert_eq!(Record::read(&path, "b").unwrap(), None);
        let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn a_damaged_file_is_named_and_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for text in ["", "{\"format\": \"gatewright-sync-state/1\"", "{\"format\": \"x\"}"] {
            std::fs::write(&path, text).unwrap();
            let error = Record::read(&path, "a").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the state file `{}` is damaged: ", path.display())),
                "{error}"
            );
        }
    }
}
