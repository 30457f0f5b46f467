//! Forwarding: the cluster is chosen, the request edited and sent, and what comes of it made an answer.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;

use super::context::Context;
use super::record::Record;
use super::rewrite::{self, Unsendable};
use super::source::Source;
use super::told::told;
use crate::body::RequestBody;
use crate::config::{Forward, HeaderEdits, Route};
use crate::message::hop;
use crate::message::reply;
use crate::message::{LocalReply, RequestHead, ResponseHead};
use crate::stats::ResponseFlags;
use crate::upstream::{Answered, Failed, Failure, Lease, Outgoing, Plan, UpstreamBody};

static EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
static ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
static SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// What forwarding ended in.
pub(crate) enum Forwarded {
    Reply(LocalReply),
    Response(ResponseHead, Source),
    /// The upstream agreed to another protocol.
    Upgraded(Response<Incoming>, Lease),
}

/// A request on its way to an upstream.
pub(crate) struct Forwarding<'a> {
    pub(crate) context: &'a Rc<Context>,
    pub(crate) record: &'a mut Record,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) action: &'a Forward,
    /// Which of the action's targets was chosen.
    pub(crate) target: usize,
    pub(crate) websocket: bool,
}

impl Forwarding<'_> {
    pub(crate) async fn run(mut self, mut head: RequestHead, body: RequestBody) -> Forwarded {
        let (name, edits) = self.action.targets.get(self.target);
        let response_edits = edits.map(|(_, response)| response);
        let Some(cluster) = self.context.shared.snapshot.load().cluster(name).cloned() else {
            self.record.flags.add(ResponseFlags::NO_CLUSTER);
            return self.reply(reply::no_cluster(), response_edits);
        };
        self.record.cluster = Some(cluster.clone());
        let Ok(raw_target) = self.edit(&mut head, edits.map(|(request, _)| request)) else {
            let reply = self.failed(&Failed { failure: Failure::Unsendable, exhausted: false });
            return self.reply(reply, response_edits);
        };
        let request = Outgoing {
            head,
            body,
            raw_target,
            websocket: self.websocket,
            client: Some(self.record.watch.clone()),
        };
        let plan = Plan { retry: self.action.retry.as_deref(), timeout: self.action.timeout };
        match self.context.upstream.send(&cluster, request, plan, &mut self.record.trail).await {
            Ok(answered) => self.finish(answered, response_edits),
            Err(failed) => {
                let reply = self.failed(&failed);
                self.reply(reply, response_edits)
            }
        }
    }

    /// Gives an answer of the gateway the edits that a response would get.
    fn reply(&self, mut reply: LocalReply, edits: Option<&HeaderEdits>) -> Forwarded {
        self.edit_response(&mut reply.headers, edits);
        Forwarded::Reply(reply)
    }

    fn edit_response(&self, headers: &mut HeaderMap, edits: Option<&HeaderEdits>) {
        if let Some(edits) = edits {
            edits.apply(headers);
        }
        self.route.response_headers.apply(headers);
    }

    /// Edits the request as cluster and route say, and returns what [`rewrite::path`] does.
    fn edit(
        &self,
        head: &mut RequestHead,
        target: Option<&HeaderEdits>,
    ) -> Result<Option<Bytes>, Unsendable> {
        if let Some(target) = target {
            target.apply(&mut head.headers);
        }
        self.route.request_headers.apply(&mut head.headers);
        if let Some(host) = &self.action.host_rewrite
            && *host != head.authority
        {
            let original = std::mem::replace(&mut head.authority, host.clone());
            head.headers.insert(&ORIGINAL_HOST, original);
        }
        if let Some(timeout) = self.action.timeout {
            let milliseconds = HeaderValue::from(timeout.as_millis() as u64);
            head.headers.insert(&EXPECTED_TIMEOUT, milliseconds);
        }
        match &self.action.path_rewrite {
            Some(rewrite) => rewrite::path(head, rewrite, &self.route.matches.path),
            None => Ok(None),
        }
    }

    /// Notes why there is no response, and returns the answer that says so.
    fn failed(&mut self, failed: &Failed) -> LocalReply {
        if failed.exhausted {
            self.record.flags.add(ResponseFlags::RETRY_LIMIT);
        }
        let (flag, reply) = told(&failed.failure);
        self.record.flags.add(flag);
        reply
    }

    /// Prepares the upstream's response for the filters.
    fn finish(self, answered: Answered, edits: Option<&HeaderEdits>) -> Forwarded {
        let Answered { response, lease, deadline } = answered;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return if self.websocket {
                Forwarded::Upgraded(response, lease)
            } else {
                self.record.flags.add(ResponseFlags::UPSTREAM_PROTOCOL_ERROR);
                Forwarded::Reply(reply::upstream_protocol_error())
            };
        }
        let (parts, incoming) = response.into_parts();
        let mut head = ResponseHead { status: parts.status, headers: parts.headers };
        hop::strip(&mut head.headers);
        let milliseconds = self.record.trail.time.map_or(0, |time| time.as_millis() as u64);
        head.headers.insert(&SERVICE_TIME, HeaderValue::from(milliseconds));
        self.edit_response(&mut head.headers, edits);
        let body = UpstreamBody { incoming, lease: Some(lease), deadline };
        Forwarded::Response(head, Source::Upstream(body))
    }
}
