//! `/v1/chat/completions`.

use serde_json::{Map, Value, json};

use crate::behaviour::{Behaviour, Logprobs, Schema, Thinking, TokenLimit};
use crate::distribution::Distribution;
use crate::fault::Fault;
use crate::pieces::Pieces;
use crate::prompt::{choices, fenced, place_of};
use crate::question::{Asked, Question, Reply};
use crate::respond::{Asking, Note, Outcome, Read, Response, tokens};

/// How many tokens an answer may have where the request does not say.
const USUAL_LIMIT: u64 = 4096;

/// How many tokens a loop of white space has where the request does not say.
const LONG_LOOP: u64 = 512;

const THOUGHTS: &str = "The text speaks for itself; the first option that fits is it.";

fn invalid(code: &str, message: &str) -> Response {
    Response::error(400, code, message)
}

/// The model, the last user message and the length of all messages.
pub(crate) fn read(body: &Value) -> Result<Read, Response> {
    let model = body["model"].as_str().ok_or_else(|| invalid("missing_model", "`model` is missing"))?;
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| invalid("missing_messages", "`messages` is missing or empty"))?;
    let mut bytes = 0;
    let mut prompt = None;
    for message in messages {
        let text =
            content(&message["content"]).ok_or_else(|| invalid("invalid_message", "a message has no content"))?;
        bytes += text.len();
        if message["role"] == "user" {
            prompt = Some(text);
        }
    }
    let prompt = prompt.ok_or_else(|| invalid("invalid_message", "there is no user message"))?;
    Ok(Read { model: model.to_owned(), prompt, tokens: tokens(bytes), bare: false })
}

/// The text of a message: a string, or a list of parts.
pub(crate) fn content(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    }
}

/// The request's wishes.
struct Wishes<'a> {
    schema: Option<&'a Value>,
    samples: u64,
    limit: Option<u64>,
    /// How many alternatives per token, if log-probabilities are asked for.
    top: Option<usize>,
    temperature: f64,
    thinks: Thinking,
}

fn wishes<'a>(behaviour: &Behaviour, body: &'a Value) -> Result<Wishes<'a>, Response> {
    let capabilities = &behaviour.capabilities;
    let refused = |field: &str, other: &str| {
        invalid("unsupported_parameter", &format!("`{field}` is not supported with this model; use `{other}`"))
    };
    let [plain, completion] = ["max_tokens", "max_completion_tokens"].map(|name| body[name].as_u64());
    match capabilities.token_limit {
        TokenLimit::Completion if plain.is_some() => return Err(refused("max_tokens", "max_completion_tokens")),
        TokenLimit::Plain if completion.is_some() => return Err(refused("max_completion_tokens", "max_tokens")),
        _ => {}
    }
    let format = &body["response_format"];
    // Three shapes are in use: nested under `json_schema`, beside `type`, and beside `json_object`.
    let schema = [&format["json_schema"]["schema"], &format["schema"]].into_iter().find(|schema| schema.is_object());
    if capabilities.schema == Schema::Refused && !format.is_null() {
        return Err(invalid("unsupported_parameter", "`response_format` is not supported with this model"));
    }
    let top = body["top_logprobs"].as_u64().unwrap_or(0);
    let asked = body["logprobs"] == true;
    if top > 20 || (top > 0 && !asked) {
        return Err(invalid("invalid_value", "`top_logprobs` must be at most 20 and needs `logprobs`"));
    }
    if asked && capabilities.logprobs == Logprobs::Refused {
        return Err(invalid("unsupported_parameter", "`logprobs` is not supported with this model"));
    }
    if body["stream"] == true {
        return Err(invalid("unsupported_parameter", "`stream` is not supported"));
    }
    let samples = body["n"].as_u64().unwrap_or(1);
    if !(1..=128).contains(&samples) {
        return Err(invalid("invalid_value", "`n` must lie between 1 and 128"));
    }
    let off = body["chat_template_kwargs"]["enable_thinking"] == false;
    Ok(Wishes {
        schema,
        samples: if capabilities.samples { samples } else { 1 },
        limit: completion.or(plain),
        top: asked.then_some(top as usize),
        temperature: body["temperature"].as_f64().unwrap_or(0.0),
        thinks: if off { Thinking::Off } else { capabilities.thinking },
    })
}

