//! Plans of small and large changes, in every form.

mod causes;
mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{State, Together, entity, plan, plan_with};
use gatewright_plan::cluster::{ClusterAction, ClusterField, ClusterLevel, ClusterStep, shown_value};
use gatewright_plan::render::{MARKDOWN_LIMIT, TextOptions, markdown, text};
use gatewright_plan::{EntityName, FORMAT, Level, LoadError, Plan, Reach, Verdict};
use gatewright_testkit::assert_golden;
use serde_json::{Value, json};

fn as_text(plan: &Plan) -> String {
    text(plan, TextOptions { color: false, levels: &Level::ALL })
}

fn ingress(paths: &[(&str, &str)]) -> Value {
    let path =
        |(path, service): &(&str, &str)| json!({"path": path, "backend": {"service": {"name": service}}});
    let paths: Vec<Value> = paths.iter().map(path).collect();
    json!({"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": paths}}]}})
}

/// A canary begins, a path goes, and the certificate is renewed.
fn small() -> (State, State) {
    let secret = |key: &str| json!({"kind": "Secret", "type": "kubernetes.io/tls", "data": {"tls.crt": "c2FtZQ==", "tls.key": key}});
    let base = State::new("base")
        .host("shop.example.com", &[("/old", &[("web", 100)]), ("/", &[("web", 100)])])
        .object("Ingress", "web", ingress(&[("/old", "web"), ("/", "web")]))
        .object("Secret", "tls", secret("T0xELUtFWQ=="))
        .object("Service", "legacy", json!({"kind": "Service"}));
    let head = State::new("head")
        .host("shop.example.com", &[("/", &[("web", 90), ("next", 10)])])
        .object("Ingress", "web", ingress(&[("/", "web")]))
        .object("Ingress", "canary", json!({"kind": "Ingress"}))
        .object("Secret", "tls", secret("TkVXLUtFWQ=="));
    (base, head)
}

/// Plans the small change: the canary does what is seen, the rest nothing.
fn small_plan() -> Plan {
    let (base, head) = small();
    let host = Reach::Hosts(BTreeSet::from(["shop.example.com".parse().expect("a host")]));
    let nothing = Reach::Hosts(BTreeSet::new());
    let mut changes = Together {
        base: &base.ir,
        head: &head.ir,
        alone: BTreeMap::from([(0, &head.ir)]),
        names: vec![
            entity("Ingress", "canary"),
            entity("Ingress", "web"),
            entity("Secret", "tls"),
            entity("Service", "legacy"),
        ],
        reach: vec![host.clone(), host, nothing.clone(), nothing],
        work: 1,
    };
    plan_with(&base, &head, &mut changes)
}

#[test]
fn a_small_change_reads_well_in_every_form() {
    let plan = small_plan();
    assert_golden("plan/small.txt", &as_text(&plan));
    assert_golden("plan/small.md", &markdown(&plan, &Level::ALL));
    assert_golden("plan/small.json", &plan.to_json());
    assert!(as_text(&plan).lines().all(|line| line.chars().count() <= 100));
}

/// Which of the changes it is has no answer within the work that a plan may take.
#[test]
fn what_is_too_much_to_be_tried_is_told_as_perhaps() {
    let (base, head) = small();
    let mut changes = Together {
        base: &base.ir,
        head: &head.ir,
        alone: BTreeMap::new(),
        names: (0..6).map(|n| entity("Ingress", &format!("i{n}"))).collect(),
        reach: vec![Reach::Everything; 6],
        work: 90_000,
    };
    let plan = plan_with(&base, &head, &mut changes);
    let class = &plan.behaviour.classes[0];
    assert!(class.candidates && class.causes.len() == 6, "{class:?}");
    let (shown, comment) = (as_text(&plan), markdown(&plan, &Level::ALL));
    for form in [&shown, &comment] {
        assert!(form.contains("perhaps") && !form.contains("because"), "{form}");
        assert!(form.contains("too many changes to tell"), "{form}");
    }
    changes.work = 1;
    let class = &plan_with(&base, &head, &mut changes).behaviour.classes[0];
    assert!(!class.candidates && class.causes.len() == 6, "{class:?}");
}

