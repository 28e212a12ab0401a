//! Taggers from outside: every kind of layer, budgets, bad input, the same bytes on any number of threads.

use postil_student::chain::TypedSpan;
use postil_student::tagger::{
    Algorithm, Counts, Document, FittedTagger, Layer, LayerKind, LayerPrediction, LayerTarget, NameList, TaggerModel,
    TaggerOptions, TaggerScratch, TaggerTrainer,
};

use crate::tagger_data::{Sentences, layer, sentences};

fn fit(kinds: &[LayerKind], drawn: &Sentences, options: TaggerOptions) -> FittedTagger {
    TaggerTrainer::new(kinds.iter().map(|&kind| layer(kind)).collect())
        .unwrap()
        .with_options(options)
        .fit(&drawn.documents(), &drawn.targets(kinds), None)
        .unwrap()
}

fn predict(model: &TaggerModel, drawn: &Sentences) -> Vec<Vec<LayerPrediction>> {
    let mut scratch = TaggerScratch::default();
    drawn.documents().iter().map(|document| model.predict(document, true, &mut scratch)).collect()
}

fn span_f1(predictions: &[Vec<LayerPrediction>], at: usize, gold: &Sentences) -> f64 {
    let mut counts = Counts::default();
    for (predicted, gold) in predictions.iter().zip(&gold.spans) {
        let LayerPrediction::Spans(found) = &predicted[at] else { panic!("{predicted:?}") };
        assert!(found.iter().all(|found| found.confidence.is_some_and(|sure| (0.0..=1.0).contains(&sure))));
        counts.add(gold, &found.iter().map(|found| found.span).collect::<Vec<_>>());
    }
    counts.f1()
}

const ALL: [LayerKind; 4] = [LayerKind::Spans, LayerKind::Tags, LayerKind::Scores, LayerKind::Sentences];

#[test]
fn every_kind_of_layer_is_learnt_from_one_table() {
    let (train, test) = (sentences(200, 1), sentences(150, 2));
    let fitted = fit(&ALL, &train, TaggerOptions::new());
    let predictions = predict(&fitted.model, &test);
    assert!(span_f1(&predictions, 0, &test) > 0.97);
    let (mut right, mut all, mut error) = (0, 0, 0.0f32);
    for (at, predicted) in predictions.iter().enumerate() {
        let [_, LayerPrediction::Tags(tags), LayerPrediction::Scores(scores), LayerPrediction::Sentences(kinds)] =
            predicted.as_slice()
        else {
            panic!("{predicted:?}")
        };
        assert_eq!((tags.len(), scores.len(), kinds.len()), (test.tags[at].len(), test.tags[at].len(), 1));
        right += tags.iter().zip(&test.tags[at]).filter(|(found, gold)| found.class == **gold).count();
        right += usize::from(kinds[0].class == test.kinds[at]);
        all += tags.len() + 1;
        for (score, tag) in scores.iter().zip(&test.tags[at]) {
            error = error.max((score - if *tag == 2 { 0.9 } else { 0.1 }).abs());
        }
    }
    assert!(right as f64 > 0.98 * all as f64, "{right} of {all}");
    assert!(error < 0.3, "{error}");
    let report = &fitted.report;
    assert_eq!(report.bytes, fitted.model.as_bytes().len());
    assert_eq!((report.documents, report.quality.len()), (200, 4));
    assert!(report.quality[0].pruned.spans.f1() > 0.9 && report.quality[0].temperature > 0.0);
}

#[test]
fn a_random_field_learns_too_and_from_candidates() {
    let (train, test) = (sentences(150, 3), sentences(100, 4));
    let kinds = [LayerKind::Spans];
    let field = fit(&kinds, &train, TaggerOptions::new().algorithm(Algorithm::Crf));
    assert!(span_f1(&predict(&field.model, &test), 0, &test) > 0.95);

    // Half of the documents say only of some tokens what they may be: names are names, the rest is open.
    let mut targets = train.targets(&kinds);
    for (at, targets) in targets.iter_mut().enumerate().filter(|(at, _)| at % 2 == 0) {
        let LayerTarget::Spans(spans) = &targets[0] else { panic!() };
        let model_layout = postil_student::chain::Layout::Bilou { types: 2 };
        let labels = model_layout.labels_of(spans, train.tokens[at].len());
        let sets = labels.iter().map(|&label| if label == 0 { vec![] } else { vec![label] }).collect();
        targets[0] = LayerTarget::Candidates(sets);
    }
    let fitted =
        TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap().fit(&train.documents(), &targets, None).unwrap();
    assert!(span_f1(&predict(&fitted.model, &test), 0, &test) > 0.9);
}

