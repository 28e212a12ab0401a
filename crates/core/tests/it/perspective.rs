//! Distributions, predictions of people, simulated budgets and the choice of annotators.

use postil_core::consensus::{self, Method};
use postil_core::perspective::{
    Budget, Candidates, Distributions, History, Predictor, Strategy, choose_annotator, compare, held_out,
    people_errors, replay, simulate, would_say,
};
use postil_core::votes::{Gold, Votes, VotesBuilder};
use postil_core::{Measured, Random};

fn votes(classes: usize, items: usize, annotators: usize, answers: &[(u32, u32, u16)]) -> Votes {
    let mut builder = VotesBuilder::new(classes);
    for &(item, annotator, class) in answers {
        builder.push(item, annotator, class).unwrap();
    }
    builder.build(items, annotators).unwrap()
}

/// Items with a true class, annotators who are right so often; `turned` annotators say the class after it instead.
fn crowd(seed: u64, items: u32, annotators: u32, right: f64, turned: u32) -> (Votes, Gold) {
    let mut random = Random::new(seed);
    let (mut answers, mut truth) = (Vec::new(), Vec::new());
    for item in 0..items {
        let class = random.below(3) as u16;
        truth.push((item, class));
        for annotator in 0..annotators {
            let seen = if random.unit() < right { class } else { random.below(3) as u16 };
            answers.push((item, annotator, if annotator < turned { (seen + 1) % 3 } else { seen }));
        }
    }
    (votes(3, items as usize, annotators as usize, &answers), Gold::of(truth).unwrap())
}

#[test]
fn shares_keep_disagreement_and_smoothing_shrinks_it() {
    let votes = votes(2, 3, 3, &[(0, 0, 0), (0, 1, 1), (1, 0, 0)]);
    let plain = Distributions::of_votes(&votes, 0.0);
    assert_eq!(
        (plain.of(0), plain.of(1), plain.of(2)),
        (Some([0.5, 0.5].as_slice()), Some([1.0, 0.0].as_slice()), None)
    );
    assert!((plain.entropy(0).unwrap() - 2f64.ln()).abs() < 1e-12 && plain.entropy(2).is_none());
    let smooth = Distributions::of_votes(&votes, 1.0);
    assert!((smooth.of(1).unwrap()[0] - f64::midpoint(1.0, 2.0 / 3.0)).abs() < 1e-12);
    assert!((smooth.of(2).unwrap()[0] - 2.0 / 3.0).abs() < 1e-12);
    let found = compare(&plain, &smooth, true).unwrap();
    assert_eq!((found.items, found.left_out), (2, 1));
    let none = Distributions::of_votes(&self::votes(2, 2, 1, &[]), 1.0);
    assert!(none.of(0).is_none() && compare(&none, &none, false).unwrap().manhattan.value().is_none());
}

#[test]
fn a_person_is_predicted_by_its_own_confusion() {
    let (votes, _) = crowd(1, 120, 6, 0.9, 1);
    let settings = consensus::Settings::default();
    let fitted = consensus::fit(&votes, &Gold::none(), Method::DawidSkene, &settings).unwrap();
    // The turned annotator says the next class, and that is predicted.
    let (mut own, mut plain) = (0, 0);
    for item in 0..120 {
        let shares = would_say(&fitted, 0, item).unwrap();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let said = votes.of(item).find(|vote| vote.annotator == 0).unwrap().class;
        let top = (0..3).fold(0, |best, class| if shares[class] > shares[best] { class } else { best });
        own += usize::from(top == usize::from(said));
        plain += usize::from(fitted.labels[item] == said);
    }
    assert!(own > 100 && plain < 20, "{own} {plain}");

    let found = held_out(&votes, false, 0).unwrap();
    assert_eq!((found.answers, found.best), (720, Predictor::Person));
    let wrong: Vec<f64> = found.predictors.iter().map(|row| row.errors.overall.value().unwrap()).collect();
    assert!(wrong[2] < wrong[1] - 0.1, "{wrong:?}");
    assert_eq!(found.predictors[1].errors.worst, Some(0), "the consensus fails the turned annotator most");
    assert!(found.predictors[2].log_loss.value() < found.predictors[1].log_loss.value());
}

#[test]
fn where_people_are_alike_knowing_them_is_not_said_to_help() {
    let (votes, _) = crowd(2, 80, 5, 0.8, 0);
    assert_ne!(held_out(&votes, false, 0).unwrap().best, Predictor::Person);
    assert!(held_out(&self::votes(2, 1, 1, &[]), false, 0).is_err());
    // One annotator, one class, an annotator without overlap: results, and no NaN.
    for answers in [vec![(0, 0, 0), (1, 0, 1)], vec![(0, 0, 1), (0, 1, 1), (1, 1, 1)], vec![(0, 0, 0), (1, 1, 1)]] {
        let found = held_out(&self::votes(2, 2, 2, &answers), true, 0).unwrap();
        assert!(found.predictors.iter().all(|row| row.errors.overall.value().is_some_and(f64::is_finite)));
    }
}

#[test]
fn errors_of_people_count_annotators_alike() {
    let votes = votes(3, 6, 2, &[(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 2), (0, 1, 2)]);
    let found = people_errors(&votes, true, |_, _| Some(0));
    assert!((found.overall.value().unwrap() - 2.0 / 6.0).abs() < 1e-12);
    assert!((found.over_people.value().unwrap() - f64::midpoint(0.2, 1.0)).abs() < 1e-12);
    assert!((found.each[0].distance.value().unwrap() - 0.2).abs() < 1e-12);
    assert_eq!(found.worst, Some(0), "one answer alone makes nobody the worst");
    assert!(people_errors(&votes, false, |_, _| None).overall.value().is_none());
}

