//! Exemplars of every label: the few texts by whose likeness alone a label's other texts are best found.
//!
//! The search of labelling instruction generation (Chang et al. 2023, <https://arxiv.org/abs/2306.14035>): an instruction
//! is as good as the labels that whoever has only it can retrieve, so exemplars are added greedily while they raise the
//! average precision on texts held out.

use rayon::prelude::*;

use super::vectors::{Panels, UnitVectors};
use crate::Class;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;

/// Texts a label must have: two that propose, two that choose, two that measure.
pub const LEAST_TEXTS: usize = 6;
/// At most so many texts of a label are tried as exemplars.
const CANDIDATES: usize = 200;
/// Enough readable candidates to do without the others, for every exemplar wanted.
const ENOUGH: usize = 4;
/// Draws of random exemplars to compare with.
const DRAWS: usize = 20;
const RESAMPLES: usize = 200;
/// Texts less alike than this are not looked at as copies.
const ALIKE: f32 = 0.4;

/// Exemplars and what they are worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplars {
    /// For every label the positions of its exemplars, in the order in which they were added.
    pub chosen: Vec<Vec<usize>>,
    /// For every label its average precision on the measuring texts, an estimate without an interval.
    pub precision: Vec<f64>,
    /// The mean of the labels' average precision on the measuring texts.
    pub found: Measured,
    /// The same for as many exemplars drawn at random from the same candidates, mean of 20 draws.
    pub random: Measured,
    /// The first less the second, on the same resamples.
    pub gain: Measured,
    /// The positions of the texts that neither proposed nor chose, in ascending order.
    pub measuring: Vec<usize>,
}

/// Chooses up to `count` exemplars of every label.
///
/// A third of every label's texts proposes exemplars, a third chooses among them, a third measures. A text's score for a
/// label is its largest cosine to the label's exemplars. `readable` texts are preferred as exemplars where there are
/// enough; no label has two that are the `same`, and texts that are the same as an exemplar measure nothing. Intervals
/// are percentiles of a bootstrap over the measuring texts, centred on the estimate, with exemplars held fixed.
///
/// Cost: for every label at most 200 candidates are compared with a third of the texts, `count` times.
///
/// # Errors
/// Lengths that do not fit each other, a count of 0, fewer than two labels, a label with fewer than [`LEAST_TEXTS`].
pub fn exemplars(
    vectors: &UnitVectors,
    labels: &[Class],
    readable: &[bool],
    same: impl Fn(usize, usize) -> bool + Sync,
    count: usize,
    seed: u64,
) -> Result<Exemplars> {
    if labels.len() != vectors.len() || readable.len() != vectors.len() {
        return Err(Error::input(format!("expected labels of {} texts, found {}", vectors.len(), labels.len())));
    }
    if count == 0 {
        return Err(Error::input("expected at least 1 exemplar per label, found 0"));
    }
    let classes = labels.iter().copied().max().map_or(0, |last| usize::from(last) + 1);
    if classes < 2 {
        return Err(Error::input(format!("expected at least two labels, found {classes}")));
    }
    let [proposing, choosing, measuring] = parts(labels, classes, seed)?;
    let judges = Judges::new(vectors, labels, &choosing);
    let candidates: Vec<Vec<usize>> = (0..classes)
        .map(|class| {
            let own: Vec<usize> =
                proposing.iter().copied().filter(|&at| usize::from(labels[at]) == class).take(CANDIDATES).collect();
            let short: Vec<usize> = own.iter().copied().filter(|&at| readable[at]).collect();
            if short.len() >= own.len().min(ENOUGH * count) { short } else { own }
        })
        .collect();
    let chosen: Vec<Vec<usize>> = candidates
        .par_iter()
        .enumerate()
        .map(|(class, candidates)| greedy(vectors, &judges, class, candidates, &same, count))
        .collect();
    let mut measured = Judges::new(vectors, labels, &measuring);
    let contests: Vec<Contest> = chosen
        .par_iter()
        .zip(&candidates)
        .enumerate()
        .map(|(class, (chosen, candidates))| {
            let mut random = Random::for_purpose(seed, &format!("exemplars: draws of label {class}"));
            let drawn = (0..DRAWS).map(|_| {
                let places = random.sample(candidates.len(), chosen.len());
                places.into_iter().map(|place| candidates[place]).collect()
            });
            let sets: Vec<Vec<usize>> = std::iter::once(chosen.clone()).chain(drawn).collect();
            Contest::new(vectors, &measured, &sets, &same)
        })
        .collect();
    for contest in &contests {
        contest.copies.iter().for_each(|&place| measured.weights[place] = 0.0);
    }
    let rankings: Vec<Vec<Ranking>> = contests.into_iter().map(|contest| contest.rankings).collect();
    let (found, random, gain) = measure(&measured, &rankings, seed);
    let precision = rankings
        .iter()
        .enumerate()
        .map(|(class, rankings)| rankings[0].precision(&measured.relevant(class), &measured.weights).unwrap_or(0.0))
        .collect();
    let mut measuring = measuring;
    measuring.sort_unstable();
    Ok(Exemplars { chosen, precision, found, random, gain, measuring })
}

