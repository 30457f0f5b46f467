//! The filters that the gateway brings.

mod cors;
mod missing;

use std::sync::Arc;

pub(crate) use missing::Missing;

use crate::stream::FilterRegistry;

/// Returns the kinds of filters that the gateway brings.
pub(crate) fn standard() -> FilterRegistry {
    let mut registry = FilterRegistry::default();
    registry.add(Arc::new(cors::CorsKind));
    registry
}
