//! The plan as a pull-request comment: the summary first, at most 65,536 bytes. Risks and deletions are never cut; where
//! room is short they are written more and more densely, and the other parts give way.

mod compact;

use std::collections::{BTreeMap, BTreeSet};

use compact::{Density, Entry, Group};
use gatewright_diagnostics::outlet::markdown::{block, code, prose};

use super::difference::unified;
use super::words;
use super::wrap::shorten;
use crate::RiskLevel;
use crate::behaviour::{BehaviourCase, BehaviourClass, Effect, Requests};
use crate::model::{Finding, Level, Plan, Risk, Verdict};
use crate::objects::{Change, FieldChange, ObjectChange};
use crate::side::Location;

/// The most that code hosts accept as one comment, in bytes.
pub const MARKDOWN_LIMIT: usize = 65_536;

/// Kept for the parts that may be cut, so that they are never left out altogether.
const FOR_DETAILS: usize = 12_000;
/// Kept for the notes that say what was cut.
const FOR_NOTES: usize = 1_000;
/// Characters of a value.
const VALUE: usize = 200;
/// Lines of a difference.
const LINES: usize = 40;
/// Hosts and places that a class names.
const NAMED: usize = 20;

/// Renders a plan as markdown. `levels` chooses the details; risks and deletions are always told.
pub fn markdown(plan: &Plan, levels: &[Level]) -> String {
    let head = summary(plan);
    let foot = format!("\n<sub>Plan {}</sub>\n", code(&plan.digest));
    let room = MARKDOWN_LIMIT - FOR_DETAILS - FOR_NOTES - head.len() - foot.len();
    let must = what_must_stay(plan, room);
    let mut left = MARKDOWN_LIMIT - FOR_NOTES - head.len() - must.len() - foot.len();
    let mut out = head + &must;
    for level in Level::ALL.into_iter().filter(|level| levels.contains(level)) {
        let section = match level {
            Level::Behaviour => behaviour(plan),
            Level::Objects => objects(plan),
            Level::Xds => xds(plan),
        };
        out.push_str(&section.fit(&mut left));
    }
    out.push_str(&findings("New findings", &plan.new_findings).fit(&mut left));
    out + &foot
}

fn summary(plan: &Plan) -> String {
    let mark = match plan.verdict() {
        Verdict::NoChange => "No change",
        Verdict::Changes => "Changes",
        Verdict::RiskyChanges => "Risky changes",
    };
    let risks = plan.risks.iter().filter(|risk| risk.level == RiskLevel::Stop).count();
    let classes = plan.behaviour.classes.len();
    let bytes = |after: bool| {
        plan.xds.types.iter().map(|row| if after { row.after.bytes } else { row.before.bytes }).sum()
    };
    let mut out = format!("### gatewright plan: {mark}\n\n**{}**\n\n", prose(&words::headline(plan)));
    out.push_str(&format!("{} → {}\n\n", code(&plan.base.to_string()), code(&plan.head.to_string())));
    if plan.verdict() == Verdict::NoChange {
        return out;
    }
    out.push_str("| | |\n|---|---|\n");
    out.push_str(&format!(
        "| Behaviour | {} on {} |\n",
        words::count(classes, "class"),
        words::count(words::touched_hosts(plan), "host")
    ));
    out.push_str(&format!("| Risks | {risks} |\n"));
    let objects = words::signs(|change| plan.objects(change));
    out.push_str(&format!("| Objects | {} |\n", code(&objects)));
    if let Some(cluster) = &plan.cluster {
        let refusal =
            cluster.refusal.as_ref().map(|refusal| format!("; refused: {refusal}")).unwrap_or_default();
        out.push_str(&format!(
            "| Cluster {} | {}{} |\n",
            code(&cluster.context),
            prose(&words::cluster(cluster)),
            prose(&refusal)
        ));
    }
    let resources = words::signs(|change| plan.resources(change));
    out.push_str(&format!(
        "| xDS resources | {}, {} → {} |\n\n",
        code(&resources),
        words::size(bytes(false)),
        words::size(bytes(true))
    ));
    if plan.base.errors > 0 {
        let errors = words::count(plan.base.errors, "error");
        out.push_str(&format!("The base has {errors}: its broken routes are compared as refused (503).\n\n"));
    }
    out
}

