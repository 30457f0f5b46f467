//! Sentences and numbers that every form of a plan uses.

use crate::behaviour::{self, BehaviourClass, Cause, Effect, Observable, Places};
use crate::cluster::{ClusterAction, ClusterLevel, ClusterStep};
use crate::model::{Plan, Verdict};
use crate::objects::{Change, FieldChange, FieldValue};
use crate::xds::XdsChange;

/// Returns `1 host` or `2 hosts`.
pub(crate) fn count(number: usize, singular: &str) -> String {
    match number {
        1 => format!("1 {singular}"),
        _ if singular.ends_with("ss") => format!("{} {singular}es", grouped(number)),
        _ => format!("{} {singular}s", grouped(number)),
    }
}

/// Returns a number with a comma between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a size in bytes, kB or MB.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Says on one line what an apply does to a cluster.
pub(crate) fn cluster(cluster: &ClusterLevel) -> String {
    let words = [
        (ClusterAction::Create, "to create"),
        (ClusterAction::Update, "to update"),
        (ClusterAction::Adopt, "to adopt"),
        (ClusterAction::Delete, "to delete"),
        (ClusterAction::Conflict, "in conflict"),
        (ClusterAction::Release, "to release"),
        (ClusterAction::Keep, "kept"),
    ];
    let mut parts: Vec<String> = words
        .into_iter()
        .filter(|(action, _)| cluster.count(*action) > 0)
        .map(|(action, word)| format!("{} {word}", grouped(cluster.count(action))))
        .collect();
    parts.push(format!("{} as wanted", grouped(cluster.unchanged)));
    format!("objects: {} · inventory {}", parts.join(", "), cluster.inventory)
}

/// Says what is done with one object of a cluster, and why it is not what one would think.
pub(crate) fn cluster_step(step: &ClusterStep) -> String {
    let entity = &step.entity;
    match step.action {
        ClusterAction::Conflict => {
            format!("GW0610 {entity} is left alone: fields that differ belong to others")
        }
        ClusterAction::Release => {
            format!("GW0613 {entity} is not deleted: {} applied to it too", step.owners.join(", "))
        }
        ClusterAction::Keep => format!("GW0612 {entity} is not deleted: the inventory was not there"),
        action if step.force => format!("{} {entity}, taking fields from their owners", action.as_str()),
        action => format!("{} {entity}", action.as_str()),
    }
}

/// Says on one line what the plan comes down to.
pub(crate) fn headline(plan: &Plan) -> String {
    let classes = &plan.behaviour.classes;
    match plan.verdict() {
        Verdict::NoChange if plan.objects.compared > 0 => {
            let objects = count(plan.objects.compared, "object");
            format!("No change: files differ, but the {objects} in them say what they said before.")
        }
        Verdict::NoChange => "No change.".to_owned(),
        _ if classes.is_empty() => {
            format!("No change of behaviour: every request is answered as before.{}", reservation(plan))
        }
        _ => {
            let of = |effect| classes.iter().filter(|class| class.effect == effect).count();
            let parts = [(Effect::Lost, "lost"), (Effect::Changed, "changed"), (Effect::Gained, "gained")];
            let parts: Vec<String> = parts
                .into_iter()
                .filter(|(effect, _)| of(*effect) > 0)
                .map(|(effect, word)| format!("{} {word}", grouped(of(effect))))
                .collect();
            let hosts = count(touched_hosts(plan), "host");
            let classes = match classes.len() {
                1 => "1 class".to_owned(),
                number => format!("{} classes", grouped(number)),
            };
            format!("{classes} of requests on {hosts}: {}.{}", parts.join(", "), reservation(plan))
        }
    }
}

fn reservation(plan: &Plan) -> String {
    match plan.assumptions.len() {
        0 => String::new(),
        number => format!(" It may differ: {} not modelled.", be(number, "object")),
    }
}

/// Returns `1 object is` or `2 objects are`.
fn be(number: usize, singular: &str) -> String {
    format!("{} {}", count(number, singular), if number == 1 { "is" } else { "are" })
}

/// Returns how many host patterns are touched.
pub(crate) fn touched_hosts(plan: &Plan) -> usize {
    let hosts = plan.behaviour.classes.iter().flat_map(|class| &class.hosts);
    hosts.collect::<std::collections::BTreeSet<_>>().len()
}

