//! The route of one request, and where it sends the request: chosen from the newest snapshot when it is first needed.

use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use crate::config::{Route, RouteAction};
use crate::message::RequestHead;
use crate::stream::Around;

/// The route of a request, remembered until somebody forgets it.
pub(crate) struct RouteChoice {
    context: Rc<Context>,
    routes: Arc<str>,
    /// None until chosen; `Some(None)` when no route matches.
    chosen: Option<Option<Chosen>>,
}

/// A route and the one of its targets that this request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) route: Arc<Route>,
    pub(crate) target: usize,
}

impl RouteChoice {
    /// Prepares a choice from the route configuration named `routes`.
    pub(crate) fn new(context: Rc<Context>, routes: Arc<str>) -> Self {
        Self { context, routes, chosen: None }
    }

    /// Returns the route, choosing it if nobody has yet.
    pub(crate) fn choose(&mut self, head: &RequestHead) -> Option<&Chosen> {
        if self.chosen.is_none() {
            self.chosen = Some(self.find(head));
        }
        self.chosen.as_ref()?.as_ref()
    }

    /// Takes the route out.
    pub(crate) fn chosen(self) -> Option<Chosen> {
        self.chosen.flatten()
    }

    fn find(&self, head: &RequestHead) -> Option<Chosen> {
        let snapshot = self.context.shared.snapshot.load();
        let host = snapshot.routes.get(&self.routes)?.host(head.authority.to_str().ok()?)?;
        let route = host.routes.find(head).cloned()?;
        let target = match &route.action {
            RouteAction::Forward(forward) => forward.targets.drawn(|bound| self.context.random.below(bound)),
            RouteAction::Redirect(_) | RouteAction::Direct(_) => 0,
        };
        Some(Chosen { route, target })
    }
}

impl Around for RouteChoice {
    fn route(&mut self, head: &RequestHead) -> Option<Arc<Route>> {
        self.choose(head).map(|chosen| chosen.route.clone())
    }

    fn cluster(&self) -> Option<Arc<str>> {
        let Chosen { route, target } = self.chosen.as_ref()?.as_ref()?;
        match &route.action {
            RouteAction::Forward(forward) => Some(forward.targets.get(*target).0.clone()),
            RouteAction::Redirect(_) | RouteAction::Direct(_) => None,
        }
    }

    fn clear_route(&mut self) {
        self.chosen = None;
    }

    fn has_cluster(&self, name: &str) -> bool {
        self.context.shared.snapshot.load().cluster(name).is_some()
    }
}
