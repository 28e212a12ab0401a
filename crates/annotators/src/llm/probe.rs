//! What an endpoint truly supports, found out by asking rather than from its documentation.

use std::path::Path;
use std::time::Instant;

use postil_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{End, Endpoint};
use super::spec::{Dialect, LlmSpec};

/// The file in which a project keeps what was found out, beside `postil.toml`.
pub const PROBES: &str = "probes.json";

/// What one model at one endpoint supports. Unknown where nothing could be found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The endpoint.
    pub endpoint: String,
    /// The model that was asked for.
    pub model: String,
    /// The dialect.
    pub dialect: Dialect,
    /// The model that says it answered.
    #[serde(default)]
    pub answered_by: Option<String>,
    /// Whether the length of a reply is limited by `max_completion_tokens` and not by `max_tokens`.
    #[serde(default)]
    pub max_completion_tokens: bool,
    /// Whether the probabilities of letters come.
    #[serde(default)]
    pub logprobs: Option<bool>,
    /// Whether replies keep to a fixed shape.
    #[serde(default)]
    pub json_schema: Option<bool>,
    /// Whether one request can bring several answers.
    #[serde(default)]
    pub several: Option<bool>,
    /// Whether the same seed gives the same answer twice.
    #[serde(default)]
    pub seed: Option<bool>,
    /// Whether 256 choices are allowed, where the dialect has choices.
    #[serde(default)]
    pub many_choices: Option<bool>,
    /// Whether replies say what they cost.
    #[serde(default)]
    pub usage: Option<bool>,
    /// Seconds until a short reply came, the middle of all tries.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// What was strange, in words.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Tokens that finding out has cost, sent and received.
    #[serde(default)]
    pub tokens: u64,
}

impl Capabilities {
    /// Whether this is about the model of an entry.
    pub fn is_about(&self, spec: &LlmSpec) -> bool {
        self.endpoint == spec.endpoint && self.model == spec.model && self.dialect == spec.dialect
    }

    /// What a project has found out so far; nothing if it has not asked.
    ///
    /// # Errors
    /// The file is there and is not what [`keep`](Self::keep) writes.
    pub fn known(folder: &Path) -> Result<Vec<Self>> {
        let path = folder.join(PROBES);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::input(format!("the record of probes cannot be read: {error}"))
                    .in_file(&path)
                    .hint("delete it and run `postil probe` again")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("the record of probes cannot be read", error).in_file(&path)),
        }
    }

    /// Adds this to what a project knows, in place of what it knew of the same model.
    pub fn keep(self, folder: &Path) -> Result<()> {
        let path = folder.join(PROBES);
        let mut known = Self::known(folder)?;
        known.retain(|one| (&one.endpoint, &one.model, one.dialect) != (&self.endpoint, &self.model, self.dialect));
        known.push(self);
        let text = serde_json::to_string_pretty(&known)
            .map_err(|error| Error::input("the record of probes cannot be written").because(error))?;
        std::fs::write(&path, text + "\n")
            .map_err(|error| Error::io("the record of probes cannot be written", error).in_file(&path))
    }
}

/// Sends a handful of tiny requests and says what came of them.
///
/// # Errors
/// The endpoint cannot be reached, does not accept the key, does not know the model or the dialect.
pub fn probe(spec: &LlmSpec) -> Result<Capabilities> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::io("no connection can be made", error))?;
    runtime.block_on(async {
        let mut probe =
            Probe { endpoint: Endpoint::new(spec, false)?, spec, found: Capabilities::default(), times: Vec::new() };
        probe.found.endpoint.clone_from(&spec.endpoint);
        probe.found.model.clone_from(&spec.model);
        probe.found.dialect = spec.dialect;
        if spec.dialect == Dialect::Chat {
            probe.chat().await?;
        } else {
            probe.decisions().await?;
        }
        probe.times.sort_by(f64::total_cmp);
        probe.found.seconds = probe.times.get(probe.times.len() / 2).copied();
        Ok(probe.found)
    })
}

struct Probe<'a> {
    endpoint: Endpoint,
    spec: &'a LlmSpec,
    found: Capabilities,
    times: Vec<f64>,
}

