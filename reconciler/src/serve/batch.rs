//! The content of one response, and how content that is too large for one is cut into several.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gatewright_xds::envoy::config::route::v3::VirtualHost;
use gatewright_xds::{Resource, type_url};

/// What a resource weighs on the wire beside its name, which stands there twice at most, and its body.
const ENVELOPE: usize = 160;

/// The content of one response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) resources: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<str>>,
    pub(super) origin: Origin,
}

/// What a batch was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// All that was due, or something that is tried for the last time.
    #[default]
    Whole,
    /// Part of what was due and too large: a refusal may have been about the moment, not the resource.
    Cut,
    /// Part of a refused batch, with the same doubt.
    Narrowed,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty()
    }

    /// Returns what the batch weighs on the wire, or a little more.
    fn size(&self) -> usize {
        let resources =
            self.resources.iter().map(|resource| resource.body().len() + name_size(resource.name()));
        resources.chain(self.removed.iter().map(|name| name_size(name))).sum()
    }

    /// Cuts the batch so that no part weighs more than `budget`, except what cannot be cut: one resource, and virtual
    /// hosts that hand a domain on, because it moves without a gap only inside one response. What only goes goes last.
    ///
    /// `held` says what the client has under a name, as far as that is known.
    pub(super) fn cut<'a>(
        self,
        budget: usize,
        held: impl Fn(&str) -> Option<&'a Arc<Resource>>,
    ) -> VecDeque<Batch> {
        if self.size() <= budget {
            return [self].into();
        }
        let mut parts: VecDeque<Batch> = VecDeque::new();
        let mut size = budget;
        for unit in self.units(held) {
            let weight = unit.size();
            size = size.saturating_add(weight);
            match parts.back_mut().filter(|_| size <= budget) {
                Some(part) => {
                    part.resources.extend(unit.resources);
                    part.removed.extend(unit.removed);
                }
                None => {
                    size = weight;
                    parts.push_back(Batch { origin: Origin::Cut, ..unit });
                }
            }
        }
        parts
    }

    /// Takes the batch apart into what must travel together.
    fn units<'a>(self, held: impl Fn(&str) -> Option<&'a Arc<Resource>>) -> impl Iterator<Item = Batch> {
        let leaders = self.leaders(held);
        let mut units: BTreeMap<usize, Batch> = BTreeMap::new();
        let mut leaders = leaders.into_iter();
        for resource in self.resources {
            units.entry(leaders.next().unwrap_or_default()).or_default().resources.push(resource);
        }
        for name in self.removed {
            units.entry(leaders.next().unwrap_or_default()).or_default().removed.push(name);
        }
        units.into_values()
    }

    /// Numbers the resources, then the removed names, and returns for each the least number of its unit.
    fn leaders<'a>(&self, held: impl Fn(&str) -> Option<&'a Arc<Resource>>) -> Vec<usize> {
        let names = self.resources.iter().map(|resource| resource.name());
        let names = names.chain(self.removed.iter().map(|name| &**name));
        let mut former: BTreeMap<String, usize> = BTreeMap::new();
        for (index, before) in names.map(held).enumerate() {
            former.extend(before.into_iter().flat_map(|host| domains(host)).map(|domain| (domain, index)));
        }
        let mut leaders: Vec<usize> = (0..self.resources.len() + self.removed.len()).collect();
        if former.is_empty() {
            return leaders;
        }
        for (index, resource) in self.resources.iter().enumerate() {
            for from in domains(resource).iter().filter_map(|domain| former.get(domain)) {
                let (one, other) = (leader(&leaders, index), leader(&leaders, *from));
                leaders[one.max(other)] = one.min(other);
            }
        }
        (0..leaders.len()).map(|index| leader(&leaders, index)).collect()
    }

    /// Returns the resources that a refusal names, each on a line of its own, with the reasons; nothing if the text
    /// has another form or names something else.
    pub(super) fn named_in(&self, message: &str) -> Option<BTreeMap<Arc<str>, String>> {
        let lines: Option<BTreeMap<&str, &str>> = message.lines().map(|line| line.split_once(": ")).collect();
        let lines = lines.filter(|lines| !lines.is_empty() && lines.len() == message.lines().count())?;
        let named = self.resources.iter().filter_map(|resource| {
            let reason = lines.get(resource.name())?;
            Some((resource.shared_name(), (*reason).to_owned()))
        });
        let named: BTreeMap<Arc<str>, String> = named.collect();
        (named.len() == lines.len()).then_some(named)
    }
}

/// Returns what a name weighs as that of a resource or of one that goes.
pub(super) fn name_size(name: &str) -> usize {
    2 * name.len() + ENVELOPE
}

fn leader(leaders: &[usize], mut index: usize) -> usize {
    while leaders[index] != index {
        index = leaders[index];
    }
    index
}

fn domains(resource: &Resource) -> Vec<String> {
    if resource.type_url() != type_url::VIRTUAL_HOST {
        return Vec::new();
    }
    resource.decode::<VirtualHost>().map(|host| host.domains).unwrap_or_default()
}
