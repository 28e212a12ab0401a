//! One table of cases over all methods.

use postil_core::consensus::{Basis, Consensus, Method, Settings, Unanimous, Warning, fit, refit};
use postil_core::votes::{Gold, Votes, VotesBuilder};
use postil_core::{Random, Result};

/// A decision, an annotator, a class.
type Cell = (u32, u32, u16);

struct Made {
    cells: Vec<Cell>,
    truth: Vec<u16>,
}

/// Annotators of mixed skill, `each` of them about every decision.
fn crowd(decisions: usize, annotators: usize, classes: usize, each: usize, seed: u64) -> Made {
    let mut random = Random::new(seed);
    let skills: Vec<f64> = (0..annotators).map(|_| 0.45 + 0.5 * random.unit()).collect();
    let truth: Vec<u16> = (0..decisions).map(|_| random.below(classes) as u16).collect();
    let mut cells = Vec::new();
    for (decision, &truth) in truth.iter().enumerate() {
        for annotator in random.sample(annotators, each) {
            let class = if random.unit() < skills[annotator] { truth } else { random.below(classes) as u16 };
            cells.push((decision as u32, annotator as u32, class));
        }
    }
    Made { cells, truth }
}

fn votes(cells: &[Cell], decisions: usize, annotators: usize, classes: usize) -> Votes {
    let mut builder = VotesBuilder::new(classes);
    for &(decision, annotator, class) in cells {
        builder.push(decision, annotator, class).unwrap();
    }
    builder.build(decisions, annotators).unwrap()
}

fn gold(truth: &[u16], count: usize) -> Gold {
    Gold::of((0..count.min(truth.len())).map(|decision| (decision as u32, truth[decision]))).unwrap()
}

fn check(consensus: &Consensus, votes: &Votes, what: &str) {
    assert_eq!(consensus.labels.len(), votes.decisions(), "{what}");
    assert_eq!(consensus.annotators.len(), votes.annotators(), "{what}");
    for decision in 0..votes.decisions() {
        let row = consensus.of(decision);
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5 && row.iter().all(|share| (0.0..=1.0001).contains(share)), "{what}: {row:?}");
        assert!(usize::from(consensus.labels[decision]) < votes.classes(), "{what}");
    }
    for annotator in 0..votes.annotators() {
        for row in consensus.confusion(annotator).unwrap().chunks(votes.classes()) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{what}: {row:?}");
        }
    }
    if consensus.method == Method::PooledDawidSkene {
        // Its prior moves with the annotators, so that there is no one objective.
        return;
    }
    let slack = 1e-9 * consensus.objective.last().map_or(0.0, |last| last.abs()) + 1e-9;
    assert!(consensus.objective.windows(2).all(|pair| pair[1] >= pair[0] - slack), "{what}: the objective fell");
}

fn bits(consensus: &Consensus) -> (Vec<u32>, Vec<u16>) {
    (consensus.posterior.iter().map(|share| share.to_bits()).collect(), consensus.labels.clone())
}

