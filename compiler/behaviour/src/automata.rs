//! Languages as automata over bytes, and the search for a shortest text that some accept and others do not.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use gatewright_http::re2::Expression;
use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::{Hir, Look};

/// Bounds on the work that regular expressions may cause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of one compiled automaton.
    pub(crate) automaton_bytes: usize,
    /// States that one search visits.
    pub(crate) states: usize,
}

/// A language.
#[derive(Clone, Debug)]
pub(crate) enum Language {
    /// One text, in any case if the flag is set.
    Exact(Arc<str>, bool),
    /// The texts with a beginning, in any case if the flag is set.
    Prefix(Arc<str>, bool),
    /// Any of a set of texts and beginnings.
    Literals(Arc<Literals>),
    /// The whole-text matches of a regular expression.
    Regex(Arc<dense::DFA<Vec<u32>>>),
    /// The paths that are their own normal form (see [`gatewright_http::path`]).
    Path,
    /// Header values: visible ASCII, with blanks inside.
    HeaderValue,
    /// Query values: visible ASCII without `&` and `#`.
    QueryValue,
}

/// Texts and beginnings as a trie.
#[derive(Clone, Debug)]
pub(crate) struct Literals {
    nodes: Vec<TrieNode>,
    fold: bool,
}

#[derive(Clone, Debug, Default)]
struct TrieNode {
    next: BTreeMap<u8, State>,
    ends_text: bool,
    ends_beginning: bool,
}

impl Literals {
    /// Returns the texts that are one of `texts` or start with one of `beginnings`; folded ones in any case.
    pub(crate) fn new(texts: &[String], beginnings: &[String], fold: bool) -> Self {
        let mut literals = Literals { nodes: vec![TrieNode::default()], fold };
        for text in texts {
            literals.node(text).ends_text = true;
        }
        for beginning in beginnings {
            literals.node(beginning).ends_beginning = true;
        }
        literals
    }

    fn node(&mut self, text: &str) -> &mut TrieNode {
        let mut at = 0;
        for byte in text.bytes() {
            let new = self.nodes.len();
            at = *self.nodes[at].next.entry(byte).or_insert(new as State) as usize;
            if at == new {
                self.nodes.push(TrieNode::default());
            }
        }
        &mut self.nodes[at]
    }

    fn step(&self, state: State, byte: u8) -> Option<State> {
        let node = &self.nodes[state as usize];
        if node.ends_beginning {
            return Some(state);
        }
        let byte = if self.fold { byte.to_ascii_lowercase() } else { byte };
        node.next.get(&byte).copied()
    }

    fn accepts(&self, state: State) -> bool {
        let node = &self.nodes[state as usize];
        node.ends_text || node.ends_beginning
    }
}

/// The answer of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A shortest text.
    Text(String),
    /// There is none.
    Nothing,
    /// The bound was reached before an answer.
    Unknown,
}

/// Compiled expressions by pattern.
#[derive(Debug)]
pub(crate) struct Regexes {
    bounds: Bounds,
    compiled: HashMap<String, Option<Language>>,
}

impl Regexes {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Regexes { bounds, compiled: HashMap::new() }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Returns the language of an RE2 pattern; none if it does not compile within the bounds.
    pub(crate) fn language(&mut self, pattern: &str) -> Option<Language> {
        if let Some(known) = self.compiled.get(pattern) {
            return known.clone();
        }
        let language = compile(pattern, self.bounds);
        self.compiled.insert(pattern.to_owned(), language.clone());
        language
    }
}

fn compile(pattern: &str, bounds: Bounds) -> Option<Language> {
    let expression = Expression::parse(pattern).ok()?;
    let to_the_end = Hir::concat(vec![expression.hir().clone(), Hir::look(Look::End)]);
    let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(bounds.automaton_bytes));
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(&to_the_end).ok()?;
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(bounds.automaton_bytes))
        .determinize_size_limit(Some(bounds.automaton_bytes));
    let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
    Some(Language::Regex(Arc::new(dfa)))
}

/// A state of one language; each language numbers its own.
type State = u32;

/// What the first byte of an escape can make of it, in the path automaton.
const ESCAPE: State = 16;

impl Language {
    fn start(&self) -> Option<State> {
        match self {
            Language::Regex(dfa) => {
                let config = start::Config::new().anchored(Anchored::Yes);
                dfa.start_state(&config).ok().map(|state| state.as_u32())
            }
            _ => Some(0),
        }
    }

