//! From what a labelling function returned to an answer.

use postil_core::{Class, TaskKind};
use starlark::values::dict::DictRef;
use starlark::values::float::UnpackFloat;
use starlark::values::{Heap, UnpackValue, Value};

use super::wire::Reply;

/// The labels of the task, in class order, as the worker knows them.
pub(super) struct Labels {
    names: Vec<String>,
    positions: std::collections::HashMap<String, Class>,
    kind: TaskKind,
}

impl Labels {
    pub(super) fn new(names: &[&str], kind: TaskKind) -> Self {
        let positions = names.iter().enumerate().map(|(class, name)| ((*name).to_owned(), class as Class)).collect();
        Self { names: names.iter().map(|&name| name.to_owned()).collect(), positions, kind }
    }

    fn class(&self, name: &str) -> Result<Class, String> {
        // Few labels are found faster by looking at them than by hashing.
        let found = if self.names.len() <= 8 {
            self.names.iter().position(|label| label == name).map(|class| class as Class)
        } else {
            self.positions.get(name).copied()
        };
        found.ok_or_else(|| {
            let mut known: Vec<String> = self.names.iter().take(12).map(|name| format!("`{name}`")).collect();
            if self.names.len() > known.len() {
                known.push(format!("and {} more", self.names.len() - known.len()));
            }
            format!("expected one of the labels {}, found `{}`", known.join(", "), clip(name))
        })
    }

    /// Reads a returned value; the error says what does not fit.
    pub(super) fn read<'v>(&self, value: Value<'v>, heap: Heap<'v>) -> Result<Reply, String> {
        if value.is_none() {
            return Ok(Reply::Abstain);
        }
        if self.kind == TaskKind::Extract {
            return match DictRef::from_value(value) {
                Some(_) => value.to_json().map(Reply::Record).map_err(|error| error.to_string()),
                None => Err(format!("expected a dict of fields or None, found {}", clip(&value.to_repr()))),
            };
        }
        if let Some(name) = value.unpack_str() {
            return self.class(name).map(Reply::Class);
        }
        if let Some(weights) = DictRef::from_value(value) {
            return self.weights(weights.iter());
        }
        if matches!(value.get_type(), "list" | "tuple" | "set") {
            let values = value.iterate(heap).map_err(|error| error.without_diagnostic().to_string())?;
            return self.classes(values);
        }
        Err(format!(
            "expected a label, a list of labels, a dict of scores or None, found {} ({})",
            clip(&value.to_repr()),
            value.get_type()
        ))
    }

    fn classes<'v>(&self, values: impl Iterator<Item = Value<'v>>) -> Result<Reply, String> {
        let mut classes: Vec<Class> = Vec::new();
        for value in values {
            let name = value
                .unpack_str()
                .ok_or_else(|| format!("expected a list of labels, found {} in it", value.get_type()))?;
            let class = self.class(name)?;
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        classes.sort_unstable();
        Ok(match classes.as_slice() {
            _ if self.kind == TaskKind::Multilabel => Reply::Classes(classes),
            [] => Reply::Abstain,
            [class] => Reply::Class(*class),
            _ => Reply::Classes(classes),
        })
    }

    fn weights<'v>(&self, entries: impl Iterator<Item = (Value<'v>, Value<'v>)>) -> Result<Reply, String> {
        let mut weights = Vec::new();
        for (name, weight) in entries {
            let name = name
                .unpack_str()
                .ok_or_else(|| format!("expected labels as the keys of the scores, found {}", name.get_type()))?;
            let class = self.class(name)?;
            let number = UnpackFloat::unpack_value(weight).ok().flatten().map(|UnpackFloat(number)| number);
            let several = self.kind == TaskKind::Multilabel;
            let bound = if several { 1.0 } else { f64::INFINITY };
            let number =
                number.filter(|number| number.is_finite() && *number >= 0.0 && *number <= bound).ok_or_else(|| {
                    let wanted = if several { "between 0 and 1" } else { "that is finite and not negative" };
                    format!("expected a score {wanted} for `{name}`, found {}", clip(&weight.to_repr()))
                })?;
            weights.push((class, number));
        }
        weights.sort_unstable_by_key(|&(class, _)| class);
        if self.kind == TaskKind::Multilabel {
            return Ok(if weights.is_empty() { Reply::Abstain } else { Reply::Weights(weights) });
        }
        // Divided by the largest first, so that huge scores do not overflow their sum.
        let largest = weights.iter().map(|&(_, weight)| weight).fold(0.0, f64::max);
        if largest == 0.0 {
            return Ok(Reply::Abstain);
        }
        let sum: f64 = weights.iter().map(|&(_, weight)| weight / largest).sum();
        weights.retain_mut(|(_, weight)| {
            *weight = *weight / largest / sum;
            *weight > 0.0
        });
        Ok(Reply::Weights(weights))
    }
}

/// At most a line of text.
pub(super) fn clip(text: &str) -> String {
    let mut short: String =
        text.chars().take(120).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
