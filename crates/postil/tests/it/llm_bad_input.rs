//! Whatever is wrong with a model, its endpoint, the labels, the clock or the disk: clear words, counted statuses, nothing lost.

use std::process::Command;

use postil_mimic::{Behaviour, Fault, Question, Reply, Rule, Server};
use serde_json::{Value, json};

use crate::llm::{ITEMS, all_right, answers, labels, project};
use crate::support::Folder;

fn count(report: &Value, status: &str) -> u64 {
    report["annotators"][0][status].as_u64().unwrap()
}

/// A project of the usual items with other labels.
fn with_labels(server: &Server, labels: [&str; 2], settings: &str) -> Folder {
    let folder = project(server, "classify", settings, "");
    let quoted = format!("labels = [{}, {}]", json!(labels[0]), json!(labels[1]));
    folder.write("postil.toml", folder.read("postil.toml").replace("labels = [\"bug\", \"praise\"]", &quoted));
    folder
}

#[test]
fn labels_that_begin_alike_and_labels_in_other_scripts_are_kept_apart() {
    for names in [
        ["bug", "bug report"],
        ["A", "B"],
        ["positive", "positive (very)"],
        ["ошибка", "похвала"],
        ["错误", "表扬"],
        ["خطأ", "مديح"],
        ["🐞", "🎉"],
        ["été", "e\u{301}te\u{301}"],
    ] {
        for settings in ["", "ask = \"json\"", "ask = \"samples\"\nsamples = 3", "dialect = \"systemone\""] {
            let server = Server::start(Behaviour {
                seed: 1,
                ..Behaviour::new(move |question: &Question<'_>| {
                    let first = question.item.unwrap_or(question.prompt).contains("crash");
                    Reply::Label(names[usize::from(!first)].to_owned(), Some(1.0))
                })
            });
            let folder = with_labels(&server, names, settings);
            let report = folder.json(&["run", "--json"]);
            assert_eq!(count(&report, "answered"), ITEMS as u64, "{names:?} {settings}: {}", report["annotators"][0]);
            for (item, label) in labels(&folder) {
                let row: usize = item[1..].parse().unwrap();
                assert_eq!(label, names[usize::from(!row.is_multiple_of(3))], "{names:?} {settings} {item}");
            }
        }
    }
}

