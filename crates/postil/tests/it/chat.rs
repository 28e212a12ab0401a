//! Tags as a project: the example of mixed languages from end to end, layers that come along, and what goes wrong.

use std::fmt::Write;

use serde_json::Value;

use crate::support::{Folder, value};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_command_tags_measures_and_trains_and_the_second_finds_nothing_to_do() {
    let folder = Folder::example("chat");
    let report = folder.json(&["--threads", "1", "run", ".", "--json"]);
    let messages = folder.read("messages.csv").lines().count() as u64 - 1;
    assert_eq!(report["items"]["count"], messages);
    assert_eq!(report["gold"]["total"], 60);
    assert_eq!(report["headline"]["metric"], "token accuracy");
    let accuracy = value(&report["headline"]["value"]);
    assert!((0.75..0.99).contains(&accuracy), "token accuracy {accuracy}");
    assert!(report["headline"]["value"]["basis"].as_str().unwrap().contains("gold items"));
    for stage in report["stages"].as_array().unwrap() {
        assert_eq!(stage["figures"][1]["name"], "macro F1");
        value(&stage["figures"][1]["value"]);
    }
    assert!(report["trust"]["agreement"]["known"]["compared"].as_u64().unwrap() > 100, "agreement is about tokens");
    assert!(report["doubtful"].as_array().unwrap().iter().all(|one| !one["spans"].as_array().unwrap().is_empty()));
    assert!(!report["forms"].as_array().unwrap().is_empty(), "`was` and `in` are words of both languages");
    for row in lines(&folder.read("out/labels.jsonl")) {
        let tokens = row["tokens"].as_array().unwrap().len();
        assert_eq!(row["layers"]["language"].as_array().unwrap().len(), tokens);
        assert_eq!(row["confidence"].as_array().unwrap().len(), tokens);
    }
    let page = folder.read("out/report.html");
    assert!(page.contains("class=\"token") && page.contains("Words with several tags"));
    let files = folder.files("out");
    let again = folder.ok(&["run", "."]);
    assert!(again.contains("unchanged since the last run"), "{again}");
    folder.ok(&["--threads", "2", "run", ".", "--fresh"]);
    assert_eq!(files, folder.files("out"), "computing everything again on two threads gives the same bytes");
}

#[test]
fn a_project_is_planned_drawn_exported_and_its_model_used() {
    let folder = Folder::example("chat");
    let plan = folder.ok(&["plan"]);
    assert!(plan.contains("60 gold labels") && plan.contains("programs/signs"), "{plan}");
    folder.ok(&["run", "."]);
    folder.ok(&["export", "--format", "conllu", "-o", "out.conllu"]);
    let written = folder.read("out.conllu");
    assert!(written.contains("language=de"), "{written}");
    folder.ok(&["export", "--format", "conll", "--comments", "-o", "out.conll"]);
    assert!(folder.read("out.conll").lines().any(|line| line == "bitte\tde"), "token and tag, and no empty column");
    folder.ok(&["export", "-o", "out.csv"]);
    assert!(folder.read("out.csv").starts_with("id,token,start,end,form,label,confidence,source,votes,gold\n"));

    folder.write("new.csv", "id,text\n1,kannst du bitte the door zumachen?\n");
    let predicted = folder.ok(&["predict", "out/model.postil", "new.csv", "-o", "-"]);
    assert!(predicted.contains("\"language\""), "{predicted}");
    let project = folder.read("postil.toml");
    std::fs::copy(folder.path("out/model.postil"), folder.path("first.postil")).unwrap();
    let model = "\n[[annotator]]\nname = \"tagger\"\nkind = \"model\"\npath = \"first.postil\"\n";
    folder.write("postil.toml", project.clone() + model);
    let report = folder.json(&["run", ".", "--json"]);
    let tagger = report["annotators"].as_array().unwrap().last().unwrap();
    assert_eq!((tagger["name"].as_str(), tagger["coverage"].as_f64()), (Some("tagger"), Some(1.0)));
    folder.write(
        "postil.toml",
        (project.clone() + model)
            .replace("gold = ", "# gold = ")
            .replace("\"other\"]", "\"else\"]")
            .replace("other = [", "else = ["),
    );
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("first.postil") && error.contains("`other`"), "{error}");

    folder.write("postil.toml", project.replace("gold = \"gold.jsonl\"", ""));
    folder.ok(&["draw", "5", "-o", "drawn.jsonl"]);
    for row in lines(&folder.read("drawn.jsonl")) {
        assert_eq!(row["tokens"].as_array().unwrap().len(), row["tags"].as_array().unwrap().len());
        assert!(row["tags"].as_array().unwrap().iter().all(Value::is_null));
    }
}

