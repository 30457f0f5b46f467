//! Writes `docs/reference/annotations.md` from the table of known annotations.

use std::fmt::Write as _;

use gatewright_compiler::{KNOWN, KnownAnnotation, Support};
use gatewright_testkit::assert_generated;

const HEAD: &str = "\
<!-- Written by `cargo xtask bless` from compiler/src/annotations/known.rs. -->

# Annotations

Which annotations of an Ingress this version knows, and what it makes of them. Keys stand under `higress.io/`; those
marked with *both* also under `nginx.ingress.kubernetes.io/`, which wins where it has a valid value. The column
*canary* says which Ingress counts for requests that go to a canary: its own, or the base route's.

Every other key under one of the two prefixes is reported as [GW0401](../diagnostics/GW0401.md), and a value that
cannot be read as [GW0403](../diagnostics/GW0403.md).
";

const MATCHES: &str = "\
| `{exact,prefix,regex}-match-header-NAME` | higress | own | tests a request header |
| `{exact,prefix,regex}-match-pseudo-header-NAME` | higress | own | tests `:NAME`, e.g. `authority` |
| `{exact,prefix,regex}-match-query-NAME` | higress | own | tests a query parameter |
";

const OWN: &str = "
## Read by gatewright alone

| key | what it does |
|---|---|
| `gatewright.io/order` | stands in for the age of an Ingress, which decides conflicts: a whole number, lower is older |
| `kubernetes.io/ingress.class` | the class, before `spec.ingressClassName`; every controller reads it |
";

const SECTIONS: [(Support, &str, &str); 4] = [
    (Support::Implemented, "Implemented", "They do what they do in Higress."),
    (
        Support::Protection,
        "Protections that are not implemented yet",
        "They are recognized, and their routes answer 503 instead of being open: \
         [GW0404](../diagnostics/GW0404.md), or [GW0405](../diagnostics/GW0405.md) where the value protects nothing.",
    ),
    (
        Support::NotImplemented,
        "Not implemented yet",
        "Higress acts on them, this version does not and says so: [GW0402](../diagnostics/GW0402.md).",
    ),
    (Support::Unread, "Read by nobody", "Higress or its console declares them, and nothing acts on them."),
];

#[test]
fn the_page_of_annotations_is_the_table() {
    let mut page = HEAD.to_owned();
    for (support, title, text) in SECTIONS {
        write!(
            page,
            "\n## {title}\n\n{text}\n\n| key | prefix | canary | what it does |\n|---|---|---|---|\n"
        )
        .unwrap();
        for known in KNOWN.iter().filter(|known| known.support == support) {
            page.push_str(&row(known));
        }
        if support == Support::Implemented {
            page.push_str(MATCHES);
        }
    }
    page.push_str(OWN);
    assert_generated("docs/reference/annotations.md", &page);
}

fn row(known: &KnownAnnotation) -> String {
    let prefix = if known.both_prefixes { "both" } else { "higress" };
    let canary = if known.from_base { "base" } else { "own" };
    format!("| `{}` | {prefix} | {canary} | {} |\n", known.suffix, known.summary)
}
