//! Students of labels that are only probable: what a language model, a crowd or a consensus says.

use serde::{Deserialize, Serialize};

use super::fit::{Fitted, Trainer};
use super::quality::largest;
use super::target::{Head, Target};
use crate::error::{Error, Result};

/// What a student is taught about texts whose label is only probable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distillation {
    /// The likeliest label, as if it were certain.
    Hard,
    /// The likeliest label, counting for as much as it is likelier than chance.
    Weighted,
    /// The probabilities.
    Soft,
    /// The labels that are possible, refined by a first student.
    Candidates,
    Pooled,
    Doubted,
    Sharp,
    Mixed,
    WeightedSoft,
    Selected,
}

impl Distillation {
    pub const ALL: [Self; 10] = [Self::Hard, Self::Weighted, Self::Soft, Self::Candidates, Self::Pooled, Self::Doubted, Self::Sharp, Self::Mixed, Self::WeightedSoft, Self::Selected];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Weighted => "weighted",
            Self::Soft => "soft",
            Self::Candidates => "candidates",
            Self::Pooled => "pooled",
            Self::Doubted => "doubted",
            Self::Sharp => "sharp",
            Self::Mixed => "mixed",
            Self::WeightedSoft => "weighted-soft",
            Self::Selected => "selected",
        }
    }
}

const POSSIBLE: f32 = 0.5;
const SURE_SHARE: f64 = 0.5;
const SHARPER: f32 = 2.0;
const OVERRULES: f32 = 0.95;

impl Trainer {
    /// Trains.
    pub fn distil(&self, texts: &[&str], targets: &[Target], way: Distillation) -> Result<Fitted> {
        let classes = self.classes();
        let soft: Vec<Vec<f32>> = targets.iter().map(|target| belief(target, classes)).collect();
        let fit = |targets: &[Target], weights: &[f32]| self.fit(texts, targets, Some(weights));
        let even = vec![1.0f32; texts.len()];
        let hard = || -> Vec<Target> { soft.iter().map(|row| Target::Hard(largest(row) as u16)).collect() };
        match way {
            Distillation::Hard => fit(&hard(), &even),
            Distillation::Weighted => {
                let chance = 1.0 / classes as f32;
                let weights: Vec<f32> =
                    soft.iter().map(|row| ((row[largest(row)] - chance) / (1.0 - chance)).max(0.01)).collect();
                fit(&hard(), &weights)
            }
            Distillation::Soft => fit(&to_soft(&soft), &even),
            Distillation::Candidates | Distillation::Pooled => {
                let pooled = way == Distillation::Pooled;
                let sets: Vec<Vec<f32>> = soft
                    .iter()
                    .map(|row| {
                        if pooled { return row.clone(); }
                        let least = POSSIBLE * row[largest(row)];
                        let inside = row.iter().filter(|share| **share >= least).count() as f32;
                        row.iter().map(|share| if *share >= least { 1.0 / inside } else { 0.0 }).collect()
                    })
                    .collect();
                let first = fit(&to_soft(&sets), &even)?;
                let (refined, weights) = if pooled {
                    let rows: Vec<Vec<f32>> = sets.iter().zip(first.out_of_fold.chunks_exact(classes)).map(|(row, p)| {
                        let mut q: Vec<f32> = row.iter().zip(p).map(|(a, b)| a.max(1e-6) * b.max(1e-6)).collect();
                        let sum: f32 = q.iter().sum();
                        q.iter_mut().for_each(|x| *x /= sum);
                        q
                    }).collect();
                    (rows, even.clone())
                } else { refine(&sets, &first.out_of_fold, classes) };
                fit(&to_soft(&refined), &weights)
            }
            Distillation::Doubted => {
                let start = hard();
                let soft: Vec<Vec<f32>> = start.iter().map(|t| belief(t, classes)).collect();
                let first = fit(&start, &even)?;
                let losses: Vec<f64> = soft.iter().zip(first.out_of_fold.chunks_exact(classes)).map(|(row, p)| {
                    row.iter().zip(p).filter(|x| *x.0 > 0.0).map(|(&s, &b)| f64::from(s) * f64::from(s / b.max(1e-4)).ln()).sum()
                }).collect();
                let weights: Vec<f32> = mixture(&losses).into_iter().map(|w| w.max(0.01)).collect();
                fit(&start, &weights)
            }
            Distillation::Sharp => {
                let rows: Vec<Vec<f32>> = soft.iter().map(|row| row.iter().map(|s| s * s).collect()).collect();
                fit(&to_soft(&rows), &even)
            }
            Distillation::Mixed => {
                let rows: Vec<Vec<f32>> = soft.iter().map(|row| {
                    let top = largest(row);
                    row.iter().enumerate().map(|(c, s)| 0.5 * s + if c == top { 0.5 } else { 0.0 }).collect()
                }).collect();
                fit(&to_soft(&rows), &even)
            }
            Distillation::WeightedSoft => {
                let chance = 1.0 / classes as f32;
                let weights: Vec<f32> =
                    soft.iter().map(|row| ((row[largest(row)] - chance) / (1.0 - chance)).max(0.01)).collect();
                fit(&to_soft(&soft), &weights)
            }
            Distillation::Selected => {
                let mut by: Vec<Vec<(f32, usize)>> = vec![Vec::new(); classes];
                soft.iter().enumerate().for_each(|(i, row)| by[largest(row)].push((row[largest(row)], i)));
                let mut weights = vec![0.0001f32; soft.len()];
                for own in &mut by {
                    own.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    own.iter().take(own.len().div_ceil(2)).for_each(|x| weights[x.1] = 1.0);
                }
                fit(&hard(), &weights)
            }
        }
    }
}

