//! Documents with what a tagger is to learn from them.

use std::collections::BTreeSet;

use postil_core::text::{Aligned, Misaligned, Problem, Tokenizer, align};
use postil_core::{Document, Error, Name, Result};
use postil_student::chain::{Layout, TypedSpan};
use postil_student::tagger::{self, LayerKind, LayerTarget};
use serde_json::Value;

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

    /// How much each document counts: a number that stands beside its text.
    pub fn weights(&self, field: &str) -> Result<Vec<f32>> {
        let weight = |document: &Document| {
            let found = document.meta.get(field);
            let number = found.and_then(|value| match value {
                Value::String(text) => text.trim().parse().ok(),
                value => value.as_f64(),
            });
            number.filter(|number| number.is_finite() && *number >= 0.0).map(|number| number as f32).ok_or_else(|| {
                let found = found.map_or_else(|| "none".to_owned(), ToString::to_string);
                Error::input(format!("expected a number of at least 0 in `{field}`, found {found}"))
                    .for_item(document.id.to_string())
            })
        };
        self.documents.iter().map(weight).collect()
    }

    /// Takes every span as certain, whatever its source said.
    pub fn forget_confidences(&mut self) {
        self.documents.iter_mut().for_each(|document| document.confidences.clear());
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
            if !document.confidences.is_empty() {
                return soft(document, aligned, index.len(), class, remarks);
            }
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

/// Spans of which the source is not sure: each gives its labels as much as it is sure of it. What is left is not known
/// and falls to all labels alike, so that a span teaches in proportion. Spans that overlap are alternatives.
fn soft(
    document: &Document,
    aligned: Aligned,
    types: usize,
    class: impl Fn(&Name) -> Result<u16>,
    remarks: &mut Vec<(Name, Misaligned)>,
) -> Result<LayerTarget> {
    let overlaps = |remark: &Misaligned| remark.problem == Problem::Overlaps;
    let others = aligned.remarks.into_iter().filter(|remark| !overlaps(remark));
    remarks.extend(others.map(|remark| (document.id.clone(), remark)));
    let layout = Layout::Bilou { types };
    let mut rows: Vec<Vec<(u16, f32)>> = vec![Vec::new(); document.tokens.len()];
    for (span, &given) in aligned.all.iter().zip(&aligned.given) {
        let sure = document.confidences.get(given).copied().unwrap_or(1.0);
        let class = class(&span.label)?;
        let length = (span.end - span.start) as usize;
        if sure > 0.0 {
            for (place, row) in rows[span.start as usize..span.end as usize].iter_mut().enumerate() {
                row.push((layout.label(class, place, length), sure));
            }
        }
    }
    for row in &mut rows {
        let left = 1.0 - row.iter().map(|(_, share)| share).sum::<f32>();
        if row.is_empty() {
            row.push((0, 1.0));
        } else if left > 0.0 {
            let share = left / layout.labels() as f32;
            row.extend((0..layout.labels() as u16).map(|label| (label, share)));
        }
    }
    Ok(LayerTarget::Soft(rows))
}

fn score(tag: &Name) -> Result<f32> {
    tag.parse::<f32>()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| Error::input(format!("expected a score from 0 to 1, found `{tag}`")))
}
