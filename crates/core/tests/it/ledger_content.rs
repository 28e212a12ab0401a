//! What goes into the ledger comes out of it: every field, the latest answer, the same digest.

use std::collections::BTreeMap;

use postil_core::ledger::{Access, Detail, Draw, Event, Ledger};
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, Link, Name, Preference, Random, Span, Status,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn register(ledger: &Ledger, name: &str, kind: AnnotatorKind) -> Digest {
    let version = Digest::of(name.as_bytes());
    let identity = AnnotatorIdentity { name: name.into(), kind, version };
    ledger.register(&identity, &serde_json::json!({ "about": name }), 1).unwrap();
    version
}

pub(crate) fn class(annotator: Digest, item: usize, label: &str) -> Annotation {
    let id = format!("item-{item}");
    Annotation::new(id.as_str().into(), Digest::of(id.as_bytes()), annotator, Answer::class(label))
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,3}", "\\PC{0,12}", Just("a\0b\n\"'".to_owned()), Just("👩‍🚀 שלום".to_owned())]
}

fn names() -> impl Strategy<Value = Name> {
    texts().prop_map(Into::into)
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON holds finite numbers only", |number| number.is_finite())
}

fn answers() -> impl Strategy<Value = Answer> {
    let value = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        finite().prop_map(Into::into),
        texts().prop_map(Into::into),
    ];
    prop_oneof![
        4 => names().prop_map(Answer::class),
        1 => vec(names(), 0..3).prop_map(|labels| Answer::Set { labels }),
        1 => (names(), option::of(finite())).prop_map(|(label, score)| Answer::Ordinal { label, score }),
        1 => vec(names(), 1..3).prop_map(|labels| Answer::Candidates { labels }),
        1 => vec((names(), finite()), 0..3).prop_map(|weights| Answer::Distribution { weights }),
        1 => vec((any::<u32>(), any::<u32>(), names(), texts()), 0..3).prop_map(|spans| Answer::Spans {
            links: (1..spans.len() as u32).map(|to| Link { from: 0, to, kind: spans[to as usize].2.clone() }).collect(),
            spans: spans.into_iter().map(|(start, end, label, quote)| Span { start, end, label, quote }).collect(),
        }),
        1 => vec(names(), 0..4).prop_map(|tags| Answer::Tags { tags }),
        1 => Just(Answer::Preference { choice: Preference::Tie, orders: None }),
        1 => vec((texts(), value), 0..3).prop_map(|fields| Answer::Record { fields: fields.into_iter().collect(), evidence: Vec::new(), rejected: Vec::new() }),
    ]
}

prop_compose! {
    fn costs()(parts in option::of([any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()])) -> Cost {
        let [money_micros, person_millis, input_tokens, output_tokens] = parts.unwrap_or_default();
        Cost { money_micros, person_millis, input_tokens, output_tokens }
    }
}

prop_compose! {
    fn annotations()(
        item in names(), content in 0_u8..4, answer in answers(), status in 0_usize..8,
        distribution in option::of(vec((names(), any::<f32>().prop_filter("finite", |weight| weight.is_finite())), 0..4)),
        confidence in option::of(0.0_f32..=1.0), cost in costs(), at_millis in any::<i64>(), seed in any::<u64>(),
        evidence in option::of(texts()), suggestion_shown in any::<bool>(),
        inclusion_probability in option::of(f64::MIN_POSITIVE..=1.0),
    ) -> Annotation {
        let status = Status::ALL.get(status).copied().unwrap_or(Status::Ok);
        let answer = if status == Status::Ok { answer } else { Answer::Abstain };
        Annotation {
            item, content: Digest::of(&[content]), annotator: Digest::of(b""), answer, status, distribution,
            confidence, cost, at_millis, seed, evidence, suggestion_shown, inclusion_probability,
        }
    }
}

