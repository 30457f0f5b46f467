//! Finds values that are secret by their place in a text of YAML or JSON, sound or broken. It reads lines and brackets
//! and no grammar: where a text is broken, more is taken for secret, never less.

mod anchors;
mod flow;

use std::ops::Range;

use self::anchors::Anchors;
use self::flow::{Flow, closing};
use crate::manifest::{ADDRESSES, is_label, is_value};
use crate::names::{is_header_control, is_secret_name};
use crate::pairs::says_something;
use crate::{HIDDEN, replace};

/// Fields that hold the configuration of a plugin.
const CONFIGURATION: [&str; 4] = ["defaultConfig", "pluginConfig", "vmConfig", "config"];
/// Fields of a Secret that hold its content.
const CONTENT: [&str; 2] = ["data", "stringData"];
/// What is shown of a document that holds a plugin or a Secret, beside what lies below `metadata` and `selector`.
const SHOWN: [&str; 18] = [
    "apiVersion",
    "kind",
    "url",
    "sha256",
    "phase",
    "priority",
    "failStrategy",
    "imagePullPolicy",
    "imagePullSecret",
    "pluginName",
    "type",
    "immutable",
    "ingress",
    "domain",
    "service",
    "configDisable",
    "defaultConfigDisable",
    "routeType",
];

/// How much of a document is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Only what is known to be no secret.
    strict: bool,
    /// Whether `data` is secret.
    secret: bool,
}

/// What the fields above a value say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// It is hidden, and so is all below it.
    hidden: bool,
    /// It may be shown in a strict document.
    open: bool,
    /// It lies below `metadata` or `selector`.
    labels: bool,
    /// Its lines are headers.
    headers: bool,
    /// It is an address.
    address: bool,
}

impl Place {
    /// Returns the place of the value of a field.
    pub(crate) fn field(self, name: &str, mode: Mode) -> Self {
        let configuration = CONFIGURATION.contains(&name) && (mode.strict || name != "config");
        let content = mode.secret && CONTENT.contains(&name);
        Place {
            hidden: self.hidden || is_secret_name(name) || configuration || content,
            open: SHOWN.contains(&name),
            labels: self.labels || name == "metadata" || name == "selector",
            headers: is_header_control(name),
            address: ADDRESSES.contains(&name),
        }
    }

    /// Adds what of a scalar, which begins at `start`, is hidden.
    pub(crate) fn scalar(self, text: &str, start: usize, mode: Mode, ranges: &mut Vec<Range<usize>>) {
        if self.hidden || (mode.strict && !self.open && !self.labels) {
            if says_something(text) {
                ranges.push(start..start + text.len());
            }
        } else if (self.headers || self.address) && is_alias(text) {
            ranges.push(start..start + text.len());
        } else if self.headers {
            of_headers(text, start, ranges);
        } else if self.address
            && let Some(end) = text.rfind('@').filter(|_| !text.contains("//"))
        {
            ranges.push(start + usize::from(text.starts_with(['"', '\'']))..start + end);
        }
    }
}

/// Finds the secrets of a text.
pub(crate) fn find(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at < text.len() {
        let end = text[at..].find("\n---").map_or(text.len(), |border| at + border + 1);
        let own = &text[at..end];
        let names = |words: [&str; 2]| words.iter().any(|word| own.contains(word));
        let plugin = names(["WasmPlugin", "defaultConfig"]) || names(["pluginConfig", "matchRules"]);
        let secret = own.lines().any(|line| line.contains("kind") && line.contains("Secret"));
        let mode = Mode { strict: plugin || secret, secret };
        find_in(own, at, mode, ranges);
        at = end;
    }
}

/// Finds the secrets of one document. An alias that stands where a secret does makes one of what it stands for, which may
/// have aliases in it.
fn find_in(document: &str, offset: usize, mode: Mode, ranges: &mut Vec<Range<usize>>) {
    let mut anchors = Anchors::default();
    loop {
        let mut found = Vec::new();
        Document::new(document, offset, mode, &anchors, &mut found).read();
        let hidden = found.iter().filter_map(|range| document.get(range.start - offset..range.end - offset));
        if !anchors.learn(document, hidden) {
            return ranges.append(&mut found);
        }
    }
}

/// Returns lines of headers, `NAME VALUE`, for showing.
pub(crate) fn header_lines(text: &str) -> String {
    let mut ranges = Vec::new();
    of_headers(text, 0, &mut ranges);
    crate::text(&replace(text, ranges)).into_owned()
}

