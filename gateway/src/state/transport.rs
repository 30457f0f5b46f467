//! What connections to the endpoints of a cluster are made with: clear text, or TLS with the cluster's secrets.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::secrets::SecretStore;
use super::tls_configs::{One, provider};
use crate::config::{UpstreamTls, Validation};

/// How the endpoints of a cluster are connected to.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Plain,
    Tls(Tls),
    /// A secret does not come or cannot be used: nobody is connected to, as without it nobody would be safe.
    Unusable(&'static str),
}

/// What was made of a cluster's settings and secrets.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) client: Arc<ClientConfig>,
    identity: Option<Arc<CertifiedKey>>,
    validation: Option<Arc<Validation>>,
}

impl Transport {
    /// Prepares what connections need; none while a secret is waited for. What was made of `old` settings that are the
    /// same, with the same secrets, stays, and with it its sessions.
    pub(super) fn new(
        settings: Option<&UpstreamTls>,
        secrets: &SecretStore,
        old: Option<(&UpstreamTls, &Self)>,
    ) -> Option<Self> {
        let Some(settings) = settings else { return Some(Self::Plain) };
        let identity = match &settings.identity {
            Some(name) => Some(secrets.get(name)?.map(|identity| identity.key)),
            None => None,
        };
        let validation = match &settings.validation_secret {
            Some(name) => Some(secrets.validation(name)?),
            None => None,
        };
        Some(match (identity, validation) {
            (Some(None), _) => Self::Unusable("the cluster's certificate is missing"),
            (_, Some(None)) => Self::Unusable("what the endpoints' certificates must fulfil is missing"),
            (identity, validation) => {
                let (identity, validation) = (identity.flatten(), validation.flatten());
                let old =
                    old.and_then(|(old, transport)| transport.kept(old == settings, &identity, &validation));
                old.unwrap_or_else(|| Self::secured(settings, identity, validation))
            }
        })
    }

    fn kept(
        &self,
        same_settings: bool,
        identity: &Option<Arc<CertifiedKey>>,
        validation: &Option<Arc<Validation>>,
    ) -> Option<Self> {
        let Self::Tls(tls) = self else { return None };
        let same = same_settings && is_same(&tls.identity, identity) && is_same(&tls.validation, validation);
        same.then(|| self.clone())
    }

    fn secured(
        settings: &UpstreamTls,
        identity: Option<Arc<CertifiedKey>>,
        validation: Option<Arc<Validation>>,
    ) -> Self {
        let all = match &validation {
            Some(secret) => settings.validation.joined(secret),
            None => settings.validation.clone(),
        };
        if all.is_hollow() {
            return Self::Unusable("names of certificates are asked for, and no authority is named");
        }
        let client = client_config(settings, identity.clone(), all);
        Self::Tls(Tls { client, identity, validation })
    }
}

fn is_same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

fn client_config(
    settings: &UpstreamTls,
    identity: Option<Arc<CertifiedKey>>,
    validation: Validation,
) -> Arc<ClientConfig> {
    let provider = provider(&settings.suites);
    let verifier = Verifier { validation, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions)
        .expect("settings allow a suite for each of their versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(One(identity))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = settings.alpn.clone();
    config.enable_sni = settings.server_name.is_some();
    Arc::new(config)
}

/// Looks at an endpoint's certificate as the cluster says. The name that the endpoint was asked for is not looked at, as
/// in Envoy: who wants that names it among the names.
#[derive(Debug)]
struct Verifier {
    validation: Validation,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Validation { authorities, names } = &self.validation;
        if let Some(authorities) = authorities {
            let read = ParsedCertificate::try_from(certificate)?;
            let known = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&read, authorities, intermediates, now, known)?;
        }
        if !names.is_empty() && !names.iter().any(|name| name.passes(certificate)) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
