//! `postil draw --sentences`

use std::collections::{HashMap, HashSet};

use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::ledger::{Access, Draw};
use postil_core::select::{Frame, draw};
use postil_core::table::WholeFile;
use postil_core::text::{OffsetUnit, Offsets};
use postil_core::{Digest, Document, Error, Ledger, Span, TaskKind, TextPart};
use serde_json::json;

use super::super::output::{count, say, say_json};
use super::Arguments;
use crate::project::Project;
use crate::run::{GOLD, GOLD_SENTENCES, now_millis, open_items};

/// A sentence: its text's id, its place in code points, its words and the spans that are known of it.
struct Sentence {
    id: String,
    place: (u32, u32),
    words: String,
    spans: Vec<Span>,
    /// The digest of the whole text.
    content: Digest,
}

impl Sentence {
    fn name(&self) -> String {
        TextPart { item: self.id.clone(), start: self.place.0, end: self.place.1 }.to_string()
    }
}

/// Draws sentences of all texts, each with the same probability, which goes into the file with them: a text is too much to
/// mark for one that shall represent many.
pub(super) fn execute(arguments: &Arguments, project: &Project) -> anyhow::Result<()> {
    if project.task.kind != TaskKind::Spans {
        anyhow::bail!(Error::task("expected a task of spans for `--sentences`, found another"));
    }
    let output = arguments.output.clone().unwrap_or_else(|| project.folder.join("to-label-sentences.jsonl"));
    if output.exists() {
        anyhow::bail!(
            Error::input("a file is there already")
                .in_file(&output)
                .hint("name another with `-o FILE`: it may hold spans")
        );
    }
    // By text: formats without ids number their documents in ways of their own.
    let mut known: HashMap<String, Document> = HashMap::new();
    if let Some(path) = &arguments.from {
        let mut reader = DocumentReader::open(path, &ReadOptions::default())?;
        while let Some(document) = reader.next_document()? {
            known.insert(document.text.clone(), document);
        }
    }
    // What is copied out of a file is labelled already; everything else waits for people, here or in the browser.
    let ledger = arguments.from.is_none().then(|| Ledger::open(project.ledger(), Access::Write)).transpose()?;
    let before = ledger.as_ref().map_or(Ok(Vec::new()), |ledger| ledger.draws(GOLD_SENTENCES))?;
    if let Some(ledger) = &ledger
        && !ledger.draws(GOLD)?.is_empty()
    {
        anyhow::bail!(
            Error::task("expected no earlier draws of whole texts, found some")
                .hint("a sample is of the one or of the other: draw further texts without `--sentences`")
        );
    }
    let mut sentences: Vec<Sentence> = Vec::new();
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            let id = batch.id(row);
            let mut document = Document::from_text(id, batch.text(row));
            document.tokenize(project.tokenizer);
            let truth = known.get(&document.text);
            if let (Some(path), None) = (&arguments.from, truth) {
                anyhow::bail!(
                    Error::input("expected a text that is in the file, found another").for_item(id).in_file(path)
                );
            }
            each(&document, truth, batch.digest(row), &mut sentences);
        }
    }
    let already: HashSet<String> = before.iter().map(|draw| draw.item.to_string()).collect();
    let frame = Frame {
        strata: vec![0; sentences.len()],
        drawn: sentences.iter().map(|sentence| already.contains(&sentence.name())).collect(),
    };
    let drawn = draw(&frame, arguments.count, 0, project.seed)?;
    if let Some(ledger) = ledger {
        // On record before the file exists, as for whole texts.
        let at_millis = now_millis();
        let record = drawn.iter().map(|one| Draw {
            item: sentences[one.index].name().into(),
            content: sentences[one.index].content,
            inclusion_probability: one.probability,
            stratum: None,
            seed: project.seed,
            purpose: GOLD_SENTENCES.to_owned(),
            at_millis,
        });
        ledger.record_draws(record.collect())?;
        ledger.close()?;
    }
    let mut file = WholeFile::create(&output, false)?;
    for one in &drawn {
        let sentence = &sentences[one.index];
        let line = json!({
            "id": sentence.id,
            "start": sentence.place.0,
            "end": sentence.place.1,
            "sentence": sentence.words,
            "inclusion_probability": one.probability,
            "spans": sentence.spans,
        });
        file.text(&format!("{line}\n"))?;
    }
    file.finish()?;
    if arguments.json {
        return say_json(&json!({ "drawn": drawn.len(), "of": sentences.len(), "file": output }));
    }
    say(&format!(
        "{} of {} sentences drawn for blind labels, each with its probability: {}",
        count(drawn.len() as u64),
        count(sentences.len() as u64),
        output.display()
    ))?;
    if arguments.from.is_none() {
        say(
            "mark them in `postil review`, queue Blind gold, and run; or add to `spans` what is in each sentence, as objects with `start` and `end` (in code points of the whole text) and `label`, and name the file in `data.gold`",
        )?;
    }
    Ok(())
}

/// Adds the sentences of a text.
fn each(document: &Document, truth: Option<&Document>, content: Digest, sentences: &mut Vec<Sentence>) {
    let offsets = Offsets::new(&document.text);
    let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
    let mut first = 0;
    for &end in &document.sentences {
        let tokens = &document.tokens[first..(end as usize).max(first)];
        first = first.max(end as usize);
        let (Some(from), Some(to)) = (tokens.first(), tokens.last()) else { continue };
        let place = (point(from.start), point(to.end));
        let within = |span: &&Span| span.start >= place.0 && span.end <= place.1;
        sentences.push(Sentence {
            id: document.id.to_string(),
            place,
            words: document.text[from.start as usize..to.end as usize].to_owned(),
            spans: truth.into_iter().flat_map(|truth| &truth.spans).filter(within).cloned().collect(),
            content,
        });
    }
}
