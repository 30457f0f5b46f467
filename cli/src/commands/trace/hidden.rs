//! A trace for showing: what is secret in the request and in the model is replaced.

use gatewright_behaviour::HeaderOutcome;
use gatewright_ir::{RouteMatch, ValueMatch};
use gatewright_secrets::{HIDDEN, address, is_secret_name, text};

use super::report::{Report, Result};

impl Report {
    /// Returns the report as it may be shown.
    pub fn shown(mut self) -> Self {
        self.listener.path = text(&self.listener.path).into_owned();
        self.listener.host = address(&self.listener.host).into_owned();
        self.summary = text(&self.summary).into_owned();
        for route in self.hosts.iter_mut().flat_map(|host| &mut host.routes).chain(&mut self.matched) {
            conditions(&mut route.matches);
        }
        for plugin in &mut self.plugins {
            plugin.module = text(&plugin.module).into_owned();
        }
        match &mut self.result {
            Result::Redirect { location, response_headers, .. } => {
                *location = text(&address(location)).into_owned();
                headers(response_headers);
            }
            Result::Refused { response_headers, .. } => headers(response_headers),
            Result::Forward(forward) => {
                forward.path = text(&forward.path).into_owned();
                forward.host = address(&forward.host).into_owned();
                for upstream in &mut forward.upstreams {
                    headers(&mut upstream.request_headers);
                    headers(&mut upstream.response_headers);
                }
            }
            _ => {}
        }
        self
    }
}

fn headers(edits: &mut HeaderOutcome) {
    for (name, change) in &mut edits.0 {
        for line in &mut change.add {
            *line = if is_secret_name(name) { HIDDEN.to_owned() } else { text(line).into_owned() };
        }
    }
}

/// Hides what is asked of headers and parameters whose names make their values secret.
fn conditions(matches: &mut RouteMatch) {
    matches.conditions.edit(|conditions| {
        for header in conditions.headers.iter_mut().filter(|header| is_secret_name(&header.name)) {
            value(&mut header.value);
        }
        for query in conditions.queries.iter_mut().filter(|query| is_secret_name(&query.name)) {
            value(&mut query.value);
        }
    });
}

fn value(test: &mut ValueMatch) {
    match test {
        ValueMatch::Exact(text) | ValueMatch::Prefix(text) | ValueMatch::Regex(text) => {
            *text = HIDDEN.to_owned();
        }
        ValueMatch::Present => {}
    }
}
