//! TLS on the client's side: which certificate a server name gets.

use std::fmt;

use serde::Serialize;

use crate::HostPattern;

/// What the TLS listener does for one server name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TlsContext {
    /// The server names (SNI); [`HostPattern::Any`] also takes clients without SNI.
    pub host: HostPattern,
    /// The certificate that is served.
    pub certificate: Certificate,
    /// Lowest protocol version; none means the default, TLS 1.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
    /// Highest protocol version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<TlsVersion>,
    /// Allowed TLS 1.2 cipher suites in OpenSSL's names; empty means the default set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ciphers: Vec<String>,
}

/// The certificate of a server name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificate {
    /// Certificate chain and key of a Secret.
    Secret(SecretRef),
    /// The Secret is missing or unusable: handshakes for this name fail, and no other certificate is served instead.
    Missing(SecretRef),
    /// The Secret cannot be read here and is in the cluster: something makes it there, or the source holds it encrypted.
    /// Handshakes fail here as with a missing one.
    External {
        /// The Secret.
        secret: SecretRef,
        /// Where it comes from, as a clause.
        why: String,
    },
}

/// A Secret's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SecretRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A TLS protocol version, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TlsVersion {
    /// TLS 1.0
    #[serde(rename = "TLSv1.0")]
    V1_0,
    /// TLS 1.1
    #[serde(rename = "TLSv1.1")]
    V1_1,
    /// TLS 1.2
    #[serde(rename = "TLSv1.2")]
    V1_2,
    /// TLS 1.3
    #[serde(rename = "TLSv1.3")]
    V1_3,
}
