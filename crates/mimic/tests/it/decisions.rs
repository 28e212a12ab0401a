//! System One and decisions.

use postil_mimic::{Asked, Behaviour, Capabilities, Dialect, Fault, Question, Reply, Rule, Server};
use serde_json::{Value, json};

use crate::client::{post, with};

fn answer(question: &Question<'_>) -> Reply {
    assert_eq!(question.item.unwrap_or(question.prompt), "Pay me back");
    match (&question.asked, question.name) {
        (Asked::Predicate, "urgent") => Reply::Probability(0.63),
        (Asked::Label(options), "tone") => {
            assert_eq!(options, &["pos", "neg"]);
            Reply::Distribution(vec![("pos".into(), 0.9), ("neg".into(), 0.1)])
        }
        (Asked::Score(_), _) => {
            Reply::Distribution(vec![("low".into(), 0.1), ("mid".into(), 0.4), ("high".into(), 0.5)])
        }
        (Asked::Label(options), _) => Reply::Label(options[1].into(), Some(0.8)),
        other => panic!("{other:?}"),
    }
}

fn system_one() -> Value {
    json!({ "model": "m", "state": "Pay me back", "questions": {
        "tone": { "type": "choice", "instructions": "Which tone?", "criteria": { "pos": "friendly", "neg": null } },
        "urgent": { "type": "noul", "instructions": "Is it urgent?" },
        "grade": { "type": "score", "instructions": "How angry?", "criteria": ["low", "mid", "high"] },
    } })
}

fn decisions() -> Value {
    json!({ "model": "m", "input": "Pay me back", "questions": [
        { "type": "choice", "name": "tone", "instructions": "Which tone?",
          "choices": [{ "value": "pos", "description": "friendly" }, { "value": "neg" }] },
        { "type": "predicate", "name": "urgent", "instructions": "Is it urgent?" },
        { "type": "score", "name": "grade", "instructions": "How angry?",
          "levels": [{ "label": "low" }, { "label": "mid" }, { "label": "high" }] },
        { "type": "choice", "instructions": "Is it?", "choices": [{ "value": true }, { "value": false }] },
    ] })
}

fn near(value: &Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} {expected}");
}

#[test]
fn a_map_of_questions_gets_a_map_of_answers() {
    let server = Server::start(Behaviour::new(answer));
    let got = post(&server, "/v1/systemone", &system_one()).json();
    let answers = &got["answers"];
    assert_eq!(answers.as_object().unwrap().keys().collect::<Vec<_>>(), ["tone", "urgent", "grade"]);
    assert_eq!((&answers["tone"]["type"], &answers["tone"]["choice"]), (&json!("choice"), &json!("pos")));
    near(&answers["tone"]["confidence"], 0.8);
    assert_eq!(answers["tone"]["probabilities"], json!({ "pos": 0.9, "neg": 0.1 }));
    assert_eq!(answers["urgent"], json!({ "type": "noul", "noul": 0.63 }));
    near(&answers["grade"]["score"], 1.4);
    assert_eq!(answers["grade"]["legend"], json!({ "0": "low", "1": "mid", "2": "high" }));
    assert_eq!(answers["grade"]["probabilities"], json!({ "0": 0.1, "1": 0.4, "2": 0.5 }));
    assert!(got["usage"]["input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(got["usage"]["output_tokens"], 0);
    let fenced = "Read this:\n=== 0123456789ab ===\nPay me back\n=== 0123456789ab ===";
    for state in [json!({ "title": "x", "body": fenced }), json!(fenced), json!({ "text": "Pay me back" })] {
        let again = post(&server, "/v1/systemone", &with(system_one(), json!({ "state": state })));
        assert_eq!(again.json()["answers"], *answers);
    }
}

#[test]
fn a_list_of_questions_gets_a_list_of_answers() {
    let server = Server::start(Behaviour::new(answer));
    let got = post(&server, "/v1/decisions", &decisions()).json();
    let answers = got["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 4);
    assert_eq!((&answers[0]["name"], &answers[0]["choice"]), (&json!("tone"), &json!("pos")));
    assert_eq!(answers[0]["probabilities"][1], json!({ "value": "neg", "probability": 0.1 }));
    assert_eq!(answers[1], json!({ "type": "predicate", "name": "urgent", "probability": 0.63 }));
    near(&answers[2]["score"], 1.4);
    assert_eq!(answers[2]["probabilities"][2], json!({ "value": 2, "label": "high", "probability": 0.5 }));
    assert_eq!((&answers[3]["name"], &answers[3]["choice"]), (&Value::Null, &json!(false)));
    assert_eq!(got["usage"]["total_tokens"], got["usage"]["input_tokens"]);
    // Messages instead of a text, and the other route's shape on this route.
    let input = json!([{ "role": "user", "content": [{ "type": "input_text", "text": "Pay me back" }] }]);
    let again = post(&server, "/v1/decisions", &with(decisions(), json!({ "input": input })));
    assert_eq!(again.json()["answers"], got["answers"]);
    assert!(post(&server, "/v1/decisions", &system_one()).json()["answers"]["urgent"].is_object());
}

#[test]
fn one_question_may_be_refused() {
    let server = Server::start(Behaviour::new(answer).fault(Rule::new(Fault::Refusal)));
    let got = post(&server, "/v1/decisions", &decisions()).json();
    assert_eq!(got["answers"][0], json!({ "type": "refusal", "name": "tone" }));
    assert_eq!(got["answers"][1]["type"], "predicate");
    let got = post(&server, "/v1/systemone", &system_one()).json();
    assert_eq!(got["answers"]["tone"], json!({ "type": "refusal" }));
    assert_eq!(server.log()[0].reply.split(' ').next(), Some("refusal"));
}

#[test]
fn limits_answer_422_and_closed_routes_501() {
    let capabilities = Capabilities { most_options: 52, most_questions: 3, ..Capabilities::default() };
    let server =
        Server::start(Behaviour::new(|_: &Question<'_>| Reply::Label("o1".into(), None)).capable(capabilities));
    let request = |options: usize, kind: &str| {
        let options: Vec<String> = (0..options).map(|option| format!("o{option}")).collect();
        let question = json!({ "type": kind, "instructions": "x", "criteria": options });
        post(&server, "/v1/systemone", &json!({ "model": "m", "state": "x", "questions": { "q": question } })).status
    };
    assert_eq!([request(52, "choice"), request(53, "choice"), request(1, "choice")], [200, 422, 422]);
    assert_eq!([request(10, "score"), request(11, "score"), request(3, "other")], [200, 422, 422]);
    assert_eq!(post(&server, "/v1/decisions", &decisions()).status, 422);
    let capabilities =
        Capabilities { system_one: Dialect::NotImplemented, decisions: Dialect::NotFound, ..Capabilities::default() };
    let server = Server::start(Behaviour::new(answer).capable(capabilities));
    assert_eq!(post(&server, "/v1/systemone", &system_one()).status, 501);
    assert_eq!(post(&server, "/v1/decisions", &decisions()).status, 404);
}
