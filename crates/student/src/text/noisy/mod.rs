//! Learning from labels some of which are wrong: what a language model, a crowd or a rule said.
//!
//! ```text
//! labels ──▶ plain model ──▶ out-of-fold probabilities ──▶ remedy ──▶ targets and weights ──▶ model
//!                                    ▲                       ▲
//!              no model has seen the label it judges    chosen by rehearsal: the whole chain inside a cross-validation
//! ```
//!
//! ```
//! use postil_student::text::noisy::{NoisyOptions, Remedy};
//! use postil_student::text::{Head, Target, Trainer};
//!
//! let texts = ["refund my card", "the app crashes", "card charged twice", "crash at login"];
//! let targets = [0, 1, 0, 1].map(Target::Hard);
//! let trainer = Trainer::new(["billing", "bug"], Head::Softmax)?;
//! let learnt = trainer.fit_noisy(&texts, &targets, None, &NoisyOptions::new().remedy(Remedy::Mixture))?;
//! assert_eq!(learnt.remedy, Remedy::Mixture);
//! # Ok::<(), postil_student::Error>(())
//! ```

mod explained;
mod noise;
mod remedy;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::fit::{Fitted, Folds, Material, Recipe, Trainer};
use super::quality::{Quality, largest};
use super::target::{Head, Target, Targets};
use crate::error::{Error, Result};
use explained::explained;
use noise::{Evidence, confusions};
pub use remedy::Remedy;
use remedy::{Treated, treat};

/// How to learn from labels some of which are wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoisyOptions {
    remedy: Option<Remedy>,
    gold: Vec<(usize, u16)>,
}

impl NoisyOptions {
    /// The defaults: the remedy is chosen.
    pub fn new() -> Self {
        Self::default()
    }

    /// This remedy, whatever the rehearsal would say of it.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Texts, by position, whose true class is known. They help to choose the remedy and are not learnt from.
    #[must_use]
    pub fn gold(mut self, gold: Vec<(usize, u16)>) -> Self {
        self.gold = gold;
        self
    }
}

/// How a remedy did in rehearsal: on texts that neither the model nor what it learned from had seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemedyTrial {
    /// The remedy.
    pub remedy: Remedy,
    /// Its figures against the labels as they are given, right or wrong, at the best temperature.
    pub given: Quality,
    /// How well its probabilities explain the given labels, when labels go wrong by class: the mean negative logarithm
    /// of the given label's probability, in nats.
    pub explained: f64,
    /// By how much that is better than for the plain training, and the standard error of the difference.
    pub gain: (f64, f64),
    /// The share of the gold texts that it labels rightly, its difference to that of the plain training, and the standard
    /// error of the difference.
    pub gold: Option<(f64, f64, f64)>,
}

/// A model that learned from labels some of which are wrong.
#[derive(Debug)]
pub struct NoisyFitted {
    /// The model; its report's figures refer to the targets after the remedy.
    pub fitted: Fitted,
    /// The remedy that was used.
    pub remedy: Remedy,
    /// The rehearsal of every remedy that applies; empty if one was asked for.
    pub trials: Vec<RemedyTrial>,
    /// The targets after the remedy.
    pub targets: Vec<Target>,
    /// The weights after the remedy.
    pub weights: Vec<f32>,
    /// The share of labels that confident learning takes for wrong, by the plain model.
    pub rate: f64,
}

