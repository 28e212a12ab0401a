//! Replies of decision models, in both shapes that are served.

#![expect(clippy::result_large_err, reason = "a reply that cannot be read is as large as one that can")]

use postil_core::{Class, Status, TaskKind};
use serde_json::Value;

use super::chat::brief;
use super::said::{Heard, Reader, Said};
use super::spec::Dialect;

/// Reads the reply to the questions about one item.
pub(super) fn read(reader: &Reader<'_>, dialect: Dialect, body: &[u8]) -> Said {
    let wire: Value = match serde_json::from_slice(body) {
        Ok(wire) => wire,
        Err(error) => return Said::malformed(format!("expected a decision, found something else: {error}")),
    };
    let mut said = answers(reader, dialect, &wire).unwrap_or_else(|failure| failure);
    said.model = wire.get("model").and_then(Value::as_str).map(str::to_owned);
    said.usage = wire.get("usage").map(|usage| {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        (count("input_tokens"), count("output_tokens"))
    });
    said
}

fn answers(reader: &Reader<'_>, dialect: Dialect, wire: &Value) -> Result<Said, Said> {
    let missing = || Said::malformed(format!("expected answers in the reply, found: {}", brief(&wire.to_string())));
    let all = wire.get("answers").ok_or_else(missing)?;
    // One shape names its answers, the other lists them in the order of the questions.
    let answer = |place: usize, name: &str| match dialect {
        Dialect::Decisions => all.get(place),
        _ => all.get(name),
    };
    if reader.task.kind == TaskKind::Multilabel {
        return multilabel(reader, &answer);
    }
    let answer = answer(0, "label").ok_or_else(missing)?;
    refused(answer)?;
    let kind = answer.get("type").and_then(Value::as_str).unwrap_or("");
    let mut distribution = vec![0.0f32; reader.classes()];
    for (name, probability) in probabilities(answer) {
        let class = if kind == "score" { level(reader, &name) } else { reader.class(&name).map(|(class, _)| class) };
        let class = class.ok_or_else(|| Said::malformed(format!("unknown label `{name}`")))?;
        distribution[usize::from(class)] += probability as f32;
    }
    let total: f32 = distribution.iter().sum();
    let known = total > 0.0 && total.is_finite() && distribution.iter().all(|share| *share >= 0.0);
    let mut said = Said::default();
    if known {
        distribution.iter_mut().for_each(|share| *share /= total);
        said.other = (1.0 - total).max(0.0);
    }
    if kind == "score" {
        let score = answer.get("score").and_then(Value::as_f64);
        let score = score.or_else(|| known.then(|| expected_level(&distribution)));
        let top = (reader.classes() - 1) as f64;
        let score = score.filter(|score| (0.0..=top).contains(score));
        said.heard = Some(Heard::Score(score.ok_or_else(|| {
            Said::malformed(format!("expected a score from 0 to {top}, found: {}", brief(&answer.to_string())))
        })?));
    } else {
        let chosen = answer.get("choice").and_then(text_of);
        let class = match chosen {
            Some(name) => reader.class(&name).map(|(class, _)| class),
            None => known.then(|| most(&distribution)),
        };
        let class = class
            .ok_or_else(|| Said::malformed(format!("unknown label in the reply: {}", brief(&answer.to_string()))))?;
        said.class(reader, class);
    }
    said.distribution = known.then_some(distribution);
    Ok(said)
}

fn multilabel<'a>(reader: &Reader<'_>, answer: &impl Fn(usize, &str) -> Option<&'a Value>) -> Result<Said, Said> {
    let mut each = Vec::with_capacity(reader.classes());
    for (place, name) in reader.task.labels.names().enumerate() {
        let found =
            answer(place, name).ok_or_else(|| Said::malformed(format!("no answer about the label `{name}`")))?;
        refused(found)?;
        let probability = found.get("noul").or_else(|| found.get("probability")).and_then(Value::as_f64);
        let probability = probability.filter(|probability| (0.0..=1.0).contains(probability)).ok_or_else(|| {
            Said::malformed(format!("expected a probability for `{name}`, found: {}", brief(&found.to_string())))
        })?;
        each.push(probability as f32);
    }
    let labels = each.iter().enumerate().filter(|(_, share)| **share >= 0.5).map(|(class, _)| class as Class).collect();
    Ok(Said { heard: Some(Heard::Labels(labels)), each: Some(each), ..Said::default() })
}

fn refused(answer: &Value) -> Result<(), Said> {
    match answer.get("refusal") {
        None | Some(Value::Null) => Ok(()),
        Some(refusal) => Err(Said::without(Status::Refused, text_of(refusal).unwrap_or_else(|| refusal.to_string()))),
    }
}

/// Names and probabilities: an object in one shape, a list of values (or labels) in the other.
fn probabilities(answer: &Value) -> Vec<(String, f64)> {
    match answer.get("probabilities") {
        Some(Value::Object(named)) => {
            named.iter().filter_map(|(name, share)| Some((name.clone(), share.as_f64()?))).collect()
        }
        Some(Value::Array(listed)) => listed
            .iter()
            .filter_map(|one| {
                let name = one.get("label").or_else(|| one.get("value")).and_then(text_of)?;
                Some((name, one.get("probability")?.as_f64()?))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A level by its number, or by its name.
fn level(reader: &Reader<'_>, name: &str) -> Option<Class> {
    if let Some((class, _)) = reader.class(name) {
        return Some(class);
    }
    name.parse::<usize>().ok().filter(|&level| level < reader.classes()).map(|level| level as Class)
}

fn expected_level(distribution: &[f32]) -> f64 {
    distribution.iter().enumerate().map(|(level, share)| level as f64 * f64::from(*share)).sum()
}

pub(super) fn most(distribution: &[f32]) -> Class {
    (0..distribution.len()).fold(0, |best, class| if distribution[class] > distribution[best] { class } else { best })
        as Class
}
