//! GW0001, GW0002, GW0004, GW0005, GW0007: the YAML itself.

use super::*;

const SYNTAX: &str = "the document is not well-formed YAML:";

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = format!("{}---\na: [1\n---\nb: \"\n---\n{}", config_map("  x: v\n"), config_map("  x: z\n"));
    check(
        &text,
        &[
            &format!("GW0001 9:1 `-` {SYNTAX} a `,` or `]` is missing"),
            &format!("GW0001 10:4 `\"` {SYNTAX} a quote is not closed"),
        ],
    );
    let parsed = parse(&text);
    let documents: Vec<u32> = parsed.manifests.iter().map(|manifest| manifest.document.document).collect();
    assert_eq!(documents, [0, 3]);
    let opened = &parsed.findings[0].related[0];
    assert_eq!(opened.1, "opened here");
    assert_eq!((opened.0.start.line, opened.0.start.column), (8, 4));
}

#[test]
fn common_slips_are_named() {
    for (data, place, complaint) in [
        ("\tx: v\n", "6:1 `\t`", "a tab stands where only spaces may indent"),
        ("  x: a: b\n", "6:7 `:`", "a `:` stands where no key can be"),
        ("  x: v\n  w\n", "7:3 `w`", "a line of a mapping has no `:`"),
        ("  x: y\n z: a\n", "7:2 `z`", "the indentation fits no mapping above, or a key is missing"),
        ("  x: {a: b\nc: d\n", "7:2 `:`", "a `,` or `}` is missing"),
        ("  x: @y\n", "6:6 `@y`", "unquoted text cannot start with `@`"),
        ("  x: *y\n", "6:6 `*y`", "the alias names no anchor of this document"),
        ("  x: \"\\d\"\n", "6:7 `\\`", "a text in double quotes holds an escape that YAML does not know"),
    ] {
        check(&config_map(data), &[&format!("GW0001 {place} {SYNTAX} {complaint}")]);
    }
}

#[test]
fn anchors_end_with_their_document() {
    let text = format!("{}---\n{}", config_map("  x: &x v\n"), config_map("  x: *x\n"));
    check(&text, &[&format!("GW0001 13:6 `*x` {SYNTAX} the alias names no anchor of this document")]);
    assert_eq!(parse(&text).manifests.len(), 1);
}

#[test]
fn a_file_of_nonsense_is_given_up() {
    let nonsense = "---\n\"\n".repeat(1000);
    assert_eq!(parse(&nonsense).findings, []);
    let parsed = parse(&format!("apiVersion: v1\nkind: Pod\n{nonsense}"));
    assert_eq!(parsed.findings.len(), 101);
    assert!(parsed.findings[100].notes[0].contains("nothing behind this one is read"));
}

#[test]
fn duplicate_keys_are_compared_as_kubernetes_reads_them() {
    check(&config_map("  x: a\n  x: b\n"), &["GW0002 7:3 `x` the key \"x\" is already in this mapping"]);
    check(&config_map("  x: a\n  'x': b\n"), &["GW0002 7:3 `'x'` the key \"x\" is already in this mapping"]);
    check(
        &config_map("  on: a\n  \"true\": b\n"),
        &[
            "GW0007 6:3 `on` the unquoted key `on` is the key \"true\" to Kubernetes",
            "GW0002 7:3 `\"true\"` the key \"true\" is already in this mapping",
        ],
    );
    let finding = &parse(&config_map("  x: a\n  x: b\n")).findings[0];
    assert_eq!((finding.related[0].0.start.line, &*finding.related[0].1), (6, "first written here"));
    assert_eq!(finding.entity.as_ref().map(ToString::to_string).as_deref(), Some("ConfigMap default/a"));
}

#[test]
fn duplicates_are_found_in_large_mappings_too() {
    let mut data: String = (0..40).map(|n| format!("  k{n}: v\n")).collect();
    data.push_str("  k3: v\n  k39: v\n");
    check(
        &config_map(&data),
        &[
            "GW0002 46:3 `k3` the key \"k3\" is already in this mapping",
            "GW0002 47:3 `k39` the key \"k39\" is already in this mapping",
        ],
    );
}

