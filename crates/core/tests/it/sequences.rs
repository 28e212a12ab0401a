//! Consensus over sequences: probabilities against counting everything, what each kind of silence means, odd input.

use postil_core::Random;
use postil_core::sequences::{
    Claim, GoldItem, Method, Sequences, SequencesBuilder, Settings, Silence, TokenSpan, What, fit,
};
use proptest::prelude::*;

fn span(start: u32, end: u32, class: u16) -> TokenSpan {
    TokenSpan { start, end, class }
}

/// Sentences with true spans and people who miss some, take some for another type, cut some short and see some where
/// there are none; the first is good, the last bad. Words are given if `words`.
fn crowd(items: usize, people: usize, seed: u64, words: bool) -> (Sequences, Vec<Vec<TokenSpan>>) {
    let mut random = Random::new(seed);
    let mut builder = SequencesBuilder::new(2);
    let mut truth = Vec::new();
    for _ in 0..items {
        let tokens = 8 + random.below(8) as u32;
        let (mut spans, mut at) = (Vec::new(), random.below(4) as u32);
        while at + 3 < tokens {
            let end = at + 1 + random.below(3) as u32;
            spans.push(span(at, end, random.below(2) as u16));
            at = end + 1 + random.below(5) as u32;
        }
        if words {
            let named = |token: u32| spans.iter().find(|span| span.start <= token && token < span.end);
            let words: Vec<String> = (0..tokens)
                .map(|token| match named(token) {
                    Some(span) => format!("Name{}{}", span.class, random.below(30)),
                    None => format!("word{}", random.below(60)),
                })
                .collect();
            builder.item_of_words(&words);
        } else {
            builder.item(tokens);
        }
        for person in 0..people {
            let skill = 0.95 - 0.6 * person as f64 / people as f64;
            let mut claims = Vec::new();
            for span in &spans {
                if random.unit() > skill {
                    match random.below(3) {
                        0 => {}
                        1 => claims.push(Claim::new(span.start, span.end, 1 - span.class)),
                        _ => claims.push(Claim::new(span.start, span.start + 1, span.class)),
                    }
                } else {
                    claims.push(Claim::new(span.start, span.end, span.class));
                }
            }
            if random.unit() > skill {
                let at = random.below(tokens as usize) as u32;
                claims.push(Claim::new(at, at + 1, random.below(2) as u16));
            }
            builder.say(person as u32, &claims, &Silence::Outside).unwrap();
        }
        truth.push(spans);
    }
    (builder.build(), truth)
}

fn f1(sequences: &Sequences, truth: &[Vec<TokenSpan>], gold: &[GoldItem], method: Method) -> f64 {
    let found = fit(sequences, gold, method, &Settings::default()).unwrap();
    let right = found.spans.iter().filter(|one| truth[one.item as usize].contains(&one.span)).count();
    2.0 * right as f64 / (found.spans.len() + truth.iter().map(Vec::len).sum::<usize>()) as f64
}

#[test]
fn learning_who_is_good_beats_counting_heads() {
    let (sequences, truth) = crowd(400, 5, 1, false);
    let majority = f1(&sequences, &truth, &[], Method::Majority);
    let hmm = f1(&sequences, &truth, &[], Method::Hmm);
    assert!(hmm > majority + 0.03 && hmm > 0.95, "majority {majority}, hmm {hmm}");
    let automatic = fit(&sequences, &[], Method::Automatic, &Settings::default()).unwrap();
    assert_eq!(automatic.method, Method::Hmm);
    // The figures of annotators follow their skill.
    let f = |place: usize| automatic.annotators[place].all.precision.value().unwrap();
    assert!(f(0) > f(2) && f(2) > f(4), "{} {} {}", f(0), f(2), f(4));
}

#[test]
fn gold_and_words_help() {
    let (sequences, truth) = crowd(300, 4, 2, false);
    let gold: Vec<GoldItem> = (0..60).map(|item| GoldItem { item, spans: truth[item as usize].clone() }).collect();
    let (without, with) = (f1(&sequences, &truth, &[], Method::Hmm), f1(&sequences, &truth, &gold, Method::Hmm));
    assert!(with >= without - 0.005, "{without} {with}");
    let chosen = fit(&sequences, &gold, Method::Automatic, &Settings::default()).unwrap();
    assert!(chosen.reason.contains("60 gold items"), "{}", chosen.reason);
    let (plain, same) = crowd(300, 3, 3, false);
    let (worded, _) = crowd(300, 3, 3, true);
    // The same annotators up to chance: the words draw from the same generator.
    let (alone, heard) = (f1(&plain, &same, &[], Method::Hmm), {
        let (_, truth) = crowd(300, 3, 3, true);
        f1(&worded, &truth, &[], Method::Hmm)
    });
    assert!(heard > alone, "{alone} {heard}");
}

