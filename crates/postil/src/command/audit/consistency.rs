//! `postil audit --consistency`: words that are marked in different ways.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::{ConsistencyCheck, MarkCount, Occurrence, Surface, Surfaces};
use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::table::TableWriter;
use postil_core::text::{Named, OffsetUnit, Offsets, Tokenizer, align};
use postil_core::{Document, Error, Name};
use serde::Serialize;
use serde_json::json;

use super::Arguments;
use crate::command::output::{count, say_json, table};

/// The layer that stands for the tokens themselves.
const TOKENS: &str = "tokens";
/// How many words are shown before and behind an occurrence.
const CONTEXT: usize = 6;
/// How many occurrences of a surface JSON has; the list has all.
const EXAMPLES: usize = 4;

/// An occurrence with what stands around it.
#[derive(Debug, Serialize)]
struct Line {
    document: String,
    start: u32,
    end: u32,
    before: String,
    words: String,
    after: String,
    marked: String,
}

#[derive(Serialize)]
struct Shown<'s> {
    #[serde(flatten)]
    surface: &'s Surface,
    examples: Vec<Line>,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = arguments.voice()?;
    let options = ReadOptions { format: arguments.from, ..ReadOptions::default() };
    let mut reader = DocumentReader::open(&arguments.labels, &options)?;
    let mut check = ConsistencyCheck::new(arguments.ignore_case);
    let layer = arguments.layer.as_deref();
    let (mut documents, mut names, mut has_layer) = (Vec::new(), std::collections::BTreeSet::new(), false);
    while let Some(mut document) = reader.next_document()? {
        document.tokenize(Tokenizer::Words);
        names.extend(document.layers.iter().map(|layer| layer.name.clone()));
        has_layer |= add(&mut check, &document, layer);
        // Tags and spans are in the check; the text shows what stands around them.
        documents.push(Document { spans: Vec::new(), layers: Vec::new(), ..document });
    }
    if let (Some(layer), false) = (layer, has_layer) {
        let names: Vec<&str> = names.iter().map(|name| &**name).chain([TOKENS]).collect();
        anyhow::bail!(
            Error::input(format!("expected the layer `{layer}`, found {}", names.join(", ")))
                .in_file(&arguments.labels)
        );
    }
    let found = check.finish();
    let list = &found.list[..arguments.budget.unwrap_or(usize::MAX).min(found.list.len())];
    let texts: Vec<Text<'_>> = documents.iter().map(|document| Text::new(document, layer)).collect();
    if let Some(output) = &arguments.output {
        write(list, &texts, output)?;
    }
    if arguments.json {
        let surfaces = list.iter().map(|surface| Shown { surface, examples: telling(surface, &texts) });
        return say_json(&json!({
            "documents": documents.len(),
            "tokens": found.tokens,
            "marked_surfaces": found.known,
            "inconsistent": found.list.len(),
            "occurrences_in_the_minority": found.list.iter().map(|one| u64::from(one.minority)).sum::<u64>(),
            "surfaces": surfaces.collect::<Vec<_>>(),
        }));
    }
    voice.say(&summary(&found, documents.len(), layer))?;
    let shown = &list[..arguments.show.min(list.len())];
    if !shown.is_empty() {
        voice.say(&format!("\n{}", rows(shown)))?;
        voice.say("\n`differ`: occurrences without the most frequent mark; `document`, `context`: those of them whose document has another mark, or whose neighbours stand around another mark")?;
        for surface in shown.iter().take(5) {
            voice.say("")?;
            for line in telling(surface, &texts) {
                voice.say(&format!("{:>12}  {} [{}] {}", line.marked, line.before, line.words, line.after))?;
            }
        }
    }
    voice.written(arguments.output.as_deref(), "\n-o FILE writes every occurrence with what stands around it")
}

/// Takes in a document; says whether it has the layer.
fn add(check: &mut ConsistencyCheck, document: &Document, layer: Option<&str>) -> bool {
    let sentences = &document.sentences;
    match layer {
        None => {
            let spans = align(&document.text, &document.tokens, &document.spans).all;
            check.add(document.words(), sentences, spans.into_iter());
            true
        }
        Some(TOKENS) => {
            let pieces = pieces(document);
            let marks = (0..).zip(&pieces).map(|(place, (_, cut))| Named { start: place, end: place + 1, label: cut });
            let words = pieces.iter().map(|(range, _)| &document.text[range.clone()]);
            check.add(words, &[], marks);
            true
        }
        Some(name) => {
            let found = document.layers.iter().find(|layer| &*layer.name == name);
            let tags: &[Name] = found.map_or(&[], |layer| &layer.tags);
            let marks = (0..).zip(tags).map(|(place, tag)| Named { start: place, end: place + 1, label: tag });
            check.add(document.words(), sentences, marks);
            found.is_some()
        }
    }
}

/// What stands between blanks, and how it is cut into tokens.
fn pieces(document: &Document) -> Vec<(std::ops::Range<usize>, String)> {
    let mut pieces: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for token in &document.tokens {
        let (start, end) = (token.start as usize, token.end as usize);
        let word = &document.text[start..end];
        match pieces.last_mut() {
            Some((range, cut)) if range.end == start => {
                range.end = end;
                cut.push('|');
                cut.push_str(word);
            }
            _ => pieces.push((start..end, word.to_owned())),
        }
    }
    pieces
}

