//! Training: which models, how strong, in which mixture, and the table that they become.

use std::collections::HashMap;

use rayon::prelude::*;

use super::corpus::{Corpus, View};
use super::model::{Description, TextModel};
use super::options::{FitReport, Part, TextOptions, Trial};
use super::quality::{Quality, quality, thresholds};
use super::solver::{Coding, Loss, Plan, Rows, Weights, solve, stride_for};
use super::stack::{Stack, probabilities};
use super::table;
use super::target::{Head, Target, Targets};
use super::weighting::{Scales, Weighting};
use crate::error::{Error, Result};
use crate::random::Random;

/// Trains text classifiers: labels, what kind of decision they are, and settings.
///
/// The model is a sum of linear models over hashed words, word pairs and character n-grams. Which losses and feature
/// weightings take part, how strongly each is regularised and whether character n-grams help is decided by
/// cross-validated log-loss; the mixture and its temperature are fitted on out-of-fold scores. All parts add up to one
/// table, so the mixture costs nothing at prediction.
#[derive(Clone, Debug)]
pub struct Trainer {
    labels: Vec<String>,
    head: Head,
    options: TextOptions,
}

/// A trained model with what training knows about it.
#[derive(Debug)]
pub struct Fitted {
    /// The model.
    pub model: TextModel,
    /// For every training text, the probabilities by models that have not seen it (nor its duplicates):
    /// `labels` values per text, in the order of the texts.
    pub out_of_fold: Vec<f32>,
    /// What was chosen, and why.
    pub report: FitReport,
}

/// A kind of model that may take part.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Recipe {
    loss: Loss,
    weighting: Weighting,
    coding: Coding,
    strength: f32,
}

impl Recipe {
    const fn new(loss: Loss, weighting: Weighting, strength: f32) -> Self {
        Self { loss, weighting, coding: Coding::Classes, strength }
    }

    fn name(self) -> String {
        let loss = match self.loss {
            Loss::Softmax => "softmax",
            Loss::Hinge => "squared hinge",
            Loss::Sigmoid => "sigmoid",
        };
        let weighting = match self.weighting {
            Weighting::Rarity => "rarity",
            Weighting::Ratio => "class ratio",
        };
        let coding = if self.coding == Coding::Borders { " of ordered borders" } else { "" };
        format!("{loss}{coding}, {weighting}")
    }
}

/// The kinds of model per head, with the strength at the middle of the search.
fn recipes(head: Head, classes: usize) -> Vec<Recipe> {
    let softmax = if head == Head::Multilabel { Loss::Sigmoid } else { Loss::Softmax };
    let mut recipes = vec![
        Recipe::new(Loss::Hinge, Weighting::Rarity, 1.0),
        Recipe::new(softmax, Weighting::Rarity, 6.0),
        Recipe::new(Loss::Hinge, Weighting::Ratio, 0.7),
        Recipe::new(softmax, Weighting::Ratio, 4.0),
    ];
    if head == Head::Ordinal && classes > 2 {
        recipes.push(Recipe { coding: Coding::Borders, ..Recipe::new(Loss::Hinge, Weighting::Rarity, 0.5) });
        recipes.push(Recipe { coding: Coding::Borders, ..Recipe::new(Loss::Sigmoid, Weighting::Ratio, 2.0) });
    }
    recipes
}

/// Steps of the search around the middle strength.
const STEPS: [f32; 3] = [0.25, 1.0, 4.0];

/// How much the character n-grams of a text weigh against its words; a quarter to a half did equally well out of fold on four public sets, 1 a little worse.
const CHARACTER_SHARE: f32 = 0.3;

/// The texts as far as the solvers see them, for one view.
struct Material<'a> {
    corpus: Corpus,
    scales: Scales,
    targets: &'a Targets<'a>,
    words: usize,
    seed: u64,
}