/// Thirds of every label's texts, in random order.
fn parts(labels: &[Class], classes: usize, seed: u64) -> Result<[Vec<usize>; 3]> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    Random::for_purpose(seed, "exemplars: parts").shuffle(&mut order);
    let mut seen = vec![0; classes];
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for at in order {
        let seen = &mut seen[usize::from(labels[at])];
        parts[*seen % 3].push(at);
        *seen += 1;
    }
    match seen.iter().position(|&texts| texts < LEAST_TEXTS) {
        None => Ok(parts),
        Some(class) => Err(Error::input(format!(
            "expected at least {LEAST_TEXTS} texts of every label, found {} of label {class}",
            seen[class]
        ))),
    }
}

/// Texts by which exemplars are judged.
struct Judges {
    texts: Vec<usize>,
    labels: Vec<Class>,
    panels: Panels,
    weights: Vec<f32>,
}

impl Judges {
    fn new(vectors: &UnitVectors, labels: &[Class], texts: &[usize]) -> Self {
        let rows: Vec<u32> = texts.iter().map(|&at| at as u32).collect();
        Self {
            texts: texts.to_vec(),
            labels: texts.iter().map(|&at| labels[at]).collect(),
            panels: vectors.gathered(&rows).panels(),
            weights: vec![1.0; texts.len()],
        }
    }

    fn relevant(&self, class: usize) -> impl Fn(usize) -> bool {
        move |place| usize::from(self.labels[place]) == class
    }

    /// The cosines of a text with all of these.
    fn cosines(&self, row: &[f32], out: &mut Vec<f32>) {
        self.panels.products(row, out);
        out.truncate(self.texts.len());
    }
}

/// The candidates that raise the average precision most, one after the other, until none does; of equals the first.
fn greedy(
    vectors: &UnitVectors,
    judges: &Judges,
    class: usize,
    candidates: &[usize],
    same: &impl Fn(usize, usize) -> bool,
    count: usize,
) -> Vec<usize> {
    let relevant = judges.relevant(class);
    let mut best = vec![f32::NEG_INFINITY; judges.texts.len()];
    let (mut chosen, mut reached) = (Vec::<usize>::new(), -1.0);
    let (mut cosines, mut scores) = (Vec::new(), Vec::new());
    while chosen.len() < count {
        let mut next = None;
        for &candidate in candidates {
            if chosen.iter().any(|&other| other == candidate || same(other, candidate)) {
                continue;
            }
            judges.cosines(vectors.row(candidate), &mut cosines);
            scores.clear();
            scores.extend(best.iter().zip(&cosines).map(|(best, cosine)| best.max(*cosine)));
            let precision = Ranking::new(&scores).precision(&relevant, &judges.weights).unwrap_or(0.0);
            if precision > reached + 1e-9 {
                (next, reached) = (Some(candidate), precision);
            }
        }
        let Some(next) = next else { break };
        judges.cosines(vectors.row(next), &mut cosines);
        best.iter_mut().zip(&cosines).for_each(|(best, cosine)| *best = best.max(*cosine));
        chosen.push(next);
    }
    chosen
}

/// Places by falling score.
struct Ranking {
    order: Vec<u32>,
    /// Whether the next place has another score.
    ends: Vec<bool>,
}

impl Ranking {
    fn new(scores: &[f32]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let score = |place: u32| scores[place as usize];
        order.sort_unstable_by(|&left, &right| score(right).total_cmp(&score(left)).then(left.cmp(&right)));
        let ends =
            (0..order.len()).map(|at| order.get(at + 1).is_none_or(|&next| score(next) != score(order[at]))).collect();
        Self { order, ends }
    }