impl Trainer {
    /// Trains on labels some of which may be wrong: plainly first, and again with the remedy that a rehearsal by
    /// cross-validation found to pay, if one did.
    ///
    /// Cost: two trainings and, where the remedy is to be chosen, about ten further fits of one linear model for
    /// every fold. The result is the same for any number of threads.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; a multi-label head, to which no remedy applies; gold outside the texts or labels.
    pub fn fit_noisy(
        &self,
        texts: &[&str],
        targets: &[Target],
        weights: Option<&[f32]>,
        options: &NoisyOptions,
    ) -> Result<NoisyFitted> {
        if self.head == Head::Multilabel {
            return Err(Error::setting("remedies for wrong labels do not apply to a multi-label task"));
        }
        let classes = self.labels.len();
        if let Some(&(text, class)) =
            options.gold.iter().find(|(text, class)| *text >= texts.len() || usize::from(*class) >= classes)
        {
            return Err(
                Error::input(format!("expected gold within the texts and labels, found class {class}")).for_item(text)
            );
        }
        let (plain, recipe) = self.fit_with_recipe(texts, targets, weights)?;
        let weights = weights.map_or_else(|| vec![1.0; texts.len()], <[f32]>::to_vec);
        let stated = self.stated(targets)?;
        let evidence = Evidence { stated: &stated, believed: &plain.out_of_fold, classes };
        let rate = confusions(&evidence).rate;
        let (remedy, trials) = match options.remedy {
            Some(remedy) => (remedy, Vec::new()),
            None => self.rehearse(texts, targets, &weights, recipe, &options.gold)?,
        };
        let unchanged = |fitted, trials, weights| NoisyFitted {
            fitted,
            remedy: Remedy::Plain,
            trials,
            targets: targets.to_vec(),
            weights,
            rate,
        };
        if remedy == Remedy::Plain {
            return Ok(unchanged(plain, trials, weights));
        }
        let Treated { targets: treated, weights: reweighted } = treat(remedy, targets, &weights, &evidence);
        match self.fit(texts, &treated, Some(&reweighted)) {
            Ok(fitted) => Ok(NoisyFitted { fitted, remedy, trials, targets: treated, weights: reweighted, rate }),
            // A remedy that leaves a single class has nothing to teach.
            Err(error) if error.is_input() => Ok(unchanged(plain, trials, weights)),
            Err(error) => Err(error),
        }
    }

    /// What the targets say, as distributions.
    fn stated(&self, targets: &[Target]) -> Result<Vec<f32>> {
        let classes = self.labels.len();
        let checked = Targets::new(targets, None, None, classes, self.head, 0.0)?;
        let mut stated = vec![0.0; targets.len() * classes];
        stated.chunks_exact_mut(classes).enumerate().for_each(|(item, row)| checked.stated(item, row));
        Ok(stated)
    }

