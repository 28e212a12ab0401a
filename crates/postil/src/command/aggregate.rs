//! `postil aggregate`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::Tally;
use postil_core::consensus::{self, Consensus, Duplicates, Method, Warning};
use postil_core::items::{AnswerTable, read_answers, read_truth};
use postil_core::table::TableWriter;
use postil_core::votes::{Gold, GoldEntry, Repeats, Votes, VotesBuilder};
use postil_core::{Digest, Error, Measured};
use serde_json::json;

use super::input::{answer_options, listed};
use super::method::Chosen;
use super::output::{count, remark, say, say_json, table};
use super::{pairs, soft, with_model};
use crate::report::Figure;
use crate::score::Score;

/// What counts when an annotator answered an item more than once.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum RepeatsArgument {
    /// Every answer
    All,
    /// The first
    First,
    /// The last
    Last,
}

impl RepeatsArgument {
    pub(super) const fn policy(self) -> Repeats {
        match self {
            Self::All => Repeats::All,
            Self::First => Repeats::First,
            Self::Last => Repeats::Last,
        }
    }
}

/// What can be typed after `postil aggregate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The answers, one row each, with the columns item, annotator and label; `-` for standard input
    answers: PathBuf,
    /// How to fuse them; `auto` chooses and says why. With --probs also crowdlab, crowdlab-strict and model-dawid-skene;
    /// for comparisons bradley-terry, davidson and noisy-bradley-terry
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = Chosen::parse)]
    method: Chosen,
    /// Probabilities by a model that has not seen the items: item and a column p_LABEL per label; may be repeated
    #[arg(long, value_name = "FILE")]
    probs: Vec<PathBuf>,
    /// The contestants of each item, to rank them by comparisons: item, left and right; the answers are left, right, tie
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Known labels that may be used to fit and choose: item, label and, if known, inclusion_probability
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Known labels that only measure; items that are gold too do not count
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The column of the item [default: item, item_id or id]
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// The column of the annotator [default: annotator, annotator_id, worker, worker_id or rater]
    #[arg(long, value_name = "COLUMN")]
    annotator: Option<String>,
    /// The column of the label [default: label or answer]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// All labels [default: those of the answers and the gold, sorted]
    #[arg(long, value_name = "A,B,C")]
    labels: Option<String>,
    /// What counts when an annotator answered an item more than once
    #[arg(long, value_enum, default_value = "all")]
    repeats: RepeatsArgument,
    /// The labels are a scale, in the order of `--labels`: near misses are likelier than far ones
    #[arg(long)]
    ordered: bool,
    /// Let annotators that repeat each other count in full instead of sharing a vote
    #[arg(long)]
    keep_duplicates: bool,
    /// The seed that breaks ties
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the fused labels with a probability per label; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write what was learnt about the annotators
    #[arg(long, value_name = "FILE")]
    annotators: Option<PathBuf>,
    /// Where to write the shares of the votes themselves, with their entropy: disagreement is kept
    #[arg(long, value_name = "FILE")]
    soft: Option<PathBuf>,
    /// Known label distributions to compare the shares and the posteriors with: item and a column `p_LABEL` per label
    #[arg(long, value_name = "FILE")]
    soft_truth: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Ranks contestants, if comparisons were given.
