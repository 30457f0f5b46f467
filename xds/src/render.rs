//! The readable form of xDS: JSON values with proto field names, defaults left out, `Any` opened, keys sorted, and
//! secrets hidden unless asked for: private keys, headers and conditions whose names make them secret, and what is secret by
//! its shape. The result is what Envoy reads as configuration.

use std::borrow::Cow;
use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage,
    SerializeOptions,
};
use serde_json::{Map, Value};

use gatewright_secrets::{HIDDEN, is_secret_name};

use crate::google::protobuf::Any;
use crate::resource::Resource;

/// What stands in the place of a hidden key, in Envoy's own word; elsewhere it is [`HIDDEN`].
pub const REDACTED: &str = "[redacted]";

/// The committed descriptor set is written together with the code, and a test loads it.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(include_bytes!("generated/descriptors.bin").as_slice())
        .expect("the committed descriptor set is valid")
});

/// Fields that hold a secret: message and field name.
const SECRET_FIELDS: [(&str, &str); 6] = [
    ("envoy.extensions.transport_sockets.tls.v3.GenericSecret", "secret"),
    ("envoy.extensions.transport_sockets.tls.v3.GenericSecret", "secrets"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "password"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "pkcs12"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "private_key"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys", "keys"),
];

/// Messages that give something a name, which can make the rest of it secret: message and field of the name.
const NAMED: [(&str, &str); 3] = [
    ("envoy.config.core.v3.HeaderValue", "key"),
    ("envoy.config.route.v3.HeaderMatcher", "name"),
    ("envoy.config.route.v3.QueryParameterMatcher", "name"),
];

/// Whether secret values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each is replaced by [`REDACTED`].
    Hidden,
    /// Each is written out.
    Shown,
}

/// Says why xDS could not be made readable.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No such message is in the descriptor set.
    #[error("unknown message type {0}")]
    UnknownType(String),
    /// The bytes are no such message.
    #[error("malformed {type_url}: {source}")]
    Malformed {
        /// The type URL of the message.
        type_url: String,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// Something inside has no readable form, for instance an `Any` of an unknown type.
    #[error("cannot write {type_url}: {source}")]
    Unwritable {
        /// The type URL of the message.
        type_url: String,
        /// What the writer says.
        source: serde_json::Error,
    },
}

/// Renders the message of a resource, without a type.
pub fn resource(resource: &Resource, keys: Keys) -> Result<Value, RenderError> {
    bytes(resource.type_url(), resource.body(), keys)
}

/// Renders a message, without a type.
pub fn message<M: Message + Name>(message: &M, keys: Keys) -> Result<Value, RenderError> {
    bytes(&M::type_url(), &message.encode_to_vec(), keys)
}

/// Renders the message inside `any` with its type URL as `@type`.
pub fn any(any: &Any, keys: Keys) -> Result<Value, RenderError> {
    bytes("type.googleapis.com/google.protobuf.Any", &any.encode_to_vec(), keys)
}

/// Renders an encoded message of type `type_url`.
pub fn bytes(type_url: &str, body: &[u8], keys: Keys) -> Result<Value, RenderError> {
    let descriptor = descriptor(type_url).ok_or_else(|| RenderError::UnknownType(type_url.to_owned()))?;
    let message = DynamicMessage::decode(descriptor.clone(), body)
        .map_err(|source| RenderError::Malformed { type_url: type_url.to_owned(), source })?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    let value = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|source| RenderError::Unwritable { type_url: type_url.to_owned(), source })?;
    let value = tidy_message(value, &message.descriptor(), keys);
    Ok(if keys == Keys::Hidden { without_shapes(value) } else { value })
}

/// Writes a rendered value as indented JSON that ends with a line feed.
pub fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes a rendered value as YAML, for readers of YAML 1.2 and of YAML 1.1, which Envoy is.
pub fn yaml_text(value: &Value) -> String {
    // A JSON value has string keys and finite numbers only, so nothing in it is beyond YAML.
    let yaml = serde_yaml::to_string(value).expect("every JSON value can be written as YAML");
    let mut block = None;
    yaml.split_inclusive('\n').map(|line| quoted(line, &mut block)).collect()
}

