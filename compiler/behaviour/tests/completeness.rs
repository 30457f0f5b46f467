//! Nothing that a route can say is passed over: every field of the model, changed alone, is noticed by the diff with its
//! texts, by the engine and by the twin, or stands on a list of fields that say nothing of requests.

use gatewright_behaviour::testing::{FieldEdit, field_edits, observed};
use gatewright_behaviour::twin::{Observed, observe};
use gatewright_behaviour::{Model, Options, Request, diff};
use gatewright_ir::Ir;

/// Fields that change no answer, each with the reason.
const QUIET: [(&str, &str); 7] = [
    ("Route.id", "provenance"),
    ("Route.name", "plugins read it, and where one does that is a facet of its own"),
    ("Endpoint.address", "discovery moves endpoints, routes stay"),
    ("Endpoint.port", "discovery moves endpoints, routes stay"),
    ("Endpoint.weight", "discovery moves endpoints, routes stay"),
    ("Endpoint.healthy", "discovery moves endpoints, routes stay"),
    ("UpstreamCluster.name", "clusters are found by their key"),
];

/// Requests of which one at least notices each field.
const REQUESTS: [&str; 9] = [
    "GET http://shop.example/a/b?v=1 -H 'x-canary: always' -H 'x-user: me' -H 'cookie: c' -H 'origin: https://o.com'",
    "PUT http://shop.example/a/b?v=1 -H 'x-canary: always'",
    "GET http://shop.example/A/b?v=1 -H 'x-canary: always'",
    "GET http://shop.example/a/b?v=2 -H 'x-canary: always'",
    "GET http://shop.example/a/b?v=1 -H 'x-canary: never'",
    "GET http://shop.example/a/b",
    "GET https://shop.example/a/b?v=1 -H 'x-canary: always'",
    "GET https://other.example/a/b?v=1 -H 'x-canary: always'",
    "OPTIONS http://shop.example/a/b?v=1 -H 'x-canary: always' -H 'origin: https://o.com' \
     -H 'access-control-request-method: PUT' -H 'access-control-request-headers: x-a'",
];

fn is_quiet(field: &str) -> bool {
    QUIET.iter().any(|(quiet, _)| *quiet == field)
}

fn requests() -> impl Iterator<Item = Request> {
    REQUESTS.iter().map(|text| Request::parse(text).expect("a request"))
}

/// Returns whether a request tells the models apart, by the engine and by the twin.
fn noticed(before: &Ir, after: &Ir, request: &Request) -> (bool, bool) {
    let engine = |ir: &Ir| {
        let seen = observed(&Model::new(ir).decide(request), request);
        Observed { route: None, ..seen }
    };
    let twin = |ir: &Ir| Observed { route: None, ..observe(ir, request) };
    (engine(before) != engine(after), twin(before) != twin(after))
}

#[test]
fn every_field_is_a_difference_or_quiet() {
    let mut wrong = Vec::new();
    for FieldEdit { field, before, after } in field_edits() {
        let found = diff(&before, &after, &Options::default());
        if found.is_empty() != is_quiet(field) {
            wrong.push(field);
        }
        let changes = found.classes.iter().flat_map(|class| &class.cases).flat_map(|case| &case.changes);
        for change in changes {
            assert_ne!(change.before, change.after, "{field}: {}", change.facet);
        }
        for case in found.classes.iter().flat_map(|class| &class.cases) {
            assert!(!case.changes.is_empty(), "{field}: a difference without a facet");
        }
    }
    assert_eq!(wrong, Vec::<&str>::new());
}

#[test]
fn every_field_is_noticed_by_the_engine_and_by_the_twin() {
    let mut wrong = Vec::new();
    for FieldEdit { field, before, after } in field_edits() {
        let seen: Vec<(bool, bool)> = requests().map(|request| noticed(&before, &after, &request)).collect();
        assert!(seen.iter().all(|(engine, twin)| engine == twin), "{field}: {seen:?}");
        if seen.iter().any(|(engine, _)| *engine) == is_quiet(field) {
            wrong.push(field);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new());
}

/// Two models with one digest are taken for the same.
#[test]
fn every_field_is_part_of_the_digest() {
    for FieldEdit { field, before, after } in field_edits() {
        assert_ne!(before.digest(), after.digest(), "{field}");
    }
}

#[test]
fn the_lists_name_fields_that_exist() {
    let edits = field_edits();
    for (field, _) in QUIET {
        assert!(edits.iter().any(|edit| edit.field == field), "{field}");
    }
}
