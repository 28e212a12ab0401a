//! Judges that prefer what they see first.

use serde::Serialize;

use crate::audit::wilson;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::task::Class;

/// What the order of two options does to one judge, and what asking in both orders does about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionBias {
    /// Pairs judged in both orders.
    pub pairs: usize,
    /// The share of pairs whose verdict changes with the order.
    pub flips: Measured,
    /// The share of flips that favour the option shown first; a half for a judge that flips by chance.
    pub first: Measured,
    /// The share of right verdicts asking once, the mean of both orders.
    pub once: Measured,
    /// The share of right verdicts asking in both orders, a flip being a tie that counts a half.
    pub both: Measured,
    /// The share of right verdicts among those that do not flip.
    pub decided: Measured,
}

/// Compares the verdicts of one judge about pairs of options, 0 and 1, shown in either order: `straight` with option 0
/// first, `swapped` with option 1 first, both naming the option itself and not its place. Pairs without both verdicts do
/// not count. A verdict made from both orders cannot depend on the order; what it costs is a second answer, and pairs that
/// stay undecided.
///
/// # Errors
/// Slices of different length, verdicts or truths other than 0 and 1.
pub fn position_bias(straight: &[Option<Class>], swapped: &[Option<Class>], truth: &[Class]) -> Result<PositionBias> {
    if straight.len() != swapped.len() || straight.len() != truth.len() {
        return Err(Error::input("expected a verdict in either order and a truth for every pair"));
    }
    if straight.iter().chain(swapped).flatten().chain(truth).any(|&class| class > 1) {
        return Err(Error::input("expected verdicts of 0 or 1, found another"));
    }
    let (mut pairs, mut flips, mut first, mut once, mut right) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((one, other), truth) in straight.iter().zip(swapped).zip(truth) {
        let (Some(one), Some(other)) = (one, other) else { continue };
        pairs += 1.0;
        once += 0.5 * (f64::from(u8::from(one == truth)) + f64::from(u8::from(other == truth)));
        if one == other {
            right += f64::from(u8::from(one == truth));
        } else {
            flips += 1.0;
            first += f64::from(u8::from(*one == 0));
        }
    }
    let share = |part: f64, of: f64, what: &str| {
        if of > 0.0 {
            Measured::known(part / of, wilson(part / of, of), format!("{of} {what}"))
        } else {
            Measured::unknown(format!("no {what}"))
        }
    };
    Ok(PositionBias {
        pairs: pairs as usize,
        flips: share(flips, pairs, "pairs in both orders"),
        first: share(first, flips, "pairs that flip"),
        once: share(once, pairs, "pairs in both orders"),
        both: share(right + 0.5 * flips, pairs, "pairs in both orders"),
        decided: share(right, pairs - flips, "pairs that do not flip"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_that_always_takes_the_first_flips_always() {
        let found = position_bias(&[Some(0); 4], &[Some(1); 4], &[0, 1, 0, 1]).unwrap();
        assert_eq!((found.pairs, found.flips.value(), found.first.value()), (4, Some(1.0), Some(1.0)));
        assert_eq!((found.once.value(), found.both.value(), found.decided.value()), (Some(0.5), Some(0.5), None));
        let mixed = position_bias(&[Some(0), Some(1), None], &[Some(0), Some(0), Some(1)], &[0, 1, 1]).unwrap();
        assert_eq!((mixed.pairs, mixed.flips.value(), mixed.decided.value()), (2, Some(0.5), Some(1.0)));
        assert!(position_bias(&[Some(2)], &[None], &[0]).is_err() && position_bias(&[], &[None], &[0]).is_err());
    }
}
