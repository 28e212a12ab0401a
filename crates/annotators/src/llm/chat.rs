//! Replies of `chat/completions`.

use postil_core::{Class, Status};
use serde::Deserialize;

use super::ask::{Object, Shape, letter};
use super::object;
use super::said::{Heard, Reader, Said};

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Logprobs {
    #[serde(default)]
    content: Option<Vec<Place>>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    top_logprobs: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    logprob: f64,
}

#[derive(Clone, Copy, Deserialize)]
struct Usage {
    #[serde(default, alias = "input_tokens")]
    prompt_tokens: u64,
    #[serde(default, alias = "output_tokens")]
    completion_tokens: u64,
}

/// Tokens that a reply says it was billed for, whatever else it holds.
pub(super) fn usage(body: &[u8]) -> Option<(u64, u64)> {
    #[derive(Deserialize)]
    struct Only {
        usage: Option<Usage>,
    }
    let usage = serde_json::from_slice::<Only>(body).ok()?.usage?;
    Some((usage.prompt_tokens, usage.completion_tokens))
}

/// What a chat says, without thoughts; `None` if it says nothing.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let content = wire.choices.into_iter().next()?.message.content?;
    Some(without_thoughts(&content).to_owned()).filter(|words| !words.is_empty())
}

/// Reads the answers of a reply, of which so many were asked for: one that can be used, and the others with it.
pub(super) fn read(reader: &Reader<'_>, shape: &Shape, choices: usize, body: &[u8]) -> Said {
    let wire: Wire = match serde_json::from_slice(body) {
        Ok(wire) => wire,
        Err(error) => return Said::malformed(format!("expected a chat completion, found something else: {error}")),
    };
    let mut all: Vec<Said> =
        wire.choices.into_iter().take(choices).map(|choice| choice_says(reader, shape, choice)).collect();
    if all.is_empty() {
        return Said::malformed("expected one choice in the reply, found none");
    }
    let usable = all.iter().position(|said| said.failure.is_none()).unwrap_or(0);
    let fewer = all.len() < choices;
    let mut said = all.swap_remove(usable);
    said.repaired |= fewer;
    said.others = all;
    said.model = wire.model;
    said.usage = wire.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
    said
}

fn choice_says(reader: &Reader<'_>, shape: &Shape, choice: Choice) -> Said {
    let finish = choice.finish_reason.as_deref().unwrap_or("");
    if let Some(refusal) = choice.message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Said::without(Status::Refused, refusal);
    }
    if finish == "content_filter" {
        return Said::without(Status::Refused, "stopped by the server's content filter");
    }
    let content = choice.message.content.unwrap_or_default();
    let words = without_thoughts(&content);
    let places = choice.logprobs.and_then(|logprobs| logprobs.content).unwrap_or_default();
    match shape {
        Shape::Letters(order) => {
            let masses = letters(&places, order.len());
            letter_says(
                masses.as_ref(),
                words,
                order.len(),
                |said, place| said.class(reader, order[place]),
                |said, shares| {
                    let mut distribution = vec![0.0; reader.classes()];
                    for (&class, share) in order.iter().zip(shares) {
                        distribution[usize::from(class)] = *share;
                    }
                    said.distribution = Some(distribution);
                },
            )
        }
        Shape::YesNo { class, yes_first } => {
            let masses = letters(&places, 2);
            letter_says(
                masses.as_ref(),
                words,
                2,
                |said, place| said.heard = Some(Heard::Applies(*class, (place == 0) == *yes_first)),
                |said, shares| {
                    let share = shares[usize::from(!*yes_first)];
                    said.yes = Some((*class, share));
                },
            )
        }
        Shape::Object(object) => object_says(reader, *object, words, finish),
        Shape::Decision => Said::malformed("expected the reply of a decision model, found a chat completion"),
    }
}

fn object_says(reader: &Reader<'_>, object: Object, words: &str, finish: &str) -> Said {
    match object::read(words) {
        Ok((fields, repaired)) => {
            let mut said = object::says(reader, object, &fields);
            said.repaired |= repaired;
            if said.words.is_empty() {
                words.clone_into(&mut said.words);
            }
            said
        }
        Err(_) if finish == "length" => Said::malformed(format!("cut off at the most tokens: {}", brief(words))),
        Err(reason) => {
            // A server without fixed shapes may answer with the bare label.
            if matches!(object, Object::Label | Object::LabelAndNumber | Object::Candidates)
                && let Some((class, _)) = reader.class(words)
            {
                let mut said = Said { words: words.to_owned(), repaired: true, ..Said::default() };
                said.class(reader, class);
                return said;
            }
            Said::malformed(format!("{reason}: {}", brief(words)))
        }
    }
}

/// The probability of each letter at the first place where one of them stands, summed over the ways to write it, and
/// that of everything else.
fn letters(places: &[Place], count: usize) -> Option<(Vec<f64>, f64)> {
    for place in places {
        let mut masses = vec![0.0; count];
        for top in &place.top_logprobs {
            if let Some(which) = which_letter(&top.token, count)
                && top.logprob > -9000.0
                && top.logprob <= 1e-6
            {
                masses[which] += top.logprob.exp();
            }
        }
        let total: f64 = masses.iter().sum();
        if total > 0.0 && total.is_finite() {
            masses.iter_mut().for_each(|mass| *mass /= total);
            return Some((masses, (1.0 - total).max(0.0)));
        }
    }
    None
}

/// `A`, ` A`, `a`, `A.`, `(A)` and the like.
fn which_letter(token: &str, count: usize) -> Option<usize> {
    let bare = token.trim_matches(|sign: char| !sign.is_alphanumeric() || matches!(sign, 'Ġ' | '▁' | 'Ċ'));
    let mut signs = bare.chars();
    let (Some(sign), None) = (signs.next(), signs.next()) else { return None };
    (0..count).find(|&place| letter(place) == sign.to_ascii_uppercase())
}

fn letter_says(
    masses: Option<&(Vec<f64>, f64)>,
    words: &str,
    count: usize,
    take: impl Fn(&mut Said, usize),
    spread: impl Fn(&mut Said, &[f32]),
) -> Said {
    let mut said = Said { words: words.to_owned(), ..Said::default() };
    if let Some((shares, other)) = masses {
        let best = (0..count).fold(0, |best, place| if shares[place] > shares[best] { place } else { best });
        take(&mut said, best);
        let shares: Vec<f32> = shares.iter().map(|&share| share as f32).collect();
        spread(&mut said, &shares);
        said.other = *other as f32;
        return said;
    }
    // No probabilities came, whatever the server promised: the letter itself is still an answer.
    match which_letter(words.split_whitespace().next().unwrap_or(""), count) {
        Some(place) => {
            take(&mut said, place);
            said
        }
        None => Said::malformed(format!("expected a letter from A to {}, found: {}", letter(count - 1), brief(words))),
    }
}

/// Models that think aloud put their thoughts first.
fn without_thoughts(content: &str) -> &str {
    let content = content.trim();
    match content.strip_prefix("<think>") {
        Some(thoughts) => thoughts.split_once("</think>").map_or("", |(_, rest)| rest).trim(),
        None => content,
    }
}

pub(super) fn brief(words: &str) -> String {
    let short: String = words.trim().chars().take(200).collect();
    if short.is_empty() { "nothing".to_owned() } else { short }
}

/// The class of this place in a list of choices.
impl Said {
    pub(super) fn class(&mut self, reader: &Reader<'_>, class: Class) {
        debug_assert!(usize::from(class) < reader.classes());
        self.heard = Some(Heard::Class(class));
    }
}
