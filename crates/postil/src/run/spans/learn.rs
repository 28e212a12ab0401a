//! The student: a tagger trained on the consensus, which marks what no list knows.

use std::collections::HashSet;

use postil_core::audit::GoldPart;
use postil_core::sequences::TokenSpan;
use postil_core::{Digest, Document, Result};
use postil_student::chain::TypedSpan;
use postil_student::tagger::{
    FittedTagger, Layer, LayerKind, LayerPrediction, LayerTarget, PredictedSpan, TaggerOptions, TaggerScratch,
    TaggerTrainer,
};

use super::super::Watch;
use super::super::taggers::{at_most, cross_fit};
use super::fuse::{Fused, layer};
use super::gold::Gold;
use crate::project::Project;
use crate::tagging::view;

/// The most layers of a tagger.
const MOST_LAYERS: usize = 16;
/// Fewer items than this give no model worth having.
const LEAST: usize = 20;

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
    consensus: &Fused,
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
    let chosen = (0..documents.len())
        .filter(|&position| !measuring[position] && !documents[position].tokens.is_empty())
        .collect();
    let mut chosen = at_most(chosen, digests);
    let marked = chosen.iter().filter(|&&position| !spans[position].is_empty()).count();
    if marked < LEAST {
        return Ok(Err(format!("no model was trained: {marked} items have a span, {LEAST} are the least")));
    }
    watch.stage("training", None);
    let names = project.task.labels.names().map(ToString::to_string);
    // Spans that may overlap are learnt label by label.
    let layers: Vec<Layer> = if project.overlapping {
        names.map(|name| Layer::new(name.clone(), LayerKind::Spans, [name])).collect()
    } else {
        vec![Layer::new("spans", LayerKind::Spans, names)]
    };
    if layers.len() > MOST_LAYERS {
        return Ok(Err(format!("no model was trained: {MOST_LAYERS} labels of overlapping spans are the most")));
    }
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
            let mut covered = vec![false; document.tokens.len()];
            for span in &spans[position] {
                covered[span.start as usize..span.end as usize].fill(true);
            }
            document.words().zip(covered).all(|(word, covered)| {
                covered
                    || !word.chars().next().is_some_and(char::is_uppercase)
                    || lower.contains(word.to_lowercase().as_str())
            })
        }
    };
    // Tokens that came with the texts are not made by a tokenizer, and will not be at prediction.
    let tokenizer = if project.tokens.is_some() { "" } else { project.tokenizer.name() };
    let train = |positions: &[usize], spans: &[Vec<TypedSpan>], held_out: f64| {
        let views: Vec<_> = positions.iter().map(|&position| view(&documents[position])).collect();
        let of_layer = |position: usize, number: usize| {
            if project.overlapping {
                let all: Vec<TokenSpan> = spans[position].iter().map(untyped).collect();
                LayerTarget::Spans(layer(&all, number as u16).into_iter().map(typed).collect())
            } else {
                LayerTarget::Spans(spans[position].clone())
            }
        };
        let targets: Vec<Vec<LayerTarget>> = positions
            .iter()
            .map(|&position| (0..layers.len()).map(|number| of_layer(position, number)).collect())
            .collect();
        let options = TaggerOptions::new().seed(project.seed).held_out(held_out).tokenizer(tokenizer);
        TaggerTrainer::new(layers.clone())?.with_options(options).fit(&views, &targets, None)
    };
    if one_sided {
        let explained: Vec<usize> = chosen.iter().copied().filter(|&position| explained(&spans, position)).collect();
        if explained.iter().filter(|&&position| !spans[position].is_empty()).count() >= LEAST {
            chosen = explained;
        }
    }
    let predict = |fitted: &FittedTagger, document: &Document, scratch: &mut TaggerScratch| {
        let mut found = Vec::new();
        for (number, layer) in fitted.model.predict(&view(document), true, scratch).into_iter().enumerate() {
            let LayerPrediction::Spans(mut spans) = layer else { continue };
            // A layer of its own knows one label only.
            spans.iter_mut().for_each(|one| one.span.class += number as u16);
            found.extend(spans);
        }
        found.sort_by_key(|one: &PredictedSpan| (one.span.start, one.span.end, one.span.class));
        found
    };
    let found = cross_fit(
        (documents, digests, &chosen),
        |positions, held_out| train(positions, &spans, held_out),
        predict,
        watch,
    )?;
    Ok(found.map(|(fitted, spans)| Learned { fitted, spans, trained_on: chosen.len() }))
}

fn untyped(span: &TypedSpan) -> TokenSpan {
    TokenSpan { start: span.start, end: span.end, class: span.class }
}

fn typed(span: TokenSpan) -> TypedSpan {
    TypedSpan { start: span.start, end: span.end, class: span.class }
}
