//! The whole model, and the host walk that decides which virtual hosts a request meets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use gatewright_kinds::EntityKey;
use imbl::OrdMap;
use serde::{Serialize, Serializer};

use crate::{
    ClusterName, EndpointSet, HostPattern, Listener, ListenerId, PluginUse, Route, TlsContext, TlsTable,
    UpstreamCluster,
};

/// A BLAKE3 digest of a value's canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest of a value's canonical JSON.
    pub fn of<T: Serialize>(value: &T) -> Self {
        // In one piece: hashing word by word costs more than writing the text.
        let text = serde_json::to_vec(value).expect("model types serialize without error");
        Digest::of_bytes(&text)
    }

    /// Returns the digest of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns all 64 hex digits.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().as_str().to_owned()
    }

    /// Returns the first 16 hex digits, enough to tell values apart for a reader.
    pub fn short(&self) -> String {
        self.hex()[..16].to_owned()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

/// One host of one listener: its own routes, in matching order. What it does not match falls back to the next wider
/// virtual host (see [`Ir::chain`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VirtualHost {
    /// The listener.
    pub listener: ListenerId,
    /// The host names.
    pub host: HostPattern,
    /// Routes, first match wins.
    pub routes: Vec<Route>,
}

impl VirtualHost {
    /// Returns whether a route takes every request, so that no wider host is asked.
    pub fn ends_chain(&self) -> bool {
        self.routes.iter().any(|route| route.matches.is_catch_all())
    }
}

/// A virtual host with the digest of its content. Two with equal digests behave alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoweredHost {
    /// The host.
    pub host: VirtualHost,
    /// Digest over `host`.
    pub digest: Digest,
}

impl LoweredHost {
    /// Wraps a virtual host and digests it.
    pub fn new(host: VirtualHost) -> Self {
        let digest = Digest::of(&host);
        LoweredHost { host, digest }
    }
}

impl Serialize for LoweredHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.host.serialize(serializer)
    }
}

/// Everything that the data plane does, as a value. A copy shares every part, and costs the same whatever the model holds;
/// what differs between it and its edited successor is found in the time that the edit asks for (`OrdMap::diff`).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ir {
    /// Listeners. One without virtual hosts answers 404.
    #[serde(serialize_with = "listeners")]
    pub listeners: BTreeMap<ListenerId, Listener>,
    /// Virtual hosts by listener and host.
    #[serde(serialize_with = "values")]
    pub hosts: OrdMap<(ListenerId, HostPattern), Arc<LoweredHost>>,
    /// Upstream clusters by name.
    #[serde(serialize_with = "values")]
    pub clusters: OrdMap<ClusterName, Arc<UpstreamCluster>>,
    /// Endpoints of the clusters with [`crate::Discovery::Endpoints`]; a missing entry is an empty set.
    pub endpoints: OrdMap<ClusterName, Arc<EndpointSet>>,
    /// Plugins in execution order.
    pub plugins: Vec<Arc<PluginUse>>,
    /// What asks for a protection that nothing gives and is served open nevertheless: by object, the annotations or the
    /// reason. It changes no answer, but a plan that newly serves it is risky.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(serialize_with = "by_text")]
    pub unprotected: BTreeMap<EntityKey, BTreeSet<String>>,
}

impl Ir {
    /// Returns a digest of the whole model. Models with equal digests serve alike, whatever addresses they listen on.
    pub fn digest(&self) -> Digest {
        let hosts: Vec<String> = self.hosts.values().map(|host| host.digest.hex()).collect();
        let clusters: Vec<_> = self.clusters.values().collect();
        let endpoints: Vec<_> = self.endpoints.iter().collect();
        let tls = self.listeners.iter().map(|(id, listener)| (id, listener.tls.values().collect::<Vec<_>>()));
        let tls: Vec<_> = tls.collect();
        Digest::of(&(hosts, clusters, endpoints, tls, &self.plugins))
    }

