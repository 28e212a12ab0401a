//! From consensus and student to the labels that are written.
//!
//! The two are pooled log-linearly, `p ~ consensus^a * student^b`, with `a` and `b` fitted on the gold that fits and
//! used only if they predict held-out gold better than the consensus alone. Both weights at once also temper the
//! result. Decisions without votes are the student's; tokens without votes have weights of their own.

use postil_core::Class;
use postil_core::audit::GoldPart;
use postil_core::votes::Votes;

use super::decisions::Decisions;
use super::fuse::Fused;
use super::gold::Gold;
use super::learn::Learned;
use crate::score::decide;

/// Where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Annotators answered.
    Consensus,
    /// No annotator answered: the student alone.
    Student,
    /// Neither an answer nor a student: the most frequent label.
    Prior,
    /// A reviewer decided.
    Decision,
}

impl Source {
    /// The word in the output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Student => "student",
            Self::Prior => "prior",
            Self::Decision => "decision",
        }
    }
}

/// The labels of a run.
pub(super) struct Labels {
    /// How consensus and student were weighed.
    pub weights: Weights,
    /// `classes` probabilities per decision.
    pub posterior: Vec<f32>,
    /// The class of every decision.
    pub given: Vec<Class>,
    /// Per item.
    pub source: Vec<Source>,
    /// Unanimous decisions on which consensus or student would have decided otherwise, ascending.
    pub kept: Vec<u32>,
    /// Classes per decision.
    pub classes: usize,
}

impl Labels {
    /// The probabilities of one decision.
    pub(super) fn of(&self, decision: usize) -> &[f32] {
        &self.posterior[decision * self.classes..(decision + 1) * self.classes]
    }
}

/// The student's posterior of a decision; of one label of several it states the probability of yes alone.
pub(super) fn student_row(learned: &Learned, decision: usize, classes: usize) -> Vec<f32> {
    if learned.of_yes {
        let yes = learned.probabilities[decision];
        vec![1.0 - yes, yes]
    } else {
        learned.probabilities[decision * classes..(decision + 1) * classes].to_vec()
    }
}

/// Labels every decision.
///
/// A unanimous decision of two or more annotators keeps its label whatever the student says; its probability shows the
/// doubt.
pub(super) fn label(
    decisions: &Decisions,
    items: usize,
    votes: &Votes,
    fused: &Fused,
    learned: Option<&Learned>,
    gold: &Gold,
) -> Labels {
    let classes = decisions.classes();
    let fitted = |learned: &Learned, answered: bool| {
        let rows: Vec<(usize, Class, Vec<f32>, f64)> = gold
            .part(GoldPart::Fit)
            .flat_map(|gold| gold.truths(decisions).map(|(decision, truth)| (decision, truth, gold.weight)))
            .filter(|(decision, _, _)| (fused.support[*decision] > 0) == answered)
            .map(|(decision, truth, weight)| (decision, truth, student_row(learned, decision, classes), weight))
            .collect();
        let known: Vec<Known<'_>> = rows
            .iter()
            .map(|(decision, truth, student, weight)| Known {
                truth: *truth,
                consensus: fused.consensus.of(*decision),
                student,
                weight: *weight,
            })
            .collect();
        (known.len() >= LEAST).then(|| fit(&known))
    };
    let weights = learned.and_then(|learned| fitted(learned, true)).unwrap_or(Weights::CONSENSUS);
    // Of a token that nobody speaks of its neighbours still tell something; of any other decision the student alone does.
    let of_silent = match learned {
        Some(learned) if decisions.are_tokens() => fitted(learned, false).unwrap_or(Weights::EVEN),
        _ => Weights::STUDENT,
    };
    let mut labels = Labels {
        weights,
        posterior: fused.consensus.posterior.clone(),
        given: Vec::with_capacity(decisions.len()),
        source: Vec::with_capacity(items),
        kept: Vec::new(),
        classes,
    };
    for item in 0..items {
        let decisions = decisions.of(item);
        let answered = fused.support[decisions.clone()].iter().any(|&votes| votes > 0);
        labels.source.push(match (answered, learned) {
            (true, _) => Source::Consensus,
            (false, Some(_)) => Source::Student,
            (false, None) => Source::Prior,
        });
        for decision in decisions {
            let row = decision * classes..(decision + 1) * classes;
            if let Some(learned) = learned {
                let student = student_row(learned, decision, classes);
                if fused.support[decision] == 0 && of_silent == Weights::STUDENT {
                    labels.posterior[row.clone()].copy_from_slice(&student);
                } else if fused.support[decision] == 0 {
                    of_silent.pool(fused.consensus.of(decision), &student, &mut labels.posterior[row.clone()]);
                } else {
                    weights.pool(fused.consensus.of(decision), &student, &mut labels.posterior[row.clone()]);
                }
            }
            let mut given = decide(&labels.posterior[row]);
            if let Some(unanimous) = unanimous(votes, decision) {
                if unanimous != given || unanimous != fused.consensus.labels[decision] {
                    labels.kept.push(decision as u32);
                }
                given = unanimous;
            }
            labels.given.push(given);
        }
    }
    labels
}

