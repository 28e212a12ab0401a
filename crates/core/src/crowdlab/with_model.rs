//! Dawid and Skene with a model in place of the class prior.

use super::{check, tally};
use crate::error::Result;
use crate::label_errors::Probabilities;
use crate::random::Random;
use crate::task::Class;
use crate::votes::{Gold, Votes};

/// How much the model may count for, as tried: the power that its probabilities are raised to.
const WEIGHTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Answers of the typical annotator that are added to each row of a confusion matrix.
const ADDED: f64 = 2.0;

/// How the fit is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelSettings {
    /// The power of the model's probabilities, from 0 (left out) to 1; `None` tries several and takes the one under which
    /// hidden answers are likeliest.
    pub weight: Option<f64>,
    /// At most so many sweeps.
    pub sweeps: usize,
    /// Stop when a sweep gains less than this per answer.
    pub tolerance: f64,
    /// Chooses the answers that are hidden.
    pub seed: u64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { weight: None, sweeps: 100, tolerance: 1e-6, seed: 0 }
    }
}

/// What was fitted.
#[derive(Clone, Debug)]
pub struct WithModel {
    /// Classes.
    pub classes: usize,
    /// The likeliest class of each decision, the first of equals.
    pub labels: Vec<Class>,
    /// The probability of each class, `classes` numbers per decision, summing to one.
    pub posterior: Vec<f64>,
    /// Per annotator `classes x classes`: the probability of each answer given the true class of the row.
    pub confusion: Vec<f64>,
    /// The share of each class.
    pub prior: Vec<f64>,
    /// The power of the model's probabilities.
    pub weight: f64,
    /// The weights that were tried, with the mean log-loss of the hidden answers; empty if the weight was given.
    pub tried: Vec<(f64, f64)>,
    /// The objective before each sweep: never falling.
    pub objective: Vec<f64>,
}

/// Fits annotators and decisions together, the model's probabilities held fixed.
///
/// `T_i[j]` in proportion to `p_j^(1-w) f_ij^w prod pi^a[j, l]`, confusion matrices from expected counts with
/// [`ADDED`](self) answers per row of the typical annotator's, in turn until nothing is gained. It assumes, beside what
/// Dawid and Skene do, that the model errs independently of the annotators given the true class; a model trained on
/// their majority does not quite, which is why its weight is chosen by hidden answers. Gold decisions are taken for
/// known throughout.
///
/// # Errors
/// As for [`fit`](super::fit), or gold about decisions or classes that do not exist.
pub fn fit_with_model(
    votes: &Votes,
    gold: &Gold,
    model: Probabilities<'_>,
    settings: &ModelSettings,
) -> Result<WithModel> {
    check(votes, &[model])?;
    gold.check(votes.decisions(), votes.classes())?;
    let (weight, tried) = match settings.weight {
        Some(weight) => (weight.clamp(0.0, 1.0), Vec::new()),
        None => choose(votes, gold, model, settings),
    };
    let mut fitted = iterate(votes, gold, model, weight, settings);
    fitted.tried = tried;
    Ok(fitted)
}

/// Hides one answer of each decision that has two or more and asks which weight makes them likeliest.
fn choose(votes: &Votes, gold: &Gold, model: Probabilities<'_>, settings: &ModelSettings) -> (f64, Vec<(f64, f64)>) {
    let hidden: Vec<Option<usize>> = (0..votes.decisions())
        .map(|decision| {
            let support = votes.support(decision);
            let mut random = Random::new(settings.seed ^ votes.key(decision) ^ 0x6869_6464_656e);
            (support >= 2).then(|| random.below(support))
        })
        .collect();
    let (mut current, mut place) = (usize::MAX, 0);
    let seen = votes.retain(|decision, _| {
        place = if decision == current { place + 1 } else { 0 };
        current = decision;
        hidden[decision] != Some(place)
    });
    let answers: Vec<(usize, u32, Class)> = hidden
        .iter()
        .enumerate()
        .filter_map(|(decision, place)| {
            let vote = votes.of(decision).nth((*place)?)?;
            Some((decision, vote.annotator, vote.class))
        })
        .collect();
    if answers.is_empty() {
        return (1.0, Vec::new());
    }
    let classes = votes.classes();
    let tried: Vec<(f64, f64)> = WEIGHTS
        .iter()
        .map(|&weight| {
            let fitted = iterate(&seen, gold, model, weight, settings);
            let loss: f64 = answers
                .iter()
                .map(|&(decision, annotator, class)| {
                    let start = annotator as usize * classes * classes;
                    let row = &fitted.posterior[decision * classes..][..classes];
                    let likely: f64 = (0..classes)
                        .map(|truth| row[truth] * fitted.confusion[start + truth * classes + usize::from(class)])
                        .sum();
                    -likely.max(1e-12).ln()
                })
                .sum();
            (weight, loss / answers.len() as f64)
        })
        .collect();
    let best = tried.iter().min_by(|left, right| left.1.total_cmp(&right.1)).map_or(1.0, |one| one.0);
    (best, tried)
}

