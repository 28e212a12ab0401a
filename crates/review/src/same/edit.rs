//! What an answer says about a few words, and the answer that says something else about them.

use postil_core::audit::Marked;
use postil_core::{Answer, Name, Span};

/// Words of an item: code points, and the token where they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) token: usize,
}

/// How an answer marks words; none within a longer mark.
pub(super) fn marked(answer: &Answer, words: Words) -> Option<Marked> {
    match answer {
        Answer::Tags { tags } => tags.get(words.token).map(|tag| Marked::Label { label: tag.clone() }),
        Answer::Spans { spans, .. } => {
            let there: Vec<&Span> =
                spans.iter().filter(|span| span.start < words.end && span.end > words.start).collect();
            let mut exact: Vec<&str> = there.iter().filter(|span| same(span, words)).map(|span| &*span.label).collect();
            if !exact.is_empty() {
                exact.sort_unstable();
                exact.dedup();
                return Some(Marked::Label { label: exact.join("+").into() });
            }
            if there.iter().any(|span| span.start <= words.start && span.end >= words.end) {
                return None;
            }
            Some(if there.is_empty() { Marked::Nothing } else { Marked::Part })
        }
        _ => None,
    }
}

fn same(span: &Span, words: Words) -> bool {
    (span.start, span.end) == (words.start, words.end)
}

/// Marks words of an answer with a label, or with none; gives what stood there before, or nothing if that is the same
/// or if the words lie within a longer mark. `overlapping` says whether marks of other labels may stay.
pub(super) fn mark(
    answer: &mut Answer,
    words: Words,
    quote: &str,
    to: Option<&Name>,
    overlapping: bool,
) -> Option<Vec<Span>> {
    let before = marked(answer, words)?;
    let after = to.map_or(Marked::Nothing, |label| Marked::Label { label: label.clone() });
    if before == after {
        return None;
    }
    let span =
        |label: &Name| Span { start: words.start, end: words.end, label: label.clone(), quote: quote.to_owned() };
    match answer {
        Answer::Tags { tags } => {
            let tag = tags.get_mut(words.token)?;
            let was = std::mem::replace(tag, to?.clone());
            Some(vec![span(&was)])
        }
        Answer::Spans { spans, links } => {
            let goes = |span: &Span| {
                let touches = span.start < words.end && span.end > words.start;
                touches && (!overlapping || same(span, words) || to.is_none_or(|label| *label == span.label))
            };
            let exact = spans.iter().position(|span| goes(span) && same(span, words)).map(|place| place as u32);
            let was: Vec<Span> = spans.iter().filter(|span| goes(span)).cloned().collect();
            let mut kept: Vec<(Option<u32>, Span)> =
                (0..).map(Some).zip(spans.drain(..)).filter(|(_, span)| !goes(span)).collect();
            if let Some(label) = to {
                let place = kept.partition_point(|(_, other)| other.start < words.start);
                // Links of what was marked on the same words are links of the new mark.
                kept.insert(place, (exact, span(label)));
            }
            let place = |old: u32| kept.iter().position(|(one, _)| *one == Some(old)).map(|new| new as u32);
            links.retain_mut(|link| {
                let Some((from, to)) = place(link.from).zip(place(link.to)) else { return false };
                (link.from, link.to) = (from, to);
                true
            });
            spans.extend(kept.into_iter().map(|(_, span)| span));
            Some(was)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(spans: &[(u32, u32, &str)]) -> Answer {
        let span = |&(start, end, label): &(u32, u32, &str)| Span {
            start,
            end,
            label: label.into(),
            quote: "x".repeat((end - start) as usize),
        };
        Answer::spans(spans.iter().map(span).collect())
    }

    fn at(start: u32, end: u32) -> Words {
        Words { start, end, token: 0 }
    }

    #[test]
    fn words_are_marked_whole_in_part_or_not_at_all() {
        let answer = spans(&[(0, 4, "A"), (10, 20, "B"), (30, 33, "B"), (30, 33, "A")]);
        let cases = [(0, 4, "A"), (5, 8, "(nothing)"), (8, 12, "(in part)"), (0, 6, "(in part)"), (30, 33, "A+B")];
        for (start, end, expected) in cases {
            assert_eq!(marked(&answer, at(start, end)).unwrap().words(), expected, "{start}-{end}");
        }
        assert_eq!(marked(&answer, at(12, 14)), None, "within a longer mark");
    }

    #[test]
    fn marks_are_set_changed_and_taken_away() {
        // Places, the new label, whether overlaps may stay, what stands there afterwards, how many stood there before.
        type Case<'c> = (&'c [(u32, u32, &'c str)], Option<&'c Name>, bool, &'c [(u32, u32, &'c str)], Option<usize>);
        let (a, b) = (Name::from("A"), Name::from("B"));
        let cases: [Case<'_>; 8] = [
            (&[], Some(&a), false, &[(5, 9, "A")], Some(0)),
            (&[(5, 9, "B")], Some(&a), false, &[(5, 9, "A")], Some(1)),
            (&[(5, 9, "B")], None, false, &[], Some(1)),
            (&[(3, 7, "A"), (7, 12, "B")], Some(&a), false, &[(5, 9, "A")], Some(2)),
            (&[(3, 7, "A"), (7, 12, "B")], Some(&a), true, &[(5, 9, "A"), (7, 12, "B")], Some(1)),
            (&[(5, 9, "A")], Some(&a), false, &[(5, 9, "A")], None),
            (&[(3, 12, "B")], Some(&a), false, &[(3, 12, "B")], None),
            (&[(0, 2, "B"), (20, 22, "B")], Some(&b), false, &[(0, 2, "B"), (5, 9, "B"), (20, 22, "B")], Some(0)),
        ];
        for (before, to, overlapping, after, was) in cases {
            let mut answer = spans(before);
            let found = mark(&mut answer, at(5, 9), "xxxx", to, overlapping);
            assert_eq!((found.map(|was| was.len()), answer), (was, spans(after)), "{before:?} {to:?}");
        }
    }

    #[test]
    fn tags_are_replaced_and_never_taken_away() {
        let mut answer = Answer::Tags { tags: vec!["NN".into(), "VB".into()] };
        let words = Words { start: 4, end: 7, token: 1 };
        let was = mark(&mut answer, words, "run", Some(&"NN".into()), false).unwrap();
        assert_eq!((&*was[0].label, &answer), ("VB", &Answer::Tags { tags: vec!["NN".into(), "NN".into()] }));
        assert_eq!(mark(&mut answer, words, "run", None, false), None);
    }
}
