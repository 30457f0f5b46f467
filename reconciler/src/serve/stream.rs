//! One stream as a state machine: requests and targets in, responses out. Knows no network, no time and no wire format.
//!
//! Additions go out level by level, each after the acknowledgement of the one before, then removals type by type. At
//! most one response per type is under way, so targets that follow each other quickly are merged by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_xds::envoy::config::route::v3::RouteConfiguration;
use gatewright_xds::type_url::{
    ADDITION_ORDER, CLUSTER, ENDPOINT, EXTENSION_CONFIG, FILTER_CHAIN, LISTENER, REMOVAL_ORDER, ROUTE,
    SCOPED_ROUTE, SECRET, VIRTUAL_HOST,
};
use gatewright_xds::{Resource, XdsSnapshot, names};

use super::batch::Batch;
use super::types::{RemovalStyle, Scope, TypeState};
use super::{delta, sotw};

/// Additions in groups that wait for each other.
///
/// Inside a group nothing waits: Envoy withholds the acknowledgement of a cluster until its endpoints and secrets are
/// there, and asks for the routes of a listener as it takes the listener.
const LEVELS: [&[&str]; 3] = [
    &[SECRET, CLUSTER, ENDPOINT],
    &[EXTENSION_CONFIG, LISTENER, FILTER_CHAIN, SCOPED_ROUTE, ROUTE],
    &[VIRTUAL_HOST],
];

/// The two forms of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Changes only, with virtual hosts as resources of their own.
    Delta,
    /// Full sets, with virtual hosts inside their route configurations.
    StateOfTheWorld,
}

impl Protocol {
    /// Returns the type whose responses carry resources of `type_url`.
    fn carrier(self, type_url: &'static str) -> &'static str {
        match (self, type_url) {
            (Protocol::StateOfTheWorld, VIRTUAL_HOST) => ROUTE,
            _ => type_url,
        }
    }

    fn scope(self, type_url: &'static str) -> Scope {
        match (self, type_url) {
            (Protocol::StateOfTheWorld, ROUTE) => Scope::RoutesWithHosts,
            _ => Scope::OneType(type_url),
        }
    }

    fn removal_style(self, type_url: &str) -> RemovalStyle {
        match self {
            Protocol::Delta => RemovalStyle::Named,
            Protocol::StateOfTheWorld if is_full_set(type_url) => RemovalStyle::Omitted,
            Protocol::StateOfTheWorld => RemovalStyle::Silent,
        }
    }
}

/// What a request says about its subscription.
#[derive(Debug)]
pub(super) enum Names {
    /// Names to add and to take away (incremental).
    Change { subscribe: Vec<String>, unsubscribe: Vec<String> },
    /// All names (state of the world).
    Exactly(Vec<String>),
}

/// What a request says about the response that it answers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) nonce: String,
    /// Why the response was refused, or nothing if it was accepted.
    pub(super) error: Option<String>,
}

/// A request of either form.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) type_url: &'static str,
    pub(super) names: Names,
    pub(super) reply: Option<Reply>,
    /// What the client has, in the first request of a type (incremental).
    pub(super) held: BTreeMap<String, String>,
}

/// What a message from a client turned out to be.
#[derive(Debug)]
pub(super) enum Incoming<R> {
    /// A request for a type that is served.
    Request(Request),
    /// One for another type, with what to answer to it.
    Unserved(Option<R>),
}

/// A response of either form, for a file that knows the wire format.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) type_url: &'static str,
    pub(super) nonce: String,
    pub(super) resources: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<str>>,
    /// Whether the client is to be told that more of the same follows.
    pub(super) more_follows: bool,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something is under way.
    Busy,
    /// All that was asked for is acknowledged or refused, but the target has more that may still be asked for.
    Quiet,
    /// The whole target is acknowledged or refused.
    Complete,
}

/// A version of a resource that the client does not accept, while what it had before stays in effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RefusedResource {
    pub(super) type_url: &'static str,
    pub(super) name: Arc<str>,
    pub(super) message: String,
}

/// Which hosts of a dropped route configuration are forgotten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forget {
    /// The client has unsubscribed.
    All,
    /// The server has removed it: hosts that are to go as well are still removed by name.
    Current,
}

