//! What the words of a name mean: which names are about protection, and which names are misspelt others.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::foreign;
use super::known::{KNOWN, Support};

/// Words that are about who may send requests.
const PROTECTING: [&str; 35] = [
    "acl",
    "allowlist",
    "auth",
    "authentication",
    "authn",
    "authorization",
    "authz",
    "blacklist",
    "blocklist",
    "captcha",
    "csrf",
    "deny",
    "denylist",
    "firewall",
    "forbid",
    "forwardauth",
    "basicauth",
    "hmac",
    "ipallowlist",
    "ipwhitelist",
    "jwt",
    "ldap",
    "modsecurity",
    "mtls",
    "oauth",
    "oauth2",
    "oidc",
    "opa",
    "owasp",
    "ratelimit",
    "saml",
    "sso",
    "throttle",
    "waf",
    "whitelist",
];

/// Pairs of words that together are about who may send requests.
const PROTECTING_PAIRS: [(&str, &str); 21] = [
    ("allow", "list"),
    ("black", "list"),
    ("block", "list"),
    ("client", "cert"),
    ("client", "certificate"),
    ("deny", "list"),
    ("bot", "detect"),
    ("ip", "restriction"),
    ("limit", "connections"),
    ("limit", "req"),
    ("limit", "rpm"),
    ("limit", "rps"),
    ("rate", "limit"),
    ("rate", "limiting"),
    ("request", "block"),
    ("security", "guard"),
    ("source", "range"),
    ("source", "ranges"),
    ("verify", "client"),
    ("white", "list"),
    ("allowed", "ips"),
];

/// Returns whether a name, or a list of names, is about protection.
pub(crate) fn protect(text: &str) -> bool {
    let words = split(text);
    words.iter().any(|word| PROTECTING.contains(&word.as_str()))
        || words.windows(2).any(|pair| PROTECTING_PAIRS.contains(&(pair[0].as_str(), pair[1].as_str())))
}

/// Returns whether a value says that nothing is asked for.
pub(super) fn switched_off(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    ["", "0", "disabled", "f", "false", "inactive", "no", "none", "off", "optional_no_ca"]
        .contains(&value.as_str())
}

/// Splits a name into its words: at signs, and where a small letter meets a capital.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut after_small = false;
    let mut open = false;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            (open, after_small) = (false, false);
            continue;
        }
        let starts = !open || (after_small && c.is_uppercase());
        (open, after_small) = (true, c.is_lowercase());
        match words.last_mut().filter(|_| !starts) {
            Some(word) => word.extend(c.to_lowercase()),
            None => words.push(c.to_lowercase().collect()),
        }
    }
    words
}

/// Every word of a name that some controller reads, and the opposites of some. Such a word is written on purpose: it is
/// never a misspelling of another one.
static VOCABULARY: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let foreign = foreign::controllers().flat_map(|controller| controller.keys).map(|row| row.suffix);
    let names = KNOWN.iter().map(|known| known.suffix).chain(foreign);
    let mut words: BTreeSet<String> = names.flat_map(split).collect();
    words.extend(OPPOSITES.map(str::to_owned));
    words
});

const OPPOSITES: [&str; 24] = [
    "accept", "allow", "allowed", "append", "block", "blocked", "deny", "denied", "disable", "disabled",
    "drop", "enable", "exclude", "forbid", "include", "no", "not", "off", "on", "permit", "reject",
    "replace", "skip", "without",
];

/// A name that is known, in its words.
struct Name {
    name: &'static str,
    words: Vec<String>,
    joined: String,
}

impl Name {
    fn new(name: &'static str) -> Self {
        let words = split(name);
        Name { name, joined: words.concat(), words }
    }
}

/// The keys that Higress reads. Split once: a source may misspell a key in each of its objects.
static READ: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let read = KNOWN.iter().filter(|known| known.support != Support::Unread);
    read.map(|known| Name::new(known.suffix)).collect()
});

/// The protecting keys of all controllers.
static PROTECTING_KEYS: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let known = KNOWN.iter().filter(|known| known.protects()).map(|known| known.suffix);
    let foreign = foreign::controllers().flat_map(|controller| controller.keys);
    let foreign = foreign.filter(|row| row.role == foreign::Role::Protects).map(|row| row.suffix);
    known.chain(foreign).map(Name::new).collect()
});

