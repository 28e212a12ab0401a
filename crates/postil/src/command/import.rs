//! `postil import`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use postil_core::formats::{DocumentReader, DocumentWriter, Format};
use postil_core::{Document, Error, Result};
use serde_json::{Map, Value, json};

use super::convert::{tell_remarks, transfer};
use super::documents::Reading;
use super::output::{Voice, count, say_json};

/// What can be typed after `postil import`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The annotated text: a file, a folder (brat, slots), or `-` for standard input; .gz and .zst too
    input: PathBuf,
    /// Where to write the documents with everything in them, as JSON lines
    #[arg(short, long, value_name = "FILE", conflicts_with = "project", default_value = "-")]
    output: PathBuf,
    /// Write the files of a project into this folder instead: items.jsonl with id and text, gold.jsonl with id and
    /// spans, and a postil.toml if there is none
    #[arg(long, value_name = "FOLDER")]
    project: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Fail if a row is refused
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(folder) = &arguments.project {
        return into_project(arguments, folder);
    }
    let voice = Voice::new(Some(&arguments.output), arguments.json)?;
    let reader = open(arguments)?;
    let options = postil_core::formats::WriteOptions::default();
    let done = transfer(reader, &arguments.output, Format::Jsonl, options, arguments.strict, |_| Ok(()))?;
    if arguments.json { say_json(&done.json()) } else { done.tell(voice) }
}

fn open(arguments: &Arguments) -> Result<DocumentReader> {
    DocumentReader::open(&arguments.input, &arguments.reading.options(arguments.strict))
}

/// Items and gold of a project; documents that nobody accepted are items without gold.
fn into_project(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    let mut reader = open(arguments)?;
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("the folder cannot be made: {error}"), error).in_file(folder))?;
    let (items_path, gold_path, file) =
        (folder.join("items.jsonl"), folder.join("gold.jsonl"), folder.join("postil.toml"));
    for path in [&items_path, &gold_path] {
        if path.exists() {
            anyhow::bail!(
                Error::input("expected a folder without it, found the file")
                    .in_file(path)
                    .hint("move it away, or import into another folder")
            );
        }
    }
    let options = postil_core::formats::WriteOptions::default();
    let mut items = DocumentWriter::create(&items_path, Format::Jsonl, &options)?;
    let partial = gold_path.with_extension("jsonl.partial");
    let refused = |error: std::io::Error| Error::io(format!("cannot be written: {error}"), error).in_file(&gold_path);
    let mut gold = BufWriter::new(File::create(&partial).map_err(refused)?);
    let (mut number, mut labels, mut with_gold) = (0_u64, Vec::<String>::new(), 0_u64);
    while let Some(mut document) = reader.next_document()? {
        number += 1;
        if document.id.is_empty() {
            document.id = number.to_string().into();
        }
        let accepted = document.meta.get("answer").and_then(Value::as_str).is_none_or(|answer| answer == "accept");
        if accepted {
            with_gold += 1;
            writeln!(gold, "{}", gold_line(&document)).map_err(refused)?;
            for span in &document.spans {
                if let Err(place) = labels.binary_search_by(|label| label.as_str().cmp(&span.label)) {
                    labels.insert(place, span.label.to_string());
                }
            }
        }
        items.write(&without_spans(document))?;
    }
    let written = items.finish()?;
    gold.flush().and_then(|()| std::fs::rename(&partial, &gold_path)).map_err(refused)?;
    let made = !file.exists();
    if made {
        crate::run::write_whole(&file, project_file(&labels).as_bytes())?;
    }
    let report = reader.report();
    if arguments.json {
        return say_json(&json!({
            "read": report, "written": written, "items": items_path, "gold": gold_path, "gold_documents": with_gold,
            "project_file": made.then_some(&file),
        }));
    }
    let voice = Voice::new(None, false)?;
    voice.say(&format!(
        "{}: {}, {} documents, {} spans",
        report.file.display(),
        report.format,
        count(report.documents),
        count(report.spans)
    ))?;
    tell_remarks(voice, "reading", report.remarks.list())?;
    voice.say(&format!("written: {} ({} items)", items_path.display(), count(number)))?;
    voice.say(&format!("written: {} ({} documents with gold spans)", gold_path.display(), count(with_gold)))?;
    if made {
        voice.say(&format!("written: {}", file.display()))?;
    }
    Ok(())
}

/// An item says what is in the text, not what is marked in it.
fn without_spans(mut document: Document) -> Document {
    document.spans.clear();
    document.labels.clear();
    document.meta.shift_remove("answer");
    document
}

fn gold_line(document: &Document) -> Value {
    let spans = document
        .spans
        .iter()
        .map(|span| json!({ "start": span.start, "end": span.end, "label": &*span.label, "quote": span.quote }));
    let mut line = Map::new();
    line.insert("id".to_owned(), (&*document.id).into());
    line.insert("spans".to_owned(), spans.collect());
    if let Some(probability) = document.meta.get("inclusion_probability") {
        line.insert("inclusion_probability".to_owned(), probability.clone());
    }
    Value::Object(line)
}

fn project_file(labels: &[String]) -> String {
    let labels = labels.iter().map(|label| Value::from(label.as_str()).to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "[task]\nkind = \"spans\"\nlabels = [{labels}]\n\n[data]\nitems = \"items.jsonl\"\ntext = \"text\"\nid = \"id\"\n\
         gold = \"gold.jsonl\"\n\n# Who annotates: programs, lists, people.\n# [[annotator]]\n# name = \"names\"\n\
         # kind = \"list\"\n"
    )
}
