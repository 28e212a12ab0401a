//! `postil import`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use postil_core::formats::{DocumentReader, DocumentWriter, Format};
use postil_core::{Document, Error, Layer, Name, Result};
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
    /// The layer of tags that the project is about: gold.jsonl has its tags, items.jsonl all other layers [default: a
    /// project of spans]
    #[arg(long, value_name = "LAYER", requires = "project")]
    layer: Option<String>,
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
    let (mut number, mut with_gold, mut with_tokens) = (0_u64, 0_u64, true);
    let mut labels = BTreeSet::new();
    while let Some(mut document) = reader.next_document()? {
        number += 1;
        if document.id.is_empty() {
            document.id = number.to_string().into();
        }
        with_tokens &= !document.tokens.is_empty();
        let layer = arguments.layer.as_ref().map(|name| take_layer(&mut document, name)).transpose();
        let layer = layer.map_err(|error| error.in_file(&arguments.input))?;
        let accepted = document.meta.get("answer").and_then(Value::as_str).is_none_or(|answer| answer == "accept");
        if accepted {
            with_gold += 1;
            writeln!(gold, "{}", gold_line(&document, layer.as_ref())).map_err(refused)?;
            match &layer {
                Some(layer) => labels.extend(layer.tags.iter().filter(|tag| &***tag != "_").map(ToString::to_string)),
                None => labels.extend(document.spans.iter().map(|span| span.label.to_string())),
            }
        }
        items.write(&without_spans(document))?;
    }
    let written = items.finish()?;
    gold.flush().and_then(|()| std::fs::rename(&partial, &gold_path)).map_err(refused)?;
    let made = !file.exists();
    if made {
        crate::run::write_whole(&file, project_file(&labels, arguments.layer.as_deref(), with_tokens).as_bytes())?;
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
    let what = if arguments.layer.is_some() { "tags" } else { "spans" };
    voice.say(&format!("written: {} ({} documents with gold {what})", gold_path.display(), count(with_gold)))?;
    if made {
        voice.say(&format!("written: {}", file.display()))?;
    }
    Ok(())
}

/// An item says what is in the text, not what is marked in it.
fn without_spans(mut document: Document) -> Document {
    document.spans.clear();
    document.links.clear();
    document.labels.clear();
    document.meta.shift_remove("answer");
    document
}

/// Takes the layer out of a document that the project is about: an item does not show what is asked.
fn take_layer(document: &mut Document, name: &str) -> Result<Layer> {
    let place = document.layers.iter().position(|layer| *layer.name == *name).ok_or_else(|| {
        let names: Vec<String> = document.layers.iter().map(|layer| format!("`{}`", layer.name)).collect();
        Error::input(format!(
            "expected a layer `{name}`, found {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        ))
        .for_item(document.id.to_string())
    })?;
    Ok(document.layers.remove(place))
}

fn gold_line(document: &Document, layer: Option<&Layer>) -> Value {
    let spans = document
        .spans
        .iter()
        .map(|span| json!({ "start": span.start, "end": span.end, "label": &*span.label, "quote": span.quote }));
    let mut line = Map::new();
    line.insert("id".to_owned(), (&*document.id).into());
    match layer {
        Some(layer) => {
            let words: Value = document.words().map(Value::from).collect();
            line.insert("tokens".to_owned(), words);
            let known = |tag: &Name| if &**tag == "_" { Value::Null } else { Value::from(&**tag) };
            line.insert("tags".to_owned(), layer.tags.iter().map(known).collect());
        }
        None => drop(line.insert("spans".to_owned(), spans.collect())),
    }
    if let Some(probability) = document.meta.get("inclusion_probability") {
        line.insert("inclusion_probability".to_owned(), probability.clone());
    }
    Value::Object(line)
}

fn project_file(labels: &BTreeSet<String>, layer: Option<&str>, with_tokens: bool) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let labels = labels.iter().map(|label| quoted(label)).collect::<Vec<_>>().join(", ");
    let kind = match layer {
        Some(layer) => format!("kind = \"tag\"\nlayer = {}", quoted(layer)),
        None => "kind = \"spans\"".to_owned(),
    };
    let tokens = if with_tokens { "tokens = \"tokens\"\n" } else { "" };
    format!(
        "[task]\n{kind}\nlabels = [{labels}]\n\n[data]\nitems = \"items.jsonl\"\ntext = \"text\"\nid = \"id\"\n{tokens}\
         gold = \"gold.jsonl\"\n\n# Who annotates: programs, lists, people.\n# [[annotator]]\n# name = \"names\"\n\
         # kind = \"list\"\n"
    )
}
