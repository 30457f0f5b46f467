//! What a decision says that a client and a backend notice, compared with what they noticed.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::{
    CorsReply, Decision, ForwardEffect, Handshake, HeaderOutcome, PreflightReply, Reply, Request,
    TargetOutcome,
};
use gatewright_ir::Ir;
use serde::Deserialize;

use super::client::{Answer, Seen};
use super::ground::Ground;
use super::requests::ECHO_DELAY;

type Lines = BTreeMap<String, Vec<String>>;

/// Headers that belong to CORS; where no rule sends them, none may be there.
const CORS_HEADERS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
];

/// How an answer differs from what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What differs, in one or two words: differences of a kind are reported once.
    pub(crate) kind: &'static str,
    /// The two values.
    pub(crate) text: String,
}

/// What an echo backend received.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Echo {
    pub(crate) backend: String,
    method: String,
    path: String,
    host: String,
    pub(crate) headers: Lines,
}

impl Echo {
    /// Reads the body of an answer; none where no backend wrote it.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }
}

/// A decision about a request.
pub(crate) struct Expectation<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) ir: &'a Ir,
    pub(crate) request: &'a Request,
    pub(crate) decision: &'a Decision,
}

impl Expectation<'_> {
    /// Compares an answer.
    pub(crate) fn check(&self, seen: &Seen) -> Result<(), Difference> {
        let reply = &self.decision.effect.reply;
        let answer = match (seen, reply) {
            (Seen::Closed(_), Reply::Closed) => return Ok(()),
            (Seen::Closed(reason), _) => return differs("closed", format!("no answer: {reason}")),
            (Seen::Answer(answer), Reply::Closed) => {
                return differs(
                    "not closed",
                    format!("status {} instead of a closed connection", answer.status),
                );
            }
            (Seen::Answer(answer), _) => answer,
        };
        self.certificate(answer)?;
        match reply {
            Reply::Forwarded(forward) => self.forwarded(forward, answer),
            reply => self.local(reply, answer),
        }
    }

    fn certificate(&self, answer: &Answer) -> Result<(), Difference> {
        let Some(Handshake::Served { certificate, .. }) = &self.decision.effect.handshake else {
            return Ok(());
        };
        if answer.certificate == self.ground.certificate(certificate) {
            return Ok(());
        }
        differs("certificate", format!("another certificate than that of Secret {certificate}"))
    }

    fn local(&self, reply: &Reply, answer: &Answer) -> Result<(), Difference> {
        if let Some(echo) = Echo::of(answer) {
            return differs("forwarded", format!("backend {} answered instead of the gateway", echo.backend));
        }
        same("status", &answer.status, &reply.status().unwrap_or_default())?;
        match reply {
            Reply::Redirect { location, response_headers, .. } => {
                same("location", &answer.header("location").unwrap_or_default(), location)?;
                response_lines(answer, response_headers, Lines::new(), None)
            }
            Reply::Refused(refused) => {
                if self.request.method != "HEAD" {
                    let expected = format!("{} {}", refused.refusal.code, refused.refusal.reason);
                    same("body", &String::from_utf8_lossy(&answer.body).trim_end(), &expected.as_str())?;
                }
                response_lines(answer, &refused.response_headers, Lines::new(), None)
            }
            Reply::Preflight(preflight) => {
                same_lines("preflight", &cors_lines(answer), &preflight_lines(preflight))
            }
            _ => same_lines("CORS headers", &cors_lines(answer), &Lines::new()),
        }
    }

    fn forwarded(&self, forward: &ForwardEffect, answer: &Answer) -> Result<(), Difference> {
        let slow = self.request.headers.iter().any(|(name, _)| name == ECHO_DELAY);
        let served = forward.targets.iter().any(|target| target.serving().is_some());
        if slow && served && forward.plain.timeout_ms.is_some() {
            return same("status", &answer.status, &504);
        }
        if self.request.method == "HEAD" {
            return self.headless(forward, answer);
        }
        let Some(echo) = Echo::of(answer) else {
            if answer.status == 503 && forward.targets.iter().any(|target| target.serving().is_none()) {
                return Ok(());
            }
            return differs("not forwarded", format!("status {} without a backend", answer.status));
        };
        same("status", &answer.status, &200)?;
        let mut difference = None;
        for target in &forward.targets {
            let Some(serving) = target.serving() else { continue };
            if self.ground.backends_of(self.ir, &serving.name).contains(echo.backend.as_str()) {
                match self.upstream(forward, target, &echo, answer) {
                    Ok(()) => return Ok(()),
                    Err(found) => difference = Some(found),
                }
            }
        }
        match difference {
            Some(difference) => Err(difference),
            None => differs("backend", format!("backend {} is none of the targets", echo.backend)),
        }
    }

    /// An answer to `HEAD` tells nothing of the backend.
    fn headless(&self, forward: &ForwardEffect, answer: &Answer) -> Result<(), Difference> {
        let results = forward.targets.iter().map(|target| match target.serving() {
            Some(_) => {
                same("status", &answer.status, &200)?;
                let base = Lines::from([("x-up".to_owned(), vec!["up".to_owned()])]);
                response_lines(answer, &target.response_headers, base, forward.cors.as_ref())
            }
            None => same("status", &answer.status, &503),
        });
        let results: Vec<_> = results.collect();
        if results.iter().any(Result::is_ok) { Ok(()) } else { results.into_iter().next().unwrap_or(Ok(())) }
    }

    fn upstream(
        &self,
        forward: &ForwardEffect,
        target: &TargetOutcome,
        echo: &Echo,
        answer: &Answer,
    ) -> Result<(), Difference> {
        same("method", &echo.method, &self.request.method)?;
        same("upstream path", &echo.path, &forward.path)?;
        same("upstream host", &echo.host, &forward.host)?;
        let mut sent = Lines::new();
        for (name, value) in &self.request.headers {
            sent.entry(name.to_ascii_lowercase())
                .or_default()
                .push(value.trim_matches([' ', '\t']).to_owned());
        }
        let names: BTreeSet<String> = sent.keys().chain(target.request_headers.0.keys()).cloned().collect();
        let received = names.iter().filter_map(|name| Some((name.clone(), echo.headers.get(name)?.clone())));
        same_lines("request headers", &received.collect(), &edited(&target.request_headers, sent))?;
        let base = Lines::from([("x-up".to_owned(), vec!["up".to_owned()])]);
        response_lines(answer, &target.response_headers, base, forward.cors.as_ref())
    }
}

