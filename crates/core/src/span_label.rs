//! What the label of a span in an answer can say.
//!
//! A stored span has one label, so that the ledger stays readable. Annotators that know less than a label write it so:
//! `PER|LOC` is one of these, `*` is a span of any label, `O` says that no token of the stretch is in any span. A name
//! that is a label of the task is always that label, however it is written.

use crate::task::{Class, LabelSet, Name};

/// What a span's label says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SpanLabel {
    /// One label.
    One(Class),
    /// One of these; at least two, in class order.
    OneOf(Vec<Class>),
    /// Some label.
    Any,
    /// The stretch is in no span.
    Nothing,
}

/// The written form of [`SpanLabel::Any`].
pub const ANY_LABEL: &str = "*";
/// The written form of [`SpanLabel::Nothing`].
pub const NO_LABEL: &str = "O";

impl LabelSet {
    /// Reads a span's label; `None` if it names what is no label.
    pub fn span_label(&self, label: &str) -> Option<SpanLabel> {
        if let Some(class) = self.class(label) {
            return Some(SpanLabel::One(class));
        }
        match label {
            ANY_LABEL => Some(SpanLabel::Any),
            NO_LABEL => Some(SpanLabel::Nothing),
            _ => {
                let classes: Vec<Class> = label.split('|').map(|name| self.class(name)).collect::<Option<_>>()?;
                Some(self.one_of(classes))
            }
        }
    }

    /// One of these classes, of which there is at least one.
    pub fn one_of(&self, mut classes: Vec<Class>) -> SpanLabel {
        classes.sort_unstable();
        classes.dedup();
        match classes[..] {
            [class] => SpanLabel::One(class),
            _ => SpanLabel::OneOf(classes),
        }
    }

    /// How a span's label is written.
    pub fn write_span_label(&self, label: &SpanLabel) -> Name {
        match label {
            SpanLabel::One(class) => self.name(*class).clone(),
            SpanLabel::OneOf(classes) => {
                classes.iter().map(|&class| &**self.name(class)).collect::<Vec<_>>().join("|").into()
            }
            SpanLabel::Any => ANY_LABEL.into(),
            SpanLabel::Nothing => NO_LABEL.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_one_several_any_or_none() {
        let labels = LabelSet::flat(["PER", "LOC", "a|b"]).unwrap();
        let cases = [
            ("LOC", Some(SpanLabel::One(1))),
            ("a|b", Some(SpanLabel::One(2))),
            ("LOC|PER", Some(SpanLabel::OneOf(vec![0, 1]))),
            ("PER|PER", Some(SpanLabel::One(0))),
            ("*", Some(SpanLabel::Any)),
            ("O", Some(SpanLabel::Nothing)),
            ("PER|ORG", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(labels.span_label(written), expected, "{written}");
        }
        assert_eq!(&*labels.write_span_label(&SpanLabel::OneOf(vec![0, 1])), "PER|LOC");
    }
}
