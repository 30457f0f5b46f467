//! What can be left out of changes that are enough for a class. What happens on a host depends on the changes that reach it
//! and on no others: so changes of which no two reach the same host are left out in one try, and each host tells for
//! itself whether it needs its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::question::Question;

/// Changes that are enough, and what is known about them.
pub(super) struct Reduction<'q> {
    /// The requests of the class, host by host, where more than one change reaches them.
    questions: &'q [Question],
    /// The questions that each change reaches.
    reached: BTreeMap<usize, Vec<usize>>,
    /// What alone reaches a host of the class: it is needed there.
    certain: &'q BTreeSet<usize>,
    kept: BTreeSet<usize>,
    /// Of `kept`, what cannot be left out while everything else that reaches the same hosts is as it is.
    needed: BTreeSet<usize>,
}

impl<'q> Reduction<'q> {
    /// Begins with changes that are enough.
    pub(super) fn new(
        questions: &'q [Question],
        certain: &'q BTreeSet<usize>,
        enough: BTreeSet<usize>,
    ) -> Self {
        let mut reached: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            for change in question.candidates.iter().filter(|change| enough.contains(change)) {
                reached.entry(*change).or_default().push(index);
            }
        }
        Reduction { questions, reached, certain, kept: enough, needed: BTreeSet::new() }
    }

    /// Returns the changes that are enough, as far as it is known.
    pub(super) fn kept(self) -> BTreeSet<usize> {
        self.kept
    }

    /// Returns the changes that are kept if some are left out.
    pub(super) fn without(&self, changes: &BTreeSet<usize>) -> BTreeSet<usize> {
        self.kept.difference(changes).copied().collect()
    }

    /// Returns how much is looked at for one try.
    pub(super) fn looks(&self) -> usize {
        self.questions.iter().map(|question| question.candidates.len()).sum()
    }

    /// Returns the changes to be left out next, no two of which reach the same host; none if each is needed. Those that reach
    /// the fewest hosts come first: what is left is then rather one change of many hosts than many of one host each.
    pub(super) fn tried(&self) -> Option<BTreeSet<usize>> {
        let proved = self.proved();
        let open =
            self.kept.iter().filter(|change| !proved.contains(change) && !self.needed.contains(change));
        let mut open: Vec<usize> = open.copied().collect();
        open.sort_by_key(|change| (self.questions_of(*change).len(), Reverse(*change)));
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut tried = BTreeSet::new();
        for change in open {
            let reached = self.questions_of(change);
            if reached.iter().all(|question| !taken.contains(question)) {
                taken.extend(reached);
                tried.insert(change);
            }
        }
        if tried.len() == self.kept.len() {
            // No change at all is the base, which is another class.
            tried.pop_first();
        }
        (!tried.is_empty()).then_some(tried)
    }

    /// Takes on which questions requests fare as they should where `tried` are left out.
    pub(super) fn hear(&mut self, tried: &BTreeSet<usize>, mut enough: impl FnMut(&Question) -> bool) {
        for change in tried {
            let reached = self.reached.get(change).cloned().unwrap_or_default();
            if !reached.iter().all(|question| enough(&self.questions[*question])) {
                self.needed.insert(*change);
                continue;
            }
            self.kept.remove(change);
            // What could not be left out may be once others are.
            for question in reached {
                self.questions[question].candidates.iter().for_each(|other| {
                    self.needed.remove(other);
                });
            }
        }
    }

    fn questions_of(&self, change: usize) -> &[usize] {
        self.reached.get(&change).map_or(&[], Vec::as_slice)
    }

    /// Returns what needs no try: a host has been asked, and nothing that reaches it has changed since but by its answer.
    fn proved(&self) -> BTreeSet<usize> {
        let answered = self.questions.iter().filter(|question| question.is_answered_by(&self.kept));
        let mut proved: BTreeSet<usize> = answered.filter_map(Question::answer).flatten().copied().collect();
        proved.extend(self.certain);
        proved
    }
}
