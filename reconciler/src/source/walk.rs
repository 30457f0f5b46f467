//! Which files of a tree belong to a source. The same rules hold for folders on disk and for trees in git.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_compiler::source::{ContentId, Unrendered};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use imbl::OrdMap;

use super::error::SourceError;
use super::parts::{self, Kustomization};

/// Names files and folders that are left out, in the syntax of .gitignore.
pub(super) const IGNORE_FILE: &str = ".gatewrightignore";
/// The settings file, which is no manifest.
pub(super) const SETTINGS_FILE: &str = "gatewright.yaml";
/// Ends of the names of route tests, which are no manifests.
const TEST_ENDS: [&str; 2] = [".gwtest.yaml", ".gwtest.yml"];

/// A tree of files that can be walked.
pub(super) trait Tree {
    /// Access to a folder.
    type Folder;
    /// Access to a file.
    type File: Clone;

    /// Lists a folder; links are followed once and say so.
    fn list(&self, folder: &Self::Folder, path: &str) -> Result<Vec<Entry<Self>>, SourceError>;

    /// Reads a small file.
    fn read(&self, file: &Self::File, path: &str) -> Result<Vec<u8>, SourceError>;
}

/// One entry of a folder.
pub(super) struct Entry<T: Tree + ?Sized> {
    /// Name in its folder.
    pub(super) name: String,
    /// What it is, or why it cannot be used. The error matters only when the entry would belong to the source.
    pub(super) kind: Result<EntryKind<T>, SourceError>,
    /// Path that tells whether two entries are the same thing: that of the target for links.
    pub(super) identity: String,
    /// Whether it is a symbolic link.
    pub(super) link: bool,
}

/// What an entry is.
pub(super) enum EntryKind<T: Tree + ?Sized> {
    /// A folder.
    Folder(T::Folder),
    /// A file.
    File(T::File),
    /// Neither, e.g. a submodule.
    Other,
}

/// What a walk found. Paths have `/` and are relative to where it began.
pub(super) struct Found<F> {
    /// Manifest files, sorted.
    pub(super) manifests: Vec<(Arc<str>, F)>,
    /// `gatewright.yaml` of the first folder.
    pub(super) settings: Option<(Arc<str>, F)>,
    /// Route tests, sorted.
    pub(super) tests: Vec<(Arc<str>, F)>,
    /// Charts and Kustomizations, sorted.
    pub(super) unrendered: Vec<Unrendered>,
    /// What else than names decided.
    pub(super) rules: Rules,
}

/// What decides which files belong to a source, beside their names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// There are links.
    pub(super) links: bool,
    /// There are ignore files, charts or Kustomizations.
    pub(super) others: bool,
}

impl Rules {
    /// Returns whether a file belongs by its name alone.
    pub(super) fn are_by_name(self) -> bool {
        !self.links && !self.others
    }
}

/// What belongs to a source, with its content.
#[derive(Clone, Default)]
pub(super) struct Contents {
    /// Manifest files. Persistent, as the trees of [`gatewright_compiler::source::SourceTree`] are.
    pub(super) manifests: OrdMap<Arc<str>, ContentId>,
    /// `gatewright.yaml`.
    pub(super) settings: Option<(Arc<str>, ContentId)>,
    /// Route tests, sorted.
    pub(super) tests: Vec<(Arc<str>, ContentId)>,
    /// Charts and Kustomizations, sorted.
    pub(super) unrendered: Vec<Unrendered>,
}

impl Contents {
    /// Returns a source of one file.
    pub(super) fn of_file(path: Arc<str>, content: ContentId) -> Self {
        Contents { manifests: OrdMap::unit(path, content), ..Contents::default() }
    }

