//! What happened to data on its way from one format to another.

use serde::Serialize;

/// How many occurrences of each kind are kept.
const FIRST: usize = 5;

/// What a remark means for the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Not read at all.
    Refused,
    /// Not in the result.
    Lost,
    /// In the result, and not as it was.
    Changed,
    /// Worth knowing; nothing is lost or changed.
    Noted,
}

/// What there is to say, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// A row or task that cannot be used.
    RefusedRow,
    /// A document that was rejected, ignored, cancelled or never annotated, where the format cannot say so.
    NotAccepted,
    /// A document without a single token.
    EmptyDocument,
    /// A span that overlaps another, where the format is flat.
    OverlappingSpan,
    /// A span that ends where it begins.
    EmptySpan,
    /// A span that holds no token.
    SpanWithoutToken,
    /// A span in several pieces.
    DiscontinuousSpan,
    /// A further annotation of a task, beside the one that was taken.
    OtherAnnotation,
    /// Several labels of a whole text, cut to the first.
    LabelsCut,
    /// Labels of a whole text, where the format has no place for them.
    LabelsDropped,
    /// Layers of tags, where the format has no place for them.
    LayersDropped,
    /// Tokens or sentences that came with the text, where the format has no place for them.
    TokensDropped,
    /// The text's own white space, where only tokens are written.
    SpacingDropped,
    /// Links between spans, where the format has no place for them.
    LinksDropped,
    /// Other information about a document.
    MetadataDropped,
    /// A document's name.
    IdDropped,
    /// An empty node of a dependency graph.
    EmptyNode,
    /// A span that was widened to whole tokens.
    SnappedSpan,
    /// A span that was cut where a sentence ends.
    CutSpan,
    /// A tag that its scheme does not allow there.
    BrokenTag,
    /// Places counted in UTF-16 units.
    OffsetsUtf16,
    /// Places counted in bytes.
    OffsetsBytes,
    /// Places counted in code points where the format counts otherwise.
    OffsetsCodePoints,
    /// A name that another document has, too.
    RepeatedId,
    /// A name that had to be changed for a file.
    ChangedId,
    /// A token with a tab or line break in it, which a column cannot hold.
    RewrittenToken,
    /// A stated text that the tokens do not make up.
    TextDiffers,
    /// A word of several syntactic words that do not make it up letter by letter.
    JoinedWords,
    /// Several whole-text labels with weights, of which those of one half or more were taken.
    WeightedLabels,
    /// A task answered more than once by one annotator.
    RepeatedAnswer,
    /// Lines of other kinds, kept as metadata.
    OtherLine,
    /// Places that cannot be checked, because nothing is quoted and the units differ.
    UncheckedOffsets,
    /// Tokens made by a tokenizer, because none came with the text.
    TokensMade,
    /// A text put together from its tokens.
    TextFromTokens,
    /// A byte order mark at the beginning.
    ByteOrderMark,
    /// Lines that end in CRLF.
    CarriageReturns,
}

impl RemarkKind {
    /// What it means for the data.
    pub const fn effect(self) -> Effect {
        match self {
            Self::RefusedRow => Effect::Refused,
            Self::NotAccepted
            | Self::EmptyDocument
            | Self::OverlappingSpan
            | Self::EmptySpan
            | Self::SpanWithoutToken
            | Self::DiscontinuousSpan
            | Self::OtherAnnotation
            | Self::LabelsCut
            | Self::LabelsDropped
            | Self::LayersDropped
            | Self::TokensDropped
            | Self::SpacingDropped
            | Self::LinksDropped
            | Self::MetadataDropped
            | Self::IdDropped
            | Self::EmptyNode => Effect::Lost,
            Self::SnappedSpan
            | Self::CutSpan
            | Self::BrokenTag
            | Self::OffsetsUtf16
            | Self::OffsetsBytes
            | Self::OffsetsCodePoints
            | Self::RepeatedId
            | Self::ChangedId
            | Self::RewrittenToken
            | Self::TextDiffers
            | Self::JoinedWords
            | Self::WeightedLabels => Effect::Changed,
            Self::RepeatedAnswer
            | Self::OtherLine
            | Self::UncheckedOffsets
            | Self::TokensMade
            | Self::TextFromTokens
            | Self::ByteOrderMark
            | Self::CarriageReturns => Effect::Noted,
        }
    }

