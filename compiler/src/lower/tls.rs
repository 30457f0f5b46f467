//! Which certificate a host gets, and which hosts have TLS at all.

use gatewright_diagnostics::code;
use gatewright_ir::{Certificate, HostPattern, SecretRef, TlsContext};
use gatewright_kinds::Kind;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::finding::{Finding, Place};
use crate::global::{Credential, ISSUED};
use crate::ingress::AnalyzedIngress;
use crate::manifest::Secret;
use crate::parse;
use crate::world::{Reads, World};

/// Returns the TLS context of a host from its Ingresses, oldest first: the oldest with a matching Secret decides.
pub(super) fn context(
    ingresses: &[&AnalyzedIngress],
    host: &HostPattern,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Option<TlsContext> {
    let mut chosen: Option<(&AnalyzedIngress, Choice<'_>)> = None;
    let opening = ingresses.iter().filter(|i| i.policy.canary.is_none() && i.opens(host));
    for ingress in opening {
        let Some(choice) = choice(ingress, host, world, reads) else { continue };
        match &chosen {
            Some((winner, winning)) if winning.secret != choice.secret => {
                let message = format!("host `{host}` already has the certificate of {}", winner.key);
                findings.push(
                    Finding::new(&code::GW0302, choice.entry, message)
                        .with_related(winning.entry.clone(), "this one is served")
                        .with_note(format!("decided by {}", ingress.age.decided_by(&winner.age))),
                );
            }
            Some(_) => {}
            None => chosen = Some((ingress, choice)),
        }
    }
    let (ingress, Choice { secret, place, by_domain, .. }) = chosen?;
    if let Some(credential) = by_domain {
        let message =
            format!("ConfigMap `higress-https` gives host `{host}` the certificate of Secret `{secret}`");
        findings.push(
            Finding::new(&code::GW0463, place.clone(), message)
                .with_related(credential.place.clone(), "chosen here, by domain"),
        );
    }
    let certificate = match world.secret(&secret.namespace, &secret.name, reads) {
        // What is defined twice, and what no Secret can be called, has a finding of its own.
        None if world.is_ambiguous(Kind::Secret, &secret.namespace, &secret.name)
            || !parse::is_secret_name(&secret.name) =>
        {
            Certificate::Missing(secret)
        }
        None => {
            let (finding, certificate) = absent(ingress, host, secret, world, place, by_domain);
            findings.push(finding);
            certificate
        }
        Some(found) => match key_pair(found) {
            Ok(_) => Certificate::Secret(secret),
            Err(_) if found.misread => Certificate::Missing(secret),
            Err(reason) => {
                let message = format!("Secret `{secret}` cannot serve TLS: {reason}");
                findings.push(Finding::new(&code::GW0212, place, message));
                Certificate::Missing(secret)
            }
        },
    };
    Some(TlsContext {
        host: host.clone(),
        certificate,
        min_version: None,
        max_version: None,
        ciphers: Vec::new(),
    })
}

/// A certificate whose Secret is not in the source: it may be known who brings it.
fn absent(
    ingress: &AnalyzedIngress,
    host: &HostPattern,
    secret: SecretRef,
    world: &World<'_>,
    place: Place,
    by_domain: Option<&Credential>,
) -> (Finding, Certificate) {
    let issued = by_domain.filter(|credential| credential.issued).map(|_| ISSUED.to_owned());
    let promised = world.promise(&secret.namespace, &secret.name).map(str::to_owned);
    let by_annotation = || {
        let key = ingress.certificates_by.filter(|_| by_domain.is_none())?;
        Some(format!("cert-manager makes it, as the annotation `{key}` asks"))
    };
    let Some(why) = promised.or(issued).or_else(by_annotation) else {
        let message = format!("Secret `{secret}` is not in the source, so TLS handshakes for `{host}` fail");
        return (Finding::new(&code::GW0204, place, message), Certificate::Missing(secret));
    };
    let message =
        format!("Secret `{secret}` cannot be read here ({why}), so TLS handshakes for `{host}` fail here");
    let finding = Finding::new(&code::GW0204, place, message)
        .with_note("a gateway with the Secret of a cluster serves it");
    (finding, Certificate::External { secret, why })
}

/// The certificate that an Ingress gives a host.
struct Choice<'w> {
    secret: SecretRef,
    /// The entry of `spec.tls`, or all of it.
    entry: Place,
    /// What names the Secret, in the Ingress.
    place: Place,
    /// The entry of `higress-https` that names it instead.
    by_domain: Option<&'w Credential>,
}

/// The first entry that names the host exactly decides; a wildcard entry covers only the same wildcard. Without one, or
/// where it names no Secret, `higress-https` does, if the Ingress has `tls` at all.
fn choice<'w>(
    ingress: &AnalyzedIngress,
    host: &HostPattern,
    world: &World<'w>,
    reads: &mut Reads,
) -> Option<Choice<'w>> {
    if ingress.tls.is_empty() {
        return None;
    }
    let entry = ingress.tls_entry_of(&host.to_string());
    let pointer = entry.map_or("/spec/tls", |entry| entry.pointer.as_str());
    let place = |pointer: &str| Place::value(&ingress.key, pointer);
    if let Some(name) = entry.and_then(|entry| entry.secret.clone()) {
        let secret = SecretRef { namespace: ingress.key.namespace.to_string(), name };
        let own = Choice {
            entry: place(pointer),
            place: place(&format!("{pointer}/secretName")),
            by_domain: None,
            secret,
        };
        let there = world.secret(&own.secret.namespace, &own.secret.name, reads).is_some();
        if there || !world.replaces_missing(reads) {
            return Some(own);
        }
        let Some(credential) = world.credential(host, reads) else { return Some(own) };
        return Some(Choice { secret: credential.secret.clone(), by_domain: Some(credential), ..own });
    }
    let credential = world.credential(host, reads)?;
    let entry = Place::key(&ingress.key, pointer);
    Some(Choice {
        secret: credential.secret.clone(),
        place: entry.clone(),
        entry,
        by_domain: Some(credential),
    })
}

/// Certificate chain and key of a Secret, in PEM.
pub(crate) struct KeyPair<'s> {
    pub(crate) certificates: &'s [u8],
    pub(crate) key: &'s [u8],
}

/// Returns the key pair of a Secret: `tls.crt` and `tls.key`, or `cert` and `key`. The error names no content.
pub(crate) fn key_pair(secret: &Secret) -> Result<KeyPair<'_>, &'static str> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| secret.data.get(*name));
    let certificates = field(["tls.crt", "cert"]).ok_or("it has no `tls.crt`")?;
    let key = field(["tls.key", "key"]).ok_or("it has no `tls.key`")?;
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => {}
        _ => return Err("its certificate is not PEM"),
    }
    PrivateKeyDer::from_pem_slice(key).map_err(|_| "its key is not PEM")?;
    Ok(KeyPair { certificates, key })
}
