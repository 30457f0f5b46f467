//! Certificates made for one test: an authority, and server and client certificates that it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

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

    fn issue(&self, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("names are DNS names or addresses");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
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
