//! The rewrite family, which also decides whether paths are regular expressions.

use gatewright_ir::{PathKind, PathMatch, PathRewrite};

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::{Found, Reader};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row(
        "rewrite-target",
        true,
        Implemented,
        false,
        "replaces the matched path, with groups of a regular expression",
    ),
    row("rewrite-path", false, Implemented, true, "replaces the matched prefix or path"),
    row("use-regex", true, Implemented, false, "reads paths as regular expressions"),
    row(
        "full-path-regex",
        false,
        Implemented,
        false,
        "reads paths as regular expressions for the whole path",
    ),
    row("upstream-vhost", true, Implemented, true, "Host header that the upstream sees"),
    row("ignore-path-case", true, Implemented, true, "compares paths without regard to case"),
];

/// What the family says of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathPolicy {
    target: Option<Found<String>>,
    prefix: Option<Found<String>>,
    use_regex: bool,
    full_path_regex: bool,
    /// `upstream-vhost`
    pub(crate) host: Option<String>,
}

/// Reads the family.
pub(crate) fn read(reader: &mut Reader<'_>) -> PathPolicy {
    let target = reader.string("rewrite-target").map(|found| Found { value: groups(&found.value), ..found });
    let prefix = reader.higress_string("rewrite-path");
    if let (Some(target), Some(prefix)) = (&target, &prefix) {
        reader.loses(&target.key, &prefix.key);
    }
    PathPolicy {
        target,
        prefix,
        use_regex: reader.boolean("use-regex").is_some_and(|found| found.value),
        full_path_regex: reader.higress_boolean("full-path-regex").is_some_and(|found| found.value),
        host: reader.string("upstream-vhost").map(|found| found.value),
    }
}

/// nginx's `$1` is RE2's `\1`; where a digit follows any dollar, Higress replaces all of them.
pub(super) fn groups(target: &str) -> String {
    let has_group = target.as_bytes().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit());
    if has_group { target.replace('$', "\\") } else { target.to_owned() }
}

impl PathPolicy {
    /// Returns the regex kind of a path, or none where it stays an ordinary path.
    pub(crate) fn regex_kind(&self, path: &str) -> Option<PathKind> {
        let asked = self.use_regex || self.full_path_regex;
        let by_target = self
            .target
            .as_ref()
            .is_some_and(|target| target.value.contains(['$', '\\']) || path.contains(REGEX_CHARACTERS));
        match (asked || by_target, self.full_path_regex) {
            (false, _) => None,
            (true, true) => Some(PathKind::FullPathRegex),
            (true, false) => Some(PathKind::PrefixRegex),
        }
    }

    /// Returns the character that alone makes a path a regular expression, where nothing else asks for one.
    pub(crate) fn accidental_regex(&self, path: &str) -> Option<char> {
        let target = self.target.as_ref()?;
        let asked = self.use_regex || self.full_path_regex || target.value.contains(['$', '\\']);
        let found: Vec<char> = path.chars().filter(|c| REGEX_CHARACTERS.contains(c)).collect();
        (!asked && !found.is_empty() && found.iter().all(|c| *c == '.')).then_some('.')
    }

    /// Returns whether the rewrite's text is taken as it stands, without groups.
    pub(crate) fn is_literal(&self) -> bool {
        self.prefix.is_some()
    }

    /// Returns the annotation that rewrites paths.
    pub(crate) fn rewrite_key(&self) -> Option<&str> {
        self.prefix.as_ref().or(self.target.as_ref()).map(|found| found.key.as_str())
    }

    /// Returns the rewrite of a route whose path tests are `matches`, in order.
    pub(crate) fn rewrite(&self, matches: &[PathMatch]) -> Option<PathRewrite> {
        if let Some(value) = &self.prefix {
            return Some(prefix_rewrite(&value.value, matches));
        }
        let target = self.target.as_ref()?;
        let pattern = match matches.first()? {
            PathMatch::Exact(path) => path.clone(),
            PathMatch::Prefix(prefix) => format!("^{prefix}"),
            PathMatch::Regex(regex) => regex.clone(),
        };
        Some(PathRewrite::Regex { pattern, substitution: target.value.clone() })
    }
}

const REGEX_CHARACTERS: [char; 14] = ['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

/// `rewrite-path`: below a prefix that ends in `/` a value without one keeps the slash of what follows.
fn prefix_rewrite(value: &str, matches: &[PathMatch]) -> PathRewrite {
    let slashed = matches.iter().find_map(|path| match path {
        PathMatch::Prefix(prefix) => prefix.strip_suffix('/'),
        _ => None,
    });
    match slashed {
        Some(prefix) if !value.ends_with('/') => {
            PathRewrite::Regex { pattern: format!("^{prefix}(/.*)?"), substitution: format!("{value}\\1") }
        }
        _ => PathRewrite::Prefix(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(target: Option<&str>, prefix: Option<&str>) -> PathPolicy {
        let found = |value: &str| Found { key: String::new(), value: groups(value) };
        PathPolicy { target: target.map(found), prefix: prefix.map(found), ..PathPolicy::default() }
    }

    fn prefix_of(path: &str) -> Vec<PathMatch> {
        vec![PathMatch::Exact(path.into()), PathMatch::Prefix(format!("{path}/"))]
    }

    #[test]
    fn a_dot_is_enough_for_a_regex_beside_a_target() {
        let with_target = policy(Some("/x"), None);
        assert_eq!(with_target.regex_kind("/v1.0/api"), Some(PathKind::PrefixRegex));
        assert_eq!(with_target.accidental_regex("/v1.0/api"), Some('.'));
        assert_eq!(with_target.regex_kind("/v1/api"), None);
        assert_eq!(policy(None, Some("/x")).regex_kind("/v1.0/api"), None);
        assert_eq!(policy(Some("/$1"), None).regex_kind("/plain"), Some(PathKind::PrefixRegex));
    }

    #[test]
    fn rewrite_path_keeps_the_slash_between() {
        let regex = |pattern: &str, substitution: &str| {
            Some(PathRewrite::Regex { pattern: pattern.into(), substitution: substitution.into() })
        };
        assert_eq!(policy(None, Some("/bar")).rewrite(&prefix_of("/foo")), regex("^/foo(/.*)?", "/bar\\1"));
        assert_eq!(
            policy(None, Some("/bar/")).rewrite(&prefix_of("/foo")),
            Some(PathRewrite::Prefix("/bar/".into()))
        );
        assert_eq!(
            policy(None, Some("/bar")).rewrite(&[PathMatch::Prefix("/".into())]),
            regex("^(/.*)?", "/bar\\1")
        );
        assert_eq!(
            policy(None, Some("/bar")).rewrite(&[PathMatch::Exact("/foo".into())]),
            Some(PathRewrite::Prefix("/bar".into()))
        );
    }

    #[test]
    fn rewrite_target_takes_the_first_match() {
        let rewrite = policy(Some("/$1"), None).rewrite(&[PathMatch::Regex("/svc/(.*).*".into())]);
        assert_eq!(
            rewrite,
            Some(PathRewrite::Regex { pattern: "/svc/(.*).*".into(), substitution: "/\\1".into() })
        );
    }
}
