//! All xDS resources for the data planes at one version. Copies share structure, and comparing a copy with its edited
//! successor costs what the edit touched, not what the snapshot holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::resource::Resource;

/// A set of xDS resources with at most one per type and name, iterated in the order of type URL and name.
#[derive(Clone, Debug, Default)]
pub struct XdsSnapshot {
    types: BTreeMap<&'static str, OfType>,
}

/// The resources of one type. There is at least one.
#[derive(Clone, Debug, Default)]
struct OfType {
    resources: OrdMap<Arc<str>, Arc<Resource>>,
    // Sum of a hash of each resource: the same for every order of insertion, and adjusted in constant time.
    digest: u128,
}

/// What turns one snapshot into another. Each list is sorted by type URL and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotDiff {
    /// Resources that only the newer snapshot has.
    pub added: Vec<Arc<Resource>>,
    /// Resources that both have with different content, as the newer one has them.
    pub changed: Vec<Arc<Resource>>,
    /// Resources that only the older snapshot has.
    pub removed: Vec<Arc<Resource>>,
}

impl SnapshotDiff {
    /// Returns whether the snapshots hold the same resources.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl XdsSnapshot {
    /// Returns the empty snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `resource` in, in the place of one with the same type and name, and returns that one.
    pub fn insert(&mut self, resource: impl Into<Arc<Resource>>) -> Option<Arc<Resource>> {
        let resource = resource.into();
        let of_type = self.types.entry(resource.type_url()).or_default();
        of_type.digest = of_type.digest.wrapping_add(fingerprint(&resource));
        let old = of_type.resources.insert(resource.shared_name(), resource);
        if let Some(old) = &old {
            of_type.digest = of_type.digest.wrapping_sub(fingerprint(old));
        }
        old
    }

    /// Puts resources in, which are of one type and sorted by name, each name once.
    ///
    /// Where the snapshot has none of this type yet, its nodes come out full: every other resource goes in first, which
    /// leaves each node half of its room, and the rest takes it.
    pub fn insert_sorted(&mut self, resources: &[Arc<Resource>]) {
        for resource in resources.iter().step_by(2).chain(resources.iter().skip(1).step_by(2)) {
            self.insert(resource.clone());
        }
    }

    /// Takes a resource out and returns it.
    pub fn remove(&mut self, type_url: &str, name: &str) -> Option<Arc<Resource>> {
        let of_type = self.types.get_mut(type_url)?;
        let old = of_type.resources.remove(name)?;
        of_type.digest = of_type.digest.wrapping_sub(fingerprint(&old));
        if of_type.resources.is_empty() {
            self.types.remove(type_url);
        }
        Some(old)
    }

    /// Returns one resource.
    pub fn get(&self, type_url: &str, name: &str) -> Option<&Arc<Resource>> {
        self.types.get(type_url)?.resources.get(name)
    }

    /// Returns the resources of one type in the order of their names.
    pub fn of_type(&self, type_url: &str) -> impl Iterator<Item = &Arc<Resource>> {
        self.types.get(type_url).into_iter().flat_map(|of_type| of_type.resources.values())
    }

    /// Returns the resources of one type whose names start with `prefix`, in the order of their names.
    pub fn with_prefix<'a>(
        &'a self,
        type_url: &str,
        prefix: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.types
            .get(type_url)
            .into_iter()
            .flat_map(move |of_type| of_type.resources.range(Arc::from(prefix)..))
            .map(|(_, resource)| resource)
            .take_while(move |resource| resource.name().starts_with(prefix))
    }

    /// Returns all resources in the order of type URL and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.types.values().flat_map(|of_type| of_type.resources.values())
    }

    /// Returns the number of resources.
    pub fn len(&self) -> usize {
        self.types.values().map(|of_type| of_type.resources.len()).sum()
    }

    /// Returns the number of resources of one type.
    pub fn count(&self, type_url: &str) -> usize {
        self.types.get(type_url).map_or(0, |of_type| of_type.resources.len())
    }

    /// Takes out every resource of one type.
    pub fn remove_type(&mut self, type_url: &str) {
        self.types.remove(type_url);
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Returns the version: 32 hexadecimal digits that depend on the content alone.
    pub fn version(&self) -> String {
        format!("{:032x}", self.digest())
    }

    fn digest(&self) -> u128 {
        self.types.values().fold(0, |sum, of_type| sum.wrapping_add(of_type.digest))
    }

    /// Returns whether two snapshots hold the very same resources of a type, as copies do that were edited elsewhere.
    pub(crate) fn shares(&self, other: &Self, type_url: &str) -> bool {
        match (self.types.get(type_url), other.types.get(type_url)) {
            (Some(one), Some(other)) => one.resources.ptr_eq(&other.resources),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Returns what turns `self` into `newer`.
    pub fn diff(&self, newer: &Self) -> SnapshotDiff {
        let none = OfType::default();
        let mut type_urls: Vec<&str> = self.types.keys().chain(newer.types.keys()).copied().collect();
        type_urls.sort_unstable();
        type_urls.dedup();
        let mut diff = SnapshotDiff::default();
        for type_url in type_urls {
            let old = self.types.get(type_url).unwrap_or(&none);
            let new = newer.types.get(type_url).unwrap_or(&none);
            diff.collect(&old.resources, &new.resources);
        }
        diff
    }
}

impl SnapshotDiff {
    fn collect(&mut self, old: &OrdMap<Arc<str>, Arc<Resource>>, new: &OrdMap<Arc<str>, Arc<Resource>>) {
        for item in old.diff(new) {
            match item {
                DiffItem::Add(_, resource) => self.added.push(resource.clone()),
                DiffItem::Update { old: (_, before), new: (_, after) } => {
                    if before.version() != after.version() {
                        self.changed.push(after.clone());
                    }
                }
                DiffItem::Remove(_, resource) => self.removed.push(resource.clone()),
            }
        }
    }
}

/// Two snapshots are equal when they hold the same resources at the same versions.
impl PartialEq for XdsSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest() && self.diff(other).is_empty()
    }
}