#[test]
fn a_secret_is_only_ever_changed_or_same() {
    let (base, head) = small();
    let plan = plan(&base, &head);
    for form in [as_text(&plan), markdown(&plan, &Level::ALL), plan.to_json()] {
        for secret in ["T0xELUtFWQ", "TkVXLUtFWQ", "OLD-KEY", "NEW-KEY"] {
            assert!(!form.contains(secret), "{secret} in {form}");
        }
        assert!(form.contains("/data/tls.key") && !form.contains("tls.crt"), "{form}");
    }
}

#[test]
fn nothing_is_planned_from_a_state_to_itself() {
    let (base, _) = small();
    let plan = plan(&base, &base);
    assert_eq!(plan.verdict(), Verdict::NoChange);
    assert!(plan.risks.is_empty() && plan.behaviour.classes.is_empty());
    assert!(plan.objects.changes.is_empty() && plan.xds.changes.is_empty());
    let shown = as_text(&plan);
    assert!(shown.contains("No change"), "{shown}");
}

#[test]
fn a_refactoring_says_in_one_line_that_it_is_one() {
    let routes: &[(&str, &[(&str, u32)])] = &[("/", &[("web", 100)])];
    let base = State::new("base").host("a.com", routes).object("Ingress", "one", json!({"kind": "Ingress"}));
    let head = State::new("head").host("a.com", routes).object("Ingress", "two", json!({"kind": "Ingress"}));
    let plan = plan(&base, &head);
    assert_eq!(plan.verdict(), Verdict::Changes);
    let line = "No change of behaviour: every request is answered as before.";
    assert!(as_text(&plan).lines().any(|shown| shown == line), "{}", as_text(&plan));
    assert!(markdown(&plan, &Level::ALL).contains(line));
}

#[test]
fn plans_are_the_same_every_time_and_fit_the_schema() {
    let (base, head) = small();
    let one = plan(&base, &head);
    assert_eq!(one.to_json(), plan(&base, &head).to_json());
    assert_fits_the_schema(&one);
}

fn assert_fits_the_schema(plan: &Plan) {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../schemas/plan.schema.json")).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema is a schema");
    let value: Value = serde_json::from_str(&plan.to_json()).expect("a plan is JSON");
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_plan_for_a_cluster_says_what_is_done_and_whose_fields_are_met() {
    let entity =
        |name: &str| EntityName { kind: "Secret".into(), namespace: "shop".into(), name: name.into() };
    let step = |name: &str, action| ClusterStep {
        entity: entity(name),
        action,
        force: false,
        seen: None,
        owners: vec!["argocd".into()],
        fields: Vec::new(),
    };
    let mut conflict = step("mine", ClusterAction::Conflict);
    conflict.fields.push(ClusterField {
        pointer: "/data/key".into(),
        base: None,
        head: Some(shown_value("Secret", "/data/key", &json!("U0VTQU1F"))),
        live: Some(shown_value("Secret", "/type", &json!("Opaque"))),
        owners: vec!["helm".into()],
    });
    let level = ClusterLevel {
        context: "staging".into(),
        inventory: "higress-system/gatewright".into(),
        unchanged: 3,
        steps: vec![step("new", ClusterAction::Create), conflict, step("theirs", ClusterAction::Release)],
        refusal: None,
    };
    let (base, _) = small();
    let plan = plan(&base, &base).with_cluster(level);
    assert_eq!(plan.verdict(), Verdict::Changes);
    let text = as_text(&plan);
    let expected = "\
Cluster staging
  objects: 1 to create, 1 in conflict, 1 to release, 3 as wanted · inventory higress-system/gatewright
  + create Secret shop/new
  ! GW0610 Secret shop/mine is left alone: fields that differ belong to others
    · /data/key  owned by helm
      head    (hidden)
      live    Opaque
  · GW0613 Secret shop/theirs is not deleted: argocd applied to it too
";
    assert!(text.contains(expected), "{text}");
    assert!(markdown(&plan, &Level::ALL).contains("1 in conflict"));
    assert_fits_the_schema(&plan);
    assert_eq!(Plan::from_json(&plan.to_json()).as_ref(), Ok(&plan));
}

