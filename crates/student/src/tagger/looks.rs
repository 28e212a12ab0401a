//! Training a tagger that looks twice: what the first look says about the training text, by models that have not seen it.

use rayon::prelude::*;

use super::corpus::Document;
use super::encode::{Slots, filtered, windows};
use super::features::Sink;
use super::fit::TaggerTrainer;
use super::hash;
use super::history::History;
use super::lesson::{Goals, Head, Recipe};
use super::perceptron::Room;
use crate::chain::Encoded;
use crate::error::Result;
use crate::random::Random;

/// The features of the corpus, for each layer those it learns from.
pub(super) struct Views {
    pub(super) base: Encoded,
    /// Those that speak of a sentence as a whole, for layers that label sentences.
    pub(super) of_sentences: Option<Encoded>,
    /// With what the first look saw, and the layer that looks twice.
    pub(super) second: Option<(Encoded, usize)>,
}

impl Views {
    /// What the layer with this number learns from.
    pub(super) fn of(&self, number: usize, sentences: bool) -> &Encoded {
        match (&self.second, &self.of_sentences) {
            (Some((second, layer)), _) if *layer == number => second,
            (_, Some(of_sentences)) if sentences => of_sentences,
            _ => &self.base,
        }
    }

    /// The same with only some of the features.
    pub(super) fn filtered(&self, stays: impl Fn(u32) -> bool) -> Self {
        Self {
            base: filtered(&self.base, &stays),
            of_sentences: self.of_sentences.as_ref().map(|encoded| filtered(encoded, &stays)),
            second: self.second.as_ref().map(|(encoded, layer)| (filtered(encoded, &stays), *layer)),
        }
    }
}

/// Every document is looked at by a model that learnt from the other parts.
const FOLDS: usize = 5;

/// Adds features to the slots and remembers those of a token.
struct Adding<'a> {
    slots: &'a mut Slots,
    found: Vec<u32>,
}

impl Sink for Adding<'_> {
    fn feature(&mut self, template: u8, key: u64) {
        let slot = self.slots.add(template, key);
        self.slots.counts[slot as usize] += 1;
        self.found.push(slot);
    }
}

impl TaggerTrainer<'_> {
    /// The features of the corpus together with those of a first look at a layer of spans.
    pub(super) fn second_look(
        &self,
        slots: &mut Slots,
        documents: &[Document],
        goals: &Goals,
        weights: Option<&[f32]>,
    ) -> Result<Encoded> {
        let base = std::mem::take(&mut slots.encoded);
        let looks = self.first_looks(&base, slots, goals, weights)?;
        let mut history = History::default();
        let mut second = Encoded::new();
        let mut adding = Adding { slots, found: Vec::new() };
        let mut sentence = 0;
        for document in documents {
            windows(document, |ranges| {
                let first = ranges[0].start;
                let texts = &document.tokens[first..ranges[ranges.len() - 1].end];
                let seen: Vec<u16> = (sentence..sentence + ranges.len()).flat_map(|at| &looks[at]).copied().collect();
                let capital = |text: &str| text.chars().next().is_some_and(char::is_uppercase);
                let tokens = texts.iter().zip(&seen);
                history.read(
                    tokens.map(|(text, &class)| (hash::of(text.as_bytes()), capital(text), class)),
                    goals.layout.types() + 1,
                );
                let mut place = 0;
                for _ in ranges {
                    for token in base.sentence(sentence) {
                        adding.found.clear();
                        adding.found.extend_from_slice(base.token(token));
                        history.features(place, seen[place], &mut adding);
                        second.push_token(&adding.found);
                        place += 1;
                    }
                    second.end_sentence();
                    sentence += 1;
                }
            });
        }
        slots.encoded = base;
        Ok(second)
    }

    /// What every token is taken for by a model that has not seen its document: 0 for outside, else its type plus 1.
    fn first_looks(
        &self,
        encoded: &Encoded,
        slots: &Slots,
        goals: &Goals,
        weights: Option<&[f32]>,
    ) -> Result<Vec<Vec<u16>>> {
        let mut order: Vec<usize> = (0..slots.documents.len() - 1).collect();
        Random::new(self.options.seed ^ 0x6c6f_6f6b).shuffle(&mut order);
        let mut fold_of = vec![0; encoded.sentences()];
        for (place, &document) in order.iter().enumerate() {
            fold_of[slots.documents[document]..slots.documents[document + 1]].fill(place % FOLDS);
        }
        let recipe = Recipe { members: 1, ..self.recipe() };
        let parts = (0..FOLDS).into_par_iter().map(|fold| -> Result<Vec<(usize, Vec<u16>)>> {
            let (own, others): (Vec<u32>, Vec<u32>) =
                (0..encoded.sentences() as u32).partition(|&sentence| fold_of[sentence as usize] == fold);
            let Head::Chain(trained) = goals.learn(encoded, slots.keys.len(), &others, weights, recipe)? else {
                return Ok(Vec::new());
            };
            let mut room = Room::default();
            let class = |label: u16| goals.layout.class(label).map_or(0, |class| class + 1);
            Ok(own
                .into_iter()
                .map(|sentence| {
                    let found = trained.decode(encoded, sentence as usize, &mut room);
                    (sentence as usize, found.into_iter().map(class).collect())
                })
                .collect())
        });
        let parts: Vec<Vec<(usize, Vec<u16>)>> = parts.collect::<Result<_>>()?;
        let mut looks = vec![Vec::new(); encoded.sentences()];
        for (sentence, classes) in parts.into_iter().flatten() {
            looks[sentence] = classes;
        }
        Ok(looks)
    }
}