fn belief(target: &Target, classes: usize) -> Vec<f32> {
    let mut row = vec![0.0; classes];
    match target {
        Target::Hard(class) => row[usize::from(*class)] = 1.0,
        Target::Soft(shares) => {
            let sum: f32 = shares.iter().sum();
            row.iter_mut().zip(shares).for_each(|(row, share)| *row = share / sum);
        }
        Target::Candidates(set) | Target::Set(set) => {
            set.iter().for_each(|&class| row[usize::from(class)] = 1.0 / set.len() as f32);
        }
    }
    row
}

fn to_soft(rows: &[Vec<f32>]) -> Vec<Target> {
    rows.iter().map(|row| Target::Soft(row.clone())).collect()
}

fn refine(sets: &[Vec<f32>], student: &[f32], classes: usize) -> (Vec<Vec<f32>>, Vec<f32>) {
    let mut refined: Vec<Vec<f32>> = Vec::with_capacity(sets.len());
    let mut weights = vec![1.0f32; sets.len()];
    let mut by_class: Vec<Vec<(f32, usize)>> = vec![Vec::new(); classes];
    for (item, (set, believed)) in sets.iter().zip(student.chunks_exact(classes)).enumerate() {
        let best = largest(believed);
        let inside: f32 = set.iter().zip(believed).filter(|pair| *pair.0 > 0.0).map(|pair| *pair.1).sum();
        let row: Vec<f32> = set.iter().zip(believed).map(|(s, b)| if *s > 0.0 { b / inside.max(1e-6) } else { 0.0 }).collect();
        if set[best] > 0.0 {
            let loss = row.iter().zip(believed).map(|(share, belief)| -share * belief.max(1e-6).ln()).sum::<f32>();
            by_class[best].push((loss, item));
            refined.push(row);
        } else if believed[best] > OVERRULES {
            refined.push((0..classes).map(|class| f32::from(u8::from(class == best))).collect());
        } else {
            weights[item] = inside.max(0.01);
            refined.push(if inside > 1e-6 { row } else { set.clone() });
        }
    }
    for items in &mut by_class {
        items.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let sure = (items.len() as f64 * SURE_SHARE) as usize;
        for &(_, item) in &items[..sure] {
            let row = &mut refined[item];
            row.iter_mut().for_each(|share| *share = share.powf(SHARPER));
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|share| *share /= sum);
        }
    }
    (refined, weights)
}
/// For every loss, the probability that it belongs to the lower of two normal distributions that mix to all of them, by
/// expectation-maximisation on losses scaled to [0, 1] (the noise filter of FreeAL, Xiao et al. 2023, and DivideMix,
/// Li et al. 2020).
///
/// It supposes that right and wrong labels make two heaps. Where all losses are alike, all are taken for right.
pub(crate) fn mixture(losses: &[f64]) -> Vec<f32> {
    let (low, high) = losses.iter().fold((f64::MAX, f64::MIN), |(low, high), &loss| (low.min(loss), high.max(loss)));
    if losses.is_empty() || high - low < 1e-9 {
        return vec![1.0; losses.len()];
    }
    let scaled: Vec<f64> = losses.iter().map(|loss| (loss - low) / (high - low)).collect();
    // Keeps a heap from collapsing to a point; the constant of the reference program.
    const FLOOR: f64 = 5e-4;
    let (mut mean, mut variance, mut share) = ([0.1, 0.8], [0.04, 0.04], [0.7, 0.3]);
    let mut lower = vec![0.0f64; scaled.len()];
    for _ in 0..50 {
        let mut sums = [(0.0, 0.0, 0.0); 2];
        for (chance, &x) in lower.iter_mut().zip(&scaled) {
            let density = [0, 1].map(|heap| {
                let distance: f64 = x - mean[heap];
                f64::ln(share[heap]) - 0.5 * f64::ln(variance[heap]) - 0.5 * distance * distance / variance[heap]
            });
            *chance = 1.0 / (1.0 + (density[1] - density[0]).exp());
            for (sum, weight) in sums.iter_mut().zip([*chance, 1.0 - *chance]) {
                *sum = (sum.0 + weight, sum.1 + weight * x, sum.2 + weight * x * x);
            }
        }
        let before = mean;
        for heap in 0..2 {
            let (total, first, second) = sums[heap];
            if total < 1e-6 {
                continue;
            }
            share[heap] = (total / scaled.len() as f64).clamp(1e-6, 1.0);
            mean[heap] = first / total;
            variance[heap] = (second / total - mean[heap] * mean[heap]).max(0.0) + FLOOR;
        }
        if (mean[0] - before[0]).abs() + (mean[1] - before[1]).abs() < 1e-6 {
            break;
        }
    }
    let flip = mean[0] > mean[1];
    lower.iter().map(|&chance| if flip { 1.0 - chance as f32 } else { chance as f32 }).collect()
}

