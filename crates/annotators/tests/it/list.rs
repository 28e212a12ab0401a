//! Lists from files to answers, and what is wrong with bad ones.

use postil_core::{Answer, TaskKind};

use crate::support::{Project, briefs, items, message, names};

fn project(kind: TaskKind) -> Project {
    Project::new(kind)
        .with("billing.txt", "\u{feff}# money\r\ninvoice\r\n\r\nCredit Card\t2.5\r\nrefund\r\n")
        .with("bug.txt", "crash\ncrash\nbroken\nrefund\t1\n")
        .with("all.csv", "label,phrase,weight\nbilling,\"pay, later\",\npraise,thank you,0.5\nbug,IT,\n")
}

const TWO: &str = r#"{"kind": "list", "name": "l", "lists": {"billing": "billing.txt", "bug": "bug.txt"}}"#;

#[test]
fn the_label_with_the_most_weight_wins_and_ties_are_candidates() {
    let project = project(TaskKind::Classify);
    let mut list = project.one(TWO);
    let texts = [
        "crash, INVOICE",
        "credit\ncard: crash broken",
        "crash crash invoice refund",
        "invoices",
        "",
        "a broken crash",
    ];
    let annotations = list.annotate(&items(&texts)).unwrap();
    assert_eq!(briefs(&annotations), ["bug|billing", "billing", "bug|billing", "-", "-", "bug"]);
    assert_eq!(annotations[1].evidence.as_deref(), Some("billing: Credit Card; bug: crash; bug: broken"));
    assert_eq!(annotations[3].evidence, None);
    let warnings = list.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`refund` is in the lists of both"), "{warnings:?}");
}

#[test]
fn a_tie_of_all_labels_says_nothing() {
    let project = project(TaskKind::Classify).with("praise.txt", "thanks");
    let mut list = project.one(
        r#"{"kind": "list", "name": "l", "lists": {"billing": "billing.txt", "bug": "bug.txt", "praise": "praise.txt"}}"#,
    );
    assert_eq!(briefs(&list.annotate(&items(&["thanks, invoice, crash"])).unwrap()), ["-"]);
}

#[test]
fn tables_case_policies_and_thresholds() {
    let project = project(TaskKind::Multilabel);
    let mut list =
        project.one(r#"{"kind": "list", "name": "l", "path": "all.csv", "case": "smart", "threshold": 1.0}"#);
    let annotations =
        list.annotate(&items(&["PAY, later, it", "IT team, pay, later", "Thank you", "thank YOU, IT"])).unwrap();
    assert_eq!(briefs(&annotations), ["{billing}", "{bug,billing}", "-", "{bug}"]);
    let mut low = project.one(
        r#"{"kind": "list", "name": "l", "threshold": 0.5,
            "lists": {"billing": {"path": "billing.txt", "case": "exact"}, "bug": "bug.txt"}}"#,
    );
    assert_eq!(briefs(&low.annotate(&items(&["credit card", "Credit Card CRASH"])).unwrap()), ["-", "{bug,billing}"]);
}

#[test]
fn separate_lists_are_one_sided_annotators() {
    let project = project(TaskKind::Classify);
    let spec = TWO.replace(r#""name": "l","#, r#""name": "l", "separate": true,"#);
    let mut annotators = project.open(&spec).unwrap();
    assert_eq!(names(&annotators), ["l/bug", "l/billing"]);
    let batch = items(&["crash, invoice", "refund", "nothing"]);
    assert_eq!(briefs(&annotators[0].annotate(&batch).unwrap()), ["bug", "bug", "-"]);
    assert_eq!(briefs(&annotators[1].annotate(&batch).unwrap()), ["billing", "billing", "-"]);
}

#[test]
fn evidence_is_bounded() {
    let phrases: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
    let phrases = phrases.join("\n");
    let project = Project::new(TaskKind::Classify).with("bug.txt", &phrases);
    let mut list = project.one(r#"{"kind": "list", "name": "l", "lists": {"bug": "bug.txt"}}"#);
    let annotations = list.annotate(&items(&[&phrases])).unwrap();
    assert_eq!(annotations[0].answer, Answer::class("bug"));
    assert!(annotations[0].evidence.as_deref().unwrap().ends_with("bug: word4; and 95 more"));
}

#[test]
fn bad_lists_are_named_with_file_and_line() {
    let cases = [
        ("crash\nfault\tmany\n", "bug.txt:2: expected a positive weight after the phrase `fault`, found `many`"),
        ("crash\t-1\n", "bug.txt:1: expected a positive weight"),
        ("# only a comment\n\n", "bug.txt: expected at least one phrase for `bug`, found none"),
    ];
    for (text, expected) in cases {
        let project = Project::new(TaskKind::Classify).with("bug.txt", text);
        let found = message(project.open(r#"{"kind": "list", "name": "l", "lists": {"bug": "bug.txt"}}"#));
        assert!(found.starts_with(expected), "{found}");
    }
    let project = project(TaskKind::Classify).with("bad.csv", "label,phrase\nbug,x\nspam,y\n").with("no.csv", "a,b\n");
    let open = |spec: &str| message(project.open(spec));
    assert!(open(r#"{"kind": "list", "name": "l", "path": "bad.csv"}"#).starts_with("bad.csv:3: expected one of"));
    assert!(
        open(r#"{"kind": "list", "name": "l", "path": "no.csv"}"#)
            .contains("expected a column `label`, found `a`, `b`")
    );
    assert!(open(r#"{"kind": "list", "name": "l", "lists": {"spam": "bug.txt"}}"#).contains("found `spam`"));
    assert!(
        open(r#"{"kind": "list", "name": "l", "lists": {"bug": "none.txt"}}"#).starts_with("none.txt: cannot be read")
    );
    assert!(open(r#"{"kind": "list", "name": "l"}"#).contains("expected either `lists` or `path`"));
    assert!(
        open(r#"{"kind": "list", "name": "l", "path": "all.csv", "threshold": 0}"#).contains("positive `threshold`")
    );
}
