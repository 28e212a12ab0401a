//! `postil lists tune`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postil_annotators::entities::{
    ConfiguredList, Counts, GoldText, Mistakes, Said, Scratch, Tuned, apply, cross_validate, left_out, matcher_of,
    mistakes, nearest, say, tune,
};
use postil_core::audit::spans::{SpanScores, SpanTally};
use postil_core::formats::DocumentReader;
use postil_core::text::Named;
use postil_core::{Document, Error, Measured, Name, Random, Span};
use serde_json::{Value, json};

use super::super::documents::Reading;
use super::super::output::{count, remark, say as tell, say_json};
use super::ListArguments;

/// What can be typed after `postil lists tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Texts with their true spans, in any format of annotated text
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    #[command(flatten)]
    lists: ListArguments,
    /// Tune on this many sentences, drawn at random, and measure on the others [default: tune on all, measure by
    /// cross-validation]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Parts for the cross-validation
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// The seed of draws and intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the lists with their switches, as an entry of a project file [default: shown]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// How many lines of each table are shown.
const SHOWN: usize = 12;
/// How many misses get their nearest entry.
const NEAREST: usize = 25;
/// With fewer true spans no figure is worth its interval.
const LEAST_SPANS: usize = 10;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let lists = arguments.lists.read()?;
    let mut labels: Vec<Name> = lists.iter().map(|one| one.list.label.clone()).collect();
    labels.sort();
    labels.dedup();
    let (gold, other) = read_gold(arguments, &labels)?;
    let spans: usize = gold.iter().map(GoldText::spans).sum();
    if spans == 0 {
        anyhow::bail!(
            Error::input(format!("expected spans labelled {}, found none", labels.join(", ")))
                .in_file(&arguments.gold)
                .hint("the labels of the lists must be those of the gold: --list LABEL=FILE")
        );
    }
    for warning in left_out(&lists, &matcher_of(&lists)?) {
        remark(&format!("note: {warning}"));
    }
    let (learn, held) = split(&gold, arguments.sample, arguments.seed);
    let tuned = tune(&lists, &learn, Path::new(""))?;
    let result = apply(&lists, &tuned.switches, Path::new(""))?;
    let (said, where_from) = if held.is_empty() {
        (cross_validate(&lists, &gold, arguments.folds, arguments.seed, Path::new(""))?, "cross-validation")
    } else {
        (everything(&result, &held)?, "held out")
    };
    let measured = if held.is_empty() { &gold } else { &held };
    let scorer = Scorer { gold: measured, seed: arguments.seed, enough: spans >= LEAST_SPANS };
    let before = scorer.scores(&everything(&lists, measured)?);
    let after = scorer.scores(&said);
    let found = mistakes(&matcher_of(&result)?, &gold);
    let snippet = snippet(&lists, &tuned);
    if let Some(output) = &arguments.output {
        std::fs::write(output, &snippet).map_err(|error| Error::io("cannot be written", error).in_file(output))?;
    }
    let kept: Vec<&ConfiguredList> =
        lists.iter().zip(&tuned.switches).filter(|(_, switches)| switches.is_some()).map(|(list, _)| list).collect();
    if arguments.json {
        return say_json(&json!({
            "sentences": gold.len(),
            "tuned_on": learn.len(),
            "measured_by": where_from,
            "spans": spans,
            "other_spans": other,
            "before": before,
            "after": after,
            "on_the_sample": {"before": counts_json(tuned.before), "after": counts_json(tuned.after)},
            "changes": tuned.changes.iter().map(|change| json!({
                "list": lists[change.list].list.name, "change": change.what, "f1_on_sample": change.counts.f1(),
            })).collect::<Vec<_>>(),
            "errors": errors_json(&found, &kept),
            "settings": snippet,
            "output": arguments.output,
        }));
    }
    let shown = Shown { lists: &lists, kept: &kept, tuned: &tuned, found: &found };
    tell(&format!(
        "{} sentences with {} spans; tuned on {}, measured on {} ({where_from})",
        count(gold.len() as u64),
        count(spans as u64),
        count(learn.len() as u64),
        count(measured.len() as u64)
    ))?;
    if other > 0 {
        tell(&format!("({} spans of labels without a list are left aside)", count(other)))?;
    }
    tell(&format!("\n{:<12} {:<24} {:<24} {}", "", "precision", "recall", "F1"))?;
    for (name, scores) in [("before", &before), ("after", &after)] {
        let of = |figure: &Measured| figure.brief();
        let micro = &scores.micro;
        tell(&format!("{name:<12} {:<24} {:<24} {}", of(&micro.precision), of(&micro.recall), of(&micro.f1)))?;
    }
    tell(&format!(
        "(95 % intervals over sentences; on the sentences that it was tuned on F1 went from {:.3} to {:.3})",
        tuned.before.f1(),
        tuned.after.f1()
    ))?;
    tell(&shown.tables())?;
    match &arguments.output {
        Some(output) => tell(&format!("written: {}", output.display())),
        None => tell(&format!("# for a project file (-o FILE writes it)\n{snippet}")),
    }
}