/// What the schema or the prompt asks for.
fn asked<'a>(wishes: &Wishes<'a>, prompt: &'a str) -> Asked<'a> {
    let Some(schema) = wishes.schema else {
        let letters = fenced(prompt).map(|fenced| choices(fenced.after)).unwrap_or_default();
        return if letters.is_empty() { Asked::Text } else { Asked::Letter(letters) };
    };
    let properties = &schema["properties"];
    let options = |field: &'a Value| -> Option<Vec<&'a str>> {
        Some(field["enum"].as_array()?.iter().filter_map(Value::as_str).collect())
    };
    if let Some(options) = options(&properties["label"]) {
        Asked::Label(options)
    } else if let Some(options) = options(&properties["labels"]["items"]) {
        Asked::Labels(options)
    } else if let Some(options) = options(&properties["candidates"]["items"]) {
        Asked::Candidates(options)
    } else if properties["spans"]["items"]["properties"]["quote"].is_object() {
        Asked::Spans(options(&properties["spans"]["items"]["properties"]["label"]).unwrap_or_default())
    } else if properties["quotes"]["items"]["type"] == "string" {
        // The stretches of one label, which stands in the prompt.
        Asked::Spans(subject(prompt).into_iter().collect())
    } else {
        Asked::Record(schema)
    }
}

/// The label that a question by letter is about: `Does the label `x` apply to the text?` stands before the choices.
fn subject(prompt: &str) -> Option<&str> {
    let before = fenced(prompt)?.after.split("\nA. ").next()?;
    Some(before.split_once("label `")?.1.split_once('`')?.0)
}

/// Answers a chat.
pub(crate) fn respond(behaviour: &Behaviour, asking: &Asking<'_>, body: &Value, read: &Read) -> Outcome {
    let wishes = wishes(behaviour, body)?;
    let mut question = Question {
        model: &read.model,
        item: read.item(),
        prompt: &read.prompt,
        name: subject(&read.prompt).unwrap_or("label"),
        asked: asked(&wishes, &read.prompt),
        sample: 0,
        attempt: asking.attempt,
        digest: asking.digest,
        body,
    };
    let mut list = Vec::new();
    let mut output_tokens = 0;
    let mut thought_tokens = 0;
    let mut said = String::new();
    let seed = body["seed"].as_u64().unwrap_or(0);
    for index in 0..wishes.samples {
        question.sample = seed.wrapping_add(index);
        let reply = behaviour.answers.answer(&question);
        let choice = Choice::of(behaviour, asking, &wishes, &question, reply, index);
        output_tokens += choice.tokens;
        thought_tokens += choice.thoughts;
        if index == 0 {
            said.clone_from(&choice.said);
        }
        list.push(choice.json);
    }
    let mut answer = json!({
        "id": format!("chatcmpl-{}", asking.digest),
        "object": "chat.completion",
        "created": 0,
        "model": read.model,
        "choices": list,
    });
    if asking.fault != Some(&Fault::NoUsage) {
        answer["usage"] = json!({
            "prompt_tokens": read.tokens,
            "completion_tokens": output_tokens,
            "total_tokens": read.tokens + output_tokens,
            "prompt_tokens_details": { "cached_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": thought_tokens },
        });
    }
    let mut response = Response::json(&answer);
    *response.note = Note { reply: said, input_tokens: read.tokens, output_tokens, ..Note::default() };
    Ok(response)
}

/// One of `choices`, and what it cost.
struct Choice {
    json: Value,
    tokens: u64,
    thoughts: u64,
    said: String,
}

