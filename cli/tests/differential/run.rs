//! One run: configurations that share a gateway, requests, and everybody's answers.

use std::collections::BTreeMap;
use std::time::Instant;

use gatewright_behaviour::testing::{Choices, observed};
use gatewright_behaviour::twin::observe;
use gatewright_behaviour::{Decision, Model, Reply, Request};
use gatewright_compiler::Engine;
use gatewright_http::authority::{Place, is_valid};

use super::client::Seen;
use super::configuration::{Configuration, STAR};
use super::expectation::{Difference, Expectation, is_certain, planes_agree};
use super::ground::{Ground, compile};
use super::planes::{Plane, Planes, RefusedByEnvoy, refused_by_envoy};
use super::requests::requests;
use super::{sample, trace};

/// One in so many requests is sent over HTTP/2 as well.
const HTTP2_EVERY: usize = 20;

/// How much one run does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Configurations that share a gateway.
    pub(crate) configurations: usize,
    /// Requests for each of them.
    pub(crate) requests: usize,
    /// Requests that are also given to `gatewright trace`.
    pub(crate) traces: usize,
    /// Weighted routes whose shares are measured.
    pub(crate) samples: usize,
    /// Whether real Envoy takes part.
    pub(crate) envoy: bool,
}

/// A request about which somebody disagrees.
#[derive(Clone, Debug)]
pub(crate) struct Disagreement {
    /// The configuration, with the one that it falls back to.
    pub(crate) configurations: Vec<Configuration>,
    /// None where a configuration as a whole is refused.
    pub(crate) request: Option<Request>,
    /// Who differs from the model.
    pub(crate) who: String,
    pub(crate) difference: Difference,
    /// Everybody's answers.
    pub(crate) answers: String,
}

/// What a run did and found.
#[derive(Debug, Default)]
pub(crate) struct RunReport {
    pub(crate) configurations: usize,
    pub(crate) requests: usize,
    pub(crate) http2: usize,
    pub(crate) traces: usize,
    pub(crate) samples: usize,
    /// How many requests had each kind of reply, by the model.
    pub(crate) replies: BTreeMap<&'static str, usize>,
    pub(crate) disagreements: Vec<Disagreement>,
}

/// A request of a configuration with the model's answer.
pub(crate) struct Case<'c> {
    pub(crate) configuration: &'c Configuration,
    pub(crate) request: Request,
    pub(crate) decision: Decision,
}

impl RunReport {
    /// Adds another run's figures and findings.
    pub(crate) fn add(&mut self, other: RunReport) {
        self.configurations += other.configurations;
        self.requests += other.requests;
        self.http2 += other.http2;
        self.traces += other.traces;
        self.samples += other.samples;
        for (kind, count) in other.replies {
            *self.replies.entry(kind).or_default() += count;
        }
        self.disagreements.extend(other.disagreements);
    }
}

/// Generates configurations and requests of a seed and lets everybody answer.
pub(crate) fn run(ground: &Ground, seed: u64, size: Size) -> RunReport {
    let started = Instant::now();
    let mut choices = Choices::new(seed);
    let mut configurations = generate(&mut choices, size.configurations);
    let mut outcome = RunReport { configurations: configurations.len(), ..RunReport::default() };
    let mut files = ground.files(&configurations);
    let mut engine = compile(&files);
    let planes = match Planes::start(&engine, &files, size.envoy) {
        Ok(planes) => planes,
        Err(RefusedByEnvoy) => {
            drop_refused(ground, &mut configurations, &mut outcome);
            files = ground.files(&configurations);
            engine = compile(&files);
            Planes::start(&engine, &files, size.envoy).expect("Envoy takes each of these alone")
        }
    };
    let ready = started.elapsed();
    let cases = cases(&mut choices, &engine, &configurations, size.requests);
    outcome.requests = cases.len();
    judge(ground, &engine, &configurations, &planes, &cases, &mut outcome);
    judge_http2(ground, &engine, &configurations, &planes, cases.iter().step_by(HTTP2_EVERY), &mut outcome);
    ground.forget_requests();
    let sent = started.elapsed();
    sample::shares(ground, &engine, &configurations, &planes, &cases, size.samples, &mut outcome);
    ground.forget_requests();
    trace::traces(ground, &configurations, &cases, size.traces, &mut outcome);
    println!(
        "seed {seed}: {} configurations ready after {:.1} s, {} requests after {:.1} s, all after {:.1} s",
        outcome.configurations,
        ready.as_secs_f32(),
        outcome.requests,
        sent.as_secs_f32(),
        started.elapsed().as_secs_f32(),
    );
    outcome
}