fn ranked(arguments: &Arguments) -> anyhow::Result<bool> {
    let method = match (arguments.method, &arguments.pairs) {
        (Chosen::Pairs(method), _) => method,
        (Chosen::Consensus(Method::Automatic), Some(_)) => postil_core::pairs::Method::default(),
        (Chosen::Consensus(_) | Chosen::Model(_), Some(_)) => anyhow::bail!(
            Error::task("expected a method for comparisons with `--pairs`, found one for answers")
                .hint("use bradley-terry, davidson or noisy-bradley-terry")
        ),
        (Chosen::Consensus(_) | Chosen::Model(_), None) => return Ok(false),
    };
    let given = [
        ("--gold", arguments.gold.is_some()),
        ("--truth", arguments.truth.is_some()),
        ("--soft", arguments.soft.is_some()),
        ("--soft-truth", arguments.soft_truth.is_some()),
        ("--labels", arguments.labels.is_some()),
        ("--probs", !arguments.probs.is_empty()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        anyhow::bail!(Error::task(format!("expected no `{option}` with comparisons, which have no labels to fuse")));
    }
    pairs::execute(&pairs::Wanted {
        comparisons: &arguments.answers,
        pairs: arguments.pairs.as_deref(),
        columns: [arguments.item.as_deref(), arguments.annotator.as_deref(), arguments.label.as_deref()],
        method,
        repeats: arguments.repeats.policy(),
        output: arguments.output.as_deref(),
        annotators: arguments.annotators.as_deref(),
        json: arguments.json,
    })?;
    Ok(true)
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if ranked(arguments)? {
        return Ok(());
    }
    let labels = arguments.labels.as_deref().map(listed).transpose()?;
    let answers = read(arguments, labels)?;
    for (number, what) in [
        (answers.report.bad_rows, "rows could not be read and were left out"),
        (answers.report.blank_labels, "answers are blank: refusals, which are no votes"),
    ] {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    if let Some(fault) = answers.report.first_bad.first() {
        remark(&format!("note: the first is line {}: {}", fault.line, fault.reason));
    }
    for variants in &answers.report.label_variants {
        remark(&format!("note: these labels differ in white space alone and are kept apart: {variants:?}"));
    }
    let votes = votes(&answers, arguments)?;
    let gold = match &arguments.gold {
        Some(path) => known(path, &answers, "gold")?,
        None => Gold::none(),
    };
    let method = match arguments.method {
        Chosen::Consensus(method) => method,
        Chosen::Pairs(_) => unreachable!("comparisons were ranked above"),
        Chosen::Model(method) => {
            let truth = arguments.truth.as_ref().map(|path| known(path, &answers, "truth")).transpose()?;
            let request = with_model::Request {
                method: method.name(),
                probs: &arguments.probs,
                answers: &answers,
                votes: &votes,
                gold: &gold,
                truth: truth.as_ref(),
                output: arguments.output.as_deref(),
                annotators: arguments.annotators.as_deref(),
                seed: arguments.seed,
                json: arguments.json,
            };
            return with_model::execute(method, &request);
        }
    };
    if !arguments.probs.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` takes no probabilities of a model", method.name()))
                .hint("use `--method crowdlab` or `--method model-dawid-skene`")
        );
    }
    if method.needs_gold() && gold.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` learns from gold alone, and there is none", method.name()))
                .hint("give known labels with `--gold FILE`")
        );
    }
    let settings = consensus::Settings {
        seed: arguments.seed,
        ordered: arguments.ordered,
        duplicates: if arguments.keep_duplicates { Duplicates::Keep } else { Duplicates::Discount },
        ..consensus::Settings::default()
    };
    let consensus = consensus::fit(&votes, &gold, method, &settings)?;
    let figures = match &arguments.truth {
        Some(path) => score(path, &answers, &gold, &consensus)?,
        None => Vec::new(),
    };
    if let Some(output) = &arguments.output {
        if arguments.json && output.as_os_str() == "-" {
            anyhow::bail!(Error::task("expected one use of standard output, found `--json` and `-o -`"));
        }
        write_labels(output, &answers, &votes, &consensus)?;
    }
    if let Some(output) = &arguments.annotators {
        write_annotators(output, &answers, &consensus)?;
    }
    if let Some(path) = &arguments.soft {
        soft::write_shares(path, &answers, &votes)?;
    }
    let given = arguments.labels.is_some();
    let distances = arguments.soft_truth.as_deref().map(|path| soft::score(path, &answers, &votes, &consensus, given));
    show(arguments, &answers, &votes, &gold, &consensus, &figures, distances.transpose()?.as_ref())
}

fn read(arguments: &Arguments, labels: Option<Vec<String>>) -> anyhow::Result<AnswerTable> {
    let (item, annotator, label) =
        (arguments.item.as_deref(), arguments.annotator.as_deref(), arguments.label.as_deref());
    let answers = read_answers(&arguments.answers, &answer_options(item, annotator, label, labels))?;
    let Some(gold) = arguments.gold.as_ref().filter(|_| arguments.labels.is_none()) else { return Ok(answers) };
    // A label that only gold knows is a label all the same.
    let truth = read_truth(gold, &answer_options(None, None, None, None))?;
    if truth.labels.iter().all(|label| answers.labels.contains(label)) {
        return Ok(answers);
    }
    let mut all: Vec<String> = answers.labels.iter().chain(&truth.labels).map(ToString::to_string).collect();
    all.sort_unstable();
    all.dedup();
    Ok(read_answers(&arguments.answers, &answer_options(item, annotator, label, Some(all)))?)
}

