//! Scoring two files of texts with spans, document by document.

use std::collections::{BTreeMap, HashMap};

use postil_core::audit::spans::{SpanTally, TokenAgreement};
use postil_core::audit::wilson;
use postil_core::formats::{DocumentReader, Format, ReadOptions};
use postil_core::text::{Named, Scheme, Tokenizer, align, write_tags};
use postil_core::{Document, Error, ItemId, Link, Measured, Name, Result, Span};
use serde_json::Value;

use super::Arguments;
use super::show::{Evaluation, Side};
use crate::command::convert::tell_remarks;
use crate::command::output::Voice;

/// A document and the line where it begins, where that is known.
type Placed = (Document, u64);

/// Both files; documents with ids are matched by them, in any order, others by their place. Only documents whose
/// partner has not come yet are kept.
struct Pairs {
    gold: DocumentReader,
    predicted: DocumentReader,
    waiting_gold: HashMap<ItemId, Placed>,
    waiting_predicted: HashMap<ItemId, Placed>,
    unscored_gold: u64,
}

enum Next {
    Pair(Box<(Placed, Placed)>),
    Nothing,
    End,
}

impl Pairs {
    fn next(&mut self) -> Result<Next> {
        let gold = loop {
            match self.gold.next_document()? {
                Some(document) if !is_accepted(&document) => self.unscored_gold += 1,
                other => break other.map(|document| (document, self.gold.report().line)),
            }
        };
        let by_place = gold.as_ref().is_some_and(|(gold, _)| gold.id.is_empty());
        if by_place && self.unscored_gold > 0 {
            return Err(Error::input("expected ids, or a gold annotation for every document, found neither")
                .in_file(&self.gold.report().file));
        }
        let predicted = self.predicted.next_document()?.map(|document| (document, self.predicted.report().line));
        match (gold, predicted) {
            (Some(gold), Some(predicted)) if by_place || predicted.0.id.is_empty() || gold.0.id == predicted.0.id => {
                Ok(Next::Pair(Box::new((gold, predicted))))
            }
            (None, None) => Ok(Next::End),
            (gold, predicted) => {
                let mut pair = None;
                if let Some(gold) = gold {
                    match self.waiting_predicted.remove(&gold.0.id) {
                        Some(predicted) => pair = Some((gold, predicted)),
                        None => drop(self.waiting_gold.insert(gold.0.id.clone(), gold)),
                    }
                }
                if let Some(predicted) = predicted {
                    match self.waiting_gold.remove(&predicted.0.id) {
                        Some(gold) if pair.is_none() => pair = Some((gold, predicted)),
                        Some(gold) => {
                            // Both halves of the step found partners: one pair waits, whole, for the next call.
                            self.waiting_gold.insert(gold.0.id.clone(), gold);
                            self.waiting_predicted.insert(predicted.0.id.clone(), predicted);
                        }
                        None => drop(self.waiting_predicted.insert(predicted.0.id.clone(), predicted)),
                    }
                }
                Ok(pair.map_or(Next::Nothing, |pair| Next::Pair(Box::new(pair))))
            }
        }
    }

    /// Pairs of which both halves wait, in the order of their ids.
    fn leftover(&mut self) -> Vec<(Placed, Placed)> {
        let mut ids: Vec<ItemId> =
            self.waiting_gold.keys().filter(|id| self.waiting_predicted.contains_key(*id)).cloned().collect();
        ids.sort();
        ids.iter().filter_map(|id| Some((self.waiting_gold.remove(id)?, self.waiting_predicted.remove(id)?))).collect()
    }
}

fn is_accepted(document: &Document) -> bool {
    document.meta.get("answer").and_then(Value::as_str).is_none_or(|answer| answer == "accept")
}

struct Totals {
    /// Links, each as a span of its own.
    links: SpanTally,
    documents: u64,
    weighted: bool,
    labels_right: u64,
    labels: u64,
}

