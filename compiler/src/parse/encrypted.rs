//! What is encrypted in a repository, told by the marks that the tools leave. Nothing of it is read: a text that only looks
//! like a value must reach neither a data plane nor a cluster.

use serde_json::Value;

use super::fields::Fields;
use super::tree::{NodeId, NodeKind, Tree};

const SOPS: &str = "SOPS";

/// How whole files begin that a tool has encrypted.
const FILES: [(&[u8], &str); 6] = [
    (b"\0GITCRYPT\0", "git-crypt"),
    (b"age-encryption.org/", "age"),
    (AGE.as_bytes(), "age"),
    (b"$ANSIBLE_VAULT;", "Ansible Vault"),
    (PGP.as_bytes(), "PGP"),
    // `Salted__` in base64: openssl, and transcrypt with it.
    (b"U2FsdGVkX1", "openssl"),
];
const AGE: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const PGP: &str = "-----BEGIN PGP MESSAGE-----";

/// How single values begin.
const VALUES: [(&str, &str); 4] =
    [("ENC[AES256_GCM,", SOPS), ("$ANSIBLE_VAULT;", "Ansible Vault"), (AGE, "age"), (PGP, "PGP")];

/// What SOPS writes into its block.
const SOPS_MEMBERS: [&str; 9] =
    ["mac", "version", "lastmodified", "kms", "gcp_kms", "azure_kv", "hc_vault", "age", "pgp"];

/// Returns which tool has encrypted a file as a whole.
pub(super) fn of_file(bytes: &[u8]) -> Option<&'static str> {
    FILES.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, tool)| *tool)
}

/// Returns which tool has encrypted a text.
pub(super) fn of_text(text: &str) -> Option<&'static str> {
    VALUES.iter().find(|(mark, _)| text.trim_start().starts_with(mark)).map(|(_, tool)| *tool)
}

/// Returns which tool has encrypted an object of a file, or values of it.
pub(super) fn of_node(tree: &Tree<'_>, node: NodeId, secret: bool) -> Option<&'static str> {
    if !matches!(tree.node(tree.target(node)).kind, NodeKind::Mapping(_)) {
        return None;
    }
    let object = Fields::of(tree, node);
    let block = object.object("sops");
    if SOPS_MEMBERS.iter().any(|member| block.has(member)) {
        return Some(SOPS);
    }
    let maps = if secret { &["data", "stringData"][..] } else { &[] };
    maps.iter().find_map(|map| object.text_map(map).values().find_map(|text| of_text(text)))
}

/// Returns which tool has encrypted an object, or values of it. Such an object must not be sent to an API server.
pub fn encryption_of(object: &Value) -> Option<&'static str> {
    let block = &object["sops"];
    if SOPS_MEMBERS.iter().any(|member| !block[*member].is_null()) {
        return Some(SOPS);
    }
    if object["kind"] != "Secret" {
        return None;
    }
    let maps = ["data", "stringData"].into_iter().filter_map(|map| object[map].as_object());
    maps.flat_map(|map| map.values()).find_map(|value| of_text(value.as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_told_by_how_they_begin() {
        assert_eq!(of_file(b"\0GITCRYPT\0\x01\x02"), Some("git-crypt"));
        assert_eq!(of_file(b"$ANSIBLE_VAULT;1.2;AES256;dev\n6162"), Some("Ansible Vault"));
        assert_eq!(of_file(b"age-encryption.org/v1\n-> X25519"), Some("age"));
        assert_eq!(of_file(b"kind: Secret\n"), None);
        assert_eq!(of_file(b"\0GIT"), None);
    }

    #[test]
    fn objects_are_told_by_the_block_or_by_their_values() {
        let secret = |body: Value| {
            let mut object = json!({"apiVersion": "v1", "kind": "Secret"});
            object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            encryption_of(&object)
        };
        assert_eq!(secret(json!({"sops": {"mac": "ENC[x]"}})), Some("SOPS"));
        assert_eq!(secret(json!({"data": {"a": "ENC[AES256_GCM,data:x]"}})), Some("SOPS"));
        assert_eq!(
            secret(json!({"stringData": {"a": "$ANSIBLE_VAULT;1.1;AES256\n61"}})),
            Some("Ansible Vault")
        );
        assert_eq!(secret(json!({"stringData": {"sops": "no block"}})), None);
        assert_eq!(encryption_of(&json!({"kind": "ConfigMap", "data": {"a": "ENC[AES256_GCM,x]"}})), None);
        assert_eq!(encryption_of(&json!({"kind": "Ingress", "sops": {"version": "3.9.0"}})), Some("SOPS"));
    }
}
