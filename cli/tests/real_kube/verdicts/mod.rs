//! What we say of an object against what a real kube-apiserver says: generated mutants of good objects, sent as dry runs.
//! `GATEWRIGHT_MUTANTS=20000` runs more of them than the 2,000 of every day, `GATEWRIGHT_SEED` others.

mod good;
mod mutate;
mod reasons;

use gatewright_compiler::compile;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_diagnostics::Severity;
use gatewright_kinds::Kind;
use gatewright_testkit::cluster::{Cluster, shared};
use serde_json::Value;

use mutate::Mutator;

const NAMESPACE: &str = "verdicts";
/// Errors that say that the API server refuses an object. All others are about Higress and Envoy.
const REFUSALS: [&str; 4] = ["GW0101", "GW0102", "GW0415", "GW0416"];

/// What two readers say of one object.
struct Verdicts {
    object: Value,
    /// Our errors; none where we take it.
    ours: Vec<String>,
    /// The API server's message; none where it takes the object.
    theirs: Option<String>,
}

#[test]
#[ignore = "needs a kube-apiserver"]
fn mutants_are_refused_as_the_api_server_refuses_them() {
    let cluster = shared();
    cluster.namespace(NAMESPACE);
    for object in good::objects() {
        let verdicts = judge(cluster, object);
        assert!(verdicts.ours.is_empty(), "{:?} of {}", verdicts.ours, verdicts.object);
        assert_eq!(verdicts.theirs, None, "of {}", verdicts.object);
    }
    let count = number("GATEWRIGHT_MUTANTS").unwrap_or(2000);
    let mut mutator = Mutator::new(number("GATEWRIGHT_SEED").unwrap_or(20), good::objects());
    let verdicts: Vec<Verdicts> = (0..count).map(|_| judge(cluster, mutator.next())).collect();
    let refused = verdicts.iter().filter(|verdicts| verdicts.theirs.is_some()).count();
    let apart: Vec<&Verdicts> =
        verdicts.iter().filter(|verdicts| verdicts.ours.is_empty() != verdicts.theirs.is_none()).collect();
    let unexplained: Vec<String> =
        apart.iter().filter(|v| reasons::of(v).is_none()).map(|v| shown(v)).collect();
    for reason in reasons::ALL {
        let told = apart.iter().filter(|verdicts| reasons::of(verdicts) == Some(reason.why)).count();
        println!("{told:4} {}", reason.why);
    }
    println!("{count} mutants, {refused} refused by the API server, {} judged otherwise here", apart.len());
    assert!(unexplained.is_empty(), "{} without a reason:\n{}", unexplained.len(), unexplained.join("\n"));
    assert!(refused as u64 * 4 > count, "most mutants must be faulty");
    assert!(apart.len() as u64 * 100 <= count, "{} of {count} are judged otherwise", apart.len());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn shown(verdicts: &Verdicts) -> String {
    let Verdicts { object, ours, theirs } = verdicts;
    format!("API server: {theirs:?}\nours: {ours:?}\n{object}\n")
}

fn judge(cluster: &Cluster, object: Value) -> Verdicts {
    let text = object.to_string();
    let tree = SourceTree::in_memory([("object.yaml", text.as_str())]);
    let compiled = compile(&tree, &CompileOptions::higress_defaults()).expect("a tree in memory can be read");
    let errors = compiled.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let refusals = errors.filter(|found| REFUSALS.contains(&found.code.id));
    let ours = refusals.map(|found| format!("{} {}", found.code.id, found.message)).collect();
    let path = format!("{}?dryRun=All&fieldValidation=Strict", collection(&object));
    let (status, answer) = cluster.call("POST", &path, "application/json", &text);
    let theirs = match status {
        201 => None,
        400..=499 => Some(answer["message"].as_str().unwrap_or("no message").to_owned()),
        _ => panic!("{status} to {object}: {answer}"),
    };
    Verdicts { object, ours, theirs }
}

/// Returns where objects like this one are created.
fn collection(object: &Value) -> String {
    let (version, plural, namespaced) = match object["kind"].as_str().unwrap_or_default() {
        "Endpoints" => ("v1", "endpoints", true),
        name => {
            let kind = Kind::named(name).unwrap_or_else(|| panic!("{name} has no collection"));
            (kind.api_version(), kind.plural(), kind.namespaced())
        }
    };
    let api = if version.contains('/') { "apis" } else { "api" };
    let namespace = if namespaced { format!("namespaces/{NAMESPACE}/") } else { String::new() };
    format!("/{api}/{version}/{namespace}{plural}")
}
