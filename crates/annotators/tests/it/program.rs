//! What programs can say, what they see, and how their files become annotators.

use postil_core::{Status, TaskKind};

use crate::support::{Project, briefs, items, message, names};

const NO_LIMITS: &str = "{}";

#[test]
fn every_way_to_answer() {
    let source = r#"
money = keywords(["invoice", "refund", "credit card"])
crash = regex(r"crash(es|ed)?\b", ignore_case=True)

def label(item: str) -> str:
    """Docstrings and types are as in Python."""
    text = item.text
    if item.id == "6":
        return None
    if "maybe" in text:
        return ["bug", "praise", "bug"]
    if "scores" in text:
        return {"praise": 3, "bug": 1.0, "billing": 0}
    if "one of one" in text:
        return ("praise",)
    if "nothing" in text:
        return []
    if money.search(text):
        return "billing"
    if crash.count(text) > 0:
        return "bug"
    for word in words(text.lower()):
        if length(word) == 5 and word.startswith("great"[:3]):
            return "praise"
"#;
    let texts = [
        "My INVOICE",
        "it Crashed",
        "maybe",
        "scores",
        "one of one",
        "invoice",
        "nothing",
        "so great!",
        "",
        "👍 invoices",
    ];
    let annotations = Project::run(TaskKind::Classify, source, NO_LIMITS, &texts);
    let expected = ["billing", "bug", "bug|praise", "bug=0.25 praise=0.75", "praise", "-", "-", "praise", "-", "-"];
    assert_eq!(briefs(&annotations), expected);
    assert!(annotations.iter().all(|annotation| annotation.evidence.is_none()));
}

#[test]
fn multilabel_answers_are_sets() {
    let source = r#"
def label(item):
    if item.text == "none": return []
    if item.text == "one": return "bug"
    if item.text == "two": return ["praise", "bug"]
    if item.text == "scores": return {"bug": 0.9, "billing": 0.1, "praise": 0.5}
    if item.text == "high": return {"bug": 1.5}
"#;
    let annotations =
        Project::run(TaskKind::Multilabel, source, NO_LIMITS, &["none", "one", "two", "scores", "high", "else"]);
    assert_eq!(briefs(&annotations), ["{}", "{bug}", "{bug,praise}", "{bug,praise}", "malformed", "-"]);
    let scores = annotations[3].distribution.as_ref().unwrap();
    assert_eq!(scores.iter().map(|(_, score)| *score).collect::<Vec<_>>(), [0.9, 0.1, 0.5]);
}

#[test]
fn patterns_find_count_and_list() {
    let source = r#"
def label(item):
    r, k = regex(r"a\d"), keywords(["red", "blue sky"])
    found = (r.find(item.text), r.find_all(item.text), r.count(item.text),
             k.find(item.text), k.find_all(item.text), k.count(item.text), r.search(item.text), k.search(item.text))
    want = {
        "a1 Red a2 blue  sky redder": ("a1", ["a1", "a2"], 2, "Red", ["Red", "blue  sky"], 2, True, True),
        "none": (None, [], 0, None, [], 0, False, False),
    }[item.text]
    if found != want:
        fail(str(found))
    if not keywords(["US"], ignore_case=False).search("the US") or keywords(["US"], ignore_case=False).search("us"):
        fail("case")
    return "bug" if words("Ab, c!") == ["Ab", "c"] and length("é👍") == 2 else None
"#;
    let annotations = Project::run(TaskKind::Classify, source, NO_LIMITS, &["a1 Red a2 blue  sky redder", "none"]);
    assert_eq!(briefs(&annotations), ["bug", "bug"], "{:?}", annotations[0].evidence);
}

#[test]
fn fields_are_the_columns_of_the_source() {
    let source = r#"
def label(item):
    fields = item.fields
    fields["id"] = "changed here only"
    return "bug" if item.fields.get("id") == "1" and "text" in fields and fields.get("none") == None else "praise"
"#;
    assert_eq!(briefs(&Project::run(TaskKind::Classify, source, NO_LIMITS, &["x", "y"])), ["bug", "praise"]);
    let hidden = "def label(item):\n    return 'bug' if getattr(item, 'fie' + 'lds')['text'] == 'x' else None\n";
    assert_eq!(briefs(&Project::run(TaskKind::Classify, hidden, NO_LIMITS, &["x", "y"])), ["bug", "-"]);
}

