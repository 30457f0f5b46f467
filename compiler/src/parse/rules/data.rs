//! The API server's rules about Secrets and ConfigMaps. No message repeats a value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gatewright_diagnostics::code;
use serde_json::{Map, Value};

use super::At;
use crate::finding::escape;
use crate::parse::decode::decode_base64;
use crate::parse::issue::{Issue, bounded};
use crate::parse::names;

/// What all values of an object may hold, in bytes.
const LIMIT: usize = 1 << 20;
/// Annotation that names the account of a token.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// Adds what the API server would refuse in a Secret.
pub(super) fn check_secret(secret: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let mut values = Values::new();
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let Some(data) = secret.member(field) else { continue };
        check_keys(&data, issues);
        for (key, text) in data.fields().own_texts() {
            let bytes = if encoded { decode_base64(&text) } else { Some(text.into_owned().into_bytes()) };
            values.insert(key, bytes);
        }
    }
    check_size(values.values().flatten().map(Vec::len).sum(), "data", issues);
    let whole = ["data", "stringData"].into_iter().all(|field| secret.fields().is_mapping_or_missing(field));
    if let Some(kind) = secret.text_of("type").filter(|_| whole) {
        check_content(secret, &kind, &values, issues);
    }
}

/// The values of a Secret; none of one that is not base64, which has a finding of its own.
type Values<'t> = BTreeMap<Cow<'t, str>, Option<Vec<u8>>>;

/// Checks what a type of Secret must hold.
fn check_content(secret: &At<'_, '_>, kind: &str, values: &Values<'_>, issues: &mut Vec<Issue>) {
    match kind {
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| !holds(secret, key)) {
                missing(secret, kind, &format!("`{key}`"), issues);
            }
        }
        "kubernetes.io/ssh-auth" => {
            let empty =
                values.get("ssh-privatekey").is_some_and(|key| key.as_ref().is_some_and(Vec::is_empty));
            if empty || !holds(secret, "ssh-privatekey") {
                missing(secret, kind, "`ssh-privatekey`", issues);
            }
        }
        "kubernetes.io/basic-auth" if !holds(secret, "username") && !holds(secret, "password") => {
            missing(secret, kind, "`username` or `password`", issues);
        }
        "kubernetes.io/dockercfg" => check_docker(secret, kind, ".dockercfg", values, issues),
        "kubernetes.io/dockerconfigjson" => check_docker(secret, kind, ".dockerconfigjson", values, issues),
        "kubernetes.io/service-account-token" => {
            let metadata = secret.member("metadata");
            let annotations = metadata.as_ref().and_then(|metadata| metadata.member("annotations"));
            if annotations.is_none_or(|annotations| annotations.lacks_text(ACCOUNT)) {
                let message = format!("a Secret of type `{kind}` needs the annotation `{ACCOUNT}`");
                issues.push(Issue::value(&code::GW0102, "/type", message));
            }
        }
        _ => {}
    }
}

/// Returns whether there is a value under a key, of whatever type.
fn holds(secret: &At<'_, '_>, key: &str) -> bool {
    ["data", "stringData"].into_iter().any(|field| secret.member(field).is_some_and(|data| data.has(key)))
}

fn check_docker(secret: &At<'_, '_>, kind: &str, key: &str, values: &Values<'_>, issues: &mut Vec<Issue>) {
    if !holds(secret, key) {
        missing(secret, kind, &format!("`{key}`"), issues);
    }
    if let Some(Some(bytes)) = values.get(key)
        && serde_json::from_slice::<Option<Map<String, Value>>>(bytes).is_err()
    {
        let plain = secret.member("stringData").is_some_and(|data| data.has(key));
        let field = if plain { "stringData" } else { "data" };
        let message = format!("{field}[\"{key}\"] is no JSON object");
        issues.push(Issue::key(&code::GW0102, format!("/{field}/{}", escape(key)), message));
    }
}

fn missing(secret: &At<'_, '_>, kind: &str, what: &str, issues: &mut Vec<Issue>) {
    let message = format!("a Secret of type `{}` needs {what} in its data", bounded(kind));
    let place = secret.member("type").map_or_else(String::new, |kind| kind.pointer());
    issues.push(Issue::value(&code::GW0102, place, message));
}

/// Adds what the API server would refuse in a ConfigMap.
pub(super) fn check_config_map(config: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let mut size = 0;
    let data = config.member("data");
    if let Some(data) = &data {
        check_keys(data, issues);
        size += data.fields().own_texts().values().map(|text| text.len()).sum::<usize>();
    }
    if let Some(binary) = config.member("binaryData") {
        check_keys(&binary, issues);
        for (key, text) in binary.fields().own_texts() {
            let pointer = format!("/binaryData/{}", escape(&key));
            if data.as_ref().is_some_and(|data| data.has(&key)) {
                let message = format!("\"{}\" is a key of data and of binaryData", bounded(&key));
                issues.push(Issue::key(&code::GW0102, pointer.clone(), message));
            }
            match decode_base64(&text) {
                Some(bytes) => size += bytes.len(),
                None => {
                    let message = format!("binaryData.{} is not base64", bounded(&key));
                    let help = "encode the value, or move text to `data` as it is";
                    issues.push(Issue::key(&code::GW0102, pointer, message).with_help(help));
                }
            }
        }
    }
    check_size(size, "data and binaryData", issues);
}

fn check_keys(data: &At<'_, '_>, issues: &mut Vec<Issue>) {
    for key in data.fields().keys() {
        let Err(rule) = names::data_key(&key) else { continue };
        let message = format!("\"{}\" is no key of data", bounded(&key));
        let pointer = format!("{}/{}", data.pointer(), escape(&key));
        issues.push(Issue::key(&code::GW0102, pointer, message).with_help(format!("use {rule}")));
    }
}

fn check_size(size: usize, what: &str, issues: &mut Vec<Issue>) {
    if size > LIMIT {
        let message = format!("the object holds {size} bytes in {what}, and at most {LIMIT} are accepted");
        issues.push(Issue::key(&code::GW0102, "/data", message));
    }
}
