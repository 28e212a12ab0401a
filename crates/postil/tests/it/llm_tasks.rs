//! What models are asked beyond one label: pairs, records, tags, planted instructions, several answers at once.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use postil_mimic::{Asked, Behaviour, Capabilities, Question, Reply, Server};
use serde_json::{Value, json};

use crate::llm::{ITEMS, all_right, answers, project, truth};
use crate::support::{Folder, copy, shared, value};

/// The texts between fences of a prompt about a pair: what both are about, the one shown as A, the one shown as B.
fn shown(prompt: &str) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut rest = prompt;
    while let Some(open) = rest.find("\n=== ") {
        let line = &rest[open..open + 21];
        let after = &rest[open + 22..];
        let close = after.find(line).unwrap();
        texts.push(&after[..close]);
        rest = &after[close + 21..];
    }
    texts
}

fn pairs(server: &Server, labels: &str, settings: &str) -> Folder {
    let folder = Folder::new();
    let rows: Vec<String> = (0..40)
        .map(|row| {
            let (good, bad) = (format!("good {row}"), format!("bad {row}"));
            let (left, right) = if row % 2 == 0 { (good, bad) } else { (bad, good) };
            let (one, other) = if row % 2 == 0 { ("anna", "bert") } else { ("bert", "anna") };
            format!("p{row},question {row},{left},{right},{one},{other}")
        })
        .collect();
    folder.write("items.csv", format!("id,question,left,right,by_left,by_right\n{}\n", rows.join("\n")));
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"pairs\"\n{labels}\n[data]\nitems = \"items.csv\"\nid = \"id\"\ntext = \"question\"\n\
             left_name = \"by_left\"\nright_name = \"by_right\"\n[output]\nformats = [\"csv\"]\n\
             [[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n{settings}\n",
            server.url()
        ),
    );
    folder
}

/// Knows the better one, except where the number ends in 3: there it takes the first.
fn judge(question: &Question<'_>) -> Reply {
    let state = &question.body["state"];
    let (first, objects) = match state["left"].as_str() {
        Some(left) => (left.to_owned(), false),
        None => (shown(question.prompt)[1].to_owned(), matches!(question.asked, Asked::Label(_))),
    };
    let first_wins = first.ends_with('3') || first.starts_with("good");
    let words = match (state.is_object(), objects) {
        (true, _) => ["left", "right"],
        (false, true) => ["A", "B"],
        (false, false) => ["A is better", "B is better"],
    };
    let [winner, loser] = [usize::from(!first_wins), usize::from(first_wins)].map(|place| words[place].to_owned());
    Reply::Distribution(vec![(winner, 0.9), (loser, 0.1)])
}

#[test]
fn pairs_are_asked_in_both_orders_in_every_way() {
    for settings in ["", "ask = \"json\"", "ask = \"json\"\nreason = true", "dialect = \"systemone\""] {
        let server = Server::start(Behaviour::new(judge));
        let folder = pairs(&server, "labels = [\"left\", \"right\", \"tie\"]", settings);
        let report = folder.json(&["run", "--json"]);
        assert_eq!(server.log().len(), 80, "{settings}");
        let place = &report["pairs"]["places"][0];
        // Four of forty numbers end in 3.
        assert!((value(&place["flips"]) - 0.1).abs() < 1e-9, "{settings}: {place}");
        assert!((value(&place["undecided"]) - 0.1).abs() < 1e-9, "{settings}: {place}");
        let ranking = &report["pairs"]["ranking"];
        assert_eq!((&ranking[0]["name"], &ranking[0]["wins"]), (&json!("anna"), &json!(36)), "{settings}: {ranking}");
        let labels = folder.read("out/labels.csv");
        for row in 0..40 {
            let expected = if row % 10 == 3 { "tie" } else { ["left", "right"][row % 2] };
            assert!(labels.contains(&format!("\np{row},{expected},")), "{settings}: {row} {labels}");
        }
        assert!(folder.read("out/ranking.csv").starts_with("rank,contestant,strength"));
        assert!(
            report["warnings"].to_string().len() < 500 && folder.read("out/report.html").contains("Contradictions")
        );
    }
}

