//! The quality of every stage on the gold that only measures.

use postil_core::audit::spans::{SpanScores, SpanTally};
use postil_core::audit::{GoldPart, Tally};
use postil_core::sequences::{SequenceConsensus, TokenSpan};
use postil_core::text::Named;
use postil_core::{Name, Task};

use super::gold::Gold;
use super::label::{Labels, Stretch};
use super::learn::Learned;

/// The scores of the stages.
pub(super) struct Measurements {
    /// What every figure rests on.
    pub basis: String,
    /// Measuring items.
    pub items: usize,
    /// The spans that were written.
    pub labels: SpanScores,
    /// The consensus before the student is heard.
    pub consensus: SpanScores,
    /// The student alone.
    pub student: Option<SpanScores>,
    /// Written spans on measuring items: their stated confidence against whether they are right.
    pub confidence: Tally,
}

/// Scores the stages on the measuring gold. `known` holds the gold spans of each gold item on its tokens.
pub(super) fn measure(
    task: &Task,
    seed: u64,
    labels: &Labels,
    consensus: &SequenceConsensus,
    learned: Option<&Learned>,
    (gold, known): (&Gold, &[Vec<TokenSpan>]),
) -> Measurements {
    let mut of_consensus: std::collections::HashMap<u32, Vec<TokenSpan>> = std::collections::HashMap::new();
    for span in &consensus.spans {
        of_consensus.entry(span.item).or_default().push(span.span);
    }
    let score = |spans: &dyn Fn(u32) -> Vec<TokenSpan>| {
        let mut tally = SpanTally::new(seed);
        for (item, truth) in gold.items.iter().zip(known).filter(|(item, _)| item.part == GoldPart::Measure) {
            let (truth, given) = (
                named(task, truth),
                named(task, &spans(item.position).into_iter().filter(|span| item.covers(*span)).collect::<Vec<_>>()),
            );
            tally.add(u64::from(item.position), item.weight, &truth, &given, None);
        }
        tally.scores("gold items", "tokens")
    };
    let mut confidence = Tally::new(2);
    for (item, truth) in gold.items.iter().zip(known).filter(|(item, _)| item.part == GoldPart::Measure) {
        for one in written(&labels.stretches[item.position as usize]).filter(|one| item.covers(one.span)) {
            let right = u16::from(truth.contains(&one.span));
            confidence.add(right, 1, Some(&[1.0 - one.confidence, one.confidence]), item.weight);
        }
    }
    Measurements {
        basis: gold.design.basis(gold.part(GoldPart::Measure).count()),
        items: gold.part(GoldPart::Measure).count(),
        labels: score(&|item| written(&labels.stretches[item as usize]).map(|one| one.span).collect()),
        consensus: score(&|item| of_consensus.get(&item).cloned().unwrap_or_default()),
        student: learned.map(|learned| {
            score(&|item| {
                let spans = learned.spans[item as usize].iter();
                spans
                    .map(|found| TokenSpan { start: found.span.start, end: found.span.end, class: found.span.class })
                    .collect()
            })
        }),
        confidence,
    }
}

/// The stretches that are written.
pub(super) fn written(stretches: &[Stretch]) -> impl Iterator<Item = &Stretch> {
    stretches.iter().filter(|one| one.written)
}

fn named(task: &Task, spans: &[TokenSpan]) -> Vec<Named<Name>> {
    spans
        .iter()
        .map(|span| Named { start: span.start, end: span.end, label: Name::clone(task.labels.name(span.class)) })
        .collect()
}