/// The sentences of the gold, and how many spans have labels without a list.
fn read_gold(arguments: &Arguments, labels: &[Name]) -> anyhow::Result<(Vec<GoldText>, u64)> {
    let mut reader = DocumentReader::open(&arguments.gold, &arguments.reading.options(false))?;
    let mut gold = Vec::new();
    let mut other = 0;
    while let Some(document) = reader.next_document()? {
        other += document.spans.iter().filter(|span| !labels.contains(&span.label)).count() as u64;
        gold.extend(sentences(document).into_iter().map(|sentence| GoldText::new(sentence, labels)));
    }
    Ok((gold, other))
}

/// A document's sentences as documents of their own; itself if it does not know them.
fn sentences(document: Document) -> Vec<Document> {
    if document.tokens.is_empty() || document.sentences.len() < 2 {
        return vec![document];
    }
    let offsets = postil_core::text::Offsets::new(&document.text);
    let point = |byte: usize| offsets.position_of(postil_core::text::OffsetUnit::CodePoints, byte).unwrap_or(0);
    let ranges = document.sentence_ranges();
    let mut parts = Vec::with_capacity(ranges.len());
    for (number, range) in ranges.into_iter().enumerate().filter(|(_, range)| !range.is_empty()) {
        let tokens = &document.tokens[range];
        let (first, last) = (tokens[0].start, tokens[tokens.len() - 1].end);
        let (start, end) = (point(first as usize), point(last as usize));
        let mut part = Document::from_text(
            format!("{}/{}", document.id, number + 1),
            &document.text[first as usize..last as usize],
        );
        part.tokens = tokens
            .iter()
            .map(|token| postil_core::text::Token { start: token.start - first, end: token.end - first })
            .collect();
        part.sentences = vec![part.tokens.len() as u32];
        let inside = document.spans.iter().filter(|span| start <= span.start && span.end <= end);
        part.spans =
            inside.map(|span| Span { start: span.start - start, end: span.end - start, ..span.clone() }).collect();
        parts.push(part);
    }
    parts
}

/// The sentences to tune on and those to measure on; none of these without a sample.
fn split(gold: &[GoldText], sample: Option<usize>, seed: u64) -> (Vec<GoldText>, Vec<GoldText>) {
    let Some(sample) = sample.filter(|&sample| sample < gold.len()) else { return (gold.to_vec(), Vec::new()) };
    let mut drawn = vec![false; gold.len()];
    for place in Random::for_purpose(seed, "tuning sample").sample(gold.len(), sample.max(1)) {
        drawn[place] = true;
    }
    let part = |wanted: bool| {
        let texts = gold.iter().zip(&drawn).filter(|(_, drawn)| **drawn == wanted);
        texts.map(|(text, _)| text.clone()).collect()
    };
    (part(true), part(false))
}

fn everything(lists: &[ConfiguredList], gold: &[GoldText]) -> anyhow::Result<Vec<Vec<Said>>> {
    let matcher = matcher_of(lists)?;
    let mut scratch = Scratch::default();
    Ok(gold.iter().map(|text| say(&matcher, text.document(), &mut scratch)).collect())
}

/// Scores what was said about gold sentences.
struct Scorer<'a> {
    gold: &'a [GoldText],
    seed: u64,
    enough: bool,
}

impl Scorer<'_> {
    fn scores(&self, said: &[Vec<Said>]) -> SpanScores {
        let mut tally = SpanTally::new(self.seed);
        for (cluster, (gold, said)) in self.gold.iter().zip(said).enumerate() {
            let truth: Vec<Named<Name>> = gold
                .truth()
                .iter()
                .map(|(start, end, label)| Named { start: *start, end: *end, label: label.clone() })
                .collect();
            let given: Vec<Named<Name>> =
                said.iter().map(|one| Named { start: one.start, end: one.end, label: one.label.clone() }).collect();
            tally.add(cluster as u64, 1.0, &truth, &given, None);
        }
        let mut scores = tally.scores("sentences", "characters");
        if !self.enough {
            let unknown = Measured::unknown(format!("fewer than {LEAST_SPANS} true spans"));
            let micro = &mut scores.micro;
            (micro.precision, micro.recall, micro.f1) = (unknown.clone(), unknown.clone(), unknown);
        }
        scores
    }
}

