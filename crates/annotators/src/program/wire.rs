//! What parent and worker say to each other: length-prefixed frames of little-endian numbers and raw text.
//!
//! The worker is not trusted: everything it sends is checked, and what does not parse counts as a crash.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use postil_core::text::{Token, Tokenizer};
use postil_core::{Class, ItemBatch, SpanLabel, TaskKind};

use super::limits::Limits;

/// The first frame of a worker, which shows that the process is one and speaks this protocol.
pub(super) const HELLO: &[u8] = b"postil program worker 2";
/// No frame is longer; a longer one is garbage.
const LONGEST_FRAME: u32 = 1 << 30;

/// What a program said about one item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Abstain,
    Class(Class),
    /// Candidates, or in a multi-label task the set.
    Classes(Vec<Class>),
    Weights(Vec<(Class, f64)>),
    /// In order of their start; they may overlap.
    Spans(Vec<SpanReply>),
    /// Fields of a record, as a JSON object.
    Record(String),
    /// An answer came back that does not fit the question.
    Malformed(Trouble),
    /// The program raised an error.
    Failed(Trouble),
    /// A limit was hit or the process died: costly, and counted.
    Limit(Trouble),
    /// The function had hit its limits too often before.
    NotRun,
}

/// A span that a program named, in code points.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SpanReply {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) label: SpanLabel,
}

/// What went wrong, and the line of the program; 0 if it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) line: u32,
    pub(super) reason: String,
}

/// How a function wants its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `def label(item)`.
    Single,
    /// `def labels(items)`.
    Batch,
    /// `def spans(item)`.
    Spans,
    /// `def tags(item)`.
    Tags,
}

impl Form {
    const ALL: [Self; 4] = [Self::Single, Self::Batch, Self::Spans, Self::Tags];
}

/// A labelling function of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// What follows `label_`, `spans_` or `tags_`; empty for `label`, `labels`, `spans` and `tags`.
    pub(super) suffix: String,
    pub(super) form: Form,
}

/// What the parent asks.
pub(super) enum Request<'m> {
    Load(Load<'m>),
    Evaluate(Evaluate<'m>),
}

/// A program to keep under a number.
pub(super) struct Load<'m> {
    pub(super) key: u32,
    pub(super) limits: Limits,
    /// The file's name in messages.
    pub(super) path: &'m str,
    pub(super) source: &'m str,
    pub(super) kind: TaskKind,
    pub(super) tokenizer: Tokenizer,
    pub(super) labels: Vec<&'m str>,
    /// Lists that the program may ask: a name, and entries with line ends between.
    pub(super) lists: Vec<(&'m str, &'m str)>,
}

/// Items to label with some functions of a loaded program.
pub(super) struct Evaluate<'m> {
    pub(super) key: u32,
    /// One function, one item at a time, reporting every line before it runs.
    pub(super) careful: bool,
    /// The functions, and how many times each may still hit a limit.
    pub(super) functions: Vec<(u16, u16)>,
    pub(super) columns: Vec<&'m str>,
    pub(super) rows: Vec<ItemText<'m>>,
}

/// An item as a program sees it.
#[derive(Clone, Debug)]
pub(super) struct ItemText<'m> {
    pub(super) id: &'m str,
    pub(super) text: &'m str,
    pub(super) fields: Vec<Option<&'m str>>,
    /// The tokens that came with the text, in bytes.
    pub(super) tokens: Option<Vec<Token>>,
}

impl ItemText<'_> {
    /// The tokens of the text: those that came with it, or the tokenizer's.
    pub(super) fn tokens(&self, tokenizer: Tokenizer) -> Cow<'_, [Token]> {
        self.tokens.as_deref().map_or_else(|| Cow::Owned(tokenizer.tokenize(self.text)), Cow::Borrowed)
    }
}

/// What the worker says.
pub(super) enum Response {
    Loaded(Vec<Function>),
    NotLoaded(Trouble),
    /// The line that runs next.
    Line(u32),
    /// The replies for the first rows of those asked for, row by row, one per function.
    Replies {
        rows: u32,
        replies: Vec<Reply>,
    },
}

/// Writes one frame.
pub(super) fn send(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(&(frame.len() as u32).to_le_bytes())?;
    output.write_all(frame)?;
    output.flush()
}

/// Reads one frame into `frame`; false at the end of the stream.
pub(super) fn receive(input: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    frame.clear();
    // Grows with what arrives, not with what is announced.
    let read = input.by_ref().take(u64::from(length)).read_to_end(frame)?;
    Ok(read == length as usize)
}

