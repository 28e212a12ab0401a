//! Every fault as the client meets it, and that it comes again the same.

use std::time::Duration;

use postil_mimic::{Behaviour, Fault, Question, RateLimit, Reply, RetryAfter, Rule, Server};
use serde_json::{Value, json};

use crate::client::{CHAT, Client, chat, get, message, post, said, schema, with};

fn answer(_: &Question<'_>) -> Reply {
    Reply::Label("bug".into(), None)
}

fn with_fault(fault: Fault) -> Server {
    Server::start(Behaviour::new(answer).fault(Rule::new(fault)))
}

fn body(item: &str) -> Value {
    let labels = schema(json!({ "label": { "type": "string", "enum": ["praise", "bug"] } }));
    chat(item, "", with(labels, json!({ "max_tokens": 40, "logprobs": true })))
}

#[test]
fn statuses_say_why_and_when_to_come_again() {
    let cases = [
        (Fault::Throttle(RetryAfter::Unsaid), 429, "rate_limit_exceeded"),
        (Fault::Throttle(RetryAfter::Seconds(3)), 429, "rate_limit_exceeded"),
        (Fault::Throttle(RetryAfter::Milliseconds(1200)), 429, "rate_limit_exceeded"),
        (Fault::Throttle(RetryAfter::Date(60)), 429, "rate_limit_exceeded"),
        (Fault::Quota, 429, "insufficient_quota"),
        (Fault::Status(500), 500, "server_error"),
        (Fault::Status(502), 502, "server_error"),
        (Fault::Status(503), 503, "unavailable"),
        (Fault::Status(529), 529, "overloaded"),
        (Fault::Status(401), 401, "invalid_api_key"),
        (Fault::Status(404), 404, "model_not_found"),
        (Fault::ContextTooLong, 400, "context_length_exceeded"),
    ];
    for (fault, status, code) in cases {
        let server = with_fault(fault.clone());
        let got = post(&server, CHAT, &body("x"));
        assert_eq!((got.status, &got.json()["error"]["code"]), (status, &json!(code)));
        let [after, milliseconds] = ["retry-after", "retry-after-ms"].map(|name| got.header(name));
        match fault {
            Fault::Throttle(RetryAfter::Seconds(_)) => assert_eq!((after, milliseconds), (Some("3"), None)),
            Fault::Throttle(RetryAfter::Milliseconds(_)) => {
                assert_eq!((after, milliseconds), (Some("2"), Some("1200")));
            }
            Fault::Throttle(RetryAfter::Date(_)) => {
                assert!(after.unwrap().ends_with(" GMT") && got.header("date").unwrap().ends_with(" GMT"), "{after:?}");
            }
            _ => assert_eq!((after, milliseconds), (None, None)),
        }
        let log = server.log();
        let entry = &log[0];
        assert_eq!((entry.status, entry.fault.as_deref()), (status, Some(fault.to_string().as_str())));
        assert_eq!((entry.model.as_str(), entry.item.as_deref(), entry.written), ("m", Some("x"), true));
        assert_eq!(server.counters().faults[&fault.to_string()], 1);
    }
}

#[test]
fn broken_replies() {
    let got = post(&with_fault(Fault::HtmlPage), CHAT, &body("x"));
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").unwrap().starts_with("text/html") && got.text().starts_with("<!DOCTYPE"));
    for fault in [Fault::TruncatedJson, Fault::MalformedJson] {
        let got = post(&with_fault(fault), CHAT, &body("x"));
        assert_eq!(got.status, 200);
        assert!(serde_json::from_slice::<Value>(&got.body).is_err());
    }
    let got = post(&with_fault(Fault::MalformedContent), CHAT, &body("x"));
    assert_eq!(said(&got), "{'label':'bug'");
    for fault in [Fault::CutBefore, Fault::CutMiddle] {
        let server = with_fault(fault.clone());
        assert!(Client::new(&server).post(CHAT, &body("x")).is_none());
        let log = server.log();
        assert_eq!((log[0].written, log[0].fault.clone()), (false, Some(fault.to_string())));
    }
}

#[test]
fn strange_answers() {
    let got = post(&with_fault(Fault::Refusal), CHAT, &body("x"));
    assert!(message(&got)["content"].is_null() && message(&got)["refusal"].is_string());
    let got = post(&with_fault(Fault::ContentFilter), CHAT, &body("x"));
    assert_eq!((said(&got).as_str(), &got.json()["choices"][0]["finish_reason"]), ("", &json!("content_filter")));
    let got = post(&with_fault(Fault::NoLogprobs), CHAT, &body("x"));
    assert!(got.json()["choices"][0]["logprobs"].is_null());
    let got = post(&with_fault(Fault::Whitespace), CHAT, &body("x"));
    assert!(said(&got).starts_with("{\"label\":") && said(&got).trim_end() == "{\"label\":");
    assert_eq!(got.json()["usage"]["completion_tokens"], 40);
    assert_eq!(got.json()["choices"][0]["finish_reason"], "length");
    let got = post(&with_fault(Fault::Think), CHAT, &with(body("x"), json!({ "max_tokens": 200 })));
    assert!(said(&got).starts_with("<think>\n") && said(&got).ends_with("</think>\n\n{\"label\":\"bug\"}"));
    let got = post(&with_fault(Fault::UnknownLabel), CHAT, &body("x"));
    assert_eq!(said(&got), "{\"label\":\"none of these\"}");
    let letters = chat("x", "A. praise\nB. bug", json!({ "max_tokens": 1, "logprobs": true, "top_logprobs": 5 }));
    let got = post(&with_fault(Fault::UnknownLabel), CHAT, &letters);
    assert!(!["A", "B"].contains(&said(&got).as_str()));
    let got = post(&with_fault(Fault::NoUsage), CHAT, &body("x"));
    assert_eq!((said(&got).as_str(), got.json().get("usage")), ("{\"label\":\"bug\"}", None));
}

