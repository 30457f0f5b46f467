//! Writes `docs/reference/annotations.md` from the table of known annotations, and the index of the pages of
//! `docs/diagnostics` from the table of codes.

use std::fmt::Write as _;

use gatewright_compiler::{Controller, KNOWN, KnownAnnotation, Rest, Role, Support, controllers};
use gatewright_diagnostics::CODES;
use gatewright_testkit::assert_generated;

const HEAD: &str = "\
<!-- Written by `cargo xtask bless` from compiler/src/annotations/known.rs. -->

# Annotations

Which annotations of an Ingress this version knows, and what it makes of them. Keys stand under `higress.io/`; those
marked with *both* also under `nginx.ingress.kubernetes.io/`, which wins where it has a valid value. The column
*canary* says which Ingress counts for requests that go to a canary: its own, or the base route's.

Every other key under one of the two prefixes is reported as [GW0401](../diagnostics/GW0401.md), one of
[another controller](other-controllers.md) as [GW0440](../diagnostics/GW0440.md), one that asks for a protection which
nothing gives as the error [GW0441](../diagnostics/GW0441.md), and a value that cannot be read as
[GW0403](../diagnostics/GW0403.md).
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

const OTHERS: &str = "\
<!-- Written by `cargo xtask bless` from compiler/src/annotations/foreign. -->

# Annotations of other controllers

Higress reads none of these keys. A key that *protects* is the error [GW0441](../diagnostics/GW0441.md) where its value
asks for a protection, for its routes would be open; the others are [GW0440](../diagnostics/GW0440.md). The nearest
equivalent need not mean exactly the same.
";

#[test]
fn the_page_of_other_controllers_is_the_table() {
    let mut page = OTHERS.to_owned();
    for controller in controllers() {
        page.push_str(&section(controller));
    }
    assert_generated("docs/reference/other-controllers.md", &page);
}

fn section(controller: &Controller) -> String {
    let mut out = format!("\n## `{}`\n\nRead by {}.", controller.prefix, controller.name);
    match controller.rest {
        Rest::Beside => {
            out.push_str(" It serves no requests and does its work beside Higress: no finding.\n");
            return out;
        }
        Rest::LikeHigress => out.push_str(" Keys that Higress has under the same name mean the same.\n"),
        Rest::Foreign => out.push('\n'),
    }
    out.push_str("\n| key | | nearest equivalent |\n|---|---|---|\n");
    for row in controller.keys {
        let role = match row.role {
            Role::Protects => "protects",
            Role::Snippet => "protects, where its statements deny or authenticate",
            Role::Names => "protects, where it names something that does",
            Role::Setting | Role::Beside => "",
        };
        writeln!(out, "| `{}` | {role} | {} |", row.suffix, row.instead).unwrap();
    }
    out
}

fn row(known: &KnownAnnotation) -> String {
    let prefix = if known.both_prefixes { "both" } else { "higress" };
    let canary = if known.from_base { "base" } else { "own" };
    format!("| `{}` | {prefix} | {canary} | {} |\n", known.suffix, known.summary)
}

/// Bands of codes: what the first two digits say about the stage that finds something.
const BANDS: [(&str, &str); 10] = [
    ("GW00", "Reading files"),
    ("GW01", "Reading manifests"),
    ("GW02", "References between manifests"),
    ("GW03", "Conflicts"),
    ("GW04", "Meaning"),
    ("GW05", "Serving in spite of errors"),
    ("GW06", "Plans and pushes"),
    ("GW07", "Data planes"),
    ("GW08", "Settings and tests of gatewright itself"),
    ("GW09", "Bugs"),
];

#[test]
fn the_index_of_codes_is_the_table() {
    let mut page = "<!-- Written by `cargo xtask bless` from compiler/diagnostics/src/codes.rs. -->\n\n# Codes\n\n\
        Every finding has one. `gatewright explain CODE` prints its page. An error is what the API server, Higress or \
        Envoy\nrefuses, or what loses a protection; a warning is served, but probably not as meant.\n"
        .to_owned();
    for (band, title) in BANDS {
        write!(page, "\n## {band}xx: {title}\n\n| code | | |\n|---|---|---|\n").unwrap();
        for code in CODES.iter().filter(|code| code.id.starts_with(band)) {
            let severity = code.severity.as_str();
            writeln!(page, "| [{0}]({0}.md) {1} | {severity} | {2} |", code.id, code.slug, code.summary)
                .unwrap();
        }
    }
    let listed = CODES.iter().all(|code| BANDS.iter().any(|(band, _)| code.id.starts_with(band)));
    assert!(listed, "a code is in no band");
    assert_generated("docs/diagnostics/README.md", &page);
}
