//! Gives issues their places in the file, and says what is surprising about how values are written.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_diagnostics::{Code, Fix, Span, code};
use gatewright_kinds::{EntityKey, Kind};

use super::FileFinding;
use super::finder::Finder;
use super::issue::{Issue, Repair};
use super::json::{Converted, Surprise};
use super::locate::{marked, shown};
use super::scalar::{Meaning, NoValue, Style, Tag};
use super::text::{CharSpan, Lines};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::Part;

/// Findings of one sort that an object can have before the rest is only counted: each costs a search for its place.
const MAX_SHOWN: usize = 200;

/// Cuts the issues of an object, least severe first. Returns those that are shown, and the code and number of the others.
fn most_severe(mut issues: Vec<Issue>) -> (Vec<Issue>, Option<(&'static Code, usize)>) {
    if issues.len() <= MAX_SHOWN {
        return (issues, None);
    }
    issues.sort_by_key(|issue| issue.code.severity);
    let hidden = issues.split_off(MAX_SHOWN);
    (issues, hidden.first().map(|first| (first.code, hidden.len())))
}

/// One object in its file.
pub(crate) struct Placing<'f, 't, 'a> {
    /// The places of the document.
    pub(crate) finder: &'f Finder<'t, 'a>,
    /// The object's node.
    pub(crate) object: NodeId,
    /// The object's kind.
    pub(crate) kind: Kind,
}

