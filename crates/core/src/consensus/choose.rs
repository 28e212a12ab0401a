//! The automatic method: which methods to believe, and how much.

use super::assess::{Assessment, mean, on_answers, on_gold};
use super::method::{Method, estimate_from};
use super::{Order, Settings, temperature};
use crate::votes::{Gold, Votes};

/// Gold items from which methods are chosen by gold rather than by hidden answers.
pub const ENOUGH_GOLD: usize = 30;

/// How fast a method's weight falls with its loss on gold, per item. At 1 the weights are those of Bayes' rule over
/// methods; over the development sets 1, 0.5, 0.25 and 0.1 gave mixtures with mean accuracy .722, .723, .725 and .724.
const SHARPNESS: f64 = 0.25;

/// What a choice rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Cross-validation on so many gold items.
    Gold(usize),
    /// Predicting so many hidden answers from the other answers about the same decisions. It cannot see an error that
    /// annotators share.
    HiddenAnswers(usize),
    /// Too little of either.
    Nothing,
}

/// One method that was considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The method.
    pub method: Method,
    /// The mean log-loss of its predictions, after temperature scaling.
    pub loss: f64,
    /// Its loss minus the best method's.
    pub behind: f64,
    /// The standard error of that difference.
    pub error: f64,
    /// Its share in the mixture.
    pub weight: f64,
    /// Whether a class all but vanished from its posteriors, which excludes it when there is no gold.
    pub collapsed: bool,
    /// The temperature its posteriors are divided by.
    pub temperature: f64,
}

/// Why the automatic method did what it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What it rests on.
    pub basis: Basis,
    /// Every method that was considered, best first.
    pub candidates: Vec<Candidate>,
    /// What the logarithms of the mixture were divided by: a mixture is less sure than its parts.
    pub temperature: f64,
    /// The reason in a sentence.
    pub reason: String,
}

/// The methods that can serve, simplest first.
///
/// Wawa, zero-based skill, IBCC, MACE, GLAD and the pooled prior are not among them: over the development sets the
/// mixture was no better by more than half a point with any of them (on the crowd sets without gold .886; with
/// zero-based skill .884, with GLAD .883, with MACE .878).
pub(crate) fn candidates(votes: &Votes, gold: &Gold, settings: &Settings) -> Vec<Method> {
    let mut methods = vec![Method::Majority, Method::OneCoin, Method::DawidSkene];
    if gold.len() >= ENOUGH_GOLD || one_sided(votes) {
        methods.push(Method::UniformDawidSkene);
    }
    let in_order = match settings.order {
        Order::None => false,
        Order::Possible => gold.len() >= ENOUGH_GOLD,
        Order::Given => true,
    };
    if in_order && votes.classes() > 2 {
        methods.push(Method::Ordered);
    }
    if gold.len() >= ENOUGH_GOLD {
        methods.push(Method::LogOdds);
        // Silence can only speak where annotators saw the items and chose to say nothing; with hundreds of annotators
        // they were handed a few each.
        if votes.annotators() <= 150 {
            methods.extend([Method::SilentDawidSkene, Method::SilentLogOdds]);
        }
    }
    methods
}

/// Assesses methods, on gold if there is enough, else on hidden answers.
pub(crate) fn assess(
    votes: &Votes,
    gold: &Gold,
    methods: &[Method],
    settings: &Settings,
) -> (Basis, Vec<Assessment>, Vec<f64>) {
    if gold.len() >= ENOUGH_GOLD {
        let weights = gold.weights();
        return (Basis::Gold(gold.len()), on_gold(votes, gold, methods, settings), weights);
    }
    let methods: Vec<Method> = methods.iter().copied().filter(|method| !method.needs_gold()).collect();
    match on_answers(votes, gold, &methods, settings) {
        Some(found) => {
            let count = found.first().map_or(0, |first| first.losses.len());
            (Basis::HiddenAnswers(count), found, vec![1.0; count])
        }
        None => (Basis::Nothing, Vec::new(), Vec::new()),
    }
}

