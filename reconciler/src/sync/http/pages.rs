//! The pages of a sync: what is answered at which path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use gatewright_diagnostics::outlet::{Form, released};
use http::{HeaderValue, StatusCode, header};
use tokio::sync::Notify;

use super::webhook::{self, WebhookSecret};
use crate::sync::metrics::Metrics;
use crate::sync::round::{Round, status_text};

const JSON: &str = "application/json";
const NO_ROUND: &str = "no round has ended yet\n";

/// What all pages are made from.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    secret: Option<WebhookSecret>,
    told: Mutex<Told>,
    woken: Notify,
}

#[derive(Default)]
struct Told {
    /// The status file's text; none before the first round.
    status: Option<String>,
    metrics: Metrics,
}

impl Shared {
    pub(super) fn new(secret: Option<WebhookSecret>) -> Self {
        Shared(Arc::new(Inner { secret, told: Mutex::default(), woken: Notify::new() }))
    }

    pub(super) fn publish(&self, round: &Round, took: Duration, now: i64) {
        let mut told = self.told();
        told.metrics.count(round, took, now);
        told.status = status_text(round).ok();
    }

    /// Waits for [`Self::wake`]; several that come during one round ask for one more.
    pub(super) async fn woken(&self) {
        self.0.woken.notified().await;
    }

    pub(super) fn wake(&self) {
        self.0.woken.notify_one();
    }

    pub(super) fn secret(&self) -> Option<&WebhookSecret> {
        self.0.secret.as_ref()
    }

    pub(super) fn count_webhook(&self, accepted: bool) {
        let metrics = &mut self.told().metrics;
        *(if accepted { &mut metrics.webhooks_accepted } else { &mut metrics.webhooks_refused }) += 1;
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns all pages.
pub(super) fn pages(shared: Shared) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/webhook", post(webhook::receive))
        .method_not_allowed_fallback(|| async { plain(StatusCode::METHOD_NOT_ALLOWED, "no such method\n") })
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "no such page\n") })
        .with_state(shared)
}

async fn status(State(shared): State<Shared>) -> Response {
    match shared.told().status.clone() {
        Some(status) => text(StatusCode::OK, JSON, status),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, NO_ROUND),
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.told().status.is_some() {
        true => plain(StatusCode::OK, "ready\n"),
        false => plain(StatusCode::SERVICE_UNAVAILABLE, NO_ROUND),
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let metrics = shared.told().metrics.to_string();
    text(StatusCode::OK, "text/plain; version=0.0.4", metrics)
}

pub(super) fn plain(status: StatusCode, body: &'static str) -> Response {
    text(status, "text/plain", body.to_owned())
}

/// Returns an answer with nothing in it that steers a terminal or is secret by its shape, whoever put it in.
fn text(status: StatusCode, kind: &'static str, body: String) -> Response {
    let form = if kind == JSON { Form::Json } else { Form::Text { color: false } };
    let mut response = Response::new(Body::from(released(form, body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
