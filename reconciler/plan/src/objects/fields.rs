//! Two versions of one manifest, compared field by field. Lists are aligned, so that an inserted rule is one addition
//! and not a change of every rule behind it.

use std::collections::BTreeSet;

use gatewright_secrets::Rules;
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{FieldChange, FieldValue};

/// Returns the fields that differ, in the order of the manifests' keys.
pub(super) fn compare(kind: &str, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut comparison = Comparison { rules: Rules::of(kind), path: Vec::new(), changes: Vec::new() };
    comparison.values(before, after);
    comparison.changes
}

struct Comparison<'k> {
    rules: Rules<'k>,
    path: Vec<String>,
    changes: Vec<FieldChange>,
}

impl Comparison<'_> {
    fn values(&mut self, before: &Value, after: &Value) {
        if before == after {
            return;
        }
        let hidden = self.rules.hides(&self.path, before) || self.rules.hides(&self.path, after);
        match (before, after) {
            _ if hidden => self.push(Some(before), Some(after)),
            (Value::Object(old), Value::Object(new)) => {
                let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for name in names {
                    self.path.push(name.clone());
                    match (old.get(name), new.get(name)) {
                        (Some(old), Some(new)) => self.values(old, new),
                        (old, new) => self.push(old, new),
                    }
                    self.path.pop();
                }
            }
            (Value::Array(old), Value::Array(new)) => self.lists(old, new),
            _ => self.push(Some(before), Some(after)),
        }
    }

    fn lists(&mut self, old: &[Value], new: &[Value]) {
        let texts = |items: &[Value]| items.iter().map(Value::to_string).collect::<Vec<_>>();
        for op in capture_diff_slices(Algorithm::Myers, &texts(old), &texts(new)) {
            match op {
                DiffOp::Equal { .. } => {}
                DiffOp::Delete { old_index, old_len, .. } => {
                    self.removed(&old[old_index..][..old_len], old_index)
                }
                DiffOp::Insert { new_index, new_len, .. } => {
                    self.added(&new[new_index..][..new_len], new_index)
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                    let both = old_len.min(new_len);
                    for step in 0..both {
                        self.path.push((new_index + step).to_string());
                        self.values(&old[old_index + step], &new[new_index + step]);
                        self.path.pop();
                    }
                    self.removed(&old[old_index + both..old_index + old_len], old_index + both);
                    self.added(&new[new_index + both..new_index + new_len], new_index + both);
                }
            }
        }
    }

    fn removed(&mut self, items: &[Value], first: usize) {
        for (step, item) in items.iter().enumerate() {
            self.path.push((first + step).to_string());
            self.push(Some(item), None);
            self.path.pop();
        }
    }

    fn added(&mut self, items: &[Value], first: usize) {
        for (step, item) in items.iter().enumerate() {
            self.path.push((first + step).to_string());
            self.push(None, Some(item));
            self.path.pop();
        }
    }

    fn push(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let pointer = self.path.iter().map(|segment| format!("/{}", escape(segment))).collect();
        let mut before = before.map(|value| self.shown(value));
        let mut after = after.map(|value| self.shown(value));
        if before == after {
            // All that differs is hidden.
            before = before.map(|_| FieldValue::Hidden);
            after = after.map(|_| FieldValue::Hidden);
        }
        self.changes.push(FieldChange { pointer, location: None, before, after });
    }

    fn shown(&mut self, value: &Value) -> FieldValue {
        if self.rules.hides(&self.path, value) {
            return FieldValue::Hidden;
        }
        FieldValue::Value(self.rules.shown(&mut self.path, value))
    }
}

/// Escapes one segment of a JSON pointer.
fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One line per change: sign, pointer, values.
    fn changes(kind: &str, before: Value, after: Value) -> Vec<String> {
        let text = |value: &Option<FieldValue>| match value {
            None => String::new(),
            Some(FieldValue::Hidden) => " hidden".to_owned(),
            Some(FieldValue::Value(value)) => format!(" {value}"),
        };
        compare(kind, &before, &after)
            .iter()
            .map(|c| format!("{} {}{}{}", c.change().sign(), c.pointer, text(&c.before), text(&c.after)))
            .collect()
    }

    #[test]
    fn each_field_that_differs_is_one_change() {
        let before = json!({"metadata": {"annotations": {"a/b": "1", "gone": "x"}}, "spec": {"n": 1}});
        let after = json!({"metadata": {"annotations": {"a/b": "2", "new": "y"}}, "spec": {"n": 1}});
        assert_eq!(
            changes("Ingress", before, after),
            [
                "~ /metadata/annotations/a~1b \"1\" \"2\"",
                "- /metadata/annotations/gone \"x\"",
                "+ /metadata/annotations/new \"y\"",
            ]
        );
    }

    #[test]
    fn an_inserted_element_does_not_change_the_ones_behind_it() {
        let before = json!({"r": [{"h": "a"}, {"h": "b", "p": 1}, {"h": "c"}]});
        let after = json!({"r": [{"h": "new"}, {"h": "a"}, {"h": "b", "p": 2}]});
        assert_eq!(
            changes("Ingress", before, after),
            ["+ /r/0 {\"h\":\"new\"}", "~ /r/2/p 1 2", "- /r/2 {\"h\":\"c\"}"]
        );
    }

    #[test]
    fn a_secret_says_which_keys_differ_and_nothing_else() {
        let before = json!({"data": {"tls.key": "T0xE", "same": "eA=="}, "type": "a"});
        let after =
            json!({"data": {"tls.key": "TkVX", "same": "eA=="}, "stringData": {"k": "v"}, "type": "b"});
        assert_eq!(
            changes("Secret", before, after),
            ["~ /data/tls.key hidden hidden", "+ /stringData {\"k\":\"[hidden]\"}", "~ /type \"a\" \"b\""]
        );
    }

    #[test]
    fn a_difference_in_a_masked_line_is_hidden() {
        let file = |password: &str| json!({"data": {"f": format!("a: 1\npassword: {password}\n")}});
        assert_eq!(changes("ConfigMap", file("OLD"), file("NEW")), ["~ /data/f hidden hidden"]);
    }

    #[test]
    fn a_value_of_another_shape_does_not_come_through() {
        assert_eq!(
            changes("Secret", json!({"data": {"k": "v"}}), json!({"data": "v"})),
            ["~ /data {\"k\":\"[hidden]\"} hidden"]
        );
        assert_eq!(
            changes("WasmPlugin", json!({"spec": "SESAME"}), json!({"spec": {}})),
            ["~ /spec hidden {}"]
        );
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        assert!(
            changes("Ingress", json!({"a": 1, "b": {"c": 2}}), json!({"b": {"c": 2}, "a": 1})).is_empty()
        );
    }
}
