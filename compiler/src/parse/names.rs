//! The name formats of the Kubernetes API: what the API server accepts in metadata. Each check returns the broken rule.

/// Longest DNS label.
const LABEL: usize = 63;
/// Longest DNS subdomain.
const SUBDOMAIN: usize = 253;

/// Longest name of a port.
const PORT_NAME: usize = 15;

/// Checks a lower-case DNS label (RFC 1123): names of namespaces.
pub(crate) fn dns_label(text: &str) -> Result<(), &'static str> {
    if text.len() > LABEL {
        return Err("at most 63 characters");
    }
    if is_label(text) {
        Ok(())
    } else {
        Err("lower-case letters, digits and `-`, with a letter or digit at both ends")
    }
}

/// Checks a DNS label by the older RFC 1035, which starts with a letter: names of Services.
pub(crate) fn service_name(text: &str) -> Result<(), &'static str> {
    dns_label(text)?;
    if text.starts_with(|first: char| first.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err("a lower-case letter at the start")
    }
}

/// Checks the start of a generated name; the API server puts letters and digits behind it.
pub(crate) fn prefix(text: &str, rule: fn(&str) -> Result<(), &'static str>) -> Result<(), &'static str> {
    match text.strip_suffix('-').filter(|start| !start.is_empty()) {
        // As the API server does, whatever stands before the hyphen.
        Some(start) => rule(&(start.chars().take(start.chars().count() - 1).collect::<String>() + "a")),
        None => rule(text),
    }
}

/// Checks a lower-case DNS subdomain (RFC 1123): names of most objects, and prefixes of labels.
pub(crate) fn dns_subdomain(text: &str) -> Result<(), &'static str> {
    if text.len() > SUBDOMAIN {
        return Err("at most 253 characters");
    }
    if text.split('.').all(is_label) {
        Ok(())
    } else {
        Err("lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part")
    }
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

/// Checks a label key: an optional DNS subdomain and `/`, then a name.
pub(crate) fn qualified_name(text: &str) -> Result<(), &'static str> {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            dns_subdomain(prefix).map_err(|_| "a DNS name in lower case before the `/`")?;
            name
        }
        None => text,
    };
    if name.len() > LABEL {
        return Err("at most 63 characters in the name behind the `/`");
    }
    if is_name_part(name) {
        Ok(())
    } else {
        Err("letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, and at most one `/`")
    }
}

/// Checks an annotation key: a label key in which case does not matter.
pub(crate) fn annotation_key(text: &str) -> Result<(), &'static str> {
    qualified_name(&text.to_ascii_lowercase())
}

/// Checks the value of a label.
pub(crate) fn label_value(text: &str) -> Result<(), &'static str> {
    if text.len() > LABEL {
        return Err("at most 63 characters");
    }
    if text.is_empty() || is_name_part(text) {
        Ok(())
    } else {
        Err("letters, digits, `-`, `_` and `.`, with a letter or digit at both ends")
    }
}

/// Checks a host of an Ingress that is neither empty nor an address: a DNS name, or `*.` before one.
pub(crate) fn host(text: &str) -> Result<(), &'static str> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("has upper-case letters, which Kubernetes refuses");
    }
    if name.contains(':') {
        return Err("must not have a port");
    }
    if name.contains('*') {
        return Err("may have a wildcard only as its first label, before a name");
    }
    if text.len() > SUBDOMAIN || !name.split('.').all(is_label) {
        return Err("is not a DNS name");
    }
    Ok(())
}

/// Checks a name of a port as IANA has them.
pub(crate) fn port_name(text: &str) -> Result<(), &'static str> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.len() > PORT_NAME {
        return Err("at most 15 characters");
    }
    if text.is_empty() || !text.bytes().all(known) {
        return Err("lower-case letters, digits and `-`");
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err("at least one letter");
    }
    if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        return Err("single hyphens, and none at either end");
    }
    Ok(())
}

