//! Host atoms: the patterns of both sides cut the host names so that each atom picks one chain of virtual hosts on
//! either side. Only atoms whose chain has a changed virtual host are worth a look.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_ir::{ClusterName, HostPattern, Ir, ListenerId, LoweredHost, RouteAction, TlsTable};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::class::Counters;
use crate::outcome::{ClusterOutcome, Handshake};
use crate::region::{HostSet, ServedNames};

/// A virtual host's place.
pub(crate) type Key = (ListenerId, HostPattern);

/// Steps through two ordered maps side by side.
fn joined<'m, K: Ord, V>(
    a: &'m OrdMap<K, V>,
    b: &'m OrdMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (Some((x, _)), Some((y, _))) => x.cmp(y),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        let a = if order.is_le() { left.next() } else { None };
        let b = if order.is_ge() { right.next() } else { None };
        let key = a.or(b).map(|(key, _)| key)?;
        Some((key, a.map(|(_, value)| value), b.map(|(_, value)| value)))
    })
}

/// Returns the entries that two ordered maps do not have alike. Of maps that were made from one another, only the parts that
/// differ are looked at.
fn differing<'m, K: Ord, V: PartialEq>(
    a: &'m OrdMap<K, V>,
    b: &'m OrdMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    a.diff(b).map(|item| match item {
        DiffItem::Add(key, after) => (key, None, Some(after)),
        DiffItem::Update { old: (key, before), new: (_, after) } => (key, Some(before), Some(after)),
        DiffItem::Remove(key, before) => (key, Some(before), None),
    })
}

/// Returns the upstream clusters that requests meet differently.
pub(crate) fn changed_clusters(a: &Ir, b: &Ir) -> BTreeSet<ClusterName> {
    let mut suspects: BTreeSet<&ClusterName> = BTreeSet::new();
    suspects.extend(differing(&a.clusters, &b.clusters).map(|(name, ..)| name));
    let moved = differing(&a.endpoints, &b.endpoints).filter(|(_, a, b)| match (a, b) {
        (Some(a), Some(b)) => a.endpoints.is_empty() != b.endpoints.is_empty(),
        _ => true,
    });
    suspects.extend(moved.map(|(name, ..)| name));
    let changed = |name: &&&ClusterName| ClusterOutcome::of(a, name) != ClusterOutcome::of(b, name);
    suspects.iter().filter(changed).map(|name| (*name).clone()).collect()
}

/// Returns the virtual hosts that are not the same on both sides, or that use one of `clusters`, and counts.
pub(crate) fn changed_hosts(
    a: &Ir,
    b: &Ir,
    clusters: &BTreeSet<ClusterName>,
    counters: &mut Counters,
) -> BTreeSet<Key> {
    let mut changed = BTreeSet::new();
    for (key, before, after) in joined(&a.hosts, &b.hosts) {
        counters.routes_before += before.map_or(0, |host| host.host.routes.len());
        counters.routes_after += after.map_or(0, |host| host.host.routes.len());
        let differ = match (before, after) {
            (Some(x), Some(y)) => !Arc::ptr_eq(x, y) && x.digest != y.digest,
            (Some(_), None) => {
                counters.hosts_removed += 1;
                true
            }
            (None, _) => {
                counters.hosts_added += 1;
                true
            }
        };
        counters.hosts_changed += usize::from(differ);
        if differ
            || (!clusters.is_empty()
                && [before, after].into_iter().flatten().any(|host| uses(host, clusters)))
        {
            changed.insert(key.clone());
        }
    }
    counters.hosts_before = a.hosts.len();
    counters.hosts_after = b.hosts.len();
    changed
}

fn uses(host: &LoweredHost, clusters: &BTreeSet<ClusterName>) -> bool {
    host.host.routes.iter().any(|route| match &route.action {
        RouteAction::Forward(forward) => forward.targets.iter().any(|target| {
            clusters.contains(&target.cluster) || target.fallbacks.iter().any(|name| clusters.contains(name))
        }),
        RouteAction::Redirect(_) | RouteAction::Refuse(_) => false,
    })
}

/// Returns the host atoms whose chain has a changed virtual host on either side, each by its pattern.
pub(crate) fn affected(a: &Ir, b: &Ir, changed: &BTreeSet<Key>) -> BTreeSet<Key> {
    let mut affected = changed.clone();
    let wildcards: Vec<&Key> =
        changed.iter().filter(|(_, host)| !matches!(host, HostPattern::Exact(_))).collect();
    if wildcards.is_empty() {
        return affected;
    }
    for (key, ..) in joined(&a.hosts, &b.hosts) {
        let below = wildcards.iter().any(|(listener, wide)| *listener == key.0 && is_below(&key.1, wide));
        let meets = |ir: &Ir| {
            let chain = ir.chain(key.0, &key.1);
            chain.iter().any(|host| changed.contains(&(key.0, host.host.host.clone())))
        };
        if below && (meets(a) || meets(b)) {
            affected.insert(key.clone());
        }
    }
    affected
}

/// Whether `narrow` is a strictly narrower pattern than `wide`.
pub(crate) fn is_below(narrow: &HostPattern, wide: &HostPattern) -> bool {
    match (narrow, wide) {
        (HostPattern::Exact(name), _) => *narrow != *wide && wide.covers(name),
        (HostPattern::Suffix(inner), HostPattern::Suffix(_)) => wide.covers(inner),
        (HostPattern::Suffix(_), HostPattern::Any) => true,
        _ => false,
    }
}

/// Returns the atom of a pattern among the keys of two maps.
pub(crate) fn host_set<'k>(pattern: &HostPattern, keys: impl Iterator<Item = &'k HostPattern>) -> HostSet {
    let except = match pattern {
        HostPattern::Exact(_) => BTreeSet::new(),
        _ => keys.filter(|key| is_below(key, pattern)).cloned().collect(),
    };
    HostSet { pattern: pattern.clone(), except: Arc::new(except) }
}

/// Returns the TLS listeners of both sides.
pub(crate) fn tls_listeners(a: &Ir, b: &Ir) -> BTreeSet<ListenerId> {
    let ids = a.listeners.keys().chain(b.listeners.keys()).copied();
    ids.filter(|listener| listener.is_tls()).collect()
}

/// Returns which server names get a certificate on both sides. For the others the handshake is the whole difference.
pub(crate) fn served_names(a: &TlsTable, b: &TlsTable) -> ServedNames {
    let served = |table: &TlsTable, pattern: &HostPattern| handshake_at(table, pattern).is_served();
    let patterns = joined(a, b).map(|(pattern, ..)| pattern);
    ServedNames(patterns.map(|pattern| (pattern.clone(), served(a, pattern) && served(b, pattern))).collect())
}

/// Returns the server-name atoms whose handshakes differ, with both.
pub(crate) fn changed_handshakes(a: &TlsTable, b: &TlsTable) -> Vec<(HostPattern, Handshake, Handshake)> {
    differing(a, b)
        .map(|(pattern, ..)| (pattern.clone(), handshake_at(a, pattern), handshake_at(b, pattern)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// What names of a pattern get that no narrower pattern takes.
pub(crate) fn handshake_at(table: &TlsTable, pattern: &HostPattern) -> Handshake {
    let context = match table.get(pattern) {
        Some(context) => Some(context),
        None => pattern.wider().iter().find_map(|wide| table.get(wide)),
    };
    Handshake::of(context.map(AsRef::as_ref))
}
