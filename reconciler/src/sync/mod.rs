//! Git sync: brings serving processes to the newest sound revision of a source, round by round.
//!
//! A round reads the source, compiles it, and orders every target over its control socket to serve it. Under the policy
//! `stop` a revision with errors is never ordered; under `quarantine` its broken objects keep their last good version.
//! What a target serves is asked for each time, so a killed sync goes on where it was; what is held back, and since when,
//! stands in a state file.

mod atomic;
mod round;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_diagnostics::{Diagnostic, Severity};

use crate::control::{self, Answer, Apply, Node, Question};
use crate::quarantine::{Policy, QuarantineError, quarantine};
use crate::source::{Hold, Loader, Source, SourceError, SourceSpec};

pub use round::{HeldBack, Outcome, Round, Target, write_status};
pub use state::StateError;

use state::Record;

/// What is kept in sync with what.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// The source.
    pub source: SourceSpec,
    /// Control sockets of the serving processes.
    pub targets: Vec<PathBuf>,
    /// How long a target's nodes may take to acknowledge.
    pub timeout: Duration,
    /// What becomes of a revision with errors.
    pub policy: Policy,
    /// Where the last good revision is remembered; without a file, until the end of the process.
    pub state_file: Option<PathBuf>,
    /// Settings of the compilation.
    pub compile: CompileOptions,
}

/// A sync between rounds.
pub struct Sync {
    options: SyncOptions,
    loader: Loader,
    engine: Engine,
    record: Option<Record>,
}

/// What is to be served.
struct Wanted {
    model: String,
    holds: Vec<Hold>,
}

impl Sync {
    /// Returns a sync that has done no round.
    ///
    /// # Errors
    /// The state file is there and of no use.
    pub fn new(options: SyncOptions, loader: Loader) -> Result<Self, StateError> {
        let record = match &options.state_file {
            Some(path) => Record::read(path, &options.source.to_string())?,
            None => None,
        };
        let engine = Engine::new(options.compile.clone());
        Ok(Sync { options, loader, engine, record })
    }

    /// Does one round. `now` is the time after RFC 3339.
    ///
    /// # Errors
    /// The state file cannot be written; nothing was ordered then.
    pub async fn round(&mut self, now: &str) -> Result<Round, StateError> {
        let mut round = Round::of(self.options.source.to_string());
        let wanted = match self.wanted(&mut round, now).await {
            Ok(wanted) => wanted,
            Err(Failure::State(error)) => return Err(error),
            Err(Failure::Unreadable(reason)) => {
                round.unreadable = Some(reason);
                None
            }
        };
        for socket in &self.options.targets {
            let target = match &wanted {
                Some(wanted) => self.bring(socket, wanted).await,
                None => kept(socket).await,
            };
            round.targets.push(target);
        }
        Ok(round)
    }

    /// Returns what is to be served; none where the source has errors and the policy says stop.
    async fn wanted(&mut self, round: &mut Round, now: &str) -> Result<Option<Wanted>, Failure> {
        let mut source = self.loader.load(std::slice::from_ref(&self.options.source))?;
        self.engine.update(&source.tree).map_err(QuarantineError::from)?;
        round.revision = source.revisions().next().map(|(_, revision)| revision.id.clone());
        round.errors = errors(&source, &self.engine.diagnostics().map_err(QuarantineError::from)?);
        if !round.errors.is_empty() {
            if self.options.policy == Policy::Stop {
                return Ok(None);
            }
            let last = self.last().await?;
            let quarantined = quarantine(&self.loader, &mut self.engine, &source, last.as_ref())?;
            (source, round.refused) = (quarantined.source, quarantined.refused);
            round.held = self.held_back(source.holds(), round.revision.as_deref(), now);
        }
        self.remember(&source, &round.held).map_err(Failure::State)?;
        let model = self.engine.ir().digest().hex();
        round.model = Some(model.clone());
        Ok(Some(Wanted { model, holds: source.holds().to_vec() }))
    }