#[test]
fn every_method_stands_every_shape() -> Result<()> {
    let shapes: [(&str, Vec<Cell>, usize, usize, usize); 8] = [
        ("nothing", vec![], 0, 0, 2),
        ("no votes", vec![], 4, 2, 3),
        ("one vote", vec![(1, 0, 1)], 3, 2, 2),
        ("one class", vec![(0, 0, 0), (0, 1, 0), (1, 0, 0)], 2, 2, 1),
        ("one annotator", (0..40).map(|decision| (decision, 0, (decision % 3) as u16)).collect(), 40, 1, 3),
        ("repeated", vec![(0, 0, 1), (0, 0, 1), (0, 0, 0), (1, 1, 1)], 2, 2, 2),
        ("unanimous", (0..60).flat_map(|decision| [(decision, 0, 1), (decision, 1, 1)]).collect(), 60, 2, 2),
        ("twenty classes", crowd(80, 6, 20, 4, 3).cells, 80, 6, 20),
    ];
    for (name, cells, decisions, annotators, classes) in shapes {
        let votes = votes(&cells, decisions, annotators, classes);
        let known = Gold::of((0..decisions.min(35)).map(|decision| (decision as u32, (decision % classes) as u16)))?;
        for method in Method::ALL {
            for gold in [Gold::none(), known.clone()] {
                let what = format!("{name}, {}, {} gold", method.name(), gold.len());
                let fitted = fit(&votes, &gold, method, &Settings::default());
                if method.needs_gold() && gold.is_empty() {
                    assert!(fitted.unwrap_err().is_task(), "{what}");
                    continue;
                }
                check(&fitted?, &votes, &what);
            }
        }
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    // Enough decisions for several blocks of the sweep.
    let made = crowd(4_200, 6, 3, 2, 5);
    let votes = votes(&made.cells, 4_200, 6, 3);
    let settings = Settings { sweeps: 3, ..Settings::default() };
    let gold = gold(&made.truth, 40);
    for (method, gold) in [
        (Method::Majority, &gold),
        (Method::LogOdds, &gold),
        (Method::SilentDawidSkene, &gold),
        (Method::Ibcc, &gold),
        (Method::Mace, &gold),
        (Method::Glad, &gold),
        (Method::Ordered, &gold),
        (Method::Automatic, &Gold::none()),
    ] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&votes, gold, method, &settings)).unwrap()
        };
        let one = run(1);
        assert!(bits(&one) == bits(&run(3)), "{}", method.name());
    }
}

#[test]
fn the_order_of_answers_does_not_matter() -> Result<()> {
    let mut made = crowd(300, 12, 3, 4, 8);
    let straight = votes(&made.cells, 300, 12, 3);
    Random::new(1).shuffle(&mut made.cells);
    let shuffled = votes(&made.cells, 300, 12, 3);
    for method in Method::ALL {
        let gold = gold(&made.truth, 40);
        let fit = |votes| fit(votes, &gold, method, &Settings::default());
        assert!(bits(&fit(&straight)?) == bits(&fit(&shuffled)?), "{}", method.name());
    }
    Ok(())
}

#[test]
fn renaming_classes_renames_the_result() -> Result<()> {
    let made = crowd(400, 12, 3, 5, 9);
    let plain = votes(&made.cells, 400, 12, 3);
    for method in Method::ALL {
        // A scale can be turned round, no more.
        let in_order = method == Method::Ordered;
        let rename = |class: u16| if in_order { 2 - class } else { (class + 1) % 3 };
        let renamed: Vec<Cell> = made.cells.iter().map(|&(item, who, class)| (item, who, rename(class))).collect();
        let truth: Vec<u16> = made.truth.iter().map(|&class| rename(class)).collect();
        let turned = votes(&renamed, 400, 12, 3);
        let left = fit(&plain, &gold(&made.truth, 40), method, &Settings::default())?;
        let right = fit(&turned, &gold(&truth, 40), method, &Settings::default())?;
        for decision in 0..400 {
            for class in 0..3u16 {
                let (here, there) =
                    (left.of(decision)[usize::from(class)], right.of(decision)[usize::from(rename(class))]);
                assert!((here - there).abs() < 2e-3, "{}, decision {decision}: {here} {there}", method.name());
            }
        }
    }
    Ok(())
}

#[test]
fn going_on_from_a_consensus_comes_to_the_same_in_fewer_sweeps() -> Result<()> {
    let made = crowd(1_000, 15, 3, 5, 21);
    let first: Vec<Cell> = made.cells.iter().copied().filter(|cell| cell.0 < 900 && cell.1 < 14).collect();
    let (early, all) = (votes(&first, 900, 14, 3), votes(&made.cells, 1_000, 15, 3));
    for method in [Method::OneCoin, Method::DawidSkene, Method::Mace, Method::Automatic] {
        let settings = Settings::default();
        let last = fit(&early, &Gold::none(), method, &settings)?;
        let (anew, on) =
            (fit(&all, &Gold::none(), method, &settings)?, refit(&last, &all, &Gold::none(), method, &settings)?);
        let same = anew.labels.iter().zip(&on.labels).filter(|(left, right)| left == right).count();
        assert!(same >= 990, "{}: {same}", method.name());
        assert!(on.objective.len() <= anew.objective.len(), "{}", method.name());
    }
    let other = fit(&votes(&first, 900, 14, 4), &Gold::none(), Method::Majority, &Settings::default())?;
    assert!(refit(&other, &all, &Gold::none(), Method::Majority, &Settings::default()).unwrap_err().is_task());
    Ok(())
}

