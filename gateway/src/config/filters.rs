//! The HTTP filters of a listener, in their order, each made by a factory of the registry.

use std::sync::Arc;

use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3 as xds;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;

use super::error::{FieldError, Within};
use crate::filter::{FilterFactory, FilterRegistry};

/// The filter that ends every chain.
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// A filter in a chain: its name, under which routes hold settings for it, and what makes one per request.
#[derive(Clone)]
pub(crate) struct FilterUse {
    pub(crate) name: Arc<str>,
    pub(crate) factory: Arc<dyn FilterFactory>,
}

impl std::fmt::Debug for FilterUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FilterUse").field(&self.name).finish()
    }
}

/// Reads the chain. The last filter must be the router, which is no value of its own: the proxy ends with it.
pub(super) fn chain(
    messages: Vec<xds::HttpFilter>,
    registry: &FilterRegistry,
) -> Result<Box<[FilterUse]>, FieldError> {
    let count = messages.len();
    let mut chain = Vec::with_capacity(count);
    for (index, message) in messages.into_iter().enumerate() {
        let last = index + 1 == count;
        match filter(message, last, registry).within(format!("http_filters[{index}]"))? {
            Some(filter) => chain.push(filter),
            None => return Ok(chain.into()),
        }
    }
    Err(FieldError::new("http_filters", "do not end with the router"))
}

/// Reads one filter; the router is none.
fn filter(
    message: xds::HttpFilter,
    last: bool,
    registry: &FilterRegistry,
) -> Result<Option<FilterUse>, FieldError> {
    if message.disabled {
        return Err(FieldError::unsupported("disabled"));
    }
    let Some(ConfigType::TypedConfig(any)) = message.config_type else {
        return Err(FieldError::missing("typed_config"));
    };
    if any.type_url == ROUTER {
        return if last { Ok(None) } else { Err(FieldError::new("typed_config", "the router is not last")) };
    }
    if last {
        return Err(FieldError::new("typed_config", "the last filter is not the router"));
    }
    Ok(Some(FilterUse { name: message.name.into(), factory: registry.factory(any)? }))
}
