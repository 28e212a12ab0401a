//! Drawing items for gold with known, stored probability.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::random::Random;

/// The items that can be drawn, each in its stratum, and what was drawn before.
///
/// Strata are numbered from 0. An unstratified draw has one stratum.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The stratum of every item.
    pub strata: Vec<u32>,
    /// Whether the item was drawn before, in a draw with the same strata.
    pub drawn: Vec<bool>,
}

/// One item of a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its position in the frame.
    pub index: usize,
    /// Its stratum.
    pub stratum: u32,
    /// The probability that it is in the gold sample as a whole, earlier draws included: the share of its stratum that
    /// has been drawn by now.
    pub probability: f64,
}

/// Draws `count` further items without replacement: at random within each stratum, the strata getting shares in
/// proportion to their size, but at least `floor` items each as long as they have them.
///
/// The inclusion probability of every item of a stratum is the same: drawn so far over size. Because a later draw with
/// the same strata raises it for the items drawn earlier too, callers must use the latest probability of a stratum for
/// all of its items.
///
/// # Errors
/// A count of zero, or more than is left to draw.
pub fn draw(frame: &Frame, count: usize, floor: usize, seed: u64) -> Result<Vec<Drawn>> {
    let left = frame.drawn.iter().filter(|&&drawn| !drawn).count();
    if count == 0 {
        return Err(Error::task("expected a number of items to draw, found 0"));
    }
    if count > left {
        return Err(Error::task(format!("expected at most {left} items to draw, found {count}")).hint(format!(
            "{} of {} items have been drawn before",
            frame.drawn.len() - left,
            frame.drawn.len()
        )));
    }
    let mut strata: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut sizes: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (index, (&stratum, &drawn)) in frame.strata.iter().zip(&frame.drawn).enumerate() {
        let (size, before) = sizes.entry(stratum).or_default();
        *size += 1;
        if drawn {
            *before += 1;
        } else {
            strata.entry(stratum).or_default().push(index);
        }
    }
    let shares = allocate(&strata.values().map(Vec::len).collect::<Vec<_>>(), count, floor);
    // One stream for the whole draw; it moves on with what was drawn before, so that a second draw is a new one.
    let mut random = Random::for_purpose(seed, &format!("gold draw after {}", frame.drawn.len() - left));
    let mut result = Vec::with_capacity(count);
    for ((&stratum, available), share) in strata.iter().zip(shares) {
        let (size, before) = sizes[&stratum];
        let probability = (before + share) as f64 / size as f64;
        let picked = random.sample(available.len(), share);
        result.extend(picked.into_iter().map(|place| Drawn { index: available[place], stratum, probability }));
    }
    result.sort_unstable_by_key(|drawn| drawn.index);
    Ok(result)
}

/// Splits `count` over strata of these sizes: the floor first, the rest in proportion to what is left, by largest
/// remainder.
fn allocate(sizes: &[usize], count: usize, floor: usize) -> Vec<usize> {
    let mut shares: Vec<usize> = sizes.iter().map(|&size| size.min(floor)).collect();
    if shares.iter().sum::<usize>() > count {
        shares.fill(0);
    }
    let rest = count - shares.iter().sum::<usize>();
    let open: Vec<usize> = sizes.iter().zip(&shares).map(|(size, share)| size - share).collect();
    let total: usize = open.iter().sum();
    let exact: Vec<f64> =
        open.iter().map(|&open| if total > 0 { rest as f64 * open as f64 / total as f64 } else { 0.0 }).collect();
    for (share, exact) in shares.iter_mut().zip(&exact) {
        *share += exact.floor() as usize;
    }
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&left, &right| exact[right].fract().total_cmp(&exact[left].fract()).then(left.cmp(&right)));
    let mut missing = count - shares.iter().sum::<usize>();
    for &stratum in order.iter().cycle().take(2 * order.len()) {
        if missing == 0 {
            break;
        }
        if shares[stratum] < sizes[stratum] {
            shares[stratum] += 1;
            missing -= 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_draw_is_new_and_raises_the_probability_of_the_whole() {
        let mut frame = Frame { strata: vec![0; 100], drawn: vec![false; 100] };
        let first = draw(&frame, 20, 0, 7).unwrap();
        assert!(first.iter().all(|drawn| drawn.probability == 0.2));
        for drawn in &first {
            frame.drawn[drawn.index] = true;
        }
        let second = draw(&frame, 30, 0, 7).unwrap();
        assert!(second.iter().all(|drawn| drawn.probability == 0.5 && !frame.drawn[drawn.index]));
    }

    #[test]
    fn small_strata_get_their_floor() {
        let strata: Vec<u32> = (0..1000).map(|index| u32::from(index < 15)).collect();
        let frame = Frame { drawn: vec![false; strata.len()], strata };
        let drawn = draw(&frame, 100, 10, 1).unwrap();
        let rare = drawn.iter().filter(|drawn| drawn.stratum == 1).count();
        assert!((10..=11).contains(&rare), "{rare}");
        assert_eq!(drawn.len(), 100);
        let weights: f64 = drawn.iter().map(|drawn| 1.0 / drawn.probability).sum();
        assert!((weights - 1000.0).abs() < 1e-6, "design weights add up to the population: {weights}");
    }

    proptest! {
        #[test]
        fn shares_add_up_and_fit(sizes in prop::collection::vec(0usize..40, 1..8), share in 0.0f64..1.0, floor in 0usize..6) {
            let total: usize = sizes.iter().sum();
            let count = (total as f64 * share) as usize;
            let shares = allocate(&sizes, count, floor);
            prop_assert_eq!(shares.iter().sum::<usize>(), count);
            prop_assert!(shares.iter().zip(&sizes).all(|(share, size)| share <= size));
        }
    }
}
