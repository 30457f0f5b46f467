//! The CORS filter: answers preflights and adds the headers that let a browser read a response of another origin.

use std::any::Any as AnySettings;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_http::origin;
use gatewright_xds::envoy::extensions::filters::http::cors::v3 as xds;
use gatewright_xds::google::protobuf::Any;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::{CorsPolicy, FieldError, Route, RouteAction};
use crate::message::{LocalReply, RequestHead, ResponseHead};
use crate::stream::{Event, Factory, Filter, FilterKind, Host, Loading, Shared, Side, Start, Step, Worker};

pub(super) struct CorsKind;

impl FilterKind for CorsKind {
    fn chain_type(&self) -> &'static str {
        "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"
    }

    fn route_type(&self) -> Option<&'static str> {
        Some("type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy")
    }

    fn load(&self, message: Any) -> Loading {
        let loaded = gatewright_xds::unpack::<xds::Cors>(&message)
            .map(|_| -> Arc<dyn Shared> { Arc::new(Cors) })
            .map_err(|error| FieldError::new("typed_config", error.to_string()));
        Loading::Ready(loaded)
    }

    fn route_settings(&self, message: Any) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        let policy: xds::CorsPolicy = gatewright_xds::unpack(&message)
            .map_err(|error| FieldError::new("typed_config", error.to_string()))?;
        Ok(Arc::new(CorsPolicy::try_from(policy)?))
    }
}

/// The filter in a chain, which has no settings; its factory has no state.
#[derive(Clone, Copy)]
struct Cors;

impl Shared for Cors {
    fn attach(&self, _worker: &Worker) -> Rc<dyn Factory> {
        Rc::new(*self)
    }
}

impl Factory for Cors {
    fn filter(&self, start: &Start<'_>) -> Option<Box<dyn Filter>> {
        let origin = origin(&start.head().headers)?;
        let route = start.route()?;
        if !matches!(route.action, RouteAction::Forward(_)) {
            // Envoy knows a policy only where it knows an upstream.
            return None;
        }
        let policy: &CorsPolicy = route.filter_settings(start.name())?;
        let allowed = policy.origins.iter().any(|test| test.passes(origin.as_bytes()));
        Some(Box::new(CorsFilter { origin, allowed, route: route.clone(), answered: false }))
    }
}

/// Returns the origin that a request names.
fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(header::ORIGIN);
    match origin::named(lines.iter().map(HeaderValue::as_bytes))? {
        Cow::Borrowed(_) => lines.iter().find(|line| !line.is_empty()).cloned(),
        Cow::Owned(all) => HeaderValue::from_bytes(&all).ok(),
    }
}

struct CorsFilter {
    origin: HeaderValue,
    allowed: bool,
    route: Arc<Route>,
    /// Whether the response is our own answer to a preflight, complete as it is.
    answered: bool,
}

impl Filter for CorsFilter {
    fn on(&mut self, event: Event<'_>, host: &mut Host<'_>) -> Step {
        let route = self.route.clone();
        let Some(policy) = route.filter_settings::<CorsPolicy>(host.name()) else { return Step::Continue };
        match event {
            Event::Head { side: Side::Request, .. } => match host.request() {
                Some(head) => self.request(policy, head),
                None => Step::Continue,
            },
            Event::Head { side: Side::Response, .. } => {
                if let Some(head) = host.response_mut() {
                    self.response(policy, head);
                }
                Step::Continue
            }
            _ => Step::Continue,
        }
    }
}

impl CorsFilter {
    fn request(&mut self, policy: &CorsPolicy, head: &RequestHead) -> Step {
        let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).map(HeaderValue::as_bytes);
        match (origin::is_preflight(head.method.as_str(), asked), self.allowed) {
            (true, true) => {
                self.answered = true;
                Step::Reply(self.preflight_answer(policy, head))
            }
            (true, false) if !policy.forward_foreign_preflights => {
                Step::Reply(LocalReply::new(StatusCode::OK, Bytes::new()))
            }
            _ => Step::Continue,
        }
    }

    fn response(&self, policy: &CorsPolicy, head: &mut ResponseHead) {
        if self.answered || !self.allowed {
            return;
        }
        head.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        if policy.credentials {
            head.headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &policy.expose {
            head.headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn preflight_answer(&self, policy: &CorsPolicy, head: &RequestHead) -> LocalReply {
        let mut reply = LocalReply::new(StatusCode::OK, Bytes::new());
        let mut set = |name: HeaderName, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                reply.headers.insert(name, value.clone());
            }
        };
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(&self.origin));
        // A star says that whatever the client asks for is fine, credentials or not.
        let named = |allowed: Option<&'_ HeaderValue>, asked: HeaderName| match allowed {
            Some(star) if star == "*" => {
                Some(head.headers.get(asked).cloned().unwrap_or(HeaderValue::from_static("")))
            }
            other => other.cloned(),
        };
        let methods = named(policy.methods.as_ref(), header::ACCESS_CONTROL_REQUEST_METHOD);
        set(header::ACCESS_CONTROL_ALLOW_METHODS, methods.as_ref());
        let headers = named(policy.headers.as_ref(), header::ACCESS_CONTROL_REQUEST_HEADERS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.as_ref());
        set(header::ACCESS_CONTROL_MAX_AGE, policy.max_age.as_ref());
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, policy.expose.as_ref());
        let credentials = HeaderValue::from_static("true");
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, policy.credentials.then_some(&credentials));
        reply
    }
}
