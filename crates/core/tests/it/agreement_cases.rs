//! Agreement on small cases with known values, on hostile input, and against slow obvious code.

use postil_core::Measured;
use postil_core::Random;
use postil_core::agreement::{Agreement, Caution, Scale, Settings, Verdict, measure};
use postil_core::votes::{Repeats, Votes, VotesBuilder};

fn votes(classes: usize, decisions: usize, annotators: usize, answers: &[(u32, u32, u16)]) -> Votes {
    let mut builder = VotesBuilder::new(classes).repeats(Repeats::First);
    for &(decision, annotator, class) in answers {
        builder.push(decision, annotator, class).unwrap();
    }
    builder.build(decisions, annotators).unwrap()
}

fn at(scale: Scale) -> Settings {
    Settings { scale, replicates: 200, ..Settings::default() }
}

/// The reliability data of Krippendorff 2011: four observers, twelve units, values 1 to 5, answers missing.
fn krippendorff() -> Votes {
    const ROWS: [[u16; 12]; 4] = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ];
    let mut answers = Vec::new();
    for (annotator, row) in ROWS.iter().enumerate() {
        for (item, &value) in row.iter().enumerate().filter(|(_, value)| **value > 0) {
            answers.push((item as u32, annotator as u32, value - 1));
        }
    }
    votes(5, 12, 4, &answers)
}

#[test]
fn the_published_example_gives_the_published_alphas() {
    let votes = krippendorff();
    let numbers = vec![1.0, 2.0, 3.0, 4.0, 5.0];
    for (scale, expected) in [
        (Scale::Nominal, 0.743),
        (Scale::Ordinal, 0.815),
        (Scale::Interval(numbers.clone()), 0.849),
        (Scale::Ratio(numbers), 0.797),
    ] {
        let found = measure(&votes, &at(scale.clone())).unwrap();
        let alpha = found.coefficients.alpha.value().unwrap();
        assert!((alpha - expected).abs() < 5e-4, "{scale:?}: {alpha}");
        assert!(matches!(found.cautions[0], Caution::SingleAnswers { items: 1, of: 12 }), "{:?}", found.cautions);
        assert!(found.coefficients.fleiss_kappa.value().is_none(), "items have one to four answers");
    }
}

#[test]
fn large_values_lose_no_digits() {
    let votes = krippendorff();
    let near = measure(&votes, &at(Scale::Interval(vec![1.0, 2.0, 3.0, 4.0, 5.0]))).unwrap();
    let far = measure(&votes, &at(Scale::Interval([1.0, 2.0, 3.0, 4.0, 5.0].map(|v| v + 1e7).to_vec()))).unwrap();
    let difference = near.coefficients.alpha.value().unwrap() - far.coefficients.alpha.value().unwrap();
    assert!(difference.abs() < 1e-9, "{difference}");
}

#[test]
fn one_class_alone_is_not_perfect_agreement() {
    let same: Vec<(u32, u32, u16)> = (0..30).flat_map(|item| [(item, 0, 1), (item, 1, 1), (item, 2, 1)]).collect();
    let found = measure(&votes(2, 30, 3, &same), &Settings::default()).unwrap();
    let figures = &found.coefficients;
    for figure in [&figures.alpha, &figures.alpha_nominal, &figures.fleiss_kappa] {
        let Measured::Unknown { reason } = figure else { panic!("{figure}") };
        assert!(reason.contains("one label"), "{reason}");
    }
    let Measured::Known { value, low, .. } = &figures.observed else { panic!() };
    assert!(*value == 1.0 && *low < 0.95, "thirty items cannot prove certainty: {low}");
    assert!(found.per_annotator.iter().all(|one| one.kappa.value().is_none()));
    assert!(found.pairs.iter().all(|pair| pair.kappa.value().is_none() && pair.ac1.value().is_some()));
    assert_eq!((found.cautions[0].clone(), found.verdict), (Caution::OneClass, Verdict::Unknown));
    assert!(found.meaning().contains("cannot be known"), "{}", found.meaning());
}

