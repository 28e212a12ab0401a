//! What holds for all votes, and agreement with a slow, obvious implementation.

use postil_core::consensus::{Method, Settings, dawid_skene_reference, fit};
use postil_core::votes::{Gold, Votes, VotesBuilder};
use proptest::prelude::*;

const CLASSES: usize = 3;
const ANNOTATORS: usize = 4;

/// Whether each annotator answered each of some decisions, and what.
fn tables() -> impl Strategy<Value = Vec<[Option<u16>; ANNOTATORS]>> {
    let answer = prop_oneof![1 => Just(None), 3 => (0..CLASSES as u16).prop_map(Some)];
    prop::collection::vec(prop::array::uniform4(answer), 1..40)
}

fn votes(table: &[[Option<u16>; ANNOTATORS]], soft: bool) -> Votes {
    let mut builder = VotesBuilder::new(CLASSES);
    for (decision, row) in table.iter().enumerate() {
        for (annotator, class) in row.iter().enumerate() {
            if let Some(class) = *class {
                if soft {
                    let next = (class + 1) % CLASSES as u16;
                    builder.push_soft(decision as u32, annotator as u32, &[(class, 0.8), (next, 0.2)]).unwrap();
                } else {
                    builder.push(decision as u32, annotator as u32, class).unwrap();
                }
            }
        }
    }
    builder.build(table.len(), ANNOTATORS).unwrap()
}

/// Maximum-likelihood Dawid-Skene from the definition, on a dense table.
fn slow_dawid_skene(table: &[[Option<u16>; ANNOTATORS]], rounds: usize) -> Vec<Vec<f64>> {
    let even = {
        let mut shares = [1e-9; CLASSES];
        for row in table {
            let count = row.iter().flatten().count() as f64;
            for &class in row.iter().flatten() {
                shares[usize::from(class)] += 1.0 / count;
            }
        }
        let sum: f64 = shares.iter().sum();
        shares.map(|share| share / sum)
    };
    let mut posterior: Vec<Vec<f64>> = table
        .iter()
        .map(|row| {
            let count = row.iter().flatten().count();
            (0..CLASSES)
                .map(|class| match count {
                    0 => even[class],
                    _ => row.iter().flatten().filter(|&&said| usize::from(said) == class).count() as f64 / count as f64,
                })
                .collect()
        })
        .collect();
    for _ in 0..rounds {
        let mut prior = [0.0; CLASSES];
        let mut rates = [[[0.0f64; CLASSES]; CLASSES]; ANNOTATORS];
        for (row, shares) in table.iter().zip(&posterior).filter(|(row, _)| row.iter().flatten().count() > 0) {
            for (truth, share) in shares.iter().enumerate() {
                prior[truth] += share;
                for (annotator, said) in row.iter().enumerate() {
                    if let Some(said) = said {
                        rates[annotator][truth][usize::from(*said)] += share;
                    }
                }
            }
        }
        let prior = prior.map(|sum: f64| sum.max(1e-10));
        let total: f64 = prior.iter().sum();
        for annotator in &mut rates {
            for truth in annotator {
                let clipped = truth.map(|count| count.max(1e-10));
                let sum: f64 = clipped.iter().sum();
                *truth = clipped.map(|count| count / sum);
            }
        }
        for (row, shares) in table.iter().zip(&mut posterior) {
            for (truth, share) in shares.iter_mut().enumerate() {
                *share = prior[truth] / total;
                for (annotator, said) in row.iter().enumerate() {
                    if let Some(said) = said {
                        *share *= rates[annotator][truth][usize::from(*said)];
                    }
                }
            }
            let sum: f64 = shares.iter().sum();
            for share in shares.iter_mut() {
                *share /= sum;
            }
        }
    }
    posterior
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_sweep_agrees_with_the_definition(table in tables()) {
        let votes = votes(&table, false);
        prop_assume!(!votes.is_empty());
        let expected = slow_dawid_skene(&table, 8);
        let found = dawid_skene_reference(&votes, 8).unwrap();
        for (decision, row) in expected.iter().enumerate() {
            for (class, share) in row.iter().enumerate() {
                let ours = found.posterior[decision * CLASSES + class];
                prop_assert!((ours - share).abs() < 1e-7, "{decision} {class}: {ours} {share}");
            }
        }
    }

    #[test]
    fn objectives_never_fall_and_posteriors_sum_to_one(table in tables(), known in 0usize..12, soft in any::<bool>()) {
        let votes = votes(&table, soft);
        let gold = Gold::of((0..known.min(table.len())).map(|decision| (decision as u32, (decision % CLASSES) as u16)))
            .unwrap();
        let settings = Settings { tolerance: 0.0, sweeps: 40, ..Settings::default() };
        for method in [
            Method::Majority,
            Method::OneCoin,
            Method::DawidSkene,
            Method::UniformDawidSkene,
            Method::SilentDawidSkene,
            Method::Automatic,
        ] {
            let consensus = fit(&votes, &gold, method, &settings).unwrap();
            for pair in consensus.objective.windows(2) {
                prop_assert!(pair[1] >= pair[0] - 1e-9 * (1.0 + pair[0].abs()), "{}: {:?}", method.name(), pair);
            }
            for decision in 0..votes.decisions() {
                prop_assert!((consensus.of(decision).iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn selecting_and_retaining_keep_the_votes(table in tables()) {
        let votes = votes(&table, false);
        let chosen: Vec<u32> = (0..table.len() as u32).rev().step_by(2).collect();
        let some = votes.select(&chosen);
        for (place, &decision) in chosen.iter().enumerate() {
            prop_assert!(some.of(place).eq(votes.of(decision as usize)));
            prop_assert_eq!(some.key(place), votes.key(decision as usize));
        }
        let without = votes.retain(|_, vote| vote.annotator != 1);
        prop_assert_eq!(without.len(), table.iter().flat_map(|row| [row[0], row[2], row[3]]).flatten().count());
    }
}
