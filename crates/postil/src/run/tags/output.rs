//! The files of a run over tags.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::GoldPart;
use postil_core::table::{TableWriter, WholeFile};
use postil_core::text::{OffsetUnit, Offsets};
use postil_core::{Class, Error, Result};
use serde_json::{Map, Value, json};

use super::super::CONFIDENCE;
use super::super::summary::Findings;

/// Rows of a table written at a time.
const ROWS: usize = 65_536;

/// Where the tag of a token comes from.
fn source(findings: &Findings<'_>, decision: usize) -> &'static str {
    match (findings.fused.support[decision], findings.learned) {
        (0, Ok(_)) => "student",
        // Neither an answer nor a student: its neighbours, or the most frequent tag.
        (0, Err(_)) => "prior",
        _ => "consensus",
    }
}

/// One line per text: its id, itself, its tokens, the layers that came with it and the one that was made, with the
/// probability of every tag; the gold tags, if there are any.
pub(crate) fn lines(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let mut file = WholeFile::create(path, false)?;
    let name = |class: Class| -> &str { findings.project.task.labels.name(class) };
    let mut gold = findings.gold.labels.iter().peekable();
    for (item, document) in findings.documents.iter().enumerate() {
        let decisions = findings.decisions.of(item);
        let mut object = Map::new();
        object.insert("id".to_owned(), (&*document.id).into());
        object.insert("text".to_owned(), document.text.as_str().into());
        let offsets = Offsets::new(&document.text);
        let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
        let tokens = document.tokens.iter().map(|token| json!([point(token.start), point(token.end)]));
        object.insert("tokens".to_owned(), tokens.collect());
        if document.sentences.len() > 1 {
            object.insert("sentences".to_owned(), document.sentences.iter().copied().map(Value::from).collect());
        }
        let mut layers = Map::new();
        for layer in &document.layers {
            layers.insert(layer.name.to_string(), layer.tags.iter().map(|tag| Value::from(&**tag)).collect());
        }
        let given = findings.labels.given[decisions.clone()].iter();
        layers.insert(findings.project.layer.clone(), given.map(|&tag| Value::from(name(tag))).collect());
        object.insert("layers".to_owned(), Value::Object(layers));
        let sure = decisions.clone().map(|decision| (f64::from(findings.sure(decision)) * 1e4).round() / 1e4);
        object.insert(CONFIDENCE.to_owned(), sure.map(Value::from).collect());
        if let Some(gold) = gold.next_if(|gold| gold.position as usize == item) {
            let tags = gold.truth.iter().map(|tag| tag.map_or(Value::Null, |tag| name(tag).into()));
            let gold = json!({ "tags": tags.collect::<Value>(), "measures": gold.part == GoldPart::Measure });
            object.insert("gold".to_owned(), gold);
        }
        if !document.meta.is_empty() {
            object.insert("meta".to_owned(), Value::Object(document.meta.clone()));
        }
        let failed = |error: std::io::Error| Error::io(format!("cannot be written: {error}"), error).in_file(path);
        serde_json::to_writer(&mut file, &object).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").map_err(failed)?;
    }
    file.finish()
}

/// A token of the table.
struct Row<'f> {
    id: &'f str,
    token: u32,
    place: (u32, u32),
    form: &'f str,
    decision: usize,
    gold: Option<Class>,
}

/// One row per token: the item, its number, place and form, its tag with the probability, where that comes from, the
/// votes, and the gold tag if there is one.
pub(crate) fn table(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("token", DataType::UInt32, false),
        Field::new("start", DataType::UInt32, false),
        Field::new("end", DataType::UInt32, false),
        Field::new("form", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new(CONFIDENCE, DataType::Float32, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("votes", DataType::UInt32, false),
        Field::new("gold", DataType::Utf8, true),
    ]));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let name = |class: Class| -> &str { findings.project.task.labels.name(class) };
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut flush = |rows: &mut Vec<Row<'_>>| -> Result<()> {
        let labels = rows.iter().map(|row| name(findings.labels.given[row.decision]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.id))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.token))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.place.0))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.place.1))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.form))),
            Arc::new(StringArray::from_iter_values(labels)),
            Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| findings.sure(row.decision)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| source(findings, row.decision)))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| findings.fused.support[row.decision]))),
            Arc::new(rows.iter().map(|row| row.gold.map(name)).collect::<StringArray>()),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::input("the tags do not fit their table").because(error))?;
        rows.clear();
        writer.write(&batch)
    };
    let mut gold = findings.gold.labels.iter().peekable();
    for (item, document) in findings.documents.iter().enumerate() {
        let offsets = Offsets::new(&document.text);
        let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
        let gold = gold.next_if(|gold| gold.position as usize == item);
        let tokens = document.tokens.iter().zip(findings.decisions.of(item)).enumerate();
        rows.extend(tokens.map(|(number, (token, decision))| Row {
            id: &document.id,
            token: number as u32,
            place: (point(token.start), point(token.end)),
            form: token.of(&document.text),
            decision,
            gold: gold.and_then(|gold| gold.truth.get(number).copied().flatten()),
        }));
        if rows.len() >= ROWS {
            flush(&mut rows)?;
        }
    }
    flush(&mut rows)?;
    writer.finish()
}