/// Weighs the methods and mixes their posteriors; returns those, the class prior and the reason.
pub(crate) fn automatic(votes: &Votes, gold: &Gold, settings: &Settings) -> (Vec<f32>, Vec<f64>, Choice) {
    let methods = candidates(votes, gold, settings);
    let (basis, assessments, weights) = assess(votes, gold, &methods, settings);
    let candidates = weigh(&basis, &assessments, &weights);
    let mixture = match basis {
        Basis::Gold(_) => of_the_mixture(gold, &assessments, &candidates, votes.classes()),
        Basis::HiddenAnswers(_) | Basis::Nothing => 1.0,
    };
    let reason = explain(&basis, &candidates);
    let choice = Choice { basis, candidates, temperature: 1.0 / mixture, reason };
    let (posterior, prior) = mix(votes, gold, settings, &choice, None);
    (posterior, prior, choice)
}

/// Runs the methods of a choice, from known posteriors if there are any, and mixes what they make; returns that and the
/// class prior.
pub(crate) fn mix(
    votes: &Votes,
    gold: &Gold,
    settings: &Settings,
    choice: &Choice,
    start: Option<&[f32]>,
) -> (Vec<f32>, Vec<f64>) {
    let classes = votes.classes();
    let mut posterior = vec![0f32; votes.decisions() * classes];
    let mut prior = vec![0.0; classes];
    let mut row = vec![0.0; classes];
    for candidate in choice.candidates.iter().filter(|candidate| candidate.weight > 0.0) {
        let one = estimate_from(votes, gold, candidate.method, settings, start);
        let factor = 1.0 / candidate.temperature;
        for (sum, share) in prior.iter_mut().zip(&one.prior) {
            *sum += candidate.weight * share;
        }
        for (from, into) in one.posterior.chunks_exact(classes.max(1)).zip(posterior.chunks_exact_mut(classes.max(1))) {
            temperature::apply(from, factor, &mut row);
            for (sum, share) in into.iter_mut().zip(&row) {
                *sum += (candidate.weight * share) as f32;
            }
        }
    }
    temperature::apply_all(&mut posterior, classes, 1.0 / choice.temperature);
    (posterior, prior)
}

/// The factor that suits the mixture of what the methods predicted for gold they were not shown: a mixture is less sure
/// than its parts.
fn of_the_mixture(gold: &Gold, assessments: &[Assessment], candidates: &[Candidate], classes: usize) -> f64 {
    let mut mixed = vec![0f32; gold.len() * classes];
    for candidate in candidates.iter().filter(|candidate| candidate.weight > 0.0) {
        let Some(one) = assessments.iter().find(|one| one.method == candidate.method) else { continue };
        for (sum, share) in mixed.iter_mut().zip(&one.held_out) {
            *sum += candidate.weight as f32 * share;
        }
    }
    let weights = gold.weights();
    let known = gold
        .entries()
        .iter()
        .zip(mixed.chunks_exact(classes))
        .zip(weights)
        .map(|((entry, row), weight)| temperature::Known { row, class: usize::from(entry.class), weight });
    temperature::fit(known.collect::<Vec<_>>().into_iter(), 8.0)
}

