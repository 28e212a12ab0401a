//! Students of labels that are only probable: what a language model, a crowd or a consensus believes.
//!
//! A target that is [`Target::Hard`] or a set is certain and stays as it is; every other one is a belief, of which a
//! student can be told more or less.

mod choose;

use serde::{Deserialize, Serialize};

pub use choose::{Certain, Teaching};

use super::fit::{Fitted, Trainer};
use super::quality::largest;
use super::target::{Head, Target};
use crate::error::{Error, Result};

/// What a student is told of beliefs about labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distillation {
    /// The likeliest label, as if it were certain.
    Hard,
    /// The likeliest label, counting for as much as it is likelier than chance: `(p - 1/k) / (1 - 1/k)`.
    Weighted,
    /// The probabilities (Hinton, Vinyals and Dean 2015).
    Soft,
    /// The squares of the probabilities, scaled to one: between the two before.
    #[default]
    Sharp,
    /// The labels that are possible, with shares that a first student gives them (CanDist, Xia et al. 2025).
    Candidates,
}

impl Distillation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hard, Self::Weighted, Self::Soft, Self::Sharp, Self::Candidates];

    /// The name that users see and write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Weighted => "weighted",
            Self::Soft => "soft",
            Self::Sharp => "sharp",
            Self::Candidates => "candidates",
        }
    }
}

/// A label is possible that is at least half as likely as the likeliest.
const POSSIBLE: f32 = 0.5;
/// The least weight of a text: none is lost.
const LEAST_WEIGHT: f32 = 0.01;

impl Trainer {
    /// Trains on beliefs in the given way; certain targets are learnt as they are.
    ///
    /// Cost: one training, two for [`Distillation::Candidates`].
    ///
    /// # Errors
    /// As [`Trainer::fit`]; for the multi-label head, any way but [`Distillation::Soft`].
    pub fn distil(&self, texts: &[&str], targets: &[Target], way: Distillation) -> Result<Fitted> {
        let classes = self.labels().len();
        if way == Distillation::Soft {
            return self.fit(texts, targets, None);
        }
        if self.head() == Head::Multilabel {
            return Err(Error::setting(format!(
                "expected the way `soft` for a multi-label task, found `{}`",
                way.name()
            )));
        }
        // What fits no label is refused by the training, which knows how to say it.
        if targets.iter().any(|target| matches!(target, Target::Soft(shares) if shares.len() != classes)) {
            return self.fit(texts, targets, None);
        }
        let told = |tell: &dyn Fn(&[f32]) -> Vec<f32>| -> Vec<Target> {
            targets
                .iter()
                .map(|target| belief(target, classes).map_or(target.clone(), |row| Target::Soft(tell(&row))))
                .collect()
        };
        match way {
            Distillation::Hard | Distillation::Soft => self.fit(texts, &told(&likeliest), None),
            Distillation::Weighted => {
                let chance = 1.0 / classes as f32;
                let weight = |row: Vec<f32>| ((row[largest(&row)] - chance) / (1.0 - chance)).max(LEAST_WEIGHT);
                let weights: Vec<f32> =
                    targets.iter().map(|target| belief(target, classes).map_or(1.0, weight)).collect();
                self.fit(texts, &told(&likeliest), Some(&weights))
            }
            Distillation::Sharp => {
                let square = |row: &[f32]| row.iter().map(|share| share * share).collect();
                self.fit(texts, &told(&square), None)
            }
            Distillation::Candidates => {
                let sets = told(&possible);
                let first = self.fit(texts, &sets, None)?;
                let (refined, weights) = refine(&sets, &first.out_of_fold, classes);
                self.fit(texts, &refined, Some(&weights))
            }
        }
    }
}

/// The distribution that a target believes in; `None` for a certain one.
fn belief(target: &Target, classes: usize) -> Option<Vec<f32>> {
    match target {
        Target::Soft(shares) => Some(shares.clone()),
        Target::Candidates(set) => {
            let mut row = vec![0.0; classes];
            for &class in set {
                *row.get_mut(usize::from(class))? = 1.0 / set.len() as f32;
            }
            Some(row)
        }
        Target::Hard(_) | Target::Set(_) => None,
    }
}

fn likeliest(row: &[f32]) -> Vec<f32> {
    let best = largest(row);
    (0..row.len()).map(|class| f32::from(u8::from(class == best))).collect()
}

/// The possible labels, each with the same share.
fn possible(row: &[f32]) -> Vec<f32> {
    let least = POSSIBLE * row[largest(row)];
    row.iter().map(|&share| f32::from(u8::from(share >= least && share > 0.0))).collect()
}

/// The share of the sets in agreement with the student, by predicted class, that are sharpened, and by what power.
const SURE_SHARE: f64 = 0.5;
const SHARPER: f32 = 2.0;
/// How sure the student must be to overrule a set.
const OVERRULES: f32 = 0.95;