    /// Tries every remedy that applies on held-out texts, and chooses.
    fn rehearse(
        &self,
        texts: &[&str],
        targets: &[Target],
        weights: &[f32],
        recipe: Recipe,
        gold: &[(usize, u16)],
    ) -> Result<(Remedy, Vec<RemedyTrial>)> {
        let classes = self.labels.len();
        let class_weights = self.options.class_weights.as_deref();
        let checked = Targets::new(targets, Some(weights), class_weights, classes, self.head, self.options.smoothing)?;
        let folds = Folds::new(texts, &checked, self.folds_for(texts.len()).min(5), self.options.seed);
        let characters = texts.iter().map(|text| text.len()).sum::<usize>() <= 150_000_000;
        let material = self.material(texts, &checked, characters);
        let stage = Stage {
            trainer: self,
            material: &material,
            folds: &folds,
            recipe,
            targets,
            weights,
            stated: self.stated(targets)?,
            splits: (0..folds.count).map(|fold| folds.split(fold)).collect(),
        };
        let judges = stage.judges();
        let remedies = applicable(targets);
        let jobs: Vec<(usize, usize)> =
            (0..remedies.len()).flat_map(|remedy| (0..folds.count).map(move |fold| (remedy, fold))).collect();
        let parts = jobs
            .par_iter()
            .map(|&(remedy, fold)| stage.act(remedies[remedy], fold, &judges[fold]))
            .collect::<Result<Vec<Vec<f32>>>>()?;
        let items: Vec<u32> = (0..texts.len() as u32).collect();
        let mut trials: Vec<RemedyTrial> = Vec::new();
        let candidates = targets.iter().any(|target| matches!(target, Target::Candidates(_)));
        let (mut plain_losses, mut plain_hits): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        for (at, &remedy) in remedies.iter().enumerate() {
            let mut scores = vec![0.0f32; texts.len() * classes];
            for (fold, part) in parts[at * folds.count..][..folds.count].iter().enumerate() {
                for (&item, row) in stage.splits[fold].1.iter().zip(part.chunks_exact(classes)) {
                    scores[item as usize * classes..][..classes].copy_from_slice(row);
                }
            }
            let (_, given, probabilities) = self.weigh(&[&scores], &items, &checked);
            let evidence = Evidence { stated: &stage.stated, believed: &probabilities, classes };
            let losses = if candidates {
                let inside = |(stated, believed): (&[f32], &[f32])| {
                    let sum: f32 = stated.iter().zip(believed).filter(|pair| *pair.0 > 0.0).map(|pair| *pair.1).sum();
                    -f64::from(sum.max(1e-7)).ln()
                };
                evidence.rows().map(inside).collect()
            } else {
                explained(&evidence, folds.of())
            };
            let hits: Vec<f64> = gold
                .iter()
                .map(|&(text, class)| {
                    f64::from(u8::from(largest(&probabilities[text * classes..][..classes]) == usize::from(class)))
                })
                .collect();
            if at == 0 {
                (plain_losses, plain_hits) = (losses.clone(), hits.clone());
            }
            let even = vec![1.0; hits.len()];
            let against = |own: &[f64], plain: &[f64]| plain.iter().zip(own).map(|(p, o)| p - o).collect::<Vec<_>>();
            trials.push(RemedyTrial {
                remedy,
                given,
                explained: mean_and_error(&losses, weights).0,
                gain: mean_and_error(&against(&losses, &plain_losses), weights),
                gold: (!gold.is_empty()).then(|| {
                    let (gain, error) = mean_and_error(&against(&plain_hits, &hits), &even);
                    (mean_and_error(&hits, &even).0, gain, error)
                }),
            });
        }
        Ok((choose(&trials, gold.len()), trials))
    }
}

/// What a rehearsal works with.
struct Stage<'a> {
    trainer: &'a Trainer,
    material: &'a Material<'a>,
    folds: &'a Folds,
    recipe: Recipe,
    targets: &'a [Target],
    weights: &'a [f32],
    stated: Vec<f32>,
    splits: Vec<(Vec<u32>, Vec<u32>)>,
}

/// How long a model in rehearsal trains.
const EPOCHS: usize = 8;

