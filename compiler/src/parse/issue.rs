//! One finding about an object, placed by JSON pointer; and how pointers are shown to people.

use gatewright_diagnostics::Code;

use crate::finding::{Part, Within};

/// A finding before its place in the file is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    /// The code.
    pub(crate) code: &'static Code,
    /// Where, from the object's root.
    pub(crate) pointer: String,
    /// Key or value there.
    pub(crate) part: Part,
    /// The part of a text that is meant; the whole value where there is none.
    pub(crate) within: Option<Within>,
    /// What is wrong.
    pub(crate) message: String,
    /// Why it matters.
    pub(crate) notes: Vec<String>,
    /// What to do.
    pub(crate) help: Option<String>,
    /// A replacement that settles it.
    pub(crate) repair: Repair,
    /// The field that an unknown one stands for: it is not missing.
    pub(crate) meant: Option<String>,
}

/// How an issue is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Replace the key.
    Key(String),
    /// Replace the value by this text of YAML.
    Value(String),
    /// Replace the entry, key and value.
    Entry(String),
    /// Replace the value, quotes included, by this number or boolean.
    Literal(String),
    /// Put the value in quotes.
    Quote,
    /// Add one of these fields; what it should say is for the author.
    Add(Vec<String>),
    /// There is no single safe replacement.
    ByHand,
}

impl Issue {
    /// Returns an issue with the value at `pointer`.
    pub(crate) fn value(code: &'static Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Issue {
            code,
            pointer: pointer.into(),
            part: Part::Value,
            within: None,
            message: message.into(),
            notes: Vec::new(),
            help: None,
            repair: Repair::ByHand,
            meant: None,
        }
    }

    /// Returns an issue with the key at `pointer`.
    pub(crate) fn key(code: &'static Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Issue { part: Part::Key, ..Issue::value(code, pointer, message) }
    }

    /// Sets the advice.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Returns a pointer as people write paths: `spec.rules[0].host`, with keys that are no words in quotes.
pub(crate) fn path(pointer: &str) -> String {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{segment}]"));
        } else if segment.is_empty() || !segment.bytes().all(word) {
            path.push_str(&format!("[\"{}\"]", bounded(&segment)));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&bounded(&segment));
        }
    }
    if path.is_empty() { "the document".into() } else { path }
}

/// Longest piece of the user's text that a message repeats, in characters.
const BOUND: usize = 60;

/// Returns a text on one line and cut to a length that fits a message.
pub(crate) fn bounded(text: &str) -> String {
    let mut shown: String = text.chars().take(BOUND).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(BOUND).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_read_as_paths() {
        assert_eq!(path("/spec/rules/0/host"), "spec.rules[0].host");
        assert_eq!(path("/metadata/annotations/higress.io~1x"), "metadata.annotations[\"higress.io/x\"]");
        assert_eq!(path(""), "the document");
    }

    #[test]
    fn long_texts_are_cut_and_stay_on_one_line() {
        assert_eq!(bounded("a\nb"), "a b");
        assert_eq!(bounded(&"ü".repeat(61)).chars().count(), 61);
        assert_eq!(bounded(&"ü".repeat(60)), "ü".repeat(60));
    }
}