/// Returns `+1 ~2 -3` for objects or resources.
pub(crate) fn signs(of: impl Fn(Change) -> usize) -> String {
    let parts = [Change::Added, Change::Changed, Change::Removed];
    parts.map(|change| format!("{}{}", change.sign(), grouped(of(change)))).join(" ")
}

/// Returns the sign of a class.
pub(crate) fn effect_sign(effect: Effect) -> &'static str {
    match effect {
        Effect::Lost => "-",
        Effect::Changed => "~",
        Effect::Gained => "+",
    }
}

/// Returns why a class needs care, if it does.
pub(crate) fn remark(class: &BehaviourClass) -> Option<String> {
    match (&class.may_differ, class.observable) {
        (Some(reason), _) => Some(format!("may differ: {reason}")),
        (None, Observable::Hidden) => Some("not observable by one request".to_owned()),
        (None, Observable::Sample) => Some("observable in a sample of requests".to_owned()),
        (None, Observable::OneRequest) => None,
    }
}

/// Returns the facets that the summaries of both outcomes do not show.
pub(crate) fn further_changes(class: &BehaviourClass) -> impl Iterator<Item = &behaviour::FacetChange> {
    let shown = |change: &&behaviour::FacetChange| {
        let first = class.first();
        first.before.ends_with(&change.before) && first.after.ends_with(&change.after)
    };
    class.changes.iter().filter(move |change| !shown(change))
}

/// What is said where the changes behind a class could not be told from those that reach it.
pub(crate) const CANDIDATES: &str = "these reach it; there are too many changes to tell which of them matter";

/// Returns a changed object with its place.
pub(crate) fn cause(cause: &Cause) -> String {
    let place = cause.location.iter().map(|location| format!("  {location}")).collect::<String>();
    format!("{} {}{place}", cause.change.sign(), cause.entity)
}

/// Returns where a route was and is written.
pub(crate) fn place_pair(places: &Places) -> String {
    match (&places.before, &places.after) {
        (Some(before), Some(after)) if before == after => after.to_string(),
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (Some(before), None) => format!("{before} -> (gone)"),
        (None, Some(after)) => format!("(none) -> {after}"),
        (None, None) => String::new(),
    }
}

/// Returns the size of a resource, or how it changes.
pub(crate) fn sizes(row: &XdsChange) -> String {
    match (row.before_bytes, row.after_bytes) {
        (Some(before), Some(after)) => format!("{} -> {}", size(before), size(after)),
        (before, after) => size(before.or(after).unwrap_or_default()),
    }
}

/// Returns a field's value on one line.
pub(crate) fn value(value: Option<&FieldValue>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some(FieldValue::Hidden) => "(hidden)".to_owned(),
        Some(FieldValue::Value(serde_json::Value::String(text))) => {
            text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
        }
        Some(FieldValue::Value(value)) => value.to_string(),
    }
}

/// Returns whether all that may be told of a field is that it differs.
pub(crate) fn is_hidden(field: &FieldChange) -> bool {
    field.before == Some(FieldValue::Hidden) && field.after == Some(FieldValue::Hidden)
}

/// Returns both texts of a field if a line difference says more than both values.
pub(crate) fn texts<'v>(
    before: Option<&'v FieldValue>,
    after: Option<&'v FieldValue>,
) -> Option<(&'v str, &'v str)> {
    let text = |value: Option<&'v FieldValue>| match value {
        None => Some(""),
        Some(FieldValue::Value(value)) => value.as_str(),
        Some(FieldValue::Hidden) => None,
    };
    let (before, after) = (text(before)?, text(after)?);
    let lines = |text: &str| text.trim_end_matches('\n').contains('\n');
    (lines(before) || lines(after)).then_some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((count(1, "host"), count(1_234_567, "host")), ("1 host".into(), "1,234,567 hosts".into()));
        assert_eq!(count(2, "class"), "2 classes");
        assert_eq!(
            (size(999), size(41_234), size(3_000_000)),
            ("999 B".into(), "41.2 kB".into(), "3.0 MB".into())
        );
    }

    #[test]
    fn a_text_of_several_lines_is_shown_by_lines() {
        let text = |text: &str| FieldValue::Value(text.into());
        assert_eq!(texts(Some(&text("a\nb\n")), None), Some(("a\nb\n", "")));
        assert_eq!(texts(Some(&text("a\n")), Some(&text("b\n"))), None);
        assert_eq!(texts(Some(&text("a\nb")), Some(&FieldValue::Hidden)), None);
    }
}
