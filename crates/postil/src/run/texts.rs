//! The texts of a run with their tokens.

use postil_core::items::WITH_TOKENS;
use postil_core::{Document, Error, ItemBatch, Layer, Name, Result};
use serde_json::Value;

use super::Watch;
use super::annotate::open_items;
use super::items::Items;
use crate::project::Project;

/// Reads every text and cuts it into tokens and sentences: about three bytes of memory for each byte of text.
pub(super) fn read(project: &Project, items: &Items, watch: &dyn Watch) -> Result<Vec<Document>> {
    watch.stage("reading texts", Some(items.len() as u64));
    let mut documents = Vec::with_capacity(items.len());
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            let position = documents.len();
            if position >= items.len() || items.digest(position) != batch.digest(row) {
                return Err(changed());
            }
            let document = document_of(project, &batch, row);
            documents.push(document.map_err(|error| error.in_file(&project.items).at_line(batch.line(row)))?);
        }
        watch.advance(batch.len() as u64);
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    if documents.len() < items.len() { Err(changed()) } else { Ok(documents) }
}

/// The text of an item with its tokens; where it brought them along, with the layers and whatever else came with them.
pub(super) fn document_of(project: &Project, batch: &ItemBatch, row: usize) -> Result<Document> {
    let mut document = Document::from_text(batch.id(row), batch.text(row));
    if let Some(tokens) = batch.tokens(row) {
        document.tokens = tokens.to_vec();
        let [sentences, layers, meta] = WITH_TOKENS.map(|column| {
            batch
                .field(row, column)
                .map(|json| serde_json::from_str::<Value>(&json).map_err(|error| wrong(column, &error.to_string())))
                .transpose()
                .map_err(|error| error.for_item(batch.id(row)))
        });
        if let Some(ends) = sentences? {
            document.sentences = sentence_ends(ends, tokens.len()).map_err(|error| error.for_item(batch.id(row)))?;
        }
        if let Some(layers) = layers? {
            document.layers = layers_of(layers, tokens.len()).map_err(|error| error.for_item(batch.id(row)))?;
        }
        if let Some(Value::Object(meta)) = meta? {
            document.meta = meta;
        }
        // What came as one sentence stays one, whatever full stops it has.
        if document.sentences.is_empty() && !tokens.is_empty() {
            document.sentences.push(tokens.len() as u32);
        }
    }
    document.tokenize(project.tokenizer);
    Ok(document)
}

fn sentence_ends(value: Value, tokens: usize) -> Result<Vec<u32>> {
    let ends: Vec<u32> = serde_json::from_value(value).map_err(|error| wrong("sentences", &error.to_string()))?;
    let rising = ends.windows(2).all(|pair| pair[0] < pair[1]) && ends.first() != Some(&0);
    if rising && ends.last().is_none_or(|&end| end as usize == tokens) {
        return Ok(ends);
    }
    Err(wrong("sentences", &format!("expected rising numbers of tokens, the last {tokens}")))
}

fn layers_of(value: Value, tokens: usize) -> Result<Vec<Layer>> {
    let layers: serde_json::Map<String, Value> =
        serde_json::from_value(value).map_err(|error| wrong("layers", &error.to_string()))?;
    layers
        .into_iter()
        .map(|(name, tags)| {
            let tags: Vec<String> =
                serde_json::from_value(tags).map_err(|error| wrong("layers", &error.to_string()))?;
            if tags.len() != tokens {
                let found = tags.len();
                return Err(wrong(&format!("layers.{name}"), &format!("expected {tokens} tags, found {found}")));
            }
            Ok(Layer { name: name.into(), tags: tags.into_iter().map(Name::from).collect() })
        })
        .collect()
}

fn wrong(column: &str, why: &str) -> Error {
    Error::input(format!("the column `{column}` does not fit the tokens: {why}"))
}

fn changed() -> Error {
    Error::input("the items changed while they were being read").hint("run again: what was annotated is kept")
}
