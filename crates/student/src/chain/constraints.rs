//! How spans are written as labels, and which label sequences may occur.

/// A stretch of tokens with a type: token positions within a sentence, end-exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypedSpan {
    /// The first token.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// The type, counted from 0.
    pub class: u16,
}

/// How labels are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Labels without structure, such as parts of speech: any may follow any, each token is a span of its own.
    Plain {
        /// How many.
        labels: usize,
    },
    /// Label 0 is outside; type `t` begins with `1 + 2t` and continues with `2 + 2t`.
    Bio {
        /// How many types.
        types: usize,
    },
    /// Label 0 is outside; type `t` has begin `1 + 4t`, inside `2 + 4t`, last `3 + 4t` and unit `4 + 4t`.
    Bilou {
        /// How many types.
        types: usize,
    },
}

impl Layout {
    /// How many labels there are.
    pub const fn labels(self) -> usize {
        match self {
            Self::Plain { labels } => labels,
            Self::Bio { types } => 1 + 2 * types,
            Self::Bilou { types } => 1 + 4 * types,
        }
    }

    /// How many types there are.
    pub const fn types(self) -> usize {
        match self {
            Self::Plain { labels } => labels,
            Self::Bio { types } | Self::Bilou { types } => types,
        }
    }

    /// The type of a label, `None` outside of spans.
    pub const fn class(self, label: u16) -> Option<u16> {
        match self {
            Self::Plain { .. } => Some(label),
            Self::Bio { .. } | Self::Bilou { .. } if label == 0 => None,
            Self::Bio { .. } => Some((label - 1) / 2),
            Self::Bilou { .. } => Some((label - 1) / 4),
        }
    }

    /// The label of the token at `place` in a span of `length` tokens.
    pub const fn label(self, class: u16, place: usize, length: usize) -> u16 {
        match self {
            Self::Plain { .. } => class,
            Self::Bio { .. } => 1 + 2 * class + (place > 0) as u16,
            Self::Bilou { .. } => {
                let role = match (place == 0, place + 1 >= length) {
                    (true, true) => 3,
                    (true, false) => 0,
                    (false, false) => 1,
                    (false, true) => 2,
                };
                1 + 4 * class + role
            }
        }
    }

    /// Whether a span begins at this label, whatever stands before it.
    pub const fn begins(self, label: u16) -> bool {
        match self {
            Self::Plain { .. } => true,
            Self::Bio { .. } => label % 2 == 1,
            Self::Bilou { .. } => label > 0 && matches!((label - 1) % 4, 0 | 3),
        }
    }

    /// Whether the span of this label goes on with `next`.
    pub const fn continues(self, label: u16, next: u16) -> bool {
        match self {
            Self::Plain { .. } => false,
            Self::Bio { .. } => label > 0 && next > 0 && next.is_multiple_of(2) && (label - 1) / 2 == (next - 1) / 2,
            Self::Bilou { .. } => {
                label > 0
                    && next > 0
                    && (label - 1) / 4 == (next - 1) / 4
                    && matches!((label - 1) % 4, 0 | 1)
                    && matches!((next - 1) % 4, 1 | 2)
            }
        }
    }

    /// Whether `next` may follow `label`.
    pub const fn allows(self, label: u16, next: u16) -> bool {
        match self {
            Self::Plain { .. } => true,
            Self::Bio { .. } => next == 0 || next % 2 == 1 || self.continues(label, next),
            Self::Bilou { .. } => {
                let open = label > 0 && matches!((label - 1) % 4, 0 | 1);
                let inner = next > 0 && matches!((next - 1) % 4, 1 | 2);
                if open || inner { self.continues(label, next) } else { true }
            }
        }
    }

    /// The spans of a label sequence. What is not allowed is read leniently: a span that was not begun begins, one that was
    /// not closed ends. Without structure, every token is a span.
    pub fn spans(self, labels: &[u16]) -> Vec<TypedSpan> {
        let mut spans: Vec<TypedSpan> = Vec::new();
        let mut before = 0;
        for (token, &label) in labels.iter().enumerate() {
            let token = token as u32;
            if let Some(class) = self.class(label) {
                match spans.last_mut() {
                    Some(open) if open.end == token && self.continues(before, label) => open.end += 1,
                    _ => spans.push(TypedSpan { start: token, end: token + 1, class }),
                }
            }
            before = label;
        }
        spans
    }

