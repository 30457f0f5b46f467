//! Hiding in JSON documents whose fields are ours: the model, traces.

use serde_json::Value;

use crate::manifest::{ADDRESSES, is_label, secret_pair};
use crate::names::is_secret_header;
use crate::{HIDDEN, address, text};

/// Hides what is secret in a document: by shape in every text, the values of headers and parameters whose names make
/// them secret, and credentials before a host.
pub fn document(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let pair = secret_pair(members);
            for (name, member) in members.iter_mut() {
                if is_secret_header(name) || (pair && !is_label(name)) {
                    blank(member);
                } else if ADDRESSES.contains(&name.as_str()) && member.is_string() {
                    let shown = member.as_str().map(|host| text(&address(host)).into_owned());
                    *member = shown.into();
                } else {
                    document(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(document),
        Value::String(own) => {
            if let std::borrow::Cow::Owned(shown) = text(own) {
                *own = shown;
            }
        }
        _ => {}
    }
}

/// Hides every text and number below a value, so that its form stays.
fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| blank(member)),
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::String(_) | Value::Number(_) => *value = HIDDEN.into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_conditions_and_addresses_of_the_model() {
        let mut model = json!({
            "set": {"authorization": "SESAME", "x-a": "open"},
            "headers": [{"name": "x-api-key", "value": {"exact": "SESAME"}}, {"name": "x-b", "value": {"exact": "open"}}],
            "redirect": {"host": "u:SESAME@h.test", "scheme": "https"},
            "other": {"host": "SESAME@h.test"},
            "url": "https://u:SESAME@h.test/p.wasm",
            "hosts": {"token.example.com": {"secret": "default/open"}},
        });
        document(&mut model);
        let text = model.to_string();
        assert!(!text.contains("SESAME"), "{text}");
        assert_eq!(text.matches("open").count(), 3, "{text}");
        assert!(text.contains("h.test/p.wasm"), "{text}");
    }
}