/// Writes risks, assumptions and deletions as fully as `room` allows.
fn what_must_stay(plan: &Plan, room: usize) -> String {
    let parts = [
        ("Risks", risks(&plan.risks)),
        ("Not modelled, so the plan may differ from what happens", assumptions(&plan.assumptions)),
        ("No longer served", lost(plan)),
        ("Deleted objects", deleted_objects(plan)),
        ("Deleted xDS resources", deleted_resources(plan)),
    ];
    let mut densities = [Density::Full; 5];
    let mut texts = [0, 1, 2, 3, 4].map(|index| part(parts[index].0, &parts[index].1, Density::Full));
    // The longest part gives way first, so that a few risks stay in full beside thousands of deletions; and xDS resources
    // before objects, and these before requests, because the former follow from the latter.
    const YIELDS: [usize; 5] = [1, 1, 1, 4, 16];
    while texts.iter().map(String::len).sum::<usize>() > room {
        let longest = (0..texts.len()).filter(|index| densities[*index].denser().is_some());
        let Some(index) = longest.max_by_key(|index| texts[*index].len() * YIELDS[*index]) else { break };
        densities[index] = densities[index].denser().unwrap_or(densities[index]);
        texts[index] = part(parts[index].0, &parts[index].1, densities[index]);
    }
    texts.concat()
}

fn part(title: &str, groups: &[Group], density: Density) -> String {
    let text = compact::write(groups, density);
    if text.is_empty() {
        return String::new();
    }
    let note = compact::note(density).map(|note| format!("{note}\n\n")).unwrap_or_default();
    format!("#### {title}\n\n{note}{text}\n")
}

/// Groups entries by title, in the order of the titles' first appearance.
fn grouped(rows: impl Iterator<Item = (String, Entry)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (title, entry) in rows {
        let place = *places.entry(title.clone()).or_insert_with(|| {
            groups.push(Group { title, entries: Vec::new() });
            groups.len() - 1
        });
        groups[place].entries.push(entry);
    }
    groups
}

fn risks(risks: &[Risk]) -> Vec<Group> {
    grouped(risks.iter().map(|risk| {
        let mark = if risk.level == RiskLevel::Stop { "**Risk**:" } else { "Note:" };
        let witness = risk.witness.iter().map(|witness| format!("<br>try {}", code(witness)));
        let place = risk.location.iter().map(|location| format!("<br>at {}", code(&location.to_string())));
        let more = witness.chain(place).collect();
        (format!("{mark} {}", code(&risk.kind)), Entry { name: risk.message.clone(), more })
    }))
}

fn assumptions(findings: &[Finding]) -> Vec<Group> {
    grouped(findings.iter().map(|finding| {
        let more = format!(" {}", code(&finding.location.to_string()));
        (code(&finding.code), Entry { name: finding.message.clone(), more })
    }))
}

/// One entry for each host and path, so that none is lost in a number.
fn lost(plan: &Plan) -> Vec<Group> {
    let classes = plan.behaviour.classes.iter().filter(|class| class.effect == Effect::Lost);
    grouped(classes.flat_map(|class| &class.cases).flat_map(lost_case))
}

fn lost_case(case: &BehaviourCase) -> Vec<(String, Entry)> {
    let at = place(case.places.first().and_then(|places| places.before.as_ref()));
    let witness =
        case.witness.as_ref().map(|witness| format!("<br>try {}", code(witness))).unwrap_or_default();
    let now = format!("{} → {}", prose(&case.before), prose(&case.after));
    if let [requests] = case.requests.as_slice()
        && requests.hosts.len() == 1
        && requests.paths.len() < 2
    {
        let entry = Entry { name: case.line(), more: format!(": {now}{at}{witness}") };
        return vec![(prose(&case.after), entry)];
    }
    let mut rows = Vec::new();
    for requests in &case.requests {
        let conditions: String =
            requests.conditions.iter().map(|condition| format!(", {condition}")).collect();
        for (shared, name) in lost_names(requests) {
            let what = prose(format!("{shared}{conditions}").trim_start_matches(", "));
            rows.push((format!("{what}: {now}{at}{witness}"), Entry { name, more: String::new() }));
        }
    }
    rows
}

