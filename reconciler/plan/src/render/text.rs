//! The plan for a terminal: complete, at most 100 columns wide as far as names allow.

use std::fmt::Write as _;

use gatewright_diagnostics::outlet::visible;

use super::difference::unified;
use super::words;
use super::wrap::{shorten, wrap};
use crate::RiskLevel;
use crate::behaviour::{BehaviourCase, BehaviourClass, Effect};
use crate::cluster::{ClusterAction, ClusterField, ClusterLevel, ClusterStep};
use crate::model::{Finding, Level, Plan, Risk};
use crate::objects::{Change, FieldChange, ObjectChange};
use crate::side::Location;
use crate::xds::XdsLevel;

/// Characters in a line.
const WIDTH: usize = 100;
/// Characters of a value.
const VALUE: usize = 400;
/// Hosts, cases and places that a class names.
const NAMED: usize = 12;

/// How the text is written.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions<'a> {
    /// Whether escape codes for colors are written.
    pub color: bool,
    /// The levels that are shown; risks and what is not known are always shown.
    pub levels: &'a [Level],
}

/// Renders a plan for a terminal.
pub fn text(plan: &Plan, options: TextOptions<'_>) -> String {
    let mut writer = Writer { out: String::new(), color: options.color };
    writer.summary(plan);
    writer.findings("Not modelled, so the plan may differ from what happens", &plan.assumptions);
    writer.risks(&plan.risks);
    plan.cluster.iter().for_each(|cluster| writer.cluster(cluster));
    for level in Level::ALL.into_iter().filter(|level| options.levels.contains(level)) {
        match level {
            Level::Behaviour => writer.behaviour(plan),
            Level::Objects => writer.objects(plan),
            Level::Xds => writer.xds(&plan.xds),
        }
    }
    writer.findings("New findings", &plan.new_findings);
    writer.line(&format!("Digest {}", visible(&plan.digest)));
    writer.out
}

/// Renders what an apply does to a kube cluster, for a terminal.
pub fn cluster(level: &ClusterLevel, color: bool) -> String {
    let mut writer = Writer { out: String::new(), color };
    writer.cluster(level);
    writer.out
}

#[derive(Clone, Copy)]
enum Paint {
    Title,
    Added,
    Changed,
    Removed,
    Faint,
}

impl Paint {
    fn of(change: Change) -> Self {
        match change {
            Change::Added => Paint::Added,
            Change::Changed => Paint::Changed,
            Change::Removed => Paint::Removed,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Paint::Title => "1",
            Paint::Added => "32",
            Paint::Changed => "33",
            Paint::Removed => "31",
            Paint::Faint => "2",
        }
    }
}

struct Writer {
    out: String,
    color: bool,
}

