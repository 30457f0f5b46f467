//! The client against a scripted server on real gRPC, over TCP and over a socket in the file system.

use std::pin::Pin;
use std::time::Duration;

use gatewright_xds::envoy::config::cluster::v3::Cluster;
use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use gatewright_xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    Resource as WireResource,
};
use gatewright_xds::{Resource, type_url};
use gatewright_xds_client::{
    AdsClient, Backoff, ClientOptions, Handler, Interest, InterestHandle, Link, Rejected, Update,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(10);

/// One stream as the test sees it from the server's side.
struct Conversation {
    requests: Streaming<DeltaDiscoveryRequest>,
    responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
}

impl Conversation {
    async fn request(&mut self) -> DeltaDiscoveryRequest {
        timeout(PATIENCE, self.requests.next())
            .await
            .expect("a request in time")
            .expect("a stream")
            .expect("a message")
    }

    async fn answer(&self, nonce: &str, resources: &[Resource], removed: &[&str]) {
        let response = DeltaDiscoveryResponse {
            type_url: type_url::CLUSTER.to_owned(),
            nonce: nonce.to_owned(),
            resources: resources.iter().map(wire).collect(),
            removed_resources: removed.iter().map(|name| name.to_string()).collect(),
            ..DeltaDiscoveryResponse::default()
        };
        self.responses.send(Ok(response)).await.expect("an open stream");
    }
}

fn wire(resource: &Resource) -> WireResource {
    WireResource {
        name: resource.name().to_owned(),
        version: resource.version().to_owned(),
        resource: Some(resource.to_any()),
        ..WireResource::default()
    }
}

fn cluster(name: &str) -> Resource {
    Resource::of(&Cluster { name: name.to_owned(), ..Cluster::default() })
}

/// Hands every stream to the test.
struct Script {
    conversations: mpsc::UnboundedSender<Conversation>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Script {
    type StreamAggregatedResourcesStream =
        Pin<Box<dyn Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("the client speaks the incremental protocol only"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, receiver) = mpsc::channel(16);
        let conversation = Conversation { requests: request.into_inner(), responses };
        self.conversations.send(conversation).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

struct Fixture {
    conversations: mpsc::UnboundedReceiver<Conversation>,
    updates: mpsc::UnboundedReceiver<Update>,
    links: mpsc::UnboundedReceiver<Link>,
    handle: InterestHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Fixture {
    async fn conversation(&mut self) -> Conversation {
        timeout(PATIENCE, self.conversations.recv())
            .await
            .expect("a stream in time")
            .expect("a running server")
    }

    async fn update(&mut self) -> Update {
        timeout(PATIENCE, self.updates.recv()).await.expect("an update in time").expect("a running client")
    }

    async fn link(&mut self) -> Link {
        timeout(PATIENCE, self.links.recv()).await.expect("a link event in time").expect("a running client")
    }
}

/// Reports everything to the test and rejects resources called `bad`.
struct Reporter {
    updates: mpsc::UnboundedSender<Update>,
    links: mpsc::UnboundedSender<Link>,
}

impl Handler for Reporter {
    fn apply(&mut self, update: Update) -> Vec<Rejected> {
        let bad = update.resources.iter().filter(|resource| resource.name == "bad");
        let rejected = bad.map(|r| Rejected { name: r.name.clone(), reason: "no good".to_owned() }).collect();
        let _ = self.updates.send(update);
        rejected
    }

    fn link(&mut self, link: Link) {
        let _ = self.links.send(link);
    }
}

fn start_client(server: String) -> Fixture {
    let (updates_sender, updates) = mpsc::unbounded_channel();
    let (links_sender, links) = mpsc::unbounded_channel();
    let (_, conversations) = mpsc::unbounded_channel();
    let options = ClientOptions {
        server,
        node: Node { id: "gateway-1".to_owned(), ..Node::default() },
        interests: [(type_url::CLUSTER, Interest::all())].into(),
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(20), || 0.0),
    };
    let (client, handle) = AdsClient::new(options).expect("a valid address");
    let mut handler = Reporter { updates: updates_sender, links: links_sender };
    let task = tokio::spawn(async move {
        client.run(&mut handler).await;
    });
    Fixture { conversations, updates, links, handle, tasks: vec![task] }
}

fn service() -> (AggregatedDiscoveryServiceServer<Script>, mpsc::UnboundedReceiver<Conversation>) {
    let (sender, conversations) = mpsc::unbounded_channel();
    (AggregatedDiscoveryServiceServer::new(Script { conversations: sender }), conversations)
}

async fn over_tcp() -> Fixture {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (service, conversations) = service();
    let server = tokio::spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await.expect("serving");
    });
    let mut fixture = start_client(format!("http://{address}"));
    fixture.conversations = conversations;
    fixture.tasks.push(server);
    fixture
}

#[tokio::test]
async fn applies_acknowledges_and_rejects_one_by_one() {
    let mut fixture = over_tcp().await;
    let mut stream = fixture.conversation().await;
    let first = stream.request().await;
    assert_eq!(first.node.expect("the first request names the node").id, "gateway-1");
    assert_eq!(first.type_url, type_url::CLUSTER);
    stream.answer("1", &[cluster("a"), cluster("bad")], &[]).await;
    assert_eq!(fixture.update().await.resources.len(), 2);
    let nack = stream.request().await;
    assert_eq!(nack.response_nonce, "1");
    assert_eq!(nack.error_detail.expect("a rejection").message, "bad: no good");
    stream.answer("2", &[], &["bad"]).await;
    assert_eq!(fixture.update().await.removed, ["bad"]);
    let ack = stream.request().await;
    assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("2", None));
}

