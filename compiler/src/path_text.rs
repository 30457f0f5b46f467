//! What a path says to its reader and what it does: paths that no request can have, and those that mean less than they
//! seem to. Envoy compares a path after it has normalized the request's, and without the query.

use gatewright_diagnostics::code;
use gatewright_http::path::normalize;
use gatewright_ir::PathKind;

use crate::annotations::regex::group_count;
use crate::finding::{Finding, Place};

/// Why a path can be no request's, and how to write what is probably meant.
pub(crate) struct Never {
    /// The cause, as a sentence without its first capital.
    pub(crate) why: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

/// Returns why no request can have a path with this text in it; none where the text gives no reason.
pub(crate) fn never(text: &str, is_regex: bool) -> Option<Never> {
    let of = |why: &str, help: &str| {
        Some(Never { why: why.to_owned(), help: (!help.is_empty()).then(|| help.to_owned()) })
    };
    let plain = if is_regex { text.replace('\\', "") } else { text.to_owned() };
    let query = if is_regex { text.contains("\\?") || text.contains("[?]") } else { text.contains('?') };
    if query {
        return of(
            "the query is no part of the path that is compared",
            "test it with `higress.io/exact-match-query-NAME`",
        );
    }
    if plain.contains('#') {
        return of("clients do not send what stands behind `#`, and Envoy answers 400 to it", "");
    }
    if plain.contains('\\') && !is_regex {
        return of("Envoy turns `\\` of a request into `/` before it compares", "write `/`");
    }
    if plain.contains(|c: char| c == ' ' || c.is_control() || !c.is_ascii()) {
        let written = escaped(&plain);
        let why = "a request has only visible ASCII in its path; other characters arrive escaped";
        return match is_regex {
            true => of(why, "write them as they arrive, for example `%20` for a blank"),
            false => of(why, &format!("write `{written}`")),
        };
    }
    let dots = ["/./", "/../"].into_iter().find(|part| plain.contains(part));
    let dots = dots.or_else(|| ["/..", "/."].into_iter().find(|end| plain.ends_with(end)));
    if let Some(dots) = dots.filter(|_| !is_regex) {
        return of(
            &format!("Envoy resolves `{dots}` of a request before it compares"),
            "write the path that is left",
        );
    }
    if plain.contains('{') && !is_regex {
        return of(
            "Kubernetes knows no parameters in a path, and `{` of a request arrives as `%7B`",
            "for a regular expression set `use-regex: \"true\"` and write `[^/]+`",
        );
    }
    let normal = normalize(text).ok()?;
    if is_regex || normal == text {
        return None;
    }
    of(
        &format!("Envoy compares the normal form of a request's path, and that of this one is `{normal}`"),
        &format!("write `{normal}`"),
    )
}

/// Escapes what stands in no path of a request.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns whether the API server refuses a path for its text: nothing else is to be said of it.
pub(crate) fn is_refused(path: &str, path_type: &str) -> bool {
    let ends = || ["/..", "/."].into_iter().any(|end| path.ends_with(end));
    path_type != "ImplementationSpecific"
        && (["//", "/./", "/../", "%2f", "%2F"].into_iter().any(|part| path.contains(part)) || ends())
}

/// Returns a finding for a path that matches, but other requests than it seems to.
pub(crate) fn misleading(written: &str, kind: PathKind, place: impl Fn() -> Place) -> Option<Finding> {
    let regex = matches!(kind, PathKind::PrefixRegex | PathKind::FullPathRegex);
    if never(written, regex).is_some() {
        return None;
    }
    let finding =
        |message: String, help: &str| Some(Finding::new(&code::GW0452, place(), message).with_help(help));
    if regex {
        return misleading_regex(written, kind).and_then(|(message, help)| finding(message, help));
    }
    if let Some(sign) = pattern_sign(written) {
        let message =
            format!("path `{written}` is compared as text: only requests with `{sign}` in their path match");
        return finding(
            message,
            "a prefix needs no wildcard; for a regular expression set `use-regex: \"true\"`",
        );
    }
    if written.split('/').any(|segment| segment.len() > 1 && segment.starts_with(':')) {
        let message = format!("path `{written}` is compared as text: `:` begins no parameter");
        return finding(message, "for a regular expression set `use-regex: \"true\"` and write `[^/]+`");
    }
    if written.contains("//") {
        let message =
            format!("path `{written}` matches requests with both slashes alone: Envoy does not merge them");
        return finding(message, "write one `/`");
    }
    if let Some(escape) = lettered_escape(written) {
        let other = swap_case(escape);
        let message = format!(
            "path `{written}` is compared as text: requests that write `{escape}` as `{other}` do not match"
        );
        return finding(message, "add a path with the other spelling");
    }
    None
}

/// Returns what looks like a part of a pattern.
fn pattern_sign(path: &str) -> Option<&'static str> {
    let pairs = [("(", ")"), ("[", "]")];
    if path.contains('*') {
        return Some("*");
    }
    if let Some((open, _)) =
        pairs.iter().find(|(open, close)| path.find(open).is_some_and(|at| path[at..].contains(close)))
    {
        return Some(open);
    }
    path.ends_with('$').then_some("$")
}

