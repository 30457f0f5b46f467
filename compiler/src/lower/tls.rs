//! Which certificate a host gets, and which hosts have TLS at all.

use gatewright_diagnostics::code;
use gatewright_ir::{Certificate, HostPattern, SecretRef, TlsContext};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::finding::{Finding, Place};
use crate::ingress::{AnalyzedIngress, TlsEntry};
use crate::manifest::{Kind, Secret};
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
    let mut chosen: Option<(&AnalyzedIngress, &TlsEntry, SecretRef)> = None;
    let opening = ingresses.iter().filter(|i| i.policy.canary.is_none() && i.opens(host));
    for ingress in opening {
        let Some((entry, secret)) = matching_secret(ingress, host) else { continue };
        match &chosen {
            Some((winner, winning, used)) if *used != secret => {
                let message = format!("host `{host}` already has the certificate of {}", winner.key);
                findings.push(
                    Finding::new(&code::GW0302, Place::value(&ingress.key, entry.pointer.clone()), message)
                        .with_related(
                            Place::value(&winner.key, winning.pointer.clone()),
                            "this one is served",
                        )
                        .with_note(format!("decided by {}", ingress.age.decided_by(&winner.age))),
                );
            }
            Some(_) => {}
            None => chosen = Some((ingress, entry, secret)),
        }
    }
    let (ingress, entry, secret) = chosen?;
    let place = Place::value(&ingress.key, format!("{}/secretName", entry.pointer));
    let certificate = match world.secret(&secret.namespace, &secret.name, reads) {
        // What is defined twice, and what no Secret can be called, has a finding of its own.
        None if world.is_ambiguous(Kind::Secret, &secret.namespace, &secret.name)
            || !parse::is_secret_name(&secret.name) =>
        {
            Certificate::Missing(secret)
        }
        None => {
            let (finding, certificate) = absent(ingress, host, secret, world, place);
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
) -> (Finding, Certificate) {
    let promised = world.promise(&secret.namespace, &secret.name).map(str::to_owned);
    let by_annotation = || {
        let key = ingress.certificates_by.as_ref()?;
        Some(format!("cert-manager makes it, as the annotation `{key}` asks"))
    };
    let Some(why) = promised.or_else(by_annotation) else {
        let message = format!("Secret `{secret}` is not in the source, so TLS handshakes for `{host}` fail");
        return (Finding::new(&code::GW0204, place, message), Certificate::Missing(secret));
    };
    let message =
        format!("Secret `{secret}` cannot be read here ({why}), so TLS handshakes for `{host}` fail here");
    let finding = Finding::new(&code::GW0204, place, message)
        .with_note("a gateway with the Secret of a cluster serves it");
    (finding, Certificate::External { secret, why })
}

/// The first entry that names the host exactly; a wildcard entry covers only the same wildcard.
fn matching_secret<'i>(
    ingress: &'i AnalyzedIngress,
    host: &HostPattern,
) -> Option<(&'i TlsEntry, SecretRef)> {
    let text = host.to_string();
    let entry = ingress.tls.iter().find(|entry| entry.hosts.contains(&text))?;
    let name = entry.secret.clone()?;
    Some((entry, SecretRef { namespace: ingress.key.namespace.to_string(), name }))
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
