//! The route of one request, chosen from the newest snapshot when it is first needed.

use std::sync::Arc;

use crate::config::Route;
use crate::filter::Routing;
use crate::message::RequestHead;
use crate::shared::Shared;

/// The route of a request, remembered until somebody forgets it.
pub(crate) struct RouteChoice {
    shared: Arc<Shared>,
    routes: Arc<str>,
    /// None until chosen; `Some(None)` when no route matches.
    chosen: Option<Option<Arc<Route>>>,
}

impl RouteChoice {
    /// Prepares a choice from the route configuration named `routes`.
    pub(crate) fn new(shared: Arc<Shared>, routes: Arc<str>) -> Self {
        Self { shared, routes, chosen: None }
    }

    fn find(&self, head: &RequestHead) -> Option<Arc<Route>> {
        let snapshot = self.shared.snapshot.load();
        let host = snapshot.routes.get(&self.routes)?.host(head.authority.to_str().ok()?)?;
        host.routes.find(head).cloned()
    }
}

impl Routing for RouteChoice {
    fn route(&mut self, head: &RequestHead) -> Option<Arc<Route>> {
        if self.chosen.is_none() {
            self.chosen = Some(self.find(head));
        }
        self.chosen()
    }

    fn chosen(&self) -> Option<Arc<Route>> {
        self.chosen.clone().flatten()
    }

    fn clear(&mut self) {
        self.chosen = None;
    }
}
