//! What is counted and logged about one request. It is finished exactly once, when the value is dropped: also when the
//! client goes away in the middle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Version};

use super::connection::Connection;
use crate::access_log::Line;
use crate::config::Route;
use crate::message::RequestHead;
use crate::message::incoming::{FORWARDED_FOR, REQUEST_ID};
use crate::message::reply;
use crate::state::Cluster;
use crate::stats::ResponseFlags;
use crate::stream::Outcome;
use crate::upstream::Trail;
use crate::watch::Watch;

/// The record of one request.
pub(crate) struct Record {
    connection: Rc<Connection>,
    start: Instant,
    /// What the log needs of the request; none when there is no log.
    request: Option<LoggedRequest>,
    pub(crate) watch: Rc<Watch>,
    pub(crate) sent: u64,
    pub(crate) code: u16,
    pub(crate) flags: ResponseFlags,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) trail: Trail,
    /// Whether the response went out as a whole, or none was to go out.
    pub(crate) complete: bool,
    /// Hears how the request ended.
    pub(crate) on_end: Option<Box<dyn FnOnce(Outcome)>>,
}

struct LoggedRequest {
    start: SystemTime,
    method: Method,
    target: PathAndQuery,
    authority: HeaderValue,
    version: Version,
    request_id: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
}

impl LoggedRequest {
    fn new(head: &RequestHead) -> Self {
        Self {
            start: SystemTime::now(),
            method: head.method.clone(),
            target: head.target.clone(),
            authority: head.authority.clone(),
            version: head.version,
            request_id: head.headers.get(&REQUEST_ID).cloned(),
            user_agent: head.headers.get(header::USER_AGENT).cloned(),
            forwarded_for: head.headers.get(&FORWARDED_FOR).cloned(),
        }
    }
}

impl Record {
    /// Starts the record of a request that came at `start`.
    pub(crate) fn new(
        connection: Rc<Connection>,
        start: Instant,
        head: &RequestHead,
        log: bool,
    ) -> Box<Self> {
        let request = (log && connection.context.log.is_on()).then(|| LoggedRequest::new(head));
        let watch = connection.request_started(head.version);
        Box::new(Self {
            connection,
            start,
            request,
            watch,
            sent: 0,
            code: 0,
            flags: ResponseFlags::default(),
            route: None,
            cluster: None,
            trail: Trail::default(),
            complete: false,
            on_end: None,
        })
    }

    /// Notes that something moved.
    pub(crate) fn touch(&self) {
        self.watch.touch();
    }

    pub(crate) fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }

    fn outcome(&self, duration: Duration) -> Outcome {
        Outcome {
            code: self.code,
            flags: self.flags.to_string(),
            received: self.watch.received.get(),
            sent: self.sent,
            duration,
            cluster: self.cluster.as_ref().map(|cluster| cluster.config.name.clone()),
            complete: self.complete,
        }
    }

    fn log(&self, request: &LoggedRequest, duration: Duration) {
        let line = Line {
            start: request.start,
            method: request.method.as_str(),
            path: request.target.as_str(),
            authority: request.authority.as_bytes(),
            protocol: protocol(request.version),
            code: self.code,
            flags: self.flags,
            route: self.route.as_ref().map(|route| route.name()).filter(|name| !name.is_empty()),
            cluster: self.cluster.as_ref().map(|cluster| &*cluster.config.name),
            upstream: self.trail.endpoint.as_ref().map(|endpoint| &*endpoint.label),
            upstream_ms: self.trail.time.map(|time| time.as_millis() as u64),
            duration_ms: duration.as_millis() as u64,
            bytes_received: self.watch.received.get(),
            bytes_sent: self.sent,
            request_id: request.request_id.as_ref().map(HeaderValue::as_bytes),
            user_agent: request.user_agent.as_ref().map(HeaderValue::as_bytes),
            forwarded_for: request.forwarded_for.as_ref().map(HeaderValue::as_bytes),
            server_name: self.connection.server_name.as_deref(),
            local: &self.connection.ends.local,
            remote: &self.connection.ends.remote,
        };
        self.connection.context.log.line(|out, known| line.write(out, known));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.watch.is_expired() && !self.complete {
            self.flags.add(ResponseFlags::STREAM_IDLE_TIMEOUT);
            if self.code == 0 {
                self.code = reply::stream_timeout(self.watch.request_complete.get()).status.as_u16();
            }
        } else if !self.complete && !self.flags.ended_by_gateway() {
            self.flags.add(ResponseFlags::DOWNSTREAM_DISCONNECT);
        }
        let duration = self.start.elapsed();
        let stats = &self.connection.context.shared.stats;
        let (requests, durations) = match &self.cluster {
            Some(cluster) => (&cluster.shared.stats.requests, &cluster.shared.stats.durations),
            None => (&stats.requests, &stats.durations),
        };
        requests.record(self.code, self.flags);
        durations.record(duration);
        if let Some(on_end) = self.on_end.take() {
            on_end(self.outcome(duration));
        }
        if let Some(request) = &self.request {
            self.log(request, duration);
        }
        self.connection.request_ended(&self.watch);
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
