//! Comparisons in pairs: from "the left one is better" to a ranking with intervals.
//!
//! ```
//! use postil_core::pairs::{Comparisons, Outcome, Settings, rank};
//!
//! let mut comparisons = Comparisons::new(3, 2);
//! for (annotator, left, right, outcome) in
//!     [(0, 0, 1, Outcome::Left), (0, 1, 2, Outcome::Left), (1, 2, 0, Outcome::Right), (1, 1, 0, Outcome::Tie)]
//! {
//!     comparisons.push(left, right, annotator, outcome)?;
//! }
//! let ranking = rank(&comparisons, &Settings::default())?;
//! assert_eq!(ranking.order, [0, 1, 2]);
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! Strengths are on the scale of log odds: one that is stronger by 1 wins 73 % of the decided comparisons. They are known
//! up to a constant only, so they are given with mean zero.
//!
//! ```text
//! comparisons -> graph (who can be compared at all)
//!             -> bradley_terry (Newton) | noisy (L-BFGS) -> strengths with intervals -> ranking
//!             -> position (how often the left one wins)
//! ```

mod bradley_terry;
pub(crate) mod dense;
mod graph;
mod lbfgs;
mod noisy;
mod position;

use std::fmt;

use serde::Serialize;

pub use graph::Connection;
pub use noisy::NoisyModel;

use crate::error::{Error, Result};
use crate::measured::Measured;

/// What an annotator said about two contestants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The left one is better.
    Left,
    /// The right one is better.
    Right,
    /// Neither.
    Tie,
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparison {
    /// The contestant on the left.
    pub left: u32,
    /// The contestant on the right.
    pub right: u32,
    /// Who compared.
    pub annotator: u32,
    /// What was said.
    pub outcome: Outcome,
}

/// Comparisons of contestants by annotators.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    contestants: usize,
    annotators: usize,
    rows: Vec<Comparison>,
}

impl Comparisons {
    /// No comparisons yet, of so many contestants by so many annotators.
    pub const fn new(contestants: usize, annotators: usize) -> Self {
        Self { contestants, annotators, rows: Vec::new() }
    }

    /// Adds a comparison.
    ///
    /// # Errors
    /// A contestant or annotator that does not exist, or a contestant against itself.
    pub fn push(&mut self, left: u32, right: u32, annotator: u32, outcome: Outcome) -> Result<()> {
        let most = left.max(right) as usize;
        if most >= self.contestants {
            return Err(Error::input(format!("expected contestants below {}, found {most}", self.contestants)));
        }
        if annotator as usize >= self.annotators {
            return Err(Error::input(format!("expected annotators below {}, found {annotator}", self.annotators)));
        }
        if left == right {
            return Err(Error::input(format!("expected two contestants, found {left} against itself")));
        }
        self.rows.push(Comparison { left, right, annotator, outcome });
        Ok(())
    }

    /// How many contestants there are, compared or not.
    pub const fn contestants(&self) -> usize {
        self.contestants
    }

    /// How many annotators there are.
    pub const fn annotators(&self) -> usize {
        self.annotators
    }

    /// All comparisons in the order they were added.
    pub fn rows(&self) -> &[Comparison] {
        &self.rows
    }

    /// The same without ties.
    #[must_use]
    pub fn decided(&self) -> Self {
        let rows = self.rows.iter().copied().filter(|row| row.outcome != Outcome::Tie).collect();
        Self { rows, ..*self }
    }
}

/// A model of comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Bradley and Terry 1952: the odds of a win are the ratio of the strengths; a tie is half a win for each.
    #[default]
    BradleyTerry,
    /// Davidson 1970 (<https://doi.org/10.1080/01621459.1970.10481082>): ties have a probability of their own, largest
    /// between equals.
    Davidson,
    /// Each annotator judges by the strengths in a share of the comparisons and otherwise by side, with a leaning of its
    /// own; both are learnt.
    NoisyBradleyTerry,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::BradleyTerry, Self::Davidson, Self::NoisyBradleyTerry];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BradleyTerry => "bradley-terry",
            Self::Davidson => "davidson",
            Self::NoisyBradleyTerry => "noisy-bradley-terry",
        }
    }

    /// The method of a name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(|method| format!("`{}`", method.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How a ranking is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The model.
    pub method: Method,
    /// So many wins and as many losses against a made-up average contestant are added for each, which keeps strengths
    /// finite for one that always wins. With 0 the result is the plain maximum of the likelihood, where it exists.
    pub added: f64,
    /// Whether the left side has an advantage that is learnt along. The noisy model always learns one per annotator.
    pub position: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { method: Method::BradleyTerry, added: 0.25, position: true }
    }
}

