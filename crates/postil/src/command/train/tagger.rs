//! Training a tagger of tokens.

use std::collections::BTreeMap;
use std::path::Path;

use postil_core::audit::{f1_interval, wilson};
use postil_core::formats::{DocumentReader, ReadReport};
use postil_core::{Document, Error, Measured};
use postil_student::tagger::{self, LayerQuality, TaggerOptions, TaggerTrainer};
use serde_json::json;

use super::super::documents;
use super::super::input::listed;
use super::super::output::{count, remark, say, say_json};
use super::{Algorithm, Arguments, Kind};
use crate::tagging::{Corpus, Wanted, read_lists};

/// Bytes of the budget that are kept for the notes on measured quality.
const NOTES: usize = 200;
const NOTES_PER_LAYER: usize = 1200;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let text_options: [(&str, bool); 5] = [
        ("--label", arguments.label.is_some()),
        ("--soft", arguments.soft.is_some()),
        ("--candidates", arguments.candidates),
        ("--balance", arguments.balance),
        ("--text", arguments.reading.names_text() && arguments.reading.format.is_some()),
    ];
    if let Some((option, _)) = text_options.iter().find(|(_, given)| *given) {
        anyhow::bail!(Error::task(format!("`{option}` is for labels of whole texts, not for spans and tags")));
    }
    let (mut corpus, report) = read(arguments, &arguments.data)?;
    if corpus.documents.is_empty() {
        anyhow::bail!(Error::input("expected documents with tokens, found none").in_file(&report.file));
    }
    if arguments.certain {
        corpus.forget_confidences();
    }
    let weights = arguments.weight.as_deref().map(|field| corpus.weights(field)).transpose();
    let weights = weights.map_err(|error| error.in_file(&report.file))?;
    let wanted = wanted(arguments, &corpus, &report)?;
    let labels = arguments.labels.as_deref().map(listed).transpose()?;
    let layers = corpus.layers(&wanted, labels.as_deref()).map_err(|error| error.in_file(&report.file))?;
    let targets = corpus.targets(&layers, &wanted).map_err(|error| error.in_file(&report.file))?;
    let mut unlabelled = Corpus::default();
    for file in &arguments.unlabelled {
        unlabelled.documents.extend(read(arguments, file)?.0.documents);
    }

    let tokenizer = if corpus_has_tokens(&report) { "" } else { arguments.tokenizer.name() };
    // The notes on measured quality are part of the file.
    let budget = arguments.max_bytes.saturating_sub(NOTES + NOTES_PER_LAYER * layers.len());
    let mut options = TaggerOptions::new().seed(arguments.seed).max_bytes(budget).tokenizer(tokenizer).algorithm(
        match arguments.algorithm {
            Algorithm::Auto => tagger::Algorithm::Auto,
            Algorithm::Perceptron => tagger::Algorithm::Perceptron,
            Algorithm::Crf => tagger::Algorithm::Crf,
        },
    );
    if let Some(epochs) = arguments.epochs {
        options = options.epochs(epochs);
    }
    options = options.look_twice(arguments.look_twice);
    if let Some(members) = arguments.members {
        options = options.members(members);
    }
    if let Some(lists) = &arguments.lists {
        options = options.lists(read_lists(lists)?);
    }
    let unlabelled = unlabelled.views();
    let fitted = TaggerTrainer::new(layers)?.with_options(options).with_unlabelled(&unlabelled).fit(
        &corpus.views(),
        &targets,
        weights.as_deref(),
    )?;
    let basis = format!(
        "{} held-out documents of the training data, by a model that has not seen them",
        count(fitted.report.held_out_documents as u64)
    );
    let figures: BTreeMap<&str, Vec<(&str, Measured)>> =
        fitted.report.quality.iter().map(|quality| (quality.layer.as_str(), figures(quality, &basis))).collect();
    let model = fitted.model.with_notes(json!({ "measured": figures, "source": "postil train" }))?;
    model.save(&arguments.output)?;
    show(arguments, &corpus, &report, &figures, &fitted.report, model.as_bytes().len())
}

/// Whether the tokens came with the data.
fn corpus_has_tokens(report: &ReadReport) -> bool {
    report.tokens > 0
}

fn read(arguments: &Arguments, path: &Path) -> anyhow::Result<(Corpus, ReadReport)> {
    let mut reader = DocumentReader::open(path, &arguments.reading.options(false))?;
    let mut corpus = Corpus::default();
    while let Some(document) = reader.next_document()? {
        corpus.push(document, arguments.tokenizer);
    }
    Ok((corpus, reader.report().clone()))
}

