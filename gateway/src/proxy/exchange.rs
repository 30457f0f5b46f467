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
use super::filtered;
use super::forward::{Forwarded, Forwarding};
use super::record::Record;
use super::routing::{Chosen, RouteChoice};
use super::session::{self, Instead, Session};
use super::source::Source;
use super::upgrade;
use crate::body::{ClientBody, RequestBody};
use crate::config::{HttpConnections, RouteAction};
use crate::message::incoming::{self, Accepted, HeadRefusal};
use crate::message::{LocalReply, ReplyForm, RequestHead, ResponseHead, hop, reply};
use crate::stats::ResponseFlags;
use crate::upstream::Lease;
use crate::watch::Watch;

/// The stream ends without a response: its connection is closed, or the stream reset.
#[derive(Debug, thiserror::Error)]
#[error("a filter ended the stream")]
pub(crate) struct Ended;

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
    Response(ResponseHead, Source),
    Upgraded(Response<Incoming>, Lease),
}

/// Answers one request.
pub(crate) async fn answer(
    connection: Rc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Ended> {
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
        Some(refusal) => Ok(exchange.refuse(refusal, head.version)),
        None => {
            let (watch, server) = (exchange.record.watch.clone(), exchange.http.server_name.clone());
            unless_expired(&watch, pin!(exchange.run(head, body))).await.unwrap_or_else(|| {
                let (head, body) = reply::stream_timeout(watch.request_complete.get()).into_parts(form);
                Ok(response(head, ResponseBody::unrecorded(Source::Full(body).into()), server))
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
        self.send(head, Source::Full(body))
    }

    async fn run(mut self, head: RequestHead, body: Incoming) -> Result<Response<ResponseBody>, Ended> {
        let body = if body.is_end_stream() {
            self.record.watch.request_complete.set(true);
            RequestBody::Empty
        } else {
            RequestBody::Client(ClientBody::new(body, self.record.watch.clone()))
        };
        let choice = RouteChoice::new(self.connection.context.clone(), self.http.routes.clone());
        match session::start(&self.connection, &self.http, choice, head, body.is_end_stream()) {
            Ok((head, chosen)) => {
                let outcome = self.route(head, chosen, body).await;
                Ok(self.respond(outcome))
            }
            Err(session) => {
                let over = session.clone();
                self.record.on_end = Some(Box::new(move |outcome| over.finish(outcome)));
                // Apart, so that a request without filters is not as large as one that has them.
                Box::pin(self.run_filtered(session, body)).await
            }
        }
    }

    /// Runs a request that filters work on. Their answer at any time takes the place of what is under way.
    async fn run_filtered(
        mut self,
        session: Rc<Session>,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, Ended> {
        let instead = match filtered::request(&session, body).await {
            Err(instead) => instead,
            Ok((head, body)) => {
                let chosen = session.route(&head);
                let outcome = tokio::select! {
                    biased;
                    instead = session.instead() => Err(instead),
                    outcome = self.route(head, chosen, body) => Ok(outcome),
                };
                let endpoint = self.record.trail.endpoint.as_ref();
                session.answered_by(endpoint.map(|endpoint| endpoint.label.clone()));
                match outcome {
                    Ok(Routed::Upgraded(response, lease)) => {
                        return self.switch_filtered(&session, response, lease).await;
                    }
                    Ok(Routed::Response(head, source)) => {
                        return self.respond_filtered(&session, head, source).await;
                    }
                    Ok(Routed::Reply(reply)) => Instead::Reply(reply),
                    Err(instead) => instead,
                }
            }
        };
        match instead {
            Instead::Reply(reply) => {
                let (head, body) = reply.into_parts(self.form);
                self.respond_filtered(&session, head, Source::Full(body)).await
            }
            Instead::End => self.end(),
        }
    }

    /// Sends a response through the filters.
    async fn respond_filtered(
        self,
        session: &Rc<Session>,
        head: ResponseHead,
        source: Source,
    ) -> Result<Response<ResponseBody>, Ended> {
        match filtered::response(session, head, source).await {
            Ok((head, rest)) => Ok(self.send(head, rest)),
            Err(instead) => self.instead(instead),
        }
    }

    /// Does what a filter wants in the place of a response; that passes no filter again.
    fn instead(self, instead: Instead) -> Result<Response<ResponseBody>, Ended> {
        match instead {
            Instead::Reply(reply) => Ok(self.respond(Routed::Reply(reply))),
            Instead::End => self.end(),
        }
    }

    /// Ends the stream without a response.
    fn end(mut self) -> Result<Response<ResponseBody>, Ended> {
        self.record.complete = true;
        Err(Ended)
    }

    /// Carries out the action of the route.
    async fn route(&mut self, head: RequestHead, chosen: Option<Chosen>, body: RequestBody) -> Routed {
        let Some(Chosen { route, target }) = chosen else {
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
                    target,
                    websocket: self.upgrade.is_some(),
                };
                match forwarding.run(head, body).await {
                    Forwarded::Reply(reply) => Routed::Reply(reply),
                    Forwarded::Response(head, source) => Routed::Response(head, source),
                    Forwarded::Upgraded(response, lease) => Routed::Upgraded(response, lease),
                }
            }
        }
    }

    fn respond(self, outcome: Routed) -> Response<ResponseBody> {
        match outcome {
            Routed::Response(head, source) => self.send(head, source),
            Routed::Upgraded(response, lease) => {
                let head = agreement(&response);
                self.switch(head, response, lease)
            }
            Routed::Reply(reply) => {
                let (head, body) = reply.into_parts(self.form);
                self.send(head, Source::Full(body))
            }
        }
    }

    /// Hands the response over to the connection.
    fn send(mut self, head: ResponseHead, content: impl Into<Content>) -> Response<ResponseBody> {
        self.record.code = head.status.as_u16();
        response(head, ResponseBody::new(content.into(), self.record), self.http.server_name.clone())
    }

    /// Lets filters see that another protocol follows, or answer in the place of that.
    async fn switch_filtered(
        self,
        session: &Rc<Session>,
        agreed: Response<Incoming>,
        lease: Lease,
    ) -> Result<Response<ResponseBody>, Ended> {
        let head = agreement(&agreed);
        match filtered::agreement(session, head).await {
            Ok(head) => Ok(self.switch(head, agreed, lease)),
            Err(instead) => self.instead(instead),
        }
    }

    /// Agrees to the protocol that the upstream agreed to, and carries bytes from then on.
    fn switch(
        mut self,
        mut head: ResponseHead,
        mut agreed: Response<Incoming>,
        lease: Lease,
    ) -> Response<ResponseBody> {
        let upstream = hyper::upgrade::on(&mut agreed);
        let protocol = agreed.headers().get(header::UPGRADE).cloned();
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers
            .insert(header::UPGRADE, protocol.unwrap_or_else(|| HeaderValue::from_static("websocket")));
        self.record.code = head.status.as_u16();
        self.connection.switched();
        if let Some(client) = self.upgrade.take() {
            upgrade::carry(client, upstream, lease, self.record);
        }
        response(head, ResponseBody::unrecorded(Source::Empty.into()), self.http.server_name.clone())
    }
}

/// Returns the head of a response that agrees to another protocol, without what says to which.
fn agreement(agreed: &Response<Incoming>) -> ResponseHead {
    let mut headers = agreed.headers().clone();
    hop::strip(&mut headers);
    ResponseHead { status: agreed.status(), headers }
}