#[test]
fn a_batch_function_sees_many_items_at_once() {
    let source = r#"
def labels(items):
    longest = max([length(item.text) for item in items])
    return ["bug" if length(item.text) == longest else None for item in items]
"#;
    let texts: Vec<String> = (0..300).map(|row| "x".repeat(1 + row % 256)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let annotations = Project::run(TaskKind::Classify, source, NO_LIMITS, &texts);
    let hits: Vec<usize> = (0..300).filter(|&row| annotations[row].status == Status::Ok).collect();
    assert_eq!(hits, [255, 299], "256 items at a time");
}

#[test]
fn functions_and_files_become_annotators_with_names_and_versions() {
    let project = Project::new(TaskKind::Classify)
        .with("f/b.star", "def label_two(item): return 'bug'\ndef label_one(item): return item.id\n_x = 1\n")
        .with("f/a.star", "def label(item): return 'praise'\nlabel_names = ['not a function']\n")
        .with("f/notes.txt", "not a program")
        .with("g/b.star", "def label_two(item): return 'bug'\ndef label_one(item): return None\n");
    let annotators = project.open(r#"{"kind": "program", "name": "p", "path": "f"}"#).unwrap();
    assert_eq!(names(&annotators), ["p/a", "p/b/one", "p/b/two"]);
    let single = project.open(r#"{"kind": "program", "name": "q", "path": "f/b.star"}"#).unwrap();
    assert_eq!(names(&single), ["q/one", "q/two"]);
    assert_eq!(single[0].identity().version, annotators[1].identity().version, "the name is not part of the version");
    assert_ne!(single[0].identity().version, single[1].identity().version);
    let other = project.open(r#"{"kind": "program", "name": "q", "path": "g/b.star"}"#).unwrap();
    assert_ne!(other[1].identity().version, single[1].identity().version, "the source is");
    let batch = items(&["x", "y"]);
    for mut annotators in [annotators, single] {
        for _ in 0..3 {
            // The functions of a file share a batch; asking again or in another order changes nothing.
            for annotator in annotators.iter_mut().rev() {
                let expected = match &*annotator.identity().name {
                    "p/a" => ["praise", "praise"],
                    "p/b/one" | "q/one" => ["malformed", "malformed"],
                    _ => ["bug", "bug"],
                };
                assert_eq!(briefs(&annotator.annotate(&batch).unwrap()), expected);
                assert!(annotator.annotate(&items(&[])).unwrap().is_empty());
            }
        }
    }
}

#[test]
fn programs_that_cannot_be_loaded_are_named_with_their_line() {
    let cases = [
        ("x = 1\ndef label(item)\n    return 1\n", "p.star:2: "),
        ("x = 1\nload('other.star', 'y')\n", "p.star:2: "),
        ("x = 1\ny = unknown\n", "p.star:2: "),
        ("x = regex(r'(')\ndef label(item): pass\n", "p.star:1: regex `(`: unclosed group"),
        ("\nx = regex(r'((a{500}){500}){500}')\n", "p.star:2: regex `((a{500}){500}){500}`: the pattern is too large"),
        ("x = keywords(['a', ' '])\n", "p.star:1: keywords: phrase 2 is blank"),
        ("def f(item): pass\n", "p.star: expected a function `label(item)`"),
        ("def label(item): pass\ndef label_x(item): pass\n", "p.star: expected either one function `label` or several"),
        ("def label(item): pass\ndef labels(items): pass\n", "p.star: expected one of `label` and `labels`"),
        ("x = open('/etc/passwd')\n", "p.star:1: "),
        ("x = [1, 2][5]\n", "p.star:1: "),
    ];
    for (source, expected) in cases {
        let project = Project::new(TaskKind::Classify).with("p.star", source);
        let found = message(project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#));
        assert!(found.starts_with(expected), "{source:?}: {found}");
    }
    let project = Project::new(TaskKind::Classify).with("empty/x.txt", "");
    assert!(message(project.open(r#"{"kind": "program", "name": "p", "path": "empty"}"#)).contains("`.star` file"));
    assert!(
        message(project.open(r#"{"kind": "program", "name": "p", "path": "none.star"}"#)).starts_with("none.star: ")
    );
}

#[test]
fn answers_that_do_not_fit_are_malformed_with_line_and_item() {
    let source = r#"
def label(item):
    kind = item.text
    if kind == "unknown":
        return "spam"
    if kind == "case":
        return ["bug", "Bug"]
    if kind == "number":
        return 7
    if kind == "nan":
        return {"bug": float("nan")}
    if kind == "inf":
        return {"bug": float("inf"), "praise": 1}
    if kind == "negative":
        return {"bug": -1}
    if kind == "key":
        return {1: 1}
    if kind == "text":
        return {"bug": "1"}
    if kind == "nested":
        return [["bug"]]
    if kind == "zero":
        return {"bug": 0}
    if kind == "huge":
        return {"bug": 1e308, "praise": 1e308}
    if kind == "error":
        return {}["missing"]
    return "bug"
"#;
    let texts =
        ["unknown", "case", "number", "nan", "inf", "negative", "key", "text", "nested", "zero", "huge", "error", "ok"];
    let annotations = Project::run(TaskKind::Classify, source, NO_LIMITS, &texts);
    let expected: [(&str, &str); 13] = [
        ("malformed", "p.star:5: item `1`: expected one of the labels `bug`, `billing`, `praise`, found `spam`"),
        ("malformed", "p.star:7: item `2`: expected one of the labels `bug`, `billing`, `praise`, found `Bug`"),
        (
            "malformed",
            "p.star:9: item `3`: expected a label, a list of labels, a dict of scores or None, found 7 (int)",
        ),
        ("malformed", "p.star:11: item `4`: expected a score that is finite and not negative for `bug`, found nan"),
        ("malformed", "p.star:13: item `5`: expected a score that is finite and not negative for `bug`, found +inf"),
        ("malformed", "p.star:15: item `6`: expected a score that is finite and not negative for `bug`, found -1"),
        ("malformed", "p.star:17: item `7`: expected labels as the keys of the scores, found int"),
        ("malformed", "p.star:19: item `8`: expected a score that is finite and not negative for `bug`, found \"1\""),
        ("malformed", "p.star:21: item `9`: expected a list of labels, found list in it"),
        ("-", ""),
        ("bug=0.50 praise=0.50", ""),
        ("failed", "p.star:27: item `12`: "),
        ("bug", ""),
    ];
    for ((annotation, brief), (said, evidence)) in annotations.iter().zip(briefs(&annotations)).zip(expected) {
        assert_eq!(brief, said);
        let found = annotation.evidence.as_deref().unwrap_or_default();
        assert!(found.starts_with(evidence), "{found}");
    }
}

#[test]
fn answers_do_not_depend_on_the_number_of_workers() {
    let source = r#"
def label_a(item):
    if int(item.id) % 1000 == 7: return {}["x"]
    if int(item.id) % 900 == 3:
        for i in range(1000000000): pass
    return ["bug", "billing", "praise"][len(item.text) % 3]
def label_b(item):
    return "spam" if item.id.endswith("99") else None
"#;
    let texts: Vec<String> = (0..9000).map(|row| "é".repeat(row % 17)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let spec =
        r#"{"kind": "program", "name": "p", "path": "p.star", "limits": {"steps_per_item": 20000, "failures": 6}}"#;
    let mut results = Vec::new();
    for threads in [1, 2, 3] {
        let mut project = Project::new(TaskKind::Classify).with("p.star", source);
        project.threads = threads;
        let mut annotators = project.open(spec).unwrap();
        let batch = items(&texts);
        results.push(annotators.iter_mut().map(|one| one.annotate(&batch).unwrap()).collect::<Vec<_>>());
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
    let stopped: Vec<&str> = results[0][0].iter().filter_map(|one| one.evidence.as_deref()).collect();
    assert_eq!(stopped.iter().filter(|evidence| evidence.ends_with("`: stopped after 20000 steps")).count(), 6);
    assert_eq!(stopped.iter().filter(|evidence| evidence.contains("not run, since")).count(), 9000 - 4503);
    assert!(stopped[0].starts_with("p.star:5: item `3`: stopped after 20000 steps"), "{}", stopped[0]);
}