impl<'t, 'a> Placing<'_, 't, 'a> {
    /// Returns the findings about an object.
    pub(crate) fn findings(
        &self,
        issues: Vec<Issue>,
        converted: &Converted,
        key: Option<&EntityKey>,
    ) -> Vec<FileFinding> {
        let surprises: BTreeMap<NodeId, Surprise> = converted.surprises.iter().copied().collect();
        let mut explained = BTreeSet::new();
        let (issues, hidden) = most_severe(issues);
        let mut findings: Vec<FileFinding> =
            issues.into_iter().map(|issue| self.finding(issue, &surprises, &mut explained)).collect();
        findings.extend(hidden.map(|(code, count)| {
            let message = format!("the object has {count} more findings, which are not shown");
            FileFinding::new(code, self.span(self.object), message)
        }));
        let remaining = surprises.iter().filter(|(node, _)| !explained.contains(node)).take(MAX_SHOWN);
        findings.extend(remaining.map(|(node, surprise)| self.surprise(*node, *surprise)));
        let no_values = converted.no_values.iter().take(MAX_SHOWN);
        findings.extend(no_values.map(|(node, why)| self.no_value(*node, why)));
        for finding in &mut findings {
            finding.entity = key.cloned();
        }
        findings
    }

    /// Places an issue. A value that surprises explains why its type is wrong, in one finding rather than two.
    fn finding(
        &self,
        issue: Issue,
        surprises: &BTreeMap<NodeId, Surprise>,
        explained: &mut BTreeSet<NodeId>,
    ) -> FileFinding {
        let (key, value) = self.finder.at(self.object, &issue.pointer);
        let node = marked(self.tree(), key, value, issue.part);
        let inside = issue.within.and_then(|within| self.finder.stretch(node, within));
        let span = inside.map_or_else(|| self.span(node), |inside| self.lines().span(inside));
        let mut finding = FileFinding::new(issue.code, span, issue.message);
        finding.notes = issue.notes;
        finding.help = issue.help;
        // A value that is secret must not be repeated.
        let secret =
            self.kind == Kind::Secret || gatewright_secrets::hides(self.kind.as_str(), &issue.pointer);
        let repeats = matches!(issue.repair, Repair::Quote | Repair::Literal(_));
        finding.fix = if secret && repeats { None } else { self.fix(&issue.repair, key, value) };
        let target = self.tree().target(value);
        if issue.part == Part::Value
            && let Some(Surprise::Value(meaning, _)) = surprises.get(&target)
        {
            explained.insert(target);
            finding.notes.push(format!("Kubernetes reads the unquoted value as {}", self.words(*meaning)));
            // Whether the text or its meaning is wanted is for the author to say.
            finding.fix = None;
        }
        finding
    }

    fn tree(&self) -> &'t Tree<'a> {
        self.finder.tree()
    }

    fn lines(&self) -> Lines<'t> {
        self.finder.lines()
    }

    fn span(&self, node: NodeId) -> Span {
        self.lines().span(shown(self.tree(), self.lines(), node))
    }

    fn fix(&self, repair: &Repair, key: NodeId, value: NodeId) -> Option<Fix> {
        // A place that is reached through an alias is shared.
        if self.tree().has_aliases {
            return None;
        }
        let exact = |node| self.tree().node(node).span;
        let (span, replacement) = match repair {
            Repair::Key(name) => (exact(key), self.quoted_alike(key, name)),
            Repair::Value(text) => (exact(value), self.quoted_alike(value, text)),
            Repair::Entry(text) => (exact(key).to(exact(value)), text.clone()),
            Repair::Quote => {
                let span = self.plain(value)?;
                (span, format!("\"{}\"", self.lines().slice(span)))
            }
            Repair::Literal(text) => (exact(value), text.clone()),
            Repair::Add(_) | Repair::ByHand => return None,
        };
        Some(Fix { span: self.lines().span(span), replacement })
    }

    /// Returns a word in the quotes that the scalar has now.
    fn quoted_alike(&self, node: NodeId, word: &str) -> String {
        match self.lines().slice(self.tree().node(node).span).chars().next() {
            Some(quote @ ('"' | '\'')) => format!("{quote}{word}{quote}"),
            _ => word.to_owned(),
        }
    }

    /// Returns the place of an unquoted scalar that can be quoted without more.
    fn plain(&self, node: NodeId) -> Option<CharSpan> {
        let node = self.tree().node(node);
        let plain = matches!(node.kind, NodeKind::Scalar { style: Style::Plain, tag: Tag::Implicit, .. });
        (plain && !self.lines().slice(node.span).contains(['"', '\\', '\n', '\r'])).then_some(node.span)
    }

    fn surprise(&self, node: NodeId, surprise: Surprise) -> FileFinding {
        let (message, help) = match surprise {
            Surprise::Value(ours, theirs) => (self.value_message(node, ours, theirs), self.value_help(ours)),
            Surprise::Key(meaning) => (
                format!(
                    "the unquoted key{} is the key \"{}\" to Kubernetes",
                    self.quoted_key(node),
                    meaning.literal()
                ),
                "put it in quotes".to_owned(),
            ),
            Surprise::ForeignTag => (
                "Kubernetes drops the tag of this value and takes its text".to_owned(),
                "remove the tag".to_owned(),
            ),
            Surprise::MergeReplaces => (
                "the merge key replaces values written above it, though YAML keeps those".to_owned(),
                "move the merge key to the top of the mapping".to_owned(),
            ),
        };
        let mut finding = FileFinding::new(&code::GW0007, self.span(node), message);
        finding.help = Some(help);
        finding
    }

    fn value_message(&self, node: NodeId, ours: Meaning, theirs: Meaning) -> String {
        let (text, ours, theirs) = (self.quoted(node), self.words(ours), self.words(theirs));
        if ours == theirs {
            return format!("the unquoted value{text} is another number to Kubernetes than in YAML 1.2");
        }
        format!("the unquoted value{text} is {ours} to Kubernetes, though YAML 1.2 reads {theirs}")
    }

    fn value_help(&self, ours: Meaning) -> String {
        match self.kind {
            Kind::Secret | Kind::WasmPlugin | Kind::McpBridge | Kind::ConfigMap => {
                "put it in quotes, or write what is meant".to_owned()
            }
            _ => format!("put it in quotes, or write `{}`", ours.literal()),
        }
    }

    fn no_value(&self, node: NodeId, why: &NoValue) -> FileFinding {
        let message = match why {
            NoValue::Tag("!!merge") => "a merge key needs a mapping or a list of mappings".to_owned(),
            NoValue::Tag(tag) => format!("the value does not fit its tag `{tag}`"),
            NoValue::NotFinite => "infinity and not-a-number cannot be sent to Kubernetes".to_owned(),
        };
        FileFinding::new(&code::GW0102, self.span(node), message)
    }

    /// Returns a scalar's text for a message, unless it may be secret.
    fn quoted(&self, node: NodeId) -> String {
        match self.kind {
            Kind::Secret | Kind::WasmPlugin | Kind::McpBridge | Kind::ConfigMap => String::new(),
            _ => format!(" `{}`", self.lines().slice(self.tree().node(node).span)),
        }
    }

    /// Returns a key's text for a message; keys of a ConfigMap or a registry are no secret.
    fn quoted_key(&self, node: NodeId) -> String {
        match self.kind {
            Kind::McpBridge | Kind::ConfigMap => {
                format!(" `{}`", self.lines().slice(self.tree().node(node).span))
            }
            _ => self.quoted(node),
        }
    }

    fn words(&self, meaning: Meaning) -> String {
        match self.kind {
            Kind::Secret | Kind::WasmPlugin | Kind::McpBridge | Kind::ConfigMap => {
                meaning.type_words().to_owned()
            }
            _ => meaning.words(),
        }
    }
}
