//! A control plane for tests: whatever set of resources it is given, delta clients get the difference to what they have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gatewright_testkit::wait::eventually;
use gatewright_xds::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use gatewright_xds::envoy::service::discovery::v3::{
    self as discovery, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use gatewright_xds::{Resource, type_url};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

type Key = (&'static str, String);
type Resources = BTreeMap<Key, Resource>;

/// A running control plane; it ends when the value is dropped.
pub struct ControlPlane {
    address: SocketAddr,
    resources: watch::Sender<Resources>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    rejections: Mutex<Vec<String>>,
    answered: Mutex<BTreeSet<String>>,
    sent: Mutex<u64>,
}

impl ControlPlane {
    pub fn start(resources: Vec<Resource>) -> Self {
        Self::start_on("http://127.0.0.1:0", resources)
    }

    /// Starts where another one was.
    pub fn start_on(url: &str, resources: Vec<Resource>) -> Self {
        let wanted: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let (sender, receiver) = watch::channel(keyed(resources));
        let shared = Arc::new(Shared::default());
        let service = Service { resources: receiver, shared: shared.clone() };
        let (stop, stopped) = oneshot::channel::<()>();
        let (address_sender, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(wanted).await.unwrap();
                address_sender.send(listener.local_addr().unwrap()).unwrap();
                let server = tonic::transport::Server::builder()
                    .add_service(AggregatedDiscoveryServiceServer::new(service))
                    .serve_with_incoming(TcpListenerStream::new(listener));
                tokio::select! {
                    served = server => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().unwrap();
        Self { address, resources: sender, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces everything.
    pub fn replace(&self, resources: Vec<Resource>) {
        self.resources.send_replace(keyed(resources));
    }

    /// Adds or changes resources, in one response per type.
    pub fn put(&self, resources: Vec<Resource>) {
        self.resources.send_modify(|all| all.extend(keyed(resources)));
    }

    pub fn remove(&self, type_url: &'static str, name: &str) {
        self.resources.send_modify(|all| drop(all.remove(&(type_url, name.to_owned()))));
    }

    /// Removes and adds at once.
    pub fn exchange(&self, gone: &[(&'static str, &str)], new: Vec<Resource>) {
        self.resources.send_modify(|all| {
            for (type_url, name) in gone {
                all.remove(&(*type_url, (*name).to_owned()));
            }
            all.extend(keyed(new));
        });
    }

    /// Waits for a rejection whose text holds `text`, and returns it.
    pub fn rejection(&self, text: &str) -> String {
        eventually("a rejection", super::SOON, || {
            let rejections = self.shared.rejections.lock().unwrap();
            let found = rejections.iter().find(|rejection| rejection.contains(text)).cloned();
            found.ok_or_else(|| format!("only {rejections:?}"))
        })
    }

    pub fn rejections(&self) -> Vec<String> {
        self.shared.rejections.lock().unwrap().clone()
    }

    /// Waits until every response sent so far is acknowledged or rejected.
    pub fn settle(&self) {
        // Streams notice a change after the test thread goes on.
        std::thread::sleep(std::time::Duration::from_millis(30));
        eventually("answers to all responses", super::SOON, || {
            let (sent, answered) =
                (*self.shared.sent.lock().unwrap(), self.shared.answered.lock().unwrap().len());
            if answered as u64 >= sent { Ok(()) } else { Err(format!("{answered} of {sent}")) }
        });
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keyed(resources: Vec<Resource>) -> Resources {
    resources
        .into_iter()
        .map(|resource| ((resource.type_url(), resource.name().to_owned()), resource))
        .collect()
}

struct Service {
    resources: watch::Receiver<Resources>,
    shared: Arc<Shared>,
}

/// What one client has asked for and has of one type.
#[derive(Default)]
struct Subscription {
    all: bool,
    names: BTreeSet<String>,
    held: BTreeMap<String, String>,
    answered: bool,
}

struct Client {
    types: BTreeMap<&'static str, Subscription>,
    shared: Arc<Shared>,
    nonce: u64,
}

impl Client {
    fn hear(&mut self, request: &DeltaDiscoveryRequest) {
        if !request.response_nonce.is_empty() {
            if let Some(error) = &request.error_detail {
                self.shared.rejections.lock().unwrap().push(error.message.clone());
            }
            self.shared.answered.lock().unwrap().insert(request.response_nonce.clone());
        }
        let Some(type_url) = type_url::known(&request.type_url) else { return };
        let first = !self.types.contains_key(type_url);
        let subscription = self.types.entry(type_url).or_default();
        if first {
            subscription.all = request.resource_names_subscribe.is_empty();
            subscription.held = request.initial_resource_versions.clone().into_iter().collect();
        }
        for name in &request.resource_names_subscribe {
            subscription.all |= name == "*";
            subscription.names.insert(name.clone());
            subscription.answered = false;
        }
        for name in &request.resource_names_unsubscribe {
            subscription.all &= name != "*";
            subscription.names.remove(name);
            subscription.held.remove(name);
        }
    }

    /// Returns the difference to what the client has, in order of dependence.
    fn responses(&mut self, resources: &Resources) -> Vec<DeltaDiscoveryResponse> {
        let mut responses = Vec::new();
        for type_url in type_url::ADDITION_ORDER {
            let Some(subscription) = self.types.get_mut(type_url) else { continue };
            let wanted = |name: &str| subscription.all || subscription.names.contains(name);
            let there: BTreeMap<&str, &Resource> = resources
                .iter()
                .filter(|((of_type, name), _)| *of_type == type_url && wanted(name))
                .map(|((_, name), resource)| (name.as_str(), resource))
                .collect();
            let mut removed: Vec<String> =
                subscription.held.keys().filter(|name| !there.contains_key(name.as_str())).cloned().collect();
            if !subscription.answered {
                let absent = subscription
                    .names
                    .iter()
                    .filter(|name| *name != "*" && !there.contains_key(name.as_str()));
                removed.extend(absent.cloned());
            }
            let changed: Vec<&Resource> = there
                .values()
                .copied()
                .filter(|resource| {
                    subscription.held.get(resource.name()).map(String::as_str) != Some(resource.version())
                })
                .collect();
            if changed.is_empty() && removed.is_empty() && subscription.answered {
                continue;
            }
            self.nonce += 1;
            responses.push(DeltaDiscoveryResponse {
                type_url: type_url.to_owned(),
                nonce: format!("{}-{}", std::process::id(), self.nonce),
                system_version_info: self.nonce.to_string(),
                resources: changed.iter().map(|resource| wire(resource)).collect(),
                removed_resources: removed,
                ..DeltaDiscoveryResponse::default()
            });
            subscription.held =
                there.values().map(|r| (r.name().to_owned(), r.version().to_owned())).collect();
            subscription.answered = true;
        }
        responses
    }
}

fn wire(resource: &Resource) -> discovery::Resource {
    discovery::Resource {
        name: resource.name().to_owned(),
        version: resource.version().to_owned(),
        resource: Some(resource.to_any()),
        ..discovery::Resource::default()
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("delta only"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let mut requests = request.into_inner();
        let mut resources = self.resources.clone();
        let shared = self.shared.clone();
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut client = Client { types: BTreeMap::new(), shared, nonce: 0 };
            loop {
                tokio::select! {
                    biased;
                    request = requests.next() => match request {
                        Some(Ok(request)) => client.hear(&request),
                        _ => return,
                    },
                    changed = resources.changed() => if changed.is_err() { return },
                }
                let responses = client.responses(&resources.borrow_and_update().clone());
                for response in responses {
                    *client.shared.sent.lock().unwrap() += 1;
                    if sender.send(Ok(response)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
