//! Credentials in addresses: `scheme://user:password@host`, `user:password@host`, and what a query grants access with.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::names::is_secret_parameter;
use crate::{HIDDEN, replace};

/// Where an address ends, apart from white space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// At a quote: it stands in a longer text.
    AtQuotes,
    /// With the text.
    WithText,
}

/// `user:password@host` without a scheme.
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[\s"'`=({,\[<|+])([A-Za-z0-9._%~!$-]+):([^\s/@"'`<>]+)@[A-Za-z0-9\[*]"#)
        .expect("a valid expression")
});
/// A parameter of a query or fragment.
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"[?&#;]([A-Za-z0-9_.\-]{2,64})=([^&#;\s"'`<>\\]+)"#).expect("a valid expression")
});
/// Words before a colon that are no user.
const NO_USERS: [&str; 6] = ["git", "mailto", "sha256", "sha512", "acct", "urn"];

/// Hides the credentials in the value of a field that holds an address: all that stands before `@host`.
pub fn address(text: &str) -> Cow<'_, str> {
    let mut ranges = Vec::new();
    find(text, Ends::WithText, &mut ranges);
    ranges.extend(before_host(text));
    replace(text, ranges)
}

/// Hides credentials in an argument of the command line, where an address may be malformed in any way.
pub fn argument(text: &str) -> String {
    let mut ranges = Vec::new();
    find(text, Ends::WithText, &mut ranges);
    ranges.extend(of_login(text));
    crate::text(&replace(text, ranges)).into_owned()
}

/// Returns the password of `[git+]user:password@host:path`.
fn of_login(text: &str) -> Option<Range<usize>> {
    if text.contains("://") {
        return None;
    }
    let start = if text.starts_with("git+") { "git+".len() } else { 0 };
    let login = &text[start..];
    let (colon, first, last) = (login.find(':')?, login.find('@')?, login.rfind('@')?);
    let is_user = start > 0 || !NO_USERS.contains(&&login[..colon]);
    (colon < first && is_user).then_some(start + colon + 1..start + last)
}

/// Returns what stands before the host of an address without a scheme.
fn before_host(text: &str) -> Option<Range<usize>> {
    let at = text.rfind('@').filter(|_| !text.contains("//") && !text.contains(char::is_whitespace))?;
    let digest = text[at + 1..].starts_with("sha256:") || text[at + 1..].starts_with("sha512:");
    (!digest && &text[..at] != HIDDEN).then_some(0..at)
}

/// Finds credentials in a text.
pub(crate) fn find(text: &str, ends: Ends, ranges: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(found) = text[at..].find("//") {
        let slashes = at + found;
        ranges.extend(of_authority(text, slashes, ends));
        at = slashes + 2;
    }
    if text.contains('=') {
        for found in PARAMETER.captures_iter(text) {
            let (Some(name), Some(value)) = (found.get(1), found.get(2)) else { continue };
            if is_secret_parameter(name.as_str()) && value.as_str() != HIDDEN {
                ranges.push(value.range());
            }
        }
    }
}

/// Finds `user:password@host` without a scheme.
pub(crate) fn find_bare(text: &str, ranges: &mut Vec<Range<usize>>) {
    if !text.contains('@') {
        return;
    }
    for found in BARE.captures_iter(text) {
        let (Some(user), Some(password), Some(all)) = (found.get(1), found.get(2), found.get(0)) else {
            continue;
        };
        let host = &text[all.end() - 1..];
        let digest = host.starts_with("sha256:") || host.starts_with("sha512:");
        let is_user = text[..user.start()].ends_with('+') || !NO_USERS.contains(&user.as_str());
        if !digest && is_user && password.as_str() != HIDDEN {
            ranges.push(password.range());
        }
    }
}

