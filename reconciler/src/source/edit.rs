//! From one reading to the next. Where the system names the files that may have changed, only those are looked at;
//! whatever could change which files belong to the source is left to a walk.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::SourceError;
use super::folder::{FolderScan, read};
use super::loader::{Loader, Part, Source, State};
use super::parts;
use super::spec::SourceSpec;
use super::walk::{self, IGNORE_FILE};

/// What may have changed since a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// These, named as the system does: below the real place of what is watched.
    Paths(BTreeSet<PathBuf>),
    /// Anything.
    Anything,
}

/// What became of one path.
enum Change {
    /// Nothing that matters.
    Nothing,
    /// A file of the source may have another content, or is new.
    File(Arc<str>, Metadata),
    /// A file of the source is gone.
    Gone(Arc<str>),
    /// Only a walk can tell.
    Unclear,
}

/// What a reading did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingWork {
    /// Entries of folders that were listed.
    pub entries: usize,
    /// Files whose stamp was looked at.
    pub looks: usize,
    /// Files whose bytes were read.
    pub reads: usize,
}

impl std::iter::Sum for ReadingWork {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            entries: sum.entries + one.entries,
            looks: sum.looks + one.looks,
            reads: sum.reads + one.reads,
        })
    }
}

impl Loader {
    /// Reads again what may have changed since `before`: folders, files, and revisions of the repository around the
    /// working folder, but no remote and not standard input. Returns the new state, and whether it says anything else.
    pub fn reload(&self, before: &Source) -> Result<(Source, bool), SourceError> {
        self.reload_after(before, &Hint::Anything)
    }

    /// Does the same where it is known what of folders can have changed.
    pub(super) fn reload_after(&self, before: &Source, hint: &Hint) -> Result<(Source, bool), SourceError> {
        let mut parts = Vec::new();
        let mut work = Vec::new();
        for part in &before.parts {
            parts.push(match &part.spec {
                SourceSpec::Stdin | SourceSpec::Remote { .. } => part.clone(),
                SourceSpec::Revision { revision, .. } if self.is_at(part, revision)? => part.clone(),
                spec => {
                    let followed = self.follow(part, hint);
                    let next = followed.map_or_else(|| self.read(spec, Some(part)), Ok)?;
                    work.push(next.work());
                    Arc::new(next)
                }
            });
        }
        let after = Source { work: work.into_iter().sum(), ..Source::merge(parts) };
        let changed = !after.same_content(before);
        Ok((after, changed))
    }

    /// Returns the next state of a folder, where the hint is enough to know it.
    fn follow(&self, part: &Part, hint: &Hint) -> Option<Part> {
        match (&part.spec, &part.state, hint) {
            (SourceSpec::Path(path), State::Folder(scan), Hint::Paths(paths)) => {
                let scan = scan.edited(&self.working_folder.join(path), paths)?;
                Some(part.with(State::Folder(scan)))
            }
            _ => None,
        }
    }
}

impl FolderScan {
    /// Returns what a walk of the same folder would find, if nothing but `paths` can have changed; none where it takes a
    /// walk to know, or to say what is wrong. `place` is the way to the folder.
    fn edited(&self, place: &Path, paths: &BTreeSet<PathBuf>) -> Option<Self> {
        let (mut found, mut kept) = (self.found.clone(), self.kept().clone());
        let mut work = ReadingWork::default();
        for path in paths {
            work.looks += 1;
            match self.change(place, path) {
                Change::Nothing => {}
                Change::File(name, metadata) => {
                    let (file, read) = read(path, &name, &metadata, kept.get(&name)).ok()?;
                    work.reads += usize::from(read);
                    found.put(name.clone(), file.content);
                    kept.insert(name, file);
                }
                Change::Gone(name) => {
                    found.remove(&name);
                    kept.remove(&name);
                }
                Change::Unclear => return None,
            }
        }
        Some(self.with(found, kept, work))
    }

    fn change(&self, place: &Path, path: &Path) -> Change {
        let Ok(inner) = path.strip_prefix(&self.real) else {
            // Links and the way to the folder may lead elsewhere now.
            let elsewhere = !self.rules.links && !place.starts_with(path) && !self.real.starts_with(path);
            return if elsewhere { Change::Nothing } else { Change::Unclear };
        };
        let Some(inner) = inner.to_str().filter(|inner| !inner.is_empty()) else { return Change::Unclear };
        let (folder, name) = inner.rsplit_once('/').unwrap_or(("", inner));
        if name == IGNORE_FILE || parts::decides(name) {
            return Change::Unclear;
        }
        let there = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _ => return Change::Unclear,
        };
        match (self.kept().contains_key(inner), there) {
            (true, Some(metadata)) => Change::File(inner.into(), metadata),
            _ if !self.rules.are_by_name() => Change::Unclear,
            (true, None) => Change::Gone(inner.into()),
            (false, Some(metadata)) => {
                let hidden = folder.split('/').any(|part| part.starts_with('.'));
                let belongs = !hidden && walk::belongs(name, inner);
                if belongs { Change::File(inner.into(), metadata) } else { Change::Nothing }
            }
            (false, None) if self.has_below(inner) => Change::Unclear,
            (false, None) => Change::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