/// On gold, weights of `exp(-SHARPNESS x items x loss)`: methods that cannot be told apart share the work, and one that
/// is clearly better has it alone. On hidden answers, equal weights for all methods that did not collapse.
///
/// Hidden answers are not allowed to choose because they choose badly: they reward a model of what annotators have in
/// common, right or wrong. Over the development sets, weights by their likelihood gave a mean accuracy of .670, ever
/// flatter weights up to .701, equal weights .703, the best single method .696.
fn weigh(basis: &Basis, assessments: &[Assessment], weights: &[f64]) -> Vec<Candidate> {
    if assessments.is_empty() {
        return vec![Candidate {
            method: Method::Majority,
            loss: f64::NAN,
            behind: 0.0,
            error: f64::NAN,
            weight: 1.0,
            collapsed: false,
            temperature: 1.0,
        }];
    }
    let losses: Vec<f64> = assessments.iter().map(|one| one.loss(weights)).collect();
    let best = (0..losses.len()).fold(0, |best, place| {
        if !assessments[place].collapsed && losses[place] < losses[best] { place } else { best }
    });
    let sharpness = match basis {
        Basis::Gold(count) => SHARPNESS * *count as f64,
        Basis::HiddenAnswers(_) | Basis::Nothing => 0.0,
    };
    let raw: Vec<f64> = losses
        .iter()
        .zip(assessments)
        .map(|(loss, one)| if one.collapsed { 0.0 } else { (-(loss - losses[best]) * sharpness).exp() })
        .collect();
    let kept: Vec<f64> = raw.iter().map(|&weight| if weight < 0.02 { 0.0 } else { weight }).collect();
    let total: f64 = kept.iter().sum();
    // Should every method have collapsed, the first, which is majority, is the least harmful.
    let share = |place: usize| if total > 0.0 { kept[place] / total } else { f64::from(u8::from(place == 0)) };
    let mut candidates: Vec<Candidate> = assessments
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let differences: Vec<f64> =
                one.losses.iter().zip(&assessments[best].losses).map(|(mine, other)| mine - other).collect();
            let behind = mean(&differences, weights);
            let squares: f64 = differences
                .iter()
                .zip(weights)
                .map(|(difference, weight)| (weight * (difference - behind)).powi(2))
                .sum();
            Candidate {
                method: one.method,
                loss: losses[place],
                behind,
                error: squares.sqrt() / weights.iter().sum::<f64>(),
                weight: share(place),
                collapsed: one.collapsed,
                temperature: 1.0 / one.factor,
            }
        })
        .collect();
    candidates.sort_by(|left, right| left.loss.total_cmp(&right.loss));
    candidates
}

fn explain(basis: &Basis, candidates: &[Candidate]) -> String {
    let used: Vec<String> = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0.0)
        .map(|candidate| format!("{} {:.0} %", candidate.method.name(), candidate.weight * 100.0))
        .collect();
    let used = used.join(", ");
    let best = &candidates[0];
    let next = candidates.get(1).map_or(String::new(), |next| {
        format!(" (next: {} with {:.3}, {:.3} +- {:.3} behind)", next.method.name(), next.loss, next.behind, next.error)
    });
    match basis {
        Basis::Gold(count) => format!(
            "{used}: {} has the least cross-validated log-loss on {count} gold items, {:.3}{next}",
            best.method.name(),
            best.loss
        ),
        Basis::HiddenAnswers(count) => {
            let collapsed: Vec<&str> =
                candidates.iter().filter(|one| one.collapsed).map(|one| one.method.name()).collect();
            let without = if collapsed.is_empty() {
                String::new()
            } else {
                format!(", without {} (a class vanished)", collapsed.join(", "))
            };
            format!(
                "{used}: without gold, methods share the work in equal parts{without}; {} predicts {count} hidden \
                 answers best, log-loss {:.3}{next}, but an error that annotators share cannot be seen that way",
                best.method.name(),
                best.loss
            )
        }
        Basis::Nothing => format!(
            "{used}: with fewer than {ENOUGH_GOLD} gold items and fewer than 30 decisions answered twice, nothing \
             tells methods apart"
        ),
    }
}

/// Whether most votes come from annotators that hardly ever give more than one class, as labelling programs do.
fn one_sided(votes: &Votes) -> bool {
    let said = super::emission::said(votes);
    let mut alike = 0.0;
    for said in said.chunks_exact(votes.classes().max(1)) {
        let (total, most) = (said.iter().sum::<f64>(), said.iter().copied().fold(0.0, f64::max));
        if most >= 0.95 * total {
            alike += total;
        }
    }
    alike > 0.5 * said.iter().sum::<f64>()
}
