//! What holds for every policy, and what the cleverer ones are for.

use postil_core::Random;
use postil_core::route::{Experiment, Fit, Policy, Pool, Reply, Settings, Source, State, Stored, replay, simulate};
use postil_core::votes::Gold;
use proptest::prelude::*;

const CLASSES: usize = 3;

/// A made-up pool and what it said.
#[derive(Clone, Debug)]
struct Made {
    /// Name, price, whether a person, accuracy.
    sources: Vec<(String, f64, bool, f64)>,
    items: usize,
    seed: u64,
    confident: bool,
}

impl Made {
    fn truth(&self) -> Vec<u16> {
        let mut random = Random::for_purpose(self.seed, "truth");
        (0..self.items).map(|_| random.below(CLASSES) as u16).collect()
    }

    /// The table with sources and items in the orders given.
    fn stored(&self, sources: &[usize], items: &[usize]) -> Stored {
        let list = sources
            .iter()
            .map(|&number| {
                let (name, price, person, _) = &self.sources[number];
                let model = name.split('@').next().unwrap().to_owned();
                Source { name: name.clone(), price: *price, person: *person, model }
            })
            .collect();
        let pool = Pool::new(list).unwrap();
        let keys = items.iter().map(|&item| Random::new(item as u64).next()).collect();
        let mut stored = Stored::new(pool.clone(), CLASSES, keys);
        let truth = self.truth();
        for (name, _, person, accuracy) in &self.sources {
            let source = pool.find(name).unwrap();
            let mut random = Random::for_purpose(self.seed, name);
            let mut said = Vec::new();
            for &truth in &truth {
                let right = random.unit() < *accuracy;
                let label = if right { truth } else { (truth + 1 + random.below(2) as u16) % CLASSES as u16 };
                let confidence = (if right { 0.6 } else { 0.4 }) + 0.4 * random.unit();
                let reply = match random.below(20) {
                    0 if *person => Reply::Missing,
                    1 => Reply::Nothing,
                    _ => Reply::Label(label),
                };
                said.push((reply, confidence));
            }
            for (place, &item) in items.iter().enumerate() {
                let (reply, confidence) = said[item];
                let confidence = (self.confident && reply != Reply::Nothing).then_some(confidence);
                stored.set(place as u32, source, reply, confidence).unwrap();
            }
        }
        stored
    }

    fn gold(&self, items: &[usize], labels: usize) -> Gold {
        let truth = self.truth();
        let known = items.iter().enumerate().filter(|(_, item)| **item < labels);
        Gold::of(known.map(|(place, &item)| (place as u32, truth[item]))).unwrap()
    }
}