/// A project with three annotators of people, in their stored answers.
fn stored() -> Folder {
    let folder = Folder::new();
    let (mut items, mut answers) = ("id,text\n".to_owned(), "item,annotator,tags\n".to_owned());
    for item in 0..40 {
        let (subject, verb) = (["Ann", "Bo", "Cem"][item % 3], ["sleeps", "runs"][item % 2]);
        writeln!(items, "t{item},{subject} {verb} .").unwrap();
        writeln!(answers, "t{item},one,N V P\nt{item},two,N V P\nt{item},three,N _ P").unwrap();
    }
    folder.write("items.csv", &items);
    folder.write("answers.csv", &answers);
    folder.write(
        "postil.toml",
        "[task]\nkind = \"tag\"\nlabels = [\"N\", \"V\", \"P\"]\n\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
         gold = \"gold.jsonl\"\n\n[[annotator]]\nname = \"people\"\nkind = \"replay\"\npath = \"answers.csv\"\n",
    );
    let gold: Vec<String> =
        (0..40).map(|item| format!("{{\"id\":\"t{item}\",\"tags\":[\"N\",\"V\",\"P\"]}}\n")).collect();
    let gold = gold.concat();
    folder.write("gold.jsonl", &gold);
    folder
}

#[test]
fn stored_tags_of_people_are_fused_and_a_silent_token_is_no_answer() {
    let folder = stored();
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["headline"]["value"]["value"], 1.0);
    assert!(report["headline"]["value"]["low"].as_f64().unwrap() < 1.0, "all right is no proof");
    let names: Vec<&str> =
        report["annotators"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["people/one", "people/two", "people/three"]);
    assert_eq!(report["consensus"]["votes"], 40 * 8);

    // An answer with too few tags is no answer, and the file and line are told.
    folder.write("answers.csv", folder.read("answers.csv").replace("t7,one,N V P", "t7,one,N V"));
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["annotators"][0]["malformed"], 1);
}

