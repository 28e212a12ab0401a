//! Tags per token: a way to write spans down, in the schemes of the field.

use serde::{Deserialize, Serialize};

/// How spans are written as tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `I-` on every token; spans of one type that touch become one.
    Io,
    /// `B-` only where a span directly follows another of its type: CoNLL-2003 as distributed.
    Iob1,
    /// `B-` on every first token.
    #[default]
    Bio,
    /// `L-` on the last token, `U-` on a single one.
    Bilou,
    /// `E-` on the last token, `S-` on a single one.
    Bioes,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 5] = [Self::Io, Self::Iob1, Self::Bio, Self::Bilou, Self::Bioes];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Iob1 => "iob1",
            Self::Bio => "bio",
            Self::Bilou => "bilou",
            Self::Bioes => "bioes",
        }
    }

    /// The scheme of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// A run of tokens with a name: positions of tokens, end-exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named<N> {
    /// The first token.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// The label.
    pub label: N,
}

/// A tag that no scheme has there, and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The token.
    pub token: usize,
    /// The tag as it stood.
    pub tag: String,
    /// What is wrong with it, and how it was read.
    pub what: &'static str,
}

/// What tags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading<'t> {
    /// The spans, in order; none overlap.
    pub spans: Vec<Named<&'t str>>,
    /// Tags that break the rules of their scheme. The spans are read all the same, by the rules of `conlleval`.
    pub repairs: Vec<Repair>,
}

/// The head of a tag and its type: `B-PER` is `B` and `PER`. Anything without a known head is outside.
fn parts(tag: &str) -> Option<(u8, &str)> {
    let head = *tag.as_bytes().first()?;
    if !matches!(head, b'B' | b'I' | b'L' | b'U' | b'E' | b'S') {
        return None;
    }
    match tag.as_bytes().get(1) {
        None => Some((head, "")),
        Some(b'-' | b'_') => Some((head, &tag[2..])),
        Some(_) => None,
    }
}

/// Reads the spans of a sentence's tags as `conlleval` does: every scheme is understood, and a span that begins with the
/// wrong tag is a span nonetheless.
///
/// `scheme` says which rules the repairs are held against; the spans are the same for any.
pub fn read_tags<'t>(tags: &[&'t str], scheme: Scheme) -> Reading<'t> {
    let mut reading = Reading::default();
    let mut open: Option<(usize, &str)> = None;
    let mut before: Option<(u8, &str)> = None;
    for (token, &tag) in tags.iter().enumerate() {
        let now = parts(tag);
        let same = matches!((before, now), (Some((_, left)), Some((_, right))) if left == right);
        let closed = matches!(before, Some((b'E' | b'L' | b'S' | b'U', _)));
        let begins = now.is_some_and(|(head, _)| matches!(head, b'B' | b'S' | b'U')) || !same || closed;
        if begins && let Some((start, label)) = open.take() {
            reading.spans.push(Named { start: start as u32, end: token as u32, label });
        }
        if let Some((_, label)) = now
            && begins
        {
            open = Some((token, label));
        }
        if let Some(what) = fault(tag, before, now, scheme, same) {
            reading.repairs.push(Repair { token, tag: tag.to_owned(), what });
        }
        before = now;
    }
    if let Some((start, label)) = open {
        reading.spans.push(Named { start: start as u32, end: tags.len() as u32, label });
    }
    if let (Some((b'B' | b'I', _)), Scheme::Bilou | Scheme::Bioes) = (before, scheme) {
        let token = tags.len() - 1;
        reading.repairs.push(Repair { token, tag: tags[token].to_owned(), what: UNFINISHED });
    }
    reading
}

const UNFINISHED: &str = "the span before it has no last token; it was ended there";