    /// Returns the state that was to be served last: the remembered one, else what a target serves. None is known before
    /// the first.
    async fn last(&self) -> Result<Option<Source>, Failure> {
        let (revision, held) = match &self.record {
            Some(record) => {
                (record.revision.clone(), record.held.iter().map(|held| held.hold.clone()).collect())
            }
            None => match self.served().await {
                Some(served) => served,
                None => return Ok(None),
            },
        };
        let source = revision
            .parse()
            .and_then(|spec| self.loader.load(&[spec]))
            .and_then(|source| self.loader.hold(&source, &held));
        source.map(Some).map_err(|error| {
            Failure::Unreadable(format!(
                "the last good revision, which broken objects are taken from: {error}"
            ))
        })
    }

    /// Asks the targets for a revision of one source, and what they hold.
    async fn served(&self) -> Option<(String, Vec<Hold>)> {
        for socket in &self.options.targets {
            if let Ok(control::Status { mut pinned, held, .. }) = status(socket).await
                && pinned.len() == 1
            {
                return Some((pinned.remove(0), held));
            }
        }
        None
    }

    /// Says since when each object is held: as long as it keeps the same version.
    fn held_back(&self, holds: &[Hold], revision: Option<&str>, now: &str) -> Vec<HeldBack> {
        let known = self.record.as_ref().map_or(&[][..], |record| &record.held);
        let since = |hold: &Hold| match known.iter().find(|known| known.hold == *hold) {
            Some(known) => known.clone(),
            None => {
                HeldBack { hold: hold.clone(), broken_in: revision.map(str::to_owned), since: now.to_owned() }
            }
        };
        holds.iter().map(since).collect()
    }

    /// Remembers a state before it is ordered, so that no end of this process forgets what it was.
    fn remember(&mut self, source: &Source, held: &[HeldBack]) -> Result<(), StateError> {
        let mut pinned = source.revisions().zip(source.pinned());
        // What is in no revision cannot be read again.
        let Some((_, revision)) = pinned.next() else { return Ok(()) };
        let record = Record::new(self.options.source.to_string(), revision.to_string(), held.to_vec());
        if self.record.as_ref() == Some(&record) {
            return Ok(());
        }
        if let Some(path) = &self.options.state_file {
            record.write(path)?;
        }
        self.record = Some(record);
        Ok(())
    }

    /// Orders one target to serve what is wanted, unless it does.
    async fn bring(&self, socket: &Path, wanted: &Wanted) -> Target {
        let live = match status(socket).await {
            Ok(status) => status,
            Err(reason) => return target(socket, None, Outcome::Failed(reason), Vec::new()),
        };
        if live.model.as_ref() == Some(&wanted.model) && live.nodes.iter().all(|node| node.acknowledged) {
            return target(socket, live.model, Outcome::Unchanged, live.nodes);
        }
        let order = Question::Apply(Apply {
            sources: vec![self.options.source.to_string()],
            working_folder: self.loader.working_folder.display().to_string(),
            base_model: live.model,
            head_model: Some(wanted.model.clone()),
            policy: self.options.policy,
            held: wanted.holds.clone(),
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

/// Why a round cannot tell what is to be served.
enum Failure {
    /// A revision or file cannot be read.
    Unreadable(String),
    /// The state file cannot be written.
    State(StateError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::Unreadable(error.to_string())
    }
}

impl From<QuarantineError> for Failure {
    fn from(error: QuarantineError) -> Self {
        Failure::Unreadable(error.to_string())
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

fn errors(source: &Source, diagnostics: &[Diagnostic]) -> Vec<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors
        .map(|diagnostic| {
            let label = &diagnostic.primary;
            let place = source.provenance(&label.path, label.span.start.line);
            format!("{} {place} {}", diagnostic.code.id, diagnostic.message)
        })
        .collect()
}