/// Compares the answer's headers that edits or CORS speak of.
fn response_lines(
    answer: &Answer,
    edits: &HeaderOutcome,
    base: Lines,
    cors: Option<&CorsReply>,
) -> Result<(), Difference> {
    let names = edits.0.keys().chain(base.keys()).cloned().collect();
    same_lines("response headers", &lines(answer, &names), &edited(edits, base))?;
    same_lines("CORS headers", &cors_lines(answer), &cors.map(common_lines).unwrap_or_default())
}

fn lines(answer: &Answer, names: &BTreeSet<String>) -> Lines {
    let mut lines = Lines::new();
    for (name, value) in answer.headers.iter().filter(|(name, _)| names.contains(name)) {
        lines.entry(name.clone()).or_default().push(value.clone());
    }
    lines
}

fn cors_lines(answer: &Answer) -> Lines {
    let mut lines = lines(answer, &CORS_HEADERS.map(str::to_owned).into_iter().collect());
    // An empty list allows as much as none.
    lines.retain(|_, values| values.iter().any(|value| !value.is_empty()));
    lines
}

fn common_lines(cors: &CorsReply) -> Lines {
    let pairs = [
        ("access-control-allow-origin", cors.allow_origin.as_str()),
        ("access-control-allow-credentials", if cors.allow_credentials { "true" } else { "" }),
        ("access-control-expose-headers", cors.expose_headers.as_str()),
    ];
    let present = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    present.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect()
}

