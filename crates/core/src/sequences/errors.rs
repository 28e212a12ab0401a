//! Label errors of spans: which given spans are probably wrong, and where some are probably missing.
//!
//! A model that has not seen an item says which spans it believes in, and how likely each given span is. What differs is a
//! suspect, with a reason. Where it can be told, so is what the same words are called elsewhere: a name that is a place
//! forty times and nothing once is a suspect that no model of single sentences can name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input::TokenSpan;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// What is given for an item and what a model that has not seen it believes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanBelief {
    /// The given spans, with the model's probability of exactly each.
    pub given: Vec<(TokenSpan, f32)>,
    /// The model's spans, with their probabilities.
    pub believed: Vec<(TokenSpan, f32)>,
    /// The words of the item, if what the same words are called elsewhere shall count; empty otherwise.
    pub words: Vec<String>,
}

/// What is probably wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanError {
    /// There is a span where none is given.
    Missed,
    /// The span is there and of another type.
    WrongType,
    /// The span begins or ends elsewhere.
    WrongBoundary,
    /// There is no such span.
    Spurious,
}

impl SpanError {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::WrongType => "wrong type",
            Self::WrongBoundary => "wrong boundary",
            Self::Spurious => "spurious",
        }
    }
}

/// One suspect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SpanSuspect {
    /// The item.
    pub item: u32,
    /// What is probably wrong.
    pub reason: SpanError,
    /// The given span; none if one was missed.
    pub given: Option<TokenSpan>,
    /// The span to put in its place; none if there is none.
    pub suggested: Option<TokenSpan>,
    /// From 0 to 1, how much the model and the same words elsewhere speak for an error: an order to look in, and no
    /// probability.
    pub score: f64,
    /// How often the same words are called as given, and as they are called most, elsewhere; zeros without words.
    pub elsewhere: (u32, u32),
}

/// The suspects of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct SpanErrors {
    /// The worst first.
    pub suspects: Vec<SpanSuspect>,
    /// Given spans.
    pub given: usize,
    /// How many spans the model would have otherwise, by its own probabilities. No estimate of errors: a model is often
    /// sure and wrong where it disagrees with what is given (on CleanCoNLL's corrections, of the first hundred suspects it
    /// is surest of, 42 and 53 are errors).
    pub disputed: f64,
}

impl SpanErrors {
    /// The share of real errors among the first so many suspects, from those of them that a person looked at: pairs of
    /// rank (from 0) and whether it is an error. Unknown without any; the ranks should be drawn at random.
    pub fn precision(&self, depth: usize, checked: &[(usize, bool)]) -> Measured {
        let depth = depth.min(self.suspects.len());
        let seen: Vec<bool> = checked.iter().filter(|(rank, _)| *rank < depth).map(|(_, wrong)| *wrong).collect();
        if seen.is_empty() {
            return Measured::unknown(format!("none of the first {depth} suspects was checked by a person"));
        }
        let (count, wrong) = (seen.len() as f64, seen.iter().filter(|wrong| **wrong).count() as f64);
        let basis = format!("{count:.0} of the first {depth} suspects, checked");
        Measured::known(wrong / count, crate::audit::wilson(wrong / count, count), basis)
    }
}

/// A surface that is called several things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inconsistent {
    /// The words, joined by blanks.
    pub surface: String,
    /// How often it is each type; `None` is no span. Most frequent first.
    pub called: Vec<(Option<u16>, u32)>,
    /// Where it is called otherwise than mostly: items and first tokens.
    pub odd: Vec<(u32, u32)>,
    /// The surprise of the rare names, in bits: few odd ones out among many count most per look.
    pub score: f64,
}

/// How much knowing nothing about a surface weighs, in occurrences.
const PRIOR: f64 = 2.0;

