//! The ADS server on real gRPC: against the client of the bundled gateway, and against bare streams.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gatewright_reconciler::serve::{NodeStatus, Protocol, ServeOptions, SnapshotServer, UnknownVersion};
use gatewright_xds::envoy::config::cluster::v3::Cluster;
use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::config::endpoint::v3::ClusterLoadAssignment;
use gatewright_xds::envoy::config::listener::v3::listener::FcdsConfig;
use gatewright_xds::envoy::config::listener::v3::{FilterChain, FilterChainMatch, Listener};
use gatewright_xds::envoy::config::route::v3::{RouteConfiguration, Vhds, VirtualHost};
use gatewright_xds::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use gatewright_xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest,
};
use gatewright_xds::features::FILTER_CHAINS;
use gatewright_xds::{Resource, XdsSnapshot, type_url, unpack};
use gatewright_xds_client::{AdsClient, Backoff, ClientOptions, Handler, Interest, Rejected, Update};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

const PATIENCE: Duration = Duration::from_secs(20);

fn cluster(name: &str, edition: &str) -> Resource {
    Resource::of(&Cluster { name: name.into(), alt_stat_name: edition.into(), ..Cluster::default() })
}

fn endpoints(name: &str) -> Resource {
    Resource::of(&ClusterLoadAssignment { cluster_name: name.into(), ..ClusterLoadAssignment::default() })
}

fn routes(name: &str) -> Resource {
    let vhds = Some(Vhds::default());
    Resource::of(&RouteConfiguration { name: name.into(), vhds, ..RouteConfiguration::default() })
}

fn host(name: &str, domain: &str) -> Resource {
    Resource::of(&VirtualHost { name: name.into(), domains: vec![domain.into()], ..VirtualHost::default() })
}

/// A listener, a route configuration, `hosts` virtual hosts, a cluster and its endpoints.
fn snapshot(hosts: usize) -> XdsSnapshot {
    let listener = Listener { name: "0.0.0.0_80".into(), ..Listener::default() };
    let base = [Resource::of(&listener), routes("http.80"), cluster("c1", ""), endpoints("c1")];
    let hosts = (0..hosts).map(|n| host(&format!("http.80/h{n}"), &format!("h{n}.example")));
    base.into_iter().chain(hosts).collect()
}

/// A listening server; it is closed when dropped.
struct Served {
    server: SnapshotServer,
    address: SocketAddr,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.close();
    }
}

impl Served {
    async fn start(listener: TcpListener) -> Self {
        Self::with(listener, ServeOptions::default()).await
    }

    async fn with(listener: TcpListener, options: ServeOptions) -> Self {
        let server = SnapshotServer::new(options);
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        let task = tokio::spawn(async move { serving.serve_tcp(listener).await });
        Self { server, address, task }
    }

    async fn anywhere() -> Self {
        Self::start(TcpListener::bind("127.0.0.1:0").await.unwrap()).await
    }

    async fn publish(&self, snapshot: &XdsSnapshot) -> Vec<NodeStatus> {
        let version = self.server.publish(snapshot.clone());
        self.server.wait_acknowledged(&version, PATIENCE).await.unwrap()
    }

    /// Waits until `count` nodes are connected.
    async fn nodes(&self, count: usize) {
        let mut status = self.server.status();
        let there = status.wait_for(|status| status.nodes().len() == count);
        timeout(PATIENCE, there).await.expect("the nodes in time").unwrap();
    }
}

/// What a client of the bundled gateway would hold.
struct Recorder {
    held: BTreeMap<(&'static str, String), String>,
    updates: mpsc::UnboundedSender<(Update, usize)>,
}

impl Handler for Recorder {
    fn apply(&mut self, update: Update) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in &update.resources {
            if String::from_utf8_lossy(&resource.body.value).contains("worse") {
                rejected.push(Rejected { name: resource.name.clone(), reason: "is worse".into() });
            } else {
                self.held.insert((update.type_url, resource.name.clone()), resource.version.clone());
            }
        }
        for name in &update.removed {
            self.held.remove(&(update.type_url, name.clone()));
        }
        let _ = self.updates.send((update, self.held.len()));
        rejected
    }
}

/// A running client of the bundled gateway's kind; it ends when dropped.
struct Gateway {
    updates: mpsc::UnboundedReceiver<(Update, usize)>,
    task: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    fn start(id: &str, server: String) -> Self {
        Self::knowing(id, server, &[])
    }

