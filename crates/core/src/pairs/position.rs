//! From a fitted model to a ranking, with what the sides and the annotators did.

use std::collections::BTreeMap;

use super::{
    AnnotatorJudgement, Comparison, Comparisons, Connection, Fitted, Method, Outcome, Ranking, Settings, Standing,
    logistic,
};
use crate::audit::{normal_interval, wilson};
use crate::measured::Measured;

pub(super) fn ranking(
    comparisons: &Comparisons,
    settings: &Settings,
    connection: Connection,
    fitted: &Fitted,
) -> Ranking {
    let rows = comparisons.rows();
    let standings = standings(comparisons, &connection, fitted);
    let mut order: Vec<u32> = (0..comparisons.contestants() as u32).collect();
    let key = |contestant: u32| {
        let place = contestant as usize;
        let strength = if connection.group[place].is_some() { fitted.strengths[place] } else { f64::NEG_INFINITY };
        (strength, contestant)
    };
    order.sort_by(|&left, &right| key(right).0.total_cmp(&key(left).0).then(left.cmp(&right)));
    let ties = rows.iter().filter(|row| row.outcome == Outcome::Tie).count() as u64;
    Ranking {
        method: settings.method.name(),
        order,
        standings,
        annotators: annotators(comparisons, fitted),
        left_wins: left_wins(rows),
        left_among_equals: among_equals(comparisons, settings, fitted),
        tie_among_equals: match fitted.ties {
            Some((log, variance)) => {
                let chance = |log: f64| log.exp() / (2.0 + log.exp());
                let (low, high) = normal_interval(log, variance.max(0.0).sqrt());
                Measured::known(chance(log), (chance(low), chance(high)), format!("{} comparisons", rows.len()))
            }
            None if settings.method == Method::Davidson => Measured::unknown("there are no ties"),
            None => Measured::unknown("only Davidson's model has a chance of ties"),
        },
        connection,
        comparisons: rows.len() as u64,
        ties,
        log_likelihood: fitted.log_likelihood,
        gradient: fitted.gradient,
        converged: fitted.converged,
    }
}

fn standings(comparisons: &Comparisons, connection: &Connection, fitted: &Fitted) -> Vec<Standing> {
    let mut counts = vec![[0u64; 3]; comparisons.contestants()];
    for row in comparisons.rows() {
        let (left, right) = match row.outcome {
            Outcome::Left => (0, 1),
            Outcome::Right => (1, 0),
            Outcome::Tie => (2, 2),
        };
        counts[row.left as usize][left] += 1;
        counts[row.right as usize][right] += 1;
    }
    // Strengths have mean zero, so no exponent is far off unless strengths are.
    let total: f64 = fitted.strengths.iter().map(|strength| strength.exp()).sum();
    counts
        .iter()
        .enumerate()
        .map(|(place, &[wins, losses, ties])| {
            let strength = fitted.strengths[place];
            let measured = match (&connection.group[place], &fitted.variances) {
                (None, _) => Measured::unknown("it was never compared"),
                (_, None) => {
                    Measured::unknown("the likelihood is flat or too large to tell how sure the strengths are")
                }
                (Some(_), Some(variances)) => Measured::known(
                    strength,
                    normal_interval(strength, variances[place].sqrt()),
                    format!("{} comparisons", wins + losses + ties),
                ),
            };
            Standing { strength: measured, share: strength.exp() / total, wins, losses, ties }
        })
        .collect()
}

