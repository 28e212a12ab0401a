//! Intervals.

/// The two-sided 95 % quantile of the normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// The Wilson interval at 95 % of a proportion `share` seen over `count` items (Wilson 1927). The count may be an
/// effective one. With no items the interval is `[0, 1]`.
pub fn wilson(share: f64, count: f64) -> (f64, f64) {
    if count <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = Z * Z;
    let centre = (share + z2 / (2.0 * count)) / (1.0 + z2 / count);
    let half = Z * (share * (1.0 - share) / count + z2 / (4.0 * count * count)).sqrt() / (1.0 + z2 / count);
    // Rounding must not push an end past the estimate itself at 0 and 1.
    ((centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0))
}

/// The number of equally weighted items that would carry as much information as these weights (Kish 1965):
/// `(sum w)^2 / sum w^2`.
pub fn effective_count(weight: f64, square: f64) -> f64 {
    if square > 0.0 { weight * weight / square } else { 0.0 }
}

/// The number of independent trials that would carry as much information about a share as these clusters of trials, each
/// given as successes and trials (Korn and Graubard 1998).
///
/// The variance of the share is that of a ratio of sums over clusters, by linearisation. Where it vanishes, because all
/// trials succeeded or none did, or for a single cluster, each cluster counts once: trials of one cluster may be alike. It is
/// never more than the trials.
pub fn effective_of_clusters(clusters: &[(f64, f64)]) -> f64 {
    let (hits, trials) = clusters.iter().fold((0.0, 0.0), |sums, one| (sums.0 + one.0, sums.1 + one.1));
    let count = clusters.len() as f64;
    let share = hits / trials;
    let scatter: f64 = clusters.iter().map(|(hit, trial)| (hit - share * trial).powi(2)).sum();
    let variance = scatter / (trials * trials) * count / (count - 1.0).max(1.0);
    let even = share * (1.0 - share);
    if variance > 0.0 && even > 0.0 { (even / variance).min(trials) } else { count.min(trials) }
}

/// F1 and its 95 % interval from weighted counts of hits and of errors of both kinds, with the effective number of
/// items behind them.
///
/// F1 = 2J/(1+J) where J = hits/(hits+errors) is the Jaccard index, a proportion of the items that truth or label
/// assigns to the class. Its Wilson interval, carried through the same function, stays honest at 0 and 1 where the
/// bootstrap collapses. `None` if nothing was counted.
pub fn f1_interval(hits: f64, errors: f64, count: f64) -> Option<(f64, (f64, f64))> {
    if hits + errors <= 0.0 {
        return None;
    }
    let jaccard = hits / (hits + errors);
    let to_f1 = |jaccard: f64| 2.0 * jaccard / (1.0 + jaccard);
    let (low, high) = wilson(jaccard, count);
    Some((to_f1(jaccard), (to_f1(low), to_f1(high))))
}

/// The 95 % normal interval of a mean with this standard error.
pub fn normal_interval(mean: f64, error: f64) -> (f64, f64) {
    (mean - Z * error, mean + Z * error)
}

/// The 2.5 %, 50 % and 97.5 % quantiles of simulated values.
pub(super) fn quantiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.5), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_matches_published_values() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20.
        let (low, high) = wilson(81.0 / 263.0, 263.0);
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(0.0, 20.0);
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(1.0, 5.0).1, 1.0);
    }

    #[test]
    fn clusters_of_like_trials_count_once_and_unlike_ones_in_full() {
        let alike: Vec<(f64, f64)> =
            (0..100).map(|one| if one % 4 == 0 { (0.0, 10.0) } else { (10.0, 10.0) }).collect();
        assert!((effective_of_clusters(&alike) - 99.0).abs() < 1.0, "{}", effective_of_clusters(&alike));
        let single: Vec<(f64, f64)> = (0..100).map(|one| (f64::from(u8::from(one % 4 != 0)), 1.0)).collect();
        assert!((effective_of_clusters(&single) - 99.0).abs() < 1.0);
        let unlike = [(3.0, 4.0); 50];
        assert_eq!(effective_of_clusters(&unlike), 50.0);
        assert_eq!(effective_of_clusters(&[(7.0, 7.0), (2.0, 2.0)]), 2.0);
    }

    #[test]
    fn a_perfect_class_of_five_is_not_certain() {
        let (f1, (low, high)) = f1_interval(5.0, 0.0, 5.0).unwrap();
        assert_eq!((f1, high), (1.0, 1.0));
        assert!((0.70..0.75).contains(&low), "{low}");
        assert!(f1_interval(0.0, 0.0, 0.0).is_none());
    }
}
