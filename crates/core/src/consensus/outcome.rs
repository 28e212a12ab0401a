//! From posteriors to labels, with everything a reader should be told about them.

use std::fmt;

use super::choose::Choice;
use super::duplicates::NearDuplicate;
use super::float::Float;
use super::majority;
use super::method::Method;
use super::reliability::{Reliability, judge};
use super::sweep::counts_given;
use super::{Settings, Unanimous};
use crate::random::Random;
use crate::task::Class;
use crate::votes::{Gold, Votes};

/// Posteriors closer than this are a tie.
const ALIKE: f64 = 1e-6;

/// Confusion matrices are kept up to this many numbers.
const MOST_CONFUSION: usize = 16_000_000;

/// A posterior per decision and a reliability per annotator.
#[derive(Clone, Debug)]
pub struct Consensus {
    /// How it was made.
    pub method: Method,
    /// The number of classes.
    pub classes: usize,
    /// The probability of each class, `classes` numbers per decision, summing to one; the class prior where nobody
    /// voted.
    pub posterior: Vec<f32>,
    /// The likeliest class of each decision. A tie goes to the class with the larger prior, then to a class drawn by the
    /// seed and the decision's key.
    pub labels: Vec<Class>,
    /// The decisions with votes whose likeliest class was a tie.
    pub tied: Vec<u32>,
    /// How many decisions have no vote.
    pub silent: usize,
    /// The unanimous decisions (two or more votes, all equal) where the method's likeliest class is another. Their label
    /// is the method's under [`Unanimous::Flag`] and the voters' under [`Unanimous::Keep`].
    pub overturned: Vec<u32>,
    /// How many decisions are unanimous.
    pub unanimous: usize,
    /// The share of each class.
    pub prior: Vec<f64>,
    /// Each annotator's reliability.
    pub annotators: Vec<Reliability>,
    /// The objective before each sweep, for a single iterative method: never falling, but for the pooled prior, which
    /// moves.
    pub objective: Vec<f64>,
    /// What the logarithms of the posteriors were divided by; 1 if they were left alone, and for a mixture, where each
    /// method has its own.
    pub temperature: f64,
    /// How many gold decisions took part.
    pub gold_used: usize,
    /// Why the automatic method did what it did.
    pub choice: Option<Choice>,
    /// What to be wary of.
    pub warnings: Vec<Warning>,
    confusion: Option<Vec<f32>>,
}

/// Something to be wary of.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// An annotator gives nearly always one class, and that tells nothing.
    NearConstant {
        /// Who.
        annotator: u32,
        /// The class.
        class: Class,
        /// Its share of the annotator's answers.
        share: f64,
    },
    /// Some annotators repeat each other; they share a vote.
    NearDuplicates {
        /// The pairs, closest first.
        pairs: Vec<NearDuplicate>,
    },
    /// The method went against many clear majorities: three quarters of the votes or more, two votes or more.
    ManyOverturned {
        /// How many it went against.
        overturned: usize,
        /// How many there are.
        of: usize,
    },
    /// A class that annotators use has all but vanished from the posteriors.
    Collapsed {
        /// The class.
        class: Class,
        /// Its share of the votes.
        votes: f64,
        /// Its share of the posteriors.
        posterior: f64,
    },
    /// The iteration was stopped before it settled.
    NotConverged {
        /// After so many sweeps.
        sweeps: usize,
    },
    /// There is gold, too little of it to choose or calibrate by.
    LittleGold {
        /// How much.
        found: usize,
        /// How much is enough.
        enough: usize,
    },
    /// Too few gold items, and too few decisions with two annotators, to calibrate by.
    NotCalibrated,
    /// Annotators answered about the same decision more than once.
    Repeated {
        /// Answers beyond the first.
        repeated: usize,
        /// How many of those were put aside.
        dropped: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NearConstant { annotator, class, share } => write!(
                out,
                "annotator {annotator} says class {class} in {:.1} % of its answers, whatever the truth",
                share * 100.0
            ),
            Self::NearDuplicates { pairs } => {
                write!(out, "{} pairs of annotators repeat each other", pairs.len())?;
                if let Some(first) = pairs.first() {
                    write!(out, ", such as {} and {}", first.annotators.0, first.annotators.1)?;
                }
                write!(out, "; they share a vote")
            }
            Self::ManyOverturned { overturned, of } => {
                write!(out, "the method goes against {overturned} of {of} clear majorities")
            }
            Self::Collapsed { class, votes, posterior } => write!(
                out,
                "class {class} has {:.1} % of the votes and {:.1} % of the posteriors",
                votes * 100.0,
                posterior * 100.0
            ),
            Self::NotConverged { sweeps } => write!(out, "stopped after {sweeps} sweeps without settling"),
            Self::LittleGold { found, enough } => {
                write!(out, "{found} gold items are too few to choose and calibrate by; {enough} are enough")
            }
            Self::NotCalibrated => write!(out, "the posteriors are not calibrated: nothing to calibrate them by"),
            Self::Repeated { repeated, dropped } => {
                write!(out, "{repeated} answers repeat an annotator's answer; {dropped} of them were put aside")
            }
        }
    }
}

