//! The example, from end to end.

use crate::support::{Folder, value};

#[test]
fn one_command_labels_measures_and_trains_and_the_second_finds_nothing_to_do() {
    let folder = Folder::tickets();
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["items"]["count"], 824);
    assert_eq!(report["gold"]["total"], 150);
    assert!(report["gold"]["fitting"].as_u64().unwrap() >= 30);
    let accuracy = value(&report["headline"]["value"]);
    // Honest difficulty: far above the most frequent label's share, and far from perfect.
    assert!((0.6..0.97).contains(&accuracy), "accuracy {accuracy}");
    for stage in report["stages"].as_array().unwrap() {
        for figure in stage["figures"].as_array().unwrap() {
            value(&figure["value"]);
        }
    }
    let files = folder.files("out");
    for name in ["labels.parquet", "labels.csv", "model.postil", "report.html", "report.json"] {
        assert!(files.contains_key(name), "{name} is missing among {:?}", files.keys());
    }
    let again = folder.ok(&["run", "."]);
    assert!(again.contains("unchanged since the last run"), "{again}");
    assert_eq!(files, folder.files("out"));
    folder.ok(&["run", ".", "--fresh"]);
    assert_eq!(files, folder.files("out"), "computing everything again gives the same bytes");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let (one, two) = (Folder::tickets(), Folder::tickets());
    one.ok(&["--threads", "1", "run", "."]);
    two.ok(&["--threads", "2", "run", "."]);
    let (mut left, mut right) = (one.files("out"), two.files("out"));
    // The project's name is that of its folder, which differs here.
    let named = |files: &mut std::collections::BTreeMap<String, Vec<u8>>, folder: &Folder| {
        let name = folder.path("").canonicalize().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        for file in ["report.json", "report.html"] {
            let text = String::from_utf8(files[file].clone()).unwrap().replace(&name, "PROJECT");
            files.insert(file.to_owned(), text.into_bytes());
        }
        files.remove("run.json");
        files.remove("model.postil")
    };
    assert!(named(&mut left, &one).is_some() && named(&mut right, &two).is_some());
    assert_eq!(left, right);
}

#[test]
fn a_model_labels_what_it_has_never_seen_and_can_annotate() {
    let folder = Folder::tickets();
    folder.ok(&["run", "."]);
    folder.write("new.csv", "text\nthe app crashes every time I open the map\nwhere is my parcel\n");
    let predicted = folder.ok(&["predict", "out/model.postil", "new.csv"]);
    let lines: Vec<&str> = predicted.lines().collect();
    assert_eq!(lines[0], "text,predicted,confidence");
    assert!(lines[1].contains(",bug,") && lines[2].contains(",delivery,"), "{predicted}");

    // The student of the first run is one more annotator of a second project.
    std::fs::rename(folder.path("out/model.postil"), folder.path("first.postil")).unwrap();
    let project =
        folder.read("postil.toml") + "\n[[annotator]]\nname = \"first\"\nkind = \"model\"\npath = \"first.postil\"\n";
    folder.write("postil.toml", project);
    let report = folder.json(&["run", ".", "--json"]);
    let model = report["annotators"].as_array().unwrap().iter().find(|row| row["name"] == "first").unwrap();
    assert_eq!(model["answered"], 824);
}

#[test]
fn labels_export_to_other_formats_and_only_the_certain_ones() {
    let folder = Folder::tickets();
    folder.ok(&["run", "."]);
    let all = folder.ok(&["export", "."]);
    assert_eq!(all, folder.read("out/labels.csv"));
    let sure = folder.ok(&["export", ".", "--at-least", "0.9"]);
    assert!(sure.lines().count() > 10 && sure.lines().count() < all.lines().count());
    folder.ok(&["export", ".", "-o", "labels.jsonl"]);
    assert_eq!(folder.read("labels.jsonl").lines().count(), 824);
    let page = folder.read("out/report.html");
    assert!(folder.ok(&["report", "."]).contains("accuracy"));
    assert_eq!(page, folder.read("out/report.html"), "the page comes out of the data byte for byte");
}

#[test]
fn a_draw_is_on_record_and_a_second_one_is_new() {
    let folder = Folder::tickets();
    let project = folder.read("postil.toml").replace("gold = \"gold.csv\"", "# no gold yet");
    folder.write("postil.toml", project);
    let unknown = folder.json(&["run", ".", "--json"]);
    assert_eq!(unknown["headline"]["value"]["state"], "unknown");
    assert!(unknown["next"][0].as_str().unwrap().contains("postil draw"));

    folder.ok(&["draw", "40", ".", "--stratify", "channel", "--floor", "5"]);
    folder.ok(&["draw", "20", ".", "--stratify", "channel", "--floor", "5"]);
    let ids = |name: &str| -> Vec<String> {
        let table = folder.read(name);
        // Texts may hold line ends; rows begin with an id of five characters.
        let rows = table.lines().filter_map(|line| line.split_once(',')).map(|(id, _)| id);
        rows.filter(|id| id.len() == 5 && id.starts_with('T') && id[1..].parse::<u32>().is_ok())
            .map(str::to_owned)
            .collect()
    };
    let (first, second) = (ids("to-label-40.csv"), ids("to-label-60.csv"));
    assert_eq!((first.len(), second.len()), (40, 20));
    assert!(second.iter().all(|id| !first.contains(id)));
    let message = folder.fails(2, &["draw", "5", "."]);
    assert!(message.contains("strata of the earlier draws"), "{message}");

    // Labels for the drawn items are measured with the probabilities on record.
    let gold: Vec<String> = first.iter().chain(&second).map(|id| format!("{id},bug")).collect();
    folder.write("mine.csv", format!("id,label\n{}\n", gold.join("\n")));
    let project = folder.read("postil.toml").replace("# no gold yet", "gold = \"mine.csv\"");
    folder.write("postil.toml", project);
    let measured = folder.json(&["run", ".", "--json"]);
    assert!(measured["gold"]["design"].as_str().unwrap().contains("known probability"), "{}", measured["gold"]);
    value(&measured["headline"]["value"]);
}

#[test]
fn plan_shows_cost_and_an_example_and_stores_nothing() {
    let folder = Folder::tickets();
    let plan = folder.json(&["plan", ".", "--json"]);
    assert_eq!(plan["items"], 824);
    assert_eq!(plan["expected_money"], 0.0);
    assert!(plan["annotators"].as_array().unwrap().len() > 8);
    assert!(!folder.path("ledger").exists() && !folder.path("out").exists());
    assert!(folder.ok(&["plan", "."]).contains("example item `T0001`"));
}
