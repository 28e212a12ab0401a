//! The remedies: from labels and a model's doubts to the targets and weights of the next training.

use serde::{Deserialize, Serialize};

use super::super::quality::largest;
use super::super::target::Target;
use super::noise::{Confusions, Evidence, confusions, mixture, unfold};

/// A way to learn from labels some of which are wrong.
///
/// All of them start from probabilities by models that have not seen the label in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The labels as they are.
    Plain,
    /// Every label weighs as much as it is likely to be among those of small loss, of two heaps of losses (FreeAL).
    Mixture,
    /// Labels that confident learning takes for another class weigh as much as the model believes them.
    Confident,
    /// Within each class the labels of the largest losses lose their weight, by as much as confident learning takes for
    /// wrong in that class.
    SmallLoss,
    /// The target is a mixture of the label and the model's opinion (Reed et al. 2015), the more of the latter the more
    /// labels are taken for wrong.
    Bootstrap,
    /// The target is the distribution of the class that is meant, given the label and the model, when labels are given
    /// by the estimated confusions.
    Posterior,
    /// For labels that are distributions: the likeliest class alone, weighted by how sure it is.
    Certainty,
    /// For sets of candidates: the target is the model's opinion within the set; sets that the model contradicts lose
    /// weight, and the surest answers are sharpened (the distribution refinery of CanDist, Xia et al. 2025).
    Refinery,
}

impl Remedy {
    /// All of them, the plain one first.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Mixture,
        Self::Confident,
        Self::SmallLoss,
        Self::Bootstrap,
        Self::Posterior,
        Self::Certainty,
        Self::Refinery,
    ];

    /// The name that users see and write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Mixture => "mixture",
            Self::Confident => "confident",
            Self::SmallLoss => "small-loss",
            Self::Bootstrap => "bootstrap",
            Self::Posterior => "posterior",
            Self::Certainty => "certainty",
            Self::Refinery => "refinery",
        }
    }
}

/// What the next training learns from.
pub(crate) struct Treated {
    pub(crate) targets: Vec<Target>,
    pub(crate) weights: Vec<f32>,
}

/// Applies a remedy to labels with these targets and weights.
pub(crate) fn treat(remedy: Remedy, targets: &[Target], weights: &[f32], evidence: &Evidence) -> Treated {
    let kept = |factors: Vec<f32>| Treated {
        targets: targets.to_vec(),
        weights: weights.iter().zip(factors).map(|(weight, factor)| weight * factor.max(0.0)).collect(),
    };
    let replaced = |targets: Vec<Target>| Treated { targets, weights: weights.to_vec() };
    match remedy {
        Remedy::Plain => kept(vec![1.0; targets.len()]),
        Remedy::Mixture => kept(mixture(&evidence.losses())),
        Remedy::Confident => kept(confident(evidence, &confusions(evidence))),
        Remedy::SmallLoss => kept(small_loss(evidence, &confusions(evidence))),
        Remedy::Bootstrap => replaced(bootstrap(evidence, &confusions(evidence))),
        Remedy::Posterior => replaced(posterior(evidence, &confusions(evidence))),
        Remedy::Certainty => certainty(weights, evidence),
        Remedy::Refinery => refinery(targets, weights, evidence),
    }
}

fn confident(evidence: &Evidence, confusions: &Confusions) -> Vec<f32> {
    evidence
        .rows()
        .map(|(stated, believed)| {
            let given = largest(stated);
            let other = (0..evidence.classes)
                .any(|class| class != given && believed[class] >= confusions.thresholds[class].max(believed[given]));
            if other { stated.iter().zip(believed).map(|(share, belief)| share * belief).sum() } else { 1.0 }
        })
        .collect()
}

fn small_loss(evidence: &Evidence, confusions: &Confusions) -> Vec<f32> {
    let losses = evidence.losses();
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); evidence.classes];
    for (item, (stated, _)) in evidence.rows().enumerate() {
        by_class[largest(stated)].push(item as u32);
    }
    let mut weights = vec![1.0f32; losses.len()];
    for (class, items) in by_class.iter_mut().enumerate() {
        let wrong = confusions.wrong[class].min(0.5);
        if wrong <= 0.0 {
            continue;
        }
        items.sort_by(|&a, &b| losses[a as usize].total_cmp(&losses[b as usize]).then(a.cmp(&b)));
        // From weight 1 to weight 0 along twice the share that is wrong: the share itself is lost in all.
        for (rank, &item) in items.iter().enumerate() {
            let from_the_end = (items.len() - rank) as f64 - 0.5;
            let along = from_the_end / (2.0 * wrong * items.len() as f64);
            weights[item as usize] = along.min(1.0) as f32;
        }
    }
    weights
}