/// The class on which two or more annotators agree without exception.
pub(super) fn unanimous(votes: &Votes, decision: usize) -> Option<Class> {
    let mut ballots = votes.of(decision);
    let first = ballots.next()?;
    let mut others = 0;
    for vote in ballots {
        if vote.class != first.class {
            return None;
        }
        others += u32::from(vote.annotator != first.annotator);
    }
    (others > 0).then_some(first.class)
}

/// How consensus and student are weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weights {
    /// The exponent of the consensus.
    pub consensus: f64,
    /// The exponent of the student.
    pub student: f64,
}

impl Weights {
    /// The consensus as it is.
    pub(super) const CONSENSUS: Self = Self { consensus: 1.0, student: 0.0 };
    /// The student as it is.
    const STUDENT: Self = Self { consensus: 0.0, student: 1.0 };
    /// Both alike.
    const EVEN: Self = Self { consensus: 0.5, student: 0.5 };

    /// Pools two posteriors of one decision into `pooled`.
    pub(super) fn pool(self, consensus: &[f32], student: &[f32], pooled: &mut [f32]) {
        let mut largest = f64::NEG_INFINITY;
        let mut scores = [0.0_f64; 64];
        let mut many;
        let scores: &mut [f64] = if pooled.len() <= scores.len() {
            &mut scores[..pooled.len()]
        } else {
            many = vec![0.0; pooled.len()];
            &mut many
        };
        for ((score, &left), &right) in scores.iter_mut().zip(consensus).zip(student) {
            *score = self.consensus * logarithm(left) + self.student * logarithm(right);
            largest = largest.max(*score);
        }
        let mut total = 0.0;
        for score in scores.iter_mut() {
            *score = (*score - largest).exp();
            total += *score;
        }
        for (pooled, score) in pooled.iter_mut().zip(scores) {
            *pooled = (*score / total) as f32;
        }
    }
}

fn logarithm(probability: f32) -> f64 {
    f64::from(probability).max(1e-6).ln()
}

/// One decision whose truth is known.
pub(super) struct Known<'a> {
    /// The truth.
    pub truth: Class,
    /// The consensus' posterior.
    pub consensus: &'a [f32],
    /// The student's posterior, from a model that has not learned from this decision.
    pub student: &'a [f32],
    /// One over the inclusion probability.
    pub weight: f64,
}

/// Fewer known decisions than this leave the consensus alone.
const LEAST: usize = 30;
/// Cross-validation folds.
const FOLDS: usize = 5;
/// The strength with which the weights are drawn to an even, slightly tempered mixture when gold is scarce.
const RIDGE: f64 = 0.5;