/// State of one stream.
#[derive(Debug)]
pub(super) struct StreamState {
    protocol: Protocol,
    /// Whether the client refuses resources by name and applies the rest.
    names_refusals: bool,
    /// Whether the client waits for the end of a series of responses before it counts a set as whole.
    knows_series: bool,
    /// What a response may weigh, where the protocol allows for several.
    budget: usize,
    types: BTreeMap<&'static str, TypeState>,
    target: Option<XdsSnapshot>,
    last_nonce: u64,
    /// Route configurations for which the client has been told of virtual hosts, or that there are none.
    answered_routes: BTreeSet<Arc<str>>,
}

impl StreamState {
    pub(super) fn new(protocol: Protocol, budget: usize) -> Self {
        Self {
            protocol,
            names_refusals: false,
            knows_series: false,
            budget,
            types: BTreeMap::new(),
            target: None,
            last_nonce: 0,
            answered_routes: BTreeSet::new(),
        }
    }

    /// Notes that the client refuses resources by name and applies the rest.
    pub(super) fn set_names_refusals(&mut self) {
        self.names_refusals = true;
    }

    /// Notes that the client waits for the end of a series of responses.
    pub(super) fn set_knows_series(&mut self) {
        self.knows_series = true;
    }

    /// Aims at another snapshot.
    pub(super) fn set_target(&mut self, target: XdsSnapshot) {
        match self.target.take() {
            Some(old) => {
                let diff = old.diff(&target);
                for resource in diff.added.iter().chain(&diff.changed).chain(&diff.removed) {
                    if let Some(state) = self.types.get_mut(self.protocol.carrier(resource.type_url())) {
                        state.touch(resource.shared_name());
                    }
                }
            }
            None => self.types.values_mut().for_each(|state| state.touch_all(Some(&target))),
        }
        self.target = Some(target);
    }

    /// Takes a request in. [`StreamState::advance`] then says what to send.
    pub(super) fn receive(&mut self, request: Request) {
        let first = !self.types.contains_key(request.type_url);
        if let Some(reply) = request.reply.filter(|_| !first) {
            self.take_reply(request.type_url, &reply);
        }
        let (protocol, budget) = (self.protocol, self.budget_of(request.type_url));
        let state = self.types.entry(request.type_url).or_insert_with_key(|type_url| {
            TypeState::new(protocol.scope(type_url), protocol.removal_style(type_url), budget)
        });
        let dropped = match request.names {
            Names::Change { subscribe, unsubscribe } => change_names(
                state,
                subscribe,
                unsubscribe,
                first.then_some(request.held),
                self.target.as_ref(),
            ),
            Names::Exactly(names) => {
                replace_names(state, request.type_url, names, first, self.target.as_ref())
            }
        };
        if request.type_url == ROUTE {
            for name in dropped {
                self.forget_hosts_of(&name, Forget::All);
            }
        }
    }

    fn budget_of(&self, type_url: &str) -> usize {
        let may_be_cut = match self.protocol {
            Protocol::Delta => delta::may_be_cut(type_url, self.knows_series),
            Protocol::StateOfTheWorld => sotw::may_be_cut(type_url),
        };
        if may_be_cut { self.budget } else { usize::MAX }
    }

    /// Takes an acknowledgement or a refusal in; one of an older response says nothing any more.
    fn take_reply(&mut self, type_url: &'static str, reply: &Reply) {
        let Some(state) = self.types.get_mut(type_url).filter(|state| state.awaits(&reply.nonce)) else {
            return;
        };
        let applied = match &reply.error {
            None => Some(state.accepted()),
            Some(message) => {
                let by_name = if self.names_refusals { state.refused_by_name(message) } else { None };
                if by_name.is_none() {
                    state.refused_whole(message);
                }
                by_name
            }
        };
        if let Some(applied) = applied {
            self.note_applied(type_url, &applied);
        }
    }

    fn note_applied(&mut self, type_url: &str, applied: &Batch) {
        match type_url {
            ROUTE => applied.removed.iter().for_each(|name| self.forget_hosts_of(name, Forget::Current)),
            VIRTUAL_HOST => {
                let hosts = applied.resources.iter().map(|resource| resource.name());
                let routes = hosts.chain(applied.removed.iter().map(|name| &**name));
                let routes =
                    routes.filter_map(|name| names::virtual_host_parts(name)).map(|(route, _)| route.into());
                self.answered_routes.extend(routes);
            }
            _ => {}
        }
    }

