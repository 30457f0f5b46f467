//! Certificates that are kept: a Secret whose content becomes unusable while it is served keeps the last good one, as what
//! nodes have is known. After a restart there is none, and it is as the source says.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatewright_compiler::Engine;
use gatewright_compiler::source::{ContentId, HeldFile, ReadError, ReadFile, SourceTree};
use gatewright_diagnostics::{Diagnostic, code};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_xds::envoy::config::core::v3::{DataSource, data_source};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{self as tls, secret};
use gatewright_xds::{Resource, XdsSnapshot, type_url};
use serde_json::json;

/// What stands before the name of a Secret that is kept: `//` stands in no path of a source.
const KEPT: &str = "kept//";

/// Certificates that are kept, and what is said of them.
#[derive(Default)]
pub(crate) struct Kept {
    secrets: BTreeMap<EntityKey, Arc<[u8]>>,
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
            let Some(manifest) = manifest(&key, resource) else { continue };
            let message = format!(
                "Secret `{}/{}` holds no usable certificate any more; the last good one is still served",
                key.namespace, key.name
            );
            let mut finding = Diagnostic::new(&code::GW0460, message, label);
            finding.notes = vec!["it is kept until the Secret is usable again, or this process ends".into()];
            finding.entity = Some(key.to_string());
            kept.findings.push(finding);
            kept.secrets.insert(key, manifest);
        }
        Ok(kept)
    }

    /// Returns a state that has the kept Secrets as they were.
    pub(crate) fn hold(&self, tree: &SourceTree) -> SourceTree {
        let mut held = tree.held.clone();
        for (key, bytes) in &self.secrets {
            let path: Arc<str> = format!("{KEPT}{key}").into();
            held.insert(key.clone(), HeldFile { path, content: ContentId::of_bytes(bytes) });
        }
        let reader = Reader { rest: tree.reader.clone(), secrets: self.secrets.clone() };
        SourceTree { held, reader: Arc::new(reader), ..tree.clone() }
    }

    /// Returns whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

/// Reads a Secret's name back from that of its resource.
fn key_of(resource: &str) -> Option<EntityKey> {
    let mut parts = resource.rsplitn(3, '/');
    let (name, namespace) = (parts.next()?, parts.next()?);
    Some(EntityKey::new(Kind::Secret, namespace, name))
}

/// Writes the manifest of a Secret that is served.
fn manifest(key: &EntityKey, resource: &Resource) -> Option<Arc<[u8]>> {
    let Ok(tls::Secret { r#type: Some(secret::Type::TlsCertificate(pair)), .. }) = resource.decode() else {
        return None;
    };
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": &*key.name, "namespace": &*key.namespace},
        "data": {
            "tls.crt": BASE64.encode(bytes(pair.certificate_chain)?),
            "tls.key": BASE64.encode(bytes(pair.private_key)?),
        },
    });
    Some(manifest.to_string().into_bytes().into())
}

fn bytes(source: Option<DataSource>) -> Option<Vec<u8>> {
    match source?.specifier? {
        data_source::Specifier::InlineBytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

struct Reader {
    rest: Arc<dyn ReadFile>,
    secrets: BTreeMap<EntityKey, Arc<[u8]>>,
}

impl ReadFile for Reader {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let kept = path.strip_prefix(KEPT).and_then(|key| self.secrets.get(&key.parse::<EntityKey>().ok()?));
        match kept {
            Some(bytes) => Ok(bytes.clone()),
            None => self.rest.read(path, content),
        }
    }
}