    /// The average precision: the mean, over the relevant texts, of the share of relevant ones among those scored as
    /// high or higher. `None` without relevant texts.
    fn precision(&self, relevant: &impl Fn(usize) -> bool, weights: &[f32]) -> Option<f64> {
        let (mut all, mut hits, mut here, mut sum) = (0.0, 0.0, 0.0, 0.0);
        for (&place, &end) in self.order.iter().zip(&self.ends) {
            let weight = f64::from(weights[place as usize]);
            all += weight;
            if relevant(place as usize) {
                here += weight;
            }
            if end && here > 0.0 {
                hits += here;
                sum += here * hits / all;
                here = 0.0;
            }
        }
        (hits > 0.0).then(|| sum / hits)
    }
}

/// One label's exemplars, and random ones, on the measuring texts.
struct Contest {
    /// The chosen set first.
    rankings: Vec<Ranking>,
    /// Places of texts that are the same as an exemplar.
    copies: Vec<usize>,
}

impl Contest {
    fn new(vectors: &UnitVectors, judges: &Judges, sets: &[Vec<usize>], same: &impl Fn(usize, usize) -> bool) -> Self {
        let (mut copies, mut cosines) = (Vec::new(), Vec::new());
        let mut rankings = Vec::with_capacity(sets.len());
        for set in sets {
            let mut best = vec![f32::NEG_INFINITY; judges.texts.len()];
            for &exemplar in set {
                judges.cosines(vectors.row(exemplar), &mut cosines);
                for (place, (best, &cosine)) in best.iter_mut().zip(&cosines).enumerate() {
                    *best = best.max(cosine);
                    if cosine >= ALIKE && same(exemplar, judges.texts[place]) {
                        copies.push(place);
                    }
                }
            }
            rankings.push(Ranking::new(&best));
        }
        Self { rankings, copies }
    }
}

