//! A text with its tokens and everything that is marked in it.

use serde::{Deserialize, Serialize};

use crate::answer::{Link, Span};
use crate::error::{Error, Result};
use crate::item::ItemId;
use crate::task::Name;
use crate::text::{Token, Tokenizer};

/// A text with its tokens, sentences, spans, further layers of tags, and labels of the whole.
///
/// The unit that formats carry and taggers read: a document of several sentences where the source knows documents, else
/// a sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The name; empty if the source gave none.
    pub id: ItemId,
    /// The text, exactly as it was read; put together from tokens, with single spaces between tokens and a line break
    /// between sentences, where the source had only those.
    pub text: String,
    /// The tokens that came with the text; empty if none did.
    pub tokens: Vec<Token>,
    /// Where each sentence ends, in tokens; empty if the source does not say.
    pub sentences: Vec<u32>,
    /// The spans, in the order of the source; they may overlap.
    pub spans: Vec<Span>,
    /// How sure the source is of each span, from 0 to 1, in the order of the spans; empty if it does not say.
    pub confidences: Vec<f32>,
    /// Links between spans, by their positions.
    pub links: Vec<Link>,
    /// Further layers: a name, such as `pos`, and a tag per token.
    pub layers: Vec<Layer>,
    /// Labels of the whole text.
    pub labels: Vec<Name>,
    /// Everything else that the source said about it.
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// A layer of tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What the tags are, such as `pos`.
    pub name: Name,
    /// One tag per token.
    pub tags: Vec<Name>,
}

impl Document {
    /// A text that is nothing else yet.
    pub fn from_text(id: impl Into<ItemId>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), ..Self::default() }
    }

    /// A text put together from sentences of tokens: a space between tokens, a line break between sentences.
    ///
    /// # Errors
    /// A token is empty or holds white space, or the text would be longer than 4 GB.
    pub fn from_tokens<T: AsRef<str>>(id: impl Into<ItemId>, sentences: &[Vec<T>]) -> Result<Self> {
        let mut document = Self { id: id.into(), ..Self::default() };
        for sentence in sentences {
            for (position, token) in sentence.iter().enumerate() {
                let token = token.as_ref();
                if token.is_empty() || token.contains(['\n', '\r']) {
                    return Err(Error::input(format!("expected a token on one line, found {token:?}"))
                        .for_item(document.id.to_string()));
                }
                if !document.text.is_empty() {
                    document.text.push(if position == 0 { '\n' } else { ' ' });
                }
                let start = document.text.len();
                document.text.push_str(token);
                let end = u32::try_from(document.text.len()).map_err(|_| {
                    Error::input("expected a document of at most 4 GB").for_item(document.id.to_string())
                })?;
                document.tokens.push(Token { start: start as u32, end });
            }
            document.sentences.push(document.tokens.len() as u32);
        }
        Ok(document)
    }

    /// Gives a document that came without tokens those of a tokenizer, and one without sentences its sentences.
    pub fn tokenize(&mut self, tokenizer: Tokenizer) {
        if self.tokens.is_empty() {
            self.tokens = tokenizer.tokenize(&self.text);
            self.sentences.clear();
        }
        if self.sentences.is_empty() {
            let sentences = crate::text::sentences(&self.text, &self.tokens);
            self.sentences = sentences.into_iter().map(|range| range.end as u32).collect();
        }
    }

    /// Leaves out spans, with their links and confidences.
    pub fn retain_spans(&mut self, keep: impl FnMut(&Span) -> bool) {
        let kept: Vec<bool> = self.spans.iter().map(keep).collect();
        let mut next = 0;
        let places: Vec<Option<u32>> = kept
            .iter()
            .map(|&keep| {
                next += u32::from(keep);
                keep.then(|| next - 1)
            })
            .collect();
        let mut flags = kept.iter();
        self.spans.retain(|_| flags.next().copied().unwrap_or(false));
        let mut flags = kept.iter();
        self.confidences.retain(|_| flags.next().copied().unwrap_or(false));
        self.links.retain_mut(|link| {
            let place = |old: u32| places.get(old as usize).copied().flatten();
            let Some((from, to)) = place(link.from).zip(place(link.to)) else { return false };
            (link.from, link.to) = (from, to);
            true
        });
    }

    /// What each token says.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(|token| token.of(&self.text))
    }

    /// The sentences as ranges of tokens; one of all tokens if the source does not say.
    pub fn sentence_ranges(&self) -> Vec<std::ops::Range<usize>> {
        if self.sentences.is_empty() {
            return Vec::from_iter((!self.tokens.is_empty()).then_some(0..self.tokens.len()));
        }
        let mut start = 0;
        self.sentences.iter().map(|&end| std::mem::replace(&mut start, end as usize)..end as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_make_a_text_and_sentences() {
        let document = Document::from_tokens("d", &[vec!["Ann", "left", "."], vec!["Why", "?"]]).unwrap();
        assert_eq!(document.text, "Ann left .\nWhy ?");
        assert_eq!(document.words().collect::<Vec<_>>(), ["Ann", "left", ".", "Why", "?"]);
        assert_eq!(document.sentence_ranges(), [0..3, 3..5]);
        assert!(Document::from_tokens("d", &[vec!["a\nb"]]).is_err());
    }

    #[test]
    fn links_and_confidences_follow_their_spans() {
        let span = |start| Span { start, end: start + 1, label: "X".into(), quote: "x".to_owned() };
        let link = |from, to| Link { from, to, kind: "k".into() };
        let mut document = Document {
            spans: vec![span(0), span(2), span(4)],
            confidences: vec![0.9, 0.1, 0.8],
            links: vec![link(0, 2), link(1, 2), link(2, 0)],
            ..Document::from_text("d", "x x x")
        };
        document.retain_spans(|span| span.start != 2);
        assert_eq!((document.spans.len(), document.confidences), (2, vec![0.9, 0.8]));
        assert_eq!(document.links, [link(0, 1), link(1, 0)]);
    }

    #[test]
    fn a_text_gets_tokens_once() {
        let mut document = Document::from_text("d", "Ann left. Why?");
        document.tokenize(Tokenizer::Words);
        assert_eq!(document.sentence_ranges(), [0..3, 3..5]);
        document.tokenize(Tokenizer::Whitespace);
        assert_eq!(document.tokens.len(), 5);
    }
}
