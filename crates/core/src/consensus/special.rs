//! The digamma function and the divergence between Dirichlet distributions, for variational posteriors.

use crate::distribution::ln_gamma;

/// The derivative of [`ln_gamma`], for positive arguments: recurrence up to 6, then the asymptotic series, which there
/// is good to twelve digits.
pub(crate) fn digamma(mut argument: f64) -> f64 {
    let mut value = 0.0;
    while argument < 6.0 {
        value -= 1.0 / argument;
        argument += 1.0;
    }
    let inverse = 1.0 / (argument * argument);
    let series = inverse
        * (1.0 / 12.0
            - inverse * (1.0 / 120.0 - inverse * (1.0 / 252.0 - inverse * (1.0 / 240.0 - inverse * (1.0 / 132.0)))));
    value + argument.ln() - 0.5 / argument - series
}

/// The Kullback-Leibler divergence from one Dirichlet distribution to another, given as parallel parameters.
pub(crate) fn dirichlet_divergence(from: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (left, right) = from.clone().fold((0.0, 0.0), |sum, (left, right)| (sum.0 + left, sum.1 + right));
    let centre = digamma(left);
    from.fold(ln_gamma(left) - ln_gamma(right), |sum, (left, right)| {
        sum + ln_gamma(right) - ln_gamma(left) + (left - right) * (digamma(left) - centre)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert!((digamma(1.0) + 0.577_215_664_901_532_9).abs() < 1e-11);
        assert!((digamma(0.5) + 1.963_510_026_021_423_5).abs() < 1e-11);
    }

    #[test]
    fn the_divergence_of_a_distribution_from_itself_is_zero() {
        let same = [(0.5, 0.5), (3.0, 3.0)];
        assert!(dirichlet_divergence(same.into_iter()).abs() < 1e-12);
        // Beta(1, 1) against Beta(2, 1), by hand: the mean of -ln 2x is 1 - ln 2.
        assert!((dirichlet_divergence([(1.0, 2.0), (1.0, 1.0)].into_iter()) - (1.0 - 2f64.ln())).abs() < 1e-11);
    }
}