impl Consensus {
    /// One decision's posterior.
    ///
    /// # Panics
    /// If there is no such decision.
    pub fn of(&self, decision: usize) -> &[f32] {
        &self.posterior[decision * self.classes..][..self.classes]
    }

    /// The probability of one decision's label.
    pub fn confidence(&self, decision: usize) -> f32 {
        self.of(decision)[usize::from(self.labels[decision])]
    }

    /// An annotator's confusion matrix, `classes x classes` by rows: the probability of each answer given the true class
    /// of the row. Estimated from the posteriors whatever the method, with one answer per row added, spread as the
    /// annotator answers at large. `None` for task of so many classes and annotators that it would not be kept.
    pub fn confusion(&self, annotator: usize) -> Option<&[f32]> {
        let size = self.classes * self.classes;
        Some(&self.confusion.as_ref()?[annotator * size..][..size])
    }

    /// Gives gold decisions their gold class and certainty.
    #[must_use]
    pub fn with_gold(mut self, gold: &Gold) -> Self {
        for entry in gold.entries() {
            let decision = entry.decision as usize;
            self.labels[decision] = entry.class;
            let row = &mut self.posterior[decision * self.classes..][..self.classes];
            row.fill(0.0);
            row[usize::from(entry.class)] = 1.0;
        }
        let known = |decision: &u32| gold.class(*decision).is_some();
        self.tied.retain(|decision| !known(decision));
        self.overturned.retain(|decision| !known(decision));
        self
    }
}

/// What a method hands over.
pub(crate) struct Made {
    pub(crate) method: Method,
    pub(crate) posterior: Vec<f32>,
    pub(crate) prior: Vec<f64>,
    pub(crate) objective: Vec<f64>,
    pub(crate) temperature: f64,
    pub(crate) choice: Option<Choice>,
    pub(crate) warnings: Vec<Warning>,
}

/// Draws labels from posteriors and looks at them from all sides.
pub(crate) fn finish(votes: &Votes, gold: &Gold, settings: &Settings, made: Made) -> Consensus {
    let Made { method, mut posterior, prior, objective, temperature, choice, mut warnings } = made;
    let classes = votes.classes();
    let vote_shares = majority::prior(votes);
    let (mut tied, mut overturned) = (Vec::new(), Vec::new());
    let (mut silent, mut unanimous, mut clear, mut clear_overturned) = (0, 0, 0, 0);
    let mut labels = Vec::with_capacity(votes.decisions());
    let mut shares = vec![0.0; classes];
    for (decision, row) in posterior.chunks_exact_mut(classes).enumerate() {
        let (mut label, mut tie) = pick(row, &prior, votes.key(decision), settings.seed);
        let support = votes.support(decision);
        if support == 0 {
            silent += 1;
            labels.push(label as Class);
            continue;
        }
        let (agree, all) = (agreement(votes, decision, label), majority::total(votes, decision));
        let enough = support >= 2;
        if agree >= 0.75 * all - 1e-6 {
            clear += usize::from(enough);
            unanimous += usize::from(enough && agree >= all - 1e-6);
        } else if !leads(votes, decision, label, agree) {
            majority::shares(votes, decision, &vote_shares, 0.0, &mut shares);
            let (top, level) = pick(&shares, &prior, votes.key(decision), settings.seed);
            if method == Method::Majority {
                // Smoothing and temperature part what the votes left tied.
                (label, tie) = (top, level);
            }
            let against = top != label;
            if enough && shares[top] >= 0.75 - 1e-6 {
                clear += 1;
                clear_overturned += usize::from(against);
            }
            if enough && shares[top] >= 1.0 - 1e-6 {
                unanimous += 1;
                overturned.push(decision as u32);
                if settings.unanimous == Unanimous::Keep {
                    label = top;
                    majority::shares(votes, decision, &vote_shares, majority::SMOOTHING, &mut shares);
                    for (to, &from) in row.iter_mut().zip(&shares) {
                        *to = from as f32;
                    }
                }
            }
        }
        if tie {
            tied.push(decision as u32);
        }
        labels.push(label as Class);
    }
    if clear_overturned * 10 > clear {
        warnings.push(Warning::ManyOverturned { overturned: clear_overturned, of: clear });
    }
    if votes.repeated() > 0 {
        warnings.push(Warning::Repeated { repeated: votes.repeated(), dropped: votes.dropped() });
    }

    let counts = counts_given(votes, &posterior, false);
    let voted = (votes.decisions() - silent) as f64;
    for (class, (&said, total)) in vote_shares.iter().zip(&counts.totals).enumerate() {
        let share = total / voted.max(1.0);
        if share < 0.25 * said.min(1.0 / classes as f64) && !votes.is_empty() {
            warnings.push(Warning::Collapsed { class: class as Class, votes: said, posterior: share });
        }
    }
    let annotators = judge(votes, gold, &counts, &prior);
    for (annotator, one) in annotators.iter().enumerate().filter(|(_, one)| one.near_constant) {
        let (class, share) = one.favourite;
        warnings.push(Warning::NearConstant { annotator: annotator as u32, class, share });
    }
    let confusion = (votes.annotators() * classes * classes <= MOST_CONFUSION).then(|| {
        let mut confusion = Vec::with_capacity(votes.annotators() * classes * classes);
        for annotator in 0..votes.annotators() {
            let row = |label: usize| counts.row(annotator * classes + label, classes);
            let total: f64 = (0..classes).map(|label| row(label).iter().sum::<f64>()).sum();
            let habit: Vec<f64> = (0..classes)
                .map(|label| (row(label).iter().sum::<f64>() + 1.0 / classes as f64) / (total + 1.0))
                .collect();
            for truth in 0..classes {
                let sum: f64 = (0..classes).map(|label| row(label)[truth]).sum();
                confusion.extend((0..classes).map(|label| ((row(label)[truth] + habit[label]) / (sum + 1.0)) as f32));
            }
        }
        confusion
    });
    Consensus {
        method,
        classes,
        posterior,
        labels,
        tied,
        silent,
        overturned,
        unanimous,
        prior,
        annotators,
        objective,
        temperature,
        gold_used: if method == Method::Majority { 0 } else { gold.len() },
        choice,
        warnings,
        confusion,
    }
}

