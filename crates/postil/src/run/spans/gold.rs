//! Gold spans: from a file of any format, on the items of the run, split into what fits and what only measures.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use postil_core::audit::{GoldPart, gold_part};
use postil_core::sequences::TokenSpan;
use postil_core::text::{Misaligned, OffsetUnit, Offsets, align};
use postil_core::{Answer, Class, Digest, Document, Error, Name, Result, Span, TextPart};
use serde::Deserialize;
use serde_json::Value;

use super::super::gold::Design;
use super::super::gold_documents::{self, Bare};
use super::super::items::Items;
use super::super::people::Agreed;
use crate::project::Project;

/// The keys under which gold says that only a part of the text was read: a sentence, mostly. In code points.
const PART: [&str; 2] = ["start", "end"];

/// The spans of one gold document, or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct GoldDocument {
    item: String,
    part: Option<(u32, u32)>,
    spans: Vec<Span>,
    probability: Option<f64>,
    line: u64,
}

impl GoldDocument {
    /// Whether it fits or measures.
    fn kind(&self, seed: u64) -> GoldPart {
        match self.part {
            None => gold_part(&self.item, seed),
            Some((start, _)) => gold_part(&format!("{}\0{start}", self.item), seed),
        }
    }
}

/// A gold file.
#[derive(Default)]
pub(in super::super) struct GoldFile {
    documents: Vec<GoldDocument>,
    /// The digest of all of them, which is the version of the annotator that gave them.
    pub version: Option<Digest>,
    /// What could not be used, in a sentence each.
    pub faults: Vec<String>,
}

impl GoldFile {
    /// Reads documents with spans. Labels that the task does not have are an error.
    pub(in super::super) fn read(project: &Project) -> Result<Self> {
        let Some(path) = &project.gold else { return Ok(Self::default()) };
        let mut file = Self::default();
        let bare = Bare { is_one: |object| object.contains_key("spans") && !object.contains_key("text"), read: bare };
        file.faults = gold_documents::read(path, &bare, |document, line| file.add(document, line, project, path))?;
        file.name();
        Ok(file)
    }

    /// Adds what people said blindly in the browser about items that the file does not name.
    pub(super) fn add_people(&mut self, (agreed, faults): (Vec<Agreed>, Vec<String>)) {
        let known: HashSet<String> = self.documents.iter().map(|gold| gold.item.clone()).collect();
        for Agreed { item, part, answer } in agreed.into_iter().filter(|one| !known.contains(&one.item)) {
            if let Answer::Spans { spans, .. } = answer {
                self.documents.push(GoldDocument { item, part, spans, probability: None, line: 0 });
            }
        }
        self.faults.extend(faults);
        if !self.documents.is_empty() {
            self.name();
        }
    }

    /// The digest of all documents is the version.
    fn name(&mut self) {
        let parts = self
            .documents
            .iter()
            .map(|gold| format!("{}\0{:?}\0{:?}\0{:?}", gold.item, gold.spans, gold.probability, gold.part));
        let parts: Vec<String> = parts.collect();
        self.version = Some(Digest::of_parts(parts.iter().map(String::as_bytes)));
    }

    fn add(&mut self, document: Document, line: u64, project: &Project, path: &Path) -> Result<()> {
        let wrong = |error: Error| gold_documents::wrong(error, path, line, &document.id);
        for span in &document.spans {
            project.task.labels.expect(&span.label).map_err(wrong)?;
        }
        let probability = gold_documents::probability(&document).map_err(wrong)?;
        let place = |key| document.meta.get(key).and_then(Value::as_u64).and_then(|place| u32::try_from(place).ok());
        let part = match PART.map(place) {
            [Some(start), Some(end)] if start < end => Some((start, end)),
            [None, None] if PART.iter().all(|key| document.meta.get(*key).is_none_or(Value::is_null)) => None,
            _ => {
                return Err(wrong(Error::input(
                    "expected `start` before `end`, or neither, for the part that was read",
                )));
            }
        };
        self.documents.push(GoldDocument {
            item: document.id.to_string(),
            part,
            spans: document.spans,
            probability,
            line,
        });
        Ok(())
    }

    /// The items it is about, with their inclusion probabilities.
    pub(super) fn items(self) -> impl Iterator<Item = (String, Option<f64>)> {
        self.documents.into_iter().map(|document| (document.item, document.probability))
    }

