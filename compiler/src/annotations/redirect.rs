//! The redirect family.

use gatewright_diagnostics::code;
use gatewright_ir::Redirect;

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::{Found, Reader};
use crate::finding::{Finding, Place};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row("app-root", true, Implemented, true, "redirects `/` of the host"),
    row("temporal-redirect", true, Implemented, true, "redirects with 302"),
    row("permanent-redirect", true, Implemented, true, "redirects with 301 or `permanent-redirect-code`"),
    row("permanent-redirect-code", true, Implemented, true, "code of `permanent-redirect`"),
    row("ssl-redirect", true, Implemented, true, "redirects clear-text requests to HTTPS with 308"),
    row("force-ssl-redirect", true, Implemented, true, "redirects clear-text requests to HTTPS with 308"),
];

/// What the family says of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RedirectPolicy {
    /// `temporal-redirect` or `permanent-redirect`; on both listeners.
    pub(crate) url: Option<Redirect>,
    /// `ssl-redirect`; on the plain listener.
    pub(crate) https: Option<String>,
    /// `app-root` with its key.
    pub(crate) app_root: Option<Found<String>>,
}

impl RedirectPolicy {
    /// Returns the redirect to HTTPS.
    pub(crate) fn to_https() -> Redirect {
        Redirect { code: 308, scheme: Some("https".to_owned()), host: None, port: None, path: None }
    }
}

/// Codes for which Envoy has a redirect.
const CODES: [i64; 5] = [301, 302, 303, 307, 308];

/// Reads the family.
pub(crate) fn read(reader: &mut Reader<'_>) -> RedirectPolicy {
    let https = ["ssl-redirect", "force-ssl-redirect"]
        .iter()
        .filter_map(|suffix| reader.boolean(suffix))
        .find(|found| found.value)
        .map(|found| found.key);
    let app_root = reader.string("app-root");
    if let Some(root) = &app_root {
        check_app_root(reader, root);
    }
    let url = url_redirect(reader);
    if let (Some((_, winner)), Some(loser)) = (&url, &https) {
        reader.loses(loser, winner);
    }
    RedirectPolicy { url: url.map(|(redirect, _)| redirect), https, app_root }
}

/// A root is sent as it stands behind the host of the request.
fn check_app_root(reader: &mut Reader<'_>, root: &Found<String>) {
    let place = Place::annotation_value(reader.entity, &root.key);
    let finding = if root.value == "/" {
        let message = format!("`{}` redirects `/` to itself, for ever", root.key);
        Finding::new(&code::GW0452, place, message).with_help("name the path that `/` leads to")
    } else if !root.value.starts_with('/') {
        let message =
            format!("`{}` gives a path without a slash, which clients take for a part of the host", root.key);
        Finding::new(&code::GW0470, place, message).with_help("write `/` at the beginning of the value")
    } else {
        return;
    };
    reader.findings.push(finding);
}

/// Reads the two URL redirects. A blank temporal redirect hides the permanent one, as in Higress.
fn url_redirect(reader: &mut Reader<'_>) -> Option<(Redirect, String)> {
    let temporal_key = reader.present("temporal-redirect");
    let temporal = reader.string("temporal-redirect");
    if let Some(found) = &temporal
        && let Some(redirect) = target(reader, found, 302)
    {
        if let Some(loser) = reader.present("permanent-redirect") {
            reader.loses(&loser, &found.key);
        }
        return Some((redirect, found.key.clone()));
    }
    if temporal_key.is_some() && temporal.is_none() {
        return None;
    }
    let permanent = reader.string("permanent-redirect")?;
    let code = permanent_code(reader)?;
    target(reader, &permanent, code).map(|redirect| (redirect, permanent.key))
}

/// Returns the code of the permanent redirect; none where Envoy has no such redirect.
fn permanent_code(reader: &mut Reader<'_>) -> Option<u16> {
    let Some(found) = reader.integer("permanent-redirect-code") else { return Some(301) };
    if !(300..=308).contains(&found.value) {
        reader.invalid(
            &found.key,
            format!("redirect code {} is not between 300 and 308; 301 is used", found.value),
        );
        return Some(301);
    }
    if !CODES.contains(&found.value) {
        let place = Place::annotation_value(reader.entity, &found.key);
        let finding =
            Finding::new(&code::GW0412, place, format!("Envoy cannot redirect with code {}", found.value))
                .with_help("use 301, 302, 303, 307 or 308");
        reader.findings.push(finding);
        return None;
    }
    u16::try_from(found.value).ok()
}

/// Reads the target URL: scheme, host, port and path count; query and fragment are dropped.
fn target(reader: &mut Reader<'_>, found: &Found<String>, code: u16) -> Option<Redirect> {
    let Some(redirect) = parse_url(&found.value, code) else {
        let shown = gatewright_secrets::address(&found.value);
        reader.invalid(&found.key, format!("`{shown}` is not an http or https URL"));
        return None;
    };
    if found.value.contains(['?', '#']) {
        reader.invalid(&found.key, "query and fragment of the redirect's target are dropped");
    }
    Some(redirect)
}

fn parse_url(url: &str, code: u16) -> Option<Redirect> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !scheme.starts_with("http") {
        return None;
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(slash) => (&rest[..slash], Some(rest[slash..].to_owned())),
        None => (rest, None),
    };
    if url.contains(char::is_whitespace) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    Some(Redirect {
        code,
        scheme: Some(scheme),
        host: (!host.is_empty()).then(|| host.to_owned()),
        port,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_port_and_path_count() {
        let redirect = parse_url("https://bar.com:8443/x?y=1#z", 302).unwrap();
        assert_eq!(redirect.host.as_deref(), Some("bar.com"));
        assert_eq!(redirect.port, Some(8443));
        assert_eq!(redirect.path.as_deref(), Some("/x"));
        assert_eq!(parse_url("http://bar.com", 301).unwrap().path, None);
        assert!(parse_url("ftp://bar.com", 301).is_none());
        assert!(parse_url("/only/path", 301).is_none());
    }
}
