//! Rankings from comparisons: parity, gradients, recovery, and hostile input.

use std::collections::BTreeMap;
use std::path::Path;

use postil_core::items::{AnswerOptions, read_answers};
use postil_core::pairs::{Comparisons, Method, NoisyModel, Outcome, Ranking, Settings, rank};
use postil_core::{Measured, Random};

use crate::shared::data_with;

struct Llmfao {
    comparisons: Comparisons,
    contestants: Vec<String>,
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The comparisons of models by the crowd, the contestants in order of their names.
fn llmfao(data: &Path) -> Llmfao {
    let pairs: BTreeMap<String, (String, String)> = rows(&data.join("crowd/llmfao_pairs/pairs.csv"))
        .into_iter()
        .map(|row| (row[0].clone(), (row[4].clone(), row[5].clone())))
        .collect();
    let mut contestants: Vec<String> = pairs.values().flat_map(|(left, right)| [left.clone(), right.clone()]).collect();
    contestants.sort();
    contestants.dedup();
    let place = |name: &String| contestants.binary_search(name).unwrap() as u32;
    let answers = read_answers(data.join("crowd/llmfao_pairs/answers.csv"), &AnswerOptions::default()).unwrap();
    let mut comparisons = Comparisons::new(contestants.len(), answers.annotators.len());
    for ((&item, &annotator), &label) in answers.item.iter().zip(&answers.annotator).zip(&answers.label) {
        if !answers.annotators.get(annotator).starts_with("crowd:") {
            continue;
        }
        let (left, right) = &pairs[answers.items.get(item)];
        let outcome = match &*answers.labels[usize::from(label)] {
            "left" => Outcome::Left,
            "right" => Outcome::Right,
            _ => Outcome::Tie,
        };
        comparisons.push(place(left), place(right), annotator, outcome).unwrap();
    }
    Llmfao { comparisons, contestants }
}

fn fixture(data: &Path, name: &str) -> BTreeMap<String, f64> {
    rows(&data.join("parity/pairs").join(name))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect()
}

fn plain(method: Method) -> Settings {
    Settings { method, added: 0.0, position: false }
}

/// Shares after so many sweeps of the minorise-maximise iteration (Hunter 2004).
fn by_sweeps(comparisons: &Comparisons, sweeps: usize) -> Vec<f64> {
    let number = comparisons.contestants();
    let mut wins = vec![0.0; number];
    let mut met = vec![0.0; number * number];
    for row in comparisons.rows() {
        let (left, right) = (row.left as usize, row.right as usize);
        wins[if row.outcome == Outcome::Left { left } else { right }] += 1.0;
        met[left * number + right] += 1.0;
        met[right * number + left] += 1.0;
    }
    let mut shares = vec![1.0; number];
    for _ in 0..sweeps {
        let next: Vec<f64> = (0..number)
            .map(|one| {
                wins[one]
                    / (0..number).map(|other| met[one * number + other] / (shares[one] + shares[other])).sum::<f64>()
            })
            .collect();
        let total: f64 = next.iter().sum();
        shares = next.iter().map(|share| share / total).collect();
    }
    shares
}

/// crowd-kit compares a vector with itself to see whether it settled, so it stops after its second sweep. The fixture is
/// what two sweeps give; the maximum of the likelihood lies elsewhere.
#[test]
fn the_fixture_of_bradley_terry_is_its_second_sweep_and_ours_is_the_maximum() {
    let Some(data) = data_with("parity") else { return };
    let set = llmfao(&data);
    let decided = set.comparisons.decided();
    let expected = fixture(&data, "llmfao.BradleyTerry.csv");
    assert_eq!(set.contestants.len(), expected.len());
    let greatest = |shares: &[f64], others: &dyn Fn(usize) -> f64| {
        shares.iter().enumerate().map(|(place, share)| (share - others(place)).abs()).fold(0.0, f64::max)
    };
    let second = greatest(&by_sweeps(&decided, 2), &|place| expected[&set.contestants[place]]);
    assert!(second < 1e-9, "{second}");

    let found = rank(&decided, &plain(Method::BradleyTerry)).unwrap();
    assert!(found.converged && found.gradient < 1e-6);
    let shares: Vec<f64> = found.standings.iter().map(|standing| standing.share).collect();
    let settled = by_sweeps(&decided, 400);
    let far = greatest(&shares, &|place| settled[place]);
    assert!(far < 1e-9, "{far}");
    assert!(greatest(&shares, &|place| expected[&set.contestants[place]]) > 0.01);
}

#[test]
fn the_reference_of_the_noisy_model_is_no_maximum_and_ours_is() {
    let Some(data) = data_with("parity") else { return };
    let set = llmfao(&data);
    let decided = set.comparisons.decided();
    let theirs: Vec<f64> = {
        let scores = fixture(&data, "llmfao.NoisyBradleyTerry.csv");
        set.contestants.iter().map(|name| (scores[name] / (1.0 - scores[name])).ln()).collect()
    };
    let settings = Settings { added: 0.0, ..Settings { method: Method::NoisyBradleyTerry, ..Settings::default() } };
    let ours = rank(&decided, &settings).unwrap();
    assert!(ours.converged && ours.gradient < 1e-4, "{}", ours.gradient);

    // Either strengths with the annotators that fit them best: at a maximum nothing is left to climb.
    let model = NoisyModel::new(&decided, 0.0);
    let (contestants, annotators) = (decided.contestants(), decided.annotators());
    let mut made = vec![0.0; annotators];
    decided.rows().iter().for_each(|row| made[row.annotator as usize] += 1.0);
    let climb = |strengths: &[f64]| {
        let mut x = strengths.to_vec();
        x.extend(vec![0.0; annotators]);
        x.extend(vec![1.5; annotators]);
        let mut gradient = vec![0.0; x.len()];
        for _ in 0..300 {
            model.evaluate(&x, &mut gradient);
            // Annotators do not depend on each other, and none bends more than its comparisons.
            for place in contestants..x.len() {
                x[place] += 2.0 / (made[(place - contestants) % annotators] + 5.0) * gradient[place];
            }
        }
        let value = model.evaluate(&x, &mut gradient);
        (value, gradient[..contestants].iter().map(|part| part * part).sum::<f64>().sqrt())
    };
    let (value, slope) = climb(&theirs);
    let strengths: Vec<f64> = ours.standings.iter().map(|standing| standing.strength.value().unwrap()).collect();
    let (our_value, our_slope) = climb(&strengths);
    assert!(our_slope < 0.5 && slope > 20.0, "slopes: theirs {slope}, ours {our_slope}");
    assert!(our_value > value + 20.0, "objective: theirs {value}, ours {our_value}");
}

#[test]
fn the_gradient_of_the_noisy_model_is_that_of_differences() {
    let mut random = Random::new(4);
    let mut comparisons = Comparisons::new(5, 3);
    for _ in 0..60 {
        let left = random.below(5) as u32;
        let right = (left + 1 + random.below(4) as u32) % 5;
        let outcome = [Outcome::Left, Outcome::Right, Outcome::Tie][random.below(3)];
        comparisons.push(left, right, random.below(3) as u32, outcome).unwrap();
    }
    for model in [NoisyModel::new(&comparisons, 0.3), NoisyModel::likelihood(&comparisons)] {
        let mut x: Vec<f64> = (0..model.parameters()).map(|_| random.normal()).collect();
        let mut gradient = vec![0.0; x.len()];
        model.evaluate(&x, &mut gradient);
        let mut scratch = gradient.clone();
        for place in 0..x.len() {
            let (at, step) = (x[place], 1e-5);
            x[place] = at + step;
            let above = model.evaluate(&x, &mut scratch);
            x[place] = at - step;
            let below = model.evaluate(&x, &mut scratch);
            x[place] = at;
            let slope = (above - below) / (2.0 * step);
            assert!(
                (slope - gradient[place]).abs() < 1e-6 * slope.abs().max(1.0),
                "{place}: {slope} {}",
                gradient[place]
            );
        }
    }
}

/// Comparisons from known strengths. Annotator `a` guesses by side with chance `guess[a]`, and then says left.
fn simulated(seed: u64, strengths: &[f64], guess: &[f64], number: usize, advantage: f64) -> Comparisons {
    let mut random = Random::new(seed);
    let mut comparisons = Comparisons::new(strengths.len(), guess.len());
    for _ in 0..number {
        let left = random.below(strengths.len());
        let right = (left + 1 + random.below(strengths.len() - 1)) % strengths.len();
        let annotator = random.below(guess.len());
        let chance = 1.0 / (1.0 + (strengths[right] - strengths[left] - advantage).exp());
        let says_left = random.unit() < guess[annotator] || random.unit() < chance;
        let outcome = if says_left { Outcome::Left } else { Outcome::Right };
        comparisons.push(left as u32, right as u32, annotator as u32, outcome).unwrap();
    }
    comparisons
}

fn covered(ranking: &Ranking, strengths: &[f64]) -> usize {
    let mean = strengths.iter().sum::<f64>() / strengths.len() as f64;
    let holds = |(standing, strength): (&postil_core::pairs::Standing, &f64)| match &standing.strength {
        Measured::Known { low, high, .. } => (*low..=*high).contains(&(strength - mean)),
        Measured::Unknown { .. } => false,
    };
    ranking.standings.iter().zip(strengths).filter(|pair| holds(*pair)).count()
}

#[test]
fn intervals_hold_the_true_strengths_and_the_left_advantage_is_found() {
    let strengths = [1.2, 0.7, 0.2, 0.0, -0.4, -0.6, -1.1];
    let settings = Settings { added: 0.05, ..Settings::default() };
    let (mut hits, mut sides, runs) = (0, 0, 120);
    for seed in 0..runs {
        let ranking = rank(&simulated(seed, &strengths, &[0.0; 3], 600, 0.4), &settings).unwrap();
        hits += covered(&ranking, &strengths);
        let Measured::Known { low, high, .. } = ranking.left_among_equals else { panic!() };
        sides += usize::from((low..=high).contains(&(1.0 / (1.0 + (-0.4f64).exp()))));
    }
    let share = hits as f64 / (runs as usize * strengths.len()) as f64;
    assert!((0.92..=0.975).contains(&share), "strengths covered {share}");
    let share = sides as f64 / runs as f64;
    assert!((0.90..=0.99).contains(&share), "advantage covered {share}");
}

#[test]
fn the_noisy_model_finds_who_guesses() {
    let strengths = [2.0, 1.2, 0.6, 0.0, -0.6, -1.2, -2.0];
    let guess = [0.0, 0.05, 0.0, 0.9];
    let comparisons = simulated(3, &strengths, &guess, 2500, 0.0);
    let noisy = rank(&comparisons, &Settings { method: Method::NoisyBradleyTerry, ..Settings::default() }).unwrap();
    let reliability: Vec<f64> = noisy.annotators.iter().map(|one| one.reliability.value().unwrap()).collect();
    assert!(reliability[3] < 0.3 && reliability[..3].iter().all(|share| *share > 0.8), "{reliability:?}");
    assert!(noisy.annotators[3].leaning.value().unwrap() > 0.8);
    let settings = Settings { position: true, ..Settings::default() };
    let plain = rank(&comparisons, &settings).unwrap();
    let error = |ranking: &Ranking| -> f64 {
        ranking
            .standings
            .iter()
            .zip(&strengths)
            .map(|(one, truth)| (one.strength.value().unwrap() - truth).powi(2))
            .sum()
    };
    assert!(error(&noisy) < 0.5 * error(&plain), "{} {}", error(&noisy), error(&plain));
    assert_eq!(noisy.order, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn davidson_learns_how_likely_ties_are() {
    let strengths = [0.8, 0.0, -0.8];
    let mut random = Random::new(8);
    let mut comparisons = Comparisons::new(3, 1);
    for _ in 0..6000 {
        let left = random.below(3);
        let right = (left + 1 + random.below(2)) % 3;
        let difference: f64 = strengths[left] - strengths[right];
        let parts = [(difference / 2.0).exp(), (-difference / 2.0).exp(), 1.0];
        let draw = random.unit() * parts.iter().sum::<f64>();
        let outcome = if draw < parts[0] {
            Outcome::Left
        } else if draw < parts[0] + parts[1] {
            Outcome::Right
        } else {
            Outcome::Tie
        };
        comparisons.push(left as u32, right as u32, 0, outcome).unwrap();
    }
    let found = rank(&comparisons, &Settings { method: Method::Davidson, ..Settings::default() }).unwrap();
    let tie = found.tie_among_equals.value().unwrap();
    assert!((tie - 1.0 / 3.0).abs() < 0.02, "{tie}");
    for (standing, truth) in found.standings.iter().zip(strengths) {
        assert!((standing.strength.value().unwrap() - truth).abs() < 0.1, "{standing:?}");
    }
    assert_eq!(found.ties + found.standings.iter().map(|one| one.wins).sum::<u64>(), found.comparisons);
}

#[test]
fn what_cannot_be_ranked_is_said() {
    let settings = Settings::default();
    assert!(rank(&Comparisons::new(3, 1), &settings).unwrap_err().is_input());
    let mut comparisons = Comparisons::new(5, 2);
    assert!(comparisons.push(0, 0, 0, Outcome::Left).is_err());
    assert!(comparisons.push(0, 9, 0, Outcome::Left).is_err() && comparisons.push(0, 1, 2, Outcome::Left).is_err());
    comparisons.push(0, 1, 0, Outcome::Left).unwrap();
    comparisons.push(2, 3, 0, Outcome::Tie).unwrap();
    for method in Method::ALL {
        let found = rank(&comparisons, &Settings { method, ..settings }).unwrap();
        assert_eq!((found.connection.groups, found.connection.absent), (2, 1), "{method}");
        assert_eq!(found.order[4], 4, "{method}");
        assert!(found.standings[4].strength.value().is_none() && found.standings[0].strength.value().is_some());
        assert!(found.annotators[1].agrees.value().is_none());
        assert!(found.standings.iter().all(|one| one.share.is_finite()), "{method}");
    }
    // A winner of everything has no finite strength unless something is added.
    assert!(rank(&comparisons, &plain(Method::BradleyTerry)).unwrap_err().is_input());
    let mut ties = Comparisons::new(2, 1);
    ties.push(0, 1, 0, Outcome::Tie).unwrap();
    for method in Method::ALL {
        let found = rank(&ties, &Settings { method, ..settings }).unwrap();
        assert!(
            found.left_wins.value().is_none() && found.standings[0].strength.value().unwrap().abs() < 1e-6,
            "{method}"
        );
    }
}
