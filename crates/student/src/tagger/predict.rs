//! The hot loop: reading tokens, adding up their features, decoding.
//!
//! What a token gives by itself, to its own place and to the four around it, is added up once per distinct token and
//! kept. For every occurrence only the features that join tokens are looked up.

use super::buckets::Buckets;
use super::corpus::{Document, LayerKind};
use super::document::DocumentIndex;
use super::encode::{Template, windows};
use super::features::{REACH, Sink, Surroundings, WINDOW, is_shouting};
use super::file::{LayerNumbers, add_feature};
use super::hash;
use super::history::History;
use super::linear::probabilities;
use super::lists::Marks;
use super::model::TaggerModel;
use super::perceptron::stride_for;
use super::token::{AFTER, Attributes, BEFORE, CAPITAL, Spelling};
use super::viterbi::{Decoder, Trellis};
use crate::chain::{Lattice, Layout, TypedSpan};

/// What a model says about one layer of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerPrediction {
    /// Spans in order, as positions among the document's tokens; they do not overlap or cross sentences.
    Spans(Vec<PredictedSpan>),
    /// One label per token.
    Tags(Vec<PredictedLabel>),
    /// One score per token, from 0 to 1.
    Scores(Vec<f32>),
    /// One label per sentence, in the order of [`Document::ranges`].
    Sentences(Vec<PredictedLabel>),
}

/// A span and how sure the model is of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictedSpan {
    /// Where it is, and its type.
    pub span: TypedSpan,
    /// The probability that exactly this span with this type is there; `None` if it was not asked for.
    pub confidence: Option<f32>,
}

/// A label and how sure the model is of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictedLabel {
    /// The label's number.
    pub class: u16,
    /// Its probability; `None` if it was not asked for.
    pub confidence: Option<f32>,
}

/// Room for predicting, to be used again for document after document. One per thread; it may serve several models, but
/// forgets what it knows about tokens at every change.
#[derive(Debug, Default)]
pub struct TaggerScratch {
    words: Words,
    spelling: Spelling,
    tokens: Vec<u32>,
    starts: Vec<(bool, bool)>,
    index: DocumentIndex,
    sentence: Vec<Attributes>,
    marks: Marks,
    states: Vec<f32>,
    /// The scores of a window, and what the first look took its tokens for.
    kept: Vec<f32>,
    looks: Vec<u16>,
    history: History,
    bag: Vec<f32>,
    rows: Vec<f32>,
    trellis: Trellis,
    lanes: Vec<u16>,
    lattice: Lattice,
    /// The layer of tags whose probabilities are wanted, and those found.
    wanted: Option<usize>,
    marginals: Vec<f32>,
    probabilities: Vec<f32>,
}

/// The distinct tokens seen so far and what each gives by itself.
#[derive(Debug, Default)]
struct Words {
    model: u64,
    slots: Vec<u32>,
    attributes: Vec<Attributes>,
    /// Per token `WINDOW` rows: what it gives to the places around it.
    sums: Vec<f32>,
}

/// Numbers of the borders among the words.
const FIRST: u32 = 0;
const LAST: u32 = 1;
/// The most memory for what tokens give by themselves, in numbers, and the least number of tokens it must hold.
const MOST_SUMS: usize = 1 << 23;
const LEAST_WORDS: usize = 1 << 12;
/// Sentences are decoded in pieces of at most this many tokens.
const MOST_DECODED: usize = 1 << 10;

/// Adds features to the scores of a token.
struct Adder<'a> {
    table: Buckets<'a>,
    scales: &'a [f32],
    wide: bool,
    sums: &'a mut [f32],
}

impl Sink for Adder<'_> {
    #[inline(always)]
    fn feature(&mut self, template: u8, key: u64) {
        let scale = self.scales[usize::from(template)];
        if self.wide {
            add_feature::<true>(&self.table, key, scale, self.sums);
        } else {
            add_feature::<false>(&self.table, key, scale, self.sums);
        }
    }
}