/// Returns the credentials behind the `//` of an address.
fn of_authority(text: &str, slashes: usize, ends: Ends) -> Option<Range<usize>> {
    let start = slashes + 2;
    let rest = &text[start..];
    let ends_here = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || (ends == Ends::AtQuotes && matches!(c, '"' | '\'' | '`' | '<' | '>'))
    };
    let token = &rest[..rest.find(ends_here).unwrap_or(rest.len())];
    let authority = &token[..token.find(['/', '?', '#', '\\']).unwrap_or(token.len())];
    // A password may hold a slash that nobody escaped: what is before it is then no `HOST:PORT`.
    let at = authority.rfind('@').or_else(|| broken_port(authority).then(|| token.rfind('@')).flatten())?;
    let credentials = &token[..at];
    let scheme = scheme_before(text, slashes);
    if credentials.is_empty() || credentials == HIDDEN || (scheme.is_none() && !credentials.contains(':')) {
        return None;
    }
    // The user of ssh is part of the address, and no secret.
    if scheme.is_some_and(|scheme| scheme.ends_with("ssh")) && !credentials.contains("%3") {
        let user = credentials.find(':')?;
        let password = start + user + 1..start + at;
        return (&text[password.clone()] != HIDDEN).then_some(password);
    }
    Some(start..start + at)
}

fn broken_port(authority: &str) -> bool {
    let port = authority.rsplit_once(':').filter(|_| !authority.starts_with('[')).map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && !port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn scheme_before(text: &str, slashes: usize) -> Option<&str> {
    let before = text[..slashes].strip_suffix(':')?;
    let start = before
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    Some(&before[start..]).filter(|scheme| !scheme.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let mut ranges = Vec::new();
        find(text, Ends::AtQuotes, &mut ranges);
        find_bare(text, &mut ranges);
        replace(text, ranges).into_owned()
    }

    #[test]
    fn credentials_before_a_host_go() {
        for (text, shown) in [
            ("see https://user:SESAME@h.test/x.wasm", "see https://[hidden]@h.test/x.wasm"),
            ("git+ftp://user:SESAME@h/x", "git+ftp://[hidden]@h/x"),
            ("https://SESAME@h.test/x", "https://[hidden]@h.test/x"),
            ("https://u:SES@AME@h/x", "https://[hidden]@h/x"),
            ("https://u:SES/AME@h/x", "https://[hidden]@h/x"),
            ("ssh://git:SESAME@h/x", "ssh://git:[hidden]@h/x"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("`//u:SESAME@h`", "`//[hidden]@h`"),
            ("redis://:SESAME@h:6379/0", "redis://[hidden]@h:6379/0"),
            ("domain: u:SESAME@nacos.test", "domain: u:[hidden]@nacos.test"),
            ("https://h/x?a=1&token=SESAME&b=2", "https://h/x?a=1&token=[hidden]&b=2"),
            ("/x?access_key=SESAME", "/x?access_key=[hidden]"),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
            assert_eq!(hidden(&hidden(text)), hidden(text), "{text} is hidden once");
        }
    }

    #[test]
    fn addresses_without_credentials_stay() {
        for text in [
            "git+https://h.test/team/r.git@main",
            "git+git@h.test:team/r.git@main",
            "oci://registry.test/p:1.0@sha256:00ff",
            "registry.test/p:1.0@sha256:00ff",
            "git:HEAD@{1}",
            "https://h:8443/a@b",
            "// a comment: a@b.test",
            r#"{"a":"https://h","b":"x@y"}"#,
            "https://h/x?page=2",
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn whole_values_and_arguments_need_no_good_form() {
        assert_eq!(address("SESAME@nacos.test"), "[hidden]@nacos.test");
        assert_eq!(address("u:SES/AME@nacos.test"), "[hidden]@nacos.test");
        assert_eq!(address("nacos.test"), "nacos.test");
        for text in [
            "git+user:SESAME@h:path",
            "git+git:SESAME@h:path@main",
            "git+ftp://user:SESAME@h/x",
            "git+https://user:SES/AME@h/x@main",
            "git+ssh://git:SESAME@h/x",
            "https://SESAME@h/x.git",
            "user:SESAME@h",
            "git+user:SES/AME@h:path@main",
            "--password=SESAME",
        ] {
            let shown = argument(text);
            assert!(!shown.contains("SES") && !shown.contains("AME"), "{text}: {shown}");
        }
        assert_eq!(argument("git+git@h:team/r.git@main"), "git+git@h:team/r.git@main");
        assert_eq!(argument("git+https://h/team/r.git@main"), "git+https://h/team/r.git@main");
    }
}
