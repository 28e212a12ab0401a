//! The student: a tagger trained on the consensus, which marks what no list knows.

use std::collections::HashSet;

use postil_core::audit::GoldPart;
use postil_core::sequences::{SequenceConsensus, TokenSpan};
use postil_core::{Digest, Document, Error, Result};
use postil_student::chain::{Layout, TypedSpan};
use postil_student::tagger::{
    FittedTagger, Layer, LayerKind, LayerPrediction, LayerTarget, PredictedSpan, TaggerOptions, TaggerScratch,
    TaggerTrainer,
};
use rayon::prelude::*;

use super::super::Watch;
use super::super::learn::student_error;
use super::gold::Gold;
use crate::project::Project;
use crate::tagging::view;

/// More items than this are not trained on: the gain is small and the time is not.
const MOST: usize = 200_000;
/// Fewer items than this give no model worth having.
const LEAST: usize = 20;
/// Every item is marked by a model that learnt from the other parts.
const FOLDS: usize = 3;

/// Probabilities below so much of an equal share do not teach.
const NEGLIGIBLE: f32 = 0.1;

/// A trained tagger and what it says about every item.
pub(super) struct Learned {
    /// The model, from all items but the gold that measures.
    pub fitted: FittedTagger,
    /// Its spans, item by item; for items it has learnt from, by models that have not seen them.
    pub spans: Vec<Vec<PredictedSpan>>,
    /// How many items it has learnt from.
    pub trained_on: usize,
}

