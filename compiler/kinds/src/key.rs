//! What an object is called.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use crate::Kind;

/// Namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// What an object is called: the identity of an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct EntityKey {
    /// Kind.
    pub kind: Kind,
    /// Namespace; `default` where the manifest names none, empty for kinds without namespace. Of a registry and its services
    /// the registry's type.
    pub namespace: Arc<str>,
    /// Name; of a registry's service `REGISTRY/HOST`.
    pub name: Arc<str>,
}

impl EntityKey {
    /// Returns the key of these parts as they are.
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        EntityKey { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Returns the key of an object whose metadata says this; an empty namespace is one that is not written.
    pub fn of_metadata(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = match namespace {
            _ if !kind.namespaced() => "",
            "" => DEFAULT_NAMESPACE,
            written => written,
        };
        EntityKey::new(kind, namespace, name)
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind.as_str(), self.name)
        } else {
            write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
        }
    }
}

/// Says that a text names no object of a modelled kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `KIND NAMESPACE/NAME`")]
pub struct EntityKeyError(String);

/// Reads what `Display` writes: `Ingress shop/web`, `IngressClass higress`.
impl FromStr for EntityKey {
    type Err = EntityKeyError;

    fn from_str(text: &str) -> Result<Self, EntityKeyError> {
        let wrong = || EntityKeyError(text.to_owned());
        let (kind, name) = text.split_once(' ').ok_or_else(wrong)?;
        let kind = Kind::EVERY.into_iter().find(|known| known.as_str() == kind).ok_or_else(wrong)?;
        match (kind.namespaced(), name.split_once('/')) {
            (true, Some((namespace, name))) => Ok(EntityKey::new(kind, namespace, name)),
            (false, None) => Ok(EntityKey::new(kind, "", name)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for kind in Kind::EVERY {
            let key = EntityKey::of_metadata(kind, "", "a.b");
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for wrong in ["", "Ingress", "Ingress web", "IngressClass a/b", "Pod a/b", "ingress a/b"] {
            assert_eq!(wrong.parse::<EntityKey>(), Err(EntityKeyError(wrong.to_owned())));
        }
    }

    #[test]
    fn metadata_without_a_namespace_means_the_default_one() {
        let namespace = |kind, written| EntityKey::of_metadata(kind, written, "a").namespace;
        assert_eq!(&*namespace(Kind::Ingress, ""), "default");
        assert_eq!(&*namespace(Kind::Ingress, "shop"), "shop");
        assert_eq!(&*namespace(Kind::IngressClass, "shop"), "");
    }
}
