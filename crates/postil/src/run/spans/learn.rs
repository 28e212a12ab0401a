//! The student: a tagger trained on the consensus, which marks what no list knows.

use postil_core::audit::GoldPart;
use postil_core::sequences::{SequenceConsensus, TokenSpan};
use postil_core::{Digest, Document, Error, Result};
use postil_student::chain::TypedSpan;
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

/// A trained tagger and what it says about every item.
pub(super) struct Learned {
    /// The model, from all items but the gold that measures.
    pub fitted: FittedTagger,
    /// Its spans, item by item; for items it has learnt from, by models that have not seen them.
    pub spans: Vec<Vec<PredictedSpan>>,
    /// How many items it has learnt from.
    pub trained_on: usize,
}

/// Trains on what the consensus says. Gold that fits counts as certain; gold that measures is not looked at.
/// `Ok(Err(reason))` if there is too little to learn from.
pub(super) fn learn(
    project: &Project,
    documents: &[Document],
    digests: &[Digest],
    consensus: &SequenceConsensus,
    gold: &Gold,
    known: &[Vec<TokenSpan>],
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
    let train = |positions: &[usize], held_out: f64| {
        let views: Vec<_> = positions.iter().map(|&position| view(&documents[position])).collect();
        let targets: Vec<Vec<LayerTarget>> =
            positions.iter().map(|&position| vec![LayerTarget::Spans(spans[position].clone())]).collect();
        let options = TaggerOptions::new().seed(project.seed).held_out(held_out).tokenizer(project.tokenizer.name());
        TaggerTrainer::new(layers.clone())?.with_options(options).fit(&views, &targets, None)
    };
    let mut predicted = vec![Vec::new(); documents.len()];
    let mut learnt_from = vec![None; documents.len()];
    for &position in &chosen {
        learnt_from[position] = Some(digests[position].to_u64() as usize % FOLDS);
    }
    for fold in 0..FOLDS {
        let (own, others): (Vec<usize>, Vec<usize>) =
            chosen.iter().partition(|&&position| learnt_from[position] == Some(fold));
        if own.is_empty() {
            continue;
        }
        let fitted = match train(&others, 0.1) {
            Ok(fitted) => fitted,
            Err(error) if error.is_input() => return Ok(Err(format!("no model was trained: {error}"))),
            Err(error) => return Err(student_error(error)),
        };
        predict(&fitted, documents, &own, &mut predicted);
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    let fitted = train(&chosen, 0.1).map_err(student_error)?;
    let rest: Vec<usize> = (0..documents.len()).filter(|&position| learnt_from[position].is_none()).collect();
    predict(&fitted, documents, &rest, &mut predicted);
    Ok(Ok(Learned { fitted, spans: predicted, trained_on: chosen.len() }))
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
