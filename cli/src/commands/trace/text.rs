//! A trace for people.

use anstyle::{AnsiColor, Style};
use gatewright_behaviour::{BadRequest, CorsReply, Handshake, HeaderOutcome};
use gatewright_diagnostics::outlet::visible;
use gatewright_ir::{Endpoint, LoadBalancing, Scheme};

use super::report::{Forwarded, Report, Result, TracedHost, TracedRoute, Upstream, path_text};

/// Endpoints of one upstream that are named.
const ENDPOINTS: usize = 6;

/// Renders a report.
pub(super) fn text(report: &Report, color: bool) -> String {
    let mut writer = Writer { out: String::new(), color };
    writer.heading(&report.request);
    writer.listener(report);
    for (index, host) in report.hosts.iter().enumerate() {
        writer.host(host, index > 0);
    }
    if report.hosts.is_empty() && !matches!(report.result, Result::Closed | Result::BadRequest { .. }) {
        writer.row("host", &format!("no virtual host serves {}", report.listener.host));
    }
    writer.plugins(report);
    writer.result(report);
    writer.not_modelled(report);
    writer.out
}

struct Writer {
    out: String,
    color: bool,
}

impl Writer {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn heading(&mut self, text: &str) {
        let text = self.paint(Style::new().bold(), &visible(text));
        self.out.push_str(&format!("{text}\n\n"));
    }

    fn row(&mut self, label: &str, text: &str) {
        let label = self.paint(Style::new().dimmed(), &format!("{label:<10}"));
        self.out.push_str(&format!("{label} {}\n", visible(text)));
    }

    fn listener(&mut self, report: &Report) {
        let listener = &report.listener;
        let door = match listener.entry {
            Scheme::Http => "plain",
            Scheme::Https => "TLS",
        };
        self.row("listener", &format!("{door}, {}", listener.address));
        if let Some(handshake) = &listener.handshake {
            let by = listener.server_name.iter().map(|name| format!(" (server name {name})"));
            self.row("handshake", &format!("{}{}", handshake_text(handshake), by.collect::<String>()));
        }
        self.row("matched on", &format!("host {}, path {}", listener.host, listener.path));
    }

    fn host(&mut self, host: &TracedHost, fell_through: bool) {
        let how = if fell_through { ", because nothing above matched" } else { "" };
        self.row("host", &format!("{}{how}", host.host));
        for route in &host.routes {
            self.route(route);
        }
    }

    fn route(&mut self, route: &TracedRoute) {
        let (sign, style) = match route.mismatch {
            None => ("=>", AnsiColor::Green.on_default().bold()),
            Some(_) => ("  ", Style::new()),
        };
        let sign = self.paint(style, sign);
        let why = match &route.mismatch {
            Some(mismatch) => mismatch.clone(),
            None => "matches".to_owned(),
        };
        let name = format!("{} ({})", path_text(&route.matches), route.name);
        let place = route.location.iter().map(|location| format!("  {location}")).collect::<String>();
        let place = self.paint(Style::new().dimmed(), &visible(&place));
        self.out.push_str(&format!("        {sign} {}: {}{place}\n", visible(&name), visible(&why)));
    }

    fn plugins(&mut self, report: &Report) {
        for plugin in &report.plugins {
            let strategy = match plugin.fail_strategy {
                gatewright_ir::FailStrategy::FailClose => {
                    "FAIL_CLOSE: not executed by this version, so requests are refused"
                }
                gatewright_ir::FailStrategy::FailOpen => {
                    "FAIL_OPEN: not executed by this version, so requests pass unchanged"
                }
            };
            self.row(
                "plugin",
                &format!("{} {} config {}, {strategy}", plugin.plugin, plugin.module, plugin.config.0),
            );
        }
    }

