//! Learning the weights of a chain.

use super::lbfgs::Stop;
use super::links::Links;
use super::prepare::Prepared;
use super::target::{EntityRatio, Target, check_all};
use super::{Constraints, Encoded, Lattice, Weights, adagrad, batch};
use crate::error::{Error, Result};

/// How the loss is made small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// Small steps after every few sentences, each weight with a step length of its own.
    Adagrad {
        /// Rounds over the data.
        epochs: usize,
        /// The length of the first step.
        rate: f64,
    },
    /// L-BFGS on the loss of all data, OWL-QN if there is an L1 penalty: to the minimum, at some five times the cost.
    Lbfgs {
        /// At most so many steps.
        steps: usize,
        /// Stop when ten steps lower the loss by less than this share.
        fall: f64,
    },
}

/// Learns the weights of a conditional random field.
///
/// The objective is the sum over sentences of weight times loss (see [`Target`]), plus `l1 * |w|_1 + l2 * |w|^2` and what
/// the [`EntityRatio`] says. The same data, settings and seed give the same bytes on any number of threads.
///
/// ```
/// use postil_student::chain::{Encoded, Layout, Links, Target, Trainer};
///
/// let layout = Layout::Bio { types: 1 };
/// let mut encoded = Encoded::new();
/// // Feature 0 marks names, feature 1 other words.
/// encoded.push_token(&[1]);
/// encoded.push_token(&[0]);
/// encoded.push_token(&[0]);
/// encoded.end_sentence();
/// let fitted = Trainer::default().fit(&encoded, &[Target::Hard(vec![0, 1, 2])], None, &layout.constraints(), 2)?;
/// let links = Links::new(&fitted.weights, &layout.constraints())?;
/// let (mut states, mut best) = (Vec::new(), Vec::new());
/// fitted.weights.score(&encoded, 0, &mut states);
/// links.best(&states, &mut best);
/// assert_eq!(best, [0, 1, 2]);
/// # Ok::<(), postil_student::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trainer {
    /// How the loss is made small.
    pub optimiser: Optimiser,
    /// The penalty on absolute weights of states, which makes most of them zero.
    pub l1: f64,
    /// The penalty on squared weights.
    pub l2: f64,
    /// Slots that occur less often get no weight.
    pub least_count: u32,
    /// A prior on how many tokens lie in entities.
    pub ratio: Option<EntityRatio>,
    /// Draws the order of the sentences.
    pub seed: u64,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            optimiser: Optimiser::Adagrad { epochs: 10, rate: 0.07 },
            l1: 0.0,
            l2: 0.01,
            least_count: 1,
            ratio: None,
            seed: 0,
        }
    }
}

/// What training came to.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The weights, for the slots as they were given.
    pub weights: Weights,
    /// How it went.
    pub progress: Progress,
}

/// How training went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// For AdaGrad the sum of the losses met in each round, penalties left out; for L-BFGS the objective before the first
    /// step and after each.
    pub losses: Vec<f64>,
    /// Whether the loss stopped falling; AdaGrad does not look.
    pub converged: bool,
    /// The sentences whose targets no sequence agrees with under the constraints; they were left out.
    pub left_out: Vec<usize>,
}

impl Trainer {
    /// Learns from sentences with a target each, and a weight each if given. The result has `slots` slots.
    ///
    /// # Errors
    /// Targets or weights that do not fit the sentences, labels that break the constraints, slots beyond `slots`, or no
    /// token at all.
    pub fn fit(
        &self,
        encoded: &Encoded,
        targets: &[Target],
        weights: Option<&[f32]>,
        constraints: &Constraints,
        slots: usize,
    ) -> Result<Fitted> {
        check_all(encoded, targets, weights, constraints)?;
        if encoded.slots() > slots {
            return Err(Error::input(format!("expected slots below {slots}, found {}", encoded.slots() - 1)));
        }
        let sound = |value: f64| value >= 0.0 && value.is_finite();
        if !(sound(self.l1) && sound(self.l2)) {
            let (l1, l2) = (self.l1, self.l2);
            return Err(Error::setting(format!("expected penalties of zero or more, found {l1} and {l2}")));
        }
        let left_out = impossible(encoded, targets, constraints)?;
        let kept;
        let mut kept_weights = weights;
        if !left_out.is_empty() {
            let mut all: Vec<f32> = weights.map_or_else(|| vec![1.0; targets.len()], <[f32]>::to_vec);
            for &sentence in &left_out {
                all[sentence] = 0.0;
            }
            kept = all;
            kept_weights = Some(&kept);
        }
        let data = Prepared::new(encoded, targets, kept_weights, self.least_count);
        let (compact, mut progress) = match self.optimiser {
            Optimiser::Adagrad { epochs, rate } => {
                if !(rate > 0.0 && rate.is_finite()) {
                    return Err(Error::setting(format!("expected a positive rate, found {rate}")));
                }
                adagrad::fit(&data, constraints, self, epochs, rate)?
            }
            Optimiser::Lbfgs { steps, fall } => batch::fit(&data, constraints, self, Stop { steps, fall })?,
        };
        progress.left_out = left_out;
        let labels = constraints.labels;
        let mut weights = Weights { state: vec![0.0; slots * labels], ..compact };
        for (row, &slot) in compact_rows(&compact.state, labels).zip(&data.slots) {
            weights.state[slot as usize * labels..][..labels].copy_from_slice(row);
        }
        Ok(Fitted { weights, progress })
    }
}

fn compact_rows(state: &[f32], labels: usize) -> impl Iterator<Item = &[f32]> {
    state.chunks_exact(labels)
}

/// The sentences whose targets contradict the constraints.
fn impossible(encoded: &Encoded, targets: &[Target], constraints: &Constraints) -> Result<Vec<usize>> {
    let links = Links::new(&Weights::zeros(0, constraints.labels), constraints)?;
    let mut lattice = Lattice::default();
    let mut found = Vec::new();
    for (sentence, target) in targets.iter().enumerate() {
        let states = vec![0.0; encoded.sentence(sentence).len() * constraints.labels];
        let possible = match target {
            // Checked before.
            Target::Hard(_) => true,
            Target::Soft(_) => lattice.fill(&links, &states, None),
            Target::Allowed(mask) => lattice.fill(&links, &states, Some(mask)),
        };
        if !possible {
            found.push(sentence);
        }
    }
    Ok(found)
}
