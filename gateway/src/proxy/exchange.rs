//! One request and its response: accepted, filtered, routed, carried out, filtered again, answered.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::header::{self, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::body::{Content, ResponseBody};
use super::connection::Connection;
use super::filtered::Session;
use super::forward::{Forwarded, Forwarding};
use super::record::Record;
use super::routing::RouteChoice;
use super::upgrade;
use crate::body::{ClientBody, RequestBody};
use crate::config::{HttpConnections, RouteAction};
use crate::filter::Routing as _;
use crate::filter::chain::{Chain, Surroundings};
use crate::message::incoming::{self, Accepted, HeadRefusal};
use crate::message::reply;
use crate::message::{LocalReply, ReplyForm, RequestHead, ResponseHead};
use crate::stats::ResponseFlags;
use crate::upstream::Lease;
use crate::watch::Watch;

/// A request being answered.
struct Exchange {
    connection: Rc<Connection>,
    http: Arc<HttpConnections>,
    record: Box<Record>,
    form: ReplyForm,
    upgrade: Option<OnUpgrade>,
}

/// What the router made of a request.
enum Routed {
    Reply(LocalReply),
    Response(ResponseHead, Content),
    Upgraded(Response<Incoming>, Lease),
}

/// Answers one request.
pub(crate) async fn answer(
    connection: Rc<Connection>,
    mut request: Request<Incoming>,
) -> Response<ResponseBody> {
    let start = Instant::now();
    let http = connection.http();
    let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let random = &connection.context.random;
    let faulty = connection.next_is_faulty(parts.version);
    let (head, websocket, refusal) =
        match incoming::accept(parts, faulty, &connection.ends, connection.scheme, &http, random) {
            Ok(Accepted { head, websocket }) => (head, websocket, None),
            Err((refusal, head)) => (*head, false, Some(refusal)),
        };
    let record = Record::new(connection.clone(), start, &head, http.access_log);
    let form = head.reply_form();
    let exchange = Exchange { connection, http, record, form, upgrade: upgrade.filter(|_| websocket) };
    match refusal {
        Some(refusal) => exchange.refuse(refusal, head.version),
        None => {
            let (watch, server) = (exchange.record.watch.clone(), exchange.http.server_name.clone());
            unless_expired(&watch, pin!(exchange.run(head, body))).await.unwrap_or_else(|| {
                let (head, body) = reply::stream_timeout(watch.request_complete.get()).into_parts(form);
                response(head, ResponseBody::unrecorded(Content::Full(body)), server)
            })
        }
    }
}

/// Runs a request until its response is there, or nothing has moved on it for too long.
async fn unless_expired<T>(watch: &Watch, mut run: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| {
        if watch.is_expired() {
            return Poll::Ready(None);
        }
        let polled = run.as_mut().poll(cx).map(Some);
        if polled.is_pending() {
            watch.register(cx.waker());
        }
        polled
    })
    .await
}

fn response(head: ResponseHead, body: ResponseBody, server: HeaderValue) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response.headers_mut().insert(header::SERVER, server);
    response
}