impl Material<'_> {
    fn train(&self, recipe: Recipe, chosen: &[u32], epochs: usize) -> (Weights, Vec<f32>) {
        let feature_weights = self.scales.weights(recipe.weighting, &self.corpus, self.targets, chosen);
        let values = self.scales.values(&self.corpus, &feature_weights);
        let rows = Rows {
            starts: &self.corpus.starts,
            columns: &self.corpus.columns,
            values: &values,
            features: self.corpus.features.len(),
        };
        let plan = Plan {
            loss: recipe.loss,
            coding: recipe.coding,
            strength: recipe.strength,
            epochs,
            tolerance: 0.01,
            seed: self.seed,
        };
        (solve(&rows, self.targets, chosen, plan), feature_weights)
    }

    /// The scores of held-out texts by a model of the others.
    fn held_out(&self, recipe: Recipe, train: &[u32], held: &[u32], epochs: usize) -> Vec<f32> {
        let (weights, feature_weights) = self.train(recipe, train, epochs);
        let mut seen = vec![false; self.corpus.features.len()];
        for &text in train {
            self.corpus.row(text as usize).0.iter().for_each(|&column| seen[column as usize] = true);
        }
        let classes = self.targets.classes();
        let mut all = Vec::with_capacity(held.len() * classes);
        let (mut scores, mut values) = (vec![0.0; weights.stride], Vec::new());
        for &text in held {
            let (columns, counts) = self.corpus.row(text as usize);
            let factor = self.scales.held_out_factor(&self.corpus, text as usize, &seen);
            values.clear();
            values.extend(columns.iter().zip(counts).map(|(&column, &count)| {
                if seen[column as usize] { count * factor * feature_weights[column as usize] } else { 0.0 }
            }));
            weights.score(columns, &values, &mut scores);
            all.extend_from_slice(&scores[..classes]);
        }
        all
    }
}

