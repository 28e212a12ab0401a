//! Language models, played by a local server of stored answers.

use postil_mimic::{
    Asked, Behaviour, Capabilities, Fault, Logprobs, Question, Reply, RetryAfter, Rule, Schema, Server, TokenLimit,
};
use serde_json::Value;

use crate::support::Folder;

pub(crate) const ITEMS: usize = 60;

/// What everybody would say.
pub(crate) fn truth(text: &str) -> &'static str {
    if text.contains("crash") { "bug" } else { "praise" }
}

/// A model that is right and 90 % sure.
pub(crate) fn answers(question: &Question<'_>) -> Reply {
    let text = question.item.unwrap_or(question.prompt);
    match question.asked {
        Asked::Labels(_) => Reply::Labels(vec![(truth(text).to_owned(), 0.9)]),
        Asked::Candidates(_) => Reply::Labels(vec![("bug".to_owned(), 0.6), ("praise".to_owned(), 0.6)]),
        Asked::Predicate => Reply::Probability(if question.name == truth(text) { 0.9 } else { 0.2 }),
        _ if question.asked.options().contains(&"yes") => Reply::Label("yes".to_owned(), None),
        _ => Reply::Label(truth(text).to_owned(), Some(0.9)),
    }
}

/// A project with one model; `settings` are further lines of its entry, `more` further tables.
pub(crate) fn project(server: &Server, kind: &str, settings: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let rows: Vec<String> = (0..ITEMS)
        .map(|row| {
            let text = if row % 3 == 0 { "it crashes again" } else { "I like it" };
            format!("t{row},{text} and again {row}")
        })
        .collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    folder.write("guidelines.md", "A bug is something that does not work.\n");
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"{kind}\"\nlabels = [\"bug\", \"praise\"]\nguidelines = \"guidelines.md\"\n\
             [data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
             [student]\ntrain = false\n[output]\nformats = [\"csv\"]\n\
             [[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n{settings}\n{more}\n",
            server.url()
        ),
    );
    folder
}

/// The labels of the last run by item.
pub(crate) fn labels(folder: &Folder) -> Vec<(String, String)> {
    let text = folder.read("out/labels.csv");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = |names: &[&str]| header.iter().position(|name| names.contains(name)).unwrap();
    let (item, label) = (place(&["item", "id"]), place(&["label", "labels"]));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[item].to_owned(), cells[label].to_owned())
        })
        .collect()
}

pub(crate) fn all_right(folder: &Folder) {
    let labels = labels(folder);
    assert_eq!(labels.len(), ITEMS);
    for (item, label) in labels {
        let row: usize = item[1..].parse().unwrap();
        assert_eq!(label, if row.is_multiple_of(3) { "bug" } else { "praise" }, "{item}");
    }
}

fn row(report: &Value) -> &Value {
    &report["annotators"][0]
}

#[test]
fn letters_bring_labels_with_probabilities_and_are_asked_for_once() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "price = { input = 100.0, output = 100.0 }", "");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(row(&report)["answered"], ITEMS);
    assert!(row(&report)["money"].as_f64().unwrap() > 0.0);
    all_right(&folder);
    let asked = server.log();
    assert_eq!(asked.len(), ITEMS);
    let before = folder.files("out");
    folder.ok(&["run", "--fresh"]);
    assert_eq!(server.log().len(), ITEMS, "nothing is asked twice");
    assert_eq!(before, folder.files("out"));
    // Both orders are other requests about the same items.
    let both = folder.read("postil.toml").replace("model = \"m\"", "model = \"m\"\nboth_orders = true");
    folder.write("postil.toml", both);
    folder.ok(&["run"]);
    assert_eq!(server.log().len(), 2 * ITEMS, "the first order is known already");
    all_right(&folder);
}

