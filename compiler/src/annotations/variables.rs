//! Variables of nginx in values that Higress takes as they stand.

use std::collections::BTreeSet;

use gatewright_diagnostics::code;

use super::reader::{HIGRESS, Reader};
use crate::finding::{Finding, Place};

/// Values that are sent to clients or upstreams, and what a dollar sign means in them.
const VALUES: [&str; 6] = [
    "app-root",
    "permanent-redirect",
    "rewrite-path",
    "rewrite-target",
    "temporal-redirect",
    "upstream-vhost",
];

const HEADERS: [&str; 4] = [
    "request-header-control-add",
    "request-header-control-update",
    "response-header-control-add",
    "response-header-control-update",
];

/// Beginnings of the names of nginx' variables.
const NGINX_VARIABLES: [&str; 30] = [
    "arg_",
    "args",
    "best_http_host",
    "binary_remote_addr",
    "body_bytes_sent",
    "content_",
    "cookie_",
    "document_",
    "host",
    "http_",
    "https",
    "is_args",
    "msec",
    "namespace",
    "pass_access_scheme",
    "proxy_",
    "query_string",
    "realip_",
    "remote_",
    "req_id",
    "request",
    "scheme",
    "sent_http_",
    "server_",
    "service_",
    "ssl_",
    "the_real_ip",
    "time_",
    "upstream_",
    "uri",
];

/// Reports every variable in a value that stays as it is written.
pub(super) fn check(reader: &mut Reader<'_>) {
    for suffix in VALUES {
        let Some(key) = reader.present(suffix) else { continue };
        let Some(value) = reader.annotations().get(&key) else { continue };
        if suffix == "rewrite-target" && cut_off(reader, &key, value) {
            continue;
        }
        for name in variables(value) {
            report(reader, &key, &name, help(suffix, &name));
        }
        if suffix == "rewrite-path" && value.contains('\\') {
            let place = Place::annotation_value(reader.entity, &key);
            let message = "`\\` in `rewrite-path` names a group where a prefix is replaced, and stands in the path elsewhere";
            let finding = Finding::new(&code::GW0453, place, message)
                .with_note("`\\1` is what follows the prefix; at a group that is not there Envoy leaves out the rest")
                .with_help("write `/` to separate segments; what follows a prefix is kept without a group");
            reader.findings.push(finding);
        }
        if suffix == "rewrite-path" && has_group(value) {
            let place = Place::annotation_value(reader.entity, &key);
            let message =
                "`rewrite-path` has no groups: a `$` and a digit stand in the path as they are written";
            let finding = Finding::new(&code::GW0453, place, message)
                .with_help("use `rewrite-target`, which has groups of a regular expression");
            reader.findings.push(finding);
        }
    }
    for suffix in HEADERS {
        let key = format!("{HIGRESS}{suffix}");
        let Some(value) = reader.annotations().get(&key) else { continue };
        let known = |name: &String| {
            NGINX_VARIABLES.iter().any(|known| name.trim_start_matches('$').starts_with(known))
        };
        for name in variables(value).into_iter().filter(known) {
            report(reader, &key, &name, None);
        }
    }
}

/// Reports a rewrite that ends at what is no group. Beside a group Higress turns every dollar sign into a backslash.
fn cut_off(reader: &mut Reader<'_>, key: &str, value: &str) -> bool {
    let substitution = super::path::groups(value);
    let mut rest = substitution.chars();
    while let Some(c) = rest.next() {
        if c != '\\' || matches!(rest.next(), Some('\\' | '0'..='9')) {
            continue;
        }
        let place = Place::annotation_value(reader.entity, key);
        let message = format!("the rewrite of `{key}` ends at a `$` or `\\` that names no group");
        let finding = Finding::new(&code::GW0453, place, message)
            .with_note("Higress makes groups of all `$` beside `$1`, and Envoy leaves out what stands behind a wrong one")
            .with_help("name groups of the path, `$1` to `$9`, and nothing else with `$`");
        reader.findings.push(finding);
        return true;
    }
    false
}

fn report(reader: &mut Reader<'_>, key: &str, name: &str, help: Option<String>) {
    let place = Place::annotation_value(reader.entity, key);
    let message = format!("`{name}` in `{key}` is a variable of nginx: here it stays as it is written");
    let finding = Finding::new(&code::GW0454, place, message);
    reader.findings.push(Finding { help, ..finding });
}

/// What to write instead, where there is something.
fn help(suffix: &str, name: &str) -> Option<String> {
    let path = ["$request_uri", "$uri", "$document_uri"].contains(&name);
    let host = ["$host", "$http_host", "$best_http_host"].contains(&name);
    match suffix {
        "permanent-redirect" | "temporal-redirect" if path => {
            Some("leave the path out: the path and the query of the request are kept then".to_owned())
        }
        "upstream-vhost" if host => Some("remove the annotation: the client's host is kept then".to_owned()),
        "rewrite-target" if path => Some("write a group, such as `/$1` with the path `/(.*)`".to_owned()),
        _ => None,
    }
}

/// Returns the variables of a text, each once: `$name` or `${name}`, small letters. Higress' own `${secret.…}` is none.
fn variables(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        let braced = rest.strip_prefix('{');
        let name = braced.unwrap_or(rest);
        let end = name.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = name.split_at(end.unwrap_or(name.len()));
        let closed = braced.is_none() || after.starts_with('}');
        if closed && name.starts_with(|c: char| c.is_ascii_lowercase()) && seen.insert(name) {
            found.push(format!("${name}"));
        }
    }
    found
}

fn has_group(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn variables_are_small_letters_behind_a_dollar_sign() {
        assert_eq!(variables("https://new.example.com$request_uri"), ["$request_uri"]);
        assert_eq!(variables("/x/${uri}/$1/$args$args"), ["$uri", "$args"]);
        assert_eq!(variables("${secret.ns/name.key} $5 $USD 100$"), Vec::<String>::new());
    }
}