/// Generates configurations that share one bootstrap and only asks real Envoy whether it takes them.
pub(crate) fn validate(ground: &Ground, seed: u64, count: usize) -> RunReport {
    let mut configurations = generate(&mut Choices::new(seed), count);
    let mut outcome = RunReport { configurations: configurations.len(), ..RunReport::default() };
    drop_refused(ground, &mut configurations, &mut outcome);
    outcome
}

/// Returns a number of configurations, and before them the one that they fall back to.
fn generate(choices: &mut Choices, count: usize) -> Vec<Configuration> {
    let rooted = choices.one_in(2);
    let star = Configuration::star(choices, rooted);
    let others = (1..=count).map(|number| Configuration::generate(choices, number, rooted));
    std::iter::once(star).chain(others.collect::<Vec<_>>()).collect()
}

fn cases<'c>(
    choices: &mut Choices,
    engine: &Engine,
    configurations: &'c [Configuration],
    count: usize,
) -> Vec<Case<'c>> {
    let model = Model::new(engine.ir());
    let mut cases = Vec::new();
    for configuration in configurations {
        for request in requests(choices, engine.ir(), configuration, count) {
            let decision = model.decide(&request);
            cases.push(Case { configuration, request, decision });
        }
    }
    cases
}

/// Returns a request with the model's answer.
pub(crate) fn case<'c>(engine: &Engine, configuration: &'c Configuration, request: Request) -> Case<'c> {
    let decision = Model::new(engine.ir()).decide(&request);
    Case { configuration, request, decision }
}

/// Sends all requests and compares every answer with the model's, and the model with the twin.
pub(crate) fn judge(
    ground: &Ground,
    engine: &Engine,
    configurations: &[Configuration],
    planes: &Planes,
    cases: &[Case<'_>],
    outcome: &mut RunReport,
) {
    let requests: Vec<&Request> = cases.iter().map(|case| &case.request).collect();
    let answers = planes.send(&requests);
    for (index, case) in cases.iter().enumerate() {
        *outcome.replies.entry(kind(&case.decision.effect.reply)).or_default() += 1;
        let answers: Vec<(Plane, &Seen)> = answers.iter().map(|(plane, all)| (*plane, &all[index])).collect();
        note(case, &answers, differences(ground, engine, case, &answers), configurations, outcome);
    }
}

/// Sends requests over HTTP/2.
pub(crate) fn judge_http2<'c>(
    ground: &Ground,
    engine: &Engine,
    configurations: &[Configuration],
    planes: &Planes,
    cases: impl Iterator<Item = &'c Case<'c>>,
    outcome: &mut RunReport,
) {
    for case in cases {
        // HTTP/2 makes one line of several cookies, and none of an empty one, which the model does not look at.
        // Nor at the difference that Envoy makes for characters beyond ASCII: it refuses them in HTTP/1.1 only.
        let mut cookies = case.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let empty = cookies.next().is_some_and(|(_, value)| value.trim().is_empty());
        if empty || cookies.next().is_some() || !case.request.path.is_ascii() {
            continue;
        }
        // A fragment is cut by the client's library, and by the gateway's.
        if case.request.path.contains('#') {
            continue;
        }
        // HTTP/2 has no empty host and no user information, `Host` of HTTP/1.1 may.
        if !is_valid(case.request.authority.as_bytes(), Place::Authority) {
            continue;
        }
        let Some(answers) = planes.send_http2(&case.request) else { continue };
        outcome.http2 += 1;
        let answers: Vec<(Plane, &Seen)> = answers.iter().map(|(plane, seen)| (*plane, seen)).collect();
        let found = differences(ground, engine, case, &answers).into_iter();
        let found = found.map(|(who, difference)| (format!("{who} over HTTP/2"), difference)).collect();
        note(case, &answers, found, configurations, outcome);
    }
}