#[test]
fn a_saved_plan_comes_back_unless_somebody_touched_it() {
    let (base, head) = small();
    let plan = plan(&base, &head);
    let saved = plan.to_json();
    assert_eq!(Plan::from_json(&saved).as_ref(), Ok(&plan));
    let touched = saved.replace("shop.example.com", "shop.example.org");
    assert_eq!(Plan::from_json(&touched), Err(LoadError::Touched));
    let other = saved.replace(FORMAT, "gatewright-plan/9");
    assert_eq!(Plan::from_json(&other), Err(LoadError::Format("gatewright-plan/9".into())));
    assert!(matches!(Plan::from_json("{}"), Err(LoadError::Malformed(_))));
}

#[test]
fn the_digest_depends_on_what_the_plan_says() {
    let (base, head) = small();
    assert_ne!(plan(&base, &head).digest, plan(&head, &base).digest);
}

/// Every deletion is told of, one way or another, in whatever room there is.
#[test]
fn five_thousand_deleted_hosts_and_routes_fit_into_a_comment() {
    let mut base = State::new("base").host("stays.example.com", &[("/", &[("web", 100)])]);
    let paths: Vec<String> = (0..5000).map(|n| format!("/api/resource-{n:04}/")).collect();
    let web: &[(&str, u32)] = &[("web", 100)];
    let routes: Vec<(&str, &[(&str, u32)])> = paths.iter().map(|path| (path.as_str(), web)).collect();
    base = base.host("api.example.com", &routes);
    for n in 0..5000 {
        base = base.host(&format!("tenant-{n:04}.example.com"), &[("/", web)]).object(
            "Ingress",
            &format!("tenant-{n:04}"),
            json!({"kind": "Ingress"}),
        );
    }
    let head = State::new("head").host("stays.example.com", &[("/", &[("web", 100)])]);
    let plan = plan(&base, &head);
    let comment = markdown(&plan, &Level::ALL);
    assert!(comment.len() <= MARKDOWN_LIMIT, "{} bytes", comment.len());
    assert!(comment.starts_with("### gatewright plan: Risky changes\n"), "{}", &comment[..200]);
    for told in ["mass deletion", "tenant-0000", "tenant-4999", "5,000", "api.example.com"] {
        assert!(comment.contains(told), "{told}");
    }
    let shown = as_text(&plan);
    for n in [0, 1234, 4999] {
        assert!(shown.contains(&format!("tenant-{n:04}.example.com")), "{n}");
        assert!(shown.contains(&format!("Ingress shop/tenant-{n:04}")), "{n}");
        assert!(shown.contains(&format!("/api/resource-{n:04}/")), "{n}");
    }
}

/// With names that have nothing in common there is no short form: every deletion is still counted.
#[test]
fn long_names_without_a_pattern_are_counted() {
    let mut base = State::new("base");
    for n in 0u32..3000 {
        let scrambled: String = (0..20)
            .map(|i| char::from(b'a' + ((n.wrapping_mul(2_654_435_761).rotate_left(i * 3)) % 26) as u8))
            .collect();
        base = base.host(&format!("{scrambled}.customers.example.com"), &[("/", &[("web", 100)])]);
    }
    let head = State::new("head").host("stays.example.com", &[("/", &[("web", 100)])]);
    let hosts = base.ir.hosts.len();
    let comment = markdown(&plan(&base, &head), &Level::ALL);
    assert!(comment.len() <= MARKDOWN_LIMIT, "{} bytes", comment.len());
    assert!(comment.contains(&format!("{},{:03} in all", hosts / 1000, hosts % 1000)), "{hosts}");
}

#[test]
fn foreign_text_is_no_markup() {
    let base = State::new("base").host("a.com", &[("/", &[("web", 100)])]);
    let head = State::new("head").host("a.com", &[("/", &[("web", 100)])]).object(
        "ConfigMap",
        "x",
        json!({"kind": "ConfigMap", "data": {"k": "<img src=x> `code` @somebody\n```\n| a |"}}),
    );
    let changed = State::new("head").host("a.com", &[("/", &[("web", 100)])]).object(
        "ConfigMap",
        "x",
        json!({"kind": "ConfigMap", "data": {"k": "<b>other</b>\n```\nfence"}}),
    );
    let comment = markdown(&plan(&base, &head), &Level::ALL) + &markdown(&plan(&head, &changed), &Level::ALL);
    let outside = |text: &str| {
        let mut inside = false;
        let lines = text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("````");
            inside ^= fence;
            !inside && !fence
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let outside = outside(&comment);
    assert!(!outside.contains("<b>") && !outside.contains("@somebody"), "{outside}");
}
