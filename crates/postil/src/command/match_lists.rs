//! `postil match`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use postil_annotators::entities::{EntityMatcher, Given, Scratch, left_out, matcher_of};
use postil_core::formats::{DocumentReader, DocumentWriter, Format, RemarkKind, format_of};
use postil_core::table::{Format as TableFormat, TableOptions, TableReader};
use postil_core::text::{OffsetUnit, Offsets};
use postil_core::{Document, Error, Span};
use rayon::prelude::*;
use serde_json::json;

use super::convert::{Writing, output_format};
use super::documents::{Reading, formats};
use super::input::text_column;
use super::lists::{ListArguments, told};
use super::output::{Voice, count, remark, say_json};

/// What can be typed after `postil match`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The texts: CSV or Parquet with a column of texts, a text a line (.txt), or any format of annotated text; .gz and
    /// .zst too
    texts: PathBuf,
    #[command(flatten)]
    lists: ListArguments,
    /// The column of the ids in a table [default: `id`, if there is one]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Where to write the texts with their spans [default: nowhere]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format to write [default: by the ending .conll, .conllu or .jsonl of the output]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: Option<Format>,
    /// Leave spans out whose label lists leave open; otherwise they are labelled `A|B`
    #[arg(long)]
    drop_ambiguous: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    writing: Writing,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// How many documents are matched at once.
const BATCH: usize = 1024;
/// How many entries are named.
const SHOWN: usize = 10;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    let mut writer = match &arguments.output {
        Some(output) => {
            let to = output_format(arguments.to, output)?;
            Some(DocumentWriter::create(output, to, &arguments.writing.options())?)
        }
        None => None,
    };
    let lists = arguments.lists.read()?;
    let matcher = matcher_of(&lists)?;
    for warning in left_out(&lists, &matcher) {
        remark(&format!("note: {warning}"));
    }
    let mut texts = Texts::open(&arguments.texts, &arguments.reading, arguments.id.as_deref())?;
    let mut totals = Totals::default();
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(document) = texts.next()? else { break };
            batch.push(document);
        }
        if batch.is_empty() {
            break;
        }
        let found: Vec<(Vec<Span>, Vec<Hit>)> = batch
            .par_iter()
            .map_init(Scratch::default, |scratch, document| find(&matcher, document, scratch, arguments.drop_ambiguous))
            .collect();
        for (mut document, (spans, hits)) in batch.into_iter().zip(found) {
            totals.add(&document, &spans, hits);
            if let Some(writer) = &mut writer {
                document.links.clear();
                document.spans = spans;
                writer.write(&document)?;
            }
        }
    }
    let written = writer.map(DocumentWriter::finish).transpose()?;
    if arguments.json {
        return say_json(&json!({
            "texts": arguments.texts,
            "documents": totals.documents,
            "bytes": totals.bytes,
            "unreadable": texts.bad(),
            "spans": totals.spans,
            "ambiguous": totals.ambiguous,
            "labels": totals.labels,
            "lists": told(&lists, &matcher),
            "memory_mb": matcher.bytes() as f64 / 1e6,
            "entries": totals.top(&matcher, usize::MAX).into_iter().map(|(list, entry, times)| {
                json!({"list": list, "entry": entry, "found": times})
            }).take(1000).collect::<Vec<_>>(),
            "written": written,
        }));
    }
    voice.say(&format!(
        "{} spans in {} documents, {} of them with more than one possible label",
        count(totals.spans),
        count(totals.documents),
        count(totals.ambiguous)
    ))?;
    for (label, spans) in &totals.labels {
        voice.say(&format!("  {label:<24} {:>10}", count(*spans)))?;
    }
    voice.say("found most often:")?;
    for (list, entry, times) in totals.top(&matcher, SHOWN) {
        voice.say(&format!("  {entry:<24} {:>10}  {list}", count(times)))?;
    }
    if texts.bad() > 0 {
        remark(&format!("note: {} rows could not be read and were left out", count(texts.bad())));
    }
    voice.written(arguments.output.as_deref(), "(-o FILE writes the texts with their spans)")
}

/// The list and the entry behind a span.
type Hit = (u16, String);

fn find(
    matcher: &EntityMatcher,
    document: &Document,
    scratch: &mut Scratch,
    drop_ambiguous: bool,
) -> (Vec<Span>, Vec<Hit>) {
    let given =
        (!document.tokens.is_empty()).then_some(Given { tokens: &document.tokens, sentences: &document.sentences });
    let offsets = Offsets::new(&document.text);
    let (mut spans, mut hits) = (Vec::new(), Vec::new());
    matcher.visit(&document.text, given, scratch, |found| {
        if drop_ambiguous && found.labels.len() > 1 {
            return;
        }
        let point = |byte| offsets.position_of(OffsetUnit::CodePoints, byte).expect("matches end between characters");
        let labels: Vec<&str> = found.labels.iter().map(|&label| &*matcher.labels()[usize::from(label)]).collect();
        spans.push(Span {
            start: point(found.bytes.start),
            end: point(found.bytes.end),
            label: labels.join("|").into(),
            quote: document.text[found.bytes.clone()].to_owned(),
        });
        let source = found.sources[0];
        hits.push((source.list, matcher.entry(source).0.to_owned()));
    });
    (spans, hits)
}