/// The frame of a [`Request::Load`].
pub(super) fn encode_load(load: &Load<'_>) -> Vec<u8> {
    let mut frame = Writer(vec![b'L']);
    frame.number(load.key);
    load.limits.numbers().into_iter().for_each(|limit| frame.0.extend(limit.to_le_bytes()));
    frame.text(load.path);
    frame.text(load.source);
    frame.0.push(position(&TaskKind::ALL, &load.kind));
    frame.0.push(position(&Tokenizer::ALL, &load.tokenizer));
    frame.number(load.labels.len() as u32);
    load.labels.iter().for_each(|label| frame.text(label));
    frame.number(load.lists.len() as u32);
    for (name, entries) in &load.lists {
        frame.text(name);
        frame.text(entries);
    }
    frame.0
}

/// The frame of a [`Request::Evaluate`] for consecutive rows, built in `frame`; `columns` are the source's columns that
/// go along.
pub(super) fn encode_evaluate(
    frame: Vec<u8>,
    (key, careful, functions): (u32, bool, &[(u16, u16)]),
    items: &ItemBatch,
    rows: std::ops::Range<usize>,
    columns: &[String],
) -> Vec<u8> {
    let mut frame = Writer(frame);
    frame.0.clear();
    frame.0.push(b'E');
    frame.number(key);
    frame.0.push(u8::from(careful));
    frame.number(functions.len() as u32);
    for (function, allowed) in functions {
        frame.0.extend(function.to_le_bytes());
        frame.0.extend(allowed.to_le_bytes());
    }
    frame.number(columns.len() as u32);
    for column in columns {
        frame.text(column);
    }
    frame.number(rows.len() as u32);
    for row in rows {
        frame.text(items.id(row));
        frame.text(items.text(row));
        for column in columns {
            match items.field(row, column) {
                None => frame.number(u32::MAX),
                Some(value) => frame.text(&value),
            }
        }
        match items.tokens(row) {
            None => frame.number(u32::MAX),
            Some(tokens) => {
                frame.number(tokens.len() as u32);
                tokens.iter().for_each(|token| {
                    frame.number(token.start);
                    frame.number(token.end);
                });
            }
        }
    }
    frame.0
}

impl<'m> Request<'m> {
    /// Reads a request; `None` if it is not one.
    pub(super) fn decode(frame: &'m [u8]) -> Option<Self> {
        let (&kind, rest) = frame.split_first()?;
        let mut frame = Reader(rest);
        match kind {
            b'L' => Some(Self::Load(Load {
                key: frame.number()?,
                limits: Limits::from_numbers([frame.long()?, frame.long()?, frame.long()?, frame.long()?]),
                path: frame.text()?,
                source: frame.text()?,
                kind: *TaskKind::ALL.get(usize::from(frame.byte()?))?,
                tokenizer: *Tokenizer::ALL.get(usize::from(frame.byte()?))?,
                labels: (0..frame.number()?).map(|_| frame.text()).collect::<Option<_>>()?,
                lists: (0..frame.number()?).map(|_| Some((frame.text()?, frame.text()?))).collect::<Option<_>>()?,
            })),
            b'E' => {
                let (key, careful) = (frame.number()?, frame.byte()? != 0);
                let functions =
                    (0..frame.number()?).map(|_| Some((frame.short()?, frame.short()?))).collect::<Option<_>>()?;
                let columns: Vec<&str> = (0..frame.number()?).map(|_| frame.text()).collect::<Option<_>>()?;
                let rows = (0..frame.number()?)
                    .map(|_| {
                        Some(ItemText {
                            id: frame.text()?,
                            text: frame.text()?,
                            fields: (0..columns.len()).map(|_| frame.maybe_text()).collect::<Result<_, _>>().ok()?,
                            tokens: frame.tokens().ok()?,
                        })
                    })
                    .collect::<Option<_>>()?;
                Some(Self::Evaluate(Evaluate { key, careful, functions, columns, rows }))
            }
            _ => None,
        }
    }
}