/// Fits the weights. `known` must be in an order that does not depend on the truth; its folds are every fifth.
///
/// Cost: a few thousand evaluations of the known decisions.
pub(super) fn fit(known: &[Known<'_>]) -> Weights {
    if known.len() < LEAST {
        return Weights::CONSENSUS;
    }
    let mut pooled_loss = 0.0;
    let mut consensus_loss = 0.0;
    for fold in 0..FOLDS {
        let (inside, outside): (Vec<_>, Vec<_>) =
            known.iter().enumerate().partition(|(index, _)| index % FOLDS == fold);
        let outside: Vec<&Known<'_>> = outside.into_iter().map(|(_, known)| known).collect();
        let inside: Vec<&Known<'_>> = inside.into_iter().map(|(_, known)| known).collect();
        pooled_loss += loss(&inside, minimise(&outside));
        consensus_loss += loss(&inside, Weights::CONSENSUS);
    }
    if pooled_loss < consensus_loss { minimise(&known.iter().collect::<Vec<_>>()) } else { Weights::CONSENSUS }
}

/// The sum of negative log probabilities of the truth.
fn loss(known: &[&Known<'_>], weights: Weights) -> f64 {
    let mut pooled = Vec::new();
    known
        .iter()
        .map(|known| {
            pooled.resize(known.consensus.len(), 0.0);
            weights.pool(known.consensus, known.student, &mut pooled);
            -known.weight * logarithm(pooled[usize::from(known.truth)])
        })
        .sum()
}

/// The objective is convex in the two weights: alternate golden-section searches converge.
fn minimise(known: &[&Known<'_>]) -> Weights {
    let scale = known.iter().map(|known| known.weight).sum::<f64>() / known.len() as f64;
    let objective = |weights: Weights| {
        let pull = (weights.consensus - 0.7).powi(2) + (weights.student - 0.7).powi(2);
        loss(known, weights) + RIDGE * scale * pull
    };
    let mut weights = Weights { consensus: 0.7, student: 0.7 };
    for _ in 0..6 {
        weights.consensus = golden_section(|consensus| objective(Weights { consensus, ..weights }));
        weights.student = golden_section(|student| objective(Weights { student, ..weights }));
    }
    weights
}

/// The minimum of a unimodal function over `[0, 3]` to about a thousandth.
fn golden_section(value: impl Fn(f64) -> f64) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_895;
    let (mut low, mut high) = (0.0, 3.0);
    let (mut left, mut right) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    for _ in 0..16 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - RATIO * (high - low);
            at_left = value(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + RATIO * (high - low);
            at_right = value(right);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(rows: &[(Class, [f32; 2], [f32; 2])]) -> Vec<Known<'_>> {
        rows.iter()
            .map(|(truth, consensus, student)| Known { truth: *truth, consensus, student, weight: 1.0 })
            .collect()
    }

    #[test]
    fn a_useless_student_is_left_out_and_a_good_one_is_heard() {
        let sure = |class: usize, p: f32| if class == 0 { [p, 1.0 - p] } else { [1.0 - p, p] };
        let rows = |student_is_right: bool| -> Vec<(Class, [f32; 2], [f32; 2])> {
            (0..60)
                .map(|index| {
                    let truth = index % 2;
                    let consensus = if index % 3 == 0 { 1 - truth } else { truth };
                    let student = if student_is_right { truth } else { (index / 2) % 2 };
                    (truth as Class, sure(consensus, 0.7), sure(student, 0.9))
                })
                .collect()
        };
        let useless = fit(&known(&rows(false)));
        assert!(useless.student < 0.2, "{useless:?}");
        let good = fit(&known(&rows(true)));
        assert!(good.student > 0.5, "{good:?}");
        assert_eq!(fit(&known(&rows(true)[..20])), Weights::CONSENSUS);
    }

    #[test]
    fn pooling_sums_to_one_for_any_number_of_classes() {
        for classes in [2, 5, 100] {
            let even = vec![1.0 / classes as f32; classes];
            let mut pooled = vec![0.0; classes];
            Weights { consensus: 0.3, student: 0.9 }.pool(&even, &even, &mut pooled);
            assert!((pooled.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
