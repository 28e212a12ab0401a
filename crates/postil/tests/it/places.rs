//! The example that marks names in notes, from end to end.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{Folder, value};

#[test]
fn one_command_marks_measures_and_trains_and_the_second_finds_nothing_to_do() {
    let folder = Folder::example("places");
    let report = folder.json(&["--threads", "1", "run", ".", "--json"]);
    assert_eq!(report["items"]["count"], 404);
    assert_eq!(report["gold"]["total"], 80);
    let f1 = value(&report["headline"]["value"]);
    assert!((0.6..0.97).contains(&f1), "F1 {f1}");
    for stage in report["stages"].as_array().unwrap() {
        assert_eq!(stage["figures"][0]["name"], "F1");
        value(&stage["figures"][0]["value"]);
    }
    assert!(report["doubtful"].as_array().unwrap().iter().all(|one| !one["spans"].as_array().unwrap().is_empty()));
    let files = folder.files("out");
    for name in ["labels.jsonl", "labels.parquet", "model.postil", "report.html", "report.json"] {
        assert!(files.contains_key(name), "{name} is missing among {:?}", files.keys());
    }
    assert!(folder.read("out/report.html").contains("<mark class="), "spans are coloured");
    let notes = folder.read("notes.csv");
    for line in folder.read("out/labels.jsonl").lines() {
        let text: Value = serde_json::from_str(line).unwrap();
        for span in text["spans"].as_array().unwrap() {
            let place = |key: &str| span[key].as_u64().unwrap() as usize;
            let (start, end) = (place("start"), place("end"));
            let there: String = text["text"].as_str().unwrap().chars().skip(start).take(end - start).collect();
            assert_eq!(there, span["quote"].as_str().unwrap());
            assert!(notes.contains(&there.replace('"', "\"\"")));
        }
    }
    let again = folder.ok(&["run", "."]);
    assert!(again.contains("unchanged since the last run"), "{again}");
    folder.ok(&["--threads", "2", "run", ".", "--fresh"]);
    assert_eq!(files, folder.files("out"), "computing everything again on two threads gives the same bytes");
}

#[test]
fn the_model_marks_new_texts_annotates_and_is_scored() {
    let folder = Folder::example("places");
    folder.ok(&["run", "."]);
    folder.write("new.csv", "id,text\n1,We took the train from Porto to Lisbon with Mrs Adeyemi.\n2,no name here\n");
    let marked = folder.ok(&["predict", "out/model.postil", "new.csv", "--confidence", "-o", "-"]);
    let first: Value = serde_json::from_str(marked.lines().next().unwrap()).unwrap();
    let quotes: Vec<&str> =
        first["spans"].as_array().unwrap().iter().filter_map(|span| span["quote"].as_str()).collect();
    assert!(quotes.contains(&"Porto") && quotes.contains(&"Lisbon"), "{marked}");
    assert!(first["spans"][0]["confidence"].as_f64().is_some_and(|sure| (0.0..=1.0).contains(&sure)));

    let scores = folder.json(&["evaluate", "gold.jsonl", "out/labels.jsonl", "--json"]);
    assert!(value(&scores["f1"]) > 0.6, "{scores}");

    folder.ok(&["export", ".", "--format", "jsonl", "-o", "all.jsonl"]);
    folder.ok(&["export", ".", "--format", "jsonl", "--at-least", "0.9", "-o", "sure.jsonl"]);
    let spans = |name: &str, least: f64| {
        let rows = folder.read(name);
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let sure = |span: &Value| span["confidence"].as_f64().is_none_or(|sure| sure >= least);
        rows.map(|row| row["spans"].as_array().unwrap().iter().filter(|span| sure(span)).count()).sum::<usize>()
    };
    let sure = spans("out/labels.jsonl", 0.9);
    assert!(sure > 0 && sure < spans("all.jsonl", 0.0));
    assert_eq!(spans("sure.jsonl", 0.0), sure);

    let project = folder.read("postil.toml");
    let model = "\n[[annotator]]\nname = \"tagger\"\nkind = \"model\"\npath = \"first.postil\"\n";
    std::fs::copy(folder.path("out/model.postil"), folder.path("first.postil")).unwrap();
    folder.write("postil.toml", project + model);
    let report = folder.json(&["run", ".", "--json"]);
    let tagger = report["annotators"].as_array().unwrap().last().unwrap();
    assert_eq!((tagger["name"].as_str(), tagger["answered"].as_u64()), (Some("tagger"), Some(404)));
}

#[test]
fn draws_are_for_marking_and_gold_of_another_text_is_refused() {
    let folder = Folder::example("places");
    let project = folder.read("postil.toml").replace("gold = \"gold.jsonl\"", "");
    folder.write("postil.toml", &project);
    folder.ok(&["draw", "25", ".", "-o", "drawn.jsonl"]);
    assert_eq!(folder.read("drawn.jsonl").lines().count(), 25);
    assert!(folder.read("drawn.jsonl").lines().all(|line| line.ends_with("\"spans\":[]}")));

    let wrong =
        "{\"id\": \"n001\", \"spans\": [{\"start\": 0, \"end\": 4, \"label\": \"place\", \"quote\": \"Oslo\"}]}\n";
    folder.write("gold.jsonl", wrong);
    folder.write("postil.toml", project.replace("text = \"text\"", "text = \"text\"\ngold = \"gold.jsonl\""));
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("gold.jsonl:1") && error.contains("n001"), "{error}");
    assert!(error.contains("not what was quoted"), "{error}");

    folder.write("gold.jsonl", wrong.replace("place", "river"));
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("`river`") && error.contains("gold.jsonl:1"), "{error}");
}