impl Response {
    /// The frame to send.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut frame = Writer(Vec::new());
        match self {
            Self::Loaded(functions) => {
                frame.0.push(b'l');
                frame.number(functions.len() as u32);
                for function in functions {
                    frame.text(&function.suffix);
                    frame.0.push(position(&Form::ALL, &function.form));
                }
            }
            Self::NotLoaded(trouble) => {
                frame.0.push(b'e');
                frame.trouble(trouble);
            }
            Self::Line(line) => {
                frame.0.push(b't');
                frame.number(*line);
            }
            Self::Replies { rows, replies } => {
                frame.0.push(b'r');
                frame.number(*rows);
                for reply in replies {
                    frame.reply(reply);
                }
            }
        }
        frame.0
    }

    /// Reads a response about `functions` functions and at most `rows` rows whose labels are below `labels`; `None` if
    /// it is not one.
    pub(super) fn decode(frame: &[u8], functions: usize, rows: usize, labels: usize) -> Option<Self> {
        let (&kind, rest) = frame.split_first()?;
        let mut frame = Reader(rest);
        match kind {
            b'l' => {
                let functions = (0..frame.number()?)
                    .map(|_| {
                        let suffix = frame.text()?.to_owned();
                        let form = *Form::ALL.get(usize::from(frame.byte()?))?;
                        Some(Function { suffix, form })
                    })
                    .collect::<Option<_>>()?;
                Some(Self::Loaded(functions))
            }
            b'e' => Some(Self::NotLoaded(frame.trouble()?)),
            b't' => Some(Self::Line(frame.number()?)),
            b'r' => {
                let answered = frame.number()?;
                if answered as usize > rows {
                    return None;
                }
                let replies =
                    (0..answered as usize * functions).map(|_| frame.reply(labels)).collect::<Option<Vec<_>>>()?;
                Some(Self::Replies { rows: answered, replies })
            }
            _ => None,
        }
    }
}

/// The place of a value among all of its kind.
fn position<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|other| other == value).expect("all values are there") as u8
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
    }

    fn trouble(&mut self, trouble: &Trouble) {
        self.number(trouble.line);
        self.text(&trouble.reason);
    }

    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Abstain => self.0.push(0),
            Reply::Class(class) => {
                self.0.push(1);
                self.0.extend(class.to_le_bytes());
            }
            Reply::Classes(classes) => {
                self.0.push(2);
                self.0.extend((classes.len() as u16).to_le_bytes());
                for class in classes {
                    self.0.extend(class.to_le_bytes());
                }
            }
            Reply::Weights(weights) => {
                self.0.push(3);
                self.0.extend((weights.len() as u16).to_le_bytes());
                for (class, weight) in weights {
                    self.0.extend(class.to_le_bytes());
                    self.0.extend(weight.to_le_bytes());
                }
            }
            Reply::Malformed(trouble) => {
                self.0.push(4);
                self.trouble(trouble);
            }
            Reply::Failed(trouble) => {
                self.0.push(5);
                self.trouble(trouble);
            }
            Reply::Limit(trouble) => {
                self.0.push(6);
                self.trouble(trouble);
            }
            Reply::NotRun => self.0.push(7),
            Reply::Spans(spans) => {
                self.0.push(8);
                self.number(spans.len() as u32);
                spans.iter().for_each(|span| self.span(span));
            }
            Reply::Record(json) => {
                self.0.push(9);
                self.text(json);
            }
        }
    }

    fn span(&mut self, span: &SpanReply) {
        self.number(span.start);
        self.number(span.end);
        // One class is by far the most frequent, and takes no length.
        match &span.label {
            SpanLabel::One(class) => self.0.extend([0, class.to_le_bytes()[0], class.to_le_bytes()[1]]),
            SpanLabel::OneOf(classes) => {
                self.0.push(1);
                self.0.extend((classes.len() as u16).to_le_bytes());
                classes.iter().for_each(|class| self.0.extend(class.to_le_bytes()));
            }
            SpanLabel::Any => self.0.push(2),
            SpanLabel::Nothing => self.0.push(3),
        }
    }
}

struct Reader<'m>(&'m [u8]);

/// What was read is not what it should be.
struct Garbled;

