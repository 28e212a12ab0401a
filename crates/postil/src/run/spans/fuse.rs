//! From claims to spans: all labels in one sequence, or each label in a layer of its own, where spans may overlap.

use postil_core::sequences::{
    Claim, ConsensusSpan, GoldItem, Sequences, SequencesBuilder, Settings, Silence, TokenSpan, What, fit,
};
use postil_core::{Class, Document, Result};

use crate::project::Project;

/// What the annotators say together.
pub(super) struct Fused {
    /// The method that was used, or the methods of the labels.
    pub method: String,
    /// Why, in a sentence.
    pub reason: String,
    /// The spans, in order of item and place.
    pub spans: Vec<ConsensusSpan>,
    /// Every span that somebody claimed or that is in the consensus, in order of item and place.
    pub candidates: Vec<ConsensusSpan>,
    /// Claims that were left out because they overlap a longer one of the same annotator; in layers, of the same label.
    pub overlaps: usize,
}

/// Fuses what was said about the items, item by item: annotator and claims.
///
/// Where spans may overlap, each label is a question of its own. A claim of several labels then claims each of them, and one
/// that there is nothing is about all.
pub(super) fn fuse(
    project: &Project,
    documents: &[Document],
    said: &[Vec<(u32, Vec<Claim>)>],
    silences: &[Silence],
    known: &[GoldItem],
) -> Result<Fused> {
    let settings = Settings { seed: project.seed, ..Settings::default() };
    let types = project.task.labels.len();
    if !project.overlapping {
        let sequences = sequences(types, documents, said, silences, |claim| Some(claim.clone()))?;
        let found = fit(&sequences, known, project.sequence_method, &settings)?;
        return Ok(Fused {
            method: found.method.name().to_owned(),
            reason: found.reason,
            spans: found.spans,
            candidates: found.candidates,
            overlaps: sequences.overlaps(),
        });
    }
    let mut fused =
        Fused { method: String::new(), reason: String::new(), spans: Vec::new(), candidates: Vec::new(), overlaps: 0 };
    let (mut methods, mut reasons): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for class in 0..types as Class {
        let of_layer = |claim: &Claim| {
            let what = match &claim.what {
                What::Type(one) if *one == class => What::Type(0),
                What::OneOf(classes) if classes.contains(&class) => What::Type(0),
                What::Nothing => What::Nothing,
                _ => return None,
            };
            Some(Claim { what, ..claim.clone() })
        };
        let sequences = sequences(1, documents, said, silences, of_layer)?;
        let known: Vec<GoldItem> =
            known.iter().map(|gold| GoldItem { item: gold.item, spans: layer(&gold.spans, class) }).collect();
        let found = fit(&sequences, &known, project.sequence_method, &settings)?;
        let typed = |one: &ConsensusSpan| ConsensusSpan { span: TokenSpan { class, ..one.span }, ..*one };
        fused.spans.extend(found.spans.iter().map(typed));
        fused.candidates.extend(found.candidates.iter().map(typed));
        fused.overlaps += sequences.overlaps();
        if !methods.contains(&found.method.name()) {
            methods.push(found.method.name());
        }
        reasons.push(format!("`{}`: {}", project.task.labels.name(class), found.reason));
    }
    for spans in [&mut fused.spans, &mut fused.candidates] {
        spans.sort_by_key(|one| (one.item, one.span));
    }
    fused.method = format!("{}, label by label", methods.join(" and "));
    fused.reason = reasons.join("; ");
    Ok(fused)
}

/// The spans of one label as a layer of that label alone; of overlapping ones the first, then the longest.
pub(super) fn layer(spans: &[TokenSpan], class: Class) -> Vec<TokenSpan> {
    let mut own: Vec<TokenSpan> = spans.iter().filter(|span| span.class == class).copied().collect();
    own.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut end = 0;
    own.retain(|span| {
        let apart = span.start >= end;
        end = if apart { span.end } else { end };
        apart
    });
    own.iter_mut().for_each(|span| span.class = 0);
    own
}

/// Claims as the aggregators read them, those of each that `of_layer` keeps.
fn sequences(
    types: usize,
    documents: &[Document],
    said: &[Vec<(u32, Vec<Claim>)>],
    silences: &[Silence],
    of_layer: impl Fn(&Claim) -> Option<Claim>,
) -> Result<Sequences> {
    let mut builder = SequencesBuilder::new(types);
    for (document, said) in documents.iter().zip(said) {
        builder.item_of_words(&document.words().collect::<Vec<_>>());
        for (annotator, claims) in said {
            let claims: Vec<Claim> = claims.iter().filter_map(&of_layer).collect();
            builder.say(*annotator, &claims, &silences[*annotator as usize])?;
        }
    }
    Ok(builder.build())
}