    /// How many documents it has.
    pub(in super::super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// The places of its documents by item.
    pub(in super::super) fn by_item(&self) -> HashMap<&str, Vec<usize>> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, document) in self.documents.iter().enumerate() {
            places.entry(&document.item).or_default().push(place);
        }
        places
    }

    /// What gold of one part says about an item: its text, or the sentences that were read, each with the stretches that
    /// are marked in it, word by word.
    ///
    /// # Errors
    /// A gold span that does not lie in the item's text, or quotes something else.
    pub(in super::super) fn shown(
        &self,
        by_item: &HashMap<&str, Vec<usize>>,
        (id, text): (&str, &str),
        part: GoldPart,
        project: &Project,
    ) -> Result<Vec<(String, Vec<(String, Class)>)>> {
        let path = project.gold.as_deref().unwrap_or(Path::new("gold"));
        let own = by_item.get(id).into_iter().flatten().map(|&place| &self.documents[place]);
        own.filter(|document| document.kind(project.seed) == part)
            .map(|document| {
                let wrong = |error: Error| gold_documents::wrong(error, path, document.line, id);
                let offsets = Offsets::new(text);
                let words = |start: u32, end: u32| {
                    let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place);
                    byte(start).zip(byte(end)).filter(|(start, end)| start < end).map(|(start, end)| &text[start..end])
                };
                let shown = match document.part {
                    None => Some(text),
                    Some((start, end)) => words(start, end).map(str::trim),
                };
                let mut spans: Vec<&Span> = document.spans.iter().collect();
                spans.sort_by_key(|span| (span.start, span.end));
                let marks = spans.into_iter().map(|span| {
                    let quote = words(span.start, span.end)
                        .filter(|words| span.quote.is_empty() || span.quote == *words)
                        .ok_or_else(|| {
                            Error::input(format!(
                                "expected the gold span {}-{} `{}` in the item's text",
                                span.start, span.end, span.quote
                            ))
                            .hint("the gold was made for another version of the text, or counts places in another unit")
                        })?;
                    Ok((quote.to_owned(), project.task.labels.expect(&span.label)?))
                });
                let marks = marks.collect::<Result<Vec<_>>>().map_err(wrong)?;
                let shown = shown.ok_or_else(|| wrong(Error::input("expected a part within the item's text")))?;
                Ok((shown.to_owned(), marks))
            })
            .collect()
    }
}

/// A line that names an item and its spans without repeating the text.
fn bare(line: &str) -> Result<Document> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        spans: Vec<Bare>,
        #[serde(flatten)]
        meta: serde_json::Map<String, Value>,
    }
    #[derive(Deserialize)]
    struct Bare {
        start: u32,
        end: u32,
        label: Name,
        #[serde(default)]
        quote: String,
    }
    let line: Line = serde_json::from_str(line).map_err(|error| {
        Error::input("expected an object with `id` and `spans`, each with `start`, `end` and `label`").because(error)
    })?;
    let spans = line.spans.into_iter();
    let spans = spans.map(|span| Span { start: span.start, end: span.end, label: span.label, quote: span.quote });
    Ok(Document { id: line.id.into(), spans: spans.collect(), meta: line.meta, ..Document::default() })
}

/// The gold spans of one item, or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The item's position.
    pub position: u32,
    /// The tokens that were read.
    pub tokens: Range<u32>,
    /// The spans, as places in its text.
    pub spans: Vec<Span>,
    /// Whether it fits or measures.
    pub part: GoldPart,
    /// One over the inclusion probability, or 1.
    pub weight: f64,
}

impl Placed {
    /// Whether a span stands among the tokens that were read.
    pub(super) fn covers(&self, span: TokenSpan) -> bool {
        span.start < self.tokens.end && span.end > self.tokens.start
    }
}

/// The tokens of the part that was read, or all.
fn tokens_of(text: &Document, gold: &GoldDocument) -> Result<Range<u32>> {
    let Some((start, end)) = gold.part else { return Ok(0..text.tokens.len() as u32) };
    let offsets = Offsets::new(&text.text);
    let byte = |place| offsets.byte_of(OffsetUnit::CodePoints, place);
    let (Some(from), Some(to)) = (byte(start), byte(end)) else {
        return Err(Error::input(format!("expected a part within the item's text, found {start} to {end}")));
    };
    let first = text.tokens.partition_point(|token| (token.start as usize) < from) as u32;
    let last = text.tokens.partition_point(|token| token.end as usize <= to) as u32;
    if first >= last {
        return Err(Error::input(format!("expected a part that holds a token, found {start} to {end}")));
    }
    if let Some(span) = gold.spans.iter().find(|span| span.start < start || span.end > end) {
        return Err(Error::input(format!(
            "expected gold spans within the part from {start} to {end}, found {} to {}",
            span.start, span.end
        )));
    }
    Ok(first..last)
}

