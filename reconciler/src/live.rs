//! The serving side of a source: compiles each state of it and publishes the sound ones. The last good one keeps
//! serving while a later one has errors.

use std::sync::Arc;

use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::ReadError;
use gatewright_diagnostics::{Diagnostic, Severity, code};
use gatewright_xds::type_url;

use crate::cluster::{Beside, Overlay};
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

/// What became of a state.
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
        /// Findings that did not hinder it.
        diagnostics: Vec<Diagnostic>,
    },
    /// It has errors; what was published before stays.
    Refused {
        /// Everything that was found.
        diagnostics: Vec<Diagnostic>,
    },
}

/// A compiler with the server that it feeds.
pub struct Live {
    engine: Engine,
    server: SnapshotServer,
    on_errors: OnErrors,
    published: Option<Published>,
    cluster: Option<LiveObjects>,
}

/// Objects of a kube cluster, which stand beside every state of the source.
struct LiveObjects {
    overlay: Overlay,
    beside: Beside,
}

/// What nodes are brought to.
#[derive(Clone)]
pub struct Published {
    /// Version of the xDS snapshot.
    pub version: String,
    /// Digest of the model, which does not depend on listener addresses. It is that of the moment when the source was
    /// published: live objects of a cluster may have moved since.
    pub model: String,
    /// The source that it was made from.
    pub source: Arc<Source>,
}

impl Live {
    /// Returns a compiler that has published nothing.
    pub fn new(options: CompileOptions, server: SnapshotServer, on_errors: OnErrors) -> Self {
        Live { engine: Engine::new(options), server, on_errors, published: None, cluster: None }
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
    pub fn put_beside(&mut self, overlay: Overlay) {
        match &mut self.cluster {
            Some(cluster) => cluster.overlay = overlay,
            none => *none = Some(LiveObjects { overlay, beside: Beside::default() }),
        }
    }

    /// Compiles a state without publishing it, and returns the digest of its model and what was found.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn consider(&mut self, source: &Source) -> Result<(String, Vec<Diagnostic>), ReadError> {
        self.compile(source)?;
        Ok((self.engine.ir().digest().hex(), self.engine.diagnostics()?))
    }

    /// Brings the engine to a state, with live objects beside it.
    fn compile(&mut self, source: &Source) -> Result<(), ReadError> {
        match &mut self.cluster {
            Some(cluster) => self.engine.update(&cluster.beside.update(&source.tree, &cluster.overlay)?)?,
            None => self.engine.update(&source.tree)?,
        };
        Ok(())
    }

    /// Compiles a state and publishes it, if its errors do not forbid that. Errors that stand only together with live
    /// objects forbid nothing: nobody can take them back by another state of the source.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn offer(&mut self, source: Arc<Source>) -> Result<Offer, ReadError> {
        self.offer_under(source, self.on_errors)
    }

    /// Does the same under a rule of its own.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn offer_under(&mut self, source: Arc<Source>, on_errors: OnErrors) -> Result<Offer, ReadError> {
        let (model, diagnostics) = self.consider(&source)?;
        if on_errors == OnErrors::Stop && self.engine.has_errors() && self.is_broken_alone(&source)? {
            return Ok(Offer::Refused { diagnostics });
        }
        let (changed, removed, version) = self.publish();
        self.published = Some(Published { version: version.clone(), model, source });
        Ok(Offer::Published { version, changed, removed, diagnostics })
    }

    /// Returns whether a state has errors without live objects too. The engine is at the state with them before and
    /// after.
    fn is_broken_alone(&mut self, source: &Source) -> Result<bool, ReadError> {
        if self.cluster.is_none() {
            return Ok(true);
        }
        self.engine.update(&source.tree)?;
        let broken = self.engine.has_errors();
        self.compile(source)?;
        Ok(broken)
    }

    /// Publishes the state that was published last with the live objects of now, and returns the errors that stand: what
    /// they cover answers 503.
    ///
    /// # Errors
    /// A file cannot be read; what was published before stays.
    pub fn refresh(&mut self) -> Result<Vec<Diagnostic>, ReadError> {
        let Some(published) = self.published.clone() else { return Ok(Vec::new()) };
        self.compile(&published.source)?;
        let (_, _, version) = self.publish();
        self.published = Some(Published { version, ..published });
        // Places of findings cost a look into files.
        if self.engine.has_errors() {
            self.engine.diagnostics_at_least(Severity::Error)
        } else {
            Ok(Vec::new())
        }
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