#[test]
fn too_little_to_compare_is_unknown_with_the_reason() {
    let reason = |found: &Agreement| match &found.coefficients.alpha {
        Measured::Unknown { reason } => reason.clone(),
        known @ Measured::Known { .. } => panic!("{known}"),
    };
    // One annotator, no overlap, nothing at all, one item.
    let one = measure(&votes(2, 3, 1, &[(0, 0, 0), (1, 0, 1), (2, 0, 1)]), &Settings::default()).unwrap();
    assert!(reason(&one).contains("no item has two answers"), "{}", reason(&one));
    let apart = measure(&votes(2, 2, 2, &[(0, 0, 0), (1, 1, 1)]), &Settings::default()).unwrap();
    assert!(apart.cautions.iter().any(|caution| matches!(caution, Caution::NoOverlap { count: 2, .. })));
    assert!(matches!(&apart.coefficients.cohen_kappa, Measured::Unknown { reason } if reason.contains("in common")));
    let none = measure(&votes(2, 2, 2, &[]), &Settings::default()).unwrap();
    assert!(none.coefficients.observed.value().is_none() && none.classes[0].prevalence.value().is_none());
    let single = measure(&votes(2, 1, 2, &[(0, 0, 0), (0, 1, 1)]), &Settings::default()).unwrap();
    assert!(reason(&single).contains("one item"), "{}", reason(&single));
    let classless =
        measure(&votes(1, 2, 2, &[(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]), &Settings::default()).unwrap();
    assert!(classless.coefficients.ac1.value().is_none() && classless.coefficients.randolph_kappa.value().is_none());
}

#[test]
fn an_annotator_without_overlap_and_a_constant_one_are_named() {
    let mut answers: Vec<(u32, u32, u16)> = Vec::new();
    for item in 0..40 {
        answers.extend([(item, 0, (item % 2) as u16), (item, 1, (item % 2) as u16), (item, 2, 0)]);
    }
    answers.push((40, 3, 1));
    answers.push((0, 0, 1));
    let found = measure(&votes(2, 41, 4, &answers), &Settings::default()).unwrap();
    let sentences: Vec<String> =
        found.cautions.iter().map(|one| one.sentence(|class| class.to_string(), |who| format!("a{who}"))).collect();
    let text = sentences.join("\n");
    assert!(text.contains("`a3`") && text.contains("`a2` says `0` in 100 %"), "{text}");
    assert!(text.contains("1 answers repeat") && (found.repeated, found.put_aside) == (1, 1), "{text}");
    assert!(found.per_annotator[3].observed.value().is_none());
    assert!(found.per_annotator[0].kappa.value() > found.per_annotator[2].kappa.value());
    assert_eq!(found.all_pairs, 3);
}

#[test]
fn bad_scales_and_soft_answers_are_refused() {
    let votes = krippendorff();
    for scale in
        [Scale::Interval(vec![1.0]), Scale::Ratio(vec![-1.0, 0.0, 1.0, 2.0, 3.0]), Scale::Interval(vec![f64::NAN; 5])]
    {
        assert!(measure(&votes, &at(scale)).unwrap_err().is_task());
    }
    let mut builder = VotesBuilder::new(2);
    builder.push_soft(0, 0, &[(0, 0.5), (1, 0.5)]).unwrap();
    assert!(measure(&builder.build(1, 1).unwrap(), &Settings::default()).unwrap_err().is_input());
}

#[test]
fn prevalence_is_explained_in_words() {
    let mut answers = Vec::new();
    let mut random = Random::new(5);
    for item in 0..400 {
        for annotator in 0..3 {
            answers.push((item, annotator, u16::from(random.unit() < 0.05)));
        }
    }
    let found = measure(&votes(2, 400, 3, &answers), &Settings::default()).unwrap();
    assert!(found.coefficients.alpha.value().unwrap() < 0.1 && found.coefficients.ac1.value().unwrap() > 0.8);
    assert!(matches!(found.cautions[0], Caution::Prevalence { class: 0, .. }), "{:?}", found.cautions);
}

fn random_votes(seed: u64, items: u32, annotators: u32, classes: u16) -> (Votes, Vec<(u32, u32, u16)>) {
    let mut random = Random::new(seed);
    let mut answers = Vec::new();
    for item in 0..items {
        let truth = random.below(usize::from(classes)) as u16;
        for annotator in 0..annotators {
            if random.unit() < 0.6 {
                let class = if random.unit() < 0.6 { truth } else { random.below(usize::from(classes)) as u16 };
                answers.push((item, annotator, class));
            }
        }
    }
    (votes(usize::from(classes), items as usize, annotators as usize, &answers), answers)
}

/// Alpha by its definition: mean distance within items over mean distance between all comparable answers.
fn slow_alpha(answers: &[(u32, u32, u16)], distance: impl Fn(u16, u16) -> f64) -> f64 {
    let items = answers.iter().map(|answer| answer.0).max().unwrap() + 1;
    let units: Vec<Vec<u16>> = (0..items)
        .map(|item| answers.iter().filter(|answer| answer.0 == item).map(|answer| answer.2).collect::<Vec<_>>())
        .filter(|unit| unit.len() > 1)
        .collect();
    let all: Vec<u16> = units.concat();
    let n = all.len() as f64;
    let mut within = 0.0;
    for unit in &units {
        for (i, &one) in unit.iter().enumerate() {
            for (j, &other) in unit.iter().enumerate().filter(|(j, _)| *j != i) {
                let _ = j;
                within += distance(one, other) / (unit.len() as f64 - 1.0);
            }
        }
    }
    let between: f64 =
        all.iter().flat_map(|&one| all.iter().map(move |&other| (one, other))).map(|(a, b)| distance(a, b)).sum();
    1.0 - (within / n) / (between / (n * (n - 1.0)))
}

#[test]
fn alpha_equals_its_definition() {
    for seed in 0..4 {
        let (votes, answers) = random_votes(seed, 25, 5, 4);
        let values: [f64; 4] = [0.0, 1.0, 2.5, 7.0];
        let alpha = |scale| measure(&votes, &at(scale)).unwrap().coefficients.alpha.value().unwrap();
        let slow = slow_alpha(&answers, |a, b| (values[usize::from(a)] - values[usize::from(b)]).powi(2));
        assert!((alpha(Scale::Interval(values.to_vec())) - slow).abs() < 1e-10);
        let slow = slow_alpha(&answers, |a, b| {
            let (a, b) = (values[usize::from(a)], values[usize::from(b)]);
            if a + b > 0.0 { ((a - b) / (a + b)).powi(2) } else { 0.0 }
        });
        assert!((alpha(Scale::Ratio(values.to_vec())) - slow).abs() < 1e-10);
        let slow = slow_alpha(&answers, |a, b| f64::from(a != b));
        assert!((alpha(Scale::Nominal) - slow).abs() < 1e-10);
        let shared: Vec<u16> = (0..25u32)
            .map(|item| answers.iter().filter(|answer| answer.0 == item).map(|answer| answer.2).collect::<Vec<_>>())
            .filter(|unit| unit.len() > 1)
            .flatten()
            .collect();
        let count = |class: u16| shared.iter().filter(|&&one| one == class).count() as f64;
        let slow = slow_alpha(&answers, |a, b| {
            let (low, high) = (a.min(b), a.max(b));
            ((low..=high).map(count).sum::<f64>() - f64::midpoint(count(low), count(high))).powi(2)
        });
        assert!((alpha(Scale::Ordinal) - slow).abs() < 1e-10);
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_the_order_of_items_and_annotators() {
    let (votes, answers) = random_votes(9, 60, 6, 3);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    let settings = Settings { scale: Scale::Ordinal, ..Settings::default() };
    let first = one.install(|| measure(&votes, &settings).unwrap());
    assert_eq!(first, many.install(|| measure(&votes, &settings).unwrap()));
    let turned: Vec<_> = answers.iter().map(|&(item, who, class)| (59 - item, who, class)).collect();
    let other = measure(&self::votes(3, 60, 6, &turned), &settings).unwrap();
    assert_eq!(first.coefficients, other.coefficients);
    let seed = measure(&votes, &Settings { seed: 1, ..settings }).unwrap();
    assert_eq!(first.coefficients.alpha.value(), seed.coefficients.alpha.value());
    assert_ne!(first.coefficients.alpha, seed.coefficients.alpha, "another seed draws other replicates");
}

#[test]
fn intervals_cover_the_alpha_of_the_population() {
    // The alpha of very many items stands for the truth; 95 % intervals from 150 items each must hold it.
    let (all, _) = random_votes(1000, 6000, 3, 3);
    let truth = measure(&all, &at(Scale::Nominal)).unwrap().coefficients;
    let (mut alpha, mut ac1) = (0, 0);
    let runs = 200;
    for seed in 0..runs {
        let (votes, _) = random_votes(seed, 150, 3, 3);
        let found = measure(&votes, &at(Scale::Nominal)).unwrap().coefficients;
        let holds = |found: &Measured, truth: &Measured| match found {
            Measured::Known { low, high, .. } => u32::from((*low..=*high).contains(&truth.value().unwrap())),
            Measured::Unknown { .. } => 0,
        };
        alpha += holds(&found.alpha, &truth.alpha);
        ac1 += holds(&found.ac1, &truth.ac1);
    }
    for covered in [alpha, ac1] {
        let share = f64::from(covered) / runs as f64;
        assert!((0.90..=0.985).contains(&share), "covered {share}");
    }
}