#[test]
fn every_dialect_and_way_of_asking_gives_the_same_labels() {
    for (kind, settings) in [
        ("classify", "dialect = \"systemone\""),
        ("classify", "dialect = \"decisions\""),
        ("classify", "ask = \"json\""),
        ("classify", "ask = \"json\"\nreason = true"),
        ("classify", "ask = \"samples\"\nsamples = 9"),
        ("classify", "ask = \"verbal\""),
        ("ordinal", ""),
        ("ordinal", "dialect = \"systemone\""),
        ("ordinal", "dialect = \"decisions\""),
        ("multilabel", "dialect = \"systemone\""),
        ("multilabel", "dialect = \"decisions\""),
        ("multilabel", "ask = \"json\""),
    ] {
        // One sample in ten is another; with this seed no majority of nine is.
        let server = Server::start(Behaviour { seed: 1, ..Behaviour::new(answers) });
        let folder = project(&server, kind, settings, "");
        let report = folder.json(&["run", "--json"]);
        assert_eq!(row(&report)["answered"], ITEMS, "{kind} {settings}: {}", row(&report));
        all_right(&folder);
    }
}

#[test]
fn one_yes_or_no_per_label() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        let bug = question.prompt.contains("the label `bug`");
        let yes = bug == (truth(question.item.unwrap_or_default()) == "bug");
        Reply::Label(if yes { "yes" } else { "no" }.to_owned(), Some(0.8))
    }));
    let folder = project(&server, "multilabel", "both_orders = true", "");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(row(&report)["answered"], ITEMS);
    assert_eq!(server.log().len(), 4 * ITEMS);
    all_right(&folder);
}

#[test]
fn spans_are_quoted_and_what_is_not_in_the_text_is_left_out() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        let text = question.item.unwrap_or_default();
        let mut spans = vec![("nowhere in it".to_owned(), "bug".to_owned())];
        if text.contains("crashes again") {
            spans.push(("crashes  again".to_owned(), "bug".to_owned()));
        } else {
            spans.push(("like".to_owned(), "praise".to_owned()));
        }
        Reply::Spans(spans)
    }));
    let folder = project(&server, "spans", "", "");
    let output = folder.postil(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{ITEMS} quotes that are not in their text")), "{said}");
    let marked = folder.read("out/labels.jsonl");
    let first: Value = serde_json::from_str(marked.lines().next().unwrap()).unwrap();
    let span = &first["spans"][0];
    assert_eq!(
        (span["start"].as_u64(), span["end"].as_u64(), span["label"].as_str()),
        (Some(3), Some(16), Some("bug"))
    );
}