fn annotators(comparisons: &Comparisons, fitted: &Fitted) -> Vec<AnnotatorJudgement> {
    // All comparisons, decided ones, those the left one won, and those the stronger one won.
    let mut counts = vec![[0u64; 4]; comparisons.annotators()];
    for row in comparisons.rows() {
        let count = &mut counts[row.annotator as usize];
        count[0] += 1;
        if row.outcome == Outcome::Tie {
            continue;
        }
        let left = row.outcome == Outcome::Left;
        let stronger = fitted.strengths[row.left as usize] > fitted.strengths[row.right as usize];
        count[1] += 1;
        count[2] += u64::from(left);
        count[3] += u64::from(left == stronger);
    }
    let share = |hits: u64, of: u64| {
        if of == 0 {
            return Measured::unknown("it decided no comparison");
        }
        let share = hits as f64 / of as f64;
        Measured::known(share, wilson(share, of as f64), format!("{of} decided comparisons"))
    };
    counts
        .iter()
        .enumerate()
        .map(|(annotator, &[comparisons, decided, left, agrees])| {
            let learnt = |which: usize| match fitted.annotators.get(annotator) {
                None => Measured::unknown("only the noisy model learns it"),
                Some(_) if comparisons == 0 => Measured::unknown("it made no comparison"),
                Some(found) => {
                    let (log_odds, variance) = found[which];
                    if !(variance >= 0.0 && variance.is_finite()) {
                        return Measured::unknown("the likelihood is flat or too large to tell how sure it is");
                    }
                    let (low, high) = normal_interval(log_odds, variance.sqrt());
                    let bounds = (logistic(low), logistic(high));
                    Measured::known(logistic(log_odds), bounds, format!("{comparisons} comparisons and a prior"))
                }
            };
            AnnotatorJudgement {
                comparisons,
                agrees: share(agrees, decided),
                left_wins: share(left, decided),
                reliability: learnt(0),
                leaning: learnt(1),
            }
        })
        .collect()
}

/// How often the left one wins, with the variance between pairs of contestants, where comparisons of the same two hang
/// together.
fn left_wins(rows: &[Comparison]) -> Measured {
    let mut pairs: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.outcome != Outcome::Tie) {
        let pair = pairs.entry((row.left.min(row.right), row.left.max(row.right))).or_default();
        pair.0 += f64::from(row.outcome == Outcome::Left);
        pair.1 += 1.0;
    }
    let (left, all) = pairs.values().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    if all == 0.0 {
        return Measured::unknown("every comparison is a tie");
    }
    let share = left / all;
    let between: f64 = pairs.values().map(|(left, of)| (left - of * share).powi(2)).sum();
    // As if from so many independent comparisons, never more than there are.
    let single = all * share * (1.0 - share);
    let count = if between > single { all * single / between } else { all };
    Measured::known(share, wilson(share, count), format!("{all:.0} decided comparisons of {} pairs", pairs.len()))
}

/// The chance of the left one among equals.
fn among_equals(comparisons: &Comparisons, settings: &Settings, fitted: &Fitted) -> Measured {
    let number = comparisons.rows().len();
    if let Some((advantage, variance)) = fitted.advantage {
        let (low, high) = normal_interval(advantage, variance.max(0.0).sqrt());
        return Measured::known(logistic(advantage), (logistic(low), logistic(high)), format!("{number} comparisons"));
    }
    if settings.method != Method::NoisyBradleyTerry {
        return Measured::unknown("the model was asked to leave sides out");
    }
    // The mean over comparisons; annotators are learnt nearly apart from each other.
    let (mut mean, mut spread) = (0.0, 0.0);
    let mut made = vec![0.0; comparisons.annotators()];
    for row in comparisons.rows() {
        made[row.annotator as usize] += 1.0 / number as f64;
    }
    for (weight, [(trust, trust_variance), (side, side_variance)]) in made.iter().zip(&fitted.annotators) {
        if *weight == 0.0 {
            continue;
        }
        let (judged, left) = (logistic(*trust), logistic(*side));
        mean += weight * (judged * 0.5 + (1.0 - judged) * left);
        let by_trust = judged * (1.0 - judged) * (0.5 - left);
        let by_side = (1.0 - judged) * left * (1.0 - left);
        spread += weight * weight * (by_trust * by_trust * trust_variance + by_side * by_side * side_variance);
    }
    if !(spread >= 0.0 && spread.is_finite()) {
        return Measured::unknown("the likelihood is flat or too large to tell how sure it is");
    }
    let (low, high) = normal_interval(mean, spread.sqrt());
    let annotators = made.iter().filter(|weight| **weight > 0.0).count();
    Measured::known(mean, (low.max(0.0), high.min(1.0)), format!("{number} comparisons of {annotators} annotators"))
}
