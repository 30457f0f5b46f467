//! ConfigMap `higress-https`: certificates by domain, for hosts of Ingresses with `tls` whose entries give them none.

use gatewright_ir::{HostPattern, SecretRef};
use gatewright_kinds::EntityKey;

use super::{fields, report, unread_members};
use crate::finding::{Finding, Place};
use crate::manifest::ConfigMap;
use crate::options::CompileOptions;
use crate::parse::inner::{self, Inner, Remark};

const MEMBER: &str = "cert";

/// The certificates of `credentialConfig`, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    list: Vec<Credential>,
    /// Whether a host whose Secret is missing is looked up too.
    pub(crate) for_missing: bool,
}

/// One entry of `credentialConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    domains: Vec<String>,
    /// The Secret.
    pub(crate) secret: SecretRef,
    /// Whether Higress has the certificate issued, and fills the Secret.
    pub(crate) issued: bool,
    /// Its place.
    pub(crate) place: Place,
}

impl Credentials {
    /// Returns the certificate of a host: the first entry with a domain that covers it counts.
    pub(crate) fn of(&self, host: &HostPattern) -> Option<&Credential> {
        let host = host.to_string().to_ascii_lowercase();
        self.list.iter().find(|credential| credential.domains.iter().any(|domain| covers(domain, &host)))
    }
}

/// `*.a.com` covers every name below `a.com`, however deep, and not `a.com`.
fn covers(domain: &str, host: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    match domain.strip_prefix('*').filter(|parent| parent.starts_with('.')) {
        Some(parent) => host.len() > parent.len() && host.ends_with(parent),
        None => domain == *host,
    }
}

/// Reads the ConfigMap. Of a text that Higress refuses nothing counts.
pub(super) fn read(
    key: &EntityKey,
    body: &ConfigMap,
    options: &CompileOptions,
    findings: &mut Vec<Finding>,
) -> Credentials {
    unread_members(key, body, &[MEMBER], findings);
    let Some(text) = body.data.get(MEMBER) else { return Credentials::default() };
    let mut inner = inner::read(text, &fields::HTTPS);
    let more: Vec<Remark> = issuers(&inner).into_iter().chain(single_domains(&inner)).collect();
    inner.remarks.extend(more);
    report(key, MEMBER, &inner, findings);
    if inner.is_refused() {
        return Credentials::default();
    }
    let Some(fields) = inner.fields() else { return Credentials::default() };
    let member = Place::value(key, format!("/data/{MEMBER}"));
    let mut list = Vec::new();
    for (index, entry) in fields.list("credentialConfig").enumerate() {
        let within = inner.place(&format!("/credentialConfig/{index}/tlsSecret"));
        list.push(Credential {
            domains: entry.texts("domains"),
            secret: secret(&entry.text("tlsSecret").unwrap_or_default(), options),
            issued: entry.text("tlsIssuer").is_some_and(|issuer| !issuer.is_empty()),
            place: within.map_or(member.clone(), |within| member.clone().within(within)),
        });
    }
    Credentials { list, for_missing: fields.boolean("fallbackForInvalidSecret") == Some(true) }
}

/// Reads `name` or `namespace/name`.
fn secret(text: &str, options: &CompileOptions) -> SecretRef {
    let (namespace, name) = text.split_once('/').unwrap_or((options.system_namespace.as_str(), text));
    SecretRef { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Certificates that are issued need an issuer.
fn issuers(inner: &Inner) -> Option<Remark> {
    let fields = inner.fields()?;
    (fields.boolean("automaticHttps") == Some(true) && fields.list("acmeIssuer").len() == 0).then_some(())?;
    let message = "`automaticHttps` needs an entry in `acmeIssuer`".to_owned();
    Some(Remark { within: inner.place("/automaticHttps")?, message, help: None, refused: true })
}

/// A certificate that is issued is for one domain.
fn single_domains(inner: &Inner) -> Vec<Remark> {
    let entries = inner.fields().into_iter().flat_map(|fields| fields.list("credentialConfig"));
    let several = entries.enumerate().filter(|(_, entry)| {
        entry.text("tlsIssuer").is_some_and(|issuer| !issuer.is_empty()) && entry.list("domains").len() > 1
    });
    several
        .filter_map(|(index, _)| {
            let within = inner.place(&format!("/credentialConfig/{index}/domains"))?;
            let message = "an entry of `credentialConfig` with `tlsIssuer` has one domain".to_owned();
            Some(Remark { within, message, help: None, refused: true })
        })
        .collect()
}

/// Says where the certificate of a credential comes from that the source does not have.
pub(crate) const ISSUED: &str = "Higress' automatic HTTPS fills it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_cover_as_higress_compares_them() {
        for (domain, host) in
            [("a.test", "a.test"), ("A.test", "a.test"), ("*.a.test", "x.a.test"), ("*.a.test", "x.y.a.test")]
        {
            assert!(covers(domain, host), "{domain} {host}");
        }
        for (domain, host) in
            [("*.a.test", "a.test"), ("a.test", "x.a.test"), ("*.a.test", "xa.test"), ("*", "a.test")]
        {
            assert!(!covers(domain, host), "{domain} {host}");
        }
    }
}
