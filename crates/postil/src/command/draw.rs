//! `postil draw`

mod sentences;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::PairText;
use postil_core::ledger::{Access, Draw, Ledger};
use postil_core::select::{Frame, draw};
use postil_core::table::{TableWriter, WholeFile};
use postil_core::{Digest, Error, TaskKind};
use serde_json::json;

use super::output::{count, say, say_json};
use crate::project::Project;
use crate::run::{GOLD, GOLD_SENTENCES, drawn_probabilities, gold_items, now_millis, open_items};

/// What can be typed after `postil draw`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many items to draw
    count: usize,
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Draw from each value of this column in proportion to its size, but at least --floor items
    #[arg(long, value_name = "COLUMN")]
    stratify: Option<String>,
    /// The least items of each value
    #[arg(long, value_name = "N", default_value_t = 10, requires = "stratify")]
    floor: usize,
    /// In tasks that mark text: draw sentences, of whatever texts, in place of whole texts
    #[arg(long, conflicts_with = "stratify")]
    sentences: bool,
    /// With --sentences: a file of the same texts with their spans, which are copied into what is drawn
    #[arg(long, value_name = "FILE", requires = "sentences")]
    from: Option<PathBuf>,
    /// Where to write the items to label, with an empty column `label`; in tasks that mark text, JSON lines without spans
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// More strata than this are a mistake.
const MOST_STRATA: usize = 200;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    if arguments.sentences {
        return sentences::execute(arguments, &project);
    }
    let ledger = Ledger::open(project.ledger(), Access::Write)?;
    let before = ledger.draws(GOLD)?;
    if !ledger.draws(GOLD_SENTENCES)?.is_empty() {
        anyhow::bail!(
            Error::task("expected earlier draws of whole texts, found some of sentences")
                .hint("a sample is of the one or of the other: draw further sentences with `--sentences`")
        );
    }
    let stratified_before = before.iter().any(|draw| draw.stratum.is_some());
    if !before.is_empty() && stratified_before != arguments.stratify.is_some() {
        anyhow::bail!(
            Error::task("expected the strata of the earlier draws, found others")
                .hint("probabilities of draws with different strata cannot be joined: draw as before")
        );
    }
    if before.is_empty()
        && let Some((first, _)) = gold_items(&project)?.into_iter().find(|(_, probability)| probability.is_none())
    {
        anyhow::bail!(
            Error::task("expected gold labels with an inclusion probability, found some without").for_item(first).hint(
                "a draw can only add to a sample whose probabilities are known; label a new sample and use it alone"
            )
        );
    }
    let already: HashSet<String> = before.iter().map(|draw| draw.item.to_string()).collect();
    let listed: HashSet<String> = gold_items(&project)?.into_iter().map(|(item, _)| item).collect();

    // One pass for the frame, one for the texts of what was drawn.
    let mut strata: BTreeMap<String, u32> = BTreeMap::new();
    let mut frame = Frame { strata: Vec::new(), drawn: Vec::new() };
    for batch in open_items(&project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            let name = match &arguments.stratify {
                Some(column) => {
                    if batch.columns().column_by_name(column).is_none() {
                        anyhow::bail!(Error::input(format!("expected a column `{column}`")).in_file(&project.items));
                    }
                    batch.field(row, column).unwrap_or_default()
                }
                None => String::new(),
            };
            let next = strata.len() as u32;
            frame.strata.push(*strata.entry(name).or_insert(next));
            frame.drawn.push(already.contains(batch.id(row)) || listed.contains(batch.id(row)));
        }
        if strata.len() > MOST_STRATA {
            anyhow::bail!(
                Error::task(format!("expected at most {MOST_STRATA} strata, found more"))
                    .hint("stratify by a column with few values")
            );
        }
    }
    let drawn =
        draw(&frame, arguments.count, arguments.floor * usize::from(arguments.stratify.is_some()), project.seed)?;
    let names: HashMap<u32, String> = strata.into_iter().map(|(name, number)| (number, name)).collect();

    let mut taken = drawn.iter().peekable();
    let mut draws = Vec::with_capacity(drawn.len());
    let mut texts = Vec::with_capacity(drawn.len());
    let mut words = Vec::new();
    let mut position = 0;
    let now = now_millis();
    for batch in open_items(&project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            if let Some(one) = taken.next_if(|one| one.index == position) {
                let digest: Digest = batch.digest(row);
                draws.push(Draw {
                    item: batch.id(row).into(),
                    content: digest,
                    inclusion_probability: one.probability,
                    stratum: arguments.stratify.is_some().then(|| names[&one.stratum].clone()),
                    seed: project.seed,
                    purpose: GOLD.to_owned(),
                    at_millis: now,
                });
                let text = batch.text(row);
                if project.task.kind == TaskKind::Tag {
                    let made = || project.tokenizer.tokenize(text);
                    let tokens = batch.tokens(row).map_or_else(made, <[_]>::to_vec);
                    words.push(tokens.iter().map(|token| token.of(text).to_owned()).collect::<Vec<String>>());
                }
                texts.push(match project.task.kind {
                    TaskKind::Pairs => PairText::read(text).plain(),
                    _ => text.to_owned(),
                });
            }
            position += 1;
        }
    }
    let marks = matches!(project.task.kind, TaskKind::Spans | TaskKind::Tag);
    let output = arguments.output.clone().unwrap_or_else(|| {
        project.folder.join(format!("to-label-{}.{}", before.len() + draws.len(), if marks { "jsonl" } else { "csv" }))
    });
    if output.exists() {
        anyhow::bail!(
            Error::input("a file is there already")
                .in_file(&output)
                .hint("name another with `-o FILE`: it may hold labels")
        );
    }
    let all: Vec<Draw> = before.iter().chain(&draws).cloned().collect();
    let probabilities = drawn_probabilities(&all);
    // A record has a column per field to be filled in, everything else one for its label.
    let blanks: Vec<&str> = match project.task.kind {
        TaskKind::Extract => project.task.labels.names().map(AsRef::as_ref).collect(),
        _ => vec!["label"],
    };
    let mut fields = vec![Field::new("id", DataType::Utf8, false), Field::new("text", DataType::Utf8, false)];
    fields.extend(blanks.iter().map(|name| Field::new(*name, DataType::Utf8, false)));
    fields.push(Field::new("drawn_with_probability", DataType::Float64, false));
    let schema = Arc::new(Schema::new(fields));
    let blank: ArrayRef = Arc::new(StringArray::from_iter_values(draws.iter().map(|_| "")));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(draws.iter().map(|draw| draw.item.as_ref()))),
        Arc::new(StringArray::from_iter_values(&texts)),
    ];
    columns.extend(blanks.iter().map(|_| blank.clone()));
    let known = draws.iter().map(|draw| probabilities[draw.item.as_ref()]);
    columns.push(Arc::new(Float64Array::from_iter_values(known)));
    let rows = RecordBatch::try_new(schema.clone(), columns)?;
    // On record before the file exists: a draw that was seen and forgotten could never be accounted for.
    let number = draws.len();
    let to_mark: Vec<(String, String)> = draws.iter().map(|draw| draw.item.to_string()).zip(texts).collect();
    ledger.record_draws(draws)?;
    if marks {
        let mut file = WholeFile::create(&output, false)?;
        for (number, (id, text)) in to_mark.iter().enumerate() {
            let line = match words.get(number) {
                Some(words) => {
                    let tags = vec![serde_json::Value::Null; words.len()];
                    json!({ "id": id, "text": text, "tokens": words, "tags": tags })
                }
                None => json!({ "id": id, "text": text, "spans": [] }),
            };
            file.text(&format!("{line}\n"))?;
        }
        file.finish()?;
    } else {
        let mut writer = TableWriter::create(&output, schema, None)?;
        writer.write(&rows)?;
        writer.finish()?;
    }
    ledger.close()?;
    if arguments.json {
        return say_json(&json!({ "drawn": number, "earlier": before.len(), "file": output, "strata": names.len() }));
    }
    say(&format!(
        "{} items drawn for blind labels ({} before), with their probabilities on record: {}",
        count(number as u64),
        count(before.len() as u64),
        output.display()
    ))?;
    if project.task.kind == TaskKind::Tag {
        return say(
            "answer them in `postil review`; or put a tag for every null without looking at any others (null is a token you leave open), add the lines to your gold file, and run again",
        );
    }
    if marks {
        return say(
            "answer them in `postil review`; or mark the spans without looking at any others (`postil convert` writes it for other tools), add the lines to your gold file, and run again",
        );
    }
    if project.task.kind == TaskKind::Extract {
        return say(
            "fill in its fields without looking at any other record (an empty cell says that the text does not say), add the rows to your gold file, and run again",
        );
    }
    say(
        "answer them in `postil review`, and run again; or fill its column `label` without looking at any other label and add the rows to your gold file",
    )
}