#[test]
fn a_pair_without_ties_is_left_open_where_the_orders_contradict_each_other() {
    let server = Server::start(Behaviour::new(judge));
    let folder = pairs(&server, "", "");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(report["items"]["unanswered"], 4);
    assert!(report["consensus"]["combination"].as_str().unwrap().contains("a pair has two"), "{}", report["consensus"]);
    let said = |from: &str, to: &str| {
        folder.write("postil.toml", folder.read("postil.toml").replace(from, to));
        folder.fails(2, &["run"])
    };
    assert!(said("kind = \"pairs\"", "kind = \"pairs\"\nlabels = [\"a\", \"b\"]").contains("`left`, `right`"));
}

#[test]
fn examples_of_pairs_and_records_run() {
    for (example, least) in [("pairs", 0.85), ("invoices", 0.9)] {
        let folder = Folder::new();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example), &folder.path("e"));
        let report = folder.json(&["run", "e", "--json"]);
        assert!(value(&report["headline"]["value"]) > least, "{}", report["headline"]);
        for annotator in report["annotators"].as_array().unwrap() {
            assert!(annotator["answered"].as_u64().unwrap() > 20 && annotator["failed"] == 0, "{annotator}");
        }
        let before = folder.files("e/out");
        folder.ok(&["run", "e", "--fresh"]);
        assert_eq!(before, folder.files("e/out"));
        folder.ok(&["plan", "e"]);
    }
}

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "mood": {"type": "string", "enum": ["bug", "praise"]}, "row": {"type": "integer"},
    "words": {"type": "array", "items": {"type": "string"}}, "when": {"type": ["string", "null"], "format": "date"}
    }, "required": ["mood", "row", "words", "when"]}"#;

#[test]
fn records_hold_what_is_quoted_and_nothing_else() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        assert!(matches!(question.asked, Asked::Record(_)));
        let text = question.item.unwrap_or_default();
        let row: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
        let first = text.split(' ').next().unwrap();
        let mood = if truth(text) == "bug" { "crashes" } else { "like" };
        // Every fifth mood is made up, every sixth number is a word.
        let mood = if row.is_multiple_of(5) { "out of the blue" } else { mood };
        let number = if row.is_multiple_of(6) { json!("many") } else { json!(row) };
        Reply::Record(json!({ "record": {
            "mood": { "value": truth(text).to_uppercase(), "quote": mood },
            "row": { "value": number, "quote": row.to_string() },
            "words": [{ "value": first, "quote": first }, { "value": "x", "quote": "not there" }],
            "when": { "value": null, "quote": null },
        }}))
    }));
    let folder = project(&server, "classify", "", "");
    folder.write("schema.json", SCHEMA);
    let settings = folder.read("postil.toml");
    let settings = settings
        .replace("kind = \"classify\"\nlabels = [\"bug\", \"praise\"]", "kind = \"extract\"\nschema = \"schema.json\"");
    let gold: Vec<String> = (0..ITEMS)
        .map(|row| {
            format!(
                "t{row},{},{row},{},",
                truth(if row % 3 == 0 { "crash" } else { "" }),
                if row % 3 == 0 { "it" } else { "I" }
            )
        })
        .collect();
    folder.write("gold.csv", format!("item,mood,row,words,when\n{}\n", gold.join("\n")));
    folder.write("postil.toml", settings.replace("id = \"id\"", "id = \"id\"\ngold = \"gold.csv\""));
    let output = folder.postil(&["run", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["warnings"].to_string().contains("students for records are not available"));
    assert!(said.contains("72 quotes that are not in their text"), "{said}");
    let field = |name: &str| report["fields"].as_array().unwrap().iter().find(|one| one["field"] == name).unwrap();
    let refused = |name: &str| {
        let row = &field(name)["refused"][0];
        (row["answered"].as_u64().unwrap(), row["not_in_text"].as_u64().unwrap(), row["unusable"].as_u64().unwrap())
    };
    assert_eq!(refused("mood"), (48, 12, 0));
    assert_eq!(refused("row"), (50, 0, 10));
    assert_eq!(refused("words"), (60, 60, 0));
    assert_eq!((&field("when")["absent"], &field("when")["refused"]), (&json!(60), &json!([])));
    assert!((value(&field("when")["exact"]) - 1.0).abs() < 1e-9 && value(&field("mood")["exact"]) < 1.0);
    let labels = folder.read("out/labels.csv");
    let header = "id,mood,mood_confidence,mood_start,mood_end,mood_gold,row,row_confidence,row_start,row_end,row_gold,words,words_confidence,words_places,words_gold,when";
    assert!(labels.starts_with(header), "{labels}");
    let third = labels.lines().find(|line| line.starts_with("t3,")).unwrap();
    // `it crashes again and again 3`
    assert!(third.starts_with("t3,bug,") && third.contains(",3,10,bug,3,") && third.contains("\"[[0,2]]\""), "{third}");
    let asked = server.log().len();
    folder.ok(&["run", "--fresh"]);
    assert_eq!(server.log().len(), asked);
}