fn preflight_lines(preflight: &PreflightReply) -> Lines {
    let mut lines = common_lines(&preflight.common);
    let age = preflight.max_age_s.to_string();
    for (name, value) in [
        ("access-control-allow-methods", &preflight.allow_methods),
        ("access-control-allow-headers", &preflight.allow_headers),
        ("access-control-max-age", &age),
    ] {
        if !value.is_empty() {
            lines.insert(name.to_owned(), vec![value.clone()]);
        }
    }
    lines
}

fn edited(edits: &HeaderOutcome, mut lines: Lines) -> Lines {
    for (name, change) in &edits.0 {
        let mut kept = lines.remove(name).filter(|_| change.keep).unwrap_or_default();
        kept.extend(change.add.iter().cloned());
        if !kept.is_empty() {
            lines.insert(name.clone(), kept);
        }
    }
    lines
}

/// Returns whether all targets serve alike, so that one request can be compared between planes.
pub(crate) fn is_certain(decision: &Decision) -> bool {
    !matches!(&decision.effect.reply, Reply::Forwarded(forward) if forward.targets.len() > 1)
}

fn same<T: PartialEq + std::fmt::Debug>(
    kind: &'static str,
    found: &T,
    expected: &T,
) -> Result<(), Difference> {
    if found == expected {
        Ok(())
    } else {
        differs(kind, format!("{kind} {found:?} instead of {expected:?}"))
    }
}

/// Compares headers; the lines of one header and one line with commas are the same, and of several an empty one is
/// none.
fn same_lines(kind: &'static str, found: &Lines, expected: &Lines) -> Result<(), Difference> {
    let joined = |lines: &Lines| -> BTreeMap<String, String> {
        let text = |lines: &Vec<String>| {
            let full: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
            full.join(",")
        };
        lines.iter().map(|(name, lines)| (name.clone(), text(lines))).collect()
    };
    same(kind, &joined(found), &joined(expected))
}

fn differs(kind: &'static str, text: String) -> Result<(), Difference> {
    Err(Difference { kind, text })
}

/// Headers that two programs may fill in as they like.
const OWN_HEADERS: [&str; 7] = [
    "date",
    "x-envoy-upstream-service-time",
    "content-length",
    "transfer-encoding",
    "connection",
    "x-request-id",
    // Envoy writes its own address in the place of a loopback client's.
    "x-forwarded-for",
];

/// Compares everything that two planes showed of one request, beyond what the model speaks of.
pub(crate) fn planes_agree(envoy: &Seen, gateway: &Seen) -> Result<(), Difference> {
    let (Seen::Answer(envoy), Seen::Answer(gateway)) = (envoy, gateway) else { return Ok(()) };
    let (echoes, all) = ((Echo::of(gateway), Echo::of(envoy)), |answer: &Answer| {
        let mut all = Lines::new();
        for (name, value) in answer.headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str())) {
            all.entry(name.clone()).or_default().push(value.clone());
        }
        all
    });
    match echoes {
        (Some(a), Some(b)) if a.backend != b.backend => Ok(()),
        (Some(mut a), Some(mut b)) => {
            for headers in [&mut a.headers, &mut b.headers] {
                headers.retain(|name, _| !OWN_HEADERS.contains(&name.as_str()));
            }
            same_lines("all request headers", &a.headers, &b.headers)?;
            same_lines("all response headers", &all(gateway), &all(envoy))
        }
        (None, None) => {
            let body = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
            // What Envoy's HTTP parser refuses has a body of its own.
            if gateway.status == envoy.status && envoy.status != 400 {
                same("local body", &body(gateway), &body(envoy))?;
                same_lines("all local headers", &all(gateway), &all(envoy))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
