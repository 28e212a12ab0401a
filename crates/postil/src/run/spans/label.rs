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
pub(in super::super) struct Stretch {
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
    /// The annotators' consensus, and what the student is sure of where there is nothing in it.
    Filled,
}

impl Chosen {
    /// The name in the output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Student => "student",
            Self::Both => "consensus with student",
            Self::Filled => "consensus and what the student adds",
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

/// A student that is less sure is not heard where the consensus has nothing. On newswire (240 reports of the training part
/// of CoNLL-2003) 53 % of the spans that it added at .999 were right, and 23 % of those below: F1 .796 without them, .799
/// with all, .814 with the sure ones.
const SURE: f32 = 0.999;

/// What a run over spans found, before something is chosen to be written.
pub(super) struct Candidates<'a> {
    pub items: usize,
    pub consensus: &'a SequenceConsensus,
    /// The student, and the consensus in which it is one more annotator.
    pub student: Option<(&'a Learned, &'a SequenceConsensus)>,
    /// Whether all annotators are lists and programs.
    pub one_sided: bool,
}

/// Chooses between consensus, student, a consensus in which the student is one more annotator, and one that the student adds
/// to: by their F1 on the gold that fits where there is enough of it, and otherwise by what was better elsewhere. People look
/// for everything, and a student is one more of them; lists and programs leave gaps, which it may fill. A student that has
/// learnt from little is not heard without gold (notes on journeys, 404 texts: consensus .77, together .68).
pub(super) fn label(found: &Candidates<'_>, gold: &Gold, known: &[(&Placed, &[TokenSpan])]) -> Labels {
    let usual_calibration = Calibration::usual(found.one_sided);
    let mut fused = of_consensus(found.consensus, found.items);
    let Some((learned, together)) = found.student else {
        let words = usual_calibration.fit_and_apply(&mut fused, known);
        let reason = format!("there is no student; {words}");
        return Labels { stretches: fused, chosen: Chosen::Consensus, reason };
    };
    let mut student = of_student(learned);
    let mut both = of_consensus(together, found.items);
    let mut additions = beyond(&student, &fused);
    let words = usual_calibration.fit_and_apply(&mut fused, known);
    usual_calibration.fit_and_apply(&mut student, known);
    usual_calibration.fit_and_apply(&mut both, known);
    Calibration::ADDED.fit_and_apply(&mut additions, known);
    let filled = filled(&fused, additions);
    let usual = match (learned.trained_on >= MUCH, found.one_sided) {
        (false, _) => Chosen::Consensus,
        (true, true) => Chosen::Filled,
        (true, false) => Chosen::Both,
    };
    let candidates =
        [(Chosen::Consensus, fused), (Chosen::Student, student), (Chosen::Both, both), (Chosen::Filled, filled)];
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
            Chosen::Consensus => format!(
                "the student has learnt from {} sentences, and {MUCH} are the least to trust it without gold",
                learned.trained_on
            ),
            _ => format!("the student has learnt from {} sentences", learned.trained_on),
        };
    }
    let stretches = candidates.into_iter().find(|(name, _)| *name == chosen).map(|(_, stretches)| stretches);
    Labels { stretches: stretches.unwrap_or_default(), chosen, reason: format!("{reason}; {words}") }
}

fn of_student(learned: &Learned) -> Vec<Vec<Stretch>> {
    let stretch = |found: &PredictedSpan| Stretch {
        span: TokenSpan { start: found.span.start, end: found.span.end, class: found.span.class },
        confidence: found.confidence.unwrap_or(0.5),
        written: true,
    };
    learned.spans.iter().map(|spans| spans.iter().map(stretch).collect()).collect()
}

/// What the student is sure of where nothing is written.
fn beyond(student: &[Vec<Stretch>], fused: &[Vec<Stretch>]) -> Vec<Vec<Stretch>> {
    let free = |one: &Stretch, others: &[Stretch]| {
        let apart = |other: &Stretch| other.span.end <= one.span.start || one.span.end <= other.span.start;
        others.iter().filter(|other| other.written).all(apart)
    };
    student
        .iter()
        .zip(fused)
        .map(|(own, others)| own.iter().copied().filter(|one| one.confidence >= SURE && free(one, others)).collect())
        .collect()
}

/// The consensus with additions; what it had doubted of the same stretch counts no more.
fn filled(fused: &[Vec<Stretch>], additions: Vec<Vec<Stretch>>) -> Vec<Vec<Stretch>> {
    let mut filled = fused.to_vec();
    for (all, added) in filled.iter_mut().zip(additions) {
        all.retain(|one| added.iter().all(|new| new.span != one.span));
        all.extend(added);
        all.sort_by_key(|one| one.span);
    }
    filled
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