    /// Returns the virtual hosts that a request for `pattern` meets, in order: the host itself if it exists, then each
    /// wider one, up to and including the first that ends the chain.
    pub fn chain(&self, listener: ListenerId, pattern: &HostPattern) -> Vec<&Arc<LoweredHost>> {
        let mut chain = Vec::new();
        let wider = pattern.wider();
        for candidate in std::iter::once(pattern).chain(wider.iter()) {
            let Some(host) = self.hosts.get(&(listener, candidate.clone())) else { continue };
            chain.push(host);
            if host.host.ends_chain() {
                break;
            }
        }
        chain
    }

    /// Returns the host that takes over what `pattern` leaves unmatched, if it leaves anything and there is one.
    pub fn falls_back_to(&self, listener: ListenerId, pattern: &HostPattern) -> Option<&HostPattern> {
        self.chain(listener, pattern).get(1).map(|host| &host.host.host)
    }

    /// Returns the TLS table of a listener by server name; an empty one where there is no such listener.
    pub fn tls(&self, listener: ListenerId) -> &TlsTable {
        static NOTHING: LazyLock<TlsTable> = LazyLock::new(OrdMap::new);
        self.listeners.get(&listener).map_or(&NOTHING, |listener| &listener.tls)
    }

    /// Returns what all TLS listeners do for server names.
    pub fn tls_contexts(&self) -> impl Iterator<Item = &Arc<TlsContext>> {
        self.listeners.values().flat_map(|listener| listener.tls.values())
    }
}

/// A listener as outputs show it.
#[derive(Serialize)]
struct Shown<'a> {
    listener: ListenerId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls: Vec<&'a Arc<TlsContext>>,
}

fn listeners<S: Serializer>(map: &BTreeMap<ListenerId, Listener>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.iter().map(|(id, listener)| {
        let Listener { tls } = listener;
        Shown { listener: *id, tls: tls.values().collect() }
    }))
}

fn by_text<S: Serializer>(
    map: &BTreeMap<EntityKey, BTreeSet<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(key, value)| (key.to_string(), value)))
}

fn values<K: Ord, V: Serialize, S: Serializer>(map: &OrdMap<K, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

#[cfg(test)]
mod tests {
    use gatewright_kinds::Kind;

    use super::*;
    use crate::{PathMatch, Refusal, RouteAction, RouteId, RouteMatch, RoutePart};

    fn host(text: &str, path: PathMatch) -> ((ListenerId, HostPattern), Arc<LoweredHost>) {
        let pattern: HostPattern = text.parse().unwrap();
        let route = Route {
            id: RouteId::new(
                EntityKey::new(Kind::Ingress, "shop", "web"),
                pattern.clone(),
                RoutePart::DefaultBackend,
            ),
            name: text.into(),
            matches: RouteMatch::path(path),
            action: RouteAction::Refuse(Arc::new(Refusal { code: "GW0000".into(), reason: String::new() })),
            policy: Arc::default(),
            plugins: Vec::new(),
        };
        let lowered = LoweredHost::new(VirtualHost {
            listener: ListenerId::HTTP,
            host: pattern.clone(),
            routes: vec![route],
        });
        ((ListenerId::HTTP, pattern), Arc::new(lowered))
    }

    #[test]
    fn the_chain_stops_at_a_catch_all() {
        let ir = Ir {
            hosts: [
                host("www.foo.com", PathMatch::Exact("/bar".into())),
                host("*.foo.com", PathMatch::Prefix("/".into())),
                host("*", PathMatch::Prefix("/".into())),
            ]
            .into_iter()
            .collect(),
            ..Ir::default()
        };
        let exact: HostPattern = "www.foo.com".parse().unwrap();
        let names: Vec<String> =
            ir.chain(ListenerId::HTTP, &exact).iter().map(|host| host.host.host.to_string()).collect();
        assert_eq!(names, ["www.foo.com", "*.foo.com"]);
        assert_eq!(
            ir.falls_back_to(ListenerId::HTTP, &exact).map(ToString::to_string),
            Some("*.foo.com".into())
        );
        assert!(ir.chain(ListenerId::HTTPS, &exact).is_empty());
    }
}
