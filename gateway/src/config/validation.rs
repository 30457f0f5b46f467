//! What a certificate that is shown to the gateway must fulfil: who signed it, and which names it is made out to.

use std::net::IpAddr;

use gatewright_xds::envoy::extensions::transport_sockets::tls::v3 as xds;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::error::{FieldError, Within};
use super::take::{inline, nothing_left};
use super::text_test::TextTest;

/// What a certificate must fulfil. Nothing at all, unless authorities are named, as in Envoy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validation {
    /// Those that may sign; none means that nobody looks.
    pub(crate) authorities: Option<RootCertStore>,
    /// One of these must hold; without any every name will do.
    pub(crate) names: Vec<NameTest>,
}

impl Validation {
    pub(super) fn new(mut message: xds::CertificateValidationContext) -> Result<Self, FieldError> {
        let authorities = match message.trusted_ca.take() {
            Some(source) => Some(authorities(&inline(Some(source), "trusted_ca")?)?),
            None => None,
        };
        let tests = std::mem::take(&mut message.match_typed_subject_alt_names);
        let names = tests.into_iter().enumerate().map(|(index, test)| {
            NameTest::new(test).within(format!("match_typed_subject_alt_names[{index}]"))
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        nothing_left(&message)?;
        Ok(Self { authorities, names })
    }

    /// Joins this with what a secret says, which goes before: a message is merged into a message.
    pub(crate) fn joined(&self, secret: &Self) -> Self {
        Self {
            authorities: secret.authorities.as_ref().or(self.authorities.as_ref()).cloned(),
            names: [&self.names[..], &secret.names].concat(),
        }
    }

    /// Returns whether names are asked for without a look at who says them: anybody can write any name.
    pub(crate) fn is_hollow(&self) -> bool {
        self.authorities.is_none() && !self.names.is_empty()
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, FieldError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| store.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|problem| FieldError::new("trusted_ca", problem))?;
    }
    if store.is_empty() {
        return Err(FieldError::new("trusted_ca", "holds no certificate in PEM"));
    }
    Ok(store)
}

/// A test of one kind of name in a certificate.
#[derive(Clone, Debug)]
pub(crate) enum NameTest {
    /// This host or address, also by a wildcard of the certificate.
    Is(ServerName<'static>),
    Dns(TextTest),
    Uri(TextTest),
}

impl NameTest {
    fn new(mut message: xds::SubjectAltNameMatcher) -> Result<Self, FieldError> {
        let matcher = message.matcher.take().ok_or_else(|| FieldError::missing("matcher"))?;
        let kind = SanType::try_from(std::mem::take(&mut message.san_type));
        let exact = match &matcher.match_pattern {
            Some(MatchPattern::Exact(text)) => Some(text.clone()),
            _ => None,
        };
        let test = TextTest::try_from(matcher).within("matcher")?;
        nothing_left(&message)?;
        match kind {
            Ok(SanType::Dns) => Ok(match exact.map(ServerName::try_from) {
                Some(Ok(name @ ServerName::DnsName(_))) => Self::Is(name),
                _ => Self::Dns(test),
            }),
            Ok(SanType::Uri) => Ok(Self::Uri(test)),
            Ok(SanType::IpAddress) => match exact.and_then(|text| text.parse::<IpAddr>().ok()) {
                Some(address) => Ok(Self::Is(ServerName::from(address))),
                None => Err(FieldError::new("matcher", "must be exactly one address")),
            },
            _ => Err(FieldError::new("san_type", "only DNS, URI and IP_ADDRESS are supported")),
        }
    }

    /// Returns whether a certificate has such a name.
    pub(crate) fn passes(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(read) = EndEntityCert::try_from(certificate) else { return false };
        match self {
            Self::Is(name) => ParsedCertificate::try_from(certificate)
                .is_ok_and(|read| verify_server_name(&read, name).is_ok()),
            Self::Dns(test) => read.valid_dns_names().any(|name| test.passes(name.as_bytes())),
            Self::Uri(test) => read.valid_uri_names().any(|name| test.passes(name.as_bytes())),
        }
    }
}
