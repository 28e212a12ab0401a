//! Chat completions: letters, schemas, samples, what a server may lack.

use postil_mimic::{
    Behaviour, Capabilities, Context, Dialect, Logprobs, MadeUp, Question, Reply, Schema, Server, Thinking, TokenLimit,
};
use serde_json::{Value, json};

use crate::client::{CHAT, chat, get, message, post, said, schema, with};

fn label(question: &Question<'_>) -> Reply {
    assert_eq!(question.item, Some("It broke\nagain."));
    Reply::Label("bug".into(), Some(0.7))
}

fn letters(more: Value) -> Value {
    let after = "A. praise\nB. bug: something is broken\n   and was not before\nC. billing\nAnswer with one letter.";
    let usual = json!({ "max_tokens": 1, "temperature": 0, "logprobs": true, "top_logprobs": 20 });
    chat("It broke\nagain.", after, with(usual, more))
}

fn label_schema() -> Value {
    schema(json!({ "label": { "type": "string", "enum": ["praise", "bug", "billing"] } }))
}

/// Sums the mass of variants of each letter.
fn masses(got: &Value) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for token in got["choices"][0]["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap() {
        let text = token["token"].as_str().unwrap().trim().to_ascii_uppercase();
        if let Some(place) = ["A", "B", "C"].iter().position(|letter| *letter == text) {
            sums[place] += token["logprob"].as_f64().unwrap().exp();
        }
    }
    sums
}

#[test]
fn letters_carry_the_confidence() {
    let server = Server::start(Behaviour::new(label));
    for top in [20, 6] {
        let got = post(&server, CHAT, &letters(json!({ "top_logprobs": top })));
        assert_eq!(said(&got), "B");
        let got = got.json();
        let sums = masses(&got);
        let total: f64 = sums.iter().sum();
        assert!((sums[1] / total - 0.7).abs() < 1e-9 && total > 0.99 && total < 1.0, "{sums:?}");
        assert_eq!(got["choices"][0]["finish_reason"], "length");
        assert_eq!(got["choices"][0]["logprobs"]["content"].as_array().unwrap().len(), 1);
        assert_eq!(got["model"], "m");
        assert_eq!(got["usage"]["completion_tokens"], 1);
        let bytes: usize = letters(json!({}))["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap().len())
            .sum();
        assert_eq!(got["usage"]["prompt_tokens"], bytes.div_ceil(4));
    }
    assert_eq!(server.log().iter().map(|entry| entry.reply.as_str()).collect::<Vec<_>>(), ["bug", "bug"]);
    let without = post(&server, CHAT, &letters(json!({ "logprobs": false, "top_logprobs": 0 })));
    assert_eq!((said(&without).as_str(), &without.json()["choices"][0]["logprobs"]), ("B", &Value::Null));
}

#[test]
fn schemas_are_kept_in_every_shape() {
    let server = Server::start(Behaviour::new(label));
    let nested = label_schema();
    let format = &nested["response_format"]["json_schema"]["schema"];
    let shapes = [
        nested.clone(),
        json!({ "response_format": { "type": "json_schema", "schema": format } }),
        json!({ "response_format": { "type": "json_object", "schema": format } }),
    ];
    for shape in shapes {
        let got = post(&server, CHAT, &chat("It broke\nagain.", "", with(shape, json!({ "max_tokens": 50 }))));
        assert_eq!(said(&got), r#"{"label":"bug"}"#);
        assert_eq!(got.json()["choices"][0]["finish_reason"], "stop");
    }
}

#[test]
fn value_tokens_of_json_multiply_to_the_confidence() {
    let server = Server::start(Behaviour::new(label));
    let more = with(label_schema(), json!({ "logprobs": true, "top_logprobs": 5 }));
    let got = post(&server, CHAT, &chat("It broke\nagain.", "", more));
    let content = said(&got);
    let value = content.find("bug").unwrap();
    let (mut at, mut product) = (0, 1.0);
    for token in got.json()["choices"][0]["logprobs"]["content"].as_array().unwrap() {
        let text = token["token"].as_str().unwrap();
        if at + text.len() > value && at < value + "bug".len() {
            product *= token["logprob"].as_f64().unwrap().exp();
        }
        at += text.len();
    }
    assert_eq!(at, content.len());
    assert!((product - 0.7).abs() < 1e-9, "{product}");
}

#[test]
fn other_schemas_get_sets_candidates_spans_and_records() {
    let server = Server::start(Behaviour::new(|question: &Question<'_>| match question.item {
        Some("set") => Reply::Labels(vec![("a".into(), 0.9), ("c".into(), 0.6)]),
        Some("candidates") => Reply::Distribution(vec![("b".into(), 0.5), ("a".into(), 0.4), ("c".into(), 0.1)]),
        Some("Ann saw Oslo") => Reply::Spans(vec![("Oslo".into(), "CITY".into())]),
        Some("record") => Reply::Record(json!({ "year": 1905 })),
        _ => Reply::Text("free words".into()),
    }));
    let array = || json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b", "c"] } });
    let span = json!({
        "type": "object",
        "properties": { "quote": { "type": "string" }, "label": { "type": "string", "enum": ["CITY"] }, "nth": { "type": "integer" } },
    });
    let year = json!({ "year": { "type": "integer" }, "note": { "type": ["string", "null"] } });
    let cases = [
        ("set", json!({ "labels": array() }), json!({ "labels": ["a", "c"] })),
        ("candidates", json!({ "candidates": array() }), json!({ "candidates": ["b", "a"] })),
        (
            "Ann saw Oslo",
            json!({ "spans": { "type": "array", "items": span } }),
            json!({ "spans": [{ "quote": "Oslo", "label": "CITY", "nth": 1 }] }),
        ),
        ("record", year, json!({ "year": 1905, "note": null })),
    ];
    for (item, properties, expected) in cases {
        let got = post(&server, CHAT, &chat(item, "", schema(properties)));
        assert_eq!(serde_json::from_str::<Value>(&said(&got)).unwrap(), expected);
    }
    assert_eq!(said(&post(&server, CHAT, &chat("other", "", json!({})))), "free words");
}

#[test]
fn further_properties_are_filled() {
    let server = Server::start(Behaviour::new(label));
    let properties = json!({
        "reason": { "type": "string" },
        "label": { "type": "string", "enum": ["praise", "bug"] },
        "confidence": { "type": "integer", "minimum": 0, "maximum": 100 },
    });
    let got = post(&server, CHAT, &chat("It broke\nagain.", "", schema(properties)));
    let answer: Value = serde_json::from_str(&said(&got)).unwrap();
    assert_eq!((&answer["label"], &answer["confidence"]), (&json!("bug"), &json!(70)));
    assert!(answer["reason"].is_string());
    assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["reason", "label", "confidence"]);
}