impl Words {
    fn begin(
        &mut self,
        model: &TaggerModel,
        template: &Template,
        stride: usize,
        coming: usize,
        spelling: &mut Spelling,
    ) {
        let most = (MOST_SUMS / (WINDOW * stride)).max(LEAST_WORDS);
        let words = self.attributes.len() + coming;
        if self.model == model.identity && words <= most && 2 * words <= self.slots.len() {
            return;
        }
        self.model = model.identity;
        self.slots.clear();
        self.slots.resize((2 * (most.min(1 << 16) + coming)).next_power_of_two(), u32::MAX);
        self.attributes.clear();
        self.sums.clear();
        for border in [BEFORE, AFTER] {
            self.add(model, template, stride, border, spelling);
        }
    }

    fn add(&mut self, model: &TaggerModel, template: &Template, stride: usize, token: Attributes, spelling: &Spelling) {
        let start = self.sums.len();
        self.sums.resize(start + WINDOW * stride, 0.0);
        for place in 0..WINDOW {
            let sums = &mut self.sums[start + place * stride..][..stride];
            let mut adder =
                Adder { table: model.table(), scales: &model.numbers.scales, wide: model.lanes > 256, sums };
            template.groups.alone(&token, spelling, place, &mut adder);
        }
        self.attributes.push(token);
    }

