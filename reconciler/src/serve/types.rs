//! One resource type on one stream: what the client wants and has, what is under way, and the narrowing of a refusal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use gatewright_xds::type_url::{ROUTE, VIRTUAL_HOST};
use gatewright_xds::{Resource, XdsSnapshot, names};

use super::batch::{Batch, Origin, name_size};

/// The subscription to one type.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) all: bool,
    pub(super) names: BTreeSet<Arc<str>>,
}

/// The resources that one subscription brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of one type, each subscribed to by its own name.
    OneType(&'static str),
    /// Route configurations with the virtual hosts that travel inside them.
    RoutesWithHosts,
}

impl Scope {
    fn type_url(self) -> &'static str {
        match self {
            Scope::OneType(type_url) => type_url,
            Scope::RoutesWithHosts => ROUTE,
        }
    }

    fn find<'a>(self, name: &str, target: &'a XdsSnapshot) -> Option<&'a Arc<Resource>> {
        let own = target.get(self.type_url(), name);
        if self == Scope::RoutesWithHosts { own.or_else(|| target.get(VIRTUAL_HOST, name)) } else { own }
    }

    fn count(self, target: &XdsSnapshot) -> usize {
        let hosts = if self == Scope::RoutesWithHosts { target.count(VIRTUAL_HOST) } else { 0 };
        target.count(self.type_url()) + hosts
    }

    /// Returns the name that a client subscribes to in order to get `name`, where that is another one.
    fn carrier(self, name: &str) -> Option<&str> {
        let (route, _) = names::virtual_host_parts(name)?;
        (self == Scope::RoutesWithHosts).then_some(route)
    }

    /// Returns the names of all resources in the target that travel inside `name`.
    fn carried_by(self, name: &str, target: &XdsSnapshot) -> Vec<Arc<str>> {
        if self != Scope::RoutesWithHosts {
            return Vec::new();
        }
        let prefix = names::virtual_host(name, "");
        target.with_prefix(VIRTUAL_HOST, &prefix).map(|host| host.shared_name()).collect()
    }
}

/// A resource that the client has in effect.
#[derive(Debug)]
pub(super) struct Held {
    version: Arc<str>,
    /// Missing when the client told us of it at the start of the stream.
    pub(super) resource: Option<Arc<Resource>>,
}

/// A version that the client does not accept.
#[derive(Debug)]
pub(super) struct Nack {
    version: Arc<str>,
    pub(super) type_url: &'static str,
    pub(super) message: String,
}

/// How a client learns that a resource is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RemovalStyle {
    /// By name (incremental protocol).
    Named,
    /// By its absence from the full set (listeners and clusters of the state-of-the-world protocol).
    Omitted,
    /// Not at all: it goes when nothing refers to it (other types of the state-of-the-world protocol).
    Silent,
}

#[derive(Debug)]
enum Need {
    Nothing,
    Send(Arc<Resource>),
    Remove,
}

/// State of one type on one stream.
#[derive(Debug)]
pub(super) struct TypeState {
    scope: Scope,
    removal: RemovalStyle,
    /// What a response may weigh.
    budget: usize,
    pub(super) wanted: Wanted,
    pub(super) held: BTreeMap<Arc<str>, Held>,
    pub(super) refused: BTreeMap<Arc<str>, Nack>,
    /// Names that may differ from the target and are to be looked at.
    dirty: BTreeSet<Arc<str>>,
    /// Names that must be answered even if the client has the newest version.
    owed: BTreeSet<Arc<str>>,
    /// Whether the client waits for a first response, which may be empty.
    greeting: bool,
    in_flight: Option<(String, Batch)>,
    /// Parts of a batch that was refused or too large, still to be sent.
    backlog: VecDeque<Batch>,
    /// Resources that were refused alone, to be tried once more after the rest.
    suspects: Vec<Arc<Resource>>,
}

impl TypeState {
    pub(super) fn new(scope: Scope, removal: RemovalStyle, budget: usize) -> Self {
        Self {
            scope,
            removal,
            budget,
            wanted: Wanted::default(),
            held: BTreeMap::new(),
            refused: BTreeMap::new(),
            dirty: BTreeSet::new(),
            owed: BTreeSet::new(),
            greeting: false,
            in_flight: None,
            backlog: VecDeque::new(),
            suspects: Vec::new(),
        }
    }

