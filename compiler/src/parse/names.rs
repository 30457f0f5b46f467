//! The name formats of the Kubernetes API: what the API server accepts in metadata. Each check returns the broken rule.

/// Longest DNS label.
const LABEL: usize = 63;
/// Longest DNS subdomain.
const SUBDOMAIN: usize = 253;

/// Checks a lower-case DNS label (RFC 1123): names of namespaces and Services.
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
