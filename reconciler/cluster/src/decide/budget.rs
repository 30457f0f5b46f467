//! How much a new state may take away at once. One rule for the objects of a cluster and for what a gateway serves.

/// How much may be deleted in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PruneBudget {
    /// At most [`DEFAULT_BUDGET`] things and half of all.
    #[default]
    Default,
    /// At most this many things.
    Objects(usize),
    /// Nothing: errors stand in the source, and what it lacks may only be unreadable, or be replaced by what is.
    Nothing,
}

/// Things that a round takes away at most unless it is told otherwise.
pub const DEFAULT_BUDGET: usize = 10;
/// From how many things on the loss of more than half of them is suspicious.
const SMALL: usize = 4;

/// Why a loss is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is more than this many things.
    Budget(usize),
    /// It is more than half of all.
    Half,
}

impl PruneBudget {
    /// Returns what speaks against losing `lost` of `all` things; none where the budget covers it.
    pub fn excess(self, lost: usize, all: usize) -> Option<Excess> {
        let most = match self {
            PruneBudget::Default => DEFAULT_BUDGET,
            PruneBudget::Nothing => 0,
            PruneBudget::Objects(most) => most,
        };
        if lost > most {
            return Some(Excess::Budget(most));
        }
        (self == PruneBudget::Default && all >= SMALL && lost * 2 > all).then_some(Excess::Half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_covers_ten_things_and_half_of_all_or_what_was_named() {
        let default = |lost, all| PruneBudget::Default.excess(lost, all);
        assert_eq!([default(3, 3), default(2, 4), default(10, 20)], [None; 3]);
        assert_eq!(default(3, 4), Some(Excess::Half));
        assert_eq!(default(11, 1000), Some(Excess::Budget(10)));
        assert_eq!(PruneBudget::Objects(29).excess(29, 30), None);
        assert_eq!(PruneBudget::Objects(29).excess(30, 30), Some(Excess::Budget(29)));
        assert_eq!(PruneBudget::Nothing.excess(1, 30), Some(Excess::Budget(0)));
        assert_eq!(PruneBudget::Nothing.excess(0, 30), None);
    }
}
