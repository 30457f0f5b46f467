//! Secrets by name: certificates, and what those of others must fulfil.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::config::{SecretContent, Validation};

/// Secrets by name.
#[derive(Debug, Default)]
pub(crate) struct SecretStore {
    /// None stands for a secret that cannot be used or does not come: who needs it is refused until it does.
    secrets: BTreeMap<Arc<str>, Option<Content>>,
    /// How many there were.
    inserted: u64,
}

#[derive(Clone, Debug)]
enum Content {
    Identity(Identity),
    Validation(Arc<Validation>),
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// Tells it from every other, whatever its name.
    pub(super) number: u64,
}

impl SecretStore {
    /// Returns a certificate; none while it is waited for, and `Some(None)` when there will be none for now.
    pub(super) fn get(&self, name: &str) -> Option<Option<Identity>> {
        match self.secrets.get(name)? {
            Some(Content::Identity(identity)) => Some(Some(identity.clone())),
            Some(Content::Validation(_)) | None => Some(None),
        }
    }

    /// Returns what certificates must fulfil; as [`SecretStore::get`].
    pub(super) fn validation(&self, name: &str) -> Option<Option<Arc<Validation>>> {
        match self.secrets.get(name)? {
            Some(Content::Validation(validation)) => Some(Some(validation.clone())),
            Some(Content::Identity(_)) | None => Some(None),
        }
    }

    /// Returns whether a secret is not waited for any more.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }

    pub(super) fn insert(&mut self, name: &str, content: SecretContent) {
        let content = match content {
            SecretContent::Identity(identity) => {
                self.inserted += 1;
                Content::Identity(Identity { key: Arc::new(identity), number: self.inserted })
            }
            SecretContent::Validation(validation) => Content::Validation(Arc::new(validation)),
        };
        self.secrets.insert(name.into(), Some(content));
    }

    /// Stops waiting for a secret; one that is there stays.
    pub(super) fn fail(&mut self, name: &str) {
        self.secrets.entry(name.into()).or_insert(None);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.secrets.remove(name);
    }
}
