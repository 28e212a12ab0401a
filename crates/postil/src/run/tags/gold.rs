//! Gold tags: from a file of any format, on the tokens of the run's items.

use std::path::Path;

use postil_core::text::{Named, OffsetUnit, Offsets, quote};
use postil_core::{Answer, Class, Document, Error, Layer, Name, Result};
use serde::Deserialize;
use serde_json::Value;

use super::super::gold::{GoldFile, GoldLabel, Truth};
use super::super::gold_documents::{self, Bare};
use crate::project::Project;

/// What stands for a tag that is not known, unless the task has it as a label.
const UNKNOWN: &str = "_";

/// The tags of a gold text, and what is known of the text that they are about.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// A tag per token; none where gold does not say.
    pub tags: Vec<Option<Class>>,
    /// In place of `tags`: where the tokens that have one begin, in code points.
    places: Option<Vec<(u32, Class)>>,
    words: Option<Vec<String>>,
    text: Option<String>,
    item: String,
    line: u64,
}

/// Reads documents with a layer of tags, or JSON lines with an item's `id` and `tags`.
pub(crate) fn read(project: &Project, path: &Path) -> Result<GoldFile> {
    let mut labels = Vec::new();
    let mut untagged = 0_u64;
    let bare = Bare { is_one: |object| object.contains_key("tags") && object.contains_key("id"), read: bare };
    let mut faults = gold_documents::read(path, &bare, |document, line| {
        let item = document.id.to_string();
        let wrong = |error: Error| gold_documents::wrong(error, path, line, &item);
        if item.is_empty() {
            return Err(wrong(
                Error::input("expected the id of the item that the tags are about, found none")
                    .hint("CoNLL-U has it in `# sent_id`, other files with a token per line in `# id`"),
            ));
        }
        let probability = gold_documents::probability(&document).map_err(wrong)?;
        let layer = layer(&document, project).map_err(wrong)?;
        let tags = layer.tags.iter().map(|tag| class(tag, project)).collect::<Result<Vec<_>>>().map_err(wrong)?;
        if tags.iter().all(Option::is_none) {
            untagged += 1;
            return Ok(());
        }
        let words = document.words().map(str::to_owned).collect::<Vec<_>>();
        let tagged = Tagged {
            tags,
            places: None,
            words: (!words.is_empty()).then_some(words),
            text: (!document.text.is_empty()).then(|| document.text.clone()),
            item: item.clone(),
            line,
        };
        labels.push(GoldLabel { item, truth: Truth::Tags(tagged), probability });
        Ok(())
    })?;
    if untagged > 0 {
        faults.push(format!("{untagged} gold texts have no tags yet"));
    }
    Ok(GoldFile::new(labels, faults))
}

/// The layer of a document that the task is about.
fn layer<'d>(document: &'d Document, project: &Project) -> Result<&'d Layer> {
    let names = || document.layers.iter().map(|layer| format!("`{}`", layer.name)).collect::<Vec<_>>().join(", ");
    let named = document.layers.iter().find(|layer| *layer.name == *project.layer);
    match (named, document.layers.as_slice()) {
        (Some(layer), _) | (None, [layer]) => Ok(layer),
        (None, []) => Err(Error::input("expected a tag for every token, found none")),
        (None, _) => Err(Error::input(format!("expected a layer `{}`, found {}", project.layer, names()))
            .hint("name the layer that the task is about in `task.layer`")),
    }
}

fn class(tag: &str, project: &Project) -> Result<Option<Class>> {
    match project.task.labels.class(tag) {
        Some(class) => Ok(Some(class)),
        None if tag.is_empty() || tag == UNKNOWN => Ok(None),
        None => project.task.labels.expect(tag).map(Some),
    }
}

/// A line that names an item and its tags, with or without its text and tokens.
fn bare(line: &str) -> Result<Document> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        tags: Vec<Option<String>>,
        text: Option<String>,
        tokens: Option<Vec<Value>>,
        #[serde(flatten)]
        meta: serde_json::Map<String, Value>,
    }
    let line: Line = serde_json::from_str(line).map_err(|error| {
        Error::input("expected an object with `id` and `tags`, a list with a tag per token").because(error)
    })?;
    let mut document = Document { meta: line.meta, ..Document::default() };
    let words: Option<Vec<&str>> = line.tokens.as_ref().and_then(|tokens| tokens.iter().map(Value::as_str).collect());
    if let Some(words) = words.filter(|words| !words.is_empty()) {
        if words.len() != line.tags.len() {
            return Err(Error::input(format!(
                "expected {} tags, one per token, found {}",
                words.len(),
                line.tags.len()
            ))
            .for_item(line.id));
        }
        let meta = std::mem::take(&mut document.meta);
        document = Document { meta, ..Document::from_tokens(line.id.as_str(), &[words])? };
    } else {
        document.text = line.text.unwrap_or_default();
    }
    document.id = line.id.into();
    let tags = line.tags.into_iter().map(|tag| Name::from(tag.as_deref().unwrap_or_default())).collect();
    document.layers.push(Layer { name: "tags".into(), tags });
    Ok(document)
}

