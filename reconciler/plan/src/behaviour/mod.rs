//! The third level: classes of requests that are answered differently, as rows.

mod region;

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::{Answer, BehaviourDiff, Case, Certainty, Observability, Outcome, RiskOptions};
use gatewright_ir::RouteId;
use serde::{Deserialize, Serialize};

use crate::causes::Found;
use crate::model::Risk;
use crate::objects::{Change, ObjectChange};
use crate::side::{EntityName, Location, Side};

/// Requests and what changes for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehaviourLevel {
    /// Virtual hosts of the base, behind each listener.
    pub hosts_before: usize,
    /// Virtual hosts of the head.
    pub hosts_after: usize,
    /// Routes of the base.
    pub routes_before: usize,
    /// Routes of the head.
    pub routes_after: usize,
    /// Classes of requests, each with one change. A request in no class is answered as before.
    pub classes: Vec<BehaviourClass>,
}

/// Requests to which the same happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehaviourClass {
    /// What happens, at a glance.
    pub effect: Effect,
    /// Which requests, on one line, shortened where they are many; every case has its own in full.
    pub requests: String,
    /// The hosts as patterns, or the server names where handshakes change.
    pub hosts: Vec<String>,
    /// Routes that took or take the requests.
    pub routes: usize,
    /// What about the outcome differs, with the values that all cases share, or else those of the first.
    pub changes: Vec<FacetChange>,
    /// How the change can be seen from outside.
    pub observable: Observable,
    /// Why the outcome may differ, where that cannot be told for certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_differ: Option<String>,
    /// Kinds of risks that this class has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<String>,
    /// The changes without which this would be another class, or none: with all others taken back it is as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Whether `causes` are only the changes that may have to do with it, because there are too many to try them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub candidates: bool,
    /// Requests with one outcome before and one after; never empty.
    pub cases: Vec<BehaviourCase>,
}

/// A changed object behind a class of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which.
    pub entity: EntityName,
    /// What happened to it.
    pub change: Change,
    /// Where it stands, or stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

impl BehaviourClass {
    /// Returns the case that stands for the others where one is shown.
    pub fn first(&self) -> &BehaviourCase {
        &self.cases[0]
    }

    /// Returns a request that shows the change, as `trace` takes it.
    pub fn witness(&self) -> Option<&str> {
        self.cases.iter().find_map(|case| case.witness.as_deref())
    }
}

/// Requests with one outcome before and one after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehaviourCase {
    /// Which requests: those of any of these, which do not overlap.
    pub requests: Vec<Requests>,
    /// The outcome before, in a few words.
    pub before: String,
    /// The outcome after.
    pub after: String,
    /// Where the routes of both sides were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Places>,
    /// A request of the case, as `trace` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

impl BehaviourCase {
    /// Returns which requests, on one line, shortened where they are many.
    pub fn line(&self) -> String {
        region::line(&self.requests)
    }
}

/// A set of requests in words: any of the hosts, any of the paths, and all conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requests {
    /// Host patterns, or server names.
    pub hosts: Vec<String>,
    /// Paths; none for TLS handshakes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What else must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

/// Where the route that took requests was written, and where the one that takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Places {
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Location>,
    /// After.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Location>,
}

/// One facet that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetChange {
    /// Name.
    pub facet: String,
    /// Value before.
    pub before: String,
    /// Value after.
    pub after: String,
}

/// What happens to a class of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// They were served and are not any more.
    Lost,
    /// They are answered in another way.
    Changed,
    /// They are served and were not.
    Gained,
}

/// How a change can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observable {
    /// One request shows it.
    OneRequest,
    /// A sample of many requests shows it.
    Sample,
    /// No request shows it for certain.
    Hidden,
}

/// Compares what two states do with requests.
pub(crate) fn compare(
    base: &Side<'_>,
    head: &Side<'_>,
    options: &RiskOptions,
) -> (BehaviourLevel, Vec<Risk>, BehaviourDiff) {
    let diff = gatewright_behaviour::diff(base.ir, head.ir, &gatewright_behaviour::Options::default());
    let found = gatewright_behaviour::risks(base.ir, head.ir, &diff, options);
    let mut level = Rows { base, head }.level(&diff);
    for risk in &found {
        if let Some(class) = risk.class.and_then(|index| level.classes.get_mut(index)) {
            class.risks.push(risk.kind.label().to_owned());
        }
    }
    let place = |risk: &gatewright_behaviour::Risk| {
        let after = risk.routes.iter().find_map(|pair| head.describe.route(pair.after.as_ref()?));
        after.or_else(|| risk.routes.iter().find_map(|pair| base.describe.route(pair.before.as_ref()?)))
    };
    let risks = found.iter().map(|risk| Risk {
        kind: risk.kind.label().to_owned(),
        level: risk.level,
        message: readable(&risk.reason),
        class: risk.class,
        witness: risk.witness.as_ref().map(gatewright_behaviour::Request::shown),
        location: place(risk),
    });
    let mut risks: Vec<Risk> = risks.collect();
    // What a merge is stopped for comes first; within that, the order of the classes.
    risks.sort_by_key(|risk| std::cmp::Reverse(risk.level));
    (level, risks, diff)
}