impl Writer {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    }

    /// Writes a wrapped text behind a sign; the color does not count as width.
    fn signed(&mut self, indent: usize, sign: &str, paint: Paint, text: &str) {
        let rest = " ".repeat(indent + sign.chars().count() + 1);
        let wrapped = wrap(&rest, &rest, &visible(text), WIDTH);
        self.out.push_str(&" ".repeat(indent));
        let sign = self.paint(paint, sign);
        self.out.push_str(&sign);
        self.out.push(' ');
        self.out.push_str(&wrapped[rest.len()..]);
    }

    /// Writes a wrapped text behind a faint word in a column of its own.
    fn labeled(&mut self, indent: usize, label: &str, text: &str) {
        const COLUMN: usize = 8;
        let rest = " ".repeat(indent + COLUMN);
        let wrapped = wrap(&rest, &rest, &visible(text), WIDTH);
        self.out.push_str(&" ".repeat(indent));
        let painted = self.paint(Paint::Faint, label);
        self.out.push_str(&painted);
        self.out.push_str(&" ".repeat(COLUMN.saturating_sub(label.chars().count())));
        self.out.push_str(&wrapped[rest.len()..]);
    }

    fn title(&mut self, text: &str) {
        let title = self.paint(Paint::Title, &visible(text));
        self.line(&title);
    }

    fn summary(&mut self, plan: &Plan) {
        self.title("Plan");
        self.labeled(2, "from", &plan.base.to_string());
        self.labeled(2, "to", &plan.head.to_string());
        if plan.base.errors > 0 {
            let errors = words::count(plan.base.errors, "error");
            self.labeled(
                2,
                "note",
                &format!("{errors} in the base: its broken routes are compared as refused (503)"),
            );
        }
        self.line("");
        let headline = words::headline(plan);
        let painted = self.paint(Paint::Title, &headline);
        self.line(&painted);
        let objects = words::signs(|change| plan.objects(change));
        let xds = words::signs(|change| plan.resources(change));
        let risks = plan.risks.iter().filter(|risk| risk.level == RiskLevel::Stop).count();
        self.line(&format!("{} · objects {objects} · xDS resources {xds}", words::count(risks, "risk")));
        self.line("");
    }

    fn findings(&mut self, title: &str, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.title(title);
        for finding in findings {
            let text = format!("{} {}", finding.code, finding.message);
            self.signed(2, "?", Paint::Changed, &text);
            self.labeled(4, "at", &finding.location.to_string());
        }
        self.line("");
    }

    fn risks(&mut self, risks: &[Risk]) {
        if risks.is_empty() {
            return;
        }
        self.title("Risks");
        for risk in risks {
            let (sign, paint) = match risk.level {
                RiskLevel::Stop => ("!", Paint::Removed),
                RiskLevel::Note | RiskLevel::Ignore => ("·", Paint::Changed),
            };
            self.signed(2, sign, paint, &format!("{}: {}", risk.kind, risk.message));
            if let Some(witness) = &risk.witness {
                self.labeled(4, "try", witness);
            }
            if let Some(location) = &risk.location {
                self.labeled(4, "cause", &location.to_string());
            }
        }
        self.line("");
    }

    /// Writes what is done with each object of the cluster; fields in detail only where they meet other owners, as the
    /// objects' level shows the rest.
    fn cluster(&mut self, cluster: &ClusterLevel) {
        self.title(&format!("Cluster {}", cluster.context));
        self.line(&format!("  {}", visible(&words::cluster(cluster))));
        if let Some(refusal) = &cluster.refusal {
            self.signed(2, "!", Paint::Removed, &format!("GW0611 {refusal}"));
        }
        for step in &cluster.steps {
            self.cluster_step(step);
        }
        self.line("");
    }

    fn cluster_step(&mut self, step: &ClusterStep) {
        let (sign, paint) = match step.action {
            ClusterAction::Create => ("+", Paint::Added),
            ClusterAction::Update => ("~", Paint::Changed),
            ClusterAction::Delete => ("-", Paint::Removed),
            ClusterAction::Conflict => ("!", Paint::Removed),
            ClusterAction::Adopt | ClusterAction::Release | ClusterAction::Keep => ("·", Paint::Faint),
        };
        self.signed(2, sign, paint, &words::cluster_step(step));
        for field in &step.fields {
            self.cluster_field(field);
        }
    }

    fn cluster_field(&mut self, field: &ClusterField) {
        let owners = match field.owners.as_slice() {
            [] => String::new(),
            owners => format!("  owned by {}", owners.join(", ")),
        };
        self.signed(4, "·", Paint::Faint, &format!("{}{owners}", field.pointer));
        for (name, value) in [("base", &field.base), ("head", &field.head), ("live", &field.live)] {
            if let Some(value) = value {
                self.labeled(6, name, &shorten(&words::value(Some(value)), VALUE));
            }
        }
    }

    fn behaviour(&mut self, plan: &Plan) {
        if plan.behaviour.classes.is_empty() {
            return;
        }
        self.title("Behaviour");
        for class in &plan.behaviour.classes {
            self.class(class);
        }
        self.line("");
    }

    fn class(&mut self, class: &BehaviourClass) {
        let paint = match class.effect {
            Effect::Lost => Paint::Removed,
            Effect::Changed => Paint::Changed,
            Effect::Gained => Paint::Added,
        };
        self.signed(2, words::effect_sign(class.effect), paint, &class.requests);
        match class.effect {
            Effect::Lost => self.lost(class),
            _ if class.hosts.len() > 1 => self.labeled(4, "hosts", &hosts(&class.hosts)),
            _ => {}
        }
        let first = class.first();
        self.labeled(4, "before", &first.before);
        self.labeled(4, "after", &first.after);
        for change in words::further_changes(class) {
            let text = format!("{} -> {}", shorten(&change.before, VALUE), shorten(&change.after, VALUE));
            self.labeled(4, "", &format!("{}: {text}", change.facet));
        }
        self.cases(class);
        self.places(class);
        self.causes(class);
        if !class.risks.is_empty() {
            self.labeled(4, "risk", &class.risks.join(", "));
        }
        if let Some(remark) = words::remark(class) {
            self.labeled(4, "note", &remark);
        }
        if let Some(witness) = class.witness() {
            self.labeled(4, "try", witness);
        }
    }

    /// Names what is lost in full, however much it is, unless one line has said it.
    fn lost(&mut self, class: &BehaviourClass) {
        let all = class.cases.iter().flat_map(|case| &case.requests);
        if all.clone().count() == 1 && class.hosts.len() == 1 && class.first().requests[0].paths.len() < 2 {
            return;
        }
        for requests in all {
            let what =
                requests.paths.iter().chain(&requests.conditions).map(String::as_str).collect::<Vec<_>>();
            let text = format!("{}: {}", requests.hosts.join(", "), what.join(", "));
            self.labeled(4, "lost", &text);
        }
    }

    /// Where the cases differ in more than the host, shows each.
    fn cases(&mut self, class: &BehaviourClass) {
        let first = class.first();
        let alike = |case: &BehaviourCase| case.before == first.before && case.after == first.after;
        if class.cases.iter().all(alike) {
            return;
        }
        for case in class.cases.iter().take(NAMED) {
            self.labeled(4, "", &format!("{}: {} -> {}", case.line(), case.before, case.after));
        }
        if class.cases.len() > NAMED {
            let more = class.cases.len() - NAMED;
            self.labeled(4, "", &format!("… and {more} more cases (all of them with --format json)"));
        }
    }

    fn causes(&mut self, class: &BehaviourClass) {
        for (place, cause) in class.causes.iter().take(NAMED).enumerate() {
            let label = match (class.candidates, place) {
                (true, _) => "perhaps",
                (false, 0) => "because",
                (false, _) => "and",
            };
            self.labeled(4, label, &words::cause(cause));
        }
        if class.causes.len() > NAMED {
            self.labeled(4, "", &format!("… and {} more objects", class.causes.len() - NAMED));
        }
        if class.candidates {
            self.labeled(4, "", words::CANDIDATES);
        }
    }

    fn places(&mut self, class: &BehaviourClass) {
        let places = class.cases.iter().flat_map(|case| &case.places);
        let places: std::collections::BTreeSet<String> = places.map(words::place_pair).collect();
        for place in places.iter().take(NAMED) {
            let painted = self.paint(Paint::Faint, "at");
            self.line(&format!("    {painted}      {}", visible(place)));
        }
        if places.len() > NAMED {
            self.labeled(4, "", &format!("… and {} more places", places.len() - NAMED));
        }
    }

    fn objects(&mut self, plan: &Plan) {
        if plan.objects.changes.is_empty() {
            return;
        }
        self.title("Objects");
        for row in &plan.objects.changes {
            self.object(row);
        }
        self.line("");
    }

    fn object(&mut self, row: &ObjectChange) {
        let place = row.after.as_ref().or(row.before.as_ref()).map(Location::to_string).unwrap_or_default();
        let text = format!("{}  {place}", row.entity);
        self.signed(2, row.change.sign(), Paint::of(row.change), text.trim_end());
        if row.dependents > 0 {
            let hosts = words::count(row.dependents, "host");
            self.labeled(4, "reaches", &hosts);
        }
        for field in &row.fields {
            self.field(field);
        }
    }

    fn field(&mut self, field: &FieldChange) {
        let change = field.change();
        let line =
            field.location.as_ref().map(|location| format!("  line {}", location.line)).unwrap_or_default();
        self.signed(4, change.sign(), Paint::of(change), &format!("{}{line}", field.pointer));
        if let Some((before, after)) = words::texts(field.before.as_ref(), field.after.as_ref()) {
            self.difference(8, &unified(before, after));
            return;
        }
        if words::is_hidden(field) {
            self.line("        the value differs (hidden)");
            return;
        }
        if let Some(before) = &field.before {
            let text = shorten(&words::value(Some(before)), VALUE);
            self.signed(8, "-", Paint::Removed, &text);
        }
        if let Some(after) = &field.after {
            let text = shorten(&words::value(Some(after)), VALUE);
            self.signed(8, "+", Paint::Added, &text);
        }
    }

    fn difference(&mut self, indent: usize, difference: &str) {
        for line in difference.split_terminator('\n') {
            let line = visible(line);
            let line = match line.chars().next() {
                Some('-') => self.paint(Paint::Removed, &line),
                Some('+') => self.paint(Paint::Added, &line),
                _ => line.into_owned(),
            };
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }

    fn xds(&mut self, level: &XdsLevel) {
        if level.changes.is_empty() {
            return;
        }
        self.title("xDS resources");
        for row in &level.types {
            let counts = format!(
                "{} -> {}",
                words::grouped(row.before.resources),
                words::grouped(row.after.resources)
            );
            let bytes = format!("{} -> {}", words::size(row.before.bytes), words::size(row.after.bytes));
            let signs = format!("+{} ~{} -{}", row.added, row.changed, row.removed);
            let mut line = String::new();
            // Writing into a String cannot fail.
            write!(line, "  {:<22} {counts:<18} {bytes:<24} {signs}", row.name).ok();
            self.line(&line);
        }
        for row in &level.changes {
            let text = format!("{} {}  {}", row.type_name, row.name, words::sizes(row));
            self.signed(2, row.change.sign(), Paint::of(row.change), &text);
            if let Some(difference) = &row.diff {
                self.difference(8, difference);
            }
        }
        self.line("");
    }
}

fn hosts(hosts: &[String]) -> String {
    let shown: Vec<&str> = hosts.iter().take(NAMED).map(String::as_str).collect();
    let mut text = format!("{}: {}", words::count(hosts.len(), "host"), shown.join(", "));
    if hosts.len() > NAMED {
        text.push_str(", … (all of them with --format json)");
    }
    text
}
