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
    layer: usize,
    /// The task's names of the model's labels, in the model's order.
    labels: Vec<Name>,
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
        let layer = model.layers().iter().position(|layer| layer.kind == kind).ok_or_else(|| {
            Error::task(format!("expected a model that {does}, found one that does not")).in_file(&spec.path)
        })?;
        let names = &model.layers()[layer].labels;
        let labels = names
            .iter()
            .map(|label| Ok(task.labels.name(task.labels.expect(label)?).clone()))
            .collect::<Result<Vec<Name>>>()
            .map_err(|error| error.in_file(&spec.path).hint("train the model on this task's labels"))?;
        let identity = AnnotatorIdentity { name: spec.name.as_str().into(), kind: AnnotatorKind::Model, version };
        Ok(Self { identity, model, layer, labels, tokenizer: settings.tokenizer })
    }

    fn annotation(&self, items: &ItemBatch, row: usize, scratch: &mut TaggerScratch) -> Annotation {
        let mut document = Document::from_text(items.id(row), items.text(row));
        document.tokens = tokens_of(items, row, self.tokenizer).into_owned();
        document.tokenize(self.tokenizer);
        let seen = tagger::Document { tokens: document.words().collect(), sentences: document.sentences.clone() };
        let offsets = Offsets::new(&document.text);
        let name = |class: u16| self.labels[usize::from(class)].clone();
        let (id, digest, version) = (items.id(row).into(), items.digest(row), self.identity.version);
        let spans = match self.model.predict(&seen, false, scratch).swap_remove(self.layer) {
            LayerPrediction::Spans(spans) => spans,
            LayerPrediction::Tags(tags) => {
                let tags = tags.iter().map(|tag| name(tag.class)).collect();
                return Annotation::new(id, digest, version, Answer::Tags { tags });
            }
            _ => Vec::new(),
        };
        let spans = spans
            .iter()
            .map(|found| {
                let label = name(found.span.class);
                quote(&offsets, &document.tokens, &Named { start: found.span.start, end: found.span.end, label })
            })
            .collect();
        Annotation::new(id, digest, version, Answer::Spans { spans })
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
