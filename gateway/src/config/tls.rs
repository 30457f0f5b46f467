//! TLS on the client's side of a filter chain, without the certificate, which comes as a secret of its own.

use std::sync::Arc;

use gatewright_xds::envoy::config::core::v3::TransportSocket;
use gatewright_xds::envoy::config::core::v3::transport_socket::ConfigType;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3 as xds;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use rustls::{CipherSuite, SupportedProtocolVersion};

use super::error::{FieldError, Within};
use super::take::{ads, name, nothing_left, unpack};

/// TLS settings of a filter chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TlsSettings {
    /// The certificate and its key.
    pub(crate) secret: Arc<str>,
    pub(crate) alpn: Vec<Vec<u8>>,
    /// Never empty.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// Allowed TLS 1.2 suites; empty means the defaults.
    pub(crate) suites: Vec<CipherSuite>,
}

impl TlsSettings {
    /// Returns whether two settings differ by nothing but the certificate.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let Self { secret: _, alpn, versions, suites } = self;
        *alpn == other.alpn && *versions == other.versions && *suites == other.suites
    }

    pub(super) fn new(message: TransportSocket) -> Result<Self, FieldError> {
        let any = message.config_type.map(|ConfigType::TypedConfig(any)| any);
        let mut context: xds::DownstreamTlsContext = unpack(any, "typed_config")?;
        let common = context.common_tls_context.take().unwrap_or_default();
        nothing_left(&context)?;
        Self::common(common).within("common_tls_context")
    }

    fn common(mut message: xds::CommonTlsContext) -> Result<Self, FieldError> {
        let mut secrets = std::mem::take(&mut message.tls_certificate_sds_secret_configs);
        let Some(secret) = secrets.pop().filter(|_| secrets.is_empty()) else {
            return Err(FieldError::new("tls_certificate_sds_secret_configs", "must be exactly one"));
        };
        let field = "tls_certificate_sds_secret_configs[0]";
        ads(secret.sds_config, "sds_config").within(field)?;
        let (versions, suites) =
            parameters(message.tls_params.take().unwrap_or_default()).within("tls_params")?;
        let settings = Self {
            secret: name(secret.name, "name").within(field)?,
            alpn: std::mem::take(&mut message.alpn_protocols).into_iter().map(String::into_bytes).collect(),
            versions,
            suites,
        };
        nothing_left(&message)?;
        Ok(settings)
    }
}

pub(super) type Parameters = (Vec<&'static SupportedProtocolVersion>, Vec<CipherSuite>);

pub(super) fn parameters(mut message: xds::TlsParameters) -> Result<Parameters, FieldError> {
    let minimum =
        protocol(std::mem::take(&mut message.tls_minimum_protocol_version), "tls_minimum_protocol_version")?;
    let maximum =
        protocol(std::mem::take(&mut message.tls_maximum_protocol_version), "tls_maximum_protocol_version")?;
    let lowest = match minimum {
        // TLS 1.0 and 1.1 are not offered; allowing them as well changes nothing for other clients.
        TlsProtocol::TlsAuto | TlsProtocol::TlSv10 | TlsProtocol::TlSv11 | TlsProtocol::TlSv12 => 2,
        TlsProtocol::TlSv13 => 3,
    };
    let highest = match maximum {
        TlsProtocol::TlsAuto | TlsProtocol::TlSv13 => 3,
        TlsProtocol::TlSv12 => 2,
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            return Err(FieldError::new("tls_maximum_protocol_version", "TLS 1.2 and 1.3 are supported"));
        }
    };
    let mut versions = Vec::new();
    if highest >= 3 {
        versions.push(&rustls::version::TLS13);
    }
    if lowest <= 2 {
        versions.push(&rustls::version::TLS12);
    }
    if versions.is_empty() {
        return Err(FieldError::new("tls_minimum_protocol_version", "is above the maximum"));
    }
    let suites = suites(std::mem::take(&mut message.cipher_suites))?;
    nothing_left(&message)?;
    Ok((versions, suites))
}

fn protocol(value: i32, field: &str) -> Result<TlsProtocol, FieldError> {
    TlsProtocol::try_from(value).map_err(|_| FieldError::new(field, "has an unknown value"))
}

/// Reads OpenSSL's names. Suites that the TLS library does not have are left out, as long as one remains.
fn suites(names: Vec<String>) -> Result<Vec<CipherSuite>, FieldError> {
    let asked = !names.is_empty();
    let mut suites = Vec::new();
    for (index, list) in names.iter().enumerate() {
        for name in list.trim_matches(['[', ']']).split('|') {
            match suite(name) {
                Some(Some(suite)) => suites.push(suite),
                Some(None) => {}
                None => {
                    let problem = format!("`{name}` is not a known cipher suite");
                    return Err(FieldError::new(format!("cipher_suites[{index}]"), problem));
                }
            }
        }
    }
    if asked && suites.is_empty() {
        return Err(FieldError::new("cipher_suites", "none of them is supported"));
    }
    Ok(suites)
}

/// Returns the suite with this OpenSSL name; `Some(None)` for one that exists and that the library leaves out.
fn suite(name: &str) -> Option<Option<CipherSuite>> {
    Some(match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" => Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        "ECDHE-ECDSA-AES256-GCM-SHA384" => Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        "ECDHE-ECDSA-CHACHA20-POLY1305" => Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        "ECDHE-RSA-AES128-GCM-SHA256" => Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        "ECDHE-RSA-AES256-GCM-SHA384" => Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        "ECDHE-RSA-CHACHA20-POLY1305" => Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
        "ECDHE-ECDSA-AES128-SHA"
        | "ECDHE-RSA-AES128-SHA"
        | "AES128-GCM-SHA256"
        | "AES128-SHA"
        | "ECDHE-ECDSA-AES256-SHA"
        | "ECDHE-RSA-AES256-SHA"
        | "AES256-GCM-SHA384"
        | "AES256-SHA" => None,
        _ => return None,
    })
}
