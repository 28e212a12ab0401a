//! Predicting spans and tags.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow_array::Array;
use postil_core::formats::{DocumentReader, DocumentWriter, Format, Remarks, WriteOptions};
use postil_core::table::{TableOptions, TableReader, WholeFile};
use postil_core::text::Tokenizer;
use postil_core::{Document, Error, Layer, Name};
use postil_student::tagger::{LayerKind, TaggerModel, TaggerScratch};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::documents::tell_remarks;
use super::super::input::text_column;
use super::super::output::{Voice, count, remark, say_json};
use super::super::progress::Progress;
use super::Arguments;
use crate::run::Watch;
use crate::tagging::{self, Tagged};

/// Documents are tagged in groups of about so many bytes of text: enough for all threads, little memory.
const GROUP: usize = 1 << 19;

/// A stream of documents out of a document format or a table.
enum Source {
    Documents(Box<DocumentReader>),
    Table { table: Box<TableReader>, ready: std::vec::IntoIter<Document>, text: String, bad: u64 },
}

impl Source {
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let name = arguments.data.to_string_lossy();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        let is_table = [".csv", ".tsv", ".parquet"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        if is_table && arguments.reading.format.is_none() {
            let table = TableReader::open(&arguments.data, &TableOptions::default())?;
            return Ok(Self::Table {
                table: Box::new(table),
                ready: Vec::new().into_iter(),
                text: arguments.reading.text().to_owned(),
                bad: 0,
            });
        }
        let mut options = arguments.reading.options(false);
        // What is tagged needs no tags, and keeps the names that it has.
        (options.tags, options.distinct_ids) = (false, false);
        Ok(Self::Documents(Box::new(DocumentReader::open(&arguments.data, &options)?)))
    }

    fn next(&mut self) -> anyhow::Result<Option<Document>> {
        match self {
            Self::Documents(reader) => Ok(reader.next_document()?),
            Self::Table { table, ready, text, bad } => loop {
                if let Some(document) = ready.next() {
                    return Ok(Some(document));
                }
                let Some(chunk) = table.next_chunk()? else { return Ok(None) };
                let file = table.name();
                for row in &chunk.bad {
                    if *bad == 0 {
                        remark(&format!(
                            "note: {}:{}: {} (further bad rows are only counted)",
                            file.display(),
                            row.line,
                            row.reason
                        ));
                    }
                    *bad += 1;
                }
                let texts = text_column(&chunk.batch, text).map_err(|error| error.in_file(file))?;
                let ids = match chunk.batch.column_by_name("id") {
                    Some(_) => Some(text_column(&chunk.batch, "id").map_err(|error| error.in_file(file))?),
                    None => None,
                };
                let documents: Vec<Document> = (0..texts.len())
                    .map(|row| {
                        let id =
                            ids.as_ref().map_or_else(|| chunk.lines[row].to_string(), |ids| ids.value(row).to_owned());
                        Document::from_text(id, texts.value(row))
                    })
                    .collect();
                *ready = documents.into_iter();
            },
        }
    }

    fn format(&self) -> Format {
        match self {
            Self::Documents(reader) => reader.report().format,
            Self::Table { .. } => Format::Jsonl,
        }
    }

    fn remarks(&self) -> (Remarks, u64) {
        match self {
            Self::Documents(reader) => (reader.report().remarks.clone(), 0),
            Self::Table { bad, .. } => (Remarks::default(), *bad),
        }
    }
}

/// A document that waits to be tagged, and whether its tokens came with it.
struct Waiting {
    document: Document,
    with_tokens: bool,
}

/// A document that was tagged.
struct Done {
    document: Document,
    tagged: Tagged,
    with_tokens: bool,
}

/// Where predictions go.
enum Sink {
    Nowhere,
    /// Postil's own lines, which hold probabilities too.
    Lines(Box<WholeFile>),
    Documents(Box<DocumentWriter>),
}