    /// Returns the next state; none where no continuation is accepted any more.
    fn step(&self, state: State, byte: u8) -> Option<State> {
        match self {
            Language::Exact(text, fold) => step_text(text, *fold, state, byte, false),
            Language::Prefix(text, fold) => step_text(text, *fold, state, byte, true),
            Language::Regex(dfa) => {
                let next = dfa.next_state(StateID::new(state as usize).ok()?, byte);
                (!dfa.is_dead_state(next) && !dfa.is_quit_state(next)).then(|| next.as_u32())
            }
            Language::Literals(literals) => literals.step(state, byte),
            Language::Path => step_path(state, byte),
            Language::HeaderValue => match byte {
                b' ' if state == 0 => None,
                b' ' => Some(2),
                0x21..=0x7e => Some(1),
                _ => None,
            },
            Language::QueryValue => {
                (matches!(byte, 0x21..=0x7e) && byte != b'&' && byte != b'#').then_some(0)
            }
        }
    }

    fn accepts(&self, state: State) -> bool {
        match self {
            Language::Exact(text, _) | Language::Prefix(text, _) => state as usize == text.len(),
            Language::Regex(dfa) => {
                StateID::new(state as usize).is_ok_and(|state| dfa.is_match_state(dfa.next_eoi_state(state)))
            }
            Language::Literals(literals) => literals.accepts(state),
            Language::Path => !matches!(state, path::START | path::DOT | path::DOTS),
            Language::HeaderValue => state != 2,
            Language::QueryValue => true,
        }
    }
}

fn step_text(text: &str, fold: bool, state: State, byte: u8, open: bool) -> Option<State> {
    match text.as_bytes().get(state as usize) {
        Some(expected) if *expected == byte || (fold && expected.eq_ignore_ascii_case(&byte)) => {
            Some(state + 1)
        }
        None if open => Some(state),
        _ => None,
    }
}

/// States of the automaton of normalized paths.
mod path {
    use super::State;

    pub(super) const START: State = 0;
    pub(super) const SLASH: State = 1;
    pub(super) const DOT: State = 2;
    pub(super) const DOTS: State = 3;
    pub(super) const SEGMENT: State = 4;
    pub(super) const PERCENT: State = 5;
}

/// Steps through a normalized path: no dot segments, no escape of an unreserved character or of zero, and only
/// characters that normalization leaves alone.
fn step_path(state: State, byte: u8) -> Option<State> {
    if byte == b'/' {
        return (!matches!(state, path::DOT | path::DOTS)).then_some(path::SLASH);
    }
    if state == path::START || !(0x21..=0x7e).contains(&byte) || br##""#<>?\^`{|}"##.contains(&byte) {
        return None;
    }
    let digit = char::from(byte).to_digit(16);
    match (state, byte) {
        (path::SLASH, b'.') => Some(path::DOT),
        (path::DOT, b'.') => Some(path::DOTS),
        (path::DOT | path::DOTS, b';') => None,
        (path::PERCENT, _) if digit.is_some() => digit.map(|digit| ESCAPE + digit),
        (ESCAPE.., _) if let Some(digit) = digit => {
            let value = u8::try_from((state - ESCAPE) * 16 + digit).ok()?;
            let decoded = value == 0 || value.is_ascii_alphanumeric() || b"-._~".contains(&value);
            (!decoded).then_some(path::SEGMENT)
        }
        (_, b'%') => Some(path::PERCENT),
        _ => Some(path::SEGMENT),
    }
}

/// Returns whether a path in normal form can begin with a text.
pub(crate) fn begins_path(text: &str) -> bool {
    text.bytes().try_fold(path::START, step_path).is_some()
}

/// Bytes in the order in which a witness prefers them.
const PREFERENCE: &[u8] =
    b"abcdefghijklmnopqrstuvwxyz0123456789-/_.ABCDEFGHIJKLMNOPQRSTUVWXYZ:=,;@+*~!$&'()[]% \"#<>?\\^`{|}";