fn made() -> impl Strategy<Value = Made> {
    let source = (0.0f64..1.0, 0.34f64..0.98);
    (prop::collection::vec(source, 2..7), 30usize..70, any::<u64>(), any::<bool>(), any::<bool>()).prop_map(
        |(sources, items, seed, confident, person)| {
            let mut all: Vec<(String, f64, bool, f64)> = sources
                .into_iter()
                .enumerate()
                .map(|(number, (price, accuracy))| {
                    (format!("m{}@{number}", number % 2), 10f64.powf(3.0 * price - 2.0), false, accuracy)
                })
                .collect();
            if person {
                all.push(("people#1".to_owned(), 20.0, true, 0.95));
            }
            Made { sources: all, items, seed, confident }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn no_policy_exceeds_its_budget_and_probabilities_sum_to_one(made in made(), level in 0.0f64..1.0) {
        let items: Vec<usize> = (0..made.items).collect();
        let stored = made.stored(&(0..made.sources.len()).collect::<Vec<_>>(), &items);
        let fit = Fit::new(&stored, &made.gold(&items, 24), &Settings { folds: 3, ..Settings::default() }).unwrap();
        let all: Vec<u32> = (0..made.items as u32).collect();
        let budget = 10f64.powf(4.0 * level - 2.0);
        let money = budget * made.items as f64;
        for policy in Policy::ALL {
            let Ok(plan) = fit.plan(policy, budget) else { continue };
            // Also with less money than the plan was made for.
            for money in [money, 0.3 * money] {
                let outcome = replay(&plan, &stored, &all, money);
                let spent: f64 = outcome.spent.iter().sum();
                prop_assert!(spent <= money * (1.0 + 1e-9), "{}: {spent} of {money}", policy.name());
                prop_assert!(outcome.verdicts.labels.iter().all(|&label| usize::from(label) < CLASSES));
                for row in outcome.verdicts.posterior.chunks_exact(CLASSES) {
                    prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5 && row.iter().all(|p| *p >= 0.0), "{row:?}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_annotators_and_items_changes_nothing(made in made()) {
        let sources: Vec<usize> = (0..made.sources.len()).collect();
        let items: Vec<usize> = (0..made.items).collect();
        let turned: Vec<usize> = sources.iter().rev().copied().collect();
        let mut shuffled = items.clone();
        Random::new(made.seed).shuffle(&mut shuffled);
        let labels = |sources: &[usize], items: &[usize]| -> Vec<Option<Vec<u16>>> {
            let stored = made.stored(sources, items);
            let settings = Settings { folds: 2, ..Settings::default() };
            let fit = Fit::new(&stored, &made.gold(items, 24), &settings).unwrap();
            let all: Vec<u32> = (0..items.len() as u32).collect();
            let of = |policy: Policy| {
                let plan = fit.plan(policy, 1.0).ok()?;
                let outcome = replay(&plan, &stored, &all, items.len() as f64);
                let mut by_item = vec![0; items.len()];
                items.iter().zip(&outcome.verdicts.labels).for_each(|(&item, &label)| by_item[item] = label);
                Some(by_item)
            };
            Policy::ALL.map(of).to_vec()
        };
        let plain = labels(&sources, &items);
        prop_assert_eq!(&plain, &labels(&turned, &items), "annotators turned round");
        prop_assert_eq!(&plain, &labels(&sources, &shuffled), "items shuffled");
    }

    #[test]
    fn small_batches_come_to_what_one_large_one_does(made in made(), most in 1usize..9) {
        let items: Vec<usize> = (0..made.items).collect();
        let stored = made.stored(&(0..made.sources.len()).collect::<Vec<_>>(), &items);
        let fit = Fit::new(&stored, &made.gold(&items, 24), &Settings { folds: 3, ..Settings::default() }).unwrap();
        let all: Vec<u32> = (0..made.items as u32).collect();
        for policy in Policy::ALL {
            let Ok(plan) = fit.plan(policy, 1.0) else { continue };
            let mut state = State::new(stored.pool().clone(), CLASSES, stored.keys().to_vec());
            loop {
                let batch = plan.next(&state, f64::INFINITY, most);
                prop_assert!(batch.len() <= most);
                if batch.is_empty() {
                    break;
                }
                for request in batch {
                    prop_assert!(state.asked(request.decision).iter().all(|one| one.source() != request.source));
                    let (reply, confidence) = stored.reply(request.decision, request.source);
                    state.record(request.decision, request.source, reply, confidence).unwrap();
                }
            }
            let whole = replay(&plan, &stored, &all, f64::INFINITY);
            prop_assert_eq!(&plan.verdicts(&state).labels, &whole.verdicts.labels, "{}", policy.name());
            prop_assert!((state.spent() - whole.spent.iter().sum::<f64>()).abs() < 1e-6 * state.spent().max(1.0));
        }
    }
}

fn source(name: &str, price: f64, accuracy: f64) -> (String, f64, bool, f64) {
    (name.to_owned(), price, false, accuracy)
}

fn spent_and_right(made: &Made, policy: Policy, budget: f64) -> (f64, f64) {
    let items: Vec<usize> = (0..made.items).collect();
    let stored = made.stored(&(0..made.sources.len()).collect::<Vec<_>>(), &items);
    let fit = Fit::new(&stored, &made.gold(&items, 200), &Settings::default()).unwrap();
    let plan = fit.plan(policy, budget).unwrap();
    let all: Vec<u32> = (200..made.items as u32).collect();
    let outcome = replay(&plan, &stored, &all, budget * all.len() as f64);
    let truth = &made.truth()[200..];
    let right = outcome.verdicts.labels.iter().zip(truth).filter(|(label, truth)| label == truth).count();
    (outcome.spent.iter().sum::<f64>() / all.len() as f64, right as f64 / all.len() as f64)
}

#[test]
fn money_goes_where_it_changes_labels() {
    let made = Made {
        sources: vec![source("cheap", 0.1, 0.8), source("other", 0.1, 0.78), source("strong", 2.0, 0.97)],
        items: 1200,
        seed: 5,
        confident: false,
    };
    let (cost, value) = spent_and_right(&made, Policy::Value, 1.0);
    let (random_cost, random) = spent_and_right(&made, Policy::RandomSplit, 1.0);
    assert!(cost <= 1.0 && (random_cost - 1.0).abs() < 0.1, "{cost} {random_cost}");
    // Where the two cheap ones agree the strong one is not needed.
    assert!(value > random + 0.02, "{value} against {random}");
    let (_, strong) = spent_and_right(&made, Policy::Single, 2.0);
    assert!(value > strong - 0.03, "{value} against {strong} for twice the money");
}

#[test]
fn copies_are_not_bought_twice() {
    let made = Made {
        sources: vec![source("a", 0.1, 0.8), source("b", 0.1, 0.8), source("strong", 1.0, 0.9)],
        items: 800,
        seed: 8,
        confident: false,
    };
    let items: Vec<usize> = (0..made.items).collect();
    let apart = made.stored(&[0, 1, 2], &items);
    // The same with `b` repeating `a`.
    let mut copied = apart.clone();
    for item in 0..made.items as u32 {
        let (reply, confidence) = apart.reply(item, 0);
        copied.set(item, 1, reply, confidence).unwrap();
    }
    let gold = made.gold(&items, 200);
    let all: Vec<u32> = (200..800).collect();
    let bought = |stored: &Stored| {
        let fit = Fit::new(stored, &gold, &Settings::default()).unwrap();
        let plan = fit.plan(Policy::Value, 0.5).unwrap();
        let keys = all.iter().map(|&item| stored.keys()[item as usize]).collect();
        let mut state = State::new(stored.pool().clone(), CLASSES, keys);
        loop {
            let batch = plan.next(&state, 300.0, usize::MAX);
            if batch.is_empty() {
                break;
            }
            for one in batch {
                let (reply, confidence) = stored.reply(all[one.decision as usize], one.source);
                state.record(one.decision, one.source, reply, confidence).unwrap();
            }
        }
        let both = |decision: u32| state.asked(decision).iter().filter(|one| one.source() < 2).count() == 2;
        let twice = (0..all.len() as u32).filter(|&decision| both(decision)).count();
        (twice as f64 / all.len() as f64, fit.belief().overlap(0, 1))
    };
    let ((independent, low), (copies, high)) = (bought(&apart), bought(&copied));
    assert!(high > 0.8 && low < 0.3, "overlap {low} and {high}");
    assert!(copies < 0.2 && independent > 0.5, "{independent} of items got both, {copies} got a copy");
}

#[test]
fn what_a_cascade_accepts_keeps_its_promise() {
    const DRAWS: u64 = 40;
    let (mut broken, mut accepted) = (0, 0.0);
    for seed in 0..DRAWS {
        let made = Made {
            sources: vec![source("first", 0.1, 0.9), source("last", 1.0, 0.98)],
            items: 800,
            seed,
            confident: true,
        };
        let items: Vec<usize> = (0..made.items).collect();
        let stored = made.stored(&[0, 1], &items);
        let fit = Fit::new(&stored, &made.gold(&items, 300), &Settings::default()).unwrap();
        let plan = fit.plan(Policy::Cascade, 1.0).unwrap();
        let all: Vec<u32> = (0..800).collect();
        let outcome = replay(&plan, &stored, &all, f64::INFINITY);
        let truth = made.truth();
        let kept: Vec<usize> = (0..800).filter(|&item| outcome.spent[item] < 0.5).collect();
        let wrong = kept.iter().filter(|&&item| outcome.verdicts.labels[item] != truth[item]).count();
        broken += u64::from(wrong as f64 > 0.1 * kept.len() as f64);
        accepted += kept.len() as f64 / 800.0 / DRAWS as f64;
    }
    // Promised with 90 % confidence; chance alone breaks nine or more of forty in one of fifty such tests.
    assert!(broken <= 8, "{broken} of {DRAWS} broken");
    assert!(accepted > 0.3, "{accepted} accepted");
}

#[test]
fn the_automatic_policy_keeps_up_with_all_others() {
    let made = Made {
        sources: vec![
            source("small@1", 0.05, 0.62),
            source("small@2", 0.05, 0.6),
            source("middle", 0.3, 0.75),
            source("large", 3.0, 0.9),
        ],
        items: 600,
        seed: 3,
        confident: false,
    };
    let items: Vec<usize> = (0..made.items).collect();
    let stored = made.stored(&[0, 1, 2, 3], &items);
    let experiment = Experiment { draws: 3, budgets: vec![0.1, 0.5, 1.5, 3.0], ..Experiment::default() };
    let found = simulate(&stored, &made.gold(&items, 600), &experiment).unwrap();
    assert!(found.dominated.is_empty(), "{:?}", found.dominated);
    assert!(found.points.iter().all(|point| point.cost.value().unwrap() <= point.budget * (1.0 + 1e-9) + 0.05));
    assert!(found.savings.len() >= 3);
    let again = simulate(&stored, &made.gold(&items, 600), &experiment).unwrap();
    assert_eq!(serde_json::to_string(&found).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn what_cannot_be_done_is_said() {
    let made = Made { sources: vec![source("a", 1.0, 0.8)], items: 60, seed: 1, confident: false };
    let items: Vec<usize> = (0..60).collect();
    let stored = made.stored(&[0], &items);
    let fails = |gold| Fit::new(&stored, &made.gold(&items, gold), &Settings::default()).unwrap_err().to_string();
    assert!(fails(19).contains("at least 20"));
    let gold = made.gold(&items, 40);
    let fit = Fit::new(&stored, &gold, &Settings::default()).unwrap();
    assert!(fit.plan(Policy::Single, 0.5).unwrap_err().to_string().contains("`single` cannot be carried out"));
    assert!(fit.plan(Policy::Auto, 0.5).unwrap_err().to_string().contains("one answer about every item"));
    assert!(fit.plan(Policy::Single, f64::NAN).is_err());
    assert!(fit.plan(Policy::Auto, 5.0).unwrap().description().ends_with('a'));
    assert!(simulate(&stored, &gold, &Experiment::default()).unwrap_err().to_string().contains("at least 50"));
    let pool = |sources| Pool::new(sources).unwrap_err().to_string();
    assert!(pool(vec![Source::machine("a", 1.0), Source::machine("a", 2.0)]).contains("`a` twice"));
    assert!(pool(vec![Source::machine("a", -1.0)]).contains("at least 0"));
    let mut other = stored.clone();
    assert!(other.set(0, 1, Reply::Missing, None).is_err() && other.set(0, 0, Reply::Label(3), None).is_err());
    assert!(other.set(0, 0, Reply::Label(0), Some(1.5)).is_err());
}
