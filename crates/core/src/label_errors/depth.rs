//! How many of the first so many items of a list are truly wrong.

use serde::Serialize;

use super::Issue;
use crate::audit::wilson;
use crate::measured::Measured;

/// What a person found on looking at one item of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The position of the item.
    pub item: u32,
    /// Whether its label is wrong.
    pub wrong: bool,
}

/// The precision of a list up to a depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Depth {
    /// So many items from the top.
    pub depth: usize,
    /// The share of wrong labels among them, as the model and its joint estimate it.
    pub estimated: Measured,
    /// The same from checked items, when any were checked.
    pub checked: Option<Measured>,
}

/// Round depths up to the length of a list, and the length itself.
pub fn depths_for(length: usize) -> Vec<usize> {
    let ladder =
        (0..).flat_map(|power: u32| [10usize, 20, 50].map(|step| step.saturating_mul(10usize.saturating_pow(power))));
    let mut depths: Vec<usize> = ladder.take_while(|&depth| depth < length).collect();
    depths.extend((length > 0).then_some(length));
    depths
}

/// The precision of a ranked list at some depths, which must ascend.
///
/// Without checked items it is the mean of the error probabilities, between those for the lower and for the upper
/// estimate of the number of errors, widened by what chance makes of so many items. Models that are unsure of right and
/// wrong labels alike make it too low at the top of the list, weak models too high. With checked items: the
/// stretches between the depths are strata; the share of errors in each, made to fall from stretch to stretch by
/// isotonic regression (pooling neighbours that rise), is weighted by its length; the Wilson interval has the
/// effective number of checked items. Checked items that are not on the list do not count. The items of a stretch
/// should be checked at random or all.
pub fn precision_at(issues: &[Issue], checked: &[Checked], depths: &[usize]) -> Vec<Depth> {
    let mut verdicts: Vec<(u32, bool)> = checked.iter().map(|one| (one.item, one.wrong)).collect();
    verdicts.sort_unstable();
    let verdict = |item: u32| {
        let place = verdicts.partition_point(|&(other, _)| other < item);
        verdicts.get(place).filter(|found| found.0 == item).map(|found| found.1)
    };
    let mut stretches = Vec::with_capacity(depths.len());
    let mut start = 0;
    for &depth in depths {
        let end = depth.min(issues.len()).max(start);
        let (mut seen, mut wrong) = (0.0, 0.0);
        for found in issues[start..end].iter().filter_map(|issue| verdict(issue.item)) {
            seen += 1.0;
            wrong += f64::from(u8::from(found));
        }
        stretches.push(Stretch { length: (end - start) as f64, seen, wrong });
        start = end;
    }
    let rates = falling(&stretches);
    let (mut sums, mut done) = ([0.0; 3], 0);
    let mut out = Vec::with_capacity(depths.len());
    for (number, &depth) in depths.iter().enumerate() {
        let end = depth.min(issues.len());
        for issue in &issues[done..end.max(done)] {
            let (low, high) = issue.error_bounds;
            for (sum, part) in sums.iter_mut().zip([issue.error_probability, low, high]) {
                *sum += part;
            }
        }
        done = done.max(end);
        let estimated = if end == 0 {
            Measured::unknown("the list is empty")
        } else {
            let count = end as f64;
            let [middle, low, high] = sums.map(|sum| sum / count);
            // What of so many items will turn out wrong varies beside the rate itself.
            let spread = |rate: f64| 1.96 * (rate * (1.0 - rate) / count).sqrt();
            let interval = ((low - spread(low)).clamp(0.0, middle), (high + spread(high)).clamp(middle, 1.0));
            Measured::known(middle, interval, "the model's own probabilities and its joint; no item was checked")
        };
        let checked = (!checked.is_empty()).then(|| by_check(&stretches[..=number], &rates[..=number]));
        out.push(Depth { depth: end, estimated, checked });
    }
    out
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    length: f64,
    seen: f64,
    wrong: f64,
}

