//! Stage: what applying an object would change, told from the object that the cluster holds. A server-side apply that
//! changes nothing costs the API server as much as one that does, so only what differs is sent.
//!
//! Members that the manifest does not name are left alone, as server-side apply leaves them: defaults, and what other
//! owners wrote. Members that our last apply set and the manifest no longer names are removed.

mod predict;

use gatewright_kinds::Kind;
use serde_json::{Map, Value};

use crate::live::{LiveObject, Manager};
use crate::owners::{self, Step};

pub use predict::predict;

/// One field that an apply would change.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// JSON pointer; items of lists by their place in the manifest, for removed ones in the live object.
    pub pointer: String,
    /// The value in the cluster; none where there is none.
    pub live: Option<Value>,
    /// The value in the manifest; none where it is removed.
    pub desired: Option<Value>,
    /// Other field managers that own the field. An apply conflicts with them, unless it removes.
    pub owners: Vec<String>,
}

/// Lists whose items are told apart by members: kind, pointer and members.
const KEYED: [(Kind, &str, &[&str]); 1] = [(Kind::Service, "/spec/ports", &["port", "protocol"])];

/// Maps that are one value to server-side apply: kind and pointer.
const ATOMIC: [(Kind, &str); 3] = [
    (Kind::Service, "/spec/selector"),
    (Kind::Ingress, "/spec/defaultBackend/resource"),
    (Kind::Ingress, "/spec/defaultBackend/service/port"),
];

/// Members whose `false` says something else than their absence.
const FALSE_IS_MEANT: [&str; 3] = ["allocateLoadBalancerNodePorts", "ready", "serving"];

/// Members that the API server fills in inside of lists that are one value.
const DEFAULTS: [(&str, &str); 1] = [("protocol", "TCP")];

/// Returns what applying `desired` as `manager` would change in `live`, in order of the pointers.
pub fn compare(desired: &Value, live: &LiveObject, manager: &str) -> Vec<FieldChange> {
    let (own, others): (Vec<Manager>, Vec<Manager>) =
        live.managers().into_iter().partition(|entry| entry.name == manager && entry.applied);
    let mut comparison = Comparison {
        kind: live.key.kind,
        others,
        changes: Vec::new(),
        pointer: String::new(),
        path: Vec::new(),
    };
    comparison.members(desired, &live.value);
    if let Some(own) = own.first() {
        comparison.removed(&own.fields, desired, &live.value);
    }
    let mut changes = comparison.changes;
    changes.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    changes
}

struct Comparison {
    kind: Kind,
    others: Vec<Manager>,
    changes: Vec<FieldChange>,
    pointer: String,
    path: Vec<Step>,
}

impl Comparison {
    /// Compares the members of a map.
    fn members(&mut self, desired: &Value, live: &Value) {
        for (name, wanted) in desired.as_object().into_iter().flatten() {
            if self.pointer.is_empty() && (name == "apiVersion" || name == "kind") {
                continue;
            }
            self.enter(name, Step::Member(name.clone()), |inner| inner.value(name, wanted, live.get(name)));
        }
    }

    fn value(&mut self, name: &str, wanted: &Value, live: Option<&Value>) {
        let Some(live) = live else {
            // The API server drops what says nothing from its own kinds.
            if !(self.kind.built_in() && says_nothing(name, wanted)) {
                self.change(None, Some(wanted));
            }
            return;
        };
        let keyed = KEYED.iter().find(|(kind, pointer, _)| *kind == self.kind && *pointer == self.pointer);
        match (wanted, live, keyed) {
            (Value::Object(_), Value::Object(_), _) if !self.is_atomic() => self.members(wanted, live),
            (Value::Array(wanted), Value::Array(live), Some((_, _, keys))) => self.items(wanted, live, keys),
            _ if self.equal(wanted, live) => {}
            _ => self.change(Some(live), Some(wanted)),
        }
    }

