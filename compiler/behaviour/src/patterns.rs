//! Compiled expressions by their text, so that each is compiled once however many routes and requests use it.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use gatewright_http::re2::{Anywhere, Expression, ExpressionError, Whole};

/// Compiled expressions.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    whole: Cache<Whole>,
    anywhere: Cache<Anywhere>,
}

type Cache<T> = RwLock<HashMap<String, Option<Arc<T>>>>;

impl Patterns {
    /// Returns whether `value` as a whole matches; an expression that RE2 refuses matches nothing.
    pub(crate) fn matches(&self, pattern: &str, value: &str) -> bool {
        let whole = cached(&self.whole, pattern, Expression::whole);
        whole.is_some_and(|matcher| matcher.is_match(value.as_bytes()))
    }

    /// Returns the expression compiled to match anywhere, or none if RE2 refuses it.
    pub(crate) fn anywhere(&self, pattern: &str) -> Option<Arc<Anywhere>> {
        cached(&self.anywhere, pattern, Expression::anywhere)
    }
}

fn cached<T>(
    cache: &Cache<T>,
    pattern: &str,
    compile: fn(&Expression) -> Result<T, ExpressionError>,
) -> Option<Arc<T>> {
    if let Ok(known) = cache.read()
        && let Some(compiled) = known.get(pattern)
    {
        return compiled.clone();
    }
    let compiled = Expression::parse(pattern).and_then(|expression| compile(&expression)).ok().map(Arc::new);
    if let Ok(mut known) = cache.write() {
        known.insert(pattern.to_owned(), compiled.clone());
    }
    compiled
}
