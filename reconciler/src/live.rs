//! The serving side of a source: compiles each state of it and publishes the sound ones. The last good one keeps
//! serving while a later one has errors.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use gatewright_compiler::Engine;
use gatewright_compiler::input::{Input, Objects};
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::{Paths, ReadError, SourceTree};
use gatewright_diagnostics::{Diagnostic, Severity, code, sort};
use gatewright_ir::Ir;
use gatewright_xds::type_url;

use crate::certificates::Kept;
use crate::extent::{Consent, Extent, Gauge, Shrinkage};
use crate::memory::Memory;
use crate::quarantine::Policy;
use crate::serve::{Rejection, SnapshotServer};
use crate::source::Source;

/// What happens to a state with errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnErrors {
    /// It is not published.
    Stop,
    /// What is sound is published, and routes of broken objects answer 503.
    KeepGoing,
}

impl From<Policy> for OnErrors {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Stop => OnErrors::Stop,
            Policy::Quarantine => OnErrors::KeepGoing,
        }
    }
}

/// What became of a state. What was found in it is asked for apart, by [`Live::findings`].
#[derive(Debug)]
pub enum Offer {
    /// It is what nodes are brought to from now on.
    Published {
        /// Version of the xDS snapshot.
        version: String,
        /// Resources that changed, added ones included.
        changed: usize,
        /// Resources that are gone.
        removed: usize,
    },
    /// It has errors; what was published before stays.
    Refused,
    /// It serves so much less than the last good one that somebody must say it is meant; what was published before stays.
    Shrunk {
        /// What would be lost.
        shrinkage: Shrinkage,
    },
}

/// A compiler with the server that it feeds.
pub struct Live {
    engine: Engine,
    server: SnapshotServer,
    on_errors: OnErrors,
    published: Option<Published>,
    /// Objects of a kube cluster, which stand beside every state of the source.
    cluster: Option<Objects>,
    guard: Option<Guard>,
    /// The files that held manifests in the last good state.
    expected: Paths,
    /// One finding for each certificate that is kept in the state that was offered last.
    kept: Vec<Diagnostic>,
}

/// What keeps a state from being served that serves much less than the last good one.
struct Guard {
    consent: Consent,
    /// What the last good state serves, without live objects.
    last: Option<Extent>,
    gauge: Gauge,
    memory: Option<Memory>,
}

/// What nodes are brought to.
#[derive(Clone)]
pub struct Published {
    /// Version of the xDS snapshot.
    pub version: String,
    /// The model of the moment when the source was published: live objects of a cluster may have moved since.
    model: Arc<Model>,
    /// The source that it was made from.
    pub source: Arc<Source>,
}

impl Published {
    /// Returns the digest of the model, which does not depend on listener addresses. It is made when it is asked for: it
    /// costs a look at the whole.
    pub fn model(&self) -> &str {
        self.model.digest()
    }
}

/// A model whose digest is made once, when it is asked for.
struct Model {
    ir: Ir,
    digest: OnceLock<String>,
}

impl Model {
    fn new(ir: Ir) -> Self {
        Model { ir, digest: OnceLock::new() }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| self.ir.digest().hex())
    }
}

impl Live {
    /// Returns a compiler that has published nothing.
    pub fn new(options: CompileOptions, server: SnapshotServer, on_errors: OnErrors) -> Self {
        Live {
            engine: Engine::new(options),
            server,
            on_errors,
            published: None,
            cluster: None,
            guard: None,
            expected: Paths::default(),
            kept: Vec::new(),
        }
    }

    /// Returns the server.
    pub fn server(&self) -> &SnapshotServer {
        &self.server
    }

