//! Configurations of filters: those that come as resources of their own, and what listeners wait for until they are loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use gatewright_xds::type_url;
use gatewright_xds_client::{Received, Rejected};

use super::store::{Store, read, rejection};
use crate::config::{self, FilterUse, Source};
use crate::stream::Load;

/// How far the filters of a listener are.
pub(super) enum Filters {
    Ready,
    Loading,
    /// With the reason in words.
    Failed(String),
}

impl Store {
    pub(super) fn apply_extensions(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name: Arc<str> = resource.name.as_str().into();
            let read = read(resource, config::extension, &self.filters);
            match read.and_then(|(name, load)| self.check_type(&name, &load).map(|()| load)) {
                Ok(load) => drop(self.extensions.insert(name, load)),
                Err(reason) => {
                    // Without a predecessor there is none, but it is not waited for any more.
                    self.filters.discovered(&name).settle();
                    rejected.push(reason);
                }
            }
        }
        for name in removed {
            self.extensions.remove(name.as_str());
            let place = self.filters.discovered(&name.as_str().into());
            place.current.store(None);
            place.settle();
        }
        rejected
    }

    /// Refuses a configuration of a type that a filter of this name does not allow.
    fn check_type(&self, name: &Arc<str>, load: &Load) -> Result<(), Rejected> {
        let allows = |filter: &FilterUse| match &filter.source {
            Source::Discovered { place, types, .. } if place.name == *name => {
                types.iter().any(|allowed| **allowed == *load.type_url())
            }
            _ => true,
        };
        if self.listener_configs().all(|config| config.filters().all(allows)) {
            return Ok(());
        }
        let reason = format!("typed_config: {} is not among the filter's type_urls", load.type_url());
        Err(rejection(name, &reason))
    }

    /// Puts discovered configurations in effect that are loaded, and notes the filters that are in use now.
    pub(super) fn settle_extensions(&mut self) {
        let mut late = Vec::new();
        let filters = &self.filters;
        self.extensions.retain(|name, load| {
            let Some(state) = load.state() else { return true };
            let place = filters.discovered(name);
            match state {
                Ok(_) => place.current.store(Some(load.clone())),
                Err(error) => late.push(rejection(name, &error.to_string())),
            }
            place.settle();
            false
        });
        self.reject_late(type_url::EXTENSION_CONFIG, late);
    }

    /// Notes what was accepted and turned out to be unusable when it was loaded.
    pub(super) fn reject_late(&mut self, type_url: &'static str, rejected: Vec<Rejected>) {
        if rejected.is_empty() {
            return;
        }
        let counts = self.counts.entry(type_url).or_default();
        for Rejected { name, reason } in rejected {
            tracing::warn!(kind = type_url::short(type_url), %name, %reason, "an xDS resource cannot be loaded");
            counts.rejections += 1;
            counts.rejected.insert(name, reason);
        }
    }

    /// Notes which configurations of filters are in use, and since when discovered ones are not.
    pub(super) fn note_filters(&mut self) {
        let mut used: BTreeMap<u64, Arc<Load>> = BTreeMap::new();
        for filter in self.listener_configs().flat_map(|config| config.filters()) {
            used.extend(filter.load().map(|load| (load.id, load)));
        }
        used.retain(|_, load| load.shared().is_some());
        if !used.keys().eq(self.filters_in_use.iter().map(|load| &load.id)) {
            self.filters_in_use = used.into_values().collect();
        }
        let wanted = self.wanted_extensions();
        for name in self.filters.names() {
            let key = (type_url::EXTENSION_CONFIG, name);
            if wanted.contains(&*key.1) {
                self.unused.remove(&key);
            } else {
                self.unused.entry(key).or_insert_with(Instant::now);
            }
        }
    }

    /// Returns the names of the configurations that filters of listeners discover.
    pub(super) fn wanted_extensions(&self) -> BTreeSet<String> {
        let filters = self.listener_configs().flat_map(|config| config.filters());
        let names = filters.filter_map(|filter| match &filter.source {
            Source::Discovered { place, .. } => Some(place.name.to_string()),
            Source::Typed(_) => None,
        });
        names.collect()
    }
}

/// Returns how far the filters of a listener are.
pub(super) fn filters_of(config: &config::Listener) -> Filters {
    for filter in config.filters() {
        let load = match &filter.source {
            Source::Typed(load) => load,
            Source::Discovered { place, default, begin_with_default, .. } => {
                if place.current.load().is_none() && !place.is_known() && !begin_with_default {
                    return Filters::Loading;
                }
                let Some(default) = default else { continue };
                default
            }
        };
        match load.state() {
            None => return Filters::Loading,
            Some(Err(error)) => return Filters::Failed(format!("filter {}: {error}", filter.name)),
            Some(Ok(_)) => {}
        }
    }
    Filters::Ready
}
