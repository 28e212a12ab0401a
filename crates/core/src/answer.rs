//! What an annotator can say, for every kind of task.

use serde::{Deserialize, Serialize};

use crate::number;
use crate::task::{Name, TaskKind};

/// An annotator's answer about one item.
///
/// Answers carry label names, not positions, so that a stored answer stays readable when the label list changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// One label.
    Class {
        /// The label.
        label: Name,
    },
    /// The labels that apply, possibly none: an empty set says "none applies", which is not an abstention.
    Set {
        /// The labels, in the order given.
        labels: Vec<Name>,
    },
    /// A place on an ordered scale.
    Ordinal {
        /// The nearest level.
        label: Name,
        /// The place between levels, counted from 0 at the lowest, when the annotator gave a finer one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "number::optional")]
        score: Option<f64>,
    },
    /// The truth is one of these; the annotator does not say which.
    Candidates {
        /// At least one label.
        labels: Vec<Name>,
    },
    /// A weight for every label that is possible; non-negative, summing to one.
    Distribution {
        /// Label and weight.
        #[serde(deserialize_with = "number::named")]
        weights: Vec<(Name, f64)>,
    },
    /// Labelled stretches of the item's text.
    Spans {
        /// The spans, in the order given.
        spans: Vec<Span>,
        /// Links between them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<Link>,
    },
    /// One tag per token.
    Tags {
        /// As many tags as the item has tokens.
        tags: Vec<Name>,
    },
    /// Which of two is better.
    Preference {
        /// The side.
        choice: Preference,
        /// Of an annotator that was asked twice: what it said with the left one shown first, and with the right one
        /// shown first. Where the two contradict each other its choice follows the place and not the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        orders: Option<(Preference, Preference)>,
    },
    /// A value per field.
    Record {
        /// The fields, in the order given; null where the text does not say. A field that is missing is one about which
        /// nothing is said.
        fields: serde_json::Map<String, serde_json::Value>,
        /// Where the values stand in the text; the label of a span is its field.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Span>,
        /// What was said and could not be used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rejected: Vec<Rejected>,
    },
    /// The annotator has nothing to say about this item; never a class.
    Abstain,
}

/// A value of a record that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The field.
    pub field: Name,
    /// Whether its quote is not in the text; otherwise the value is none that the field may hold.
    pub not_in_text: bool,
    /// Why, in words.
    pub reason: String,
}

/// A labelled stretch of text: 0-based, end-exclusive, in Unicode code points of the stored text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first code point.
    pub start: u32,
    /// One past the last code point.
    pub end: u32,
    /// The label.
    pub label: Name,
    /// The text between, kept to check the offsets against.
    pub quote: String,
}

/// A link between two spans, from the first to the second.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The span where it begins, by its position among the spans.
    pub from: u32,
    /// The span where it ends.
    pub to: u32,
    /// What it says, such as `agent`.
    pub kind: Name,
}

/// A side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// The first is better.
    Left,
    /// The second is better.
    Right,
    /// Neither.
    Tie,
}

impl Preference {
    /// All sides; those that a task has are its labels.
    pub const ALL: [Self; 3] = [Self::Left, Self::Right, Self::Tie];

    /// The name of the side as a label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Tie => "tie",
        }
    }

    /// The same with the sides exchanged.
    #[must_use]
    pub const fn swapped(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Tie => Self::Tie,
        }
    }

    /// The side of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.name() == name)
    }
}

impl Answer {
    /// One label of a task: a preference where the labels are sides.
    pub fn of_label(kind: TaskKind, label: Name) -> Self {
        match Preference::from_name(&label).filter(|_| kind == TaskKind::Pairs) {
            Some(choice) => Self::Preference { choice, orders: None },
            None => Self::Class { label },
        }
    }

    /// Spans without links.
    pub const fn spans(spans: Vec<Span>) -> Self {
        Self::Spans { spans, links: Vec::new() }
    }

    /// One label.
    pub fn class(label: impl Into<Name>) -> Self {
        Self::Class { label: label.into() }
    }

    /// The kind in words, for messages.
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Class { .. } => "a class",
            Self::Set { .. } => "a set of labels",
            Self::Ordinal { .. } => "a place on a scale",
            Self::Candidates { .. } => "candidate labels",
            Self::Distribution { .. } => "a distribution",
            Self::Spans { .. } => "spans",
            Self::Tags { .. } => "tags",
            Self::Preference { .. } => "a preference",
            Self::Record { .. } => "a record",
            Self::Abstain => "an abstention",
        }
    }

    /// Every label that the answer names, in the order given.
    pub fn labels(&self) -> impl Iterator<Item = &Name> {
        let one = if let Self::Class { label } | Self::Ordinal { label, .. } = self { Some(label) } else { None };
        let many = if let Self::Set { labels } | Self::Candidates { labels } | Self::Tags { tags: labels } = self {
            labels.as_slice()
        } else {
            &[]
        };
        let weighted = if let Self::Distribution { weights } = self { weights.as_slice() } else { &[] };
        let spans = if let Self::Spans { spans, .. } = self { spans.as_slice() } else { &[] };
        let weighted = weighted.iter().map(|(label, _)| label);
        one.into_iter().chain(many).chain(weighted).chain(spans.iter().map(|span| &span.label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_json() {
        let answers = [
            Answer::class("bug"),
            Answer::Set { labels: vec![] },
            Answer::Ordinal { label: "high".into(), score: Some(1.5) },
            Answer::Candidates { labels: vec!["a".into(), "b".into()] },
            Answer::Distribution { weights: vec![("a".into(), 0.25), ("b".into(), 0.75)] },
            Answer::spans(vec![Span { start: 0, end: 3, label: "PER".into(), quote: "Ann".into() }]),
            Answer::Tags { tags: vec!["O".into(), "B-PER".into()] },
            Answer::Preference { choice: Preference::Tie, orders: Some((Preference::Left, Preference::Right)) },
            Answer::Record {
                fields: serde_json::from_str(r#"{"price": 3, "unit": null}"#).unwrap(),
                evidence: vec![Span { start: 0, end: 1, label: "price".into(), quote: "3".into() }],
                rejected: vec![Rejected { field: "unit".into(), not_in_text: true, reason: "no".into() }],
            },
            Answer::Abstain,
        ];
        for answer in answers {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
        assert_eq!(serde_json::to_string(&Answer::class("bug")).unwrap(), r#"{"kind":"class","label":"bug"}"#);
    }
}
