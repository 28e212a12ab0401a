//! Settings that a caller may have a reason to change, and the report of what training chose.

use serde::{Deserialize, Serialize};

use super::features::FeatureGroups;
use super::lists::NameList;
use super::score::Counts;

/// How the weights of spans and tags are learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// The perceptron where all labels are known, the random field where some targets are candidates.
    #[default]
    Auto,
    /// The averaged structured perceptron: fastest. Documents with candidates teach nothing.
    Perceptron,
    /// A conditional random field: the likelihood of what is known, candidates included.
    Crf,
}

/// Settings of training. The defaults serve any size of data and any kind of layer.
#[derive(Clone, Debug)]
pub struct TaggerOptions {
    pub(crate) seed: u64,
    pub(crate) groups: Option<FeatureGroups>,
    pub(crate) lists: Vec<NameList>,
    pub(crate) word_classes: Option<bool>,
    pub(crate) looks_twice: bool,
    pub(crate) algorithm: Algorithm,
    pub(crate) epochs: Option<usize>,
    pub(crate) members: usize,
    pub(crate) max_bytes: usize,
    pub(crate) held_out: f64,
    pub(crate) tokenizer: String,
}

impl Default for TaggerOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            groups: None,
            lists: Vec::new(),
            word_classes: None,
            looks_twice: false,
            algorithm: Algorithm::Auto,
            epochs: None,
            members: 6,
            max_bytes: 4_000_000,
            held_out: 0.1,
            tokenizer: String::new(),
        }
    }
}

impl TaggerOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The seed of the order of training and of what is held out. Equal seeds and data give equal bytes. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Which features take part. By default chosen by the kinds of layers.
    #[must_use]
    pub fn features(mut self, groups: FeatureGroups) -> Self {
        self.groups = Some(groups);
        self
    }

    /// Lists of names. At most 30; their entries become part of the model, at about 3.5 bytes each.
    #[must_use]
    pub fn lists(mut self, lists: Vec<NameList>) -> Self {
        self.lists = lists;
        self
    }

    /// Whether words are put into classes by their neighbours, from the training text and any text without labels. By
    /// default they are when there is enough text.
    #[must_use]
    pub fn word_classes(mut self, wanted: bool) -> Self {
        self.word_classes = Some(wanted);
        self
    }

    /// Whether spans are looked for twice, the second time with what the first look took other occurrences of a word for.
    /// On CoNLL-2003 without lists that gave 92.8 F1 for 92.4 on the development part, for 2.4 times the time of training
    /// and a fifth less speed. By default they are not.
    #[must_use]
    pub fn look_twice(mut self, wanted: bool) -> Self {
        self.looks_twice = wanted;
        self
    }

    /// How weights are learnt.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// How often training goes through the corpus. By default 10 times.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = Some(epochs);
        self
    }

    /// How many perceptrons, each trained in an order of its own, vote by the mean of their scores. They become one table,
    /// so that a vote costs no time at prediction. Default 6: on CoNLL-2003 half a point of F1 over a single one.
    #[must_use]
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// The most bytes that the model may take; what matters least is left out. Default 4,000,000.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The share of documents that a first model does not see, to measure quality, the cost of pruning and how sure
    /// predictions may be. The final model learns from all. 0 to do without, at most 0.5; default 0.1.
    #[must_use]
    pub fn held_out(mut self, share: f64) -> Self {
        self.held_out = share;
        self
    }

    /// The name of the tokenizer that made the tokens; stored in the model for whoever predicts from text.
    #[must_use]
    pub fn tokenizer(mut self, name: impl Into<String>) -> Self {
        self.tokenizer = name.into();
        self
    }
}

/// What a layer reached on documents that were held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Spans, counted exactly; for layers of spans.
    pub spans: Counts,
    /// Tokens (for sentence labels, sentences) with the right label; for spans, with the right type or rightly outside.
    pub right: usize,
    /// Tokens or sentences in all.
    pub all: usize,
    /// The mean squared error; for scores.
    pub squared_error: f64,
}

/// The quality of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerQuality {
    /// The layer's name.
    pub layer: String,
    /// With all weights as they were learnt.
    pub learnt: Reached,
    /// With the weights that fit the budget, as numbers of one byte.
    pub pruned: Reached,
    /// By what scores are divided before they become probabilities.
    pub temperature: f64,
}

/// What training did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaggerReport {
    /// Documents, sentences and tokens that were trained on.
    pub documents: usize,
    /// Sentences.
    pub sentences: usize,
    /// Tokens.
    pub tokens: usize,
    /// Spans that cross the end of a sentence and were left out.
    pub crossing: usize,
    /// Entries of lists in the model, and those passed over because they have more than eight tokens.
    pub list_entries: usize,
    /// Entries that were too long.
    pub list_entries_too_long: usize,
    /// Lists for which the budget had no room.
    pub lists_left_out: Vec<String>,
    /// Words that have a class.
    pub classed_words: usize,
    /// Features in training, and those kept.
    pub features: usize,
    /// Features in the model.
    pub kept_features: usize,
    /// Weights after training, and those kept.
    pub weights: usize,
    /// Weights in the model.
    pub kept_weights: usize,
    /// Rounds of training per layer.
    pub epochs: Vec<usize>,
    /// Documents that the quality below was measured on.
    pub held_out_documents: usize,
    /// The quality of every layer on them; empty if nothing was held out.
    pub quality: Vec<LayerQuality>,
    /// The size of the model in bytes.
    pub bytes: usize,
}
