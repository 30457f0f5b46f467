//! YAML inside of a text of a manifest, as ConfigMaps hold it: read by a table of fields, as a Go program reads it into its
//! types. Every place is a stretch of the text. Values are not repeated: some are secret.

use super::fields::Fields;
use super::load::{Loader, Problem, Source};
use super::scalar::{self, Meaning};
use super::text::CharSpan;
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::Within;

/// What a field may hold.
#[derive(Debug)]
pub(crate) enum Rule {
    /// A boolean.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// A number from 0 to 100.
    Percent,
    /// A text; numbers and booleans count as one.
    Text,
    /// A text that is not empty.
    Filled,
    /// One of some words.
    Words(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of texts that is not empty.
    SomeTexts,
    /// Anything.
    Any,
    /// A mapping with these fields.
    Section(&'static [Field]),
    /// A list of mappings with these fields.
    List(&'static [Field]),
}

/// One field of a mapping.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its key. Go compares keys without regard to case.
    pub(crate) name: &'static str,
    /// What it may hold.
    pub(crate) rule: Rule,
    /// Whether it must be there.
    pub(crate) needed: bool,
}

/// Returns a field that may be left out.
pub(crate) const fn field(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, needed: false }
}

/// Returns a field that must be there.
pub(crate) const fn needed(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, needed: true }
}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Where.
    pub(crate) within: Within,
    /// What is wrong, as a clause.
    pub(crate) message: String,
    /// What to do, where that is known.
    pub(crate) help: Option<&'static str>,
    /// Whether the reader of the text refuses it; otherwise it passes it over.
    pub(crate) refused: bool,
}

/// A text that was read.
pub(crate) struct Inner {
    tree: Tree<'static>,
    root: Option<NodeId>,
    /// What is wrong with it, by place.
    pub(crate) remarks: Vec<Remark>,
}

/// Reads a text. An empty one has no fields and no fault.
pub(crate) fn read(text: &str, fields: &'static [Field]) -> Inner {
    let source = Source::new(text);
    let mut loader = Loader::new(&source);
    let mut tree = Tree::default();
    let mut remarks = Vec::new();
    let mut root = None;
    if let Some(loaded) = loader.next(&mut tree) {
        remarks.extend(loaded.problems.into_iter().map(of_problem));
        root = tree.root().filter(|root| loaded.usable && !tree.is_null(*root));
    }
    if let Some(root) = root {
        Checker { tree: &tree, remarks: &mut remarks }.section(root, fields, "the text");
    }
    remarks.sort_by_key(|remark| (remark.within.start, remark.within.end));
    Inner { tree: tree.into_owned(), root, remarks }
}

impl Inner {
    /// Returns whether the reader of the text refuses it.
    pub(crate) fn is_refused(&self) -> bool {
        self.remarks.iter().any(|remark| remark.refused)
    }

    /// Returns the fields of the text.
    pub(crate) fn fields(&self) -> Option<Fields<'_>> {
        self.root.map(|root| Fields::of(&self.tree, root))
    }

    /// Returns the keys of the text that have a value, with their places.
    pub(crate) fn keys(&self) -> Vec<(String, Within)> {
        let entries = self.root.into_iter().flat_map(|root| self.tree.entries(root));
        let set = entries.filter(|(_, value)| !self.tree.is_null(*value));
        let keys =
            set.filter_map(|(key, _)| Some((self.tree.key(key)?.into_owned(), self.tree.node(key).span)));
        keys.map(|(key, span)| (key, within(span))).collect()
    }

    /// Returns the place of the value at a JSON pointer.
    pub(crate) fn place(&self, pointer: &str) -> Option<Within> {
        let (key, value) = self.tree.at(self.root?, pointer);
        let span = self.tree.node(value).span;
        Some(within(if span.end > span.start { span } else { self.tree.node(key).span }))
    }
}

fn within(span: CharSpan) -> Within {
    Within { start: span.start as usize, end: span.end as usize }
}

