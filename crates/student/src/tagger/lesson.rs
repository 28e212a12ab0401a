//! What each layer is to learn, per token and sentence of the encoded corpus, and how well it did.

use super::corpus::{Document, Layer, LayerKind, LayerTarget};
use super::linear::{self, Example, Linear, LinearPlan, probabilities};
use super::options::{Algorithm, Reached};
use super::perceptron::{self, Lesson, Plan, Room, Trained, UNKNOWN};
use super::viterbi::{Decoder, Trellis};
use crate::chain::{self, Encoded, Layout, Target, TypedSpan, fit_temperature};
use crate::error::Result;

/// What is known about one layer of the whole corpus.
#[derive(Clone)]
pub(crate) struct Goals {
    pub(crate) kind: LayerKind,
    pub(crate) layout: Layout,
    lanes: usize,
    /// Per token the label, of chains; the score in units of 1/65,534, of scores.
    tokens: Vec<u16>,
    /// Per token the candidates, where any document has some.
    candidates: Option<Vec<Vec<u16>>>,
    /// Per token the probabilities of its labels, where any document has some; nothing for tokens whose label is known.
    soft: Option<Vec<Vec<(u16, f32)>>>,
    /// Per sentence the label, or `UNKNOWN`.
    sentences: Vec<u16>,
    /// The first token of every sentence, and the number of tokens.
    starts: Vec<usize>,
}

/// How exact scores are kept.
const SCORE_UNITS: f32 = 65_534.0;

/// How to learn a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) algorithm: Algorithm,
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
    /// How many perceptrons share a vote.
    pub(crate) members: usize,
}

/// The bonus of wrong labels in the perceptron. From 1 to 10 all did about equally well on CoNLL-2003, 0 worse.
const MARGIN: f32 = 5.0;

/// A layer that was learnt.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    Chain(Trained),
    Linear(Linear),
}

impl Head {
    pub(crate) fn states(&self) -> (&[f32], usize) {
        match self {
            Self::Chain(trained) => (&trained.states, trained.stride),
            Self::Linear(linear) => (&linear.states, linear.stride),
        }
    }

    /// The same with other weights of features.
    pub(crate) fn with_states(&self, states: Vec<f32>) -> Self {
        match self {
            Self::Chain(trained) => Self::Chain(Trained {
                decoder: trained.decoder.clone(),
                stride: trained.stride,
                states,
                epochs: trained.epochs,
                wrong: trained.wrong,
            }),
            Self::Linear(linear) => Self::Linear(Linear { states, stride: linear.stride, bias: linear.bias.clone() }),
        }
    }

    pub(crate) const fn epochs(&self) -> usize {
        match self {
            Self::Chain(trained) => trained.epochs,
            Self::Linear(_) => LINEAR_EPOCHS,
        }
    }
}

const LINEAR_EPOCHS: usize = 12;

/// A token's probabilities: each label once, all of them summing to one.
fn scaled(row: &[(u16, f32)]) -> Vec<(u16, f32)> {
    let sum: f32 = row.iter().map(|(_, share)| share).sum();
    let mut scaled: Vec<(u16, f32)> = Vec::with_capacity(row.len());
    for &(label, share) in row.iter().filter(|(_, share)| *share > 0.0) {
        match scaled.iter_mut().find(|known| known.0 == label) {
            Some(known) => known.1 += share / sum,
            None => scaled.push((label, share / sum)),
        }
    }
    scaled
}

/// The labels of the sequence that is expected to have most tokens right, sentence by sentence.
fn likeliest(layout: Layout, document: &Document, soft: &[Vec<(u16, f32)>], labels: &mut [u16]) {
    let mut decoder = Decoder::new(layout);
    decoder.arrange();
    let stride = decoder.lanes();
    let (mut rows, mut trellis, mut lanes) = (Vec::new(), Trellis::default(), Vec::new());
    for range in document.ranges() {
        rows.clear();
        rows.resize(range.len() * stride, 0.0f32);
        for (row, shares) in rows.chunks_exact_mut(stride).zip(&soft[range.clone()]) {
            shares.iter().for_each(|&(label, share)| row[usize::from(decoder.lane_of[usize::from(label)])] += share);
        }
        decoder.best(&rows, stride, range.len(), &mut trellis, &mut lanes);
        for (label, &lane) in labels[range].iter_mut().zip(&lanes) {
            *label = decoder.labels[usize::from(lane)];
        }
    }
}

