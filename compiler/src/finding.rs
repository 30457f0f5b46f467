//! Findings inside the compiler, which point at manifests rather than files: a unit of work knows no paths.

use gatewright_diagnostics::Code;
use gatewright_kinds::EntityKey;

/// Which part of a mapping entry a place means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A place inside a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The manifest.
    pub entity: EntityKey,
    /// JSON pointer (RFC 6901) from the manifest's root, e.g. `/spec/rules/0/host`; empty for the whole manifest.
    pub pointer: String,
    /// Key or value of that entry.
    pub part: Part,
    /// The part of a text that is meant; the whole value where there is none.
    pub within: Option<Within>,
}

/// A stretch of a text, in characters of what the text means: without quotes, escapes and indentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Within {
    /// First character.
    pub start: usize,
    /// First character behind.
    pub end: usize,
}

impl Place {
    /// Returns the place of the value at `pointer`.
    pub fn value(entity: &EntityKey, pointer: impl Into<String>) -> Self {
        Place { entity: entity.clone(), pointer: pointer.into(), part: Part::Value, within: None }
    }

    /// Returns the place of the key of the entry at `pointer`.
    pub fn key(entity: &EntityKey, pointer: impl Into<String>) -> Self {
        Place { entity: entity.clone(), pointer: pointer.into(), part: Part::Key, within: None }
    }

    /// Returns the place of a stretch of the text here.
    pub fn within(self, within: Within) -> Self {
        Place { within: Some(within), ..self }
    }

    /// Returns the place of an annotation's key.
    pub fn annotation(entity: &EntityKey, key: &str) -> Self {
        Place::key(entity, format!("/metadata/annotations/{}", escape(key)))
    }

    /// Returns the place of an annotation's value.
    pub fn annotation_value(entity: &EntityKey, key: &str) -> Self {
        Place::value(entity, format!("/metadata/annotations/{}", escape(key)))
    }
}

/// Escapes one segment of a JSON pointer.
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// One finding of a stage behind parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The code.
    pub code: &'static Code,
    /// The message.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Other places with a remark each.
    pub related: Vec<(Place, String)>,
    /// Why it matters.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Finding {
    /// Returns a finding with a message and a place.
    pub fn new(code: &'static Code, place: Place, message: impl Into<String>) -> Self {
        Finding { code, message: message.into(), place, related: Vec::new(), notes: Vec::new(), help: None }
    }

    /// Adds another place.
    pub fn with_related(mut self, place: Place, text: impl Into<String>) -> Self {
        self.related.push((place, text.into()));
        self
    }

    /// Adds a reason.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Sets the advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
