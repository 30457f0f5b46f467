//! One question: which of some changes make some requests fare as they do. It is answered by trying sets of changes: the
//! likeliest alone, and then all but ever fewer, until none can be left out.

use std::collections::BTreeSet;

use gatewright_behaviour::{Names, Region};

/// How many of the changes that may be it are tried alone, the likeliest first.
const ALONE: usize = 32;

/// A question, and how far it is answered.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The class whose requests they are.
    pub(super) class: usize,
    /// The requests.
    pub(super) region: Region,
    /// Which server names count.
    pub(super) names: Names,
    /// The changes that can have to do with them, the likeliest first. All others are taken to be without influence.
    pub(super) candidates: Vec<usize>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Is the one at this place enough?
    Alone(usize),
    /// Are these enough without `size` of them from `at`?
    Less(Kept),
    /// These are enough, and none of them can be left out.
    Answered(BTreeSet<usize>),
}

/// Changes that are enough, the least likely first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    changes: Vec<usize>,
    size: usize,
    at: usize,
    /// Whether some were left out since the changes were last gone through.
    fewer: bool,
    /// Whether one alone is known not to be enough.
    several: bool,
}

impl Question {
    /// Asks for the fewest of `candidates`, all of which are enough.
    pub(super) fn new(class: usize, region: Region, candidates: Vec<usize>) -> Self {
        Question { class, region, names: Names::OfHost, candidates, stage: Stage::Alone(0) }
    }

    /// Asks which of `candidates`, all of which are enough, can be left out.
    pub(super) fn reducing(class: usize, region: Region, candidates: Vec<usize>) -> Self {
        let mut question = Question { names: Names::All, ..Question::new(class, region, candidates) };
        question.reduce(false);
        question
    }

    /// Returns the answer, once it is there.
    pub(super) fn answer(&self) -> Option<&BTreeSet<usize>> {
        match &self.stage {
            Stage::Answered(changes) => Some(changes),
            _ => None,
        }
    }

    /// Whether some changes leave the answer as it was found: of the candidates they have those of the answer, no others.
    pub(super) fn is_answered_by(&self, changes: &BTreeSet<usize>) -> bool {
        let of_candidates = self.candidates.iter().filter(|change| changes.contains(change));
        self.answer().is_some_and(|answer| answer.is_subset(changes) && of_candidates.count() == answer.len())
    }

    /// Returns the changes to be tried next: these and no other candidates.
    pub(super) fn tried(&self) -> BTreeSet<usize> {
        match &self.stage {
            Stage::Alone(place) => self.candidates.get(*place).copied().into_iter().collect(),
            Stage::Less(kept) => kept.tried(),
            Stage::Answered(changes) => changes.clone(),
        }
    }

    /// Takes whether the requests fare with the tried changes as they do with all.
    pub(super) fn hear(&mut self, enough: bool) {
        match &mut self.stage {
            Stage::Alone(_) if enough => self.stage = Stage::Answered(self.tried()),
            Stage::Alone(place) if *place + 1 < self.candidates.len().min(ALONE) => *place += 1,
            Stage::Alone(_) => self.reduce(self.candidates.len() <= ALONE),
            Stage::Less(kept) => {
                if kept.hear(enough) {
                    self.stage = Stage::Answered(kept.changes.iter().copied().collect());
                }
            }
            Stage::Answered(_) => {}
        }
    }

    fn reduce(&mut self, several: bool) {
        let changes: Vec<usize> = self.candidates.iter().rev().copied().collect();
        let size = (changes.len() / 2).max(1);
        let mut kept = Kept { changes, size, at: 0, fewer: false, several };
        self.stage = match kept.is_least() {
            true => Stage::Answered(kept.changes.drain(..).collect()),
            false => Stage::Less(kept),
        };
    }
}

impl Kept {
    /// Whether nothing is left to be tried: no change at all is the base.
    fn is_least(&self) -> bool {
        self.changes.len() <= if self.several { 2 } else { 1 }
    }