    /// Takes over what the client says it has. A client that wants all and has nothing waits for a first response.
    pub(super) fn begin(&mut self, held: BTreeMap<String, String>, all: bool) {
        self.greeting = all && held.is_empty();
        for (name, version) in held {
            let name: Arc<str> = name.into();
            self.dirty.insert(name.clone());
            self.held.insert(name, Held { version: version.into(), resource: None });
        }
    }

    /// Wants every resource from now on.
    pub(super) fn subscribe_all(&mut self, target: Option<&XdsSnapshot>) {
        self.wanted.all = true;
        self.touch_all(target);
    }

    /// Wants one more name; `again` says that it must be sent even if the client has it.
    pub(super) fn subscribe(&mut self, name: &str, again: bool, target: Option<&XdsSnapshot>) {
        if let Some(target) = target {
            self.dirty.extend(self.scope.carried_by(name, target));
        }
        let name: Arc<str> = name.into();
        self.wanted.names.insert(name.clone());
        // Without a held version the client waits for an answer, even if that is "there is none".
        if again || !self.held.contains_key(&name) {
            self.owed.insert(name.clone());
        }
        self.dirty.insert(name);
    }

    fn wants(&self, name: &str) -> bool {
        let Wanted { all, names } = &self.wanted;
        *all || names.contains(name)
            || self.scope.carrier(name).is_some_and(|carrier| names.contains(carrier))
    }

    /// Wants a name no longer, and has dropped it.
    pub(super) fn unsubscribe(&mut self, name: &str) {
        self.wanted.names.remove(name);
        self.forget(name);
    }

    /// Knows that the client has dropped a resource; it is sent again if it is still wanted.
    pub(super) fn forget(&mut self, name: &str) {
        self.held.remove(name);
        self.refused.remove(name);
        self.owed.remove(name);
        self.dirty.insert(name.into());
    }

    /// Sends a resource again that the client would otherwise wait for.
    pub(super) fn owe(&mut self, name: &str) {
        if self.wants(name) {
            self.owed.insert(name.into());
            self.dirty.insert(name.into());
        }
    }

    /// Looks at one name again because its target changed.
    pub(super) fn touch(&mut self, name: Arc<str>) {
        if self.wants(&name) || self.held.contains_key(&name) {
            self.dirty.insert(name);
        }
    }

    /// Looks at every name again.
    pub(super) fn touch_all(&mut self, target: Option<&XdsSnapshot>) {
        self.dirty.extend(self.held.keys().cloned());
        self.dirty.extend(self.wanted.names.iter().cloned());
        let Some(target) = target else { return };
        for name in &self.wanted.names {
            self.dirty.extend(self.scope.carried_by(name, target));
        }
        if self.wanted.all {
            for resource in target.of_type(self.scope.type_url()) {
                self.dirty.extend(self.scope.carried_by(resource.name(), target));
                self.dirty.insert(resource.shared_name());
            }
        }
    }

