//! Gold spans: from a file of any format, on the items of the run, split into what fits and what only measures.

use std::collections::HashMap;
use std::path::Path;

use postil_core::audit::{GoldPart, gold_part};
use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::text::{Misaligned, align};
use postil_core::{Answer, Digest, Document, Error, Result, Span};
use serde_json::Value;

use super::super::gold::Design;
use super::super::items::Items;
use crate::project::Project;

/// The key under which a gold document carries the probability with which it was drawn.
const PROBABILITY: &str = "inclusion_probability";

/// The spans of one gold document.
#[derive(Clone, Debug)]
pub(super) struct GoldDocument {
    item: String,
    spans: Vec<Span>,
    probability: Option<f64>,
}

/// A gold file.
#[derive(Default)]
pub(super) struct GoldFile {
    documents: Vec<GoldDocument>,
    /// The digest of all of them, which is the version of the annotator that gave them.
    pub version: Option<Digest>,
    /// What could not be used, in a sentence each.
    pub faults: Vec<String>,
}

impl GoldFile {
    /// Reads documents with spans. Labels that the task does not have are an error.
    pub(super) fn read(project: &Project) -> Result<Self> {
        let Some(path) = &project.gold else { return Ok(Self::default()) };
        let options = ReadOptions { strict: true, ..ReadOptions::default() };
        let mut reader = DocumentReader::open(path, &options)?;
        let mut file = Self::default();
        while let Some(document) = reader.next_document()? {
            file.add(document, project, path)?;
        }
        for remark in reader.report().remarks.list() {
            file.faults.push(format!("gold: {} ({} times)", remark.words, remark.count));
        }
        let parts: Vec<String> = file
            .documents
            .iter()
            .map(|gold| format!("{}\0{:?}\0{:?}", gold.item, gold.spans, gold.probability))
            .collect();
        file.version = Some(Digest::of_parts(parts.iter().map(String::as_bytes)));
        Ok(file)
    }

    fn add(&mut self, document: Document, project: &Project, path: &Path) -> Result<()> {
        let wrong = |error: Error| error.in_file(path).for_item(document.id.to_string());
        for span in &document.spans {
            project.task.labels.expect(&span.label).map_err(wrong)?;
        }
        let probability = match document.meta.get(PROBABILITY) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let probability = value.as_f64().filter(|probability| *probability > 0.0 && *probability <= 1.0);
                Some(probability.ok_or_else(|| {
                    wrong(Error::input(format!("expected `{PROBABILITY}` above 0 and at most 1, found {value}")))
                })?)
            }
        };
        self.documents.push(GoldDocument { item: document.id.to_string(), spans: document.spans, probability });
        Ok(())
    }

    /// How many documents it has.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }
}

/// The gold spans of one item.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The item's position.
    pub position: u32,
    /// The spans, as places in its text.
    pub spans: Vec<Span>,
    /// Whether it fits or measures.
    pub part: GoldPart,
    /// One over the inclusion probability, or 1.
    pub weight: f64,
}

impl Placed {
    /// The answer that the ledger keeps.
    pub(super) fn answer(&self) -> Answer {
        Answer::Spans { spans: self.spans.clone() }
    }
}

/// The gold of a run's items.
pub(super) struct Gold {
    /// In the order of the items.
    pub items: Vec<Placed>,
    /// How they were drawn.
    pub design: Design,
    /// Gold of items that were not read.
    pub unmatched: u64,
    /// Gold spans that do not stand on the tokens as they were given.
    pub misaligned: Vec<(u32, Misaligned)>,
}

impl Gold {
    /// Finds the items of gold documents. `drawn` holds the inclusion probabilities on record in the ledger, by id;
    /// those of the file win.
    ///
    /// # Errors
    /// A gold span that does not lie in its item's text, or quotes something else: gold of another version of the text.
    pub(super) fn place(
        file: &GoldFile,
        items: &Items,
        documents: &[Document],
        drawn: &HashMap<String, f64>,
        seed: u64,
    ) -> Result<Self> {
        let by_id = items.by_id();
        let mut gold = Self { items: Vec::new(), design: Design::Recorded, unmatched: 0, misaligned: Vec::new() };
        for document in &file.documents {
            let Some(&position) = by_id.get(document.item.as_str()) else {
                gold.unmatched += 1;
                continue;
            };
            let text = &documents[position as usize];
            for remark in align(&text.text, &text.tokens, &document.spans).remarks {
                use postil_core::text::Problem::{BeyondText, Empty, QuoteDiffers};
                if matches!(remark.problem, BeyondText | QuoteDiffers | Empty) {
                    return Err(Error::input(format!(
                        "expected the gold span {}-{} `{}` in the item's text: {}",
                        remark.span.start,
                        remark.span.end,
                        remark.span.quote,
                        remark.problem.words()
                    ))
                    .for_item(document.item.as_str())
                    .hint("the gold was made for another version of the text, or counts places in another unit"));
                }
                gold.misaligned.push((position, remark));
            }
            let probability = document.probability.or_else(|| drawn.get(&document.item).copied());
            if probability.is_none() {
                gold.design = Design::Assumed;
            }
            gold.items.push(Placed {
                position,
                spans: document.spans.clone(),
                part: gold_part(&document.item, seed),
                weight: 1.0 / probability.unwrap_or(1.0),
            });
        }
        if gold.design == Design::Assumed {
            // A mixture of known and unknown probabilities has no valid weights.
            for item in &mut gold.items {
                item.weight = 1.0;
            }
        }
        gold.items.sort_by_key(|item| item.position);
        Ok(gold)
    }

    /// The gold of one part.
    pub(super) fn part(&self, part: GoldPart) -> impl Iterator<Item = &Placed> {
        self.items.iter().filter(move |gold| gold.part == part)
    }
}