impl<'m> Reader<'m> {
    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'m str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length as usize)?).ok()
    }

    fn maybe_text(&mut self) -> Result<Option<&'m str>, Garbled> {
        let length = self.number().ok_or(Garbled)?;
        if length == u32::MAX {
            return Ok(None);
        }
        let bytes = self.take(length as usize).ok_or(Garbled)?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| Garbled)
    }

    fn tokens(&mut self) -> Result<Option<Vec<Token>>, Garbled> {
        let length = self.number().ok_or(Garbled)?;
        if length == u32::MAX {
            return Ok(None);
        }
        let token = |_| Some(Token { start: self.number()?, end: self.number()? });
        (0..length).map(token).collect::<Option<_>>().map(Some).ok_or(Garbled)
    }

    fn trouble(&mut self) -> Option<Trouble> {
        Some(Trouble { line: self.number()?, reason: self.text()?.to_owned() })
    }

    fn class(&mut self, labels: usize) -> Option<Class> {
        self.short().filter(|&class| usize::from(class) < labels)
    }

    fn span(&mut self, labels: usize) -> Option<SpanReply> {
        let (start, end) = (self.number()?, self.number()?);
        let label = match self.byte()? {
            0 => SpanLabel::One(self.class(labels)?),
            1 => SpanLabel::OneOf((0..self.short()?).map(|_| self.class(labels)).collect::<Option<_>>()?),
            2 => SpanLabel::Any,
            3 => SpanLabel::Nothing,
            _ => return None,
        };
        Some(SpanReply { start, end, label })
    }

    fn reply(&mut self, labels: usize) -> Option<Reply> {
        Some(match self.byte()? {
            0 => Reply::Abstain,
            1 => Reply::Class(self.class(labels)?),
            2 => Reply::Classes((0..self.short()?).map(|_| self.class(labels)).collect::<Option<_>>()?),
            3 => Reply::Weights(
                (0..self.short()?)
                    .map(|_| {
                        let class = self.class(labels)?;
                        let weight = f64::from_bits(self.long()?);
                        (weight.is_finite() && weight >= 0.0).then_some((class, weight))
                    })
                    .collect::<Option<_>>()?,
            ),
            4 => Reply::Malformed(self.trouble()?),
            5 => Reply::Failed(self.trouble()?),
            6 => Reply::Limit(self.trouble()?),
            7 => Reply::NotRun,
            9 => Reply::Record(self.text()?.to_owned()),
            8 => Reply::Spans((0..self.number()?).map(|_| self.span(labels)).collect::<Option<_>>()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replies() -> Vec<Reply> {
        let trouble = || Trouble { line: 3, reason: "é".into() };
        vec![
            Reply::Abstain,
            Reply::Class(2),
            Reply::Classes(vec![0, 2]),
            Reply::Weights(vec![(1, 0.5), (2, 0.5)]),
            Reply::Malformed(trouble()),
            Reply::Failed(trouble()),
            Reply::Limit(trouble()),
            Reply::NotRun,
            Reply::Spans(vec![
                SpanReply { start: 0, end: 2, label: SpanLabel::One(2) },
                SpanReply { start: 1, end: 3, label: SpanLabel::OneOf(vec![0, 2]) },
                SpanReply { start: 4, end: 5, label: SpanLabel::Any },
                SpanReply { start: 6, end: 9, label: SpanLabel::Nothing },
            ]),
            Reply::Spans(Vec::new()),
            Reply::Record("{}".to_owned()),
            Reply::Record("{\"é\":1}".to_owned()),
        ]
    }

    #[test]
    fn every_reply_arrives() {
        let frame = Response::Replies { rows: 6, replies: replies() }.encode();
        let Some(Response::Replies { rows: 6, replies: arrived }) = Response::decode(&frame, 2, 6, 3) else {
            panic!("not decoded")
        };
        assert_eq!(arrived, replies());
        assert!(Response::decode(&frame, 2, 5, 3).is_none(), "more rows than were asked for");
        assert!(Response::decode(&frame, 2, 6, 2).is_none(), "a class that is not a label");
    }

    #[test]
    fn items_arrive_with_their_fields() {
        let items = ItemBatch::from_texts([("a", "one"), ("b", ""), ("c", "👍")]);
        let columns = ["text".to_owned(), "nothing".to_owned()];
        let frame = encode_evaluate(Vec::new(), (7, true, &[(1, 9)]), &items, 1..3, &columns);
        let Some(Request::Evaluate(request)) = Request::decode(&frame) else { panic!("not decoded") };
        assert_eq!((request.key, request.careful, request.functions), (7, true, vec![(1, 9)]));
        assert_eq!((request.rows[1].id, request.rows[1].text), ("c", "👍"));
        assert_eq!(request.rows[0].fields, [Some(""), None]);
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Response::decode(&bytes, 2, 6, 3);
            let _ = Request::decode(&bytes);
            let mut frame = Vec::new();
            let _ = receive(&mut bytes.as_slice(), &mut frame);
        }
    }
}