    fn result(&mut self, report: &Report) {
        match &report.result {
            Result::Closed => self.row("result", &report.summary),
            Result::BadRequest { status, reason } => {
                let what = if *reason == BadRequest::Authority { "host" } else { "path" };
                self.row("result", &format!("{status}, malformed {what}"));
            }
            Result::NoRoute { status } => self.row("result", &format!("{status}, no route")),
            Result::Redirect { status, location, response_headers } => {
                self.row("result", &format!("redirect {status} to {location}"));
                self.headers("response", response_headers);
            }
            Result::Refused { status, code, reason, response_headers } => {
                self.row("result", &format!("{status} {code} {reason}"));
                self.headers("response", response_headers);
            }
            Result::Preflight { status, cors, allow_methods, allow_headers, max_age_s } => {
                self.row("result", &format!("{status} from the CORS filter; no upstream is asked"));
                self.row(
                    "cors",
                    &format!(
                        "{}; methods {allow_methods}; headers {allow_headers}; {max_age_s} s",
                        cors_text(cors)
                    ),
                );
            }
            Result::Forward(forward) => self.forward(report, forward),
        }
    }

    fn forward(&mut self, report: &Report, forward: &Forwarded) {
        if let Some(cors) = &forward.cors {
            self.row("cors", &cors_text(cors));
        }
        self.row("upstream", &format!("sees host {}, path {}", forward.host, forward.path));
        let total: u64 = forward.upstreams.iter().map(|upstream| u64::from(upstream.weight)).sum();
        for upstream in &forward.upstreams {
            self.upstream(upstream, total, forward.upstreams.len() > 1);
        }
        let plain = forward.plain.facets().map(|row| format!("{} {}", row.facet, row.text));
        self.row("limits", &plain.join("; "));
        self.row(
            "result",
            &match forward.status {
                Some(status) => format!("{status}, no upstream has an endpoint"),
                None => report.summary.clone(),
            },
        );
    }

    fn upstream(&mut self, upstream: &Upstream, total: u64, several: bool) {
        let share = if several {
            format!(" {:.1} %", u64::from(upstream.weight) as f64 * 100.0 / total.max(1) as f64)
        } else {
            String::new()
        };
        self.row("cluster", &format!("{}{share}", upstream.cluster));
        match upstream.serving.as_deref() {
            None => self.row("", "  no endpoint: 503"),
            Some(serving) if serving != upstream.cluster => {
                self.row("", &format!("  no endpoint, so {serving} takes over"))
            }
            Some(_) => {}
        }
        let named: Vec<String> = upstream.endpoints.iter().take(ENDPOINTS).map(endpoint).collect();
        if !named.is_empty() {
            let more = upstream.endpoints.len().saturating_sub(ENDPOINTS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let dns = if upstream.dns { "by DNS: " } else { "" };
            let balancing =
                upstream.load_balancing.and_then(balancing).filter(|_| upstream.endpoints.len() > 1);
            self.row("", &format!("  {dns}{}{more}{}", named.join(", "), balancing.unwrap_or_default()));
        }
        self.headers("request", &upstream.request_headers);
        self.headers("response", &upstream.response_headers);
    }

    fn headers(&mut self, label: &str, edits: &HeaderOutcome) {
        if !edits.is_empty() {
            self.row(label, &format!("headers: {edits}"));
        }
    }

    fn not_modelled(&mut self, report: &Report) {
        for finding in &report.not_modelled {
            let text = format!("{} {} ({})", finding.code, finding.message, finding.location);
            self.row("may differ", &text);
        }
    }
}

fn handshake_text(handshake: &Handshake) -> String {
    match handshake {
        Handshake::Served { min_version, .. } => {
            let version = serde_json::to_value(min_version).ok();
            let version = version.as_ref().and_then(|version| version.as_str()).unwrap_or_default();
            format!("{handshake}, {version} or newer")
        }
        _ => handshake.to_string(),
    }
}

fn cors_text(cors: &CorsReply) -> String {
    let credentials = if cors.allow_credentials { "with" } else { "without" };
    let exposes = match cors.expose_headers.as_str() {
        "" => String::new(),
        headers => format!("; exposes {headers}"),
    };
    format!("origin {} allowed {credentials} credentials{exposes}", cors.allow_origin)
}

/// Returns what is said of a choice that is not the default.
fn balancing(policy: LoadBalancing) -> Option<&'static str> {
    match policy {
        LoadBalancing::LeastRequest => None,
        LoadBalancing::RoundRobin => Some(", in turn"),
        LoadBalancing::Random => Some(", at random"),
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    let Endpoint { address, port, weight, healthy } = endpoint;
    let weight = if *weight == 1 { String::new() } else { format!(" (weight {weight})") };
    let health = if *healthy { "" } else { " (unhealthy)" };
    format!("{address}:{port}{weight}{health}")
}