/// Finds a shortest text that every language of `all` and none of `none` accepts.
pub(crate) fn search(all: &[Language], none: &[Language], bounds: Bounds) -> Found {
    let Some(start) = all.iter().map(Language::start).collect::<Option<Vec<_>>>() else {
        return Found::Nothing;
    };
    let start = Node { all: start, none: none.iter().map(Language::start).collect() };
    let mut visited: BTreeMap<Node, Option<(Node, u8)>> = BTreeMap::from([(start.clone(), None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        if node.accepted(all, none) {
            return Found::Text(text_of(&node, &visited));
        }
        for byte in PREFERENCE {
            let Some(next) = node.step(all, none, *byte) else { continue };
            if !visited.contains_key(&next) {
                visited.insert(next.clone(), Some((node.clone(), *byte)));
                queue.push_back(next);
            }
        }
        if visited.len() > bounds.states {
            return Found::Unknown;
        }
    }
    Found::Nothing
}

/// The states of all languages after some text; a language of `none` that can accept nothing more has no state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    all: Vec<State>,
    none: Vec<Option<State>>,
}

impl Node {
    fn accepted(&self, all: &[Language], none: &[Language]) -> bool {
        all.iter().zip(&self.all).all(|(language, state)| language.accepts(*state))
            && !none
                .iter()
                .zip(&self.none)
                .any(|(language, state)| state.is_some_and(|state| language.accepts(state)))
    }

    fn step(&self, all: &[Language], none: &[Language], byte: u8) -> Option<Node> {
        let all: Option<Vec<State>> =
            all.iter().zip(&self.all).map(|(language, state)| language.step(*state, byte)).collect();
        let none =
            none.iter().zip(&self.none).map(|(language, state)| language.step((*state)?, byte)).collect();
        Some(Node { all: all?, none })
    }
}

fn text_of(end: &Node, visited: &BTreeMap<Node, Option<(Node, u8)>>) -> String {
    let mut bytes = Vec::new();
    let mut node = end;
    while let Some(Some((before, byte))) = visited.get(node) {
        bytes.push(*byte);
        node = before;
    }
    bytes.iter().rev().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { automaton_bytes: 1 << 20, states: 10_000 };

    fn regex(pattern: &str) -> Language {
        compile(pattern, BOUNDS).unwrap()
    }

    fn prefix(text: &str) -> Language {
        Language::Prefix(text.into(), false)
    }

    fn exact(text: &str) -> Language {
        Language::Exact(text.into(), false)
    }

    #[test]
    fn the_shortest_text_is_found() {
        let found = search(&[Language::Path, prefix("/v"), regex("/v[0-9]+/.*")], &[regex("/v0/.*")], BOUNDS);
        assert_eq!(found, Found::Text("/v1/".into()));
        assert_eq!(search(&[regex("a|ab")], &[exact("a")], BOUNDS), Found::Text("ab".into()));
        assert_eq!(
            search(&[Language::Exact("ab".into(), true), regex("[A-Z]+")], &[], BOUNDS),
            Found::Text("AB".into())
        );
    }

    #[test]
    fn an_empty_difference_is_proved() {
        assert_eq!(search(&[regex("/a.+")], &[prefix("/a")], BOUNDS), Found::Nothing);
        assert_eq!(search(&[Language::Path, regex("/[a-c]")], &[regex("/[a-z]*")], BOUNDS), Found::Nothing);
        assert_eq!(search(&[Language::HeaderValue, exact(" a")], &[], BOUNDS), Found::Nothing);
        assert_eq!(search(&[Language::QueryValue, exact("a&b")], &[], BOUNDS), Found::Nothing);
    }

    #[test]
    fn literals_are_a_set_of_texts_and_beginnings() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let literals = Literals::new(&texts(&["/a", "/ab/c"]), &texts(&["/ab/", "/x"]), true);
        let literals = Language::Literals(Arc::new(literals));
        for (text, inside) in
            [("/a", true), ("/A", true), ("/ab", false), ("/aB/d", true), ("/xyz", true), ("/", false)]
        {
            let found = search(&[literals.clone(), exact(text)], &[], BOUNDS);
            assert_eq!(found == Found::Text(text.to_owned()), inside, "{text}");
        }
    }

    #[test]
    fn the_bound_is_kept() {
        let bounds = Bounds { automaton_bytes: 1 << 20, states: 10 };
        assert_eq!(search(&[regex("[ab]{50}c")], &[], bounds), Found::Unknown);
        assert!(compile("(a|b)*a(a|b){20}", BOUNDS).is_none());
    }

    /// The automaton accepts exactly the texts that normalization keeps.
    #[test]
    fn path_automaton_agrees_with_normalization() {
        let pieces =
            ["/", ".", "..", ";", "%", "%2", "%2f", "%41", "%00", "a", "4", "\\", "\"", "?", "e", "%2E", "~"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| pieces.map(|piece| format!("{text}{piece}"))).collect();
            for text in &texts {
                let path = format!("/{text}");
                let kept = crate::is_normal_path(&path);
                let mut state = Some(0);
                for byte in path.bytes() {
                    state = state.and_then(|state| step_path(state, byte));
                }
                assert_eq!(state.is_some_and(|state| Language::Path.accepts(state)), kept, "{path}");
            }
        }
    }
}
