//! `/v1/systemone` and `/v1/decisions`: typed questions about one state, a probability for every allowed answer.
//!
//! Both routes take both shapes of questions: a map of names (System One) and a list (`OpenAI`).

use serde_json::{Map, Value, json};

use crate::behaviour::Behaviour;
use crate::chat::content;
use crate::distribution::{Distribution, USUAL_CONFIDENCE};
use crate::fault::Fault;
use crate::prompt::fenced;
use crate::question::{Asked, Question, Reply};
use crate::respond::{Asking, Note, Outcome, Read, Response, tokens};

fn unprocessable(message: &str) -> Response {
    Response::error(422, "invalid_request", message)
}

/// The model, the text of the state and the length of everything.
pub(crate) fn read(body: &Value) -> Result<Read, Response> {
    let model = body["model"].as_str().ok_or_else(|| unprocessable("`model` is missing"))?;
    let state = [&body["state"], &body["input"]].into_iter().find(|state| !state.is_null());
    let state = state.ok_or_else(|| unprocessable("`state` or `input` is missing"))?;
    let length = state.to_string().len() + body["questions"].to_string().len();
    Ok(Read { model: model.to_owned(), prompt: text(state), tokens: tokens(length), bare: true })
}

/// The words of a state: its string, its last user message, the string inside it that holds a fenced item, its field
/// `text`; failing all that, its JSON.
fn text(state: &Value) -> String {
    if let Value::String(text) = state {
        return text.clone();
    }
    let messages = state.as_array().into_iter().flatten();
    if let Some(text) = messages.rev().filter(|message| message["role"] == "user").find_map(|m| content(&m["content"]))
    {
        return text;
    }
    if let Some(text) = inside(state) {
        return text.to_owned();
    }
    state["text"].as_str().map_or_else(|| state.to_string(), str::to_owned)
}

fn inside(state: &Value) -> Option<&str> {
    match state {
        Value::String(text) => fenced(text).map(|_| text.as_str()),
        Value::Array(parts) => parts.iter().find_map(inside),
        Value::Object(fields) => fields.values().find_map(inside),
        _ => None,
    }
}

/// A question as the request has it.
struct Typed<'a> {
    /// `None` for a question of a list that has no name.
    name: Option<&'a str>,
    kind: Kind,
    /// The options: what stands for each in the answer, and its name.
    options: Vec<(Value, &'a str)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Predicate,
    Choice,
    Score,
}

fn typed<'a>(name: Option<&'a str>, question: &'a Value) -> Result<Typed<'a>, Response> {
    let called = || format!("question {}", name.unwrap_or("without a name"));
    let kind = match question["type"].as_str() {
        Some("noul" | "predicate") => Kind::Predicate,
        Some("choice") => Kind::Choice,
        Some("score") => Kind::Score,
        other => return Err(unprocessable(&format!("{}: there is no type {other:?}", called()))),
    };
    let name_of = |value: &'a Value| match value {
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        value => value.as_str().unwrap_or_default(),
    };
    let mut options: Vec<(Value, &str)> = Vec::new();
    if kind != Kind::Predicate {
        let lists = ["criteria", "choices", "levels"].map(|field| &question[field]);
        match lists.into_iter().find(|list| !list.is_null()) {
            Some(Value::Object(criteria)) => {
                options.extend(criteria.keys().map(|key| (json!(key), key.as_str())));
            }
            Some(Value::Array(list)) => options.extend(list.iter().map(|option| {
                let value = ["value", "label"].into_iter().find_map(|field| option.get(field)).unwrap_or(option);
                (value.clone(), name_of(value))
            })),
            _ => return Err(unprocessable(&format!("{}: its options are missing", called()))),
        }
        let mut seen: Vec<&Value> = options.iter().map(|(value, _)| value).collect();
        seen.sort_by_key(ToString::to_string);
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(unprocessable(&format!("{}: an option stands twice", called())));
        }
    }
    Ok(Typed { name, kind, options })
}