/// Returns the first escape with a letter among its digits.
fn lettered_escape(path: &str) -> Option<&str> {
    path.match_indices('%').find_map(|(at, _)| {
        let escape = path.get(at..at + 3)?;
        let digits = &escape[1..];
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex && digits.bytes().any(|byte| byte.is_ascii_alphabetic())).then_some(escape)
    })
}

fn swap_case(escape: &str) -> String {
    let upper = escape.to_ascii_uppercase();
    if upper == escape { escape.to_ascii_lowercase() } else { upper }
}

/// Returns what is odd about an expression that is valid.
fn misleading_regex(written: &str, kind: PathKind) -> Option<(String, &'static str)> {
    let query = written.find('?').map(|at| &written[at + 1..]).is_some_and(|rest| {
        let name = rest.find('=').map(|at| &rest[..at]);
        name.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        })
    });
    if query {
        let message = format!(
            "`?` in path `{written}` makes the character before it optional: the query is no part of the path"
        );
        return Some((message, "test the query with `higress.io/exact-match-query-NAME`"));
    }
    if kind == PathKind::PrefixRegex && has_bare_alternative(written) {
        let message = format!(
            "of path `{written}` only the last alternative matches paths below it: Higress appends `.*` to the text"
        );
        return Some((message, "put the alternatives in parentheses"));
    }
    None
}

/// Returns whether an expression has `|` outside of every group and class.
fn has_bare_alternative(expression: &str) -> bool {
    let (mut depth, mut class, mut escape) = (0_i32, false, false);
    for c in expression.chars() {
        match c {
            _ if escape => escape = false,
            '\\' => escape = true,
            ']' if class => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => depth -= 1,
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Returns a finding for a rewrite with a group that its pattern does not have.
pub(crate) fn missing_group(
    pattern: &str,
    substitution: &str,
    path: &str,
    place: impl FnOnce() -> Place,
) -> Option<Finding> {
    let highest = highest_group(substitution)?;
    let groups = group_count(pattern)?;
    (highest > groups).then(|| {
        let has = match groups {
            0 => "no group".to_owned(),
            1 => "one group".to_owned(),
            _ => format!("{groups} groups"),
        };
        let message = format!("the rewrite names group {highest}, and path `{path}` has {has}");
        Finding::new(&code::GW0453, place(), message)
            .with_note("Envoy then changes nothing: the upstream sees the path of the request")
            .with_help("put parentheses around what each group shall hold")
    })
}

fn highest_group(substitution: &str) -> Option<usize> {
    let mut chars = substitution.chars();
    let mut highest = None;
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(digit) = chars.next().and_then(|c| c.to_digit(10))
        {
            highest = highest.max(Some(digit as usize));
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_no_request_has_in_its_path() {
        for text in [
            "/s?q=1", "/p#x", "/a b", "/über", "/a/../b", "/a/.", "/a|b", "/`", "/a<b", "/{id}", "/^",
            "/%41", r"/a\b",
        ] {
            assert!(never(text, false).is_some(), "{text}");
        }
        for text in
            ["/", "/a%2Fb", "/a%20b", "/.well-known/x", "/a;p=1", "/~user", "/v1.0", "//a", "/a/*", "/%zz"]
        {
            assert!(never(text, false).is_none(), "{text}");
        }
        for text in [r"/s\?q=1", "/a b", "/p#x", "/ü.*"] {
            assert!(never(text, true).is_some(), "{text}");
        }
        for text in ["/s?q=1", r"/v\d+/x", "/a|b", "/[^/]+", "/a/..x", "^/a{2}"] {
            assert!(never(text, true).is_none(), "{text}");
        }
        assert_eq!(never("/a|b", false).unwrap().help.as_deref(), Some("write `/a%7Cb`"));
        assert_eq!(never("/über", false).unwrap().help.as_deref(), Some("write `/%C3%BCber`"));
    }

    #[test]
    fn texts_that_mean_less_than_they_seem_to() {
        use gatewright_kinds::{EntityKey, Kind};
        let place = || Place::key(&EntityKey::new(Kind::Ingress, "a", "b"), "/spec");
        for path in ["/files/*", "/(.*)", "/v[0-9]", "/a$", "/users/:id", "/a//b", "/a%2fb"] {
            assert!(misleading(path, PathKind::Prefix, place).is_some(), "{path}");
        }
        for path in ["/", "/a", "/a%20b", "/v1:batch", "/a;b", "/a(b"] {
            assert!(misleading(path, PathKind::Prefix, place).is_none(), "{path}");
        }
        assert!(misleading("/a|/b", PathKind::PrefixRegex, place).is_some());
        assert!(misleading("/a|/b", PathKind::FullPathRegex, place).is_none());
        assert!(misleading("/(a|b)/[|]", PathKind::PrefixRegex, place).is_none());
        assert!(misleading("/s?q=1", PathKind::PrefixRegex, place).is_some());
    }
}
