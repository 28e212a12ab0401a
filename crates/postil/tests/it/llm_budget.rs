//! The cap holds: stopping at it, raising it, and what was bought stays bought.

use postil_mimic::{Behaviour, Fault, Rule, Server};

use crate::llm::{ITEMS, all_right, answers, project};
use crate::support::Folder;

const PRICE: &str = "price = { input = 1000.0, output = 1000.0 }\nconcurrency = 16";

fn with_budget(folder: &Folder, money: f64) {
    let text = folder.read("postil.toml");
    let text = text.split("[budget]").next().unwrap().to_owned();
    folder.write("postil.toml", format!("{text}[budget]\nmoney = {money}\n"));
}

/// What the server would bill so far.
fn billed(server: &Server) -> f64 {
    let tokens: u64 = server.log().iter().map(|entry| entry.input_tokens + entry.output_tokens).sum();
    tokens as f64 * 1000.0 / 1e6
}

#[test]
fn the_cap_is_never_passed_and_raising_it_goes_on_where_it_stopped() {
    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", PRICE, "");
    let mut last = 0;
    for money in [0.0, 1.0, 2.0, 2.0, 4.0] {
        with_budget(&folder, money);
        let output = folder.postil(&["run", "--json"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("the budget is used up"), "{said}");
        assert!(billed(&server) <= money, "{} of {money}", billed(&server));
        let asked = server.log().len();
        assert!(asked >= last);
        last = asked;
    }
    assert!(last > 10 && last < ITEMS, "{last}");
    with_budget(&folder, 1000.0);
    folder.ok(&["run"]);
    assert_eq!(server.log().len(), ITEMS, "nothing was bought twice");
    all_right(&folder);
}

#[test]
fn where_a_run_stops_does_not_depend_on_speed() {
    let mut files = Vec::new();
    for (concurrency, faults) in [(1, vec![]), (16, vec!["latency=1ms-30ms".parse::<Rule>().unwrap()])] {
        let behaviour = faults.into_iter().fold(Behaviour::new(answers), Behaviour::fault);
        let server = Server::start(behaviour);
        let folder = project(&server, "classify", &PRICE.replace("16", &concurrency.to_string()), "");
        with_budget(&folder, 8.0);
        folder.ok(&["run"]);
        files.push((server.log().len(), folder.read("out/labels.csv")));
    }
    assert_eq!(files[0], files[1]);
}

#[test]
fn what_may_have_been_billed_counts_and_models_without_a_price_need_a_cap_on_tokens() {
    // Every reply is cut in its middle once: it was made and may be billed, so it counts in full.
    let server = Server::start(Behaviour::new(answers).fault(Rule::new(Fault::CutMiddle).first_attempts(1)));
    let folder = project(&server, "classify", PRICE, "");
    with_budget(&folder, 20.0);
    folder.ok(&["run"]);
    assert!(billed(&server) <= 20.0);

    let server = Server::start(Behaviour::new(answers));
    let folder = project(&server, "classify", "", "");
    with_budget(&folder, 1.0);
    let said = folder.fails(2, &["run"]);
    assert!(said.contains("expected a price") && said.contains("budget.tokens"), "{said}");
    let plan = folder.ok(&["plan"]);
    assert!(plan.contains("unpriced"), "{plan}");
    folder.write("postil.toml", folder.read("postil.toml").replace("money = 1", "tokens = 4000"));
    folder.ok(&["run"]);
    let tokens: u64 = server.log().iter().map(|entry| entry.input_tokens + entry.output_tokens).sum();
    assert!(tokens > 1000 && tokens <= 4000, "{tokens}");
}
