//! What a cluster holds of what a source manages and refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gatewright_kinds::{EntityKey, Kind};

use crate::client::{Cluster, ClusterError};
use crate::inventory::{self, InventoryName, PART_OF};
use crate::live::LiveObject;

/// Requests in flight at once.
pub(crate) const PARALLEL: usize = 16;

/// Kinds that decide about requests of each other, whoever wrote them: they are listed as a whole.
const WHOLE: [Kind; 4] = [Kind::IngressClass, Kind::McpBridge, Kind::WasmPlugin, Kind::Ingress];
/// Names the Service of an EndpointSlice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// What the source wants.
    pub wanted: BTreeSet<&'a EntityKey>,
    /// What the source refers to and does not have.
    pub referenced: BTreeSet<EntityKey>,
    /// The inventory.
    pub inventory: &'a InventoryName,
    /// Only namespaces that may be looked at; none for all.
    pub namespaces: Option<Vec<String>>,
}

/// A look at a cluster.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The objects.
    pub objects: BTreeMap<EntityKey, Arc<LiveObject>>,
    /// The parent of the inventory.
    pub parent: Option<LiveObject>,
    /// The only namespaces that were looked at, where the rights end there for a kind.
    pub only: Option<Vec<String>>,
}

impl Observed {
    /// Returns what there is to say where not everything could be seen.
    pub fn limits(&self) -> Option<String> {
        let namespaces = self.only.as_ref()?;
        Some(format!(
            "not allowed to look at all namespaces: what stands outside of {} is not known",
            namespaces.join(", ")
        ))
    }
}

/// Looks at a cluster without changing anything.
///
/// # Errors
/// See [`ClusterError`].
pub async fn observe(cluster: &Cluster, scope: &Scope<'_>) -> Result<Observed, ClusterError> {
    let parent = cluster.get(&scope.inventory.parent()).await?;
    let known = scope.known_namespaces(parent.as_ref());
    let mut objects = BTreeMap::new();
    let mut only = None;
    let lists = Kind::ALL.map(|kind| list(cluster, scope, kind, &known));
    for (list, limited) in futures_util::future::try_join_all(lists).await? {
        objects.extend(keyed(list));
        if limited {
            only = Some(known.clone());
        }
    }
    let unseen = scope.wanted.iter().copied().chain(&scope.referenced);
    let unseen = unseen.filter(|key| !WHOLE.contains(&key.kind) && !objects.contains_key(*key));
    let found = get_all(cluster, unseen.cloned().collect()).await?;
    objects.extend(keyed(found));
    Ok(Observed { objects, parent, only })
}

/// Lists the objects of a kind that matter, and says whether others may stand where nobody may look. Who may not list all
/// namespaces may list those that the source and the inventory have a part in.
async fn list(
    cluster: &Cluster,
    scope: &Scope<'_>,
    kind: Kind,
    known: &[String],
) -> Result<(Vec<LiveObject>, bool), ClusterError> {
    let member = format!("{PART_OF}={}", scope.inventory.id());
    let selector = (!WHOLE.contains(&kind)).then_some(member.as_str());
    match cluster.list(kind, scope.namespaces.as_deref(), selector).await {
        Err(ClusterError::Forbidden(_)) if scope.namespaces.is_none() && kind.namespaced() => {
            let list = cluster.list(kind, Some(known), selector).await?;
            Ok((list, WHOLE.contains(&kind)))
        }
        Err(error @ ClusterError::Forbidden(_)) if !kind.namespaced() => {
            // What nobody wants need not be seen: other classes change nothing of ours.
            if scope.wanted.iter().any(|key| key.kind == kind) { Err(error) } else { Ok((Vec::new(), false)) }
        }
        answer => answer.map(|list| (list, false)),
    }
}

impl Scope<'_> {
    /// Returns the namespaces that the source and the inventory have a part in.
    fn known_namespaces(&self, parent: Option<&LiveObject>) -> Vec<String> {
        let keys = self.wanted.iter().copied().chain(&self.referenced);
        let of_keys = keys.filter(|key| key.kind.namespaced()).map(|key| key.namespace.to_string());
        let mut known: BTreeSet<String> = of_keys.collect();
        known.insert(self.inventory.namespace.clone());
        // One that is somebody else's is refused later.
        let members = parent.and_then(|parent| inventory::read(self.inventory, parent).ok());
        known.extend(members.into_iter().flat_map(|members| members.namespaces));
        known.into_iter().collect()
    }
}

/// Adds the EndpointSlices of Services that the source does not have: what is behind them decides about requests too.
///
/// # Errors
/// See [`ClusterError`].
pub async fn observe_endpoints(
    cluster: &Cluster,
    scope: &Scope<'_>,
    observed: &mut Observed,
) -> Result<(), ClusterError> {
    let services = scope.referenced.iter().filter(|key| key.kind == Kind::Service);
    let lists = services.map(|service| async move {
        let selector = format!("{SERVICE_NAME}={}", service.name);
        let namespace = [service.namespace.to_string()];
        cluster.list(Kind::EndpointSlice, Some(&namespace), Some(&selector)).await
    });
    let lists: Vec<_> = lists.collect();
    let slices: Vec<Vec<LiveObject>> = stream::iter(lists).buffer_unordered(PARALLEL).try_collect().await?;
    observed.objects.extend(slices.into_iter().flat_map(keyed));
    Ok(())
}

fn keyed(objects: Vec<LiveObject>) -> impl Iterator<Item = (EntityKey, Arc<LiveObject>)> {
    objects.into_iter().map(|object| (object.key.clone(), Arc::new(object)))
}

async fn get_all(cluster: &Cluster, keys: BTreeSet<EntityKey>) -> Result<Vec<LiveObject>, ClusterError> {
    let gets = keys.into_iter().map(|key| async move { cluster.get(&key).await });
    let found: Vec<Option<LiveObject>> =
        stream::iter(gets.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
