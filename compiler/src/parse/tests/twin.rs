//! Our reader of YAML beside that of Kubernetes (sigs.k8s.io/yaml, by the program of `cargo xtask testbed yaml`), over the
//! manifests of this checkout and over documents that were changed at random. `GATEWRIGHT_DOCUMENTS` says how many.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;

/// Names the program.
const READER: &str = "GATEWRIGHT_YAML_READER";

const SEEDS: [&str; 14] = [
    "kind: ConfigMap\nmetadata:\n  name: a\n  labels: {a: b, \"c\": 'd'}\ndata:\n  x: |\n    one\n     two\n\n    three\n  \
     y: >-\n    fold\n    ed\n\n    more\n  z: \"q \\\" \\u00e9 \\\n    cont\"\n",
    "spec:\n  rules:\n  - host: a.b\n    http:\n      paths:\n      - path: /a\n        backend: {service: {port: {number: \
     80}}}\n      - {path: /b, x: [1, 2, {y: z}]}\n  tls: [{hosts: [a, 'b', \"c\"\n], secretName: s}]\n",
    "a: &x {b: c, d: [e, f]}\ng: *x\nh:\n  <<: *x\n  i: 5\nj: !!str 5\nk: ! 7\nl: !foo bar\nm: &y\no: !!binary aGk=\n",
    "# comment\n? complex\n: value\n? [a, b]\n: c\n",
    "list:\n- - a\n  - b\n- - c\n-\n- d: e\n  f:\n  - g\n  - h\n-   i:   j\n",
    "s: 'it''s'\nt: \"tab\\t\\x41\"\nu: plain text # c\nv: a#b\nx: -1\nz: ~\nw: yes\n1: 2\ntrue: 3\n0x1f: 010\n1.5: 1e3\n",
    "multi: this is\n  a plain\n\n  text\nq: 'single\n  quoted\n\n  text'\nr: \"double\nquoted\n\n  text\"\nt: [a,\n b,\n  \
     c]\nu: {a: b,\n c: d\n}\n",
    "%YAML 1.1\n%TAG !e! tag:x,2:\n---\na: !e!b c\n",
    "{\"a\": [1, 2, {\"b\": null}], \"c\": \"d\\n\", \"e\": true, \"f\": 1.5e3}\n",
    "b1: |2\n    x\n   z\nb2: >+\n  a\n\nb3: |-\n  t\n\n\nb4: |+1\n  u\n",
    "d: 2001-01-01\ne: 12:30\nf: 1_000\ng: 0o17\nh: +5\ni: .5\nj: 1.\nk: 1e400\nm: -0b11\np: 0x\nr: !!timestamp 2001-1-1\n",
    "k: [a b, c: d, ? e : f, : g, \"h\":i, {j}]\nl: {a, b: , : c, ? d, \"e\":f, g: [h]}\n",
    "a:\n - b\n -  c: d\n    e: f\n - |\n  t\n - >\n  u\ng: h\n",
    "\"quoted key\": 1\n'single': 2\n? |\n  block key\n: 3\n&a anchored: *a\n",
];

const PIECES: [&str; 78] = [
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n  ",
    "\n    ",
    "\t",
    ":",
    ": ",
    ":\n",
    "-",
    "- ",
    "\n- ",
    "?",
    "? ",
    "\n? ",
    "#",
    " #",
    "# c\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    "&",
    "&a ",
    "*",
    "*a",
    "*a ",
    "!",
    "!!str ",
    "!!int ",
    "!x ",
    "!<y> ",
    "|",
    "|\n",
    ">\n",
    "|-\n",
    ">+\n",
    "|2\n",
    "'",
    "''",
    "\"",
    "\\",
    "\\n",
    "\\x41",
    "\\ ",
    "\\\n",
    "%",
    "@",
    "`",
    "<<: ",
    "<<",
    "~",
    "null",
    "true",
    "yes",
    "0",
    "1.5",
    "\u{e9}",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\u{1}",
    "\u{7f}",
    "\r",
    "\r\n",
    "a",
    "b: c",
    "=",
    "0x1",
    "!!binary ",
    "!!float ",
    "!!bool ",
    "!!null ",
    "!!timestamp ",
];

/// What a reader makes of a document.
#[derive(Debug, PartialEq)]
enum Read {
    Value { value: Value, duplicates: bool },
    Nothing,
}

/// Why the two may read a document differently; none where they may not.
fn reason(document: &str, ours: &Read, theirs: &Read) -> Option<&'static str> {
    let merges = document.contains("<<");
    match (ours, theirs) {
        (Read::Value { value, .. }, Read::Value { value: other, .. }) if merges && value == other => {
            Some("a merge key that replaces a value is told by GW0007, not as a key written twice")
        }
        (Read::Value { duplicates: true, .. }, Read::Value { duplicates: false, .. }) => Some(
            "keys that are two numbers in YAML are one text in JSON, and which of the two counts is chance",
        ),
        (Read::Nothing, Read::Value { .. }) if behind_the_first(document) => {
            Some("the library drops what stands behind the first document, in silence; here it is looked at")
        }
        (Read::Value { .. }, Read::Value { .. }) if document.contains("!!binary") => {
            Some("keys that are bytes in base64 are nothing that a manifest has")
        }
        (Read::Value { .. }, Read::Nothing)
            if document.trim_start().starts_with('{') && document.contains("\\/") =>
        {
            Some("kubectl reads JSON files by the rules of JSON, which has one more escape")
        }
        _ => None,
    }
}

