//! What filters and their configurations call: a request of their own to a cluster, and all of its response.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{StatusCode, Version};
use http_body_util::BodyExt as _;

use super::told::told;
use crate::body::{RequestBody, WholeBody};
use crate::message::{LocalReply, ReplyForm, RequestHead, ResponseHead, Scheme, hop, reply};
use crate::shared::Shared;
use crate::stream::{CallAnswer, CallError, CallRequest, CallResponse, Outside, Task};
use crate::upstream::{Client, Outgoing, Plan, Trail, UpstreamBody};

/// The most that is kept of one response.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Makes the calls of a worker's filters and of their configurations.
pub(crate) struct Caller {
    upstream: Rc<Client>,
    shared: Arc<Shared>,
}

impl Caller {
    pub(crate) fn new(upstream: Rc<Client>, shared: Arc<Shared>) -> Self {
        Self { upstream, shared }
    }

    /// Makes a call. Where the cluster gives no response the gateway's own answer is one, as for a client.
    pub(crate) async fn call(&self, request: CallRequest) -> CallAnswer {
        let Some(cluster) = self.shared.snapshot.load().cluster(&request.cluster).cloned() else {
            return own(reply::no_cluster());
        };
        let plan = Plan { retry: None, timeout: request.timeout };
        let answered =
            match self.upstream.send(&cluster, outgoing(request), plan, &mut Trail::default()).await {
                Ok(answered) => answered,
                Err(failed) => return own(told(&failed.failure).1),
            };
        if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return own(reply::upstream_protocol_error());
        }
        let (parts, incoming) = answered.response.into_parts();
        let mut head = ResponseHead { status: parts.status, headers: parts.headers };
        hop::strip(&mut head.headers);
        let body = UpstreamBody { incoming, lease: Some(answered.lease), deadline: answered.deadline };
        match whole(body).await {
            Some((body, trailers)) => CallAnswer::Response(Box::new(CallResponse { head, body, trailers })),
            None => CallAnswer::Broken,
        }
    }
}

/// What a worker does for the configurations of filters.
pub(crate) struct Errands(pub(crate) Rc<Caller>);

impl Outside for Errands {
    fn call(&self, request: CallRequest, then: Box<dyn FnOnce(CallAnswer)>) -> Result<Task, CallError> {
        let caller = self.0.clone();
        if caller.shared.snapshot.load().cluster(&request.cluster).is_none() {
            return Err(CallError::UnknownCluster);
        }
        let task = tokio::task::spawn_local(async move { then(caller.call(request).await) });
        Ok(Task::new(move || task.abort()))
    }

    fn timer(&self, after: Duration, then: Box<dyn FnOnce()>) -> Task {
        let task = tokio::task::spawn_local(async move {
            tokio::time::sleep(after).await;
            then();
        });
        Task::new(move || task.abort())
    }
}

fn outgoing(request: CallRequest) -> Outgoing {
    let CallRequest { method, target, authority, mut headers, body, trailers, .. } = request;
    hop::strip(&mut headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    if !body.is_empty() && trailers.is_empty() {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let body = match body.is_empty() && trailers.is_empty() {
        true => RequestBody::Empty,
        false => RequestBody::Whole(WholeBody::new(body, trailers)),
    };
    let version = Version::HTTP_11;
    let head = RequestHead { method, target, authority, scheme: Scheme::Http, headers, version };
    Outgoing { head, body, raw_target: None, websocket: false, client: None }
}

/// Makes an answer of the gateway a response.
fn own(reply: LocalReply) -> CallAnswer {
    let (mut head, body) = reply.into_parts(ReplyForm::default());
    if !body.is_empty() {
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    CallAnswer::Response(Box::new(CallResponse { head, body, trailers: HeaderMap::new() }))
}

/// Reads a body to its end; none where it breaks off or is too large.
async fn whole(mut body: UpstreamBody) -> Option<(Bytes, HeaderMap)> {
    let (mut data, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = Pin::new(&mut body).frame().await {
        match frame.ok()?.into_data() {
            Ok(more) if data.len() + more.len() > KEPT_BYTES => return None,
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().ok()?,
        }
    }
    Some((data.freeze(), trailers))
}
