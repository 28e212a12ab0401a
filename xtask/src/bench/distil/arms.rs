//! The ways to teach that are measured: those of the engine, and others that lost to them.

use postil_core::Class;
use postil_student::Result;
use postil_student::text::{Certain, Distillation, Fitted, Target, Trainer};

use super::best;
use super::sets::Beliefs;

/// Gold labels that the choice is made by.
const GOLD: usize = 50;

/// A way to teach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arm {
    /// One of the engine's.
    Way(Distillation),
    /// Whatever the engine chooses by fifty gold labels, which are then taught as well.
    Chosen,
    /// The usual way with the same fifty gold labels.
    WithGold,
    /// The surer half of each label's texts alone, by their likeliest label (LMTurk, Zhao et al. 2022).
    Selected,
    /// The likeliest label, weighted by what a first student that has not seen it gives it (small loss).
    Doubted,
    /// The logarithm of the summed probability of all possible labels.
    Partial,
}

/// What is taught.
pub(super) struct Lesson<'a> {
    pub(super) texts: &'a [&'a str],
    pub(super) targets: &'a [Target],
    /// The truth, of which an arm may look at fifty.
    pub(super) truth: &'a [Class],
}

impl Arm {
    pub(super) const USUAL: Self = Self::Way(Distillation::Sharp);

    pub(super) const ALL: [Self; 10] = [
        Self::USUAL,
        Self::Way(Distillation::Soft),
        Self::Way(Distillation::Hard),
        Self::Way(Distillation::Weighted),
        Self::Way(Distillation::Candidates),
        Self::Partial,
        Self::Selected,
        Self::Doubted,
        Self::WithGold,
        Self::Chosen,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Way(way) => way.name(),
            Self::Chosen => "chosen",
            Self::WithGold => "with-gold",
            Self::Selected => "selected",
            Self::Doubted => "doubted",
            Self::Partial => "partial",
        }
    }

    /// Whether it differs from the usual way: where all labels are as sure as each other, few do.
    pub(super) fn suits(self, beliefs: &Beliefs) -> bool {
        let sure = beliefs.iter().flatten().all(|row| row.iter().any(|&share| share > 0.999));
        !sure || self == Self::USUAL || matches!(self, Self::Way(Distillation::Candidates) | Self::Doubted)
    }

    pub(super) fn teach(self, trainer: &Trainer, lesson: &Lesson<'_>) -> Result<Fitted> {
        let Lesson { texts, targets, truth } = *lesson;
        let beliefs: Vec<&Vec<f32>> =
            targets.iter().filter_map(|target| if let Target::Soft(row) = target { Some(row) } else { None }).collect();
        let likeliest = || -> Vec<Target> { beliefs.iter().map(|row| Target::Hard(best(row))).collect() };
        match self {
            Self::Way(way) => trainer.distil(texts, targets, way),
            Self::Chosen | Self::WithGold => {
                let step = (texts.len() / GOLD).max(1);
                let mut known = targets.to_vec();
                let certain: Vec<Certain> = (0..texts.len())
                    .step_by(step)
                    .take(GOLD)
                    .map(|row| Certain { row, class: truth[row], weight: 1.0 })
                    .collect();
                certain.iter().for_each(|one| known[one.row] = Target::Hard(one.class));
                let way = match self {
                    Self::Chosen => trainer.choose_distillation(texts, &known, &certain)?.way,
                    _ => Distillation::default(),
                };
                trainer.distil(texts, &known, way)
            }
            Self::Selected => {
                let classes = beliefs.first().map_or(0, |row| row.len());
                let mut by_class = vec![Vec::new(); classes];
                for (item, row) in beliefs.iter().enumerate() {
                    let class = usize::from(best(row));
                    by_class[class].push((row[class], item));
                }
                let mut chosen = Vec::new();
                for own in &mut by_class {
                    own.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
                    chosen.extend(own.iter().take(own.len().div_ceil(2)).map(|one| one.1));
                }
                chosen.sort_unstable();
                let texts: Vec<&str> = chosen.iter().map(|&item| texts[item]).collect();
                let targets: Vec<Target> = chosen.iter().map(|&item| Target::Hard(best(beliefs[item]))).collect();
                trainer.fit(&texts, &targets, None)
            }
            Self::Doubted => {
                let labels = likeliest();
                let first = trainer.fit(texts, &labels, None)?;
                let classes = first.model.labels().len();
                let rows = first.out_of_fold.chunks_exact(classes).zip(&beliefs);
                let weights: Vec<f32> = rows.map(|(row, belief)| row[usize::from(best(belief))].max(0.01)).collect();
                trainer.fit(texts, &labels, Some(&weights))
            }
            Self::Partial => {
                let sets = beliefs.iter().map(|row| {
                    let least = 0.5 * row[usize::from(best(row))];
                    Target::Candidates(
                        (0..row.len() as Class).filter(|&class| row[usize::from(class)] >= least).collect(),
                    )
                });
                trainer.fit(texts, &sets.collect::<Vec<_>>(), None)
            }
        }
    }
}
