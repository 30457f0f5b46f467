//! Texts by name: annotations and labels. There are as many of them as objects, and most have a few entries: a
//! `BTreeMap` takes room for eleven even where it holds one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Texts by name, in the order of names, in just the room that they need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Texts(Vec<(Box<str>, Box<str>)>);

impl Texts {
    /// Returns no texts.
    pub const fn new() -> Self {
        Texts(Vec::new())
    }

    /// Returns the text of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|at| &*self.0[at].1)
    }

    /// Returns whether there is a text of a name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and texts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (&**name, &**text))
    }

    /// Returns the names.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Puts a text in, in the place of one with the same name.
    pub fn insert(&mut self, name: &str, text: &str) {
        match self.place(name) {
            Ok(at) => self.0[at].1 = text.into(),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (name.into(), text.into()));
            }
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl<N: AsRef<str>, T: AsRef<str>> From<BTreeMap<N, T>> for Texts {
    fn from(texts: BTreeMap<N, T>) -> Self {
        let mut entries: Vec<(Box<str>, Box<str>)> =
            texts.iter().map(|(name, text)| (name.as_ref().into(), text.as_ref().into())).collect();
        entries.sort_unstable();
        Texts(entries)
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Texts::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_name_and_stay_in_order() {
        let mut texts = Texts::from(BTreeMap::from([("b", "2"), ("a", "1")]));
        texts.insert("c", "3");
        texts.insert("a", "0");
        assert_eq!((texts.get("a"), texts.get("b"), texts.get("d")), (Some("0"), Some("2"), None));
        assert_eq!(texts.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(texts.contains_key("c") && !texts.is_empty() && Texts::new().is_empty());
    }

    #[test]
    fn they_are_written_as_a_mapping() {
        let texts = Texts::from(BTreeMap::from([("a/b", "1")]));
        let json = serde_json::to_string(&texts).unwrap();
        assert_eq!(json, r#"{"a/b":"1"}"#);
        assert_eq!(serde_json::from_str::<Texts>(&json).unwrap(), texts);
    }
}