#[test]
fn gold_that_does_not_fit_is_refused_with_its_place() {
    let folder = stored();
    let gold = folder.read("gold.jsonl");
    let line = "{\"id\":\"t4\",\"tags\":[\"N\",\"V\",\"P\"]}";
    let cases: [(&str, &[&str]); 6] = [
        ("{\"id\":\"t4\",\"tags\":[\"N\",\"X\",\"P\"]}", &["gold.jsonl:5", "t4", "`X`"]),
        ("{\"id\":\"t4\",\"tags\":[\"N\",\"V\"]}", &["gold.jsonl:5", "t4", "expected 3 tags", "found 2"]),
        (
            "{\"id\":\"t4\",\"text\":\"Bo walks .\",\"tags\":[\"N\",\"V\",\"P\"]}",
            &["gold.jsonl:5", "t4", "another version of the text"],
        ),
        (
            "{\"id\":\"t4\",\"tokens\":[\"Bo\",\"walks\",\".\"],\"tags\":[\"N\",\"V\",\"P\"]}",
            &["gold.jsonl:5", "t4", "token 2", "`walks`"],
        ),
        ("{\"id\":\"t4\",\"tokens\":[\"Bo\"],\"tags\":[\"N\",\"V\"]}", &["gold.jsonl:5", "t4", "expected 1 tags"]),
        ("{\"id\":\"t4\",\"tags\":\"N V P\"}", &["gold.jsonl:5", "a list with a tag per token"]),
    ];
    for (wrong, words) in cases {
        folder.write("gold.jsonl", gold.replace(line, wrong));
        let error = folder.fails(2, &["run", "."]);
        for word in words {
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
    // A token that gold leaves open is not measured, and an item that is not there is told.
    folder.write(
        "gold.jsonl",
        gold.replace(line, "{\"id\":\"t4\",\"tags\":[\"N\",null,\"P\"]}\n{\"id\":\"zz\",\"tags\":[\"N\"]}"),
    );
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!((report["gold"]["total"].as_u64(), report["gold"]["unmatched"].as_u64()), (Some(40), Some(1)));

    let project = folder.read("postil.toml");
    folder.write("postil.toml", format!("{project}silence = \"outside\"\n"));
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("`silence` has no meaning"), "{error}");
    folder.write("postil.toml", project.replace("kind = \"tag\"", "kind = \"spans\"\nlayer = \"x\""));
    let error = folder.fails(2, &["run", "."]);
    assert!(error.contains("`task.layer` is for `tag` tasks"), "{error}");
}

#[test]
fn layers_come_through_import_run_and_export_undisturbed() {
    let folder = Folder::new();
    let mut source = String::new();
    for sentence in 0..60 {
        let (noun, verb, language) =
            (["wesh", "bro", "khoya"][sentence % 3], ["va", "dort"][sentence % 2], ["ar", "en"][sentence % 2]);
        source.push_str(
            &[format!(
                "# sent_id = s{sentence}\n# text = {noun}, ça {verb}\n\
             1\t{noun}\t{noun}\tNOUN\t_\tNumber=Sing\t4\tvocative\t_\tLang={language}|SpaceAfter=No\n\
             2\t,\t,\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\
             3\tça\tcela\tPRON\t_\t_\t4\tnsubj\t_\tLang=fr\n\
             4\t{verb}\taller\tVERB\t_\t_\t0\troot\t_\tLang=fr|Gloss=to\\sgo\n\n"
            )]
            .concat(),
        );
    }
    folder.write("treebank.conllu", &source);
    folder.ok(&["import", "treebank.conllu", "--project", "project", "--layer", "upos"]);
    let item: Value = serde_json::from_str(folder.read("project/items.jsonl").lines().next().unwrap()).unwrap();
    assert!(item["layers"]["upos"].is_null(), "an item does not show what is asked");
    assert_eq!(item["layers"]["Lang"], serde_json::json!(["ar", "_", "fr", "fr"]));
    folder.write("project/rules.star", "def tags(item):\n    return [\"PUNCT\" if token.text == \",\" else \"PRON\" if token.lower == \"ça\" else None for token in item.tokens]\n");
    let project = folder.read("project/postil.toml");
    assert!(project.contains("tokens = \"tokens\"") && project.contains("layer = \"upos\""), "{project}");
    folder.write(
        "project/postil.toml",
        project + "\n[[annotator]]\nname = \"rules\"\nkind = \"program\"\npath = \"rules.star\"\n",
    );
    let report = folder.json(&["run", "project", "--json"]);
    assert_eq!(report["gold"]["total"], 60);
    folder.ok(&["export", "project", "--format", "conllu", "-o", "out.conllu"]);
    let written = folder.read("out.conllu");
    assert_eq!(source.lines().count(), written.lines().count());
    for (before, after) in source.lines().zip(written.lines()) {
        let (before, after): (Vec<&str>, Vec<&str>) = (before.split('\t').collect(), after.split('\t').collect());
        for (column, (before, after)) in before.iter().zip(&after).enumerate() {
            // UPOS is what the project made; MISC may have its keys in another order.
            if column == 9 {
                let sorted = |notes: &str| {
                    let mut notes: Vec<String> = notes.split('|').map(str::to_owned).collect();
                    notes.sort();
                    notes
                };
                assert_eq!(sorted(before), sorted(after));
            } else if column != 3 {
                assert_eq!(before, after);
            }
        }
    }
    let error = folder.fails(2, &["import", "treebank.conllu", "--project", "other", "--layer", "xpos"]);
    assert!(error.contains("expected a layer `xpos`") && error.contains("`upos`"), "{error}");
}