#[test]
fn two_votes_of_an_annotator_count_twice() -> Result<()> {
    let once = votes(&[(0, 0, 1), (0, 1, 0)], 1, 2, 2);
    let twice = votes(&[(0, 0, 1), (0, 0, 1), (0, 1, 0)], 1, 2, 2);
    let settings = Settings { calibrate: false, ..Settings::default() };
    let once = fit(&once, &Gold::none(), Method::Majority, &settings)?;
    let twice = fit(&twice, &Gold::none(), Method::Majority, &settings)?;
    assert_eq!((once.tied.as_slice(), twice.tied.as_slice()), ([0].as_slice(), [].as_slice()));
    assert_eq!(twice.labels, [1]);
    assert!(twice.warnings.contains(&Warning::Repeated { repeated: 1, dropped: 0 }));
    Ok(())
}

#[test]
fn models_learn_whom_to_believe() {
    // Two good annotators against three that guess.
    let mut random = Random::new(4);
    let mut cells = Vec::new();
    let truth: Vec<u16> = (0..600).map(|_| random.below(2) as u16).collect();
    for (decision, &truth) in truth.iter().enumerate() {
        for annotator in 0..5 {
            let right = random.unit() < if annotator < 2 { 0.95 } else { 0.55 };
            cells.push((decision as u32, annotator, if right { truth } else { 1 - truth }));
        }
    }
    let votes = votes(&cells, 600, 5, 2);
    let accuracy = |method: Method, gold: &Gold| {
        let labels = fit(&votes, gold, method, &Settings::default()).unwrap().labels;
        labels.iter().zip(&truth).filter(|(label, truth)| label == truth).count() as f64 / 600.0
    };
    let majority = accuracy(Method::Majority, &Gold::none());
    for method in [Method::OneCoin, Method::DawidSkene, Method::UniformDawidSkene] {
        assert!(accuracy(method, &Gold::none()) > majority + 0.05, "{}", method.name());
    }
    for method in [Method::LogOdds, Method::Automatic] {
        assert!(accuracy(method, &gold(&truth, 60)) > majority + 0.05, "{}", method.name());
    }
}

#[test]
fn silence_is_heard_only_by_the_methods_that_listen() {
    // A program that speaks on class 1 alone, and a weak one that speaks on all.
    let mut random = Random::new(6);
    let truth: Vec<u16> = (0..800).map(|_| random.below(2) as u16).collect();
    let mut cells = Vec::new();
    for (decision, &truth) in truth.iter().enumerate() {
        if truth == 1 && random.unit() < 0.9 {
            cells.push((decision as u32, 0, 1));
        }
        let class = if random.unit() < 0.6 { truth } else { 1 - truth };
        cells.push((decision as u32, 1, class));
    }
    let votes = votes(&cells, 800, 2, 2);
    let gold = gold(&truth, 80);
    let accuracy = |method| {
        let labels = fit(&votes, &gold, method, &Settings::default()).unwrap().labels;
        labels.iter().zip(&truth).filter(|(label, truth)| label == truth).count() as f64 / 800.0
    };
    let deaf = accuracy(Method::LogOdds);
    assert!(accuracy(Method::SilentLogOdds) > deaf + 0.1 && accuracy(Method::Automatic) > deaf + 0.1);
}

#[test]
fn ties_are_counted_and_fall_by_prior_then_key() -> Result<()> {
    let mut cells = vec![(0, 0, 0), (0, 1, 1)];
    cells.extend((1..10).map(|decision| (decision, 0, 1)));
    let tilted = votes(&cells, 10, 2, 2);
    let consensus = fit(&tilted, &Gold::none(), Method::Majority, &Settings::default())?;
    assert_eq!((consensus.tied.as_slice(), consensus.labels[0]), ([0].as_slice(), 1));

    // With even classes the key decides, not the place.
    let even = |keys: Vec<u64>| {
        let mut builder = VotesBuilder::new(2).keys(keys);
        for decision in 0..64 {
            builder.push(decision, 0, 0).unwrap();
            builder.push(decision, 1, 1).unwrap();
        }
        builder.build(64, 2).unwrap()
    };
    let keys: Vec<u64> = (0..64).map(|key| key * 977).collect();
    let forward = fit(&even(keys.clone()), &Gold::none(), Method::Majority, &Settings::default())?;
    let backward = fit(&even(keys.into_iter().rev().collect()), &Gold::none(), Method::Majority, &Settings::default())?;
    assert_eq!(forward.tied.len(), 64);
    assert!(forward.labels.iter().eq(backward.labels.iter().rev()));
    let ones = forward.labels.iter().filter(|&&label| label == 1).count();
    assert!((16..48).contains(&ones), "{ones}");
    Ok(())
}

