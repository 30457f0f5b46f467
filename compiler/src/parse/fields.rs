//! Takes typed fields out of a JSON object. What has another type counts as missing: the schema has reported it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The members of an object that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Returns the members of a value; none unless it is an object.
    pub(crate) fn of(value: Value) -> Fields {
        match value {
            Value::Object(members) => Fields(members),
            _ => Fields::default(),
        }
    }

    /// Takes a value as it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        text(self.take(name)?)
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Fields {
        self.take(name).map(Fields::of).unwrap_or_default()
    }

    /// Takes an object if there is one.
    pub(crate) fn some_object(&mut self, name: &str) -> Option<Fields> {
        self.take(name).map(Fields::of)
    }

    /// Takes the elements of a list.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(),
        }
    }

    /// Takes a list of texts; another element becomes an empty text, so that indices stay.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        self.list(name).into_iter().map(|element| text(element).unwrap_or_default()).collect()
    }

    /// Takes an object of texts.
    pub(crate) fn text_map(&mut self, name: &str) -> BTreeMap<String, String> {
        match self.take(name) {
            Some(Value::Object(members)) => {
                members.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// Takes a boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    /// Takes a whole number that fits.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        T::try_from(self.take(name)?.as_i64()?).ok()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(mut text) => {
            // The parser leaves room behind each text; a manifest is kept for long.
            text.shrink_to_fit();
            Some(text)
        }
        _ => None,
    }
}