    /// Puts a file in, new or with other content, where its name says.
    pub(super) fn put(&mut self, path: Arc<str>, content: ContentId) {
        match place_of(name_of(&path), &path) {
            Some(List::Manifests) => _ = self.manifests.insert(path, content),
            Some(List::Settings) => self.settings = Some((path, content)),
            Some(List::Tests) => match self.tests.binary_search_by(|(test, _)| test.cmp(&path)) {
                Ok(index) => self.tests[index].1 = content,
                Err(index) => self.tests.insert(index, (path, content)),
            },
            Some(List::Nothing) | None => {}
        }
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, path: &str) {
        match place_of(name_of(path), path) {
            Some(List::Manifests) => _ = self.manifests.remove(path),
            Some(List::Settings) => self.settings = None,
            Some(List::Tests) => self.tests.retain(|(test, _)| &**test != path),
            Some(List::Nothing) | None => {}
        }
    }
}

impl<F> Found<F> {
    /// Returns the files with their content, which is asked for once for each file.
    pub(super) fn contents<E>(
        self,
        mut content: impl FnMut(&Arc<str>, F) -> Result<ContentId, E>,
    ) -> Result<Contents, E> {
        let mut with = |(path, file)| -> Result<(Arc<str>, ContentId), E> {
            let content = content(&path, file)?;
            Ok((path, content))
        };
        let manifests: Vec<_> = self.manifests.into_iter().map(&mut with).collect::<Result<_, E>>()?;
        // Every other one first leaves each node of the map half of its room, which the rest fills.
        let halves = manifests.iter().step_by(2).chain(manifests.iter().skip(1).step_by(2));
        Ok(Contents {
            manifests: halves.cloned().collect(),
            settings: self.settings.map(&mut with).transpose()?,
            tests: self.tests.into_iter().map(&mut with).collect::<Result<_, E>>()?,
            unrendered: self.unrendered,
        })
    }
}

/// Walks a tree from `root`, whose own identity is `identity`.
pub(super) fn walk<T: Tree>(
    tree: &T,
    root: &T::Folder,
    identity: &str,
) -> Result<Found<T::File>, SourceError> {
    let mut walk = Walk {
        tree,
        ignores: Vec::new(),
        seen: BTreeSet::from([identity.to_owned()]),
        links: Vec::new(),
        chart: None,
        kustomizations: Vec::new(),
        found: Found {
            manifests: Vec::new(),
            settings: None,
            tests: Vec::new(),
            unrendered: Vec::new(),
            rules: Rules::default(),
        },
    };
    walk.folder(root, "")?;
    walk.follow_links()?;
    walk.leave_parts_out();
    let mut found = walk.found;
    found.manifests.sort_by(|a, b| a.0.cmp(&b.0));
    found.tests.sort_by(|a, b| a.0.cmp(&b.0));
    found.unrendered.sort();
    Ok(found)
}

struct Walk<'a, T: Tree> {
    tree: &'a T,
    /// Ignore files on the way from the root to the current folder.
    ignores: Ignores,
    /// Identities of all folders and files that are in already.
    seen: BTreeSet<String>,
    /// Links met on the way.
    links: Vec<Link<T>>,
    /// The chart that the current place is a part of, among what must be rendered.
    chart: Option<usize>,
    kustomizations: Vec<Named>,
    found: Found<T::File>,
}

/// A Kustomization.
struct Named {
    /// Its place among what must be rendered.
    index: usize,
    /// Paths that it names.
    paths: BTreeSet<String>,
}

/// Ignore files: length of their folder's path, and patterns.
type Ignores = Vec<(usize, Gitignore)>;

/// A link that waits to be followed.
struct Link<T: Tree> {
    path: String,
    entry: Entry<T>,
    /// The ignore files in force at its place.
    ignores: Ignores,
}