impl Choice {
    fn of(
        behaviour: &Behaviour,
        asking: &Asking<'_>,
        wishes: &Wishes<'_>,
        question: &Question<'_>,
        reply: Reply,
        index: u64,
    ) -> Self {
        let refusal = match (asking.fault, &reply) {
            (Some(Fault::Refusal), _) => Some("I cannot help with that.".to_owned()),
            (_, Reply::Refusal(words)) => Some(words.clone()),
            _ => None,
        };
        if let Some(words) = refusal {
            let tokens = tokens(words.len());
            let message = json!({ "role": "assistant", "content": null, "refusal": words });
            let json = json!({ "index": index, "message": message, "logprobs": null, "finish_reason": "stop" });
            return Self { json, tokens, thoughts: 0, said: "refusal".into() };
        }
        if asking.fault == Some(&Fault::ContentFilter) {
            let message = json!({ "role": "assistant", "content": "", "refusal": null });
            let json =
                json!({ "index": index, "message": message, "logprobs": null, "finish_reason": "content_filter" });
            return Self { json, tokens: 0, thoughts: 0, said: "content_filter".into() };
        }
        let mut said = String::new();
        let mut pieces = Pieces::default();
        if asking.fault == Some(&Fault::Think) || wishes.thinks == Thinking::Content {
            pieces.plain(&format!("<think>\n{THOUGHTS}\n</think>\n\n"));
        }
        let mut endless = false;
        if asking.fault == Some(&Fault::Whitespace) {
            pieces.plain(if wishes.schema.is_some() { "{\"label\":" } else { "" });
            let left = wishes.limit.unwrap_or(LONG_LOOP).saturating_sub(pieces.0.len() as u64);
            pieces.plain(&" \n\t\n".repeat(left as usize));
            "white space".clone_into(&mut said);
            endless = true;
        } else {
            said = write(behaviour, asking, wishes, question, reply, index, &mut pieces);
        }
        if asking.fault == Some(&Fault::MalformedContent) {
            let text = pieces.text().replace('"', "'");
            pieces = Pieces::default();
            pieces.plain(text.strip_suffix('}').unwrap_or(&text));
        }
        let thoughts = if wishes.thinks == Thinking::Field { tokens(THOUGHTS.len()) } else { 0 };
        let limit = wishes.limit.unwrap_or(USUAL_LIMIT);
        let thoughts_cut = thoughts.min(limit);
        let left = (limit - thoughts_cut) as usize;
        // A token limit that is just reached is reported as such: the end was never generated.
        let full = pieces.cut(left) || pieces.0.len() == left || endless;
        let mut message = json!({ "role": "assistant", "content": pieces.text(), "refusal": null });
        if thoughts > 0 {
            message["reasoning_content"] = THOUGHTS.into();
        }
        let mut json = json!({ "index": index, "message": message });
        let given = wishes.top.filter(|_| asking.fault != Some(&Fault::NoLogprobs));
        match (behaviour.capabilities.logprobs, given) {
            (Logprobs::Given, Some(top)) => {
                json["logprobs"] = json!({ "content": pieces.logprobs(top), "refusal": null });
            }
            (Logprobs::Missing, _) => {}
            _ => json["logprobs"] = Value::Null,
        }
        json["finish_reason"] = if full { "length" } else { "stop" }.into();
        Self { json, tokens: pieces.0.len() as u64 + thoughts_cut, thoughts: thoughts_cut, said }
    }
}

/// Writes an answer as tokens and says what it was.
fn write(
    behaviour: &Behaviour,
    asking: &Asking<'_>,
    wishes: &Wishes<'_>,
    question: &Question<'_>,
    reply: Reply,
    index: u64,
    pieces: &mut Pieces,
) -> String {
    let options = question.asked.options();
    let place = |label: &str| match &question.asked {
        Asked::Letter(choices) => place_of(choices, label),
        _ => options.iter().position(|option| *option == label),
    };
    let mut distribution = Distribution::of(&reply, options.len(), question.digest, place);
    if let Some(distribution) = &mut distribution {
        if wishes.temperature > 0.0 {
            let again = if behaviour.capabilities.reproducible { 0 } else { u64::from(asking.attempt) << 32 };
            distribution.draw(question.digest.unit(behaviour.seed, again + 1000 + index));
        }
        if asking.fault == Some(&Fault::UnknownLabel) {
            distribution.wander("none of these");
        }
    }
    let named = if let Reply::Label(label, _) = &reply { Some(label.clone()) } else { None };
    let name = |distribution: &Distribution| match (&distribution.said, &named) {
        (Ok(said), Some(label)) if place(label) == Some(*said) => label.clone(),
        // A choice of the prompt carries its definition.
        (Ok(said), _) if matches!(question.asked, Asked::Letter(_)) => {
            options[*said].split(": ").next().unwrap_or_default().to_owned()
        }
        (Ok(said), _) => options[*said].to_owned(),
        (Err(words), _) => words.clone(),
    };
    match (&question.asked, reply, distribution) {
        (Asked::Letter(_), _, Some(distribution)) => {
            pieces.letter(&distribution, wishes.top.unwrap_or(0));
            name(&distribution)
        }
        (Asked::Text, Reply::Label(label, _), _) => {
            pieces.plain(&label);
            label
        }
        (_, Reply::Text(text), _) => {
            pieces.plain(&text);
            text
        }
        (_, reply, distribution) => {
            let mut inner = Pieces::default();
            let (before, after) = match behaviour.capabilities.schema {
                Schema::Kept | Schema::Refused => ("", ""),
                Schema::Fenced => ("```json\n", "\n```"),
                Schema::Bare if matches!(question.asked, Asked::Label(_)) => {
                    let label = distribution.as_ref().map(name).unwrap_or_default();
                    pieces.plain(&label);
                    return label;
                }
                Schema::Prose | Schema::Bare => ("Here is the answer: ", " I hope that helps."),
            };
            object(wishes.schema.unwrap_or(&Value::Null), &reply, distribution.as_ref(), options, &mut inner, asking);
            let said = match &distribution {
                Some(distribution) if matches!(question.asked, Asked::Label(_)) => name(distribution),
                _ => inner.text(),
            };
            pieces.plain(before);
            pieces.0.append(&mut inner.0);
            pieces.plain(after);
            said
        }
    }
}

