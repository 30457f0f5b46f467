//! Path atoms: the exact and prefix tests of a set of routes cut the paths into points and "below this prefix" cones.
//! Inside an atom such a test is true or false; only regular expressions, and tests of the other case discipline, may
//! be either.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use gatewright_ir::{PathMatch, RouteMatch};

use crate::automata::{Language, Literals};
use crate::canonical::is_normal_path;
use crate::patterns::Patterns;
use crate::region::PathSet;

/// A set of paths that no literal test splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathAtom {
    pub(crate) shape: Shape,
    /// Whether texts are folded to lower case and stand for every case.
    pub(crate) fold: bool,
    holes: Holes,
}

/// What is cut out of a cone as one language, made for the first search.
#[derive(Clone, Debug, Default)]
struct Holes(OnceLock<Arc<Literals>>);

/// It follows from the shape.
impl PartialEq for Holes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Holes {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One path.
    Point(String),
    /// The paths that start with a prefix, but not with a longer one of `cones`, and are none of `points`.
    Cone { prefix: String, cones: Vec<String>, points: Vec<String> },
}

/// Whether an atom's paths pass a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    All,
    None,
    /// Some may and some may not.
    Some,
}

/// All path atoms of a set of routes.
#[derive(Clone, Debug)]
pub(crate) struct PathAtoms {
    fold: bool,
    points: BTreeSet<String>,
    cones: BTreeSet<String>,
}

impl PathAtoms {
    /// Cuts the paths by the tests of `matches`.
    pub(crate) fn new<'m>(matches: impl Iterator<Item = &'m RouteMatch> + Clone) -> Self {
        let literal = |test: &RouteMatch| !matches!(test.path, PathMatch::Regex(_));
        let fold = matches.clone().any(|test| !test.case_sensitive && literal(test));
        let mut atoms = PathAtoms { fold, points: BTreeSet::new(), cones: BTreeSet::from(["/".to_owned()]) };
        for test in matches {
            match &test.path {
                PathMatch::Exact(path) => {
                    let point = atoms.folded(path);
                    if is_normal_path(&point) {
                        atoms.points.insert(point);
                    }
                }
                PathMatch::Prefix(prefix) if prefix.starts_with('/') => {
                    let cone = atoms.folded(prefix);
                    atoms.cones.insert(cone);
                }
                PathMatch::Prefix(_) | PathMatch::Regex(_) => {}
            }
        }
        atoms
    }

    /// Returns whether the atoms stand for every case.
    pub(crate) fn fold(&self) -> bool {
        self.fold
    }

    /// Returns the atoms: points, then cones, each in order of text.
    pub(crate) fn atoms(&self) -> impl Iterator<Item = PathAtom> + '_ {
        let points = self.points.iter().map(|point| Shape::Point(point.clone()));
        let mut holes: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for cone in self.cones.iter().skip(1) {
            holes.entry(self.enclosing(cone, false)).or_default().0.push(cone.clone());
        }
        for point in &self.points {
            holes.entry(self.enclosing(point, true)).or_default().1.push(point.clone());
        }
        let cones = self.cones.iter().map(move |prefix| {
            let (cones, points) = holes.remove(prefix.as_str()).unwrap_or_default();
            Shape::Cone { prefix: prefix.clone(), cones, points }
        });
        points.chain(cones).map(|shape| PathAtom { shape, fold: self.fold, holes: Holes::default() })
    }

    /// Turns atoms back into few sets: a cone with the atoms inside it that do not belong cut out.
    pub(crate) fn sets(&self, chosen: &[PathAtom]) -> Vec<PathSet> {
        let cones: BTreeMap<&str, &PathAtom> =
            chosen.iter().filter_map(|atom| Some((atom.cone()?, atom))).collect();
        let points: BTreeSet<&str> = chosen.iter().filter_map(PathAtom::point).collect();
        let mut sets: Vec<PathSet> = points
            .iter()
            .filter(|point| !cones.contains_key(self.enclosing(point, true)))
            .map(|point| self.point_set(point))
            .collect();
        for (prefix, atom) in &cones {
            if *prefix == "/" || !cones.contains_key(self.enclosing(prefix, false)) {
                let mut except = Vec::new();
                self.cut_out(atom, &cones, &points, &mut except);
                sets.push(self.cone_set(prefix, except));
            }
        }
        sets
    }

    /// Lists what does not belong below a cone: points, and inner cones as a whole.
    fn cut_out(
        &self,
        atom: &PathAtom,
        chosen_cones: &BTreeMap<&str, &PathAtom>,
        chosen_points: &BTreeSet<&str>,
        except: &mut Vec<PathSet>,
    ) {
        let Shape::Cone { cones, points, .. } = &atom.shape else { return };
        let missing = points.iter().filter(|point| !chosen_points.contains(point.as_str()));
        except.extend(missing.map(|point| self.point_set(point)));
        for prefix in cones {
            match chosen_cones.get(prefix.as_str()) {
                Some(inner) => self.cut_out(inner, chosen_cones, chosen_points, except),
                None => except.push(self.cone_set(prefix, Vec::new())),
            }
        }
    }

    fn point_set(&self, path: &str) -> PathSet {
        PathSet::Point { path: path.to_owned(), ignore_case: self.fold }
    }

    fn cone_set(&self, prefix: &str, except: Vec<PathSet>) -> PathSet {
        PathSet::Below { prefix: prefix.to_owned(), ignore_case: self.fold, except }
    }

    /// Returns the longest cone that a text lies in; for a cone itself (`closed` false) a shorter one than it.
    fn enclosing(&self, text: &str, closed: bool) -> &str {
        let longest = if closed { text.len() } else { text.len().saturating_sub(1) };
        let mut lengths = (1..=longest).rev().filter_map(|length| text.get(..length));
        lengths.find_map(|prefix| self.cones.get(prefix)).map_or("/", String::as_str)
    }

    fn folded(&self, text: &str) -> String {
        if self.fold { text.to_ascii_lowercase() } else { text.to_owned() }
    }
}