/// Finds and ranks suspects.
///
/// Given and believed spans of one item must not overlap among themselves; those of the model must come from a model that
/// has not seen the item. The error probability of a given span is one minus the model's probability of it; of a missed
/// span it is the model's probability. Both are multiplied, as odds, with how the same words are called elsewhere.
///
/// # Errors
/// Probabilities that are not between 0 and 1, spans beyond the words.
pub fn find_span_errors(items: &[SpanBelief]) -> Result<SpanErrors> {
    check(items)?;
    let surfaces = Surfaces::new(items);
    let mut suspects = Vec::new();
    let mut expected = 0.0;
    for (item, belief) in items.iter().enumerate() {
        let at = item as u32;
        for &(span, probability) in &belief.given {
            expected += 1.0 - f64::from(probability);
            if belief.believed.iter().any(|(other, _)| *other == span) && surfaces.is_usual(belief, span) {
                continue;
            }
            let near = belief
                .believed
                .iter()
                .filter(|(other, _)| other.start < span.end && span.start < other.end && *other != span)
                .max_by(|left, right| left.1.total_cmp(&right.1));
            let (reason, suggested) = match near {
                Some((other, _)) if (other.start, other.end) == (span.start, span.end) => {
                    (SpanError::WrongType, Some(*other))
                }
                Some((other, _)) => (SpanError::WrongBoundary, Some(*other)),
                None => match surfaces.usual(belief, span) {
                    Some(class) if class != span.class => (SpanError::WrongType, Some(TokenSpan { class, ..span })),
                    _ => (SpanError::Spurious, None),
                },
            };
            let odds = surfaces.odds(belief, span, Some(span.class), suggested.map(|other| other.class));
            let score = tempered(1.0 - f64::from(probability), odds.0);
            suspects.push(SpanSuspect { item: at, reason, given: Some(span), suggested, score, elsewhere: odds.1 });
        }
        for &(span, probability) in &belief.believed {
            if belief.given.iter().any(|(other, _)| other.start < span.end && span.start < other.end) {
                continue;
            }
            expected += f64::from(probability);
            let odds = surfaces.odds(belief, span, None, Some(span.class));
            let score = tempered(f64::from(probability), odds.0);
            let suggested = Some(span);
            suspects.push(SpanSuspect {
                item: at,
                reason: SpanError::Missed,
                given: None,
                suggested,
                score,
                elsewhere: odds.1,
            });
        }
    }
    suspects.sort_by(|left, right| {
        right.score.total_cmp(&left.score).then((left.item, left.given).cmp(&(right.item, right.given)))
    });
    let given = items.iter().map(|belief| belief.given.len()).sum();
    Ok(SpanErrors { suspects, given, disputed: expected })
}

/// Ranks the surfaces that are called several things, the likeliest slips first. Words must be given.
pub fn inconsistent_surfaces(items: &[SpanBelief]) -> Vec<Inconsistent> {
    let surfaces = Surfaces::new(items);
    let mut found: Vec<Inconsistent> = surfaces
        .0
        .iter()
        .filter(|(_, called)| called.len() > 1)
        .map(|(surface, called)| {
            let mut called: Vec<(Option<u16>, u32)> = called.iter().map(|(&class, &count)| (class, count)).collect();
            called.sort_by_key(|&(class, count)| (std::cmp::Reverse(count), class));
            let all: u32 = called.iter().map(|(_, count)| count).sum();
            let rare: u32 = called[1..].iter().map(|(_, count)| count).sum();
            let score = (f64::from(all) + PRIOR).log2() - (f64::from(rare) + PRIOR / 2.0).log2();
            Inconsistent { surface: surface.clone(), called, odd: Vec::new(), score }
        })
        .collect();
    found.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.surface.cmp(&right.surface)));
    let place: BTreeMap<&str, usize> =
        found.iter().enumerate().map(|(place, one)| (one.surface.as_str(), place)).collect();
    let mut odd: Vec<Vec<(u32, u32)>> = vec![Vec::new(); found.len()];
    for (item, belief) in items.iter().enumerate() {
        for (start, end, class) in occurrences(belief, &surfaces.0) {
            let surface = belief.words[start as usize..end as usize].join(" ");
            if let Some(&place) = place.get(surface.as_str()).filter(|&&place| found[place].called[0].0 != class) {
                odd[place].push((item as u32, start));
            }
        }
    }
    found.iter_mut().zip(odd).for_each(|(one, odd)| one.odd = odd);
    found
}