#[test]
fn overturned_unanimous_decisions_are_listed_and_can_be_kept() -> Result<()> {
    // Annotators 0 and 1 always say class 0; 2 and 3 know.
    let mut random = Random::new(12);
    let truth: Vec<u16> = (0..400).map(|_| random.below(2) as u16).collect();
    let mut cells = Vec::new();
    for (decision, &truth) in truth.iter().enumerate() {
        cells.extend([(decision as u32, 0, 0), (decision as u32, 1, 0)]);
        if decision % 4 != 0 {
            cells.extend([2, 3].map(|annotator| (decision as u32, annotator, truth)));
        }
    }
    let votes = votes(&cells, 400, 4, 2);
    // Gold where only the constant pair answered, mostly of class 1.
    let gold = Gold::of(
        (0..400)
            .filter(|decision| decision % 4 != 1)
            .take(200)
            .map(|decision| (decision, if decision % 4 == 0 { 1 } else { truth[decision as usize] })),
    )?;
    let flagged = fit(&votes, &gold, Method::LogOdds, &Settings::default())?;
    assert!(!flagged.overturned.is_empty() && flagged.overturned.iter().all(|&decision| decision % 4 == 0));
    assert!(flagged.overturned.iter().all(|&decision| flagged.labels[decision as usize] == 1));
    let constant: Vec<u32> = flagged
        .warnings
        .iter()
        .filter_map(|warning| match warning {
            Warning::NearConstant { annotator, .. } => Some(*annotator),
            _ => None,
        })
        .collect();
    assert_eq!(constant, [0, 1]);
    let settings = Settings { unanimous: Unanimous::Keep, ..Settings::default() };
    let kept = fit(&votes, &gold, Method::LogOdds, &settings)?;
    assert_eq!(kept.overturned, flagged.overturned);
    assert!(kept.overturned.iter().all(|&decision| kept.labels[decision as usize] == 0));
    check(&kept, &votes, "kept");
    Ok(())
}

#[test]
fn the_choice_says_what_it_rests_on() -> Result<()> {
    let made = crowd(300, 10, 3, 4, 21);
    let votes = votes(&made.cells, 300, 10, 3);
    let with = fit(&votes, &gold(&made.truth, 50), Method::Automatic, &Settings::default())?.choice.unwrap();
    assert_eq!(with.basis, Basis::Gold(50));
    assert!(
        with.reason.contains("50 gold items")
            && (with.candidates.iter().map(|one| one.weight).sum::<f64>() - 1.0).abs() < 1e-9
    );
    let without = fit(&votes, &gold(&made.truth, 10), Method::Automatic, &Settings::default())?;
    assert!(matches!(without.choice.unwrap().basis, Basis::HiddenAnswers(300)));
    assert!(without.warnings.contains(&Warning::LittleGold { found: 10, enough: 30 }));
    let thin = crate::consensus_cases::votes(&[(0, 0, 1)], 1, 1, 2);
    let nothing = fit(&thin, &Gold::none(), Method::Automatic, &Settings::default())?.choice.unwrap();
    assert_eq!(nothing.basis, Basis::Nothing);
    Ok(())
}

#[test]
fn gold_outside_the_votes_is_refused() {
    let votes = votes(&[(0, 0, 1)], 1, 1, 2);
    for pair in [(1, 0), (0, 2)] {
        let error = fit(&votes, &Gold::of([pair]).unwrap(), Method::Majority, &Settings::default()).unwrap_err();
        assert!(error.is_input(), "{error}");
    }
    assert!(Method::parse("vote").unwrap_err().to_string().contains("`majority`"));
}