/// Answers a decision request.
pub(crate) fn respond(behaviour: &Behaviour, asking: &Asking<'_>, body: &Value, read: &Read) -> Outcome {
    let capabilities = &behaviour.capabilities;
    let questions: Vec<Typed<'_>> = match &body["questions"] {
        Value::Object(questions) => {
            questions.iter().map(|(name, question)| typed(Some(name), question)).collect::<Result<_, _>>()?
        }
        Value::Array(questions) => {
            questions.iter().map(|question| typed(question["name"].as_str(), question)).collect::<Result<_, _>>()?
        }
        _ => return Err(unprocessable("`questions` is missing")),
    };
    let listed = body["questions"].is_array();
    if questions.is_empty() || questions.len() > capabilities.most_questions {
        let most = capabilities.most_questions;
        return Err(unprocessable(&format!("expected 1 to {most} questions, found {}", questions.len())));
    }
    for question in &questions {
        let most = match question.kind {
            Kind::Predicate => continue,
            Kind::Choice => capabilities.most_options,
            Kind::Score => 10,
        };
        let found = question.options.len();
        if !(2..=most).contains(&found) {
            let name = question.name.unwrap_or_default();
            return Err(unprocessable(&format!("question {name}: expected 2 to {most} options, found {found}")));
        }
    }
    let mut answers = Vec::with_capacity(questions.len());
    let mut said = Vec::new();
    for (place, typed) in questions.iter().enumerate() {
        let options: Vec<&str> = typed.options.iter().map(|(_, name)| *name).collect();
        let question = Question {
            model: &read.model,
            item: read.item(),
            prompt: &read.prompt,
            name: typed.name.unwrap_or("label"),
            asked: match typed.kind {
                Kind::Predicate => Asked::Predicate,
                Kind::Choice => Asked::Label(options),
                Kind::Score => Asked::Score(options),
            },
            sample: 0,
            attempt: asking.attempt,
            digest: asking.digest,
            body,
        };
        let reply = behaviour.answers.answer(&question);
        let refused = matches!(reply, Reply::Refusal(_))
            || asking.fault == Some(&Fault::ContentFilter)
            || (place == 0 && asking.fault == Some(&Fault::Refusal));
        let mut answer = if refused { None } else { answer(typed, &question, &reply, asking, listed) };
        said.push(answer.as_ref().map_or_else(|| "refusal".to_owned(), |(_, said)| said.clone()));
        let answer = answer.take().map_or_else(|| json!({ "type": "refusal" }), |(answer, _)| answer);
        answers.push(answer);
    }
    let mut json = json!({ "model": read.model });
    json["answers"] = if listed {
        let named = answers.into_iter().zip(&questions).map(|(mut answer, question)| {
            answer["name"] = json!(question.name);
            answer
        });
        Value::Array(named.collect())
    } else {
        let names = questions.iter().map(|question| question.name.unwrap_or_default().to_owned());
        Value::Object(names.zip(answers).collect())
    };
    if asking.fault != Some(&Fault::NoUsage) {
        json["usage"] = json!({ "input_tokens": read.tokens, "output_tokens": 0 });
        if listed {
            json["usage"]["total_tokens"] = read.tokens.into();
            json["usage"]["input_tokens_details"] = json!({ "cached_tokens": 0, "cache_write_tokens": 0 });
            json["usage"]["output_tokens_details"] = json!({ "reasoning_tokens": 0 });
        }
    }
    let mut response = Response::json(&json);
    *response.note = Note { reply: said.join(" "), input_tokens: read.tokens, ..Note::default() };
    Ok(response)
}

/// One answer and what it says; `None` where the reply is no answer to such a question.
fn answer(
    typed: &Typed<'_>,
    question: &Question<'_>,
    reply: &Reply,
    asking: &Asking<'_>,
    listed: bool,
) -> Option<(Value, String)> {
    if typed.kind == Kind::Predicate {
        let probability = match reply {
            Reply::Probability(probability) => *probability,
            Reply::Label(label, confidence) => {
                let sure = confidence.unwrap_or(USUAL_CONFIDENCE);
                let yes = ["yes", "true", "1"].iter().any(|yes| label.eq_ignore_ascii_case(yes));
                if yes { sure } else { 1.0 - sure }
            }
            _ => return None,
        };
        let answer = if listed {
            json!({ "type": "predicate", "probability": probability })
        } else {
            json!({ "type": "noul", "noul": probability })
        };
        return Some((answer, format!("{probability:.3}")));
    }
    let options = question.asked.options();
    let place = |label: &str| {
        let named = options.iter().position(|option| *option == label);
        named.or_else(|| label.parse().ok().filter(|&level| typed.kind == Kind::Score && level < options.len()))
    };
    let distribution = Distribution::of(reply, options.len(), question.digest, place)?;
    // Only allowed answers can be given, so what lies outside is shared out.
    let total: f64 = distribution.probabilities.iter().sum();
    let even = 1.0 / options.len() as f64;
    let probabilities: Vec<f64> =
        distribution.probabilities.iter().map(|mass| if total > 0.0 { mass / total } else { even }).collect();
    let likeliest = || (0..options.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let best = distribution.said.as_ref().ok().copied().or_else(likeliest)?;
    let strange = asking.fault == Some(&Fault::UnknownLabel);
    let confidence = (probabilities[best] - even) / (1.0 - even);
    let mut answer = json!({ "confidence": confidence.max(0.0) });
    if typed.kind == Kind::Choice {
        answer["type"] = "choice".into();
        answer["choice"] = if strange { "none of these".into() } else { typed.options[best].0.clone() };
        answer["probabilities"] = if listed {
            let each = typed.options.iter().zip(&probabilities);
            Value::Array(each.map(|((value, _), mass)| json!({ "value": value, "probability": mass })).collect())
        } else {
            let each = options.iter().zip(&probabilities);
            Value::Object(each.map(|(name, mass)| ((*name).to_owned(), json!(mass))).collect())
        };
        return Some((answer, options[best].to_owned()));
    }
    let score: f64 = probabilities.iter().enumerate().map(|(level, mass)| level as f64 * mass).sum();
    answer["type"] = "score".into();
    answer["score"] = if strange { json!(options.len() + 1) } else { json!(score) };
    let levels = options.iter().zip(&probabilities).enumerate();
    if listed {
        let each = levels.map(|(level, (label, mass))| json!({ "value": level, "label": label, "probability": mass }));
        answer["probabilities"] = Value::Array(each.collect());
    } else {
        let mut legend = Map::new();
        let mut masses = Map::new();
        for (level, (label, mass)) in levels {
            legend.insert(level.to_string(), json!(label));
            masses.insert(level.to_string(), json!(mass));
        }
        answer["legend"] = Value::Object(legend);
        answer["probabilities"] = Value::Object(masses);
    }
    Some((answer, format!("{score:.3}")))
}
