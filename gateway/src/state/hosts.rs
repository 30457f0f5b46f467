//! Which virtual host serves a host name: the exact one, else that of the longest suffix, else the one for all. Copies
//! share structure, so that a swap of one host among many costs little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::quality::RandomState;
use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

use crate::config::{Domain, VirtualHost};

/// A table by name that every request looks into. What clients ask for is only looked up and never put in, so the hash need
/// not withstand them.
pub(super) type Names<V> = GenericHashMap<Arc<str>, V, RandomState, DefaultSharedPtr>;

/// Virtual hosts by domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostTable {
    exact: Names<Arc<VirtualHost>>,
    suffix: Names<Arc<VirtualHost>>,
    any: Option<Arc<VirtualHost>>,
}

impl HostTable {
    /// Returns the virtual host for a host name in lower case.
    pub(crate) fn find(&self, host: &str) -> Option<&Arc<VirtualHost>> {
        if let Some(found) = self.exact.get(host) {
            return Some(found);
        }
        if !self.suffix.is_empty() {
            // The first dot gives the longest suffix. At least one character stands before it.
            let dots = host.bytes().enumerate().filter(|(index, byte)| *byte == b'.' && *index > 0);
            if let Some(found) = dots.into_iter().find_map(|(index, _)| self.suffix.get(&host[index..])) {
                return Some(found);
            }
        }
        self.any.as_ref()
    }

    fn owner(&self, domain: &Domain) -> Option<&Arc<VirtualHost>> {
        match domain {
            Domain::Exact(name) => self.exact.get(name),
            Domain::Suffix(suffix) => self.suffix.get(suffix),
            Domain::Any => self.any.as_ref(),
        }
    }

    fn claim(&mut self, host: &Arc<VirtualHost>) {
        for domain in &host.domains {
            match domain {
                Domain::Exact(name) => drop(self.exact.insert(name.clone(), host.clone())),
                Domain::Suffix(suffix) => drop(self.suffix.insert(suffix.clone(), host.clone())),
                Domain::Any => self.any = Some(host.clone()),
            }
        }
    }

    fn release(&mut self, host: &Arc<VirtualHost>) {
        for domain in &host.domains {
            match domain {
                Domain::Exact(name) => drop(self.exact.remove(name)),
                Domain::Suffix(suffix) => drop(self.suffix.remove(suffix)),
                Domain::Any => self.any = None,
            }
        }
    }
}

/// The virtual hosts of one route configuration, whether or not that has come yet.
#[derive(Debug, Default)]
pub(crate) struct HostSet {
    by_name: BTreeMap<Arc<str>, Arc<VirtualHost>>,
    pub(crate) table: HostTable,
}

impl HostSet {
    /// Applies what one response says at once, so that a domain can move from host to host without a gap. Returns the
    /// hosts that cannot be used, because another host has their domain, with the reason; of those the predecessor stays.
    pub(crate) fn apply(
        &mut self,
        changed: Vec<Arc<VirtualHost>>,
        removed: &[Arc<str>],
    ) -> Vec<(Arc<str>, String)> {
        for name in removed {
            if let Some(old) = self.by_name.remove(name) {
                self.table.release(&old);
            }
        }
        let mut changed: BTreeMap<Arc<str>, Arc<VirtualHost>> =
            changed.into_iter().map(|host| (host.name.clone(), host)).collect();
        let mut rejected = Vec::new();
        // A rejected host keeps its old domains, which may be in the way of another one: look again until all fit.
        while let Some((name, reason)) = self.conflict(&changed) {
            changed.remove(&name);
            rejected.push((name, reason));
        }
        for name in changed.keys() {
            if let Some(old) = self.by_name.get(name) {
                self.table.release(old);
            }
        }
        for (name, host) in changed {
            self.table.claim(&host);
            self.by_name.insert(name, host);
        }
        rejected
    }

    /// Finds a changed host that wants a domain which another host has afterwards.
    fn conflict(&self, changed: &BTreeMap<Arc<str>, Arc<VirtualHost>>) -> Option<(Arc<str>, String)> {
        let mut claims: BTreeSet<&Domain> = BTreeSet::new();
        for (name, host) in changed {
            for (index, domain) in host.domains.iter().enumerate() {
                let stays = |owner: &&Arc<VirtualHost>| !changed.contains_key(&owner.name);
                let taken = match self.table.owner(domain).filter(stays) {
                    Some(owner) => format!("virtual host {} has it", owner.name),
                    None if !claims.insert(domain) => {
                        "another virtual host of this response has it".to_owned()
                    }
                    None => continue,
                };
                return Some((name.clone(), format!("domains[{index}]: `{domain}` is taken: {taken}")));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, domains: &[&str]) -> Arc<VirtualHost> {
        let domains = domains
            .iter()
            .map(|domain| match domain.strip_prefix('*') {
                Some("") => Domain::Any,
                Some(suffix) => Domain::Suffix(suffix.into()),
                None => Domain::Exact((*domain).into()),
            })
            .collect();
        Arc::new(VirtualHost { name: name.into(), domains, routes: crate::matching::RouteList::default() })
    }

    fn find<'a>(set: &'a HostSet, name: &str) -> Option<&'a str> {
        set.table.find(name).map(|host| &*host.name)
    }

    #[test]
    fn exact_goes_before_the_longest_suffix_before_any() {
        let mut set = HostSet::default();
        let hosts = [("x", "a.b.com"), ("long", "*.b.com"), ("short", "*.com"), ("rest", "*")];
        set.apply(hosts.map(|(name, domain)| host(name, &[domain])).into(), &[]);
        for (name, expected) in [
            ("a.b.com", "x"),
            ("c.b.com", "long"),
            ("d.c.b.com", "long"),
            ("b.com", "short"),
            ("com", "rest"),
            (".b.com", "short"),
            ("b.org", "rest"),
        ] {
            assert_eq!(find(&set, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_domain_moves_within_one_response() {
        let mut set = HostSet::default();
        set.apply(vec![host("a", &["one", "two"]), host("b", &["three"])], &[]);
        let rejected = set.apply(vec![host("b", &["two", "three"]), host("a", &["one"])], &[]);
        assert_eq!(rejected, []);
        assert_eq!((find(&set, "two"), find(&set, "one")), (Some("b"), Some("a")));
        assert_eq!(set.apply(vec![host("c", &["one"])], &["a".into()]), []);
        assert_eq!(find(&set, "one"), Some("c"));
    }

    #[test]
    fn a_taken_domain_is_refused_and_the_predecessor_stays() {
        let mut set = HostSet::default();
        set.apply(vec![host("a", &["one"]), host("b", &["two"])], &[]);
        // `b` cannot have `one`, so it keeps `two`, so `c` cannot have that.
        let rejected = set.apply(vec![host("b", &["one"]), host("c", &["two"]), host("d", &["four"])], &[]);
        let names: Vec<&str> = rejected.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["b", "c"]);
        assert!(rejected[0].1.contains("`one` is taken: virtual host a has it"), "{rejected:?}");
        assert_eq!((find(&set, "one"), find(&set, "two")), (Some("a"), Some("b")));
        assert_eq!(find(&set, "four"), Some("d"));
    }
}
