//! Annotations that Higress does not read: of other controllers, misspelt, or under a prefix that nobody has.

use gatewright_diagnostics::{Code, code};
use gatewright_kinds::FORCE_CONFLICTS;

use super::foreign::{self, Foreign, Role};
use super::known;
use super::matching;
use super::reader::{HIGRESS, NGINX, Reader};
use super::words;
use crate::finding::{Finding, Place};
use crate::options::Profile;
use crate::order::ORDER_ANNOTATION;

/// A prefix under which the console keeps what is switched off.
const SWITCHED_OFF: &str = "disabled.higress.io/";
/// Our own prefix.
const OWN: &str = "gatewright.io/";

/// Reports every key that Higress does not read, and returns those that ask for a protection which nothing gives. On a
/// canary such a key is reported where its base is known.
pub(super) fn check(reader: &mut Reader<'_>, profile: Profile, canary: bool) -> Vec<String> {
    let mut asking = Vec::new();
    let annotations = reader.annotations();
    for (key, value) in annotations.iter() {
        let ours = [ORDER_ANNOTATION, FORCE_CONFLICTS].contains(&key) || key.starts_with(SWITCHED_OFF);
        if ours || known::lookup(key).is_some() || matching::is_match_key(key) {
            continue;
        }
        let Some(unread) = classify(key, value) else { continue };
        let asks = unread.asks && !settled(key, reader);
        let place = Place::annotation(reader.entity, key);
        if asks {
            asking.push(key.to_owned());
        }
        let finding =
            if asks && !canary { unprotected(place, &unread, profile) } else { unread.finding(place) };
        reader.findings.push(finding);
    }
    asking
}

/// Returns the finding for a protection that is asked for and not given.
fn unprotected(place: Place, unread: &Unread, profile: Profile) -> Finding {
    let (code, note) = lost(profile);
    let message = format!("`{}` asks for a protection that nothing gives: {}", unread.key, unread.why);
    Finding { help: unread.help.clone(), ..Finding::new(code, place, message).with_note(note) }
}

/// Returns the code for a protection that nothing gives, and what becomes of its routes.
pub(crate) fn lost(profile: Profile) -> (&'static Code, &'static str) {
    match profile {
        Profile::Native => (&code::GW0441, "served without it the routes would be open, so they answer 503"),
        Profile::Higress => (&code::GW0442, "Higress serves the routes without it: they are open"),
    }
}

/// What is known of one key.
struct Unread {
    code: &'static Code,
    key: String,
    /// Why it has no effect, as a clause.
    why: String,
    help: Option<String>,
    /// Whether it asks for a protection.
    asks: bool,
}

impl Unread {
    fn finding(&self, place: Place) -> Finding {
        let message = format!("`{}` has no effect: {}", self.key, self.why);
        Finding { help: self.help.clone(), ..Finding::new(self.code, place, message) }
    }
}

fn classify(key: &str, value: &str) -> Option<Unread> {
    if let Some(foreign) = foreign::lookup(key) {
        return of_another(key, value, &foreign);
    }
    let own = [NGINX, HIGRESS, OWN].into_iter().find_map(|prefix| Some((prefix, key.strip_prefix(prefix)?)));
    match own {
        Some((prefix, suffix)) => Some(of_nobody(key, value, prefix, suffix)),
        None => wrong_prefix(key, value),
    }
}

fn of_another(key: &str, value: &str, foreign: &Foreign) -> Option<Unread> {
    if foreign.role == Role::Beside {
        return None;
    }
    let (code, why) = match foreign.reader {
        Some(reader) => (&code::GW0440, format!("it is a key of {reader}, which Higress does not read")),
        None if key.starts_with(HIGRESS) => (
            &code::GW0401,
            "only ingress-nginx has a key of this name, which Higress does not read".to_owned(),
        ),
        None => (&code::GW0401, "Higress reads this key under `higress.io/` alone".to_owned()),
    };
    let help = match foreign.instead.as_str() {
        "" => "Higress has no equivalent".to_owned(),
        instead => format!("the nearest equivalent is {instead}"),
    };
    let asks = foreign::asks_for_protection(foreign.role, value);
    Some(Unread { code, key: key.to_owned(), why, help: Some(help), asks })
}

fn of_nobody(key: &str, value: &str, prefix: &str, suffix: &str) -> Unread {
    let meant = words::misspelt(suffix);
    let protects = words::protect(suffix)
        || words::misspelt_protection(suffix).is_some()
        || meant
            .and_then(|meant| known::lookup(&format!("{HIGRESS}{meant}")))
            .is_some_and(|known| known.protects());
    let help = meant.map(|meant| {
        let spelt = format!("{prefix}{meant}");
        let spelt = if known::lookup(&spelt).is_some() { spelt } else { format!("{HIGRESS}{meant}") };
        format!("did you mean `{spelt}`?")
    });
    Unread {
        code: &code::GW0401,
        key: key.to_owned(),
        why: "no known controller reads an annotation of this name".to_owned(),
        help,
        asks: protects && !words::switched_off(value),
    }
}