impl Sink {
    fn open(output: Option<&Path>, format: Format, without_spans: bool) -> anyhow::Result<Self> {
        let options = WriteOptions { without_spans, ..WriteOptions::default() };
        Ok(match output {
            None => Self::Nowhere,
            Some(path) if format == Format::Jsonl => Self::Lines(Box::new(WholeFile::create(path, false)?)),
            Some(path) => Self::Documents(Box::new(DocumentWriter::create(path, format, &options)?)),
        })
    }

    fn write(&mut self, Done { mut document, tagged, with_tokens }: Done) -> anyhow::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Lines(file) => {
                let mut line = serde_json::to_vec(&Line::of(&document, &tagged, with_tokens))?;
                line.push(b'\n');
                file.write_all(&line)
                    .map_err(|error| anyhow::anyhow!(Error::io(format!("cannot be written: {error}"), error)))
            }
            Self::Documents(writer) => {
                document.links.clear();
                document.spans = tagged.spans.into_iter().map(|found| found.span).collect();
                document.layers = tagged.layers;
                document.layers.extend(tagged.scores.iter().map(|(name, scores)| Layer {
                    name: name.clone(),
                    tags: scores.iter().map(|score| Name::from(format!("{score:.4}"))).collect(),
                }));
                document.labels = tagged.labels.into_iter().map(|(label, _)| label).collect();
                Ok(writer.write(&document)?)
            }
        }
    }

    fn finish(self) -> anyhow::Result<Remarks> {
        Ok(match self {
            Self::Nowhere => Remarks::default(),
            Self::Lines(file) => {
                file.finish()?;
                Remarks::default()
            }
            Self::Documents(writer) => writer.finish()?.remarks,
        })
    }
}

/// A document's predictions as a line of Postil's own format.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    text: &'a str,
    spans: Vec<LineSpan<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentences: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<serde_json::Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<&'a str>,
}

#[derive(Serialize)]
struct LineSpan<'a> {
    start: u32,
    end: u32,
    label: &'a str,
    quote: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
}

impl<'a> Line<'a> {
    fn of(document: &'a Document, tagged: &'a Tagged, with_tokens: bool) -> Self {
        let spans = tagged.spans.iter().map(|found| {
            let span = &found.span;
            let confidence = found.confidence.map(rounded);
            LineSpan { start: span.start, end: span.end, label: &span.label, quote: &span.quote, confidence }
        });
        let with_layers = !tagged.layers.is_empty() || !tagged.scores.is_empty();
        let tags = tagged.layers.iter().map(|layer| (layer.name.to_string(), json!(layer.tags)));
        let scores = tagged
            .scores
            .iter()
            .map(|(name, scores)| (name.to_string(), scores.iter().map(|&score| json!(rounded(score))).collect()));
        Self {
            id: &document.id,
            text: &document.text,
            spans: spans.collect(),
            tokens: (with_layers || with_tokens).then(|| document.words().collect()),
            sentences: with_tokens.then_some(document.sentences.as_slice()).filter(|ends| ends.len() > 1),
            layers: with_layers.then(|| tags.chain(scores).collect()),
            labels: tagged.labels.iter().map(|(label, _)| &**label).collect(),
        }
    }
}

/// A probability with four places.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e4).round() / 1e4
}

/// What was counted on the way.
#[derive(Default)]
struct Counts {
    documents: u64,
    sentences: u64,
    tokens: u64,
    spans: BTreeMap<Name, u64>,
}