    /// What happened, in words that follow a count.
    pub const fn words(self) -> &'static str {
        match self {
            Self::RefusedRow => "rows cannot be used",
            Self::NotAccepted => "documents without an accepted answer left out",
            Self::EmptyDocument => "documents without a token left out",
            Self::OverlappingSpan => "spans overlap a longer one and are left out",
            Self::EmptySpan => "spans are empty and are left out",
            Self::SpanWithoutToken => "spans hold no token and are left out",
            Self::DiscontinuousSpan => "spans in several pieces left out",
            Self::OtherAnnotation => "further annotations of a task left out",
            Self::LabelsCut => "texts have several labels, cut to the first",
            Self::LabelsDropped => "texts lose their labels of the whole",
            Self::LayersDropped => "documents lose layers of tags",
            Self::TokensDropped => "documents lose their own tokens",
            Self::SpacingDropped => "texts lose their white space",
            Self::LinksDropped => "documents lose links between spans",
            Self::MetadataDropped => "documents lose metadata",
            Self::IdDropped => "documents lose their id",
            Self::EmptyNode => "empty nodes left out",
            Self::SnappedSpan => "spans widened to whole tokens",
            Self::CutSpan => "spans go on over the end of a sentence; cut there",
            Self::BrokenTag => "tags break the rules of their scheme; read as conlleval reads them",
            Self::OffsetsUtf16 => "documents count in UTF-16 units; converted",
            Self::OffsetsBytes => "documents count in bytes; converted",
            Self::OffsetsCodePoints => "documents count in code points, where the format counts in UTF-16 units",
            Self::RepeatedId => "documents have an id that was used before; `#2` and so on is added",
            Self::ChangedId => "ids changed to make file names",
            Self::RewrittenToken => "tokens hold tabs or line breaks; `_` stands for each",
            Self::TextDiffers => "stated texts differ from their tokens; put together anew",
            Self::JoinedWords => "words of several parts taken as one token",
            Self::WeightedLabels => "texts have weighted labels; those of at least one half are taken",
            Self::RepeatedAnswer => "answers repeat an earlier one of the same annotator",
            Self::OtherLine => "lines of other kinds kept as metadata",
            Self::UncheckedOffsets => "documents quote nothing, so the unit of their places cannot be checked",
            Self::TokensMade => "documents have no tokens of their own; made by the tokenizer `words`",
            Self::TextFromTokens => "texts put together from tokens with single spaces",
            Self::ByteOrderMark => "byte order mark skipped",
            Self::CarriageReturns => "lines end in CRLF",
        }
    }
}

/// Where something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The document's id, or its number, counted from 1, if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub document: String,
    /// The line of the source, counted from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What it was.
    pub detail: String,
}

/// Everything of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The kind.
    pub kind: RemarkKind,
    /// What it means for the data.
    pub effect: Effect,
    /// What happened, in words that follow the count.
    pub words: &'static str,
    /// How often.
    pub count: u64,
    /// The first occurrences.
    pub first: Vec<Occurrence>,
}

/// All that happened, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Remarks {
    list: Vec<Remark>,
}

impl Remarks {
    /// Counts one occurrence; the detail is only made while examples are kept.
    pub(super) fn add(
        &mut self,
        kind: RemarkKind,
        document: &str,
        line: impl Into<Option<u64>>,
        detail: impl FnOnce() -> String,
    ) {
        let remark = self.of(kind);
        remark.count += 1;
        if remark.first.len() < FIRST {
            remark.first.push(Occurrence {
                document: document.to_owned(),
                line: line.into(),
                detail: shorten(detail()),
            });
        }
    }

    /// The remark of a kind, made if there was none.
    fn of(&mut self, kind: RemarkKind) -> &mut Remark {
        let place = match self.list.binary_search_by_key(&kind, |remark| remark.kind) {
            Ok(place) => place,
            Err(place) => {
                let remark = Remark { kind, effect: kind.effect(), words: kind.words(), count: 0, first: Vec::new() };
                self.list.insert(place, remark);
                place
            }
        };
        &mut self.list[place]
    }

    /// All remarks, the gravest kinds first.
    pub fn list(&self) -> &[Remark] {
        &self.list
    }

    /// How often something of a kind happened.
    pub fn count(&self, kind: RemarkKind) -> u64 {
        self.list.iter().find(|remark| remark.kind == kind).map_or(0, |remark| remark.count)
    }

    /// Whether anything was refused or lost.
    pub fn is_lossy(&self) -> bool {
        self.list.iter().any(|remark| matches!(remark.effect, Effect::Refused | Effect::Lost))
    }

    /// Adds the remarks of another part of the data.
    pub fn merge(&mut self, other: &Self) {
        for remark in &other.list {
            let mine = self.of(remark.kind);
            mine.count += remark.count;
            let room = FIRST.saturating_sub(mine.first.len());
            mine.first.extend(remark.first.iter().take(room).cloned());
        }
    }
}

/// A detail of a length that fits a line.
fn shorten(mut detail: String) -> String {
    const LONGEST: usize = 160;
    if let Some((end, _)) = detail.char_indices().nth(LONGEST) {
        detail.truncate(end);
        detail.push('…');
    }
    detail
}