    fn knowing(id: &str, server: String, features: &[&str]) -> Self {
        let client_features = features.iter().map(ToString::to_string).collect();
        let (sender, updates) = mpsc::unbounded_channel();
        let options = ClientOptions {
            server,
            node: Node { id: id.into(), client_features, ..Node::default() },
            interests: type_url::ADDITION_ORDER.map(|type_url| (type_url, Interest::all())).into(),
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(50), || 0.0),
        };
        let (client, _) = AdsClient::new(options).unwrap();
        let mut recorder = Recorder { held: BTreeMap::new(), updates: sender };
        let task = tokio::spawn(async move {
            client.run(&mut recorder).await;
        });
        Self { updates, task }
    }

    /// Returns the updates with content that have come so far, and how much is held after them.
    fn drain(&mut self) -> (Vec<Update>, usize) {
        let mut updates = Vec::new();
        let mut held = 0;
        while let Ok((update, now)) = self.updates.try_recv() {
            held = now;
            if !update.resources.is_empty() || !update.removed.is_empty() {
                updates.push(update);
            }
        }
        (updates, held)
    }
}

fn names(updates: &[Update]) -> Vec<String> {
    let lines = updates.iter().map(|update| {
        let added = update.resources.iter().map(|resource| resource.name.clone());
        let removed = update.removed.iter().map(|name| format!("-{name}"));
        added.chain(removed).collect::<Vec<_>>().join(" ")
    });
    lines.collect()
}

#[tokio::test]
async fn a_gateway_follows_from_cold_to_the_last_edit() {
    let served = Served::anywhere().await;
    let mut gateway = Gateway::start("gw", format!("http://{}", served.address));
    served.nodes(1).await;
    let mut target = snapshot(3);
    let nodes = served.publish(&target).await;
    assert!(nodes.iter().all(|node| node.acknowledged && node.rejections.is_empty()), "{nodes:?}");
    assert_eq!((nodes[0].node.as_str(), nodes[0].protocol), ("gw", Protocol::Delta));
    assert_eq!(gateway.drain().1, target.len());
    target.insert(host("http.80/h1", "other.example"));
    target.insert(cluster("c2", ""));
    target.remove(type_url::VIRTUAL_HOST, "http.80/h2");
    target.remove(type_url::CLUSTER, "c1");
    served.publish(&target).await;
    let (updates, held) = gateway.drain();
    assert_eq!(names(&updates), ["c2", "http.80/h1 -http.80/h2", "-c1"]);
    assert_eq!(held, target.len());
}

/// A TLS listener whose chains come on their own, and the chains.
fn secure(server_names: &[&str]) -> Vec<Resource> {
    let listener =
        Listener { name: "s".into(), fcds_config: Some(FcdsConfig::default()), ..Listener::default() };
    let chain = |name: &&str| {
        let names = FilterChainMatch { server_names: vec![(*name).to_owned()], ..Default::default() };
        let name = format!("s/{name}");
        Resource::of(&FilterChain { name, filter_chain_match: Some(names), ..FilterChain::default() })
    };
    server_names.iter().map(chain).chain([Resource::of(&listener)]).collect()
}

/// Returns the server names of the first listener in an update.
fn server_names(update: &Update) -> Vec<String> {
    let listener: Listener = unpack(&update.resources[0].body).unwrap();
    let matches = listener.filter_chains.into_iter().filter_map(|chain| chain.filter_chain_match);
    matches.flat_map(|names| names.server_names).collect()
}

#[tokio::test]
async fn chains_come_one_by_one_to_those_who_know_that_and_inside_the_listener_to_others() {
    let served = Served::anywhere().await;
    let server = || format!("http://{}", served.address);
    let mut own = Gateway::knowing("own", server(), &[FILTER_CHAINS]);
    let mut other = Gateway::start("other", server());
    served.nodes(2).await;
    let with = |names: &[&str]| {
        snapshot(1).iter().cloned().chain(secure(names).into_iter().map(Into::into)).collect()
    };
    let nodes = served.publish(&with(&["a", "b"])).await;
    assert!(nodes.iter().all(|node| node.acknowledged), "{nodes:?}");
    own.drain();
    other.drain();

    let nodes = served.publish(&with(&["a", "c"])).await;
    assert!(nodes.iter().all(|node| node.acknowledged), "{nodes:?}");
    assert_eq!(names(&own.drain().0), ["s/c", "-s/b"]);
    let (updates, _) = other.drain();
    assert_eq!(
        (names(&updates), server_names(&updates[0])),
        (vec!["s".to_owned()], vec!["a".into(), "c".into()])
    );

    // What changes nothing of them is no news of the listener.
    let mut target: XdsSnapshot = with(&["a", "c"]);
    target.insert(host("http.80/h0", "other.example"));
    served.publish(&target).await;
    assert_eq!(names(&own.drain().0), ["http.80/h0"]);
    assert_eq!(names(&other.drain().0), ["http.80/h0"]);
}

