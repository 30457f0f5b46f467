//! The part `sync` of the settings file: what `gatewright sync` follows, and what it keeps there.

use std::path::{Path, PathBuf};

use gatewright_reconciler::source::{RemoteUrl, SourceError, SourceSpec};
use serde::Deserialize;

use super::PolicyArg;

/// What is kept in sync with what. The words are those of `schemas/gatewright.schema.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSettings {
    source: Option<Repository>,
    #[serde(default)]
    targets: Vec<TargetSettings>,
    /// Seconds between rounds.
    pub interval: Option<u64>,
    /// Seconds that the nodes of a target may take to acknowledge.
    pub timeout: Option<u64>,
    /// What becomes of a revision with errors.
    pub policy: Option<PolicyArg>,
    state_file: Option<PathBuf>,
    status_file: Option<PathBuf>,
}

/// The repository that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Repository {
    repository: String,
    #[serde(default = "head")]
    revision: String,
    #[serde(default)]
    path: String,
}

/// What is kept in sync: a process that answers on a control socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct TargetSettings {
    control: PathBuf,
}

/// The name under which a remote offers its default branch.
fn head() -> String {
    "HEAD".to_owned()
}

impl SyncSettings {
    /// Returns the SOURCE, if there is one. `folder` is that of the settings file, where relative paths begin.
    ///
    /// # Errors
    /// The repository, revision or path makes no sense; [`SyncSettings::problem`] says where.
    pub fn source(&self, folder: &Path) -> Result<Option<SourceSpec>, SourceError> {
        self.source.as_ref().map(|source| source.spec(folder)).transpose()
    }

    /// Returns the control sockets of the targets.
    pub fn controls(&self, folder: &Path) -> Vec<PathBuf> {
        self.targets.iter().map(|target| folder.join(&target.control)).collect()
    }

    /// Returns where the last good revision is remembered.
    pub fn state_file(&self, folder: &Path) -> Option<PathBuf> {
        self.state_file.as_ref().map(|path| folder.join(path))
    }

    /// Returns where the outcome of each round is written.
    pub fn status_file(&self, folder: &Path) -> Option<PathBuf> {
        self.status_file.as_ref().map(|path| folder.join(path))
    }

    /// Returns what the schema cannot see: a JSON pointer, and what is wrong there. Passwords are never repeated.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let source = self.source.as_ref()?;
        match RemoteUrl::parse(&source.repository) {
            Err(error) => return Some(("/sync/source/repository", reason(error))),
            Ok(url) if url.holds_password() => {
                let message = "`sync.source.repository` must hold no password: give it in the environment";
                return Some(("/sync/source/repository", message.to_owned()));
            }
            Ok(_) => {}
        }
        let error = source.spec(Path::new("")).err()?;
        Some(("/sync/source/path", reason(error)))
    }
}

impl Repository {
    fn spec(&self, folder: &Path) -> Result<SourceSpec, SourceError> {
        SourceSpec::of_repository(&self.repository, folder, &self.revision, &self.path)
    }
}

fn reason(error: SourceError) -> String {
    match error {
        SourceError::Malformed { reason, .. } => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(text: &str) -> SyncSettings {
        let (settings, findings) = Settings::read("gatewright.yaml", text.as_bytes());
        assert_eq!(findings, []);
        settings.sync
    }

    #[test]
    fn relative_paths_begin_at_the_folder_of_the_file() {
        let sync = read(
            "sync:\n  source: {repository: ../gateways, revision: main, path: shop/}\n  targets:\n  - control: run/a.sock\n  - control: /run/b.sock\n  interval: 5\n  timeout: 6\n  statusFile: status.json\n",
        );
        let folder = Path::new("ops");
        assert_eq!(sync.source(folder).unwrap().unwrap().to_string(), "git+ops/../gateways@main:shop");
        assert_eq!(sync.controls(folder), [Path::new("ops/run/a.sock"), Path::new("/run/b.sock")]);
        assert_eq!((sync.interval, sync.timeout), (Some(5), Some(6)));
        assert_eq!(sync.status_file(folder).as_deref(), Some(Path::new("ops/status.json")));
    }

    #[test]
    fn a_repository_elsewhere_is_followed_at_its_default_branch() {
        let sync = read("sync: {source: {repository: \"https://git.test/team/gateways.git\"}}\n");
        let source = sync.source(Path::new("ops")).unwrap().unwrap();
        assert_eq!(source.to_string(), "git+https://git.test/team/gateways.git@HEAD");
        assert_eq!(read("{}\n"), SyncSettings::default());
    }
}
