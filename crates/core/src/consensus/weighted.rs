//! Votes weighted by how often their annotators agree with the outcome.

use super::majority;
use crate::votes::Votes;

/// How a tie counts while skills are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ties {
    /// For all tied classes, in equal parts.
    Shared,
    /// For the first of them, as crowd-kit does.
    First,
}

/// Worker agreement with aggregate (Wawa): the share of each annotator's answers that majority agrees with. An
/// annotator without answers has a half.
pub(crate) fn wawa(votes: &Votes, ties: Ties) -> Vec<f64> {
    agreement(votes, &vec![1.0; votes.annotators()], ties)
}

/// Zero-based skill: starting a little above chance, each annotator's weight moves towards the share of its answers
/// that the weighted vote agrees with, in ever smaller steps.
pub(crate) fn zero_based(votes: &Votes, ties: Ties) -> Vec<f64> {
    const STEPS: usize = 100;
    let mut skills = vec![1.0 / votes.classes() as f64 + 1e-5; votes.annotators()];
    let mut rate = 1.0;
    for step in 1..=STEPS {
        if step % 20 == 0 {
            rate *= 0.95;
        }
        let found = agreement(votes, &skills, ties);
        let mut moved = 0.0f64;
        for (skill, found) in skills.iter_mut().zip(found) {
            let change = rate * (found - *skill);
            moved = moved.max(change.abs());
            *skill += change;
        }
        if moved < 1e-12 {
            break;
        }
    }
    skills
}

/// The share of each annotator's answers that the weighted vote agrees with.
fn agreement(votes: &Votes, weights: &[f64], ties: Ties) -> Vec<f64> {
    let mut right = vec![0.0; votes.annotators()];
    let mut all = vec![0.0; votes.annotators()];
    let mut row = vec![0.0; votes.classes()];
    for decision in 0..votes.decisions() {
        if votes.support(decision) == 0 {
            continue;
        }
        row.fill(0.0);
        for vote in votes.of(decision) {
            row[usize::from(vote.class)] += f64::from(vote.weight) * weights[vote.annotator as usize];
        }
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let tied = |share: f64| share >= top - 1e-12;
        let first = row.iter().position(|&share| tied(share)).unwrap_or_default();
        let winners = match ties {
            Ties::Shared => row.iter().filter(|&&share| tied(share)).count(),
            Ties::First => 1,
        };
        for vote in votes.of(decision) {
            let class = usize::from(vote.class);
            let wins = if winners == 1 { class == first } else { tied(row[class]) };
            all[vote.annotator as usize] += f64::from(vote.weight);
            if wins {
                right[vote.annotator as usize] += f64::from(vote.weight) / winners as f64;
            }
        }
    }
    right.iter().zip(&all).map(|(right, all)| if *all > 0.0 { right / all } else { 0.5 }).collect()
}

/// Each decision's shares of the weighted votes, `classes` numbers each, with `smoothing` votes of mean weight spread
/// as in `prior` added; `prior` itself where nobody voted or no vote has weight.
pub(crate) fn shares(votes: &Votes, weights: &[f64], prior: &[f64], smoothing: f64) -> Vec<f64> {
    let classes = votes.classes();
    let mut posterior = vec![0.0; votes.decisions() * classes];
    for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
        let mut total = 0.0;
        for vote in votes.of(decision) {
            let weight = f64::from(vote.weight) * weights[vote.annotator as usize].max(0.0);
            row[usize::from(vote.class)] += weight;
            total += weight;
        }
        let added = smoothing * total / majority::total(votes, decision).max(1e-300);
        for (share, prior) in row.iter_mut().zip(prior) {
            *share = if total > 0.0 { (*share + added * prior) / (total + added) } else { *prior };
        }
    }
    posterior
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::votes::VotesBuilder;

    #[test]
    fn the_one_who_disagrees_weighs_less() {
        let mut builder = VotesBuilder::new(2);
        for decision in 0..10 {
            for (annotator, class) in [(0, 0), (1, 0), (2, 1)] {
                builder.push(decision, annotator, class).unwrap();
            }
        }
        let votes = builder.build(11, 4).unwrap();
        assert_eq!(wawa(&votes, Ties::Shared), [1.0, 1.0, 0.0, 0.5]);
        let skills = zero_based(&votes, Ties::Shared);
        assert!(skills[0] > 0.99 && skills[2] < 0.01, "{skills:?}");
        let posterior = shares(&votes, &skills, &[0.7, 0.3], 0.0);
        assert!(posterior[0] > 0.99 && posterior[20] == 0.7);
    }

    #[test]
    fn a_tie_is_shared() {
        let mut builder = VotesBuilder::new(2);
        builder.push(0, 0, 0).unwrap();
        builder.push(0, 1, 1).unwrap();
        let votes = builder.build(1, 2).unwrap();
        assert_eq!(wawa(&votes, Ties::Shared), [0.5, 0.5]);
        assert_eq!(wawa(&votes, Ties::First), [1.0, 0.0]);
    }
}
