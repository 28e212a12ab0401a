//! A trained text classifier as an annotator.

use std::path::{Path, PathBuf};

use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Class, Cost, Digest, Error, ItemBatch, Name, Result, Task,
    TaskKind,
};
use postil_student::text::{Head, TextModel};
use serde::Deserialize;

use crate::Annotator;

/// A model file, as training writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name in the project.
    pub name: String,
    /// The file, relative to the project.
    pub path: PathBuf,
}

/// A trained model that answers for every item, with its probabilities beside the answer.
///
/// One label is asked for: the most probable one (on an ordered scale learned as such the median), with its probability
/// as confidence. Several are asked for: those that reach the model's thresholds; confidence is then not one number
/// and is left out.
pub struct ModelAnnotator {
    identity: AnnotatorIdentity,
    model: TextModel,
    /// The task's names of the model's labels, in the model's order.
    labels: Vec<Name>,
    kind: TaskKind,
}

impl ModelAnnotator {
    /// Loads a model and checks that it speaks of this task.
    ///
    /// # Errors
    /// The file cannot be read or is no model; the model knows a label that the task does not have, gives one label
    /// where several are asked for or the other way round, or learned an ordered scale in another order.
    pub fn open(spec: &ModelSpec, task: &Task, folder: &Path) -> Result<Self> {
        let bytes = std::fs::read(folder.join(&spec.path))
            .map_err(|error| Error::io("the model cannot be read", error).in_file(&spec.path))?;
        let version = Digest::of_parts([b"model answers 1".as_slice(), task.kind.name().as_bytes(), &bytes]);
        let model = TextModel::from_vec(bytes).map_err(|error| {
            let newer = error.is_newer_format();
            let message = error.to_string();
            if newer { Error::newer_format(message) } else { Error::input(message) }.in_file(&spec.path)
        })?;
        let in_file = |error: Error| error.in_file(&spec.path);
        let classes: Vec<Class> = model
            .labels()
            .iter()
            .map(|label| task.labels.expect(label))
            .collect::<Result<_>>()
            .map_err(|error| in_file(error).hint("train the model on this task's labels"))?;
        let several = task.kind == TaskKind::Multilabel;
        if several != (model.head() == Head::Multilabel) {
            let (wanted, found) =
                if several { ("any number of", "one label") } else { ("one of the", "any number of labels") };
            return Err(in_file(Error::task(format!(
                "expected a model for {wanted} labels per item, found one for {found}"
            ))));
        }
        if task.kind == TaskKind::Ordinal && model.head() == Head::Ordinal && !classes.is_sorted() {
            return Err(in_file(Error::task(
                "expected a model with the scale of the task, found another order of labels",
            )));
        }
        let labels = classes.iter().map(|&class| task.labels.name(class).clone()).collect();
        let identity = AnnotatorIdentity { name: spec.name.as_str().into(), kind: AnnotatorKind::Model, version };
        Ok(Self { identity, model, labels, kind: task.kind })
    }

    fn annotation(&self, items: &ItemBatch, row: usize, probabilities: &[f32]) -> Annotation {
        let label = |class: Class| self.labels[usize::from(class)].clone();
        let (answer, confidence) = if self.kind == TaskKind::Multilabel {
            (Answer::Set { labels: self.model.applying(probabilities).map(label).collect() }, None)
        } else {
            let class = match self.model.head() {
                Head::Ordinal => self.model.median(probabilities),
                Head::Softmax | Head::Multilabel => self.model.most_probable(probabilities),
            };
            (Answer::Class { label: label(class) }, Some(probabilities[usize::from(class)]))
        };
        let distribution = self.labels.iter().cloned().zip(probabilities.iter().copied()).collect();
        let annotation = Annotation::new(items.id(row).into(), items.digest(row), self.identity.version, answer);
        Annotation { distribution: Some(distribution), confidence, ..annotation }
    }
}

impl Annotator for ModelAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let texts: Vec<&str> = (0..items.len()).map(|row| items.text(row)).collect();
        let probabilities = self.model.predict_batch(&texts);
        let rows = probabilities.chunks_exact(self.labels.len().max(1));
        Ok(rows.enumerate().map(|(row, probabilities)| self.annotation(items, row, probabilities)).collect())
    }
}
