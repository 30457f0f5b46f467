//! What units of work may look up beside their own manifest, and the record of what they looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_ir::{ClusterName, Forward, HostPattern};
use gatewright_kinds::{EntityKey, Kind};

use crate::global::{Credential, Credentials};
use crate::manifest::{Body, DiscoveredService, EndpointSlice, Manifest, Secret, Service, ServiceState};
use crate::options::CompileOptions;
use crate::parse::Promise;
use crate::pool::Pool;
use crate::registry::{self, Published, Registries};
use crate::service_policy::ServicePolicies;
use crate::small_set::SmallSet;

/// Something whose change makes a unit stale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dependency {
    /// A Service's manifest, or whether it has EndpointSlices.
    Service(EntityKey),
    /// A Secret's manifest.
    Secret(EntityKey),
    /// What a registry publishes under a host.
    Registry(String),
    /// The certificates that ConfigMap `higress-https` chooses.
    Credentials,
}

/// The state that units look at. Every lookup names its key, so that it can be recorded.
pub(crate) struct World<'a> {
    pub(crate) options: &'a CompileOptions,
    pub(crate) manifests: &'a BTreeMap<EntityKey, Arc<Manifest>>,
    /// Objects that are defined several times: what they are is not known, and that they are there is.
    pub(crate) ambiguous: &'a BTreeSet<EntityKey>,
    /// Services whose EndpointSlices are such objects.
    pub(crate) ambiguous_slices: BTreeSet<EntityKey>,
    pub(crate) slices: &'a BTreeMap<EntityKey, BTreeSet<EntityKey>>,
    pub(crate) registries: &'a Registries,
    /// Services that registries offer, by host.
    pub(crate) offered: &'a Offered,
    /// What Ingresses say of Services.
    pub(crate) service_policies: &'a ServicePolicies,
    pub(crate) credentials: &'a Credentials,
    /// Objects that the source speaks of without showing them, with what each file says.
    pub(crate) promises: &'a BTreeMap<EntityKey, BTreeMap<Arc<str>, Promise>>,
    pub(crate) parts: &'a Mutex<Parts>,
}

/// Parts that many routes have alike.
#[derive(Default)]
pub(crate) struct Parts {
    names: Pool<str>,
    forwards: Pool<Forward>,
}

/// The services that registries offer under each host.
pub(crate) type Offered = BTreeMap<String, SmallSet<EntityKey>>;

/// What one unit looked up.
pub(crate) type Reads = BTreeSet<Dependency>;