#[test]
fn what_goes_wrong_on_the_way_is_tried_again_and_what_was_said_is_counted() {
    let faults: Vec<Rule> = vec![
        Rule::new(Fault::Throttle(RetryAfter::Milliseconds(20))).share(0.2).first_attempts(1),
        Rule::new(Fault::Status(503)).share(0.1).first_attempts(1),
        Rule::new(Fault::HtmlPage).share(0.1).first_attempts(1),
        Rule::new(Fault::TruncatedJson).share(0.1).first_attempts(1),
        Rule::new(Fault::CutMiddle).share(0.1).first_attempts(1),
        Rule::new(Fault::CutBefore).share(0.1).first_attempts(1),
    ];
    let behaviour = faults.into_iter().fold(Behaviour::new(answers), Behaviour::fault);
    let server = Server::start(behaviour);
    let folder = project(&server, "classify", "", "");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(row(&report)["answered"], ITEMS);
    all_right(&folder);

    let server = Server::start(
        Behaviour::new(|question: &Question<'_>| {
            let strange = question.item.unwrap_or_default().contains("again 5");
            if strange { Reply::Label("complaint".to_owned(), None) } else { answers(question) }
        })
        .fault(Rule::new(Fault::Refusal).containing("again 3"))
        .fault(Rule::new(Fault::ContextTooLong).containing("again 7"))
        .fault(Rule::new(Fault::Whitespace).containing("again 11").first_attempts(1))
        .fault(Rule::new(Fault::Think).containing("again 12")),
    );
    let folder = project(&server, "classify", "ask = \"json\"", "");
    let output = folder.postil(&["run", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| row(&report)[name].as_u64().unwrap();
    // 3 and 30 to 39; 5 and 50 to 59, and 11, which loops both times; 7.
    assert_eq!((count("refused"), count("malformed"), count("failed")), (11, 12, 1), "{}", row(&report));
    assert_eq!(count("answered"), ITEMS as u64 - 24);
}

#[test]
fn servers_that_lack_things_or_lie_about_them_are_served_all_the_same() {
    let lacking = [
        (Capabilities { logprobs: Logprobs::Null, ..Capabilities::default() }, ""),
        (Capabilities { logprobs: Logprobs::Missing, ..Capabilities::default() }, ""),
        (Capabilities { schema: Schema::Fenced, ..Capabilities::default() }, "ask = \"json\""),
        (Capabilities { schema: Schema::Prose, ..Capabilities::default() }, "ask = \"json\""),
    ];
    for (capabilities, settings) in lacking {
        let server = Server::start(Behaviour::new(answers).capable(capabilities));
        let folder = project(&server, "classify", settings, "");
        let report = folder.json(&["run", "--json"]);
        assert_eq!(row(&report)["answered"], ITEMS, "{settings}");
        all_right(&folder);
    }
    // What a probe finds out changes how a run asks.
    let newer =
        Capabilities { logprobs: Logprobs::Refused, token_limit: TokenLimit::Completion, ..Capabilities::default() };
    let server = Server::start(Behaviour::new(answers).capable(newer));
    let folder = project(&server, "classify", "", "");
    let found = folder.json(&["probe", ".", "--json"]);
    assert_eq!((&found[0]["logprobs"], &found[0]["json_schema"]), (&Value::Bool(false), &Value::Bool(true)), "{found}");
    assert_eq!(found[0]["max_completion_tokens"], true);
    folder.ok(&["run"]);
    all_right(&folder);
    let found = folder.json(&["probe", &server.url(), "--model", "m", "--dialect", "systemone", "--json"]);
    assert_eq!(
        (&found[0]["logprobs"], &found[0]["many_choices"]),
        (&Value::Bool(true), &Value::Bool(false)),
        "{found}"
    );
}

#[test]
fn what_a_person_must_mend_ends_the_run_with_clear_words() {
    let mut behaviour = Behaviour::new(answers);
    behaviour.key = Some("sesame-open-7".to_owned());
    behaviour.models = Some(vec!["m".to_owned()]);
    behaviour.capabilities.decisions = postil_mimic::Dialect::NotFound;
    let server = Server::start(behaviour);
    let folder = project(&server, "classify", "key = \"POSTIL_TEST_KEY\"", "");
    let run = |key: Option<&str>, code: i32| {
        let mut command = folder.postil(&["run"]);
        match key {
            Some(key) => command.env("POSTIL_TEST_KEY", key),
            None => command.env_remove("POSTIL_TEST_KEY"),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(None, 2).contains("POSTIL_TEST_KEY"));
    assert!(run(Some("wrong-key-here"), 2).contains("does not accept the key"));
    run(Some("sesame-open-7"), 0);
    all_right(&folder);
    for (name, bytes) in folder.files("out").into_iter().chain(
        ["ledger/ledger.sqlite", "ledger/calls.sqlite"]
            .map(|name| (name.to_owned(), std::fs::read(folder.path(name)).unwrap())),
    ) {
        assert!(!bytes.windows(13).any(|window| window == b"sesame-open-7"), "the key is in {name}");
    }
    let settings = folder.read("postil.toml");
    folder.write("postil.toml", settings.replace("model = \"m\"", "model = \"unheard-of\""));
    assert!(run(Some("sesame-open-7"), 2).contains("unheard-of"));
    folder.write("postil.toml", settings.replace("model = \"m\"", "model = \"m\"\ndialect = \"decisions\""));
    assert!(run(Some("sesame-open-7"), 2).contains("/decisions"));
}

#[test]
fn a_plan_tells_the_cost_and_shows_every_byte() {
    let server = Server::start(Behaviour::new(answers));
    let price = "price = { input = 1000.0, output = 1000.0 }\nrequests_per_minute = 30";
    let folder = project(&server, "classify", price, "");
    let plan = folder.json(&["plan", "--json"]);
    let model = &plan["models"][0];
    assert_eq!((&model["requests"], &model["least_seconds"].as_f64().unwrap()), (&Value::from(ITEMS), &120.0));
    let (expected, worst) = (model["expected"]["money"].as_f64().unwrap(), model["worst"]["money"].as_f64().unwrap());
    assert!(0.0 < expected && expected < worst, "{model}");
    let shown = folder.ok(&["plan", "--show-prompt"]);
    assert_eq!(server.log().len(), 0, "a plan sends nothing");
    assert!(shown.contains("A bug is something that does not work."), "{shown}");
    let body = shown.lines().nth(1).unwrap().to_owned();
    folder.write("postil.toml", folder.read("postil.toml").replace("requests_per_minute = 30", ""));
    let report = folder.json(&["run", "--json"]);
    assert!(row(&report)["money"].as_f64().unwrap() < worst);
    let first = postil_mimic::Digest::of(body.as_bytes());
    assert!(server.log().iter().any(|entry| entry.digest == first), "the bytes shown are the bytes sent");
}

#[test]
fn a_recording_stands_in_for_the_model() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "key = \"POSTIL_TEST_KEY\"", "");
    let mut recording = folder.postil(&["run", "--record", "replies.jsonl"]);
    assert!(recording.env("POSTIL_TEST_KEY", "k").status().unwrap().success());
    let expected = folder.files("out");
    drop(server);
    for name in ["out", "ledger"] {
        std::fs::remove_dir_all(folder.path(name)).unwrap();
    }
    // No server, no key, the same bytes.
    folder.ok(&["run", "--replay", "replies.jsonl"]);
    assert_eq!(expected, folder.files("out"));
    folder.write("broken.jsonl", "{\"key\": 1}\n");
    let items = folder.read("items.csv");
    folder.write("items.csv", format!("{items}t99,it crashes anew\n"));
    let said = folder.fails(2, &["run", "--replay", "broken.jsonl"]);
    assert!(said.contains("broken.jsonl:1"), "{said}");
}

