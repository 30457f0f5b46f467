//! A git repository in a temporary folder, made with the real `git` program and cut off from the user's settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository that disappears with its value. The first branch is `main`.
pub struct TempRepo {
    folder: tempfile::TempDir,
}

impl TempRepo {
    /// Makes an empty repository.
    ///
    /// # Panics
    /// When there is no `git` program.
    pub fn new() -> Self {
        let repo = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// Returns the folder of the work tree.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a URL for the local transport.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Writes a file of the work tree, with the folders that it needs.
    pub fn write(&self, path: &str, content: &str) -> &Self {
        let file = self.file(path);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder in the repository");
        fs::write(&file, content).unwrap_or_else(|error| panic!("{path}: {error}"));
        self
    }

    /// Deletes a file of the work tree.
    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        self
    }

    /// Commits the whole work tree and returns the revision's full id.
    ///
    /// Author and date are fixed: the same content and history give the same id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs `git` here and returns what it printed, without the last line end.
    ///
    /// # Panics
    /// When git fails; the message carries what it said.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.path())
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@example.com")])
            .envs([
                ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
                ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
            ])
            .output()
            .unwrap_or_else(|error| panic!("git cannot be run: {error}"));
        assert!(
            output.status.success(),
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }
}

impl Default for TempRepo {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_and_reads_back() {
        let repo = TempRepo::new();
        let first = repo.write("a/b.yaml", "x: 1\n").commit("first");
        let second = repo.remove("a/b.yaml").commit("second");
        assert_ne!(first, second);
        assert_eq!(repo.git(&["show", &format!("{first}:a/b.yaml")]), "x: 1");
        assert_eq!(repo.git(&["ls-tree", "-r", &second]), "");
    }

    #[test]
    fn equal_histories_have_equal_ids() {
        let make = || TempRepo::new().write("a", "1").commit("one");
        assert_eq!(make(), make());
    }
}