/// Returns the key of Higress that a name misspells, without prefix. Words are compared one by one, so that a name never
/// leads to one that means something else.
pub(super) fn misspelt(suffix: &str) -> Option<&'static str> {
    nearest(suffix, &READ)
}

/// Returns the protecting key of any controller that a name misspells.
pub(super) fn misspelt_protection(suffix: &str) -> Option<&'static str> {
    nearest(suffix, &PROTECTING_KEYS)
}

fn nearest(name: &str, candidates: &[Name]) -> Option<&'static str> {
    let words = split(name);
    let joined = words.concat();
    let distance = |candidate: &Name| match candidate.joined == joined {
        true => Some(0),
        false => misspelling(&words, &candidate.words),
    };
    let mut scored: Vec<(usize, &str)> =
        candidates.iter().filter_map(|candidate| Some((distance(candidate)?, candidate.name))).collect();
    scored.sort_unstable();
    scored.dedup();
    match scored.as_slice() {
        // Half a name that begins several ones tells none of them.
        [(MISSING_WORD, _), (MISSING_WORD, _), ..] | [] => None,
        [(_, candidate), ..] => Some(candidate),
    }
}

/// What a missing last word counts.
const MISSING_WORD: usize = 3;

/// Returns how many letters differ between two lists of words, where each word of the first can be the misspelt word of
/// the second. One word may be missing at the end of a longer name.
fn misspelling(words: &[String], others: &[String]) -> Option<usize> {
    let missing = others.len().checked_sub(words.len())?;
    if missing > usize::from(words.len() > 1) {
        return None;
    }
    let mut sum = missing * MISSING_WORD;
    for (word, other) in words.iter().zip(others) {
        if word == other {
            continue;
        }
        let distance = edits(word, other);
        let longest = if other.len() < 5 { 1 } else { 2 };
        if other.len() < 3 || distance > longest || (VOCABULARY.contains(word) && !plural(word, other)) {
            return None;
        }
        sum += distance;
    }
    (missing == 0 || sum == MISSING_WORD).then_some(sum)
}

/// Returns whether two words differ in a final `s` alone.
fn plural(word: &str, other: &str) -> bool {
    word.strip_suffix('s') == Some(other) || other.strip_suffix('s') == Some(word)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words.
pub(super) fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j - 1] + changed).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_lead_to_the_name() {
        for (written, meant) in [
            ("rewrite-taget", "rewrite-target"),
            ("enable-cor", "enable-cors"),
            ("timeuot", "timeout"),
            ("ssl_redirect", "ssl-redirect"),
            ("sslRedirect", "ssl-redirect"),
            ("Whitelist-Source-Range", "whitelist-source-range"),
            ("whitelist-source-rang", "whitelist-source-range"),
            ("whitelist-source-ranges", "whitelist-source-range"),
            ("canary-weigth", "canary-weight"),
            ("request-header-control-ad", "request-header-control-add"),
            ("proxy-next-upstreams", "proxy-next-upstream"),
        ] {
            assert_eq!(misspelt(written), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_name_never_leads_to_another_meaning() {
        for written in [
            "denylist-source-range",
            "disable-cors",
            "request-header-control-set",
            "response-header-add",
            "proxy-read-timeout",
            "limit-rps",
            "auth-url",
            "mirror-target",
            "rewrite",
            "something-quite-different",
            "max-protocol-version",
            // Words of other names, one or two letters away.
            "force-sse-redirect",
            "path-method",
            "error-target-service",
        ] {
            assert_eq!(misspelt(written), None, "{written}");
        }
    }

    #[test]
    fn names_tell_whether_they_protect() {
        for name in ["auth-jwt-issuer", "ip-white-list", "clientCert", "rate-limiting", "my-WAF", "auth@file"]
        {
            assert!(protect(name), "{name}");
        }
        for name in ["authority", "author", "cors-allow-origin", "proxy-body-size", "limited", "strip@file"] {
            assert!(!protect(name), "{name}");
        }
    }

    #[test]
    fn swapped_letters_are_one_edit() {
        assert_eq!(edits("timeuot", "timeout"), 1);
        assert_eq!(edits("", "ab"), 2);
    }
}
