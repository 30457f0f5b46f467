//! A view: the typed dependency graph, for people and for questions of reach ("what depends on this Service?").
//!
//! The edges point from what refers to what is referred to. No stage reads it: lowering keeps its own record of what each
//! unit looked up, and `references.rs` makes this graph from the same state on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use gatewright_ir::{ClusterName, HostPattern};
use gatewright_kinds::{EntityKey, Kind};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed, Walker};
use serde::Serialize;

/// A vertex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// An object of the source.
    Entity(EntityKey),
    /// An object that is referred to and not in the source.
    External(EntityKey),
    /// A host that the gateway serves.
    Host(String),
    /// A service that an McpBridge publishes.
    RegistryService(String),
    /// An upstream host that nothing in the source defines.
    UnknownService(String),
}

impl Node {
    /// Returns the node of a host.
    pub fn host(pattern: &HostPattern) -> Self {
        Node::Host(pattern.to_string())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Entity(key) => write!(f, "{key}"),
            Node::External(key) => write!(f, "{key} (not in the source)"),
            Node::Host(host) => write!(f, "host {host}"),
            Node::RegistryService(host) => write!(f, "registry service {host}"),
            Node::UnknownService(host) => write!(f, "unknown service {host}"),
        }
    }
}

/// Says that a text names no vertex.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not KIND/NAMESPACE/NAME, host/NAME or service/NAME")]
pub struct FocusError(String);

/// A vertex as users name it: `Ingress/shop/web`, `IngressClass/higress`, `host/shop.example.com`,
/// `service/api.static`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus(Vec<Node>);

impl FromStr for Focus {
    type Err = FocusError;

    fn from_str(text: &str) -> Result<Self, FocusError> {
        let wrong = || FocusError(text.to_owned());
        let (kind, rest) = text.split_once('/').ok_or_else(wrong)?;
        if kind.eq_ignore_ascii_case("host") {
            return Ok(Focus(vec![Node::Host(rest.to_owned())]));
        }
        if kind.eq_ignore_ascii_case("service") && !rest.contains('/') {
            return Ok(Focus(vec![
                Node::RegistryService(rest.to_owned()),
                Node::UnknownService(rest.to_owned()),
            ]));
        }
        let kind = Kind::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(kind))
            .ok_or_else(wrong)?;
        let key = match (kind.namespaced(), rest.split_once('/')) {
            (true, Some((namespace, name))) => EntityKey::new(kind, namespace, name),
            (false, None) => EntityKey::new(kind, "", rest),
            _ => return Err(wrong()),
        };
        Ok(Focus(vec![Node::Entity(key.clone()), Node::External(key)]))
    }
}

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// An Ingress routes a host.
    Routes,
    /// A canary Ingress changes a host's routes.
    Canary,
    /// A path sends requests to a Service or registry service.
    Backend,
    /// `spec.defaultBackend` sends requests to it.
    DefaultBackend,
    /// The `default-backend` annotation falls back to it.
    Fallback,
    /// A TLS entry takes its certificate from a Secret.
    Certificate,
    /// An EndpointSlice holds the endpoints of a Service.
    Endpoints,
    /// A registry publishes a service.
    Publishes,
    /// A plugin's rule names it.
    PluginRule,
    /// An Ingress belongs to a class.
    Class,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reference::Routes => "routes",
            Reference::Canary => "canary for",
            Reference::Backend => "backend",
            Reference::DefaultBackend => "default backend",
            Reference::Fallback => "fallback",
            Reference::Certificate => "certificate",
            Reference::Endpoints => "endpoints of",
            Reference::Publishes => "publishes",
            Reference::PluginRule => "plugin rule",
            Reference::Class => "class",
        })
    }
}

/// The graph. Vertices and edges come out in one order, whatever the order of the source.
#[derive(Clone, Debug, Default)]
pub struct DependencyGraph {
    graph: DiGraph<Node, Reference>,
}

/// Which side of a vertex is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What the vertex depends on.
    DependsOn,
    /// What depends on the vertex.
    Dependents,
    /// Both.
    Both,
}