#[test]
fn a_layer_may_be_unknown_in_some_documents() {
    let (train, test) = (sentences(200, 5), sentences(100, 6));
    let kinds = [LayerKind::Spans, LayerKind::Tags];
    let mut targets = train.targets(&kinds);
    for (at, targets) in targets.iter_mut().enumerate() {
        targets[at % 2] = LayerTarget::Unknown;
    }
    let trainer = TaggerTrainer::new(kinds.map(layer).to_vec()).unwrap();
    let fitted = trainer.fit(&train.documents(), &targets, None).unwrap();
    assert!(span_f1(&predict(&fitted.model, &test), 0, &test) > 0.95);
    targets.iter_mut().for_each(|targets| targets[1] = LayerTarget::Unknown);
    let error = trainer.fit(&train.documents(), &targets, None).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("layer `pos`"), "{error}");
}

#[test]
fn lists_name_what_training_never_saw() {
    let (train, mut test) = (sentences(300, 7), sentences(200, 8));
    let names = ["Zoltan", "Quinn", "Yusuf"];
    for (tokens, spans) in test.tokens.iter_mut().zip(&test.spans) {
        if let Some(person) = spans.iter().find(|span| span.class == 0) {
            tokens[person.start as usize] = names[tokens.len() % 3].to_owned();
        }
    }
    let entries = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let lists = vec![
        NameList {
            name: "people".into(),
            entries: entries(&[
                "Anna", "Boris", "Clara", "Dmitri", "Elena", "Felix", "Greta", "Zoltan", "Quinn", "Yusuf",
            ]),
        },
        NameList { name: "places".into(), entries: entries(&["New York", "Oslo", "Kyoto", "a b c d e f g h i"]) },
    ];
    let fitted = fit(&[LayerKind::Spans], &train, TaggerOptions::new().lists(lists));
    assert_eq!((fitted.report.list_entries_too_long, fitted.report.lists_left_out.len()), (1, 0));
    assert!(span_f1(&predict(&fitted.model, &test), 0, &test) > 0.95);
}

#[test]
fn a_tight_budget_is_kept() {
    let (mut train, test) = (sentences(400, 9), sentences(200, 10));
    for (at, tokens) in train.tokens.iter_mut().enumerate() {
        let house = tokens.iter_mut().filter(|token| *token == "house");
        house.for_each(|token| *token = format!("thing{}", at % 90));
    }
    let kinds = [LayerKind::Spans];
    let whole = fit(&kinds, &train, TaggerOptions::new());
    let budget = whole.model.as_bytes().len() * 2 / 3;
    let list = NameList { name: "numbers".into(), entries: (0..50_000).map(|at| format!("Number {at}")).collect() };
    let options = TaggerOptions::new().max_bytes(budget).lists(vec![list]);
    let fitted = fit(&kinds, &train, options);
    let report = &fitted.report;
    assert!(fitted.model.as_bytes().len() <= budget && report.bytes == fitted.model.as_bytes().len());
    assert_eq!(report.lists_left_out, ["numbers"]);
    assert!(report.kept_weights < whole.report.kept_weights);
    assert!(span_f1(&predict(&fitted.model, &test), 0, &test) > 0.95);
    let error = TaggerTrainer::new(vec![layer(LayerKind::Spans)])
        .unwrap()
        .with_options(TaggerOptions::new().max_bytes(1000))
        .fit(&train.documents(), &train.targets(&kinds), None)
        .unwrap_err();
    assert!(error.is_setting() && error.advice().is_some(), "{error}");
}

