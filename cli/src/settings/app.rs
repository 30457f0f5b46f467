//! One application in the settings file: what it follows, and what it keeps there.

use std::path::{Path, PathBuf};

use gatewright_cluster::connect::Access;
use gatewright_cluster::inventory::InventoryName;
use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::cluster::ClusterTarget;
use gatewright_reconciler::control::{Endpoint, HostPort, Identity, PeerName, Remote};
use gatewright_reconciler::extent::Consent;
use gatewright_reconciler::source::{RemoteUrl, SourceError, SourceSpec};
use gatewright_reconciler::sync::{AppName, ControlTarget, TargetSpec};
use serde::Deserialize;

use super::{DriftArg, PolicyArg, Problem};
use crate::cluster;

/// What is kept in sync with what. The words are those of `schemas/gatewright.schema.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppSettings {
    /// What it is called; none for the one application that stands in `sync` itself.
    pub name: Option<AppName>,
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

/// What is kept in sync: a process that answers on a control socket or address, or a kube cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetSettings {
    control: Option<PathBuf>,
    /// A control address, and what is for it alone.
    address: Option<String>,
    server_name: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authority: Option<PathBuf>,
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

/// Something that one application alone may keep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// The process behind a control socket.
    Process(PathBuf),
    /// The process behind a control address.
    Address(String),
    /// An inventory of a cluster: kubeconfig, context and name; none is the one that is used without a name.
    Inventory(Option<PathBuf>, String, Option<String>),
    /// A file that is written.
    File(PathBuf),
}

/// The name under which a remote offers its default branch.
fn head() -> String {
    "HEAD".to_owned()
}

impl AppSettings {
    /// Returns the SOURCE, if there is one. `folder` is that of the settings file, where relative paths begin.
    ///
    /// # Errors
    /// The repository, revision or path makes no sense; the problems of the file say where.
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

    /// Returns where the last good revision is remembered.
    pub fn state_file(&self, folder: &Path) -> Option<PathBuf> {
        self.state_file.as_ref().map(|path| folder.join(path))
    }

    /// Returns where the outcome of each round is written.
    pub fn status_file(&self, folder: &Path) -> Option<PathBuf> {
        self.status_file.as_ref().map(|path| folder.join(path))
    }

    /// Returns the application with those settings of another one that it lacks and that are no part of what it is.
    pub(super) fn or(&self, other: &AppSettings) -> Self {
        AppSettings {
            interval: self.interval.or(other.interval),
            timeout: self.timeout.or(other.timeout),
            lease: self.lease.or(other.lease),
            policy: self.policy.or(other.policy),
            ..self.clone()
        }
    }

    /// Returns the settings that say what one application is: they make no sense beside several.
    pub(super) fn own(&self) -> impl Iterator<Item = &'static str> {
        let own = [
            ("source", self.source.is_some()),
            ("targets", !self.targets.is_empty()),
            ("stateFile", self.state_file.is_some()),
            ("statusFile", self.status_file.is_some()),
        ];
        own.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name)
    }

    /// Returns what no other application may keep too, with the place of each below the application's.
    pub(super) fn claims(&self) -> Vec<(String, Claim)> {
        let targets = self.targets.iter().enumerate();
        let mut claims: Vec<(String, Claim)> =
            targets.filter_map(|(index, target)| target.claim(index)).collect();
        let files = [("/stateFile", &self.state_file), ("/statusFile", &self.status_file)];
        let files = files.into_iter().filter_map(|(place, file)| Some((place, file.as_ref()?)));
        claims.extend(files.map(|(place, file)| (place.to_owned(), Claim::File(plain(file)))));
        claims
    }

    /// Returns what the schema cannot see; `at` is the pointer to the application.
    pub(super) fn problems(&self, at: &str) -> Vec<Problem> {
        let source = self.source.as_ref().and_then(|source| source.problem(at));
        let targets = self.targets.iter().enumerate();
        source.into_iter().chain(targets.filter_map(|(index, target)| target.problem(at, index))).collect()
    }
}

impl Repository {
    fn spec(&self, folder: &Path) -> Result<SourceSpec, SourceError> {
        SourceSpec::of_repository(&self.repository, folder, &self.revision, &self.path)
    }

    /// Passwords are never repeated.
    fn problem(&self, at: &str) -> Option<Problem> {
        let found = |setting: &str, message| Some(Problem::new(format!("{at}/source/{setting}"), message));
        match RemoteUrl::parse(&self.repository) {
            Err(error) => return found("repository", reason(error)),
            Ok(url) if url.holds_password() => {
                let name = named(&format!("{at}/source/repository"));
                let message = format!("{name} must hold no password: give it in the environment");
                return found("repository", message);
            }
            Ok(_) => {}
        }
        found("path", reason(self.spec(Path::new("")).err()?))
    }
}

