//! What is asked: the kind of task and its labels.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::record::RecordSchema;

/// A label's name, shared rather than copied.
pub type Name = Arc<str>;

/// The position of a label in its [`LabelSet`]; algorithms work on these, files and people on names.
pub type Class = u16;

/// The kinds of task, one per kind of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// One label per item.
    Classify,
    /// Any number of labels per item; each label is a decision of its own.
    Multilabel,
    /// One label per item, from an ordered scale.
    Ordinal,
    /// One tag per token.
    Tag,
    /// Labelled stretches of text.
    Spans,
    /// Which of two is better.
    Pairs,
    /// Fields of a record.
    Extract,
}

impl TaskKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Classify, Self::Multilabel, Self::Ordinal, Self::Tag, Self::Spans, Self::Pairs, Self::Extract];

    /// The name used in project files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Multilabel => "multilabel",
            Self::Ordinal => "ordinal",
            Self::Tag => "tag",
            Self::Spans => "spans",
            Self::Pairs => "pairs",
            Self::Extract => "extract",
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One label: its name, where it hangs in the tree, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The name, exactly as it appears in answers.
    pub name: Name,
    /// The parent in a label tree; `None` for a root or a flat set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// One sentence for annotators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// The labels of a task. Their order is fixed by the project and is the class order everywhere; in an ordinal task it
/// is also the scale, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSet {
    labels: Vec<Label>,
    position: HashMap<Name, Class>,
    schema: Option<Arc<Schema>>,
}

/// A schema in a label set, which is one by its digest.
#[derive(Clone, Debug)]
struct Schema(RecordSchema);

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest() == other.0.digest()
    }
}

impl Eq for Schema {}

impl LabelSet {
    /// Checks and indexes labels.
    ///
    /// # Errors
    /// Fewer than one label, more than 65,535, an empty or repeated name, a parent that is not in the set, or a cycle.
    pub fn new(labels: Vec<Label>) -> Result<Self> {
        if labels.is_empty() {
            return Err(Error::task("expected at least one label, found none").hint("list them in `labels = [...]`"));
        }
        if labels.len() > usize::from(Class::MAX) {
            return Err(Error::task(format!("expected at most {} labels, found {}", Class::MAX, labels.len())));
        }
        let mut position = HashMap::with_capacity(labels.len());
        for (class, label) in labels.iter().enumerate() {
            if label.name.trim().is_empty() {
                return Err(Error::task(format!("label {} has an empty name", class + 1)));
            }
            if position.insert(label.name.clone(), class as Class).is_some() {
                return Err(Error::task(format!("label `{}` is listed twice", label.name)));
            }
        }
        let set = Self { labels, position, schema: None };
        for label in &set.labels {
            let mut above = label.parent.as_ref();
            for _ in 0..=set.labels.len() {
                let Some(parent) = above else { break };
                let Some(class) = set.class(parent) else {
                    return Err(Error::task(format!(
                        "label `{}` has the parent `{parent}`, which is not a label",
                        label.name
                    )));
                };
                above = set.labels[usize::from(class)].parent.as_ref();
            }
            if above.is_some() {
                return Err(Error::task(format!("label `{}` is its own ancestor", label.name)));
            }
        }
        Ok(set)
    }

    /// The fields of a record, which are the labels of a task of kind `extract`.
    pub fn of_fields(schema: RecordSchema) -> Result<Self> {
        let fields = schema.fields().iter();
        let labels = fields
            .map(|field| Label { name: field.name.clone(), parent: None, definition: field.description.clone() })
            .collect();
        Ok(Self { schema: Some(Arc::new(Schema(schema))), ..Self::new(labels)? })
    }

    /// What the fields may hold, where the labels are fields.
    pub fn schema(&self) -> Option<&RecordSchema> {
        self.schema.as_ref().map(|schema| &schema.0)
    }

    /// A flat set from names alone.
    pub fn flat<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        Self::new(
            names
                .into_iter()
                .map(|name| Label { name: Name::from(name.as_ref()), parent: None, definition: None })
                .collect(),
        )
    }

    /// How many labels there are.
    #[expect(clippy::len_without_is_empty, reason = "a label set is never empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The class of a name.
    pub fn class(&self, name: &str) -> Option<Class> {
        self.position.get(name).copied()
    }

    /// The class of a name, or an error that names the nearest label.
    pub fn expect(&self, name: &str) -> Result<Class> {
        self.class(name).ok_or_else(|| {
            let known = self.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let error = Error::task(format!("expected one of {known}, found `{name}`"));
            match self.names().find(|label| label.trim().eq_ignore_ascii_case(name.trim())) {
                Some(near) => error.hint(format!("`{name}` differs from the label `{near}` only in case or spaces")),
                None => error.hint("add it to `labels`, or leave the answer blank to abstain"),
            }
        })
    }

    /// The name of a class of this set.
    pub fn name(&self, class: Class) -> &Name {
        &self.labels[usize::from(class)].name
    }

    /// All names in class order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.labels.iter().map(|label| &label.name)
    }

    /// All labels in class order.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }
}

