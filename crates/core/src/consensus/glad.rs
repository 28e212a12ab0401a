//! GLAD: items differ in how hard they are (Whitehill et al. 2009, NeurIPS 22).
//!
//! Annotator `a` is right about decision `i` with probability `sigma(x)`, `x = skill_a * exp(ease_i)`, and errs evenly;
//! skill and ease have normal priors with mean and variance 1. Classes are alike beforehand. Assumes that one number
//! orders the items for all annotators and that errors do not favour a class.
//!
//! One pass over the votes per sweep: the posterior of a decision, then its ease by Newton steps that are halved until
//! they gain, then its share in the annotators' updates. Those maximise a quadratic bound of the logistic function
//! (Jaakkola and Jordan 2000), which is exact where it touches, so the objective never falls and nothing needs a line
//! search over all the votes.

use rayon::prelude::*;

use super::Settings;
use super::method::Estimate;
use crate::votes::{Gold, Votes};

/// Decisions that one task works on.
const BLOCK: usize = 4096;

/// Skills and what the passes add up for them.
#[derive(Clone, Debug)]
struct Sums {
    /// `sum of (t - 1/2) e^ease` and `sum of 2 lambda(x) e^(2 ease)` per annotator.
    pull: Vec<(f64, f64)>,
    objective: f64,
}

/// Fits skills and eases; gold decisions are known while they are fitted.
pub(crate) fn estimate(votes: &Votes, gold: &Gold, settings: &Settings) -> Estimate {
    let classes = votes.classes();
    let mut known = vec![None; votes.decisions()];
    for entry in gold.entries() {
        known[entry.decision as usize] = Some(entry.class);
    }
    let mut skills = vec![1.0; votes.annotators()];
    let mut eases = vec![1.0; votes.decisions()];
    let mut objective: Vec<f64> = Vec::new();
    let (mut small_gains, mut converged) = (0, false);
    for _ in 0..settings.sweeps {
        let sums = sweep(votes, &known, &skills, &mut eases);
        let value = sums.objective - 0.5 * skills.iter().map(|skill| (skill - 1.0f64).powi(2)).sum::<f64>();
        if let Some(&before) = objective.last() {
            debug_assert!(value >= before - 1e-9 * (value.abs() + 1.0), "the objective fell from {before} to {value}");
            let gain = (value - before) / votes.len().max(1) as f64;
            small_gains = if gain < settings.tolerance { small_gains + 1 } else { 0 };
        }
        objective.push(value);
        for (skill, &(pull, curvature)) in skills.iter_mut().zip(&sums.pull) {
            *skill = (pull + 1.0) / (curvature + 1.0);
        }
        if small_gains >= 2 {
            converged = true;
            break;
        }
    }
    let mut posterior = vec![0f32; votes.decisions() * classes];
    posterior.par_chunks_mut(BLOCK * classes).enumerate().for_each(|(block, out)| {
        let mut work = Work::new(classes);
        for (place, row) in out.chunks_exact_mut(classes).enumerate() {
            let decision = block * BLOCK + place;
            work.posterior(votes, decision, &skills, eases[decision], None);
            for (to, &from) in row.iter_mut().zip(&work.row) {
                *to = from as f32;
            }
        }
    });
    let mut totals = vec![1.0; classes];
    for (decision, row) in posterior.chunks_exact(classes).enumerate() {
        if votes.support(decision) > 0 {
            totals.iter_mut().zip(row).for_each(|(total, &share)| *total += f64::from(share));
        }
    }
    let sum: f64 = totals.iter().sum();
    Estimate { posterior, prior: totals.iter().map(|total| total / sum).collect(), objective, converged }
}

fn sweep(votes: &Votes, known: &[Option<u16>], skills: &[f64], eases: &mut [f64]) -> Sums {
    let parts: Vec<Sums> = eases
        .par_chunks_mut(BLOCK)
        .enumerate()
        .map(|(block, eases)| {
            let mut sums = Sums { pull: vec![(0.0, 0.0); votes.annotators()], objective: 0.0 };
            let mut work = Work::new(votes.classes());
            for (place, ease) in eases.iter_mut().enumerate() {
                let decision = block * BLOCK + place;
                if votes.support(decision) > 0 {
                    work.visit(votes, decision, known[decision], skills, ease, &mut sums);
                }
            }
            sums
        })
        .collect();
    let mut total = Sums { pull: vec![(0.0, 0.0); votes.annotators()], objective: 0.0 };
    for part in parts {
        total.objective += part.objective;
        for (sum, value) in total.pull.iter_mut().zip(part.pull) {
            sum.0 += value.0;
            sum.1 += value.1;
        }
    }
    total
}