#[test]
fn two_versions_are_compared_on_the_same_gold() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        // The second prompt makes the model say `bug` to every fifth item.
        let confused =
            question.body.to_string().contains("Be strict.") && question.item.is_some_and(|item| item.ends_with('0'));
        if confused { Reply::Label("bug".to_owned(), None) } else { answers(question) }
    }));
    let folder = project(&server, "classify", "", "");
    let settings = folder.read("postil.toml").replace("id = \"id\"", "id = \"id\"\ngold = \"gold.csv\"");
    folder.write("postil.toml", settings);
    let gold: Vec<String> =
        (0..ITEMS).map(|row| format!("t{row},{},1.0", if row % 3 == 0 { "bug" } else { "praise" })).collect();
    folder.write("gold.csv", format!("id,label,inclusion_probability\n{}\n", gold.join("\n")));
    folder.ok(&["run"]);
    assert!(folder.fails(2, &["diff", "model"]).contains("only"));
    folder.write("guidelines.md", "Be strict.\n");
    folder.ok(&["run"]);
    let found = folder.json(&["diff", "model", "--json"]);
    // 10, 20, 40 and 50 are praise.
    assert_eq!(found["flipped"].as_array().unwrap().len(), 4, "{found}");
    assert!((found["difference"]["value"].as_f64().unwrap() + 4.0 / 60.0).abs() < 1e-9);
    assert_eq!((&found["changed"], &found["answered_by_both"]), (&Value::from(4), &Value::from(ITEMS)));
    assert!(folder.ok(&["diff", "model"]).contains("t10"));
    assert!(folder.fails(2, &["diff", "nobody"]).contains("`model`"));
}