#[test]
fn a_document_of_duplicates_is_given_up() {
    let parsed = parse(&config_map(&"  x: v\n".repeat(5000)));
    assert!(parsed.manifests.is_empty());
    assert_eq!(parsed.findings.len(), 1002);
    let last = parsed.findings.iter().find(|finding| finding.message.contains("too many keys"));
    assert!(last.is_some());
}

#[test]
fn keys_must_be_text() {
    let message = "a key of a mapping must be text, and this one is null, a list or a mapping";
    check(&config_map("  ~: a\n"), &[&format!("GW0001 6:3 `~` {message}")]);
    check(&config_map("  ? [a]\n  : b\n"), &[&format!("GW0001 6:5 `[a]` {message}")]);
}

#[test]
fn unreadable_bytes() {
    let found = |bytes: &[u8]| {
        let parsed = parse_file(bytes, Profile::Native);
        assert!(parsed.manifests.is_empty());
        let [finding] = parsed.findings.as_slice() else { panic!("one finding") };
        (finding.code.id, finding.span.start.line, finding.span.start.column)
    };
    assert_eq!(found(b"kind: 1\nb: \xff"), ("GW0004", 2, 4));
    assert_eq!(found(b"\xff\xfea\0:\0"), ("GW0004", 1, 1));
    assert_eq!(found(&[b"kind: Pod\n#".to_vec(), vec![b'#'; 16 << 20]].concat()), ("GW0004", 1, 1));
}

#[test]
fn byte_order_mark_line_ends_and_json_are_read() {
    let text = config_map("  x: v\n");
    for variant in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), format!("---\n{text}...\n")] {
        assert_eq!(parse(&variant).findings, []);
        assert_eq!(parse(&variant).manifests[0].fingerprint, parse(&text).manifests[0].fingerprint);
    }
    let json = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"data\": {\"x\":\"v\"}\n}";
    assert_eq!(parse(json).findings, []);
    assert_eq!(parse(json).manifests[0].fingerprint, parse(&text).manifests[0].fingerprint);
    let smile =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"\ud83d\ude00","y":5}}"#;
    check(smile, &["GW0102 1:94 `5` data.y must be text, found the number 5"]);
    let Body::ConfigMap(config) = &parse(smile).manifests[0].body else { panic!("a ConfigMap") };
    assert_eq!(config.data["x"], "😀");
}

#[test]
fn the_last_line_of_a_block_needs_no_end() {
    // Kubernetes' parser adds no line end that is not written.
    for (data, expected) in [
        ("  x: |\n    a\n    b", "a\nb"),
        ("  x: |\n    a\n    b\n", "a\nb\n"),
        ("  x: |\n    a\n  ", "a\n"),
        ("  x: |\n    a\n    ", "a\n"),
        ("  x: |\n    a\n      ", "a\n  "),
        ("  x: |+\n    a\n\n  ", "a\n\n"),
        ("  x: >\n    a\n    b", "a b"),
    ] {
        let Body::ConfigMap(config) = body(&config_map(data)) else { panic!("a ConfigMap") };
        assert_eq!(config.data["x"], expected, "for {data:?}");
    }
}

#[test]
fn documents_that_are_no_manifests() {
    check("", &[]);
    check("# only a comment\n---\n---\n~\n", &[]);
    for nothing in ["a: b\n", "- a\n", "text\n", "apiVersion: v1\nkind: ''\n"] {
        assert_eq!((parse(nothing).passed_over, parse(nothing).findings), (true, Vec::new()), "{nothing}");
    }
    let first = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n";
    for (text, expected) in [
        ("a: b\n", "GW0005 5:1 `a: b` the document has neither `apiVersion` nor `kind` and is left out"),
        ("kind: X\n", "GW0009 5:1 `kind: X` the object has no `apiVersion`"),
        ("apiVersion: v1\nkind: ''\n", "GW0009 5:1 `apiVersion` the object has no `kind`"),
        ("metadata: {}\n", "GW0009 5:1 `metadata: {}` the object has neither `apiVersion` nor `kind`"),
        ("- a\n", "GW0005 5:1 `- a` the document is a list and is left out"),
        ("text\n", "GW0009 5:1 `text` the object is plain text"),
    ] {
        check(&format!("{first}{text}"), &[expected]);
    }
    check("kind: Ingress\n", &["GW0009 1:1 `kind: Ingress` the object has no `apiVersion`"]);
}

