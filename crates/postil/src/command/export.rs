//! `postil export`

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use postil_core::formats::{DocumentReader, Format, ReadOptions, WriteOptions};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use postil_core::{Document, Error, Result, TaskKind};

use super::convert::{Writing, transfer};
use super::documents::formats;
use super::output::{Voice, count, remark};
use crate::project::Project;
use crate::run::{CONFIDENCE, GOLD, LABELS};

/// What a run adds to a document beside its marks.
const OF_THE_RUN: [&str; 2] = [CONFIDENCE, GOLD];

/// What can be typed after `postil export`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Where to write; the name's ending tells the format: .csv, .tsv, .jsonl, .parquet, with .gz or .zst behind it;
    /// `-` writes CSV to standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Write the spans or tags in a format of annotated text instead, such as conll, conllu, doccano or label-studio
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<Format>,
    #[command(flatten)]
    writing: Writing,
    /// Only labels with at least this probability
    #[arg(long, value_name = "P")]
    at_least: Option<f64>,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    if let Some(format) = arguments.format {
        return marks(arguments, &project, format);
    }
    let labels = project.output.join(format!("{LABELS}.parquet"));
    if !labels.exists() {
        anyhow::bail!(Error::input("there are no labels yet").in_file(&labels).hint("`postil run` makes them"));
    }
    let mut table = TableReader::open(&labels, &TableOptions::default())?;
    let mut writer = None;
    let (mut written, mut left_out) = (0, 0);
    while let Some(chunk) = table.next_chunk()? {
        let mut batch = chunk.batch;
        if let Some(least) = arguments.at_least {
            let rows = batch.num_rows();
            batch = sure_enough(&batch, least)?;
            left_out += rows - batch.num_rows();
        }
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(TableWriter::create(&arguments.output, batch.schema(), None)?),
        };
        writer.write(&batch)?;
        written += batch.num_rows();
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    if arguments.output.as_os_str() != "-" {
        let left_out = if left_out > 0 {
            format!(", {} less certain ones left out", count(left_out as u64))
        } else {
            String::new()
        };
        remark(&format!("{} labels written to {}{left_out}", count(written as u64), arguments.output.display()));
    }
    Ok(())
}

/// The spans or tags of the last run in a format of annotated text.
fn marks(arguments: &Arguments, project: &Project, format: Format) -> anyhow::Result<()> {
    if !matches!(project.task.kind, TaskKind::Spans | TaskKind::Tag) {
        anyhow::bail!(
            Error::task(format!(
                "expected a task of spans or tags for `--format {format}`, found `{}`",
                project.task.kind
            ))
            .hint("labels of whole items are written by the name's ending: .csv, .jsonl or .parquet")
        );
    }
    let voice = Voice::new(Some(&arguments.output), false)?;
    let labels = project.output.join(format!("{LABELS}.jsonl"));
    if !labels.exists() {
        anyhow::bail!(Error::input("there are no labels yet").in_file(&labels).hint("`postil run` makes them"));
    }
    let options = ReadOptions { format: Some(Format::Jsonl), ..ReadOptions::default() };
    let reader = DocumentReader::open(&labels, &options)?;
    let mut left_out = 0;
    let mut sure = arguments.at_least.map(|least| Sure::open(&labels, least)).transpose()?;
    let writing = WriteOptions { without_spans: project.task.kind == TaskKind::Tag, ..arguments.writing.options() };
    let done = transfer(reader, &arguments.output, format, writing, false, |document| {
        // What the run says about its labels stays in its own file.
        OF_THE_RUN.iter().for_each(|key| drop(document.meta.shift_remove(*key)));
        if let Some(sure) = &mut sure {
            left_out += sure.keep(document)?;
        }
        Ok(())
    })?;
    done.tell(voice)?;
    if left_out > 0 {
        voice.say(&format!("{} less certain spans left out", count(left_out)))?;
    }
    Ok(())
}

/// The probabilities of the last run's spans, which documents do not hold, read along with them.
struct Sure {
    lines: Box<dyn Iterator<Item = std::io::Result<String>>>,
    path: PathBuf,
    least: f64,
}

impl Sure {
    fn open(path: &Path, least: f64) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|error| Error::io("cannot be read", error).in_file(path))?;
        Ok(Self { lines: Box::new(BufReader::new(file).lines()), path: path.to_path_buf(), least })
    }

    /// Leaves out the spans of the next document that are less certain; how many.
    fn keep(&mut self, document: &mut Document) -> Result<u64> {
        let wrong = || Error::input("expected the spans of the last run with their probabilities").in_file(&self.path);
        let line = self.lines.next().ok_or_else(wrong)?;
        let line = line.map_err(|error| Error::io("cannot be read", error).in_file(&self.path))?;
        let row: serde_json::Value = serde_json::from_str(&line).map_err(|error| wrong().because(error))?;
        if row["id"].as_str() != Some(&*document.id) {
            return Err(wrong().for_item(document.id.to_string()));
        }
        let spans: Vec<&serde_json::Value> = row["spans"].as_array().into_iter().flatten().collect();
        let before = document.spans.len();
        document.retain_spans(|span| {
            spans.iter().any(|row| {
                row["start"].as_u64() == Some(u64::from(span.start))
                    && row["end"].as_u64() == Some(u64::from(span.end))
                    && row["label"].as_str() == Some(&*span.label)
                    && row[CONFIDENCE].as_f64().is_some_and(|sure| sure >= self.least)
            })
        });
        Ok((before - document.spans.len()) as u64)
    }
}

fn sure_enough(batch: &arrow_array::RecordBatch, least: f64) -> anyhow::Result<arrow_array::RecordBatch> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;

    let confidences = batch
        .column_by_name(CONFIDENCE)
        .and_then(|column| column.as_primitive_opt::<Float32Type>())
        .ok_or_else(|| anyhow::anyhow!("the labels have no column `{CONFIDENCE}`"))?;
    let keep = confidences.iter().map(|p| p.map(|p| f64::from(p) >= least)).collect::<arrow_array::BooleanArray>();
    Ok(arrow_select::filter::filter_record_batch(batch, &keep)?)
}