/// An error probability with evidence added as odds.
fn tempered(probability: f64, log_odds: f64) -> f64 {
    let probability = probability.clamp(1e-6, 1.0 - 1e-6);
    let log = (probability / (1.0 - probability)).ln() + log_odds;
    1.0 / (1.0 + (-log).exp())
}

/// What every surface that is a span somewhere is called, by occurrence.
struct Surfaces(BTreeMap<String, BTreeMap<Option<u16>, u32>>);

impl Surfaces {
    fn new(items: &[SpanBelief]) -> Self {
        let mut surfaces: BTreeMap<String, BTreeMap<Option<u16>, u32>> = BTreeMap::new();
        for belief in items.iter().filter(|belief| !belief.words.is_empty()) {
            for (span, _) in belief.given.iter().chain(&belief.believed) {
                surfaces.entry(belief.words[span.start as usize..span.end as usize].join(" ")).or_default();
            }
        }
        let mut counted = surfaces.clone();
        for belief in items {
            for (start, end, class) in occurrences(belief, &surfaces) {
                let surface = belief.words[start as usize..end as usize].join(" ");
                if let Some(called) = counted.get_mut(&surface) {
                    *called.entry(class).or_default() += 1;
                }
            }
        }
        Self(counted)
    }

    fn of(&self, belief: &SpanBelief, span: TokenSpan) -> Option<&BTreeMap<Option<u16>, u32>> {
        let words = belief.words.get(span.start as usize..span.end as usize)?;
        self.0.get(&words.join(" "))
    }

    /// The type the same words have most elsewhere, if they have one mostly.
    fn usual(&self, belief: &SpanBelief, span: TokenSpan) -> Option<u16> {
        let called = self.of(belief, span)?;
        let all: u32 = called.values().sum();
        let (&class, &count) = called.iter().max_by_key(|&(class, &count)| (count, std::cmp::Reverse(*class)))?;
        class.filter(|_| 2 * count > all)
    }

    /// Whether a span has the type that the same words have mostly, or nothing is known.
    fn is_usual(&self, belief: &SpanBelief, span: TokenSpan) -> bool {
        self.usual(belief, span).is_none_or(|class| class == span.class)
    }

    /// The logarithm of how much likelier the same words are called otherwise elsewhere, and how often they are called as
    /// given and otherwise. This occurrence does not count.
    fn odds(&self, belief: &SpanBelief, span: TokenSpan, given: Option<u16>, other: Option<u16>) -> (f64, (u32, u32)) {
        let Some(called) = self.of(belief, span) else { return (0.0, (0, 0)) };
        let as_given = called.get(&given).copied().unwrap_or(0).saturating_sub(1);
        let otherwise = called.get(&other).copied().unwrap_or(0);
        let log = ((f64::from(otherwise) + PRIOR) / (f64::from(as_given) + PRIOR)).ln();
        (WORDS * log, (as_given, otherwise))
    }
}

/// How much the same words elsewhere count beside the model.
const WORDS: f64 = 0.5;

/// Where known surfaces occur in an item, longest first from left to right, and what they are called there: the type of
/// the given span of exactly these words, or none if no given span touches them. Parts of other spans are left out.
fn occurrences(
    belief: &SpanBelief,
    surfaces: &BTreeMap<String, BTreeMap<Option<u16>, u32>>,
) -> Vec<(u32, u32, Option<u16>)> {
    const LONGEST: usize = 6;
    let mut found: Vec<(u32, u32, Option<u16>)> = belief
        .given
        .iter()
        .filter(|_| !belief.words.is_empty())
        .map(|(span, _)| (span.start, span.end, Some(span.class)))
        .collect();
    let mut inside = vec![false; belief.words.len()];
    for (span, _) in &belief.given {
        inside.iter_mut().take(span.end as usize).skip(span.start as usize).for_each(|token| *token = true);
    }
    let mut at = 0;
    while at < belief.words.len() {
        let free = inside[at..].iter().take(LONGEST).take_while(|taken| !**taken).count();
        let mut step = 1;
        for length in (1..=free).rev() {
            if surfaces.contains_key(&belief.words[at..at + length].join(" ")) {
                found.push((at as u32, (at + length) as u32, None));
                step = length;
                break;
            }
        }
        at += step;
    }
    found
}

