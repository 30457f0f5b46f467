//! The part `sync` of the settings file: what `gatewright sync` follows, and what it keeps there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatewright_cluster::connect::Access;
use gatewright_cluster::inventory::InventoryName;
use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::cluster::ClusterTarget;
use gatewright_reconciler::extent::Consent;
use gatewright_reconciler::source::{RemoteUrl, SourceError, SourceSpec};
use gatewright_reconciler::sync::{ControlTarget, TargetSpec};
use serde::Deserialize;

use super::{DriftArg, PolicyArg};
use crate::cluster;

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
    /// Seconds that the Lease of a cluster is held without a renewal.
    pub lease: Option<u64>,
    /// What becomes of a revision with errors.
    pub policy: Option<PolicyArg>,
    listen: Option<String>,
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
    signers: Option<PathBuf>,
}

/// What is kept in sync: a process that answers on a control socket, or a kube cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetSettings {
    control: Option<PathBuf>,
    /// Context of the kubeconfig; an empty text is the current one.
    cluster: Option<String>,
    kubeconfig: Option<PathBuf>,
    #[serde(default)]
    allow_exec: bool,
    inventory: Option<String>,
    prune_budget: Option<usize>,
    #[serde(default)]
    allow_empty: bool,
    drift: Option<DriftArg>,
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

    /// Returns the targets. `folder` is that of the settings file, below the working folder or absolute.
    pub fn targets(&self, folder: &Path, options: &CompileOptions) -> Vec<TargetSpec> {
        self.targets.iter().filter_map(|target| target.spec(folder, options)).collect()
    }

    /// Returns the file that says who must have signed a commit.
    pub fn signers(&self, folder: &Path) -> Option<PathBuf> {
        Some(folder.join(self.source.as_ref()?.signers.as_ref()?))
    }

    /// Returns where `/status` and the like are answered.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen.as_ref()?.parse().ok()
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
    pub(super) fn problem(&self) -> Option<(String, String)> {
        let of_target = |(index, target): (usize, &TargetSettings)| {
            let (setting, message) = target.problem(index)?;
            Some((format!("/sync/targets/{index}{setting}"), message))
        };
        let of_source = || self.source.as_ref().and_then(Repository::problem);
        let of_listen = || {
            let address = self.listen.as_ref().filter(|address| address.parse::<SocketAddr>().is_err())?;
            Some(("/sync/listen".to_owned(), format!("`{address}` is not an address: write IP:PORT")))
        };
        of_source().or_else(|| self.targets.iter().enumerate().find_map(of_target)).or_else(of_listen)
    }
}

impl Repository {
    fn spec(&self, folder: &Path) -> Result<SourceSpec, SourceError> {
        SourceSpec::of_repository(&self.repository, folder, &self.revision, &self.path)
    }

    fn problem(&self) -> Option<(String, String)> {
        let at = |setting: &str, message| Some((format!("/sync/source/{setting}"), message));
        match RemoteUrl::parse(&self.repository) {
            Err(error) => return at("repository", reason(error)),
            Ok(url) if url.holds_password() => {
                let message = "`sync.source.repository` must hold no password: give it in the environment";
                return at("repository", message.to_owned());
            }
            Ok(_) => {}
        }
        at("path", reason(self.spec(Path::new("")).err()?))
    }
}

impl TargetSettings {
    /// Returns what is kept; none where neither a process nor a cluster is named, which is a problem of the file.
    fn spec(&self, folder: &Path, options: &CompileOptions) -> Option<TargetSpec> {
        if let Some(control) = &self.control {
            let consent = Consent { budget: cluster::budget(self.prune_budget), empty: self.allow_empty };
            return Some(TargetSpec::Control(ControlTarget { socket: folder.join(control), consent }));
        }
        let kubeconfig = self.kubeconfig.as_ref().map(|path| folder.join(path));
        let inventory = self.inventory.as_ref().and_then(|name| name.parse().ok());
        Some(TargetSpec::Cluster(ClusterTarget {
            access: Access::of(kubeconfig, self.cluster.as_ref()?, self.allow_exec),
            inventory: inventory.unwrap_or_else(|| cluster::inventory(options)),
            budget: cluster::budget(self.prune_budget),
            drift: self.drift.unwrap_or(DriftArg::Correct).into(),
        }))
    }

    /// Returns which setting is wrong, as the end of a JSON pointer, and how.
    fn problem(&self, index: usize) -> Option<(&'static str, String)> {
        let name = format!("`sync.targets.{index}`");
        if self.control.is_some() == self.cluster.is_some() {
            return Some(("", format!("{name} needs one of `control` and `cluster`")));
        }
        let of_clusters = [
            ("/kubeconfig", self.kubeconfig.is_some()),
            ("/allowExec", self.allow_exec),
            ("/inventory", self.inventory.is_some()),
            ("/drift", self.drift.is_some()),
        ];
        if let Some((setting, _)) = of_clusters.iter().find(|(_, set)| self.control.is_some() && *set) {
            return Some((*setting, format!("{name}: `{}` is for clusters", &setting[1..])));
        }
        if self.allow_empty && self.control.is_none() {
            return Some(("/allowEmpty", format!("{name}: `allowEmpty` is for processes")));
        }
        let inventory = self.inventory.as_ref()?.parse::<InventoryName>().err()?;
        Some(("/inventory", inventory.to_string()))
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
            "sync:\n  source: {repository: ../gateways, revision: main, path: shop/}\n  targets:\n  - control: run/a.sock\n  - control: /run/b.sock\n  - cluster: prod\n  interval: 5\n  timeout: 6\n  statusFile: status.json\n",
        );
        let folder = Path::new("ops");
        assert_eq!(sync.source(folder).unwrap().unwrap().to_string(), "git+ops/../gateways@main:shop");
        let targets = sync.targets(folder, &CompileOptions::higress_defaults());
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let cluster = "cluster prod inventory higress-system/gatewright";
        assert_eq!(targets, ["ops/run/a.sock", "/run/b.sock", cluster]);
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