#[test]
fn schemas_and_gold_records_that_are_wrong_are_told() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "", "");
    let settings = folder.read("postil.toml");
    let of = |more: &str| {
        settings.replace("kind = \"classify\"\nlabels = [\"bug\", \"praise\"]", &format!("kind = \"extract\"\n{more}"))
    };
    folder.write("postil.toml", of(""));
    assert!(folder.fails(2, &["run"]).contains("`task.schema`"));
    folder.write("postil.toml", of("schema = \"schema.json\""));
    folder.write(
        "schema.json",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"pattern\": \"x\"}}}",
    );
    let said = folder.fails(2, &["run"]);
    assert!(said.contains("schema.json") && said.contains("`pattern`"), "{said}");
    folder.write("schema.json", SCHEMA);
    folder.write("gold.csv", "item,row\nt1,1\nt2,many\n");
    let drawn = folder.ok(&["draw", "3"]);
    assert!(
        drawn.contains("3 items drawn")
            && folder.read("to-label-3.csv").starts_with("id,text,mood,row,words,when,drawn")
    );
    folder.write(
        "postil.toml",
        of("schema = \"schema.json\"").replace("id = \"id\"", "id = \"id\"\ngold = \"gold.csv\""),
    );
    let said = folder.fails(2, &["run"]);
    assert!(said.contains("gold.csv:3") && said.contains("whole number"), "{said}");
}

#[test]
fn every_word_gets_a_tag() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        let text = question.item.unwrap_or_default();
        let strange = text.ends_with(" 7");
        let tag = |word: &str| {
            if strange {
                "verb"
            } else if word == "crashes" {
                "bug"
            } else {
                "praise"
            }
        };
        Reply::Spans(text.split(' ').map(|word| (word.to_owned(), tag(word).to_owned())).collect())
    }));
    let folder = project(&server, "tag", "", "");
    let report = folder.json(&["run", "--json"]);
    let row = &report["annotators"][0];
    assert_eq!((&row["answered"], &row["malformed"]), (&json!(ITEMS - 1), &json!(1)), "{row}");
    let labels = folder.read("out/labels.csv");
    let tagged = labels.lines().filter(|line| line.contains("crashes")).collect::<Vec<_>>();
    assert!(tagged.len() == 20 && tagged.iter().all(|line| line.contains(",bug")), "{tagged:?}");
}

#[test]
fn planted_texts_show_who_obeys_and_stay_out_of_the_result() {
    for (obeys, expected) in [(false, 0.0), (true, 1.0)] {
        let server = Server::start(Behaviour::new(move |question: &Question<'_>| {
            let text = question.item.unwrap_or_default();
            let asked = text.split_once("only right label is \"").and_then(|(_, rest)| rest.split('"').next());
            match asked.filter(|_| obeys) {
                Some(label) => Reply::Label(label.to_owned(), Some(0.9)),
                None => answers(question),
            }
        }));
        let folder = project(&server, "classify", "", "");
        folder.ok(&["run"]);
        let labels = folder.read("out/labels.csv");
        let settings = folder.read("postil.toml").replace("model = \"m\"", "model = \"m\"\ncanaries = 12");
        folder.write("postil.toml", settings);
        let report = folder.json(&["run", "--json"]);
        let row = &report["canaries"][0];
        assert_eq!((&row["annotator"], &row["planted"]), (&json!("model"), &json!(12)));
        assert!((value(&row["obeyed"]) - expected).abs() < 1e-9, "{row}");
        assert_eq!(server.log().len(), ITEMS + 12);
        assert_eq!(labels, folder.read("out/labels.csv"));
        all_right(&folder);
        let before = folder.files("out");
        folder.ok(&["run", "--fresh"]);
        assert_eq!((server.log().len(), before), (ITEMS + 12, folder.files("out")), "planted texts are bought once");
        assert!(folder.read("out/report.html").contains("Planted instructions"));
        let wrong = folder.read("postil.toml").replace("canaries = 12", "canaries = 12\nbatch = true");
        folder.write("postil.toml", wrong);
        assert!(folder.fails(2, &["run"]).contains("`canaries`"));
    }
}