/// A client takes 64 MiB at most.
#[tokio::test]
async fn more_than_a_message_may_hold_is_served_in_several_responses() {
    const HOSTS: usize = 70;
    let served = Served::anywhere().await;
    let mut snapshot = snapshot(0);
    let path = "x".repeat(1 << 20);
    (0..HOSTS).for_each(|n| drop(snapshot.insert(host(&format!("http.80/h{n}"), &format!("{n}{path}")))));
    let mut gateway = Gateway::start("gw", format!("http://{}", served.address));
    served.nodes(1).await;
    assert!(served.publish(&snapshot).await[0].acknowledged);
    let (updates, held) = gateway.drain();
    assert_eq!(held, HOSTS + 4);
    let hosts: Vec<bool> = updates
        .iter()
        .filter(|update| update.type_url == type_url::VIRTUAL_HOST)
        .map(|update| update.more_follows)
        .collect();
    assert_eq!(hosts.iter().filter(|more_follows| !**more_follows).count(), 1, "{hosts:?}");
    assert_eq!(hosts.last(), Some(&false));
}

#[tokio::test]
async fn a_socket_in_the_file_system_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xds.sock");
    let server = SnapshotServer::new(ServeOptions::default());
    let version = server.publish(snapshot(1));
    let serving = server.clone();
    let listener = UnixListener::bind(&path).unwrap();
    let task = tokio::spawn(async move { serving.serve_unix(listener).await });
    let _gateway = Gateway::start("gw", format!("unix:{}", path.display()));
    let mut status = server.status();
    timeout(PATIENCE, status.wait_for(|status| status.nodes().len() == 1)).await.unwrap().unwrap();
    let nodes = server.wait_acknowledged(&version, PATIENCE).await.unwrap();
    assert!(nodes[0].acknowledged);
    server.close();
    timeout(PATIENCE, task).await.expect("the server ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_rejected_resource_is_reported_and_the_rest_goes_on() {
    let served = Served::anywhere().await;
    let mut gateway = Gateway::start("gw", format!("http://{}", served.address));
    served.nodes(1).await;
    let mut target = snapshot(3);
    served.publish(&target).await;
    gateway.drain();
    target.insert(host("http.80/h0", "worse"));
    target.insert(host("http.80/h1", "better"));
    let nodes = served.publish(&target).await;
    assert!(nodes[0].acknowledged);
    let rejection = &nodes[0].rejections[0];
    assert_eq!((rejection.node.as_str(), rejection.resource.as_str()), ("gw", "http.80/h0"));
    assert_eq!((rejection.type_url, rejection.message.as_str()), (type_url::VIRTUAL_HOST, "is worse"));
    assert_eq!(served.server.status().borrow().rejections(), nodes[0].rejections);
    target.insert(host("http.80/h0", "repaired"));
    let nodes = served.publish(&target).await;
    assert_eq!(nodes[0].rejections, []);
    assert_eq!(names(&gateway.drain().0), ["http.80/h0 http.80/h1", "http.80/h0"]);
}

#[tokio::test]
async fn a_restarted_server_says_nothing_until_it_has_something_and_then_only_the_difference() {
    let served = Served::anywhere().await;
    let address = served.address;
    let mut target = snapshot(20_000);
    served.server.publish(target.clone());
    let mut gateway = Gateway::start("gw", format!("http://{address}"));
    served.nodes(1).await;
    served.publish(&target).await;
    assert_eq!(gateway.drain().1, target.len());
    served.server.close();
    let mut served = served;
    timeout(PATIENCE, &mut served.task).await.expect("the server ends").unwrap().unwrap();
    // The same address again; the gateway comes back to it with the versions that it holds, about a megabyte of them.
    let second = Served::start(TcpListener::bind(address).await.unwrap()).await;
    second.nodes(1).await;
    assert!(gateway.updates.try_recv().is_err(), "nothing is published yet");
    target.insert(host("http.80/h7", "edited"));
    target.remove(type_url::VIRTUAL_HOST, "http.80/h8");
    second.publish(&target).await;
    assert_eq!(names(&gateway.drain().0), ["http.80/h7 -http.80/h8"]);
}

