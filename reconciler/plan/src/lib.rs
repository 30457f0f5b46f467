//! Pure planning: two states of the input in, one [`Plan`] out.
//!
//! A plan has three levels, each complete: requests that are answered differently ([`behaviour`]), objects that differ
//! field by field ([`objects`]), and xDS resources that differ ([`xds`]). One against a kube cluster has a fourth: what
//! is done with each object there ([`cluster`]). It marks risks, says what it does not know,
//! and carries a digest over all of it. It never holds the value of a Secret or the configuration of a plugin.
//!
//! The planner is given plain values ([`Side`]); what it has to know of the few things that differ it asks for
//! ([`Describe`]), and so it does for what would be if only some of the changes had been made ([`Changes`]).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod behaviour;
mod causes;
pub mod cluster;
mod model;
pub mod objects;
pub mod render;
mod saved;
mod side;
pub mod xds;

use gatewright_diagnostics::{Code, Diagnostic, Severity, code};

pub use causes::{Changes, Reach, Supposed};
/// What sides and options are made of, for those who make them.
pub use gatewright_behaviour::{RiskKind, RiskLevel, RiskOptions};
pub use gatewright_ir::{HostPattern, Ir, RouteId};
pub use model::{FORMAT, Finding, Level, Plan, Risk, State, Verdict};
pub use saved::LoadError;
pub use side::{Describe, EntityName, Location, Side};

/// What a plan goes into.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Whether xDS resources that differ carry a text difference.
    pub xds_text: bool,
    /// Levels and thresholds of risks.
    pub risks: RiskOptions,
}

/// Compares two states of the input. `changes` are those between them, to find out which of them made a difference.
pub fn plan(base: &Side<'_>, head: &Side<'_>, changes: &mut dyn Changes, options: &PlanOptions) -> Plan {
    let objects = objects::compare(base, head);
    let (mut behaviour, risks, diff) = behaviour::compare(base, head, &options.risks);
    let found = causes::find(&diff, head.ir, changes);
    behaviour::name_causes(&mut behaviour, &found, changes.objects(), &objects.changes);
    let mut plan = Plan {
        format: FORMAT.to_owned(),
        digest: String::new(),
        base: state(base),
        head: state(head),
        risks,
        behaviour,
        objects,
        xds: xds::compare(base.xds, head.xds, options.xds_text),
        assumptions: assumptions(base, head),
        new_findings: new_findings(base, head),
        cluster: None,
    };
    plan.digest = plan.content_digest();
    plan
}

fn state(side: &Side<'_>) -> State {
    State {
        source: gatewright_secrets::shapes(&side.source).into_owned(),
        revision: side.revision.clone(),
        input: side.input.clone(),
        model: side.ir.digest().hex(),
        xds: side.xds.version(),
        errors: side.count(Severity::Error),
        warnings: side.count(Severity::Warning),
    }
}

/// Codes of what no model holds: kinds that route, kinds that make objects, and what is encrypted.
pub const ASSUMED: [&Code; 3] = [&code::GW0104, &code::GW0110, &code::GW0111];

/// Returns what neither side's model holds although it can change routing: the head's, and what only the base had.
fn assumptions(base: &Side<'_>, head: &Side<'_>) -> Vec<Finding> {
    let of = |side: &Side<'_>| -> Vec<Finding> {
        let found = side.diagnostics.iter().filter(|found| ASSUMED.contains(&found.code));
        found.map(|found| finding(side, found)).collect()
    };
    let mut all = of(head);
    let only_base = of(base).into_iter().filter(|old| !all.iter().any(|new| new.message == old.message));
    let only_base: Vec<Finding> = only_base.collect();
    all.extend(only_base);
    all.sort();
    all
}

/// Returns errors and warnings of the head that the base does not have, wherever they stand.
fn new_findings(base: &Side<'_>, head: &Side<'_>) -> Vec<Finding> {
    let key = |found: &Diagnostic| (found.code.id, found.entity.clone(), found.message.clone());
    let known: std::collections::BTreeSet<_> = base.diagnostics.iter().map(key).collect();
    let new = head
        .diagnostics
        .iter()
        // What is not modelled is told as an assumption.
        .filter(|found| found.severity != Severity::Info && !ASSUMED.contains(&found.code))
        .filter(|found| !known.contains(&key(found)));
    new.map(|found| finding(head, found)).collect()
}

fn finding(side: &Side<'_>, found: &Diagnostic) -> Finding {
    Finding::of(found, (side.revision_of)(&found.primary.path))
}
