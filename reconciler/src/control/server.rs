//! The answering side of the control socket.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_xds::type_url;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Answer, Apply, ConnectedNode, ControlError, Question, Rejected, Status};
use crate::live::{Live, Offer};
use crate::serve::NodeStatus;
use crate::source::{Loader, Source, SourceSpec};

/// A question is a line of SOURCEs and digests.
const MAX_QUESTION_BYTES: u64 = 1 << 20;
/// How long one may take to ask, and to hear the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the socket controls.
#[derive(Clone)]
pub struct Control {
    /// The serving side.
    pub live: Arc<Mutex<Live>>,
    /// Reads SOURCEs; its working folder is replaced by that of each order.
    pub loader: Loader,
}

/// Listens on `socket` until `stop` is done; the socket is removed then.
///
/// # Errors
/// Another process serves there, or the socket cannot be made.
pub async fn serve(
    socket: &Path,
    control: Control,
    stop: impl Future<Output = ()>,
) -> Result<(), ControlError> {
    let listener = listen(socket).await?;
    let _removal = Removal(socket.to_owned());
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(answer(stream, control.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Removes the socket when serving ends.
struct Removal(PathBuf);

impl Drop for Removal {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the control socket was gone already");
        }
    }
}

/// A socket that nobody answers on is left over from a killed process and is replaced.
async fn listen(socket: &Path) -> Result<UnixListener, ControlError> {
    let failed = |source: io::Error| ControlError::Listen { path: socket.to_owned(), source };
    if socket.exists() {
        if UnixStream::connect(socket).await.is_ok() {
            return Err(ControlError::InUse(socket.to_owned()));
        }
        std::fs::remove_file(socket).map_err(failed)?;
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn answer(stream: UnixStream, control: Control) {
    if let Err(error) = converse(stream, control).await {
        tracing::debug!(%error, "a control connection ended early");
    }
}

/// Answers one question.
pub(super) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    control: Control,
) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new((&mut stream).take(MAX_QUESTION_BYTES));
    timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(Question::Status) => Answer::Status(status(&*control.live.lock().await)),
        Ok(Question::Apply(order)) => apply(&control, order).await,
        Err(error) => Answer::Failed { reason: format!("the question cannot be read: {error}") },
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    timeout(PATIENCE, stream.write_all(text.as_bytes())).await??;
    stream.flush().await
}

/// Returns what is served and how far the nodes are.
pub fn status(live: &Live) -> Status {
    let nodes = live.server().status().borrow().nodes();
    let Some(published) = live.published() else {
        return Status { nodes: nodes.into_iter().map(node).collect(), ..Status::default() };
    };
    Status {
        version: Some(published.version.clone()),
        model: Some(published.model().to_owned()),
        sources: published.source.specs().map(ToString::to_string).collect(),
        revisions: published.source.revisions().map(|(_, revision)| revision.id.clone()).collect(),
        pinned: published.source.pinned().iter().map(ToString::to_string).collect(),
        held: published.source.holds().to_vec(),
        nodes: nodes.into_iter().map(node).collect(),
    }
}

fn node(status: NodeStatus) -> ConnectedNode {
    let rejections = status.rejections.into_iter().map(|rejection| Rejected {
        kind: type_url::short(rejection.type_url).to_owned(),
        resource: rejection.resource,
        message: rejection.message,
    });
    ConnectedNode { node: status.node, acknowledged: status.acknowledged, rejections: rejections.collect() }
}

async fn apply(control: &Control, order: Apply) -> Answer {
    match publish(control, &order).await {
        Ok(version) => acknowledged(control, &version, Duration::from_millis(order.timeout_ms)).await,
        Err(answer) => *answer,
    }
}

/// Compiles and publishes what an order names, if the live state and the new one are the planned ones.
async fn publish(control: &Control, order: &Apply) -> Result<String, Box<Answer>> {
    let failed = |reason: String| Box::new(Answer::Failed { reason });
    let specs: Vec<SourceSpec> = order
        .sources
        .iter()
        .map(|text| {
            let shown = gatewright_secrets::argument(text);
            text.parse().map_err(|error| failed(format!("`{shown}` is no SOURCE: {error}")))
        })
        .collect::<Result<_, _>>()?;
    let loader = Loader { working_folder: PathBuf::from(&order.working_folder), ..control.loader.clone() };
    let held = order.held.clone();
    let load = move || loader.load(&specs).and_then(|source| loader.hold(&source, &held));
    let loaded = tokio::task::spawn_blocking(load).await;
    let source =
        loaded.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    let mut live = control.live.lock().await;
    let is_live = |model: &String| live.published().is_some_and(|published| published.model() == model);
    if !order.base_model.as_ref().is_none_or(is_live) {
        let reason = "another configuration is live than the one the plan was made for".into();
        return Err(Box::new(Answer::Stale { reason }));
    }
    live.consider(&source).map_err(|error| failed(error.to_string()))?;
    if order.head_model.as_ref().is_some_and(|planned| *planned != live.model()) {
        let reason = "the source does not compile to what was planned any more".into();
        return Err(Box::new(Answer::Stale { reason }));
    }
    let source = Arc::new(source);
    let offered = live.offer_under(source.clone(), order.policy.into(), order.consent());
    match offered.map_err(|error| failed(error.to_string()))? {
        Offer::Published { version, .. } => {
            live.remember(Some(Path::new(&order.working_folder)));
            Ok(version)
        }
        Offer::Shrunk { shrinkage } => {
            Err(Box::new(Answer::Shrunk { reason: shrinkage.to_string(), consent: shrinkage.consent() }))
        }
        Offer::Refused => {
            let errors = live.findings(Severity::Error).map_err(|error| failed(error.to_string()))?;
            Err(Box::new(Answer::Refused { errors: told(&source, &errors) }))
        }
    }
}

fn told(source: &Source, errors: &[Diagnostic]) -> Vec<String> {
    errors
        .iter()
        .map(|diagnostic| {
            let place = source.provenance(&diagnostic.primary.path, diagnostic.primary.span.start.line);
            format!("{} {place} {}", diagnostic.code.id, diagnostic.message)
        })
        .collect()
}

/// Waits without holding the lock, so that status questions are answered meanwhile.
async fn acknowledged(control: &Control, version: &str, timeout: Duration) -> Answer {
    let server = control.live.lock().await.server().clone();
    let waited = server.wait_acknowledged(version, timeout).await;
    let mut status = status(&*control.live.lock().await);
    match waited {
        Err(error) => Answer::Failed { reason: error.to_string() },
        Ok(nodes) => {
            let all = nodes.iter().all(|node| node.acknowledged);
            status.nodes = nodes.into_iter().map(node).collect();
            if all { Answer::Applied(status) } else { Answer::Unacknowledged(status) }
        }
    }
}
