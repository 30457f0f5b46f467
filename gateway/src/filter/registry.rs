//! The kinds of filters that configuration can name.

use std::any::Any as AnySettings;
use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_xds::google::protobuf::Any;

use super::cors::CorsKind;
use super::{Filter, FilterContext, RequestHead};
use crate::config::FieldError;

/// A kind of filter: turns its messages into something that makes filters, and into settings that routes hold.
pub trait FilterKind: Send + Sync {
    /// Returns the type URL of the message in a listener's chain.
    fn chain_type(&self) -> &'static str;

    /// Returns the type URL of the message that routes hold, if there is one.
    fn route_type(&self) -> Option<&'static str> {
        None
    }

    /// Reads the message of a chain.
    fn factory(&self, message: Any) -> Result<Arc<dyn FilterFactory>, FieldError>;

    /// Reads the message of a route. Filters get the result back by its type.
    fn route_settings(&self, message: Any) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        let _ = message;
        Err(FieldError::unsupported("typed_config"))
    }
}

/// Makes filters of one place in one chain.
pub trait FilterFactory: Send + Sync {
    /// Makes the filter for a request, or none when it has nothing to do there: then it costs nothing.
    fn filter(&self, head: &RequestHead, context: &mut FilterContext<'_>) -> Option<Box<dyn Filter>>;
}

/// The kinds of filters that configuration can name.
#[derive(Clone)]
pub struct FilterRegistry {
    chain_types: BTreeMap<&'static str, Arc<dyn FilterKind>>,
    route_types: BTreeMap<&'static str, Arc<dyn FilterKind>>,
}

impl FilterRegistry {
    /// Returns the filters that the gateway brings.
    pub fn standard() -> Self {
        let mut registry = Self { chain_types: BTreeMap::new(), route_types: BTreeMap::new() };
        registry.add(Arc::new(CorsKind));
        registry
    }

    /// Adds a kind, in the place of one with the same type URL.
    pub fn add(&mut self, kind: Arc<dyn FilterKind>) {
        if let Some(route_type) = kind.route_type() {
            self.route_types.insert(route_type, kind.clone());
        }
        self.chain_types.insert(kind.chain_type(), kind);
    }

    pub(crate) fn factory(&self, message: Any) -> Result<Arc<dyn FilterFactory>, FieldError> {
        match self.chain_types.get(message.type_url.as_str()) {
            Some(kind) => kind.factory(message),
            None => Err(FieldError::new("typed_config", format!("{} is not supported", message.type_url))),
        }
    }

    pub(crate) fn route_settings(
        &self,
        message: Any,
    ) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        match self.route_types.get(message.type_url.as_str()) {
            Some(kind) => kind.route_settings(message),
            None => Err(FieldError::new("type_url", format!("{} is not supported", message.type_url))),
        }
    }
}
