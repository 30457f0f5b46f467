//! Equal values of many units, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// The least number of values among which unused ones are looked for.
const FEW: usize = 64;

/// Values that were met before. Ones that nobody uses any more are let go as new ones come.
pub(crate) struct Pool<T: ?Sized> {
    known: HashSet<Arc<T>>,
    /// With so many values, unused ones are looked for.
    full: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Pool { known: HashSet::new(), full: FEW }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// Puts the value that was met first in the place of an equal one.
    pub(crate) fn share(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.known.get(value) {
            value.clone_from(known);
            return;
        }
        if self.known.len() >= self.full {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.full = FEW.max(2 * self.known.len());
        }
        self.known.insert(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_become_one_and_unused_ones_go() {
        let mut pool: Pool<str> = Pool::default();
        let (mut one, mut two): (Arc<str>, Arc<str>) = ("a".into(), "a".into());
        pool.share(&mut one);
        pool.share(&mut two);
        assert!(Arc::ptr_eq(&one, &two));
        for index in 0..10 * FEW {
            pool.share(&mut index.to_string().into());
        }
        assert!(pool.known.len() <= FEW, "{}", pool.known.len());
        let mut three = "a".into();
        pool.share(&mut three);
        assert!(Arc::ptr_eq(&one, &three));
    }
}