    /// The labels of `tokens` tokens with these spans. Spans beyond the tokens are cut; where spans overlap, the later in
    /// the list wins and the rest of the earlier is left as it is, so overlaps are for the caller to solve.
    pub fn labels_of(self, spans: &[TypedSpan], tokens: usize) -> Vec<u16> {
        let mut labels = vec![0; tokens];
        for span in spans {
            let (start, end) = (span.start as usize, (span.end as usize).min(tokens));
            for (place, label) in labels.iter_mut().take(end).skip(start).enumerate() {
                *label = self.label(span.class, place, end - start);
            }
        }
        labels
    }

    /// What may occur under this layout.
    pub fn constraints(self) -> Constraints {
        let count = self.labels();
        let mut constraints = Constraints::free(count);
        for from in 0..count {
            for to in 0..count {
                constraints.transitions[from * count + to] = self.allows(from as u16, to as u16);
            }
        }
        for label in 0..count as u16 {
            match self {
                Self::Plain { .. } => {}
                Self::Bio { .. } => constraints.starts[usize::from(label)] = label == 0 || self.begins(label),
                Self::Bilou { .. } => {
                    constraints.starts[usize::from(label)] = label == 0 || self.begins(label);
                    constraints.ends[usize::from(label)] = label == 0 || matches!((label - 1) % 4, 2 | 3);
                }
            }
        }
        constraints
    }
}

/// Which labels may begin a sentence, end it, and follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// How many labels there are.
    pub labels: usize,
    /// Whether a sentence may begin with each label.
    pub starts: Vec<bool>,
    /// Whether a sentence may end with each label.
    pub ends: Vec<bool>,
    /// Whether `to` may follow `from`: `transitions[from * labels + to]`.
    pub transitions: Vec<bool>,
}

impl Constraints {
    /// Anything may occur.
    pub fn free(labels: usize) -> Self {
        Self { labels, starts: vec![true; labels], ends: vec![true; labels], transitions: vec![true; labels * labels] }
    }

    /// Whether a sequence may occur.
    pub fn allow(&self, sequence: &[u16]) -> bool {
        let first = sequence.first().is_none_or(|&label| self.starts[usize::from(label)]);
        let last = sequence.last().is_none_or(|&label| self.ends[usize::from(label)]);
        let pair = |pair: &[u16]| self.transitions[usize::from(pair[0]) * self.labels + usize::from(pair[1])];
        first && last && sequence.windows(2).all(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, end: u32, class: u16) -> TypedSpan {
        TypedSpan { start, end, class }
    }

    #[test]
    fn spans_survive_both_layouts() {
        let spans = [span(0, 1, 1), span(1, 4, 0), span(4, 6, 0), span(7, 8, 1)];
        for layout in [Layout::Bio { types: 2 }, Layout::Bilou { types: 2 }] {
            let labels = layout.labels_of(&spans, 9);
            assert!(layout.constraints().allow(&labels), "{layout:?} {labels:?}");
            assert_eq!(layout.spans(&labels), spans, "{layout:?}");
        }
    }

    #[test]
    fn allowed_sequences_are_exactly_those_that_spans_write() {
        for layout in [Layout::Bio { types: 2 }, Layout::Bilou { types: 2 }] {
            let (constraints, count) = (layout.constraints(), layout.labels());
            for code in 0..count.pow(4) {
                let labels: Vec<u16> = (0..4).map(|place| (code / count.pow(place) % count) as u16).collect();
                let written = layout.labels_of(&layout.spans(&labels), 4) == labels;
                assert_eq!(constraints.allow(&labels), written, "{layout:?} {labels:?}");
            }
        }
    }

    #[test]
    fn broken_sequences_are_read_leniently() {
        let layout = Layout::Bilou { types: 1 };
        assert_eq!(layout.spans(&[2, 2, 3]), [span(0, 3, 0)]);
        assert_eq!(layout.spans(&[1, 0, 3]), [span(0, 1, 0), span(2, 3, 0)]);
    }
}
