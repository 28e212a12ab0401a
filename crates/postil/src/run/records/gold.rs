//! Gold records.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use postil_annotators::read_records;
use postil_core::audit::{GoldPart, gold_part};
use postil_core::items::AnswerOptions;
use postil_core::record::RecordSchema;
use postil_core::table::{TableOptions, TableReader};
use postil_core::{Answer, Digest, Error, Result};
use serde_json::{Map, Value};

use super::super::gold::Design;
use super::super::items::Items;
use super::super::people::Agreed;
use super::schema;
use crate::project::Project;

/// The truth about one item.
#[derive(Clone, Debug)]
pub(super) struct GoldRecord {
    pub(super) item: String,
    pub(super) probability: Option<f64>,
    /// By field; `None` where the file says nothing.
    pub(super) truth: Vec<Option<Value>>,
}

/// A gold file.
#[derive(Debug, Default)]
pub(super) struct GoldFile {
    pub(super) records: Vec<GoldRecord>,
    pub(super) version: Option<Digest>,
    /// What could not be used, in a sentence each.
    pub(super) faults: Vec<String>,
}

impl GoldFile {
    /// Reads a table with a column per field. An empty cell of a field that may be absent says that it is; of any other
    /// field it says nothing.
    ///
    /// # Errors
    /// A value that the field may not hold: gold is too dear to be dropped in silence.
    pub(super) fn read(project: &Project) -> Result<Self> {
        let Some(path) = &project.gold else { return Ok(Self::default()) };
        let schema = schema(project)?;
        let item = item_column(project, path)?;
        let (mut records, mut blank) = (Vec::new(), 0);
        for stored in read_records(path, path, &item, schema)? {
            if stored.fields.values().all(Value::is_null) {
                blank += 1;
                continue;
            }
            let truth = schema
                .fields()
                .iter()
                .map(|field| match stored.fields.get(&*field.name) {
                    None => Ok(None),
                    Some(Value::Null) => Ok(field.nullable.then_some(Value::Null)),
                    Some(value) => field.kind.read(value).map(Some).map_err(|reason| {
                        Error::input(format!("field `{}`: {reason}", field.name))
                            .in_file(path)
                            .at_line(stored.line)
                            .for_item(stored.item.clone())
                    }),
                })
                .collect::<Result<Vec<Option<Value>>>>()?;
            records.push(GoldRecord { item: stored.item, probability: stored.probability, truth });
        }
        let faults = Vec::from_iter((blank > 0).then(|| format!("{blank} gold rows have no value yet")));
        Ok(Self::new(records, faults))
    }

    /// A file of these records; their digest is the version.
    fn new(records: Vec<GoldRecord>, faults: Vec<String>) -> Self {
        let parts: Vec<String> =
            records.iter().map(|one| format!("{}\0{:?}\0{:?}", one.item, one.truth, one.probability)).collect();
        Self { records, version: Some(Digest::of_parts(parts.iter().map(String::as_bytes))), faults }
    }

    /// Adds what people said blindly in the browser about items that the file does not name.
    pub(super) fn add_people(&mut self, (agreed, faults): (Vec<Agreed>, Vec<String>), schema: &RecordSchema) {
        if agreed.is_empty() && faults.is_empty() {
            return;
        }
        let known: HashSet<String> = self.records.iter().map(|gold| gold.item.clone()).collect();
        let mut records = std::mem::take(&mut self.records);
        for Agreed { item, answer, .. } in agreed.into_iter().filter(|one| !known.contains(&one.item)) {
            if let Answer::Record { fields, .. } = answer {
                let truth = schema.fields().iter().map(|field| fields.get(&*field.name).cloned()).collect();
                records.push(GoldRecord { item, probability: None, truth });
            }
        }
        let faults = std::mem::take(&mut self.faults).into_iter().chain(faults).collect();
        *self = Self::new(records, faults);
    }
}

/// The column of the items' names: the project's own, or one of the usual.
fn item_column(project: &Project, path: &Path) -> Result<String> {
    let reader = TableReader::open(path, &TableOptions::default())?;
    let mut names: Vec<String> = project.id.iter().cloned().collect();
    names.extend(AnswerOptions::default().item);
    names.iter().find(|name| reader.columns().contains(name)).cloned().ok_or_else(|| {
        let known = names.join("`, `");
        Error::input(format!(
            "expected a column of items (one of `{known}`), found `{}`",
            reader.columns().join("`, `")
        ))
        .in_file(path)
        .at_line(1)
    })
}

/// A gold record on an item of the run.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) position: u32,
    pub(super) truth: Vec<Option<Value>>,
    pub(super) part: GoldPart,
    pub(super) weight: f64,
}

/// The gold records of the run's items, in the order of the items.
#[derive(Debug)]
pub(super) struct Gold {
    pub(super) records: Vec<Placed>,
    pub(super) design: Design,
    pub(super) unmatched: u64,
}

impl Gold {
    /// Finds the items of gold records; probabilities of the file win over those on record.
    pub(super) fn place(file: &GoldFile, items: &Items, drawn: &HashMap<String, f64>, seed: u64) -> Self {
        let by_id = items.by_id();
        let mut gold = Self { records: Vec::new(), design: Design::Recorded, unmatched: 0 };
        for record in &file.records {
            let Some(&position) = by_id.get(record.item.as_str()) else {
                gold.unmatched += 1;
                continue;
            };
            let probability = record.probability.or_else(|| drawn.get(&record.item).copied());
            if probability.is_none() {
                gold.design = Design::Assumed;
            }
            let weight = 1.0 / probability.unwrap_or(1.0);
            let part = gold_part(&record.item, seed);
            gold.records.push(Placed { position, truth: record.truth.clone(), part, weight });
        }
        if gold.design == Design::Assumed {
            // A mixture of known and unknown probabilities has no valid weights.
            gold.records.iter_mut().for_each(|record| record.weight = 1.0);
        }
        gold.records.sort_by_key(|record| record.position);
        gold
    }

    /// The records of one part.
    pub(super) fn part(&self, part: GoldPart) -> impl Iterator<Item = &Placed> {
        self.records.iter().filter(move |record| record.part == part)
    }

    /// The basis of every figure that rests on the measuring part.
    pub(super) fn basis(&self) -> String {
        self.design.basis(self.part(GoldPart::Measure).count())
    }

    /// What the ledger keeps.
    pub(super) fn answers<'a>(&'a self, schema: &'a RecordSchema) -> impl Iterator<Item = (u32, f64, Answer)> + 'a {
        self.records.iter().map(|record| {
            let known = schema.fields().iter().zip(&record.truth);
            let fields: Map<String, Value> =
                known.filter_map(|(field, value)| Some((field.name.to_string(), value.clone()?))).collect();
            let answer = Answer::Record { fields, evidence: Vec::new(), rejected: Vec::new() };
            (record.position, record.weight, answer)
        })
    }
}
