//! Conversions for the well-known types, and Debug texts that show no secret.

use std::fmt;
use std::time::Duration as StdDuration;

use crate::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, TlsCertificate, TlsSessionTicketKeys,
};
use crate::google::protobuf::value::Kind;
use crate::google::protobuf::{
    Any, BoolValue, Duration, ListValue, StringValue, Struct, UInt32Value, UInt64Value, Value,
};

impl From<StdDuration> for Duration {
    /// Durations beyond what the message can say become its greatest value.
    fn from(duration: StdDuration) -> Self {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        // Always below 1,000,000,000, so it fits.
        Duration { seconds, nanos: duration.subsec_nanos() as i32 }
    }
}

impl TryFrom<Duration> for StdDuration {
    type Error = NegativeDuration;

    fn try_from(duration: Duration) -> Result<Self, NegativeDuration> {
        let seconds = u64::try_from(duration.seconds).map_err(|_| NegativeDuration)?;
        let nanos = u32::try_from(duration.nanos).map_err(|_| NegativeDuration)?;
        Ok(StdDuration::from_secs(seconds).saturating_add(StdDuration::from_nanos(nanos.into())))
    }
}

/// Says that a duration is below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the duration is negative")]
pub struct NegativeDuration;

macro_rules! wrapper {
    ($wrapper:ident, $value:ty) => {
        impl From<$value> for $wrapper {
            fn from(value: $value) -> Self {
                $wrapper { value }
            }
        }
    };
}

wrapper!(BoolValue, bool);
wrapper!(StringValue, String);
wrapper!(UInt32Value, u32);
wrapper!(UInt64Value, u64);

impl From<serde_json::Value> for Value {
    /// Numbers become doubles, which is all that the message has.
    fn from(json: serde_json::Value) -> Self {
        let kind = match json {
            serde_json::Value::Null => Kind::NullValue(0),
            serde_json::Value::Bool(value) => Kind::BoolValue(value),
            serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Kind::StringValue(text),
            serde_json::Value::Array(items) => {
                Kind::ListValue(ListValue { values: items.into_iter().map(Value::from).collect() })
            }
            serde_json::Value::Object(members) => Kind::StructValue(members.into()),
        };
        Value { kind: Some(kind) }
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Struct {
    fn from(members: serde_json::Map<String, serde_json::Value>) -> Self {
        Struct { fields: members.into_iter().map(|(name, value)| (name, value.into())).collect() }
    }
}

/// The content may be a Secret: only type and size are shown.
impl fmt::Debug for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Any")
            .field("type_url", &self.type_url)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .finish()
    }
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate")
            .field("certificate_chain", &self.certificate_chain)
            .field("private_key", &format_args!("[redacted]"))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsSessionTicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSessionTicketKeys([redacted]; {})", self.keys.len())
    }
}

impl fmt::Debug for GenericSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GenericSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::core::v3::{DataSource, data_source::Specifier};
    use crate::envoy::extensions::transport_sockets::tls::v3::{Secret, secret};
    use crate::resource::{Resource, any};

    #[test]
    fn no_debug_text_shows_a_private_key() {
        let inline = |text: &str| DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
            ..DataSource::default()
        };
        let certificate = TlsCertificate {
            certificate_chain: Some(inline("public part")),
            private_key: Some(inline("SESAME")),
            password: Some(inline("SESAME")),
            ..TlsCertificate::default()
        };
        let secret = Secret { name: "s".to_owned(), r#type: Some(secret::Type::TlsCertificate(certificate)) };
        let generic = GenericSecret { secret: Some(inline("SESAME")), ..GenericSecret::default() };
        let texts = format!("{secret:?}{:?}{:?}{generic:?}", any(&secret), Resource::of(&secret));
        assert!(texts.contains("public part"), "{texts}");
        assert!(!texts.contains("SESAME"), "{texts}");
        // A byte list is how a derived text would show it.
        assert!(!texts.contains("83, 69, 83"), "{texts}");
    }

    #[test]
    fn durations_convert_both_ways() {
        let duration = StdDuration::new(3, 250_000_000);
        assert_eq!(StdDuration::try_from(Duration::from(duration)), Ok(duration));
        assert_eq!(StdDuration::try_from(Duration { seconds: -1, nanos: 0 }), Err(NegativeDuration));
        assert_eq!(Duration::from(StdDuration::MAX).seconds, i64::MAX);
    }

    #[test]
    fn json_becomes_a_struct() {
        let json = serde_json::json!({"a": [1, true, null, "x"], "b": {"c": 1.5}});
        let serde_json::Value::Object(members) = json else { unreachable!() };
        let fields = Struct::from(members).fields;
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["a", "b"]);
        let Some(Kind::ListValue(list)) = &fields["a"].kind else { panic!("{fields:?}") };
        assert_eq!(list.values[0].kind, Some(Kind::NumberValue(1.0)));
        assert_eq!(list.values.len(), 4);
    }
}
