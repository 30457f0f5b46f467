//! Git sync: brings serving processes to the newest sound revision of a source, round by round.
//!
//! A round reads the source, compiles it, and orders every target over its control socket to serve it. An invalid
//! revision is never ordered; the last good one keeps serving. Rounds hold no state that matters: what a target serves
//! is asked for each time, so a killed sync goes on where it was.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::ReadError;
use gatewright_diagnostics::{Diagnostic, Severity};
use serde::{Deserialize, Serialize};

use crate::control::{self, Answer, Apply, Node, Question};
use crate::source::{Loader, Source, SourceError, SourceSpec};

/// What is kept in sync with what.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// The source.
    pub source: SourceSpec,
    /// Control sockets of the serving processes.
    pub targets: Vec<PathBuf>,
    /// How long a target's nodes may take to acknowledge.
    pub timeout: Duration,
    /// Settings of the compilation.
    pub compile: CompileOptions,
}

/// A sync between rounds.
pub struct Sync {
    options: SyncOptions,
    loader: Loader,
    engine: Engine,
}

/// What a round found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The source, without credentials.
    pub source: String,
    /// The commit, where the source could be read and is a revision.
    pub revision: Option<String>,
    /// Digest of the model that the source compiles to.
    pub model: Option<String>,
    /// Errors of the source, `CODE path:line message`; with any, nothing was ordered.
    pub errors: Vec<String>,
    /// Why the source could not be read; nothing was ordered then.
    pub unreadable: Option<String>,
    /// The targets, in the order of the options.
    pub targets: Vec<Target>,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The control socket.
    pub socket: String,
    /// What it serves after the round, where it answered.
    pub model: Option<String>,
    /// What the round did with it.
    pub outcome: Outcome,
    /// Its nodes.
    pub nodes: Vec<Node>,
}

/// What a round did with a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// It served the model already.
    Unchanged,
    /// It serves the model now, and its nodes acknowledged.
    Applied,
    /// It was left as it was: the source is unreadable or has errors.
    Kept,
    /// It serves the model now, but not all of its nodes acknowledged in time.
    Unacknowledged,
    /// It could not be reached or did not obey.
    Failed(String),
}

impl Round {
    /// Returns whether every target serves the source's state.
    pub fn is_in_sync(&self) -> bool {
        self.is_sound()
            && self
                .targets
                .iter()
                .all(|target| matches!(target.outcome, Outcome::Unchanged | Outcome::Applied))
    }

    /// Returns whether the source could be read and has no error.
    pub fn is_sound(&self) -> bool {
        self.errors.is_empty() && self.unreadable.is_none()
    }
}

/// What reading and compiling gave.
struct Compiled {
    source: Source,
    model: String,
    diagnostics: Vec<Diagnostic>,
}

impl Sync {
    /// Returns a sync that has done no round.
    pub fn new(options: SyncOptions, loader: Loader) -> Self {
        let engine = Engine::new(options.compile.clone());
        Sync { options, loader, engine }
    }

    /// Does one round.
    pub async fn round(&mut self) -> Round {
        let mut round = Round {
            source: self.options.source.to_string(),
            revision: None,
            model: None,
            errors: Vec::new(),
            unreadable: None,
            targets: Vec::new(),
        };
        match self.compile() {
            Ok(compiled) => {
                round.revision = compiled.source.revisions().next().map(|(_, revision)| revision.id.clone());
                round.errors = errors(&compiled);
                round.model = Some(compiled.model);
            }
            Err(reason) => round.unreadable = Some(reason),
        }
        for socket in &self.options.targets {
            let target = match (&round.model, round.is_sound()) {
                (Some(model), true) => self.bring(socket, model).await,
                _ => kept(socket).await,
            };
            round.targets.push(target);
        }
        round
    }

    fn compile(&mut self) -> Result<Compiled, String> {
        let specs = [self.options.source.clone()];
        let source = self.loader.load(&specs).map_err(|error: SourceError| error.to_string())?;
        let read = |error: ReadError| error.to_string();
        self.engine.update(&source.tree).map_err(read)?;
        let diagnostics = self.engine.diagnostics().map_err(read)?;
        Ok(Compiled { source, model: self.engine.ir().digest().hex(), diagnostics })
    }

    /// Orders one target to serve the model, unless it does.
    async fn bring(&self, socket: &Path, model: &str) -> Target {
        let live = match status(socket).await {
            Ok(status) => status,
            Err(reason) => return target(socket, None, Outcome::Failed(reason), Vec::new()),
        };
        if live.model.as_deref() == Some(model) && live.nodes.iter().all(|node| node.acknowledged) {
            return target(socket, live.model, Outcome::Unchanged, live.nodes);
        }
        let order = Question::Apply(Apply {
            sources: vec![self.options.source.to_string()],
            working_folder: self.loader.working_folder.display().to_string(),
            base_model: live.model,
            head_model: Some(model.to_owned()),
            timeout_ms: u64::try_from(self.options.timeout.as_millis()).unwrap_or(u64::MAX),
        });
        match control::ask(socket, &order).await {
            Ok(Answer::Applied(status)) => target(socket, status.model, Outcome::Applied, status.nodes),
            Ok(Answer::Unacknowledged(status)) => {
                target(socket, status.model, Outcome::Unacknowledged, status.nodes)
            }
            Ok(Answer::Stale { reason } | Answer::Failed { reason }) => {
                target(socket, None, Outcome::Failed(reason), Vec::new())
            }
            Ok(Answer::Refused { errors }) => {
                target(socket, None, Outcome::Failed(errors.join("; ")), Vec::new())
            }
            Ok(Answer::Status(_)) => {
                target(socket, None, Outcome::Failed("it answered another question".into()), Vec::new())
            }
            Err(error) => target(socket, None, Outcome::Failed(error.to_string()), Vec::new()),
        }
    }
}

async fn status(socket: &Path) -> Result<control::Status, String> {
    match control::ask(socket, &Question::Status).await {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(Answer::Failed { reason }) => Err(reason),
        Ok(_) => Err("it answered another question".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn kept(socket: &Path) -> Target {
    match status(socket).await {
        Ok(status) => target(socket, status.model, Outcome::Kept, status.nodes),
        Err(reason) => target(socket, None, Outcome::Failed(reason), Vec::new()),
    }
}

fn target(socket: &Path, model: Option<String>, outcome: Outcome, nodes: Vec<Node>) -> Target {
    Target { socket: socket.display().to_string(), model, outcome, nodes }
}

fn errors(compiled: &Compiled) -> Vec<String> {
    let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors
        .map(|diagnostic| {
            let label = &diagnostic.primary;
            let place = compiled.source.provenance(&label.path, label.span.start.line);
            format!("{} {place} {}", diagnostic.code.id, diagnostic.message)
        })
        .collect()
}

/// Writes the status file: the last round, replaced as a whole.
///
/// # Errors
/// The file cannot be written.
pub fn write_status(path: &Path, round: &Round) -> io::Result<()> {
    #[derive(Serialize)]
    struct File<'a> {
        format: &'static str,
        in_sync: bool,
        #[serde(flatten)]
        round: &'a Round,
    }
    let file = File { format: "gatewright-sync/1", in_sync: round.is_in_sync(), round };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