#[tokio::test]
async fn comes_back_with_the_versions_it_holds() {
    let mut fixture = over_tcp().await;
    let mut stream = fixture.conversation().await;
    stream.request().await;
    stream.answer("1", &[cluster("a"), cluster("b"), cluster("bad")], &[]).await;
    stream.request().await;
    stream.answer("2", &[], &["b"]).await;
    stream.request().await;
    stream.responses.send(Err(Status::unavailable("restarting"))).await.expect("an open stream");
    drop(stream);
    let mut stream = fixture.conversation().await;
    let held = stream.request().await.initial_resource_versions;
    assert_eq!(held, [("a".to_owned(), cluster("a").version().to_owned())].into());
    assert_eq!(fixture.link().await, Link::Up);
    let Link::Down { reason, .. } = fixture.link().await else { panic!("the loss was not reported") };
    assert!(reason.contains("restarting"), "{reason}");
    assert_eq!(fixture.link().await, Link::Up);
}

#[tokio::test]
async fn interest_changes_while_the_stream_is_open() {
    let mut fixture = over_tcp().await;
    let mut stream = fixture.conversation().await;
    stream.request().await;
    fixture.handle.set(type_url::ENDPOINT, Interest::named(["a", "b"]));
    let request = stream.request().await;
    assert_eq!(
        (request.type_url.as_str(), request.resource_names_subscribe),
        (type_url::ENDPOINT, vec!["a".into(), "b".into()])
    );
    fixture.handle.set(type_url::ENDPOINT, Interest::named(["b"]));
    assert_eq!(stream.request().await.resource_names_unsubscribe, ["a"]);
}

#[tokio::test]
async fn takes_messages_far_beyond_the_usual_limit() {
    let mut fixture = over_tcp().await;
    let mut stream = fixture.conversation().await;
    stream.request().await;
    let big = Cluster { name: "big".to_owned(), alt_stat_name: "x".repeat(20 << 20), ..Cluster::default() };
    stream.answer("1", &[Resource::of(&big)], &[]).await;
    assert!(fixture.update().await.resources[0].body.value.len() > 20 << 20);
    assert_eq!(stream.request().await.error_detail, None);
}

#[tokio::test]
async fn reaches_a_socket_in_the_file_system_once_it_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("xds.sock");
    let mut fixture = start_client(format!("unix:{}", path.display()));
    let Link::Down { reason, .. } = fixture.link().await else { panic!("nobody listens there yet") };
    assert!(reason.contains("No such file"), "{reason}");
    let (service, conversations) = service();
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    fixture.conversations = conversations;
    fixture.tasks.push(tokio::spawn(async move {
        let incoming = UnixListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await.expect("serving");
    }));
    let mut stream = fixture.conversation().await;
    stream.request().await;
    stream.answer("1", &[cluster("a")], &[]).await;
    assert_eq!(fixture.update().await.resources[0].name, "a");
}

#[tokio::test]
async fn refuses_what_is_no_address() {
    let options = |server: &str| ClientOptions {
        server: server.to_owned(),
        node: Node::default(),
        interests: Default::default(),
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(1), || 0.0),
    };
    for server in ["", "not an address", "http://", "127.0.0.1:15010"] {
        assert!(AdsClient::new(options(server)).is_err(), "{server:?}");
    }
}
