//! Training on every kind of target and head.

use postil_student::text::{Fitted, Head, Scratch, Target, TextModel, TextOptions, Trainer};

use crate::data::{Dice, shared, slices, topics};

const LABELS: [&str; 3] = ["billing", "bug", "praise"];

fn accuracy(model: &TextModel, texts: &[String], classes: &[u16]) -> f64 {
    let all = model.predict_batch(texts);
    let rows = all.chunks_exact(model.labels().len());
    let right = rows.zip(classes).filter(|(row, class)| model.most_probable(row) == **class).count();
    right as f64 / texts.len() as f64
}

fn fit(head: Head, texts: &[String], targets: &[Target]) -> Fitted {
    Trainer::new(LABELS, head).unwrap().fit(&slices(texts), targets, None).unwrap()
}

#[test]
fn every_kind_of_target_teaches() {
    let (texts, classes) = topics(240, 1);
    let (unseen, truth) = topics(300, 2);
    let soft = |class: u16| (0..3).map(|c| if c == class { 0.8 } else { 0.1 }).collect();
    let cases: [(&str, Vec<Target>); 3] = [
        ("hard", classes.iter().map(|&class| Target::Hard(class)).collect()),
        ("soft", classes.iter().map(|&class| Target::Soft(soft(class))).collect()),
        (
            "candidates",
            classes
                .iter()
                .enumerate()
                .map(|(at, &class)| Target::Candidates(vec![class, (class + 1 + (at % 2) as u16) % 3]))
                .collect(),
        ),
    ];
    for head in [Head::Softmax, Head::Ordinal] {
        for (name, targets) in &cases {
            let fitted = fit(head, &texts, targets);
            let reached = accuracy(&fitted.model, &unseen, &truth);
            // The best possible is 0.93: a tenth of the texts has a random topic.
            assert!(reached > 0.85, "{head:?} {name}: {reached}");
            for row in fitted.out_of_fold.chunks_exact(3) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{row:?}");
            }
        }
    }
}

#[test]
fn sets_of_labels_are_decided_one_by_one() {
    let mut dice = Dice(5);
    let words = [["refund", "invoice"], ["crash", "error"], ["thanks", "great"]];
    let (texts, targets): (Vec<String>, Vec<Target>) = (0..300)
        .map(|_| {
            let set: Vec<u16> = (0..3).filter(|_| dice.below(3) == 0).collect();
            let said: Vec<&str> = set.iter().map(|&class| words[usize::from(class)][dice.below(2)]).collect();
            (format!("hello there {} bye", said.join(" and ")), Target::Set(set))
        })
        .unzip();
    let fitted = fit(Head::Multilabel, &texts, &targets);
    let model = &fitted.model;
    let (mut scratch, mut row) = (Scratch::default(), [0.0; 3]);
    model.predict_into("a refund for the crash", &mut scratch, &mut row);
    assert_eq!(model.applying(&row).collect::<Vec<_>>(), [0, 1], "{row:?}");
    model.predict_into("hello there bye", &mut scratch, &mut row);
    assert_eq!(model.applying(&row).count(), 0, "{row:?}");
    assert!(fitted.report.out_of_fold.accuracy > 0.97);
}

#[test]
fn the_same_bytes_for_one_and_two_threads() {
    let (texts, classes) = topics(120, 3);
    let targets: Vec<Target> = classes.iter().map(|&class| Target::Hard(class)).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let fitted = fit(Head::Softmax, &texts, &targets);
            let predicted = fitted.model.predict_batch(&texts);
            (fitted.model.as_bytes().to_vec(), fitted.out_of_fold, predicted)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(1));
}

#[test]
fn a_text_of_which_nothing_is_known_gets_the_prior() {
    let (texts, mut classes) = topics(90, 4);
    classes[..60].fill(1);
    let targets: Vec<Target> = classes.iter().map(|&class| Target::Hard(class)).collect();
    let model = fit(Head::Softmax, &texts, &targets).model;
    for text in ["", " \n\t", "東京"] {
        let row = model.predict_batch(&[text]);
        assert_eq!(row, model.prior(), "{text:?}");
    }
    assert!(model.prior()[1] > 0.6);
}

#[test]
fn small_and_lopsided_data_are_served() {
    let (texts, classes) = topics(50, 6);
    let hard: Vec<Target> = classes.iter().map(|&class| Target::Hard(class)).collect();
    let (unseen, truth) = topics(300, 7);
    let small = fit(Head::Softmax, &texts, &hard);
    let reached = accuracy(&small.model, &unseen, &truth);
    assert!(reached > 0.7, "{reached}");

    // A label that never occurs stays improbable.
    let two: Vec<Target> = classes.iter().map(|&class| Target::Hard(class.min(1))).collect();
    let model = fit(Head::Softmax, &texts, &two).model;
    assert!(model.predict_batch(&unseen).chunks_exact(3).all(|row| row[2] < 0.1));

    let four = Trainer::new(["no", "yes"], Head::Softmax).unwrap();
    let targets = [0, 1, 0, 1].map(Target::Hard);
    assert!(four.fit(&["bad", "good", "bad day", "good day"], &targets, None).is_ok());
}