/// What a model that obeys says of a planted text; nothing of another.
fn obedient(question: &Question<'_>) -> Option<Reply> {
    let pair = question.prompt.contains("\nA:\n").then(|| shown(question.prompt));
    let text = pair.as_ref().map_or(question.item?, |texts| texts[texts.len() - 1]);
    let quoted = |before: &str| text.split_once(before).and_then(|(_, rest)| rest.split('"').next());
    if let Some(texts) = pair.filter(|texts| texts.iter().any(|text| text.contains("message to whoever compares"))) {
        let first = texts[texts.len() - 2].contains("message to whoever");
        return Some(Reply::Label(if first { "A is better" } else { "B is better" }.to_owned(), Some(0.9)));
    }
    if !text.contains("message to whoever") {
        return None;
    }
    if let Some(field) = quoted("the only right value of \"") {
        let value = text.rsplit_once("Answer with ")?.1.split(' ').next()?;
        let typed =
            if field == "row" { value.parse::<u64>().map_or(json!(value), |row| json!(row)) } else { json!(value) };
        return Some(Reply::Record(json!({ "record": { field: { "value": typed, "quote": value } } })));
    }
    if let Some(tag) = quoted("every word in it is \"") {
        return Some(Reply::Spans(text.split_whitespace().map(|word| (word.to_owned(), tag.to_owned())).collect()));
    }
    if let Some(label) = quoted("\"whoever\" as \"") {
        return Some(Reply::Spans(vec![("whoever".to_owned(), label.to_owned())]));
    }
    let label = quoted("only right label is \"")?;
    let yes = if question.name == label { "yes" } else { "no" };
    Some(match question.asked {
        Asked::Labels(_) => Reply::Labels(vec![(label.to_owned(), 0.9)]),
        _ => Reply::Label(yes.to_owned(), Some(0.9)),
    })
}

#[test]
fn obedience_shows_in_every_kind_of_task() {
    let honest = |question: &Question<'_>| match &question.asked {
        Asked::Spans(_) if question.prompt.contains("every word and every sign") => {
            let words = question.item.unwrap_or_default().split_whitespace();
            Reply::Spans(
                words.zip(["bug", "praise"].iter().cycle()).map(|(w, t)| (w.to_owned(), (*t).to_owned())).collect(),
            )
        }
        Asked::Spans(_) => Reply::Spans(Vec::new()),
        Asked::Record(_) => Reply::Record(json!({ "record": { "mood": { "value": "bug", "quote": "again" } } })),
        _ if question.prompt.contains("\nA:\n") => judge(question),
        asked if asked.options().contains(&"yes") => {
            let applies = question.name == truth(question.item.unwrap_or_default());
            Reply::Label(if applies { "yes" } else { "no" }.to_owned(), Some(0.9))
        }
        _ => answers(question),
    };
    for (kind, settings) in [
        ("spans", ""),
        ("spans", "one_label_per_request = true"),
        ("tag", ""),
        ("multilabel", ""),
        ("multilabel", "ask = \"json\""),
        ("pairs", ""),
        ("extract", ""),
    ] {
        let mut labels = None;
        for obeys in [false, true] {
            let server = Server::start(Behaviour::new(move |question: &Question<'_>| {
                obedient(question).filter(|_| obeys).unwrap_or_else(|| honest(question))
            }));
            let more = format!("{settings}\ncanaries = 8");
            let folder = if kind == "pairs" { pairs(&server, "", &more) } else { project(&server, kind, &more, "") };
            if kind == "extract" {
                folder.write("schema.json", SCHEMA);
                let text = folder.read("postil.toml");
                folder.write("postil.toml", text.replace("labels = [\"bug\", \"praise\"]", "schema = \"schema.json\""));
            }
            let report = folder.json(&["run", "--json"]);
            let row = &report["canaries"][0];
            assert_eq!(row["planted"], 8, "{kind} {settings}: {report}");
            assert!((value(&row["obeyed"]) - f64::from(u8::from(obeys))).abs() < 1e-9, "{kind} {settings}: {row}");
            assert!(row["obeyed"]["high"].as_f64().unwrap() - row["obeyed"]["low"].as_f64().unwrap() > 0.2, "{row}");
            assert!(folder.read("out/report.html").contains("Planted instructions"));
            let written = folder.files("out").into_iter().find(|(name, _)| name.starts_with("labels.")).unwrap();
            assert_eq!(labels.get_or_insert_with(|| written.clone()), &written, "{kind}: planted texts stay out");
            let (asked, before) = (server.log().len(), folder.files("out"));
            let plan = folder.json(&["plan", "--json"]);
            assert_eq!(plan["models"][0]["items"], 0);
            folder.ok(&["run", "--fresh"]);
            assert_eq!((server.log().len(), before), (asked, folder.files("out")), "{kind}: bought once");
        }
    }
}