fn iterate(votes: &Votes, gold: &Gold, model: Probabilities<'_>, weight: f64, settings: &ModelSettings) -> WithModel {
    let (classes, decisions, annotators) = (votes.classes(), votes.decisions(), votes.annotators());
    let size = classes * classes;
    let logs: Vec<f64> = (0..decisions)
        .flat_map(|decision| (0..classes).map(move |class| (decision, class)))
        .map(|(decision, class)| weight * model.value(decision, class).max(1e-9).ln())
        .collect();
    let mut posterior = vec![0.0; decisions * classes];
    for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
        let total = tally(votes, decision, row);
        // The model has a vote in the first guess, in the place of a flat one.
        for (class, value) in row.iter_mut().enumerate() {
            *value = (*value + weight * model.value(decision, class) + (1.0 - weight) / classes as f64) / (total + 1.0);
        }
    }
    clamp(&mut posterior, gold, classes);
    let typical = typical(votes, &posterior);
    let mut confusion = vec![0.0; annotators * size];
    let mut prior = vec![1.0 / classes as f64; classes];
    let mut objective: Vec<f64> = Vec::new();
    let mut log_confusion = vec![0.0; annotators * size];
    for _ in 0..settings.sweeps.max(1) {
        // Maximise: counts, with those of the typical annotator added.
        confusion.chunks_exact_mut(size.max(1)).for_each(|matrix| {
            matrix.iter_mut().zip(&typical).for_each(|(to, from)| *to = ADDED * from);
        });
        prior.fill(1.0);
        for decision in 0..decisions {
            let row = &posterior[decision * classes..][..classes];
            prior.iter_mut().zip(row).for_each(|(to, from)| *to += from);
            for vote in votes.of(decision) {
                let start = vote.annotator as usize * size + usize::from(vote.class);
                for (truth, share) in row.iter().enumerate() {
                    confusion[start + truth * classes] += f64::from(vote.weight) * share;
                }
            }
        }
        let total: f64 = prior.iter().sum();
        for share in &mut prior {
            *share /= total;
        }
        let mut value = prior.iter().map(|share| (1.0 - weight) * share.ln()).sum::<f64>();
        for (number, row) in confusion.chunks_exact_mut(classes).enumerate() {
            let total: f64 = row.iter().sum();
            let logs = &mut log_confusion[number * classes..][..classes];
            let added = &typical[number % classes * classes..][..classes];
            for ((share, log), added) in row.iter_mut().zip(logs).zip(added) {
                *share /= total;
                *log = share.max(1e-10).ln();
                value += ADDED * added * *log;
            }
        }
        // Expect.
        let log_prior: Vec<f64> = prior.iter().map(|share| (1.0 - weight) * share.ln()).collect();
        for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
            row.iter_mut().zip(&log_prior).zip(&logs[decision * classes..]).for_each(|((to, a), b)| *to = a + b);
            for vote in votes.of(decision) {
                let start = vote.annotator as usize * size + usize::from(vote.class);
                for (truth, to) in row.iter_mut().enumerate() {
                    *to += f64::from(vote.weight) * log_confusion[start + truth * classes];
                }
            }
            if let Some(class) = gold.class(decision as u32) {
                value += row[usize::from(class)];
                continue;
            }
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut total = 0.0;
            for entry in row.iter_mut() {
                *entry = (*entry - top).exp();
                total += *entry;
            }
            for entry in row.iter_mut() {
                *entry /= total;
            }
            value += top + total.ln();
        }
        clamp(&mut posterior, gold, classes);
        let gained = objective.last().is_none_or(|before| value - before > settings.tolerance * votes.len() as f64);
        objective.push(value);
        if !gained {
            break;
        }
    }
    let labels = posterior.chunks_exact(classes).map(|row| super::greatest(row) as Class).collect();
    WithModel { classes, labels, posterior, confusion, prior, weight, tried: Vec::new(), objective }
}

