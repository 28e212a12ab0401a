//! `postil lists propose`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use postil_annotators::entities::{Proposal, left_out, matcher_of, propose};
use postil_core::Error;
use postil_core::table::TableWriter;
use serde_json::json;

use super::super::documents::Reading;
use super::super::match_lists::Texts;
use super::super::output::{Voice, count, remark, say_json};
use super::ListArguments;

/// What can be typed after `postil lists propose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Write `yes` into the column `accept` of what belongs into the list, and use the file as a list:
  postil match notes.csv --list place=places.txt --list proposals.csv -o marked.jsonl")]
pub(super) struct Arguments {
    /// The texts: CSV or Parquet with a column of texts, a text a line (.txt), or any format of annotated text; .gz and
    /// .zst too
    texts: PathBuf,
    #[command(flatten)]
    lists: ListArguments,
    /// Where to write the proposals, a table with entry, label, count, reason, example and accept [default: standard
    /// output, unless --json is given]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The most proposals
    #[arg(long, value_name = "N", default_value_t = 200)]
    most: usize,
    /// Phrases that stand in the texts less often are not proposed
    #[arg(long, value_name = "N", default_value_t = 2)]
    least: u64,
    #[command(flatten)]
    reading: Reading,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let output = arguments.output.clone().or_else(|| (!arguments.json).then(|| PathBuf::from("-")));
    let voice = Voice::new(output.as_deref(), arguments.json)?;
    let lists = arguments.lists.read()?;
    for warning in left_out(&lists, &matcher_of(&lists)?) {
        remark(&format!("note: {warning}"));
    }
    let mut texts = Texts::open(&arguments.texts, &arguments.reading, None)?;
    let mut documents = Vec::new();
    while let Some(document) = texts.next()? {
        documents.push(document);
    }
    let mut proposals = propose(&lists, &documents, arguments.least)?;
    let candidates = proposals.len();
    proposals.truncate(arguments.most);
    if proposals.is_empty() {
        anyhow::bail!(
            Error::input("expected phrases that may be entries, found none")
                .in_file(&arguments.texts)
                .hint("`--least 1` looks at phrases that stand in the texts once, too")
        );
    }
    if let Some(output) = &output {
        write(output, &proposals)?;
    }
    if arguments.json {
        let rows = proposals.iter().map(|one| {
            json!({
                "entry": one.entry, "label": one.label, "count": one.count, "score": one.score,
                "reason": one.reason, "example": one.example,
            })
        });
        return say_json(&json!({
            "documents": documents.len(),
            "candidates": candidates,
            "proposals": rows.collect::<Vec<_>>(),
            "output": output,
        }));
    }
    voice.say(&format!(
        "{} of {} candidates proposed, from {} documents; the order is a guess, only a person can tell",
        count(proposals.len() as u64),
        count(candidates as u64),
        count(documents.len() as u64)
    ))?;
    voice.written(output.as_deref(), "")
}

fn write(output: &Path, proposals: &[Proposal]) -> anyhow::Result<()> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema = Arc::new(Schema::new(vec![
        text("entry"),
        text("label"),
        Field::new("count", DataType::UInt64, false),
        text("reason"),
        text("example"),
        text("accept"),
    ]));
    let column = |value: fn(&Proposal) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(proposals.iter().map(value)))
    };
    let columns: Vec<ArrayRef> = vec![
        column(|one| &one.entry),
        column(|one| &one.label),
        Arc::new(UInt64Array::from_iter_values(proposals.iter().map(|one| one.count))),
        column(|one| &one.reason),
        column(|one| &one.example),
        column(|_| ""),
    ];
    let mut writer = TableWriter::create(output, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}
