//! Any bytes give a result.

use gatewright_kinds::Kind;
use proptest::prelude::*;

use super::*;
use crate::finding::Part;

const SEEDS: [&str; 4] = [
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations:\n    a/b: \"c\"\nspec:\n  rules:\n  - host: \
     a.example.com\n    http:\n      paths:\n      - {path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}\n---\n",
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: &m {name: s}\n  data: {a: YQ==}\n- apiVersion: v1\n  kind: \
     ConfigMap\n  metadata: {<<: *m}\n  data:\n    x: |\n      text\n",
    "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata: {name: default}\nspec:\n  registries:\n  - type: fixed\n    address: \
     [1.2.3.4]\n  dns:\n  - {name: a, domain: [b.c], port: 80}\n---\n",
    "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  phase: DEFAULT\n  defaultConfig: {a: yes, b: 010, \
     c: ~}\n  matchRules:\n  - {ingress: [a], config: {b: 'é'}}\n",
];

const PIECES: [&str; 32] = [
    "\n", " ", "  ", "- ", ": ", "? ", ", ", "[", "]", "{", "}", "'", "\"", "#", "&a ", "*a", "!!str ",
    "!x ", "|\n", ">-\n", "---\n", "...\n", "%Y\n", "<<: ", "\t", "\r\n", "\u{feff}", "yes", "0777", "~",
    "é", "\0",
];

/// Reads in both profiles and looks every finding and manifest up.
fn read(bytes: &[u8]) {
    for profile in [Profile::Native, Profile::Higress] {
        let parsed = parse_file(bytes, profile);
        let places = parsed.findings.iter().flat_map(|finding| {
            let related = finding.related.iter().map(|(span, _)| *span);
            related.chain([finding.span]).chain(finding.fix.iter().map(|fix| fix.span))
        });
        for span in places {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            assert!(span.start <= span.end);
            assert!(text.is_empty() || text.get(span.start.offset..span.end.offset).is_some(), "{span:?}");
        }
        let locator = Locator::new(bytes);
        let mut asked = Vec::new();
        for manifest in parsed.manifests.iter().rev() {
            assert!(locator.locate(manifest.document, "/metadata/name", Part::Value).is_some());
            for (pointer, part) in [("/metadata/name", Part::Value), ("/data", Part::Key), ("", Part::Key)] {
                asked.push(Asked { document: manifest.document, pointer, part, within: None });
            }
        }
        let one_by_one = asked.iter().map(|asked| locator.locate(asked.document, asked.pointer, asked.part));
        assert_eq!(locate_all(bytes, &asked), one_by_one.collect::<Vec<_>>());
    }
}

/// A seed with pieces put in, cut out and moved.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..3_u8, 0..12_usize, prop::sample::select(PIECES.to_vec()));
    let seeds = prop::collection::vec(prop::sample::select(SEEDS.to_vec()), 1..3);
    (seeds, prop::collection::vec(edit, 0..8)).prop_map(|(seeds, edits)| {
        let mut text: Vec<char> = seeds.concat().chars().collect();
        for (place, what, length, piece) in edits {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            match what {
                0 => drop(text.splice(start..start, piece.chars())),
                1 => drop(text.drain(start..end)),
                _ => {
                    let moved: Vec<char> = text.drain(start..end).collect();
                    let target = start / 2;
                    text.splice(target..target, moved);
                }
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn random_text_is_read(text in "[ -~\n\t]{0,300}") {
        read(text.as_bytes());
    }

    #[test]
    fn mutated_manifests_are_read(text in mutated()) {
        read(text.as_bytes());
    }

    #[test]
    fn the_quick_check_agrees_with_the_thorough_one(text in mutated()) {
        let source = load::Source::new(&text);
        let (mut loader, mut tree) = (load::Loader::new(&source), tree::Tree::default());
        while let Some(loaded) = loader.next(&mut tree) {
            let (true, Some(root)) = (loaded.usable && tree.straight, tree.root()) else { continue };
            let value = json::convert(&tree, root, &[]).unwrap();
            prop_assert!(value.surprises.is_empty() && value.no_values.is_empty(), "straight trees have no surprise");
            for kind in Kind::ALL {
                let schema = schema::of(kind, Profile::Native);
                let issues = schema.check(&value.value);
                prop_assert_eq!(schema.accepts(&tree, root), issues.is_empty(), "{:?} {:?}", kind, issues);
            }
        }
    }

    #[test]
    fn reading_is_a_function_of_the_bytes(text in mutated()) {
        let (first, second) = (parse(&text), parse(&text));
        prop_assert_eq!(first.findings, second.findings);
        let digests = |parsed: &[Arc<Manifest>]| parsed.iter().map(|m| m.fingerprint).collect::<Vec<_>>();
        prop_assert_eq!(digests(&first.manifests), digests(&second.manifests));
    }
}
