//! YAML as it is given out. The writer of the library leaves characters without a shape as they are, and puts texts of
//! several lines on lines of their own, where a CI run may take one for a command. Such texts are written in quotes.

use std::collections::BTreeMap;

use gatewright_diagnostics::outlet::{Form, is_hidden, sealed};
use gatewright_xds::render;
use serde_json::{Map, Value};

/// Writes a value.
pub fn text(value: &Value) -> String {
    if !has_odd_text(value) {
        return render::yaml_text(value);
    }
    let mut quoted = Quoted { mark: mark(value), texts: BTreeMap::new() };
    let marked = quoted.marked(value);
    quoted.put_back(&render::yaml_text(&marked))
}

/// Texts that must stand in quotes, by the word that stands for each.
struct Quoted {
    mark: String,
    texts: BTreeMap<String, String>,
}

impl Quoted {
    fn marked(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.word(text).into(),
            Value::Array(items) => items.iter().map(|item| self.marked(item)).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (self.word(name), self.marked(value)));
                Value::Object(members.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn word(&mut self, text: &str) -> String {
        if !is_odd(text) {
            return text.to_owned();
        }
        let word = format!("{}{}x", self.mark, self.texts.len());
        // What JSON writes in quotes, YAML reads there.
        let quoted = Value::from(text).to_string();
        self.texts.insert(word.clone(), sealed(Form::Yaml, &quoted).collect());
        word
    }

    fn put_back(&self, yaml: &str) -> String {
        let mut out = String::with_capacity(yaml.len());
        let mut rest = yaml;
        while let Some(at) = rest.find(&self.mark) {
            let length = rest[at..].find('x').map_or(rest.len() - at, |end| end + 1);
            let word = &rest[at..at + length];
            out.push_str(&rest[..at]);
            out.push_str(self.texts.get(word).map_or(word, String::as_str));
            rest = &rest[at + length..];
        }
        out + rest
    }
}

/// Returns a word that occurs nowhere in a value.
fn mark(value: &Value) -> String {
    let text = value.to_string();
    let mut mark = "TEXT_".to_owned();
    while text.contains(&mark) {
        mark.push('_');
    }
    mark
}

fn has_odd_text(value: &Value) -> bool {
    match value {
        Value::String(text) => is_odd(text),
        Value::Array(items) => items.iter().any(has_odd_text),
        Value::Object(members) => members.iter().any(|(name, value)| is_odd(name) || has_odd_text(value)),
        _ => false,
    }
}

fn is_odd(text: &str) -> bool {
    text.contains("##[")
        || text.lines().any(|line| line.trim_start().starts_with("::"))
        || text.chars().any(|c| is_hidden(c) && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_texts_stand_in_quotes_and_say_the_same() {
        let value = json!({
            "TEXT_0x": "a\n::error::b\n",
            "b\u{202e}": ["\u{1b}[2J", "##[x]", "plain\nlines\n", "\u{e0001}\u{9b}"],
            "c": "\\\"\u{200b}",
        });
        let yaml = text(&value);
        assert_eq!(serde_yaml::from_str::<Value>(&yaml).unwrap(), value, "{yaml}");
        assert!(yaml.lines().all(|line| !line.trim_start().starts_with("::")), "{yaml}");
        assert!(!yaml.contains("##[") && !yaml.chars().any(|c| is_hidden(c) && c != '\n'), "{yaml}");
        assert!(yaml.contains("  plain\n"), "{yaml}");
    }

    #[test]
    fn other_texts_are_written_as_ever() {
        let value = json!({ "a": "x: y", "b": "l\nm\n", "c": "größe" });
        assert_eq!(text(&value), render::yaml_text(&value));
    }
}