fn clamp(posterior: &mut [f64], gold: &Gold, classes: usize) {
    for entry in gold.entries() {
        let row = &mut posterior[entry.decision as usize * classes..][..classes];
        row.fill(0.0);
        row[usize::from(entry.class)] = 1.0;
    }
}

/// The confusion matrix of all annotators together under the first guess, with half an answer per cell.
fn typical(votes: &Votes, posterior: &[f64]) -> Vec<f64> {
    let classes = votes.classes();
    let mut typical = vec![0.5; classes * classes];
    for decision in 0..votes.decisions() {
        let row = &posterior[decision * classes..][..classes];
        for vote in votes.of(decision) {
            for (truth, share) in row.iter().enumerate() {
                typical[truth * classes + usize::from(vote.class)] += f64::from(vote.weight) * share;
            }
        }
    }
    for row in typical.chunks_exact_mut(classes) {
        let total: f64 = row.iter().sum();
        for share in row.iter_mut() {
            *share /= total;
        }
    }
    typical
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::votes::VotesBuilder;

    /// Noisy annotators, two answers per item, and a model that is right in four of five cases.
    fn simulated() -> (Votes, Vec<Class>, Vec<f64>) {
        let mut random = Random::new(21);
        let mut builder = VotesBuilder::new(3);
        let (mut truth, mut model) = (Vec::new(), Vec::new());
        for item in 0..600u32 {
            let class = random.below(3);
            truth.push(class as Class);
            for _ in 0..2 {
                let annotator = random.below(12);
                let right = random.unit() < 0.5 + 0.04 * annotator as f64;
                let said = if right { class } else { (class + 1 + random.below(2)) % 3 };
                builder.push(item, annotator as u32, said as Class).unwrap();
            }
            let says = if random.unit() < 0.8 { class } else { (class + 1) % 3 };
            model.extend((0..3).map(|k| if k == says { 0.8 } else { 0.1 }));
        }
        (builder.build(600, 12).unwrap(), truth, model)
    }

    #[test]
    fn the_model_helps_and_the_objective_never_falls() {
        let (votes, truth, model) = simulated();
        let right = |labels: &[Class]| labels.iter().zip(&truth).filter(|(label, truth)| label == truth).count();
        let fit = |weight| {
            let settings = ModelSettings { weight, ..ModelSettings::default() };
            fit_with_model(&votes, &Gold::none(), Probabilities::double(&model, 3).unwrap(), &settings).unwrap()
        };
        let (without, with) = (fit(Some(0.0)), fit(None));
        assert!(
            right(&with.labels) > right(&without.labels) + 20,
            "{} {}",
            right(&with.labels),
            right(&without.labels)
        );
        assert!(with.weight >= 0.5, "{:?}", with.tried);
        for fitted in [&without, &with] {
            assert!(fitted.objective.windows(2).all(|pair| pair[1] >= pair[0] - 1e-7), "{:?}", fitted.objective);
        }
    }

    #[test]
    fn a_useless_model_is_given_up_and_gold_stays() {
        let (votes, truth, _) = simulated();
        let mut random = Random::new(2);
        let useless: Vec<f64> = (0..600)
            .flat_map(|_| {
                let says = random.below(3);
                (0..3).map(move |k| if k == says { 0.9 } else { 0.05 })
            })
            .collect();
        let gold = Gold::of((0..50).map(|item| (item, truth[item as usize]))).unwrap();
        let probabilities = Probabilities::double(&useless, 3).unwrap();
        let fitted = fit_with_model(&votes, &gold, probabilities, &ModelSettings::default()).unwrap();
        assert!(fitted.weight <= 0.25, "{:?}", fitted.tried);
        assert!(truth[..50] == fitted.labels[..50]);
    }
}