/// The same spans, with the text's own words where none are quoted.
fn quoted(text: &str, spans: &[Span]) -> Vec<Span> {
    let offsets = Offsets::new(text);
    let byte = |position| offsets.byte_of(OffsetUnit::CodePoints, position);
    let mut spans = spans.to_vec();
    for span in spans.iter_mut().filter(|span| span.quote.is_empty() && span.start < span.end) {
        if let (Some(start), Some(end)) = (byte(span.start), byte(span.end)) {
            text[start..end].clone_into(&mut span.quote);
        }
    }
    spans
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
    /// Finds the items of gold documents. `drawn` holds the inclusion probabilities on record in the ledger, by id or by
    /// the name of a part; those of the file win.
    ///
    /// # Errors
    /// A gold span that does not lie in its item's text, or quotes something else: gold of another version of the text.
    pub(super) fn place(
        (file, path): (&GoldFile, &Path),
        items: &Items,
        documents: &[Document],
        drawn: &HashMap<String, f64>,
        project: &Project,
    ) -> Result<Self> {
        let by_id = items.by_id();
        let mut gold = Self { items: Vec::new(), design: Design::Recorded, unmatched: 0, misaligned: Vec::new() };
        for document in &file.documents {
            let Some(&position) = by_id.get(document.item.as_str()) else {
                gold.unmatched += 1;
                continue;
            };
            let text = &documents[position as usize];
            let spans = quoted(&text.text, &document.spans);
            for remark in align(&text.text, &text.tokens, &spans).remarks {
                use postil_core::text::Problem::{BeyondText, Empty, Overlaps, QuoteDiffers};
                if matches!(remark.problem, BeyondText | QuoteDiffers | Empty) {
                    let error = Error::input(format!(
                        "expected the gold span {}-{} `{}` in the item's text: {}",
                        remark.span.start,
                        remark.span.end,
                        remark.span.quote,
                        remark.problem.words()
                    ))
                    .hint("the gold was made for another version of the text, or counts places in another unit");
                    return Err(gold_documents::wrong(error, path, document.line, &document.item));
                }
                if !(project.overlapping && remark.problem == Overlaps) {
                    gold.misaligned.push((position, remark));
                }
            }
            let tokens = tokens_of(text, document)
                .map_err(|error| gold_documents::wrong(error, path, document.line, &document.item))?;
            let named =
                document.part.map(|(start, end)| TextPart { item: document.item.clone(), start, end }.to_string());
            let on_record = || drawn.get(named.as_ref().unwrap_or(&document.item)).copied();
            let probability = document.probability.or_else(on_record);
            if probability.is_none() {
                gold.design = Design::Assumed;
            }
            gold.items.push(Placed {
                position,
                tokens,
                spans,
                part: document.kind(project.seed),
                weight: 1.0 / probability.unwrap_or(1.0),
            });
        }
        if gold.design == Design::Assumed {
            // A mixture of known and unknown probabilities has no valid weights.
            for item in &mut gold.items {
                item.weight = 1.0;
            }
        }
        gold.items.sort_by_key(|item| (item.position, item.tokens.start));
        let twice = gold
            .items
            .windows(2)
            .find(|pair| pair[0].position == pair[1].position && pair[1].tokens.start < pair[0].tokens.end);
        if let Some(pair) = twice {
            return Err(Error::input("expected one gold line for each text or part of a text, found two that overlap")
                .in_file(path)
                .for_item(documents[pair[0].position as usize].id.to_string()));
        }
        Ok(gold)
    }

    /// Whether some gold is of parts of texts.
    pub(super) fn has_parts(&self, documents: &[Document]) -> bool {
        self.items.iter().any(|one| one.tokens != (0..documents[one.position as usize].tokens.len() as u32))
    }

    /// What the ledger keeps, item by item: the spans of all parts, and the weight of the first.
    pub(super) fn answers(&self) -> impl Iterator<Item = (u32, Answer, f64)> {
        self.items.chunk_by(|left, right| left.position == right.position).map(|parts| {
            let spans = parts.iter().flat_map(|part| part.spans.iter().cloned()).collect();
            (parts[0].position, Answer::spans(spans), parts[0].weight)
        })
    }

    /// The gold of one part.
    pub(super) fn part(&self, part: GoldPart) -> impl Iterator<Item = &Placed> {
        self.items.iter().filter(move |gold| gold.part == part)
    }
}