#[test]
fn programs_are_written_tried_and_kept_or_dropped() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| {
        let program = match question.body["seed"].as_u64() {
            Some(1) => "def label(item):\n    return \"bug\" if \"crash\" in item.text else None",
            Some(2) => "def label(item):\n    return \"bug\"",
            Some(3) => "def label(item):\n    return undefined",
            Some(4) => "def label(item):\n    return None",
            Some(5) => {
                "Sure:\n```python\ndef label(item):\n    return \"praise\" if \"like\" in item.text else None\n```"
            }
            _ => "def label(item):\n    return \"bug\" if item.text.find(\"crash\") >= 0 else None",
        };
        Reply::Text(program.to_owned())
    }));
    let folder = project(&server, "classify", "price = { input = 1.0, output = 2.0 }", "");
    let outcome = folder.json(&["write-programs", "--programs", "6", "--json"]);
    let kept: Vec<u64> = outcome["programs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| !one["file"].is_null())
        .map(|one| one["number"].as_u64().unwrap())
        .collect();
    assert_eq!(kept, [1, 5], "{outcome}");
    assert!(outcome["cost"]["money_micros"].as_u64().unwrap() > 0);
    assert_eq!(folder.files("programs/written").len(), 2);
    assert!(folder.read("programs/written/model-01.star").starts_with("# Written by model (m), program 1"));
    let again = folder.json(&["write-programs", "--programs", "6", "--json"]);
    assert_eq!((server.log().len(), &again["programs"]), (6, &outcome["programs"]), "nothing is bought twice");
    let text = folder.read("postil.toml");
    let text = text.replace(
        "[[annotator]]",
        "[[annotator]]\nname = \"written\"\nkind = \"program\"\npath = \"programs/written\"\n[[annotator]]",
    );
    folder.write("postil.toml", text);
    let report = folder.json(&["run", "--json"]);
    assert_eq!(report["annotators"].as_array().unwrap().len(), 3);
}

#[test]
fn a_model_is_asked_about_what_the_cheap_leave_uncertain() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "only_below = 0.99", "");
    folder.write("bug.txt", "crashes\n");
    folder.write("praise.txt", "nothing that occurs\n");
    let list = "[[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { bug = \"bug.txt\", praise = \"praise.txt\" }\n[[annotator]]\nname = \"model\"";
    let text = folder.read("postil.toml").replace("[[annotator]]\nname = \"model\"", list);
    folder.write("postil.toml", text);
    folder.ok(&["run"]);
    let asked = server.log().len();
    assert!(server.log().iter().filter(|one| !one.item.as_deref().unwrap_or_default().contains("crash")).count() == 40);
    all_right(&folder);
    folder.ok(&["run", "--fresh"]);
    assert_eq!(server.log().len(), asked, "what was asked decides nothing anew");
    let settings = folder.read("postil.toml").replace("only_below = 0.99", "only_below = 2.0");
    folder.write("postil.toml", settings);
    assert!(folder.fails(2, &["run"]).contains("`only_below`"));
}

#[test]
fn batches_are_handed_over_once_and_collected_by_a_later_run() {
    let mut behaviour =
        Behaviour::new(answers).fault(Rule::new(Fault::Status(500)).containing("again 7\"").first_attempts(1));
    behaviour.batches.looks = 2;
    let server = Server::start(behaviour);
    let folder = project(&server, "classify", "batch = true\nprice = { input = 1.0, output = 1.0 }", "");
    let run = || {
        let output = folder.postil(&["run"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run().contains(&format!("{ITEMS} requests handed over")));
    let mut collected = String::new();
    for _ in 0..6 {
        collected = run();
        if collected.contains("replies collected") {
            break;
        }
        assert!(collected.contains("run again later"), "{collected}");
    }
    assert!(collected.contains("replies collected"), "{collected}");
    for _ in 0..6 {
        run();
    }
    all_right(&folder);
    let asked = server.log().iter().filter(|entry| entry.item.is_some()).count();
    assert!(asked <= ITEMS + 1, "{asked} requests: only what failed goes out again");
}
