//! Which changes can have to do with the requests for a host.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_ir::HostPattern;

use super::Reach;

/// Changes by the hosts that they reach.
pub(super) struct Index {
    by_host: BTreeMap<HostPattern, Vec<usize>>,
    everywhere: Vec<usize>,
    all: usize,
}

impl Index {
    pub(super) fn new(reach: &[Reach]) -> Self {
        let mut index = Index { by_host: BTreeMap::new(), everywhere: Vec::new(), all: reach.len() };
        for (change, reach) in reach.iter().enumerate() {
            match reach {
                Reach::Everything => index.everywhere.push(change),
                Reach::Hosts(hosts) => {
                    hosts.iter().for_each(|host| index.by_host.entry(host.clone()).or_default().push(change));
                }
            }
        }
        index
    }

    /// Returns the changes that reach a host or a wider one, in order; all where none is known to.
    pub(super) fn of(&self, host: &HostPattern) -> Vec<usize> {
        let mut found: BTreeSet<usize> = self.everywhere.iter().copied().collect();
        self.add_reaching(host, &mut found);
        if found.is_empty() { (0..self.all).collect() } else { found.into_iter().collect() }
    }

    /// Returns the changes that reach any of some hosts; all where none is known to.
    pub(super) fn of_any<'h>(&self, hosts: impl Iterator<Item = &'h HostPattern>) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = self.everywhere.iter().copied().collect();
        hosts.for_each(|host| self.add_reaching(host, &mut found));
        if found.is_empty() { (0..self.all).collect() } else { found }
    }

    fn add_reaching(&self, host: &HostPattern, found: &mut BTreeSet<usize>) {
        let wider = host.wider();
        let reaching = std::iter::once(host).chain(&wider).filter_map(|host| self.by_host.get(host));
        found.extend(reaching.flatten());
    }
}