#[test]
fn more_answers_keep_more_labels_and_all_answers_keep_all() {
    let (votes, truth) = crowd(3, 60, 5, 0.6, 0);
    let budget = Budget { draws: 6, ..Budget::default() };
    let found = simulate(&votes, &truth, &budget).unwrap();
    assert_eq!(found.rows.iter().map(|row| row.answers_per_item).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let (first, last) = (&found.rows[0], &found.rows[4]);
    assert_eq!((first.answers, last.answers), (60.0, 300.0));
    assert_eq!(last.kept_by_majority.value(), Some(1.0));
    assert_eq!(last.kept_by_dawid_skene.value(), Some(1.0));
    assert!(last.distance.value().unwrap() < 1e-12);
    assert!(first.kept_by_majority.value().unwrap() < 0.9);
    assert!(first.right_by_majority.value().unwrap() < last.right_by_majority.value().unwrap());
    for pair in found.rows.windows(2) {
        assert!(pair[0].distance.value() > pair[1].distance.value());
    }
    assert_eq!((found.total, found.truths), (60, 60));
    assert_eq!(
        found.fixed.iter().map(|row| (row.answers_per_item, row.items)).collect::<Vec<_>>(),
        [(1, 60), (2, 30), (3, 20)]
    );
    assert!(found.fixed.iter().all(|row| (row.answers - 60.0).abs() < 1e-9), "the same number of answers each time");

    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(found, one.install(|| simulate(&votes, &truth, &budget).unwrap()));
    let part = simulate(&votes, &Gold::none(), &Budget { most_answers: 100, ..budget }).unwrap();
    assert_eq!((part.items, part.all_items, part.truths), (20, 60, 0));
    assert!(part.rows[0].right_by_majority.value().is_none() && part.rows[0].kept_by_majority.value().is_some());
}

#[test]
fn nothing_to_leave_out_is_an_error() {
    let single = votes(2, 2, 2, &[(0, 0, 0), (1, 1, 1)]);
    assert!(simulate(&single, &Gold::none(), &Budget::default()).unwrap_err().is_input());
    assert!(replay(&single, 5, 0).unwrap_err().is_input());
    let one_class = votes(2, 2, 2, &[(0, 0, 0), (0, 1, 0), (1, 1, 0)]);
    let found = simulate(&one_class, &Gold::none(), &Budget { draws: 3, ..Budget::default() }).unwrap();
    assert!(found.rows.iter().all(|row| row.kept_by_majority.value() == Some(1.0)));
    let Measured::Known { low, .. } = found.rows[0].kept_by_majority else { panic!() };
    assert!(low < 0.7, "two items do not make certain: {low}");
}

#[test]
fn strategies_pick_what_they_say() {
    let mut history = History::new(4, 2);
    // 0 and 1 say the common class, 2 the rare one, 3 is new.
    for round in 0..10 {
        history.add(0, 0, &[]);
        history.add(1, 0, &[(0, 0)]);
        if round % 2 == 0 {
            history.add(2, 1, &[(0, 0), (1, 0)]);
        }
    }
    let mut random = Random::new(0);
    let mut pick = |strategy, annotators: &[u32], answered: &[(u32, u16)]| {
        choose_annotator(strategy, &history, &Candidates { annotators, answered }, &mut random)
            .map(|place| annotators[place])
    };
    for strategy in [Strategy::LabelMinority, Strategy::LabelDiversity, Strategy::Representation] {
        assert_eq!(pick(strategy, &[1, 2, 3], &[(0, 0)]), Some(2), "{strategy}");
        assert_eq!(pick(strategy, &[], &[(0, 0)]), None);
    }
    let mut seen = [0; 4];
    for _ in 0..400 {
        seen[pick(Strategy::Random, &[1, 2, 3], &[]).unwrap() as usize] += 1;
    }
    assert!(seen[1..].iter().all(|&count| count > 90), "{seen:?}");
    for strategy in Strategy::ALL {
        assert_eq!(Strategy::parse(strategy.name()).unwrap(), strategy);
    }
    assert!(Strategy::parse("best").is_err());
}

#[test]
fn a_replay_of_people_who_are_alike_recommends_random() {
    let (alike, _) = crowd(4, 60, 6, 0.7, 0);
    let found = replay(&alike, 8, 0).unwrap();
    assert_eq!((found.recommended, found.rows.len(), found.items), (Strategy::Random, 4 * 5, 60));
    assert_eq!(found, replay(&alike, 8, 0).unwrap());
    for rows in found.rows.chunks(5) {
        assert!(rows.windows(2).all(|pair| pair[0].divergence.value() > pair[1].divergence.value()));
        assert!(rows[0].strategy != Strategy::Random || rows[0].gain.value() == Some(0.0));
    }
}

#[test]
fn a_replay_with_two_camps_finds_a_strategy_that_covers_both() {
    // Half of ten people always say 0, the other half always 1: asking both camps shows the split at once.
    let mut answers = Vec::new();
    for item in 0..80 {
        for annotator in 0..10 {
            answers.push((item, annotator, u16::from(annotator >= 5)));
        }
    }
    let found = replay(&votes(2, 80, 10, &answers), 8, 0).unwrap();
    assert_ne!(found.recommended, Strategy::Random);
    let after_two = |wanted: Strategy| {
        found
            .rows
            .iter()
            .find(|row| row.strategy == wanted && row.answers_per_item == 2)
            .unwrap()
            .divergence
            .value()
            .unwrap()
    };
    assert!(after_two(Strategy::LabelDiversity) < 0.5 * after_two(Strategy::Random));
}
