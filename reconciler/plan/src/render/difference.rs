//! Line differences of two texts.

use similar::{ChangeTag, TextDiff};

/// Returns the lines that differ with three lines around them, marked `-`, `+` and by a space; parts are separated by a
/// line `@@`. Equal texts give the empty text.
pub(crate) fn unified(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut out = String::new();
    for (index, group) in diff.grouped_ops(3).iter().enumerate() {
        if index > 0 {
            out.push_str("@@\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            out.push(match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            });
            out.push_str(change.value().trim_end_matches('\n'));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_far_apart_are_separated() {
        let lines =
            |changed: &str| (0..20).map(|n| format!("{n}\n")).collect::<String>().replace("2\n", changed);
        let text = unified(&lines("2\n"), &lines("x\n"));
        assert!(text.starts_with(" 0\n 1\n-2\n+x\n 3\n"), "{text}");
        assert!(text.contains("@@\n 9\n"), "{text}");
        assert_eq!(unified("a\n", "a\n"), "");
    }
}
