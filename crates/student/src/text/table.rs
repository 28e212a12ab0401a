//! From trained models to the one table that predicts: the parts are added up, the words spelled out in advance, and
//! what does not fit the budget is left out.

use super::corpus::{Corpus, Kind};
use super::solver::Weights;
use super::weighting::Scales;

/// The rows of the table: a key, what the feature adds to a text's squared length, and what it adds to the scores.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) keys: Vec<u64>,
    pub(crate) squares: Vec<f32>,
    /// `classes` values per row.
    pub(crate) scores: Vec<f32>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Adds up the models, each with its feature weights and its share. With `centre` the scores of every feature are made
/// to sum to zero over the classes, which no softmax can see and which spends the bits of small numbers better.
pub(crate) fn sum(models: &[(Weights, Vec<f32>)], mixture: &[f64], classes: usize, centre: bool) -> Weights {
    let features = models[0].1.len();
    let mut total = Weights { stride: classes, rows: vec![0.0; features * classes], bias: vec![0.0; classes] };
    for ((weights, feature_weights), &share) in models.iter().zip(mixture) {
        let share = share as f32;
        let rows = total.rows.chunks_exact_mut(classes).zip(weights.rows.chunks_exact(weights.stride));
        for ((sum, row), &feature_weight) in rows.zip(feature_weights) {
            sum.iter_mut().zip(row).for_each(|(sum, weight)| *sum += share * feature_weight * weight);
        }
        total.bias.iter_mut().zip(&weights.bias).for_each(|(sum, bias)| *sum += share * bias);
    }
    if centre {
        for row in total.rows.chunks_exact_mut(classes) {
            let mean = row.iter().sum::<f32>() / classes as f32;
            row.iter_mut().for_each(|value| *value -= mean);
        }
    }
    total
}

/// The bytes a row takes in the file, its slot in the index included.
pub(crate) fn row_bytes(classes: usize) -> usize {
    super::file::row_stride(classes) + 12
}

/// Builds the table within `budget` bytes. A word's row holds its character n-grams already, so that only words that
/// were never seen are spelled at prediction.
pub(crate) fn build(corpus: &Corpus, scales: &Scales, linear: &Weights, classes: usize, budget: usize) -> Table {
    let row_of = |feature: u32| &linear.rows[feature as usize * classes..][..classes];
    let most = (budget.saturating_sub(16_384 + 64 * classes) / row_bytes(classes)).max(64);
    let mut order: Vec<u32> = (0..corpus.features.len() as u32).collect();
    if order.len() > most {
        let importance: Vec<f32> = corpus
            .features
            .iter()
            .enumerate()
            .map(|(feature, about)| {
                let reach = row_of(feature as u32).iter().fold(0.0f32, |most, value| most.max(value.abs()));
                // Of the texts that hold a character n-gram, all but those with a new word are served by the words' rows.
                let use_factor = match about.kind {
                    Kind::Word => 4.0,
                    Kind::Phrase => 1.0,
                    Kind::Characters => 0.3,
                };
                use_factor * reach * (about.texts as f32).sqrt()
            })
            .collect();
        order.sort_by(|&left, &right| {
            importance[right as usize].total_cmp(&importance[left as usize]).then(left.cmp(&right))
        });
        order.truncate(most);
        order.sort_unstable();
    }
    let mut table = Table {
        keys: Vec::with_capacity(order.len()),
        squares: Vec::with_capacity(order.len()),
        scores: Vec::with_capacity(order.len() * classes),
    };
    for feature in order {
        let start = table.scores.len();
        let mut square = scales.rarity[feature as usize].powi(2);
        table.scores.extend_from_slice(row_of(feature));
        if let Ok(at) = corpus.spellings.binary_search_by_key(&feature, |spelling| spelling.word) {
            for &(gram, count) in &corpus.spellings[at].characters {
                square += count * scales.rarity[gram as usize].powi(2);
                table.scores[start..].iter_mut().zip(row_of(gram)).for_each(|(sum, value)| *sum += count * value);
            }
        }
        table.keys.push(corpus.features[feature as usize].key);
        table.squares.push(square);
    }
    table
}
