//! Places of JSON pointers.

use super::*;
use crate::finding::{Part, Within};
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

/// Looks places up all at once and one by one.
#[track_caller]
fn check_all(text: &str, asked: &[Asked<'_>]) {
    let locator = Locator::new(text.as_bytes());
    let one_by_one = asked.iter().map(|Asked { document, pointer, part, within }| {
        locator.locate_within(*document, pointer, *part, *within)
    });
    let one_by_one: Vec<_> = one_by_one.collect();
    assert_eq!(locate_all(text.as_bytes(), asked), one_by_one, "{text}");
}

#[test]
fn all_at_once_are_where_each_is() {
    let items = |anchors: bool| {
        let item = |n: usize| match (anchors, n % 3) {
            (true, 0) => format!("- &a{n} {{a: {{b: x{n}}}, c: é}}\n"),
            (true, 1) => format!("- {{<<: *a{}, d: y}}\n", n - 1),
            (true, _) => format!("- *a{}\n", n - 2),
            (false, _) => format!("- a:\n    b: x{n}\n  c: |\n    one\n    two\n"),
        };
        (0..9).map(item).collect::<String>()
    };
    for text in [
        format!("kind: List\nitems:\n{}", items(false)),
        format!("kind: List\nitems:\n{}", items(true)),
        format!("x: &x\n{}kind: List\nitems: *x\n---\na: {{b: c}}\n", items(false)),
        format!("x: &x {{items: [a: {{b: c}}]}}\n<<: *x\n---\n{}", "a: {b: 1}\n"),
        format!("items: [a: {{b: c}}]\nitems:\n{}", items(false)),
        "[items, [a, b]]\n---\n? [a]\n: items\n".to_owned(),
        "{\"items\":[{\"a\":{\"b\":1}},2,[3]],\"a\":1} {\"a\":{\"b\":2}}".to_owned(),
    ] {
        let pieces =
            [("/a/b", None), ("/c", Some(Within { start: 4, end: 7 })), ("/d", None), ("/x/y", None)];
        let mut asked = Vec::new();
        for item in [None, Some(8), Some(0), Some(1), Some(2), Some(3), Some(40)] {
            for document in [1, 0, 7] {
                let document = DocumentIndex { document, item };
                let at = |(pointer, within)| Asked { document, pointer, part: Part::Value, within };
                asked.extend(pieces.map(at));
            }
        }
        check_all(&text, &asked);
    }
    check_all("", &[]);
}

#[test]
fn parts_of_a_long_text_and_entries_of_a_large_mapping_are_found() {
    let lines: String = (0..50).map(|n| format!("    line {n}\n")).collect();
    let entries: String = (0..50).map(|n| format!("  k{n}: {n}\n  same: {n}\n")).collect();
    let text = format!("text: |\n{lines}data:\n{entries}");
    let pointers: Vec<String> = (0..60).map(|n| format!("/data/k{n}")).chain(["/data/same".into()]).collect();
    let mut asked: Vec<Asked<'_>> = pointers
        .iter()
        .map(|pointer| Asked { document: FIRST, pointer, part: Part::Key, within: None })
        .collect();
    asked.extend((0..500).step_by(7).map(|start| Asked {
        document: FIRST,
        pointer: "/text",
        part: Part::Value,
        within: Some(Within { start, end: start + 9 }),
    }));
    check_all(&text, &asked);
}

/// A list takes the room of an item, however long it is.
#[test]
fn items_of_a_list_are_not_kept() {
    let item = "- {kind: A, metadata: {name: x, labels: {a: b}}}\n";
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(1_000));
    let source = load::Source::new(&text);
    let (mut loader, mut tree) = (load::Loader::new(&source), tree::Tree::default());
    let (mut count, mut last_node) = (0, 0);
    let mut each = |_: &tree::Tree<'_>, item: tree::NodeId, document: DocumentIndex| {
        assert_eq!(document, DocumentIndex { document: 0, item: Some(count) });
        count += 1;
        last_node = last_node.max(item.number());
    };
    assert!(loader.next_by_item(&mut tree, &mut each).is_some_and(|loaded| loaded.usable));
    assert_eq!(count, 1_000);
    assert!(last_node < 20, "{last_node}");
}
