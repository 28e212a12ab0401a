//! Bad input gets a clear error, the right exit code, and loses nothing.

use crate::support::Folder;

const PROJECT: &str = "[task]\nkind = \"classify\"\nlabels = [\"a\", \"b\"]\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
                       [[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { a = \"a.txt\", b = \"b.txt\" }\n";

fn project(items: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.write("postil.toml", PROJECT);
    folder.write("items.csv", items);
    folder.write("a.txt", "apple\n");
    folder.write("b.txt", "bread\n");
    folder
}

#[test]
fn bad_rows_are_put_aside_and_strict_stops_at_the_first() {
    let items = b"id,text\n1,an apple\n2,bread,too many\n3,\"bread\r\nand \"\"apple\"\"\"\n4,\xff\xfe\n5,\xf0\x9f\x8d\x9e bread\n1,an apple\n1,other\n";
    let folder = project(items);
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["items"]["count"], 3);
    assert_eq!(report["items"]["rejected"], 3);
    assert_eq!(report["items"]["duplicates"], 1);
    let rejected = folder.read("out/rejected.jsonl");
    assert!(rejected.contains("\"line\":3") && rejected.contains("\"line\":6"), "{rejected}");
    let message = project(items).fails(2, &["run", ".", "--strict"]);
    assert!(message.contains("items.csv:3"), "{message}");
}

#[test]
fn messages_name_what_was_expected_and_where() {
    let folder = project(b"id,body\n1,x\n");
    let message = folder.fails(2, &["run", "."]);
    assert!(message.contains("`text`") && message.contains("`body`"), "{message}");

    let folder = project(b"id,text\n1,x\n");
    folder.write("postil.toml", PROJECT.replace("kind = \"list\"", "kind = \"lists\""));
    let message = folder.fails(2, &["plan", "."]);
    assert!(message.contains("postil.toml:"), "{message}");

    folder.write("postil.toml", PROJECT.replace("a.txt", "missing.txt"));
    let message = folder.fails(1, &["plan", "."]);
    assert!(message.contains("missing.txt"), "{message}");

    let message = Folder::new().fails(1, &["run", "."]);
    assert!(message.contains("postil init"), "{message}");
}

#[test]
fn gold_with_an_unknown_label_is_refused_not_dropped() {
    let folder = project(b"id,text\n1,apple\n2,bread\n");
    folder.write("postil.toml", PROJECT.replace("id = \"id\"", "id = \"id\"\ngold = \"gold.csv\""));
    folder.write("gold.csv", "id,label\n1,a\n2,B\n");
    let message = folder.fails(2, &["run", "."]);
    assert!(message.contains("gold.csv") && message.contains("`B`") && message.contains("only in case"), "{message}");
}

#[test]
fn settings_that_a_kind_of_task_cannot_have_are_told() {
    let labels = "labels = [\"a\", \"b\"]\n";
    for (kind, words) in [("pairs", "`left`, `right`"), ("extract", "`task.schema`")] {
        let folder = project(b"id,text,left,right\n1,x,y,z\n");
        folder.write("postil.toml", PROJECT.replace("classify", kind));
        assert!(folder.fails(2, &["plan", "."]).contains(words), "{kind}");
        if kind == "pairs" {
            folder
                .write("postil.toml", PROJECT.replace("classify", kind).replace(labels, "").replace("a = ", "left = "));
            assert!(folder.fails(2, &["plan", "."]).contains("a pair has two"));
        }
    }
    let folder = project(b"id,text\n1,x\n");
    folder
        .write("postil.toml", format!("{PROJECT}\n[[annotator]]\nname = \"ann\"\nkind = \"person\"\nmodel = \"x\"\n"));
    assert!(folder.fails(2, &["plan", "."]).contains("unknown field `model`"));
}

#[test]
fn a_damaged_or_newer_ledger_and_model_are_refused() {
    let folder = project(b"id,text\n1,apple\n2,bread\n");
    folder.ok(&["run", "."]);
    let ledger = std::fs::read(folder.path("ledger/ledger.sqlite")).unwrap();
    folder.write("ledger/ledger.sqlite", &ledger[..ledger.len() / 2]);
    std::fs::remove_file(folder.path("ledger/ledger.sqlite-wal")).ok();
    let message = folder.fails(1, &["run", "."]);
    assert!(message.contains("ledger.sqlite"), "{message}");

    folder.write("model.postil", "not a model");
    folder.write("x.csv", "text\nhello\n");
    assert!(folder.fails(1, &["predict", "model.postil", "x.csv"]).contains("model.postil"));
}

#[test]
fn a_program_that_never_ends_costs_its_item_and_is_named() {
    let folder = project(b"id,text\n1,apple\n2,loop\n3,bread\n");
    folder.write(
        "rules.star",
        "def label(item):\n    if item.text == \"loop\":\n        n = 0\n        for i in range(1000000000):\n            for j in range(1000000000):\n                n += 1\n    return \"a\"\n",
    );
    folder.write(
        "postil.toml",
        format!("{PROJECT}\n[[annotator]]\nname = \"rules\"\nkind = \"program\"\npath = \"rules.star\"\n"),
    );
    let report = folder.json(&["run", ".", "--json"]);
    let rules = report["annotators"].as_array().unwrap().iter().find(|row| row["name"] == "rules").unwrap();
    assert_eq!((&rules["answered"], &rules["failed"]), (&2.into(), &1.into()), "{rules}");
}