fn counts_json(counts: Counts) -> Value {
    json!({"right": counts.right, "said": counts.said, "gold": counts.gold, "f1": counts.f1()})
}

fn errors_json(found: &Mistakes, kept: &[&ConfiguredList]) -> Value {
    json!({
        "lists": kept.iter().zip(&found.lists).map(|(one, (right, wrong))| {
            json!({"list": one.list.name, "label": one.list.label, "right": right, "wrong": wrong})
        }).collect::<Vec<_>>(),
        "entries": found.entries.iter().map(|entry| json!({
            "list": kept[usize::from(entry.list)].list.name,
            "entry": entry.entry,
            "right": entry.right,
            "no_span": entry.no_span,
            "other_label": entry.other_label,
            "other_borders": entry.other_borders,
            "example": entry.example,
        })).collect::<Vec<_>>(),
        "missed": found.missed.iter().enumerate().map(|(place, missed)| {
            let near = (place < NEAREST).then(|| near(&missed.name, &missed.label, kept)).flatten();
            json!({"name": missed.name, "label": missed.label, "count": missed.count, "nearest_entry": near})
        }).collect::<Vec<_>>(),
    })
}

fn near(name: &str, label: &Name, kept: &[&ConfiguredList]) -> Option<String> {
    nearest(name, label, kept.iter().map(|one| &one.list)).map(|(_, entry)| entry.to_owned())
}

/// The tables for people.
struct Shown<'a> {
    lists: &'a [ConfiguredList],
    kept: &'a [&'a ConfiguredList],
    tuned: &'a Tuned,
    found: &'a Mistakes,
}

impl Shown<'_> {
    fn tables(&self) -> String {
        // Writing to a string cannot fail.
        let mut out = String::new();
        if self.tuned.changes.is_empty() {
            out.push_str("\nno switch makes the lists better on this sample\n");
        } else {
            out.push_str("\nswitches that were turned, and F1 on the sample after each\n");
        }
        for change in &self.tuned.changes {
            let name = &self.lists[change.list].list.name;
            let _ = writeln!(out, "  {name:<32} {:<28} {:.3}", change.what, change.counts.f1());
        }
        out.push_str("\nlists with these switches: right and wrong, in all of the gold\n");
        for (one, (right, wrong)) in self.kept.iter().zip(&self.found.lists) {
            let _ = writeln!(
                out,
                "  {:<32} {:<12} {:>7} {:>7}",
                one.list.name,
                one.list.label,
                count(*right),
                count(*wrong)
            );
        }
        out.push_str("\nentries that are wrong most often: right, wrong\n");
        for entry in self.found.entries.iter().take(SHOWN) {
            let _ = writeln!(out, "  {:<24} {:>5} {:>5}  {}", entry.entry, entry.right, entry.wrong(), entry.example);
        }
        out.push_str("\nnames that are missed most often, and the nearest entry\n");
        for missed in self.found.missed.iter().take(SHOWN) {
            let near = near(&missed.name, &missed.label, self.kept).unwrap_or_else(|| "-".to_owned());
            let _ = writeln!(out, "  {:<24} {:<8} {:>5}  {near}", missed.name, missed.label, missed.count);
        }
        out
    }
}

/// The lists and their switches as an entry of a project file.
fn snippet(lists: &[ConfiguredList], tuned: &Tuned) -> String {
    let mut out = String::from("[[annotator]]\nname = \"lists\"\nkind = \"list\"\n");
    for (one, switches) in lists.iter().zip(&tuned.switches) {
        let label = toml::Value::from(one.list.label.to_string());
        let Some(switches) = switches else {
            let _ = writeln!(out, "\n# left out, it does harm: {label} = {}", one.path.display());
            continue;
        };
        let path = toml::Value::from(one.path.to_string_lossy().into_owned());
        let _ = writeln!(out, "\n[[annotator.lists.{label}]]\npath = {path}");
        if let Some(only) = &one.only {
            let _ = writeln!(out, "only = {}", toml::Value::from(only.to_string()));
        }
        if let Ok(written) = toml::to_string(switches) {
            out.push_str(&written);
        }
    }
    out
}
