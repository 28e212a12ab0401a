//! The student of a task of tags: a tagger trained on the consensus.

use postil_core::audit::GoldPart;
use postil_core::{Class, Digest, Document, Result};
use postil_student::tagger::{
    FittedTagger, Layer, LayerKind, LayerTarget, TaggerOptions, TaggerScratch, TaggerTrainer,
};

use super::super::Watch;
use super::super::gold::Gold;
use super::super::learn::{Believed, Learned, Student};
use super::super::taggers::{at_most, cross_fit};
use crate::project::Project;
use crate::score::decide;
use crate::tagging::view;

/// Fewer items than this give no model worth having.
const LEAST: usize = 20;
/// A text teaches if annotators or gold speak of at least this share of its tokens.
const SPOKEN_OF: f64 = 0.5;

/// Trains on what the consensus says of every text of which most tokens were spoken of. Gold that fits counts as certain;
/// gold that measures is not looked at. `Ok(Err(reason))` if there is too little to learn from.
pub(crate) fn learn(
    project: &Project,
    documents: &[Document],
    digests: &[Digest],
    believed: &Believed<'_>,
    gold: &Gold,
    watch: &dyn Watch,
) -> Result<std::result::Result<Learned, String>> {
    let decisions = believed.decisions;
    let mut certain: Vec<Option<Class>> = vec![None; decisions.len()];
    let mut measuring = vec![false; documents.len()];
    for gold in &gold.labels {
        match gold.part {
            GoldPart::Measure => measuring[gold.position as usize] = true,
            GoldPart::Fit => gold.truths(decisions).for_each(|(decision, class)| certain[decision] = Some(class)),
        }
    }
    let spoken_of = |item: usize| {
        let tokens = decisions.of(item);
        let spoken = tokens.clone().filter(|&token| believed.support[token] > 0 || certain[token].is_some()).count();
        !tokens.is_empty() && spoken as f64 >= SPOKEN_OF * tokens.len() as f64
    };
    let chosen: Vec<usize> = (0..documents.len()).filter(|&item| !measuring[item] && spoken_of(item)).collect();
    let chosen = at_most(chosen, digests);
    if chosen.len() < LEAST {
        return Ok(Err(format!(
            "no model was trained: of {} texts annotators speak of at least half of the tokens, {LEAST} are the least",
            chosen.len()
        )));
    }
    watch.stage("training", None);
    let tags = |item: usize| -> Vec<Class> {
        let known = |token: usize| certain[token].unwrap_or_else(|| decide(decisions.row(believed.posterior, token)));
        decisions.of(item).map(known).collect()
    };
    let labels = project.task.labels.names().map(ToString::to_string);
    let layers = vec![Layer::new(&*project.layer, LayerKind::Tags, labels)];
    // Tokens that came with the texts are not made by a tokenizer, and will not be at prediction.
    let tokenizer = if project.tokens.is_some() { "" } else { project.tokenizer.name() };
    let train = |items: &[usize], held_out: f64| {
        let views: Vec<_> = items.iter().map(|&item| view(&documents[item])).collect();
        let targets: Vec<Vec<LayerTarget>> = items.iter().map(|&item| vec![LayerTarget::Tags(tags(item))]).collect();
        let options = TaggerOptions::new().seed(project.seed).held_out(held_out).tokenizer(tokenizer);
        TaggerTrainer::new(layers.clone())?.with_options(options).fit(&views, &targets, None)
    };
    let predict = |fitted: &FittedTagger, document: &Document, scratch: &mut TaggerScratch| {
        fitted.model.tag_probabilities(&view(document), 0, scratch).unwrap_or_default()
    };
    let found = cross_fit((documents, digests, &chosen), train, predict, watch)?;
    Ok(found.map(|(fitted, rows)| Learned {
        student: Student::Tagger(Box::new(fitted)),
        probabilities: rows.concat(),
        of_yes: false,
        trained_on: chosen.len(),
    }))
}
