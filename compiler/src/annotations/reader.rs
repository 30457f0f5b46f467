//! Reads annotation values as Higress does: two prefixes, Go's number and boolean syntax, invalid values as absent.

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use crate::finding::{Finding, Place, Within};
use crate::manifest::Texts;

/// The nginx prefix, which is asked first.
pub(crate) const NGINX: &str = "nginx.ingress.kubernetes.io/";
/// Higress' own prefix.
pub(crate) const HIGRESS: &str = "higress.io/";

/// The annotations of one Ingress and what was found wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) entity: &'a EntityKey,
    annotations: &'a Texts,
    pub(crate) findings: Vec<Finding>,
}

/// A value with the key that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) key: String,
    pub(crate) value: T,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(entity: &'a EntityKey, annotations: &'a Texts) -> Self {
        Reader { entity, annotations, findings: Vec::new() }
    }

    pub(crate) fn annotations(&self) -> &'a Texts {
        self.annotations
    }

    /// Returns the key under which `suffix` is present with either prefix, even with an empty value.
    pub(crate) fn present(&self, suffix: &str) -> Option<String> {
        [NGINX, HIGRESS]
            .iter()
            .map(|prefix| format!("{prefix}{suffix}"))
            .find(|key| self.annotations.contains_key(key))
    }

    /// Returns a non-blank text, lines trimmed.
    pub(crate) fn string(&mut self, suffix: &str) -> Option<Found<String>> {
        self.both(suffix, parse_string, "text that is not blank")
    }

    /// Returns a Go boolean.
    pub(crate) fn boolean(&mut self, suffix: &str) -> Option<Found<bool>> {
        self.both(suffix, parse_bool, "`true` or `false`")
    }

    /// Returns a Go integer.
    pub(crate) fn integer(&mut self, suffix: &str) -> Option<Found<i64>> {
        self.both(suffix, parse_int, "a whole number without unit")
    }

    /// Returns a non-blank text of a key that only the `higress.io/` prefix has.
    pub(crate) fn higress_string(&mut self, suffix: &str) -> Option<Found<String>> {
        self.one(format!("{HIGRESS}{suffix}"), &parse_string, "text that is not blank")
    }

    /// Returns a boolean of a key that only the `higress.io/` prefix has.
    pub(crate) fn higress_boolean(&mut self, suffix: &str) -> Option<Found<bool>> {
        self.one(format!("{HIGRESS}{suffix}"), &parse_bool, "`true` or `false`")
    }

    /// Returns an integer of a key that only the `higress.io/` prefix has.
    pub(crate) fn higress_integer(&mut self, suffix: &str) -> Option<Found<i64>> {
        self.one(format!("{HIGRESS}{suffix}"), &parse_int, "a whole number without unit")
    }

    /// Returns the lines of an annotation that hold something, trimmed as Higress does, each with its place.
    pub(crate) fn lines(&self, key: &str) -> Vec<(&'a str, Within)> {
        let Some(text) = self.annotations.get(key) else { return Vec::new() };
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let trimmed = line.trim();
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            if !trimmed.is_empty() {
                let first = start + indent;
                lines.push((trimmed, Within { start: first, end: first + trimmed.chars().count() }));
            }
            start += line.chars().count() + 1;
        }
        lines
    }

    /// Records that the value of `key` is invalid and its default holds.
    pub(crate) fn invalid(&mut self, key: &str, message: impl Into<String>) {
        let place = Place::annotation_value(self.entity, key);
        self.findings.push(Finding::new(&code::GW0403, place, message));
    }

    /// Records that `loser` has no effect because of `winner`.
    pub(crate) fn loses(&mut self, loser: &str, winner: &str) {
        let finding = Finding::new(
            &code::GW0417,
            Place::annotation(self.entity, loser),
            format!("`{loser}` has no effect beside `{winner}`"),
        )
        .with_related(Place::annotation(self.entity, winner), "this one takes precedence")
        .with_help(format!("remove `{loser}`"));
        self.findings.push(finding);
    }

    fn both<T>(&mut self, suffix: &str, parse: fn(&str) -> Option<T>, expected: &str) -> Option<Found<T>> {
        let nginx = self.one(format!("{NGINX}{suffix}"), &parse, expected);
        let higress_key = format!("{HIGRESS}{suffix}");
        match nginx {
            Some(found) => {
                if self.annotations.contains_key(&higress_key) {
                    self.loses(&higress_key, &found.key);
                }
                Some(found)
            }
            None => self.one(higress_key, &parse, expected),
        }
    }

    fn one<T>(
        &mut self,
        key: String,
        parse: &impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<Found<T>> {
        let text = self.annotations.get(&key)?;
        match parse(text) {
            Some(value) => Some(Found { key, value }),
            None => {
                self.invalid(&key, format!("`{key}` must be {expected}"));
                None
            }
        }
    }
}

/// Trims every line, as Higress does; nothing left means invalid.
fn parse_string(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
    let joined = lines.join("\n");
    (!joined.trim().is_empty()).then_some(joined)
}

/// Go's `strconv.ParseBool`, on the text as it stands.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.Atoi`, on the text as it stands.
fn parse_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Splits a comma list and trims its items; one `*` makes the whole list `["*"]`.
pub(crate) fn comma_list(text: &str) -> Vec<String> {
    let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
    if items.iter().any(|item| item == "*") { vec!["*".to_owned()] } else { items }
}
