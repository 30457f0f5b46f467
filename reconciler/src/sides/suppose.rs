//! The changes between two states as the planner asks for them: models with only some of the changes, made by the engine
//! that has reached the head.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_compiler::source::ReadError;
use gatewright_compiler::{Delta, Engine, Reach as HostsReached, Said};
use gatewright_kinds::EntityKey;
use gatewright_plan::{Changes, EntityName, Reach, RouteId, Supposed};

use super::State;

/// What a change of the settings is called.
const SETTINGS: &str = "Settings";

/// The changes between two states.
pub(super) struct Between<'a, 's> {
    base: &'a State<'s>,
    head: &'a State<'s>,
    /// Has reached the head.
    engine: &'a mut Engine,
    /// The same with the settings of the base, where they differ and were asked for.
    other: Option<Engine>,
    keys: Vec<EntityKey>,
    /// Those of `keys`, and behind them the settings where they differ.
    names: Vec<EntityName>,
    failure: Option<ReadError>,
}

impl<'a, 's> Between<'a, 's> {
    pub(super) fn new(base: &'a State<'s>, head: &'a State<'s>, engine: &'a mut Engine) -> Self {
        let keys: Vec<EntityKey> = head.provenance.changed(&base.provenance).into_iter().collect();
        let mut names: Vec<EntityName> = keys.iter().map(name_of).collect();
        if base.options != head.options {
            let file = head.source.settings.as_ref().or(base.source.settings.as_ref());
            let name = file.map_or_else(|| "of the command".to_owned(), |path| head.source.shown(path));
            names.push(EntityName { kind: SETTINGS.to_owned(), namespace: String::new(), name });
        }
        Between { base, head, engine, other: None, keys, names, failure: None }
    }

    /// Returns the first file that could not be read any more.
    pub(super) fn failure(self) -> Option<ReadError> {
        self.failure
    }

    fn have_settings_changed(&self) -> bool {
        self.names.len() > self.keys.len()
    }

    /// Returns the engine with the settings of the head or of the base.
    fn engine(&mut self, settings_of_head: bool) -> Option<&mut Engine> {
        if settings_of_head {
            return Some(self.engine);
        }
        if self.other.is_none() {
            let mut other = Engine::new(self.base.options.clone());
            if let Err(error) = other.update(self.head.tree()) {
                self.failure.get_or_insert(error);
                return None;
            }
            self.other = Some(other);
        }
        self.other.as_mut()
    }

    /// Returns what the base says of the objects whose changes are not among `made`.
    fn taken_back(&self, made: &BTreeSet<usize>) -> BTreeMap<EntityKey, Said> {
        let others = self.keys.iter().enumerate().filter(|(index, _)| !made.contains(index));
        others.map(|(_, key)| (key.clone(), self.base.provenance.said(key))).collect()
    }

    fn reach_now(&mut self, settings_of_head: bool) -> Option<Vec<HostsReached>> {
        let keys = self.keys.clone();
        let engine = self.engine(settings_of_head)?;
        Some(keys.iter().map(|key| engine.reach(key)).collect())
    }
}

impl Changes for Between<'_, '_> {
    fn objects(&self) -> &[EntityName] {
        &self.names
    }

    fn owner(&self, route: &RouteId) -> Option<usize> {
        let place = self.head.provenance.route(route).or_else(|| self.base.provenance.route(route))?;
        self.keys.binary_search(&place.entity).ok()
    }

    fn reach(&mut self) -> Option<Vec<Reach>> {
        let settings = self.have_settings_changed();
        let head = self.reach_now(true)?;
        let taken_back = self.taken_back(&BTreeSet::new());
        self.engine(!settings)?.suppose(taken_back);
        let base = self.reach_now(!settings)?;
        let mut reach: Vec<Reach> = head.into_iter().zip(base).map(|(a, b)| together(a, b)).collect();
        reach.extend(settings.then_some(Reach::Everything));
        Some(reach)
    }

    fn with(&mut self, made: &BTreeSet<usize>) -> Option<Supposed<'_>> {
        let settings_of_head = !self.have_settings_changed() || made.contains(&self.keys.len());
        let taken_back = self.taken_back(made);
        let engine = self.engine(settings_of_head)?;
        let delta = engine.suppose(taken_back);
        Some(Supposed { ir: engine.ir(), work: work_of(&delta) })
    }
}

fn name_of(key: &EntityKey) -> EntityName {
    EntityName {
        kind: key.kind.as_str().to_owned(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
    }
}

fn together(a: HostsReached, b: HostsReached) -> Reach {
    match (a, b) {
        (HostsReached::Hosts(mut a), HostsReached::Hosts(b)) => {
            a.extend(b);
            Reach::Hosts(a)
        }
        _ => Reach::Everything,
    }
}

fn work_of(delta: &Delta) -> usize {
    let done = &delta.counters;
    done.ingresses_analyzed + done.hosts_lowered + done.clusters_lowered + done.resources_emitted
}