    /// Compares the items of a list whose items have keys.
    fn items(&mut self, wanted: &[Value], live: &[Value], keys: &[&str]) {
        for (index, item) in wanted.iter().enumerate() {
            let identity = identity(item, keys);
            let found = live.iter().find(|other| self::identity(other, keys) == identity);
            self.enter(&index.to_string(), Step::Item(identity), |inner| match found {
                Some(found) => inner.members(item, found),
                None => inner.change(None, Some(item)),
            });
        }
    }

    fn is_atomic(&self) -> bool {
        ATOMIC.iter().any(|(kind, pointer)| *kind == self.kind && *pointer == self.pointer)
    }

    fn equal(&self, wanted: &Value, live: &Value) -> bool {
        if self.kind.built_in() { same(&folded(wanted), &folded(live)) } else { same(wanted, live) }
    }

    /// Finds what the tree of our own fields holds and the manifest does not.
    fn removed(&mut self, fields: &Value, desired: &Value, live: &Value) {
        for (name, below) in fields.as_object().into_iter().flatten() {
            if let Some(member) = name.strip_prefix("f:") {
                let Some(held) = live.get(member) else { continue };
                self.enter(member, Step::Member(member.to_owned()), |inner| match desired.get(member) {
                    Some(wanted) => inner.removed(below, wanted, held),
                    // Of what others share only our part goes.
                    None if is_shared(below, held) => inner.removed(below, &Value::Null, held),
                    None => inner.change(Some(held), None),
                });
            } else if let Some(identity) = owners::item_keys(name) {
                self.removed_item(&identity, below, desired, live);
            }
        }
    }

    fn removed_item(&mut self, identity: &Value, below: &Value, desired: &Value, live: &Value) {
        let Some(members) = identity.as_object() else { return };
        let keys: Vec<&str> = members.keys().map(String::as_str).collect();
        let position = |list: &Value| {
            list.as_array()?.iter().position(|item| same(&self::identity(item, &keys), identity))
        };
        let Some(held) = position(live) else { return };
        let wanted = position(desired);
        let index = wanted.unwrap_or(held);
        self.enter(&index.to_string(), Step::Item(identity.clone()), |inner| match wanted {
            Some(wanted) => inner.removed(below, &desired[wanted], &live[held]),
            None => inner.change(Some(&live[held]), None),
        });
    }

    fn enter(&mut self, name: &str, step: Step, inside: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        self.path.push(step);
        inside(self);
        self.path.pop();
        self.pointer.truncate(length);
    }

    fn change(&mut self, live: Option<&Value>, desired: Option<&Value>) {
        let owners = owners::owners(&self.others, &self.path);
        self.changes.push(FieldChange {
            pointer: self.pointer.clone(),
            live: live.cloned(),
            desired: desired.cloned(),
            owners: owners.into_iter().map(str::to_owned).collect(),
        });
    }
}

/// Returns whether a tree of fields owns parts of a map, and not the map as one value.
fn is_shared(fields: &Value, live: &Value) -> bool {
    live.is_object() && fields.as_object().is_some_and(|members| members.keys().any(|name| name != "."))
}

/// Returns the values of an item's keys, with the API server's default.
fn identity(item: &Value, keys: &[&str]) -> Value {
    let value = |key: &str| match item.get(key) {
        Some(value) => Some(value.clone()),
        None => DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, value)| Value::from(*value)),
    };
    keys.iter().filter_map(|key| Some(((*key).to_owned(), value(key)?))).collect::<Map<_, _>>().into()
}

/// Returns a value without the members that the API server fills in or drops.
fn folded(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name, folded(value)))
            .filter(|(name, value)| !says_nothing(name, value) && !is_default(name, value))
            .map(|(name, value)| (name.clone(), value))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(folded).collect::<Vec<_>>().into(),
        scalar => scalar.clone(),
    }
}

fn is_default(name: &str, value: &Value) -> bool {
    DEFAULTS.iter().any(|(member, default)| *member == name && value == default)
}

/// Returns whether a member is as good as absent.
fn says_nothing(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value && !FALSE_IS_MEANT.contains(&name),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.iter().all(|(name, value)| says_nothing(name, value)),
    }
}

/// Compares values; numbers by what they say.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
