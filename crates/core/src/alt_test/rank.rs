//! Wilcoxon's signed-rank test, exact for small samples.

/// The p-value of "values are centred at zero or above" against "below", from the exact distribution of the sum of the
/// positive ranks given the sizes of the values (Wilcoxon 1945; ties share their middle rank, zeros are left out).
pub(super) fn wilcoxon_less(values: &[f64]) -> f64 {
    let mut sized: Vec<(f64, bool)> =
        values.iter().filter(|value| **value != 0.0).map(|value| (value.abs(), *value > 0.0)).collect();
    if sized.is_empty() {
        return 1.0;
    }
    sized.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the ranks, so that middle ranks are whole numbers.
    let mut ranks = vec![0usize; sized.len()];
    let mut start = 0;
    while start < sized.len() {
        // Sizes that differ by rounding alone are tied.
        let tied = sized[start..].iter().take_while(|(size, _)| size - sized[start].0 < 1e-9 * size.max(1.0)).count();
        for rank in &mut ranks[start..start + tied] {
            *rank = 2 * start + tied + 1;
        }
        start += tied;
    }
    let observed: usize = ranks.iter().zip(&sized).filter(|(_, (_, positive))| *positive).map(|(rank, _)| rank).sum();
    let total: usize = ranks.iter().sum();
    let mut chance = vec![0.0; total + 1];
    chance[0] = 1.0;
    for &rank in &ranks {
        for sum in (0..=total).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = 0.5 * (chance[sum] + with);
        }
    }
    chance[..=observed].iter().sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values() {
        // Five negatives: one arrangement of 32.
        assert!((wilcoxon_less(&[-1.0, -2.0, -3.0, -4.0, -5.0]) - 1.0 / 32.0).abs() < 1e-15);
        assert!((wilcoxon_less(&[1.0, 2.0, 3.0]) - 1.0).abs() < 1e-15);
        // Positive rank sum 1 of four: arrangements {} and {1}.
        assert!((wilcoxon_less(&[0.5, -2.0, -3.0, -4.0]) - 2.0 / 16.0).abs() < 1e-15);
        // Two tied sizes of opposite sign: sums 0, 1.5, 1.5, 3.
        assert!((wilcoxon_less(&[1.0, -1.0]) - 0.75).abs() < 1e-15);
        assert_eq!(wilcoxon_less(&[0.0, 0.0]), 1.0);
    }
}