/// Returns each pair of host and path as what it shares with others of the set, and the rest as its name.
fn lost_names(requests: &Requests) -> Vec<(String, String)> {
    let Requests { hosts, paths, .. } = requests;
    match (hosts.as_slice(), paths.as_slice()) {
        (hosts, []) => hosts.iter().map(|host| (String::new(), host.clone())).collect(),
        (hosts, [path]) => hosts.iter().map(|host| (path.clone(), host.clone())).collect(),
        (hosts, paths) => {
            let of_host =
                |host: &String| paths.iter().map(|path| (host.clone(), path.clone())).collect::<Vec<_>>();
            hosts.iter().flat_map(of_host).collect()
        }
    }
}

fn deleted_objects(plan: &Plan) -> Vec<Group> {
    let rows = plan.objects.changes.iter().filter(|row| row.change == Change::Removed);
    grouped(rows.map(|row| {
        let namespace = match row.entity.namespace.as_str() {
            "" => String::new(),
            namespace => format!(" in {}", code(namespace)),
        };
        let title = format!("{}{namespace}", prose(&row.entity.kind));
        (title, Entry { name: row.entity.name.clone(), more: place(row.before.as_ref()) })
    }))
}

fn deleted_resources(plan: &Plan) -> Vec<Group> {
    let rows = plan.xds.changes.iter().filter(|row| row.change == Change::Removed);
    grouped(rows.map(|row| (prose(&row.type_name), Entry { name: row.name.clone(), more: String::new() })))
}

fn place(location: Option<&Location>) -> String {
    location.map(|location| format!(" at {}", code(&location.to_string()))).unwrap_or_default()
}

/// A part of the comment that gives way where room is short.
struct Section {
    title: String,
    /// What stands above the rows.
    intro: String,
    rows: Vec<String>,
}

impl Section {
    /// Writes as many rows as there is room for, and says how many are missing.
    fn fit(self, left: &mut usize) -> String {
        const CUT: usize = 120;
        if self.rows.is_empty() && self.intro.is_empty() {
            return String::new();
        }
        let start = format!("<details><summary>{}</summary>\n\n{}", self.title, self.intro);
        let end = "\n</details>\n\n";
        let frame = start.len() + end.len() + CUT;
        if frame > *left {
            *left = left.saturating_sub(CUT);
            return format!("{}: left out for lack of room.\n\n", self.title);
        }
        let mut out = start;
        let mut written = 0;
        for row in &self.rows {
            if out.len() + row.len() + end.len() + CUT > *left {
                break;
            }
            out.push_str(row);
            written += 1;
        }
        if written < self.rows.len() {
            let missing = words::grouped(self.rows.len() - written);
            out.push_str(&format!(
                "- … {missing} more for which there is no room here; --format text shows all\n"
            ));
        }
        out.push_str(end);
        *left -= out.len();
        out
    }
}

fn behaviour(plan: &Plan) -> Section {
    let rows: Vec<String> =
        plan.behaviour.classes.iter().filter(|class| class.effect != Effect::Lost).map(class).collect();
    Section { title: format!("Changed and new behaviour ({})", rows.len()), intro: String::new(), rows }
}

fn class(class: &BehaviourClass) -> String {
    let mut out = format!("- {} {}\n", words::effect_sign(class.effect), code(&class.requests));
    if class.hosts.len() > 1 {
        let names: Vec<String> = class.hosts.iter().take(NAMED).map(|host| code(host)).collect();
        let more = if class.hosts.len() > NAMED { ", …" } else { "" };
        out.push_str(&format!(
            "  - {}: {}{more}\n",
            words::count(class.hosts.len(), "host"),
            names.join(", ")
        ));
    }
    let first = class.first();
    out.push_str(&format!("  - before: {}\n  - after: {}\n", prose(&first.before), prose(&first.after)));
    for change in words::further_changes(class) {
        let value = |text: &str| code(&shorten(text, VALUE));
        out.push_str(&format!(
            "  - {}: {} → {}\n",
            prose(&change.facet),
            value(&change.before),
            value(&change.after)
        ));
    }
    let places: BTreeSet<String> =
        class.cases.iter().flat_map(|case| &case.places).map(words::place_pair).collect();
    let shown: Vec<String> = places.iter().take(NAMED).map(|place| code(place)).collect();
    if !shown.is_empty() {
        let more = if places.len() > NAMED { ", …" } else { "" };
        out.push_str(&format!("  - at {}{more}\n", shown.join(", ")));
    }
    let causes: Vec<String> =
        class.causes.iter().take(NAMED).map(|cause| code(&words::cause(cause))).collect();
    if !causes.is_empty() {
        let more = if class.causes.len() > NAMED { ", …" } else { "" };
        let (label, note) = match class.candidates {
            true => ("perhaps", format!(" ({})", words::CANDIDATES)),
            false => ("because", String::new()),
        };
        out.push_str(&format!("  - {label} {}{more}{note}\n", causes.join(", ")));
    }
    let remark = words::remark(class).map(|remark| format!(" ({})", prose(&remark))).unwrap_or_default();
    if let Some(witness) = class.witness() {
        out.push_str(&format!("  - try {}{remark}\n", code(witness)));
    }
    out
}

