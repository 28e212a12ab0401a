//! Demonstrations in every kind of task, and spans asked for one label at a time, against a local server.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use postil_core::audit::{GoldPart, gold_part};
use postil_mimic::{Asked, Behaviour, Question, Reply, Server};
use serde_json::{Value, json};

use crate::support::{Folder, Seen, recording};

const ITEMS: usize = 60;
const GOLD: usize = 40;

const DISHES: [&str; 5] = ["onion soup", "lentil curry", "apple pie", "goulash", "ratatouille"];
const PANS: [&str; 3] = ["iron pan", "clay oven", "kettle"];
const TOOLS: [&str; 4] = ["rake", "spade", "watering can", "hedge shears"];

/// Of the kitchen or of the garden, by the row's parity; the row stands at the end.
fn text(row: usize) -> String {
    let when = ["yesterday", "on monday", "this morning", "before noon", "late", "twice", "again"][row % 7];
    let who = ["our cook", "my aunt", "the neighbour", "a guest", "the twins"][row / 2 % 5];
    if row.is_multiple_of(2) {
        let (dish, pan) = (DISHES[row / 2 % 5], PANS[row / 2 % 3]);
        format!("{who} simmered {dish} for dinner in a hot {pan} {when} r{row}")
    } else {
        format!("{who} weeded the flower bed with the old {} {when} r{row}", TOOLS[row / 2 % 4])
    }
}

/// Quotes with their labels.
fn marks(text: &str) -> Vec<(String, String)> {
    let of = |names: &[&str], label: &str| -> Vec<(String, String)> {
        let found = names.iter().filter(|name| text.contains(**name));
        found.map(|name| ((*name).to_owned(), label.to_owned())).collect()
    };
    [of(&DISHES, "dish"), of(&PANS, "tool"), of(&TOOLS, "tool")].concat()
}

fn row_of(text: &str) -> usize {
    text.rsplit(" r").next().unwrap().parse().unwrap()
}