/// Of each question the last annotation.
fn latest(annotations: &[Annotation]) -> BTreeMap<(Name, Digest), Annotation> {
    annotations.iter().map(|one| ((one.item.clone(), one.content), one.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Dear rows go to SQLite one by one, deterministic ones to SQLite when they are few and to Parquet when they are
    /// many; rows come in several pieces with repetitions. All give back the latest of each question, bit for bit, and
    /// the same digest as one that got only those.
    #[test]
    fn every_field_survives_in_every_store(given in vec(annotations(), 1..60), cut in 0_usize..60, many in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        let mut digests = Vec::new();
        for kind in [AnnotatorKind::Person, AnnotatorKind::Program] {
            let version = register(&ledger, kind.name(), kind);
            let mut given: Vec<Annotation> =
                given.iter().map(|one| Annotation { annotator: version, ..one.clone() }).collect();
            if many {
                // Enough rows for a segment, of both kinds of row.
                given.extend((0..1500).map(|item| class(version, item, "filler")));
            }
            let (first, second) = given.split_at(cut.min(given.len()));
            ledger.append(first.to_vec()).unwrap();
            ledger.append(second.to_vec()).unwrap();
            let snapshot = ledger.snapshot(&[version]).unwrap();
            let expected = latest(&given);
            let found = snapshot.annotations(version).unwrap();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(snapshot.len_of(version), expected.len() as u64);
            prop_assert_eq!(&latest(&found), &expected);
            let done = ledger.done(version).unwrap();
            let failed = |one: &Annotation| kind.is_dear() && one.status == Status::Failed;
            prop_assert!(expected.values().all(|one| done.contains(&one.item, one.content) != failed(one)));
            prop_assert_eq!(done.len(), expected.values().filter(|one| !failed(one)).count());
            digests.push((version, snapshot.digest(), expected));
        }
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        for (kind, (version, digest, expected)) in [AnnotatorKind::Person, AnnotatorKind::Program].into_iter().zip(digests) {
            register(&ledger, kind.name(), kind);
            let clean = expected.into_values().rev().map(|one| Annotation { at_millis: 5, ..one }).collect();
            ledger.append(clean).unwrap();
            prop_assert_eq!(ledger.snapshot(&[version]).unwrap().digest(), digest);
        }
    }
}

#[test]
fn the_digest_sees_every_field_but_the_time() {
    let base = Annotation {
        confidence: Some(0.5),
        distribution: Some(vec![("a".into(), 0.5)]),
        evidence: Some("e".to_owned()),
        inclusion_probability: Some(0.5),
        ..class(Digest::of(b"ann"), 1, "a")
    };
    let changed = [
        base.clone(),
        Annotation { item: "other".into(), ..base.clone() },
        Annotation { content: Digest::of(b"other"), ..base.clone() },
        Annotation { answer: Answer::class("b"), ..base.clone() },
        Annotation { answer: Answer::Abstain, status: Status::Refused, ..base.clone() },
        Annotation { answer: Answer::Abstain, status: Status::Malformed, ..base.clone() },
        Annotation { distribution: Some(vec![("a".into(), 0.25)]), ..base.clone() },
        Annotation { distribution: Some(vec![("b".into(), 0.5)]), ..base.clone() },
        Annotation { distribution: None, ..base.clone() },
        Annotation { confidence: Some(0.25), ..base.clone() },
        Annotation { confidence: None, ..base.clone() },
        Annotation { cost: Cost { output_tokens: 1, ..Cost::default() }, ..base.clone() },
        Annotation { seed: 1, ..base.clone() },
        Annotation { evidence: Some("f".to_owned()), ..base.clone() },
        Annotation { evidence: None, ..base.clone() },
        Annotation { suggestion_shown: true, ..base.clone() },
        Annotation { inclusion_probability: None, ..base.clone() },
    ];
    let digest = |annotation: &Annotation, kind| {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        let version = register(&ledger, "ann", kind);
        ledger.append(vec![annotation.clone()]).unwrap();
        ledger.snapshot(&[version]).unwrap().digest()
    };
    let mut digests: Vec<Digest> = changed.iter().map(|one| digest(one, AnnotatorKind::Person)).collect();
    let later = Annotation { at_millis: 99, ..base.clone() };
    assert_eq!(digest(&later, AnnotatorKind::Person), digests[0]);
    assert_eq!(digest(&base, AnnotatorKind::List), digests[0], "the store does not count");
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), changed.len());
}