/// What is asked of the annotators.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The kind of decision.
    pub kind: TaskKind,
    /// The labels, in class order.
    pub labels: LabelSet,
    /// The guidelines that people and models read.
    pub guidelines: Option<String>,
}

impl Task {
    /// What identifies the question that was put: kind, labels, guidelines. Annotators that read the guidelines make
    /// this part of their version.
    pub fn digest(&self) -> Digest {
        let mut parts: Vec<&[u8]> = vec![self.kind.name().as_bytes()];
        for label in self.labels.labels() {
            parts.push(label.name.as_bytes());
            parts.push(label.parent.as_deref().unwrap_or("").as_bytes());
            parts.push(label.definition.as_deref().unwrap_or("").as_bytes());
        }
        parts.push(self.guidelines.as_deref().unwrap_or("").as_bytes());
        let schema = self.labels.schema().map(|schema| *schema.digest().as_bytes());
        parts.extend(schema.as_ref().map(<[u8; 16]>::as_slice));
        Digest::of_parts(parts)
    }

    /// Checks that an answer is of the shape this task asks for and names only its labels.
    ///
    /// A single class is accepted for a multi-label task (a set of one), candidates or a distribution wherever one label
    /// is asked for, and spans where tags are. The label of a span may be any that
    /// [`LabelSet::span_label`] reads.
    pub fn accept(&self, answer: &Answer) -> Result<()> {
        let fits = match answer {
            Answer::Abstain => true,
            Answer::Class { .. } => {
                matches!(self.kind, TaskKind::Classify | TaskKind::Ordinal | TaskKind::Multilabel)
            }
            Answer::Candidates { .. } | Answer::Distribution { .. } => {
                matches!(self.kind, TaskKind::Classify | TaskKind::Ordinal | TaskKind::Pairs)
            }
            Answer::Ordinal { .. } => self.kind == TaskKind::Ordinal,
            Answer::Set { .. } => self.kind == TaskKind::Multilabel,
            Answer::Tags { .. } => self.kind == TaskKind::Tag,
            Answer::Spans { .. } => matches!(self.kind, TaskKind::Spans | TaskKind::Tag),
            Answer::Preference { .. } => self.kind == TaskKind::Pairs,
            Answer::Record { .. } => self.kind == TaskKind::Extract,
        };
        if !fits {
            return Err(Error::task(format!(
                "expected an answer for a `{}` task, found {}",
                self.kind,
                answer.kind_name()
            )));
        }
        let spans = matches!(answer, Answer::Spans { .. });
        answer.labels().try_for_each(|label| {
            if spans && self.labels.span_label(label).is_some() {
                return Ok(());
            }
            self.labels.expect(label).map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_label_sets_are_refused_by_name() {
        assert!(LabelSet::flat::<&str>([]).is_err());
        assert!(LabelSet::flat(["a", "a"]).unwrap_err().to_string().contains("`a` is listed twice"));
        let label =
            |name: &str, parent: &str| Label { name: name.into(), parent: Some(parent.into()), definition: None };
        assert!(LabelSet::new(vec![label("a", "b"), label("b", "a")]).unwrap_err().to_string().contains("ancestor"));
        assert!(LabelSet::new(vec![label("a", "z")]).is_err());
    }

    #[test]
    fn an_unknown_label_that_differs_in_case_gets_a_hint() {
        let labels = LabelSet::flat(["Bug", "Praise"]).unwrap();
        let error = labels.expect("bug ").unwrap_err();
        assert!(error.advice().unwrap().contains("only in case or spaces"), "{error:?}");
    }

    #[test]
    fn answers_of_the_wrong_shape_are_refused() {
        let task = Task { kind: TaskKind::Classify, labels: LabelSet::flat(["a", "b"]).unwrap(), guidelines: None };
        assert!(task.accept(&Answer::class("a")).is_ok());
        assert!(task.accept(&Answer::Abstain).is_ok());
        assert!(task.accept(&Answer::class("c")).is_err());
        assert!(task.accept(&Answer::Set { labels: vec!["a".into()] }).is_err());
    }
}