#[test]
fn samples_follow_the_distribution_and_come_again() {
    let server = Server::start(Behaviour::new(label));
    let body = letters(json!({ "n": 100, "temperature": 1.0 }));
    let count = |got: &Value| {
        let choices = got["choices"].as_array().unwrap();
        assert_eq!(choices.len(), 100);
        choices.iter().filter(|choice| choice["message"]["content"] == "B").count()
    };
    let first = post(&server, CHAT, &body).json();
    // 70 expected, with a standard deviation of 4.6.
    assert!((55..=85).contains(&count(&first)), "{}", count(&first));
    assert_eq!(first["usage"]["completion_tokens"], 100);
    assert_eq!(first, post(&server, CHAT, &body).json());
    let other = post(&server, CHAT, &with(body, json!({ "seed": 5 }))).json();
    assert_ne!(first["choices"], other["choices"]);
}

#[test]
fn what_a_server_lacks() {
    let start = |change: fn(&mut Capabilities)| {
        let mut capabilities = Capabilities::default();
        change(&mut capabilities);
        Server::start(Behaviour::new(label).capable(capabilities))
    };
    let server = start(|capabilities| capabilities.logprobs = Logprobs::Null);
    let got = post(&server, CHAT, &letters(json!({}))).json();
    assert_eq!(got["choices"][0].get("logprobs"), Some(&Value::Null));
    let server = start(|capabilities| capabilities.logprobs = Logprobs::Missing);
    assert_eq!(post(&server, CHAT, &letters(json!({}))).json()["choices"][0].get("logprobs"), None);
    let server = start(|capabilities| capabilities.logprobs = Logprobs::Refused);
    assert_eq!(post(&server, CHAT, &letters(json!({}))).status, 400);

    let server = start(|capabilities| capabilities.samples = false);
    let got = post(&server, CHAT, &letters(json!({ "n": 5 }))).json();
    assert_eq!(got["choices"].as_array().unwrap().len(), 1);

    let server = start(|capabilities| capabilities.reproducible = false);
    let body = letters(json!({ "n": 40, "temperature": 1 }));
    assert_ne!(post(&server, CHAT, &body).json()["choices"], post(&server, CHAT, &body).json()["choices"]);

    let server = start(|capabilities| capabilities.token_limit = TokenLimit::Completion);
    let refused = post(&server, CHAT, &letters(json!({})));
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("max_completion_tokens"));
    let body = chat("It broke\nagain.", "A. praise\nB. bug", json!({ "max_completion_tokens": 1 }));
    assert_eq!(said(&post(&server, CHAT, &body)), "B");

    let with_schema = chat("It broke\nagain.", "", label_schema());
    for (schema, expected) in [
        (Schema::Fenced, "```json\n{\"label\":\"bug\"}\n```"),
        (Schema::Prose, "Here is the answer: {\"label\":\"bug\"} I hope that helps."),
        (Schema::Bare, "bug"),
    ] {
        let capabilities = Capabilities { schema, ..Capabilities::default() };
        let server = Server::start(Behaviour::new(label).capable(capabilities));
        assert_eq!(said(&post(&server, CHAT, &with_schema)), expected);
    }
    let server = start(|capabilities| capabilities.schema = Schema::Refused);
    assert_eq!(post(&server, CHAT, &with_schema).status, 400);

    let server = start(|capabilities| capabilities.chat = Dialect::NotImplemented);
    assert_eq!(post(&server, CHAT, &letters(json!({}))).status, 501);
    let server = start(|capabilities| capabilities.chat = Dialect::NotFound);
    assert_eq!(post(&server, CHAT, &letters(json!({}))).status, 404);
}

