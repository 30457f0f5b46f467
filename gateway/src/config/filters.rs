//! The HTTP filters of a listener, in their order: each with a configuration of its own, or one that is discovered.

use std::sync::Arc;

use gatewright_xds::envoy::config::core::v3::{ExtensionConfigSource, TypedExtensionConfig};
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3 as xds;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;

use super::error::{FieldError, Within};
use super::route::Route;
use super::take::{ads, name};
use crate::stream::{Discovered, Load, Loader};

/// The filter that ends every chain.
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// A filter in a chain: its name, under which routes hold settings for it, and where its configuration is.
#[derive(Clone, Debug)]
pub(crate) struct FilterUse {
    pub(crate) name: Arc<str>,
    /// Whether it runs only on routes that say so.
    disabled: bool,
    pub(crate) source: Source,
}

/// Where the configuration of a filter is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Typed(Arc<Load>),
    /// It comes as a resource of its own.
    Discovered {
        place: Arc<Discovered>,
        /// What is in effect while there is none.
        default: Option<Arc<Load>>,
        /// Whether the default is enough to begin with.
        begin_with_default: bool,
        /// The types that it may have.
        types: Box<[Box<str>]>,
    },
}

impl FilterUse {
    /// Returns whether the filter runs on requests of a route.
    pub(crate) fn runs_on(&self, route: Option<&Route>) -> bool {
        match route.and_then(|route| route.filter_switch(&self.name)) {
            Some(on) => on,
            None => !self.disabled,
        }
    }

    /// Returns the configuration in effect; none while a discovered one is missing, or is of a type that was allowed when it
    /// came and is not any more.
    pub(crate) fn load(&self) -> Option<Arc<Load>> {
        match &self.source {
            Source::Typed(load) => Some(load.clone()),
            Source::Discovered { place, default, types, .. } => {
                let allowed = |load: &Arc<Load>| types.iter().any(|allowed| **allowed == *load.type_url());
                place.current.load_full().filter(allowed).or_else(|| default.clone())
            }
        }
    }
}

/// Reads the chain. The last filter must be the router, which is no value of its own: the proxy ends with it.
pub(super) fn chain(messages: Vec<xds::HttpFilter>, loader: &Loader) -> Result<Box<[FilterUse]>, FieldError> {
    let count = messages.len();
    let mut chain = Vec::with_capacity(count);
    for (index, message) in messages.into_iter().enumerate() {
        let last = index + 1 == count;
        match filter(message, last, loader).within(format!("http_filters[{index}]"))? {
            Some(filter) => chain.push(filter),
            None => return Ok(chain.into()),
        }
    }
    Err(FieldError::new("http_filters", "do not end with the router"))
}

/// Reads one filter; the router is none.
fn filter(message: xds::HttpFilter, last: bool, loader: &Loader) -> Result<Option<FilterUse>, FieldError> {
    let (name, disabled) = (Arc::from(message.name), message.disabled);
    let router = matches!(&message.config_type, Some(ConfigType::TypedConfig(any)) if any.type_url == ROUTER);
    match (router, last) {
        (true, true) if disabled => return Err(FieldError::new("disabled", "the router cannot be disabled")),
        (true, true) => return Ok(None),
        (true, false) => return Err(FieldError::new("typed_config", "the router is not last")),
        (false, true) => return Err(FieldError::new("typed_config", "the last filter is not the router")),
        (false, false) => {}
    }
    let source = match message.config_type {
        Some(ConfigType::TypedConfig(any)) => Source::Typed(loader.load(any)?),
        Some(ConfigType::ConfigDiscovery(source)) => {
            discovered(&name, source, loader).within("config_discovery")?
        }
        None => return Err(FieldError::missing("typed_config")),
    };
    Ok(Some(FilterUse { name, disabled, source }))
}

fn discovered(
    filter: &Arc<str>,
    message: ExtensionConfigSource,
    loader: &Loader,
) -> Result<Source, FieldError> {
    ads(message.config_source, "config_source")?;
    let filter = name(filter.to_string(), "name")?;
    if message.type_urls.is_empty() {
        return Err(FieldError::missing("type_urls"));
    }
    let default = message.default_config.map(|any| loader.load(any)).transpose().within("default_config")?;
    let begin_with_default = message.apply_default_config_without_warming;
    if begin_with_default && default.is_none() {
        return Err(FieldError::new("apply_default_config_without_warming", "needs default_config"));
    }
    let types = message.type_urls.into_iter().map(Box::from).collect();
    Ok(Source::Discovered { place: loader.discovered(&filter), default, begin_with_default, types })
}

/// Begins to load a configuration that came as a resource of its own.
pub(crate) fn extension(message: TypedExtensionConfig, loader: &Loader) -> Result<Arc<Load>, FieldError> {
    let any = message.typed_config.ok_or_else(|| FieldError::missing("typed_config"))?;
    loader.load(any)
}