fn of_problem(problem: Problem) -> Remark {
    let mut help = None;
    let (at, message) = match problem {
        Problem::Syntax { at, complaint, .. } => {
            help = complaint.help;
            (at, format!("it is not well-formed YAML: {}", complaint.what))
        }
        Problem::DuplicateKey { second, .. } => {
            (second, "the same key stands in this mapping before".to_owned())
        }
        Problem::KeyNotText { at } => (at, "a key must be text".to_owned()),
        Problem::TooManyKeyProblems { at } => (at, "it has too many faulty keys".to_owned()),
        Problem::Recursive { alias, .. } => {
            (alias, "an alias stands for a value that contains it".to_owned())
        }
        Problem::TooDeep { at } => (at, "values nest too deep".to_owned()),
    };
    Remark { within: within(at), message, help, refused: true }
}

struct Checker<'t, 'r> {
    tree: &'t Tree<'t>,
    remarks: &'r mut Vec<Remark>,
}

impl Checker<'_, '_> {
    fn section(&mut self, node: NodeId, fields: &'static [Field], name: &str) {
        if !matches!(self.tree.node(self.tree.target(node)).kind, NodeKind::Mapping(_)) {
            return self.refuse(node, format!("{name} must be a mapping"));
        }
        let entries: Vec<(NodeId, NodeId)> = self.tree.entries(node).collect();
        let known = |key: NodeId| {
            let text = self.tree.key(key)?;
            fields.iter().find(|field| field.name.eq_ignore_ascii_case(&text))
        };
        let found: Vec<Option<&'static Field>> = entries.iter().map(|(key, _)| known(*key)).collect();
        for ((key, value), field) in entries.iter().zip(&found) {
            match field {
                Some(field) => self.value(*value, field),
                None if self.tree.is_merge(*key) => {}
                None => {
                    let text = self.tree.key(*key).unwrap_or_default();
                    let message = format!("{name} has no field `{}`", super::issue::bounded(&text));
                    let within = within(self.tree.node(*key).span);
                    self.remarks.push(Remark { within, message, help: None, refused: false });
                }
            }
        }
        let lacks =
            |field: &&Field| field.needed && !found.iter().flatten().any(|have| have.name == field.name);
        let missing: Vec<&str> = fields.iter().filter(lacks).map(|field| field.name).collect();
        for field in missing {
            self.refuse(node, format!("{name} lacks the field `{field}`"));
        }
    }

    fn value(&mut self, node: NodeId, field: &'static Field) {
        let name = field.name;
        if self.tree.is_null(node) {
            // Go leaves the default in place.
            if field.needed {
                self.refuse(node, format!("`{name}` has no value"));
            }
            return;
        }
        let meaning = self.meaning(node);
        let number = match meaning {
            Some(Meaning::Int(number)) => Some(number),
            Some(Meaning::Uint(_)) => Some(i64::MAX),
            _ => None,
        };
        let complaint = match &field.rule {
            Rule::Any => None,
            Rule::Flag => (!matches!(meaning, Some(Meaning::Bool(_)))).then(|| "true or false".to_owned()),
            Rule::Whole(least, most) => (!number.is_some_and(|number| (*least..=*most).contains(&number)))
                .then(|| format!("a whole number from {least} to {most}")),
            Rule::Percent => (!percent(meaning)).then(|| "a number from 0 to 100".to_owned()),
            Rule::Text => meaning.is_none().then(|| "a text".to_owned()),
            Rule::Filled => {
                self.text(node).is_none_or(str::is_empty).then(|| "a text that is not empty".to_owned())
            }
            Rule::Words(words) => (!self.text(node).is_some_and(|text| words.contains(&text)))
                .then(|| format!("one of `{}`", words.join("`, `"))),
            Rule::Texts | Rule::SomeTexts => self.texts(node, matches!(field.rule, Rule::SomeTexts)),
            Rule::Section(fields) => return self.section(node, fields, &format!("`{name}`")),
            Rule::List(fields) => return self.list(node, fields, name),
        };
        if let Some(wanted) = complaint {
            self.refuse(node, format!("`{name}` must be {wanted}"));
        }
    }