#[test]
fn thoughts_go_to_the_content_or_beside_it() {
    let body = chat("It broke\nagain.", "A. praise\nB. bug", json!({ "max_tokens": 200 }));
    let server =
        |thinking| Server::start(Behaviour::new(label).capable(Capabilities { thinking, ..Capabilities::default() }));
    let content = server(Thinking::Content);
    let text = said(&post(&content, CHAT, &body));
    assert!(text.starts_with("<think>\n") && text.ends_with("</think>\n\nB"), "{text}");
    let off = with(body.clone(), json!({ "chat_template_kwargs": { "enable_thinking": false } }));
    assert_eq!(said(&post(&content, CHAT, &off)), "B");

    let field = server(Thinking::Field);
    let got = post(&field, CHAT, &body);
    assert_eq!(said(&got), "B");
    assert!(message(&got)["reasoning_content"].is_string());
    let thoughts = got.json()["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert_eq!(got.json()["usage"]["completion_tokens"], thoughts + 1);
    // One token is not enough to think.
    let short = post(&field, CHAT, &with(body, json!({ "max_tokens": 1 })));
    assert_eq!((said(&short).as_str(), &short.json()["choices"][0]["finish_reason"]), ("", &json!("length")));
}

#[test]
fn long_prompts_are_refused_or_cut() {
    let body = chat("It broke\nagain.", "A. praise\nB. bug", json!({ "max_tokens": 1 }));
    let mut behaviour = Behaviour::new(label);
    behaviour.context = Context::Refused(10);
    let got = post(&Server::start(behaviour), CHAT, &body);
    assert_eq!((got.status, &got.json()["error"]["code"]), (400, &json!("context_length_exceeded")));
    let mut behaviour = Behaviour::new(|question: &Question<'_>| Reply::Text(format!("{:?}", question.item)));
    behaviour.context = Context::Truncated(10);
    let server = Server::start(behaviour);
    let got = post(&server, CHAT, &body);
    assert_eq!((said(&got).as_str(), &got.json()["usage"]["prompt_tokens"]), ("None"[..4].into(), &json!(10)));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let server = Server::start(Behaviour::new(MadeUp::default()));
    let good = letters(json!({}));
    for (field, value) in [
        ("model", Value::Null),
        ("messages", json!([])),
        ("messages", json!([{ "role": "system", "content": "x" }])),
        ("n", json!(0)),
        ("top_logprobs", json!(21)),
        ("logprobs", json!(false)),
        ("stream", json!(true)),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let got = post(&server, CHAT, &body);
        assert_eq!(got.status, 400, "{field} {value}");
        assert!(got.json()["error"]["message"].is_string());
    }
    assert_eq!(get(&server, CHAT).status, 405);
    assert_eq!(get(&server, "/v1/nothing").status, 404);
    assert_eq!(server.counters().statuses[&400], 7);
}
