//! Certificates that are kept: a Secret whose content becomes unusable while it is served keeps the last good one, as what
//! nodes have is known. After a restart there is none, and it is as the source says.

use gatewright_compiler::Engine;
use gatewright_compiler::input::{Object, Objects};
use gatewright_compiler::source::ReadError;
use gatewright_diagnostics::{Diagnostic, code};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_xds::envoy::config::core::v3::{DataSource, data_source};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{self as tls, secret};
use gatewright_xds::{Resource, XdsSnapshot, type_url};

/// Certificates that are kept, and what is said of them.
#[derive(Default)]
pub(crate) struct Kept {
    /// The Secrets as they were.
    pub(crate) secrets: Objects,
    /// One finding for each.
    pub(crate) findings: Vec<Diagnostic>,
}

impl Kept {
    /// Finds what must be kept for a state that `engine` has compiled: of what is served, certificates that would go
    /// because their Secret is there and of no use.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn of(served: &XdsSnapshot, engine: &Engine) -> Result<Self, ReadError> {
        let mut kept = Kept::default();
        let removed = served.diff(engine.xds()).removed;
        for resource in removed.iter().filter(|resource| resource.type_url() == type_url::SECRET) {
            let Some(key) = key_of(resource.name()) else { continue };
            let Some(label) = engine.unusable_certificate(&key)? else { continue };
            let Some(kept_as) = secret(&key, resource) else { continue };
            let message = format!(
                "Secret `{}/{}` holds no usable certificate any more; the last good one is still served",
                key.namespace, key.name
            );
            let mut finding = Diagnostic::new(&code::GW0460, message, label);
            finding.notes = vec!["it is kept until the Secret is usable again, or this process ends".into()];
            finding.entity = Some(key.to_string());
            kept.findings.push(finding);
            kept.secrets.put(kept_as);
        }
        Ok(kept)
    }

    /// Returns whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads a Secret's name back from that of its resource.
fn key_of(resource: &str) -> Option<EntityKey> {
    let mut parts = resource.rsplitn(3, '/');
    let (name, namespace) = (parts.next()?, parts.next()?);
    Some(EntityKey::new(Kind::Secret, namespace, name))
}

/// Reads a Secret back from its resource.
fn secret(key: &EntityKey, resource: &Resource) -> Option<Object> {
    let Ok(tls::Secret { r#type: Some(secret::Type::TlsCertificate(pair)), .. }) = resource.decode() else {
        return None;
    };
    Some(Object::certificate(key.clone(), bytes(pair.certificate_chain)?, bytes(pair.private_key)?))
}

fn bytes(source: Option<DataSource>) -> Option<Vec<u8>> {
    match source?.specifier? {
        data_source::Specifier::InlineBytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}