impl<'a> World<'a> {
    /// Returns the name of a cluster as other routes have it too.
    pub(crate) fn shared(&self, mut name: ClusterName) -> ClusterName {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).names.share(&mut name.0);
        name
    }

    /// Returns what a route does as other routes have it too.
    pub(crate) fn shared_forward(&self, forward: Forward) -> Arc<Forward> {
        let mut forward = Arc::new(forward);
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).forwards.share(&mut forward);
        forward
    }

    /// Returns a Service of the source.
    pub(crate) fn service(&self, namespace: &str, name: &str, reads: &mut Reads) -> Option<&'a Service> {
        let key = EntityKey::new(Kind::Service, namespace, name);
        reads.insert(Dependency::Service(key.clone()));
        match self.manifests.get(&key).map(|manifest| &manifest.body) {
            Some(Body::Service(service)) => Some(service),
            _ => None,
        }
    }

    /// Returns what is published under a host. Of several registries that offer it the last one counts, as in Higress. What
    /// no McpBridge declares is not published, and what a registry did not tell is not known. Whoever asks for a route
    /// records [`Dependency::Registry`].
    pub(crate) fn published(&self, host: &str) -> Option<Published<'a>> {
        let entry = self.registries.services.get(host).map(Published::Entry);
        entry.or_else(|| {
            let (key, service) = self.offers(host).last()?;
            Some(Published::Offered(key, service))
        })
    }

    /// Returns the services that declared registries offer under a host, in order of key.
    pub(crate) fn offers(&self, host: &str) -> impl Iterator<Item = (&'a EntityKey, &'a DiscoveredService)> {
        let is_declared = |key: &&EntityKey| {
            registry::offering(key, host).is_some_and(|key| self.registries.declared.contains_key(&key))
        };
        let declared = self.offered.get(host).into_iter().flatten().filter(is_declared);
        declared.filter_map(|key| match &self.manifests.get(key)?.body {
            Body::RegistryService(service) if service.state != ServiceState::Unknown => Some((key, service)),
            _ => None,
        })
    }

    /// Returns whether a host may be published without being known: its registry is not asked, or did not tell.
    pub(crate) fn may_be_published(&self, host: &str) -> bool {
        self.registries.undiscovered.iter().any(|suffix| host.ends_with(suffix))
            || self.registries.unpublished.contains(host)
            || self.offered.contains_key(host)
    }

    /// Returns whether EndpointSlices of a Service are defined several times, so that there are some.
    pub(crate) fn has_ambiguous_slices(&self, namespace: &str, name: &str) -> bool {
        !self.ambiguous_slices.is_empty()
            && self.ambiguous_slices.contains(&EntityKey::new(Kind::Service, namespace, name))
    }

    /// Returns whether an object of the source is defined several times. Whoever asks has looked the object up.
    pub(crate) fn is_ambiguous(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        !self.ambiguous.is_empty() && self.ambiguous.contains(&EntityKey::new(kind, namespace, name))
    }

    /// Returns whether a Service has EndpointSlices in the source, ready endpoints or not.
    pub(crate) fn has_slices(&self, namespace: &str, name: &str, reads: &mut Reads) -> bool {
        let key = EntityKey::new(Kind::Service, namespace, name);
        reads.insert(Dependency::Service(key.clone()));
        self.slices.contains_key(&key)
    }

    /// Returns the EndpointSlices of a Service, in order of name.
    pub(crate) fn slices_of(&self, service: &EntityKey) -> impl Iterator<Item = &'a EndpointSlice> {
        let keys = self.slices.get(service).into_iter().flatten();
        keys.filter_map(|key| match &self.manifests.get(key)?.body {
            Body::EndpointSlice(slice) => Some(slice),
            _ => None,
        })
    }

    /// Returns a Secret of the source.
    pub(crate) fn secret(&self, namespace: &str, name: &str, reads: &mut Reads) -> Option<&'a Secret> {
        let key = EntityKey::new(Kind::Secret, namespace, name);
        reads.insert(Dependency::Secret(key.clone()));
        match self.manifests.get(&key).map(|manifest| &manifest.body) {
            Some(Body::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    /// Returns the certificate that `higress-https` chooses for a host.
    pub(crate) fn credential(&self, host: &HostPattern, reads: &mut Reads) -> Option<&'a Credential> {
        reads.insert(Dependency::Credentials);
        self.credentials.of(host)
    }

    /// Returns whether `higress-https` stands in for Secrets that are missing.
    pub(crate) fn replaces_missing(&self, reads: &mut Reads) -> bool {
        reads.insert(Dependency::Credentials);
        self.credentials.for_missing
    }

    /// Returns where a Secret comes from that is not in the source, as a clause, if the source tells.
    pub(crate) fn promise(&self, namespace: &str, name: &str) -> Option<&'a str> {
        let promises = self.promises.get(&EntityKey::new(Kind::Secret, namespace, name))?;
        // Not by path: a moved file changes nothing.
        promises.values().map(|promise| promise.why.as_str()).min()
    }

    /// Splits `NAME.NAMESPACE.svc.DOMAIN`.
    pub(crate) fn split_service_host<'h>(&self, host: &'h str) -> Option<(&'h str, &'h str)> {
        let short = host.strip_suffix(self.options.cluster_domain.as_str())?.strip_suffix(".svc.")?;
        let (name, namespace) = short.split_once('.')?;
        (!name.is_empty() && !namespace.is_empty() && !namespace.contains('.')).then_some((name, namespace))
    }

    /// Returns `NAME.NAMESPACE.svc.DOMAIN`.
    pub(crate) fn service_host(&self, namespace: &str, name: &str) -> String {
        service_host(namespace, name, &self.options.cluster_domain)
    }
}

/// Returns `NAME.NAMESPACE.svc.DOMAIN`.
pub(crate) fn service_host(namespace: &str, name: &str, domain: &str) -> String {
    format!("{name}.{namespace}.svc.{domain}")
}