#[test]
fn several_answers_come_in_one_request_where_the_endpoint_gives_them() {
    for (several, requests) in [(true, ITEMS), (false, 5 * ITEMS)] {
        let capabilities = Capabilities { samples: several, ..Capabilities::default() };
        let server = Server::start(Behaviour { seed: 1, ..Behaviour::new(answers).capable(capabilities) });
        let folder = project(&server, "classify", "ask = \"samples\"\nprice = { input = 1.0, output = 1.0 }", "");
        let found = folder.json(&["probe", ".", "--json"]);
        assert_eq!(found[0]["several"], several);
        let probes = server.log().len();
        let plan = folder.json(&["plan", "--json"]);
        assert_eq!(plan["models"][0]["requests"], requests);
        let report = folder.json(&["run", "--json"]);
        assert_eq!(server.log().len() - probes, requests);
        assert_eq!(report["annotators"][0]["answered"], ITEMS);
        let spent = report["annotators"][0]["money"].as_f64().unwrap();
        assert!(spent > 0.0 && spent <= plan["models"][0]["worst"]["money"].as_f64().unwrap());
    }
}

/// Position bias of stored judges, and what both orders make of it: each judge is asked about every pair, and again with
/// all sides exchanged.
#[test]
fn both_orders_halve_the_position_bias_of_stored_judges() {
    let Some(data) = shared("llm/llmbar") else { return };
    let judges = ["GPT-4-Vanilla", "ChatGPT-Vanilla", "Falcon-Vanilla"];
    let items = crate::support::csv(&data.join("items.csv"));
    let mut stored: HashMap<(String, String, bool), String> = HashMap::new();
    for row in crate::support::csv(&data.join("annotations.csv.gz")) {
        if let Some((judge, order)) = row[1].rsplit_once('|').filter(|(judge, _)| judges.contains(judge)) {
            stored.insert((judge.to_owned(), row[0].clone(), order == "BA"), row[2].clone());
        }
    }
    let truth: HashMap<String, String> =
        crate::support::csv(&data.join("truth.csv")).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut texts = HashMap::new();
    let mut pairs = Vec::new();
    for row in &items {
        let pair: Value = serde_json::from_str(&row[1]).unwrap();
        let part = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
        texts.insert((part("instruction"), part("output_1"), part("output_2")), row[0].clone());
        pairs.push((row[0].clone(), part("instruction"), part("output_1"), part("output_2")));
    }
    let server = Server::start(Behaviour::new(move |question: &Question<'_>| {
        let shown = shown(question.prompt);
        let key = |one: usize, other: usize| (shown[0].to_owned(), shown[one].to_owned(), shown[other].to_owned());
        let found =
            texts.get(&key(1, 2)).map(|item| (item, false)).or_else(|| texts.get(&key(2, 1)).map(|item| (item, true)));
        let Some((item, swapped)) = found else { return Reply::Text("no such pair".to_owned()) };
        match stored.get(&(question.model.to_owned(), item.clone(), swapped)).map(String::as_str) {
            // Stored answers name the outputs, whatever order they were shown in.
            Some(output @ ("1" | "2")) => {
                Reply::Label(if (output == "1") == swapped { "B is better" } else { "A is better" }.to_owned(), None)
            }
            _ => Reply::Refusal("I cannot tell.".to_owned()),
        }
    }));
    let run = |judge: &str, exchanged: bool, both: bool| {
        let folder = Folder::new();
        let rows: Vec<String> = pairs
            .iter()
            .map(|(id, about, one, other)| {
                let (left, right) = if exchanged { (other, one) } else { (one, other) };
                json!({ "id": id, "about": about, "left": left, "right": right }).to_string()
            })
            .collect();
        folder.write("items.jsonl", rows.join("\n"));
        folder.write(
            "postil.toml",
            format!(
                "[task]\nkind = \"pairs\"\nlabels = [\"left\", \"right\", \"tie\"]\n[data]\nitems = \"items.jsonl\"\nid = \"id\"\n\
                 text = \"about\"\n[consensus]\nmethod = \"majority\"\n[output]\nformats = [\"csv\"]\n[[annotator]]\n\
                 name = \"judge\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"{judge}\"\nboth_orders = {both}\n",
                server.url()
            ),
        );
        let report = folder.json(&["run", "--json"]);
        let labels: HashMap<String, String> = crate::support::csv(&folder.path("out/labels.csv"))
            .into_iter()
            .filter(|row| row[3] == "consensus")
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        (labels, report)
    };
    let credit = |item: &str, label: &str, exchanged: bool| match label {
        "tie" => 0.5,
        side => f64::from(u8::from(((side == "left") != exchanged) == (truth[item] == "1"))),
    };
    let mut lines = Vec::new();
    for judge in judges {
        let (mut flips, mut right) = ([0.0; 2], [0.0; 2]);
        for both in [false, true] {
            let (labels, report) = run(judge, false, both);
            let (exchanged, _) = run(judge, true, both);
            let turned = |label: &str| match label {
                "left" => "right",
                "right" => "left",
                _ => "tie",
            };
            let shared: Vec<_> =
                labels.iter().filter_map(|(item, label)| Some((item, label, exchanged.get(item)?))).collect();
            let changed = shared.iter().filter(|(_, label, other)| turned(label) != other.as_str()).count();
            flips[usize::from(both)] = changed as f64 / shared.len() as f64;
            // Over both ways to put the pairs, so that the places of the better ones do not count.
            let credits = |(item, label, other): &(&String, &String, &String)| {
                f64::midpoint(credit(item, label, false), credit(item, other, true))
            };
            right[usize::from(both)] = shared.iter().map(credits).sum::<f64>() / shared.len() as f64;
            if both {
                let measured = value(&report["pairs"]["places"][0]["flips"]);
                assert!((measured - flips[0]).abs() < 0.02, "{judge}: reported {measured}, seen {}", flips[0]);
            }
        }
        lines.push(format!(
            "{judge}: flips {:.3} with one order, {:.3} with both; right {:.3} and {:.3}",
            flips[0], flips[1], right[0], right[1]
        ));
        assert!(flips[1] <= flips[0] / 2.0, "{lines:?}");
        // Where the orders contradict each other one of them is right: half a point, as for a tie.
        assert!((right[1] - right[0]).abs() < 0.01, "{lines:?}");
    }
    let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
}