impl Goals {
    /// Gathers what all documents say about a layer; adds to `crossing` the spans that do not lie within a sentence.
    pub(crate) fn gather(
        number: usize,
        layer: &Layer,
        documents: &[Document],
        targets: &[Vec<LayerTarget>],
        crossing: &mut usize,
    ) -> Self {
        let mut goals = Self {
            kind: layer.kind,
            layout: layer.layout(),
            lanes: layer.lanes(),
            tokens: Vec::new(),
            candidates: None,
            soft: None,
            sentences: Vec::new(),
            starts: vec![0],
        };
        let with_candidates = targets.iter().any(|targets| matches!(targets[number], LayerTarget::Candidates(_)));
        let with_soft = targets.iter().any(|targets| matches!(targets[number], LayerTarget::Soft(_)));
        let (mut candidates, mut soft) = (Vec::new(), Vec::new());
        for (document, targets) in documents.iter().zip(targets) {
            let first = goals.tokens.len();
            let count = document.tokens.len();
            goals.tokens.resize(first + count, UNKNOWN);
            let tokens = &mut goals.tokens[first..];
            match &targets[number] {
                LayerTarget::Unknown | LayerTarget::Sentences(_) => {}
                LayerTarget::Spans(spans) => {
                    let mut within: Vec<TypedSpan> = Vec::with_capacity(spans.len());
                    let mut ranges = document.ranges().peekable();
                    for span in spans {
                        while ranges.next_if(|range| range.end <= span.start as usize).is_some() {}
                        if ranges.peek().is_some_and(|range| span.end as usize <= range.end) {
                            within.push(*span);
                        } else {
                            *crossing += 1;
                        }
                    }
                    tokens.copy_from_slice(&goals.layout.labels_of(&within, count));
                }
                LayerTarget::Tags(tags) => tokens.copy_from_slice(tags),
                LayerTarget::Scores(scores) => {
                    tokens
                        .iter_mut()
                        .zip(scores)
                        .for_each(|(goal, score)| *goal = (score * SCORE_UNITS).round() as u16);
                }
                LayerTarget::Candidates(sets) => {
                    candidates.resize(first, Vec::new());
                    candidates.extend_from_slice(sets);
                }
                LayerTarget::Soft(rows) => {
                    soft.resize(first, Vec::new());
                    soft.extend(rows.iter().map(|row| scaled(row)));
                    likeliest(goals.layout, document, &soft[first..], tokens);
                }
            }
            let mut classes = match &targets[number] {
                LayerTarget::Sentences(classes) => classes.as_slice(),
                _ => &[],
            }
            .iter();
            for range in document.ranges() {
                goals.starts.push(first + range.end);
                goals.sentences.push(classes.next().copied().unwrap_or(UNKNOWN));
            }
        }
        if with_candidates {
            candidates.resize(goals.tokens.len(), Vec::new());
            goals.candidates = Some(candidates);
        }
        if with_soft {
            soft.resize(goals.tokens.len(), Vec::new());
            goals.soft = Some(soft);
        }
        goals
    }

    fn range(&self, sentence: usize) -> std::ops::Range<usize> {
        self.starts[sentence]..self.starts[sentence + 1]
    }

    /// Whether everything about the sentence is known as it is.
    fn is_known(&self, sentence: usize) -> bool {
        match self.kind {
            LayerKind::Sentences => self.sentences[sentence] != UNKNOWN,
            _ => self.tokens[self.range(sentence)].iter().all(|&label| label != UNKNOWN),
        }
    }