/// Looks at keys whose prefix nobody has, and which would mean something under one that Higress reads.
fn wrong_prefix(key: &str, value: &str) -> Option<Unread> {
    let (prefix, suffix) = key.split_once('/').unwrap_or(("", key));
    let meant = if near(prefix, HIGRESS) || (prefix.contains("higress") && !prefix.contains("nginx")) {
        HIGRESS
    } else {
        NGINX
    };
    let spelt = [meant, HIGRESS].map(|prefix| format!("{prefix}{}", suffix.to_ascii_lowercase()));
    let known = spelt.iter().find_map(|spelt| Some((spelt, known::lookup(spelt)?)));
    let foreign = foreign::lookup(&spelt[0]).filter(|found| found.role != Role::Beside);
    let close = near(prefix, HIGRESS) || near(prefix, NGINX);
    let about = close || prefix.is_empty() || prefix.contains("higress") || prefix.contains("nginx");
    if !about || (known.is_none() && foreign.is_none() && !close) {
        return None;
    }
    let role = match (&known, &foreign) {
        (Some((_, known)), _) if known.protects() => Role::Protects,
        (Some(_), _) => Role::Setting,
        (None, Some(foreign)) => foreign.role,
        (None, None) if words::protect(suffix) => Role::Protects,
        (None, None) => Role::Setting,
    };
    let why = if prefix.is_empty() {
        "Higress reads annotations with a prefix only".to_owned()
    } else {
        format!("Higress reads no annotations with the prefix `{prefix}/`")
    };
    let help = match &known {
        Some((spelt, _)) => format!("write `{spelt}`"),
        None => format!("Higress reads the prefixes `{HIGRESS}` and `{NGINX}`"),
    };
    let asks = foreign::asks_for_protection(role, value);
    Some(Unread { code: &code::GW0446, key: key.to_owned(), why, help: Some(help), asks })
}

/// Returns whether a prefix without slash is a misspelling of a known one.
fn near(prefix: &str, known: &str) -> bool {
    let known = known.trim_end_matches('/');
    let longest = if known.len() < 12 { 2 } else { 3 };
    prefix.len().abs_diff(known.len()) <= longest
        && words::edits(&prefix.to_ascii_lowercase(), known) <= longest
}

/// Returns whether another annotation already speaks of the same protection.
fn settled(key: &str, reader: &Reader<'_>) -> bool {
    let Some((prefix, suffix)) = key.split_once('/') else { return false };
    let beside = |other: &str| reader.annotations().contains_key(&format!("{prefix}/{other}"));
    match suffix {
        "auth-tls-verify-client" | "auth-tls-verify-depth" => {
            reader.present("auth-tls-secret").is_some() || beside("auth-tls-secret")
        }
        "auth-signin" | "auth-snippet" | "enable-global-auth" => beside("auth-url"),
        "enable-owasp-core-rules" | "modsecurity-snippet" => beside("enable-modsecurity"),
        "limit-whitelist" | "limit-allowlist" => {
            beside("limit-rps") || beside("limit-rpm") || beside("limit-connections")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_told_from_their_misspellings() {
        for key in [
            "ngnix.ingress.kubernetes.io/rewrite-target",
            "nginx.ingres.kubernetes.io/anything",
            "Nginx.Ingress.kubernetes.io/use-regex",
            "higres.io/timeout",
            "higress.ingress.kubernetes.io/timeout",
            "nginx.kubernetes.io/app-root",
            "rewrite-target",
        ] {
            assert_eq!(classify(key, "x").unwrap().code.id, "GW0446", "{key}");
        }
        for key in
            ["example.com/timeout", "kubernetes.io/ingress.class", "higressive.example.com/owner", "team"]
        {
            assert!(classify(key, "x").is_none(), "{key}");
        }
    }

    #[test]
    fn what_protects_is_told_from_what_does_not() {
        for (key, value, asks) in [
            ("nginx.ingress.kubernetes.io/auth-url", "https://auth.example.com", true),
            ("nginx.ingress.kubernetes.io/enable-modsecurity", "false", false),
            ("nginx.ingress.kubernetes.io/limit-rps", "0", false),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "1m", false),
            ("higress.io/auth-jwt-issuer", "x", true),
            ("higress.io/whitelist-source-rang", "10.0.0.0/8", true),
            ("nginx.ingress.kubernetes.io/denylist-source-rnage", "10.0.0.0/8", true),
            ("mse.ingress.kubernetes.io/whitelist-source-range", "10.0.0.0/8", true),
            ("traefik.ingress.kubernetes.io/router.middlewares", "auth@file", true),
            ("traefik.ingress.kubernetes.io/router.middlewares", "strip@file", false),
            ("higress.ingress.kubernetes.io/whitelist-source-range", "10.0.0.0/8", true),
            ("nginx.ingress.kubernetes.io/route-limit-rps", "5", true),
        ] {
            assert_eq!(classify(key, value).unwrap().asks, asks, "{key}: {value}");
        }
    }
}