#[test]
fn nested_spans_are_kept_where_the_task_says_so_and_listed_where_it_does_not() {
    let folder = Folder::new();
    let (mut items, mut gold) = ("id,text\n".to_owned(), String::new());
    for item in 0..60 {
        let (city, rest) = (["Boston", "Dublin", "Lisbon"][item % 3], ["closed early", "opened a branch"][item % 2]);
        let text = format!("The Bank of {city} {rest} .");
        let end = 12 + city.len();
        let spans = format!(
            "{{\"start\":4,\"end\":{end},\"label\":\"organisation\"}},{{\"start\":12,\"end\":{end},\"label\":\"place\"}}"
        );
        let _ = writeln!(items, "n{item},{text}");
        let _ = writeln!(gold, "{{\"id\":\"n{item}\",\"spans\":[{spans}]}}");
    }
    folder.write("items.csv", &items);
    folder.write("gold.jsonl", &gold);
    folder.write("places.txt", "Boston\nDublin\nLisbon\n");
    folder.write("banks.txt", "Bank of Boston\nBank of Dublin\nBank of Lisbon\n");
    let project = "[task]\nkind = \"spans\"\nlabels = [\"organisation\", \"place\"]\noverlapping = true\n\n[data]\n\
                   items = \"items.csv\"\ntext = \"text\"\nid = \"id\"\ngold = \"gold.jsonl\"\n\n[[annotator]]\nname = \"names\"\n\
                   kind = \"list\"\nseparate = true\nlists = { organisation = \"banks.txt\", place = \"places.txt\" }\n";
    folder.write("postil.toml", project);
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["headline"]["value"]["value"], 1.0, "{}", report["headline"]);
    let labels = folder.read("out/labels.jsonl");
    let first: Value = serde_json::from_str(labels.lines().next().unwrap()).unwrap();
    let spans: Vec<(u64, &str)> = first["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| (span["start"].as_u64().unwrap(), span["label"].as_str().unwrap()))
        .collect();
    assert_eq!(spans, [(4, "organisation"), (12, "place")]);
    assert!(report["warnings"].as_array().unwrap().is_empty(), "{}", report["warnings"]);
    let files = folder.files("out");
    folder.ok(&["--threads", "2", "run", ".", "--fresh"]);
    assert_eq!(files, folder.files("out"));
    // A format that holds flat tags only says what it leaves out.
    let told = folder.postil(&["export", "--format", "conll", "-o", "out.conll"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("60 spans overlap a longer one and are left out"), "{told}");
    let predicted = folder.ok(&["predict", "out/model.postil", "items.csv", "-o", "-"]);
    let first: Value = serde_json::from_str(predicted.lines().next().unwrap()).unwrap();
    assert_eq!(first["spans"].as_array().unwrap().len(), 2, "{first}");

    folder.write("postil.toml", project.replace("overlapping = true\n", ""));
    let report = folder.json(&["run", ".", "--json"]);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("60 gold spans do not stand on whole tokens or overlap"), "{warnings}");
    folder.write("postil.toml", project.replace("spans", "classify"));
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("`task.overlapping` is for `spans` tasks"), "{error}");
}

#[test]
fn taggers_are_trained_on_any_format_and_keep_to_their_budget() {
    let folder = Folder::new();
    let mut data = String::new();
    for sentence in 0..120 {
        let (name, place) = (["Ann", "Bo", "Cem", "Dag"][sentence % 4], ["Oslo", "Bern", "Rom"][sentence % 3]);
        let _ = write!(data, "{name}\tNNP\tB-PER\nOtt\tNNP\tI-PER\nsaw\tVBD\tO\n{place}\tNNP\tB-LOC\n.\t.\tO\n\n");
    }
    folder.write("train.conll", &data);
    let arguments =
        ["train", "train.conll", "--task", "spans", "--format", "conll", "--layer", "pos", "-o", "m.postil"];
    let trained = folder.json(&[&arguments[..], &["--max-bytes", "50000", "--json"]].concat());
    assert!(trained["bytes"].as_u64().unwrap() <= 50_000);
    folder.ok(&["predict", "m.postil", "train.conll", "--format", "conll", "-o", "predicted.conll"]);
    let scores = folder.json(&["evaluate", "train.conll", "predicted.conll", "--format", "conll", "--json"]);
    assert_eq!(value(&scores["f1"]), 1.0);
    assert_eq!(value(&scores["token_accuracy"]), 1.0);

    let error = folder.fails(2, &["train", "train.conll", "--task", "spans", "--format", "conll", "--labels", "PER"]);
    assert!(error.contains("`LOC`") && error.contains("--labels"), "{error}");
    folder.write("broken.postil", &std::fs::read(folder.path("m.postil")).unwrap()[..400]);
    let error = folder.fails(1, &["predict", "broken.postil", "train.conll"]);
    assert!(error.contains("broken.postil"), "{error}");
}
