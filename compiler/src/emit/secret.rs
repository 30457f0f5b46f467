//! Certificates as SDS secrets. The only place where key material enters a message.

use gatewright_ir::SecretRef;
use gatewright_xds::envoy::config::core::v3::{DataSource, data_source};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{Secret, TlsCertificate, secret};
use gatewright_xds::names;

use crate::lower::tls::KeyPair;

/// Emits the key pair of a Secret.
pub(crate) fn emit(name: &SecretRef, pair: &KeyPair<'_>) -> Secret {
    Secret {
        name: names::secret(&name.namespace, &name.name),
        r#type: Some(secret::Type::TlsCertificate(certificate(pair))),
    }
}

pub(crate) fn certificate(pair: &KeyPair<'_>) -> TlsCertificate {
    let inline = |bytes: &[u8]| {
        Some(DataSource {
            specifier: Some(data_source::Specifier::InlineBytes(bytes.to_vec())),
            ..DataSource::default()
        })
    };
    TlsCertificate {
        certificate_chain: inline(pair.certificates),
        private_key: inline(pair.key),
        ..TlsCertificate::default()
    }
}