/// Puts quotes around the text of a line that YAML 1.1 takes for a truth value and YAML 1.2 for text. `block` is the column
/// of what holds the block scalar that goes on in this line, if one does.
fn quoted<'l>(line: &'l str, block: &mut Option<usize>) -> Cow<'l, str> {
    let text = line.trim_end_matches('\n');
    let indentation = text.len() - text.trim_start_matches(' ').len();
    if block.is_some_and(|column| text.is_empty() || indentation > column) {
        return line.into();
    }
    let mut at = indentation;
    let mut column = at;
    while text[at..].starts_with("- ") {
        column = at;
        at += 2;
    }
    if let Some(colon) = text[at..].find(": ") {
        column = at;
        at += colon + 2;
    }
    let value = &text[at..];
    *block = value.starts_with(['|', '>']).then_some(column);
    match TRUTHS.iter().any(|truth| value.eq_ignore_ascii_case(truth)) {
        true => format!("{}'{value}'\n", &text[..at]).into(),
        false => line.into(),
    }
}

/// Truth values of YAML 1.1 that are texts in YAML 1.2.
const TRUTHS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

fn descriptor(type_url: &str) -> Option<MessageDescriptor> {
    let (_, name) = type_url.rsplit_once('/')?;
    POOL.get_message_by_name(name)
}

/// Sorts keys, shortens integral numbers and hides secrets in the value of a message.
fn tidy_message(value: Value, descriptor: &MessageDescriptor, keys: Keys) -> Value {
    let Value::Object(members) = value else { return tidy_plain(value) };
    match descriptor.full_name() {
        "google.protobuf.Any" => return tidy_any(members, keys),
        "google.protobuf.Struct" | "google.protobuf.Value" => return tidy_plain(Value::Object(members)),
        _ => {}
    }
    let named = named_secret(&members, descriptor, keys);
    sorted(members.into_iter().map(|(name, value)| {
        let value = match descriptor.get_field_by_name(&name) {
            Some(_) if named.is_some_and(|label| label != name) => blank(value),
            Some(field) if keys == Keys::Hidden && is_secret(descriptor, &name) => hide(value, &field),
            Some(field) => tidy_field(value, &field, keys),
            None => tidy_plain(value),
        };
        (name, value)
    }))
}

fn tidy_any(members: Map<String, Value>, keys: Keys) -> Value {
    let inner = members.get("@type").and_then(Value::as_str).and_then(descriptor);
    let Some(inner) = inner else { return tidy_plain(Value::Object(members)) };
    // A well-known type stands under `value`; anything else has its fields beside `@type`.
    if inner.full_name().starts_with("google.protobuf.") {
        return sorted(members.into_iter().map(|(name, value)| (name, tidy_message(value, &inner, keys))));
    }
    tidy_message(Value::Object(members), &inner, keys)
}

fn tidy_field(value: Value, field: &FieldDescriptor, keys: Keys) -> Value {
    let kind = field.kind();
    let Kind::Message(descriptor) = kind else { return tidy_plain(value) };
    match value {
        Value::Array(items) if field.is_list() => {
            Value::Array(items.into_iter().map(|item| tidy_message(item, &descriptor, keys)).collect())
        }
        Value::Object(members) if field.is_map() => {
            let of_values = descriptor.map_entry_value_field();
            sorted(members.into_iter().map(|(name, value)| (name, tidy_field(value, &of_values, keys))))
        }
        value => tidy_message(value, &descriptor, keys),
    }
}

/// Sorts keys and shortens numbers where there is no message type to follow.
fn tidy_plain(value: Value) -> Value {
    match value {
        Value::Object(members) => sorted(members.into_iter().map(|(name, value)| (name, tidy_plain(value)))),
        Value::Array(items) => Value::Array(items.into_iter().map(tidy_plain).collect()),
        Value::Number(number) => Value::Number(without_fraction(number)),
        other => other,
    }
}

/// Doubles are exact integers up to 2^53; beyond that the short form would pretend to know more digits.
fn without_fraction(number: serde_json::Number) -> serde_json::Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() <= EXACT => {
            (double as i64).into()
        }
        _ => number,
    }
}

/// serde_json keeps insertion order when any crate of the build asks for it, so the order is made here.
fn sorted(members: impl Iterator<Item = (String, Value)>) -> Value {
    let mut members: Vec<(String, Value)> = members.collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(members.into_iter().collect())
}