/// The weight of the votes for one class.
fn agreement(votes: &Votes, decision: usize, label: usize) -> f64 {
    let range = votes.range(decision);
    let codes = &votes.codes()[range.clone()];
    let says = |code: u32| votes.class_of(code) == label;
    match votes.weights() {
        None => codes.iter().map(|&code| u32::from(says(code))).sum::<u32>().into(),
        Some(weights) => codes
            .iter()
            .zip(&weights[range])
            .filter(|(code, _)| says(**code))
            .map(|(_, &weight)| f64::from(weight))
            .sum(),
    }
}

/// Whether every other class has fewer votes; `false` also where finding out is as much work as counting.
fn leads(votes: &Votes, decision: usize, label: usize, agree: f64) -> bool {
    let codes = &votes.codes()[votes.range(decision)];
    if votes.weights().is_some() || codes.len() > 8 {
        return false;
    }
    let mut classes = [usize::MAX; 8];
    for (class, &code) in classes.iter_mut().zip(codes) {
        *class = votes.class_of(code);
    }
    let classes = &classes[..codes.len()];
    let rivals = |class: usize| classes.iter().map(|&other| u32::from(other == class)).sum::<u32>();
    classes.iter().all(|&class| class == label || f64::from(rivals(class)) < agree)
}

/// The likeliest class, and whether it was a tie: then the class with the larger prior, then one drawn by the seed and
/// the key.
fn pick<F: Float>(row: &[F], prior: &[f64], key: u64, seed: u64) -> (usize, bool) {
    let (fours, rest) = row.as_chunks::<4>();
    let greater = |left: F, right: F| if left > right { left } else { right };
    let four =
        fours.iter().fold([F::NOWHERE; 4], |top, four| std::array::from_fn(|lane| greater(top[lane], four[lane])));
    let top = four.iter().chain(rest).fold(F::NOWHERE, |top, &share| greater(top, share));
    let least = top - F::from_f64(ALIKE);
    let (mut found, mut places) = (0, 0);
    for (class, &share) in row.iter().enumerate() {
        found += usize::from(share >= least);
        places += if share >= least { class } else { 0 };
    }
    if found == 1 {
        return (places, false);
    }
    let draw = |class: usize| Random::new(seed ^ key ^ ((class as u64) << 48)).next();
    let mut tied = (0..row.len()).filter(|&class| row[class] >= least);
    let first = tied.next().unwrap_or_default();
    let chosen = tied.fold(first, |chosen, class| {
        let alike = (prior[class] - prior[chosen]).abs() <= 1e-9;
        let better = if alike { draw(class) > draw(chosen) } else { prior[class] > prior[chosen] };
        if better { class } else { chosen }
    });
    (chosen, true)
}
