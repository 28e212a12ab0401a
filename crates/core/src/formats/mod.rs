//! Annotated text in the formats of the field, read and written document by document.
//!
//! A [`DocumentReader`] turns any of them into a stream of [`Document`](crate::Document)s and a [`DocumentWriter`] turns documents into
//! any of them, in memory that does not grow with the file beyond 16 bytes for every id. Nothing alters a text. What a
//! format cannot carry, and what had to be repaired, refused or left out, is counted in [`Remarks`] with the first
//! examples of each kind.
//!
//! Places are code points, end-exclusive. Formats that count otherwise are recognised by the quoted strings: each
//! document is tried in the unit of its format, then in the others, and only a unit in which every quote is found
//! counts; a document that fits none is refused and listed.
//!
//! ```
//! use postil_core::formats::{DocumentReader, DocumentWriter, Format, ReadOptions, WriteOptions};
//!
//! # fn main() -> postil_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let (from, to) = (folder.path().join("a.jsonl"), folder.path().join("a.conll"));
//! # std::fs::write(&from, "{\"text\": \"Ann flew to Oslo\", \"label\": [[12, 16, \"CITY\"]]}\n").unwrap();
//! let mut reader = DocumentReader::open(&from, &ReadOptions::default())?;
//! let mut writer = DocumentWriter::create(&to, Format::Conll, &WriteOptions::default())?;
//! while let Some(document) = reader.next_document()? {
//!     writer.write(&document)?;
//! }
//! let report = writer.finish()?;
//! assert_eq!(reader.report().format, Format::Doccano);
//! assert_eq!((report.documents, report.spans), (1, 1));
//! # assert!(std::fs::read_to_string(&to).unwrap().ends_with("Oslo\tB-CITY\n\n"));
//! # Ok(())
//! # }
//! ```

mod brat;
mod build;
mod columns;
mod conll;
mod conllu;
mod detect;
mod doccano;
mod json;
mod label_studio;
mod lines;
mod plain;
mod prodigy;
mod reader;
mod remarks;
mod settle;
mod slots;
mod spacy;
mod wikiner;
mod write_columns;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use columns::{Column, ColumnSentence, ColumnsReader, Layout};
pub use label_studio::labelling_config;
pub use plain::given_tokens;
pub use reader::{Annotations, DocumentReader, ReadOptions, ReadReport};
pub use remarks::{Effect, Occurrence, Remark, RemarkKind, Remarks};
pub use writer::{DocumentWriter, WriteOptions, WriteReport};

/// A format of annotated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Postil's own: one JSON object per line with `id`, `text`, `spans` (each with a `confidence`, where its source is not
    /// sure) and, where there are any, `tokens`,
    /// `sentences`, `layers`, `labels` and `meta`.
    Jsonl,
    /// A token per line with its tag in a column, a blank line after each sentence.
    Conll,
    /// Universal Dependencies: ten columns, or the reduced form, UPOS, XPOS and SpaceAfter.
    Conllu,
    /// Prodigy's JSONL.
    Prodigy,
    /// doccano's JSONL.
    Doccano,
    /// Label Studio's JSON.
    LabelStudio,
    /// spaCy's training examples: `["text", {"entities": [...]}]`, as a list or one per line.
    Spacy,
    /// brat's standoff: a folder of `.txt` and `.ann` files.
    Brat,
    /// Queries with slots: a folder with `seq.in`, `seq.out` and `label`.
    Slots,
    /// WikiNER's: a sentence a line, `word|POS|TAG` for each token.
    Wikiner,
}

impl Format {
    /// All formats, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Jsonl,
        Self::Conll,
        Self::Conllu,
        Self::Prodigy,
        Self::Doccano,
        Self::LabelStudio,
        Self::Spacy,
        Self::Brat,
        Self::Slots,
        Self::Wikiner,
    ];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Conll => "conll",
            Self::Conllu => "conllu",
            Self::Prodigy => "prodigy",
            Self::Doccano => "doccano",
            Self::LabelStudio => "label-studio",
            Self::Spacy => "spacy",
            Self::Brat => "brat",
            Self::Slots => "slots",
            Self::Wikiner => "wikiner",
        }
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether tokens and tags are all it has, so that it needs tokens and cannot hold overlapping spans.
    pub const fn is_flat(self) -> bool {
        matches!(self, Self::Conll | Self::Conllu | Self::Slots | Self::Wikiner)
    }

    /// Whether it is a folder of files rather than a file.
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Brat | Self::Slots)
    }

    /// The format of an input, judged by its path and the first bytes of its content; `None` if neither tells.
    pub fn detect(path: &std::path::Path, head: &[u8]) -> Option<Self> {
        detect::detect(path, head)
    }
}

/// The format of a file, judged by its name and its first bytes; `None` if neither tells.
///
/// # Errors
/// The file cannot be opened, or is certainly no text.
pub fn format_of(path: impl AsRef<std::path::Path>) -> crate::Result<Option<Format>> {
    let path = path.as_ref();
    if path.is_dir() {
        return Ok(Format::detect(path, &[]));
    }
    Ok(Format::detect(path, &crate::table::open::open_text(path)?.head))
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