    /// Returns what was published last.
    pub fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// Returns what a node's rejection of a resource means for the source: one finding, at the first place that the
    /// resource was made from.
    ///
    /// # Errors
    /// The file of that place cannot be read.
    pub fn explain(&self, rejection: &Rejection) -> Result<Option<Diagnostic>, ReadError> {
        let kind = type_url::short(rejection.type_url);
        let mut labels = Vec::new();
        for place in self.engine.origins(rejection.type_url, &rejection.resource) {
            labels.extend(self.engine.locate(&place)?);
        }
        let message = format!(
            "node `{}` rejects {kind} `{}`: {}",
            rejection.node, rejection.resource, rejection.message
        );
        Ok((!labels.is_empty()).then(|| {
            let mut diagnostic = Diagnostic::new(&code::GW0701, message, labels.remove(0));
            diagnostic.related = labels;
            diagnostic.notes =
                vec!["the node keeps what it had of this resource; everything else was applied".into()];
            diagnostic
        }))
    }

    /// Puts objects of a kube cluster beside every state from the next one on.
    pub fn put_beside(&mut self, objects: Objects) {
        self.cluster = Some(objects);
    }

    /// Refuses from now on what serves nothing, or much less than the last good state, beyond what was agreed to. `memory`
    /// knows the last good state of an earlier process.
    pub fn guard(&mut self, consent: Consent, memory: Option<Memory>) {
        let last = memory.as_ref().and_then(Memory::extent).cloned();
        self.expected = last.as_ref().map(Extent::files).unwrap_or_default();
        self.guard = Some(Guard { consent, last, gauge: Gauge::default(), memory });
    }

    /// Returns what remembers the last good state.
    pub fn memory(&self) -> Option<&Memory> {
        self.guard.as_ref()?.memory.as_ref()
    }