#[test]
fn readings_that_differ_from_yaml_1_2_are_told_where_they_stand() {
    let port = |port: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  ports:\n  - port: {port}\n")
    };
    check(&port("80"), &[]);
    check(&port("080"), &[]);
    check(
        &port("0100"),
        &[
            "GW0007 6:11 `0100` the unquoted value `0100` is the number 64 to Kubernetes, though YAML 1.2 reads the number 100",
        ],
    );
    check(
        &port("8_0"),
        &[
            "GW0007 6:11 `8_0` the unquoted value `8_0` is the number 80 to Kubernetes, though YAML 1.2 reads text",
        ],
    );
    let Body::Service(service) = parse(&port("0100")).manifests[0].body.clone() else { panic!("a Service") };
    assert_eq!(service.ports[0].port, 64);
}

#[test]
fn tags_that_kubernetes_drops_are_told() {
    check(
        &config_map("  x: !vault y\n"),
        &["GW0007 6:6 `!vault y` Kubernetes drops the tag of this value and takes its text"],
    );
    check(&config_map("  x: !!str 5\n"), &[]);
    check(&config_map("  x: !!int y\n"), &["GW0102 6:6 `!!int y` the value does not fit its tag `!!int`"]);
}

#[test]
fn infinity_cannot_be_sent() {
    let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\nspec:\n  defaultConfig:\n    x: .inf\n";
    check(text, &["GW0102 6:8 `.inf` infinity and not-a-number cannot be sent to Kubernetes"]);
}

#[test]
fn what_kubernetes_library_reads_is_read() {
    for (data, expected) in [
        ("  x: \"one\n  two\"\n", "one two"),
        ("  x: 'one\ntwo'\n", "one two"),
        ("  x: a#b\n", "a#b"),
        ("  x: |\n    a\n   # no comment\n", "a\n"),
        ("  x: >\n    a\n     b\n    c\n", "a\n b\nc\n"),
        ("  x: \"a\\\n     b\"\n", "ab"),
        ("  x: \ta b\n", "a b"),
    ] {
        let Body::ConfigMap(config) = body(&config_map(data)) else { panic!("a ConfigMap") };
        assert_eq!(config.data["x"], expected, "for {data:?}");
    }
    let ports = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [\n    {name: \"a\", port: 80},\n]\n";
    check(ports, &[]);
    check(&ingress("  finalizers: [\n    \"example.com/a\",\n    'example.com/b'\n]\n"), &[]);
}

#[test]
fn what_kubernetes_library_refuses_is_refused() {
    for (data, place, complaint) in [
        ("  x: [a?b]\n", "6:7 `a?b`", "unquoted text between brackets ends at `?`"),
        ("  x: a\u{1}b\n", "6:7 `\u{1}`", "the text holds a control character"),
        ("  x: \"\\/\"\n", "6:7 `\\`", "a text in double quotes holds an escape that YAML does not know"),
        ("  x: | y\n", "6:8 `y`", "text follows the sign of a block text"),
        ("  x: &\n", "6:7 `\n`", "`&` and `*` need a name of letters, digits, `-` and `_`"),
    ] {
        let finding = format!("GW0001 {place} {SYNTAX} {complaint}");
        check(&config_map(data), &[&finding]);
    }
    check(
        &format!("%YAML 1.2\n---\n{}", config_map("  x: v\n")),
        &[&format!("GW0001 1:10 `\n` {SYNTAX} Kubernetes reads YAML 1.1 alone")],
    );
}
