//! The pages of a sync: what is answered at which path. All of it comes from views.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use gatewright_diagnostics::outlet::{Form, released};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::accept::{self, Wish};
use super::webhook::{self, WebhookSecret};
use crate::sync::document;
use crate::sync::metrics::{self, Webhooks};
use crate::sync::round::status_text;
use crate::sync::text::view_text;
use crate::sync::view::{View, Watched};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const NO_ROUND: &str = "no round has ended yet\n";

/// What all pages are made from.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    apps: Vec<Watched>,
    secret: Option<WebhookSecret>,
    webhooks_accepted: AtomicU64,
    webhooks_refused: AtomicU64,
}

impl Shared {
    pub(super) fn new(apps: Vec<Watched>, secret: Option<WebhookSecret>) -> Self {
        let (webhooks_accepted, webhooks_refused) = Default::default();
        Shared(Arc::new(Inner { apps, secret, webhooks_accepted, webhooks_refused }))
    }

    /// Asks every application for a round.
    pub(super) fn wake(&self) {
        self.0.apps.iter().for_each(Watched::wake);
    }

    pub(super) fn secret(&self) -> Option<&WebhookSecret> {
        self.0.secret.as_ref()
    }

    pub(super) fn count_webhook(&self, accepted: bool) {
        let counter = if accepted { &self.0.webhooks_accepted } else { &self.0.webhooks_refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn webhooks(&self) -> Webhooks {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Webhooks { accepted: read(&self.0.webhooks_accepted), refused: read(&self.0.webhooks_refused) }
    }

    fn views(&self) -> Vec<Arc<View>> {
        self.0.apps.iter().map(Watched::view).collect()
    }
}

/// Returns all pages.
pub(super) fn pages(shared: Shared) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/apps", get(apps))
        .route("/api/v1/apps/{name}", get(app))
        .route("/webhook", post(webhook::receive))
        .method_not_allowed_fallback(|| async { plain(StatusCode::METHOD_NOT_ALLOWED, "no such method\n") })
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "no such page\n") })
        .with_state(shared)
}

/// Answers for people and for those who read the status file: one application is its status file, several are a list.
async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let views = shared.views();
    let mut response = match (accept::wish(&headers), views.as_slice()) {
        (Wish::Text, _) => {
            let several = views.len() > 1;
            answer(StatusCode::OK, TEXT, views.iter().map(|view| view_text(view, several)).collect())
        }
        (Wish::Json, [only]) => match &only.last {
            Some(last) => json(status_text(&last.round)),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, NO_ROUND),
        },
        (Wish::Json, _) => json(document::applications(&views)),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

async fn apps(State(shared): State<Shared>) -> Response {
    json(document::applications(&shared.views()))
}

async fn app(State(shared): State<Shared>, name: Result<Path<String>, PathRejection>) -> Response {
    let views = shared.views();
    // What is no text is no name of ours.
    let view = name.ok().and_then(|Path(name)| views.iter().find(|view| view.name.as_str() == name));
    match view {
        Some(view) => json(document::application(view)),
        None => plain(StatusCode::NOT_FOUND, "no such application\n"),
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.views().iter().all(|view| view.last.is_some()) {
        true => plain(StatusCode::OK, "ready\n"),
        false => plain(StatusCode::SERVICE_UNAVAILABLE, NO_ROUND),
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let text = metrics::text(&shared.views(), shared.webhooks());
    answer(StatusCode::OK, "text/plain; version=0.0.4", text)
}

fn json(body: String) -> Response {
    answer(StatusCode::OK, JSON, body)
}

pub(super) fn plain(status: StatusCode, body: &'static str) -> Response {
    answer(status, "text/plain", body.to_owned())
}

/// Returns an answer with nothing in it that steers a terminal or is secret by its shape, whoever put it in.
fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    let form = if kind == JSON { Form::Json } else { Form::Text { color: false } };
    let mut response = Response::new(Body::from(released(form, body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
