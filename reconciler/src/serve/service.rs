//! The asynchronous shell around the stream state machines: the gRPC service, publication, listening.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use gatewright_xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use gatewright_xds::features::{FILTER_CHAINS, PER_RESOURCE_REJECTION, SERIES};
use gatewright_xds::{XdsSnapshot, type_url};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Request as GrpcRequest, Response as GrpcResponse, Status, Streaming};

use super::status::{Membership, NodeStatus, Registry, ServerStatus, UnknownVersion};
use super::stream::{Incoming, Outgoing, Progress, Protocol, StreamState};
use super::{delta, sotw};

/// A reconnecting client lists the version of everything that it has.
const MAX_REQUEST_BYTES: usize = 64 << 20;
/// More than one response for each type is never under way.
const RESPONSES_UNDER_WAY: usize = 16;
/// How long a node that could still ask for more must stay silent to count as done.
const QUIET: Duration = Duration::from_millis(500);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server behaves.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// The least time between two pushes to a node, for each virtual host that it has. Stock Envoy works on a virtual
    /// host response for a time that grows with all hosts; clients of gatewright's own are not held back.
    pub pause_per_host: Duration,
    /// What a response may weigh, in bytes, where the protocol lets several bring what one would. A resource that
    /// weighs more travels alone.
    pub response_budget: usize,
}

impl Default for ServeOptions {
    /// About one push a second at 20,000 hosts (measured with Envoy 1.40: 0.3 to 0.4 s of work for each), and responses
    /// below the 4 MiB that most clients of gRPC take if they are told nothing else.
    fn default() -> Self {
        Self { pause_per_host: Duration::from_micros(50), response_budget: 3 << 20 }
    }
}

/// An aggregated discovery service over the newest published snapshot. Copies are the same server.
///
/// Before the first [`SnapshotServer::publish`] clients may connect but get no answer, so that a restarted server does
/// not empty them.
#[derive(Clone, Debug)]
pub struct SnapshotServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ServeOptions,
    published: watch::Sender<Option<Arc<Published>>>,
    closing: watch::Sender<bool>,
    registry: Registry,
    streams: AtomicU64,
}

#[derive(Debug)]
struct Published {
    generation: u64,
    version: String,
    snapshot: XdsSnapshot,
    /// The same with filter chains inside their listeners, once a client needs that.
    inlined: OnceLock<XdsSnapshot>,
    /// An earlier snapshot in both forms.
    earlier: Option<(XdsSnapshot, XdsSnapshot)>,
}

impl Published {
    fn next(snapshot: XdsSnapshot, before: Option<&Self>) -> Self {
        let forms = |before: &Published| Some((before.snapshot.clone(), before.inlined.get()?.clone()));
        Published {
            generation: before.map_or(1, |before| before.generation + 1),
            version: snapshot.version(),
            snapshot,
            inlined: OnceLock::new(),
            earlier: before.and_then(|before| forms(before).or_else(|| before.earlier.clone())),
        }
    }

    fn inlined(&self) -> &XdsSnapshot {
        self.inlined.get_or_init(|| match &self.earlier {
            Some((earlier, inlined)) => self.snapshot.with_inline_chains_after(earlier, inlined),
            None => self.snapshot.with_inline_chains(),
        })
    }
}

