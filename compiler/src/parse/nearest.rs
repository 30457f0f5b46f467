//! The known word that was probably meant.

/// Returns the candidate that differs least from `word`, if it differs little: by case, or by a third of the letters at
/// most. None where two are equally near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        let distance = if candidate.eq_ignore_ascii_case(word) { 0 } else { edits(word, candidate, limit) };
        match best {
            _ if distance > limit => {}
            Some((least, _)) if distance > least => {}
            Some((least, other)) if distance == least => tied |= other != candidate,
            _ => {
                best = Some((distance, candidate));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(_, candidate)| candidate)
}

/// Returns the only candidate that continues `word` or is continued by it, for words of some length.
pub(super) fn completion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SOME_LENGTH: usize = 5;
    let mut related = candidates.into_iter().filter(|candidate| {
        let (short, long) =
            if word.len() < candidate.len() { (word, *candidate) } else { (*candidate, word) };
        let start = long.get(..short.len());
        short.len() >= SOME_LENGTH && start.is_some_and(|start| start.eq_ignore_ascii_case(short))
    });
    related.next().filter(|_| related.next().is_none())
}

/// Returns how many letters must be inserted, dropped, replaced or swapped with their neighbor, or more than `limit`.
fn edits(from: &str, to: &str, limit: usize) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    if from.len().abs_diff(to.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut least = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slips_are_recognized() {
        let fields = ["pathType", "path", "backend", "host", "http"];
        assert_eq!(nearest("pathtype", fields), Some("pathType"));
        assert_eq!(nearest("pahtType", fields), Some("pathType"));
        assert_eq!(nearest("bakend", fields), Some("backend"));
        assert_eq!(nearest("hots", fields), Some("host"));
        assert_eq!(nearest("serviceName", fields), None);
    }

    #[test]
    fn beginnings_are_completed() {
        let fields = ["ingressClassName", "defaultBackend", "rules", "tls"];
        assert_eq!(completion("ingressClass", fields), Some("ingressClassName"));
        assert_eq!(completion("rulesOfMine", fields), Some("rules"));
        assert_eq!(completion("tlsConfig", fields), None);
        assert_eq!(completion("ingressClass", ["ingressClassA", "ingressClassB"]), None);
    }

    #[test]
    fn equally_near_words_give_none() {
        assert_eq!(nearest("bat", ["cat", "hat"]), None);
        assert_eq!(nearest("bat", ["cat", "hat", "bat"]), Some("bat"));
    }
}
