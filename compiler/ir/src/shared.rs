//! Parts that most values have none of, and that the others share.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A part that may say nothing.
pub trait Optional: Clone + PartialEq + 'static {
    /// The part that says nothing.
    const NOTHING: &'static Self;
}

/// A part that copies share. Where it says nothing, it costs no memory.
#[derive(Clone, Debug)]
pub struct Shared<T>(Option<Arc<T>>);

impl<T: Optional> Shared<T> {
    /// Returns whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Changes this copy alone.
    pub fn edit(&mut self, edit: impl FnOnce(&mut T)) {
        let mut part = (**self).clone();
        edit(&mut part);
        *self = part.into();
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared(None)
    }
}

impl<T: Optional> From<T> for Shared<T> {
    fn from(part: T) -> Self {
        Shared((part != *T::NOTHING).then(|| Arc::new(part)))
    }
}

impl<T: Optional> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
            (one, two) => one.is_none() && two.is_none(),
        }
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T: Optional + Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
