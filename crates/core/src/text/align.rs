//! From places in a text to tokens, with every span that does not fit listed.

use serde::{Deserialize, Serialize};

use super::offsets::{OffsetUnit, Offsets};
use super::tags::Named;
use super::tokens::Token;
use crate::answer::Span;
use crate::task::Name;

/// Why a span is not on the tokens as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It begins or ends inside a token, and was widened to the whole of it.
    Snapped,
    /// It overlaps a longer one, and flat tags cannot hold both.
    Overlaps,
    /// It ends where it begins.
    Empty,
    /// It lies outside the text.
    BeyondText,
    /// The text there is not what was quoted.
    QuoteDiffers,
    /// There is only white space in it.
    NoToken,
}

impl Problem {
    /// What happened, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Snapped => "a border lies inside a token; widened to the whole token",
            Self::Overlaps => "it overlaps a longer span; left out of the flat tags",
            Self::Empty => "it is empty; left out",
            Self::BeyondText => "it lies beyond the text; left out",
            Self::QuoteDiffers => "the text there is not what was quoted; left out",
            Self::NoToken => "it holds no token; left out",
        }
    }
}

/// A span that is not on the tokens as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misaligned {
    /// The span.
    pub span: Span,
    /// What was found.
    pub problem: Problem,
}

/// Spans on tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// Every span that holds a token, in order of start and then of length, longest first; they may overlap.
    pub all: Vec<Named<Name>>,
    /// For each of them its position among the spans that were given.
    pub given: Vec<usize>,
    /// Those of them that a flat sequence of tags holds: of overlapping ones the longest, then the first.
    pub flat: Vec<Named<Name>>,
    /// Every span that was widened or left out, and why.
    pub remarks: Vec<Misaligned>,
}

/// Puts spans, in code points, onto the tokens of their text. None is lost without a remark.
///
/// Costs time in proportion to the text and to the spans times the logarithm of the tokens.
pub fn align(text: &str, tokens: &[Token], spans: &[Span]) -> Aligned {
    let offsets = Offsets::new(text);
    let mut aligned = Aligned::default();
    let mut placed: Vec<(Named<Name>, usize)> = Vec::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        match place(&offsets, tokens, span) {
            Ok((start, end, exact)) => {
                if !exact {
                    aligned.remarks.push(Misaligned { span: span.clone(), problem: Problem::Snapped });
                }
                placed.push((Named { start, end, label: span.label.clone() }, index));
            }
            Err(problem) => aligned.remarks.push(Misaligned { span: span.clone(), problem }),
        }
    }
    placed.sort_by_key(|(span, index)| (span.start, std::cmp::Reverse(span.end), *index));
    let mut by_length: Vec<usize> = (0..placed.len()).collect();
    by_length.sort_by_key(|&position| (std::cmp::Reverse(placed[position].0.end - placed[position].0.start), position));
    let mut taken = vec![false; tokens.len()];
    let mut keeps = vec![false; placed.len()];
    for position in by_length {
        let (span, _) = &placed[position];
        let range = span.start as usize..span.end as usize;
        if taken[range.clone()].iter().any(|&taken| taken) {
            continue;
        }
        taken[range].fill(true);
        keeps[position] = true;
    }
    for ((span, index), keep) in placed.into_iter().zip(keeps) {
        if keep {
            aligned.flat.push(span.clone());
        } else {
            aligned.remarks.push(Misaligned { span: spans[index].clone(), problem: Problem::Overlaps });
        }
        aligned.all.push(span);
        aligned.given.push(index);
    }
    aligned
}

/// The tokens of a span, and whether its borders are theirs.
fn place(offsets: &Offsets<'_>, tokens: &[Token], span: &Span) -> Result<(u32, u32, bool), Problem> {
    if span.start >= span.end {
        return Err(Problem::Empty);
    }
    let byte = |position| offsets.byte_of(OffsetUnit::CodePoints, position);
    let (Some(start), Some(end)) = (byte(span.start), byte(span.end)) else { return Err(Problem::BeyondText) };
    if offsets.text()[start..end] != span.quote {
        return Err(Problem::QuoteDiffers);
    }
    let first = tokens.partition_point(|token| token.end as usize <= start);
    let last = tokens.partition_point(|token| (token.start as usize) < end);
    if first >= last {
        return Err(Problem::NoToken);
    }
    // White space at a border is no part of any token and costs nothing.
    let starts = tokens[first].start as usize >= start;
    let ends = tokens[last - 1].end as usize <= end;
    Ok((first as u32, last as u32, starts && ends))
}

/// The span of a run of tokens, in code points, with its quote.
///
/// # Panics
/// If the run is empty or the tokens are not those of the text.
pub fn quote(offsets: &Offsets<'_>, tokens: &[Token], run: &Named<Name>) -> Span {
    let (first, last) = (tokens[run.start as usize], tokens[run.end as usize - 1]);
    let position =
        |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).expect("tokens lie on characters");
    Span {
        start: position(first.start),
        end: position(last.end),
        label: run.label.clone(),
        quote: offsets.text()[first.start as usize..last.end as usize].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Tokenizer;

    fn span(start: u32, end: u32, quote: &str) -> Span {
        Span { start, end, label: "X".into(), quote: quote.into() }
    }

    #[test]
    fn every_span_is_placed_or_listed() {
        let text = "🚀 Zoë flew\nhome";
        let tokens = Tokenizer::Words.tokenize(text);
        let cases = [
            (span(2, 5, "Zoë"), None, Some((1, 2))),
            (span(2, 4, "Zo"), Some(Problem::Snapped), Some((1, 2))),
            (span(5, 10, " flew"), None, Some((2, 3))),
            (span(2, 2, ""), Some(Problem::Empty), None),
            (span(12, 99, "x"), Some(Problem::BeyondText), None),
            (span(2, 5, "Zoe"), Some(Problem::QuoteDiffers), None),
            (span(10, 11, "\n"), Some(Problem::NoToken), None),
        ];
        for (span, problem, place) in cases {
            let aligned = align(text, &tokens, std::slice::from_ref(&span));
            assert_eq!(aligned.remarks.first().map(|remark| remark.problem), problem, "{span:?}");
            assert_eq!(aligned.flat.first().map(|span| (span.start, span.end)), place, "{span:?}");
        }
    }

    #[test]
    fn of_overlapping_spans_the_longest_is_flat() {
        let text = "Bank of New York City";
        let tokens = Tokenizer::Words.tokenize(text);
        let spans = [span(8, 21, "New York City"), span(0, 16, "Bank of New York"), span(8, 16, "New York")];
        let aligned = align(text, &tokens, &spans);
        assert_eq!(aligned.all.len(), 3);
        assert_eq!(aligned.flat.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>(), [(0, 4)]);
        assert_eq!(aligned.remarks.len(), 2);
        let offsets = Offsets::new(text);
        assert_eq!(quote(&offsets, &tokens, &aligned.flat[0]), spans[1]);
    }
}