    fn end(&self) -> usize {
        (self.at + self.size).min(self.changes.len())
    }

    fn tried(&self) -> BTreeSet<usize> {
        let (before, after) = (&self.changes[..self.at], &self.changes[self.end()..]);
        before.iter().chain(after).copied().collect()
    }

    /// Returns whether that was the last try.
    fn hear(&mut self, enough: bool) -> bool {
        if enough {
            let end = self.end();
            self.changes.drain(self.at..end);
            self.fewer = true;
        } else {
            self.at += self.size;
        }
        if self.is_least() {
            return true;
        }
        if self.at >= self.changes.len() {
            if self.size == 1 && !self.fewer {
                return true;
            }
            // What could not be left out may be once others are.
            self.size = (self.size / 2).max(1);
            self.at = 0;
            self.fewer = false;
        }
        self.size = self.size.min(self.changes.len() / 2).max(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers a question about five changes by a rule, and counts the tries.
    fn asked(mut question: Question, enough: impl Fn(&BTreeSet<usize>) -> bool) -> (Vec<usize>, usize) {
        for tries in 0..200 {
            if let Some(answer) = question.answer() {
                return (answer.iter().copied().collect(), tries);
            }
            let tried = question.tried();
            assert!(!tried.is_empty(), "{question:?}");
            question.hear(enough(&tried));
        }
        panic!("no end: {question:?}");
    }

    fn of_five() -> Question {
        Question::new(0, Region::default(), vec![3, 0, 1, 2, 4])
    }

    #[test]
    fn one_that_is_enough_is_found_alone_and_the_likeliest_first() {
        assert_eq!(asked(of_five(), |tried| tried.contains(&3)), (vec![3], 1));
        assert_eq!(asked(of_five(), |tried| tried.contains(&2)), (vec![2], 4));
        assert_eq!(asked(of_five(), |tried| tried.contains(&2) || tried.contains(&0)), (vec![0], 2));
    }

    #[test]
    fn several_that_are_enough_together_are_all_found() {
        let all = |wanted: &'static [usize]| {
            move |tried: &BTreeSet<usize>| wanted.iter().all(|one| tried.contains(one))
        };
        for wanted in [&[0, 4][..], &[1, 2, 3], &[0, 1, 2, 3, 4]] {
            assert_eq!(asked(of_five(), all(wanted)).0, wanted);
            assert_eq!(
                asked(Question::reducing(0, Region::default(), vec![0, 1, 2, 3, 4]), all(wanted)).0,
                wanted
            );
        }
    }

    #[test]
    fn of_many_changes_only_the_likeliest_are_tried_alone() {
        let many = || Question::new(0, Region::default(), (0..1_000).collect());
        let (answer, tries) = asked(many(), |tried| tried.contains(&700));
        assert_eq!(answer, [700]);
        assert!(tries < ALONE + 40, "{tries}");
        let (answer, tries) = asked(many(), |tried| tried.contains(&1) && tried.contains(&700));
        assert_eq!(answer, [1, 700]);
        assert!(tries < ALONE + 60, "{tries}");
    }

    /// One change can undo another: then fewer are not always less.
    #[test]
    fn no_member_of_an_answer_can_be_left_out() {
        for rule in 0..1u32 << 16 {
            // The set with the number `n` is enough where a bit says so; all four are.
            let rule = rule | 1 << 15;
            let number = |set: &BTreeSet<usize>| set.iter().map(|one| 1u32 << one).sum::<u32>();
            let enough = |set: &BTreeSet<usize>| rule & (1 << number(set)) != 0;
            let question = Question::new(0, Region::default(), vec![0, 1, 2, 3]);
            let answer: BTreeSet<usize> = asked(question, enough).0.into_iter().collect();
            assert!(enough(&answer), "{rule:b} {answer:?}");
            for one in &answer {
                let mut less = answer.clone();
                less.remove(one);
                assert!(less.is_empty() || !enough(&less), "{rule:b} {answer:?}");
            }
        }
    }
}