#[derive(Default)]
struct Totals {
    documents: u64,
    bytes: u64,
    spans: u64,
    ambiguous: u64,
    labels: BTreeMap<String, u64>,
    hits: BTreeMap<Hit, u64>,
}

impl Totals {
    fn add(&mut self, document: &Document, spans: &[Span], hits: Vec<Hit>) {
        self.documents += 1;
        self.bytes += document.text.len() as u64;
        self.spans += spans.len() as u64;
        for span in spans {
            self.ambiguous += u64::from(span.label.contains('|'));
            *self.labels.entry(span.label.to_string()).or_default() += 1;
        }
        for hit in hits {
            *self.hits.entry(hit).or_default() += 1;
        }
    }

    /// The entries that were found most often.
    fn top<'m>(&self, matcher: &'m EntityMatcher, most: usize) -> Vec<(&'m str, &str, u64)> {
        let mut hits: Vec<_> = self.hits.iter().collect();
        hits.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let hits = hits.into_iter().take(most);
        hits.map(|((list, entry), times)| (matcher.list_name(*list), entry.as_str(), *times)).collect()
    }
}

/// Texts as documents.
pub(super) enum Texts {
    Documents(Box<DocumentReader>),
    Table { rows: Box<dyn Iterator<Item = postil_core::Result<Document>>>, bad: std::rc::Rc<std::cell::Cell<u64>> },
}

impl Texts {
    /// Opens a table, a file of lines or annotated text; `id` is the column of the ids of a table.
    pub(super) fn open(path: &Path, reading: &Reading, id: Option<&str>) -> postil_core::Result<Self> {
        let by_name = TableFormat::of_name(&path.to_string_lossy());
        let is_table = reading.format.is_none()
            && (matches!(by_name, Some(TableFormat::Csv | TableFormat::Parquet))
                || (by_name == Some(TableFormat::Tsv) && format_of(path)?.is_none()));
        if is_table {
            return Self::table(path, reading, id);
        }
        let is_plain =
            reading.format.is_none() && path != Path::new("-") && !path.is_dir() && format_of(path)?.is_none();
        if is_plain {
            return Self::lines(path);
        }
        DocumentReader::open(path, &reading.options(false)).map(|reader| Self::Documents(Box::new(reader)))
    }

    fn table(path: &Path, reading: &Reading, id: Option<&str>) -> postil_core::Result<Self> {
        let mut table = TableReader::open(path, &TableOptions::default())?;
        let has_id = table.columns().iter().any(|column| column == "id");
        let id = id.map(str::to_owned).or_else(|| has_id.then(|| "id".to_owned()));
        let text = reading.text().to_owned();
        let bad = std::rc::Rc::new(std::cell::Cell::new(0));
        let counter = bad.clone();
        let file = table.name().to_path_buf();
        let mut chunk_of = move || -> postil_core::Result<Option<Vec<Document>>> {
            let Some(chunk) = table.next_chunk()? else { return Ok(None) };
            counter.set(counter.get() + chunk.bad.len() as u64);
            let texts = text_column(&chunk.batch, &text).map_err(|error| error.in_file(&file))?;
            let ids = id.as_ref().map(|id| text_column(&chunk.batch, id)).transpose()?;
            let documents = texts.iter().enumerate().map(|(row, text)| {
                let id = ids.as_ref().map_or_else(|| chunk.lines[row].to_string(), |ids| ids.value(row).to_owned());
                Document::from_text(id, text.unwrap_or(""))
            });
            Ok(Some(documents.collect()))
        };
        let chunks = std::iter::from_fn(move || chunk_of().transpose());
        let rows = chunks.flat_map(|chunk| match chunk {
            Ok(documents) => documents.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        });
        Ok(Self::Table { rows: Box::new(rows), bad })
    }

    fn lines(path: &Path) -> postil_core::Result<Self> {
        use std::io::BufRead;

        let stream = std::io::BufReader::new(postil_core::table::open_stream(path)?);
        let shown = path.to_path_buf();
        let rows = stream.lines().enumerate().filter_map(move |(number, line)| match line {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(Ok(Document::from_text((number + 1).to_string(), line))),
            Err(error) => {
                let message = Error::io("expected a line of UTF-8 text", error);
                Some(Err(message.in_file(&shown).at_line(number as u64 + 1)))
            }
        });
        Ok(Self::Table { rows: Box::new(rows), bad: std::rc::Rc::default() })
    }

    pub(super) fn next(&mut self) -> postil_core::Result<Option<Document>> {
        match self {
            Self::Documents(reader) => reader.next_document(),
            Self::Table { rows, .. } => rows.next().transpose(),
        }
    }

    fn bad(&self) -> u64 {
        match self {
            Self::Documents(reader) => reader.report().remarks.count(RemarkKind::RefusedRow),
            Self::Table { bad, .. } => bad.get(),
        }
    }
}
