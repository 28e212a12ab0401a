//! Chains from outside: probabilities against counting everything, and training on small data.

use postil_student::chain::{
    Constraints, Encoded, EntityRatio, Lattice, Layout, Links, Optimiser, Target, Trainer, TypedSpan, Weights,
    fit_temperature,
};
use proptest::prelude::*;

/// All sequences that may occur, with their scores.
fn everything(weights: &Weights, constraints: &Constraints, states: &[f32]) -> Vec<(f64, Vec<u16>)> {
    let labels = weights.labels;
    let tokens = states.len() / labels;
    let all = (0..labels.pow(tokens as u32)).map(|code| -> Vec<u16> {
        (0..tokens).map(|token| (code / labels.pow(token as u32) % labels) as u16).collect()
    });
    all.filter(|sequence| constraints.allow(sequence))
        .map(|sequence| {
            let mut score = 0.0;
            for (token, &label) in sequence.iter().enumerate() {
                let label = usize::from(label);
                score += f64::from(states[token * labels + label]);
                if token > 0 {
                    score += f64::from(weights.transition[usize::from(sequence[token - 1]) * labels + label]);
                }
            }
            if let (Some(&first), Some(&last)) = (sequence.first(), sequence.last()) {
                score += f64::from(weights.start[usize::from(first)]) + f64::from(weights.end[usize::from(last)]);
            }
            (score, sequence)
        })
        .collect()
}

