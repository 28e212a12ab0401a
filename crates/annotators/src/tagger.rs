//! A trained tagger as an annotator of spans and tags.

use std::path::Path;

use postil_core::text::{Named, Offsets, Tokenizer, quote};
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Document, Error, ItemBatch, Name, Result, Task,
    TaskKind,
};
use postil_student::tagger::{self, LayerKind, LayerPrediction, TaggerModel, TaggerScratch};
use rayon::prelude::*;

use crate::spans::tokens_of;
use crate::{Annotator, ModelSpec, Settings};

/// A tagger that reads every item whole: where it marks nothing, it says that there is nothing.
pub(crate) struct TaggerAnnotator {
    identity: AnnotatorIdentity,
    model: TaggerModel,
    /// The layers that speak of the task, each with the task's names of its labels, in the model's order.
    layers: Vec<(usize, Vec<Name>)>,
    tokenizer: Tokenizer,
}

impl TaggerAnnotator {
    /// Loads a tagger and checks that it speaks of this task.
    ///
    /// # Errors
    /// The file cannot be read or is no tagger of spans, or the model knows a label that the task does not have.
    pub(crate) fn open(spec: &ModelSpec, task: &Task, folder: &Path, settings: &Settings) -> Result<Self> {
        let bytes = std::fs::read(folder.join(&spec.path))
            .map_err(|error| Error::io("the model cannot be read", error).in_file(&spec.path))?;
        let parts = [b"tagger answers 1".as_slice(), settings.cut().as_bytes(), &bytes];
        let version = Digest::of_parts(parts);
        let model = TaggerModel::from_vec(bytes).map_err(|error| {
            let message = error.to_string();
            if error.is_newer_format() { Error::newer_format(message) } else { Error::input(message) }
                .in_file(&spec.path)
        })?;
        let (kind, does) = match task.kind {
            TaskKind::Tag => (LayerKind::Tags, "gives every token a tag"),
            _ => (LayerKind::Spans, "marks spans"),
        };
        let names = |labels: &[String]| {
            labels
                .iter()
                .map(|label| Ok(task.labels.name(task.labels.expect(label)?).clone()))
                .collect::<Result<Vec<Name>>>()
                .map_err(|error| error.in_file(&spec.path).hint("train the model on this task's labels"))
        };
        let numbered = model.layers().iter().enumerate();
        let of_kind = numbered.filter(|(_, layer)| layer.kind == kind);
        let mut layers =
            of_kind.map(|(number, layer)| Ok((number, names(&layer.labels)?))).collect::<Result<Vec<_>>>()?;
        if layers.is_empty() {
            return Err(
                Error::task(format!("expected a model that {does}, found one that does not")).in_file(&spec.path)
            );
        }
        if kind == LayerKind::Tags {
            layers.truncate(1);
        }
        let identity = AnnotatorIdentity { name: spec.name.as_str().into(), kind: AnnotatorKind::Model, version };
        Ok(Self { identity, model, layers, tokenizer: settings.tokenizer })
    }

    fn annotation(&self, items: &ItemBatch, row: usize, scratch: &mut TaggerScratch) -> Annotation {
        let mut document = Document::from_text(items.id(row), items.text(row));
        document.tokens = tokens_of(items, row, self.tokenizer).into_owned();
        document.tokenize(self.tokenizer);
        let seen = tagger::Document { tokens: document.words().collect(), sentences: document.sentences.clone() };
        let offsets = Offsets::new(&document.text);
        let (id, digest, version) = (items.id(row).into(), items.digest(row), self.identity.version);
        let mut spans = Vec::new();
        let predicted = self.model.predict(&seen, false, scratch);
        for (layer, labels) in &self.layers {
            let name = |class: u16| labels[usize::from(class)].clone();
            match &predicted[*layer] {
                LayerPrediction::Tags(tags) => {
                    let tags = tags.iter().map(|tag| name(tag.class)).collect();
                    return Annotation::new(id, digest, version, Answer::Tags { tags });
                }
                LayerPrediction::Spans(found) => spans.extend(found.iter().map(|found| {
                    let (start, end, label) = (found.span.start, found.span.end, name(found.span.class));
                    quote(&offsets, &document.tokens, &Named { start, end, label })
                })),
                _ => {}
            }
        }
        Annotation::new(id, digest, version, Answer::spans(spans))
    }
}

impl Annotator for TaggerAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let rows = (0..items.len()).into_par_iter();
        Ok(rows.map_init(TaggerScratch::default, |scratch, row| self.annotation(items, row, scratch)).collect())
    }
}
