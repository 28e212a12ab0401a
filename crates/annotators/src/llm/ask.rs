//! From an item to requests: the exact bytes, and how the reply to each is to be read.

mod form;

use std::borrow::Cow;

use bytes::Bytes;
use postil_core::items::PairText;
use postil_core::record::RecordSchema;
use postil_core::{Class, Digest, Task, TaskKind};
use serde_json::{Map, Value, json};

use super::pairs;
use super::requirements;
use super::shown::{Right, Shown, in_words};
use super::spec::{Ask, Dialect, LlmSpec, Tokens};
use super::template::{Prompt, fenced, question};

/// What a reply to a request is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One letter; the classes that the letters stand for.
    Letters(Vec<Class>),
    /// `A` for yes and `B` for no to one label, or the other way round.
    YesNo { class: Class, yes_first: bool },
    /// An object.
    Object(Object),
    /// What a decision model gives.
    Decision,
}

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Label,
    LabelAndNumber,
    Candidates,
    Labels,
    Spans,
    /// All stretches of one label.
    Quotes(Class),
    /// The better of two.
    Side,
    /// Fields with quotes.
    Record,
}

/// One request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// The body, which is shared and not copied. What it says and to whom is all in here, but for the key of the endpoint.
    pub body: Bytes,
    /// What a reply is kept under: the dialect and the body.
    pub key: Digest,
    /// The tokens, as far as they are known before.
    pub tokens: Tokens,
    pub(super) shape: Shape,
    pub(super) prompt: usize,
    /// Of a pair: whether the right one is shown first.
    pub(super) swapped: bool,
    /// How many answers the reply is to hold.
    pub(super) choices: u32,
}

impl Request {
    /// The tokens that limits are held against before the bill is known.
    pub(super) const fn reserved(&self) -> u64 {
        self.tokens.input + self.tokens.most_output
    }
}

/// A chat that asks for words rather than for an answer of the task.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// What the model is to be.
    pub system: &'a str,
    /// What is asked.
    pub user: &'a str,
    /// How far it may stray.
    pub temperature: f32,
    /// The most tokens of the reply.
    pub most_tokens: u32,
    /// Tells repetitions of the same question apart.
    pub seed: u32,
}

impl Words<'_> {
    pub(super) fn request(&self, spec: &LlmSpec) -> Request {
        let length = if spec.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        let mut body = json!({
            "model": spec.model,
            "messages": [{ "role": "system", "content": self.system }, { "role": "user", "content": self.user }],
            "temperature": self.temperature,
            "seed": self.seed,
        });
        body[length] = json!(self.most_tokens);
        spec.extra.iter().for_each(|(name, value)| body[name.as_str()] = value.clone());
        let body = body.to_string().into_bytes();
        let key = Digest::of_parts([Dialect::Chat.path().as_bytes(), &body]);
        let (bytes, most_output) = (body.len() as u64, u64::from(self.most_tokens));
        let tokens = Tokens { input: bytes.div_ceil(4), output: most_output / 2, most_input: bytes + 64, most_output };
        let shape = Shape::Object(Object::Label);
        Request { body: body.into(), key, tokens, shape, prompt: 0, swapped: false, choices: 1 }
    }
}

/// The letters of choices: `A` to `Z`.
pub(super) const fn letter(place: usize) -> char {
    (b'A' + (place % 26) as u8) as char
}

/// Makes the requests of one annotator.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) ask: Ask,
    pub(super) dialect: Dialect,
    prompts: Vec<Prompt>,
    /// The body up to the user's words, per prompt.
    heads: Vec<Vec<u8>>,
    settings: Settings,
    choices: Choices,
    /// What demonstrations are chosen from, if there are any.
    pub(super) shown: Option<Shown>,
}

/// A text as it is shown, and what is shown beside it.
struct About<'a> {
    text: Cow<'a, str>,
    /// What was written about the group that it belongs to.
    required: &'a str,
    /// Of a pair: whether the right one stands first, here and in the demonstrations.
    swapped: bool,
    shown: Vec<(&'a str, &'a Right)>,
}

/// A text, or a pair with its sides exchanged.
fn in_order(text: &str, swapped: bool) -> Cow<'_, str> {
    if swapped { Cow::Owned(PairText::read(text).swapped().write()) } else { Cow::Borrowed(text) }
}

/// What is sent along with every request.
#[derive(Debug)]
struct Settings {
    model: String,
    temperature: f32,
    max_tokens: Option<u32>,
    length_field: &'static str,
    extra: Map<String, Value>,
    samples: u32,
    /// Answers in one reply: one, or all samples.
    choices: u32,
    both_orders: bool,
    reason: bool,
    candidates: bool,
}