impl Eq for XdsSnapshot {}

impl FromIterator<Resource> for XdsSnapshot {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        resources.into_iter().map(Arc::new).collect()
    }
}

impl FromIterator<Arc<Resource>> for XdsSnapshot {
    fn from_iter<I: IntoIterator<Item = Arc<Resource>>>(resources: I) -> Self {
        let mut snapshot = Self::new();
        for resource in resources {
            snapshot.insert(resource);
        }
        snapshot
    }
}

fn fingerprint(resource: &Resource) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in [resource.type_url(), resource.name(), resource.version()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::route::v3::VirtualHost;
    use crate::type_url;

    fn cluster(name: &str, alt_stat_name: &str) -> Resource {
        Resource::of(&Cluster {
            name: name.to_owned(),
            alt_stat_name: alt_stat_name.to_owned(),
            ..Cluster::default()
        })
    }

    fn host(name: &str) -> Resource {
        Resource::of(&VirtualHost { name: name.to_owned(), ..VirtualHost::default() })
    }

    fn names(resources: &[Arc<Resource>]) -> Vec<&str> {
        resources.iter().map(|resource| resource.name()).collect()
    }

    #[test]
    fn diff_tells_added_changed_and_removed_apart() {
        let old: XdsSnapshot =
            [cluster("a", ""), cluster("b", ""), cluster("c", ""), host("http.80/x")].into_iter().collect();
        let mut new = old.clone();
        new.insert(cluster("b", "changed"));
        new.insert(cluster("c", ""));
        new.insert(cluster("d", ""));
        new.remove(type_url::CLUSTER, "a");
        new.remove(type_url::VIRTUAL_HOST, "http.80/x");
        let diff = old.diff(&new);
        assert_eq!(names(&diff.added), ["d"]);
        assert_eq!(names(&diff.changed), ["b"]);
        assert_eq!(names(&diff.removed), ["a", "http.80/x"]);
        assert!(new.diff(&new.clone()).is_empty());
    }

    #[test]
    fn version_depends_on_the_content_and_not_on_the_history() {
        let resources = [cluster("a", ""), cluster("b", ""), host("http.80/x")];
        let forward: XdsSnapshot = resources.iter().cloned().collect();
        let mut edited: XdsSnapshot = resources.iter().rev().cloned().collect();
        assert_eq!(forward.version(), edited.version());
        edited.insert(cluster("a", "changed"));
        assert_ne!(forward.version(), edited.version());
        assert_ne!(forward, edited);
        edited.insert(cluster("a", ""));
        edited.insert(cluster("z", ""));
        edited.remove(type_url::CLUSTER, "z");
        assert_eq!(forward.version(), edited.version());
        assert_eq!(forward, edited);
    }

    #[test]
    fn same_name_under_two_types_is_two_resources() {
        let snapshot: XdsSnapshot = [cluster("a", ""), host("a")].into_iter().collect();
        assert_eq!(snapshot.len(), 2);
        assert_eq!(snapshot.of_type(type_url::CLUSTER).count(), 1);
        assert!(snapshot.get(type_url::VIRTUAL_HOST, "a").is_some());
    }

    #[test]
    fn prefix_takes_the_hosts_of_one_route_configuration() {
        let snapshot: XdsSnapshot =
            ["http.80/b", "http.80/a", "http.8080/c", "https.443/d"].map(host).into_iter().collect();
        let found: Vec<&str> = snapshot
            .with_prefix(type_url::VIRTUAL_HOST, "http.80/")
            .map(|resource| resource.name())
            .collect();
        assert_eq!(found, ["http.80/a", "http.80/b"]);
    }

    #[test]
    fn a_sorted_whole_is_the_same_as_its_resources_one_by_one() {
        let sorted: Vec<Arc<Resource>> = (0..1_000).map(|n| Arc::new(host(&format!("x/{n:04}")))).collect();
        let one_by_one: XdsSnapshot = sorted.iter().cloned().collect();
        let mut whole = XdsSnapshot::new();
        whole.insert_sorted(&sorted[300..]);
        whole.insert_sorted(&sorted[..300]);
        assert_eq!(whole, one_by_one);
        assert_eq!(whole.version(), one_by_one.version());
        assert!(whole.iter().map(|resource| resource.name()).is_sorted());
    }

    #[test]
    fn a_type_goes_as_a_whole() {
        let mut snapshot: XdsSnapshot = [cluster("a", ""), host("x/a"), host("x/b")].into_iter().collect();
        assert_eq!(snapshot.count(type_url::VIRTUAL_HOST), 2);
        snapshot.remove_type(type_url::VIRTUAL_HOST);
        assert_eq!(snapshot, [cluster("a", "")].into_iter().collect());
        assert_eq!(snapshot.version(), [cluster("a", "")].into_iter().collect::<XdsSnapshot>().version());
    }

    #[test]
    fn removing_everything_leaves_the_empty_snapshot() {
        let mut snapshot: XdsSnapshot = [cluster("a", "")].into_iter().collect();
        assert!(snapshot.remove(type_url::CLUSTER, "missing").is_none());
        assert!(snapshot.remove(type_url::CLUSTER, "a").is_some());
        assert!(snapshot.is_empty());
        assert_eq!(snapshot, XdsSnapshot::new());
    }
}