pub(super) fn execute(arguments: &Arguments, gold: Option<Format>, predicted: Option<Format>) -> anyhow::Result<()> {
    let options = |format| ReadOptions { format, ..arguments.reading.options(false) };
    let mut predicted_options = options(predicted);
    if let Some(column) = arguments.predicted_column {
        predicted_options.tag_column = column;
    }
    let mut pairs = Pairs {
        gold: DocumentReader::open(&arguments.gold, &options(gold))?,
        predicted: DocumentReader::open(&arguments.predicted, &predicted_options)?,
        waiting_gold: HashMap::new(),
        waiting_predicted: HashMap::new(),
        unscored_gold: 0,
    };
    let mut tally = SpanTally::new(arguments.seed);
    let links = SpanTally::new(arguments.seed);
    let mut totals = Totals { links, documents: 0, weighted: false, labels_right: 0, labels: 0 };
    loop {
        match pairs.next()? {
            Next::Pair(pair) => score(&pair.0, &pair.1, &pairs, &mut tally, &mut totals)?,
            Next::Nothing => {}
            Next::End => break,
        }
    }
    for (gold, predicted) in pairs.leftover() {
        score(&gold, &predicted, &pairs, &mut tally, &mut totals)?;
    }
    if let Some(first) = pairs.waiting_gold.values().min_by_key(|(document, line)| (*line, document.id.clone())) {
        let missing = pairs.waiting_gold.len();
        anyhow::bail!(
            Error::input(format!("expected a prediction for every gold document, found none for {missing}"))
                .in_file(&pairs.predicted.report().file)
                .for_item(first.0.id.to_string())
                .hint("a document without spans is written with an empty list")
        );
    }
    let side = |reader: &DocumentReader| {
        let report = reader.report();
        Side {
            file: report.file.clone(),
            format: report.format.name().to_owned(),
            scheme: report.scheme,
            broken_tags: report.remarks.count(postil_core::formats::RemarkKind::BrokenTag),
        }
    };
    if !arguments.json {
        let voice = Voice::new(None, false)?;
        for reader in [&pairs.gold, &pairs.predicted] {
            let remarks = reader.report().remarks.list();
            let refused = remarks.iter().filter(|remark| remark.kind == postil_core::formats::RemarkKind::RefusedRow);
            tell_remarks(voice, "reading", &refused.cloned().collect::<Vec<_>>())?;
        }
    }
    let evaluation = Evaluation {
        gold: side(&pairs.gold),
        predicted: side(&pairs.predicted),
        sentences: None,
        documents: Some(totals.documents),
        unscored_predictions: pairs.waiting_predicted.len() as u64,
        unscored_gold: pairs.unscored_gold,
        tags: "spans, compared by their places in the text",
        tag_by_tag: false,
        weighted: totals.weighted,
        text_labels: (totals.labels > 0).then(|| {
            let share = totals.labels_right as f64 / totals.labels as f64;
            Measured::known(share, wilson(share, totals.labels as f64), format!("{} documents", totals.labels))
        }),
        scores: tally.scores("documents", "characters"),
        links: Some(totals.links.scores("documents", "links")).filter(|links| links.gold + links.predicted > 0.0),
    };
    evaluation.show(arguments.show, arguments.json)
}

fn score(gold: &Placed, predicted: &Placed, pairs: &Pairs, tally: &mut SpanTally, totals: &mut Totals) -> Result<()> {
    let ((gold, gold_line), (predicted, line)) = (gold, predicted);
    if gold.text != predicted.text {
        let same = gold.text.chars().zip(predicted.text.chars()).take_while(|(left, right)| left == right).count();
        let around = |text: &str| text.chars().skip(same.saturating_sub(10)).take(30).collect::<String>();
        let mut error = Error::input(format!(
            "expected the text of {}:{gold_line}, found another from character {same} on: {:?} instead of {:?}",
            pairs.gold.report().file.display(),
            around(&predicted.text),
            around(&gold.text)
        ))
        .in_file(&pairs.predicted.report().file)
        .hint("predictions are scored on the same texts");
        if *line > 0 {
            error = error.at_line(*line);
        }
        return Err(if gold.id.is_empty() { error } else { error.for_item(gold.id.to_string()) });
    }
    let weight = match gold.meta.get("inclusion_probability").map(Value::as_f64) {
        None => 1.0,
        Some(Some(probability)) if probability > 0.0 && probability <= 1.0 => 1.0 / probability,
        Some(_) => {
            return Err(Error::input("expected an inclusion probability above 0 and at most 1")
                .in_file(&pairs.gold.report().file)
                .for_item(gold.id.to_string()));
        }
    };
    totals.weighted |= weight != 1.0;
    totals.documents += 1;
    if !gold.labels.is_empty() {
        let sorted = |labels: &[Name]| {
            let mut labels = labels.to_vec();
            labels.sort();
            labels
        };
        totals.labels += 1;
        totals.labels_right += u64::from(sorted(&gold.labels) == sorted(&predicted.labels));
    }
    let tokens = if !gold.tokens.is_empty() {
        gold.tokens.clone()
    } else if !predicted.tokens.is_empty() {
        predicted.tokens.clone()
    } else {
        Tokenizer::Words.tokenize(&gold.text)
    };
    let tags = |document: &Document| {
        let aligned = align(&document.text, &tokens, &document.spans);
        write_tags(&aligned.flat, tokens.len(), Scheme::Bio)
    };
    let right = tags(gold).iter().zip(tags(predicted)).filter(|(gold, predicted)| *gold == predicted).count();
    let agreement = TokenAgreement { right: right as u64, total: tokens.len() as u64 };
    let named = |document: &Document| -> Vec<Named<Name>> {
        let spans = document.spans.iter();
        spans.map(|span| Named { start: span.start, end: span.end, label: span.label.clone() }).collect()
    };
    let (gold_links, predicted_links) = linked(gold, predicted);
    totals.links.add(totals.documents, weight, &gold_links, &predicted_links, None);
    tally.add(totals.documents, weight, &named(gold), &named(predicted), Some(agreement));
    Ok(())
}

/// The links of both documents as spans one position long: the same position where a link goes between the same spans,
/// so that one of another kind is a wrong label.
fn linked(gold: &Document, predicted: &Document) -> (Vec<Named<Name>>, Vec<Named<Name>>) {
    type End = (u32, u32, Name);
    let end = |spans: &[Span], place: u32| -> Option<End> {
        let span = spans.get(place as usize)?;
        Some((span.start, span.end, span.label.clone()))
    };
    let mut places: BTreeMap<(End, End), u32> = BTreeMap::new();
    let mut named = |document: &Document| -> Vec<Named<Name>> {
        let one = |link: &Link| {
            let between = (end(&document.spans, link.from)?, end(&document.spans, link.to)?);
            let next = places.len() as u32;
            let start = *places.entry(between).or_insert(next);
            Some(Named { start, end: start + 1, label: link.kind.clone() })
        };
        document.links.iter().filter_map(one).collect()
    };
    (named(gold), named(predicted))
}