impl Counts {
    fn add(&mut self, Done { document, tagged, .. }: &Done) {
        self.documents += 1;
        self.sentences += document.sentences.len() as u64;
        self.tokens += document.tokens.len() as u64;
        for found in &tagged.spans {
            match self.spans.get_mut(&found.span.label) {
                Some(count) => *count += 1,
                None => drop(self.spans.insert(found.span.label.clone(), 1)),
            }
        }
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.label.is_some() || arguments.probabilities {
        anyhow::bail!(
            Error::task("`--label` and `--probabilities` are for models of whole texts")
                .hint("`postil evaluate GOLD PREDICTED` scores spans and tags")
        );
    }
    let model = TaggerModel::open(&arguments.model)?;
    let tokenizer = tagging::tokenizer_of(&model)?;
    let labels = tagging::all_names(&model);
    let mut source = Source::open(arguments)?;
    let output: Option<PathBuf> = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.json => None,
        None => Some(PathBuf::from("-")),
    };
    let voice = Voice::new(output.as_deref(), arguments.json)?;
    let format = arguments.to.or_else(|| named(output.as_deref()?, source.format())).unwrap_or(source.format());
    let without_spans = model.layers().iter().all(|layer| layer.kind != LayerKind::Spans);
    let mut sink = Sink::open(output.as_deref(), format, without_spans)?;
    let mut counts = Counts::default();
    let progress = Progress::new();
    progress.stage("tagging", None);
    let room = Mutex::new(Vec::new());
    let mut done: Vec<Done> = Vec::new();
    let (mut group, mut ended) = next_group(&mut source, tokenizer)?;
    // While a group is tagged, the one before it is written and the next one read.
    while !(group.is_empty() && done.is_empty()) {
        progress.advance(group.len() as u64);
        let ready = std::mem::take(&mut done);
        let (next, tagged) = rayon::join(
            || -> anyhow::Result<(Vec<Waiting>, bool)> {
                for done in ready {
                    counts.add(&done);
                    sink.write(done)?;
                }
                if ended { Ok((Vec::new(), true)) } else { next_group(&mut source, tokenizer) }
            },
            || -> Vec<Done> {
                let tag = |scratch: &mut Scratch<'_>, Waiting { document, with_tokens }| {
                    let tagged = tagging::tag(&model, &labels, &document, arguments.confidence, &mut scratch.scratch);
                    Done { document, tagged, with_tokens }
                };
                group.into_par_iter().map_init(|| Scratch::take(&room), tag).collect()
            },
        );
        done = tagged;
        (group, ended) = next?;
        if progress.stopped() {
            progress.finish();
            anyhow::bail!(Error::cancelled());
        }
    }
    progress.finish();
    let mut remarks = source.remarks().0;
    remarks.merge(&sink.finish()?);
    let bad = source.remarks().1;
    if arguments.json {
        return say_json(&json!({
            "model": arguments.model,
            "layers": model.layers(),
            "documents": counts.documents,
            "sentences": counts.sentences,
            "tokens": counts.tokens,
            "spans": counts.spans,
            "bad_rows": bad,
            "remarks": remarks,
            "output": output,
        }));
    }
    tell_remarks(&remarks);
    let spans: u64 = counts.spans.values().sum();
    voice.say(&format!(
        "tagged {} documents, {} tokens: {} spans",
        count(counts.documents),
        count(counts.tokens),
        count(spans)
    ))?;
    voice.written(output.as_deref(), "")
}

/// The format that the name of an output tells. Of the formats that are JSON lines it is that of the input, if that is
/// one, else Postil's own.
fn named(path: &Path, source: Format) -> Option<Format> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let ends = |ending: &str| name.ends_with(ending);
    if ends(".conll") {
        return Some(Format::Conll);
    }
    let lines = ends(".jsonl") && (source.is_flat() || source.is_folder());
    Format::detect(path, b"").or(lines.then_some(Format::Jsonl))
}

/// The next documents, with tokens; whether they are the last.
fn next_group(source: &mut Source, tokenizer: Tokenizer) -> anyhow::Result<(Vec<Waiting>, bool)> {
    let (mut group, mut size) = (Vec::new(), 0);
    while size < GROUP {
        let Some(mut document) = source.next()? else { return Ok((group, true)) };
        let with_tokens = !document.tokens.is_empty();
        document.tokenize(tokenizer);
        size += document.text.len() + 64;
        group.push(Waiting { document, with_tokens });
    }
    Ok((group, false))
}

/// Room for tagging that goes back to its shelf when a thread is done with its part of a group: what it remembers of
/// words serves the next groups.
struct Scratch<'s> {
    scratch: TaggerScratch,
    shelf: &'s Mutex<Vec<TaggerScratch>>,
}

impl<'s> Scratch<'s> {
    fn take(shelf: &'s Mutex<Vec<TaggerScratch>>) -> Self {
        let scratch = shelf.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Self { scratch, shelf }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
