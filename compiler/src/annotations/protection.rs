//! Annotations that protect routes. None of them is implemented yet: what they cover answers 503, never open.

use std::net::IpAddr;

use gatewright_diagnostics::{Code, code};
use gatewright_ir::Refusal;

use super::known;
use super::known::Support::Protection;
use super::known::{KnownAnnotation, row};
use super::reader::Reader;
use crate::finding::{Finding, Place};
use crate::options::Profile;

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row("whitelist-source-range", true, Protection, true, "source addresses that may use the routes"),
    row("auth-tls-secret", true, Protection, true, "asks clients for certificates"),
    row("route-limit-rpm", false, Protection, true, "requests a minute"),
    row("route-limit-rps", false, Protection, true, "requests a second"),
    row("route-limit-burst-multiplier", false, Protection, true, "burst of the rate limit"),
    row("auth-type", true, Protection, false, "basic authentication, removed from Higress 2"),
    row("auth-secret", true, Protection, false, "credentials of `auth-type`"),
    row("auth-realm", true, Protection, false, "realm of `auth-type`"),
    row("auth-secret-type", true, Protection, false, "form of `auth-secret`"),
];

/// The refusals that an Ingress' protections ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Protections {
    /// On both listeners.
    pub(crate) everywhere: Option<Refusal>,
    /// On the TLS listener only: client certificates are a matter of TLS.
    pub(crate) tls_only: Option<Refusal>,
    /// Annotations that ask for a protection which nothing gives, where the routes are served nevertheless. On a canary,
    /// whose protections are those of its base: every annotation that asks for one.
    pub(crate) not_given: Vec<String>,
    /// Annotations that ask for a protection of routes, whoever gives it.
    pub(crate) asking: Vec<String>,
}

/// Reads the protections. `asked` are annotations that ask for one and that Higress does not read.
pub(super) fn read(reader: &mut Reader<'_>, asked: Vec<String>, profile: Profile) -> Protections {
    let mut asking = asked.clone();
    asking.extend(of_higress(reader).filter(|key| !key.ends_with("/auth-tls-secret")));
    let own = [whitelist(reader), rate_limit(reader), basic_auth(reader)].into_iter().flatten().next();
    let refuse = !asked.is_empty() && profile == Profile::Native;
    Protections {
        everywhere: own.or_else(|| refuse.then(not_given)),
        tls_only: client_certificates(reader),
        not_given: if refuse { Vec::new() } else { asked },
        asking,
    }
}

/// Returns the annotations of Higress that ask for a protection.
fn of_higress(reader: &Reader<'_>) -> impl Iterator<Item = String> {
    let known = |key: &&str| known::lookup(key).is_some_and(KnownAnnotation::protects);
    reader.annotations().keys().filter(known).map(str::to_owned)
}

/// Reads what a canary asks for. It takes its protections from its base route, as Higress copies them.
pub(super) fn of_canary(reader: &Reader<'_>, mut asked: Vec<String>) -> Protections {
    asked.extend(of_higress(reader));
    Protections { not_given: asked, ..Protections::default() }
}

/// The refusal of routes for which an annotation asks for a protection that nothing gives.
pub(crate) fn not_given() -> Refusal {
    Refusal {
        code: code::GW0441.id.to_owned(),
        reason: "a protection that is asked for is given by nothing".to_owned(),
    }
}

fn refusal(code: &'static Code, reason: &str) -> Option<Refusal> {
    Some(Refusal { code: code.id.to_owned(), reason: reason.to_owned() })
}

fn not_implemented(reader: &mut Reader<'_>, key: &str, what: &str) -> Option<Refusal> {
    let place = Place::annotation(reader.entity, key);
    let finding =
        Finding::new(&code::GW0404, place, format!("{what} is not implemented yet: its routes answer 503"))
            .with_note("serving them without the protection would open them");
    reader.findings.push(finding);
    refusal(&code::GW0404, &format!("{what} is not implemented yet"))
}

fn broken(reader: &mut Reader<'_>, key: &str, message: &str, reason: &str) -> Option<Refusal> {
    let place = Place::annotation_value(reader.entity, key);
    let finding = Finding::new(&code::GW0405, place, message)
        .with_note("Higress serves the routes without any protection; here they answer 503");
    reader.findings.push(finding);
    refusal(&code::GW0405, reason)
}

fn whitelist(reader: &mut Reader<'_>) -> Option<Refusal> {
    const SUFFIX: &str = "whitelist-source-range";
    let key = reader.present(SUFFIX)?;
    let Some(found) = reader.string(SUFFIX) else {
        return broken(
            reader,
            &key,
            "the address list is empty and restricts nothing",
            "the address list is empty",
        );
    };
    let items: Vec<&str> = found.value.split(',').map(str::trim).collect();
    if items.contains(&"*") {
        reader.invalid(&found.key, "`*` in the address list lets every address in");
        return None;
    }
    let bad: Vec<&str> = items.iter().copied().filter(|item| !is_address_range(item)).collect();
    if bad.len() == items.len() {
        let message = "no item of the address list is an address or a range, so it restricts nothing";
        return broken(reader, &found.key, message, "the address list has no valid item");
    }
    for item in bad {
        reader.invalid(&found.key, format!("`{item}` is neither an address nor a range and is dropped"));
    }
    not_implemented(reader, &found.key, "the restriction of source addresses")
}

fn is_address_range(item: &str) -> bool {
    let (address, bits) = match item.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (item, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= longest))
}

fn rate_limit(reader: &mut Reader<'_>) -> Option<Refusal> {
    let keys: Vec<String> =
        ["route-limit-rpm", "route-limit-rps"].iter().filter_map(|suffix| reader.present(suffix)).collect();
    let key = keys.first()?.clone();
    let before = reader.findings.len();
    let limits: Vec<i64> = ["route-limit-rpm", "route-limit-rps"]
        .iter()
        .filter_map(|suffix| reader.higress_integer(suffix))
        .map(|found| found.value)
        .collect();
    match limits.first() {
        Some(limit) if *limit > 0 => not_implemented(reader, &key, "the rate limit"),
        Some(_) => broken(reader, &key, "the rate limit must be above 0", "the rate limit is not above 0"),
        None => {
            // One finding for one mistake: the error below says more than that the value is invalid.
            reader.findings.truncate(before);
            let message = "the rate limit is not a number and limits nothing";
            broken(reader, &key, message, "the rate limit is no number")
        }
    }
}

fn basic_auth(reader: &mut Reader<'_>) -> Option<Refusal> {
    let suffixes = ["auth-type", "auth-secret", "auth-realm", "auth-secret-type"];
    let key = suffixes.into_iter().find_map(|suffix| reader.present(suffix))?;
    let message = "basic authentication by annotation was removed from Higress and protects nothing";
    let refusal = broken(reader, &key, message, "authentication by annotation is not supported");
    if let Some(finding) = reader.findings.last_mut() {
        finding.help = Some("use the basic-auth or key-auth WasmPlugin".to_owned());
    }
    refusal
}

fn client_certificates(reader: &mut Reader<'_>) -> Option<Refusal> {
    let key = reader.present("auth-tls-secret")?;
    not_implemented(reader, &key, "the demand for client certificates")
}

#[cfg(test)]
mod tests {
    use super::is_address_range;

    #[test]
    fn ranges_are_addresses_with_fitting_bits() {
        assert!(is_address_range("10.0.0.0/8") && is_address_range("::1") && is_address_range("fd00::/7"));
        assert!(
            !is_address_range("10.0.0.0/33") && !is_address_range("example.com") && !is_address_range("")
        );
    }
}