impl Stage<'_> {
    /// For every fold, what models that have seen neither the fold nor the text say about the texts outside of it: a
    /// distribution for each of the training texts of the split. A model without folds `f` and `g` judges `g` for `f` and
    /// `f` for `g`.
    fn judges(&self) -> Vec<Vec<f32>> {
        let (count, classes) = (self.folds.count, self.trainer.labels.len());
        let pairs: Vec<(usize, usize)> =
            (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))).collect();
        let models: Vec<[Vec<f32>; 2]> = pairs
            .par_iter()
            .map(|&(one, other)| {
                let without: Vec<u32> = self.splits[one]
                    .0
                    .iter()
                    .copied()
                    .filter(|text| self.splits[other].1.binary_search(text).is_err())
                    .collect();
                [one, other].map(|fold| {
                    if without.is_empty() {
                        return vec![0.0; self.splits[fold].1.len() * classes];
                    }
                    self.material.held_out(self.recipe, &without, &self.splits[fold].1, EPOCHS)
                })
            })
            .collect();
        (0..count)
            .map(|fold| {
                let mut by_text = vec![0.0f32; self.targets.len() * classes];
                for (&(one, other), scores) in pairs.iter().zip(&models) {
                    let (judged, scores) = match fold {
                        _ if fold == one => (other, &scores[1]),
                        _ if fold == other => (one, &scores[0]),
                        _ => continue,
                    };
                    for (&text, row) in self.splits[judged].1.iter().zip(scores.chunks_exact(classes)) {
                        by_text[text as usize * classes..][..classes].copy_from_slice(row);
                    }
                }
                let train = &self.splits[fold].0;
                let scores: Vec<f32> = train
                    .iter()
                    .flat_map(|&text| by_text[text as usize * classes..][..classes].iter().copied())
                    .collect();
                self.trainer.weigh(&[&scores], train, self.material.targets).2
            })
            .collect()
    }

    /// The scores of the texts of a fold by a model that learned from the others through the remedy.
    fn act(&self, remedy: Remedy, fold: usize, judge: &[f32]) -> Result<Vec<f32>> {
        let (train, held) = &self.splits[fold];
        let classes = self.trainer.labels.len();
        let targets: Vec<Target> = train.iter().map(|&text| self.targets[text as usize].clone()).collect();
        let weights: Vec<f32> = train.iter().map(|&text| self.weights[text as usize]).collect();
        let stated: Vec<f32> =
            train.iter().flat_map(|&text| self.stated[text as usize * classes..][..classes].iter().copied()).collect();
        let treated = treat(remedy, &targets, &weights, &Evidence { stated: &stated, believed: judge, classes });
        let (mut all, mut importance) = (self.targets.to_vec(), vec![0.0f32; self.targets.len()]);
        for ((&text, target), weight) in train.iter().zip(treated.targets).zip(treated.weights) {
            all[text as usize] = target;
            importance[text as usize] = weight;
        }
        let options = &self.trainer.options;
        let checked = match Targets::new(
            &all,
            Some(&importance),
            options.class_weights.as_deref(),
            classes,
            self.trainer.head,
            options.smoothing,
        ) {
            Ok(checked) => checked,
            // No weight is left at all: this remedy has nothing to say here.
            Err(error) if error.is_input() => return Ok(vec![0.0; held.len() * classes]),
            Err(error) => return Err(error),
        };
        Ok(self.material.against(&checked).held_out(self.recipe, train, held, EPOCHS))
    }
}

/// The remedies that mean something for these targets.
fn applicable(targets: &[Target]) -> Vec<Remedy> {
    let candidates = targets.iter().any(|target| matches!(target, Target::Candidates(classes) if classes.len() > 1));
    let soft = targets.iter().any(|target| matches!(target, Target::Soft(_)));
    let mut remedies = vec![Remedy::Plain];
    if candidates {
        remedies.push(Remedy::Refinery);
        return remedies;
    }
    remedies.extend([Remedy::Mixture, Remedy::Confident, Remedy::SmallLoss, Remedy::Bootstrap, Remedy::Posterior]);
    if soft {
        remedies.push(Remedy::Certainty);
    }
    remedies
}

/// A weighted mean and its standard error.
fn mean_and_error(values: &[f64], weights: &[f32]) -> (f64, f64) {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let mean = values.iter().zip(weights).map(|(value, &weight)| value * f64::from(weight)).sum::<f64>() / total;
    let square: f64 =
        values.iter().zip(weights).map(|(value, &weight)| (f64::from(weight) * (value - mean)).powi(2)).sum();
    (mean, square.sqrt() / total)
}

/// So many gold texts decide; fewer are too few to tell remedies apart.
pub const ENOUGH_GOLD: usize = 30;
/// By so many standard errors a remedy must explain the given labels better than plain training does: the best of
/// several is better than one of them by luck alone.
const SURE: f64 = 2.0;

/// The remedy that explains the given labels best, if it surely beats plain training; enough gold may overrule it.
fn choose(trials: &[RemedyTrial], gold: usize) -> Remedy {
    let plain = &trials[0];
    let mut best = plain;
    for trial in trials {
        if trial.gain.0 > best.gain.0 && trial.gain.0 > SURE * trial.gain.1 {
            best = trial;
        }
    }
    if gold < ENOUGH_GOLD {
        return best.remedy;
    }
    let on_gold = |trial: &RemedyTrial| trial.gold.unwrap_or((0.0, 0.0, 0.0));
    if on_gold(best).1 < -on_gold(best).2 {
        best = plain;
    }
    for trial in trials {
        let (_, gain, error) = on_gold(trial);
        if gain > on_gold(best).1 && gain > SURE * error {
            best = trial;
        }
    }
    best.remedy
}