#[test]
fn the_same_bytes_come_from_any_number_of_threads() {
    let (sequences, truth) = crowd(150, 4, 4, true);
    let gold = [GoldItem { item: 3, spans: truth[3].clone() }];
    for method in Method::ALL {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&sequences, &gold, method, &Settings::default()).unwrap())
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one.spans, three.spans);
        assert_eq!(one.labels, three.labels);
        assert_eq!(one.annotators, three.annotators);
    }
}

#[test]
fn silence_means_what_it_is_said_to_mean() {
    // Ten lists that say nothing do not outvote one that speaks; ten people do.
    let make = |silence: &Silence| {
        let mut builder = SequencesBuilder::new(1);
        builder.item(4);
        builder.say(0, &[Claim::new(1, 3, 0)], silence).unwrap();
        (1..11).for_each(|annotator| builder.say(annotator, &[], silence).unwrap());
        builder.build()
    };
    let found = |sequences: &Sequences, method| fit(sequences, &[], method, &Settings::default()).unwrap().spans.len();
    for method in [Method::Majority, Method::TokenMajority, Method::Hmm] {
        assert_eq!(found(&make(&Silence::Outside), method), 0, "{method:?}");
        assert_eq!(found(&make(&Silence::Misses), method), 1, "{method:?}");
    }
    // Looking for another type is no vote against this one.
    let mut builder = SequencesBuilder::new(2);
    builder.item(4);
    builder.say(0, &[Claim::new(1, 3, 0)], &Silence::Lacks(vec![0])).unwrap();
    builder.say(1, &[Claim::new(1, 3, 0)], &Silence::Lacks(vec![0])).unwrap();
    (2..9).for_each(|annotator| builder.say(annotator, &[], &Silence::Lacks(vec![1])).unwrap());
    let sequences = builder.build();
    for method in [Method::Majority, Method::Hmm] {
        let made = fit(&sequences, &[], method, &Settings::default()).unwrap();
        assert_eq!(made.spans.iter().map(|one| one.span).collect::<Vec<_>>(), [span(1, 3, 0)], "{method:?}");
    }
}

#[test]
fn some_entity_and_no_entity_are_heard() {
    let mut builder = SequencesBuilder::new(2);
    for item in 0..200u32 {
        builder.item(6);
        let class = (item % 2) as u16;
        let any = Claim { start: 1, end: 3, what: What::OneOf(vec![0, 1]) };
        let nothing = Claim { start: 4, end: 6, what: What::Nothing };
        builder.say(0, &[any.clone(), nothing], &Silence::Misses).unwrap();
        builder.say(1, &[Claim::new(1, 3, class), Claim::new(4, 5, 0)], &Silence::Misses).unwrap();
        builder.say(2, &[any], &Silence::Misses).unwrap();
    }
    let sequences = builder.build();
    let made = fit(&sequences, &[], Method::Hmm, &Settings::default()).unwrap();
    for item in 0..200u32 {
        let class = (item % 2) as u16;
        let sure = made.of_item(item).iter().find(|one| one.span == span(1, 3, class));
        assert!(sure.is_some_and(|one| one.probability > 0.5), "{:?}", made.of_item(item));
        let (agreed, disputed) = (made.inside(item as usize * 6 + 1), made.inside(item as usize * 6 + 4));
        assert!(agreed > disputed, "{agreed} {disputed}");
    }
    // Who said what is told beside every doubtful span.
    let doubts = made.doubtful(&sequences, 300);
    assert!(doubts.windows(2).all(|pair| {
        let far = |place: usize| (pair[place].span.probability - 0.5).abs();
        far(0) <= far(1)
    }));
    let one = doubts.iter().find(|doubt| doubt.span.item == 0 && doubt.span.span == span(4, 5, 0)).unwrap();
    assert_eq!(one.said, [(0, 4, 6, vec![]), (1, 4, 5, vec![0])]);
    assert_eq!(one.silent, [2]);
}

