//! How the decisions of a run lie on its items.
//!
//! In a single-label task an item is one decision. In a multi-label task every pair of item and label is one, with the
//! classes no and yes. In a task of tags every token is one. Decisions of one item stand side by side.

use std::ops::Range;

use postil_core::{Document, Task, TaskKind};

/// The decisions of all items.
pub(super) struct Decisions {
    classes: usize,
    items: usize,
    ends: Ends,
}

/// Where the decisions of each item end.
enum Ends {
    /// Every item has so many.
    Each(usize),
    /// One end per item.
    At(Vec<u32>),
}

impl Decisions {
    /// The decisions of a task on so many items; `documents` are their texts with tokens in tasks about tokens.
    pub(super) fn new(task: &Task, items: usize, documents: &[Document]) -> Self {
        let labels = task.labels.len();
        match task.kind {
            TaskKind::Multilabel => Self { classes: 2, items, ends: Ends::Each(labels) },
            TaskKind::Tag => {
                let mut end = 0;
                let ends = documents.iter().map(|document| {
                    end += document.tokens.len() as u32;
                    end
                });
                Self { classes: labels, items, ends: Ends::At(ends.collect()) }
            }
            _ => Self { classes: labels, items, ends: Ends::Each(1) },
        }
    }

    /// The classes of one decision.
    pub(super) const fn classes(&self) -> usize {
        self.classes
    }

    /// Whether they are tokens, of which an item has any number.
    pub(super) const fn are_tokens(&self) -> bool {
        matches!(self.ends, Ends::At(_))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.ends {
            Ends::Each(each) => self.items * each,
            Ends::At(ends) => ends.last().map_or(0, |&end| end as usize),
        }
    }

    /// The decisions of an item.
    pub(super) fn of(&self, item: usize) -> Range<usize> {
        match &self.ends {
            Ends::Each(each) => item * each..(item + 1) * each,
            Ends::At(ends) => item.checked_sub(1).map_or(0, |before| ends[before] as usize)..ends[item] as usize,
        }
    }

    /// The item of a decision, and the decision's place in it.
    pub(super) fn place(&self, decision: usize) -> (usize, usize) {
        match &self.ends {
            Ends::Each(each) => (decision / each, decision % each),
            Ends::At(ends) => {
                let item = ends.partition_point(|&end| end as usize <= decision);
                (item, decision - self.of(item).start)
            }
        }
    }

    /// The probabilities of a decision out of those of all.
    pub(super) fn row<'p>(&self, probabilities: &'p [f32], decision: usize) -> &'p [f32] {
        &probabilities[decision * self.classes..(decision + 1) * self.classes]
    }
}

#[cfg(test)]
mod tests {
    use postil_core::LabelSet;

    use super::*;

    #[test]
    fn every_decision_is_found_in_its_item() {
        let texts = ["one two", "", "three"].map(|text| {
            let mut document = Document::from_text("", text);
            document.tokenize(postil_core::text::Tokenizer::Words);
            document
        });
        for (kind, classes, counts) in
            [(TaskKind::Classify, 3, [1, 1, 1]), (TaskKind::Multilabel, 2, [3, 3, 3]), (TaskKind::Tag, 3, [2, 0, 1])]
        {
            let task = Task { kind, labels: LabelSet::flat(["a", "b", "c"]).unwrap(), guidelines: None };
            let decisions = Decisions::new(&task, 3, &texts);
            assert_eq!((decisions.classes(), decisions.len()), (classes, counts.iter().sum()), "{kind}");
            for (item, count) in counts.into_iter().enumerate() {
                let range = decisions.of(item);
                assert_eq!(range.len(), count, "{kind}");
                for (place, decision) in range.enumerate() {
                    assert_eq!(decisions.place(decision), (item, place), "{kind}");
                }
            }
        }
    }
}
