//! `gatewright explain`: the page of a diagnostic code, or what is known of an annotation.

mod page;

use std::fmt::Write as _;

use clap::Args;
use gatewright_compiler::parse::nearest;
use gatewright_compiler::{
    Foreign, KNOWN, KnownAnnotation, Role, Support, lookup_annotation, lookup_foreign_annotation,
};
use gatewright_diagnostics::outlet::Form;
use gatewright_diagnostics::{CODES, find};

use crate::Context;
use crate::errors::{CliError, Exit};

/// Show the page of a diagnostic code or of an annotation key
///
/// Without an argument, all codes are listed.
#[derive(Debug, Args)]
pub struct Explain {
    /// A code (`GW0301`), its name (`duplicate-route`), or an annotation key (`higress.io/timeout`)
    #[arg(value_name = "CODE")]
    subject: Option<String>,
}

impl Explain {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let text = match &self.subject {
            None => list(),
            Some(subject) => page::fitted(&page(subject)?, width()),
        };
        context.terminal.print(Form::Own, &text)?;
        Ok(Exit::Fine)
    }
}

/// Returns the columns of the terminal, as shells and people tell them.
fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80)
}

fn list() -> String {
    let mut out = String::new();
    for code in CODES {
        writeln!(out, "{}  {:<8} {:<28} {}", code.id, code.severity.as_str(), code.slug, code.summary)
            .expect("writing to a string");
    }
    out
}

fn page(subject: &str) -> Result<String, CliError> {
    if let Some(code) = find(subject) {
        return Ok(code.page.to_owned());
    }
    let key = if subject.contains('/') { subject.to_owned() } else { format!("higress.io/{subject}") };
    if let Some(annotation) = lookup_annotation(&key) {
        return Ok(annotation_page(annotation));
    }
    let bare = (!subject.contains('/')).then(|| format!("nginx.ingress.kubernetes.io/{subject}"));
    let keys = [bare.unwrap_or_default(), key];
    let foreign = keys.iter().find_map(|key| Some((key, lookup_foreign_annotation(key)?)));
    if let Some((key, foreign)) = foreign {
        return Ok(foreign_page(key, &foreign));
    }
    let words = CODES.iter().flat_map(|code| [code.id, code.slug]);
    let suffixes = KNOWN.iter().map(|known| known.suffix);
    let suffix = subject.rsplit('/').next().unwrap_or(subject);
    let meant = nearest(subject, words).or_else(|| nearest(suffix, suffixes));
    let error = CliError::usage(format!("there is neither a code nor an annotation `{subject}`"));
    Err(match meant {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error.with_hint("`gatewright explain` lists all codes"),
    })
}

fn annotation_page(annotation: &KnownAnnotation) -> String {
    let mut out = format!("# higress.io/{}\n\n", annotation.suffix);
    if annotation.both_prefixes {
        writeln!(out, "Also `nginx.ingress.kubernetes.io/{}`.\n", annotation.suffix)
            .expect("writing to a string");
    }
    writeln!(out, "What it does: {}.\n", annotation.summary).expect("writing to a string");
    let support = match annotation.support {
        Support::Implemented => "It is implemented.",
        Support::NotImplemented => "It is not implemented yet (GW0402): it has no effect.",
        Support::Protection => "It protects routes: see GW0404 for what happens while it is not implemented.",
        Support::Unread => "Higress knows the name and reads it nowhere.",
    };
    writeln!(out, "{support}").expect("writing to a string");
    if annotation.from_base {
        writeln!(out, "\nA canary Ingress takes it from its base Ingress (GW0410).")
            .expect("writing to a string");
    }
    out
}

fn foreign_page(key: &str, foreign: &Foreign) -> String {
    let mut out = format!("# {key}\n\n");
    match (foreign.reader, foreign.role) {
        (Some(reader), Role::Beside) => {
            writeln!(out, "Read by {reader}, which serves no requests and does its work beside Higress.")
        }
        (Some(reader), _) => writeln!(out, "Read by {reader}, not by Higress (GW0440)."),
        (None, _) => writeln!(out, "Nobody reads this key (GW0401)."),
    }
    .expect("writing to a string");
    let protects = match foreign.role {
        Role::Protects => "It asks for a protection",
        Role::Snippet => "Where its statements deny or authenticate, it asks for a protection",
        Role::Names => "Where it names something that denies or authenticates, it asks for a protection",
        Role::Setting | Role::Beside => "",
    };
    if !protects.is_empty() {
        writeln!(out, "\n{protects} that nothing gives, and its routes are not served: see GW0441.")
            .expect("writing to a string");
    }
    match (foreign.role, foreign.instead.as_str()) {
        (Role::Beside, _) => Ok(()),
        (_, "") => writeln!(out, "\nHigress has no equivalent."),
        (_, instead) => writeln!(out, "\nThe nearest equivalent is {instead}."),
    }
    .expect("writing to a string");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_annotations_have_pages() {
        assert!(page("gw0301").unwrap().starts_with("# GW0301"));
        assert!(page("duplicate-route").unwrap().starts_with("# GW0301"));
        assert!(page("higress.io/timeout").unwrap().starts_with("# higress.io/timeout\n"));
        assert!(page("enable-cors").unwrap().contains("nginx.ingress.kubernetes.io/enable-cors"));
        assert!(list().lines().count() == CODES.len());
    }

    #[test]
    fn keys_of_other_controllers_have_pages() {
        let key = "nginx.ingress.kubernetes.io/denylist-source-range";
        let by_key = page(key).unwrap();
        assert!(
            by_key.contains("Read by ingress-nginx, not by Higress") && by_key.contains("ip-restriction"),
            "{by_key}"
        );
        assert_eq!(page("denylist-source-range").unwrap().lines().next(), Some(format!("# {key}").as_str()));
        assert!(page("nginx.org/policies").unwrap().contains("GW0441"));
        assert!(page("cert-manager.io/issuer").unwrap().contains("beside Higress"));
        assert!(page("proxy-body-size").unwrap().contains("no equivalent"));
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_one() {
        let error = page("higress.io/timeuot").unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `timeout`?"));
        assert_eq!(page("GW9999").unwrap_err().exit(), Exit::Usage);
    }
}
