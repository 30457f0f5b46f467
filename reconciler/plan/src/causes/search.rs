//! The search for the changes behind every class at once: questions about different hosts are tried together, and in the
//! end each class is tried by itself.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::{Agreement, BehaviourClass, BehaviourDiff, Case, Names, Options, Region};
use gatewright_ir::Ir;

use super::question::Question;
use super::reach::Index;
use super::reduction::Reduction;
use super::{Changes, Found, Reach};

/// The work that a search may take: units of the compiler, and what comparing costs in the same measure. It is some two
/// compiles of 20,000 hosts from nothing, whatever changes.
const LIMIT: usize = 200_000;

/// What of it is left to the classes, when the hosts have been asked.
const FOR_CLASSES: usize = LIMIT / 2;

/// What one try costs beside what it recomputes and compares.
const TRY: usize = 50;

/// Changes of which it is looked up for each try whether they are made, and routes that are looked at, for one unit.
const LOOKS: usize = 16;

pub(super) struct Search<'a> {
    diff: &'a BehaviourDiff,
    changes: &'a mut dyn Changes,
    agreement: Agreement<'a>,
    index: Index,
    /// What no question was needed for, by class.
    certain: Vec<BTreeSet<usize>>,
    questions: Vec<Question>,
    left: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        diff: &'a BehaviourDiff,
        head: &'a Ir,
        reach: Vec<Reach>,
        changes: &'a mut dyn Changes,
    ) -> Self {
        let certain = vec![BTreeSet::new(); diff.classes.len()];
        let agreement = Agreement::new(head, &Options::default());
        let index = Index::new(&reach);
        Search { diff, changes, agreement, index, certain, questions: Vec::new(), left: LIMIT }
    }

    /// Finds the changes behind each class.
    pub(super) fn found(mut self) -> Vec<Found> {
        if !self.ask() {
            return self.unasked();
        }
        let mut open: BTreeSet<usize> = (0..self.questions.len()).collect();
        while !open.is_empty() && self.left > FOR_CLASSES && self.round(&mut open) {}
        let mut by_class: BTreeMap<usize, Vec<Question>> = BTreeMap::new();
        for question in std::mem::take(&mut self.questions) {
            by_class.entry(question.class).or_default().push(question);
        }
        let certain = std::mem::take(&mut self.certain);
        let each = certain.into_iter().enumerate();
        each.map(|(class, certain)| match by_class.get(&class) {
            None => Found { changes: certain, candidates: false },
            Some(questions) => self.of_class(class, certain, questions),
        })
        .collect()
    }

    /// Asks for each host of each case, unless there is but one change that reaches it. Returns whether all was asked.
    fn ask(&mut self) -> bool {
        for (class, found) in self.diff.classes.iter().enumerate() {
            for case in &found.cases {
                let likely = self.likely(case);
                for (host, region) in case.region.by_host() {
                    let mut candidates = self.index.of(&host);
                    if let [only] = candidates.as_slice() {
                        self.certain[class].insert(*only);
                        continue;
                    }
                    self.left = self.left.saturating_sub(1 + candidates.len() / LOOKS);
                    if self.left == 0 {
                        return false;
                    }
                    candidates
                        .sort_by_key(|change| (likely.get(change).copied().unwrap_or(u8::MAX), *change));
                    self.questions.push(Question::new(class, region, candidates));
                }
            }
        }
        true
    }

    /// Returns what reaches each class, where already the questions are too many.
    fn unasked(&self) -> Vec<Found> {
        let of_class = |class: &BehaviourClass| {
            let changes = self.index.of_any(class.hosts().iter());
            Found { candidates: changes.len() > 1, changes }
        };
        self.diff.classes.iter().map(of_class).collect()
    }

    /// Returns the changes of the objects whose routes take the requests now, and of those whose routes took them.
    fn likely(&self, case: &Case) -> BTreeMap<usize, u8> {
        let mut likely = BTreeMap::new();
        for pair in &case.routes {
            for (rank, route) in [(1, &pair.before), (0, &pair.after)] {
                if let Some(change) = route.as_ref().and_then(|route| self.changes.owner(route)) {
                    likely
                        .entry(change)
                        .and_modify(|known: &mut u8| *known = rank.min(*known))
                        .or_insert(rank);
                }
            }
        }
        likely
    }

    /// Tries what as many open questions as possible want to be tried; returns whether there may be another round.
    fn round(&mut self, open: &mut BTreeSet<usize>) -> bool {
        let (made, asked) = self.packed(open);
        let looked: usize = open.iter().map(|index| self.questions[*index].candidates.len()).sum();
        let before = self.agreement.work();
        let Some(supposed) = self.changes.with(&made) else { return false };
        let mut compared = self.agreement.with(supposed.ir);
        for index in &asked {
            let question = &mut self.questions[*index];
            question.hear(compared.on(&question.region, question.names));
            if question.answer().is_some() {
                open.remove(index);
            }
        }
        let work = supposed.work;
        self.spend(work + asked.len() + looked / LOOKS, before)
    }

    /// Puts tries together that do not contradict each other about any change.
    fn packed(&self, open: &BTreeSet<usize>) -> (BTreeSet<usize>, Vec<usize>) {
        let mut decided: BTreeMap<usize, bool> = BTreeMap::new();
        let mut asked = Vec::new();
        for index in open {
            let question = &self.questions[*index];
            let tried = question.tried();
            let wish = |change: &usize| (*change, tried.contains(change));
            let fits =
                |(change, made): (usize, bool)| decided.get(&change).is_none_or(|known| *known == made);
            if question.candidates.iter().map(wish).all(fits) {
                decided.extend(question.candidates.iter().map(wish));
                asked.push(*index);
            }
        }
        let made = decided.into_iter().filter(|(_, made)| *made).map(|(change, _)| change);
        (made.collect(), asked)
    }

    /// Puts the answers of a class together and proves them on the class as a whole. Where they do not get along with each
    /// other, all that reaches the class is taken, and then, because something reaches further than it is known to, all
    /// there is.
    fn of_class(&mut self, class: usize, certain: BTreeSet<usize>, questions: &[Question]) -> Found {
        let mut answers = certain.clone();
        let mut reaching = certain.clone();
        for question in questions {
            answers.extend(question.answer().into_iter().flatten());
            reaching.extend(&question.candidates);
        }
        let answered = questions.iter().all(|question| question.answer().is_some());
        let starts = [answered.then_some(answers.clone()), Some(reaching)];
        let found = starts
            .into_iter()
            .flatten()
            .find_map(|start| self.reduced_by_hosts(class, &certain, start, questions))
            .or_else(|| self.reduced(class, &answers));
        match found {
            Some(changes) => Found { changes, candidates: false },
            None => self.unknown(class, answers, questions),
        }
    }

    fn unknown(&self, class: usize, mut changes: BTreeSet<usize>, questions: &[Question]) -> Found {
        let of_class = questions.iter().filter(|question| question.class == class);
        changes.extend(of_class.flat_map(|question| &question.candidates));
        Found { changes, candidates: true }
    }

    /// Whether a class fares with some changes as with all; none where that would be too much work.
    fn is_enough(&mut self, class: usize, made: &BTreeSet<usize>) -> Option<bool> {
        let region = self.diff.classes[class].region();
        let hosts =
            region.parts.iter().flat_map(|part| &part.http).map(|http| http.hosts.len()).sum::<usize>();
        self.tried(&region, made, hosts)
    }

    /// Leaves out of what is enough for a class what can be left out, on many hosts at once. None where `changes` turn out
    /// not to be enough, or what is left of them, or where it would be too much work.
    fn reduced_by_hosts(
        &mut self,
        class: usize,
        certain: &BTreeSet<usize>,
        changes: BTreeSet<usize>,
        questions: &[Question],
    ) -> Option<BTreeSet<usize>> {
        if !self.is_enough(class, &changes)? {
            return None;
        }
        let mut reduction = Reduction::new(questions, certain, changes);
        let mut tried = false;
        while let Some(without) = reduction.tried() {
            tried = true;
            let before = self.agreement.work();
            let supposed = self.changes.with(&reduction.without(&without))?;
            let work = supposed.work + reduction.looks() / LOOKS;
            let mut compared = self.agreement.with(supposed.ir);
            reduction.hear(&without, |question| compared.on(&question.region, question.names));
            if !self.spend(work, before) {
                return None;
            }
        }
        let least = reduction.kept();
        (!tried || self.is_enough(class, &least)?).then_some(least)
    }

    /// Leaves out of all changes what can be left out, one after the other, beginning with all but `likely`.
    fn reduced(&mut self, class: usize, likely: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
        let others = (0..self.changes.objects().len()).filter(|change| !likely.contains(change));
        let all = likely.iter().copied().chain(others).collect();
        let mut question = Question::reducing(class, self.diff.classes[class].region(), all);
        while question.answer().is_none() {
            let enough = self.tried(&question.region, &question.tried(), 0)?;
            question.hear(enough);
        }
        question.answer().cloned()
    }

    fn tried(&mut self, region: &Region, made: &BTreeSet<usize>, more: usize) -> Option<bool> {
        if self.left == 0 {
            return None;
        }
        let before = self.agreement.work();
        let supposed = self.changes.with(made)?;
        let enough = self.agreement.with(supposed.ir).on(region, Names::All);
        let work = supposed.work;
        self.spend(work + more, before);
        Some(enough)
    }

    /// Takes work off what is left, and returns whether something is.
    fn spend(&mut self, work: usize, before: usize) -> bool {
        let looks = self.agreement.work() - before + self.changes.objects().len();
        self.left = self.left.saturating_sub(TRY + work + looks / LOOKS);
        self.left > 0
    }
}
