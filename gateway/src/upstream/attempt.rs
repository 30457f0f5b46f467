//! One try: the request goes to one endpoint, and the head of a response comes or does not.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::client::{Client, Outgoing, Trail};
use super::failure::{Failure, closed_before_response, is_ambiguous};
use super::pool::{Lease, SendError};
use super::request::{self, Unsendable};
use crate::body::{Replay, RequestBody};
use crate::message::RequestHead;
use crate::state::{Cluster, Endpoint};
use crate::watch::Watch;

/// A request being sent, and what is left of it for the next try.
pub(super) struct Sending<'a> {
    client: &'a Client,
    pub(super) cluster: &'a Arc<Cluster>,
    head: RequestHead,
    raw_target: Option<Bytes>,
    websocket: bool,
    watch: Option<Rc<Watch>>,
    supply: BodySupply,
    /// Whether another try may follow one that was sent already.
    again: bool,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        client: &'a Client,
        cluster: &'a Arc<Cluster>,
        outgoing: Outgoing,
        again: bool,
    ) -> Self {
        let Outgoing { head, body, raw_target, websocket, client: watch } = outgoing;
        Self {
            client,
            cluster,
            head,
            raw_target,
            websocket,
            watch,
            supply: BodySupply::new(body, again),
            again,
        }
    }

    /// Returns whether another try can have the body.
    pub(super) fn has_body(&self) -> bool {
        self.supply.is_there()
    }

    /// Sends the request to one endpoint. A connection that turns out to be closed already, before anything came back,
    /// is replaced by a new one, once.
    pub(super) async fn attempt(
        &mut self,
        endpoint: &Arc<Endpoint>,
        trail: &mut Trail,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let safe = self.supply.is_empty() && self.head.method.is_safe();
        let pools = &self.client.pools;
        let mut lease = match self.raw_target.clone() {
            Some(target) => pools.lease_for(target, self.cluster, endpoint).await?,
            None => pools.lease(self.cluster, endpoint, false).await?,
        };
        let keep_head = self.again || (safe && lease.reused);
        let body = self.supply.take().ok_or(Failure::BodyGone)?;
        let request = self.request(keep_head, body)?;
        self.cluster.shared.stats.tries.add(1);
        let start = Instant::now();
        let error = match lease.send(request).await {
            Ok(response) => return self.answered(response, lease, start, trail),
            Err(error) => error,
        };
        let closed = error.unsent.is_some() || safe && closed_before_response(&error.error);
        if !lease.reused || !closed {
            return Err(self.reset(error));
        }
        drop(lease);
        let request = match error.unsent {
            Some(request) => *request,
            None => self.request(keep_head, RequestBody::Empty)?,
        };
        let mut lease = pools.lease(self.cluster, endpoint, true).await?;
        match lease.send(request).await {
            Ok(response) => self.answered(response, lease, start, trail),
            Err(error) => Err(self.reset(error)),
        }
    }

    fn request(&mut self, keep_head: bool, body: RequestBody) -> Result<Request<RequestBody>, Unsendable> {
        request::build(&mut self.head, keep_head, self.cluster.config.protocol, self.websocket, body)
    }

    fn answered(
        &self,
        response: Response<Incoming>,
        lease: Lease,
        start: Instant,
        trail: &mut Trail,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        trail.time = Some(start.elapsed());
        if is_ambiguous(&response) {
            self.cluster.shared.stats.resets.add(1);
            return Err(Failure::Malformed);
        }
        Ok((response, lease))
    }

    /// Notes that a connection ended without a response. What was not sent can be sent to another endpoint.
    fn reset(&mut self, error: SendError) -> Failure {
        if let Some(broken) = self.watch.as_ref().and_then(|watch| watch.broken.get()) {
            return Failure::Client(broken);
        }
        self.cluster.shared.stats.resets.add(1);
        let failure = Failure::reset(&error.error, error.unsent.is_some());
        if let Some(request) = error.unsent {
            let (parts, body) = request.into_parts();
            self.head.headers = parts.headers;
            self.supply.put_back(body);
        }
        failure
    }
}

/// The body for the next try.
enum BodySupply {
    Empty,
    /// For one try only.
    Once(Option<RequestBody>),
    Again(Replay),
}

impl BodySupply {
    fn new(body: RequestBody, again: bool) -> Self {
        match body {
            RequestBody::Empty => Self::Empty,
            body if again => Self::Again(Replay::new(body)),
            body => Self::Once(Some(body)),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns whether another try can have the body.
    fn is_there(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Once(body) => body.is_some(),
            Self::Again(replay) => replay.is_whole(),
        }
    }

    /// Takes back a body of which nothing was sent.
    fn put_back(&mut self, body: RequestBody) {
        if let Self::Once(slot) = self {
            *slot = Some(body);
        }
    }

    fn take(&mut self) -> Option<RequestBody> {
        match self {
            Self::Empty => Some(RequestBody::Empty),
            Self::Once(body) => body.take(),
            Self::Again(replay) => replay.body(),
        }
    }
}
