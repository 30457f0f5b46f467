//! Whether a file is meant to hold manifests. Values of charts, pipelines, settings of other tools and data lie beside
//! manifests in many repositories; they are passed over. One rule says which file is which:
//!
//! - a document that says both `apiVersion` and `kind`, or one of them and has what only objects have, is a manifest, and
//!   its file with all its documents is read;
//! - a file with a document that cannot be read is read, so that its mistakes are told, if it says `apiVersion` or `kind`
//!   where a manifest does: nothing is lost because of a mistake;
//! - any other file is passed over, with everything that is wrong in it.

use gatewright_diagnostics::code;

use super::comments;
use super::kinds::{self, Recognized};
use super::text::MAX_BYTES;
use super::tree::{NodeId, NodeKind, Tree};
use super::{FileFinding, ParsedFile};

/// Members of objects, one of which stands beside a lone `apiVersion` or `kind` that belongs to a manifest.
const MEMBERS: [&str; 4] = ["metadata", "spec", "items", "data"];
/// Members of objects that hardly anything else has.
const TELLING: [&str; 2] = ["metadata", "spec"];
/// Why a file is read that says nowhere that it holds manifests.
const EXPECTED: &str = "the file held manifests in the last good state, so it is not passed over";
/// What files begin with that git-crypt has encrypted: nobody knows what they hold.
const GIT_CRYPT: &[u8] = b"\0GITCRYPT";

/// Returns whether a document is meant to be a manifest, or several in a list.
pub(crate) fn is_manifest(tree: &Tree<'_>, root: NodeId) -> bool {
    match tree.node(tree.target(root)).kind {
        NodeKind::Sequence(_) => tree.elements(root).iter().any(|element| both(tree, *element).is_some()),
        _ => match (text(tree, root, "apiVersion"), text(tree, root, "kind")) {
            (Some(_), Some(_)) => true,
            (None, None) => false,
            (api_version, kind) => {
                let modelled = api_version.is_none() && kind.is_some_and(is_modelled);
                modelled || MEMBERS.iter().any(|member| tree.entry(root, member).is_some())
            }
        },
    }
}

/// Returns whether a mapping without `apiVersion` and `kind` is an object all the same, which has lost both.
pub(crate) fn has_lost_its_type(tree: &Tree<'_>, node: NodeId) -> bool {
    TELLING.iter().any(|member| tree.entry(node, member).is_some())
}

fn both<'t>(tree: &'t Tree<'_>, node: NodeId) -> Option<(&'t str, &'t str)> {
    Some((text(tree, node, "apiVersion")?, text(tree, node, "kind")?))
}

fn text<'t>(tree: &'t Tree<'_>, node: NodeId, key: &str) -> Option<&'t str> {
    tree.text_of(node, key).filter(|text| !text.is_empty())
}

/// Returns whether a kind is one that is read, whatever its version.
fn is_modelled(kind: &str) -> bool {
    matches!(
        kinds::recognize("v1", kind),
        Recognized::Modelled(_) | Recognized::OtherVersion(_) | Recognized::List
    )
}

/// Returns whether a text says somewhere what a manifest says first.
pub(crate) fn names_a_kind(text: &str) -> bool {
    let start = comments::behind(text.trim_start_matches('\u{feff}'));
    let flow = start.starts_with(['{', '[']) && !["{{", "{%"].iter().any(|open| start.starts_with(open));
    if flow {
        return text.contains("apiVersion") || (text.contains("\"kind\"") && text.contains("\"metadata\""));
    }
    let quotes = ['"', '\''];
    let names = |line: &str, key: &str| {
        let rest = line.trim_start_matches(quotes).strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(quotes).trim_start().starts_with(':'))
    };
    text.split(['\n', '\r']).any(|line| names(line, "apiVersion") || names(line, "kind"))
}

/// Returns whether bytes that are no text may be manifests all the same.
pub(crate) fn may_be_manifests(bytes: &[u8]) -> bool {
    let utf16 = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let start = &bytes[..bytes.len().min(MAX_BYTES)];
    utf16 || bytes.starts_with(GIT_CRYPT) || names_a_kind(&String::from_utf8_lossy(start))
}

