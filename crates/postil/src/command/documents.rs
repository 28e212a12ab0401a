//! Options that read documents in any format, and what is told about the reading.

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use postil_core::formats::{Annotations, Column, Format, ReadOptions, Remarks};
use postil_core::text::{OffsetUnit, Scheme, Tokenizer};

use super::output::{count, remark};

/// How annotated text is read.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Reading {
    /// The format to read [default: recognised by name and content]
    #[arg(long = "from", visible_alias = "format", value_name = "FORMAT", value_parser = formats())]
    pub(super) format: Option<Format>,
    /// The column of the text in a table, the field of the text in JSON [default: text]
    #[arg(long, alias = "text-column", value_name = "COLUMN")]
    text: Option<String>,
    /// The column of the tag in a file with a token per line: a number counted from 1, or `last`
    #[arg(long, value_name = "N", value_parser = column, default_value = "last")]
    pub(super) column: Column,
    /// The column of the token, counted from 1 [default: the first, or the second where the first counts them]
    #[arg(long, value_name = "N")]
    pub(super) word_column: Option<usize>,
    /// The scheme whose rules the tags are held against [default: recognised]
    #[arg(long, value_name = "SCHEME", value_parser = schemes())]
    pub(super) read_scheme: Option<Scheme>,
    /// What places are counted in: code-points, utf16 or bytes [default: found by the quoted texts]
    #[arg(long, value_name = "UNIT", value_parser = units())]
    offsets: Option<OffsetUnit>,
    /// Which annotations of a task: first, all (a document each), or predictions
    #[arg(long, value_name = "WHICH", value_parser = annotations(), default_value = "first")]
    annotations: Annotations,
}

impl Reading {
    /// The options of the reader.
    pub(super) fn options(&self, strict: bool) -> ReadOptions {
        ReadOptions {
            format: self.format,
            word_column: self.word_column,
            tag_column: self.column,
            scheme: self.read_scheme,
            layers: true,
            unit: self.offsets,
            annotations: self.annotations,
            text_field: self.text.clone(),
            strict,
            ..ReadOptions::default()
        }
    }

    /// The column of the text in a table.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("text")
    }

    /// Whether the text has another name than `text`.
    pub(super) const fn names_text(&self) -> bool {
        self.text.is_some()
    }
}

/// A column by its number, or the last.
pub(super) fn column(text: &str) -> std::result::Result<Column, String> {
    match (text, text.parse()) {
        ("last", _) => Ok(Column::Last),
        (_, Ok(number)) if number > 0 => Ok(Column::Number(number)),
        _ => Err(format!("expected `last` or a number from 1, found `{text}`")),
    }
}

fn annotations() -> impl clap::builder::TypedValueParser<Value = Annotations> {
    PossibleValuesParser::new(["first", "all", "predictions"]).map(|name| match name.as_str() {
        "all" => Annotations::All,
        "predictions" => Annotations::Predictions,
        _ => Annotations::First,
    })
}

pub(super) fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::from_name(&name).expect("one of the names above"))
}

pub(super) fn schemes() -> impl clap::builder::TypedValueParser<Value = Scheme> {
    PossibleValuesParser::new(Scheme::ALL.map(Scheme::name))
        .map(|name| Scheme::from_name(&name).expect("one of the names above"))
}

pub(super) fn tokenizers() -> impl clap::builder::TypedValueParser<Value = Tokenizer> {
    PossibleValuesParser::new(Tokenizer::ALL.map(Tokenizer::name))
        .map(|name| Tokenizer::from_name(&name).expect("one of the names above"))
}

fn units() -> impl clap::builder::TypedValueParser<Value = OffsetUnit> {
    PossibleValuesParser::new(["code-points", "utf16", "bytes"]).map(|name| match name.as_str() {
        "utf16" => OffsetUnit::Utf16,
        "bytes" => OffsetUnit::Bytes,
        _ => OffsetUnit::CodePoints,
    })
}

/// Tells what was repaired, refused or left out, with the first places.
pub(super) fn tell_remarks(remarks: &Remarks) {
    for kind in remarks.list() {
        remark(&format!("note: {} ({} times)", kind.words, count(kind.count)));
        for place in kind.first.iter().take(2) {
            let line = place.line.map(|line| format!("line {line}"));
            let parts: Vec<&str> =
                line.as_deref().into_iter().chain(Some(&*place.detail)).filter(|part| !part.is_empty()).collect();
            if !parts.is_empty() {
                remark(&format!("  {}", parts.join(": ")));
            }
        }
    }
}
