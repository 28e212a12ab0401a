//! Demonstrations in prompts, and rounds of teacher and student, against a local server.

use std::collections::BTreeSet;

use postil_mimic::{Asked, Behaviour, Question, Reply, Server};
use serde_json::Value;

use crate::support::{Folder, recording};

const ITEMS: usize = 240;
const LABELS: [&str; 2] = ["delivery", "billing"];

/// Texts of two subjects, in other words each time: the subject is the row's parity.
fn text(row: usize) -> String {
    let words = [
        ["parcel", "courier", "doorstep", "tracking", "depot", "van", "neighbour", "arrived"],
        ["refund", "invoice", "payment", "charged", "card", "receipt", "bank", "amount"],
    ];
    let fillers = ["yesterday", "please", "again", "monday", "angry", "thanks", "help", "waiting", "office", "phone"];
    let mut state = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut pick = |words: &[&'static str]| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()]
    };
    let mut said: Vec<&str> = (0..4).map(|_| pick(&words[row % 2])).collect();
    said.extend((0..4).map(|_| pick(&fillers)));
    format!("{} r{row}", said.join(" "))
}

fn row_of(text: &str) -> usize {
    text.rsplit(" r").next().unwrap().parse().unwrap()
}

fn truth(text: &str) -> &'static str {
    LABELS[row_of(text) % 2]
}

/// Wrong about every fifth item, unless texts of the right label are shown beside it.
fn swayed(question: &Question<'_>) -> Reply {
    let item = question.item.unwrap_or_default();
    let right = truth(item);
    let shown = question.prompt.matches(&format!("Answer: A. {right}")).count()
        + question.prompt.matches(&format!("Answer: B. {right}")).count();
    let wrong = row_of(item).is_multiple_of(5) && shown < 2;
    let label = if wrong { LABELS[1 - row_of(item) % 2] } else { right };
    match question.asked {
        Asked::Labels(_) => Reply::Labels(vec![(label.to_owned(), 0.9)]),
        _ => Reply::Label(label.to_owned(), Some(0.9)),
    }
}

fn project(server: &Server, gold: usize, settings: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let rows: Vec<String> = (0..ITEMS).map(|row| format!("t{row},{}", text(row))).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let gold: Vec<String> = (0..gold).map(|row| format!("t{row},{}", LABELS[row % 2])).collect();
    folder.write("gold.csv", format!("item,label\n{}\n", gold.join("\n")));
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"classify\"\nlabels = [\"delivery\", \"billing\"]\n\
             [data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\ngold = \"gold.csv\"\n\
             [student]\ntrain = false\n[output]\nformats = [\"csv\"]\n{more}\n\
             [[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n\
             [annotator.demonstrations]\n{settings}\n",
            server.url()
        ),
    );
    folder
}

/// The words of the user in every request that was served.
fn prompts(bodies: &[Value]) -> Vec<String> {
    bodies.iter().map(|body| body["messages"][1]["content"].as_str().unwrap().to_owned()).collect()
}

