//! Configurations of filters, loaded once however often they are named, and the places that are filled by discovery.

use std::any::Any as AnySettings;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use gatewright_xds::google::protobuf::Any;

use super::kind::{FilterKind, Loaded, Loading, Shared};
use crate::config::FieldError;

/// The kinds of filters that configuration can name.
#[derive(Clone, Default)]
pub struct FilterRegistry {
    chain_types: BTreeMap<&'static str, Arc<dyn FilterKind>>,
    route_types: BTreeMap<&'static str, Arc<dyn FilterKind>>,
}

impl FilterRegistry {
    /// Adds a kind, in the place of one with the same type URL.
    pub fn add(&mut self, kind: Arc<dyn FilterKind>) {
        if let Some(route_type) = kind.route_type() {
            self.route_types.insert(route_type, kind.clone());
        }
        self.chain_types.insert(kind.chain_type(), kind);
    }
}

static NEXT_LOAD: AtomicU64 = AtomicU64::new(1);

/// A configuration of a filter that is loaded, or being loaded.
pub(crate) struct Load {
    /// Unique in the process: workers keep what they attach by it.
    pub(crate) id: u64,
    type_url: String,
    state: OnceLock<Loaded>,
}

impl Load {
    fn new(type_url: String) -> Arc<Self> {
        let id = NEXT_LOAD.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, type_url, state: OnceLock::new() })
    }

    /// Returns what loading ended in; none while it goes on.
    pub(crate) fn state(&self) -> Option<&Loaded> {
        self.state.get()
    }

    /// Returns what is loaded.
    pub(crate) fn shared(&self) -> Option<&Arc<dyn Shared>> {
        self.state.get()?.as_ref().ok()
    }

    /// Returns the type of the configuration.
    pub(crate) fn type_url(&self) -> &str {
        &self.type_url
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("id", &self.id).field("type_url", &self.type_url).finish_non_exhaustive()
    }
}

/// A loading that has to be done on a thread of its own.
pub(crate) struct Work {
    load: Arc<Load>,
    run: Box<dyn FnOnce() -> Loaded + Send>,
}

impl Work {
    /// Does it.
    pub(crate) fn run(self) {
        let end = End(self.load);
        // Nobody else finishes this loading.
        let _ = end.0.state.set((self.run)());
    }
}

/// Ends a loading also where it panics.
struct End(Arc<Load>);

impl Drop for End {
    fn drop(&mut self) {
        let failed =
            || FieldError::new("typed_config", "could not be loaded, by a fault of the filter's kind");
        self.0.state.get_or_init(|| Err(failed()));
    }
}

/// A filter's configuration that comes as a resource of its own.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) name: Arc<str>,
    /// What is in effect, on all workers at once.
    pub(crate) current: ArcSwapOption<Load>,
    /// Whether it is not waited for any more.
    pub(crate) known: AtomicBool,
}

impl Discovered {
    /// Stops waiting for it.
    pub(crate) fn settle(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// Loads configurations of filters.
#[derive(Default)]
pub(crate) struct Loader {
    registry: FilterRegistry,
    loads: RefCell<BTreeMap<(String, Bytes), Weak<Load>>>,
    discovered: RefCell<BTreeMap<Arc<str>, Arc<Discovered>>>,
    work: RefCell<Vec<Work>>,
}

impl Loader {
    pub(crate) fn new(registry: FilterRegistry) -> Self {
        Self { registry, ..Self::default() }
    }

    /// Returns the loading of a configuration, begun now unless the same one is loaded already.
    pub(crate) fn load(&self, message: Any) -> Result<Arc<Load>, FieldError> {
        let Some(kind) = self.registry.chain_types.get(message.type_url.as_str()) else {
            return Err(FieldError::new("typed_config", format!("{} is not supported", message.type_url)));
        };
        let key = (message.type_url.clone(), message.value.clone());
        if let Some(load) = self.loads.borrow().get(&key).and_then(Weak::upgrade)
            && !matches!(load.state(), Some(Err(_)))
        {
            return Ok(load);
        }
        let load = Load::new(message.type_url.clone());
        match kind.load(message) {
            Loading::Ready(loaded) => drop(load.state.set(Ok(loaded?))),
            Loading::Later(run) => self.work.borrow_mut().push(Work { load: load.clone(), run }),
        }
        self.loads.borrow_mut().insert(key, Arc::downgrade(&load));
        Ok(load)
    }

    /// Returns the place of a configuration that comes as a resource of this name.
    pub(crate) fn discovered(&self, name: &Arc<str>) -> Arc<Discovered> {
        let mut all = self.discovered.borrow_mut();
        let new = || {
            let name = name.clone();
            Arc::new(Discovered { name, current: ArcSwapOption::empty(), known: AtomicBool::new(false) })
        };
        all.entry(name.clone()).or_insert_with(new).clone()
    }

    /// Forgets a discovered configuration that nobody names.
    pub(crate) fn forget(&self, name: &str) {
        self.discovered.borrow_mut().remove(name);
    }

    /// Returns the names of discovered configurations, also of those that nobody names any more.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.discovered.borrow().keys().cloned().collect()
    }

    /// Takes out what is to be done on threads of its own, and forgets what nobody uses any more.
    pub(crate) fn work(&self) -> Vec<Work> {
        self.loads.borrow_mut().retain(|_, load| load.strong_count() > 0);
        self.work.take()
    }

    /// Reads the settings that a route holds for a filter.
    pub(crate) fn route_settings(
        &self,
        message: Any,
    ) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        match self.registry.route_types.get(message.type_url.as_str()) {
            Some(kind) => kind.route_settings(message),
            None => Err(FieldError::new("type_url", format!("{} is not supported", message.type_url))),
        }
    }
}