impl Probe<'_> {
    async fn chat(&mut self) -> Result<()> {
        let letter = |length: &str, extra: &[(&str, Value)]| {
            let words = "A. yes\nB. no\n\nIs water wet? Answer with the letter and nothing else.";
            let mut body = json!({ "model": self.spec.model, "messages": [{ "role": "user", "content": words }],
                length: 1, "temperature": 0 });
            extra.iter().for_each(|(name, value)| body[*name] = value.clone());
            body
        };
        let plain = letter("max_tokens", &[]);
        let newer = letter("max_completion_tokens", &[]);
        let length = match self.ask(&plain).await? {
            Ok(_) => "max_tokens",
            Err(reason) => {
                if let Err(also) = self.ask(&newer).await? {
                    return Err(self.fails(&also));
                }
                self.found.remarks.push(format!("`max_tokens` is not accepted: {reason}"));
                self.found.max_completion_tokens = true;
                "max_completion_tokens"
            }
        };
        let logprobs = letter(length, &[("logprobs", json!(true)), ("top_logprobs", json!(20))]);
        let several = letter(length, &[("n", json!(2)), ("temperature", json!(1))]);
        let seeded = letter(length, &[("seed", json!(7)), ("temperature", json!(1))]);
        let schema = json!({ "type": "object", "properties": { "label": { "type": "string", "enum": ["yes", "no"] } },
            "required": ["label"], "additionalProperties": false });
        let mut shaped = json!({ "model": self.spec.model, "temperature": 0,
            "messages": [{ "role": "user", "content": "Is water wet? Answer with one JSON object: {\"label\": one of \"yes\", \"no\"}." }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": schema } } });
        shaped[length] = json!(32);

        let reply = self.ask(&logprobs).await?;
        self.found.logprobs = Some(self.noted("logprobs", reply).is_some_and(|reply| {
            reply
                .pointer("/choices/0/logprobs/content/0/top_logprobs")
                .and_then(Value::as_array)
                .is_some_and(|top| top.len() > 1)
        }));
        let reply = self.ask(&shaped).await?;
        self.found.json_schema = Some(self.noted("json_schema", reply).is_some_and(|reply| {
            let content = reply.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or("");
            let object: Value = serde_json::from_str(content).unwrap_or_default();
            matches!(object.get("label").and_then(Value::as_str), Some("yes" | "no"))
        }));
        let reply = self.ask(&several).await?;
        self.found.several = Some(self.noted("n", reply).is_some_and(|reply| {
            reply.get("choices").and_then(Value::as_array).is_some_and(|choices| choices.len() == 2)
        }));
        let (first, second) = (self.ask(&seeded).await?, self.ask(&seeded).await?);
        let content = |reply: Option<Value>| {
            reply.and_then(|reply| {
                reply.pointer("/choices/0/message/content").and_then(Value::as_str).map(str::to_owned)
            })
        };
        let (first, second) = (content(self.noted("seed", first)), content(self.noted("seed", second)));
        self.found.seed = first.zip(second).map(|(first, second)| first == second);
        Ok(())
    }

    async fn decisions(&mut self) -> Result<()> {
        let question = |choices: usize| {
            let names: Vec<String> = (0..choices).map(|number| format!("option {number}")).collect();
            if self.spec.dialect == Dialect::SystemOne {
                let criteria: serde_json::Map<String, Value> =
                    names.into_iter().map(|name| (name, Value::Null)).collect();
                json!({ "model": self.spec.model, "state": "Water is wet.", "questions": { "label":
                    { "type": "choice", "instructions": "Choose one.", "criteria": criteria } } })
            } else {
                let values: Vec<Value> =
                    names.iter().map(|name| json!({ "value": name, "description": null })).collect();
                json!({ "model": self.spec.model, "input": "Water is wet.", "questions": [
                    { "type": "choice", "name": "label", "instructions": "Choose one.", "choices": values }] })
            }
        };
        let (few, many) = (question(2), question(256));
        let reply = match self.ask(&few).await? {
            Ok(reply) => reply,
            Err(reason) => return Err(self.fails(&reason)),
        };
        let place = if self.spec.dialect == Dialect::SystemOne {
            "/answers/label/probabilities"
        } else {
            "/answers/0/probabilities"
        };
        self.found.logprobs = Some(reply.pointer(place).is_some());
        let reply = self.ask(&many).await?;
        self.found.many_choices = Some(self.noted("256 choices", reply).is_some());
        Ok(())
    }

    /// A reply, or why there is none. What may pass is tried a second time.
    async fn ask(&mut self, body: &Value) -> Result<Result<Value, String>> {
        let mut reason = String::new();
        for _ in 0..3 {
            let begun = Instant::now();
            match self.endpoint.send(body.to_string().into()).await {
                End::Reply(bytes) => {
                    self.times.push(begun.elapsed().as_secs_f64());
                    let usage = super::chat::usage(&bytes);
                    self.found.usage = Some(usage.is_some());
                    self.found.tokens += usage.map_or(0, |(input, output)| input + output);
                    let reply: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                    if let Some(model) = reply.get("model").and_then(Value::as_str) {
                        self.found.answered_by = Some(model.to_owned());
                    }
                    return Ok(Ok(reply));
                }
                End::Never(why) => return Ok(Err(why)),
                End::Stop(error) => return Err(error),
                End::Again { reason: why, pause, .. } => {
                    reason = why;
                    tokio::time::sleep(pause.unwrap_or_default().min(std::time::Duration::from_secs(20))).await;
                }
            }
        }
        Err(self.fails(&reason))
    }

    fn noted(&mut self, what: &str, reply: Result<Value, String>) -> Option<Value> {
        reply.map_err(|reason| self.found.remarks.push(format!("{what}: {reason}"))).ok()
    }

    fn fails(&self, reason: &str) -> Error {
        Error::unavailable(format!("{} cannot be asked: {reason}", self.spec.endpoint))
            .hint("check that it runs, and `endpoint`, `model` and `dialect`")
    }
}
