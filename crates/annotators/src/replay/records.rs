//! Stored records, replayed from a file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Error, ItemBatch, LabelSet, Result, Status,
    Task,
};

use super::{READING, ReplaySpec};
use crate::Annotator;
use crate::records::{StoredRecord, read, read_records};

/// One annotator of a file of stored records.
pub(crate) struct RecordReplayAnnotator {
    identity: AnnotatorIdentity,
    labels: LabelSet,
    /// By item, in the file's order.
    records: HashMap<String, Vec<StoredRecord>>,
    /// Items of the file that have been among the batches.
    met: HashSet<String>,
}

impl RecordReplayAnnotator {
    /// Reads the file and splits it by annotator, in the order in which they first appear.
    ///
    /// # Errors
    /// A file that cannot be read, without items or fields, or without a record.
    pub(crate) fn open(spec: &ReplaySpec, task: &Task, folder: &Path) -> Result<Vec<Self>> {
        let schema = task.labels.schema().ok_or_else(|| Error::task("expected a schema for records, found none"))?;
        let digest = schema.digest();
        let stored = read_records(&folder.join(&spec.path), &spec.path, &spec.columns.item, schema)?;
        let mut annotators: Vec<(String, Vec<StoredRecord>)> = Vec::new();
        for record in stored {
            match annotators.iter_mut().find(|(name, _)| *name == record.annotator) {
                Some((_, records)) => records.push(record),
                None => annotators.push((record.annotator.clone(), vec![record])),
            }
        }
        if annotators.is_empty() {
            return Err(Error::input("expected at least one record, found none").in_file(&spec.path));
        }
        Ok(annotators
            .into_iter()
            .map(|(name, records)| {
                let said: Vec<String> = records
                    .iter()
                    .map(|record| format!("{}\0{}", record.item, serde_json::Value::Object(record.fields.clone())))
                    .collect();
                let parts = [READING, digest.as_bytes().as_slice()].into_iter();
                let version = Digest::of_parts(parts.chain(said.iter().map(String::as_bytes)));
                let name = if name.trim().is_empty() { spec.name.clone() } else { format!("{}/{name}", spec.name) };
                let mut by_item: HashMap<String, Vec<StoredRecord>> = HashMap::new();
                for record in records {
                    by_item.entry(record.item.clone()).or_default().push(record);
                }
                let identity = AnnotatorIdentity { name: name.into(), kind: AnnotatorKind::Replay, version };
                Self { identity, labels: task.labels.clone(), records: by_item, met: HashSet::new() }
            })
            .collect())
    }
}

impl Annotator for RecordReplayAnnotator {
    fn identity(&self) -> &AnnotatorIdentity {
        &self.identity
    }

    fn price(&self, _items: &ItemBatch) -> Cost {
        Cost::default()
    }

    fn annotate(&mut self, items: &ItemBatch) -> Result<Vec<Annotation>> {
        let rows: Vec<usize> = (0..items.len()).collect();
        self.pass_over(items, &rows);
        let Some(schema) = self.labels.schema() else { return Ok(Vec::new()) };
        let mut annotations = Vec::new();
        for row in 0..items.len() {
            for record in self.records.get(items.id(row)).into_iter().flatten() {
                let answer = read(schema, items.text(row), &record.fields, false);
                annotations.push(annotation(items, row, self.identity.version, answer));
            }
        }
        Ok(annotations)
    }

    fn pass_over(&mut self, items: &ItemBatch, rows: &[usize]) {
        for &row in rows {
            if self.records.contains_key(items.id(row)) {
                self.met.insert(items.id(row).to_owned());
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let unmet = self.records.len() - self.met.len();
        let name = &self.identity.name;
        Vec::from_iter((unmet > 0).then(|| {
            format!(
                "stored records of `{name}` about {unmet} of {} items that were not among the data",
                self.records.len()
            )
        }))
    }
}

/// A record as an annotation; one of which nothing could be used is malformed.
pub(crate) fn annotation(items: &ItemBatch, row: usize, version: Digest, answer: Answer) -> Annotation {
    let (id, digest) = (items.id(row).into(), items.digest(row));
    match &answer {
        Answer::Record { fields, rejected, .. } if fields.is_empty() && !rejected.is_empty() => {
            let reason = format!("{}: {}", rejected[0].field, rejected[0].reason);
            Annotation::without_answer(id, digest, version, Status::Malformed, reason)
        }
        _ => Annotation::new(id, digest, version, answer),
    }
}
