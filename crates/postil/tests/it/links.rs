//! Links between spans through the commands.

use serde_json::{Value, json};

use crate::support::{Folder, value};

fn row(id: &str, links: &[(usize, usize, &str)]) -> String {
    let span = |start: usize, end: usize, label: &str| json!({ "start": start, "end": end, "label": label });
    let links: Vec<Value> =
        links.iter().map(|(from, to, kind)| json!({ "from": from, "to": to, "kind": kind })).collect();
    let spans = [span(5, 8, "RUN"), span(0, 4, "CELL"), span(12, 15, "VALUE")];
    json!({ "id": id, "text": "Cell ran at 600.", "spans": spans, "links": links }).to_string()
}

#[test]
fn links_are_measured_and_converted() {
    let folder = Folder::new();
    let gold = [row("a", &[(0, 1, "device"), (0, 2, "temperature")]), row("b", &[(0, 1, "device")])];
    // One right, one of another kind, one missed, one too many.
    let found = [row("a", &[(0, 1, "device"), (0, 2, "power"), (1, 2, "power")]), row("b", &[])];
    folder.write("gold.jsonl", gold.join("\n"));
    folder.write("found.jsonl", found.join("\n"));
    let scores = folder.json(&["evaluate", "gold.jsonl", "found.jsonl", "--json"]);
    let links = &scores["links"];
    assert_eq!((&links["gold"], &links["predicted"], &links["correct"]), (&json!(3.0), &json!(3.0), &json!(1.0)));
    assert!((value(&links["f1"]) - 1.0 / 3.0).abs() < 1e-12, "{links}");
    assert!(links["f1"]["low"].as_f64().unwrap() < 1.0 / 3.0, "{links}");
    assert!((value(&scores["f1"]) - 1.0).abs() < 1e-12, "the spans are all right");
    let words = folder.ok(&["evaluate", "gold.jsonl", "found.jsonl"]);
    assert!(words.contains("all links") && words.contains("temperature"), "{words}");
    // To brat and back nothing is lost; to a table of tokens the links are, which is said.
    folder.ok(&["convert", "gold.jsonl", "--to", "brat", "-o", "brat", "--strict"]);
    assert!(folder.read("brat/a.ann").contains("R1\tdevice Arg1:T1 Arg2:T2"));
    let back = folder.json(&["convert", "brat", "-o", "back.jsonl", "--json"]);
    assert_eq!(back["read"]["links"], json!(3));
    let words = folder.ok(&["convert", "gold.jsonl", "-o", "gold.conll"]);
    assert!(words.contains("lost in writing: 2 documents lose links between spans"), "{words}");
    folder.ok(&["convert", "gold.jsonl", "--to", "label-studio", "-o", "tasks.json"]);
    assert!(folder.read("tasks.xml").contains("<Relation value=\"device\"/>"));
}

#[test]
fn a_project_with_strange_links_is_refused() {
    let folder = Folder::new();
    folder.write("items.csv", "id,text\na,Cell ran\n");
    let project = |kind: &str, links: &str| {
        format!(
            "[task]\nkind = \"{kind}\"\nlabels = [\"RUN\", \"CELL\"]\nlinks = {links}\n\n[data]\nitems = \"items.csv\"\n\
             text = \"text\"\n\n[[annotator]]\nname = \"people\"\nkind = \"person\"\n"
        )
    };
    for (kind, links, expected) in [
        ("classify", "[\"device\"]", "`task.links` is for `spans`"),
        ("spans", "[\"device\", \"device\"]", "names of their own"),
        ("spans", "[{ kind = \"device\", from = [\"SHIP\"] }]", "SHIP"),
    ] {
        folder.write("postil.toml", project(kind, links));
        let error = folder.fails(2, &["run"]);
        assert!(error.contains(expected), "{error}");
    }
}
