//! Appending: who may, what is refused, many at once.

use postil_core::ledger::{Access, Ledger};
use postil_core::{Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Digest, Status};

use crate::ledger_content::{class, register};

#[test]
fn what_cannot_be_stored_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let ann = register(&ledger, "ann", AnnotatorKind::Person);
    let program = register(&ledger, "program", AnnotatorKind::Program);
    let stranger = Digest::of(b"stranger");
    let contradiction = Annotation { status: Status::Failed, ..class(program, 2, "a") };
    for (bad, words) in
        [(class(stranger, 2, "a"), "unknown version"), (contradiction, "`item-2`: expected an answer exactly when")]
    {
        for outcome in [
            ledger.append(vec![class(ann, 1, "a"), bad.clone()]),
            ledger.append_bulk(vec![class(program, 1, "a"), bad.clone()]),
        ] {
            assert!(outcome.unwrap_err().to_string().contains(words));
        }
    }
    let error = ledger.append_bulk(vec![class(program, 1, "a"), class(ann, 1, "a")]).unwrap_err();
    assert!(error.advice().unwrap().contains("`append`"), "{error:?}");
    ledger.flush().unwrap();
    assert!(ledger.snapshot(&[ann, program]).unwrap().is_empty());
    assert!(ledger.snapshot(&[stranger]).unwrap_err().to_string().contains("unknown version"));
    assert!(ledger.done(stranger).is_err());

    let other = AnnotatorIdentity { name: "ann".into(), kind: AnnotatorKind::Model, version: ann };
    assert!(ledger.register(&other, &serde_json::Value::Null, 2).unwrap_err().to_string().contains("a person"));
    assert_eq!(register(&ledger, "ann", AnnotatorKind::Person), ann, "registering again changes nothing");
    assert_eq!(ledger.annotators().unwrap().len(), 2);
    assert_eq!(ledger.annotators().unwrap()[0].config, serde_json::json!({ "about": "ann" }));
}

#[test]
fn a_failed_paid_answer_may_be_asked_again_and_a_failed_program_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    for (kind, again) in [(AnnotatorKind::Llm, true), (AnnotatorKind::Program, false)] {
        let version = register(&ledger, kind.name(), kind);
        let (item, content) = (class(version, 1, "a").item, class(version, 1, "a").content);
        let failed = Annotation::without_answer(item.clone(), content, version, Status::Failed, "timed out");
        ledger.append(vec![failed]).unwrap();
        assert_eq!(!ledger.done(version).unwrap().contains(&item, content), again);
        ledger.append(vec![class(version, 1, "a")]).unwrap();
        assert!(ledger.done(version).unwrap().contains(&item, content));
        assert_eq!(ledger.snapshot(&[version]).unwrap().annotations(version).unwrap()[0].answer, Answer::class("a"));
    }
}

#[test]
fn many_people_and_programs_write_at_once_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let people: Vec<Digest> =
        (0..8).map(|number| register(&ledger, &format!("person-{number}"), AnnotatorKind::Person)).collect();
    let programs: Vec<Digest> =
        (0..4).map(|number| register(&ledger, &format!("program-{number}"), AnnotatorKind::Program)).collect();
    std::thread::scope(|scope| {
        for &person in &people {
            let ledger = &ledger;
            scope.spawn(move || (0..40).for_each(|item| ledger.append(vec![class(person, item, "a")]).unwrap()));
        }
        for &program in &programs {
            let ledger = &ledger;
            scope.spawn(move || {
                for slice in 0..10 {
                    let rows = (slice * 700..(slice + 1) * 700).map(|item| class(program, item, "b")).collect();
                    ledger.append_bulk(rows).unwrap();
                    if slice % 4 == 0 {
                        ledger.flush().unwrap();
                    }
                }
            });
        }
    });
    ledger.close().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Read).unwrap();
    ledger.verify().unwrap();
    let versions: Vec<Digest> = people.iter().chain(&programs).copied().collect();
    let snapshot = ledger.snapshot(&versions).unwrap();
    assert!(people.iter().all(|&person| snapshot.len_of(person) == 40));
    assert!(programs.iter().all(|&program| snapshot.len_of(program) == 7_000));
}

#[test]
fn a_slice_that_fails_is_kept_and_stored_by_a_later_flush() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let program = register(&ledger, "program", AnnotatorKind::Program);
    let (segments, away) = (folder.path().join("segments"), folder.path().join("away"));
    std::fs::rename(&segments, &away).unwrap();
    ledger.append_bulk((0..3_000).map(|item| class(program, item, "a")).collect()).unwrap();
    let error = ledger.flush().unwrap_err();
    assert!(error.to_string().contains("could not be written") && error.advice().is_some(), "{error:?}");
    let refused = ledger.append_bulk(vec![class(program, 5_000, "a")]).unwrap_err();
    assert!(refused.to_string().contains("earlier slice"), "{refused}");
    std::fs::rename(&away, &segments).unwrap();
    ledger.flush().unwrap();
    ledger.append(vec![class(program, 5_000, "a")]).unwrap();
    assert_eq!(ledger.snapshot(&[program]).unwrap().len(), 3_001);
}

#[test]
fn an_unbroken_stream_of_answers_does_not_hold_an_import_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    let people: Vec<Digest> =
        (0..6).map(|number| register(&ledger, &format!("person-{number}"), AnnotatorKind::Person)).collect();
    let program = register(&ledger, "program", AnnotatorKind::Program);
    let stored = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for &person in &people {
            let (ledger, stored) = (&ledger, &stored);
            scope.spawn(move || {
                // Far longer than the import takes, and not for ever if it never ends.
                for item in 0..20_000 {
                    if stored.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    ledger.append(vec![class(person, item, "a")]).unwrap();
                }
                panic!("the import was never stored");
            });
        }
        ledger.append_bulk((0..1_000).map(|item| class(program, item, "b")).collect()).unwrap();
        ledger.flush().unwrap();
        stored.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(ledger.snapshot(&[program]).unwrap().len(), 1_000);
}
