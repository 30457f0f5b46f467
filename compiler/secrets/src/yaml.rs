//! Finds values that are secret by their place in a text of YAML or JSON, sound or broken. It reads lines and brackets
//! and no grammar: where a text is broken, more is taken for secret, never less.

mod flow;

use std::ops::Range;

use self::flow::Flow;
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
        Document { text: own, offset: at, mode, levels: Vec::new(), flow: None, ranges }.read();
        at = end;
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
    levels: Vec<Level>,
    /// Brackets that are still open, and the column of the line that opened the first.
    flow: Option<(Flow, usize)>,
    ranges: &'r mut Vec<Range<usize>>,
}

impl Document<'_, '_> {
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
        if content.is_empty() || content.starts_with('#') || content.starts_with("---") {
            return;
        }
        if let Some((mut flow, opened)) = self.flow.take() {
            let goes_on = column > opened || opened == 0 || content.starts_with(['}', ']', '"', '\'', ',']);
            if goes_on {
                let open = flow.line(content, self.offset + at + column, self.mode, self.ranges);
                self.flow = open.then_some((flow, opened));
                return;
            }
        }
        self.block(content, at + column, column);
    }

    /// Reads a line, or what follows a `-` of one, that is not between brackets.
    fn block(&mut self, content: &str, at: usize, column: usize) {
        let dash = content == "-" || content.starts_with("- ");
        let depth = 2 * column + usize::from(dash);
        let top = self.parent(depth);
        if top.hidden || (top.headers && !dash) {
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
        if place.hidden && value.starts_with(['"', '\'']) && !closes(value) {
            // The lines of the quote may stand anywhere.
            self.flow = Some((Flow::quote(place, value), usize::MAX));
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

/// Returns whether a quoted text ends where it began.
fn closes(value: &str) -> bool {
    let quote = value.as_bytes()[0] as char;
    value.len() > 1 && value.ends_with(quote) && !value.ends_with("\\\"")
}

#[cfg(test)]
mod tests;
