//! What goes in: documents of sentences of tokens, layers of labels, and what is known about each.

use serde::{Deserialize, Serialize};

use super::features::FeatureGroups;
use crate::chain::{Layout, TypedSpan};
use crate::error::{Error, Result};

/// A text as tokens, cut into sentences. Tokens must not be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document<'a> {
    /// All tokens in order.
    pub tokens: Vec<&'a str>,
    /// One past the last token of each sentence, ascending; the last is the number of tokens.
    pub sentences: Vec<u32>,
}

impl<'a> Document<'a> {
    /// A document from its sentences.
    pub fn from_sentences<S: AsRef<[&'a str]>>(sentences: impl IntoIterator<Item = S>) -> Self {
        let mut document = Self::default();
        for sentence in sentences {
            document.tokens.extend_from_slice(sentence.as_ref());
            document.sentences.push(document.tokens.len() as u32);
        }
        document
    }

    /// The token ranges of the sentences. What lies beyond the tokens or runs backwards is cut; tokens after the last
    /// end are a sentence of their own.
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut start = 0;
        let ends = self.sentences.iter().map(|&end| end as usize).chain(std::iter::once(self.tokens.len()));
        ends.filter_map(move |end| {
            let range = start..end.min(self.tokens.len()).max(start);
            start = range.end;
            (!range.is_empty()).then_some(range)
        })
    }
}

/// What a layer says about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// Typed spans of tokens that do not overlap: entities, slots.
    Spans,
    /// One label per token: parts of speech, languages.
    Tags,
    /// One number from 0 to 1 per token: emphasis. It has no labels.
    Scores,
    /// One label per sentence: intent.
    Sentences,
}

/// A layer of annotation: a name, a kind, and the names of its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name, unique in a model.
    pub name: String,
    /// What it says.
    pub kind: LayerKind,
    /// The names of types, tags or sentence labels, in the order of their numbers; empty for scores.
    pub labels: Vec<String>,
}

impl Layer {
    /// A layer of a kind.
    pub fn new<S: Into<String>>(name: impl Into<String>, kind: LayerKind, labels: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into(), kind, labels: labels.into_iter().map(Into::into).collect() }
    }

    /// How many numbers per token the layer needs.
    pub(crate) fn lanes(&self) -> usize {
        match self.kind {
            LayerKind::Spans => self.layout().labels(),
            LayerKind::Tags | LayerKind::Sentences => self.labels.len(),
            LayerKind::Scores => 1,
        }
    }

    /// How its labels follow each other.
    pub(crate) fn layout(&self) -> Layout {
        match self.kind {
            LayerKind::Spans => Layout::Bilou { types: self.labels.len() },
            _ => Layout::Plain { labels: self.labels.len().max(1) },
        }
    }

    /// Whether it is decoded as a chain.
    pub(crate) fn is_chain(&self) -> bool {
        matches!(self.kind, LayerKind::Spans | LayerKind::Tags)
    }
}

/// What is known about one layer of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerTarget {
    /// Nothing: the document does not teach this layer.
    Unknown,
    /// All spans, as positions among the document's tokens.
    Spans(Vec<TypedSpan>),
    /// The tag of every token.
    Tags(Vec<u16>),
    /// For every token, all labels that it may have, in the numbering of the layer's
    /// [`Layout`](crate::chain::Layout) (BILOU for spans); an empty set allows all.
    Candidates(Vec<Vec<u16>>),
    /// For every token the labels that it may have, each with its probability, in the same numbering. A
    /// token's probabilities are scaled to sum to one.
    Soft(Vec<Vec<(u16, f32)>>),
    /// The score of every token, from 0 to 1.
    Scores(Vec<f32>),
    /// The label of every sentence, in the order of [`Document::ranges`].
    Sentences(Vec<u16>),
}

/// The layer that is looked at twice, if one is: the first of spans.
pub(crate) fn looked_at(layers: &[Layer], groups: FeatureGroups) -> Option<usize> {
    layers.iter().position(|layer| layer.kind == LayerKind::Spans).filter(|_| groups.looks)
}

/// The layers that a model has weights for: those that were asked for, then the first look at one of them.
pub(crate) fn all_layers(layers: &[Layer], groups: FeatureGroups) -> Vec<Layer> {
    let first_look = looked_at(layers, groups).map(|layer| layers[layer].clone());
    layers.iter().cloned().chain(first_look).collect()
}

/// Checks layers for a trainer or a model.
pub(crate) fn check_layers(layers: &[Layer]) -> Result<()> {
    if layers.is_empty() || layers.len() > 16 {
        return Err(Error::setting(format!("expected 1 to 16 layers, found {}", layers.len())));
    }
    for (at, layer) in layers.iter().enumerate() {
        let name = &layer.name;
        if layers[..at].iter().any(|other| other.name == *name) {
            return Err(Error::setting(format!("expected distinct layers, found `{name}` twice")));
        }
        let (least, most) = match layer.kind {
            LayerKind::Spans => (1, 4000),
            LayerKind::Tags | LayerKind::Sentences => (2, 16_000),
            LayerKind::Scores => (0, 0),
        };
        if !(least..=most).contains(&layer.labels.len()) {
            let found = layer.labels.len();
            return Err(Error::setting(format!("layer `{name}`: expected {least} to {most} labels, found {found}")));
        }
        let mut sorted: Vec<&String> = layer.labels.iter().collect();
        sorted.sort_unstable();
        if let Some([twice, _]) = sorted.array_windows().find(|[left, right]| left == right) {
            return Err(Error::setting(format!("layer `{name}`: expected distinct labels, found `{twice}` twice")));
        }
    }
    Ok(())
}

