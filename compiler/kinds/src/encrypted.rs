//! What is encrypted in a repository, told by the marks that the tools leave. Nothing of it is read: a text that only looks
//! like a value must reach neither a data plane nor a cluster.

use serde_json::Value;

use crate::Kind;

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

/// The member of an object where SOPS writes its block.
pub const BLOCK: &str = "sops";

/// What SOPS writes into its block.
const BLOCK_MEMBERS: [&str; 9] =
    ["mac", "version", "lastmodified", "kms", "gcp_kms", "azure_kv", "hc_vault", "age", "pgp"];

/// Where a Secret keeps its values.
const SECRET_VALUES: [&str; 2] = ["data", "stringData"];

/// Returns which tool has encrypted a file as a whole.
pub fn of_file(bytes: &[u8]) -> Option<&'static str> {
    FILES.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, tool)| *tool)
}

/// Returns which tool has encrypted a text.
pub fn of_text(text: &str) -> Option<&'static str> {
    VALUES.iter().find(|(mark, _)| text.trim_start().starts_with(mark)).map(|(_, tool)| *tool)
}

/// Returns the members of an object of this kind whose texts a tool encrypts one by one.
pub fn maps_of(kind: Option<Kind>) -> &'static [&'static str] {
    if kind == Some(Kind::Secret) { &SECRET_VALUES } else { &[] }
}

/// Returns which tool has written the [`BLOCK`] of an object, by its members that are not null.
pub fn of_block(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    BLOCK_MEMBERS.iter().any(|member| has(member)).then_some(SOPS)
}

/// Returns which tool has encrypted an object, or values of it. Such an object must not be sent to an API server.
pub fn of_object(object: &Value) -> Option<&'static str> {
    let block = &object[BLOCK];
    let maps = maps_of(object["kind"].as_str().and_then(Kind::named)).iter();
    let texts = maps.filter_map(|map| object[*map].as_object()).flat_map(|map| map.values());
    of_block(|member| !block[member].is_null()).or_else(|| texts.filter_map(Value::as_str).find_map(of_text))
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
            of_object(&object)
        };
        assert_eq!(secret(json!({"sops": {"mac": "ENC[x]"}})), Some("SOPS"));
        assert_eq!(secret(json!({"data": {"a": "ENC[AES256_GCM,data:x]"}})), Some("SOPS"));
        assert_eq!(
            secret(json!({"stringData": {"a": "$ANSIBLE_VAULT;1.1;AES256\n61"}})),
            Some("Ansible Vault")
        );
        assert_eq!(secret(json!({"stringData": {"sops": "no block"}})), None);
        assert_eq!(of_object(&json!({"kind": "ConfigMap", "data": {"a": "ENC[AES256_GCM,x]"}})), None);
        assert_eq!(of_object(&json!({"kind": "Ingress", "sops": {"version": "3.9.0"}})), Some("SOPS"));
    }
}