impl SnapshotServer {
    /// Returns a server that has nothing to say yet.
    pub fn new(options: ServeOptions) -> Self {
        let shared = Shared {
            options,
            published: watch::Sender::new(None),
            closing: watch::Sender::new(false),
            registry: Registry::new(),
            streams: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Brings every node to `snapshot` from now on, and returns its version.
    pub fn publish(&self, snapshot: XdsSnapshot) -> String {
        let version = snapshot.version();
        self.shared.published.send_modify(|published| {
            let next = Published::next(snapshot, published.as_deref());
            self.shared.registry.published(next.generation, &version);
            *published = Some(Arc::new(next));
        });
        version
    }

    /// Returns the newest published snapshot.
    pub fn snapshot(&self) -> Option<XdsSnapshot> {
        self.shared.published.borrow().as_ref().map(|published| published.snapshot.clone())
    }

    /// Returns the state of all nodes, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<ServerStatus> {
        self.shared.registry.subscribe()
    }

    /// Waits until every connected node has acknowledged `version`, or a later one, except for resources that it
    /// rejected; gives up after `timeout`. Either way the answer says per node how far it is.
    ///
    /// Nodes that connect meanwhile are waited for as well. Without any node the answer is empty and comes at once.
    pub async fn wait_acknowledged(
        &self,
        version: &str,
        timeout: Duration,
    ) -> Result<Vec<NodeStatus>, UnknownVersion> {
        self.shared.registry.wait_acknowledged(version, timeout).await
    }

    /// Ends all streams and the futures of [`SnapshotServer::serve_tcp`] and [`SnapshotServer::serve_unix`].
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    /// Serves on `listener` until [`SnapshotServer::close`].
    pub async fn serve_tcp(&self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
        let incoming = TcpListenerStream::new(listener);
        self.router().serve_with_incoming_shutdown(incoming, self.closed()).await
    }

    /// Serves on `listener`, a socket in the file system, until [`SnapshotServer::close`].
    pub async fn serve_unix(&self, listener: UnixListener) -> Result<(), tonic::transport::Error> {
        let incoming = UnixListenerStream::new(listener);
        self.router().serve_with_incoming_shutdown(incoming, self.closed()).await
    }

    /// Returns the gRPC service, to be added to a server with other services.
    pub fn service(&self) -> AggregatedDiscoveryServiceServer<impl AggregatedDiscoveryService + use<>> {
        let service = Ads { shared: self.shared.clone() };
        AggregatedDiscoveryServiceServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    fn router(&self) -> tonic::transport::server::Router {
        Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .add_service(self.service())
    }

    fn closed(&self) -> impl Future<Output = ()> + use<> {
        let mut closing = self.shared.closing.subscribe();
        async move {
            // The sender lives in the server that is being served.
            drop(closing.wait_for(|closing| *closing).await);
        }
    }
}

struct Ads {
    shared: Arc<Shared>,
}

type Responses<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: GrpcRequest<Streaming<DiscoveryRequest>>,
    ) -> Result<GrpcResponse<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(GrpcResponse::new(Session::<Sotw>::start(self.shared.clone(), request.into_inner())))
    }

    async fn delta_aggregated_resources(
        &self,
        request: GrpcRequest<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<GrpcResponse<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(GrpcResponse::new(Session::<Delta>::start(self.shared.clone(), request.into_inner())))
    }
}

/// What differs between the two forms on the wire.
trait Wire: Send + 'static {
    const PROTOCOL: Protocol;
    type Request: Send + 'static;
    type Response: Send + 'static;

    fn node(request: &mut Self::Request) -> Option<Node>;
    fn read(request: Self::Request) -> Incoming<Self::Response>;
    fn write(outgoing: Outgoing, version: &str) -> Self::Response;
}

struct Delta;

impl Wire for Delta {
    const PROTOCOL: Protocol = Protocol::Delta;
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn read(request: DeltaDiscoveryRequest) -> Incoming<DeltaDiscoveryResponse> {
        delta::read(request)
    }

    fn write(outgoing: Outgoing, version: &str) -> DeltaDiscoveryResponse {
        delta::write(outgoing, version)
    }
}

struct Sotw;

impl Wire for Sotw {
    const PROTOCOL: Protocol = Protocol::StateOfTheWorld;
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn node(request: &mut DiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn read(request: DiscoveryRequest) -> Incoming<DiscoveryResponse> {
        sotw::read(request)
    }

    fn write(outgoing: Outgoing, _version: &str) -> DiscoveryResponse {
        sotw::write(outgoing)
    }
}

/// One stream with what it needs of the server.
struct Session<W: Wire> {
    shared: Arc<Shared>,
    state: StreamState,
    target: Option<Arc<Published>>,
    membership: Option<Membership>,
    responses: mpsc::Sender<Result<W::Response, Status>>,
    own_client: bool,
    /// Whether a request has said what the client knows.
    begun: bool,
    takes_chains: bool,
    /// When the next target may be taken up.
    next_target: Instant,
    /// When silence counts as an acknowledgement.
    quiet_at: Option<Instant>,
}

enum Event<R> {
    Request(R),
    Target(Arc<Published>),
    Quiet,
    End,
}

impl<W: Wire> Session<W> {
    fn start(shared: Arc<Shared>, requests: Streaming<W::Request>) -> Responses<W::Response> {
        let (responses, receiver) = mpsc::channel(RESPONSES_UNDER_WAY);
        let state = StreamState::new(W::PROTOCOL, shared.options.response_budget);
        let session = Session::<W> {
            shared,
            state,
            target: None,
            membership: None,
            responses,
            own_client: false,
            begun: false,
            takes_chains: false,
            next_target: Instant::now(),
            quiet_at: None,
        };
        tokio::spawn(session.run(Box::pin(requests)));
        ReceiverStream::new(receiver)
    }