/// Checks that documents and what is known about them fit the layers and each other.
pub(crate) fn check_targets(
    layers: &[Layer],
    documents: &[Document],
    targets: &[Vec<LayerTarget>],
    weights: Option<&[f32]>,
) -> Result<()> {
    if documents.len() != targets.len() {
        return Err(Error::input(format!(
            "expected targets of {} documents, found {}",
            documents.len(),
            targets.len()
        )));
    }
    if let Some(weights) = weights {
        if weights.len() != documents.len() {
            return Err(Error::input(format!("expected {} weights, found {}", documents.len(), weights.len())));
        }
        if let Some(at) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err(Error::input(format!("expected a weight of at least 0, found {}", weights[at])).for_item(at));
        }
    }
    let tokens: usize = documents.iter().map(|document| document.tokens.len()).sum();
    if tokens == 0 || tokens > 1 << 30 {
        return Err(Error::input(format!("expected 1 to {} tokens, found {tokens}", 1 << 30)));
    }
    for (at, (document, targets)) in documents.iter().zip(targets).enumerate() {
        check_document(layers, document, targets).map_err(|message| Error::input(message).for_item(at))?;
    }
    for (at, layer) in layers.iter().enumerate() {
        if targets.iter().all(|targets| targets[at] == LayerTarget::Unknown) {
            return Err(Error::input(format!(
                "layer `{}`: expected a document that teaches it, found none",
                layer.name
            )));
        }
    }
    Ok(())
}

fn check_document(layers: &[Layer], document: &Document, targets: &[LayerTarget]) -> Result<(), String> {
    let tokens = document.tokens.len();
    if let Some(at) = document.tokens.iter().position(|token| token.is_empty()) {
        return Err(format!("expected tokens of at least one character, token {at} has none"));
    }
    let ends = &document.sentences;
    if ends.windows(2).any(|pair| pair[0] > pair[1]) || ends.last().is_some_and(|&end| end as usize != tokens) {
        return Err(format!("expected ascending ends of sentences, the last at {tokens}"));
    }
    if targets.len() != layers.len() {
        return Err(format!("expected a target for each of {} layers, found {}", layers.len(), targets.len()));
    }
    for (layer, target) in layers.iter().zip(targets) {
        let labels = layer.labels.len();
        let name = &layer.name;
        let length = |expected: usize, found: usize, what: &str| {
            (expected == found)
                .then_some(())
                .ok_or(format!("layer `{name}`: expected {expected} {what}, found {found}"))
        };
        let below = |class: Option<&u16>, labels: usize| match class {
            Some(class) => Err(format!("layer `{name}`: expected a label below {labels}, found {class}")),
            None => Ok(()),
        };
        let unknown = |class: &&u16| usize::from(**class) >= labels;
        match (layer.kind, target) {
            (_, LayerTarget::Unknown) => {}
            (LayerKind::Spans, LayerTarget::Spans(spans)) => {
                below(spans.iter().map(|span| &span.class).find(unknown), labels)?;
                let mut end = 0;
                for span in spans {
                    if span.start >= span.end || span.end as usize > tokens {
                        let (start, end) = (span.start, span.end);
                        return Err(format!("layer `{name}`: expected spans within 0..{tokens}, found {start}..{end}"));
                    }
                    if span.start < end {
                        let start = span.start;
                        return Err(format!(
                            "layer `{name}`: expected spans in order that do not overlap, found one at {start} before {end}"
                        ));
                    }
                    end = span.end;
                }
            }
            (LayerKind::Tags, LayerTarget::Tags(tags)) => {
                length(tokens, tags.len(), "tags")?;
                below(tags.iter().find(unknown), labels)?;
            }
            (LayerKind::Spans | LayerKind::Tags, LayerTarget::Candidates(sets)) => {
                length(tokens, sets.len(), "sets of labels")?;
                let count = layer.layout().labels();
                below(sets.iter().flatten().find(|label| usize::from(**label) >= count), count)?;
            }
            (LayerKind::Spans | LayerKind::Tags, LayerTarget::Soft(rows)) => {
                length(tokens, rows.len(), "distributions of labels")?;
                let count = layer.layout().labels();
                let labels = rows.iter().flatten().map(|(label, _)| label);
                below(labels.clone().find(|label| usize::from(**label) >= count), count)?;
                for (token, row) in rows.iter().enumerate() {
                    let sum: f32 = row.iter().map(|(_, share)| share).sum();
                    if row.iter().any(|(_, share)| *share < 0.0) || !(sum > 0.0 && sum.is_finite()) {
                        return Err(format!(
                            "layer `{name}`: expected probabilities of zero or more with a positive sum at token {token}, found {row:?}"
                        ));
                    }
                }
            }
            (LayerKind::Scores, LayerTarget::Scores(scores)) => {
                length(tokens, scores.len(), "scores")?;
                if let Some(score) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
                    return Err(format!("layer `{name}`: expected scores from 0 to 1, found {score}"));
                }
            }
            (LayerKind::Sentences, LayerTarget::Sentences(classes)) => {
                length(document.ranges().count(), classes.len(), "labels of sentences")?;
                below(classes.iter().find(unknown), labels)?;
            }
            (kind, _) => return Err(format!("layer `{name}`: the target does not fit a layer of {kind:?}")),
        }
    }
    Ok(())
}
