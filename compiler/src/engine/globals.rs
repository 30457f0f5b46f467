//! Higress' global ConfigMaps: which hosts get another certificate when one of them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{Certificate, HostPattern, ListenerId};
use gatewright_kinds::EntityKey;

use super::{Engine, Stale};
use crate::global;
use crate::manifest::Manifest;
use crate::world::Dependency;

impl Engine {
    /// Reads the global ConfigMaps again if one changed.
    pub(super) fn update_global(
        &mut self,
        changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>,
        stale: &mut Stale,
    ) {
        if !changed.keys().any(global::is_global) {
            return;
        }
        let (credentials, findings) = global::read(&self.manifests, &self.options);
        self.global_findings = findings;
        if credentials != self.credentials {
            self.credentials = credentials;
            stale.hosts.extend(self.readers_of(&Dependency::Credentials));
        }
    }

    /// Returns the hosts that have the certificate which `higress-https` chooses for them, with its Secret.
    pub(super) fn credential_hosts(&self) -> BTreeSet<(HostPattern, EntityKey)> {
        let readers = self.readers.get(&Dependency::Credentials).into_iter().flatten();
        let chosen = readers.filter_map(|host| {
            let secret = &self.credentials.of(host)?.secret;
            let served = match &self.ir.tls(ListenerId::HTTPS).get(host)?.certificate {
                Certificate::Secret(name) | Certificate::Missing(name) => name,
                Certificate::External { secret, .. } => secret,
            };
            (served == secret).then(|| (host.clone(), global::secret_key(secret)))
        });
        chosen.collect()
    }
}