impl Tagged {
    /// A tag for every token of an item, given on the item's own text.
    pub(crate) fn all(item: &str, tags: Vec<Class>) -> Self {
        let tags = tags.into_iter().map(Some).collect();
        Self { tags, places: None, words: None, text: None, item: item.to_owned(), line: 0 }
    }

    /// Tags of some tokens of an item, each by the place at which its token begins, in code points; the others were left
    /// open.
    pub(crate) fn some(item: &str, places: Vec<(u32, Class)>) -> Self {
        let item = item.to_owned();
        Self { tags: Vec::new(), places: Some(places), words: None, text: None, item, line: 0 }
    }

    /// What it says, in characters that are the same only if that is.
    pub(crate) fn said(&self) -> String {
        match &self.places {
            Some(places) => format!("{places:?}"),
            None => format!("{:?}", self.tags),
        }
    }

    /// The tags on the tokens of the item.
    ///
    /// # Errors
    /// The item has other tokens: gold of another version of the text, or of another tokenizer.
    pub(crate) fn on(&self, document: &Document, project: &Project) -> Result<Vec<Option<Class>>> {
        let message = match self.placed(document) {
            Some(placed) => match placed {
                Ok(tags) => return Ok(tags),
                Err(message) => message,
            },
            None => match self.difference(document) {
                None => return Ok(self.tags.clone()),
                Some(message) => message,
            },
        };
        let path = project.gold.as_deref().unwrap_or(Path::new("gold"));
        Err(gold_documents::wrong(Error::input(message), path, self.line, &self.item).hint(
            "the gold was made for another version of the text, or its tokens are not those of `data.tokenizer`; \
             `data.tokens` names the column of given tokens",
        ))
    }

    /// The tags of the tokens that begin where this says, if it says places.
    fn placed(&self, document: &Document) -> Option<std::result::Result<Vec<Option<Class>>, String>> {
        let places = self.places.as_ref()?;
        let offsets = Offsets::new(&document.text);
        let mut tags = vec![None; document.tokens.len()];
        for &(place, class) in places {
            let byte = offsets.byte_of(OffsetUnit::CodePoints, place);
            let found =
                byte.and_then(|byte| document.tokens.binary_search_by_key(&(byte as u32), |token| token.start).ok());
            let Some(token) = found else {
                return Some(Err(format!(
                    "expected a token of the text at place {place}, where gold has a tag, found none"
                )));
            };
            tags[token] = Some(class);
        }
        Some(Ok(tags))
    }

    fn difference(&self, document: &Document) -> Option<String> {
        let tokens = document.tokens.len();
        match &self.words {
            Some(words) => {
                let place = words.iter().map(String::as_str).zip(document.words()).position(|(gold, own)| gold != own);
                if let Some(place) = place {
                    let own = document.words().nth(place).unwrap_or_default();
                    return Some(format!(
                        "expected `{own}` as token {} of the text, found `{}`",
                        place + 1,
                        words[place]
                    ));
                }
            }
            None if self.text.as_ref().is_some_and(|text| *text != document.text) => {
                return Some(format!(
                    "expected the item's text, found another one: {}",
                    first_difference(&document.text, self.text.as_deref().unwrap_or_default())
                ));
            }
            None => {}
        }
        (self.tags.len() != tokens)
            .then(|| format!("expected {tokens} tags, one per token of the text, found {}", self.tags.len()))
    }
}

/// Where two texts part, in words.
fn first_difference(own: &str, other: &str) -> String {
    let place = own.chars().zip(other.chars()).take_while(|(left, right)| left == right).count();
    let show = |text: &str| text.chars().skip(place).take(20).collect::<String>();
    format!("from character {place} on `{}` in place of `{}`", show(other), show(own))
}

/// Gold tags as the ledger keeps them: all of them, or those that are known as spans of a token each.
pub(crate) fn answer(document: &Document, tags: &[Option<Class>], name: impl Fn(Class) -> Name) -> Answer {
    if let Some(all) = tags.iter().copied().collect::<Option<Vec<Class>>>() {
        return Answer::Tags { tags: all.into_iter().map(name).collect() };
    }
    let offsets = Offsets::new(&document.text);
    let known = (0..).zip(tags).filter_map(|(token, tag)| Some((token, (*tag)?)));
    let spans = known.map(|(token, class)| {
        quote(&offsets, &document.tokens, &Named { start: token, end: token + 1, label: name(class) })
    });
    Answer::spans(spans.collect())
}
