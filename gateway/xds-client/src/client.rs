//! The asynchronous shell: one stream at a time, opened again after every loss.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use gatewright_xds::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use gatewright_xds::features::{PER_RESOURCE_REJECTION, SERIES};
use gatewright_xds::type_url;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::backoff::Backoff;
use crate::interest::{Interest, Interests};
use crate::protocol::{DeltaState, Handler, Link};

/// A cold start sends everything of a type in one message.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Room for the first request of every type, sent before the server answers, and for acknowledgements under way.
const REQUESTS_UNDER_WAY: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a server and what to ask it for.
pub struct ClientOptions {
    /// `http://HOST:PORT`, or `unix:PATH` for a socket in the file system.
    pub server: String,
    /// Who this client is.
    pub node: Node,
    /// What it wants at first; [`InterestHandle`] changes that later.
    pub interests: Interests,
    /// How long it waits between attempts.
    pub backoff: Backoff,
}

/// Says that the server's address is none.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no xDS server address: expected http://HOST:PORT or unix:PATH")]
pub struct ConfigurationError {
    address: String,
}

/// Changes what a running [`AdsClient`] wants.
///
/// The latest wish counts; a change made while there is no stream is part of the next one.
#[derive(Clone, Debug)]
pub struct InterestHandle {
    interests: watch::Sender<Interests>,
}

impl InterestHandle {
    /// Replaces the interest in one type.
    pub fn set(&self, type_url: &'static str, interest: Interest) {
        self.interests.send_if_modified(|interests| {
            let changed = interests.get(type_url) != Some(&interest);
            interests.insert(type_url, interest);
            changed
        });
    }
}

/// A client of one server's aggregated discovery service.
pub struct AdsClient {
    endpoint: Endpoint,
    node: Node,
    backoff: Backoff,
    interests: watch::Receiver<Interests>,
    state: DeltaState,
}

impl AdsClient {
    /// Prepares a client; nothing is connected until [`AdsClient::run`].
    pub fn new(options: ClientOptions) -> Result<(Self, InterestHandle), ConfigurationError> {
        let endpoint = endpoint(&options.server)
            .ok_or(ConfigurationError { address: options.server })?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let (sender, interests) = watch::channel(options.interests);
        let mut node = options.node;
        for feature in [PER_RESOURCE_REJECTION, SERIES] {
            if !node.client_features.iter().any(|known| known == feature) {
                node.client_features.push(feature.to_owned());
            }
        }
        let client =
            Self { endpoint, node, backoff: options.backoff, interests, state: DeltaState::default() };
        Ok((client, InterestHandle { interests: sender }))
    }

    /// Keeps `handler` up to date for as long as the future is polled; dropping it closes the stream.
    pub async fn run(mut self, handler: &mut impl Handler) -> Infallible {
        loop {
            let reason = match self.connect().await {
                Ok(stream) => self.converse(stream, handler).await,
                Err(reason) => reason,
            };
            let retry_in = self.backoff.next_delay();
            tracing::debug!(%reason, ?retry_in, "no xDS stream");
            handler.link(Link::Down { reason, retry_in });
            tokio::time::sleep(retry_in).await;
        }
    }

    async fn connect(&mut self) -> Result<Stream, String> {
        let channel = self.endpoint.connect().await.map_err(|error| chain(&error))?;
        let (requests, receiver) = mpsc::channel(REQUESTS_UNDER_WAY);
        // The server may answer only after the first request, so they are queued before the call is awaited.
        let interests = self.interests.borrow_and_update().clone();
        for request in self.state.open(&self.node, &interests) {
            requests.try_send(request).map_err(|error| error.to_string())?;
        }
        let mut client: AggregatedDiscoveryServiceClient<Channel> =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let responses = client
            .delta_aggregated_resources(ReceiverStream::new(receiver))
            .await
            .map_err(|status| describe(&status))?
            .into_inner();
        Ok(Stream { requests, responses })
    }

    /// Answers responses and follows changed wishes until the stream ends; returns why it did.
    async fn converse(&mut self, mut stream: Stream, handler: &mut impl Handler) -> String {
        handler.link(Link::Up);
        let mut wishes = true;
        loop {
            let requests = tokio::select! {
                response = stream.responses.message() => match response {
                    Ok(Some(response)) => vec![self.receive(response, handler)],
                    Ok(None) => return "the server ended the stream".to_owned(),
                    Err(status) => return describe(&status),
                },
                changed = self.interests.changed(), if wishes => {
                    // Without a handle nobody can change them any more.
                    wishes = changed.is_ok();
                    let interests = self.interests.borrow_and_update().clone();
                    self.state.follow(&interests)
                }
            };
            for request in requests {
                if stream.requests.send(request).await.is_err() {
                    return "the server closed its side of the stream".to_owned();
                }
            }
        }
    }

    fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
        handler: &mut impl Handler,
    ) -> DeltaDiscoveryRequest {
        self.backoff.reset();
        tracing::debug!(
            type_url = type_url::short(&response.type_url),
            resources = response.resources.len(),
            removed = response.removed_resources.len(),
            "xDS response"
        );
        self.state.receive(response, handler)
    }
}

fn endpoint(address: &str) -> Option<Endpoint> {
    let known = address.starts_with("http://") || address.starts_with("unix:");
    known.then(|| Endpoint::from_shared(address.to_owned()).ok()).flatten()
}

struct Stream {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

fn describe(status: &tonic::Status) -> String {
    match status.source() {
        Some(source) => format!("{}: {}", status.message(), chain(source)),
        None => format!("{}: {}", status.code(), status.message()),
    }
}

/// Writes an error with its causes, because the outermost one often says "transport error" only.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
