//! Who should answer next, so that the answers cover the perspectives there are (after van der Meer et al. 2024,
//! annotator-centric active learning, <https://arxiv.org/abs/2404.15720>).

use std::fmt;

use serde::Serialize;

use super::metrics::jensen_shannon;
use crate::error::{Error, Result};
use crate::random::Random;
use crate::task::Class;

/// How the next annotator of an item is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// At random.
    #[default]
    Random,
    /// The one whose answers so far differ most from those the item has.
    LabelDiversity,
    /// The one who gave the rarest label most often.
    LabelMinority,
    /// The one who differs from common co-annotators most unlike those who answered the item.
    Representation,
}

impl Strategy {
    /// All strategies, random first.
    pub const ALL: [Self; 4] = [Self::Random, Self::LabelDiversity, Self::LabelMinority, Self::Representation];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::LabelDiversity => "label-diversity",
            Self::LabelMinority => "label-minority",
            Self::Representation => "representation",
        }
    }

    /// The strategy of a name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(|strategy| format!("`{}`", strategy.name())).join(", ");
            Error::task(format!("expected one of {names}, found `{name}`"))
        })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What annotators answered so far.
#[derive(Clone, Debug)]
pub struct History {
    classes: usize,
    /// Answers by annotator and class.
    labels: Vec<f64>,
    /// Sums of own answer less the other's, by annotator and class, over pairs of answers about an item.
    apart: Vec<f64>,
    pairs: Vec<f64>,
    pooled: Vec<f64>,
}

/// Answers of a newcomer that its own are mixed with, spread as all answers are.
const SHRINK: f64 = 5.0;

impl History {
    /// No answers yet.
    pub fn new(annotators: usize, classes: usize) -> Self {
        Self {
            classes,
            labels: vec![0.0; annotators * classes],
            apart: vec![0.0; annotators * classes],
            pairs: vec![0.0; annotators],
            pooled: vec![0.0; classes],
        }
    }

    /// Adds an answer about an item that has these answers already.
    ///
    /// # Panics
    /// If there is no such annotator or class.
    pub fn add(&mut self, annotator: u32, class: Class, before: &[(u32, Class)]) {
        let place = |who: u32, class: Class| who as usize * self.classes + usize::from(class);
        self.labels[place(annotator, class)] += 1.0;
        self.pooled[usize::from(class)] += 1.0;
        for &(other, said) in before {
            self.pairs[annotator as usize] += 1.0;
            self.pairs[other as usize] += 1.0;
            if said != class {
                for (who, own, others) in [(annotator, class, said), (other, said, class)] {
                    self.apart[place(who, own)] += 1.0;
                    self.apart[place(who, others)] -= 1.0;
                }
            }
        }
    }

    /// The shares of an annotator's labels, shrunk to those of all.
    fn habit(&self, annotator: u32) -> Vec<f64> {
        let row = &self.labels[annotator as usize * self.classes..][..self.classes];
        let (own, all) = (row.iter().sum::<f64>(), self.pooled.iter().sum::<f64>());
        row.iter()
            .zip(&self.pooled)
            .map(|(label, pooled)| {
                let share = if all > 0.0 { pooled / all } else { 1.0 / self.classes as f64 };
                (label + SHRINK * share) / (own + SHRINK)
            })
            .collect()
    }

    /// How an annotator's answers differ from others' about the same items, class by class, shrunk to no difference.
    fn stance(&self, annotator: u32) -> impl Iterator<Item = f64> + '_ {
        let row = &self.apart[annotator as usize * self.classes..][..self.classes];
        let pairs = self.pairs[annotator as usize] + SHRINK;
        row.iter().map(move |sum| sum / pairs)
    }

    /// The label given least often, of those given at all.
    fn minority(&self) -> Option<usize> {
        (0..self.classes)
            .filter(|&class| self.pooled[class] > 0.0)
            .min_by(|&left, &right| self.pooled[left].total_cmp(&self.pooled[right]))
    }
}

/// An item whose next annotator is to be picked.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// Who could answer.
    pub annotators: &'a [u32],
    /// Who answered what so far.
    pub answered: &'a [(u32, Class)],
}

/// Picks the next annotator, as a position in [`Candidates::annotators`]; `None` if there is nobody. Equals are drawn from.
pub fn choose_annotator(
    strategy: Strategy,
    history: &History,
    item: &Candidates<'_>,
    random: &mut Random,
) -> Option<usize> {
    if item.annotators.is_empty() {
        return None;
    }
    // Drawn in any case, so that strategies differ by their choices and not by the stream.
    let first = random.below(item.annotators.len());
    let score: Box<dyn Fn(u32) -> f64> = match strategy {
        Strategy::Random => return Some(first),
        Strategy::LabelMinority => {
            let Some(rare) = history.minority() else { return Some(first) };
            Box::new(move |annotator| history.habit(annotator)[rare])
        }
        Strategy::LabelDiversity => {
            if item.answered.is_empty() {
                return Some(first);
            }
            let mut said = vec![0.0; history.classes];
            for &(_, class) in item.answered {
                said[usize::from(class)] += 1.0 / item.answered.len() as f64;
            }
            Box::new(move |annotator| jensen_shannon(&history.habit(annotator), &said))
        }
        Strategy::Representation => {
            if item.answered.is_empty() {
                return Some(first);
            }
            Box::new(move |annotator| {
                let distance = |other: u32| {
                    history
                        .stance(annotator)
                        .zip(history.stance(other))
                        .map(|(a, b)| (a - b).powi(2))
                        .sum::<f64>()
                        .sqrt()
                };
                item.answered.iter().map(|&(other, _)| distance(other)).sum()
            })
        }
    };
    let count = item.annotators.len();
    let places = (0..count).map(|step| (first + step) % count);
    places
        .map(|place| (place, score(item.annotators[place])))
        .reduce(|best, next| if next.1 > best.1 + 1e-12 { next } else { best })
        .map(|best| best.0)
}