    /// The number of a token.
    #[inline(always)]
    fn find(
        &mut self,
        text: &str,
        model: &TaggerModel,
        template: &Template,
        stride: usize,
        spelling: &mut Spelling,
    ) -> u32 {
        let word = hash::of(text.as_bytes());
        let mask = self.slots.len() - 1;
        let mut at = (word >> 17) as usize & mask;
        loop {
            let found = self.slots[at];
            if found == u32::MAX {
                break;
            }
            if self.attributes[found as usize].word == word {
                return found;
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = self.attributes.len() as u32;
        let token = template.read(text, spelling);
        self.add(model, template, stride, token, spelling);
        self.attributes.len() as u32 - 1
    }
}

/// The pieces in which a sentence is decoded.
fn pieces(sentence: std::ops::Range<usize>) -> impl Iterator<Item = std::ops::Range<usize>> {
    let end = sentence.end;
    sentence.step_by(MOST_DECODED).map(move |start| start..(start + MOST_DECODED).min(end))
}

impl TaggerScratch {
    /// Reads a sentence, given its place in the window; whether it is written in capitals.
    fn begin(&mut self, inside: std::ops::Range<usize>, template: &Template) -> bool {
        let Self { words, tokens, sentence, marks, .. } = self;
        sentence.clear();
        sentence.extend(tokens[inside].iter().map(|&token| words.attributes[token as usize]));
        template.lists.mark(sentence, marks);
        is_shouting(sentence.iter())
    }
}

impl TaggerModel {
    /// Predicts every layer of a document.
    ///
    /// With `confidence`, probabilities are computed too, at about the cost of a second prediction. Sentences are
    /// independent of each other but for the document features, which see other occurrences within 32,768 tokens.
    /// Memory beyond the document and its scores is bounded.
    pub fn predict(&self, document: &Document, confidence: bool, scratch: &mut TaggerScratch) -> Vec<LayerPrediction> {
        let mut predictions: Vec<LayerPrediction> = self
            .layers()
            .iter()
            .map(|layer| match layer.kind {
                LayerKind::Spans => LayerPrediction::Spans(Vec::new()),
                LayerKind::Tags => LayerPrediction::Tags(Vec::with_capacity(document.tokens.len())),
                LayerKind::Scores => LayerPrediction::Scores(Vec::with_capacity(document.tokens.len())),
                LayerKind::Sentences => LayerPrediction::Sentences(Vec::new()),
            })
            .collect();
        let template = self.template();
        windows(document, |sentences| {
            self.window(document, &template, sentences, confidence, scratch, &mut predictions);
        });
        predictions
    }

    /// The probability of every tag of a layer at every token of a document: a row per token, in the order of the layer's
    /// labels, each summing to one. Costs about two predictions. `None` if the layer is not one of tags.
    pub fn tag_probabilities(
        &self,
        document: &Document,
        layer: usize,
        scratch: &mut TaggerScratch,
    ) -> Option<Vec<f32>> {
        self.layers().get(layer).filter(|layer| layer.kind == LayerKind::Tags)?;
        scratch.wanted = Some(layer);
        scratch.probabilities.clear();
        self.predict(document, true, scratch);
        scratch.wanted = None;
        Some(std::mem::take(&mut scratch.probabilities))
    }

    /// Predicts some sentences that follow each other.
    fn window(
        &self,
        document: &Document,
        template: &Template,
        sentences: &[std::ops::Range<usize>],
        confidence: bool,
        scratch: &mut TaggerScratch,
        predictions: &mut [LayerPrediction],
    ) {
        let stride = stride_for(self.lanes);
        let (first, last) = (sentences[0].start, sentences[sentences.len() - 1].end);
        scratch.words.begin(self, template, stride, last - first, &mut scratch.spelling);
        let TaggerScratch { words, spelling, tokens, starts, index, .. } = scratch;
        tokens.clear();
        for text in &document.tokens[first..last] {
            tokens.push(words.find(text, self, template, stride, spelling));
        }
        if template.groups.document {
            starts.clear();
            for range in sentences {
                let range = range.start - first..range.end - first;
                let shouting =
                    is_shouting(tokens[range.clone()].iter().map(|&token| &words.attributes[token as usize]));
                starts.extend(range.clone().map(|place| (place == range.start, shouting)));
            }
            let about = tokens.iter().zip(&*starts);
            index.read(about.map(|(&token, &(first, shouting))| (&words.attributes[token as usize], first, shouting)));
        }
        let twice = template.groups.looks && self.numbers.layers.len() > self.layers().len();
        if twice {
            self.look(sentences, template, stride, scratch);
        }
        for range in sentences {
            scratch.bag.clear();
            scratch.bag.resize(stride, 0.0);
            let shouting = !twice && scratch.begin(range.start - first..range.end - first, template);
            for piece in pieces(range.clone()) {
                if twice {
                    self.recall(piece.start - first..piece.end - first, stride, scratch);
                } else {
                    let places = piece.start - range.start..piece.end - range.start;
                    self.states(range.start - first, places, shouting, template, stride, scratch);
                }
                self.decode(piece.start, piece.len(), stride, confidence, scratch, predictions);
            }
            self.label_sentence(confidence, scratch, predictions);
        }
    }

    /// The first look: the scores of all tokens of a window, and what they are taken for.
    fn look(
        &self,
        sentences: &[std::ops::Range<usize>],
        template: &Template,
        stride: usize,
        scratch: &mut TaggerScratch,
    ) {
        let first = sentences[0].start;
        scratch.kept.clear();
        scratch.looks.clear();
        let Some(LayerNumbers { factor, decoder: Some(decoder), .. }) = self.numbers.layers.last() else { return };
        let lane = self.lanes - decoder.lanes();
        let types = decoder.layout.types();
        for range in sentences {
            let shouting = scratch.begin(range.start - first..range.end - first, template);
            for piece in pieces(range.clone()) {
                let places = piece.start - range.start..piece.end - range.start;
                self.states(range.start - first, places, shouting, template, stride, scratch);
                let TaggerScratch { states, kept, looks, trellis, lanes, .. } = &mut *scratch;
                for row in states.chunks_exact_mut(stride) {
                    row[lane..lane + decoder.lanes()].iter_mut().for_each(|sum| *sum *= factor);
                }
                decoder.best(&states[lane..], stride, piece.len(), trellis, lanes);
                // Lanes: last and unit of each type, outside, begin and inside.
                looks.extend(lanes.iter().map(|&lane| match usize::from(lane) {
                    lane if lane < 2 * types => (lane % types) as u16 + 1,
                    lane if lane > 2 * types => ((lane - 1) % types) as u16 + 1,
                    _ => 0,
                }));
                kept.extend_from_slice(states);
            }
        }
        let TaggerScratch { words, tokens, looks, history, .. } = scratch;
        let about = tokens.iter().zip(&*looks).map(|(&token, &class)| {
            let token = &words.attributes[token as usize];
            (token.word, token.flags & CAPITAL != 0, class)
        });
        history.read(about, types + 1);
    }

    /// The scores of some tokens of a window for the second look.
    fn recall(&self, places: std::ops::Range<usize>, stride: usize, scratch: &mut TaggerScratch) {
        let TaggerScratch { kept, looks, history, states, .. } = scratch;
        states.clear();
        states.extend_from_slice(&kept[places.start * stride..places.end * stride]);
        for (sums, place) in states.chunks_exact_mut(stride).zip(places) {
            let wide = self.lanes > 256;
            let mut adder = Adder { table: self.table(), scales: &self.numbers.scales, wide, sums };
            history.features(place, looks[place], &mut adder);
        }
    }

    /// Adds up the features of some tokens of the sentence.
    fn states(
        &self,
        sentence_at: usize,
        places: std::ops::Range<usize>,
        shouting: bool,
        template: &Template,
        stride: usize,
        scratch: &mut TaggerScratch,
    ) {
        let TaggerScratch { words, tokens, index, sentence, marks, states, .. } = scratch;
        states.clear();
        states.resize(places.len() * stride, 0.0);
        let length = sentence.len();
        let word = |place: isize| {
            if place < 0 {
                FIRST
            } else if place as usize >= length {
                LAST
            } else {
                tokens[sentence_at + place as usize]
            }
        };
        let (wide, clustered) = (self.lanes > 256, !template.clusters.is_empty());
        for (sums, place) in states.chunks_exact_mut(stride).zip(places) {
            let mut window = [&BEFORE; WINDOW];
            for seen_from in 0..WINDOW {
                let word = word(place as isize + seen_from as isize - REACH as isize) as usize;
                window[seen_from] = &words.attributes[word];
                let given = &words.sums[(word * WINDOW + seen_from) * stride..][..stride];
                sums.iter_mut().zip(given).for_each(|(sum, given)| *sum += given);
            }
            let mut adder = Adder { table: self.table(), scales: &self.numbers.scales, wide, sums };
            let around = Surroundings { window, place, length, shouting, clustered };
            template.groups.joined(&around, &mut adder);
            template.lists.features(place, sentence, marks, &mut adder);
            if template.groups.document {
                let at = |token: isize| match tokens.get(token as usize) {
                    _ if token < 0 => &BEFORE,
                    Some(&token) => &words.attributes[token as usize],
                    None => &AFTER,
                };
                index.features(sentence_at + place, place == 0, shouting, at, &mut adder);
            }
        }
    }

    /// Decodes the layers that label tokens.
    fn decode(
        &self,
        at: usize,
        tokens: usize,
        stride: usize,
        confidence: bool,
        scratch: &mut TaggerScratch,
        predictions: &mut [LayerPrediction],
    ) {
        let TaggerScratch { states, bag, rows, trellis, lanes, lattice, wanted, marginals, probabilities: all, .. } =
            scratch;
        let mut lane = 0;
        for (number, (layer, prediction)) in self.layers().iter().zip(predictions).enumerate() {
            let numbers = &self.numbers.layers[number];
            let count = layer.lanes();
            match (prediction, &numbers.decoder) {
                (LayerPrediction::Scores(scores), _) => {
                    for row in states.chunks_exact(stride) {
                        let mut score = [(row[lane] * numbers.factor + numbers.bias[0]) / numbers.temperature];
                        probabilities(&mut score);
                        scores.push(score[0]);
                    }
                }
                (LayerPrediction::Sentences(_), _) => {
                    for row in states.chunks_exact(stride) {
                        bag[lane..lane + count].iter_mut().zip(&row[lane..]).for_each(|(sum, given)| *sum += given);
                    }
                }
                (prediction, Some(decoder)) => {
                    for row in states.chunks_exact_mut(stride) {
                        row[lane..lane + count].iter_mut().for_each(|sum| *sum *= numbers.factor);
                    }
                    decoder.best(&states[lane..], stride, tokens, trellis, lanes);
                    let mut known = None;
                    if let Some(links) = self.links[number].as_ref().filter(|_| confidence) {
                        by_label(decoder, &states[lane..], stride, tokens, rows);
                        known = lattice.fill(links, rows, None).then_some((links, &*lattice));
                    }
                    if *wanted == Some(number) {
                        if let Some((_, lattice)) = known {
                            lattice.marginals(marginals);
                        } else {
                            // Scores out of all bounds have no distribution; the best tag is all there is.
                            marginals.clear();
                            marginals.resize(tokens * count, 0.0);
                            lanes.iter().enumerate().for_each(|(token, &tag)| {
                                marginals[token * count + usize::from(tag)] = 1.0;
                            });
                        }
                        all.extend_from_slice(marginals);
                    }
                    let sure = |probability: f64| Some(probability.clamp(0.0, 1.0) as f32);
                    match prediction {
                        LayerPrediction::Spans(found) => {
                            spans(decoder, lanes, |span| {
                                let confidence =
                                    known.and_then(|(links, lattice)| sure(lattice.span(links, decoder.layout, span)));
                                let (start, end) = (span.start + at as u32, span.end + at as u32);
                                found.push(PredictedSpan { span: TypedSpan { start, end, ..span }, confidence });
                            });
                        }
                        LayerPrediction::Tags(found) => {
                            found.extend(lanes.iter().enumerate().map(|(token, &class)| {
                                let confidence =
                                    known.and_then(|(_, lattice)| sure(lattice.token(token, usize::from(class))));
                                PredictedLabel { class, confidence }
                            }));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
            lane += count;
        }
    }

    /// Labels the sentence from the sums over its tokens.
    fn label_sentence(&self, confidence: bool, scratch: &mut TaggerScratch, predictions: &mut [LayerPrediction]) {
        let mut lane = 0;
        for ((layer, prediction), numbers) in self.layers().iter().zip(predictions).zip(&self.numbers.layers) {
            let count = layer.lanes();
            if let LayerPrediction::Sentences(found) = prediction {
                let scores = &mut scratch.bag[lane..lane + count];
                for (score, bias) in scores.iter_mut().zip(&numbers.bias) {
                    *score = (*score * numbers.factor + bias) / numbers.temperature;
                }
                let mut best = 0;
                for class in 1..count {
                    if scores[class] > scores[best] {
                        best = class;
                    }
                }
                let confidence = confidence.then(|| {
                    probabilities(scores);
                    scores[best]
                });
                found.push(PredictedLabel { class: best as u16, confidence });
            }
            lane += count;
        }
    }
}

/// Copies scores into rows of their own, numbered by labels.
fn by_label(decoder: &Decoder, states: &[f32], stride: usize, tokens: usize, rows: &mut Vec<f32>) {
    let count = decoder.lanes();
    rows.clear();
    rows.resize(tokens * count, 0.0);
    for (row, states) in rows.chunks_exact_mut(count).zip(states.chunks(stride)) {
        for (&label, &state) in decoder.labels.iter().zip(states) {
            row[usize::from(label)] = state;
        }
    }
}

/// The spans of a sequence of lanes, which is one that may occur.
fn spans(decoder: &Decoder, lanes: &[u16], mut found: impl FnMut(TypedSpan)) {
    let Layout::Bilou { types } = decoder.layout else { return };
    let types = types as u16;
    let mut start = 0;
    for (token, &lane) in lanes.iter().enumerate() {
        let (token, class) = (token as u32, lane % types);
        if lane < types {
            found(TypedSpan { start, end: token + 1, class });
        } else if lane < 2 * types {
            found(TypedSpan { start: token, end: token + 1, class });
        } else if lane > 2 * types && lane <= 3 * types {
            start = token;
        }
    }
}