/// Scratch for one decision.
struct Work {
    row: Vec<f64>,
    /// `ln(classes - 1)`: a wrong answer is any of the others.
    others: f64,
    /// Skill, probability that the answer is right, and weight of each vote.
    voters: Vec<(f64, f64, f64)>,
}

impl Work {
    fn new(classes: usize) -> Self {
        Self { row: vec![0.0; classes], others: (classes.max(2) as f64 - 1.0).ln(), voters: Vec::new() }
    }

    /// Leaves the posterior in `row` and returns the logarithm of the evidence.
    fn posterior(&mut self, votes: &Votes, decision: usize, skills: &[f64], ease: f64, known: Option<u16>) -> f64 {
        self.row.fill(0.0);
        let beta = ease.exp();
        let mut wrong = -(self.row.len() as f64).ln();
        for vote in votes.of(decision) {
            let (x, weight) = (skills[vote.annotator as usize] * beta, f64::from(vote.weight));
            wrong -= weight * (softplus(x) + self.others);
            self.row[usize::from(vote.class)] += weight * (x + self.others);
        }
        if let Some(class) = known {
            let score = self.row[usize::from(class)];
            self.row.fill(0.0);
            self.row[usize::from(class)] = 1.0;
            return wrong + score;
        }
        let top = self.row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for share in &mut self.row {
            *share = (*share - top).exp();
            total += *share;
        }
        for share in &mut self.row {
            *share /= total;
        }
        wrong + top + total.ln()
    }

    fn visit(
        &mut self,
        votes: &Votes,
        decision: usize,
        known: Option<u16>,
        skills: &[f64],
        ease: &mut f64,
        sums: &mut Sums,
    ) {
        sums.objective += self.posterior(votes, decision, skills, *ease, known) - 0.5 * (*ease - 1.0).powi(2);
        self.voters.clear();
        for vote in votes.of(decision) {
            let right = self.row[usize::from(vote.class)];
            self.voters.push((skills[vote.annotator as usize], right, f64::from(vote.weight)));
        }
        *ease = easier(&self.voters, *ease);
        let beta = ease.exp();
        for (vote, &(skill, right, weight)) in votes.of(decision).zip(&self.voters) {
            let sum = &mut sums.pull[vote.annotator as usize];
            sum.0 += weight * (right - 0.5) * beta;
            sum.1 += weight * 2.0 * bound(skill * beta) * beta * beta;
        }
    }
}

/// One Newton step on a decision's ease with the expected curvature, halved until it gains.
fn easier(voters: &[(f64, f64, f64)], ease: f64) -> f64 {
    let value = |ease: f64| {
        let beta = ease.exp();
        let votes: f64 =
            voters.iter().map(|&(skill, right, weight)| weight * (right * skill * beta - softplus(skill * beta))).sum();
        votes - 0.5 * (ease - 1.0).powi(2)
    };
    let beta = ease.exp();
    let (mut slope, mut curvature) = (1.0 - ease, 1.0);
    for &(skill, right, weight) in voters {
        let x = skill * beta;
        let sigma = 1.0 / (1.0 + (-x).exp());
        slope += weight * (right - sigma) * x;
        curvature += weight * sigma * (1.0 - sigma) * x * x;
    }
    let mut step = (slope / curvature).clamp(-1.0, 1.0);
    if step.abs() < 1e-9 {
        return ease;
    }
    let here = value(ease);
    for _ in 0..6 {
        if value(ease + step) >= here {
            return ease + step;
        }
        step *= 0.5;
    }
    ease
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `lambda(x) = tanh(x / 2) / (4 x)` of the quadratic bound.
fn bound(x: f64) -> f64 {
    if x.abs() < 1e-4 { 0.125 } else { (0.5 * x).tanh() / (4.0 * x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::votes::VotesBuilder;

    #[test]
    fn contested_items_are_harder_and_the_contrarian_less_skilled() {
        let mut builder = VotesBuilder::new(3);
        for decision in 0..40u32 {
            for annotator in 0..5 {
                let wrong = annotator == 4 || (decision >= 30 && annotator == decision % 4);
                let class = (decision % 3) as u16;
                builder.push(decision, annotator, if wrong { (class + 1) % 3 } else { class }).unwrap();
            }
        }
        let votes = builder.build(41, 5).unwrap();
        let found = estimate(&votes, &Gold::none(), &Settings::default());
        assert!(found.converged && found.objective.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9));
        let sure = |decision: usize| found.posterior[decision * 3 + decision % 3];
        assert!(sure(0) > 0.99 && sure(35) > 0.9 && sure(35) < sure(5), "{} {}", sure(0), sure(35));
        // Nobody voted on the last one.
        assert!((found.posterior[40 * 3] - 1.0 / 3.0).abs() < 1e-6);
    }
}