impl PathAtom {
    /// Returns the atom of all paths.
    pub(crate) fn everything() -> Self {
        let shape = Shape::Cone { prefix: "/".to_owned(), cones: Vec::new(), points: Vec::new() };
        PathAtom { shape, fold: false, holes: Holes::default() }
    }

    pub(crate) fn point(&self) -> Option<&str> {
        match &self.shape {
            Shape::Point(point) => Some(point),
            Shape::Cone { .. } => None,
        }
    }

    pub(crate) fn cone(&self) -> Option<&str> {
        match &self.shape {
            Shape::Point(_) => None,
            Shape::Cone { prefix, .. } => Some(prefix),
        }
    }

    /// Returns the one path of the atom, if it has but one.
    pub(crate) fn only_path(&self) -> Option<&str> {
        self.point().filter(|_| !self.fold)
    }

    /// Returns the text that every path of the atom starts with, in this case.
    pub(crate) fn literal_start(&self) -> &str {
        match &self.shape {
            _ if self.fold => "/",
            Shape::Point(text) | Shape::Cone { prefix: text, .. } => text,
        }
    }

    /// Returns whether a path is in the atom.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let folded = if self.fold { path.to_ascii_lowercase() } else { path.to_owned() };
        match &self.shape {
            Shape::Point(point) => folded == *point,
            Shape::Cone { prefix, cones, points } => {
                // Both lists are in order, and no cone of the list lies in another: the last one that is not behind the
                // path is the only one that can hold it.
                let next = cones.partition_point(|cone| *cone <= folded);
                folded.starts_with(prefix.as_str())
                    && points.binary_search(&folded).is_err()
                    && !cones[..next].last().is_some_and(|cone| folded.starts_with(cone.as_str()))
            }
        }
    }

    /// Returns whether the atom's paths pass a path test.
    pub(crate) fn passes(&self, test: &RouteMatch, patterns: &Patterns) -> Passes {
        let (text, exact) = match &test.path {
            PathMatch::Regex(pattern) => {
                return match self.only_path() {
                    Some(path) if patterns.matches(pattern, path) => Passes::All,
                    Some(_) => Passes::None,
                    None => Passes::Some,
                };
            }
            PathMatch::Exact(path) => (path, true),
            PathMatch::Prefix(prefix) => (prefix, false),
        };
        let text =
            if self.fold { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text.as_str()) };
        let possible = match &self.shape {
            Shape::Point(point) if exact => *point == *text,
            Shape::Point(point) => point.starts_with(&*text),
            Shape::Cone { .. } if exact => false,
            Shape::Cone { prefix, .. } => prefix.starts_with(&*text),
        };
        match possible {
            false => Passes::None,
            true if self.fold && test.case_sensitive && text.len() > 1 => Passes::Some,
            true => Passes::All,
        }
    }

    /// Returns the languages that a path of the atom is in, and those that it is not in.
    pub(crate) fn languages(&self) -> (Vec<Language>, Vec<Language>) {
        match &self.shape {
            Shape::Point(point) => {
                (vec![Language::Path, Language::Exact(point.as_str().into(), self.fold)], Vec::new())
            }
            Shape::Cone { prefix, cones, points } => {
                let holes = self.holes.0.get_or_init(|| Arc::new(Literals::new(points, cones, self.fold)));
                let none = vec![Language::Literals(Arc::clone(holes))];
                (vec![Language::Path, Language::Prefix(prefix.as_str().into(), self.fold)], none)
            }
        }
    }
}
