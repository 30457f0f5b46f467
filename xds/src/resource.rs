//! One encoded xDS resource: its bytes are canonical, and its version is a hash of them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::{Message, Name};

use crate::google::protobuf::Any;
use crate::type_url::XdsMessage;

/// An encoded xDS resource. Equal content means equal version, in every process.
///
/// Debug shows the size of the body, never its content, because the body of a Secret is a private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    type_url: &'static str,
    name: Arc<str>,
    version: Version,
    body: Bytes,
}

impl Resource {
    /// Encodes `message` under its own name.
    pub fn of<M: XdsMessage>(message: &M) -> Self {
        Self::from_body(M::TYPE_URL, message.resource_name(), message.encode_to_vec().into())
    }

    /// Encodes `message`, which holds something secret, under its own name: the version is a hash under `key`, so that
    /// it tells nobody without the key whether a guessed content is right.
    pub fn of_secret<M: XdsMessage>(message: &M, key: &[u8; 32]) -> Self {
        let body = message.encode_to_vec();
        let version = version_text(&blake3::keyed_hash(key, &body));
        Self { type_url: M::TYPE_URL, name: message.resource_name().into(), version, body: body.into() }
    }

    /// Wraps bytes that are already canonical.
    pub fn from_body(type_url: &'static str, name: &str, body: Bytes) -> Self {
        let version = version_text(&blake3::hash(&body));
        Self { type_url, name: name.into(), version, body }
    }

    /// Returns the type URL, one of the constants in [`crate::type_url`].
    pub fn type_url(&self) -> &'static str {
        self.type_url
    }

    /// Returns the name under which it is subscribed to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name for sharing.
    pub fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// Returns the version: 16 hexadecimal digits of a hash of the body.
    pub fn version(&self) -> &str {
        // Digits are ASCII.
        std::str::from_utf8(&self.version).unwrap_or_default()
    }

    /// Returns the encoded message.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the message as it goes over the wire; the bytes are shared.
    pub fn to_any(&self) -> Any {
        Any { type_url: self.type_url.to_owned(), value: self.body.clone() }
    }

    /// Decodes the body.
    pub fn decode<M: XdsMessage>(&self) -> Result<M, UnpackError> {
        unpack(&self.to_any())
    }
}

/// Hexadecimal digits, kept where they stand: there are as many versions as resources.
type Version = [u8; 16];

fn version_text(hash: &blake3::Hash) -> Version {
    let mut digits = Version::default();
    digits.copy_from_slice(&hash.to_hex().as_bytes()[..16]);
    digits
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("type_url", &self.type_url)
            .field("name", &self.name)
            .field("version", &self.version())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Packs a message with its type URL.
pub fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec().into() }
}

/// Unpacks an [`Any`] that must hold an `M`.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, UnpackError> {
    let expected = M::type_url();
    // Only what follows the last slash names the type; the host before it is free.
    if any.type_url.rsplit('/').next() != expected.rsplit('/').next() {
        return Err(UnpackError::WrongType { expected, found: any.type_url.clone() });
    }
    M::decode(any.value.clone()).map_err(|source| UnpackError::Malformed { type_url: expected, source })
}

/// Says why an [`Any`] did not give the expected message.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It holds another type.
    #[error("expected {expected}, found {found:?}")]
    WrongType {
        /// The type URL that was asked for.
        expected: String,
        /// The type URL that came.
        found: String,
    },
    /// Its bytes are no such message.
    #[error("malformed {type_url}: {source}")]
    Malformed {
        /// The type URL of the message.
        type_url: String,
        /// What the decoder says.
        source: prost::DecodeError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::core::v3::Metadata;
    use crate::envoy::config::route::v3::VirtualHost;
    use crate::google::protobuf::{Struct, Value, value::Kind};
    use crate::type_url;

    fn cluster_with_metadata(keys: &[&str]) -> Cluster {
        let fields = keys
            .iter()
            .map(|key| (key.to_string(), Value { kind: Some(Kind::StringValue(key.to_uppercase())) }))
            .collect();
        let filter_metadata = [("istio".to_owned(), Struct { fields })].into();
        Cluster {
            name: "outbound|80||a".to_owned(),
            metadata: Some(Metadata { filter_metadata, ..Metadata::default() }),
            ..Cluster::default()
        }
    }

    #[test]
    fn equal_messages_have_equal_bytes_whatever_the_order_of_insertion() {
        let names: Vec<String> = (0..64).map(|n| format!("key{n}")).collect();
        let forward: Vec<&str> = names.iter().map(String::as_str).collect();
        let backward: Vec<&str> = forward.iter().rev().copied().collect();
        let first = Resource::of(&cluster_with_metadata(&forward));
        assert_eq!(first, Resource::of(&cluster_with_metadata(&backward)));
        assert_ne!(first.version(), Resource::of(&cluster_with_metadata(&forward[1..])).version());
    }

    #[test]
    fn version_is_sixteen_digits_of_the_hash_of_the_body() {
        let resource = Resource::of(&Cluster { name: "a".to_owned(), ..Cluster::default() });
        let expected = blake3::hash(resource.body()).to_hex();
        assert_eq!(resource.version(), &expected.as_str()[..16]);
        assert_eq!(resource.name(), "a");
        assert_eq!(resource.type_url(), type_url::CLUSTER);
    }

    #[test]
    fn the_version_of_a_secret_depends_on_the_key() {
        let message = Cluster { name: "a".to_owned(), ..Cluster::default() };
        let one = Resource::of_secret(&message, &[1; 32]);
        assert_ne!(one.version(), Resource::of_secret(&message, &[2; 32]).version());
        assert_ne!(one.version(), Resource::of(&message).version());
        assert_eq!(one.body(), Resource::of(&message).body());
    }

    #[test]
    fn unpack_gives_back_what_any_packed() {
        let host = VirtualHost { name: "http.80/a".to_owned(), ..VirtualHost::default() };
        assert_eq!(unpack::<VirtualHost>(&any(&host)).unwrap(), host);
    }

    #[test]
    fn unpack_names_the_type_that_it_found() {
        let packed = any(&Cluster::default());
        let error = unpack::<VirtualHost>(&packed).unwrap_err().to_string();
        assert!(error.contains(type_url::VIRTUAL_HOST) && error.contains(type_url::CLUSTER), "{error}");
        let broken = Any { value: Bytes::from_static(&[0xff]), ..packed };
        let error = unpack::<Cluster>(&broken).unwrap_err();
        assert!(matches!(error, UnpackError::Malformed { .. }), "{error}");
    }
}
