//! The student: a tagger trained on the consensus, which marks what no list knows.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use postil_core::audit::GoldPart;
use postil_core::sequences::{Claim, SequenceConsensus, TokenSpan, What};
use postil_core::{Digest, Document, Result};
use postil_student::chain::TypedSpan;
use postil_student::tagger::{
    FittedTagger, Layer, LayerKind, LayerPrediction, LayerTarget, PredictedSpan, TaggerOptions, TaggerScratch,
    TaggerTrainer,
};

use super::super::Watch;
use super::super::taggers::{at_most, cross_fit};
use super::fuse::layer;
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
    /// How many sentences it has learnt from.
    pub trained_on: usize,
    /// How many texts these are of.
    pub texts: usize,
}

/// What a student learns from, besides the texts.
pub(super) struct Teaching<'a> {
    pub consensus: &'a SequenceConsensus,
    pub gold: &'a Gold,
    /// The gold spans of every gold item, on its tokens.
    pub known: &'a [Vec<TokenSpan>],
    /// What annotators said, text by text.
    pub said: &'a [Vec<(u32, Vec<Claim>)>],
    /// Whether all annotators are lists and programs, which know some names and miss others.
    pub one_sided: bool,
}

/// Trains on what the consensus says. Gold that fits counts as certain; gold that measures is not looked at.
///
/// Where annotators are one-sided, a missed name would teach that it is none. Then only sentences are learnt from in which
/// every word that looks like a name is explained: it is in a span, or an annotator calls it none, or it is written small
/// elsewhere. A word looks like a name if it begins with a capital; in scripts without capitals every sentence is learnt
/// from.
///
/// `Ok(Err(reason))` if there is too little to learn from.
pub(super) fn learn(
    project: &Project,
    documents: &[Document],
    digests: &[Digest],
    teaching: &Teaching<'_>,
    watch: &dyn Watch,
) -> Result<std::result::Result<Learned, String>> {
    let mut spans: Vec<Vec<TypedSpan>> = vec![Vec::new(); documents.len()];
    for found in &teaching.consensus.spans {
        spans[found.item as usize].push(typed(found.span));
    }
    // Of every text the parts that gold is about: those that measure, and those that are certain.
    let mut parts: Vec<Vec<(GoldPart, Range<usize>)>> = vec![Vec::new(); documents.len()];
    for (item, known) in teaching.gold.items.iter().zip(teaching.known) {
        let position = item.position as usize;
        parts[position].push((item.part, item.tokens.start as usize..item.tokens.end as usize));
        if item.part == GoldPart::Fit {
            let spans = &mut spans[position];
            spans.retain(|span| span.end <= item.tokens.start || span.start >= item.tokens.end);
            spans.extend(known.iter().copied().map(typed));
            spans.sort_unstable_by_key(|span| span.start);
        }
    }
    let is = |position: usize, wanted: GoldPart, token: usize| {
        parts[position].iter().any(|(part, tokens)| *part == wanted && tokens.contains(&token))
    };
    let chosen = (0..documents.len()).filter(|&position| !documents[position].tokens.is_empty()).collect();
    let chosen = at_most(chosen, digests);
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
    let lower: HashSet<&str> =
        documents.iter().flat_map(Document::words).filter(|word| word.chars().all(char::is_lowercase)).collect();
    let seen = |position: usize| {
        let teaches = |token: usize| !is(position, GoldPart::Measure, token);
        (position, Lesson::of(&documents[position], &spans[position], teaches))
    };
    let mut lessons: Vec<(usize, Lesson)> = Vec::new();
    if teaching.one_sided {
        for &position in &chosen {
            let explained = explained(&documents[position], &spans[position], &teaching.said[position], &lower);
            let teaches = |token: usize| {
                !is(position, GoldPart::Measure, token) && (explained[token] || is(position, GoldPart::Fit, token))
            };
            lessons.push((position, Lesson::of(&documents[position], &spans[position], teaches)));
        }
    }
    if lessons.iter().filter(|(_, lesson)| !lesson.spans.is_empty()).count() < LEAST {
        lessons = chosen.iter().map(|&position| seen(position)).collect();
    }
    lessons.retain(|(_, lesson)| !lesson.view.tokens.is_empty());
    // Tokens that came with the texts are not made by a tokenizer, and will not be at prediction.
    let tokenizer = if project.tokens.is_some() { "" } else { project.tokenizer.name() };
    let of_layer = |lesson: &Lesson, number: usize| {
        if !project.overlapping {
            return LayerTarget::Spans(lesson.spans.clone());
        }
        let all: Vec<TokenSpan> = lesson.spans.iter().map(untyped).collect();
        LayerTarget::Spans(layer(&all, number as u16).into_iter().map(typed).collect())
    };
    let taught: Vec<usize> = lessons.iter().map(|(position, _)| *position).collect();
    let lessons: HashMap<usize, Lesson> = lessons.into_iter().collect();
    let train = |positions: &[usize], held_out: f64| {
        let lessons = || positions.iter().map(|position| &lessons[position]);
        let views: Vec<_> = lessons().map(|lesson| lesson.view.clone()).collect();
        let targets: Vec<Vec<LayerTarget>> =
            lessons().map(|lesson| (0..layers.len()).map(|number| of_layer(lesson, number)).collect()).collect();
        let options = TaggerOptions::new().seed(project.seed).held_out(held_out).tokenizer(tokenizer);
        TaggerTrainer::new(layers.clone())?.with_options(options).fit(&views, &targets, None)
    };
    let found = cross_fit((documents, digests, &taught), train, predict, watch)?;
    let trained_on = lessons.values().map(|lesson| lesson.view.sentences.len()).sum();
    Ok(found.map(|(fitted, spans)| Learned { fitted, spans, trained_on, texts: taught.len() }))
}