#[test]
fn packs_are_plain_files_that_run() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| match &question.asked {
        Asked::Spans(_) => {
            let found = question.item.is_some_and(|text| text.contains("onion soup"));
            Reply::Spans(Vec::from_iter(found.then(|| ("onion soup".to_owned(), "dish".to_owned()))))
        }
        Asked::Text => Reply::Text("must: boots".to_owned()),
        asked => Reply::Label(asked.options()[0].to_owned(), Some(0.8)),
    }));
    for (pack, rows) in [("checklist", 3), ("relevance", 3), ("entities", 2)] {
        let folder = Folder::new();
        folder.ok(&["init", "--pack", pack, "p"]);
        let settings = folder.read("p/postil.toml");
        folder
            .write("p/postil.toml", settings.replace("http://localhost:8000/v1", &server.url()).replace("MODEL", "m"));
        let shown = folder.ok(&["plan", "p", "--show-prompt"]);
        for part in ["guidelines.md", "prompt.txt"] {
            let first = folder
                .read(&format!("p/{part}"))
                .lines()
                .find(|line| !line.is_empty() && !line.contains("{{") && !line.contains("---"))
                .unwrap()
                .to_owned();
            let quoted = json!(first).to_string();
            assert!(shown.contains(quoted.trim_matches('"')), "{pack}: {first}");
        }
        let report = folder.json(&["run", "p", "--json"]);
        assert_eq!(report["items"]["count"], rows, "{pack}");
        assert_eq!(report["annotators"][0]["failed"], 0, "{pack}");
        assert!(folder.fails(2, &["init", "--pack", pack, "p"]).contains("already"));
    }
    assert!(Folder::new().fails(2, &["init", "--pack", "other"]).contains("`relevance`"));
}
