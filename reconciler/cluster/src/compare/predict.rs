//! What an object will be once a manifest was applied to it.

use serde_json::{Map, Value};

use super::{ATOMIC, KEYED, folded, identity, is_shared, same, says_nothing};
use crate::live::LiveObject;
use crate::owners::item_keys;

/// Returns the object that applying `desired` as `manager` makes of `live`: what the manifest names, and what others
/// wrote beside it.
pub fn predict(desired: &Value, live: &LiveObject, manager: &str) -> Value {
    let own = live.managers().into_iter().find(|entry| entry.name == manager && entry.applied);
    let own = own.map_or(Value::Null, |own| own.fields);
    let merge = Merge { kind: live.key.kind };
    merge.value("", Some(desired), &live.value, &own)
}

struct Merge {
    kind: gatewright_kinds::Kind,
}

impl Merge {
    fn value(&self, pointer: &str, desired: Option<&Value>, live: &Value, own: &Value) -> Value {
        let at = |(kind, place): (_, &str)| kind == self.kind && place == pointer;
        let keyed = KEYED.iter().find(|(kind, place, _)| at((*kind, place)));
        match (desired, live, keyed) {
            (None, Value::Object(live), _) => self.members(pointer, &Map::new(), live, own),
            (Some(Value::Object(desired)), Value::Object(live), _)
                if !ATOMIC.iter().any(|(kind, place)| at((*kind, place))) =>
            {
                self.members(pointer, desired, live, own)
            }
            (Some(Value::Array(desired)), Value::Array(live), Some((_, _, keys))) => {
                self.items(desired, live, keys, own)
            }
            (Some(desired), live, _) if !self.equal(desired, live) => desired.clone(),
            _ => live.clone(),
        }
    }

    fn members(
        &self,
        pointer: &str,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
        own: &Value,
    ) -> Value {
        let mut merged = Map::new();
        for (name, held) in live {
            let below = own.get(format!("f:{name}"));
            let wanted = desired.get(name);
            let kept = match (wanted, below) {
                (None, Some(below)) if is_shared(below, held) => {
                    let rest = self.value(&format!("{pointer}/{name}"), None, held, below);
                    rest.as_object().is_some_and(|rest| !rest.is_empty()).then_some(rest)
                }
                (None, Some(_)) => None,
                (None, None) => Some(held.clone()),
                (wanted, below) => Some(self.value(
                    &format!("{pointer}/{name}"),
                    wanted,
                    held,
                    below.unwrap_or(&Value::Null),
                )),
            };
            kept.map(|kept| merged.insert(name.clone(), kept));
        }
        for (name, wanted) in desired {
            let dropped = self.kind.built_in() && says_nothing(name, wanted);
            if !live.contains_key(name) && !dropped {
                merged.insert(name.clone(), wanted.clone());
            }
        }
        Value::Object(merged)
    }

    fn items(&self, desired: &[Value], live: &[Value], keys: &[&str], own: &Value) -> Value {
        let find = |list: &'_ [Value], item: &Value| {
            list.iter().position(|other| identity(other, keys) == identity(item, keys))
        };
        let mut merged: Vec<Value> = desired
            .iter()
            .map(|item| match (find(live, item).map(|index| &live[index]), item) {
                (Some(Value::Object(held)), Value::Object(item)) => self.members(
                    "",
                    item,
                    held,
                    fields_of(own, &identity(&Value::Object(item.clone()), keys)),
                ),
                _ => item.clone(),
            })
            .collect();
        let others = live
            .iter()
            .filter(|item| find(desired, item).is_none() && fields_of(own, &identity(item, keys)).is_null());
        merged.extend(others.cloned());
        Value::Array(merged)
    }

    fn equal(&self, desired: &Value, live: &Value) -> bool {
        match self.kind.built_in() {
            true => same(&folded(desired), &folded(live)),
            false => same(desired, live),
        }
    }
}

/// Returns the tree of fields of a list's item.
fn fields_of<'a>(own: &'a Value, identity: &Value) -> &'a Value {
    let item = own
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| item_keys(name).is_some_and(|keys| same(&keys, identity)));
    item.map_or(&Value::Null, |(_, fields)| fields)
}