impl Exchange {
    fn refuse(mut self, refusal: HeadRefusal, version: Version) -> Response<ResponseBody> {
        let (mut reply, flag) = match refusal {
            HeadRefusal::BadRequest => (reply::bad_request(), ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR),
            HeadRefusal::Scheme => (reply::forbidden(), ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR),
            HeadRefusal::TransferCoding => {
                (reply::not_implemented(), ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
            }
            HeadRefusal::NotFound => (reply::not_found(), ResponseFlags::NO_ROUTE),
            HeadRefusal::Upgrade => (reply::forbidden(), ResponseFlags::default()),
        };
        self.record.flags.add(flag);
        // Of what follows nobody knows whether it is another request.
        if flag == ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR && version < Version::HTTP_2 {
            reply.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let (head, body) = reply.into_parts(self.form);
        self.send(head, Content::Full(body))
    }

    async fn run(mut self, head: RequestHead, body: Incoming) -> Response<ResponseBody> {
        let body = if body.is_end_stream() {
            self.record.watch.request_complete.set(true);
            RequestBody::Empty
        } else {
            RequestBody::Client(ClientBody::new(body, self.record.watch.clone()))
        };
        let mut choice = RouteChoice::new(self.connection.context.shared.clone(), self.http.routes.clone());
        let mut around = Surroundings { uses: &self.http.filters, routing: &mut choice };
        match Chain::start(head, body.is_end_stream(), &mut around) {
            Ok(head) => {
                let route = choice.route(&head);
                let outcome = self.route(head, route, body).await;
                self.respond(outcome).await
            }
            Err(chain) => {
                let session = Session::new(chain, choice, self.http.clone());
                self.run_filtered(session, body).await
            }
        }
    }

    /// Runs a request that filters work on. Their answer at any time takes the place of what is under way.
    async fn run_filtered(mut self, session: Rc<Session>, body: RequestBody) -> Response<ResponseBody> {
        let outcome = match session.request_head(body).await {
            Err(reply) => Routed::Reply(reply),
            Ok((head, body)) => {
                let route = session.route(&head);
                tokio::select! {
                    biased;
                    reply = session.reply() => Routed::Reply(reply),
                    outcome = self.route(head, route, body) => outcome,
                }
            }
        };
        let (head, content) = match outcome {
            Routed::Upgraded(response, lease) => return self.switch(response, lease),
            Routed::Response(head, content) => (head, content),
            Routed::Reply(reply) => {
                let (head, body) = reply.into_parts(self.form);
                (head, Content::Full(body))
            }
        };
        match session.response(head, content).await {
            Ok((head, content)) => self.send(head, content),
            Err(reply) => {
                let (head, body) = reply.into_parts(self.form);
                self.send(head, Content::Full(body))
            }
        }
    }

    /// Carries out the action of the route.
    async fn route(
        &mut self,
        head: RequestHead,
        route: Option<Arc<crate::config::Route>>,
        body: RequestBody,
    ) -> Routed {
        let Some(route) = route else {
            self.record.flags.add(ResponseFlags::NO_ROUTE);
            return Routed::Reply(reply::not_found());
        };
        self.record.route = Some(route.clone());
        match &route.action {
            RouteAction::Redirect(action) => {
                Routed::Reply(reply::redirect(action, &head, &route.response_headers))
            }
            RouteAction::Direct(action) => Routed::Reply(reply::direct(action, &route.response_headers)),
            RouteAction::Forward(action) => {
                let forwarding = Forwarding {
                    context: &self.connection.context,
                    record: &mut self.record,
                    route: &route,
                    action,
                    websocket: self.upgrade.is_some(),
                };
                match forwarding.run(head, body).await {
                    Forwarded::Reply(reply) => Routed::Reply(reply),
                    Forwarded::Response(head, content) => Routed::Response(head, content),
                    Forwarded::Upgraded(response, lease) => Routed::Upgraded(response, lease),
                }
            }
        }
    }

    async fn respond(self, outcome: Routed) -> Response<ResponseBody> {
        match outcome {
            Routed::Response(head, content) => self.send(head, content),
            Routed::Upgraded(response, lease) => self.switch(response, lease),
            Routed::Reply(reply) => {
                let (head, body) = reply.into_parts(self.form);
                self.send(head, Content::Full(body))
            }
        }
    }

    /// Hands the response over to the connection.
    fn send(mut self, head: ResponseHead, content: Content) -> Response<ResponseBody> {
        self.record.code = head.status.as_u16();
        response(head, ResponseBody::new(content, self.record), self.http.server_name.clone())
    }

    /// Agrees to the protocol that the upstream agreed to, and carries bytes from then on.
    fn switch(mut self, mut agreed: Response<Incoming>, lease: Lease) -> Response<ResponseBody> {
        let upstream = hyper::upgrade::on(&mut agreed);
        let (parts, _) = agreed.into_parts();
        let mut headers = parts.headers;
        let protocol = headers.get(header::UPGRADE).cloned();
        crate::message::hop::strip(&mut headers);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, protocol.unwrap_or_else(|| HeaderValue::from_static("websocket")));
        self.record.code = parts.status.as_u16();
        self.connection.switched();
        if let Some(client) = self.upgrade.take() {
            upgrade::carry(client, upstream, lease, self.record);
        }
        let head = ResponseHead { status: parts.status, headers };
        response(head, ResponseBody::unrecorded(Content::Empty), self.http.server_name.clone())
    }
}