/// What is wrong with a tag after another.
fn fault(
    tag: &str,
    before: Option<(u8, &str)>,
    now: Option<(u8, &str)>,
    scheme: Scheme,
    same: bool,
) -> Option<&'static str> {
    let Some((head, label)) = now else {
        if tag != "O" && !tag.is_empty() {
            return Some("no tag of any scheme; it was read as outside");
        }
        let unfinished = matches!((before, scheme), (Some((b'B' | b'I', _)), Scheme::Bilou | Scheme::Bioes));
        return unfinished.then_some(UNFINISHED);
    };
    if label.is_empty() {
        return Some("a tag without a type; the span has an empty label");
    }
    match scheme {
        Scheme::Io => (head != b'I').then_some("only `I-` and `O` are tags of this scheme; read as its head says"),
        Scheme::Iob1 => match head {
            b'B' if !same => Some("`B-` where no span of its type ends; read as the beginning of a span"),
            b'B' | b'I' => None,
            _ => Some("no tag of this scheme; read as its head says"),
        },
        Scheme::Bio => match head {
            b'I' if !same => Some("`I-` without a beginning; read as the beginning of a span"),
            b'B' | b'I' => None,
            _ => Some("no tag of this scheme; read as its head says"),
        },
        Scheme::Bilou | Scheme::Bioes => {
            let open = matches!(before, Some((b'B' | b'I', _)));
            let known: &[u8] = if scheme == Scheme::Bilou { b"BILU" } else { b"BIES" };
            if !known.contains(&head) {
                Some("no tag of this scheme; read as its head says")
            } else if matches!(head, b'B' | b'U' | b'S') {
                open.then_some(UNFINISHED)
            } else if open && same {
                None
            } else {
                Some("it goes on with a span that has not begun; read as the beginning of a span")
            }
        }
    }
}

/// The scheme that a file's tags are in, judged by any number of sentences of it.
///
/// `L-` or `U-` mean BILOU, `E-` or `S-` BIOES. An `I-` that begins a span, while every `B-` follows a span of its own
/// type, means IOB1, or IO when there is no `B-` at all; else it is BIO, whose broken tags [`read_tags`] lists.
pub fn detect<'t, T: AsRef<[&'t str]>>(sentences: impl IntoIterator<Item = T>) -> Scheme {
    let (mut bilou, mut bioes, mut inside_begins, mut begins_apart, mut begins) = (false, false, false, false, false);
    for tags in sentences {
        let mut before: Option<(u8, &str)> = None;
        for tag in tags.as_ref() {
            let now = parts(tag);
            let same = matches!((before, now), (Some((_, left)), Some((_, right))) if left == right);
            match now {
                Some((b'L' | b'U', _)) => bilou = true,
                Some((b'E' | b'S', _)) => bioes = true,
                Some((b'I', _)) => inside_begins |= !same,
                Some(_) => {
                    begins = true;
                    begins_apart |= !same;
                }
                None => {}
            }
            before = now;
        }
    }
    match (bilou, bioes) {
        (true, _) => Scheme::Bilou,
        (_, true) => Scheme::Bioes,
        _ if inside_begins && !begins => Scheme::Io,
        _ if inside_begins && !begins_apart => Scheme::Iob1,
        _ => Scheme::Bio,
    }
}

/// Writes spans as tags. The spans must be in order, must not overlap and must lie within the tokens; any that does not
/// is left out.
pub fn write_tags<N: AsRef<str>>(spans: &[Named<N>], tokens: usize, scheme: Scheme) -> Vec<String> {
    let mut tags = vec!["O".to_owned(); tokens];
    write_heads(spans, tokens, scheme, |token, head, span| {
        tags[token] = format!("{}-{}", char::from(head), spans[span].label.as_ref());
    });
    tags
}