    /// Compiles a state without publishing it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn consider(&mut self, source: &Source) -> Result<(), ReadError> {
        self.kept.clear();
        self.compile(source)
    }

    /// Returns the digest of the model of the state that was offered or considered last.
    pub fn model(&self) -> String {
        self.engine.ir().digest().hex()
    }

    /// Returns what was found in the state that was offered or considered last and is at least as severe, sorted. Each
    /// file with such a finding is read again for the places: who asks for errors alone pays for no milder ones.
    ///
    /// # Errors
    /// A file cannot be read any more.
    pub fn findings(&self, severity: Severity) -> Result<Vec<Diagnostic>, ReadError> {
        let mut found = self.engine.diagnostics_at_least(severity)?;
        found.extend(self.kept.iter().filter(|kept| kept.severity <= severity).cloned());
        sort(&mut found);
        Ok(found)
    }

    /// Brings the engine to a state, with live objects beside it.
    fn compile(&mut self, source: &Source) -> Result<(), ReadError> {
        self.engine.update(self.input(source))?;
        Ok(())
    }

    /// Returns a state with live objects beside it.
    fn input(&self, source: &Source) -> Input {
        let manifests = SourceTree { expected: self.expected.clone(), ..source.tree.clone() };
        Input { manifests, live: self.cluster.clone().unwrap_or_default(), kept: Objects::default() }
    }

    /// Compiles a state and publishes it, if its errors do not forbid that. Errors that stand only together with live
    /// objects forbid nothing: nobody can take them back by another state of the source.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn offer(&mut self, source: Arc<Source>) -> Result<Offer, ReadError> {
        let offered = self.offer_under(source.clone(), self.on_errors, Consent::default())?;
        if let Offer::Published { .. } = offered {
            self.remember(None);
        }
        Ok(offered)
    }

    /// Does the same under rules of its own. `consent` was given for this state alone.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn offer_under(
        &mut self,
        source: Arc<Source>,
        on_errors: OnErrors,
        consent: Consent,
    ) -> Result<Offer, ReadError> {
        self.consider(&source)?;
        if on_errors == OnErrors::Stop
            && self.engine.has_errors()
            && self.seen_alone(&source, Engine::has_errors)?
        {
            return Ok(Offer::Refused);
        }
        let model = Arc::new(Model::new(self.engine.ir().clone()));
        if let Some(shrinkage) = self.measure(&source, &model, consent)? {
            return Ok(Offer::Shrunk { shrinkage });
        }
        self.kept = self.keep_certificates(&source)?;
        let (changed, removed, version) = self.publish();
        self.expected = self.engine.files_with_manifests();
        self.published = Some(Published { version: version.clone(), model, source });
        Ok(Offer::Published { version, changed, removed })
    }

    /// Measures a state that the engine has reached, and returns what speaks against serving it. Otherwise it is the last
    /// good one from now on.
    fn measure(
        &mut self,
        source: &Source,
        model: &Model,
        consent: Consent,
    ) -> Result<Option<Shrinkage>, ReadError> {
        let Some(mut guard) = self.guard.take() else { return Ok(None) };
        let served = self.seen_alone(source, |engine| guard.gauge.read(engine));
        let judged = served.map(|served| {
            let shrinkage = Extent::shrinkage(guard.last.as_ref(), &served, guard.consent.or(consent));
            let same =
                || self.published.as_ref().is_some_and(|published| published.model() == model.digest());
            if shrinkage.is_some() && !same() {
                return shrinkage;
            }
            guard.last = Some(served);
            None
        });
        self.guard = Some(guard);
        judged
    }

    /// Remembers what was published last.
    pub fn remember(&mut self, working_folder: Option<&Path>) {
        let (Some(guard), Some(published)) = (&mut self.guard, &self.published) else { return };
        if let (Some(memory), Some(last)) = (&mut guard.memory, &guard.last) {
            memory.remember(&published.source, working_folder, last);
            // What was ordered is remembered before it is said to be done.
            if working_folder.is_some() {
                memory.settle();
            }
        }
    }

    /// Returns what a look at the engine says of a state without live objects. The engine is at the state with them before
    /// and after.
    fn seen_alone<T>(&mut self, source: &Source, look: impl FnOnce(&Engine) -> T) -> Result<T, ReadError> {
        if self.cluster.is_none() {
            return Ok(look(&self.engine));
        }
        self.engine.update(&SourceTree { expected: self.expected.clone(), ..source.tree.clone() })?;
        let seen = look(&self.engine);
        self.compile(source)?;
        Ok(seen)
    }

    /// Publishes the state that was published last with the live objects of now, and returns the errors that stand: what
    /// they cover answers 503.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn refresh(&mut self) -> Result<Vec<Diagnostic>, ReadError> {
        let Some(published) = self.published.clone() else { return Ok(Vec::new()) };
        self.compile(&published.source)?;
        let mut errors = self.keep_certificates(&published.source)?;
        let (_, _, version) = self.publish();
        self.published = Some(Published { version, ..published });
        // Places of findings cost a look into files.
        if self.engine.has_errors() {
            errors.extend(self.engine.diagnostics_at_least(Severity::Error)?);
        }
        sort(&mut errors);
        Ok(errors)
    }

    /// Brings the engine from a state to the same with certificates that are kept, and returns a finding for each.
    fn keep_certificates(&mut self, source: &Source) -> Result<Vec<Diagnostic>, ReadError> {
        let Some(served) = self.server.snapshot() else { return Ok(Vec::new()) };
        let kept = Kept::of(&served, &self.engine)?;
        if !kept.is_empty() {
            self.engine.update(Input { kept: kept.secrets, ..self.input(source) })?;
        }
        Ok(kept.findings)
    }

    /// Hands the resources of the engine to the server, and returns how many changed, how many are gone, and the version.
    fn publish(&self) -> (usize, usize, String) {
        let before = self.server.snapshot().unwrap_or_default();
        let snapshot = self.engine.xds().clone();
        let difference = before.diff(&snapshot);
        let changed = difference.added.len() + difference.changed.len();
        (changed, difference.removed.len(), self.server.publish(snapshot))
    }
}

#[cfg(test)]
mod tests;