/// Passes a file over that holds no manifest, with what is wrong in it as YAML. What kubectl would refuse of it is kept
/// apart: it counts where the file is known to have held some.
pub(crate) fn pass_over(parsed: &mut ParsedFile) {
    let of_yaml = [&code::GW0001, &code::GW0002, &code::GW0003, &code::GW0004, &code::GW0005, &code::GW0007];
    let is_of_yaml = |finding: &FileFinding| of_yaml.iter().any(|code| code.id == finding.code.id);
    parsed.passed_over = true;
    let findings = std::mem::take(&mut parsed.findings);
    let (dropped, kept) = findings.into_iter().partition(|finding| is_of_yaml(finding) || finding.is_error());
    (parsed.unread, parsed.findings) = (dropped, kept);
    for finding in &mut parsed.unread {
        if finding.code.id == code::GW0005.id {
            finding.code = &code::GW0009;
            finding.help = Some("write an object, or give what it is now another file".to_owned());
        }
        finding.notes.push(EXPECTED.to_owned());
    }
    parsed.unread.retain(FileFinding::is_error);
}

#[cfg(test)]
mod tests {
    use crate::options::Profile;
    use crate::parse::parse_file;

    fn found(text: &str) -> (bool, Vec<&'static str>) {
        let parsed = parse_file(text.as_bytes(), Profile::Native);
        (parsed.passed_over, parsed.findings.iter().map(|finding| finding.code.id).collect())
    }

    #[test]
    fn files_without_a_manifest_are_passed_over_with_their_mistakes() {
        for text in [
            "",
            "# nothing\n",
            "version: '3'\nservices: {web: {image: x}}\n",
            "- hosts: all\n  tasks: []\n",
            "a: [1\n",
            "cmds:\n- echo {{.X}}\n- x: {{.Y}} z\n",
            "{\n  // a comment\n  \"a\": 1,\n}\n",
            "{\"rating\": 5}\n{\"rating\": 4}\n",
            "{\"a\": 1, \"a\": 2}",
            "42",
            "emoji: !!python/name:material.x\n",
            "Resources: {A: {Name: !Sub \"${Env}-x\"}}\n",
            "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
            "apiVersion: 1\nproviders: []\n",
            "kind: pipeline\ntype: docker\nsteps: []\n",
        ] {
            assert_eq!(found(text), (true, Vec::new()), "{text}");
        }
        assert!(parse_file(b"\xff\x00\x01", Profile::Native).passed_over);
    }

    #[test]
    fn what_may_be_a_manifest_is_read_and_its_mistakes_are_told() {
        for (text, expected) in [
            ("apiVersion: v1\nkind: Service\nspec: [\n", "GW0001"),
            ("a: [1\n---\nkind: Pod\n", "GW0001"),
            ("\"kind\" : Pod\nx: [\n", "GW0001"),
            ("{\"apiVersion\": \"v1\", \"kind\": \"Pod\"", "GW0001"),
            ("/* of the shop */ // twice\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}", "GW0001"),
            ("kind: Ingress\n", "GW0009"),
            ("kind: Other\nmetadata: {name: x}\n", "GW0009"),
            ("apiVersion: apps/v1\nspec: {}\n", "GW0009"),
            ("- {apiVersion: v1, kind: Pod}\n", "GW0005"),
            ("apiVersion: v1\nkind: Pod\n---\nfree: text\n", "GW0005"),
        ] {
            let (passed_over, codes) = found(text);
            assert!(!passed_over && codes.contains(&expected), "{text} {codes:?}");
        }
        assert!(!parse_file(b"kind: Pod\n\xff", Profile::Native).passed_over);
        assert!(!parse_file(b"\0GITCRYPT\0\xff", Profile::Native).passed_over);
    }

    #[test]
    fn what_hides_a_manifest_is_kept_beside_what_is_passed_over() {
        for (text, expected) in [
            ("{: [\n", &["GW0001"][..]),
            ("{{ x }}-y: [\n", &["GW0010"]),
            ("::: what\n", &["GW0009"]),
            ("metadata: {name: web}\nspec: {}\n", &["GW0009"]),
            ("replicas: 3\n", &["GW0009"]),
            ("- host: web\n", &["GW0009"]),
            ("# all of it is gone\n", &[]),
        ] {
            let parsed = parse_file(text.as_bytes(), Profile::Native);
            let codes: Vec<&str> = parsed.unread.iter().map(|finding| finding.code.id).collect();
            assert_eq!((parsed.passed_over, codes.as_slice()), (true, expected), "{text}");
        }
        assert_eq!(parse_file(b"\xff\x00\x01", Profile::Native).unread.len(), 1);
    }
}