#[test]
fn the_same_bytes_for_one_and_two_threads() {
    let (train, test) = (sentences(120, 11), sentences(50, 12));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let fitted = fit(&ALL, &train, TaggerOptions::new().word_classes(true));
            let predicted = format!("{:?}", predict(&fitted.model, &test));
            (fitted.model.as_bytes().to_vec(), predicted)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(1));
}

#[test]
fn weights_move_the_model() {
    let tokens = ["apple".to_owned(), "pie".to_owned()];
    let all: Vec<Document> =
        (0..40).map(|_| Document::from_sentences([tokens.iter().map(String::as_str).collect::<Vec<_>>()])).collect();
    let targets: Vec<Vec<LayerTarget>> = (0..40).map(|at| vec![LayerTarget::Tags(vec![at % 2, 0])]).collect();
    let trainer = TaggerTrainer::new(vec![Layer::new("tags", LayerKind::Tags, ["a", "b"])]).unwrap();
    for wanted in 0..2 {
        let weights: Vec<f32> = (0..40).map(|at| if at % 2 == wanted { 9.0 } else { 0.5 }).collect();
        let model = trainer.fit(&all, &targets, Some(&weights)).unwrap().model;
        let LayerPrediction::Tags(tags) = &model.predict(&all[0], false, &mut TaggerScratch::default())[0] else {
            panic!()
        };
        assert_eq!((tags[0].class, tags[0].confidence), (wanted as u16, None));
    }
}

#[test]
fn predictions_do_not_depend_on_what_came_before() {
    let (train, test) = (sentences(150, 13), sentences(60, 14));
    let model = fit(&ALL, &train, TaggerOptions::new()).model;
    let together = predict(&model, &test);
    let mut backwards: Vec<Vec<LayerPrediction>> = test
        .documents()
        .iter()
        .rev()
        .map(|document| model.predict(document, true, &mut TaggerScratch::default()))
        .collect();
    backwards.reverse();
    assert_eq!(together, backwards);
}