/// A task, the file of its gold, and what is right about a row as it is shown.
struct Case {
    task: &'static str,
    settings: &'static str,
    gold: (&'static str, fn(usize) -> String),
    right: fn(usize) -> Vec<String>,
}

fn project(server: &Server, case: &Case) -> Folder {
    let folder = Folder::new();
    let rows: Vec<String> = (0..ITEMS).map(|row| format!("t{row},{}", text(row))).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let (name, line) = case.gold;
    let head = if name.ends_with("csv") { "item,label\n" } else { "" };
    folder.write(name, (0..GOLD).fold(head.to_owned(), |all, row| all + &line(row) + "\n"));
    folder.write(
        "postil.toml",
        format!(
            "[task]\n{}\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\ngold = \"{name}\"\n\
             [student]\ntrain = false\n\
             [[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n{}\n\
             [annotator.demonstrations]\ncount = 2\n",
            case.task,
            server.url(),
            case.settings
        ),
    );
    folder
}

/// A server that is right, with the item and the prompt of every request.
fn server() -> (Server, Seen) {
    recording(|question| {
        let item = question.item.unwrap_or_default();
        match &question.asked {
            Asked::Spans(labels) if labels.contains(&"dish") || labels.contains(&"tool") => Reply::Spans(marks(item)),
            Asked::Spans(_) => Reply::Spans(tags(item)),
            Asked::Labels(_) => {
                let mut labels: Vec<String> = marks(item).into_iter().map(|(_, label)| label).collect();
                labels.sort();
                labels.dedup();
                Reply::Labels(labels.into_iter().map(|label| (label, 0.9)).collect())
            }
            asked if asked.options().contains(&"yes") => {
                let applies = marks(item).iter().any(|(_, label)| label == question.name);
                Reply::Label(if applies { "yes" } else { "no" }.to_owned(), Some(0.9))
            }
            asked => Reply::Label(asked.options()[row_of(item) % 2].to_owned(), Some(0.9)),
        }
    })
}

fn tags(text: &str) -> Vec<(String, String)> {
    text.split(' ').map(|word| (word.to_owned(), if word.len() > 4 { "long" } else { "short" }.to_owned())).collect()
}

fn object(name: &str, marks: Vec<(String, String)>) -> String {
    let marks = marks.into_iter().map(|(quote, label)| json!({ "quote": quote, "label": label }));
    json!({ name: marks.collect::<Vec<Value>>() }).to_string()
}

fn gold_spans(row: usize) -> String {
    let text = text(row);
    let spans = marks(&text).into_iter().map(|(quote, label)| {
        let start = text.find(&quote).unwrap();
        json!({ "start": start, "end": start + quote.len(), "label": label })
    });
    json!({ "id": format!("t{row}"), "spans": spans.collect::<Vec<_>>() }).to_string()
}

const SPANS: &str = "kind = \"spans\"\nlabels = [\"dish\", \"tool\"]";

#[test]
fn what_is_shown_is_near_right_and_in_the_form_that_is_asked_for() {
    let cases = [
        Case {
            task: SPANS,
            settings: "",
            gold: ("gold.jsonl", gold_spans),
            right: |row| vec![object("spans", marks(&text(row)))],
        },
        Case {
            task: SPANS,
            settings: "one_label_per_request = true",
            gold: ("gold.jsonl", gold_spans),
            right: |row| {
                let of = |wanted: &str| {
                    let own = marks(&text(row)).into_iter().filter(|(_, label)| label == wanted);
                    json!({ "quotes": own.map(|(quote, _)| quote).collect::<Vec<_>>() }).to_string()
                };
                vec![of("dish"), of("tool")]
            },
        },
        Case {
            task: "kind = \"tag\"\nlabels = [\"long\", \"short\"]",
            settings: "",
            gold: ("gold.jsonl", |row| {
                let tags: Vec<String> = tags(&text(row)).into_iter().map(|(_, tag)| tag).collect();
                json!({ "id": format!("t{row}"), "tags": tags }).to_string()
            }),
            right: |row| vec![object("spans", tags(&text(row)))],
        },
        Case {
            task: "kind = \"multilabel\"\nlabels = [\"dish\", \"tool\"]",
            settings: "ask = \"json\"",
            gold: ("gold.csv", |row| format!("t{row},{}", ["dish|tool", "tool"][row % 2])),
            right: |row| vec![[r#"{"labels":["dish","tool"]}"#, r#"{"labels":["tool"]}"#][row % 2].to_owned()],
        },
        Case {
            task: "kind = \"multilabel\"\nlabels = [\"dish\", \"tool\"]",
            settings: "",
            gold: ("gold.csv", |row| format!("t{row},{}", ["dish|tool", "tool"][row % 2])),
            right: |row| [["A. yes", "A. yes"], ["B. no", "A. yes"]][row % 2].map(str::to_owned).to_vec(),
        },
        Case {
            task: "kind = \"classify\"\nlabels = [\"kitchen\", \"garden\"]",
            settings: "candidates = true",
            gold: ("gold.csv", |row| format!("t{row},{}", ["kitchen", "garden"][row % 2])),
            right: |row| vec![format!("{{\"candidates\":[\"{}\"]}}", ["kitchen", "garden"][row % 2])],
        },
    ];
    for case in &cases {
        let (server, seen) = server();
        let folder = project(&server, case);
        let planned = folder.ok(&["plan", "--show-prompt"]);
        let first: Vec<&str> = planned.lines().filter(|line| line.starts_with('{')).collect();
        let report = folder.json(&["run", "--json"]);
        assert_eq!(report["annotators"][0]["answered"], ITEMS, "{}", case.task);
        let served = server.log();
        for body in &first {
            let digest = postil_mimic::Digest::of(body.as_bytes());
            assert!(served.iter().any(|entry| entry.digest == digest), "the bytes of a plan are those of the run");
        }
        let asked = seen.lock().unwrap().clone();
        let requests = (case.right)(0).len();
        assert_eq!(asked.len(), requests * ITEMS);
        let (mut near, mut all) = (0, 0);
        for (item, prompt) in &asked {
            let place = if prompt.contains("label `tool`") { requests - 1 } else { 0 };
            let lines: Vec<&str> = prompt.lines().collect();
            let shown: Vec<(usize, &str)> = lines
                .windows(3)
                .filter(|lines| lines[2].starts_with("Answer: "))
                .map(|lines| (row_of(lines[0]), lines[2].strip_prefix("Answer: ").unwrap()))
                .collect();
            assert_eq!(shown.len(), 2, "{prompt}");
            for (row, answer) in shown {
                assert_eq!(answer, (case.right)(row)[place], "{prompt}");
                assert!(row != row_of(item) && row < GOLD, "{prompt}");
                assert_eq!(gold_part(&format!("t{row}"), 0), GoldPart::Fit, "gold that measures is shown: t{row}");
                near += usize::from(row % 2 == row_of(item) % 2);
                all += 1;
            }
        }
        assert!(near * 20 >= all * 19, "{near} of {all} are of the item's subject");
    }
}

#[test]
fn sentences_are_shown_where_gold_is_of_sentences_and_never_beside_their_own_text() {
    let (server, seen) = server();
    let case = Case { task: SPANS, settings: "", gold: ("gold.jsonl", gold_spans), right: |_| Vec::new() };
    let folder = project(&server, &case);
    // Texts of two sentences; gold is of the first.
    let rows: Vec<String> = (0..ITEMS).map(|row| format!("t{row},{}. Nothing else was done.", text(row))).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let gold = (0..GOLD).fold(String::new(), |mut all, row| {
        let mut line: Value = serde_json::from_str(&gold_spans(row)).unwrap();
        line["start"] = 0.into();
        line["end"] = (text(row).len() + 1).into();
        let _ = writeln!(all, "{line}");
        all
    });
    folder.write("gold.jsonl", &gold);
    folder.ok(&["run"]);
    let asked = seen.lock().unwrap().clone();
    assert_eq!(asked.len(), ITEMS);
    for (item, prompt) in &asked {
        assert_eq!(prompt.matches("Nothing else was done.").count(), 1, "{prompt}");
        let own = item.split_once('.').unwrap().0;
        assert_eq!(prompt.matches(own).count(), 1, "{prompt}");
        for row in (0..GOLD).filter(|row| prompt.contains(&format!("r{row}.\n"))) {
            assert_eq!(gold_part(&format!("t{row}\0{}", 0), 0), GoldPart::Fit);
        }
    }
    folder.write("gold.jsonl", gold.replace("\"dish\"", "\"dosh\""));
    assert!(folder.fails(2, &["plan"]).contains("dosh"));
}

#[test]
fn pairs_are_shown_beside_pairs_with_the_sides_in_the_order_of_the_item() {
    let (server, seen) = recording(|_| Reply::Label("A is better".to_owned(), Some(0.9)));
    let folder = Folder::new();
    let rows: Vec<String> = (0..20)
        .map(|row| {
            let (good, bad) = (format!("good {}", text(row)), format!("bad {}", text(row)));
            let (left, right) = if row % 3 == 0 { (good, bad) } else { (bad, good) };
            format!("p{row},{left},{right}")
        })
        .collect();
    folder.write("items.csv", format!("id,left,right\n{}\n", rows.join("\n")));
    let gold: Vec<String> =
        (0..20).map(|row| format!("p{row},{}", if row % 3 == 0 { "left" } else { "right" })).collect();
    folder.write("gold.csv", format!("item,label\n{}\n", gold.join("\n")));
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"pairs\"\n[data]\nitems = \"items.csv\"\nid = \"id\"\ngold = \"gold.csv\"\n\
             [[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n\
             [annotator.demonstrations]\ncount = 2\n",
            server.url()
        ),
    );
    folder.ok(&["run"]);
    let asked = seen.lock().unwrap().clone();
    assert_eq!(asked.len(), 40);
    for (_, prompt) in &asked {
        // The good text of a demonstration is the one that its answer names.
        let shown: Vec<&str> = prompt.split("\nAnswer: ").collect();
        assert_eq!(shown.len(), 3, "{prompt}");
        for (before, after) in shown.iter().zip(&shown[1..]) {
            let first = before.rfind("\nA:\n").unwrap();
            let good_first = before[first..].lines().nth(3).unwrap().starts_with("good");
            let answer = if good_first { "A. A is better" } else { "B. B is better" };
            assert!(after.starts_with(answer), "{prompt}");
        }
    }
}

#[test]
fn a_label_by_itself_is_asked_for_with_its_own_words_and_the_answers_become_one() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = seen.clone();
    let server = Server::start(Behaviour::new(move |question: &Question<'_>| {
        log.lock().unwrap().push(question.body.clone());
        let item = question.item.unwrap_or_default();
        let mut found = marks(item);
        if item.contains("kettle") {
            // The same words under two labels, and more words around others.
            found.push(("kettle".to_owned(), "dish".to_owned()));
            found.push(("hot kettle".to_owned(), "tool".to_owned()));
        }
        if item.contains("rake") {
            found.push(("a word that is not there".to_owned(), "dish".to_owned()));
        }
        Reply::Spans(found)
    }));
    let case = Case {
        task: SPANS,
        settings: "one_label_per_request = true\nprice = { input = 1.0, output = 1.0 }",
        gold: ("gold.jsonl", gold_spans),
        right: |_| Vec::new(),
    };
    let folder = project(&server, &case);
    let settings = folder.read("postil.toml").replace("[annotator.demonstrations]\ncount = 2\n", "");
    let settings = settings.replace("[data]", "guidelines = \"g.md\"\n[task.definitions]\ndish = \"Eaten.\"\n[data]");
    folder.write("g.md", "Be exact.\n\n# dish\nNo drinks.\n\n# tool\nNo rooms.\n");
    folder.write("postil.toml", &settings);
    let plan = folder.json(&["plan", "--json"]);
    assert_eq!(plan["models"][0]["requests"], 2 * ITEMS);
    let output = folder.postil(&["run", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["annotators"][0]["answered"], ITEMS);
    let spent = report["annotators"][0]["money"].as_f64().unwrap();
    assert!(spent > 0.0 && spent <= plan["models"][0]["worst"]["money"].as_f64().unwrap());
    let kettles = (0..ITEMS).filter(|&row| text(row).contains("kettle")).count();
    assert!(said.contains(&format!("{} stretches left out", 2 * kettles)), "{said}");
    let rakes = (0..ITEMS).filter(|&row| text(row).contains("rake")).count();
    assert!(said.contains(&format!("{rakes} quotes that are not in their text")), "{said}");
    let bodies = seen.lock().unwrap().clone();
    assert_eq!(bodies.len(), 2 * ITEMS);
    for body in &bodies {
        let system = body["messages"][0]["content"].as_str().unwrap();
        let of_dish = body["messages"][1]["content"].as_str().unwrap().contains("label `dish`");
        assert!(system.contains("Be exact."), "{system}");
        assert_eq!((system.contains("No drinks."), system.contains("Eaten.")), (of_dish, of_dish), "{system}");
        assert_eq!(system.contains("No rooms."), !of_dish, "{system}");
    }
    let spans = |folder: &Folder| -> Vec<(String, String)> {
        let out = folder.read("out/labels.jsonl");
        let kettle = out.lines().find(|line| line.contains("kettle")).unwrap();
        let kettle: Value = serde_json::from_str(kettle).unwrap();
        let spans = kettle["spans"].as_array().unwrap().iter();
        spans
            .map(|span| (span["quote"].as_str().unwrap().to_owned(), span["label"].as_str().unwrap().to_owned()))
            .collect()
    };
    assert!(spans(&folder).contains(&("hot kettle".to_owned(), "tool".to_owned())), "{:?}", spans(&folder));
    assert!(!spans(&folder).iter().any(|(quote, _)| quote == "kettle"), "{:?}", spans(&folder));
    // Where labels may overlap nothing is left out, and no reply is bought again.
    folder.write("postil.toml", settings.replace("kind = \"spans\"", "kind = \"spans\"\noverlapping = true"));
    folder.ok(&["run"]);
    assert_eq!(server.log().len(), 2 * ITEMS);
    assert!(spans(&folder).contains(&("kettle".to_owned(), "dish".to_owned())), "{:?}", spans(&folder));
    let wrong = settings.replace("kind = \"spans\"", "kind = \"tag\"").replace("gold = \"gold.jsonl\"\n", "");
    folder.write("postil.toml", wrong);
    assert!(folder.fails(2, &["plan"]).contains("`one_label_per_request`"));
}
