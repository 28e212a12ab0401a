//! Documents out of a file with a token per line.

use super::build::{Builder, Names};
use super::columns::{Column, ColumnSentence, ColumnsReader};
use super::reader::{ReadDocuments, ReadOptions, ReadReport};
use super::remarks::RemarkKind;
use crate::document::Document;
use crate::error::Result;
use crate::table::open::OpenedText;
use crate::task::Name;
use crate::text::Scheme;

/// The comment that holds a text with line breaks, as a JSON string.
pub(super) const TEXT_JSON: &str = "text_json";

pub(super) struct Conll {
    sentences: ColumnsReader,
    /// The next sentence, read and not yet used.
    ahead: ColumnSentence,
    is_ahead: bool,
    scheme: Scheme,
    /// Whether the tags are one for every token rather than spans.
    plain: bool,
    /// Whether tags are wanted.
    tags: bool,
    /// Column and name of each layer.
    layers: Vec<(usize, Name)>,
    names: Names,
}

impl Conll {
    pub(super) fn new(opened: OpenedText, options: &ReadOptions, report: &mut ReadReport) -> Result<Self> {
        let mut sentences = ColumnsReader::new(opened, options.word_column, options.tag_column)?;
        let layout = sentences.layout();
        let plain = sentences.scheme().is_none();
        let scheme = options.scheme.or(sentences.scheme()).unwrap_or_default();
        report.scheme = (!plain).then_some(scheme);
        report.layout = Some(layout);
        let mut layers = layer_names(layout, options.tag_column);
        if !(options.layers && options.tags) {
            layers.clear();
        }
        if options.tags && plain && layout.tag != layout.word {
            layers.push((layout.tag, "tag".into()));
        }
        let mut ahead = ColumnSentence::default();
        let is_ahead = sentences.next_sentence(&mut ahead)?;
        if sentences.marked {
            report.remarks.add(RemarkKind::ByteOrderMark, "", 1, String::new);
        }
        Ok(Self { sentences, ahead, is_ahead, scheme, plain, tags: options.tags, layers, names: Names::default() })
    }

    fn add(&mut self, builder: &mut Builder, report: &mut ReadReport, name: &str) -> Result<()> {
        let layout = self.sentences.layout();
        for row in 0..self.ahead.len() {
            builder.spaced_token(self.ahead.cell(row, layout.word)).map_err(|message| {
                crate::Error::input(message).in_file(self.sentences.name()).at_line(self.ahead.line(row))
            })?;
        }
        if self.tags && !self.plain {
            let tags: Vec<&str> = self.ahead.column(layout.tag).collect();
            for repair in builder.tags(&tags, self.scheme, &mut self.names) {
                report.remarks.add(RemarkKind::BrokenTag, name, self.ahead.line(repair.token), || {
                    format!("`{}`: {}", repair.tag, repair.what)
                });
            }
        }
        for (column, layer) in &self.layers {
            builder.layer(layer, self.ahead.column(*column), &mut self.names);
        }
        builder.end_sentence();
        Ok(())
    }
}

/// The columns beside token and tag, with the names of CoNLL-2003 where the number of columns is that of it.
fn layer_names(layout: super::Layout, tag: Column) -> Vec<(usize, Name)> {
    let first = usize::from(layout.counted);
    let others = (first..layout.columns).filter(|column| *column != layout.word && *column != layout.tag);
    let usual = layout.word == first && (tag == Column::Last || layout.tag == layout.columns - 1);
    others
        .enumerate()
        .map(|(place, column)| {
            let name = match (usual, layout.columns - first, place) {
                (true, 3 | 4, 0) => "pos".into(),
                (true, 4, 1) => "chunk".into(),
                _ => format!("column{}", column + 1),
            };
            (column, Name::from(name))
        })
        .collect()
}

impl ReadDocuments for Conll {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        if !self.is_ahead {
            let lines = self.sentences.carriage_returns();
            if lines > 0 && report.remarks.count(RemarkKind::CarriageReturns) == 0 {
                report.remarks.add(RemarkKind::CarriageReturns, "", None, || format!("{lines} lines"));
            }
            return Ok(None);
        }
        let mut builder = Builder::default();
        let mark = self.ahead.document;
        let line = self.ahead.line(0);
        let mut stated = None;
        let number = (report.documents + 1).to_string();
        while self.is_ahead && self.ahead.document == mark {
            if !builder.is_empty() && mark == 0 {
                break;
            }
            for (name, value) in std::mem::take(&mut self.ahead.comments) {
                match name.as_str() {
                    "id" | "newdoc id" => builder.document.id = value.into(),
                    "text" if stated.is_none() => stated = Some(value),
                    TEXT_JSON => stated = serde_json::from_str::<String>(&value).ok().or(stated),
                    "newdoc" | "text" => {}
                    _ => super::reader::add_meta(&mut builder.document.meta, name, value),
                }
            }
            self.add(&mut builder, report, &number)?;
            report.sentences += 1;
            self.is_ahead = self.sentences.next_sentence(&mut self.ahead)?;
        }
        let placed = stated.as_ref().is_some_and(|text| builder.place_on(text));
        if stated.is_some() && !placed {
            report.remarks.add(RemarkKind::TextDiffers, &number, line, || "the text of its comment".to_owned());
        }
        if !placed {
            report.remarks.add(RemarkKind::TextFromTokens, &number, line, String::new);
        }
        report.line = line;
        Ok(Some(builder.finish(&mut self.names)))
    }
}
