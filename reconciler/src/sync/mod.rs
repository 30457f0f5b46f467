//! Git sync: brings serving processes and kube clusters to the newest sound revision of a source, round by round.
//!
//! A round reads the source, compiles it, and brings every target to it: serving processes by an order over their control
//! socket, clusters by applying what differs. Under the policy `stop` a revision with errors is never carried out; under
//! `quarantine` its broken objects keep their last good version. What a target has is asked for each time, so a killed
//! sync goes on where it was; what is held back, and since when, stands in a state file.
//!
//! An [`App`] says what is kept in sync with what, [`Sync`] does its rounds, a [`Runner`] when they are due; what is known
//! after each is a [`View`], which all that tells of an application reads.

mod app;
mod document;
mod http;
mod metrics;
mod name;
mod pace;
mod process;
mod round;
mod run;
mod state;
mod text;
mod view;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use gatewright_compiler::Engine;
use gatewright_compiler::source::{Paths, ReadError};
use gatewright_diagnostics::{Diagnostic, Severity};

use crate::cluster::{Aim, Candidate, DesiredState, bring};
use crate::control;
use crate::extent::Extent;
use crate::outcome::RoundOutcome;
use crate::quarantine::{Policy, QuarantineError, quarantine};
use crate::source::{Hold, Loader, Signers, Source, SourceError};

pub use app::{App, TargetSpec};
pub use http::{SyncServer, WebhookSecret};
pub use name::{AppName, NoName};
pub use process::ControlTarget;
pub use round::{HeldBack, Round, TargetReport, TargetStatus};
pub use run::{Clock, RunError, Runner};
pub use state::StateError;
pub use text::{failure_text, round_text};
pub use view::{Ended, Moment, Tally, View, Watched};

use state::Record;

/// An application between rounds.
pub struct Sync {
    app: App,
    loader: Loader,
    engine: Engine,
    record: Option<Record>,
    /// The last state that was sound: it is kept up while the source is not.
    good: Option<Arc<Wanted>>,
    /// For each target that is a cluster, the candidacy for its Lease, from the first round on.
    candidates: Vec<Option<Candidate>>,
}

/// What is to be served, and applied where a cluster is among the targets.
#[derive(Clone)]
struct Wanted {
    /// A SOURCE that says so.
    source: String,
    model: String,
    holds: Vec<Hold>,
    served: Extent,
    objects: Option<Arc<DesiredState>>,
}

impl Sync {
    /// Returns an application that has done no round.
    ///
    /// # Errors
    /// The state file is there and of no use.
    pub fn new(app: App, loader: Loader) -> Result<Self, StateError> {
        let record = Record::read(&app.state_file, &app.source.to_string())?;
        let engine = Engine::new(app.compile.clone());
        Ok(Sync { app, loader, engine, record, good: None, candidates: Vec::new() })
    }

    /// Does one round. `now` is the time after RFC 3339.
    ///
    /// # Errors
    /// The state file cannot be written; nothing was ordered then.
    pub async fn round(&mut self, now: &str) -> Result<Round, StateError> {
        let mut round = Round::of(self.app.source.to_string());
        let current = match self.wanted(&mut round, now).await {
            Ok(wanted) => wanted.map(Arc::new),
            Err(Failure::State(error)) => return Err(error),
            Err(Failure::Unreadable(reason)) => {
                round.unreadable = Some(reason);
                None
            }
        };
        let aim = match &current {
            Some(wanted) => Some(wanted.clone()),
            None => self.recalled(),
        };
        // No target waits for another one.
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.resize_with(self.app.targets.len(), || None);
        let targets = self.app.targets.iter().zip(&mut candidates);
        let trouble = round.trouble();
        let targets = targets.map(|(target, candidate)| {
            self.bring(target, candidate, aim.as_deref(), current.is_some(), trouble.as_deref())
        });
        round.targets = join_all(targets).await;
        self.candidates = candidates;
        if let Some(wanted) = current {
            self.remember_served(&wanted.served, &round)?;
        }
        Ok(round)
    }