/// A text with the places of what was checked, in bytes.
struct Text<'d> {
    document: &'d Document,
    places: Vec<(usize, usize)>,
    offsets: Offsets<'d>,
}

impl<'d> Text<'d> {
    fn new(document: &'d Document, layer: Option<&str>) -> Self {
        let places = if layer == Some(TOKENS) {
            pieces(document).into_iter().map(|(range, _)| (range.start, range.end)).collect()
        } else {
            document.tokens.iter().map(|token| (token.start as usize, token.end as usize)).collect()
        };
        Self { document, places, offsets: Offsets::new(&document.text) }
    }
}

fn line(occurrence: &Occurrence, texts: &[Text<'_>]) -> Option<Line> {
    let marked = occurrence.marked.as_ref()?;
    let Text { document, places, offsets } = &texts[occurrence.document as usize];
    let (first, last) = (occurrence.start as usize, occurrence.end as usize);
    let text = |from: usize, to: usize| -> String {
        let words = document.text[from..to].split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    let (start, end) = (places[first].0, places[last - 1].1);
    let before = places[first.saturating_sub(CONTEXT)].0;
    let after = places[(last - 1 + CONTEXT).min(places.len() - 1)].1;
    let point = |byte: usize| offsets.position_of(OffsetUnit::CodePoints, byte).unwrap_or(0);
    let id = &*document.id;
    Some(Line {
        document: if id.is_empty() { (occurrence.document + 1).to_string() } else { id.to_owned() },
        start: point(start),
        end: point(end),
        before: text(before, start),
        words: text(start, end),
        after: text(end, after),
        marked: marked.words().to_owned(),
    })
}

/// An occurrence of each mark, and of one document where there are such.
fn telling(surface: &Surface, texts: &[Text<'_>]) -> Vec<Line> {
    let of = |mark: &MarkCount| {
        let mut places = surface.places.iter().filter(|place| place.marked.as_ref() == Some(&mark.marked));
        let shared = places.clone().find(|place| {
            surface
                .places
                .iter()
                .any(|other| other.document == place.document && other.marked.is_some() && other.marked != place.marked)
        });
        shared.or_else(|| places.next())
    };
    let examples = surface.marks.iter().filter_map(of).take(EXAMPLES);
    examples.filter_map(|place| line(place, texts)).collect()
}

fn marks(surface: &Surface) -> String {
    let marks = surface.marks.iter().map(|mark| format!("{} {}", mark.marked.words(), mark.count));
    marks.collect::<Vec<_>>().join(", ")
}

fn rows(list: &[Surface]) -> String {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|surface| {
            vec![
                surface.words.chars().take(40).collect(),
                count(u64::from(surface.occurrences)),
                count(u64::from(surface.minority)),
                count(u64::from(surface.same_document)),
                count(u64::from(surface.same_context)),
                marks(surface),
            ]
        })
        .collect();
    table(&["words", "occur", "differ", "document", "context", "marks"], &rows)
}

fn summary(found: &Surfaces, documents: usize, layer: Option<&str>) -> String {
    let what = match layer {
        None => "sequences of words that are marked somewhere".to_owned(),
        Some(TOKENS) => "sequences of letters between blanks".to_owned(),
        Some(layer) => format!("words with a tag of `{layer}`"),
    };
    let minority: u64 = found.list.iter().map(|surface| u64::from(surface.minority)).sum();
    format!(
        "{} documents, {} {}; {} of {} {what} are not marked alike everywhere, {} occurrences differ from the most frequent mark",
        count(documents as u64),
        count(found.tokens),
        if layer == Some(TOKENS) { "pieces" } else { "tokens" },
        count(found.list.len() as u64),
        count(found.known),
        count(minority)
    )
}

/// Every occurrence of every surface, in their order.
fn write(list: &[Surface], texts: &[Text<'_>], output: &std::path::Path) -> anyhow::Result<()> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let number = |name: &str| Field::new(name, DataType::UInt32, false);
    let schema = Arc::new(Schema::new(vec![
        number("rank"),
        text("words"),
        text("marks"),
        text("document"),
        number("start"),
        number("end"),
        text("marked"),
        text("before"),
        text("here"),
        text("after"),
    ]));
    let mut writer = TableWriter::create(output, schema.clone(), None)?;
    for (rank, surface) in (1_u32..).zip(list) {
        let lines: Vec<Line> = surface.places.iter().filter_map(|place| line(place, texts)).collect();
        let strings = |of: &dyn Fn(&Line) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(lines.iter().map(of)))
        };
        let numbers =
            |of: &dyn Fn(&Line) -> u32| -> ArrayRef { Arc::new(UInt32Array::from_iter_values(lines.iter().map(of))) };
        let all = marks(surface);
        let columns = vec![
            numbers(&|_| rank),
            strings(&|_| surface.words.clone()),
            strings(&|_| all.clone()),
            strings(&|line| line.document.clone()),
            numbers(&|line| line.start),
            numbers(&|line| line.end),
            strings(&|line| line.marked.clone()),
            strings(&|line| line.before.clone()),
            strings(&|line| line.words.clone()),
            strings(&|line| line.after.clone()),
        ];
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.finish()?)
}