impl Trainer {
    /// A trainer for these labels with default settings.
    ///
    /// # Errors
    /// Fewer than two labels (one is enough for [`Head::Multilabel`]), more than 65,535, or two of the same name.
    pub fn new<S: Into<String>>(labels: impl IntoIterator<Item = S>, head: Head) -> Result<Self> {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let least = if head == Head::Multilabel { 1 } else { 2 };
        if labels.len() < least || labels.len() > usize::from(u16::MAX) {
            return Err(Error::setting(format!("expected {least} to 65535 labels, found {}", labels.len())));
        }
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort_unstable();
        if let Some([twice, _]) = sorted.array_windows().find(|[left, right]| left == right) {
            return Err(Error::setting(format!("expected distinct labels, found `{twice}` twice")));
        }
        Ok(Self { labels, head, options: TextOptions::default() })
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// The same trainer with other settings.
    #[must_use]
    pub fn with_options(mut self, options: TextOptions) -> Self {
        self.options = options;
        self
    }

    /// Trains on texts, one target each, and optionally how much each text counts.
    ///
    /// The result is the same for any number of threads. Cost: about thirty passes of linear training per fold; ten
    /// thousand short texts take some seconds on one core. Memory: about 8 bytes per feature of every text and
    /// 4 bytes per feature and label, once per thread.
    ///
    /// # Errors
    /// Lengths that differ, targets that do not fit the labels or the head, weights that are negative or not finite,
    /// fewer than four texts, no text with words, or only one class in all targets.
    pub fn fit(&self, texts: &[&str], targets: &[Target], weights: Option<&[f32]>) -> Result<Fitted> {
        let classes = self.labels.len();
        self.check(texts, targets)?;
        let checked = Targets::new(
            targets,
            weights,
            self.options.class_weights.as_deref(),
            classes,
            self.head,
            self.options.smoothing,
        )?;
        let prior = prior(&checked, self.head)?;
        let folds = Folds::new(texts, &checked, self.folds_for(texts.len()), self.options.seed);
        let characters = texts.iter().map(|text| text.len()).sum::<usize>() <= MOST_SPELLED_BYTES;
        let mut material = self.material(texts, &checked, characters);
        if material.corpus.features.is_empty() {
            return Err(Error::input("expected some text with words, found none"));
        }

        let mut trials = Vec::new();
        let mut chosen = self.choose(&material, &folds, characters, &mut trials);
        if characters {
            let best = chosen[0];
            let plain = self.material(texts, &checked, false);
            let with = trials.iter().map(|trial: &Trial| trial.quality.log_loss).fold(f64::MAX, f64::min);
            let without = self.attempt(&plain, &folds, best, false);
            let better = without.quality.log_loss < with;
            trials.push(without);
            if better {
                material = plain;
                chosen = self.choose(&material, &folds, false, &mut trials);
            }
        }
        self.assemble(&material, &folds, &chosen, &prior, trials)
    }

    fn check(&self, texts: &[&str], targets: &[Target]) -> Result<()> {
        if texts.len() != targets.len() {
            return Err(Error::input(format!("expected {} targets, found {}", texts.len(), targets.len())));
        }
        if texts.len() < 4 || texts.len() > u32::MAX as usize {
            return Err(Error::input(format!("expected at least 4 texts, found {}", texts.len())));
        }
        if self.options.folds.is_some_and(|folds| !(2..=20).contains(&folds)) {
            return Err(Error::setting("expected 2 to 20 folds"));
        }
        if !(0.0..=0.5).contains(&self.options.smoothing) {
            return Err(Error::setting(format!(
                "expected label smoothing from 0 to 0.5, found {}",
                self.options.smoothing
            )));
        }
        Ok(())
    }

    fn folds_for(&self, texts: usize) -> usize {
        let usual = match texts {
            0..300 => 10,
            300..50_000 => 5,
            _ => 3,
        };
        self.options.folds.unwrap_or(usual).min(texts / 2)
    }

    fn material<'a>(&self, texts: &[&str], targets: &'a Targets<'a>, characters: bool) -> Material<'a> {
        let view = View {
            words: 2,
            characters: characters.then_some((2, 5)),
            occurrences: if texts.len() < 500 { 1 } else { 2 },
            capacity: (MOST_WEIGHTS / stride_for(self.labels.len())).min(4_000_000),
        };
        let corpus = Corpus::read(texts, &view);
        let scales = Scales::measure(&corpus, CHARACTER_SHARE);
        Material { corpus, scales, targets, words: view.words, seed: self.options.seed }
    }

    /// The strength of every kind of model by held-out log-loss, the best kind first.
    fn choose(&self, material: &Material, folds: &Folds, characters: bool, trials: &mut Vec<Trial>) -> Vec<Recipe> {
        let recipes = recipes(self.head, self.labels.len());
        let grid: Vec<Recipe> = recipes
            .iter()
            .flat_map(|recipe| STEPS.map(|step| Recipe { strength: recipe.strength * step, ..*recipe }))
            .collect();
        let tried: Vec<Trial> =
            grid.par_iter().map(|&recipe| self.attempt(material, folds, recipe, characters)).collect();
        let mut best: Vec<(f64, Recipe)> = tried
            .chunks(STEPS.len())
            .zip(grid.chunks(STEPS.len()))
            .filter_map(|(trials, recipes)| {
                let losses = trials.iter().map(|trial| trial.quality.log_loss);
                losses.zip(recipes).map(|(loss, &recipe)| (loss, recipe)).min_by(|a, b| a.0.total_cmp(&b.0))
            })
            .collect();
        best.sort_by(|left, right| left.0.total_cmp(&right.0));
        trials.extend(tried);
        best.into_iter().map(|(_, recipe)| recipe).collect()
    }

    /// One setting on some of the folds: all for small data, one for large.
    fn attempt(&self, material: &Material, folds: &Folds, recipe: Recipe, characters: bool) -> Trial {
        let (mut items, mut scores) = (Vec::new(), Vec::new());
        for fold in 0..folds.tried() {
            let (mut train, held) = folds.split(fold);
            train.truncate(MOST_TRIED);
            scores.extend(material.held_out(recipe, &train, &held, 8));
            items.extend(held);
        }
        let quality = self.weigh(&[&scores], &items, material.targets).1;
        Trial { model: recipe.name(), characters, strength: recipe.strength, quality }
    }

    /// The best weights of a sum of scores, what the sum reaches, and its probabilities.
    fn weigh(&self, models: &[&Vec<f32>], items: &[u32], targets: &Targets) -> (Vec<f64>, Quality, Vec<f32>) {
        let multilabel = self.head == Head::Multilabel;
        let weights = Stack { models, items, targets, multilabel }.fit();
        let mut sum = vec![0.0f32; models[0].len()];
        for (scores, &weight) in models.iter().zip(&weights) {
            sum.iter_mut().zip(*scores).for_each(|(sum, score)| *sum += weight as f32 * score);
        }
        sum.chunks_exact_mut(targets.classes()).for_each(|scores| probabilities(multilabel, scores));
        let cuts = if multilabel { thresholds(&sum, items, targets) } else { Vec::new() };
        let quality = quality(&sum, items, targets, self.head, &cuts);
        (weights, quality, sum)
    }

    fn assemble(
        &self,
        material: &Material,
        folds: &Folds,
        chosen: &[Recipe],
        prior: &[f32],
        trials: Vec<Trial>,
    ) -> Result<Fitted> {
        let classes = self.labels.len();
        let targets = material.targets;
        let jobs: Vec<(usize, usize)> =
            (0..chosen.len()).flat_map(|recipe| (0..folds.count).map(move |fold| (recipe, fold))).collect();
        let parts: Vec<Vec<f32>> = jobs
            .par_iter()
            .map(|&(recipe, fold)| {
                let (train, held) = folds.split(fold);
                material.held_out(chosen[recipe], &train, &held, 15)
            })
            .collect();
        let items: Vec<u32> = (0..targets.len() as u32).collect();
        let mut scores = vec![vec![0.0f32; targets.len() * classes]; chosen.len()];
        for (&(recipe, fold), part) in jobs.iter().zip(&parts) {
            for (&item, row) in folds.split(fold).1.iter().zip(part.chunks_exact(classes)) {
                scores[recipe][item as usize * classes..][..classes].copy_from_slice(row);
            }
        }
        drop(parts);

        let all: Vec<&Vec<f32>> = scores.iter().collect();
        let (first, ..) = self.weigh(&all, &items, targets);
        let loudness = |at: usize| first[at] * root_mean_square(&scores[at]);
        let loudest = (0..chosen.len()).map(loudness).sum::<f64>();
        let kept: Vec<usize> = (0..chosen.len()).filter(|&at| loudness(at) >= 0.04 * loudest).collect();
        let models: Vec<&Vec<f32>> = kept.iter().map(|&at| &scores[at]).collect();
        let (mixture, out_of_fold_quality, mut out_of_fold) = self.weigh(&models, &items, targets);
        for (text, row) in out_of_fold.chunks_exact_mut(classes).enumerate() {
            if material.corpus.row(text).0.is_empty() {
                row.copy_from_slice(prior);
            }
        }
        let cuts = if self.head == Head::Multilabel { thresholds(&out_of_fold, &items, targets) } else { Vec::new() };

        let trained: Vec<(Weights, Vec<f32>)> =
            kept.par_iter().map(|&at| material.train(chosen[at], &items, 15)).collect();
        let linear = table::sum(&trained, &mixture, classes, self.head != Head::Multilabel);
        drop(trained);
        let table = table::build(&material.corpus, &material.scales, &linear, classes, self.options.file_budget);
        let report = FitReport {
            texts: targets.len(),
            features: material.corpus.features.len(),
            kept: table.len(),
            characters: !material.corpus.spellings.is_empty(),
            folds: folds.count,
            trials,
            parts: kept
                .iter()
                .zip(&mixture)
                .map(|(&at, &weight)| Part {
                    model: chosen[at].name(),
                    strength: chosen[at].strength,
                    weight,
                    alone: self.weigh(&[&scores[at]], &items, targets).1,
                })
                .collect(),
            out_of_fold: out_of_fold_quality,
        };
        let description = Description {
            labels: self.labels.clone(),
            head: self.head,
            thresholds: cuts,
            words: material.words,
            characters: report.characters.then_some((2, 5)),
            training: report.clone(),
            notes: serde_json::Value::Null,
        };
        let model = TextModel::assemble(&description, prior, &linear.bias[..classes], &table)?;
        Ok(Fitted { model, out_of_fold, report })
    }
}

/// Past this many bytes of text the character n-grams' memory outweighs their use.
const MOST_SPELLED_BYTES: usize = 150_000_000;
/// Past this many weights of one model in training the rarest features go.
const MOST_WEIGHTS: usize = 64_000_000;
/// The most texts that train a setting on trial.
const MOST_TRIED: usize = 12_000;

fn root_mean_square(values: &[f32]) -> f64 {
    (values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The share of every class, or of every label by itself, with half a text added to each side.
fn prior(targets: &Targets, head: Head) -> Result<Vec<f32>> {
    let classes = targets.classes();
    let (mut sums, mut goal, mut total) = (vec![0.0f64; classes], vec![0.0; classes], 0.0f64);
    for item in 0..targets.len() {
        targets.stated(item, &mut goal);
        let importance = f64::from(targets.importance(item));
        total += importance;
        sums.iter_mut().zip(&goal).for_each(|(sum, &share)| *sum += importance * f64::from(share));
    }
    if head == Head::Multilabel {
        return Ok(sums.iter().map(|sum| ((sum + 0.5) / (total + 1.0)) as f32).collect());
    }
    if sums.iter().filter(|sum| **sum > 1e-6).count() < 2 {
        return Err(Error::input("expected texts of at least two classes, found only one class")
            .hint("there is nothing to learn; add texts with other labels"));
    }
    Ok(sums.iter().map(|sum| ((sum + 0.5) / (total + 0.5 * classes as f64)) as f32).collect())
}

/// Which text is held out when. Every class is spread evenly, and equal texts fall together: a copy of a training text
/// among the held-out ones would be remembered, not predicted.
struct Folds {
    count: usize,
    of: Vec<u8>,
    order: Vec<u32>,
}

impl Folds {
    fn new(texts: &[&str], targets: &Targets, count: usize, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..texts.len() as u32).collect();
        Random::new(seed ^ 0x0f01_d5ee_d000_0001).shuffle(&mut order);
        let mut by_class = order.clone();
        by_class.sort_by_key(|&text| targets.leading(text as usize));
        let mut of = vec![0u8; texts.len()];
        let mut first: HashMap<&str, u8> = HashMap::with_capacity(texts.len());
        let mut next = 0;
        for &text in &by_class {
            of[text as usize] = *first.entry(texts[text as usize]).or_insert_with(|| {
                next = (next + 1) % count;
                next as u8
            });
        }
        Self { count, of, order }
    }

    /// How many folds a trial uses.
    fn tried(&self) -> usize {
        match self.of.len() {
            0..2000 => self.count,
            2000..8000 => 2.min(self.count),
            _ => 1,
        }
    }

    /// The training texts in random order, and the held-out ones in order.
    fn split(&self, fold: usize) -> (Vec<u32>, Vec<u32>) {
        let held = (0..self.of.len() as u32).filter(|&text| self.of[text as usize] as usize == fold).collect();
        let train = self.order.iter().copied().filter(|&text| self.of[text as usize] as usize != fold).collect();
        (train, held)
    }
}
