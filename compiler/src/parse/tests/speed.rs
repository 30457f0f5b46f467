//! What reading costs beside bare loading.

use super::*;

/// A file of Ingresses as `xtask bench` writes them.
fn many_ingresses(count: usize) -> String {
    let one = |n: usize| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: route-{n}\n  namespace: shop\n  \
             annotations:\n    higress.io/timeout: \"{n}\"\n    nginx.ingress.kubernetes.io/enable-cors: \"true\"\n  \
             labels:\n    app.kubernetes.io/name: shop\nspec:\n  ingressClassName: higress\n  rules:\n  - host: \
             host-{n}.example.com\n    http:\n      paths:\n      - path: /api/v{n}\n        pathType: Prefix\n        \
             backend:\n          service:\n            name: service-{n}\n            port:\n              number: \
             8080\n      - path: /exact\n        pathType: Exact\n        backend:\n          service:\n            \
             name: service-{n}\n            port:\n              name: http\n---\n"
        )
    };
    (0..count).map(one).collect()
}

#[test]
#[ignore = "a measurement, of use with --release --nocapture"]
fn reading_costs_little_more_than_loading() {
    let text = many_ingresses(20_000);
    let time = |work: &dyn Fn()| {
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        });
        best.min().unwrap().as_secs_f64()
    };
    let events = time(&|| {
        let mut parser = crate::parse::yaml::Parser::new(&text);
        while !matches!(parser.next(), Ok((crate::parse::yaml::Event::StreamEnd, _))) {}
    });
    let load = time(&|| {
        let source = load::Source::new(&text);
        let (mut loader, mut tree) = (load::Loader::new(&source), tree::Tree::default());
        while loader.next(&mut tree).is_some() {}
    });
    let parse = time(&|| assert_eq!(parse_file(text.as_bytes(), Profile::Native).manifests.len(), 20_000));
    let megabytes = text.len() as f64 / 1e6;
    for (what, seconds) in [("events", events), ("trees", load), ("manifests", parse)] {
        println!(
            "{what}: {seconds:.3} s, {:.1} MB/s, {:.2} times the events",
            megabytes / seconds,
            seconds / events
        );
    }
    assert!(parse < 3.0 * load, "reading takes {parse} s, loading {load} s");
}

/// Files of some size that a reader of YAML may find hard, by name.
fn hostile_files(size: usize) -> Vec<(&'static str, String)> {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";
    let plugin = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\nspec:\n  defaultConfig:\n";
    let filled = |head: &str, line: &dyn Fn(usize) -> String| {
        let mut text = head.to_owned();
        let mut lines = (0..).map(line);
        while text.len() < size {
            text.extend(lines.next());
        }
        text
    };
    vec![
        ("one key again and again", filled(head, &|_| "  a: b\n".into())),
        ("many keys", filled(head, &|n| format!("  k{n}: v\n"))),
        ("many values of the wrong type", filled(head, &|n| format!("  k{n}: 1\n"))),
        ("the same beyond ASCII", filled(head, &|n| format!("  é{n}: 1\n"))),
        ("many surprising values", filled(plugin, &|n| format!("    k{n}: yes\n"))),
        ("many foreign tags", filled(head, &|n| format!("  k{n}: !x v\n"))),
        ("many unknown fields", filled(&format!("{head}  x: v\n"), &|n| format!("u{n}: v\n"))),
        (
            "many wrong annotation keys",
            filled(&head.replace("{name: a}\ndata:", "\n  name: a\n  annotations:"), &|n| {
                format!("    k k{n}: v\n")
            }),
        ),
        ("many documents", filled("", &|_| "---\na: b\n".into())),
        ("many empty documents", filled("", &|_| "---\n".into())),
        ("many broken documents", filled("", &|_| "---\n\"\n".into())),
        (
            "many items",
            filled("apiVersion: v1\nkind: List\nitems:\n", &|n| {
                format!(
                    "- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a{n}}}, data: {{x: 1, x: 2}}}}\n"
                )
            }),
        ),
        ("many aliases", filled("a: &a v\n", &|_| "k: *a\n".into())),
        ("many anchors", filled(head, &|n| format!("  k{n}: &a{n} v\n"))),
        ("many merge keys", filled("a: &a {b: c}\nd:\n", &|_| "  <<: *a\n".into())),
        ("brackets", "[".repeat(size)),
        ("braces", "{a: ".repeat(size / 4)),
        ("dashes", "- ".repeat(size / 2)),
        ("an open quote", format!("\"{}", "x".repeat(size))),
        ("one long line", format!("a: {}", "x".repeat(size))),
        ("one long line of entries", filled("{", &|n| format!("a{n}: b, ")) + "}"),
        ("comments", "# x\n".repeat(size / 4)),
        ("zeros", "\0".repeat(size)),
    ]
}

/// Reads a file and looks a place up; returns how long each took.
fn timed(text: &str) -> [std::time::Duration; 2] {
    let start = std::time::Instant::now();
    parse(text);
    let read = start.elapsed();
    let first = crate::manifest::DocumentIndex { document: 0, item: None };
    Locator::new(text.as_bytes()).locate(first, "/data/x", crate::finding::Part::Key);
    [read, start.elapsed() - read]
}

#[test]
fn hostile_files_are_read() {
    for (_, text) in hostile_files(20_000) {
        timed(&text);
    }
}

#[test]
#[ignore = "a measurement, of use with --release --nocapture"]
fn hostile_files_cost_what_their_size_costs() {
    let (small, large) = (hostile_files(1 << 20), hostile_files((16 << 20) - 1024));
    for ((what, small), (_, large)) in small.iter().zip(&large) {
        let ([small_read, small_place], [read, place]) = (timed(small), timed(large));
        println!("{what}: 1 MiB {small_read:.1?} and {small_place:.1?}, 16 MiB {read:.1?} and {place:.1?}");
        assert!(read < small_read * 50 + std::time::Duration::from_secs(1), "reading {what} is not linear");
    }
}