    /// Learns from some sentences.
    pub(crate) fn learn(
        &self,
        encoded: &Encoded,
        slots: usize,
        sentences: &[u32],
        weights: Option<&[f32]>,
        recipe: Recipe,
    ) -> Result<Head> {
        let weight = |sentence: u32| weights.map_or(1.0, |weights| weights[sentence as usize]);
        match self.kind {
            LayerKind::Spans | LayerKind::Tags => {
                let by_field = match recipe.algorithm {
                    Algorithm::Crf => true,
                    Algorithm::Perceptron => false,
                    Algorithm::Auto => self.candidates.is_some(),
                };
                if by_field {
                    return self.learn_field(encoded, slots, sentences, weights, recipe).map(Head::Chain);
                }
                let layout = self.layout;
                let soft = self.soft.as_deref();
                let lesson = Lesson { encoded, slots, labels: &self.tokens, soft, sentences, weights, layout };
                let plan = Plan { epochs: recipe.epochs, seed: recipe.seed, margin: MARGIN };
                Ok(Head::Chain(perceptron::train_committee(&lesson, plan, recipe.members)))
            }
            LayerKind::Scores => {
                let mut examples = Vec::new();
                for &sentence in sentences {
                    for token in self.range(sentence as usize) {
                        if self.tokens[token] != UNKNOWN {
                            let goal = f32::from(self.tokens[token]) / SCORE_UNITS;
                            examples.push(Example { token, goal, weight: weight(sentence) });
                        }
                    }
                }
                let plan = LinearPlan { epochs: LINEAR_EPOCHS, rate: 0.05, decay: 0.002, seed: recipe.seed };
                Ok(Head::Linear(linear::train(encoded, slots, &examples, plan)))
            }
            LayerKind::Sentences => Ok(Head::Linear(self.learn_sentences(encoded, slots, sentences, weights, recipe))),
        }
    }

    /// A label per sentence: a perceptron without pairs, on the features of all tokens together.
    fn learn_sentences(
        &self,
        encoded: &Encoded,
        slots: usize,
        sentences: &[u32],
        weights: Option<&[f32]>,
        recipe: Recipe,
    ) -> Linear {
        let mut bags = Encoded::new();
        for sentence in 0..encoded.sentences() {
            for token in encoded.sentence(sentence) {
                encoded.token(token).iter().for_each(|&slot| bags.push_slot(slot));
            }
            bags.end_token();
            bags.end_sentence();
        }
        let layout = self.layout;
        let labels = &self.sentences;
        let lesson = Lesson { encoded: &bags, slots, labels, soft: None, sentences, weights, layout };
        let plan = Plan { epochs: recipe.epochs, seed: recipe.seed, margin: MARGIN };
        let trained = perceptron::train_committee(&lesson, plan, recipe.members);
        let bias = trained.decoder.start.iter().zip(&trained.decoder.end).map(|(start, end)| start + end).collect();
        Linear { stride: trained.stride, states: trained.states, bias }
    }

    fn learn_field(
        &self,
        encoded: &Encoded,
        slots: usize,
        sentences: &[u32],
        weights: Option<&[f32]>,
        recipe: Recipe,
    ) -> Result<Trained> {
        let mut chosen = Vec::new();
        let mut targets = Vec::new();
        for &sentence in sentences {
            if let Some(target) = self.target(sentence as usize) {
                chosen.push(sentence as usize);
                targets.push(target);
            }
        }
        let weights: Option<Vec<f32>> =
            weights.map(|weights| chosen.iter().map(|&sentence| weights[sentence]).collect());
        let trainer = chain::Trainer { seed: recipe.seed, ..chain::Trainer::default() };
        let constraints = self.layout.constraints();
        let fitted = trainer.fit(&encoded.select(&chosen), &targets, weights.as_deref(), &constraints, slots)?;
        Ok(Trained { epochs: fitted.progress.losses.len(), ..Trained::from_weights(self.layout, &fitted.weights) })
    }