fn case() -> impl Strategy<Value = (Layout, Weights, Vec<f32>, f64)> {
    let layout = prop_oneof![
        Just(Layout::Plain { labels: 3 }),
        Just(Layout::Bio { types: 2 }),
        Just(Layout::Bilou { types: 1 }),
    ];
    (layout, 1usize..5, 0.0f32..200.0, 0.3f64..3.0).prop_flat_map(|(layout, tokens, wide, temperature)| {
        let labels = layout.labels();
        // Scores that are close together and scores so far apart that plain exponentials vanish.
        let number = move || prop_oneof![-2.0f32..2.0, -wide..=wide];
        let weights = (
            prop::collection::vec(number(), labels * labels),
            prop::collection::vec(number(), labels),
            prop::collection::vec(number(), labels),
        );
        let states = prop::collection::vec(number(), tokens * labels);
        (weights, states).prop_map(move |((transition, start, end), states)| {
            let weights = Weights { labels, state: Vec::new(), transition, start, end };
            (layout, weights, states, temperature)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn probabilities_are_those_of_counting_everything((layout, weights, states, temperature) in case()) {
        let constraints = layout.constraints();
        let links = Links::new(&weights, &constraints).unwrap().with_temperature(temperature).unwrap();
        let all = everything(&weights, &constraints, &states);
        let top = all.iter().map(|(score, _)| *score).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = all.iter().map(|(score, _)| ((score - top) / temperature).exp()).sum();
        let share = |score: f64| ((score - top) / temperature).exp() / sum;
        let lattice = Lattice::of(&links, &states).unwrap();
        let partition = top / temperature + sum.ln();
        prop_assert!((lattice.log_partition() - partition).abs() < 1e-6 * partition.abs().max(1.0));

        let labels = weights.labels;
        let tokens = states.len() / labels;
        let mut rows = Vec::new();
        lattice.marginals(&mut rows);
        for token in 0..tokens {
            for label in 0..labels {
                let expected: f64 = all
                    .iter()
                    .filter(|(_, sequence)| usize::from(sequence[token]) == label)
                    .map(|(score, _)| share(*score))
                    .sum();
                prop_assert!((lattice.token(token, label) - expected).abs() < 1e-6);
                prop_assert!((f64::from(rows[token * labels + label]) - expected).abs() < 1e-5);
            }
        }
        for (score, sequence) in all.iter().take(40) {
            prop_assert!((lattice.sequence(&links, &states, sequence) - share(*score)).abs() < 1e-5);
        }
        for start in 0..tokens as u32 {
            for end in start + 1..=tokens as u32 {
                for class in 0..layout.types() as u16 {
                    let span = TypedSpan { start, end, class };
                    let expected: f64 = all
                        .iter()
                        .filter(|(_, sequence)| layout.spans(sequence).contains(&span))
                        .map(|(score, _)| share(*score))
                        .sum();
                    let found = lattice.span(&links, layout, span);
                    prop_assert!((found - expected).abs() < 1e-5, "{span:?}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_best_sequences_come_in_order((layout, weights, states, _) in case()) {
        let constraints = layout.constraints();
        let links = Links::new(&weights, &constraints).unwrap();
        let mut all = everything(&weights, &constraints, &states);
        all.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut best = Vec::new();
        let score = links.best(&states, &mut best).unwrap();
        let scale = all[0].0.abs().max(1.0);
        prop_assert!((f64::from(score) - all[0].0).abs() < 1e-5 * scale);
        prop_assert!((links.score(&states, &best) - all[0].0).abs() < 1e-4 * scale);
        let few = links.n_best(&states, 7);
        prop_assert_eq!(few.len(), all.len().min(7));
        for ((found, sequence), (expected, _)) in few.iter().zip(&all) {
            prop_assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0));
            prop_assert!((links.score(&states, sequence) - found).abs() < 1e-4 * scale);
        }
        let mut distinct: Vec<_> = few.iter().map(|(_, sequence)| sequence).collect();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), few.len());
    }
}

#[test]
fn what_cannot_occur_is_none_and_empty_sentences_are_certain() {
    let mut constraints = Constraints::free(2);
    constraints.starts = vec![false, false];
    let links = Links::new(&Weights::zeros(0, 2), &constraints).unwrap();
    let mut best = Vec::new();
    assert!(links.best(&[0.0; 4], &mut best).is_none());
    assert!(Lattice::of(&links, &[0.0; 4]).is_none());
    assert!(links.n_best(&[0.0; 4], 3).is_empty());
    let empty = Lattice::of(&links, &[]).unwrap();
    assert_eq!((empty.tokens(), empty.log_partition()), (0, 0.0));
    let mut bad = Weights::zeros(0, 2);
    bad.transition[1] = f32::NAN;
    assert!(Links::new(&bad, &Constraints::free(2)).unwrap_err().is_setting());
    assert!(Links::new(&Weights::zeros(0, 2), &Constraints::free(3)).is_err());
}

/// Sentences over a tiny language: names (slots 0 to 9) come as one or two tokens after a title (slot 10) or alone; other
/// words are slots 11 to 40, slot 41 is on every token. Returns features, labels under BIO.
fn language(sentences: usize, seed: u64) -> (Encoded, Vec<Vec<u16>>) {
    let mut state = seed;
    let mut below = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let (mut encoded, mut labels) = (Encoded::new(), Vec::new());
    for _ in 0..sentences {
        let mut sequence = Vec::new();
        for _ in 0..3 + below(4) {
            if below(3) == 0 {
                encoded.push_token(&[10, 41]);
                sequence.push(0);
                for place in 0..=below(2) {
                    encoded.push_token(&[below(10) as u32, 41]);
                    sequence.push(1 + u16::from(place > 0));
                }
            } else {
                encoded.push_token(&[11 + below(30) as u32, 41]);
                sequence.push(0);
            }
        }
        encoded.end_sentence();
        labels.push(sequence);
    }
    (encoded, labels)
}

fn accuracy(weights: &Weights, layout: Layout, encoded: &Encoded, labels: &[Vec<u16>]) -> f64 {
    let links = Links::new(weights, &layout.constraints()).unwrap();
    let (mut states, mut best) = (Vec::new(), Vec::new());
    let mut right = 0;
    for (sentence, sequence) in labels.iter().enumerate() {
        weights.score(encoded, sentence, &mut states);
        links.best(&states, &mut best);
        right += best.iter().zip(sequence).filter(|(one, other)| one == other).count();
    }
    right as f64 / encoded.tokens() as f64
}

const BIO: Layout = Layout::Bio { types: 1 };

#[test]
fn every_kind_of_target_is_learnt_from() {
    let (encoded, labels) = language(200, 1);
    let (other, truth) = language(100, 2);
    let hard: Vec<Target> = labels.iter().cloned().map(Target::Hard).collect();
    let soft: Vec<Target> = labels
        .iter()
        .map(|sequence| {
            let row = |&label: &u16| (0..3).map(move |other| if other == label { 0.8 } else { 0.1 });
            Target::Soft(sequence.iter().flat_map(row).collect())
        })
        .collect();
    // Every third token may be anything, every fifth label leaves out one wrong label only.
    let partial: Vec<Target> = labels
        .iter()
        .map(|sequence| {
            let sets: Vec<Vec<u16>> = sequence
                .iter()
                .enumerate()
                .map(|(token, &label)| if token % 3 == 0 { vec![0, 1, 2] } else { vec![label] })
                .collect();
            Target::allowed(sets.iter().map(Vec::as_slice), 3)
        })
        .collect();
    for optimiser in [Optimiser::Adagrad { epochs: 15, rate: 0.3 }, Optimiser::Lbfgs { steps: 100, fall: 1e-6 }] {
        for (name, targets) in [("hard", &hard), ("soft", &soft), ("partial", &partial)] {
            let trainer = Trainer { optimiser, ..Trainer::default() };
            let fitted = trainer.fit(&encoded, targets, None, &BIO.constraints(), 42).unwrap();
            let found = accuracy(&fitted.weights, BIO, &other, &truth);
            assert!(found > 0.99, "{name} {optimiser:?}: {found}");
            let losses = &fitted.progress.losses;
            assert!(losses[losses.len() - 1] < losses[0], "{name}: {losses:?}");
        }
    }
}

#[test]
fn batch_training_reaches_the_minimum_from_which_no_step_leads_down() {
    let (encoded, labels) = language(60, 3);
    let targets: Vec<Target> = labels.into_iter().map(Target::Hard).collect();
    let run = |steps: usize| {
        let optimiser = Optimiser::Lbfgs { steps, fall: 0.0 };
        let trainer = Trainer { optimiser, l2: 0.1, ..Trainer::default() };
        trainer.fit(&encoded, &targets, None, &BIO.constraints(), 42).unwrap().progress.losses
    };
    let losses = run(300);
    assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "{losses:?}");
    let (last, before) = (losses[losses.len() - 1], run(60));
    assert!((before[before.len() - 1] - last).abs() < 1e-4 * last, "{last} {before:?}");
}

#[test]
fn the_l1_penalty_empties_weights_and_keeps_the_labels() {
    let (encoded, labels) = language(200, 4);
    let targets: Vec<Target> = labels.iter().cloned().map(Target::Hard).collect();
    let optimiser = Optimiser::Lbfgs { steps: 100, fall: 1e-6 };
    let density = |l1: f64| {
        let trainer = Trainer { optimiser, l1, ..Trainer::default() };
        let fitted = trainer.fit(&encoded, &targets, None, &BIO.constraints(), 42).unwrap();
        assert!(accuracy(&fitted.weights, BIO, &encoded, &labels) > 0.99);
        fitted.weights.density()
    };
    let (full, sparse) = (density(0.0), density(2.0));
    assert!(sparse < 0.8 * full, "{full} {sparse}");
}

#[test]
fn positive_labels_alone_need_the_prior_on_entities() {
    let (encoded, labels) = language(300, 5);
    let (other, truth) = language(100, 6);
    // Entities are known, all else may be anything.
    let targets: Vec<Target> = labels
        .iter()
        .map(|sequence| {
            let sets: Vec<Vec<u16>> =
                sequence.iter().map(|&label| if label > 0 { vec![label] } else { vec![0, 1, 2] }).collect();
            Target::allowed(sets.iter().map(Vec::as_slice), 3)
        })
        .collect();
    let share = labels.iter().flatten().filter(|&&label| label > 0).count() as f64 / encoded.tokens() as f64;
    for optimiser in [Optimiser::Adagrad { epochs: 20, rate: 0.3 }, Optimiser::Lbfgs { steps: 100, fall: 1e-6 }] {
        let run = |ratio: Option<EntityRatio>| {
            let trainer = Trainer { optimiser, ratio, ..Trainer::default() };
            let fitted = trainer.fit(&encoded, &targets, None, &BIO.constraints(), 42).unwrap();
            accuracy(&fitted.weights, BIO, &other, &truth)
        };
        let without = run(None);
        let with = run(Some(EntityRatio { share, slack: 0.02, weight: 10.0 }));
        assert!(without < 0.6 && with > 0.9, "{optimiser:?}: without {without}, with {with}");
    }
}

#[test]
fn threads_change_no_byte_and_weights_of_zero_remove_sentences() {
    let (encoded, labels) = language(120, 7);
    let targets: Vec<Target> = labels.into_iter().map(Target::Hard).collect();
    let weights: Vec<f32> = (0..120).map(|sentence| if sentence % 2 == 0 { 1.0 } else { 0.0 }).collect();
    for optimiser in [Optimiser::Adagrad { epochs: 3, rate: 0.2 }, Optimiser::Lbfgs { steps: 12, fall: 0.0 }] {
        let trainer = Trainer { optimiser, l1: 0.01, ratio: Some(EntityRatio::default()), ..Trainer::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| trainer.fit(&encoded, &targets, None, &BIO.constraints(), 42).unwrap().weights)
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
    let lbfgs = Trainer { optimiser: Optimiser::Lbfgs { steps: 40, fall: 0.0 }, l2: 0.5, ..Trainer::default() };
    let weighted = lbfgs.fit(&encoded, &targets, Some(&weights), &BIO.constraints(), 42).unwrap();
    let even: Vec<usize> = (0..120).step_by(2).collect();
    let chosen: Vec<Target> = even.iter().map(|&sentence| targets[sentence].clone()).collect();
    let alone = lbfgs.fit(&encoded.select(&even), &chosen, None, &BIO.constraints(), 42).unwrap();
    let losses = |fitted: &postil_student::chain::Fitted| *fitted.progress.losses.last().unwrap();
    assert!((losses(&weighted) - losses(&alone)).abs() < 1e-3 * losses(&alone));
}

#[test]
fn temperature_makes_scores_of_any_scale_as_sure_as_they_are_right() {
    let (encoded, labels) = language(200, 8);
    // A third of the labels are wrong, so certainty is wrong, too.
    let noisy: Vec<Vec<u16>> = labels
        .iter()
        .enumerate()
        .map(|(place, sequence)| if place % 3 == 0 { vec![0; sequence.len()] } else { sequence.clone() })
        .collect();
    let targets: Vec<Target> = noisy.into_iter().map(Target::Hard).collect();
    let trainer = Trainer { optimiser: Optimiser::Lbfgs { steps: 100, fall: 1e-7 }, ..Trainer::default() };
    let mut weights = trainer.fit(&encoded, &targets, None, &BIO.constraints(), 42).unwrap().weights;
    let plain = fit_temperature(&weights, BIO, &encoded, &targets).unwrap();
    assert!((0.7..1.4).contains(&plain), "{plain}");
    let all = weights.state.iter_mut().chain(&mut weights.transition).chain(&mut weights.start).chain(&mut weights.end);
    all.for_each(|weight| *weight *= 30.0);
    let scaled = fit_temperature(&weights, BIO, &encoded, &targets).unwrap();
    assert!((scaled / plain / 30.0 - 1.0).abs() < 0.1, "{plain} {scaled}");
    assert_eq!(fit_temperature(&weights, BIO, &Encoded::new(), &[]).unwrap(), 1.0);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (encoded, labels) = language(2, 9);
    let fit = |targets: &[Target], weights: Option<&[f32]>, slots: usize| {
        Trainer::default().fit(&encoded, targets, weights, &BIO.constraints(), slots).map(|_| ()).unwrap_err()
    };
    let good: Vec<Target> = labels.iter().cloned().map(Target::Hard).collect();
    assert!(fit(&good[..1], None, 42).is_input());
    assert_eq!(fit(&[good[0].clone(), Target::Hard(vec![0])], None, 42).item(), Some(1));
    let tokens = labels[1].len();
    let bad = |label: u16| [good[0].clone(), Target::Hard(vec![label; tokens])];
    assert!(fit(&bad(7), None, 42).to_string().contains("below 3"));
    assert!(fit(&bad(2), None, 42).to_string().contains("constraints"));
    assert!(
        fit(&[good[0].clone(), Target::Soft(vec![0.0; tokens * 3])], None, 42).to_string().contains("positive sum")
    );
    assert!(
        fit(&[good[0].clone(), Target::Allowed(vec![false; tokens * 3])], None, 42).to_string().contains("allowed")
    );
    assert!(fit(&good, Some(&[1.0, f32::NAN]), 42).to_string().contains("NaN"));
    assert!(fit(&good, None, 5).to_string().contains("slots below 5"));
    // A target that contradicts the constraints is left out and listed.
    let mut mask = vec![true; tokens * 3];
    mask[..3].copy_from_slice(&[false, false, true]);
    let fitted = Trainer::default()
        .fit(&encoded, &[good[0].clone(), Target::Allowed(mask)], None, &BIO.constraints(), 42)
        .unwrap();
    assert_eq!(fitted.progress.left_out, [1]);
}