#[test]
fn neither_order_nor_grouping_nor_store_changes_the_digest() {
    let rows = 9_000;
    let mut digests = Vec::new();
    for (plan, pieces) in
        [vec![rows], vec![1, 2_000, 10, 3_000, 3_989], vec![1_100; 9], vec![300; 30]].into_iter().enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        let versions = ["a", "b"].map(|name| register(&ledger, name, AnnotatorKind::Program));
        let mut order: Vec<usize> = (0..rows).collect();
        Random::new(plan as u64).shuffle(&mut order);
        let mut rest = order.as_slice();
        for piece in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            rest = later;
            for version in versions {
                ledger
                    .append_bulk(now.iter().map(|&item| class(version, item, ["x", "y"][item % 2])).collect())
                    .unwrap();
            }
            ledger.flush().unwrap();
        }
        let snapshot = ledger.snapshot(&versions).unwrap();
        assert_eq!(snapshot.len(), 2 * rows as u64);
        assert_eq!(snapshot.digest(), ledger.snapshot(&[versions[1], versions[0], versions[1]]).unwrap().digest());
        assert_ne!(snapshot.digest(), ledger.snapshot(&versions[..1]).unwrap().digest());
        digests.push(snapshot.digest());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn annotators_over_the_same_items_share_their_block_and_are_shown_together() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let versions = ["a", "b", "c"].map(|name| register(&ledger, name, AnnotatorKind::Program));
    for slice in 0..5 {
        for version in versions {
            let rows = (slice * 8_000..(slice + 1) * 8_000).map(|item| class(version, item, ["x", "y"][item % 2]));
            ledger.append_bulk(rows.collect()).unwrap();
        }
        if slice == 2 {
            ledger.flush().unwrap();
        }
    }
    ledger.flush().unwrap();
    let files = |prefix: &str| {
        let names = std::fs::read_dir(folder.path().join("segments")).unwrap();
        names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with(prefix)).count()
    };
    // After the flush the same answers follow in the same order, but for the number of rows.
    assert_eq!(files("items-"), 2);
    let mut seen = Vec::new();
    let mut rows = 0;
    ledger
        .snapshot(&versions)
        .unwrap()
        .scan(Detail::Votes, |batch| {
            seen.push(batch.items_identity());
            rows += batch.len();
            assert_eq!(batch.answers().len(), 2);
            assert_eq!(batch.items().iter().count(), batch.answer_codes().len());
            Ok(())
        })
        .unwrap();
    assert_eq!(rows, 3 * 40_000);
    assert_eq!(seen.len(), 6);
    assert!(seen[0] == seen[1] && seen[1] == seen[2] && seen[2] != seen[3] && seen[3] == seen[5]);
}

#[test]
fn a_snapshot_does_not_see_what_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let ann = register(&ledger, "ann", AnnotatorKind::Person);
    let program = register(&ledger, "program", AnnotatorKind::Program);
    ledger.append(vec![class(ann, 1, "before")]).unwrap();
    ledger.append((0..2_000).map(|item| class(program, item, "before")).collect()).unwrap();
    let snapshot = ledger.snapshot(&[ann, program]).unwrap();
    ledger.append(vec![class(ann, 1, "after"), class(ann, 2, "after")]).unwrap();
    ledger.append((0..2_500).map(|item| class(program, item, "after")).collect()).unwrap();
    ledger.append(vec![class(program, 7, "last")]).unwrap();

    let labels = |annotations: Vec<Annotation>| {
        let mut counts = BTreeMap::<String, usize>::new();
        for annotation in annotations {
            *counts.entry(annotation.answer.labels().next().unwrap().to_string()).or_default() += 1;
        }
        counts.into_iter().collect::<Vec<_>>()
    };
    let expect =
        |counts: &[(&str, usize)]| counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>();
    assert_eq!(labels(snapshot.annotations(ann).unwrap()), expect(&[("before", 1)]));
    assert_eq!(labels(snapshot.annotations(program).unwrap()), expect(&[("before", 2_000)]));
    let now = ledger.snapshot(&[ann, program]).unwrap();
    assert_eq!(labels(now.annotations(ann).unwrap()), expect(&[("after", 2)]));
    assert_eq!(labels(now.annotations(program).unwrap()), expect(&[("after", 2_499), ("last", 1)]));
    assert_ne!(now.digest(), snapshot.digest());
}

#[test]
fn draws_and_events_are_kept_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let draw = |item: &str, purpose: &str| Draw {
        item: item.into(),
        content: Digest::of(item.as_bytes()),
        inclusion_probability: 0.1 + 0.2,
        stratum: Some("rare".to_owned()),
        seed: u64::MAX,
        purpose: purpose.to_owned(),
        at_millis: 3,
    };
    ledger.record_draws(vec![draw("b", "gold"), draw("a", "gold"), draw("c", "audit")]).unwrap();
    assert_eq!(ledger.draws("gold").unwrap(), [draw("b", "gold"), draw("a", "gold")]);
    let certain = Draw { inclusion_probability: 1.5, ..draw("d", "gold") };
    assert!(ledger.record_draws(vec![draw("x", "gold"), certain]).unwrap_err().to_string().contains("item `d`"));
    assert_eq!(ledger.draws("gold").unwrap().len(), 2);
    let event = Event { kind: "run".to_owned(), detail: serde_json::json!({ "b": 1, "a": [0.1] }), at_millis: 4 };
    ledger.record_event(event.clone()).unwrap();
    assert_eq!(ledger.events().unwrap(), [event]);
}
