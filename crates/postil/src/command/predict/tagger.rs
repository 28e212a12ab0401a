//! Predicting spans and tags.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::Array;
use postil_core::formats::{DocumentReader, DocumentWriter, Format, Remarks, WriteOptions};
use postil_core::table::{TableOptions, TableReader, WholeFile};
use postil_core::text::Tokenizer;
use postil_core::{Document, Error, Layer, Name};
use postil_student::tagger::{LayerKind, TaggerModel, TaggerScratch};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::super::documents::tell_remarks;
use super::super::input::text_column;
use super::super::output::{Voice, count, remark, say_json};
use super::super::progress::Progress;
use super::Arguments;
use crate::run::Watch;
use crate::tagging::{self, Tagged};

/// Documents are tagged in groups of about so many bytes of text: enough for all threads, little memory.
const GROUP: usize = 1 << 20;

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
        Ok(Self::Documents(Box::new(DocumentReader::open(&arguments.data, &arguments.reading.options(false))?)))
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

    fn write(&mut self, mut document: Document, tagged: Tagged) -> anyhow::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Lines(file) => {
                let mut line = serde_json::to_vec(&object(&document, &tagged))?;
                line.push(b'\n');
                file.write_all(&line)
                    .map_err(|error| anyhow::anyhow!(Error::io(format!("cannot be written: {error}"), error)))
            }
            Self::Documents(writer) => {
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
fn object(document: &Document, tagged: &Tagged) -> Value {
    let spans: Vec<Value> = tagged
        .spans
        .iter()
        .map(|found| {
            let span = &found.span;
            let mut object = json!({ "start": span.start, "end": span.end, "label": span.label, "quote": span.quote });
            if let Some(confidence) = found.confidence {
                object["confidence"] = rounded(confidence);
            }
            object
        })
        .collect();
    let mut object = json!({ "id": document.id, "text": document.text, "spans": spans });
    if !tagged.layers.is_empty() || !tagged.scores.is_empty() {
        let words: Vec<&str> = document.words().collect();
        object["tokens"] = json!(words);
        let tags = tagged.layers.iter().map(|layer| (layer.name.to_string(), json!(layer.tags)));
        let scores = tagged
            .scores
            .iter()
            .map(|(name, scores)| (name.to_string(), scores.iter().map(|&score| rounded(score)).collect()));
        object["layers"] = Value::Object(tags.chain(scores).collect());
    }
    if !tagged.labels.is_empty() {
        object["labels"] = tagged.labels.iter().map(|(label, _)| Value::from(&**label)).collect();
    }
    object
}

/// A probability with four places.
fn rounded(probability: f32) -> Value {
    json!((f64::from(probability) * 1e4).round() / 1e4)
}

/// What was counted on the way.
#[derive(Default)]
struct Counts {
    documents: u64,
    sentences: u64,
    tokens: u64,
    spans: BTreeMap<Name, u64>,
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
    let format = arguments
        .to
        .or_else(|| output.as_deref().and_then(|path| Format::detect(path, b"")))
        .unwrap_or(source.format());
    let without_spans = model.layers().iter().all(|layer| layer.kind != LayerKind::Spans);
    let mut sink = Sink::open(output.as_deref(), format, without_spans)?;
    let mut counts = Counts::default();
    let progress = Progress::new();
    progress.stage("tagging", None);
    loop {
        let (group, ended) = group(&mut source, tokenizer)?;
        let tagged: Vec<Tagged> = group
            .par_iter()
            .map_init(TaggerScratch::default, |scratch, document| {
                tagging::tag(&model, &labels, document, arguments.confidence, scratch)
            })
            .collect();
        progress.advance(group.len() as u64);
        for (document, tagged) in group.into_iter().zip(tagged) {
            counts.documents += 1;
            counts.sentences += document.sentences.len() as u64;
            counts.tokens += document.tokens.len() as u64;
            for found in &tagged.spans {
                *counts.spans.entry(found.span.label.clone()).or_default() += 1;
            }
            sink.write(document, tagged)?;
        }
        if ended {
            break;
        }
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

/// The next documents, with tokens; whether they are the last.
fn group(source: &mut Source, tokenizer: Tokenizer) -> anyhow::Result<(Vec<Document>, bool)> {
    let (mut group, mut size) = (Vec::new(), 0);
    while size < GROUP {
        let Some(mut document) = source.next()? else { return Ok((group, true)) };
        document.tokenize(tokenizer);
        size += document.text.len();
        group.push(document);
    }
    Ok((group, false))
}
