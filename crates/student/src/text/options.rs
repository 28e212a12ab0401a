//! Settings that a caller may have a reason to change; everything else is chosen from the data.

use serde::{Deserialize, Serialize};

use super::quality::Quality;

/// Settings of training. The defaults serve any size of data and any number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct TextOptions {
    pub(crate) seed: u64,
    pub(crate) folds: Option<usize>,
    pub(crate) class_weights: Option<Vec<f32>>,
    pub(crate) smoothing: f32,
    pub(crate) file_budget: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { seed: 0, folds: None, class_weights: None, smoothing: 0.0, file_budget: 4_000_000 }
    }
}

impl TextOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The seed of folds and of the order of training. Equal seeds and data give equal bytes. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// In how many parts the texts are cut for the out-of-fold probabilities, from 2 to 20. By default 10 below 300
    /// texts, 3 above 50,000, otherwise 5.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.folds = Some(folds);
        self
    }

    /// How much a text of each class counts. Probabilities then refer to the reweighted data. Not for multi-label
    /// tasks. Default: all equal.
    #[must_use]
    pub fn class_weights(mut self, weights: Vec<f32>) -> Self {
        self.class_weights = Some(weights);
        self
    }

    /// The share of every target that is spread over all classes, from 0 to 0.5. Default 0.
    #[must_use]
    pub fn label_smoothing(mut self, share: f32) -> Self {
        self.smoothing = share;
        self
    }

    /// The most bytes that the model may take; the least useful features are left out. Default 4,000,000.
    #[must_use]
    pub fn file_budget(mut self, bytes: usize) -> Self {
        self.file_budget = bytes;
        self
    }
}

/// A setting that was tried, and how it did on texts it had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The loss and the weighting of features.
    pub model: String,
    /// Whether character n-grams took part.
    pub characters: bool,
    /// The weight of the data against the penalty on large weights.
    pub strength: f32,
    /// What was reached at the best temperature.
    pub quality: Quality,
}

/// A model that became part of the sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The loss and the weighting of features.
    pub model: String,
    /// The weight of the data against the penalty on large weights.
    pub strength: f32,
    /// By what its scores are multiplied in the sum; the temperature is contained.
    pub weight: f64,
    /// What it reaches alone, out of fold.
    pub alone: Quality,
}

/// What training chose, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitReport {
    /// The number of training texts.
    pub texts: usize,
    /// The number of features in training.
    pub features: usize,
    /// The number of features kept in the model.
    pub kept: usize,
    /// Whether character n-grams take part.
    pub characters: bool,
    /// The number of parts for the out-of-fold figures.
    pub folds: usize,
    /// The settings tried.
    pub trials: Vec<Trial>,
    /// The models in the sum.
    pub parts: Vec<Part>,
    /// The figures of the sum, out of fold.
    pub out_of_fold: Quality,
}