    /// Waits until there is a reason for a round before its time: the Lease of a cluster was got that another instance held,
    /// or objects of a cluster have changed.
    pub async fn woken(&mut self) {
        let candidates = self.candidates.iter_mut().flatten();
        let mut waiting: FuturesUnordered<_> = candidates.map(Candidate::woken).collect();
        if waiting.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Hands all Leases over.
    pub async fn end(self) {
        let candidates = self.candidates.into_iter().flatten();
        join_all(candidates.map(Candidate::end)).await;
    }

    /// Brings one target to what is wanted; without that, it is left as it is. `current` says that it is what the source says
    /// now, and no earlier state.
    async fn bring(
        &self,
        target: &TargetSpec,
        candidate: &mut Option<Candidate>,
        wanted: Option<&Wanted>,
        current: bool,
        trouble: Option<&str>,
    ) -> TargetStatus {
        match (target, wanted) {
            (TargetSpec::Control(process), None) => process::kept(&process.endpoint).await,
            (TargetSpec::Control(process), Some(wanted)) => {
                let last = self.record.as_ref().and_then(|record| record.served.as_ref());
                match Extent::shrinkage(last, &wanted.served, process.consent) {
                    Some(shrinkage) => process::refused(&process.endpoint, wanted, &shrinkage).await,
                    None => {
                        let order = self.order(wanted, process);
                        process::bring(&process.endpoint, order, wanted, current).await
                    }
                }
            }
            (TargetSpec::Cluster(cluster), wanted) => {
                let desired = wanted.and_then(|wanted| wanted.objects.as_deref());
                let aim = desired.map(|desired| Aim { desired, current, loader: &self.loader });
                let candidate = candidate.get_or_insert_with(|| Candidate::of(cluster, &self.app.leases));
                let (report, outcome) = bring(cluster, candidate, &self.app.leases, aim, trouble).await;
                TargetStatus { report: TargetReport::Cluster(report), outcome }
            }
        }
    }

    /// Returns what is to be served; none where the source has errors and the policy says stop.
    async fn wanted(&mut self, round: &mut Round, now: &str) -> Result<Option<Wanted>, Failure> {
        let mut source = self.loader.load(std::slice::from_ref(&self.app.source))?;
        round.revision = source.revisions().next().map(|(_, revision)| revision.id.clone());
        if let Some(path) = &self.app.signers {
            source.check_signers(&signers(path)?)?;
        }
        source.tree.expected = self.expected();
        self.engine.update(&source.tree).map_err(QuarantineError::from)?;
        round.errors = errors(&source, &self.engine.diagnostics().map_err(QuarantineError::from)?);
        if !round.errors.is_empty() {
            if self.app.policy == Policy::Stop {
                return Ok(None);
            }
            let last = self.last().await?;
            let quarantined = quarantine(&self.loader, &mut self.engine, &source, last.as_ref())?;
            (source, round.refused) = (quarantined.source, quarantined.refused);
            round.held = self.held_back(source.holds(), round.revision.as_deref(), now);
        }
        self.remember(&source, &round.held).map_err(Failure::State)?;
        let wanted = self.reached(&source).map_err(QuarantineError::from)?;
        round.model = Some(wanted.model.clone());
        let pinned = source.pinned().first().map_or_else(|| wanted.source.clone(), ToString::to_string);
        self.good = Some(Arc::new(Wanted { source: pinned, ..wanted.clone() }));
        Ok(Some(wanted))
    }

    /// Returns the files that held manifests in the last good state, also that of an earlier process.
    fn expected(&self) -> Paths {
        let good = self.good.as_ref().map(|good| &good.served);
        let served = good.or_else(|| self.record.as_ref()?.served.as_ref());
        served.map(Extent::files).unwrap_or_default()
    }

    /// Returns what the state says that the engine has reached.
    fn reached(&self, source: &Source) -> Result<Wanted, ReadError> {
        let clusters = self.app.targets.iter().any(|target| matches!(target, TargetSpec::Cluster(_)));
        let objects = clusters.then(|| {
            let mut objects = DesiredState::of(source, &self.engine)?;
            objects.state = state_of(source);
            Ok(Arc::new(objects))
        });
        Ok(Wanted {
            source: self.app.source.to_string(),
            model: self.engine.ir().digest().hex(),
            holds: source.holds().to_vec(),
            served: Extent::of(&self.engine),
            objects: objects.transpose()?,
        })
    }

    /// Returns the last state that was sound, also that of an earlier process, where its revision can still be read.
    fn recalled(&mut self) -> Option<Arc<Wanted>> {
        if self.good.is_none() {
            match self.recall() {
                Ok(good) => self.good = good.map(Arc::new),
                Err(error) => tracing::warn!(%error, "the last good revision cannot be read either"),
            }
        }
        self.good.clone()
    }

    fn recall(&mut self) -> Result<Option<Wanted>, QuarantineError> {
        let Some(record) = self.record.as_ref().filter(|record| !record.revision.is_empty()) else {
            return Ok(None);
        };
        let held: Vec<Hold> = record.held.iter().map(|held| held.hold.clone()).collect();
        let revision = record.revision.clone();
        let source = self.loader.load(&[revision.parse()?])?;
        let source = self.loader.hold(&source, &held)?;
        self.engine.update(&source.tree)?;
        Ok(Some(Wanted { source: revision, ..self.reached(&source)? }))
    }

    /// Returns the state that was to be served last: the remembered one, else what a target serves. None is known before
    /// the first.
    async fn last(&self) -> Result<Option<Source>, Failure> {
        let (revision, held) = match &self.record {
            Some(record) if !record.revision.is_empty() => {
                (record.revision.clone(), record.held.iter().map(|held| held.hold.clone()).collect())
            }
            _ => match self.served().await {
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

    /// Asks the serving processes for a revision of one source, and what they hold.
    async fn served(&self) -> Option<(String, Vec<Hold>)> {
        for target in &self.app.targets {
            let TargetSpec::Control(process) = target else { continue };
            if let Ok(control::Status { mut pinned, held, .. }) = process::status(&process.endpoint).await
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
        let served = self.record.as_ref().and_then(|record| record.served.clone());
        let source = self.app.source.to_string();
        self.write(Record { held: held.to_vec(), served, ..Record::new(source, revision.to_string()) })
    }

    /// Remembers how much a state serves, once no process has refused it as suspiciously small.
    fn remember_served(&mut self, served: &Extent, round: &Round) -> Result<(), StateError> {
        let refused = |target: &TargetStatus| {
            matches!(
                (&target.report, &target.outcome),
                (TargetReport::Process { .. }, RoundOutcome::Refused(_))
            )
        };
        if round.targets.iter().any(refused) {
            return Ok(());
        }
        let record = match &self.record {
            Some(record) => Record { served: Some(served.clone()), ..record.clone() },
            // What is in no revision has no name, but a size.
            None => Record {
                served: Some(served.clone()),
                ..Record::new(self.app.source.to_string(), String::new())
            },
        };
        self.write(record)
    }

    fn write(&mut self, record: Record) -> Result<(), StateError> {
        if self.record.as_ref() == Some(&record) {
            return Ok(());
        }
        match record.write(&self.app.state_file) {
            Err(error) if !self.app.state_needed => {
                tracing::warn!(%error, "the next start will not know what was served");
            }
            written => written?,
        }
        self.record = Some(record);
        Ok(())
    }

    /// Returns the order to serve what is wanted, whatever is served now.
    fn order(&self, wanted: &Wanted, process: &ControlTarget) -> control::Apply {
        control::Apply {
            sources: vec![wanted.source.clone()],
            working_folder: self.loader.working_folder.display().to_string(),
            base_model: None,
            head_model: Some(wanted.model.clone()),
            policy: self.app.policy,
            held: wanted.holds.clone(),
            prune_budget: process.consent.objects(),
            allow_empty: process.consent.empty,
            timeout_ms: u64::try_from(self.app.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Reads who must have signed a commit, in each round: the list may change.
fn signers(path: &Path) -> Result<Signers, Failure> {
    let unusable = |reason: String| {
        Failure::Unreadable(format!("the allowed signers in `{}` cannot be used: {reason}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    Signers::parse(&text).map_err(|error| unusable(error.to_string()))
}

/// Returns what a state is called in inventories: a SOURCE that names the commit, and with objects that are held back
/// something that is like no other state. A folder has no name that could be read again.
fn state_of(source: &Source) -> Option<String> {
    source.revisions().next()?;
    let pinned = source.pinned().first()?.to_string();
    if source.holds().is_empty() {
        return Some(pinned);
    }
    let mut hasher = blake3::Hasher::new();
    for hold in source.holds() {
        let Hold { object, source, path, .. } = hold;
        [object, source, path].into_iter().for_each(|part| _ = hasher.update(part.as_bytes()).update(&[0]));
    }
    Some(format!("{pinned} with {} held back, {}", source.holds().len(), &hasher.finalize().to_hex()[..12]))
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