fn votes(answers: &AnswerTable, arguments: &Arguments) -> anyhow::Result<Votes> {
    if answers.labels.is_empty() {
        anyhow::bail!(
            Error::input("expected at least one answer with a label, found none").in_file(&arguments.answers)
        );
    }
    let keys = answers.items.iter().map(|item| Digest::of(item.as_bytes()).to_u64() ^ arguments.seed).collect();
    let mut builder = VotesBuilder::new(answers.labels.len())
        .with_capacity(answers.label.len())
        .repeats(arguments.repeats.policy())
        .keys(keys);
    for ((&item, &annotator), &label) in answers.item.iter().zip(&answers.annotator).zip(&answers.label) {
        builder.push(item, annotator, label)?;
    }
    Ok(builder.build(answers.items.len(), answers.annotators.len())?)
}

/// Known labels of items that have answers.
fn known(path: &Path, answers: &AnswerTable, what: &str) -> anyhow::Result<Gold> {
    let truth = read_truth(path, &answer_options(None, None, None, None))?;
    let mut entries = Vec::new();
    let (mut absent, mut foreign) = (0, 0);
    for (number, item) in truth.items.iter().enumerate() {
        let label = &truth.labels[usize::from(truth.label[number])];
        let Some(decision) = answers.items.find(item) else {
            absent += 1;
            continue;
        };
        let Some(class) = answers.labels.iter().position(|known| known == label) else {
            foreign += 1;
            continue;
        };
        let inclusion = truth.probability.as_ref().map(|all| f64::from(all[number])).filter(|p| !p.is_nan());
        entries.push(GoldEntry { decision, class: class as u16, inclusion });
    }
    if absent > 0 {
        remark(&format!("note: {} items of the {what} have no answers", count(absent)));
    }
    if foreign > 0 {
        remark(&format!(
            "note: {} labels of the {what} are given by no annotator and cannot be reached",
            count(foreign)
        ));
    }
    Ok(Gold::new(entries)?)
}

fn score(path: &Path, answers: &AnswerTable, gold: &Gold, consensus: &Consensus) -> anyhow::Result<Vec<Figure>> {
    let truth = known(path, answers, "truth")?;
    let classes = answers.labels.len();
    let mut tally = Tally::new(classes);
    for entry in truth.entries().iter().filter(|entry| gold.class(entry.decision).is_none()) {
        let decision = entry.decision as usize;
        let row = &consensus.posterior[decision * classes..(decision + 1) * classes];
        tally.add(entry.class, consensus.labels[decision], Some(row), entry.inclusion.map_or(1.0, |p| 1.0 / p));
    }
    let basis = format!("{} items of {} that were not used as gold", count(tally.count()), path.display());
    Ok(Score::Single(tally, false).figures(&basis))
}

fn write_labels(path: &Path, answers: &AnswerTable, votes: &Votes, consensus: &Consensus) -> anyhow::Result<()> {
    let classes = answers.labels.len();
    let mut fields = vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float32, false),
        Field::new("votes", DataType::UInt32, false),
        Field::new("tie", DataType::Boolean, false),
    ];
    fields.extend(answers.labels.iter().map(|label| Field::new(format!("p_{label}"), DataType::Float32, false)));
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let items: Vec<&str> = answers.items.iter().collect();
    for start in (0..items.len()).step_by(65_536) {
        let rows = start..(start + 65_536).min(items.len());
        let label = |decision: usize| usize::from(consensus.labels[decision]);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&items[rows.clone()])),
            Arc::new(StringArray::from_iter_values(rows.clone().map(|decision| &answers.labels[label(decision)]))),
            Arc::new(Float32Array::from_iter_values(
                rows.clone().map(|decision| consensus.posterior[decision * classes + label(decision)]),
            )),
            Arc::new(UInt32Array::from_iter_values(rows.clone().map(|decision| votes.support(decision) as u32))),
            Arc::new(
                rows.clone()
                    .map(|decision| Some(consensus.tied.binary_search(&(decision as u32)).is_ok()))
                    .collect::<BooleanArray>(),
            ),
        ];
        for class in 0..classes {
            let values = rows.clone().map(|decision| consensus.posterior[decision * classes + class]);
            columns.push(Arc::new(Float32Array::from_iter_values(values)));
        }
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(writer.finish()?)
}