/// Checks a key of a ConfigMap or Secret.
pub(crate) fn data_key(text: &str) -> Result<(), &'static str> {
    if text.len() > SUBDOMAIN {
        return Err("at most 253 characters");
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(known) {
        return Err("letters, digits, `-`, `_` and `.`");
    }
    if text == "." || text.starts_with("..") {
        return Err("a name that is not `.` and does not start with `..`");
    }
    Ok(())
}

/// Checks a kind or name that another object is referred to by: one segment of a URL's path.
pub(crate) fn path_segment(text: &str) -> Result<(), &'static str> {
    if matches!(text, "." | "..") || text.contains(['/', '%']) {
        return Err("a name without `/` and `%` that is not `.` or `..`");
    }
    Ok(())
}

/// Checks a name like `example.com/path`.
pub(crate) fn domain_path(text: &str) -> Result<(), &'static str> {
    let Some((domain, path)) = text.split_once('/').filter(|(_, path)| !path.is_empty()) else {
        return Err("a DNS name, a `/` and a path");
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    dns_subdomain(domain).map_err(|_| "a DNS name in lower case before the `/`")?;
    if path.bytes().all(known) { Ok(()) } else { Err("characters of a URL's path behind the `/`") }
}

/// Checks a name that a DNS server can be asked for: of two parts or more, with or without a dot at its end.
pub(crate) fn dotted_name(text: &str) -> Result<(), &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    dns_subdomain(name)?;
    if !name.contains('.') {
        return Err("a name of two parts or more");
    }
    name.split('.').try_for_each(dns_label)
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&str) -> Result<(), &'static str>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Ok(()), "{text:?} is accepted");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?} is refused");
        }
    }

    #[test]
    fn labels_and_subdomains() {
        let (label, subdomain) = ("a".repeat(63), "a.".repeat(126) + "a");
        check(
            dns_label,
            &["web", "1a", "a-b", &label],
            &["", "Web", "a.b", "-a", "a-", "a_b", &"a".repeat(64)],
        );
        check(
            dns_subdomain,
            &["web", "a.b-c.d", &subdomain],
            &["", "a..b", ".a", "a.", "A.b", &"a".repeat(254)],
        );
    }

    #[test]
    fn hosts_follow_the_api_server() {
        check(
            host,
            &["a.com", "*.a.com", "a", "x-1.y", "*.1.2.3.4", &"a".repeat(64)],
            &["A.com", "a.com:80", "*a.com", "a.*.com", "-a.com", "a..b", "*.", "*", "*.*.a", "a_b.c", "a."],
        );
    }

    #[test]
    fn names_of_ports_services_and_references() {
        check(
            port_name,
            &["http", "h2-c", "1a"],
            &["", "80", "Http", "a--b", "-a", "a-", "a_b", "sixteen-letters-"],
        );
        check(service_name, &["web", "a-1"], &["1a", "a.b", "", "A", "a-"]);
        check(|text| prefix(text, dns_subdomain), &["a-", "web", "a.b-"], &["-", "AB-", "a_b-"]);
        check(path_segment, &["Kind", "a b"], &[".", "..", "a/b", "a%"]);
        check(domain_path, &["higress.io/c", "a/b/c"], &["", "a", "/b", "a/", "A/b", "a/b c"]);
        check(dotted_name, &["a.b", "a.b."], &["a", "a.", "A.b", "", &format!("{}.b", "a".repeat(64))]);
        check(data_key, &["tls.crt", ".a", "A_b-1"], &["", ".", "..", "..a", "a b", "a/b", &"a".repeat(254)]);
    }

    #[test]
    fn keys_and_values() {
        check(
            qualified_name,
            &["app", "App_1.x", "higress.io/x"],
            &["", "/x", "a/", "a/b/c", "Up.io/x", "x y"],
        );
        check(annotation_key, &["Up.io/Rewrite-Target", "app"], &["a b", "x/y/z", "-a"]);
        check(label_value, &["", "v1.2_3", "A"], &["-a", "a b", "a/b", &"a".repeat(64)]);
    }
}
