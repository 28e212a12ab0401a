//! The texts of a run with their tokens.

use postil_core::{Document, Error, Result};

use super::super::Watch;
use super::super::annotate::open_items;
use super::super::items::Items;
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
            let mut document = Document::from_text(batch.id(row), batch.text(row));
            document.tokenize(project.tokenizer);
            documents.push(document);
        }
        watch.advance(batch.len() as u64);
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    if documents.len() < items.len() { Err(changed()) } else { Ok(documents) }
}

fn changed() -> Error {
    Error::input("the items changed while they were being read").hint("run again: what was annotated is kept")
}