/// Names the changes that were found behind each class. `names` are those of all changes, `rows` what a plan says of them.
pub(crate) fn name_causes(
    level: &mut BehaviourLevel,
    found: &[Found],
    names: &[EntityName],
    rows: &[ObjectChange],
) {
    let rows: BTreeMap<&EntityName, &ObjectChange> = rows.iter().map(|row| (&row.entity, row)).collect();
    let cause = |name: &EntityName| match rows.get(name) {
        Some(row) => Cause {
            entity: name.clone(),
            change: row.change,
            location: row.after.clone().or_else(|| row.before.clone()),
        },
        // What is written is the same; that it was written twice, or the settings, is not.
        None => Cause { entity: name.clone(), change: Change::Changed, location: None },
    };
    for (class, found) in level.classes.iter_mut().zip(found) {
        class.causes = found.changes.iter().filter_map(|change| names.get(*change)).map(cause).collect();
        class.candidates = found.candidates;
    }
}

struct Rows<'a> {
    base: &'a Side<'a>,
    head: &'a Side<'a>,
}

impl Rows<'_> {
    fn level(&self, diff: &BehaviourDiff) -> BehaviourLevel {
        BehaviourLevel {
            hosts_before: diff.counters.hosts_before,
            hosts_after: diff.counters.hosts_after,
            routes_before: diff.counters.routes_before,
            routes_after: diff.counters.routes_after,
            classes: diff.classes.iter().map(|class| self.class(class)).collect(),
        }
    }

    fn class(&self, class: &gatewright_behaviour::BehaviourClass) -> BehaviourClass {
        let routes: BTreeSet<RouteId> =
            class.routes_before().into_iter().chain(class.routes_after()).collect();
        BehaviourClass {
            effect: effect(class.before(), class.after()),
            requests: region::line(&region::phrases(&class.region())),
            hosts: class.hosts().iter().map(ToString::to_string).collect(),
            routes: routes.len(),
            changes: class.changes.iter().map(facet).collect(),
            observable: match class.observability() {
                Observability::OneRequest => Observable::OneRequest,
                Observability::Sample => Observable::Sample,
                Observability::Hidden => Observable::Hidden,
            },
            may_differ: match class.certainty() {
                Certainty::Exact => None,
                Certainty::MayDiffer(reason) => Some(reason.clone()),
            },
            risks: Vec::new(),
            causes: Vec::new(),
            candidates: false,
            cases: class.cases.iter().map(|case| self.case(case)).collect(),
        }
    }

    fn case(&self, case: &Case) -> BehaviourCase {
        let places: BTreeSet<Places> = case
            .routes
            .iter()
            .map(|pair| Places {
                before: pair.before.as_ref().and_then(|route| self.base.describe.route(route)),
                after: pair.after.as_ref().and_then(|route| self.head.describe.route(route)),
            })
            .filter(|places| places.before.is_some() || places.after.is_some())
            .collect();
        BehaviourCase {
            requests: region::phrases(&case.region),
            before: readable(&case.before.to_string()),
            after: readable(&case.after.to_string()),
            places: places.into_iter().collect(),
            witness: case.witness.as_ref().map(gatewright_behaviour::Request::shown),
        }
    }
}

fn facet(change: &gatewright_behaviour::FacetChange) -> FacetChange {
    FacetChange {
        facet: change.facet.label().to_owned(),
        before: readable(&change.before),
        after: readable(&change.after),
    }
}

/// Writes upstream clusters, `outbound|80||web.shop.svc`, as people write addresses: `web.shop.svc:80`; and nothing that
/// is secret by its shape.
fn readable(text: &str) -> String {
    let text = gatewright_secrets::text(text);
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("outbound|");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ']' | '`'))
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match name.splitn(3, '|').collect::<Vec<_>>().as_slice() {
            [port, "", host] => out.push_str(&format!("{host}:{port}")),
            [port, subset, host] => out.push_str(&format!("{host}:{port}/{subset}")),
            _ => out.push_str(&format!("outbound|{name}")),
        }
        out.push_str(rest);
    }
    out
}

fn effect(before: &Outcome, after: &Outcome) -> Effect {
    match (is_served(before), is_served(after)) {
        (true, false) => Effect::Lost,
        (false, true) => Effect::Gained,
        _ => Effect::Changed,
    }
}

fn is_served(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Handshake(handshake) => handshake.is_served(),
        Outcome::BadRequest(_) | Outcome::NoRoute => false,
        Outcome::Route(route) => !matches!(route.answer, Answer::Refuse(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn upstreams_read_like_addresses() {
        let text = "forward to outbound|80||web.shop.svc 90%, outbound|8080|v2|api.static 10%";
        assert_eq!(readable(text), "forward to web.shop.svc:80 90%, api.static:8080/v2 10%");
        assert_eq!(readable("outbound|x; 404"), "outbound|x; 404");
    }
}
