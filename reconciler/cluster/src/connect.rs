//! How a kube cluster is found: the kubeconfig as kubectl reads it, or the service account of the Pod.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::client::Cluster;
use crate::failure::{told, without_values};

/// Longest silence of the API server inside of an answer. A watch is another matter.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where and as whom the API server is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Kubeconfig files, which are merged as kubectl merges them; missing ones are passed over. Without any that is
    /// there, the Pod's service account is used.
    pub kubeconfig: Vec<PathBuf>,
    /// Whether the files were asked for by name, so that a missing one is an error.
    pub named: bool,
    /// Context of the kubeconfig; none means its current one.
    pub context: Option<String>,
    /// Whether the kubeconfig may name a program that fetches credentials.
    pub allow_exec: bool,
}

impl Access {
    /// Returns how a cluster is reached by a kubeconfig that was named, or by those that kubectl reads: the files of
    /// `KUBECONFIG`, else `~/.kube/config`. An empty context is the current one.
    pub fn of(kubeconfig: Option<PathBuf>, context: &str, allow_exec: bool) -> Self {
        let named = kubeconfig.is_some();
        let kubeconfig = kubeconfig.map_or_else(kubeconfig_files, |path| vec![path]);
        let context = Some(context.to_owned()).filter(|name| !name.is_empty());
        Access { kubeconfig, named, context, allow_exec }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that was asked for is not there.
    #[error("there is no kubeconfig `{}`", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read or is no kubeconfig.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// There is no such context.
    #[error("the kubeconfig has no context `{0}`")]
    NoContext(String),
    /// There is neither a kubeconfig nor a service account.
    #[error("there is no kubeconfig, and this is no Pod: {0}")]
    Nowhere(String),
    /// Credentials come from a program.
    #[error("context `{0}` runs the program `{1}` for its credentials")]
    Exec(String, String),
    /// The client cannot be made.
    #[error("the configuration of the cluster cannot be used: {0}")]
    Client(String),
}

impl ConnectError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ConnectError::NoContext(_) => Some("`kubectl config get-contexts` lists them"),
            ConnectError::Nowhere(_) => Some("set KUBECONFIG, or give --kubeconfig FILE"),
            ConnectError::Exec(..) => Some("allow it with --allow-exec if you trust the kubeconfig"),
            ConnectError::Missing(_) | ConnectError::Kubeconfig(_) | ConnectError::Client(_) => None,
        }
    }
}

/// Returns a client. Nothing is sent yet.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(access: &Access) -> Result<Cluster, ConnectError> {
    let (name, mut config) = configuration(access).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // What is tried again, and how often, is ours to say.
    config.default_retry = false;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| ConnectError::Client(told(&error)))?;
    Ok(Cluster::new(client, name, server))
}

/// Returns the files that kubectl reads.
fn kubeconfig_files() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match variable("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => variable("HOME").map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
    }
}

async fn configuration(access: &Access) -> Result<(String, Config), ConnectError> {
    if let Some(missing) = access.kubeconfig.iter().find(|path| access.named && !path.is_file()) {
        return Err(ConnectError::Missing(missing.clone()));
    }
    let Some(kubeconfig) = read(&access.kubeconfig)? else {
        let config = Config::incluster().map_err(|error| ConnectError::Nowhere(error.to_string()))?;
        return match &access.context {
            Some(context) => Err(ConnectError::NoContext(context.clone())),
            None => Ok(("in-cluster".to_owned(), config)),
        };
    };
    let name = context_name(&kubeconfig, access)?;
    if !access.allow_exec
        && let Some(program) = user_of(&kubeconfig, &name).and_then(program_of)
    {
        return Err(ConnectError::Exec(name, program));
    }
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok((name, config.map_err(|error| ConnectError::Kubeconfig(without_values(&error.to_string())))?))
}

/// Reads and merges the files that are there; none where there is none.
fn read(paths: &[PathBuf]) -> Result<Option<Kubeconfig>, ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let wrong = |error: kube::config::KubeconfigError| {
            ConnectError::Kubeconfig(format!("{}: {}", path.display(), without_values(&error.to_string())))
        };
        let next = Kubeconfig::read_from(path).map_err(wrong)?;
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(wrong)?,
            None => next,
        });
    }
    Ok(merged)
}

fn context_name(kubeconfig: &Kubeconfig, access: &Access) -> Result<String, ConnectError> {
    let name = access.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    if name.is_empty() {
        return Err(ConnectError::Kubeconfig("it has no current context".to_owned()));
    }
    match kubeconfig.contexts.iter().any(|context| context.name == name) {
        true => Ok(name),
        false => Err(ConnectError::NoContext(name)),
    }
}

fn user_of<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<&'a AuthInfo> {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let user = context.user.as_ref()?;
    kubeconfig.auth_infos.iter().find(|named| named.name == *user)?.auth_info.as_ref()
}

/// Returns the program that a user's credentials come from.
fn program_of(user: &AuthInfo) -> Option<String> {
    if let Some(exec) = &user.exec {
        return Some(exec.command.clone().unwrap_or_default());
    }
    let provider = user.auth_provider.as_ref()?;
    Some(provider.config.get("cmd-path").unwrap_or(&provider.name).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEC: &str = "
apiVersion: v1
kind: Config
current-context: plain
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
contexts:
- {name: plain, context: {cluster: c, user: token}}
- {name: exec, context: {cluster: c, user: exec}}
users:
- {name: token, user: {token: abc}}
- {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: fetch-token, interactiveMode: Never}}}
";

    fn access(folder: &std::path::Path, text: &str, context: Option<&str>) -> Access {
        let path = folder.join("config");
        std::fs::write(&path, text).unwrap();
        let missing = folder.join("missing");
        Access { kubeconfig: vec![missing, path], context: context.map(str::to_owned), ..Access::default() }
    }

    async fn failure(context: Option<&str>, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let result = configuration(&access(folder.path(), text, context)).await;
        match result {
            Ok((name, config)) => format!("{name} {}", config.cluster_url),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn contexts_are_chosen_and_programs_are_not_run() {
        assert_eq!(failure(None, EXEC).await, "plain https://127.0.0.1:1/");
        assert_eq!(failure(Some("other"), EXEC).await, "the kubeconfig has no context `other`");
        let exec = failure(Some("exec"), EXEC).await;
        assert_eq!(exec, "context `exec` runs the program `fetch-token` for its credentials");
        let broken = failure(None, "a: [").await;
        assert!(broken.starts_with("the kubeconfig cannot be used: "), "{broken}");
        let empty = failure(None, "apiVersion: v1\nkind: Config\n").await;
        assert_eq!(empty, "the kubeconfig cannot be used: it has no current context");
        for secret in [
            "users: SESAME",
            "users: [SESAME]",
            "users: [{name: u, user: {token: [SESAME]}}]",
            "\ttoken: SESAME: x",
        ] {
            let broken = failure(None, &format!("apiVersion: v1\nkind: Config\n{secret}\n")).await;
            assert!(!broken.contains("SESAME"), "{broken}");
        }
    }

    #[tokio::test]
    async fn a_file_that_was_asked_for_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing");
        let access = Access { kubeconfig: vec![path.clone()], named: true, ..Access::default() };
        let error = configuration(&access).await.unwrap_err().to_string();
        assert_eq!(error, format!("there is no kubeconfig `{}`", path.display()));
    }
}
