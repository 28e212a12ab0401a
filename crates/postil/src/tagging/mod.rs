//! Between documents and taggers: tokens and spans in, spans in the text out.

mod corpus;
mod lists;

use std::sync::Arc;

use postil_core::text::{Named, Offsets, Tokenizer, quote};
use postil_core::{Document, Error, Layer as Tags, Name, Result, Span};
use postil_student::tagger::{self, LayerKind, LayerPrediction, PredictedSpan, TaggerModel, TaggerScratch};

pub use corpus::{Corpus, Wanted};
pub use lists::read_lists;

/// A document as a tagger sees it.
pub fn view(document: &Document) -> tagger::Document<'_> {
    tagger::Document { tokens: document.words().collect(), sentences: document.sentences.clone() }
}

/// A span that a model found, and how sure it is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The span.
    pub span: Span,
    /// The probability that exactly this span with this label is there, if it was asked for.
    pub confidence: Option<f32>,
}

/// The tokenizer that a model was trained with, or white space for one that learnt from given tokens.
pub fn tokenizer_of(model: &TaggerModel) -> Result<Tokenizer> {
    match model.tokenizer() {
        "" => Ok(Tokenizer::Words),
        name => Tokenizer::from_name(name).ok_or_else(|| {
            Error::newer_format(format!(
                "the model was trained with the tokenizer `{name}`, which this version does not have"
            ))
        }),
    }
}

/// The names of a layer's labels, shared.
pub fn names(layer: &tagger::Layer) -> Vec<Name> {
    layer.labels.iter().map(|label| Name::from(label.as_str())).collect()
}

/// Predicted spans as places in the text.
pub fn found(document: &Document, offsets: &Offsets<'_>, spans: &[PredictedSpan], labels: &[Name]) -> Vec<Found> {
    spans
        .iter()
        .map(|predicted| {
            let run = Named {
                start: predicted.span.start,
                end: predicted.span.end,
                label: Arc::clone(&labels[usize::from(predicted.span.class)]),
            };
            Found { span: quote(offsets, &document.tokens, &run), confidence: predicted.confidence }
        })
        .collect()
}

/// What a model says about a document.
#[derive(Clone, Debug, Default)]
pub struct Tagged {
    /// The spans of all layers of spans.
    pub spans: Vec<Found>,
    /// The layers of tags.
    pub layers: Vec<Tags>,
    /// The layers of scores: a name and a score per token.
    pub scores: Vec<(Name, Vec<f32>)>,
    /// The labels of the sentences, layer by layer: the most frequent is the document's.
    pub labels: Vec<(Name, f32)>,
}

/// Asks a model about a document that has tokens.
pub fn tag(
    model: &TaggerModel,
    labels: &[Vec<Name>],
    document: &Document,
    confidence: bool,
    scratch: &mut TaggerScratch,
) -> Tagged {
    let mut tagged = Tagged::default();
    let offsets = Offsets::new(&document.text);
    let predictions = model.predict(&view(document), confidence, scratch);
    for ((layer, labels), prediction) in model.layers().iter().zip(labels).zip(predictions) {
        let name = || Name::from(layer.name.as_str());
        match prediction {
            LayerPrediction::Spans(spans) => tagged.spans.extend(found(document, &offsets, &spans, labels)),
            LayerPrediction::Tags(tags) => {
                let tags = tags.iter().map(|tag| Arc::clone(&labels[usize::from(tag.class)])).collect();
                tagged.layers.push(Tags { name: name(), tags });
            }
            LayerPrediction::Scores(scores) => tagged.scores.push((name(), scores)),
            LayerPrediction::Sentences(sentences) => tagged.labels.extend(whole(&sentences, labels)),
        }
    }
    tagged
}

/// The label of a document from those of its sentences: the one that most of them have, of equally frequent the first.
fn whole(sentences: &[tagger::PredictedLabel], labels: &[Name]) -> Option<(Name, f32)> {
    let mut counts: Vec<(u16, u32, f32)> = Vec::new();
    for sentence in sentences {
        let sure = sentence.confidence.unwrap_or(1.0);
        match counts.iter_mut().find(|count| count.0 == sentence.class) {
            Some(count) => (count.1, count.2) = (count.1 + 1, count.2 + sure),
            None => counts.push((sentence.class, 1, sure)),
        }
    }
    let most = counts.iter().map(|count| count.1).max()?;
    let (class, count, sure) = counts.into_iter().find(|count| count.1 == most)?;
    Some((Arc::clone(&labels[usize::from(class)]), sure / count as f32))
}

/// The names of all layers' labels.
pub fn all_names(model: &TaggerModel) -> Vec<Vec<Name>> {
    model.layers().iter().map(names).collect()
}

/// What a kind of layer is called.
pub const fn kind_name(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Spans => "spans",
        LayerKind::Tags => "tags",
        LayerKind::Scores => "scores",
        LayerKind::Sentences => "labels of sentences",
    }
}