fn write_annotators(path: &Path, answers: &AnswerTable, consensus: &Consensus) -> anyhow::Result<()> {
    let measured = |figure: &Measured, part: fn(&Measured) -> Option<f64>| part(figure).map(|value| value as f32);
    let low = |figure: &Measured| if let Measured::Known { low, .. } = figure { Some(*low) } else { None };
    let high = |figure: &Measured| if let Measured::Known { high, .. } = figure { Some(*high) } else { None };
    let column = |part: fn(&Measured) -> Option<f64>| -> ArrayRef {
        Arc::new(consensus.annotators.iter().map(|one| measured(&one.accuracy, part)).collect::<Float32Array>())
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("annotator", DataType::Utf8, false),
        Field::new("answers", DataType::Float32, false),
        Field::new("coverage", DataType::Float32, false),
        Field::new("accuracy", DataType::Float32, true),
        Field::new("accuracy_low", DataType::Float32, true),
        Field::new("accuracy_high", DataType::Float32, true),
        Field::new("favourite", DataType::Utf8, false),
        Field::new("favourite_share", DataType::Float32, false),
        Field::new("near_constant", DataType::Boolean, false),
    ]));
    let all = &consensus.annotators;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(answers.annotators.iter())),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.answers as f32))),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.coverage as f32))),
        column(Measured::value),
        column(low),
        column(high),
        Arc::new(StringArray::from_iter_values(all.iter().map(|one| &answers.labels[usize::from(one.favourite.0)]))),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|one| one.favourite.1 as f32))),
        Arc::new(all.iter().map(|one| Some(one.near_constant)).collect::<BooleanArray>()),
    ];
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

/// Annotators listed on a terminal.
const SHOWN: usize = 20;

