//! The demo's git repository, made without a working tree.

use std::path::Path;

use git2::{Commit, Oid, Repository, Signature, Time, Tree};

use super::example::Files;

/// Seconds of the commits' dates: the demo's repository is the same each time.
const DATE: i64 = 1_760_000_000;

/// A repository of manifests under `manifests/`.
pub(super) struct Manifests {
    repository: Repository,
}

impl Manifests {
    /// Makes an empty repository.
    pub(super) fn init(folder: &Path) -> Result<Self, git2::Error> {
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        Ok(Manifests { repository: Repository::init_opts(folder, &options)? })
    }

    /// Commits `files` to a branch, on top of `parent`, and returns the commit.
    pub(super) fn commit(
        &self,
        branch: &str,
        parent: Option<Oid>,
        message: &str,
        files: &Files,
    ) -> Result<Oid, git2::Error> {
        let tree = self.tree(files)?;
        let author = Signature::new("Shop Team", "shop@example.com", &Time::new(DATE, 0))?;
        let parent = parent.map(|id| self.repository.find_commit(id)).transpose()?;
        let parents: Vec<&Commit<'_>> = parent.iter().collect();
        let id = self.repository.commit(None, &author, &author, message, &tree, &parents)?;
        self.repository.reference(&format!("refs/heads/{branch}"), id, true, message)?;
        Ok(id)
    }

    fn tree(&self, files: &Files) -> Result<Tree<'_>, git2::Error> {
        let mut index = git2::Index::new()?;
        for (path, text) in files {
            let id = self.repository.blob(text.as_bytes())?;
            index.add(&entry(&format!("manifests/{path}"), id))?;
        }
        self.repository.find_tree(index.write_tree_to(&self.repository)?)
    }
}

fn entry(path: &str, id: Oid) -> git2::IndexEntry {
    let never = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}