    fn list(&mut self, node: NodeId, fields: &'static [Field], name: &str) {
        if !matches!(self.tree.node(self.tree.target(node)).kind, NodeKind::Sequence(_)) {
            return self.refuse(node, format!("`{name}` must be a list"));
        }
        for element in self.tree.elements(node).to_vec() {
            self.section(element, fields, &format!("an entry of `{name}`"));
        }
    }

    fn texts(&self, node: NodeId, some: bool) -> Option<String> {
        let list = matches!(self.tree.node(self.tree.target(node)).kind, NodeKind::Sequence(_));
        let elements = self.tree.elements(node);
        let sound = list && elements.iter().all(|element| self.text(*element).is_some());
        match (sound, some && elements.is_empty()) {
            (false, _) => Some("a list of texts".to_owned()),
            (true, true) => Some("a list of at least one text".to_owned()),
            (true, false) => None,
        }
    }

    fn meaning(&self, node: NodeId) -> Option<Meaning> {
        match &self.tree.node(self.tree.target(node)).kind {
            NodeKind::Scalar { text, style, tag } => scalar::meaning(text, *style, *tag).ok(),
            _ => None,
        }
    }

    fn text(&self, node: NodeId) -> Option<&str> {
        match &self.tree.node(self.tree.target(node)).kind {
            NodeKind::Scalar { text, .. } if !self.tree.is_null(node) => Some(text),
            _ => None,
        }
    }

    fn refuse(&mut self, node: NodeId, message: String) {
        let span = self.tree.node(node).span;
        self.remarks.push(Remark { within: within(span), message, help: None, refused: true });
    }
}

fn percent(meaning: Option<Meaning>) -> bool {
    match meaning {
        Some(Meaning::Int(number)) => (0..=100).contains(&number),
        Some(Meaning::Float(number)) => (0.0..=100.0).contains(&number),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ENTRY: [Field; 2] = [needed("name", Rule::Filled), field("kind", Rule::Words(&["a", "b"]))];
    static FIELDS: [Field; 5] = [
        field("enable", Rule::Flag),
        field("size", Rule::Whole(1, 9)),
        field("share", Rule::Percent),
        field("list", Rule::List(&ENTRY)),
        field("names", Rule::SomeTexts),
    ];

    fn remarks(text: &str) -> Vec<(String, String, bool)> {
        let chars: Vec<char> = text.chars().collect();
        let marked = |within: Within| chars[within.start..within.end].iter().collect::<String>();
        let remarks = read(text, &FIELDS).remarks.into_iter();
        remarks.map(|remark| (marked(remark.within), remark.message, remark.refused)).collect()
    }

    #[test]
    fn values_are_read_as_go_reads_them() {
        assert_eq!(
            remarks("enable: true\nSIZE: 9\nshare: 0.5\nnames: [x, 1]\nlist: [{name: n, kind: b}]\n"),
            []
        );
        assert_eq!(remarks(""), []);
        assert_eq!(remarks("size: null\n"), []);
        let one = |text: &str| remarks(text).pop().map(|(marked, message, _)| format!("{marked}: {message}"));
        assert_eq!(one("size: 10"), Some("10: `size` must be a whole number from 1 to 9".to_owned()));
        assert_eq!(one("size: ü"), Some("ü: `size` must be a whole number from 1 to 9".to_owned()));
        assert_eq!(one("enable: 'true'"), Some("'true': `enable` must be true or false".to_owned()));
        assert_eq!(one("share: 101"), Some("101: `share` must be a number from 0 to 100".to_owned()));
        assert_eq!(one("names: []"), Some("[]: `names` must be a list of at least one text".to_owned()));
        assert_eq!(
            one("list: [{kind: a}]"),
            Some("{kind: a}: an entry of `list` lacks the field `name`".to_owned())
        );
        assert!(one("- x").is_some_and(|told| told.ends_with(": the text must be a mapping")));
    }

    #[test]
    fn unknown_keys_are_passed_over_and_broken_yaml_is_refused() {
        assert_eq!(remarks("other: 1"), [("other".into(), "the text has no field `other`".into(), false)]);
        let broken = remarks("names:\n- *.example.org\n");
        assert!(
            matches!(broken.as_slice(), [(_, message, true)] if message.contains("not well-formed")),
            "{broken:?}"
        );
    }
}