/// What can be chosen.
#[derive(Debug)]
struct Choices {
    kind: TaskKind,
    question: String,
    guidelines: String,
    names: Vec<String>,
    definitions: Vec<Option<String>>,
    schema: Option<RecordSchema>,
}

impl Asker {
    pub(super) fn new(spec: &LlmSpec, task: &Task, ask: Ask, prompts: Vec<Prompt>, several: bool) -> Self {
        let usual = if ask == Ask::Samples { 0.7 } else { 0.0 };
        let settings = Settings {
            model: spec.model.clone(),
            temperature: spec.temperature.unwrap_or(usual),
            max_tokens: spec.max_tokens,
            length_field: if spec.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" },
            extra: spec.extra.clone(),
            samples: if ask == Ask::Samples { spec.samples } else { 1 },
            // Batches are priced and kept request by request: there one request has one answer.
            choices: if several && ask == Ask::Samples && spec.samples <= 128 && !spec.batch {
                spec.samples
            } else {
                1
            },
            both_orders: spec.both_orders.unwrap_or(task.kind == TaskKind::Pairs),
            reason: spec.reason,
            candidates: spec.candidates,
        };
        let labels = task.labels.labels();
        let choices = Choices {
            kind: task.kind,
            question: question(task),
            guidelines: task.guidelines.as_deref().unwrap_or("").trim().to_owned(),
            names: labels.iter().map(|label| label.name.to_string()).collect(),
            definitions: labels.iter().map(|label| label.definition.clone()).collect(),
            schema: task.labels.schema().cloned(),
        };
        let heads = prompts
            .iter()
            .map(|prompt| {
                let system = json!({ "role": "system", "content": prompt.system });
                format!(
                    "{{\"model\":{},\"messages\":[{system},{{\"role\":\"user\",\"content\":",
                    Value::from(&*settings.model)
                )
                .into_bytes()
            })
            .collect();
        Self { ask, dialect: spec.dialect, prompts, heads, settings, choices, shown: None }
    }

    /// All requests about one text, always in the same order; `required` is what was written about its group.
    pub(super) fn requests(&self, text: &str, required: &str) -> Vec<Request> {
        if self.choices.kind == TaskKind::Pairs {
            let orders = [false, true].into_iter().take(if self.settings.both_orders { 2 } else { 1 });
            let requests =
                |swapped| self.as_shown(text, required, swapped).into_iter().map(move |one| Request { swapped, ..one });
            return orders.flat_map(requests).collect();
        }
        self.as_shown(text, required, false)
    }

    fn as_shown(&self, text: &str, required: &str, swapped: bool) -> Vec<Request> {
        if self.dialect != Dialect::Chat {
            return self.decisions(&in_order(text, swapped));
        }
        let about = self.about(text, required, swapped);
        let mut requests = Vec::new();
        for prompt in 0..self.prompts.len() {
            for shape in self.shapes(self.prompts[prompt].about) {
                for sample in 0..self.settings.samples / self.settings.choices {
                    requests.push(self.chat(prompt, &about, shape.clone(), sample, None));
                }
            }
        }
        requests
    }

    /// The same question once more after a reply that could not be used, without the fixed shape, which some servers
    /// fill with blanks. There is one such turn.
    pub(super) fn again(&self, request: &Request, (text, required): (&str, &str), reason: &str) -> Option<Request> {
        let Shape::Object(_) = request.shape else { return None };
        let about = self.about(text, required, request.swapped);
        let again = self.chat(request.prompt, &about, request.shape.clone(), 0, Some(reason));
        Some(Request { swapped: request.swapped, ..again })
    }

