//! Settings that change what is compiled. The environment enters the compiler only through them.

use std::net::SocketAddr;

use gatewright_ir::ListenerId;

/// Which Higress release's behaviour is compiled where releases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HigressVersion {
    /// 2.1 (Istio 1.19 fork)
    V2_1,
    /// 2.2 (Istio 1.27 fork)
    V2_2,
}

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Only what upstream Higress accepts.
    Higress,
    /// Our extensions too: several merged McpBridges, the guide's `fixed`, `edas` and list-valued fields.
    Native,
}

/// Settings of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Higress' own namespace.
    pub system_namespace: String,
    /// The Ingress class that is served; empty serves every Ingress.
    pub ingress_class: String,
    /// The one namespace whose Ingresses are served; none serves all.
    pub watch_namespace: Option<String>,
    /// DNS suffix of the kube cluster.
    pub cluster_domain: String,
    /// Upstream release.
    pub higress: HigressVersion,
    /// Dialect.
    pub profile: Profile,
    /// Address of the plain listener.
    pub http: SocketAddr,
    /// Address of the TLS listener.
    pub https: SocketAddr,
}

impl CompileOptions {
    /// Returns the settings of a default Higress installation, listening on all addresses at ports 80 and 443.
    pub fn higress_defaults() -> Self {
        CompileOptions {
            system_namespace: "higress-system".to_owned(),
            ingress_class: "higress".to_owned(),
            watch_namespace: None,
            cluster_domain: "cluster.local".to_owned(),
            higress: HigressVersion::V2_2,
            profile: Profile::Native,
            http: SocketAddr::from(([0, 0, 0, 0], 80)),
            https: SocketAddr::from(([0, 0, 0, 0], 443)),
        }
    }

    /// Returns where a listener listens.
    pub fn address(&self, listener: ListenerId) -> SocketAddr {
        listener.address(self.http, self.https)
    }
}