fn bootstrap(evidence: &Evidence, confusions: &Confusions) -> Vec<Target> {
    let share = confusions.rate.clamp(0.05, 0.5) as f32;
    let mixed = |(stated, believed): (&[f32], &[f32])| {
        Target::Soft(stated.iter().zip(believed).map(|(s, b)| (1.0 - share) * s + share * b).collect())
    };
    evidence.rows().map(mixed).collect()
}

fn posterior(evidence: &Evidence, confusions: &Confusions) -> Vec<Target> {
    let classes = evidence.classes;
    let mut meant = vec![0.0f64; classes];
    evidence
        .rows()
        .map(|(stated, believed)| {
            unfold(believed, confusions, &mut meant);
            let mut target = vec![0.0f64; classes];
            for given in (0..classes).filter(|&given| stated[given] > 0.0) {
                let chance = |class: usize| meant[class] * confusions.given_meant[class * classes + given];
                let sum: f64 = (0..classes).map(chance).sum();
                for class in 0..classes {
                    target[class] += f64::from(stated[given]) * chance(class) / sum.max(1e-300);
                }
            }
            let sum: f64 = target.iter().sum();
            if sum.is_finite() && sum > 0.5 {
                Target::Soft(target.iter().map(|share| *share as f32).collect())
            } else {
                Target::Soft(stated.to_vec())
            }
        })
        .collect()
}

fn certainty(weights: &[f32], evidence: &Evidence) -> Treated {
    let even = 1.0 / evidence.classes as f32;
    let (targets, factors): (Vec<Target>, Vec<f32>) = evidence
        .rows()
        .map(|(stated, _)| {
            let best = largest(stated);
            (Target::Hard(best as u16), ((stated[best] - even) / (1.0 - even)).max(1e-3))
        })
        .unzip();
    Treated { targets, weights: weights.iter().zip(factors).map(|(weight, factor)| weight * factor).collect() }
}

/// The share of the sets in agreement with the model, by predicted class, whose targets are sharpened.
const SURE_SHARE: f64 = 0.5;
/// By what power.
const SHARPER: f32 = 2.0;
/// How sure the model must be to overrule a set.
const OVERRULES: f32 = 0.95;

fn refinery(targets: &[Target], weights: &[f32], evidence: &Evidence) -> Treated {
    let mut refined: Vec<Vec<f32>> = Vec::with_capacity(targets.len());
    let mut factors = vec![1.0f32; targets.len()];
    let mut by_class: Vec<Vec<(f32, usize)>> = vec![Vec::new(); evidence.classes];
    for (item, (stated, believed)) in evidence.rows().enumerate() {
        let best = largest(believed);
        let inside: f32 = stated.iter().zip(believed).filter(|pair| *pair.0 > 0.0).map(|pair| *pair.1).sum();
        let within = |(stated, belief): (&f32, &f32)| if *stated > 0.0 { belief / inside.max(1e-6) } else { 0.0 };
        if stated[best] > 0.0 {
            let row: Vec<f32> = stated.iter().zip(believed).map(within).collect();
            let loss = row.iter().zip(believed).map(|(share, belief)| -share * belief.max(1e-6).ln()).sum::<f32>();
            by_class[best].push((loss, item));
            refined.push(row);
        } else if believed[best] > OVERRULES {
            refined.push((0..evidence.classes).map(|class| f32::from(u8::from(class == best))).collect());
        } else {
            // The paper drops these sets; by weight they still count for what the model grants them.
            factors[item] = inside;
            let row: Vec<f32> = stated.iter().zip(believed).map(within).collect();
            refined.push(if inside > 1e-6 { row } else { stated.to_vec() });
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
    Treated {
        targets: refined.into_iter().map(Target::Soft).collect(),
        weights: weights.iter().zip(factors).map(|(weight, factor)| weight * factor).collect(),
    }
}