/// The distribution refinery of CanDist, with probabilities of a student that has not learnt from the text: within a set
/// the student's shares; the surest half of every predicted class sharpened; a sure student overrules a set. Where it
/// contradicts a set without being sure, the paper drops the text; here it counts as much as the student grants the set.
fn refine(sets: &[Target], student: &[f32], classes: usize) -> (Vec<Target>, Vec<f32>) {
    let mut refined = sets.to_vec();
    let mut weights = vec![1.0f32; sets.len()];
    let mut by_class: Vec<Vec<(f32, usize)>> = vec![Vec::new(); classes];
    for (item, (target, believed)) in refined.iter_mut().zip(student.chunks_exact(classes)).enumerate() {
        let Target::Soft(set) = target else { continue };
        let best = largest(believed);
        if set[best] == 0.0 && believed[best] > OVERRULES {
            *set = likeliest(believed);
            continue;
        }
        let inside: f32 = set.iter().zip(believed).filter(|pair| *pair.0 > 0.0).map(|pair| *pair.1).sum();
        if inside > 1e-6 {
            set.iter_mut()
                .zip(believed)
                .filter(|pair| *pair.0 > 0.0)
                .for_each(|(share, belief)| *share = belief / inside);
        }
        if set[best] > 0.0 {
            let loss = set.iter().zip(believed).map(|(share, belief)| -share * belief.max(1e-6).ln()).sum::<f32>();
            by_class[best].push((loss, item));
        } else {
            weights[item] = inside.max(LEAST_WEIGHT);
        }
    }
    for items in &mut by_class {
        items.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        for &(_, item) in &items[..(items.len() as f64 * SURE_SHARE) as usize] {
            if let Target::Soft(shares) = &mut refined[item] {
                shares.iter_mut().for_each(|share| *share = share.powf(SHARPER));
            }
        }
    }
    (refined, weights)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    #[test]
    fn a_set_is_refined_by_the_student_and_doubtful_ones_keep_some_weight() {
        let sets = [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]].map(|set| Target::Soft(set.to_vec()));
        let student = [0.6, 0.2, 0.2, 0.3, 0.4, 0.3, 0.01, 0.01, 0.98];
        let (refined, weights) = refine(&sets, &student, 3);
        let shares = |at: usize| match &refined[at] {
            Target::Soft(shares) => shares.clone(),
            other => panic!("{other:?}"),
        };
        assert!((shares(0)[0] - 0.75).abs() < 1e-6 && (shares(0)[1] - 0.25).abs() < 1e-6 && shares(0)[2] == 0.0);
        assert_eq!((shares(1), shares(2)), (vec![1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0]));
        assert_eq!(weights, [1.0, 0.3, 1.0]);
    }

    /// Texts of three subjects about which a teacher is sure of one label or hesitates between the right one and another.
    fn lesson(seed: u64) -> (Vec<String>, Vec<Target>, Vec<usize>) {
        let subjects = [["parcel", "late", "courier"], ["refund", "card", "invoice"], ["crash", "login", "screen"]];
        let mut random = Random::new(seed);
        let (mut texts, mut targets, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..120 {
            let class = row % 3;
            let words: Vec<&str> = (0..4).map(|_| subjects[class][random.below(3)]).collect();
            texts.push(format!("{} {row}", words.join(" ")));
            let mut shares = vec![0.05; 3];
            shares[class] = 0.5;
            shares[(class + 1) % 3] = if row % 4 == 0 { 0.55 } else { 0.1 };
            targets.push(if row % 10 == 9 { Target::Hard(class as u16) } else { Target::Soft(shares) });
            truth.push(class);
        }
        (texts, targets, truth)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]
        #[test]
        fn every_way_teaches_and_is_the_same_again(seed in 0u64..40, way in 0usize..5) {
            let (texts, targets, truth) = lesson(seed);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let trainer = Trainer::new(["delivery", "billing", "bug"], Head::Softmax).unwrap();
            let fitted = trainer.distil(&texts, &targets, Distillation::ALL[way]).unwrap();
            let right = fitted.out_of_fold.chunks_exact(3).zip(&truth).filter(|(row, class)| largest(row) == **class).count();
            prop_assert!(right > 90, "{}: {right}", Distillation::ALL[way].name());
            for row in fitted.out_of_fold.chunks_exact(3) {
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-3);
            }
            let again = trainer.distil(&texts, &targets, Distillation::ALL[way]).unwrap();
            prop_assert!(again.model.as_bytes() == fitted.model.as_bytes());
        }
    }

    #[test]
    fn sets_of_labels_are_taught_softly_or_not_at_all() {
        let trainer = Trainer::new(["a", "b"], Head::Multilabel).unwrap();
        let targets = [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.2, 0.7]].map(|shares| Target::Soft(shares.to_vec()));
        let texts = ["red apple", "blue sky", "red car", "blue sea"];
        assert!(trainer.distil(&texts, &targets, Distillation::Soft).is_ok());
        assert!(trainer.distil(&texts, &targets, Distillation::Hard).unwrap_err().to_string().contains("multi-label"));
        let wrong = [Target::Soft(vec![1.0; 3]), Target::Hard(0), Target::Hard(1), Target::Hard(0)];
        let trainer = Trainer::new(["a", "b"], Head::Softmax).unwrap();
        assert_eq!(trainer.distil(&texts, &wrong, Distillation::Sharp).unwrap_err().item(), Some(0));
    }
}