/// The layers to learn: that of the task first.
fn wanted(arguments: &Arguments, corpus: &Corpus, report: &ReadReport) -> anyhow::Result<Vec<Wanted>> {
    let first = |document: &Document| document.layers.last().map(|layer| layer.name.to_string());
    // In a task of tags the first layer that is named is the one that is meant.
    let named = arguments.layers.first().filter(|_| arguments.task != Kind::Spans);
    let layer = || {
        corpus.documents.iter().find_map(first).ok_or_else(|| {
            Error::input("expected a tag for every token, found none")
                .in_file(&report.file)
                .hint("name the column of the tags with `--column`")
        })
    };
    let mut wanted = vec![match arguments.task {
        Kind::Tag => Wanted::Tags(named.map_or_else(layer, |name| Ok(name.clone()))?),
        Kind::Scores => Wanted::Scores(named.map_or_else(layer, |name| Ok(name.clone()))?),
        _ => Wanted::Spans,
    }];
    for name in arguments.layers.iter().skip(usize::from(named.is_some())) {
        let further = match name.as_str() {
            "label" => Wanted::Label,
            "spans" => Wanted::Spans,
            _ => Wanted::Tags(name.clone()),
        };
        if !wanted.contains(&further) {
            wanted.push(further);
        }
    }
    // Intent and slots: where every text has one label, it is learnt along with the spans.
    let labelled = corpus.documents.iter().all(|document| document.labels.len() == 1);
    if arguments.task == Kind::Spans && arguments.layers.is_empty() && labelled {
        wanted.push(Wanted::Label);
    }
    Ok(wanted)
}

/// The figures of a layer, with intervals.
fn figures(quality: &LayerQuality, basis: &str) -> Vec<(&'static str, Measured)> {
    let reached = &quality.pruned;
    let share = |right: usize, all: usize| {
        if all == 0 {
            return Measured::unknown("nothing was held out");
        }
        let share = right as f64 / all as f64;
        Measured::known(share, wilson(share, all as f64), basis)
    };
    let counts = reached.spans;
    let mut figures = Vec::new();
    if counts.gold + counts.predicted > 0 {
        figures.push(("f1", f1(&counts, basis)));
        figures.push(("precision", share(counts.right, counts.predicted)));
        figures.push(("recall", share(counts.right, counts.gold)));
    }
    if reached.all > 0 {
        figures.push(("token_accuracy", share(reached.right, reached.all)));
    }
    figures
}

/// F1, exact spans.
fn f1(counts: &tagger::Counts, basis: &str) -> Measured {
    let union = (counts.gold + counts.predicted - counts.right) as f64;
    match f1_interval(counts.right as f64, union - counts.right as f64, union) {
        Some((f1, interval)) => Measured::known(f1, interval, basis),
        None => Measured::unknown("there are no spans"),
    }
}

fn show(
    arguments: &Arguments,
    corpus: &Corpus,
    report: &ReadReport,
    figures: &BTreeMap<&str, Vec<(&str, Measured)>>,
    training: &tagger::TaggerReport,
    bytes: usize,
) -> anyhow::Result<()> {
    let (snapped, left_out) = corpus.misaligned();
    if arguments.json {
        let held_out: BTreeMap<&str, BTreeMap<&str, &Measured>> = figures
            .iter()
            .map(|(layer, figures)| (*layer, figures.iter().map(|(name, value)| (*name, value)).collect()))
            .collect();
        return say_json(&json!({
            "model": arguments.output,
            "bytes": bytes,
            "documents": corpus.documents.len(),
            "spans_widened": snapped,
            "spans_left_out": left_out,
            "held_out": held_out,
            "read": report,
            "training": training,
        }));
    }
    documents::tell_remarks(&report.remarks);
    if !corpus.remarks.is_empty() {
        remark(&format!(
            "note: {} spans do not stand on whole tokens: {} were widened, {} left out",
            count(corpus.remarks.len() as u64),
            count(snapped as u64),
            count(left_out as u64)
        ));
        for (id, misaligned) in corpus.remarks.iter().take(3) {
            remark(&format!("  `{id}`: `{}` {}", misaligned.span.quote, misaligned.problem.words()));
        }
    }
    say(&format!(
        "trained on {} documents, {} tokens",
        count(corpus.documents.len() as u64),
        count(training.tokens as u64)
    ))?;
    for (layer, figures) in figures {
        for (place, (name, value)) in figures.iter().enumerate() {
            let layer = if place == 0 { layer } else { "" };
            say(&format!("  {layer:<10} {:<15} {}", name.replace('_', " "), value.brief()))?;
        }
    }
    if training.held_out_documents > 0 {
        say(&format!(
            "  (95 % intervals; {} held-out documents, by a model that has not seen them)",
            count(training.held_out_documents as u64)
        ))?;
    }
    say(&format!("written: {} ({} kB)", arguments.output.display(), bytes.div_ceil(1000)))
}