#[test]
fn long_and_odd_documents_are_predicted() {
    let model = fit(&ALL, &sentences(100, 15), TaggerOptions::new()).model;
    let mut scratch = TaggerScratch::default();
    let long: Vec<&str> =
        (0..50_000).map(|at| ["Anna", "visited", "New", "York", "🙂", "東京", "\t", "é"][at % 8]).collect();
    let cases: [Document; 5] = [
        Document::default(),
        Document { tokens: vec![], sentences: vec![0, 0] },
        Document { tokens: vec!["", "a", ""], sentences: vec![] },
        Document { tokens: vec!["Anna", "left"], sentences: vec![9, 1] },
        Document { sentences: vec![long.len() as u32], tokens: long },
    ];
    for document in &cases {
        let predicted = model.predict(document, true, &mut scratch);
        let [LayerPrediction::Spans(spans), LayerPrediction::Tags(tags), LayerPrediction::Scores(scores), _] =
            predicted.as_slice()
        else {
            panic!("{predicted:?}")
        };
        assert_eq!((tags.len(), scores.len()), (document.tokens.len(), document.tokens.len()));
        assert!(spans.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    }
}

#[test]
fn what_cannot_be_learnt_is_refused_with_a_reason() {
    let spans = |layers: Vec<Layer>| TaggerTrainer::new(layers).map(|_| ()).unwrap_err().to_string();
    assert!(spans(vec![]).contains("1 to 16 layers"));
    assert!(spans(vec![layer(LayerKind::Spans), layer(LayerKind::Spans)]).contains("`names` twice"));
    assert!(spans(vec![Layer::new("x", LayerKind::Tags, ["a"])]).contains("layer `x`"));
    assert!(spans(vec![Layer::new("x", LayerKind::Spans, ["a", "a"])]).contains("`a` twice"));

    let trainer = TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap();
    let document = Document::from_sentences([vec!["Anna", "left", "Oslo"], vec!["Hugo", "left"]]);
    let span = |start, end, class| TypedSpan { start, end, class };
    let cases: [(Vec<LayerTarget>, &str); 7] = [
        (vec![], "a target for each of 1 layers"),
        (vec![LayerTarget::Tags(vec![0; 5])], "does not fit"),
        (vec![LayerTarget::Spans(vec![span(0, 1, 7)])], "a label below 2, found 7"),
        (vec![LayerTarget::Spans(vec![span(4, 9, 0)])], "within 0..5, found 4..9"),
        (vec![LayerTarget::Spans(vec![span(1, 1, 0)])], "found 1..1"),
        (vec![LayerTarget::Spans(vec![span(0, 2, 0), span(1, 3, 0)])], "do not overlap"),
        (vec![LayerTarget::Candidates(vec![vec![0]; 4])], "expected 5 sets of labels, found 4"),
    ];
    for (targets, expected) in cases {
        let error = trainer.fit(std::slice::from_ref(&document), &[targets], None).unwrap_err();
        assert!(error.is_input() && error.item() == Some(0), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let good = vec![LayerTarget::Spans(vec![span(0, 1, 0)])];
    let fit = |documents: &[Document], weights: Option<&[f32]>| {
        trainer.fit(documents, &vec![good.clone(); documents.len()], weights).unwrap_err().to_string()
    };
    assert!(fit(&[], None).contains("tokens"));
    assert!(fit(std::slice::from_ref(&document), Some(&[-1.0])).contains("weight"));
    assert!(fit(&[Document { tokens: vec!["a", ""], sentences: vec![2] }], None).contains("token 1 has none"));
    assert!(fit(&[Document { tokens: vec!["a", "b"], sentences: vec![1] }], None).contains("ends of sentences"));

    // A span over the end of a sentence is left out and counted.
    let crossing = vec![vec![LayerTarget::Spans(vec![span(0, 1, 0), span(2, 4, 1)])]];
    let fitted = trainer.fit(std::slice::from_ref(&document), &crossing, None).unwrap();
    assert_eq!(fitted.report.crossing, 1);
}

#[test]
fn a_scratch_survives_more_words_than_it_keeps() {
    let train = sentences(60, 16);
    let model = fit(&[LayerKind::Scores], &train, TaggerOptions::new()).model;
    let mut scratch = TaggerScratch::default();
    for part in 0..16 {
        let words: Vec<String> = (0..20_000).map(|at| format!("w{}", part * 20_000 + at)).collect();
        let document = Document::from_sentences(
            words.chunks(50).map(|chunk| chunk.iter().map(String::as_str).collect::<Vec<_>>()),
        );
        let LayerPrediction::Scores(scores) = &model.predict(&document, false, &mut scratch)[0] else { panic!() };
        assert_eq!(scores.len(), words.len());
    }
}

/// The labels of a document's spans in BILOU, each token's with this probability and the outside with the rest.
fn soft(drawn: &Sentences, sure: impl Fn(usize) -> f32) -> Vec<Vec<LayerTarget>> {
    let layout = postil_student::chain::Layout::Bilou { types: 2 };
    let of = |at: usize| {
        let labels = layout.labels_of(&drawn.spans[at], drawn.tokens[at].len());
        let row = |label: &u16| {
            if *label == 0 { vec![(0, 1.0)] } else { vec![(*label, sure(at)), (0, 1.0 - sure(at))] }
        };
        vec![LayerTarget::Soft(labels.iter().map(row).collect())]
    };
    (0..drawn.tokens.len()).map(of).collect()
}

#[test]
fn certain_probabilities_teach_as_labels_do() {
    let drawn = sentences(60, 5);
    let fit = |targets: &[Vec<LayerTarget>]| {
        let trainer = TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap();
        trainer.fit(&drawn.documents(), targets, None).unwrap().model
    };
    let hard = fit(&drawn.targets(&[LayerKind::Spans]));
    assert_eq!(hard.as_bytes(), fit(&soft(&drawn, |_| 1.0)).as_bytes());
    assert_ne!(hard.as_bytes(), fit(&soft(&drawn, |at| if at % 2 == 0 { 0.8 } else { 1.0 })).as_bytes());
}

#[test]
fn doubtful_spans_teach_less_than_certain_ones() {
    // Every second text calls places people and people places, and is not sure of it.
    let mut drawn = sentences(240, 6);
    for spans in drawn.spans.iter_mut().step_by(2) {
        spans.iter_mut().for_each(|span| span.class = 1 - span.class);
    }
    let test = sentences(100, 7);
    let reach = |algorithm: Algorithm, targets: &[Vec<LayerTarget>]| {
        let options = TaggerOptions::new().algorithm(algorithm).held_out(0.0);
        let trainer = TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap().with_options(options);
        span_f1(&predict(&trainer.fit(&drawn.documents(), targets, None).unwrap().model, &test), 0, &test)
    };
    for algorithm in [Algorithm::Perceptron, Algorithm::Crf] {
        let certain = reach(algorithm, &drawn.targets(&[LayerKind::Spans]));
        let doubtful = reach(algorithm, &soft(&drawn, |at| if at % 2 == 0 { 0.55 } else { 1.0 }));
        assert!(doubtful > certain + 0.1, "{algorithm:?}: {certain}, {doubtful}");
    }
    let wrong = vec![vec![LayerTarget::Soft(vec![vec![(99, 1.0)]; drawn.tokens[0].len()])]];
    let trainer = TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap();
    let error = trainer.fit(&drawn.documents()[..1], &wrong, None).unwrap_err().to_string();
    assert!(error.contains("expected a label below 9, found 99"), "{error}");
}

#[test]
fn a_second_look_learns_from_the_first() {
    // Two sentences of the same words make a document, so that every name occurs twice.
    let (train, test) = (sentences(120, 8), sentences(60, 9));
    let twice = |drawn: &Sentences| -> (Vec<Vec<String>>, Vec<Vec<TypedSpan>>) {
        let tokens = drawn.tokens.iter().map(|tokens| [tokens.as_slice(), tokens].concat()).collect();
        let spans = drawn.spans.iter().zip(&drawn.tokens).map(|(spans, tokens)| {
            let by = tokens.len() as u32;
            let moved = spans.iter().map(|span| TypedSpan { start: span.start + by, end: span.end + by, ..*span });
            spans.iter().copied().chain(moved).collect()
        });
        (tokens, spans.collect())
    };
    let documents = |tokens: &[Vec<String>]| -> Vec<Document<'static>> {
        let leak = |word: &String| -> &'static str { Box::leak(word.clone().into_boxed_str()) };
        let of = |tokens: &Vec<String>| {
            let half = tokens.len() / 2;
            let words: Vec<&'static str> = tokens.iter().map(leak).collect();
            Document::from_sentences([&words[..half], &words[half..]])
        };
        tokens.iter().map(of).collect()
    };
    let (tokens, spans) = twice(&train);
    let targets: Vec<Vec<LayerTarget>> = spans.into_iter().map(|spans| vec![LayerTarget::Spans(spans)]).collect();
    let fit = |threads: usize, wanted: bool| {
        let options = TaggerOptions::new().members(2).look_twice(wanted);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let trainer = TaggerTrainer::new(vec![layer(LayerKind::Spans)]).unwrap().with_options(options);
        pool.install(|| trainer.fit(&documents(&tokens), &targets, None).unwrap().model)
    };
    let model = fit(1, true);
    assert!(model.description().features.looks && model.layers().len() == 1);
    assert_eq!(model.as_bytes(), fit(2, true).as_bytes());
    assert!(!fit(1, false).description().features.looks);
    let (tokens, spans) = twice(&test);
    let mut scratch = TaggerScratch::default();
    let loaded = TaggerModel::from_vec(model.as_bytes().to_vec()).unwrap();
    let mut counts = Counts::default();
    for (document, gold) in documents(&tokens).iter().zip(&spans) {
        let predicted = model.predict(document, true, &mut scratch);
        assert_eq!(predicted, loaded.predict(document, true, &mut TaggerScratch::default()));
        let [LayerPrediction::Spans(found)] = predicted.as_slice() else { panic!("{predicted:?}") };
        counts.add(gold, &found.iter().map(|found| found.span).collect::<Vec<_>>());
    }
    assert!(counts.f1() > 0.97, "{}", counts.f1());
}
