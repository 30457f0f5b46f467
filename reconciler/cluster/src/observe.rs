//! What a cluster holds of what a source manages and refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gatewright_compiler::manifest::{EntityKey, Kind};

use crate::client::{Cluster, ClusterError};
use crate::inventory::{InventoryName, PART_OF};
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
}

/// Looks at a cluster without changing anything.
///
/// # Errors
/// See [`ClusterError`].
pub async fn observe(cluster: &Cluster, scope: &Scope<'_>) -> Result<Observed, ClusterError> {
    let mut objects = BTreeMap::new();
    let member = format!("{PART_OF}={}", scope.inventory.id());
    let namespaces = scope.namespaces.as_deref();
    let lists = Kind::ALL.map(|kind| {
        let selector = (!WHOLE.contains(&kind)).then_some(member.as_str());
        cluster.list(kind, namespaces, selector)
    });
    for list in futures_util::future::try_join_all(lists).await? {
        objects.extend(keyed(list));
    }
    let unseen = scope.wanted.iter().copied().chain(&scope.referenced);
    let unseen = unseen.filter(|key| !WHOLE.contains(&key.kind) && !objects.contains_key(*key));
    let found = get_all(cluster, unseen.cloned().collect()).await?;
    objects.extend(keyed(found));
    let parent = cluster.get(&scope.inventory.parent()).await?;
    Ok(Observed { objects, parent })
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
