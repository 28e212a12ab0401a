//! Routing inside a run: gold tells whom to ask, and nobody is asked for nothing.

use postil_mimic::{Asked, Behaviour, Question, Reply, Server};

use crate::support::{Folder, value};

const ITEMS: usize = 400;

fn truth(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "bug" } else { "praise" }
}

/// The small model is right about easy items and guesses about hard ones, and knows which are which; the large one is right.
fn answers(question: &Question<'_>) -> Reply {
    let text = question.item.unwrap_or(question.prompt);
    let number: usize = text.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let hard = text.contains("hard");
    assert!(matches!(question.asked, Asked::Letter(_)));
    if question.model == "small" && hard {
        let guess = if (number / 8).is_multiple_of(2) { "bug" } else { "praise" };
        return Reply::Label(guess.to_owned(), Some(0.55));
    }
    Reply::Label(truth(number).to_owned(), Some(0.97))
}

fn project(server: &Server, more: &str, gold: usize) -> Folder {
    let folder = Folder::new();
    let text = |row: usize| format!("{} {row}", if row % 4 < 1 { "hard" } else { "easy" });
    let rows: Vec<String> = (0..ITEMS).map(|row| format!("t{row},{}", text(row))).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let gold: Vec<String> = (0..gold).map(|row| row * 7 % ITEMS).map(|row| format!("t{row},{}", truth(row))).collect();
    folder.write("gold.csv", format!("item,label\n{}\n", gold.join("\n")));
    let model = |name: &str, price: f64| {
        format!(
            "[[annotator]]\nname = \"{name}\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"{name}\"\nprice = {{ input = {price}, \
             output = {price} }}\n",
            server.url()
        )
    };
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"classify\"\nlabels = [\"bug\", \"praise\"]\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \
             \"id\"\ngold = \"gold.csv\"\n[student]\ntrain = false\n[output]\nformats = [\"csv\"]\n{}{}{more}\n",
            model("small", 1.0),
            model("large", 100.0),
        ),
    );
    folder
}

fn right(folder: &Folder) -> f64 {
    let text = folder.read("out/labels.csv");
    let right = text.lines().skip(1).filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[1] == truth(cells[0][1..].parse().unwrap())
    });
    right.count() as f64 / ITEMS as f64
}

fn asked(server: &Server, model: &str) -> usize {
    server.log().iter().filter(|entry| entry.model == model).count()
}

#[test]
fn what_the_small_model_leaves_uncertain_goes_to_the_large_one() {
    for policy in ["auto", "value", "chain", "confidence", "cascade"] {
        let server = Server::start(Behaviour::new(answers));
        let folder = project(&server, &format!("[routing]\npolicy = \"{policy}\"\n[budget]\nmoney = 1.5\n"), 100);
        let report = folder.json(&["run", "--json"]);
        let routing = &report["routing"];
        let pilot = routing["pilot"].as_u64().unwrap() as usize;
        assert!((20..=80).contains(&pilot), "{routing}");
        assert_eq!(asked(&server, "small"), ITEMS, "{policy}: {routing}");
        let large = asked(&server, "large");
        assert!(large < ITEMS * 3 / 4, "{policy}: {large}, {routing}");
        assert!(right(&folder) > 0.97, "{policy}: {}, {routing}", right(&folder));
        assert!(report["cost"]["money"].as_f64().unwrap() <= 1.5, "{policy}");
        // Nothing is asked again, and the same comes out.
        let (before, log) = (folder.files("out"), server.log().len());
        folder.ok(&["run", "--fresh"]);
        assert_eq!(server.log().len(), log, "{policy}");
        assert_eq!(before, folder.files("out"), "{policy}");
    }
}

#[test]
fn a_recorded_run_takes_the_same_way_without_the_models() {
    let server = Server::start(Behaviour::new(answers));
    let more = "[routing]\npolicy = \"value\"\n[budget]\nmoney = 4.0\n";
    let folder = project(&server, more, 100);
    folder.ok(&["run", "--record", "replies.jsonl"]);
    let again = project(&server, more, 100);
    again.write("replies.jsonl", folder.read("replies.jsonl"));
    let log = server.log().len();
    again.ok(&["run", "--replay", "replies.jsonl"]);
    assert_eq!(server.log().len(), log);
    assert_eq!(folder.read("out/labels.csv"), again.read("out/labels.csv"));
}

#[test]
fn what_models_leave_uncertain_is_left_to_people() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "[routing]\npolicy = \"confidence\"\nperson = 0.05\n[budget]\nmoney = 30.0\n", 100);
    let text =
        folder.read("postil.toml").replace("name = \"large\"", "name = \"other\"").replace("\"large\"", "\"small\"");
    folder.write("postil.toml", text);
    let report = folder.json(&["run", "--json"]);
    let people = folder.read("out/for_people.csv");
    let left: Vec<usize> =
        people.lines().skip(1).map(|line| line.split(',').next().unwrap()[1..].parse().unwrap()).collect();
    let row =
        report["routing"]["rows"].as_array().unwrap().iter().find(|row| row["name"] == "a person").unwrap().clone();
    assert_eq!(row["items"], left.len());
    assert!(left.len() > 30, "{}", report["routing"]);
    let hard = left.iter().take(30).filter(|number| *number % 4 == 0).count();
    assert!(hard >= 29, "the least certain come first: {hard}");
    assert!(value(&report["headline"]["value"]) > 0.7);
}

#[test]
fn what_cannot_be_routed_is_said() {
    let server = Server::start(Behaviour::new(answers));
    let cases = [
        ("[routing]\npolicy = \"dice\"\n", 100, "expected one of `single`"),
        ("[routing]\nperson = -1.0\n", 100, "expected `routing.person` of at least 0"),
        ("[routing]\nrisk = 1.5\n", 100, "expected `routing.risk` between 0 and 1"),
        ("[routing]\nspeed = 1\n", 100, "speed"),
        ("[routing]\n", 30, "expected at least 20 gold labels that fit"),
    ];
    for (more, gold, words) in cases {
        let folder = project(&server, more, gold);
        let output = folder.postil(&["run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{more}: {said}");
    }
    assert!(server.log().is_empty(), "nothing is sent before that is known");
    let folder = project(&server, "[routing]\n", 100);
    let text = folder.read("postil.toml").replace("model = \"large\"", "model = \"large\"\nonly_below = 0.9");
    folder.write("postil.toml", text);
    let said = folder.fails(2, &["run"]);
    assert!(said.contains("`only_below` or `batch`"), "{said}");
}

#[test]
fn a_cap_that_ends_in_the_pilot_is_said_and_raising_it_goes_on() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "[routing]\n[budget]\nmoney = 0.3\n", 100);
    let report = folder.json(&["run", "--json"]);
    assert!(report["routing"]["ended"].as_str().unwrap().contains("budget ended"), "{}", report["routing"]);
    let bought = server.log().len();
    folder.write("postil.toml", folder.read("postil.toml").replace("money = 0.3", "money = 4.0"));
    let report = folder.json(&["run", "--json"]);
    assert!(report["routing"]["ended"].is_null(), "{}", report["routing"]);
    assert!(server.log().len() > bought && right(&folder) > 0.97);
}