/// Returns whether the first document of a text can be read, and something that is no YAML follows.
fn behind_the_first(document: &str) -> bool {
    let source = load::Source::new(document);
    let mut loader = load::Loader::new(&source);
    let mut tree = tree::Tree::default();
    loader.next(&mut tree).is_some_and(|loaded| loaded.usable) && loader.next(&mut tree).is_some()
}

fn ours(document: &str) -> Read {
    let Ok(text) = text::read(document.as_bytes()) else { return Read::Nothing };
    let source = load::Source::new(&text);
    let mut loader = load::Loader::new(&source);
    let mut tree = tree::Tree::default();
    let (mut value, mut duplicates) = (Value::Null, false);
    let Some(loaded) = loader.next(&mut tree) else { return Read::Value { value, duplicates } };
    for problem in &loaded.problems {
        match problem {
            load::Problem::DuplicateKey { .. } => duplicates = true,
            _ => return Read::Nothing,
        }
    }
    if let Some(root) = tree.root() {
        match json::convert_all(&tree, root) {
            Ok(converted) if converted.no_values.is_empty() => value = converted.value,
            _ => return Read::Nothing,
        }
    }
    let mut rest = tree::Tree::default();
    match loader.next(&mut rest) {
        Some(further) if !further.usable => Read::Nothing,
        _ => Read::Value { value, duplicates },
    }
}

fn theirs(documents: &[String]) -> Vec<Read> {
    let Some(program) = std::env::var_os(READER) else {
        panic!("{READER} is not set: run this test through `cargo xtask test`")
    };
    let mut reader = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the reader starts");
    let input: String = documents.iter().map(|document| format!("{}\n", json!(document))).collect();
    let mut stdin = reader.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = reader.wait_with_output().expect("a child of this process");
    writer.join().expect("it does not panic").expect("the reader reads to the end");
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |line: &[u8]| {
        let answer: Value = serde_json::from_slice(line).expect("each line is an answer");
        match answer.get("error") {
            Some(_) => Read::Nothing,
            None => Read::Value {
                value: answer.get("json").cloned().unwrap_or_default(),
                duplicates: answer["duplicate"] == true,
            },
        }
    };
    lines.map(read).collect()
}

/// Go and we print numbers alike but for their length.
fn with_plain_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(elements) => elements.into_iter().map(with_plain_numbers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, with_plain_numbers(value))).collect()
        }
        other => other,
    }
}

/// Numbers in an order that looks like none.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    fn document(&mut self) -> String {
        let mut text: Vec<char> = SEEDS[self.below(SEEDS.len())].chars().collect();
        for _ in 0..self.below(6) {
            let start = self.below(text.len() + 1);
            let end = (start + self.below(12)).min(text.len());
            let piece = PIECES[self.below(PIECES.len())];
            match self.below(4) {
                0 => drop(text.splice(start..start, piece.chars())),
                1 => drop(text.drain(start..(start + 1).min(text.len()))),
                2 => drop(text.splice(start..(start + 1).min(text.len()), piece.chars())),
                _ => {
                    let moved: Vec<char> = text.drain(start..end).collect();
                    let target = self.below(text.len() + 1);
                    text.splice(target..target, moved);
                }
            }
        }
        text.into_iter().collect()
    }
}

/// The documents of the manifests below a folder of the checkout.
fn written(folder: &str) -> Vec<String> {
    let folder = gatewright_testkit::workspace_root().join(folder);
    let files = gatewright_testkit::golden::files_below(&folder).expect("it can be read");
    let manifests = files.into_iter().filter(|path| path.extension() == Some("yaml".as_ref()));
    let texts = manifests.map(|path: std::path::PathBuf| {
        std::fs::read_to_string(Path::new(&folder).join(path)).expect("it is text")
    });
    texts.flat_map(|text| text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
#[ignore = "needs the reader of Kubernetes"]
fn real_kubernetes_reads_what_we_read() {
    let count =
        std::env::var("GATEWRIGHT_DOCUMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let mut documents = written("examples");
    documents.extend(written("compiler/tests/cases"));
    let mut random = Random(7);
    documents.extend((0..count).map(|_| random.document()));
    let mut explained = std::collections::BTreeMap::new();
    let mut readable = 0;
    for (document, theirs) in documents.iter().zip(theirs(&documents)) {
        let plain = |read: Read| match read {
            Read::Value { value, duplicates } => Read::Value { value: with_plain_numbers(value), duplicates },
            Read::Nothing => Read::Nothing,
        };
        let (ours, theirs) = (plain(ours(document)), plain(theirs));
        readable += usize::from(theirs != Read::Nothing);
        if ours != theirs {
            let why = reason(document, &ours, &theirs);
            let why = why.unwrap_or_else(|| panic!("ours: {ours:?}\ntheirs: {theirs:?}\n{document:?}"));
            *explained.entry(why).or_insert(0) += 1;
        }
    }
    println!("{} documents, {readable} readable, read differently: {explained:#?}", documents.len());
    assert!(
        readable > documents.len() / 4 && readable < documents.len(),
        "{readable} of {}",
        documents.len()
    );
}