/// Returns the field that holds the name, where that makes the rest of the message secret.
fn named_secret(
    members: &Map<String, Value>,
    descriptor: &MessageDescriptor,
    keys: Keys,
) -> Option<&'static str> {
    let (_, label) = NAMED.iter().find(|(message, _)| *message == descriptor.full_name())?;
    let name = members.get(*label)?.as_str()?;
    (keys == Keys::Hidden && is_secret_name(name)).then_some(label)
}

/// Hides every text below a value, so that its form stays.
fn blank(value: Value) -> Value {
    match value {
        Value::Object(members) => sorted(members.into_iter().map(|(name, value)| (name, blank(value)))),
        Value::Array(items) => Value::Array(items.into_iter().map(blank).collect()),
        Value::String(_) => HIDDEN.into(),
        other => other,
    }
}

/// Hides in every text what is secret by its shape, and credentials before a host.
fn without_shapes(value: Value) -> Value {
    match value {
        Value::Object(members) => sorted(members.into_iter().map(|(name, value)| match value {
            Value::String(host) if matches!(name.as_str(), "host_redirect" | "host_rewrite_literal") => {
                (name, gatewright_secrets::address(&host).into())
            }
            value => (name, without_shapes(value)),
        })),
        Value::Array(items) => Value::Array(items.into_iter().map(without_shapes).collect()),
        Value::String(text) => match gatewright_secrets::shapes(&text) {
            Cow::Owned(shown) => shown.into(),
            Cow::Borrowed(_) => Value::String(text),
        },
        other => other,
    }
}

fn is_secret(descriptor: &MessageDescriptor, field: &str) -> bool {
    SECRET_FIELDS.contains(&(descriptor.full_name(), field))
}

/// Hides what a DataSource carries inline and keeps where else it would be read from.
fn hide(value: Value, field: &FieldDescriptor) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hide(item, field)).collect()),
        Value::Object(members) if field.is_map() => {
            sorted(members.into_iter().map(|(name, value)| (name, hide_source(value))))
        }
        other => hide_source(other),
    }
}