    /// A client that drops a route configuration drops its virtual hosts with it.
    fn forget_hosts_of(&mut self, route: &str, which: Forget) {
        self.answered_routes.remove(route);
        let Some(hosts) = self.types.get_mut(self.protocol.carrier(VIRTUAL_HOST)) else { return };
        let prefix = names::virtual_host(route, "");
        let refused = hosts.refused.keys().filter(|name| name.starts_with(&prefix));
        let stays =
            |name: &str| self.target.as_ref().is_some_and(|target| target.get(VIRTUAL_HOST, name).is_some());
        let dropped: Vec<Arc<str>> = hosts
            .held_under(&prefix)
            .map(|(name, _)| name)
            .chain(refused)
            .filter(|name| which == Forget::All || stays(name))
            .cloned()
            .collect();
        dropped.iter().for_each(|name| hosts.forget(name));
    }

    /// Returns the responses that are due now.
    pub(super) fn advance(&mut self) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let Some(target) = self.target.clone() else { return outgoing };
        for level in LEVELS {
            for type_url in level {
                if let Some(batch) = self.next_additions(type_url, &target) {
                    outgoing.push(self.send(type_url, batch));
                }
            }
            if level.iter().any(|type_url| self.is_busy(type_url)) {
                return outgoing;
            }
        }
        for type_url in REMOVAL_ORDER {
            if self.is_withheld(type_url) {
                continue;
            }
            let batch = self.types.get_mut(type_url).and_then(|state| state.next_removals(&target));
            if let Some(batch) = batch {
                outgoing.push(self.send(type_url, batch));
            }
            if self.is_busy(type_url) {
                break;
            }
        }
        outgoing
    }

    fn next_additions(&mut self, type_url: &'static str, target: &XdsSnapshot) -> Option<Batch> {
        // A domain moves between hosts without a gap only inside one response, so removals of hosts go along, unless
        // their whole route configuration goes.
        let goes_along = |name: &str| {
            let parts = names::virtual_host_parts(name);
            type_url == self.protocol.carrier(VIRTUAL_HOST)
                && parts.is_some_and(|(route, _)| target.get(ROUTE, route).is_some())
        };
        if type_url != VIRTUAL_HOST {
            return self.types.get_mut(type_url)?.next_additions(target, |_| true, goes_along);
        }
        // Taken out for the moment so that the hosts can look at the routes.
        let mut hosts = self.types.remove(VIRTUAL_HOST)?;
        let routes = self.types.get(ROUTE);
        let ready = |name: &str| match (routes, names::virtual_host_parts(name)) {
            (Some(routes), Some((route, _))) => routes.held.contains_key(route),
            // A client that asks for no route configurations has them from elsewhere.
            _ => true,
        };
        let batch = hosts.next_additions(target, ready, goes_along);
        let batch = if hosts.is_busy() { batch } else { self.greet_routes(&hosts, batch) };
        self.types.insert(VIRTUAL_HOST, hosts);
        batch
    }

    /// Adds a removed dummy for every route configuration that has just been accepted and has no host: the client's
    /// listener waits until it hears something of each.
    fn greet_routes(&self, hosts: &TypeState, batch: Option<Batch>) -> Option<Batch> {
        let Some(routes) = self.types.get(ROUTE) else { return batch };
        let mut all = batch.clone().unwrap_or_default();
        for (route, held) in &routes.held {
            let Some(resource) = held.resource.as_ref().filter(|_| !self.answered_routes.contains(route))
            else {
                continue;
            };
            let prefix = names::virtual_host(route, "");
            let sent = all.resources.iter().any(|host| host.name().starts_with(&prefix));
            let known = hosts.held_under(&prefix).next().is_some();
            if !sent && !known && takes_hosts(resource) {
                all.removed.push(names::no_virtual_host(route).into());
            }
        }
        if all.is_empty() { batch } else { Some(all) }
    }

    fn send(&mut self, type_url: &'static str, batch: Batch) -> Outgoing {
        if type_url == CLUSTER {
            self.owe_endpoints(&batch);
        }
        self.last_nonce += 1;
        let nonce = self.last_nonce.to_string();
        let resources = match self.types.get(type_url) {
            Some(state) if self.protocol == Protocol::StateOfTheWorld => {
                sotw::compose(type_url, state, &batch)
            }
            _ => batch.resources.clone(),
        };
        let more_follows = self.knows_series && self.types.get(type_url).is_some_and(TypeState::more_follows);
        let removed = batch.removed.clone();
        let outgoing = Outgoing { type_url, nonce: nonce.clone(), resources, removed, more_follows };
        if let Some(state) = self.types.get_mut(type_url) {
            state.sent(nonce, batch);
        }
        outgoing
    }

    /// Envoy waits for the endpoints of a cluster that it replaces, without asking for them again.
    fn owe_endpoints(&mut self, clusters: &Batch) {
        let (Some(held), false) = (self.types.get(CLUSTER), self.names_refusals) else { return };
        let names = clusters.resources.iter().map(|cluster| cluster.shared_name());
        let replaced: Vec<Arc<str>> = names.filter(|name| held.held.contains_key(name)).collect();
        if let Some(endpoints) = self.types.get_mut(ENDPOINT) {
            replaced.iter().for_each(|name| endpoints.owe(name));
        }
    }

    fn is_busy(&self, type_url: &str) -> bool {
        self.types.get(type_url).is_some_and(TypeState::is_busy)
    }

    /// While a newer version of something is refused, its last good version may still refer to what the target has no
    /// more: types that it can refer to keep everything.
    fn is_withheld(&self, type_url: &str) -> bool {
        REMOVAL_ORDER
            .into_iter()
            .take_while(|referring| *referring != type_url)
            .any(|referring| self.types.get(referring).is_some_and(|state| !state.refused.is_empty()))
    }

    /// Says how far the client is; meant to be asked after [`StreamState::advance`].
    pub(super) fn progress(&self) -> Progress {
        let Some(target) = &self.target else { return Progress::Busy };
        if self.types.values().any(TypeState::is_busy) {
            return Progress::Busy;
        }
        let unclaimed = ADDITION_ORDER.into_iter().any(|type_url| match self.types.get(type_url) {
            Some(state) => state.has_unclaimed(target),
            None if self.protocol.carrier(type_url) != type_url => false,
            None => target.count(type_url) > 0,
        });
        if unclaimed { Progress::Quiet } else { Progress::Complete }
    }

    /// Returns the versions of the target that the client does not accept, sorted.
    pub(super) fn refused(&self) -> Vec<RefusedResource> {
        let mut all = Vec::new();
        for state in self.types.values() {
            all.extend(state.refused.iter().map(|(name, refusal)| RefusedResource {
                type_url: refusal.type_url,
                name: name.clone(),
                message: refusal.message.clone(),
            }));
        }
        all.sort();
        all
    }
}