/// Adds the values of headers whose names make them secret. In a quoted text a line may end with `\n`.
fn of_headers(text: &str, start: usize, ranges: &mut Vec<Range<usize>>) {
    let mut at = 0;
    for line in text.split_inclusive('\n').flat_map(|line| line.split_inclusive("\\n")) {
        let own = line.trim_end().trim_end_matches("\\n");
        let begin = own.len() - own.trim_start_matches([' ', '\t', '"', '\'', '-', '|']).len();
        let name = own[begin..]
            .find(|c: char| c.is_whitespace() || c == ':')
            .map(|length| &own[begin..begin + length]);
        if let Some(name) = name.filter(|name| is_secret_name(name.trim_matches(['"', '\'']))) {
            let rest = begin + name.len();
            let value = rest + own[rest..].len() - own[rest..].trim_start_matches([' ', '\t', ':']).len();
            if says_something(&own[value..]) {
                ranges.push(start + at + value..start + at + own.len());
            }
        }
        at += line.len();
    }
}

/// A mapping entry or list element above the current line.
struct Level {
    /// Twice the column, and one more for a list element, which may stand right below its key.
    depth: usize,
    place: Place,
    /// Whether the mapping that the entry is in names something secret, in a field beside it.
    pair: bool,
    /// Values of the mapping that such a name would make secret.
    values: Vec<Range<usize>>,
}

struct Document<'t, 'r> {
    text: &'t str,
    offset: usize,
    mode: Mode,
    /// Those whose content is secret.
    anchors: &'t Anchors,
    /// Where such content began: the column of the line, and whether list elements may stand right below it.
    anchored: Option<(usize, bool)>,
    levels: Vec<Level>,
    /// Brackets that are still open, and the column of the line that opened the first.
    flow: Option<(Flow, usize)>,
    ranges: &'r mut Vec<Range<usize>>,
}

/// The place of something that is secret whatever it is.
const SECRET: Place = Place { hidden: true, open: false, labels: false, headers: false, address: false };

impl<'t, 'r> Document<'t, 'r> {
    fn new(
        text: &'t str,
        offset: usize,
        mode: Mode,
        anchors: &'t Anchors,
        ranges: &'r mut Vec<Range<usize>>,
    ) -> Self {
        Document { text, offset, mode, anchors, anchored: None, levels: Vec::new(), flow: None, ranges }
    }

