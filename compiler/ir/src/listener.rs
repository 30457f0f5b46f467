//! Listeners: where requests come in, and with which certificates.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Serialize, Serializer};

use crate::{HostPattern, TlsContext};

/// What clients speak to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns the scheme as URLs have it: `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// Returns the port of URLs that name none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Names a listener by what a client meets: a port and what is spoken there. The port is that of the manifests; a gateway
/// may listen elsewhere. Whose listener it is does not count: Higress merges those of one port, whatever asks for them.
///
/// Ordered by scheme, then port. Written `http:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId {
    /// What is spoken.
    pub scheme: Scheme,
    /// The port that manifests give it.
    pub port: u16,
}

impl ListenerId {
    /// The clear-text listener of all Ingresses.
    pub const HTTP: Self = ListenerId { scheme: Scheme::Http, port: 80 };
    /// The TLS listener of all Ingresses.
    pub const HTTPS: Self = ListenerId { scheme: Scheme::Https, port: 443 };
    /// The listeners of all Ingresses, in order.
    pub const OF_INGRESSES: [Self; 2] = [ListenerId::HTTP, ListenerId::HTTPS];

    /// Returns the Ingresses' listener for a scheme.
    pub fn of(scheme: Scheme) -> Self {
        ListenerId { scheme, port: scheme.default_port() }
    }

    /// Returns where the listener listens, given where those of the Ingresses do: any other at its own port, beside the
    /// plain one.
    pub fn address(self, http: SocketAddr, https: SocketAddr) -> SocketAddr {
        match self {
            ListenerId::HTTP => http,
            ListenerId::HTTPS => https,
            other => SocketAddr::new(http.ip(), other.port),
        }
    }

    /// Returns whether a TLS handshake comes before the requests.
    pub fn is_tls(self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.as_str(), self.port)
    }
}

impl Serialize for ListenerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a TLS listener does for server names.
pub type TlsTable = OrdMap<HostPattern, Arc<TlsContext>>;

/// What a listener does before there is a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// TLS by server name; empty in clear text.
    pub tls: TlsTable,
}