/// Applies an incremental request's names and returns those that the client has dropped.
fn change_names(
    state: &mut TypeState,
    subscribe: Vec<String>,
    unsubscribe: Vec<String>,
    begin: Option<BTreeMap<String, String>>,
    target: Option<&XdsSnapshot>,
) -> Vec<String> {
    let first = begin.is_some();
    // The first request of a type with no names asks for everything.
    let all = (first && subscribe.is_empty()) || subscribe.iter().any(|name| name == "*");
    if let Some(held) = begin {
        state.begin(held, all);
    }
    if all {
        state.subscribe_all(target);
    }
    for name in subscribe.iter().filter(|name| *name != "*") {
        state.subscribe(name, !first, target);
    }
    for name in &unsubscribe {
        if name == "*" {
            state.wanted.all = false;
        } else {
            state.unsubscribe(name);
        }
    }
    unsubscribe
}

/// Applies a state-of-the-world request's names and returns those that the client has dropped.
fn replace_names(
    state: &mut TypeState,
    type_url: &str,
    names: Vec<String>,
    first: bool,
    target: Option<&XdsSnapshot>,
) -> Vec<String> {
    let all = names.iter().any(|name| name == "*") || (names.is_empty() && is_full_set(type_url));
    if first {
        state.begin(BTreeMap::new(), all);
    }
    if all && !state.wanted.all {
        state.subscribe_all(target);
    }
    state.wanted.all = all;
    let names: BTreeSet<String> = names.into_iter().filter(|name| name != "*").collect();
    let dropped: Vec<String> = state
        .wanted
        .names
        .iter()
        .filter(|name| !names.contains(&***name))
        .map(|name| name.to_string())
        .collect();
    for name in &dropped {
        state.unsubscribe(name);
    }
    for name in names.iter().filter(|name| !state.wanted.names.contains(name.as_str())).collect::<Vec<_>>() {
        state.subscribe(name, false, target);
    }
    dropped
}

/// Types whose state-of-the-world responses name everything there is, and whose empty subscription means everything.
pub(super) fn is_full_set(type_url: &str) -> bool {
    matches!(type_url, CLUSTER | LISTENER)
}

/// Returns whether a route configuration gets its virtual hosts as resources of their own.
fn takes_hosts(resource: &Resource) -> bool {
    resource.decode::<RouteConfiguration>().is_ok_and(|routes| routes.vhds.is_some())
}
