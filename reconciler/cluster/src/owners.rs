//! The tree of fields that `fieldsV1` describes: `f:NAME` for a member, `k:{...}` for an item of a list with keys,
//! `v:VALUE` for an item of a set, `.` for the value itself. A leaf owns everything below it.

use serde_json::Value;

use crate::live::Manager;

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A member.
    Member(String),
    /// An item with these values of its list's keys.
    Item(Value),
}

/// Returns the managers among `others` that own the field at `path`.
pub(crate) fn owners<'a>(others: &'a [Manager], path: &[Step]) -> Vec<&'a str> {
    let owning = others.iter().filter(|manager| owns(&manager.fields, path));
    let mut names: Vec<&str> = owning.map(|manager| manager.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns whether a tree of fields holds the field at `path`, or owns a whole of which it is a part.
pub(crate) fn owns(fields: &Value, path: &[Step]) -> bool {
    let Some((step, rest)) = path.split_first() else { return true };
    let Some(members) = fields.as_object() else { return false };
    if members.is_empty() {
        return true;
    }
    match step {
        Step::Member(name) => members.get(&format!("f:{name}")).is_some_and(|below| owns(below, rest)),
        Step::Item(keys) => {
            let item = members.iter().find(|(name, _)| item_keys(name).as_ref() == Some(keys));
            item.is_some_and(|(_, below)| owns(below, rest))
        }
    }
}

/// Returns the keys that `k:{...}` holds.
pub(crate) fn item_keys(name: &str) -> Option<Value> {
    serde_json::from_str(name.strip_prefix("k:")?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_leaf_owns_what_is_below_it() {
        let fields = json!({
            "f:metadata": {"f:annotations": {".": {}, "f:a": {}}},
            "f:spec": {"f:rules": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}},
        });
        let member = |names: &[&str]| -> Vec<Step> {
            names.iter().map(|name| Step::Member((*name).to_owned())).collect()
        };
        assert!(owns(&fields, &member(&["metadata", "annotations", "a"])));
        assert!(!owns(&fields, &member(&["metadata", "annotations", "b"])));
        assert!(owns(&fields, &member(&["spec", "rules", "0"])));
        assert!(!owns(&fields, &member(&["spec", "tls"])));
        let mut port = member(&["spec", "ports"]);
        port.push(Step::Item(json!({"port": 80, "protocol": "TCP"})));
        port.push(Step::Member("name".to_owned()));
        assert!(owns(&fields, &port));
        port[2] = Step::Item(json!({"port": 81, "protocol": "TCP"}));
        assert!(!owns(&fields, &port));
    }
}