impl TargetSettings {
    /// Returns what is kept; none where the settings have a problem.
    fn spec(&self, folder: &Path, options: &CompileOptions) -> Option<TargetSpec> {
        if let Some(endpoint) = self.endpoint(folder) {
            let consent = Consent { budget: cluster::budget(self.prune_budget), empty: self.allow_empty };
            return Some(TargetSpec::Control(ControlTarget { endpoint, consent }));
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

    /// Returns where a process answers, if one is kept.
    fn endpoint(&self, folder: &Path) -> Option<Endpoint> {
        if let Some(control) = &self.control {
            return Some(Endpoint::Socket(folder.join(control)));
        }
        let file = |file: &Option<PathBuf>| file.as_ref().map(|path| folder.join(path));
        Some(Endpoint::Network(Remote {
            address: self.address.as_ref()?.parse().ok()?,
            server_name: self.server_name.as_ref().and_then(|name| name.parse().ok()),
            identity: Identity {
                certificate: file(&self.certificate)?,
                key: file(&self.key)?,
                authority: file(&self.authority)?,
            },
        }))
    }

    fn claim(&self, index: usize) -> Option<(String, Claim)> {
        let at = |setting: &str| format!("/targets/{index}/{setting}");
        if let Some(control) = &self.control {
            return Some((at("control"), Claim::Process(plain(control))));
        }
        if let Some(address) = &self.address {
            return Some((at("address"), Claim::Address(address.to_ascii_lowercase())));
        }
        let kubeconfig = self.kubeconfig.as_deref().map(plain);
        let claim = Claim::Inventory(kubeconfig, self.cluster.clone()?, self.inventory.clone());
        Some((at("cluster"), claim))
    }

    /// Returns which setting is wrong, and how.
    fn problem(&self, at: &str, index: usize) -> Option<Problem> {
        let at = format!("{at}/targets/{index}");
        let name = named(&at);
        let found = |setting: &str, message| Some(Problem::new(format!("{at}{setting}"), message));
        let kinds = [self.control.is_some(), self.address.is_some(), self.cluster.is_some()];
        if kinds.into_iter().filter(|is_it| *is_it).count() != 1 {
            return found("", format!("{name} needs one of `control`, `address` and `cluster`"));
        }
        if let Some((setting, whose)) = self.misplaced() {
            return found(&format!("/{setting}"), format!("{name}: `{setting}` is for {whose}"));
        }
        if let Some(lacking) = self.lacking() {
            return found("", format!("{name}: `address` needs `{lacking}`"));
        }
        if let Some(error) = self.address.as_ref().and_then(|text| text.parse::<HostPort>().err()) {
            return found("/address", error.to_string());
        }
        if let Some(error) = self.server_name.as_ref().and_then(|text| text.parse::<PeerName>().err()) {
            return found("/serverName", error.to_string());
        }
        let inventory = self.inventory.as_ref()?.parse::<InventoryName>().err()?;
        found("/inventory", inventory.to_string())
    }

    /// Returns a setting that is for another kind of target, and for which.
    fn misplaced(&self) -> Option<(&'static str, &'static str)> {
        let (clusters, processes, addresses) = ("clusters", "processes", "addresses");
        let own = match (&self.control, &self.address) {
            (Some(_), _) => &[processes][..],
            (_, Some(_)) => &[processes, addresses],
            _ => &[clusters],
        };
        let settings = [
            ("kubeconfig", clusters, self.kubeconfig.is_some()),
            ("allowExec", clusters, self.allow_exec),
            ("inventory", clusters, self.inventory.is_some()),
            ("drift", clusters, self.drift.is_some()),
            ("allowEmpty", processes, self.allow_empty),
            ("serverName", addresses, self.server_name.is_some()),
            ("certificate", addresses, self.certificate.is_some()),
            ("key", addresses, self.key.is_some()),
            ("authority", addresses, self.authority.is_some()),
        ];
        let misplaced = settings.iter().find(|(_, whose, is_there)| *is_there && !own.contains(whose));
        misplaced.map(|(setting, whose, _)| (*setting, *whose))
    }

    /// Returns a file that a control address lacks.
    fn lacking(&self) -> Option<&'static str> {
        let files = [("certificate", &self.certificate), ("key", &self.key), ("authority", &self.authority)];
        let lacking = files.into_iter().find(|(_, file)| self.address.is_some() && file.is_none());
        lacking.map(|(name, _)| name)
    }
}

/// Returns a setting as the messages call it.
fn named(pointer: &str) -> String {
    format!("`{}`", pointer.trim_start_matches('/').replace('/', "."))
}

/// Returns a path without detours, so that two spellings of one are equal. Links are not looked at.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match (part, plain.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => _ = plain.pop(),
            (Component::ParentDir, Some(Component::RootDir)) => {}
            (part, _) => plain.push(part),
        }
    }
    plain
}

fn reason(error: SourceError) -> String {
    match error {
        SourceError::Malformed { reason, .. } => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_equal() {
        for (path, expected) in [
            ("run/./a.sock", "run/a.sock"),
            ("run/b/../a.sock", "run/a.sock"),
            ("../a.sock", "../a.sock"),
            ("b/../../a.sock", "../a.sock"),
            ("/../run//a.sock", "/run/a.sock"),
        ] {
            assert_eq!(plain(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