#[test]
fn a_label_that_is_nearly_one_is_shown_and_never_guessed() {
    for said in ["bugs", "bu", "bug report", "praise or bug", "unknown"] {
        let server =
            Server::start(Behaviour::new(move |_: &Question<'_>| Reply::Text(format!("{{\"label\": \"{said}\"}}"))));
        let folder = project(&server, "classify", "ask = \"json\"", "");
        let output = folder.postil(&["run", "--json"]).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((count(&report, "malformed"), count(&report, "answered")), (ITEMS as u64, 0), "{said}");
        assert!(words.contains(&format!("unknown label `{said}`")), "{words}");
    }
}

#[test]
fn an_endpoint_that_is_not_there_or_talks_nonsense_is_named() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "timeout_seconds = 2\ndeadline_seconds = 3", "");
    let url = server.url();
    let text = folder.read("postil.toml");
    // A port that nobody listens on, a name that does not exist, an address that is none.
    for (address, words) in [
        ("http://127.0.0.1:9/v1", "no connection"),
        ("http://no-such-host.invalid/v1", "no connection"),
        ("localhost:8000/v1", "expected an address like"),
    ] {
        folder.write("postil.toml", text.replace(&url, address));
        let output = folder.postil(&["run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words) && said.contains("model"), "{address}: {said}");
    }
    folder.write("postil.toml", text);
    folder.ok(&["run"]);
    all_right(&folder);
}

#[test]
fn a_text_too_long_for_the_model_is_its_own_failure_and_no_other() {
    let server = Server::start(Behaviour::new(answers).fault(Rule::new(Fault::ContextTooLong).containing("again 7")));
    let folder = project(&server, "classify", "price = { input = 1.0, output = 1.0 }", "");
    let output = folder.postil(&["run", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((count(&report, "failed"), count(&report, "answered")), (1, ITEMS as u64 - 1));
    assert!(said.contains("context"), "{said}");
    let asked = server.log().len();
    folder.ok(&["run", "--fresh"]);
    assert_eq!(server.log().len(), asked + 1, "only what failed is asked again");
}

#[test]
fn an_endpoint_that_promised_more_than_it_keeps_is_found_out() {
    // The probe found probabilities, shapes and several answers in one reply; the run meets a server without.
    let able = Server::start(Behaviour::new(answers));
    let folder = project(&able, "classify", "ask = \"samples\"", "");
    folder.ok(&["probe", "."]);
    let lacking = postil_mimic::Capabilities {
        samples: false,
        schema: postil_mimic::Schema::Prose,
        logprobs: postil_mimic::Logprobs::Missing,
        ..postil_mimic::Capabilities::default()
    };
    let liar = Server::start(Behaviour { seed: 1, ..Behaviour::new(answers).capable(lacking) });
    for name in ["postil.toml", "probes.json"] {
        folder.write(name, folder.read(name).replace(&able.url(), &liar.url()));
    }
    let output = folder.postil(&["run", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&report, "answered"), ITEMS as u64, "{said}");
    assert!(said.contains(&format!("{ITEMS} replies not of the form asked for")), "{said}");
    folder.write("postil.toml", folder.read("postil.toml").replace("ask = \"samples\"", "ask = \"letter\""));
    let output = folder.postil(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("{ITEMS} replies without a probability")), "{said}");
    all_right(&folder);
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "price = { input = 1.0, output = 1.0 }", "");
    let gold: Vec<String> =
        (0..ITEMS).map(|row| format!("t{row},{}", if row % 3 == 0 { "bug" } else { "praise" })).collect();
    folder.write("gold.csv", format!("id,label\n{}\n", gold.join("\n")));
    folder.write("postil.toml", folder.read("postil.toml").replace("id = \"id\"", "id = \"id\"\ngold = \"gold.csv\""));
    folder.ok(&["run"]);
    let before = folder.files("out");
    // Everything so far was written by a clock that ran two hundred years ahead.
    for (file, updates) in [
        ("ledger/ledger.sqlite", vec!["UPDATE annotators SET registered_at = 8000000000000"]),
        ("ledger/calls.sqlite", vec!["UPDATE calls SET at = 8000000000000", "UPDATE ends SET at = 8000000000000"]),
    ] {
        let ledger = rusqlite::Connection::open(folder.path(file)).unwrap();
        let guards = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'annotators'";
        let guards: Vec<(String, String)> = ledger
            .prepare(guards)
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        guards.iter().for_each(|(name, _)| ledger.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
        updates.into_iter().for_each(|update| assert!(ledger.execute(update, []).unwrap() > 0));
        guards.iter().for_each(|(_, sql)| ledger.execute_batch(sql).unwrap());
    }
    folder.ok(&["run", "--fresh"]);
    assert_eq!((server.log().len(), before), (ITEMS, folder.files("out")));
    // A version of today is the later one all the same.
    folder.write("guidelines.md", "Be strict.\n");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(server.log().len(), 2 * ITEMS);
    let found = folder.json(&["diff", "model", "--json"]);
    assert_eq!(found["answered_by_both"], ITEMS);
    let (second, latest) = (found["second"]["version"].as_str().unwrap(), report["annotators"][0]["version"].as_str());
    assert!(second.starts_with(latest.unwrap()), "{found}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_with_clear_words_and_loses_nothing() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "concurrency = 2\nprice = { input = 1.0, output = 1.0 }", "");
    // No file may grow beyond so many blocks of 512 bytes, which is how a shell can fill a disk.
    let run = |blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run");
        Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_postil")])
            .current_dir(folder.path(""))
            .output()
            .unwrap()
    };
    let mut stopped = 0;
    for blocks in [400, 480, 560, 640, 720] {
        let before = server.log().len();
        let output = run(blocks);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            break;
        }
        assert!(output.status.code().is_some(), "it was killed: {said}");
        assert!(said.contains("disk") && said.contains("hint"), "{said}");
        stopped += u64::from(server.log().len() > before);
    }
    assert!(stopped > 0, "the disk was never full while the model was asked");
    folder.ok(&["run"]);
    all_right(&folder);
    // Replies that were on their way when the disk was full could not be kept: at most two each time.
    let asked = server.log().len();
    assert!(asked <= ITEMS + 2 * 5, "{asked} requests for {ITEMS} items");
}
