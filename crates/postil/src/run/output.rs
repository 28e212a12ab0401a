//! The files of a run. Each is written under a temporary name and renamed, and the record of all of them comes last, so
//! that a crash leaves either the old result or the new one.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::table::TableWriter;
use postil_core::{Digest, Error, Result, TaskKind};
use serde::{Deserialize, Serialize};

use super::checklist::{self, SCORES, Scored};
use super::pairs::Ranked;
use super::summary::{Findings, measured_notes};
use super::tags;
use super::{Outcome, annotate::REJECTED};
use crate::project::{OutputFormat, Project};
use crate::ranking::write_ranking;
use crate::report::Report;

/// The labels' file, without its ending.
pub const LABELS: &str = "labels";
/// The file of the ranking, where pairs name those who wrote them.
pub(super) const RANKING: &str = "ranking.csv";
/// The model's file.
pub const MODEL: &str = "model.postil";
/// The report's data.
pub const REPORT_JSON: &str = "report.json";
/// The report's page.
pub const REPORT_HTML: &str = "report.html";
/// The record of what the files were made from.
const RECORD: &str = "run.json";
/// The items that routing leaves to people, most urgent first.
pub const FOR_PEOPLE: &str = "for_people.csv";
/// The column of the label's probability.
pub const CONFIDENCE: &str = "confidence";
/// Rows written at a time.
const ROWS: usize = 65_536;

/// What the files were made from, and their digests.
#[derive(Serialize, Deserialize)]
struct Record {
    key: Digest,
    files: Vec<(String, Digest)>,
}

/// Makes a folder and those above it.
pub(super) fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("the folder cannot be made: {error}"), error).in_file(folder))
}

/// Removes files that a killed run left half written. Whoever writes has the ledger, so they are nobody else's.
fn remove_leftovers(folder: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(format!("cannot be tidied: {error}"), error).in_file(folder);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if name.starts_with('.') && name.ends_with(".partial") {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Writes a file as a whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(format!("cannot be written: {error}"), error).in_file(path);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let mut file = File::create(&partial).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}

/// The last run's report.
pub fn read_report(project: &Project) -> Result<Report> {
    let path = project.output.join(REPORT_JSON);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::io(format!("there is no report to show: {error}"), error).in_file(&path).hint("`postil run` makes one")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Error::input("expected a report of this version")
            .in_file(&path)
            .because(error)
            .hint("`postil run --fresh` writes it anew")
    })
}

/// The last run's outcome, if it was made from exactly the same and its files are as they were written.
pub(super) fn unchanged(project: &Project, key: Digest) -> Option<Outcome> {
    let record: Record = serde_json::from_reader(BufReader::new(File::open(project.output.join(RECORD)).ok()?)).ok()?;
    if record.key != key {
        return None;
    }
    for (name, digest) in &record.files {
        if digest_of_file(&project.output.join(name)).ok()? != *digest {
            return None;
        }
    }
    let files = record.files.iter().map(|(name, _)| project.output.join(name)).collect();
    Some(Outcome { report: read_report(project).ok()?, files, unchanged: true })
}

fn digest_of_file(path: &Path) -> Result<Digest> {
    let failed = |error: std::io::Error| Error::io(format!("cannot be read: {error}"), error).in_file(path);
    Digest::of_reader(File::open(path).map_err(failed)?).map_err(failed)
}

/// The bytes of the model with its measured error inside.
pub(super) fn model(findings: &Findings<'_>) -> Result<Option<Vec<u8>>> {
    let Ok(learned) = findings.learned else { return Ok(None) };
    learned.student.bytes(measured_notes(findings)).map(Some)
}

/// Writes every file of a run.
pub(super) fn write(
    findings: &Findings<'_>,
    model: Option<&Vec<u8>>,
    (ranked, scored): (Option<&Ranked>, Option<&Scored>),
    report: &Report,
    key: Digest,
) -> Result<Vec<PathBuf>> {
    let project = findings.project;
    let mut formats = vec![OutputFormat::Parquet];
    if findings.is_of_tags() {
        // Texts with their tags are lines of JSON; tables have a row for every token.
        formats.insert(0, OutputFormat::Jsonl);
    }
    let more = project.formats.iter().copied().filter(|format| !formats.contains(format)).collect::<Vec<_>>();
    formats.extend(more);
    let mut names: Vec<String> = formats.into_iter().map(|format| format!("{LABELS}.{}", format.ending())).collect();
    let people = findings.routed.map_or(&[][..], |routed| &routed.people);
    if people.is_empty() {
        remove(&project.output.join(FOR_PEOPLE))?;
    } else {
        names.push(FOR_PEOPLE.to_owned());
    }
    names.extend(ranked.map(|_| RANKING.to_owned()));
    match scored {
        Some(_) => names.push(SCORES.to_owned()),
        None => remove(&project.output.join(SCORES))?,
    }
    let put_aside = findings.annotated.report.bad_rows > 0;
    let write_labels = |path: &Path| {
        if path.ends_with(FOR_PEOPLE) {
            write_for_people(findings, people, path)
        } else if let Some(ranked) = ranked.filter(|_| path.ends_with(RANKING)) {
            write_ranking(path, &ranked.contestants, &ranked.ranking)
        } else if let Some(scored) = scored.filter(|_| path.ends_with(SCORES)) {
            checklist::write(scored, project, &findings.annotated.items, path)
        } else if !findings.is_of_tags() {
            write_labels(findings, path)
        } else if path.extension().is_some_and(|ending| ending == OutputFormat::Jsonl.ending()) {
            tags::output::lines(findings, path)
        } else {
            tags::output::table(findings, path)
        }
    };
    write_around(project, names, write_labels, model.map(Vec::as_slice), report, put_aside, key)
}

