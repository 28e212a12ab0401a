//! Queries with slots: `seq.in` has a query per line, `seq.out` its tags, `label` its intent.

use std::path::Path;

use super::build::{Builder, Names};
use super::lines::Lines;
use super::reader::{ReadDocuments, ReadOptions, ReadReport};
use super::remarks::RemarkKind;
use super::writer::{Out, WriteDocument, create_folder};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::table::open::open_text;
use crate::table::whole::WholeFile;
use crate::text::{Scheme, write_tags};

pub(super) struct Slots {
    queries: Lines,
    tags: Lines,
    intents: Option<Lines>,
    scheme: Scheme,
    names: Names,
}

/// A file of the folder, plain or compressed.
fn part(folder: &Path, name: &str) -> Result<Option<Lines>> {
    for ending in ["", ".gz", ".zst"] {
        let path = folder.join(format!("{name}{ending}"));
        if path.exists() {
            return Ok(Some(Lines::new(open_text(&path)?)));
        }
    }
    Ok(None)
}

impl Slots {
    pub(super) fn open(folder: &Path, options: &ReadOptions, report: &mut ReadReport) -> Result<Self> {
        let missing = |name: &str| Error::input(format!("expected the file `{name}`, found none")).in_file(folder);
        let scheme = options.scheme.unwrap_or_default();
        report.scheme = Some(scheme);
        Ok(Self {
            queries: part(folder, "seq.in")?.ok_or_else(|| missing("seq.in"))?,
            tags: part(folder, "seq.out")?.ok_or_else(|| missing("seq.out"))?,
            intents: part(folder, "label")?,
            scheme,
            names: Names::default(),
        })
    }
}

impl ReadDocuments for Slots {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        let query = self.queries.next_text()?;
        let tags = self.tags.next_text()?.map(str::to_owned);
        let intent = self.intents.as_mut().map(Lines::next_text).transpose()?;
        let (Some(query), Some(tags)) = (query, tags.as_deref()) else {
            if query.is_some() || tags.is_some() || matches!(intent, Some(Some(_))) {
                let lines = [self.queries.number(), self.tags.number()];
                return Err(self.queries.error(format!(
                    "expected as many lines in `seq.in` as in `seq.out` and `label`, found {} and {}",
                    lines[0], lines[1]
                )));
            }
            return Ok(None);
        };
        let mut builder = Builder::default();
        for word in query.split_ascii_whitespace() {
            builder.spaced_token(word).map_err(|message| Error::input(message).in_file("seq.in"))?;
        }
        let tags: Vec<&str> = tags.split_ascii_whitespace().collect();
        if tags.len() != builder.len() {
            let (words, found) = (builder.len(), tags.len());
            return Err(self.tags.error(format!("expected {words} tags, one per word, found {found}")));
        }
        let line = self.tags.number();
        for repair in builder.tags(&tags, self.scheme, &mut self.names) {
            report
                .remarks
                .add(RemarkKind::BrokenTag, &line.to_string(), line, || format!("`{}`: {}", repair.tag, repair.what));
        }
        match intent {
            Some(None) => return Err(self.queries.error("expected an intent for every query, found fewer")),
            Some(Some(intent)) if !intent.trim().is_empty() => {
                builder.document.labels.push(self.names.get(intent.trim()));
            }
            _ => {}
        }
        builder.end_sentence();
        report.sentences += 1;
        report.line = line;
        // Runs of blanks are the only thing that tokens with single spaces lose.
        if !builder.place_on(query) {
            report.remarks.add(RemarkKind::TextFromTokens, &line.to_string(), line, String::new);
        }
        Ok(Some(builder.finish(&mut self.names)))
    }
}

/// Writes a folder.
pub(super) struct SlotsFolder {
    files: [WholeFile; 3],
}

impl SlotsFolder {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        let file = |name: &str| WholeFile::create(&folder.join(name), true);
        Ok(Self { files: [file("seq.in")?, file("seq.out")?, file("label")?] })
    }
}

impl WriteDocument for SlotsFolder {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let document = &*out.tokenized(document);
        let spans = out.flat(document);
        let tags = write_tags(&spans, document.tokens.len(), Scheme::Bio);
        let words: Vec<_> = document.words().map(|word| out.column(word, true)).collect();
        let tags: Vec<_> = tags.iter().map(|tag| out.column(tag, true)).collect();
        if document.labels.len() > 1 {
            out.remark(RemarkKind::LabelsCut, || format!("{:?}", document.labels));
        }
        let intent = document.labels.first().map_or(std::borrow::Cow::Borrowed(""), |label| out.column(label, false));
        if words.join(" ") != document.text {
            out.remark(RemarkKind::SpacingDropped, String::new);
        }
        out.drops_id(document);
        out.drops_layers(document, &[]);
        out.drops_meta(document, &[]);
        for (file, line) in self.files.iter_mut().zip([words.join(" "), tags.join(" "), intent.into_owned()]) {
            file.text(&line)?;
            file.text("\n")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.files.into_iter().try_for_each(WholeFile::finish)
    }
}