impl DependencyGraph {
    /// Makes a graph of vertices and edges.
    pub(crate) fn new(nodes: BTreeSet<Node>, edges: &BTreeSet<(Node, Reference, Node)>) -> Self {
        let mut all = nodes;
        all.extend(edges.iter().flat_map(|(from, _, to)| [from.clone(), to.clone()]));
        let mut graph = DiGraph::new();
        let index: BTreeMap<Node, NodeIndex> =
            all.into_iter().map(|node| (node.clone(), graph.add_node(node))).collect();
        for (from, reference, to) in edges {
            graph.add_edge(index[from], index[to], *reference);
        }
        DependencyGraph { graph }
    }

    /// Returns the vertices in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.graph.node_weights()
    }

    /// Returns the edges in order.
    pub fn edges(&self) -> impl Iterator<Item = (&Node, Reference, &Node)> {
        self.graph
            .edge_references()
            .map(|edge| (&self.graph[edge.source()], *edge.weight(), &self.graph[edge.target()]))
    }

    /// Returns the edges that leave a vertex.
    pub fn references_of(&self, node: &Node) -> Vec<(Reference, &Node)> {
        let Some(index) = self.index_of(node) else { return Vec::new() };
        let mut found: Vec<(Reference, &Node)> = self
            .graph
            .edges_directed(index, Direction::Outgoing)
            .map(|edge| (*edge.weight(), &self.graph[edge.target()]))
            .collect();
        found.sort();
        found
    }

    /// Returns the objects of the source that an object refers to, and those that publish a service which it refers to.
    pub fn needs(&self, key: &EntityKey) -> BTreeSet<EntityKey> {
        let mut needed = BTreeSet::new();
        for (_, node) in self.references_of(&Node::Entity(key.clone())) {
            match node {
                Node::Entity(other) => {
                    needed.insert(other.clone());
                }
                Node::RegistryService(_) => needed.extend(self.publishers_of(node)),
                Node::External(_) | Node::Host(_) | Node::UnknownService(_) => {}
            }
        }
        needed
    }

    fn publishers_of(&self, service: &Node) -> impl Iterator<Item = EntityKey> {
        let edges = self.edges().filter(move |(_, edge, to)| *edge == Reference::Publishes && *to == service);
        edges.filter_map(|(from, ..)| match from {
            Node::Entity(bridge) => Some(bridge.clone()),
            _ => None,
        })
    }

    /// Returns the part of the graph that a vertex reaches or that reaches it; none where there is no such vertex.
    pub fn focus(&self, focus: &Focus, reach: Reach) -> Option<DependencyGraph> {
        let start = focus.0.iter().find_map(|node| self.index_of(node))?;
        let mut kept: BTreeSet<NodeIndex> = BTreeSet::from([start]);
        if reach != Reach::Dependents {
            kept.extend(petgraph::visit::Dfs::new(&self.graph, start).iter(&self.graph));
        }
        if reach != Reach::DependsOn {
            let reversed = Reversed(&self.graph);
            kept.extend(petgraph::visit::Dfs::new(reversed, start).iter(reversed));
        }
        let nodes = kept.iter().map(|index| self.graph[*index].clone()).collect();
        let edges = self
            .graph
            .edge_references()
            .filter(|edge| kept.contains(&edge.source()) && kept.contains(&edge.target()))
            .map(|edge| {
                (self.graph[edge.source()].clone(), *edge.weight(), self.graph[edge.target()].clone())
            })
            .collect();
        Some(DependencyGraph::new(nodes, &edges))
    }

    fn index_of(&self, node: &Node) -> Option<NodeIndex> {
        self.graph.node_indices().find(|index| self.graph[*index] == *node)
    }
}

/// Returns the vertex of an upstream host.
pub(crate) fn upstream_node(
    cluster: &ClusterName,
    service: Option<EntityKey>,
    known: impl Fn(&EntityKey) -> bool,
    published: bool,
) -> Node {
    match service {
        Some(key) if known(&key) => Node::Entity(key),
        Some(key) => Node::External(key),
        None if published => Node::RegistryService(cluster.host().to_owned()),
        None => Node::UnknownService(cluster.host().to_owned()),
    }
}