fn show(
    arguments: &Arguments,
    answers: &AnswerTable,
    votes: &Votes,
    gold: &Gold,
    consensus: &Consensus,
    figures: &[Figure],
    distances: Option<&soft::SoftScores>,
) -> anyhow::Result<()> {
    let warnings: Vec<String> = consensus.warnings.iter().map(|warning| in_words(warning, answers)).collect();
    if arguments.json {
        let name = |figure: &Figure| figure.name.replace([' ', '-'], "_");
        let truth: serde_json::Map<String, serde_json::Value> = figures
            .iter()
            .map(|figure| Ok((name(figure), serde_json::to_value(&figure.value)?)))
            .collect::<anyhow::Result<_>>()?;
        let annotators: Vec<_> = answers
            .annotators
            .iter()
            .zip(&consensus.annotators)
            .zip(&answers.refusals)
            .map(|((name, one), refusals)| {
                json!({
                    "annotator": name,
                    "answers": one.answers,
                    "refusals": refusals,
                    "accuracy": one.accuracy,
                    "near_constant": one.near_constant,
                })
            })
            .collect();
        return say_json(&json!({
            "answers": answers.label.len(),
            "items": answers.items.len(),
            "annotators": answers.annotators.len(),
            "labels": answers.labels,
            "bad_rows": answers.report.bad_rows,
            "blank_answers": answers.report.blank_labels,
            "repeated_answers": votes.repeated(),
            "method": consensus.method.name(),
            "reason": consensus.choice.as_ref().map(|choice| &choice.reason),
            "candidates": consensus.choice.iter().flat_map(|choice| &choice.candidates).map(|one| json!({
                "method": one.method.name(), "loss": one.loss, "behind": one.behind, "error": one.error, "share": one.weight,
            })).collect::<Vec<_>>(),
            "gold_used": gold.len(),
            "temperature": consensus.temperature,
            "ties": consensus.tied.len(),
            "unanimous": consensus.unanimous,
            "unanimous_overturned": consensus.overturned.len(),
            "unanimous_overturned_items": consensus.overturned.iter().take(100).map(|&item| answers.items.get(item)).collect::<Vec<_>>(),
            "truth": truth,
            "soft_truth": distances,
            "warnings": warnings,
            "annotator_reliability": annotators,
        }));
    }
    // Standard output is for the labels when they go there.
    let taken = arguments.output.as_ref().is_some_and(|output| output.as_os_str() == "-");
    let line = |text: &str| {
        if taken {
            remark(text);
            Ok(())
        } else {
            say(text)
        }
    };
    for warning in &warnings {
        remark(&format!("note: {warning}"));
    }
    line(&format!(
        "{} answers of {} annotators about {} items, {} labels",
        count(answers.label.len() as u64),
        count(answers.annotators.len() as u64),
        count(answers.items.len() as u64),
        answers.labels.len()
    ))?;
    let reason = consensus.choice.as_ref().map_or(String::new(), |choice| format!(": {}", choice.reason));
    line(&format!("method: {}{reason}", consensus.method.name()))?;
    line(&format!(
        "{} ties; {} unanimous items, {} of them overturned",
        count(consensus.tied.len() as u64),
        count(consensus.unanimous as u64),
        count(consensus.overturned.len() as u64)
    ))?;
    for figure in figures {
        line(&format!("  {:<18} {}", figure.name, figure.value))?;
    }
    if let Some(distances) = distances {
        line(&format!("\n{}", distances.shown()))?;
    }
    if let Some(choice) = &consensus.choice {
        let rows: Vec<Vec<String>> = choice
            .candidates
            .iter()
            .map(|one| {
                vec![
                    one.method.name().to_owned(),
                    format!("{:.4}", one.loss),
                    format!("{:.4} ± {:.4}", one.behind, one.error),
                    format!("{:.0} %", 100.0 * one.weight),
                ]
            })
            .collect();
        line(&format!("\n{}", table(&["candidate", "loss", "behind the best", "share"], &rows)))?;
    }
    let mut order: Vec<usize> = (0..consensus.annotators.len()).collect();
    order.sort_by(|&left, &right| consensus.annotators[right].answers.total_cmp(&consensus.annotators[left].answers));
    let rows: Vec<Vec<String>> = order
        .iter()
        .take(SHOWN)
        .map(|&number| {
            let one = &consensus.annotators[number];
            let flag = if one.near_constant { " (nearly constant)" } else { "" };
            vec![
                format!("{}{flag}", answers.annotators.get(number as u32)),
                count(one.answers.round() as u64),
                one.accuracy.brief(),
            ]
        })
        .collect();
    line(&format!("\n{}", table(&["annotator", "answers", "accuracy by the consensus"], &rows)))?;
    if order.len() > SHOWN {
        line(&format!("and {} more; `--annotators FILE` writes all", order.len() - SHOWN))?;
    }
    match &arguments.output {
        Some(output) if !taken => line(&format!("written: {}", output.display())),
        Some(_) => Ok(()),
        None => line("`-o FILE` writes the labels with their probabilities"),
    }
}

/// A warning with the names of annotators and labels in place of their numbers.
fn in_words(warning: &Warning, answers: &AnswerTable) -> String {
    let label = |class: &u16| &answers.labels[usize::from(*class)];
    match warning {
        Warning::NearConstant { annotator, class, share } => format!(
            "annotator `{}` says `{}` in {:.1} % of its answers, whatever the truth",
            answers.annotators.get(*annotator),
            label(class),
            share * 100.0
        ),
        Warning::Collapsed { class, votes, posterior } => format!(
            "`{}` has {:.1} % of the votes and only {:.1} % of the posteriors",
            label(class),
            votes * 100.0,
            posterior * 100.0
        ),
        Warning::NearDuplicates { pairs, discounted } => {
            let named: Vec<String> = pairs
                .iter()
                .take(3)
                .map(|pair| {
                    let (left, right) = pair.annotators;
                    format!(
                        "`{}` and `{}` (the same in {:.1} % of {})",
                        answers.annotators.get(left),
                        answers.annotators.get(right),
                        pair.agreement * 100.0,
                        count(u64::from(pair.shared))
                    )
                })
                .collect();
            let more = if pairs.len() > 3 { format!(" and {} more pairs", pairs.len() - 3) } else { String::new() };
            let outcome = if *discounted { "they share a vote" } else { "each counts in full" };
            format!("annotators that repeat each other: {}{more}; {outcome}", named.join(", "))
        }
        other => other.to_string(),
    }
}
