//! Names whose values are secret: fields, annotations, headers, parameters, variables.

/// Pieces that make a name secret wherever they stand in it, without `-`, `_` and `.`.
const PIECES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "sharedkey",
    "hmackey",
    "masterkey",
    "credential",
    "connectionstring",
    "authorization",
];
/// Last words that make a name secret.
const LAST_WORDS: [&str; 7] = ["pass", "pwd", "psk", "bearer", "jwt", "authkey", "htpasswd"];
/// Ends of names that say where a secret is, or how one is handled.
const POINTERS: [&str; 28] = [
    "secretname",
    "secretnames",
    "secretnamespace",
    "secretref",
    "secretrefs",
    "secretkeyref",
    "authsecret",
    "tlssecret",
    "sslsecret",
    "casecret",
    "pullsecret",
    "pullsecrets",
    "secrettype",
    "secretkeyname",
    "secretstoreref",
    "secretstore",
    "serviceaccounttoken",
    "tokenname",
    "tokenheader",
    "tokenurl",
    "tokenttl",
    "tokenexpiry",
    "tokenendpoint",
    "passwordname",
    "credentialname",
    "credentialconfig",
    "credentialconfigs",
    "allowcredentials",
];
/// Further parameters of a query that grant access.
const PARAMETERS: [&str; 8] = ["auth", "code", "key", "ak", "sk", "sig", "signature", "session"];

/// Returns whether the value of a field, annotation, header or variable with this name is secret: `nacosSecretKey`,
/// `redis.password`, `x-api-key`, `DB_PASS`. Names that say where a secret is kept (`secretName`) are not.
pub fn is_secret_name(name: &str) -> bool {
    let own = name.rsplit('/').next().unwrap_or(name);
    let plain = compact(own);
    // The kind, in prose.
    if plain.len() < 3 || matches!(own, "Secret" | "Secrets") {
        return false;
    }
    if PIECES.iter().any(|piece| plain.contains(piece)) {
        return !POINTERS.iter().any(|end| plain.ends_with(end));
    }
    is_cookie(&plain) || LAST_WORDS.contains(&last_word(own).as_str())
}

/// Returns whether a name is one that a header or parameter can have and whose values are secret. Unlike names of
/// fields it has no `_` and no `.`, so that names of hosts and of the model's own fields are none.
pub fn is_secret_header(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && name != "secret" && name != "secrets" && is_secret_name(name)
}

/// Returns whether a parameter of a query is secret.
pub(crate) fn is_secret_parameter(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARAMETERS.contains(&lower.as_str())
        || lower.ends_with("signature")
        || (is_secret_name(name) && lower != "secret_name")
}

/// Returns whether an annotation's lines are `NAME VALUE` of headers.
pub(crate) fn is_header_control(name: &str) -> bool {
    name.contains("header-control-")
}

/// Cookies have names, paths and ages, which are not secret: only the header itself is.
fn is_cookie(plain: &str) -> bool {
    matches!(plain, "cookie" | "setcookie") || plain.ends_with("headercookie")
}

fn compact(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns the last word of `snake_case`, `kebab-case` or `camelCase`, in lower case.
fn last_word(name: &str) -> String {
    let word = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(name);
    let shouted = !word.bytes().any(|byte| byte.is_ascii_lowercase());
    let hump = word.rfind(|c: char| c.is_ascii_uppercase()).filter(|_| !shouted).unwrap_or(0);
    word[hump..].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_values_that_are_secret() {
        for name in [
            "password",
            "nacosAccessKey",
            "nacosSecretKey",
            "consulToken",
            "redis.password",
            "DB_PASS",
            "adminPwd",
            "x-api-key",
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "higress.io/exact-match-header-x-api-key",
            "higress.io/exact-match-query-token",
            "clientSecret",
            "secret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn names_that_only_speak_of_secrets() {
        for name in [
            "secretName",
            "authSecretName",
            "imagePullSecret",
            "nginx.ingress.kubernetes.io/auth-secret",
            "higress.io/auth-tls-secret",
            "nginx.ingress.kubernetes.io/session-cookie-name",
            "higress.io/canary-by-cookie",
            "credentialConfig",
            "nginx.ingress.kubernetes.io/cors-allow-credentials",
            "secret.example.com/name",
            "passThrough",
            "compass",
            "Secret",
            "host",
            "key",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn headers_are_told_from_hosts_and_fields() {
        assert!(is_secret_header("x-auth-token") && is_secret_header("authorization"));
        for name in ["token.example.com", "missing_secret", "secret", "default/api-token"] {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}
