//! What the words themselves say: the same word, or the same surroundings, elsewhere.

use std::collections::HashMap;

use rayon::prelude::*;

/// Features of every token, as numbers without gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// [`KINDS`] numbers per token.
    features: Vec<u32>,
    known: HashMap<u64, u32>,
}

/// Kinds of features: the word; the word before and the word after, each with the token's shape; ending and shape; the
/// shapes around.
pub(super) const KINDS: usize = 5;

/// How many occurrences elsewhere weigh as much as knowing nothing about a word.
const PRIOR: f64 = 4.0;

impl Context {
    /// Adds the words of an item.
    pub(super) fn push<W: AsRef<str>>(&mut self, words: &[W]) {
        let lower: Vec<String> = words.iter().map(|word| word.as_ref().to_lowercase()).collect();
        let shapes: Vec<String> = words.iter().map(|word| shape(word.as_ref())).collect();
        // Text in capitals tells other things by its shapes.
        let capitals = if words.iter().any(|word| word.as_ref().chars().any(char::is_lowercase)) { "" } else { "^" };
        for at in 0..words.len() {
            let near = |of: &'_ [String], by: isize| {
                at.checked_add_signed(by).and_then(|at| of.get(at)).map_or_else(|| "<>".to_owned(), Clone::clone)
            };
            let ending: String = lower[at].chars().rev().take(3).collect();
            let parts = [
                [lower[at].as_str(), "", ""].map(str::to_owned),
                [near(&lower, -1), shapes[at].clone(), capitals.to_owned()],
                [near(&lower, 1), shapes[at].clone(), capitals.to_owned()],
                [ending, shapes[at].clone(), capitals.to_owned()],
                [near(&shapes, -1), shapes[at].clone(), near(&shapes, 1) + capitals],
            ];
            for (kind, parts) in parts.iter().enumerate() {
                let key = hash(kind, parts);
                let next = self.known.len() as u32;
                self.features.push(*self.known.entry(key).or_insert(next));
            }
        }
    }

    /// Whether the words of so many tokens are known.
    pub(super) fn covers(&self, tokens: usize) -> bool {
        tokens > 0 && self.features.len() == tokens * KINDS
    }

    /// What each feature of a token speaks for, counted over all tokens but this one.
    pub(super) fn counted(&self, posterior: &[f32], labels: usize) -> Counted {
        let mut counts = vec![0f32; self.known.len() * labels];
        let mut share = vec![0.0; labels];
        for (row, features) in posterior.chunks_exact(labels).zip(self.features.chunks_exact(KINDS)) {
            share.iter_mut().zip(row).for_each(|(sum, part)| *sum += f64::from(*part));
            for &feature in features {
                let counts = &mut counts[feature as usize * labels..][..labels];
                counts.iter_mut().zip(row).for_each(|(sum, part)| *sum += part);
            }
        }
        let sum: f64 = share.iter().sum();
        for share in &mut share {
            *share = (*share / sum.max(1e-9)).max(1e-6);
        }
        Counted { counts, share, labels }
    }

    /// Logarithms of how much likelier each label is with a token's features than without, `labels` numbers per token.
    pub(super) fn evidence(&self, posterior: &[f32], counted: &Counted, strength: f64) -> Vec<f32> {
        let labels = counted.labels;
        let rows = posterior.par_chunks_exact(labels).zip(self.features.par_chunks_exact(KINDS));
        rows.flat_map_iter(|(own, features)| {
            let mut logs = vec![0.0; labels];
            for &feature in features {
                let counts = &counted.counts[feature as usize * labels..][..labels];
                let others: f64 = counts.iter().zip(own).map(|(sum, own)| f64::from((sum - own).max(0.0))).sum();
                for label in 0..labels {
                    let seen = f64::from((counts[label] - own[label]).max(0.0));
                    let ratio = (seen / counted.share[label] + PRIOR) / (others + PRIOR);
                    logs[label] += strength * ratio.max(1e-3).ln();
                }
            }
            logs.into_iter().map(|log| log as f32)
        })
        .collect()
    }
}

/// Expected counts of labels by feature, and the share of each label.
pub(super) struct Counted {
    counts: Vec<f32>,
    share: Vec<f64>,
    labels: usize,
}

/// Kinds of characters in a row, each run once.
fn shape(word: &str) -> String {
    let mut shape = String::new();
    for character in word.chars() {
        let kind = match character {
            c if c.is_uppercase() => 'X',
            c if c.is_alphabetic() => 'x',
            c if c.is_numeric() => 'd',
            c => c,
        };
        if !shape.ends_with(kind) {
            shape.push(kind);
        }
    }
    shape
}

/// FNV-1a over the parts, spread by a final multiplication.
fn hash(kind: usize, parts: &[String]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ kind as u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    state ^ state.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