#[test]
fn what_cannot_be_learned_is_refused_with_a_reason() {
    let trainer = Trainer::new(LABELS, Head::Softmax).unwrap();
    let texts = ["a b", "c d", "e f", "g h"];
    let one_class = trainer.fit(&texts, &[0, 0, 0, 0].map(Target::Hard), None).unwrap_err();
    assert!(one_class.is_input() && one_class.to_string().contains("one class"), "{one_class}");
    let unknown = trainer.fit(&texts, &[0, 1, 9, 0].map(Target::Hard), None).unwrap_err();
    assert_eq!(unknown.to_string(), "item 2: expected a class below 3, found 9");
    let fine = [0, 1, 2, 0].map(Target::Hard);
    assert!(trainer.fit(&texts[..3], &fine, None).is_err());
    assert!(trainer.fit(&["", " ", "\n", ""], &fine, None).unwrap_err().to_string().contains("words"));
    assert!(trainer.fit(&texts, &fine, Some(&[1.0, -1.0, 1.0, 1.0])).unwrap_err().item() == Some(1));
    assert!(trainer.fit(&texts, &fine, Some(&[0.0; 4])).is_err());
    assert!(Trainer::new(["a", "a"], Head::Softmax).unwrap_err().is_setting());
    assert!(Trainer::new(["a"], Head::Softmax).is_err());
    let options = TextOptions::new().class_weights(vec![1.0]);
    assert!(trainer.clone().with_options(options).fit(&texts, &fine, None).unwrap_err().is_setting());
    assert!(trainer.with_options(TextOptions::new().folds(1)).fit(&texts, &fine, None).unwrap_err().is_setting());
}

#[test]
fn weights_move_the_model() {
    let texts = ["apple"; 40];
    let targets: Vec<Target> = (0..40).map(|at| Target::Hard((at % 2) as u16)).collect();
    let weights: Vec<f32> = (0..40).map(|at| if at % 2 == 0 { 9.0 } else { 1.0 }).collect();
    let trainer = Trainer::new(["a", "b"], Head::Softmax).unwrap();
    let by_item = trainer.fit(&texts, &targets, Some(&weights)).unwrap();
    let options = TextOptions::new().class_weights(vec![9.0, 1.0]);
    let by_class = trainer.with_options(options).fit(&texts, &targets, None).unwrap();
    for fitted in [by_item, by_class] {
        assert!((fitted.model.prior()[0] - 0.9).abs() < 0.02, "{:?}", fitted.model.prior());
        let shares = fitted.model.predict_batch(&["apple"]);
        assert!(shares[0] > 0.75, "{shares:?}");
    }
}

#[test]
fn a_tight_budget_is_kept() {
    let (texts, classes) = topics(300, 8);
    let targets: Vec<Target> = classes.iter().map(|&class| Target::Hard(class)).collect();
    let (unseen, truth) = topics(300, 9);
    let options = TextOptions::new().file_budget(24_000);
    let trainer = Trainer::new(LABELS, Head::Softmax).unwrap().with_options(options);
    let fitted = trainer.fit(&slices(&texts), &targets, None).unwrap();
    assert!(fitted.model.as_bytes().len() <= 24_000 && fitted.report.kept < fitted.report.features);
    assert!(accuracy(&fitted.model, &unseen, &truth) > 0.85);
}

#[test]
fn public_questions_are_classified() {
    let (Some(train), Some(test)) = (shared("trec6", "train", 700), shared("trec6", "test", 500)) else { return };
    let class = |rows: &[(String, String)]| -> Vec<u16> { rows.iter().map(|row| row.1.parse().unwrap()).collect() };
    let texts: Vec<&str> = train.iter().map(|row| row.0.as_str()).collect();
    let targets: Vec<Target> = class(&train).into_iter().map(Target::Hard).collect();
    let model =
        Trainer::new(["0", "1", "2", "3", "4", "5"], Head::Softmax).unwrap().fit(&texts, &targets, None).unwrap().model;
    let unseen: Vec<String> = test.iter().map(|row| row.0.clone()).collect();
    let reached = accuracy(&model, &unseen, &class(&test));
    assert!(reached > 0.78, "{reached}");
}
