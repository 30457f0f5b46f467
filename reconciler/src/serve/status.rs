//! What is known of every connected node: how far it is and what it does not accept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::sync::watch;

use super::stream::{Protocol, RefusedResource};

/// How many published versions can still be waited for by name.
const REMEMBERED_VERSIONS: usize = 256;

/// A version of a resource that one node does not accept; what it had before stays in effect there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// The id of the node.
    pub node: String,
    /// The type of the resource.
    pub type_url: &'static str,
    /// The name of the resource.
    pub resource: String,
    /// What the node says about it.
    pub message: String,
}

/// One connected node. A node with two streams appears twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The id that the node gave itself.
    pub node: String,
    /// The form of the protocol that it speaks.
    pub protocol: Protocol,
    /// Whether it has acknowledged the version in question, except for what it rejected.
    pub acknowledged: bool,
    /// The last version that it has acknowledged so, if any.
    pub version: Option<String>,
    /// What it does not accept, sorted.
    pub rejections: Vec<Rejection>,
}

/// The server at one moment.
#[derive(Clone, Debug, Default)]
pub struct ServerStatus {
    /// The version that nodes are brought to, once there is one.
    pub version: Option<String>,
    nodes: BTreeMap<u64, NodeEntry>,
    published: VecDeque<(u64, String)>,
}

#[derive(Clone, Debug)]
struct NodeEntry {
    node: String,
    protocol: Protocol,
    reached: Option<(u64, String)>,
    rejections: Vec<Rejection>,
}

/// Says that a version was never published, or too long ago.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {0} was not published by this server")]
pub struct UnknownVersion(pub String);

impl ServerStatus {
    /// Returns every connected node, measured against the current version, sorted by id.
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let newest = self.published.back().map_or(0, |(generation, _)| *generation);
        self.nodes_at(newest)
    }

    /// Returns everything that some node does not accept, sorted.
    pub fn rejections(&self) -> Vec<Rejection> {
        let mut all: Vec<Rejection> =
            self.nodes.values().flat_map(|entry| entry.rejections.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    fn nodes_at(&self, generation: u64) -> Vec<NodeStatus> {
        let status = |entry: &NodeEntry| NodeStatus {
            node: entry.node.clone(),
            protocol: entry.protocol,
            acknowledged: entry.reached.as_ref().is_some_and(|(reached, _)| *reached >= generation),
            version: entry.reached.as_ref().map(|(_, version)| version.clone()),
            rejections: entry.rejections.clone(),
        };
        let mut nodes: Vec<NodeStatus> = self.nodes.values().map(status).collect();
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        nodes
    }
}

/// The one place that writes the status.
#[derive(Debug)]
pub(super) struct Registry {
    status: watch::Sender<ServerStatus>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self { status: watch::Sender::new(ServerStatus::default()) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<ServerStatus> {
        self.status.subscribe()
    }

    pub(super) fn published(&self, generation: u64, version: &str) {
        self.status.send_modify(|status| {
            status.version = Some(version.to_owned());
            status.published.push_back((generation, version.to_owned()));
            if status.published.len() > REMEMBERED_VERSIONS {
                status.published.pop_front();
            }
        });
    }

    /// Puts a node in. It is taken out when the returned value is dropped.
    pub(super) fn join(&self, stream: u64, node: &str, protocol: Protocol) -> Membership {
        let entry = NodeEntry { node: node.to_owned(), protocol, reached: None, rejections: Vec::new() };
        self.status.send_modify(|status| {
            status.nodes.insert(stream, entry);
        });
        Membership { status: self.status.clone(), stream, node: node.to_owned() }
    }

    /// Waits until every connected node has acknowledged `version` or a later one, at most for `timeout`.
    pub(super) async fn wait_acknowledged(
        &self,
        version: &str,
        timeout: Duration,
    ) -> Result<Vec<NodeStatus>, UnknownVersion> {
        let mut status = self.status.subscribe();
        let generation = status
            .borrow()
            .published
            .iter()
            .rev()
            .find(|(_, published)| published == version)
            .map(|(generation, _)| *generation)
            .ok_or_else(|| UnknownVersion(version.to_owned()))?;
        let all = status.wait_for(|status| status.nodes_at(generation).iter().all(|node| node.acknowledged));
        // Whether it came in time or not, the answer says per node how far it is.
        drop(tokio::time::timeout(timeout, all).await);
        Ok(self.status.borrow().nodes_at(generation))
    }
}

/// A node's place in the status.
#[derive(Debug)]
pub(super) struct Membership {
    status: watch::Sender<ServerStatus>,
    stream: u64,
    node: String,
}

impl Membership {
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Notes what the node does not accept, and the target that it has otherwise acknowledged.
    pub(super) fn report(&self, reached: Option<(u64, String)>, refused: &[RefusedResource]) {
        let rejections: Vec<Rejection> = refused
            .iter()
            .map(|refused| Rejection {
                node: self.node.clone(),
                type_url: refused.type_url,
                resource: refused.name.to_string(),
                message: refused.message.clone(),
            })
            .collect();
        self.status.send_if_modified(|status| {
            let Some(entry) = status.nodes.get_mut(&self.stream) else { return false };
            let reached = reached.or_else(|| entry.reached.clone());
            let changed = entry.reached != reached || entry.rejections != rejections;
            for Rejection { node, type_url, resource, message } in &rejections {
                if !entry
                    .rejections
                    .iter()
                    .any(|known| known.resource == *resource && known.message == *message)
                {
                    tracing::warn!(node, type_url, resource, message, "xDS resource rejected");
                }
            }
            entry.reached = reached;
            entry.rejections = rejections;
            changed
        });
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.status.send_modify(|status| {
            status.nodes.remove(&self.stream);
        });
    }
}