    /// What is known about a sentence, if anything is.
    fn target(&self, sentence: usize) -> Option<Target> {
        let range = self.range(sentence);
        if let Some(soft) = self.soft.as_ref().map(|soft| &soft[range.clone()])
            && soft.iter().any(|row| !row.is_empty())
        {
            let mut rows = vec![0.0; range.len() * self.lanes];
            for ((row, shares), &label) in rows.chunks_exact_mut(self.lanes).zip(soft).zip(&self.tokens[range]) {
                shares.iter().for_each(|&(label, share)| row[usize::from(label)] += share);
                if shares.is_empty() {
                    row[usize::from(label)] = 1.0;
                }
            }
            return Some(Target::Soft(rows));
        }
        if self.is_known(sentence) {
            return Some(Target::Hard(self.tokens[self.range(sentence)].to_vec()));
        }
        let sets = &self.candidates.as_ref()?[self.range(sentence)];
        if sets.iter().all(Vec::is_empty) {
            return None;
        }
        let all: Vec<u16> = (0..self.lanes as u16).collect();
        let sets = sets.iter().map(|set| if set.is_empty() { all.as_slice() } else { set });
        Some(Target::allowed(sets, self.lanes))
    }

    /// How well a head does on sentences it has not seen.
    pub(crate) fn measure(&self, head: &Head, encoded: &Encoded, sentences: &[u32]) -> Reached {
        let mut reached = Reached::default();
        let mut room = Room::default();
        let mut error = 0.0f64;
        for sentence in sentences.iter().map(|&sentence| sentence as usize) {
            if !self.is_known(sentence) {
                continue;
            }
            match head {
                Head::Chain(trained) => {
                    let gold = &self.tokens[self.range(sentence)];
                    let found = trained.decode(encoded, sentence, &mut room);
                    let class = |label: &u16| self.layout.class(*label);
                    reached.right +=
                        gold.iter().zip(&found).filter(|(gold, found)| class(gold) == class(found)).count();
                    reached.all += gold.len();
                    if self.kind == LayerKind::Spans {
                        reached.spans.add(&self.layout.spans(gold), &self.layout.spans(&found));
                    }
                }
                Head::Linear(linear) if self.kind == LayerKind::Scores => {
                    for token in self.range(sentence) {
                        let mut score = linear.score(encoded, token..token + 1);
                        probabilities(&mut score);
                        error += f64::from(score[0] - f32::from(self.tokens[token]) / SCORE_UNITS).powi(2);
                        reached.all += 1;
                    }
                }
                Head::Linear(linear) => {
                    let scores = linear.score(encoded, self.range(sentence));
                    let best = (1..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best });
                    reached.right += usize::from(best == usize::from(self.sentences[sentence]));
                    reached.all += 1;
                }
            }
        }
        reached.squared_error = error / reached.all.max(1) as f64;
        reached
    }

    /// The temperature under which a head is as sure as it is right on these sentences; 1 where nothing is known.
    pub(crate) fn temperature(&self, head: &Head, encoded: &Encoded, sentences: &[u32]) -> Result<f64> {
        let known: Vec<usize> =
            sentences.iter().map(|&sentence| sentence as usize).filter(|&sentence| self.is_known(sentence)).collect();
        match head {
            _ if known.is_empty() || self.kind == LayerKind::Scores => Ok(1.0),
            Head::Chain(trained) => {
                let targets: Vec<Target> =
                    known.iter().map(|&sentence| Target::Hard(self.tokens[self.range(sentence)].to_vec())).collect();
                fit_temperature(&trained.weights(), self.layout, &encoded.select(&known), &targets)
            }
            Head::Linear(linear) => {
                let scored: Vec<(Vec<f32>, usize)> = known
                    .iter()
                    .map(|&at| (linear.score(encoded, self.range(at)), usize::from(self.sentences[at])))
                    .collect();
                let loss = |temperature: f64| -> f64 {
                    scored
                        .iter()
                        .map(|(scores, gold)| {
                            let mut shares: Vec<f32> = scores.iter().map(|score| score / temperature as f32).collect();
                            probabilities(&mut shares);
                            -f64::from(shares[*gold].max(1e-9)).ln()
                        })
                        .sum()
                };
                let steps = (-12..=20).map(|step| 2f64.powf(f64::from(step) / 4.0));
                let best = steps.map(|temperature| (loss(temperature), temperature));
                Ok(best.min_by(|left, right| left.0.total_cmp(&right.0)).map_or(1.0, |best| best.1))
            }
        }
    }
}