    fn read(mut self) {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            self.line(line.trim_end(), at);
            at += line.len();
        }
    }

    fn line(&mut self, line: &str, at: usize) {
        let column = line.len() - line.trim_start().len();
        let content = &line[column..];
        if content.is_empty() {
            return;
        }
        self.below_anchor(content, at + column, column);
        let anchored = self.anchors.content(content).map(|start| &content[start..]);
        if let Some(secret) = anchored {
            let start = at + line.len() - secret.len();
            SECRET.scalar(secret, self.offset + start, self.mode, self.ranges);
            self.anchored = Some((column, !content.starts_with('-')));
        }
        self.content(content, at, column);
        if let Some(secret) = anchored.filter(|secret| is_open(secret) && self.flow.is_none()) {
            self.flow = Some((Flow::quote(SECRET, secret), 0));
        }
    }

    /// Hides a line that belongs to the content of a secret anchor.
    fn below_anchor(&mut self, content: &str, at: usize, column: usize) {
        let Some((border, dashes)) = self.anchored else { return };
        let element = dashes && column == border && content.starts_with('-');
        if column > border || element || self.flow.is_some() {
            SECRET.scalar(content, self.offset + at, self.mode, self.ranges);
        } else {
            self.anchored = None;
        }
    }

    fn content(&mut self, content: &str, at: usize, column: usize) {
        if let Some((mut flow, opened)) = self.flow.take() {
            let goes_on = column > opened || opened == 0 || content.starts_with(['}', ']', '"', '\'', ',']);
            if goes_on {
                let open = flow.line(content, self.offset + at + column, self.mode, self.ranges);
                self.flow = open.then_some((flow, opened));
                return;
            }
        }
        let end = at + column + content.len();
        let content = content.strip_prefix("---").filter(|_| column == 0).map_or(content, str::trim_start);
        let start = end - content.len();
        if content.is_empty() {
            return;
        }
        if content.starts_with('#') {
            // What looks like a comment may be a line of a text, or a value that somebody took out.
            self.parent(2 * column).scalar(content, self.offset + start, self.mode, self.ranges);
            return;
        }
        self.block(content, start, column);
    }

    /// Reads a line, or what follows a `-` of one, that is not between brackets.
    fn block(&mut self, content: &str, at: usize, column: usize) {
        let dash = content == "-" || content.starts_with("- ");
        let depth = 2 * column + usize::from(dash);
        let top = self.parent(depth);
        if top.hidden || (top.headers && !dash) {
            let value = field(content).map_or(content, |(_, value)| value);
            if top.hidden && is_open(value) {
                self.flow = Some((Flow::quote(top, value), 0));
            }
            return top.scalar(content, self.offset + at, self.mode, self.ranges);
        }
        if dash {
            self.pop(depth);
            self.levels.push(Level { depth, place: top, pair: false, values: Vec::new() });
            let rest = content[1..].trim_start();
            let moved = content.len() - rest.len();
            if !rest.is_empty() {
                self.block(rest, at + moved, column + moved);
            }
            return;
        }
        let Some((name, value)) = field(content).filter(|_| !content.starts_with(['{', '['])) else {
            return self.value(content, at, column, top, "");
        };
        let (pair, values) = self.pop(depth);
        let place = top.field(name, self.mode);
        self.levels.push(Level { depth, place, pair, values });
        let start = content.len() - value.len();
        self.value(value, at + start, column, place, name);
    }

    fn value(&mut self, value: &str, at: usize, column: usize, place: Place, name: &str) {
        let (at, value) = (at + value.len() - bare(value).len(), bare(value));
        let start = self.offset + at;
        if value.starts_with(['{', '[']) {
            let mut flow = Flow::new(place);
            let open = flow.line(value, start, self.mode, self.ranges);
            self.flow = open.then_some((flow, column));
            return;
        }
        if value.starts_with(['|', '>', '#']) && !place.hidden {
            return;
        }
        let value = value.split(" #").next().unwrap_or(value).trim_end();
        if place.hidden && is_open(value) {
            // The lines of the quote may stand anywhere.
            self.flow = Some((Flow::quote(place, value), 0));
        }
        place.scalar(value, start, self.mode, self.ranges);
        self.beside(name, value, start);
    }

    /// Hides the value of a `name`, wherever in its mapping that stands.
    fn beside(&mut self, name: &str, value: &str, start: usize) {
        let Some(level) = self.levels.last_mut() else { return };
        let own = start..start + value.len();
        if is_label(name) && is_secret_name(value.trim_matches(['"', '\''])) {
            level.pair = true;
            self.ranges.append(&mut level.values);
        } else if is_value(name) && level.pair && value != HIDDEN {
            self.ranges.push(own);
        } else if is_value(name) {
            level.values.push(own);
        }
    }

    /// Returns the place of what stands below the levels that enclose this depth.
    fn parent(&self, depth: usize) -> Place {
        let above = self.levels.iter().rev().find(|level| level.depth < depth);
        above.map_or(Place::default(), |level| level.place)
    }

    /// Ends the levels that do not enclose this depth. Returns what the one beside it knew.
    fn pop(&mut self, depth: usize) -> (bool, Vec<Range<usize>>) {
        let mut beside = (false, Vec::new());
        while let Some(level) = self.levels.pop_if(|level| level.depth >= depth) {
            if level.depth == depth {
                beside = (level.pair, level.values);
            }
        }
        beside
    }
}

/// Splits `name: value`. The name may be quoted.
fn field(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = match content.chars().next()? {
        quote @ ('"' | '\'') => {
            let (name, rest) = content[1..].split_once(quote)?;
            (name, rest.trim_start().strip_prefix(':')?)
        }
        _ => {
            let end = content.find(": ").or_else(|| content.ends_with(':').then(|| content.len() - 1))?;
            (content[..end].trim_end(), &content[end + 1..])
        }
    };
    Some((name, rest.trim_start()))
}

/// Returns a value without the anchors and tags before it.
fn bare(value: &str) -> &str {
    let mut rest = value;
    while rest.starts_with(['&', '!']) {
        rest = rest.find(char::is_whitespace).map_or("", |end| rest[end..].trim_start());
    }
    rest
}

/// Returns whether a value is an alias, and no host with a wildcard that lacks its quotes.
fn is_alias(value: &str) -> bool {
    value.strip_prefix('*').is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Returns whether a quoted text goes on behind its line.
fn is_open(value: &str) -> bool {
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    quote.is_some_and(|quote| closing(&value[1..], quote).is_none())
}

#[cfg(test)]
mod tests;
