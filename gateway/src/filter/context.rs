//! What a filter can ask for while it is called.

use std::rc::Rc;
use std::sync::Arc;

use super::signal::{Resumer, Side, Signal};
use crate::config::Route;
use crate::message::RequestHead;

/// Chooses and remembers the route of a request.
pub(crate) trait Routing {
    /// Returns the route, choosing it at the first call and after each [`Routing::clear`].
    fn route(&mut self, head: &RequestHead) -> Option<Arc<Route>>;
    /// Returns the route chosen last.
    fn chosen(&self) -> Option<Arc<Route>>;
    /// Forgets the route.
    fn clear(&mut self);
}

/// What a filter can ask for while it is called.
pub struct FilterContext<'a> {
    pub(super) name: &'a str,
    pub(super) routing: &'a mut dyn Routing,
    pub(super) signal: &'a Rc<Signal>,
    pub(super) stage: usize,
    pub(super) side: Side,
}

impl FilterContext<'_> {
    /// Returns the filter's name, under which routes hold settings for it.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the request's route, choosing it if nobody has yet. None means that no route matches.
    pub fn route(&mut self, head: &RequestHead) -> Option<Arc<Route>> {
        self.routing.route(head)
    }

    /// Returns the route that was chosen last.
    pub fn chosen_route(&self) -> Option<Arc<Route>> {
        self.routing.chosen()
    }

    /// Forgets the chosen route: whoever needs it next has it chosen anew from the head as it is then.
    pub fn clear_route(&mut self) {
        self.routing.clear();
    }

    /// Returns what resumes the message of this callback after [`super::Flow::Pause`].
    pub fn resumer(&self) -> Resumer {
        Resumer { signal: self.signal.clone(), stage: self.stage, side: self.side }
    }
}