#[test]
fn a_hanging_request_ends_when_the_client_gives_up() {
    let server = Server::start(Behaviour::new(answer).fault(Rule::new(Fault::Hang).first_attempts(1)));
    let mut client = Client::new(&server);
    client.send("POST", CHAT, "", body("x").to_string().as_bytes());
    while server.counters().requests < 1 {
        std::thread::yield_now();
    }
    client.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let waiting = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.receive()));
    assert!(waiting.is_err(), "there was an answer");
    assert!(server.log().is_empty());
    drop(client);
    assert_eq!(said(&post(&server, CHAT, &body("x"))), "{\"label\":\"bug\"}");
    while server.log().len() < 2 {
        std::thread::yield_now();
    }
    let log = server.log();
    assert_eq!((log[0].fault.as_deref(), log[0].status, log[0].written), (Some("hang"), 0, false));
    assert_eq!((log[1].attempt, log[1].status, log[1].written), (1, 200, true));
}

#[test]
fn a_server_with_hanging_requests_stops() {
    let server = with_fault(Fault::Hang);
    let mut client = Client::new(&server);
    client.send("POST", CHAT, "", body("x").to_string().as_bytes());
    drop(server);
    assert!(client.receive().is_none());
}

#[test]
fn faults_come_again_the_same_in_any_order() {
    let run = |reverse: bool, seed: u64| {
        let rules = ["500:0.3", "429=1s:0.3#1", "refusal:0.2"].map(|rule| rule.parse().unwrap());
        let mut behaviour = Behaviour::new(answer);
        (behaviour.faults, behaviour.seed) = (rules.into(), seed);
        let server = Server::start(behaviour);
        let mut items: Vec<String> = (0..60).map(|item| format!("item {item}")).collect();
        if reverse {
            items.reverse();
        }
        let mut client = Client::new(&server);
        for _ in 0..2 {
            for item in &items {
                client.post(CHAT, &body(item)).unwrap();
            }
        }
        let mut met: Vec<_> = server.log().into_iter().map(|entry| (entry.item, entry.attempt, entry.fault)).collect();
        met.sort();
        met
    };
    let met = run(false, 1);
    assert_eq!(met, run(true, 1));
    assert_ne!(met, run(false, 2));
    let faults = |name: &str| met.iter().filter(|(_, _, fault)| fault.as_deref() == Some(name)).count();
    // Of 120 requests 36 should fail, of 60 first attempts 12.6 be throttled.
    assert!((18..55).contains(&faults("500")) && (4..24).contains(&faults("429")) && faults("refusal") > 0);
    assert!(met.iter().all(|(_, attempt, fault)| *attempt == 0 || fault.as_deref() != Some("429")));
}

#[test]
fn rules_may_name_requests_and_words() {
    let rules = ["500@1-2".parse().unwrap(), Rule::new(Fault::Quota).containing("special")];
    let mut behaviour = Behaviour::new(answer);
    behaviour.faults = rules.into();
    let server = Server::start(behaviour);
    let statuses: Vec<u16> = ["a", "b", "c", "d", "special"].map(|item| post(&server, CHAT, &body(item)).status).into();
    assert_eq!(statuses, [200, 500, 500, 200, 429]);
}

#[test]
fn keys_models_and_rates() {
    let mut behaviour = Behaviour::new(answer);
    behaviour.key = Some("secret".into());
    behaviour.models = Some(vec!["m".into()]);
    behaviour.rate = Some(RateLimit { requests_per_minute: 0.001, burst: 2.0 });
    let server = Server::start(behaviour);
    assert_eq!(post(&server, CHAT, &body("x")).status, 401);
    let mut client = Client::new(&server);
    let mut ask = |body: &Value| {
        client.send("POST", CHAT, "Authorization: Bearer secret\r\n", body.to_string().as_bytes());
        client.receive().unwrap()
    };
    assert_eq!(ask(&body("x")).status, 200);
    let unknown = ask(&with(body("x"), json!({ "model": "other" })));
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
    let throttled = ask(&body("x"));
    assert_eq!(throttled.status, 429);
    assert!(throttled.header("retry-after-ms").unwrap().parse::<u64>().unwrap() > 1_000_000);
    assert_eq!(get(&server, "/counters").json()["statuses"], json!({ "200": 1, "401": 1, "404": 1, "429": 1 }));
}

#[test]
fn too_many_at_once_are_throttled() {
    let mut behaviour = Behaviour::new(answer).fault(Rule::new(Fault::Hang).containing("slow"));
    behaviour.most_at_once = Some(1);
    let server = Server::start(behaviour);
    let mut slow = Client::new(&server);
    slow.send("POST", CHAT, "", body("slow").to_string().as_bytes());
    while server.counters().requests < 1 {
        std::thread::yield_now();
    }
    assert_eq!(post(&server, CHAT, &body("x")).status, 429);
    assert_eq!(server.counters().most_at_once, 2);
}
