//! What is known of applications, as JSON: the documents of `schemas/sync.schema.json`.

use std::sync::Arc;

use gatewright_diagnostics::outlet::{Form, released};
use serde::Serialize;

use super::round::Status;
use super::view::{Ended, View};

/// One application.
#[derive(Serialize)]
struct Application<'a> {
    format: &'static str,
    name: &'a str,
    source: &'a str,
    in_sync: bool,
    failure: Option<&'a str>,
    rounds: Rounds<'a>,
    last: Option<Last<'a>>,
}

/// What has been counted.
#[derive(Serialize)]
struct Rounds<'a> {
    ended: u64,
    in_sync: u64,
    last_in_sync: Option<&'a str>,
}

/// The last round that ended.
#[derive(Serialize)]
struct Last<'a> {
    ended: &'a str,
    status: Status<'a>,
}

/// All applications.
#[derive(Serialize)]
struct Applications<'a> {
    format: &'static str,
    in_sync: bool,
    apps: Vec<Application<'a>>,
}

impl<'a> Application<'a> {
    fn of(view: &'a View) -> Self {
        let last = |last: &'a Arc<Ended>| Last { ended: &last.at.text, status: Status::of(&last.round) };
        let tally = &view.tally;
        Application {
            format: "gatewright-app/1",
            name: view.name.as_str(),
            source: &view.source,
            in_sync: view.is_in_sync(),
            failure: view.failure.as_deref(),
            rounds: Rounds {
                ended: tally.rounds,
                in_sync: tally.in_sync,
                last_in_sync: tally.last_in_sync.as_ref().map(|moment| moment.text.as_str()),
            },
            last: view.last.as_ref().map(last),
        }
    }
}

/// Returns what is known of one application.
pub(super) fn application(view: &View) -> String {
    text(&Application::of(view))
}

/// Returns what is known of all.
pub(super) fn applications(views: &[Arc<View>]) -> String {
    text(&Applications {
        format: "gatewright-apps/1",
        in_sync: views.iter().all(|view| view.is_in_sync()),
        apps: views.iter().map(|view| Application::of(view)).collect(),
    })
}

fn text(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("texts, numbers and lists are JSON");
    released(Form::Json, text + "\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_cluster::told::Counts;
    use serde_json::Value;

    use super::*;
    use crate::cluster::ClusterReport;
    use crate::control::{ConnectedNode, Rejected};
    use crate::outcome::RoundOutcome;
    use crate::source::Hold;
    use crate::sync::round::{HeldBack, Round, TargetReport, TargetStatus, status_text};
    use crate::sync::view::Moment;

    fn checked(text: &str) -> Value {
        let schema = include_str!("../../../schemas/sync.schema.json");
        let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        let document: Value = serde_json::from_str(text).unwrap();
        let problems: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:#?}\n{text}");
        document
    }

    /// Returns a round with something in each field.
    fn round() -> Round {
        let rejection = Rejected { kind: "Cluster".into(), resource: "a".into(), message: "no".into() };
        let node = ConnectedNode { node: "one".into(), acknowledged: false, rejections: vec![rejection] };
        let process = TargetReport::Process {
            socket: "/run/a.sock".into(),
            model: Some("ab".into()),
            nodes: vec![node],
        };
        let cluster = TargetReport::Cluster(ClusterReport {
            cluster: "prod".into(),
            inventory: "a/b".into(),
            objects: Some(Counts::default()),
            messages: vec!["Service a/b was made".into()],
        });
        let hold = Hold {
            object: "Ingress a/b".into(),
            source: "git+x@0".into(),
            revision: "0".into(),
            path: "a.yaml".into(),
        };
        let target = |report, outcome| TargetStatus { report, outcome };
        Round {
            revision: Some("1".into()),
            model: Some("ab".into()),
            errors: vec!["GW0001 a.yaml:1 it is broken".into()],
            held: vec![HeldBack { hold, broken_in: Some("1".into()), since: "1970-01-01T00:00:00Z".into() }],
            refused: vec!["Ingress a/c".into()],
            unreadable: Some("it is gone".into()),
            targets: vec![
                target(process, RoundOutcome::Refused("GW0617".into())),
                target(cluster, RoundOutcome::Unchanged),
            ],
            ..Round::of("git+x@main".into())
        }
    }

    #[test]
    fn every_document_is_one_of_the_schema() {
        let round = round();
        assert_eq!(checked(&status_text(&round))["format"], "gatewright-sync/1");
        let first = View::of("shop".parse().unwrap(), "git+x@main".into());
        let moment = Moment { text: "1970-01-01T00:00:07Z".into(), seconds: 7 };
        let second = first.after(round, Duration::ZERO, moment).failed("the disk is full".into());
        let app = checked(&application(&first));
        assert_eq!(
            (&app["name"], &app["last"], &app["in_sync"]),
            (&"shop".into(), &Value::Null, &false.into())
        );
        assert_eq!(checked(&application(&second))["last"]["ended"], "1970-01-01T00:00:07Z");
        let all = checked(&applications(&[Arc::new(first), Arc::new(second)]));
        assert_eq!(all["apps"].as_array().unwrap().len(), 2);
    }
}
