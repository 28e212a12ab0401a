//! From consensus and student to the spans that are written.

use postil_core::audit::GoldPart;
use postil_core::sequences::{Claim, SequenceConsensus, Silence, TokenSpan};
use postil_student::tagger::PredictedSpan;

use super::calibrate::Calibration;
use super::fuse::Voice;
use super::gold::{Gold, Placed};
use super::learn::Learned;

/// A stretch that is or might be a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// Where, and of which type.
    pub span: TokenSpan,
    /// The probability that exactly this span with this type is right.
    pub confidence: f32,
    /// Whether it is written.
    pub written: bool,
}

/// Where the written spans come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The annotators' consensus.
    Consensus,
    /// The student alone.
    Student,
    /// A consensus in which the student is one more annotator.
    Both,
}

impl Chosen {
    /// The name in the output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Student => "student",
            Self::Both => "consensus with student",
        }
    }
}

/// The spans of a run.
pub(super) struct Labels {
    /// By item, in order of place: written ones, and those that were doubted and left out.
    pub stretches: Vec<Vec<Stretch>>,
    /// Where they come from.
    pub chosen: Chosen,
    /// Why, in a sentence.
    pub reason: String,
}

/// Gold that fits has at least so many spans, or nothing is compared on it.
const LEAST_GOLD_SPANS: usize = 20;
/// A student that has learnt from fewer sentences is not heard without gold.
const MUCH: usize = 1000;
/// A candidate must be better by this much to be preferred over the usual one: less is luck.
const MARGIN: f64 = 0.01;

/// Chooses between consensus, student, and both together, of which `learned` has the consensus: by their F1 on the gold that fits where there is enough of it.
/// Otherwise the student is heard where it has learnt from much text. (Notes on journeys, 404 texts: consensus .77,
/// together .68; newswire, 3,250 sentences: .48 and .58.)
pub(super) fn label(
    items: usize,
    consensus: &SequenceConsensus,
    learned: Option<(&Learned, &SequenceConsensus)>,
    (gold, known): (&Gold, &[(&Placed, &[TokenSpan])]),
) -> Labels {
    let fused = of_consensus(consensus, items);
    let Some((learned, together)) = learned else {
        let reason = "there is no student".to_owned();
        return calibrated(fused, Chosen::Consensus, &reason, known);
    };
    let student: Vec<Vec<Stretch>> = learned
        .spans
        .iter()
        .map(|spans| {
            let stretch = |found: &PredictedSpan| Stretch {
                span: TokenSpan { start: found.span.start, end: found.span.end, class: found.span.class },
                confidence: found.confidence.unwrap_or(0.5),
                written: true,
            };
            spans.iter().map(stretch).collect()
        })
        .collect();
    let both = of_consensus(together, items);
    let usual = if learned.trained_on >= MUCH { Chosen::Both } else { Chosen::Consensus };
    let candidates = [(Chosen::Consensus, fused), (Chosen::Student, student), (Chosen::Both, both)];
    let fitting: usize = gold.part(GoldPart::Fit).map(|item| item.spans.len()).sum();
    let (mut chosen, mut reason) = (usual, String::new());
    if fitting >= LEAST_GOLD_SPANS {
        let compared: Vec<(Chosen, f64)> =
            candidates.iter().map(|(name, stretches)| (*name, f1(stretches, known))).collect();
        let at = |name: Chosen| compared.iter().find(|(other, _)| *other == name).map_or(0.0, |(_, f1)| *f1);
        let best = compared.iter().copied().reduce(|best, one| if one.1 > best.1 { one } else { best });
        if let Some((name, f1)) = best
            && f1 > at(usual) + MARGIN
        {
            chosen = name;
        }
        let figures: Vec<String> = compared.iter().map(|(name, f1)| format!("{} {f1:.3}", name.name())).collect();
        reason = format!("by F1 on the {fitting} gold spans that fit: {}", figures.join(", "));
    }
    if reason.is_empty() {
        reason = match usual {
            Chosen::Both => format!("the student has learnt from {} sentences", learned.trained_on),
            _ => format!(
                "the student has learnt from {} sentences, and {MUCH} are the least to trust it without gold",
                learned.trained_on
            ),
        };
    }
    let stretches = candidates.into_iter().find(|(name, _)| *name == chosen).map(|(_, stretches)| stretches);
    calibrated(stretches.unwrap_or_default(), chosen, &reason, known)
}

/// Labels with confidences that mean what they say.
fn calibrated(
    mut stretches: Vec<Vec<Stretch>>,
    chosen: Chosen,
    reason: &str,
    known: &[(&Placed, &[TokenSpan])],
) -> Labels {
    let calibration = Calibration::fit(&stretches, known);
    calibration.apply(&mut stretches);
    Labels { stretches, chosen, reason: format!("{reason}; {}", calibration.words()) }
}

/// What a student says, as an annotator that has read everything.
pub(super) fn voice(learned: &Learned) -> Voice {
    let claim = |found: &PredictedSpan| Claim::new(found.span.start, found.span.end, found.span.class);
    let claims = learned.spans.iter().map(|spans| spans.iter().map(claim).collect()).collect();
    Voice { claims, silence: Silence::Outside }
}

fn of_consensus(consensus: &SequenceConsensus, items: usize) -> Vec<Vec<Stretch>> {
    let mut stretches = vec![Vec::new(); items];
    let mut written = consensus.spans.iter().peekable();
    for candidate in &consensus.candidates {
        let taken = written.next_if(|span| (span.item, span.span) == (candidate.item, candidate.span)).is_some();
        stretches[candidate.item as usize].push(Stretch {
            span: candidate.span,
            confidence: candidate.probability,
            written: taken,
        });
    }
    stretches
}

/// F1 of exact spans on texts whose spans are known.
fn f1(stretches: &[Vec<Stretch>], known: &[(&Placed, &[TokenSpan])]) -> f64 {
    let (mut right, mut all) = (0, 0);
    for (part, spans) in known {
        let written = stretches[part.position as usize].iter().filter(|one| one.written).map(|one| one.span);
        let written: Vec<TokenSpan> = written.filter(|span| part.covers(*span)).collect();
        right += written.iter().filter(|span| spans.contains(span)).count();
        all += written.len() + spans.len();
    }
    if all == 0 { 0.0 } else { 2.0 * f64::from(right as u32) / all as f64 }
}
