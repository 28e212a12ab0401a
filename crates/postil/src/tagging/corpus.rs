//! Documents with what a tagger is to learn from them.

use std::collections::BTreeSet;

use postil_core::text::{Misaligned, Problem, Tokenizer, align};
use postil_core::{Document, Error, Name, Result};
use postil_student::chain::TypedSpan;
use postil_student::tagger::{self, LayerKind, LayerTarget};

use super::view;

/// A layer that is to be learnt, and what teaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The documents' spans.
    Spans,
    /// A layer of tags, by its name.
    Tags(String),
    /// A layer whose tags are numbers from 0 to 1, by its name.
    Scores(String),
    /// The documents' label.
    Label,
}

impl Wanted {
    fn name(&self) -> &str {
        match self {
            Self::Spans => "spans",
            Self::Tags(name) | Self::Scores(name) => name,
            Self::Label => "label",
        }
    }

    const fn kind(&self) -> LayerKind {
        match self {
            Self::Spans => LayerKind::Spans,
            Self::Tags(_) => LayerKind::Tags,
            Self::Scores(_) => LayerKind::Scores,
            Self::Label => LayerKind::Sentences,
        }
    }
}

/// Documents with tokens, the layers to learn, and what each document says about each.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The documents.
    pub documents: Vec<Document>,
    /// Spans that are not on the tokens as they were given, and the document of each.
    pub remarks: Vec<(Name, Misaligned)>,
}

impl Corpus {
    /// Adds a document; one without tokens gets those of the tokenizer.
    pub fn push(&mut self, mut document: Document, tokenizer: Tokenizer) {
        document.tokenize(tokenizer);
        if !document.tokens.is_empty() {
            self.documents.push(document);
        }
    }

    /// The layers with their labels: those given, or all that occur, sorted by name.
    pub fn layers(&self, wanted: &[Wanted], labels: Option<&[String]>) -> Result<Vec<tagger::Layer>> {
        wanted
            .iter()
            .enumerate()
            .map(|(place, layer)| {
                let names: Vec<String> = match (labels, layer) {
                    (Some(labels), _) if place == 0 => labels.to_vec(),
                    (_, Wanted::Scores(_)) => Vec::new(),
                    _ => self.names(layer).into_iter().map(std::string::ToString::to_string).collect(),
                };
                if names.is_empty() && layer.kind() != LayerKind::Scores {
                    let error = Error::input(format!("expected documents that teach `{}`, found none", layer.name()));
                    return Err(match layer {
                        Wanted::Spans => {
                            error.hint("name the column of the tags with `--column`, or the format with `--format`")
                        }
                        _ => error.hint(format!("the layers are: {}", self.layer_names().join(", "))),
                    });
                }
                Ok(tagger::Layer::new(layer.name(), layer.kind(), names))
            })
            .collect()
    }

    fn names(&self, layer: &Wanted) -> BTreeSet<&Name> {
        let mut names = BTreeSet::new();
        for document in &self.documents {
            match layer {
                Wanted::Spans => names.extend(document.spans.iter().map(|span| &span.label)),
                Wanted::Tags(name) => {
                    names
                        .extend(document.layers.iter().filter(|tags| *tags.name == **name).flat_map(|tags| &tags.tags));
                }
                Wanted::Label => names.extend(document.labels.first()),
                Wanted::Scores(_) => {}
            }
        }
        names
    }

    fn layer_names(&self) -> Vec<String> {
        let names: BTreeSet<&Name> =
            self.documents.iter().flat_map(|document| document.layers.iter().map(|layer| &layer.name)).collect();
        names.into_iter().map(|name| format!("`{name}`")).collect()
    }

    /// What every document says about every layer.
    pub fn targets(&mut self, layers: &[tagger::Layer], wanted: &[Wanted]) -> Result<Vec<Vec<LayerTarget>>> {
        let indices: Vec<std::collections::HashMap<&str, u16>> = layers
            .iter()
            .map(|layer| layer.labels.iter().enumerate().map(|(class, label)| (label.as_str(), class as u16)).collect())
            .collect();
        let mut remarks = Vec::new();
        let targets = self
            .documents
            .iter()
            .map(|document| {
                wanted
                    .iter()
                    .zip(&indices)
                    .map(|(layer, index)| {
                        target(document, layer, index, &mut remarks)
                            .map_err(|error| error.for_item(document.id.to_string()))
                    })
                    .collect::<Result<Vec<LayerTarget>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        self.remarks.extend(remarks);
        Ok(targets)
    }

    /// The documents as a tagger sees them.
    pub fn views(&self) -> Vec<tagger::Document<'_>> {
        self.documents.iter().map(view).collect()
    }

    /// How many spans were widened to whole tokens, and how many left out.
    pub fn misaligned(&self) -> (usize, usize) {
        let snapped = self.remarks.iter().filter(|(_, remark)| remark.problem == Problem::Snapped).count();
        (snapped, self.remarks.len() - snapped)
    }
}

fn target(
    document: &Document,
    layer: &Wanted,
    index: &std::collections::HashMap<&str, u16>,
    remarks: &mut Vec<(Name, Misaligned)>,
) -> Result<LayerTarget> {
    let class = |label: &Name| {
        index.get(&**label).copied().ok_or_else(|| {
            Error::task(format!("expected one of the labels given, found `{label}`"))
                .hint("add it to `--labels`, or leave that option out")
        })
    };
    let tags = |name: &String| document.layers.iter().find(|tags| *tags.name == **name);
    Ok(match layer {
        Wanted::Spans => {
            let aligned = align(&document.text, &document.tokens, &document.spans);
            remarks.extend(aligned.remarks.into_iter().map(|remark| (document.id.clone(), remark)));
            let spans = aligned
                .flat
                .iter()
                .map(|span| Ok(TypedSpan { start: span.start, end: span.end, class: class(&span.label)? }));
            LayerTarget::Spans(spans.collect::<Result<_>>()?)
        }
        Wanted::Tags(name) => match tags(name) {
            Some(layer) => LayerTarget::Tags(layer.tags.iter().map(class).collect::<Result<_>>()?),
            None => LayerTarget::Unknown,
        },
        Wanted::Scores(name) => match tags(name) {
            Some(layer) => LayerTarget::Scores(layer.tags.iter().map(score).collect::<Result<_>>()?),
            None => LayerTarget::Unknown,
        },
        Wanted::Label => match document.labels.first() {
            Some(label) => LayerTarget::Sentences(vec![class(label)?; document.sentence_ranges().len()]),
            None => LayerTarget::Unknown,
        },
    })
}

fn score(tag: &Name) -> Result<f32> {
    tag.parse::<f32>()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| Error::input(format!("expected a score from 0 to 1, found `{tag}`")))
}