/// The heads of the tags that [`write_tags`] makes: gives every token in a span, the head of its tag and the span's
/// number.
pub(crate) fn write_heads<N: AsRef<str>>(
    spans: &[Named<N>],
    tokens: usize,
    scheme: Scheme,
    mut head: impl FnMut(usize, u8, usize),
) {
    let mut free = 0;
    let mut last: Option<(usize, &str)> = None;
    for (number, span) in spans.iter().enumerate() {
        let (start, end, label) = (span.start as usize, span.end as usize, span.label.as_ref());
        if start < free || start >= end || end > tokens {
            continue;
        }
        let touches = last == Some((start, label));
        for token in start..end {
            let (first, ends) = (token == start, token + 1 == end);
            let by_scheme = match (scheme, first, ends) {
                (Scheme::Bilou, true, true) => b'U',
                (Scheme::Bioes, true, true) => b'S',
                (Scheme::Bio | Scheme::Bilou | Scheme::Bioes, true, _) => b'B',
                (Scheme::Iob1, true, _) if touches => b'B',
                (Scheme::Bilou, false, true) => b'L',
                (Scheme::Bioes, false, true) => b'E',
                _ => b'I',
            };
            head(token, by_scheme, number);
        }
        (free, last) = (end, Some((end, label)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans<'t>(tags: &[&'t str]) -> Vec<(u32, u32, &'t str)> {
        let reading = read_tags(tags, Scheme::Bio);
        reading.spans.into_iter().map(|span| (span.start, span.end, span.label)).collect()
    }

    #[test]
    fn tags_are_read_as_conlleval_reads_them() {
        type Spans<'s> = &'s [(u32, u32, &'s str)];
        let cases: &[(&[&str], Spans<'_>)] = &[
            (&["I-PER", "I-PER", "O", "I-LOC"], &[(0, 2, "PER"), (3, 4, "LOC")]),
            (&["I-PER", "B-PER", "I-LOC"], &[(0, 1, "PER"), (1, 2, "PER"), (2, 3, "LOC")]),
            (&["U-PER", "L-PER", "I-PER"], &[(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]),
            (&["B-PER", "E-PER", "E-PER", "S-PER"], &[(0, 2, "PER"), (2, 3, "PER"), (3, 4, "PER")]),
            (&["O", "?", ""], &[]),
            (&["B-a-b", "I-a-b"], &[(0, 2, "a-b")]),
        ];
        for (tags, expected) in cases {
            assert_eq!(&spans(tags), expected, "{tags:?}");
        }
    }

    #[test]
    fn broken_tags_are_listed() {
        let broken = |tags: &[&str], scheme| {
            read_tags(tags, scheme).repairs.iter().map(|repair| repair.token).collect::<Vec<_>>()
        };
        assert_eq!(broken(&["O", "I-PER", "I-PER"], Scheme::Bio), [1]);
        assert_eq!(broken(&["O", "I-PER", "B-PER"], Scheme::Iob1), [0usize; 0]);
        assert_eq!(broken(&["B-PER", "O", "weird"], Scheme::Iob1), [0, 2]);
        assert_eq!(broken(&["B-PER", "O", "L-PER", "B-PER"], Scheme::Bilou), [1, 2, 3]);
        assert_eq!(broken(&["B-PER", "I-PER", "L-PER", "U-LOC"], Scheme::Bilou), [0usize; 0]);
    }

    #[test]
    fn the_scheme_is_recognised() {
        assert_eq!(detect([["O", "I-PER", "B-PER"]]), Scheme::Iob1);
        assert_eq!(detect([["O", "I-PER", "I-PER"]]), Scheme::Io);
        assert_eq!(detect([["O", "B-PER", "I-PER"]]), Scheme::Bio);
        assert_eq!(detect([["I-LOC", "B-PER", "I-PER"]]), Scheme::Bio);
        assert_eq!(detect([["B-PER", "L-PER", "O"]]), Scheme::Bilou);
        assert_eq!(detect([["B-PER", "E-PER", "S-PER"]]), Scheme::Bioes);
    }

    proptest! {
        #[test]
        fn every_scheme_gives_back_its_spans(lengths in proptest::collection::vec((0u32..3, 1u32..4, 0usize..2), 0..12)) {
            let mut at = 0;
            let mut given = Vec::new();
            for (gap, length, label) in lengths {
                given.push(Named { start: at + gap, end: at + gap + length, label: ["PER", "LOC"][label] });
                at += gap + length;
            }
            for scheme in Scheme::ALL {
                let tags = write_tags(&given, at as usize, scheme);
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let reading = read_tags(&tags, scheme);
                prop_assert!(reading.repairs.is_empty());
                if scheme != Scheme::Io {
                    prop_assert_eq!(reading.spans, given.clone());
                }
            }
        }
    }
}