    async fn run(mut self, mut requests: Pin<Box<Streaming<W::Request>>>) {
        let mut published = self.shared.published.subscribe();
        published.mark_changed();
        let mut closing = self.shared.closing.subscribe();
        loop {
            let event = tokio::select! {
                request = requests.next() => match request {
                    Some(Ok(request)) => Event::Request(request),
                    Some(Err(_)) | None => Event::End,
                },
                target = newer(&mut published, self.next_target) => Event::Target(target),
                () = tokio::time::sleep_until(self.quiet_at.unwrap_or_else(Instant::now)), if self.quiet_at.is_some() => Event::Quiet,
                _ = closing.wait_for(|closing| *closing) => Event::End,
                () = self.responses.closed() => Event::End,
            };
            let going_on = match event {
                Event::Request(request) => self.request(request).await,
                Event::Target(target) => self.aim(target).await,
                Event::Quiet => {
                    self.report(true);
                    true
                }
                Event::End => false,
            };
            if !going_on {
                return;
            }
        }
    }

    async fn request(&mut self, mut request: W::Request) -> bool {
        if let Some(node) = W::node(&mut request) {
            self.join(&node);
        }
        self.begin();
        match W::read(request) {
            Incoming::Request(request) => self.state.receive(request),
            Incoming::Unserved(Some(answer)) => return self.responses.send(Ok(answer)).await.is_ok(),
            Incoming::Unserved(None) => return true,
        }
        self.advance().await
    }

    fn join(&mut self, node: &Node) {
        if self.membership.is_some() {
            return;
        }
        let stream = self.shared.streams.fetch_add(1, Ordering::Relaxed);
        let has = |feature: &str| node.client_features.iter().any(|known| known == feature);
        self.own_client = has(PER_RESOURCE_REJECTION);
        if self.own_client && W::PROTOCOL == Protocol::Delta {
            self.state.set_names_refusals();
        }
        if has(SERIES) {
            self.state.set_knows_series();
        }
        self.takes_chains = has(FILTER_CHAINS) && W::PROTOCOL == Protocol::Delta;
        tracing::info!(node = node.id, protocol = ?W::PROTOCOL, "node connected");
        self.membership = Some(self.shared.registry.join(stream, &node.id, W::PROTOCOL));
    }

    /// Aims at the target that came before the first request.
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(target) = self.target.clone()
        {
            self.set_target(&target);
        }
    }

    /// Brings the client to a target in the form that it takes.
    fn set_target(&mut self, target: &Published) {
        let form = if self.takes_chains { &target.snapshot } else { target.inlined() };
        self.state.set_target(form.clone());
    }

    async fn aim(&mut self, target: Arc<Published>) -> bool {
        let hosts = u32::try_from(target.snapshot.count(type_url::VIRTUAL_HOST)).unwrap_or(u32::MAX);
        if !self.own_client {
            self.next_target = Instant::now() + self.shared.options.pause_per_host.saturating_mul(hosts);
        }
        if self.begun {
            self.set_target(&target);
        }
        self.target = Some(target);
        self.advance().await
    }

    async fn advance(&mut self) -> bool {
        let version = self.target.as_ref().map_or_else(String::new, |target| target.version.clone());
        for outgoing in self.state.advance() {
            tracing::debug!(
                node = self.membership.as_ref().map(Membership::node),
                type_url = type_url::short(outgoing.type_url),
                resources = outgoing.resources.len(),
                removed = outgoing.removed.len(),
                "xDS response"
            );
            if self.responses.send(Ok(W::write(outgoing, &version))).await.is_err() {
                return false;
            }
        }
        self.report(false);
        true
    }

    /// Tells the server's status how far the node is; `silent` says that it has been silent long enough.
    fn report(&mut self, silent: bool) {
        let progress = self.state.progress();
        let reached = progress == Progress::Complete || (progress == Progress::Quiet && silent);
        self.quiet_at = (progress == Progress::Quiet && !silent).then(|| Instant::now() + QUIET);
        let reached = self
            .target
            .as_ref()
            .filter(|_| reached)
            .map(|target| (target.generation, target.version.clone()));
        if let Some(membership) = &self.membership {
            membership.report(reached, &self.state.refused());
        }
    }
}

/// Waits for a target that is newer than the last one, and until `not_before`; takes the newest one then.
async fn newer(
    published: &mut watch::Receiver<Option<Arc<Published>>>,
    not_before: Instant,
) -> Arc<Published> {
    loop {
        if published.changed().await.is_err() {
            // The server is gone, and with it this stream.
            return std::future::pending().await;
        }
        // Marked again in case this future is dropped while it waits.
        published.mark_changed();
        tokio::time::sleep_until(not_before).await;
        if let Some(target) = published.borrow_and_update().clone() {
            return target;
        }
    }
}
