//! Where objects of each kind stand in the API: their paths.

use gatewright_kinds::{EntityKey, Kind};

/// Returns the path of all objects of a kind, or of those in one namespace.
pub(crate) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let api = if kind.group().is_empty() { "/api" } else { "/apis" };
    let version = kind.api_version();
    match namespace.filter(|_| kind.namespaced()) {
        Some(namespace) => format!("{api}/{version}/namespaces/{}/{}", escape(namespace), kind.plural()),
        None => format!("{api}/{version}/{}", kind.plural()),
    }
}

/// Returns the path of one object.
pub(crate) fn path(key: &EntityKey) -> String {
    format!("{}/{}", collection(key.kind, Some(&key.namespace)), escape(&key.name))
}

/// Escapes what would end a part of a path: a name comes from a manifest and may be anything.
pub(crate) fn escape(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    // A path of dots alone means another folder.
    if !escaped.is_empty() && escaped.bytes().all(|byte| byte == b'.') {
        return "%2E".repeat(escaped.len());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let ingress = EntityKey::new(Kind::Ingress, "shop", "cart");
        assert_eq!(path(&ingress), "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/cart");
        let class = EntityKey::new(Kind::IngressClass, "", "higress");
        assert_eq!(path(&class), "/apis/networking.k8s.io/v1/ingressclasses/higress");
        let secret = EntityKey::new(Kind::Secret, "a", "b");
        assert_eq!(path(&secret), "/api/v1/namespaces/a/secrets/b");
        assert_eq!(collection(Kind::WasmPlugin, None), "/apis/extensions.higress.io/v1alpha1/wasmplugins");
    }

    #[test]
    fn no_name_leaves_its_part_of_the_path() {
        let key = EntityKey::new(Kind::Secret, "..", "a/b?c#d");
        assert_eq!(path(&key), "/api/v1/namespaces/%2E%2E/secrets/a%2Fb%3Fc%23d");
    }
}