    /// What a request is about: the text as it is shown, and the demonstrations beside it.
    fn about<'a>(&'a self, text: &'a str, required: &'a str, swapped: bool) -> About<'a> {
        let shown = self.shown.as_ref().map(|shown| shown.beside(text)).unwrap_or_default();
        About { text: in_order(text, swapped), required, swapped, shown }
    }

    /// Whether a prompt has no place of this name in the part for one item.
    pub(super) fn without(&self, place: &str) -> bool {
        self.prompts.iter().any(|prompt| !prompt.has(place))
    }

    /// The bytes that a demonstration adds to a request, at most.
    pub(super) fn demonstration_bytes(&self, text: &str) -> u64 {
        let longest = (0..self.choices.names.len()).max_by_key(|&class| self.choices.names[class].len()).unwrap_or(0);
        let bytes = |shape: &Shape| {
            let right = Right::Class(longest as Class);
            let words = in_words(&[(text, &right)], &fenced, &|right| self.right(shape, right, false));
            Value::from(words).to_string().len() as u64
        };
        self.shapes(None).iter().map(bytes).max().unwrap_or(0)
    }

    /// The right answer to a demonstration, in the form that is asked for; `swapped` for a pair whose sides are exchanged.
    fn right(&self, shape: &Shape, right: &Right, swapped: bool) -> String {
        let name = |class: Class| self.choices.names[usize::from(class)].as_str();
        match (shape, right) {
            (Shape::Letters(order), Right::Class(class)) => {
                let class = pairs::side_shown(*class, swapped);
                let place = order.iter().position(|&one| one == class).unwrap_or(0);
                format!("{}. {}", letter(place), self.choice(class))
            }
            (Shape::YesNo { class, yes_first }, Right::Set(classes)) => {
                let applies = classes.contains(class);
                format!("{}. {}", letter(usize::from(applies != *yes_first)), if applies { "yes" } else { "no" })
            }
            (Shape::Object(Object::Side), Right::Class(class)) => {
                json!({ "label": pairs::SHOWN[usize::from(pairs::side_shown(*class, swapped))] }).to_string()
            }
            (Shape::Object(Object::Candidates), Right::Class(class)) => {
                json!({ "candidates": [name(*class)] }).to_string()
            }
            (_, Right::Class(class)) => json!({ "label": name(*class) }).to_string(),
            (_, Right::Set(classes)) => {
                json!({ "labels": classes.iter().copied().map(name).collect::<Vec<_>>() }).to_string()
            }
            (Shape::Object(Object::Quotes(wanted)), Right::Marks(marks)) => {
                let own = marks.iter().filter(|(_, class)| class == wanted).map(|(quote, _)| quote);
                json!({ "quotes": own.collect::<Vec<_>>() }).to_string()
            }
            (_, Right::Marks(marks)) => {
                let marks = marks.iter().map(|(quote, class)| json!({ "quote": quote, "label": name(*class) }));
                json!({ "spans": marks.collect::<Vec<_>>() }).to_string()
            }
        }
    }

    /// A choice as it stands behind its letter.
    fn choice(&self, class: Class) -> &str {
        match self.choices.kind {
            TaskKind::Pairs => pairs::choice(class),
            _ => &self.choices.names[usize::from(class)],
        }
    }

    /// What a prompt asks for; `about` is the one label that it is about.
    fn shapes(&self, about: Option<Class>) -> Vec<Shape> {
        let classes = self.choices.names.len() as Class;
        match (self.ask, self.choices.kind) {
            (Ask::Letter, TaskKind::Multilabel) => (0..classes)
                .flat_map(|class| {
                    let first = Shape::YesNo { class, yes_first: true };
                    let second = self.settings.both_orders.then_some(Shape::YesNo { class, yes_first: false });
                    std::iter::once(first).chain(second)
                })
                .collect(),
            (Ask::Letter, TaskKind::Pairs) => vec![Shape::Letters((0..classes).collect())],
            (_, TaskKind::Pairs) => vec![Shape::Object(Object::Side)],
            (Ask::Letter, _) => {
                let first = Shape::Letters((0..classes).collect());
                let second = self.settings.both_orders.then(|| Shape::Letters((0..classes).rev().collect()));
                std::iter::once(first).chain(second).collect()
            }
            (_, TaskKind::Extract) => vec![Shape::Object(Object::Record)],
            (_, TaskKind::Spans | TaskKind::Tag) => vec![Shape::Object(about.map_or(Object::Spans, Object::Quotes))],
            (_, TaskKind::Multilabel) => vec![Shape::Object(Object::Labels)],
            (Ask::Verbal, _) => vec![Shape::Object(Object::LabelAndNumber)],
            _ if self.settings.candidates => vec![Shape::Object(Object::Candidates)],
            _ => vec![Shape::Object(Object::Label)],
        }
    }

    fn chat(&self, prompt: usize, about: &About<'_>, shape: Shape, sample: u32, complaint: Option<&str>) -> Request {
        let (choices, answer) = self.words(&shape);
        let (text, swapped) = (about.text.as_ref(), about.swapped);
        let of_pairs = self.choices.kind == TaskKind::Pairs;
        let beside = |text: &str| {
            if of_pairs { pairs::shown(&PairText::read(&in_order(text, swapped))) } else { fenced(text) }
        };
        let demonstrations = in_words(&about.shown, &beside, &|right| self.right(&shape, right, swapped));
        let item = if of_pairs { pairs::shown(&PairText::read(text)) } else { fenced(text) };
        let mut user = self.prompts[prompt].item(
            &demonstrations,
            &requirements::in_words(about.required),
            &item,
            &choices,
            &answer,
        );
        if let Some(complaint) = complaint {
            user.push_str("\n\nAn earlier answer could not be used: ");
            user.push_str(complaint);
            user.push_str(". Answer with the object alone.");
        }
        let mut body = self.heads[prompt].clone();
        serde_json::to_writer(&mut body, &user).expect("text is written to memory");
        body.extend_from_slice(b"}]");
        let most_output = self.most_output(&shape, text);
        let mut rest = Map::new();
        rest.insert("temperature".to_owned(), json!(self.settings.temperature));
        rest.insert(self.settings.length_field.to_owned(), json!(most_output));
        if matches!(shape, Shape::Letters(_) | Shape::YesNo { .. }) {
            rest.insert("logprobs".to_owned(), json!(true));
            rest.insert("top_logprobs".to_owned(), json!(20));
        }
        if let (Shape::Object(object), None) = (&shape, complaint) {
            rest.insert("response_format".to_owned(), self.response_format(*object));
        }
        if self.settings.choices > 1 {
            rest.insert("n".to_owned(), json!(self.settings.samples));
        } else if self.settings.samples > 1 {
            rest.insert("seed".to_owned(), json!(sample));
        }
        for (name, value) in &self.settings.extra {
            rest.insert(name.clone(), value.clone());
        }
        let rest = Value::Object(rest).to_string();
        body.push(b',');
        body.extend_from_slice(&rest.as_bytes()[1..]);
        let output = if matches!(shape, Shape::Object(_)) { most_output.div_ceil(4) } else { 1 };
        let choices = self.settings.choices;
        let (output, most_output) = (output * u64::from(choices), most_output * u64::from(choices));
        Request { choices, ..self.request(body, shape, prompt, output, most_output) }
    }

    fn decisions(&self, text: &str) -> Vec<Request> {
        let choices = &self.choices;
        let instructions = if choices.guidelines.is_empty() {
            choices.question.clone()
        } else {
            format!("{}\n\n{}", choices.question, choices.guidelines)
        };
        let of_label = |place: usize| match &choices.definitions[place] {
            Some(definition) => format!("Does the label `{}` apply to the text? {definition}", choices.names[place]),
            None => format!("Does the label `{}` apply to the text?", choices.names[place]),
        };
        let names = || choices.names.iter().enumerate();
        let scale = choices.kind == TaskKind::Ordinal && (2..=10).contains(&choices.names.len());
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(self.settings.model));
        if self.dialect == Dialect::SystemOne {
            let questions: Map<String, Value> = if choices.kind == TaskKind::Multilabel {
                names()
                    .map(|(place, name)| (name.clone(), json!({ "type": "noul", "instructions": of_label(place) })))
                    .collect()
            } else if scale {
                Map::from_iter([(
                    "label".to_owned(),
                    json!({ "type": "score", "instructions": instructions, "criteria": choices.names }),
                )])
            } else {
                let criteria: Map<String, Value> =
                    names().map(|(place, name)| (name.clone(), json!(choices.definitions[place]))).collect();
                Map::from_iter([(
                    "label".to_owned(),
                    json!({ "type": "choice", "instructions": instructions, "criteria": criteria }),
                )])
            };
            let state = if choices.kind == TaskKind::Pairs { json!(PairText::read(text)) } else { json!(text) };
            body.insert("state".to_owned(), state);
            body.insert("questions".to_owned(), Value::Object(questions));
        } else {
            let questions: Vec<Value> = if choices.kind == TaskKind::Multilabel {
                names()
                    .map(|(place, name)| json!({ "type": "predicate", "name": name, "instructions": of_label(place) }))
                    .collect()
            } else if scale {
                let levels: Vec<Value> = names()
                    .map(|(place, name)| json!({ "label": name, "description": choices.definitions[place] }))
                    .collect();
                vec![json!({ "type": "score", "name": "label", "instructions": instructions, "levels": levels })]
            } else {
                let values: Vec<Value> = names()
                    .map(|(place, name)| json!({ "value": name, "description": choices.definitions[place] }))
                    .collect();
                vec![json!({ "type": "choice", "name": "label", "instructions": instructions, "choices": values })]
            };
            body.insert("input".to_owned(), json!(text));
            body.insert("questions".to_owned(), Value::Array(questions));
        }
        for (name, value) in &self.settings.extra {
            body.insert(name.clone(), value.clone());
        }
        vec![self.request(Value::Object(body).to_string().into_bytes(), Shape::Decision, 0, 0, 0)]
    }

    fn request(&self, body: Vec<u8>, shape: Shape, prompt: usize, output: u64, most_output: u64) -> Request {
        let key = Digest::of_parts([self.dialect.path().as_bytes(), &body]);
        let bytes = body.len() as u64;
        let tokens = Tokens { input: bytes.div_ceil(4), output, most_input: bytes + 64, most_output };
        Request { body: body.into(), key, tokens, shape, prompt, swapped: false, choices: 1 }
    }
}