fn objects(plan: &Plan) -> Section {
    let rows: Vec<String> =
        plan.objects.changes.iter().filter(|row| row.change != Change::Removed).map(object).collect();
    Section { title: format!("Changed and new objects ({})", rows.len()), intro: String::new(), rows }
}

fn object(row: &ObjectChange) -> String {
    let at = place(row.after.as_ref().or(row.before.as_ref()));
    let used = match row.dependents {
        0 => String::new(),
        hosts => format!(", reaches {}", words::count(hosts, "host")),
    };
    let mut out = format!("- {} {}{at}{used}\n", row.change.sign(), code(&row.entity.to_string()));
    for change in &row.fields {
        out.push_str(&field(change));
    }
    out
}

fn field(change: &FieldChange) -> String {
    let line =
        change.location.as_ref().map(|location| format!(" line {}", location.line)).unwrap_or_default();
    let start = format!("  - {} {}{line}", change.change().sign(), code(&change.pointer));
    if let Some((before, after)) = words::texts(change.before.as_ref(), change.after.as_ref()) {
        return format!("{start}\n\n{}\n", indented(&block("diff", &bounded(&unified(before, after)))));
    }
    if words::is_hidden(change) {
        return format!("{start}: the value differs (hidden)\n");
    }
    let value = |value| code(&shorten(&words::value(value), VALUE));
    match change.change() {
        Change::Added => format!("{start}: {}\n", value(change.after.as_ref())),
        Change::Removed => format!("{start}: was {}\n", value(change.before.as_ref())),
        Change::Changed => {
            format!("{start}: {} → {}\n", value(change.before.as_ref()), value(change.after.as_ref()))
        }
    }
}

/// Cuts a difference to its first lines.
fn bounded(difference: &str) -> String {
    let mut lines: Vec<String> = difference.lines().take(LINES).map(|line| shorten(line, VALUE)).collect();
    let all = difference.lines().count();
    if all > LINES {
        lines.push(format!("… {} more lines", all - LINES));
    }
    lines.join("\n")
}

fn indented(block: &str) -> String {
    block.lines().map(|line| format!("    {line}\n")).collect()
}

fn xds(plan: &Plan) -> Section {
    if plan.xds.changes.is_empty() {
        return Section { title: String::new(), intro: String::new(), rows: Vec::new() };
    }
    let mut intro =
        String::from("| Type | Before | After | Added | Changed | Removed |\n|---|--:|--:|--:|--:|--:|\n");
    for row in &plan.xds.types {
        intro.push_str(&format!(
            "| {} | {} ({}) | {} ({}) | {} | {} | {} |\n",
            row.name,
            words::grouped(row.before.resources),
            words::size(row.before.bytes),
            words::grouped(row.after.resources),
            words::size(row.after.bytes),
            row.added,
            row.changed,
            row.removed,
        ));
    }
    intro.push('\n');
    let rows = plan.xds.changes.iter().filter(|row| row.change != Change::Removed || row.diff.is_some());
    let rows = rows.map(|row| {
        let text =
            format!("- {} {} {} {}\n", row.change.sign(), row.type_name, code(&row.name), words::sizes(row));
        match &row.diff {
            Some(difference) => format!("{text}\n{}\n", indented(&block("diff", &bounded(difference)))),
            None => text,
        }
    });
    Section { title: format!("xDS resources ({})", plan.xds.changes.len()), intro, rows: rows.collect() }
}

fn findings(title: &str, findings: &[Finding]) -> Section {
    let row = |finding: &Finding| {
        let place = code(&finding.location.to_string());
        format!(
            "- {} {}: {} at {place}\n",
            prose(&finding.severity),
            code(&finding.code),
            prose(&finding.message)
        )
    };
    Section {
        title: format!("{title} ({})", findings.len()),
        intro: String::new(),
        rows: findings.iter().map(row).collect(),
    }
}
