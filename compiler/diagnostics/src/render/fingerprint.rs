//! Fingerprints that stay the same while a finding moves up and down in its file, for tools that compare two runs.

use std::collections::BTreeMap;

use crate::Diagnostic;

/// Returns a fingerprint for each finding: 32 hexadecimal digits over code, path, entity and message, and the number of
/// equal findings before it. Positions have no part in it.
pub(super) fn fingerprints(diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut seen: BTreeMap<[u8; 32], u64> = BTreeMap::new();
    diagnostics
        .iter()
        .map(|finding| {
            let base = digest(finding);
            let repetition = seen.entry(base).or_default();
            let mut hasher = blake3::Hasher::new_keyed(&base);
            hasher.update(&repetition.to_be_bytes());
            *repetition += 1;
            hasher.finalize().to_hex()[..32].to_owned()
        })
        .collect()
}

fn digest(finding: &Diagnostic) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let entity = finding.entity.as_deref().unwrap_or_default();
    for part in [finding.code.id, &finding.primary.path, entity, &finding.message] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn a_moved_finding_keeps_its_fingerprint_and_equal_ones_differ() {
        let mut diagnostics = examples::findings();
        let before = fingerprints(&diagnostics);
        for finding in &mut diagnostics {
            finding.primary.span.start.line += 7;
            finding.primary.span.start.offset += 100;
        }
        assert_eq!(fingerprints(&diagnostics), before);

        let mut moved = diagnostics[0].clone();
        moved.primary.span.start.offset += 500;
        let both = fingerprints(&[diagnostics[0].clone(), moved]);
        assert_eq!(both[0], before[0]);
        assert_ne!(both[0], both[1]);
    }

    #[test]
    fn another_message_is_another_finding() {
        let mut diagnostics = examples::findings();
        let before = fingerprints(&diagnostics);
        diagnostics[0].message.push('!');
        assert_ne!(fingerprints(&diagnostics)[0], before[0]);
    }
}