#[test]
fn odd_input_is_refused_by_name_or_counted() {
    let mut builder = SequencesBuilder::new(2);
    let silence = Silence::Outside;
    assert!(builder.say(0, &[], &silence).unwrap_err().to_string().contains("item"));
    builder.item(3);
    let mut message = |claim: Claim| builder.say(0, &[claim], &silence).unwrap_err().to_string();
    assert!(message(Claim::new(1, 1, 0)).contains("1..1"));
    assert!(message(Claim::new(1, 4, 0)).contains("3 tokens"));
    assert!(message(Claim::new(0, 1, 2)).contains("below 2"));
    assert!(message(Claim { start: 0, end: 1, what: What::OneOf(vec![]) }).contains("empty"));
    builder.say(0, &[Claim::new(0, 1, 0), Claim::new(0, 2, 1), Claim::new(2, 3, 0)], &silence).unwrap();
    builder.item(0);
    builder.say(0, &[], &silence).unwrap();
    builder.item(2);
    let sequences = builder.build();
    assert_eq!(sequences.overlaps(), 1);
    for method in Method::ALL {
        let made = fit(&sequences, &[], method, &Settings::default()).unwrap();
        assert_eq!(made.labels.len(), 5 * 9);
        assert!(made.labels.iter().all(|share| share.is_finite()), "{method:?}");
        assert!(made.of_item(1).is_empty() && made.of_item(2).is_empty(), "{method:?}: {:?}", made.spans);
    }
    let gold = |item: u32, spans: Vec<TokenSpan>| GoldItem { item, spans };
    let refused = |gold: &[GoldItem]| {
        fit(&sequences, gold, Method::Hmm, &Settings::default()).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(&[gold(9, vec![])]).contains("below 3"));
    assert!(refused(&[gold(0, vec![]), gold(0, vec![])]).contains("twice"));
    assert!(refused(&[gold(0, vec![span(0, 9, 0)])]).contains("within 3 tokens"));
    assert!(refused(&[gold(0, vec![span(0, 2, 0), span(1, 3, 0)])]).contains("overlap"));
    let none = SequencesBuilder::new(0).build();
    assert!(fit(&none, &[], Method::Majority, &Settings::default()).is_err());
    let nothing = SequencesBuilder::new(1).build();
    for method in Method::ALL {
        assert!(fit(&nothing, &[], method, &Settings::default()).unwrap().spans.is_empty(), "{method:?}");
    }
}

/// Tokens, and by annotator where claims begin and end and what they say.
type Said = (u32, Vec<Vec<(u32, u32, u8)>>);

fn said() -> impl Strategy<Value = Said> {
    (1u32..8).prop_flat_map(|tokens| {
        let claim = (0..tokens, 1..4u32, 0u8..4)
            .prop_map(move |(start, length, what)| (start, (start + length).min(tokens), what));
        let claims = prop::collection::vec(claim, 0..3);
        (Just(tokens), prop::collection::vec(claims, 0..5))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn whatever_is_said_rows_sum_to_one_and_spans_do_not_overlap(items in prop::collection::vec(said(), 1..6), kind in 0u8..3) {
        let mut builder = SequencesBuilder::new(2);
        let mut tokens = 0;
        for (length, all) in &items {
            builder.item(*length);
            tokens += *length as usize;
            for (annotator, claims) in all.iter().enumerate() {
                let claims: Vec<Claim> = claims
                    .iter()
                    .map(|&(start, end, what)| Claim {
                        start,
                        end,
                        what: match what {
                            0 | 1 => What::Type(u16::from(what)),
                            2 => What::OneOf(vec![0, 1]),
                            _ => What::Nothing,
                        },
                    })
                    .collect();
                let silence = match kind {
                    0 => Silence::Outside,
                    1 => Silence::Misses,
                    _ => Silence::Lacks(vec![(annotator % 2) as u16]),
                };
                builder.say(annotator as u32, &claims, &silence).unwrap();
            }
        }
        let sequences = builder.build();
        for method in Method::ALL {
            let made = fit(&sequences, &[], method, &Settings::default()).unwrap();
            prop_assert_eq!(made.labels.len(), tokens * 9);
            for row in made.labels.chunks_exact(9) {
                let sum: f32 = row.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-4 && row.iter().all(|share| *share >= 0.0), "{:?} {:?}", method, row);
            }
            prop_assert!(made.candidates.iter().all(|one| (0.0..=1.0).contains(&one.probability)));
            for pair in made.spans.windows(2) {
                prop_assert!(pair[0].item < pair[1].item || pair[0].span.end <= pair[1].span.start);
            }
        }
    }
}
