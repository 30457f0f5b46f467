//! Certificates made for one test: an authority, and server and client certificates that it signs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate with its private key, both as PEM text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate (leaf only).
    pub certificate: String,
    /// The private key in PKCS#8.
    pub key: String,
}

/// A certificate authority that exists for one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Makes an authority with a new key.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names to refuse");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key();
        let certificate = params.self_signed(&key).expect("an authority signs itself");
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// Returns the authority's own certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a server certificate for DNS names or IP addresses.
    ///
    /// # Panics
    /// When a name is not a DNS name.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a client certificate with this common name.
    pub fn client(&self, name: &str) -> Identity {
        self.issue(&[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Issues a server certificate that is made out to a URI alone.
    ///
    /// # Panics
    /// When it is no ASCII text.
    pub fn server_of_uri(&self, uri: &str) -> Identity {
        let uri = uri.try_into().expect("a URI is ASCII");
        let mut params = CertificateParams::new(Vec::new()).expect("no names to refuse");
        params.subject_alt_names = vec![SanType::URI(uri)];
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn issue(&self, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("names are DNS names or addresses");
        params.distinguished_name.push(DnType::CommonName, common_name);
        self.sign(params, usage)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Identity {
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// Makes what a server needs for handshakes; with `clients`, the PEM of an authority, it wants a certificate of its client.
///
/// # Panics
/// When the certificate or the authority cannot be used.
pub(crate) fn server_config(identity: &Identity, clients: Option<&str>) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let authority =
                CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate in PEM");
            roots.add(authority).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier of one authority"))
        }
    };
    let chain =
        vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate in PEM")];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key in PEM");
    let mut config = builder.with_single_cert(chain, key).expect("a certificate of this key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system gives random bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_pem_and_differ() {
        let authority = Authority::new("test authority");
        let a = authority.server(&["a.example.com", "127.0.0.1"]);
        let b = authority.client("b");
        assert!(a.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(a.key.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_ne!(a, b);
    }
}