fn hide_source(value: Value) -> Value {
    let Value::Object(members) = value else { return REDACTED.into() };
    sorted(members.into_iter().map(|(name, value)| match name.as_str() {
        "inline_bytes" | "inline_string" => (name, REDACTED.into()),
        _ => (name, tidy_plain(value)),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::core::v3::{
        DataSource, Metadata, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
    };
    use crate::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
    use crate::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
    use crate::envoy::extensions::transport_sockets::tls::v3::{
        CommonTlsContext, DownstreamTlsContext, GenericSecret, Secret, TlsCertificate, secret,
    };

    #[test]
    fn texts_that_older_yaml_takes_for_truth_values_are_quoted() {
        let value = json!({
            "exact": "Yes", "list": ["on", "x - on", "n", ["Y"]], "name": "y", "truth": true, "word": "nobody",
            "lines": "first\nb: yes\n- on\n", "more": [{"block": "x\n  y: no\n", "off": "OFF"}, "a\nno\n", "no"],
        });
        let text = yaml_text(&value);
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), value, "{text}");
        let expected = "\
exact: 'Yes'
lines: |
  first
  b: yes
  - on
list:
- 'on'
- x - on
- 'n'
- - 'Y'
more:
- block: |
    x
      y: no
  off: 'OFF'
- |
  a
  no
- 'no'
name: 'y'
truth: true
word: nobody
";
        assert_eq!(text, expected);
    }
    use crate::google::protobuf::{Duration, Struct};
    use crate::resource::any as pack;

    fn inline(text: &str) -> Option<DataSource> {
        Some(DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
            ..DataSource::default()
        })
    }

    fn certificate() -> TlsCertificate {
        TlsCertificate {
            certificate_chain: inline("PUBLIC"),
            private_key: inline("SESAME"),
            ..TlsCertificate::default()
        }
    }

    /// A listener whose filter chain carries an inline certificate inside an `Any`.
    fn tls_listener() -> Listener {
        let tls = DownstreamTlsContext {
            common_tls_context: Some(CommonTlsContext {
                tls_certificates: vec![certificate()],
                ..CommonTlsContext::default()
            }),
            ..DownstreamTlsContext::default()
        };
        let manager = HttpConnectionManager {
            stat_prefix: "outbound_0.0.0.0_443".to_owned(),
            drain_timeout: Some(Duration { seconds: 5, nanos: 0 }),
            ..HttpConnectionManager::default()
        };
        let chain = FilterChain {
            filters: vec![Filter {
                name: "hcm".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(pack(&manager))),
            }],
            transport_socket: Some(TransportSocket {
                name: "tls".to_owned(),
                config_type: Some(ConfigType::TypedConfig(pack(&tls))),
            }),
            ..FilterChain::default()
        };
        Listener { name: "0.0.0.0_443".to_owned(), filter_chains: vec![chain], ..Listener::default() }
    }

    #[test]
    fn opens_any_and_leaves_defaults_out() {
        let value = message(&tls_listener(), Keys::Hidden).unwrap();
        let chain = &value["filter_chains"][0];
        assert_eq!(
            chain["filters"][0]["typed_config"],
            json!({
                "@type": HttpConnectionManager::type_url(),
                "drain_timeout": "5s",
                "stat_prefix": "outbound_0.0.0.0_443",
            })
        );
    }

    #[test]
    fn hides_private_keys_however_deep_they_are() {
        let secret =
            Secret { name: "s".to_owned(), r#type: Some(secret::Type::TlsCertificate(certificate())) };
        let hidden = [
            message(&secret, Keys::Hidden).unwrap(),
            any(&pack(&secret), Keys::Hidden).unwrap(),
            message(&tls_listener(), Keys::Hidden).unwrap(),
        ];
        for value in &hidden {
            let text = json_text(value);
            assert!(text.contains(REDACTED) && text.contains("PUBLIC") && !text.contains("SESAME"), "{text}");
        }
        assert!(json_text(&message(&tls_listener(), Keys::Shown).unwrap()).contains("SESAME"));
    }

    #[test]
    fn hides_generic_secrets_but_not_where_a_file_is() {
        let file = DataSource {
            specifier: Some(Specifier::Filename("/run/key".to_owned())),
            ..DataSource::default()
        };
        let generic = GenericSecret { secret: inline("SESAME"), secrets: [("k".to_owned(), file)].into() };
        let value = message(&generic, Keys::Hidden).unwrap();
        assert_eq!(
            value,
            json!({"secret": {"inline_string": REDACTED}, "secrets": {"k": {"filename": "/run/key"}}})
        );
    }

    #[test]
    fn numbers_of_a_struct_lose_only_an_empty_fraction() {
        let json = json!({"int": 8080, "half": 0.5, "huge": 1e300, "list": [1, {"z": 2, "a": 3}]});
        let Value::Object(members) = json else { unreachable!() };
        let filter_metadata = [("x".to_owned(), Struct::from(members))].into();
        let cluster = Cluster {
            metadata: Some(Metadata { filter_metadata, ..Metadata::default() }),
            ..Cluster::default()
        };
        let value = message(&cluster, Keys::Hidden).unwrap();
        let text = value["metadata"]["filter_metadata"]["x"].to_string();
        assert_eq!(text, r#"{"half":0.5,"huge":1e+300,"int":8080,"list":[1,{"a":3,"z":2}]}"#);
    }

    #[test]
    fn yaml_and_json_are_the_same_in_every_run_and_say_the_same() {
        let value = message(&tls_listener(), Keys::Shown).unwrap();
        assert_eq!(yaml_text(&value), yaml_text(&message(&tls_listener(), Keys::Shown).unwrap()));
        let back: Value = serde_yaml::from_str(&yaml_text(&value)).unwrap();
        assert_eq!(back, serde_json::from_str::<Value>(&json_text(&value)).unwrap());
    }

    #[test]
    fn rendering_of_a_resource_equals_that_of_its_message() {
        let cluster = Cluster { name: "a".to_owned(), ..Cluster::default() };
        let expected = json!({"name": "a"});
        assert_eq!(resource(&Resource::of(&cluster), Keys::Hidden).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_type() {
        let error = bytes("type.googleapis.com/no.such.Message", &[], Keys::Hidden).unwrap_err();
        assert_eq!(error.to_string(), "unknown message type type.googleapis.com/no.such.Message");
        let error = bytes(&Cluster::type_url(), &[0xff], Keys::Hidden).unwrap_err();
        assert!(matches!(error, RenderError::Malformed { .. }), "{error}");
    }

    #[test]
    fn every_generated_type_of_ours_is_in_the_descriptor_set() {
        for type_url in crate::type_url::ADDITION_ORDER {
            assert!(descriptor(type_url).is_some(), "{type_url}");
        }
    }
}