/// The sentences of a text that teach, and their spans.
struct Lesson<'a> {
    view: postil_student::tagger::Document<'a>,
    spans: Vec<TypedSpan>,
}

impl<'a> Lesson<'a> {
    /// The sentences of which every token `teaches`.
    fn of(document: &'a Document, spans: &[TypedSpan], teaches: impl Fn(usize) -> bool) -> Self {
        let whole = view(document);
        let mut lesson = Self { view: postil_student::tagger::Document::default(), spans: Vec::new() };
        for range in whole.ranges().filter(|range| range.clone().all(&teaches)) {
            let (start, end) = (range.start as u32, range.end as u32);
            let moved = lesson.view.tokens.len() as u32;
            let inside = spans.iter().filter(|span| span.start >= start && span.end <= end);
            lesson.spans.extend(inside.map(|span| TypedSpan {
                start: span.start - start + moved,
                end: span.end - start + moved,
                class: span.class,
            }));
            lesson.view.tokens.extend_from_slice(&whole.tokens[range]);
            lesson.view.sentences.push(lesson.view.tokens.len() as u32);
        }
        lesson
    }
}

/// Whether each token of a text is no name that may have been missed.
fn explained(document: &Document, spans: &[TypedSpan], said: &[(u32, Vec<Claim>)], lower: &HashSet<&str>) -> Vec<bool> {
    let mut explained: Vec<bool> = document
        .words()
        .map(|word| {
            !word.chars().next().is_some_and(char::is_uppercase) || lower.contains(word.to_lowercase().as_str())
        })
        .collect();
    let none = said.iter().flat_map(|(_, claims)| claims).filter(|claim| claim.what == What::Nothing);
    let stretches = none.map(|claim| (claim.start, claim.end));
    for (start, end) in stretches.chain(spans.iter().map(|span| (span.start, span.end))) {
        explained[start as usize..end as usize].fill(true);
    }
    explained
}

fn untyped(span: &TypedSpan) -> TokenSpan {
    TokenSpan { start: span.start, end: span.end, class: span.class }
}

fn typed(span: TokenSpan) -> TypedSpan {
    TypedSpan { start: span.start, end: span.end, class: span.class }
}

/// The spans of a text, of all layers together.
fn predict(fitted: &FittedTagger, document: &Document, scratch: &mut TaggerScratch) -> Vec<PredictedSpan> {
    let mut found = Vec::new();
    for (number, layer) in fitted.model.predict(&view(document), true, scratch).into_iter().enumerate() {
        let LayerPrediction::Spans(mut spans) = layer else { continue };
        // Of several layers each knows one label only.
        spans.iter_mut().for_each(|one| one.span.class += number as u16);
        found.extend(spans);
    }
    found.sort_by_key(|one: &PredictedSpan| (one.span.start, one.span.end, one.span.class));
    found
}