/// The bodies that `plan` would send about the first item.
fn planned(folder: &Folder) -> Vec<Value> {
    let shown = folder.ok(&["plan", "--show-prompt"]);
    shown.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn wrong_labels(folder: &Folder) -> usize {
    let labels = crate::llm::labels(folder);
    assert_eq!(labels.len(), ITEMS);
    labels.iter().filter(|(item, label)| LABELS[item[1..].parse::<usize>().unwrap() % 2] != label).count()
}

#[test]
fn demonstrations_come_from_gold_that_fits_and_never_show_the_item_itself() {
    let (server, seen) = recording(swayed);
    let folder = project(&server, 80, "count = 3", "");
    let report = folder.json(&["run", "--json"]);
    assert_eq!(report["annotators"][0]["answered"], ITEMS);
    let asked = seen.lock().unwrap().clone();
    assert_eq!(asked.len(), ITEMS);
    let mut shown = BTreeSet::new();
    for (item, prompt) in &asked {
        let fenced: Vec<&str> = prompt
            .lines()
            .filter(|line| line.rsplit_once(" r").is_some_and(|(_, n)| n.parse::<usize>().is_ok()))
            .collect();
        // Three demonstrations and the item, which stands last and only there.
        assert_eq!(fenced.len(), 4, "{prompt}");
        assert_eq!(fenced[3], item);
        assert!(!fenced[..3].contains(&item.as_str()));
        shown.extend(fenced[..3].iter().map(|text| row_of(text)));
    }
    // What measures is never shown: the report's measuring gold and the rows shown share nothing, and only gold is shown.
    assert!(shown.iter().all(|&row| row < 80), "{shown:?}");
    let measuring = 80 - shown.len();
    assert!(measuring >= 40, "about six tenths of the gold only measure: {shown:?}");
    // The bytes of a plan are the bytes of the run.
    let body = folder.ok(&["plan", "--show-prompt"]);
    let first = postil_mimic::Digest::of(body.lines().nth(1).unwrap().as_bytes());
    assert!(server.log().iter().any(|entry| entry.digest == first));
    // Tokens of demonstrations are forecast.
    let with = folder.json(&["plan", "--json"])["models"][0]["version"].clone();
    folder.write(
        "gold.csv",
        folder.read("gold.csv").replace("t0,delivery", "t0,billing").replace("t1,billing", "t1,delivery"),
    );
    folder.write(
        "gold.csv",
        (0..79).fold(String::from("item,label\n"), |all, row| format!("{all}t{row},{}\n", LABELS[1 - row % 2])),
    );
    assert_ne!(folder.json(&["plan", "--json"])["models"][0]["version"], with, "another pool is another version");
    assert!(prompts(&planned(&folder))[0].contains("Answer: "));
}

#[test]
fn rounds_of_a_student_mend_what_it_doubts_within_the_budget() {
    let server = Server::start(Behaviour::new(swayed));
    let rounds = "choose = \"nearest\"\nfrom = \"student\"\ncount = 4\nbalanced = true\nrounds = 2";
    let folder = project(&server, 0, rounds, "");
    // A plan counts the first round, and at most a quarter of the items in each of two more.
    let plan = folder.json(&["plan", "--json"]);
    let (planned, worst) = (&plan["models"][0]["requests"], &plan["models"][0]["worst"]["input_tokens"]);
    assert_eq!(planned.as_u64(), Some((ITEMS + 2 * ITEMS / 4) as u64));
    let said = folder.postil(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("model: round 2: ") && said.contains("model: round 3: "), "{said}");
    let requests = server.log().len();
    let again = requests - ITEMS;
    assert!((ITEMS / 10..=2 * ITEMS / 4).contains(&again), "{again} asked again");
    let sent: u64 = server.log().iter().map(|entry| entry.input_tokens).sum();
    assert!(sent <= worst.as_u64().unwrap(), "{sent} {worst}");
    // A fifth was wrong without demonstrations.
    assert!(wrong_labels(&folder) < ITEMS / 20, "{} wrong", wrong_labels(&folder));
    // Nothing is asked or forecast twice, whatever is written about budgets.
    let before = folder.files("out");
    folder.write(
        "postil.toml",
        folder.read("postil.toml").replace("[[annotator]]", "[budget]\ntokens = 10000000\n[[annotator]]"),
    );
    folder.ok(&["run", "--fresh"]);
    assert_eq!(server.log().len(), requests);
    assert_eq!(before["labels.csv"], folder.files("out")["labels.csv"]);
    assert_eq!(folder.json(&["plan", "--json"])["models"][0]["requests"], 0);
}

#[test]
fn a_round_that_the_budget_ends_is_taken_up_again() {
    let server = Server::start(Behaviour::new(swayed));
    let folder = project(&server, 0, "from = \"student\"\ncount = 4\nbalanced = true", "[budget]\ntokens = 1");
    let with = |tokens: u64| {
        let text = folder.read("postil.toml");
        let line = text.lines().find(|line| line.starts_with("tokens")).unwrap().to_owned();
        folder.write("postil.toml", text.replace(&line, &format!("tokens = {tokens}")));
    };
    let run = || {
        let output = folder.postil(&["run"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    // The first round costs so much; a second one that is cut short leaves its labels in place.
    with(1_000_000_000);
    let whole = project(&server, 0, "from = \"student\"\ncount = 4\nbalanced = true", "");
    whole.ok(&["run"]);
    let all = server.log().len();
    let mut tokens = 10_000;
    let cut = loop {
        with(tokens);
        let said = run();
        if said.contains("not all answers are there") && server.log().len() > all + ITEMS {
            break said;
        }
        assert!(server.log().len() < 2 * all, "no budget ends in the second round: {said}");
        tokens += 1_000;
    };
    assert!(cut.contains("budget is used up"), "{cut}");
    assert!(wrong_labels(&folder) >= ITEMS / 6);
    with(1_000_000_000);
    run();
    assert_eq!(server.log().len(), 2 * all, "nothing is bought twice");
    assert_eq!(folder.read("out/labels.csv"), whole.read("out/labels.csv"));
}

#[test]
fn demonstrations_that_cannot_be_are_refused_with_words() {
    let server = Server::start(Behaviour::new(swayed));
    let said = |settings: &str| project(&server, 0, settings, "").fails(2, &["plan"]);
    assert!(project(&server, 0, "from = \"nowhere.csv\"", "").fails(1, &["plan"]).contains("nowhere.csv"));
    assert!(said("count = 3").contains("gold"));
    assert!(said("from = \"student\"\nrounds = 0").contains("rounds"));
    assert!(said("from = \"student\"\nshare = 1.5").contains("share"));
    assert!(said("count = 0").contains("1 to 100"));
    assert!(said("rounds = 3\nfrom = \"gold\"").contains("student"));
    let folder = project(&server, 0, "from = \"shown.csv\"", "");
    folder.write("shown.csv", "text,label\nwhere is it,nonsense\n");
    assert!(folder.fails(2, &["plan"]).contains("nonsense"));
    folder.write("shown.csv", "text,label\nwhere is it,delivery\n");
    assert!(prompts(&planned(&folder))[0].contains("where is it\n"));
    folder.write("own.txt", "{{task}}\n--- item ---\n{{item}}\n{{choices}}\n{{answer}}\n");
    folder.write(
        "postil.toml",
        folder.read("postil.toml").replace("model = \"m\"", "model = \"m\"\nprompt = \"own.txt\""),
    );
    assert!(folder.fails(2, &["plan"]).contains("{{demonstrations}}"));
}

#[test]
fn what_the_student_is_told_is_chosen_by_gold_or_by_the_project_and_is_said() {
    let folder = Folder::tickets();
    let plain = folder.read("postil.toml");
    let settings = || folder.json(&["run", "--json"])["student"]["settings"].as_str().unwrap().to_owned();
    let chosen = settings();
    assert!(chosen.contains("learns from ") && chosen.contains("gold texts"), "{chosen}");
    for (way, words) in [("hard", "likeliest labels (as"), ("candidates", "refined candidates (as")] {
        folder.write("postil.toml", format!("{plain}\n[student]\ntargets = \"{way}\"\n"));
        let said = settings();
        assert!(said.contains(words), "{said}");
    }
    folder.write("postil.toml", format!("{plain}\n[student]\ntargets = \"loud\"\n"));
    assert!(folder.fails(2, &["plan"]).contains("loud"));
}