/// Trains on what the consensus says: where all annotators have looked, on its probabilities, so that a doubtful span
/// teaches less than a certain one. Gold that fits counts as certain; gold that measures is not looked at.
///
/// Where annotators are one-sided (lists and programs, which know some names and miss others), a missed name would teach
/// that it is none. Then only texts are learnt from in which every word that looks like a name is in a span: it begins
/// with a capital, and is nowhere written small. In scripts without capitals that is every text.
///
/// `Ok(Err(reason))` if there is too little to learn from.
pub(super) fn learn(
    project: &Project,
    documents: &[Document],
    digests: &[Digest],
    consensus: &SequenceConsensus,
    gold: &Gold,
    (known, one_sided): (&[Vec<TokenSpan>], bool),
    watch: &dyn Watch,
) -> Result<std::result::Result<Learned, String>> {
    let mut spans: Vec<Vec<TypedSpan>> = vec![Vec::new(); documents.len()];
    for found in &consensus.spans {
        spans[found.item as usize].push(typed(found.span));
    }
    let mut measuring = vec![false; documents.len()];
    for (item, known) in gold.items.iter().zip(known) {
        match item.part {
            GoldPart::Measure => measuring[item.position as usize] = true,
            GoldPart::Fit => spans[item.position as usize] = known.iter().copied().map(typed).collect(),
        }
    }
    let mut chosen: Vec<usize> = (0..documents.len())
        .filter(|&position| !measuring[position] && !documents[position].tokens.is_empty())
        .collect();
    if chosen.len() > MOST {
        // The digest is as good as a draw, and does not move with the order of the file.
        chosen.sort_by_key(|&position| (digests[position], position));
        chosen.truncate(MOST);
        chosen.sort_unstable();
    }
    let marked = chosen.iter().filter(|&&position| !spans[position].is_empty()).count();
    if marked < LEAST {
        return Ok(Err(format!("no model was trained: {marked} items have a span, {LEAST} are the least")));
    }
    watch.stage("training", None);
    let layers = vec![Layer::new("spans", LayerKind::Spans, project.task.labels.names().map(ToString::to_string))];
    let mut certain = vec![false; documents.len()];
    for item in gold.part(GoldPart::Fit) {
        certain[item.position as usize] = true;
    }
    let lower: HashSet<&str> =
        documents.iter().flat_map(Document::words).filter(|word| word.chars().all(char::is_lowercase)).collect();
    // Whether every word of a text that looks like a name is in a span: then the rest is truly outside.
    let explained = |spans: &[Vec<TypedSpan>], position: usize| {
        certain[position] || {
            let document = &documents[position];
            let known =
                Layout::Bilou { types: layers[0].labels.len() }.labels_of(&spans[position], document.tokens.len());
            document.words().zip(known).all(|(word, label)| {
                label != 0
                    || !word.chars().next().is_some_and(char::is_uppercase)
                    || lower.contains(word.to_lowercase().as_str())
            })
        }
    };
    let mut firsts = Vec::with_capacity(documents.len());
    let mut tokens = 0;
    for document in documents {
        firsts.push(tokens);
        tokens += document.tokens.len();
    }
    let train = |positions: &[usize], spans: &[Vec<TypedSpan>], held_out: f64| {
        let views: Vec<_> = positions.iter().map(|&position| view(&documents[position])).collect();
        let targets: Vec<Vec<LayerTarget>> = positions
            .iter()
            .map(|&position| {
                let known = || LayerTarget::Spans(spans[position].clone());
                let tokens = documents[position].tokens.len();
                let soft = !(certain[position] || one_sided);
                let probable = soft.then(|| probabilities(consensus, firsts[position], tokens)).flatten();
                vec![probable.unwrap_or_else(known)]
            })
            .collect();
        let options = TaggerOptions::new().seed(project.seed).held_out(held_out).tokenizer(project.tokenizer.name());
        TaggerTrainer::new(layers.clone())?.with_options(options).fit(&views, &targets, None)
    };
    let mut predicted = vec![Vec::new(); documents.len()];
    if one_sided {
        let explained: Vec<usize> = chosen.iter().copied().filter(|&position| explained(&spans, position)).collect();
        if explained.iter().filter(|&&position| !spans[position].is_empty()).count() >= LEAST {
            chosen = explained;
        }
    }
    let fold_of = |position: usize| digests[position].to_u64() as usize % FOLDS;
    for fold in 0..FOLDS {
        let others: Vec<usize> = chosen.iter().copied().filter(|&position| fold_of(position) != fold).collect();
        let own: Vec<usize> = (0..documents.len()).filter(|&position| fold_of(position) == fold).collect();
        if own.is_empty() {
            continue;
        }
        let fitted = match train(&others, &spans, 0.0) {
            Ok(fitted) => fitted,
            Err(error) if error.is_input() => return Ok(Err(format!("no model was trained: {error}"))),
            Err(error) => return Err(student_error(error)),
        };
        predict(&fitted, documents, &own, &mut predicted);
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    let fitted = train(&chosen, &spans, 0.1).map_err(student_error)?;
    Ok(Ok(Learned { fitted, spans: predicted, trained_on: chosen.len() }))
}

/// The probabilities of the labels of some tokens, small ones left out.
fn probabilities(consensus: &SequenceConsensus, first: usize, tokens: usize) -> Option<LayerTarget> {
    let labels = 1 + 4 * consensus.types;
    let least = NEGLIGIBLE / labels as f32;
    let rows = consensus.labels.get(first * labels..(first + tokens) * labels)?.chunks_exact(labels);
    let of = |row: &[f32]| -> Vec<(u16, f32)> {
        (0u16..).zip(row.iter().copied()).filter(|(_, share)| *share > least).collect()
    };
    Some(LayerTarget::Soft(rows.map(of).collect()))
}

fn typed(span: TokenSpan) -> TypedSpan {
    TypedSpan { start: span.start, end: span.end, class: span.class }
}

fn predict(fitted: &FittedTagger, documents: &[Document], positions: &[usize], into: &mut [Vec<PredictedSpan>]) {
    let spans: Vec<Vec<PredictedSpan>> = positions
        .par_iter()
        .map_init(TaggerScratch::default, |scratch, &position| {
            match fitted.model.predict(&view(&documents[position]), true, scratch).pop() {
                Some(LayerPrediction::Spans(spans)) => spans,
                _ => Vec::new(),
            }
        })
        .collect();
    for (&position, spans) in positions.iter().zip(spans) {
        into[position] = spans;
    }
}