fn note(
    case: &Case<'_>,
    answers: &[(Plane, &Seen)],
    found: Vec<(String, Difference)>,
    configurations: &[Configuration],
    outcome: &mut RunReport,
) {
    for (who, difference) in found {
        outcome.disagreements.push(Disagreement {
            configurations: with_star(case.configuration, configurations),
            request: Some(case.request.clone()),
            who,
            difference,
            answers: describe(case, answers),
        });
    }
}

fn differences(
    ground: &Ground,
    engine: &Engine,
    case: &Case<'_>,
    answers: &[(Plane, &Seen)],
) -> Vec<(String, Difference)> {
    let expectation =
        Expectation { ground, ir: engine.ir(), request: &case.request, decision: &case.decision };
    let mut differences = Vec::new();
    let (ours, twin) = (observed(&case.decision, &case.request), observe(engine.ir(), &case.request));
    if ours != twin {
        let text = format!("the twin says {twin:#?}\nthe model says {ours:#?}");
        differences.push(("twin".to_owned(), Difference { kind: "decision", text }));
    }
    for (plane, seen) in answers {
        if let Err(difference) = expectation.check(seen) {
            differences.push((plane.to_string(), difference));
        }
    }
    if let [(_, envoy), (_, gateway)] = answers
        && differences.is_empty()
        && is_certain(&case.decision)
        && let Err(difference) = planes_agree(envoy, gateway)
    {
        differences.push(("gateway beside Envoy".to_owned(), difference));
    }
    differences
}

/// Returns a configuration with the one that all fall back to.
pub(crate) fn with_star(one: &Configuration, all: &[Configuration]) -> Vec<Configuration> {
    let star = all.iter().find(|other| other.name == STAR && one.name != STAR);
    star.into_iter().chain([one]).cloned().collect()
}

fn describe(case: &Case<'_>, answers: &[(Plane, &Seen)]) -> String {
    let mut text = format!("model: {}\n", told(case));
    for (plane, seen) in answers {
        let seen = match seen {
            Seen::Closed(reason) => format!("no answer: {reason}"),
            Seen::Answer(answer) => {
                format!("{} {:?} {}", answer.status, answer.headers, String::from_utf8_lossy(&answer.body))
            }
        };
        text.push_str(&format!("{plane}: {seen}\n"));
    }
    text
}

fn told(case: &Case<'_>) -> String {
    let reply = match &case.decision.effect.reply {
        Reply::Forwarded(forward) => {
            format!("path {}, host {}, CORS {:?}", forward.path, forward.host, forward.cors)
        }
        reply => format!("{reply:?}"),
    };
    let route = case.decision.trail.matched().map(|(_, step)| step.route.to_string());
    let route = route.as_deref().unwrap_or("none");
    format!("{}; {reply}; by route {route}", case.decision.outcome)
}

/// Returns the kind of a reply, for counting.
fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Closed => "closed",
        Reply::BadRequest(_) => "bad request",
        Reply::NotFound => "no route",
        Reply::Redirect { .. } => "redirect",
        Reply::Refused(_) => "refused",
        Reply::Preflight(_) => "preflight",
        Reply::Forwarded(forward) if forward.targets.iter().all(|target| target.serving().is_none()) => {
            "unserved"
        }
        Reply::Forwarded(forward) if forward.targets.len() > 1 => "forwarded, weighted",
        Reply::Forwarded(_) => "forwarded",
    }
}

/// Takes the configurations out that real Envoy refuses, and reports them.
fn drop_refused(ground: &Ground, configurations: &mut Vec<Configuration>, outcome: &mut RunReport) {
    let mut refused = Vec::new();
    find_refused(ground, configurations, &mut refused);
    for (configuration, reason) in refused {
        configurations.retain(|other| *other != configuration);
        outcome.disagreements.push(Disagreement {
            configurations: vec![configuration],
            request: None,
            who: "Envoy".to_owned(),
            difference: Difference { kind: "refused", text: reason.clone() },
            answers: reason,
        });
    }
}

/// Halves the configurations until the guilty ones are alone.
fn find_refused(ground: &Ground, some: &[Configuration], refused: &mut Vec<(Configuration, String)>) {
    let Some(reason) = refused_by_envoy(&compile(&ground.files(some))) else { return };
    match some {
        [] => {}
        [one] => refused.push((one.clone(), reason)),
        _ => {
            let (left, right) = some.split_at(some.len() / 2);
            find_refused(ground, left, refused);
            find_refused(ground, right, refused);
        }
    }
}