#[tokio::test]
async fn waiting_tells_the_slow_from_the_done() {
    let served = Served::anywhere().await;
    let _gateway = Gateway::start("done", format!("http://{}", served.address));
    served.nodes(1).await;
    let mut silent = Delta::open(served.address, "silent").await;
    served.nodes(2).await;
    let version = served.server.publish(snapshot(1));
    assert_eq!(silent.next().await, (type_url::CLUSTER.to_owned(), vec!["c1".to_owned()]));
    let nodes = served.server.wait_acknowledged(&version, Duration::from_millis(300)).await.unwrap();
    let done: Vec<(&str, bool)> = nodes.iter().map(|node| (node.node.as_str(), node.acknowledged)).collect();
    assert_eq!(done, [("done", true), ("silent", false)]);
    // Once it is gone nobody waits for it.
    drop(silent);
    let nodes = served.server.wait_acknowledged(&version, PATIENCE).await.unwrap();
    assert_eq!(nodes.len(), 1);
    let unknown = served.server.wait_acknowledged("no such version", PATIENCE).await;
    assert_eq!(unknown, Err(UnknownVersion("no such version".to_owned())));
}

#[tokio::test]
async fn a_full_set_client_gets_its_hosts_inside_the_route_configuration() {
    let served = Served::anywhere().await;
    served.server.publish(snapshot(2));
    let channel =
        Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let (requests, receiver) = mpsc::channel(8);
    let node = Some(Node { id: "old".into(), ..Node::default() });
    let first = DiscoveryRequest {
        node,
        type_url: type_url::ROUTE.into(),
        resource_names: vec!["http.80".into()],
        ..DiscoveryRequest::default()
    };
    requests.send(first).await.unwrap();
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let stream = client.stream_aggregated_resources(ReceiverStream::new(receiver)).await.unwrap();
    let mut stream = stream.into_inner();
    let response = timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
    let whole: RouteConfiguration = unpack(&response.resources[0]).unwrap();
    let hosts: Vec<&str> = whole.virtual_hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!((hosts, whole.vhds), (vec!["http.80/h0", "http.80/h1"], None));
}

#[tokio::test]
async fn a_type_that_is_not_served_is_answered_once() {
    let served = Served::anywhere().await;
    let mut stream = Delta::open(served.address, "curious").await;
    let foreign = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
    stream.subscribe(foreign, &["layer"]).await;
    let response = timeout(PATIENCE, stream.responses.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((response.type_url.as_str(), response.removed_resources), (foreign, vec!["layer".to_owned()]));
}

#[tokio::test]
async fn edits_in_quick_succession_reach_a_foreign_client_as_one() {
    let pause = Duration::from_secs(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served =
        Served::with(listener, ServeOptions { pause_per_host: pause, ..ServeOptions::default() }).await;
    let mut stream = Delta::open(served.address, "foreign").await;
    served.nodes(1).await;
    let mut target = snapshot(1);
    served.server.publish(target.clone());
    stream.next().await;
    for edition in 0..20 {
        target.insert(cluster("c1", &edition.to_string()));
        served.server.publish(target.clone());
        stream.acknowledge().await;
    }
    let (_, response) = (stream.next().await, stream.last.take().unwrap());
    let last: Cluster = unpack(response.resources[0].resource.as_ref().unwrap()).unwrap();
    assert_eq!(last.alt_stat_name, "19");
}

/// A bare incremental stream that answers nothing by itself.
struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: tonic::Streaming<DeltaDiscoveryResponse>,
    last: Option<DeltaDiscoveryResponse>,
}

impl Delta {
    /// Opens a stream that subscribes to all clusters.
    async fn open(address: SocketAddr, id: &str) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let (requests, receiver) = mpsc::channel(8);
        let first = DeltaDiscoveryRequest {
            node: Some(Node { id: id.into(), ..Node::default() }),
            type_url: type_url::CLUSTER.into(),
            ..DeltaDiscoveryRequest::default()
        };
        requests.send(first).await.unwrap();
        let mut client = AggregatedDiscoveryServiceClient::new(channel);
        let responses = client.delta_aggregated_resources(ReceiverStream::new(receiver)).await.unwrap();
        Self { requests, responses: responses.into_inner(), last: None }
    }

    async fn subscribe(&self, type_url: &str, names: &[&str]) {
        let request = DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_subscribe: names.iter().map(|name| name.to_string()).collect(),
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }

    /// Acknowledges the last response.
    async fn acknowledge(&self) {
        let last = self.last.as_ref().unwrap();
        let request = DeltaDiscoveryRequest {
            type_url: last.type_url.clone(),
            response_nonce: last.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> (String, Vec<String>) {
        let response = timeout(PATIENCE, self.responses.message()).await.unwrap().unwrap().unwrap();
        let names = response.resources.iter().map(|resource| resource.name.clone()).collect();
        let type_url = response.type_url.clone();
        self.last = Some(response);
        (type_url, names)
    }
}