/// The means over labels: of the chosen, of the random ones, and their difference.
fn measure(judges: &Judges, rankings: &[Vec<Ranking>], seed: u64) -> (Measured, Measured, Measured) {
    let places: Vec<usize> = (0..judges.texts.len()).filter(|&place| judges.weights[place] > 0.0).collect();
    let means = |weights: &[f32]| -> Option<[f64; 3]> {
        let (mut labels, mut found, mut random) = (0.0, 0.0, 0.0);
        for (class, rankings) in rankings.iter().enumerate() {
            let relevant = judges.relevant(class);
            let precisions: Vec<f64> =
                rankings.iter().filter_map(|ranking| ranking.precision(&relevant, weights)).collect();
            let Some((first, others)) = precisions.split_first() else { continue };
            labels += 1.0;
            found += first;
            random += others.iter().sum::<f64>() / others.len().max(1) as f64;
        }
        (labels > 0.0).then(|| [found / labels, random / labels, (found - random) / labels])
    };
    let Some(values) = means(&judges.weights) else {
        let unknown = || Measured::unknown("every measuring text is a copy of an exemplar");
        return (unknown(), unknown(), unknown());
    };
    let draws: Vec<[f64; 3]> = (0..RESAMPLES)
        .into_par_iter()
        .filter_map(|resample| {
            let mut random = Random::for_purpose(seed, &format!("exemplars: resample {resample}"));
            let mut weights = vec![0.0; judges.weights.len()];
            places.iter().for_each(|_| weights[places[random.below(places.len())]] += 1.0);
            means(&weights)
        })
        .collect();
    let figure = |which: usize| {
        let mut drawn: Vec<f64> = draws.iter().map(|draw| draw[which]).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        // A text drawn twice finds itself, which raises every resample's precision: the ends are moved back by as much.
        let raised = drawn.iter().sum::<f64>() / drawn.len().max(1) as f64 - values[which];
        let end = |share: f64| drawn.get((drawn.len().saturating_sub(1) as f64 * share).round() as usize).copied();
        let least = if which == 2 { -1.0 } else { 0.0 };
        let low = end(0.025).map_or(least, |low| (low - raised).max(least));
        let high = end(0.975).map_or(1.0, |high| (high - raised).min(1.0));
        let basis = format!("{} texts that neither proposed nor chose, bootstrap over texts", places.len());
        Measured::known(values[which], (low.min(values[which]), high.max(values[which])), basis)
    };
    (figure(0), figure(1), figure(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of three labels; of every label a quarter lies at its middle and the rest far around it.
    fn set(count: usize, seed: u64) -> (UnitVectors, Vec<Class>) {
        let mut random = Random::new(seed);
        let mut values = Vec::new();
        let labels: Vec<Class> = (0..count).map(|at| (at % 3) as Class).collect();
        for (at, &label) in labels.iter().enumerate() {
            let spread = if at % 4 == 0 { 0.05 } else { 0.6 };
            values
                .extend((0..8).map(|axis| f64::from(u8::from(axis == usize::from(label))) + spread * random.normal()));
        }
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        (UnitVectors::new(&values, 8).unwrap(), labels)
    }

    #[test]
    fn average_precision_is_that_of_the_definition() {
        let weights = [1.0; 4];
        let of = |scores: &[f32], relevant: &[usize]| {
            Ranking::new(scores).precision(&|place| relevant.contains(&place), &weights[..scores.len()])
        };
        assert_eq!(of(&[0.9, 0.8, 0.7, 0.6], &[0, 2]), Some(f64::midpoint(1.0, 2.0 / 3.0)));
        // Equal scores have no order.
        assert_eq!(of(&[0.5, 0.5, 0.5, 0.5], &[0]), Some(0.25));
        assert_eq!(of(&[0.9, 0.1], &[]), None);
        let doubled = Ranking::new(&[0.9, 0.8]).precision(&|place| place == 1, &[2.0, 1.0]);
        assert_eq!(doubled, Some(1.0 / 3.0));
    }

    #[test]
    fn what_is_chosen_beats_what_is_drawn() {
        let (vectors, labels) = set(300, 1);
        let found = exemplars(&vectors, &labels, &[true; 300], |_, _| false, 2, 0).unwrap();
        let Measured::Known { low, value, .. } = found.gain else { panic!("{found:?}") };
        assert!(low > 0.0, "{:?}", found.gain);
        assert!((found.found.value().unwrap() - found.random.value().unwrap() - value).abs() < 1e-12);
        assert!((found.precision.iter().sum::<f64>() / 3.0 - found.found.value().unwrap()).abs() < 1e-12);
        for (class, chosen) in found.chosen.iter().enumerate() {
            assert!((1..=2).contains(&chosen.len()));
            assert!(chosen.iter().all(|&at| usize::from(labels[at]) == class && !found.measuring.contains(&at)));
        }
    }

    #[test]
    fn labels_without_meaning_show_no_gain_for_more_seeds_than_chance_allows() {
        let false_gains = (0..40)
            .filter(|&seed| {
                let (vectors, _) = set(120, seed);
                let labels: Vec<Class> = (0..120).map(|at| Class::from(at / 3 % 2 == 0)).collect();
                let found = exemplars(&vectors, &labels, &[true; 120], |_, _| false, 3, seed).unwrap();
                matches!(found.gain, Measured::Known { low, .. } if low > 0.0)
            })
            .count();
        assert!(false_gains <= 6, "{false_gains}");
    }

    #[test]
    fn readable_texts_go_first_and_copies_neither_show_twice_nor_measure() {
        let (vectors, labels) = set(300, 2);
        let readable: Vec<bool> = (0..300).map(|at| at % 2 == 0).collect();
        let found = exemplars(&vectors, &labels, &readable, |_, _| false, 3, 0).unwrap();
        assert!(found.chosen.concat().iter().all(|&at| readable[at]));
        let found = exemplars(&vectors, &labels, &[true; 300], |a, b| labels[a] == labels[b], 3, 0).unwrap();
        assert!(found.chosen.iter().all(|chosen| chosen.len() == 1), "{:?}", found.chosen);
        let Measured::Known { basis, .. } = &found.found else { return };
        assert!(!basis.starts_with("100 "), "{basis}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (vectors, labels) = set(30, 3);
        let run = |labels: &[Class], count| exemplars(&vectors, labels, &[true; 30], |_, _| false, count, 0);
        assert!(run(&labels, 0).unwrap_err().is_input());
        assert!(run(&labels[1..], 1).unwrap_err().is_input());
        assert!(run(&[0; 30], 1).unwrap_err().to_string().contains("two labels"));
        let mut rare = vec![0; 30];
        rare[..5].fill(1);
        assert!(run(&rare, 1).unwrap_err().to_string().contains("found 5 of label 1"));
    }
}
