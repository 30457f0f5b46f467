//! One finding in place of many that say the same: a repository of a thousand Deployments needs no thousand remarks.

use std::collections::BTreeMap;

use crate::{Code, Diagnostic, code};

/// Remarks about objects that are nobody's mistake.
const REMARKS: [&Code; 1] = [&code::GW0105];

/// Leaves, of the remarks that say the same about objects in one folder, the first with the number of all. The findings
/// are sorted and stay so.
pub fn condense(diagnostics: &mut Vec<Diagnostic>) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let is_remark = |finding: &Diagnostic| REMARKS.iter().any(|code| code.id == finding.code.id);
    diagnostics.retain(|finding| {
        if !is_remark(finding) {
            return true;
        }
        let count = counts.entry(group(finding)).or_default();
        *count += 1;
        *count == 1
    });
    for finding in diagnostics.iter_mut().filter(|finding| is_remark(finding)) {
        let count = counts.get(&group(finding)).copied().unwrap_or(1);
        if count > 1 {
            finding.count = count;
            finding.message = format!("{} ({count} objects in this folder)", finding.message);
            finding.help = Some("name each of them: --verbose".to_owned());
        }
    }
}

fn group(finding: &Diagnostic) -> (String, String) {
    let folder = finding.primary.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    (folder.to_owned(), finding.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, Span};

    fn remark(path: &str, message: &str) -> Diagnostic {
        let label = Label { path: path.to_owned(), span: Span::default(), text: String::new() };
        Diagnostic::new(&code::GW0105, message, label)
    }

    #[test]
    fn one_remark_for_each_kind_and_folder() {
        let mut findings: Vec<Diagnostic> = ["a/1.yaml", "a/2.yaml", "a/b/3.yaml", "c.yaml"]
            .iter()
            .flat_map(|path| [remark(path, "Deployment is left out"), remark(path, "Job is left out")])
            .collect();
        findings.push(remark("d.yaml", "Job is left out"));
        findings.push(Diagnostic { code: &code::GW0005, ..remark("a/1.yaml", "Job is left out") });
        condense(&mut findings);
        let shown: Vec<(&str, &str, usize)> = findings
            .iter()
            .map(|finding| (finding.primary.path.as_str(), finding.message.as_str(), finding.count))
            .collect();
        assert_eq!(
            shown,
            [
                ("a/1.yaml", "Deployment is left out (2 objects in this folder)", 2),
                ("a/1.yaml", "Job is left out (2 objects in this folder)", 2),
                ("a/b/3.yaml", "Deployment is left out", 1),
                ("a/b/3.yaml", "Job is left out", 1),
                ("c.yaml", "Deployment is left out", 1),
                ("c.yaml", "Job is left out (2 objects in this folder)", 2),
                ("a/1.yaml", "Job is left out", 1),
            ]
        );
    }
}