fn check(items: &[SpanBelief]) -> Result<()> {
    for (item, belief) in items.iter().enumerate() {
        for (span, probability) in belief.given.iter().chain(&belief.believed) {
            if !(0.0..=1.0).contains(probability) {
                return Err(Error::input(format!("item {item}: expected a probability, found {probability}")));
            }
            if span.start >= span.end || !belief.words.is_empty() && span.end as usize > belief.words.len() {
                return Err(Error::input(format!(
                    "item {item}: expected spans within {} words, found {span:?}",
                    belief.words.len()
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, end: u32, class: u16) -> TokenSpan {
        TokenSpan { start, end, class }
    }

    #[test]
    fn every_kind_of_difference_has_its_reason() {
        let belief = SpanBelief {
            given: vec![(span(0, 1, 0), 0.1), (span(2, 4, 0), 0.2), (span(6, 7, 1), 0.05), (span(8, 9, 1), 0.97)],
            believed: vec![(span(0, 1, 1), 0.8), (span(2, 5, 0), 0.7), (span(8, 9, 1), 0.97), (span(10, 12, 0), 0.92)],
            words: Vec::new(),
        };
        let found = find_span_errors(&[belief]).unwrap();
        let told: Vec<_> = found.suspects.iter().map(|one| (one.reason, one.given, one.suggested)).collect();
        let expected = [
            (SpanError::Spurious, Some(span(6, 7, 1)), None),
            (SpanError::Missed, None, Some(span(10, 12, 0))),
            (SpanError::WrongType, Some(span(0, 1, 0)), Some(span(0, 1, 1))),
            (SpanError::WrongBoundary, Some(span(2, 4, 0)), Some(span(2, 5, 0))),
        ];
        assert_eq!(told, expected);
        assert_eq!(found.precision(2, &[(0, true), (3, false)]).value(), Some(1.0));
        assert_eq!(found.precision(4, &[(0, true), (3, false)]).value(), Some(0.5));
        assert!(found.precision(4, &[]).value().is_none());
        assert!(find_span_errors(&[]).unwrap().suspects.is_empty());
    }

    #[test]
    fn the_odd_one_out_is_found_by_its_words() {
        let words = |name: &str| ["in", name, "today"].map(str::to_owned).to_vec();
        let mut items: Vec<SpanBelief> = (0..20)
            .map(|_| SpanBelief {
                given: vec![(span(1, 2, 0), 0.9)],
                believed: vec![(span(1, 2, 0), 0.9)],
                words: words("Lyon"),
            })
            .collect();
        // Given as another type, and not at all; the model has no opinion of its own.
        items[3].given = vec![(span(1, 2, 1), 0.4)];
        items[3].believed = vec![(span(1, 2, 1), 0.4)];
        items[5].given.clear();
        items[5].believed = vec![(span(1, 2, 0), 0.5)];
        let found = find_span_errors(&items).unwrap();
        let mut told: Vec<_> = found.suspects.iter().map(|one| (one.item, one.reason)).collect();
        told.sort_unstable();
        assert_eq!(told, [(3, SpanError::WrongType), (5, SpanError::Missed)]);
        assert!(found.suspects.iter().all(|one| one.score > 0.7), "{:?}", found.suspects);
        let surfaces = inconsistent_surfaces(&items);
        assert_eq!((surfaces[0].surface.as_str(), surfaces[0].odd.as_slice()), ("Lyon", [(3, 1), (5, 1)].as_slice()));
        assert_eq!(surfaces[0].called[0], (Some(0), 18));
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let bad = |given: (TokenSpan, f32), words: usize| SpanBelief {
            given: vec![given],
            believed: Vec::new(),
            words: vec!["w".to_owned(); words],
        };
        assert!(find_span_errors(&[bad((span(0, 1, 0), 1.5), 0)]).is_err());
        assert!(find_span_errors(&[bad((span(0, 1, 0), f32::NAN), 0)]).is_err());
        assert!(find_span_errors(&[bad((span(0, 3, 0), 0.5), 2)]).is_err());
    }
}
