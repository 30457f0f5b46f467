//! The HTTP connection manager of a filter chain.

use std::sync::Arc;
use std::time::Duration;

use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3 as xds;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    CodecType, PathWithEscapedSlashesAction, RouteSpecifier,
};
use http::HeaderValue;

use super::error::{FieldError, Within};
use super::filters::{FilterUse, chain};
use super::take::{ads, duration, name, nothing_left};
use crate::stream::Loader;

/// Envoy's defaults.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
const REQUEST_HEADERS_KB: u32 = 60;

/// How HTTP is served on a filter chain.
#[derive(Clone, Debug)]
pub(crate) struct HttpConnections {
    /// The route configuration.
    pub(crate) routes: Arc<str>,
    pub(crate) filters: Box<[FilterUse]>,
    pub(crate) server_name: HeaderValue,
    /// Whether the peer is the client, so that its address is appended to `x-forwarded-for` and its word on protocol
    /// and request id is not taken.
    pub(crate) use_remote_address: bool,
    pub(crate) keep_request_id: bool,
    pub(crate) generate_request_id: bool,
    pub(crate) normalize_path: bool,
    pub(crate) merge_slashes: bool,
    pub(crate) websocket: bool,
    pub(crate) access_log: bool,
    pub(crate) http_10: bool,
    pub(crate) header_bytes: usize,
    /// A connection without request is closed after this time.
    pub(crate) idle_timeout: Option<Duration>,
    /// A request on which nothing moves is ended after this time.
    pub(crate) stream_idle_timeout: Option<Duration>,
    /// Limit from the first byte of a request to the end of its headers.
    pub(crate) request_headers_timeout: Option<Duration>,
}

impl HttpConnections {
    pub(super) fn new(mut message: xds::HttpConnectionManager, loader: &Loader) -> Result<Self, FieldError> {
        let take_flag = |value: &mut Option<gatewright_xds::google::protobuf::BoolValue>, default| {
            value.take().map_or(default, |value| value.value)
        };
        let routes = match message.route_specifier.take() {
            Some(RouteSpecifier::Rds(rds)) => routes_by_name(rds).within("rds")?,
            _ => return Err(FieldError::new("route_specifier", "only rds is supported")),
        };
        let settings = Self {
            routes,
            filters: chain(std::mem::take(&mut message.http_filters), loader)?,
            server_name: server_name(std::mem::take(&mut message.server_name))?,
            use_remote_address: take_flag(&mut message.use_remote_address, false),
            keep_request_id: std::mem::take(&mut message.preserve_external_request_id),
            generate_request_id: take_flag(&mut message.generate_request_id, true),
            normalize_path: take_flag(&mut message.normalize_path, false),
            merge_slashes: std::mem::take(&mut message.merge_slashes),
            websocket: websocket(std::mem::take(&mut message.upgrade_configs))?,
            // Where log lines go and what they hold is the operator's choice at the command line.
            access_log: !std::mem::take(&mut message.access_log).is_empty(),
            http_10: http_10(&mut message)?,
            header_bytes: header_bytes(&mut message),
            idle_timeout: idle_timeout(&mut message)?,
            stream_idle_timeout: limit(
                message.stream_idle_timeout.take(),
                "stream_idle_timeout",
                STREAM_IDLE_TIMEOUT,
            )?,
            request_headers_timeout: duration(
                message.request_headers_timeout.take(),
                "request_headers_timeout",
            )?
            .filter(|limit| !limit.is_zero()),
        };
        message.stat_prefix.clear();
        plain_codec(&mut message)?;
        nothing_left(&message)?;
        Ok(settings)
    }
}

fn routes_by_name(mut rds: xds::Rds) -> Result<Arc<str>, FieldError> {
    ads(rds.config_source.take(), "config_source")?;
    name(rds.route_config_name, "route_config_name")
}

fn server_name(text: String) -> Result<HeaderValue, FieldError> {
    if text.is_empty() {
        return Ok(HeaderValue::from_static("envoy"));
    }
    HeaderValue::from_str(&text).map_err(|_| FieldError::new("server_name", "is not a header value"))
}

fn websocket(upgrades: Vec<xds::http_connection_manager::UpgradeConfig>) -> Result<bool, FieldError> {
    let mut on = false;
    for (index, upgrade) in upgrades.into_iter().enumerate() {
        if !upgrade.upgrade_type.eq_ignore_ascii_case("websocket") {
            return Err(FieldError::new(format!("upgrade_configs[{index}]"), "only websocket is supported"));
        }
        if !upgrade.filters.is_empty() {
            return Err(FieldError::unsupported(&format!("upgrade_configs[{index}].filters")));
        }
        on = upgrade.enabled.is_none_or(|enabled| enabled.value);
    }
    Ok(on)
}

fn http_10(message: &mut xds::HttpConnectionManager) -> Result<bool, FieldError> {
    let Some(mut options) = message.http_protocol_options.take() else { return Ok(false) };
    let accept = std::mem::take(&mut options.accept_http_10);
    nothing_left(&options).within("http_protocol_options")?;
    Ok(accept)
}

fn header_bytes(message: &mut xds::HttpConnectionManager) -> usize {
    let kilobytes = message.max_request_headers_kb.take().map_or(REQUEST_HEADERS_KB, |value| value.value);
    kilobytes as usize * 1024
}

fn idle_timeout(message: &mut xds::HttpConnectionManager) -> Result<Option<Duration>, FieldError> {
    let mut options = message.common_http_protocol_options.take().unwrap_or_default();
    let timeout =
        limit(options.idle_timeout.take(), "common_http_protocol_options.idle_timeout", IDLE_TIMEOUT)?;
    nothing_left(&options).within("common_http_protocol_options")?;
    Ok(timeout)
}

/// Reads a limit where none means the default and 0 means no limit.
fn limit(
    value: Option<gatewright_xds::google::protobuf::Duration>,
    field: &str,
    default: Duration,
) -> Result<Option<Duration>, FieldError> {
    let limit = duration(value, field)?.unwrap_or(default);
    Ok((!limit.is_zero()).then_some(limit))
}

/// Accepts the defaults of the codec, which are what the gateway does.
fn plain_codec(message: &mut xds::HttpConnectionManager) -> Result<(), FieldError> {
    if message.codec_type != CodecType::Auto as i32 {
        return Err(FieldError::new("codec_type", "only AUTO is supported"));
    }
    use PathWithEscapedSlashesAction as Slashes;
    let slashes = std::mem::take(&mut message.path_with_escaped_slashes_action);
    if slashes != Slashes::KeepUnchanged as i32 && slashes != Slashes::ImplementationSpecificDefault as i32 {
        return Err(FieldError::new("path_with_escaped_slashes_action", "only KEEP_UNCHANGED is supported"));
    }
    Ok(())
}
