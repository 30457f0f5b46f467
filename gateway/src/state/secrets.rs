//! Certificates by secret name.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// Certificates by secret name.
#[derive(Debug, Default)]
pub(crate) struct SecretStore {
    /// None stands for a secret that cannot be used or does not come: its names are refused until it does.
    identities: BTreeMap<Arc<str>, Option<Identity>>,
    /// How many there were.
    inserted: u64,
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
        self.identities.get(name).cloned()
    }

    /// Returns whether a secret is not waited for any more.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.identities.contains_key(name)
    }

    pub(super) fn insert(&mut self, name: &str, identity: CertifiedKey) {
        self.inserted += 1;
        let identity = Identity { key: Arc::new(identity), number: self.inserted };
        self.identities.insert(name.into(), Some(identity));
    }

    /// Stops waiting for a secret; one that is there stays.
    pub(super) fn fail(&mut self, name: &str) {
        self.identities.entry(name.into()).or_insert(None);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.identities.remove(name);
    }
}
