//! Documents put together from tokens and tags.

use std::collections::HashMap;

use crate::answer::Span;
use crate::document::{Document, Layer};
use crate::task::Name;
use crate::text::{Repair, Scheme, Token, Tokenizer, read_tags};

/// Shared names, so that a tag that stands on a million tokens is stored once.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Name>);

impl Names {
    /// More names than this are no tags; the table starts anew so that memory stays bounded.
    const MOST: usize = 1 << 16;

    pub(super) fn get(&mut self, name: &str) -> Name {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        let made = Name::from(name);
        self.0.insert(name.to_owned(), made.clone());
        made
    }
}

/// A document in the making.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) document: Document,
    /// Code points of each token: first and one past the last.
    points: Vec<(u32, u32)>,
    length: u32,
    /// The first token of the open sentence.
    sentence: usize,
}

impl Builder {
    /// Whether no token has come.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// How many tokens have come.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Adds white space as it stands in the text.
    pub(super) fn space(&mut self, space: &str) {
        self.document.text.push_str(space);
        self.length += space.chars().count() as u32;
    }

    /// Adds a token at the end of the text.
    ///
    /// # Errors
    /// The text would be longer than 4 GB.
    pub(super) fn token(&mut self, word: &str) -> Result<(), String> {
        let start = self.document.text.len();
        self.document.text.push_str(word);
        let end = u32::try_from(self.document.text.len())
            .map_err(|_| "expected documents of at most 4 GB, found a longer one".to_owned())?;
        let first = self.length;
        self.length += if word.is_ascii() { word.len() } else { word.chars().count() } as u32;
        self.document.tokens.push(Token { start: start as u32, end });
        self.points.push((first, self.length));
        Ok(())
    }

    /// Adds a token with a single space before it, or a line break where a sentence begins.
    pub(super) fn spaced_token(&mut self, word: &str) -> Result<(), String> {
        if !self.document.text.is_empty() {
            self.space(if self.points.len() == self.sentence { "\n" } else { " " });
        }
        self.token(word)
    }

    /// Reads the tags of the open sentence; the repairs are positions in it.
    pub(super) fn tags(&mut self, tags: &[&str], scheme: Scheme, names: &mut Names) -> Vec<Repair> {
        let reading = read_tags(tags, scheme);
        for run in &reading.spans {
            let (first, last) = (self.sentence + run.start as usize, self.sentence + run.end as usize - 1);
            let (start, end) = (self.document.tokens[first].start, self.document.tokens[last].end);
            self.document.spans.push(Span {
                start: self.points[first].0,
                end: self.points[last].1,
                label: names.get(run.label),
                quote: self.document.text[start as usize..end as usize].to_owned(),
            });
        }
        reading.repairs
    }

    /// Adds the tags of the open sentence to a layer; sentences without it have `_`.
    pub(super) fn layer<'t>(&mut self, name: &Name, tags: impl Iterator<Item = &'t str>, names: &mut Names) {
        let position = self.document.layers.iter().position(|layer| layer.name == *name);
        let place = position.unwrap_or_else(|| {
            self.document.layers.push(Layer { name: name.clone(), tags: Vec::new() });
            self.document.layers.len() - 1
        });
        let layer = &mut self.document.layers[place].tags;
        layer.resize(self.sentence, names.get("_"));
        layer.extend(tags.map(|tag| names.get(tag)));
    }

    /// Ends a sentence.
    pub(super) fn end_sentence(&mut self) {
        self.sentence = self.points.len();
        self.document.sentences.push(self.sentence as u32);
    }

    /// Puts the tokens onto the text that they were taken from. `false`, and nothing changes, if they do not make it
    /// up.
    pub(super) fn place_on(&mut self, text: &str) -> bool {
        let words: Vec<&str> = self.document.tokens.iter().map(|token| token.of(&self.document.text)).collect();
        let Some(tokens) = place_words(text, &words) else { return false };
        let offsets = crate::text::Offsets::new(text);
        let position = |byte: u32| offsets.position_of(crate::text::OffsetUnit::CodePoints, byte as usize);
        let before: Vec<(u32, u32)> = std::mem::take(&mut self.points);
        self.points =
            tokens.iter().map(|token| (position(token.start).unwrap_or(0), position(token.end).unwrap_or(0))).collect();
        for span in &mut self.document.spans {
            let first = before.partition_point(|point| point.0 < span.start);
            let last = before.partition_point(|point| point.1 <= span.end) - 1;
            (span.start, span.end) = (self.points[first].0, self.points[last].1);
            let (start, end) = (tokens[first].start as usize, tokens[last].end as usize);
            text[start..end].clone_into(&mut span.quote);
        }
        self.document.tokens = tokens;
        text.clone_into(&mut self.document.text);
        true
    }

    /// The document, every layer as long as the tokens.
    pub(super) fn finish(mut self, names: &mut Names) -> Document {
        for layer in &mut self.document.layers {
            layer.tags.resize(self.points.len(), names.get("_"));
        }
        self.document
    }
}

/// Where words lie in a text, one after the other with nothing around them that is a word: white space, most often.
pub(super) fn place_words<W: AsRef<str>>(text: &str, words: &[W]) -> Option<Vec<Token>> {
    u32::try_from(text.len()).ok()?;
    // Tokenizers pass over marks of direction, joiners and the like where they stand alone.
    let is_gap = |between: &str| between.trim_start().is_empty() || Tokenizer::Words.next(between, 0).is_none();
    let mut at = 0;
    let mut tokens = Vec::with_capacity(words.len());
    for word in words {
        let word = word.as_ref();
        if !text[at..].starts_with(word) {
            let after = text.len() - text[at..].trim_start().len();
            at = if text[after..].starts_with(word) {
                after
            } else {
                at + text[at..].find(word).filter(|found| is_gap(&text[at..at + found]))?
            };
        }
        tokens.push(Token { start: at as u32, end: (at + word.len()) as u32 });
        at += word.len();
    }
    is_gap(&text[at..]).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_tags_become_a_document() {
        let mut names = Names::default();
        let mut builder = Builder::default();
        for word in ["Zoë", "flew"] {
            builder.spaced_token(word).unwrap();
        }
        assert!(builder.tags(&["B-PER", "O"], Scheme::Bio, &mut names).is_empty());
        builder.end_sentence();
        for word in ["New", "York", "!"] {
            builder.spaced_token(word).unwrap();
        }
        assert!(builder.tags(&["B-LOC", "I-LOC", "O"], Scheme::Bio, &mut names).is_empty());
        builder.layer(&"pos".into(), ["NNP", "NNP", "."].into_iter(), &mut names);
        builder.end_sentence();
        assert!(!builder.place_on("Zoë left"));
        assert!(builder.place_on("  Zoë flew  New York!\n"));
        let document = builder.finish(&mut names);
        assert_eq!((document.spans[1].start, document.spans[1].end), (12, 20));
        assert_eq!(document.spans[1].quote, "New York");
        assert_eq!(document.sentences, [2, 5]);
        assert_eq!(document.layers[0].tags.len(), 5);
        assert_eq!(document.words().collect::<Vec<_>>(), ["Zoë", "flew", "New", "York", "!"]);
    }
}