/// Writes the files of labels with `write_labels`, then the model, the report and the record of them all.
pub(super) fn write_around(
    project: &Project,
    labels: Vec<String>,
    write_labels: impl Fn(&Path) -> Result<()>,
    model: Option<&[u8]>,
    report: &Report,
    put_aside: bool,
    key: Digest,
) -> Result<Vec<PathBuf>> {
    remove_leftovers(&project.output)?;
    let folder = &project.output;
    // Without its record a folder with half of a new result is not taken for a whole one.
    remove(&folder.join(RECORD))?;
    for name in &labels {
        write_labels(&folder.join(name))?;
    }
    let mut names = labels;
    match model {
        Some(bytes) => {
            write_whole(&folder.join(MODEL), bytes)?;
            names.push(MODEL.to_owned());
        }
        None => remove(&folder.join(MODEL))?,
    }
    write_whole(&folder.join(REPORT_HTML), crate::report::render(report).as_bytes())?;
    names.push(REPORT_HTML.to_owned());
    let mut json = serde_json::to_vec_pretty(report)
        .map_err(|error| Error::input("the report cannot be written").because(error))?;
    json.push(b'\n');
    write_whole(&folder.join(REPORT_JSON), &json)?;
    names.push(REPORT_JSON.to_owned());
    if put_aside && folder.join(REJECTED).exists() {
        names.push(REJECTED.to_owned());
    }
    let files =
        names.iter().map(|name| Ok((name.clone(), digest_of_file(&folder.join(name))?))).collect::<Result<Vec<_>>>()?;
    let record = serde_json::to_vec(&Record { key, files })
        .map_err(|error| Error::input("the record of the run cannot be written").because(error))?;
    write_whole(&folder.join(RECORD), &record)?;
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot be removed: {error}"), error).in_file(path))
        }
        _ => Ok(()),
    }
}

/// The items that are left to people with the labels they have so far.
fn write_for_people(findings: &Findings<'_>, people: &[u32], path: &Path) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new(CONFIDENCE, DataType::Float32, false),
    ]));
    let items = || people.iter().map(|&item| item as usize);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(items().map(|item| findings.annotated.items.id(item)))),
        Arc::new(StringArray::from_iter_values(items().map(|item| findings.label_of(item)))),
        Arc::new(Float32Array::from_iter_values(items().map(|item| findings.confidence_of(item)))),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| Error::input("the items do not fit their table").because(error))?;
    let mut writer = TableWriter::create(path, schema, None)?;
    writer.write(&batch)?;
    writer.finish()
}

/// One row per item: id, label, its probability, where it comes from, votes, the gold label if there is one, and a
/// probability per label.
fn write_labels(findings: &Findings<'_>, path: &Path) -> Result<()> {
    let (task, items, labels) = (&findings.project.task, &findings.annotated.items, findings.labels);
    let mut fields = vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new(CONFIDENCE, DataType::Float32, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("votes", DataType::UInt32, false),
        Field::new("gold", DataType::Utf8, true),
    ];
    fields.extend(task.labels.names().map(|name| Field::new(format!("p_{name}"), DataType::Float32, false)));
    let schema = Arc::new(Schema::new(fields));
    let mut gold = findings.gold.labels.iter().peekable();
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    for start in (0..items.len()).step_by(ROWS) {
        let rows = start..(start + ROWS).min(items.len());
        let gold: Vec<Option<String>> = rows
            .clone()
            .map(|item| gold.next_if(|gold| gold.position as usize == item))
            .map(|gold| gold.map(|gold| super::summary::join_labels(task, &gold.classes(task))))
            .collect();
        let support =
            |item: usize| findings.fused.support[findings.decisions.of(item)].iter().copied().max().unwrap_or(0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.clone().map(|item| items.id(item)))),
            Arc::new(StringArray::from_iter_values(rows.clone().map(|item| findings.label_of(item)))),
            Arc::new(Float32Array::from_iter_values(rows.clone().map(|item| findings.confidence_of(item)))),
            Arc::new(StringArray::from_iter_values(rows.clone().map(|item| labels.source[item].name()))),
            Arc::new(UInt32Array::from_iter_values(rows.clone().map(support))),
            Arc::new(StringArray::from_iter(gold)),
        ];
        for class in 0..task.labels.len() {
            let probability = |item: usize| {
                if task.kind == TaskKind::Multilabel {
                    labels.of(findings.decisions.of(item).start + class)[1]
                } else {
                    labels.of(item)[class]
                }
            };
            columns.push(Arc::new(Float32Array::from_iter_values(rows.clone().map(probability))));
        }
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::input("the labels do not fit their table").because(error))?;
        writer.write(&batch)?;
    }
    writer.finish()
}