/// The share of errors of each stretch, never rising, weighted by the checked items; `None` where none was checked.
fn falling(stretches: &[Stretch]) -> Vec<Option<f64>> {
    // Pools of stretches: checked items, errors among them, last stretch.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (number, stretch) in stretches.iter().enumerate().filter(|(_, stretch)| stretch.seen > 0.0) {
        pools.push((stretch.seen, stretch.wrong, number));
        while let [.., before, last] = pools.as_slice() {
            if before.1 / before.0 >= last.1 / last.0 {
                break;
            }
            let merged = (before.0 + last.0, before.1 + last.1, last.2);
            pools.truncate(pools.len() - 2);
            pools.push(merged);
        }
    }
    let mut rates = Vec::with_capacity(stretches.len());
    let mut pool = 0;
    for (number, stretch) in stretches.iter().enumerate() {
        while pools.get(pool).is_some_and(|pool| pool.2 < number) {
            pool += 1;
        }
        rates.push(pools.get(pool).filter(|_| stretch.seen > 0.0).map(|pool| pool.1 / pool.0));
    }
    rates
}

fn by_check(stretches: &[Stretch], rates: &[Option<f64>]) -> Measured {
    let length: f64 = stretches.iter().map(|stretch| stretch.length).sum();
    let known: f64 = stretches.iter().filter(|stretch| stretch.seen > 0.0).map(|stretch| stretch.length).sum();
    let seen: f64 = stretches.iter().map(|stretch| stretch.seen).sum();
    if length == 0.0 || known < 0.5 * length {
        return Measured::unknown(
            "too little of the list down to here was checked; check items at random from all of it",
        );
    }
    let (mut rate, mut variance) = (0.0, 0.0);
    for (stretch, share) in stretches.iter().zip(rates) {
        if let Some(share) = share {
            let weight = stretch.length / known;
            rate += weight * share;
            variance += weight * weight / stretch.seen;
        }
    }
    let rate = rate.clamp(0.0, 1.0);
    let interval = if seen >= length {
        // Everything was looked at: nothing is left to chance.
        (rate, rate)
    } else {
        wilson(rate, 1.0 / variance)
    };
    Measured::known(rate, interval, format!("{seen} checked of the first {length} items"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issues(length: u32) -> Vec<Issue> {
        let one = |item| Issue {
            item,
            given: 0,
            suggested: 1,
            score: f64::from(item),
            confidence: 0.1,
            margin: 0.5,
            error_probability: 0.6,
            error_bounds: (0.5, 0.8),
        };
        (0..length).map(one).collect()
    }

    #[test]
    fn depths_are_round_and_end_with_the_list() {
        assert_eq!(depths_for(0), Vec::<usize>::new());
        assert_eq!(depths_for(10), [10]);
        assert_eq!(depths_for(330), [10, 20, 50, 100, 200, 330]);
    }

    #[test]
    fn a_check_that_saw_everything_is_exact_and_a_thin_one_is_wide() {
        let issues = issues(40);
        let all: Vec<Checked> = (0..40).map(|item| Checked { item, wrong: item < 20 }).collect();
        let depths = precision_at(&issues, &all, &[10, 20, 40]);
        let at = |depth: &Depth| depth.checked.as_ref().unwrap().value().unwrap();
        assert_eq!([at(&depths[0]), at(&depths[1]), at(&depths[2])], [1.0, 1.0, 0.5]);

        let few: Vec<Checked> = all.iter().copied().filter(|one| one.item % 4 == 0).collect();
        let depths = precision_at(&issues, &few, &[10, 20, 40]);
        let Some(Measured::Known { value, low, high, .. }) = &depths[2].checked else { panic!("{depths:?}") };
        assert!((value - 0.5).abs() < 1e-9 && high - low > 0.3, "{low} {high}");
    }

    #[test]
    fn rates_never_rise_and_unchecked_depths_are_unknown() {
        let issues = issues(100);
        // The second stretch did better than the first by chance: they are pooled.
        let checked: Vec<Checked> = (0..20).map(|item| Checked { item, wrong: !(5..10).contains(&item) }).collect();
        let depths = precision_at(&issues, &checked, &[10, 20, 100]);
        let first = depths[0].checked.as_ref().unwrap().value().unwrap();
        assert!((first - 0.75).abs() < 1e-9, "{first}");
        assert!(matches!(depths[2].checked, Some(Measured::Unknown { .. })));
        assert!(precision_at(&issues, &[], &[10])[0].checked.is_none());
        assert!(precision_at(&[], &checked, &[10])[0].estimated.value().is_none());
    }
}