/// Writes an object of the schema, property by property in its order. Properties that the answer does not speak of get
/// the plainest value their schema allows.
fn object(
    schema: &Value,
    reply: &Reply,
    distribution: Option<&Distribution>,
    options: &[&str],
    pieces: &mut Pieces,
    asking: &Asking<'_>,
) {
    let unknown = asking.fault == Some(&Fault::UnknownLabel);
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let record = if let Reply::Record(record) = reply { Some(record) } else { None };
    if let Some(record) = record.filter(|record| !record.is_object()) {
        return pieces.plain(&record.to_string());
    }
    let sure = distribution.map(|distribution| match distribution.said {
        Ok(place) => distribution.probabilities[place],
        Err(_) => distribution.outside,
    });
    pieces.plain("{");
    for (place, (name, property)) in properties.iter().enumerate() {
        pieces.plain(&format!("{}{}:", if place > 0 { "," } else { "" }, json!(name)));
        match (name.as_str(), reply, distribution) {
            ("label", _, Some(distribution)) => {
                let options: Vec<String> = options.iter().map(|option| json!(option).to_string()).collect();
                pieces.option(&options, distribution);
            }
            ("labels", Reply::Labels(labels), _) => {
                let strange = [("none of these".to_owned(), 0.9)];
                list(pieces, if unknown { &strange } else { labels.as_slice() });
            }
            ("labels" | "candidates", _, Some(distribution)) => {
                let several = if name == "labels" {
                    distribution.said.as_ref().map(|place| vec![*place]).unwrap_or_default()
                } else {
                    distribution.plausible()
                };
                let mut named: Vec<_> = several
                    .into_iter()
                    .map(|place| (options[place].to_owned(), distribution.probabilities[place]))
                    .collect();
                if let Err(words) = &distribution.said {
                    named = vec![(words.clone(), distribution.outside)];
                }
                list(pieces, &named);
            }
            ("spans", Reply::Spans(spans), _) => {
                let items = spans.iter().map(|(quote, label)| {
                    let mut span = plainest(&property["items"]);
                    span["quote"] = quote.as_str().into();
                    span["label"] = if unknown { "none of these" } else { label.as_str() }.into();
                    span
                });
                pieces.plain(&Value::Array(items.collect()).to_string());
            }
            ("quotes", Reply::Spans(spans), _) => {
                let own = spans.iter().filter(|(_, label)| options.contains(&label.as_str()));
                pieces.plain(&Value::Array(own.map(|(quote, _)| quote.as_str().into()).collect()).to_string());
            }
            ("confidence" | "probability", _, Some(_)) => {
                let sure = sure.unwrap_or_default();
                let percent = property["maximum"].as_f64().is_some_and(|most| most > 1.0);
                let value = if percent { json!((sure * 100.0).round() as u64) } else { json!(sure) };
                pieces.plain(&value.to_string());
            }
            _ => {
                let given = record.and_then(|record| record.get(name)).cloned();
                pieces.plain(&given.unwrap_or_else(|| plainest(property)).to_string());
            }
        }
    }
    // Properties of the record that the schema does not have are said all the same: models do.
    if let Some(record) = record.and_then(Value::as_object) {
        let mut first = properties.is_empty();
        for (name, value) in record.iter().filter(|(name, _)| !properties.contains_key(*name)) {
            pieces.plain(&format!("{}{}:{value}", if first { "" } else { "," }, json!(name)));
            first = false;
        }
    }
    pieces.plain("}");
}

fn list(pieces: &mut Pieces, labels: &[(String, f64)]) {
    pieces.plain("[");
    for (place, (label, probability)) in labels.iter().enumerate() {
        pieces.plain(if place > 0 { ",\"" } else { "\"" });
        let quoted = json!(label).to_string();
        pieces.sure(&quoted[1..], *probability);
    }
    pieces.plain("]");
}

/// The plainest value of a schema.
fn plainest(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|options| options.first()) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) if kinds.iter().any(|kind| kind == "null") => "null",
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
        kind => kind.as_str().unwrap_or("null"),
    };
    match kind {
        "string" => json!("so it reads"),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(1.0)),
        "boolean" => json!(false),
        "array" => json!([]),
        "object" => {
            let properties = schema["properties"].as_object();
            Value::Object(properties.into_iter().flatten().map(|(name, of)| (name.clone(), plainest(of))).collect())
        }
        _ => Value::Null,
    }
}