/// One contestant's place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Its strength on the scale of log odds, relative to the mean of all.
    pub strength: Measured,
    /// `exp` of the strength, scaled so that all sum to one.
    pub share: f64,
    /// Wins, losses and ties.
    pub wins: u64,
    /// Comparisons it lost.
    pub losses: u64,
    /// Comparisons that were ties.
    pub ties: u64,
}

/// What was learnt about one annotator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnnotatorJudgement {
    /// Comparisons it made, ties included.
    pub comparisons: u64,
    /// The share of its decided comparisons in which the one with the greater strength won. Its own answers are among
    /// the evidence for the strengths.
    pub agrees: Measured,
    /// The share of its decided comparisons that the left one won.
    pub left_wins: Measured,
    /// In the noisy model, the share of comparisons it judges by strength.
    pub reliability: Measured,
    /// In the noisy model, the chance that it says left when it does not judge by strength.
    pub leaning: Measured,
}

/// Strengths, and what goes with them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The model.
    pub method: &'static str,
    /// Contestants from the strongest to the weakest; those never compared stand last.
    pub order: Vec<u32>,
    /// By contestant.
    pub standings: Vec<Standing>,
    /// By annotator.
    pub annotators: Vec<AnnotatorJudgement>,
    /// The share of decided comparisons that the left one won.
    pub left_wins: Measured,
    /// The chance of the left one among equals, as the model has it.
    pub left_among_equals: Measured,
    /// The chance of a tie among equals, in Davidson's model.
    pub tie_among_equals: Measured,
    /// Who can be compared at all.
    pub connection: Connection,
    /// Comparisons used, and ties among them.
    pub comparisons: u64,
    /// Ties among them.
    pub ties: u64,
    /// The natural logarithm of the likelihood, without what was added.
    pub log_likelihood: f64,
    /// The length of the gradient at the solution; near zero at a true maximum.
    pub gradient: f64,
    /// Whether the iteration settled.
    pub converged: bool,
}

/// Ranks contestants.
///
/// Intervals are normal on the log scale, from the curvature of the likelihood: they take every comparison as drawn by
/// itself, so they run narrow where the same few annotators judge the same few pairs. Time is sweeps x (comparisons +
/// contestants^3); memory is contestants^2.
///
/// # Errors
/// No comparisons; more than 4,000 contestants (the curvature would not fit); or, with nothing added, contestants that
/// only win or only lose or fall into groups that were never compared, whose strengths are then infinite or arbitrary.
pub fn rank(comparisons: &Comparisons, settings: &Settings) -> Result<Ranking> {
    if comparisons.rows.is_empty() {
        return Err(Error::input("expected at least one comparison, found none"));
    }
    if comparisons.contestants > MOST {
        return Err(Error::unavailable(format!(
            "expected at most {MOST} contestants, found {}",
            comparisons.contestants
        )));
    }
    if !(settings.added >= 0.0 && settings.added.is_finite()) {
        return Err(Error::task(format!("expected added comparisons of zero or more, found {}", settings.added)));
    }
    let connection = Connection::of(comparisons);
    if settings.added == 0.0 && connection.strong_groups > 1 {
        return Err(Error::input(format!(
            "expected that everyone can be reached from everyone by wins, found {} groups: some contestants only win or only lose",
            connection.strong_groups
        ))
        .hint("add a fraction of a win and a loss for each"));
    }
    let fitted = match settings.method {
        Method::BradleyTerry | Method::Davidson => bradley_terry::fit(comparisons, settings)?,
        Method::NoisyBradleyTerry => noisy::fit(comparisons, settings),
    };
    Ok(position::ranking(comparisons, settings, connection, &fitted))
}

/// Contestants whose curvature is kept as a dense table.
const MOST: usize = 4000;

/// What a model hands over.
struct Fitted {
    /// Strengths with mean zero over those that were compared.
    strengths: Vec<f64>,
    /// Their variances, where the curvature can be turned round.
    variances: Option<Vec<f64>>,
    /// The advantage of the left side in log odds, with its variance.
    advantage: Option<(f64, f64)>,
    /// The log of Davidson's tie parameter, with its variance.
    ties: Option<(f64, f64)>,
    /// By annotator: log odds of judging by strength and of leaning left, each with its variance.
    annotators: Vec<[(f64, f64); 2]>,
    log_likelihood: f64,
    gradient: f64,
    converged: bool,
}

/// `1 / (1 + exp(-x))` without overflow.
fn logistic(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// `ln logistic(x)` without underflow.
fn ln_logistic(x: f64) -> f64 {
    if x >= 0.0 { -(-x).exp().ln_1p() } else { x - x.exp().ln_1p() }
}
