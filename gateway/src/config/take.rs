//! Helpers for conversions: well-known types, packed messages, and the refusal of what nobody took.

use std::sync::Arc;
use std::time::Duration;

use gatewright_xds::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use gatewright_xds::envoy::config::core::v3::{ConfigSource, DataSource, data_source};
use gatewright_xds::google::protobuf::{self, Any};
use gatewright_xds::render::{self, Keys};
use prost::{Message, Name};

use super::error::FieldError;

/// Refuses a message in which something is still set after everything known was taken out.
pub(super) fn nothing_left<M: Message + Name>(rest: &M) -> Result<(), FieldError> {
    if rest.encoded_len() == 0 {
        return Ok(());
    }
    Err(FieldError::unsupported(&first_field(rest).unwrap_or_else(|| M::NAME.to_owned())))
}

/// Returns the name of a field that is set.
fn first_field<M: Message + Name>(message: &M) -> Option<String> {
    let readable = render::message(message, Keys::Hidden).ok()?;
    readable.as_object()?.keys().next().cloned()
}

/// Unpacks an [`Any`] that must be there and hold an `M`.
pub(super) fn unpack<M: Message + Name + Default>(any: Option<Any>, field: &str) -> Result<M, FieldError> {
    let any = any.ok_or_else(|| FieldError::missing(field))?;
    gatewright_xds::unpack(&any).map_err(|error| FieldError::new(field, error.to_string()))
}

/// Returns a duration, refusing a negative one.
pub(super) fn duration(
    value: Option<protobuf::Duration>,
    field: &str,
) -> Result<Option<Duration>, FieldError> {
    value
        .map(|value| Duration::try_from(value).map_err(|error| FieldError::new(field, error.to_string())))
        .transpose()
}

/// Returns the text as a shared string, refusing an empty one.
pub(super) fn name(text: String, field: &str) -> Result<Arc<str>, FieldError> {
    if text.is_empty() { Err(FieldError::missing(field)) } else { Ok(text.into()) }
}

/// Accepts the ADS stream (or the stream that this resource came by) as source, and nothing else.
pub(super) fn ads(source: Option<ConfigSource>, field: &str) -> Result<(), FieldError> {
    match source.and_then(|source| source.config_source_specifier) {
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_)) => Ok(()),
        _ => Err(FieldError::new(field, "only ADS is supported")),
    }
}

/// Returns the bytes of an inline data source.
pub(super) fn inline(source: Option<DataSource>, field: &str) -> Result<Vec<u8>, FieldError> {
    match source.and_then(|source| source.specifier) {
        Some(data_source::Specifier::InlineBytes(bytes)) => Ok(bytes.to_vec()),
        Some(data_source::Specifier::InlineString(text)) => Ok(text.into_bytes()),
        Some(_) => Err(FieldError::new(field, "only inline data is supported")),
        None => Err(FieldError::missing(field)),
    }
}