impl<T: Tree> Walk<'_, T> {
    fn folder(&mut self, folder: &T::Folder, path: &str) -> Result<(), SourceError> {
        let mut entries = self.tree.list(folder, path)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let depth = self.ignores.len();
        self.load_ignore_file(&entries, path)?;
        let result = self.entries(entries, path);
        self.ignores.truncate(depth);
        result
    }

    fn entries(&mut self, entries: Vec<Entry<T>>, path: &str) -> Result<(), SourceError> {
        let outer = self.chart;
        let own = self.chart_of(&entries, path).filter(|_| outer.is_none());
        let kustomization = if outer.is_none() { self.kustomization_of(&entries, path)? } else { None };
        for entry in entries {
            if kustomization.as_ref() == Some(&entry.name) {
                continue;
            }
            self.chart = outer.or_else(|| own.filter(|_| parts::is_of_chart(&entry.name)));
            self.entry(entry, path)?;
        }
        self.chart = outer;
        Ok(())
    }

    fn entry(&mut self, entry: Entry<T>, folder: &str) -> Result<(), SourceError> {
        let path = join(folder, &entry.name);
        if entry.link && self.chart.is_some() {
            return Ok(());
        }
        if entry.link {
            self.links.push(Link { path, entry, ignores: self.ignores.clone() });
            return Ok(());
        }
        self.visit(entry, path)
    }

    fn visit(&mut self, entry: Entry<T>, path: String) -> Result<(), SourceError> {
        match entry.kind {
            Ok(EntryKind::Folder(folder)) => {
                let left_out = entry.name.starts_with('.') || self.is_ignored(&path, true);
                if left_out || !self.seen.insert(entry.identity) {
                    return Ok(());
                }
                self.folder(&folder, &path)
            }
            Ok(EntryKind::File(file)) => {
                let list = place_of(&entry.name, &path).filter(|_| !self.is_ignored(&path, false));
                match (list, self.chart) {
                    (Some(List::Manifests), Some(chart)) if entry.name != parts::CHART => {
                        self.count_part(chart)
                    }
                    (Some(list), None) if self.seen.insert(entry.identity) => self.put(list, path, file),
                    _ => {}
                }
                Ok(())
            }
            Ok(EntryKind::Other) => Ok(()),
            Err(error) => {
                let wanted = self.chart.is_none()
                    && place_of(&entry.name, &path).is_some()
                    && !self.is_ignored(&path, false);
                if wanted { Err(error) } else { Ok(()) }
            }
        }
    }

    /// Visits the links in the order of their paths, after everything that is in without them. What a link leads to is
    /// taken once, which also ends every loop.
    fn follow_links(&mut self) -> Result<(), SourceError> {
        while !self.links.is_empty() {
            let mut links = std::mem::take(&mut self.links);
            links.sort_by(|a, b| a.path.cmp(&b.path));
            for Link { path, entry, ignores } in links {
                // Editors mark open files with hidden links to nothing.
                let marker = entry.kind.is_err() && entry.name.starts_with('.');
                if !marker {
                    self.found.rules.links = true;
                    self.ignores = ignores;
                    self.visit(entry, path)?;
                }
            }
        }
        Ok(())
    }

    fn load_ignore_file(&mut self, entries: &[Entry<T>], path: &str) -> Result<(), SourceError> {
        let Some(entry) = entries.iter().find(|entry| entry.name == IGNORE_FILE) else { return Ok(()) };
        let Ok(EntryKind::File(file)) = &entry.kind else { return Ok(()) };
        let shown = join(path, IGNORE_FILE);
        let text = self.tree.read(file, &shown)?;
        let patterns = patterns(&String::from_utf8_lossy(&text), &shown)?;
        self.found.rules.others = true;
        self.ignores.push((path.len(), patterns));
        Ok(())
    }

    /// Notes that a folder is a chart.
    fn chart_of(&mut self, entries: &[Entry<T>], folder: &str) -> Option<usize> {
        self.file_of(entries, folder, parts::CHART)?;
        if self.chart.is_some() {
            return None;
        }
        Some(self.unrendered(join(folder, parts::CHART), Some(0)))
    }

    /// Notes the Kustomization of a folder, and returns the name of its file.
    fn kustomization_of(
        &mut self,
        entries: &[Entry<T>],
        folder: &str,
    ) -> Result<Option<String>, SourceError> {
        let found = parts::KUSTOMIZATIONS.into_iter().find_map(|name| {
            let file = self.file_of(entries, folder, name)?.clone();
            Some((name, file))
        });
        let Some((name, file)) = found else { return Ok(None) };
        let path = join(folder, name);
        match Kustomization::read(&self.tree.read(&file, &path)?) {
            Kustomization::Object => return Ok(None),
            Kustomization::Unreadable => _ = self.unrendered(path, None),
            Kustomization::Names(names) => {
                let index = self.unrendered(path, Some(0));
                let paths = names.iter().filter_map(|name| parts::place(folder, name)).collect();
                self.kustomizations.push(Named { index, paths });
            }
        }
        Ok(Some(name.to_owned()))
    }

    fn file_of<'e>(&self, entries: &'e [Entry<T>], folder: &str, name: &str) -> Option<&'e T::File> {
        let entry = entries.iter().find(|entry| entry.name == name)?;
        let Ok(EntryKind::File(file)) = &entry.kind else { return None };
        (!self.is_ignored(&join(folder, name), false)).then_some(file)
    }

    fn unrendered(&mut self, path: String, parts: Option<usize>) -> usize {
        self.found.rules.others = true;
        self.found.unrendered.push(Unrendered { path, parts });
        self.found.unrendered.len() - 1
    }

    fn count_part(&mut self, index: usize) {
        let parts = self.found.unrendered.get_mut(index).and_then(|unrendered| unrendered.parts.as_mut());
        parts.into_iter().for_each(|parts| *parts += 1);
    }

    /// Leaves out what Kustomizations name, wherever it was found.
    fn leave_parts_out(&mut self) {
        let mut manifests = std::mem::take(&mut self.found.manifests);
        let kustomizations = std::mem::take(&mut self.kustomizations);
        manifests.retain(|(path, _)| {
            let naming = kustomizations.iter().filter(|named| named.paths.contains(&**path));
            let naming: Vec<usize> = naming.map(|named| named.index).collect();
            naming.iter().for_each(|index| self.count_part(*index));
            naming.is_empty()
        });
        self.found.manifests = manifests;
    }

    /// Returns whether the innermost ignore file that speaks of a path leaves it out. Folders that are left out are not
    /// entered, so parents need no second look.
    fn is_ignored(&self, path: &str, is_folder: bool) -> bool {
        for (start, patterns) in self.ignores.iter().rev() {
            match patterns.matched(path[*start..].trim_start_matches('/'), is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }

    fn put(&mut self, list: List, path: String, file: T::File) {
        let path = Arc::from(path);
        match list {
            List::Manifests => self.found.manifests.push((path, file)),
            List::Tests => self.found.tests.push((path, file)),
            List::Settings => self.found.settings = Some((path, file)),
            List::Nothing => {}
        }
    }
}

#[derive(Clone, Copy)]
enum List {
    Manifests,
    Tests,
    Settings,
    Nothing,
}

/// Returns the list that a file belongs to, if any.
fn place_of(name: &str, path: &str) -> Option<List> {
    if name == SETTINGS_FILE {
        return Some(if path == SETTINGS_FILE { List::Settings } else { List::Nothing });
    }
    if TEST_ENDS.iter().any(|end| name.ends_with(end)) {
        return Some(List::Tests);
    }
    is_manifest(name).then_some(List::Manifests)
}

/// Returns whether a file belongs to a source, as far as its name and place say.
pub(super) fn belongs(name: &str, path: &str) -> bool {
    place_of(name, path).is_some_and(|list| !matches!(list, List::Nothing))
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns whether a file of this name is read.
pub(super) fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// Joins with `/`; an empty folder is the root.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn patterns(text: &str, path: &str) -> Result<Gitignore, SourceError> {
    let mut builder = GitignoreBuilder::new("");
    let invalid = |line: &str, error: &ignore::Error| SourceError::IgnoreFile {
        path: path.to_owned(),
        line: line.to_owned(),
        reason: error.to_string(),
    };
    for line in text.lines() {
        builder.add_line(None, line).map_err(|error| invalid(line, &error))?;
    }
    builder.build().map_err(|error| invalid("", &error))
}

#[cfg(test)]
mod tests;
