//! The files of a run over spans.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::GoldPart;
use postil_core::sequences::TokenSpan;
use postil_core::table::{TableWriter, WholeFile};
use postil_core::text::{Named, OffsetUnit, Offsets, quote};
use postil_core::{Digest, Document, Error, Name, Result, Span};
use serde_json::{Value, json};

use super::super::learn::student_error;
use super::super::output::{LABELS, write_around};
use super::label::Stretch;
use super::measure::written;
use super::summary::Findings;
use crate::project::OutputFormat;
use crate::report::Report;

/// Rows of a table written at a time.
const ROWS: usize = 65_536;

/// The bytes of the model with its measured error inside.
pub(super) fn model(findings: &Findings<'_>) -> Result<Option<Vec<u8>>> {
    let Ok(learned) = findings.learned else { return Ok(None) };
    let figures = findings.measured.student.as_ref().map(|scores| findings.figures(scores));
    let notes = json!({
        "source": "postil run",
        "project": findings.project.name,
        "snapshot": findings.snapshot,
        "measured": figures,
    });
    let model = learned.fitted.model.with_notes(notes).map_err(student_error)?;
    Ok(Some(model.as_bytes().to_vec()))
}

/// Writes every file: texts with their spans as JSON lines, the spans as tables, the model, the report.
pub(super) fn write(
    findings: &Findings<'_>,
    model: Option<&[u8]>,
    report: &Report,
    key: Digest,
) -> Result<Vec<PathBuf>> {
    let mut formats = vec![OutputFormat::Jsonl, OutputFormat::Parquet];
    formats.extend(findings.project.formats.iter().copied().filter(|format| *format == OutputFormat::Csv));
    let labels = formats.into_iter().map(|format| format!("{LABELS}.{}", format.ending())).collect();
    let write_labels = |path: &Path| {
        if path.extension().is_some_and(|ending| ending == OutputFormat::Jsonl.ending()) {
            lines(findings, path)
        } else {
            table(findings, path)
        }
    };
    let put_aside = findings.annotated.report.bad_rows > 0;
    write_around(findings.project, labels, write_labels, model, report, put_aside, key)
}

/// A stretch as a span of its text.
pub(super) fn span_of(findings: &Findings<'_>, offsets: &Offsets<'_>, item: usize, stretch: &Stretch) -> Span {
    let label = Name::clone(findings.project.task.labels.name(stretch.span.class));
    quote(offsets, &findings.documents[item].tokens, &Named { start: stretch.span.start, end: stretch.span.end, label })
}

/// One line per text: its id, itself, and its spans with their probabilities; the gold spans, if there are any.
fn lines(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let mut file = WholeFile::create(path, false)?;
    let mut gold = findings.gold.items.iter().peekable();
    for (item, document) in findings.documents.iter().enumerate() {
        let offsets = Offsets::new(&document.text);
        let spans: Vec<serde_json::Value> = written(&findings.labels.stretches[item])
            .map(|stretch| {
                let span = span_of(findings, &offsets, item, stretch);
                json!({
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    "quote": span.quote,
                    "confidence": (f64::from(stretch.confidence) * 1e4).round() / 1e4,
                })
            })
            .collect();
        let mut object = json!({ "id": document.id, "text": document.text, "spans": spans });
        let places: Vec<TokenSpan> = written(&findings.labels.stretches[item]).map(|stretch| stretch.span).collect();
        let links = findings.links.between(item, &places);
        if !links.is_empty() {
            object["links"] = json!(links);
        }
        if findings.project.tokens.is_some() {
            carry(document, &offsets, &mut object);
        }
        let mut parts = Vec::new();
        while let Some(gold) = gold.next_if(|gold| gold.position as usize == item) {
            let mut part = json!({ "spans": gold.spans, "measures": gold.part == GoldPart::Measure });
            if gold.tokens != (0..document.tokens.len() as u32) {
                let place = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize);
                part["start"] = json!(place(document.tokens[gold.tokens.start as usize].start));
                part["end"] = json!(place(document.tokens[gold.tokens.end as usize - 1].end));
            }
            parts.push(part);
        }
        match parts.len() {
            0 => {}
            1 => object["gold"] = parts.remove(0),
            _ => object["gold"] = parts.into(),
        }
        let failed = |error: std::io::Error| Error::io(format!("cannot be written: {error}"), error).in_file(path);
        serde_json::to_writer(&mut file, &object).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").map_err(failed)?;
    }
    file.finish()
}

/// Puts what came with a text beside its spans: tokens, sentences, layers, and everything else.
fn carry(document: &Document, offsets: &Offsets<'_>, object: &mut Value) {
    let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
    object["tokens"] = document.tokens.iter().map(|token| json!([point(token.start), point(token.end)])).collect();
    if document.sentences.len() > 1 {
        object["sentences"] = document.sentences.iter().copied().map(Value::from).collect();
    }
    let layers = document.layers.iter().map(|layer| {
        let tags: Value = layer.tags.iter().map(|tag| Value::from(&**tag)).collect();
        (layer.name.to_string(), tags)
    });
    object["layers"] = Value::Object(layers.collect());
    object["meta"] = Value::Object(document.meta.clone());
}

/// One row per span: the item, its place, label, quote and probability.
fn table(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("start", DataType::UInt32, false),
        Field::new("end", DataType::UInt32, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("quote", DataType::Utf8, false),
        Field::new(super::super::CONFIDENCE, DataType::Float32, false),
    ]));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let mut rows: Vec<(&str, Span, f32)> = Vec::new();
    let mut flush = |rows: &mut Vec<(&str, Span, f32)>| -> Result<()> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1.start))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1.end))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1.label))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1.quote))),
            Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.2))),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::input("the spans do not fit their table").because(error))?;
        rows.clear();
        writer.write(&batch)
    };
    for (item, document) in findings.documents.iter().enumerate() {
        let offsets = Offsets::new(&document.text);
        for stretch in written(&findings.labels.stretches[item]) {
            rows.push((&document.id, span_of(findings, &offsets, item, stretch), stretch.confidence));
        }
        if rows.len() >= ROWS {
            flush(&mut rows)?;
        }
    }
    flush(&mut rows)?;
    writer.finish()
}