    /// Returns what the client has under names that start with `prefix`.
    pub(super) fn held_under<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Held)> {
        let from_prefix = self.held.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from_prefix.take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// Returns whether a response or a part of a refused one is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.is_some() || self.more_follows()
    }

    /// Returns whether the target holds resources of this type that the client has not asked for or cannot get yet.
    pub(super) fn has_unclaimed(&self, target: &XdsSnapshot) -> bool {
        let newly_refused = self.refused.keys().filter(|name| !self.held.contains_key(*name)).count();
        self.held.len() + newly_refused < self.scope.count(target)
    }

    /// Returns the next response of additions and changes, if one is due and none is under way.
    ///
    /// `ready` says whether a resource may be sent already, `goes_along` whether a removal belongs to the additions.
    pub(super) fn next_additions(
        &mut self,
        target: &XdsSnapshot,
        ready: impl Fn(&str) -> bool,
        goes_along: impl Fn(&str) -> bool,
    ) -> Option<Batch> {
        if self.in_flight.is_some() {
            return None;
        }
        if let Some(part) = self.next_part(target, &ready) {
            return Some(part);
        }
        let batch = self.collect_additions(target, ready, goes_along);
        if batch.is_empty() && !self.greeting {
            return None;
        }
        let held = |name: &str| self.held.get(name).and_then(|held| held.resource.as_ref());
        self.backlog = batch.cut(self.budget, held);
        self.backlog.pop_front()
    }

    fn collect_additions(
        &mut self,
        target: &XdsSnapshot,
        ready: impl Fn(&str) -> bool,
        goes_along: impl Fn(&str) -> bool,
    ) -> Batch {
        let mut batch = Batch::default();
        for name in std::mem::take(&mut self.dirty) {
            match self.need(&name, target) {
                Need::Nothing => {
                    self.owed.remove(&name);
                }
                Need::Send(resource) if ready(&name) && self.has_carrier(&resource, &batch.resources) => {
                    batch.resources.push(resource);
                }
                Need::Remove if !self.held.contains_key(&name) => {
                    self.owed.remove(&name);
                    // Only the incremental protocol can say that there is no such resource.
                    if self.removal == RemovalStyle::Named {
                        batch.removed.push(name);
                    }
                }
                Need::Remove if goes_along(&name) => batch.removed.push(name),
                Need::Send(_) | Need::Remove => {
                    self.dirty.insert(name);
                }
            }
        }
        batch
    }

    /// Returns whether the resource that this one travels in, if it does, is there or on its way in `sorted`.
    fn has_carrier(&self, resource: &Resource, sorted: &[Arc<Resource>]) -> bool {
        let carrier = self.scope.carrier(resource.name()).filter(|_| resource.type_url() == VIRTUAL_HOST);
        carrier.is_none_or(|carrier| {
            self.held.contains_key(carrier)
                || sorted.binary_search_by(|resource| resource.name().cmp(carrier)).is_ok()
        })
    }

    /// Returns the next response of removals, if one is due and none is under way.
    pub(super) fn next_removals(&mut self, target: &XdsSnapshot) -> Option<Batch> {
        if self.in_flight.is_some() {
            return None;
        }
        let mut batch = Batch::default();
        let mut size = 0;
        for name in std::mem::take(&mut self.dirty) {
            if size >= self.budget {
                self.dirty.insert(name);
                continue;
            }
            match self.need(&name, target) {
                Need::Remove if self.removal == RemovalStyle::Silent => {
                    self.held.remove(&name);
                }
                Need::Remove => {
                    size += name_size(&name);
                    batch.removed.push(name);
                }
                Need::Send(_) => {
                    self.dirty.insert(name);
                }
                Need::Nothing => {}
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn need(&mut self, name: &Arc<str>, target: &XdsSnapshot) -> Need {
        let held = self.held.get(name).map(|held| &held.version);
        let wants = self.wants(name);
        let Some(resource) = self.scope.find(name, target) else {
            self.refused.remove(name);
            let told = wants && (held.is_some() || self.owed.contains(name));
            return if told { Need::Remove } else { Need::Nothing };
        };
        if !wants {
            return Need::Nothing;
        }
        if self.owed.contains(name) {
            return Need::Send(resource.clone());
        }
        if held.is_some_and(|version| **version == *resource.version()) {
            self.refused.remove(name);
            return Need::Nothing;
        }
        match self.refused.get(name) {
            Some(refusal) if *refusal.version == *resource.version() => Need::Nothing,
            _ => Need::Send(resource.clone()),
        }
    }

    /// Returns the next part of a refused or too large batch that still fits the target.
    fn next_part(&mut self, target: &XdsSnapshot, ready: impl Fn(&str) -> bool) -> Option<Batch> {
        loop {
            let Some(mut part) = self.backlog.pop_front() else {
                if self.suspects.is_empty() {
                    return None;
                }
                let retries = std::mem::take(&mut self.suspects).into_iter();
                self.backlog
                    .extend(retries.map(|resource| Batch { resources: vec![resource], ..Batch::default() }));
                continue;
            };
            part.resources.retain(|resource| {
                let newest = self.scope.find(resource.name(), target);
                self.wants(resource.name())
                    && newest.is_some_and(|newest| newest.version() == resource.version())
            });
            let (ready, waits) = part.resources.into_iter().partition(|resource| ready(resource.name()));
            part.resources = ready;
            self.dirty.extend(waits.iter().map(|resource: &Arc<Resource>| resource.shared_name()));
            part.removed.retain(|name| self.scope.find(name, target).is_none());
            let all = part.resources.clone();
            let (due, early) =
                part.resources.into_iter().partition(|resource| self.has_carrier(resource, &all));
            part.resources = due;
            self.dirty.extend(early.iter().map(|resource: &Arc<Resource>| resource.shared_name()));
            if !part.is_empty() {
                return Some(part);
            }
        }
    }

    /// Returns whether parts of what is being sent are still to come.
    pub(super) fn more_follows(&self) -> bool {
        !self.backlog.is_empty() || !self.suspects.is_empty()
    }

    /// Notes that a batch was sent.
    pub(super) fn sent(&mut self, nonce: String, batch: Batch) {
        self.greeting = false;
        for resource in &batch.resources {
            self.owed.remove(resource.name());
        }
        self.in_flight = Some((nonce, batch));
    }

    /// Returns whether `nonce` is that of the response under way.
    pub(super) fn awaits(&self, nonce: &str) -> bool {
        self.in_flight.as_ref().is_some_and(|(awaited, _)| awaited == nonce)
    }

    /// Notes that the response under way was accepted, and returns its content.
    pub(super) fn accepted(&mut self) -> Batch {
        let Some((_, batch)) = self.in_flight.take() else { return Batch::default() };
        self.commit(&batch);
        batch
    }

    fn commit(&mut self, batch: &Batch) {
        for resource in &batch.resources {
            let name = resource.shared_name();
            // The client may have unsubscribed meanwhile, and then has dropped it.
            if self.wants(&name) {
                self.refused.remove(&name);
                let version = resource.version().into();
                self.held.insert(name, Held { version, resource: Some(resource.clone()) });
            }
        }
        for name in &batch.removed {
            self.held.remove(name);
        }
    }

    /// Notes that the response under way was refused by a client that names what it refuses and applies the rest.
    ///
    /// Returns the content that was applied, or nothing, and no change, if the text does not name resources of it.
    pub(super) fn refused_by_name(&mut self, message: &str) -> Option<Batch> {
        let (_, batch) = self.in_flight.as_ref()?;
        let reasons = batch.named_in(message)?;
        let (_, batch) = self.in_flight.take()?;
        let (bad, good): (Vec<_>, Vec<_>) =
            batch.resources.into_iter().partition(|resource| reasons.contains_key(resource.name()));
        if batch.origin == Origin::Cut {
            // Another part may bring what they lack, or take away what is in their way.
            self.backlog.push_back(Batch { resources: bad, ..Batch::default() });
        } else {
            for resource in &bad {
                self.refuse(resource, reasons.get(resource.name()).cloned().unwrap_or_default());
            }
        }
        let applied = Batch { resources: good, removed: batch.removed, origin: Origin::Whole };
        self.commit(&applied);
        Some(applied)
    }

    /// Notes that the response under way was refused as a whole, and narrows the refusal down by halves.
    ///
    /// A resource that is refused alone is tried once more after the rest, because it may only have clashed with what
    /// another part was about to change; then it is given up.
    pub(super) fn refused_whole(&mut self, message: &str) {
        let Some((_, mut batch)) = self.in_flight.take() else { return };
        match batch.resources.len() {
            // Nobody can refuse that something goes.
            0 => self.commit(&batch),
            1 => {
                let resource = batch.resources.remove(0);
                if batch.origin != Origin::Whole {
                    self.suspects.push(resource);
                } else {
                    self.refuse(&resource, message.to_owned());
                }
                self.try_before_the_rest([Batch { origin: Origin::Narrowed, ..batch }]);
            }
            count => {
                let second = batch.resources.split_off(count / 2);
                let removed = std::mem::take(&mut batch.removed);
                self.try_before_the_rest([
                    Batch { resources: Vec::new(), removed, origin: Origin::Narrowed },
                    Batch { origin: Origin::Narrowed, ..batch },
                    Batch { resources: second, removed: Vec::new(), origin: Origin::Narrowed },
                ]);
            }
        }
    }

    fn try_before_the_rest<const N: usize>(&mut self, parts: [Batch; N]) {
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            self.backlog.push_front(part);
        }
    }

    fn refuse(&mut self, resource: &Resource, message: String) {
        let refusal = Nack { version: resource.version().into(), type_url: resource.type_url(), message };
        self.refused.insert(resource.shared_name(), refusal);
    }
}
