//! Higress' arithmetic of weights, 32-bit floats included.

use super::backend::Destination;

/// Normalizes the weights of a route to parts of 100. The first destination gets what the others leave.
///
/// Higress computes `trunc(float32(w) / float32(total) * 100)` for every destination but the first, where total is
/// the larger of the sum of those and the route's own total. Returns whether a share differs from the exact one.
pub(super) fn normalize(destinations: &mut [Destination], weight_total: i64) -> bool {
    let [first, others @ ..] = destinations else { return false };
    if others.is_empty() {
        first.weight = 100;
        return false;
    }
    let total = others.iter().map(|destination| destination.weight).sum::<i64>().max(weight_total);
    let mut rest = 100;
    let mut rounded = false;
    for destination in others {
        let share = higress_share(destination.weight, total);
        rounded |=
            total > 0 && destination.weight * 100 != share * total && destination.weight * 100 % total == 0;
        destination.weight = share;
        rest -= share;
    }
    first.weight = rest.max(0);
    rounded
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Higress computes in float32 and truncates"
)]
fn higress_share(weight: i64, total: i64) -> i64 {
    if total <= 0 {
        return 0;
    }
    ((weight as f32 / total as f32) * 100.0) as i64
}

#[cfg(test)]
mod tests {
    use super::higress_share;

    #[test]
    fn loses_a_point_at_53_and_59_of_100() {
        let odd: Vec<i64> = (0..=100).filter(|weight| higress_share(*weight, 100) != *weight).collect();
        assert_eq!(odd, [53, 59]);
    }

    #[test]
    fn truncates_small_shares_to_nothing() {
        assert_eq!(higress_share(5, 1000), 0);
        assert_eq!(higress_share(100, 300), 33);
    }
}
