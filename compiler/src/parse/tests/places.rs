//! Places of JSON pointers.

use super::*;
use crate::finding::Part;
use crate::manifest::DocumentIndex;

const FIRST: DocumentIndex = DocumentIndex { document: 0, item: None };

/// The text at a pointer, key and value.
fn at(text: &str, document: DocumentIndex, pointer: &str) -> (String, String) {
    let locator = Locator::new(text.as_bytes());
    let part = |part| {
        let span = locator.locate(document, pointer, part).unwrap();
        text[span.start.offset..span.end.offset].to_owned()
    };
    (part(Part::Key), part(Part::Value))
}

#[track_caller]
fn check_at(text: &str, pointer: &str, key: &str, value: &str) {
    assert_eq!(at(text, FIRST, pointer), (key.to_owned(), value.to_owned()), "{pointer} in {text:?}");
}

#[test]
fn scalars_of_every_style() {
    check_at("a: x y   # c\n", "/a", "a", "x y");
    check_at("'a b': \"x \\\" y\"   # c\n", "/a b", "'a b'", "\"x \\\" y\"");
    check_at("a: 'it''s' # c\n", "/a", "a", "'it''s'");
    check_at("a: !!str \"x\" # c\n", "/a", "a", "!!str \"x\"");
    check_at("a: |\n  first\n  second\n\nb: c\n", "/a", "a", "first");
    check_at("a: \"x\n  y\"\n", "/a", "a", "\"x");
    check_at("é: ü中\nb: c\n", "/é", "é", "ü中");
    check_at("a:\nb: c\n", "/a", "a", "a");
}

#[test]
fn collections_are_shown_by_their_first_key() {
    check_at("a:\n  b:\n    c: d\n", "/a", "a", "b");
    check_at("a: {b: c} # d\n", "/a", "a", "{b: c}");
    check_at("a: []\n", "/a", "a", "[]");
    check_at("a:\n- b: c\n  d: e\n", "/a/0", "b", "b");
    check_at("a: b\nc: d\n", "", "a", "a");
}

#[test]
fn pointers_to_nothing_lead_to_the_nearest_ancestor() {
    check_at("a:\n  b: c\n", "/a/x/y", "a", "b: c");
    check_at("a: [b]\n", "/a/7", "a", "[b]");
    check_at("a: [b]\n", "/a/x", "a", "[b]");
    check_at("a: b\n", "/a/b", "a", "b");
}

#[test]
fn pointers_are_unescaped() {
    check_at("a/b: c\nd~e: f\n", "/a~1b", "a/b", "c");
    check_at("a/b: c\nd~e: f\n", "/d~0e", "d~e", "f");
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    check_at("a: b\na: c\n", "/a", "a", "c");
}

#[test]
fn aliases_and_merge_keys_lead_on() {
    check_at("x: &x {b: c}\na: *x\n", "/a", "a", "*x");
    check_at("x: &x {b: c}\na: *x\n", "/a/b", "b", "c");
    check_at("x: &x {b: c}\na:\n  <<: *x\n", "/a/b", "b", "c");
    check_at("x: &x {b: c}\ny: &y {b: d}\na:\n  <<: [*y, *x]\n", "/a/b", "b", "d");
}

#[test]
fn documents_and_items_have_their_places() {
    let text = "a: 1\n---\n\"\n---\nitems:\n- a: 2\n- a: 3\n";
    let document = |document, item| DocumentIndex { document, item };
    assert_eq!(at(text, document(0, None), "/a").1, "1");
    assert_eq!(at(text, document(2, Some(1)), "/a").1, "3");
    let locator = Locator::new(text.as_bytes());
    assert_eq!(locator.locate(document(1, None), "/a", Part::Key), None);
    assert_eq!(locator.locate(document(3, None), "/a", Part::Key), None);
    assert_eq!(locator.locate(document(2, Some(2)), "/a", Part::Key), None);
    assert_eq!(Locator::new(b"\xff").locate(FIRST, "", Part::Key), None);
}
