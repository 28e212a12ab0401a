//! Options that read documents in any format, and what is told about the reading.

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use postil_core::formats::{Column, Format, ReadOptions, Remarks};
use postil_core::text::{OffsetUnit, Scheme, Tokenizer};
use postil_core::{Error, Result};

use super::output::{count, remark};

/// How documents are read.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Spans and tags")]
pub(super) struct DocumentArguments {
    /// The format of the documents [default: recognised]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub format: Option<Format>,
    /// The column of the tag in a file with a token per line: a number counted from 1, or `last`
    #[arg(long, value_name = "N")]
    pub column: Option<String>,
    /// The scheme of the tags [default: recognised]
    #[arg(long, value_name = "SCHEME", value_parser = schemes())]
    pub scheme: Option<Scheme>,
    /// How texts without tokens are cut into them
    #[arg(long, value_name = "NAME", value_parser = tokenizers(), default_value = "words")]
    pub tokenizer: Tokenizer,
    /// What places in texts are counted in [default: found by the quoted texts]
    #[arg(long, value_name = "UNIT", value_parser = units())]
    pub offsets: Option<OffsetUnit>,
}

pub(super) fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::from_name(&name).expect("one of the names above"))
}

pub(super) fn schemes() -> impl clap::builder::TypedValueParser<Value = Scheme> {
    PossibleValuesParser::new(Scheme::ALL.map(Scheme::name))
        .map(|name| Scheme::from_name(&name).expect("one of the names above"))
}

fn tokenizers() -> impl clap::builder::TypedValueParser<Value = Tokenizer> {
    PossibleValuesParser::new(Tokenizer::ALL.map(Tokenizer::name))
        .map(|name| Tokenizer::from_name(&name).expect("one of the names above"))
}

pub(super) fn units() -> impl clap::builder::TypedValueParser<Value = OffsetUnit> {
    PossibleValuesParser::new(["code-points", "utf16", "bytes"]).map(|name| match name.as_str() {
        "utf16" => OffsetUnit::Utf16,
        "bytes" => OffsetUnit::Bytes,
        _ => OffsetUnit::CodePoints,
    })
}

impl DocumentArguments {
    /// The options for the reader.
    pub(super) fn read_options(&self) -> Result<ReadOptions> {
        let tag_column = match self.column.as_deref() {
            None | Some("last") => Column::Last,
            Some(number) => match number.parse::<usize>() {
                Ok(number) if number > 0 => Column::Number(number),
                _ => {
                    return Err(Error::task(format!(
                        "expected `--column` to be `last` or a number from 1, found `{number}`"
                    )));
                }
            },
        };
        Ok(ReadOptions {
            format: self.format,
            tag_column,
            scheme: self.scheme,
            unit: self.offsets,
            ..ReadOptions::default()
        })
    }
}

/// Tells what was repaired, refused or left out, with the first places.
pub(super) fn tell_remarks(remarks: &Remarks) {
    for kind in remarks.list() {
        remark(&format!("note: {} ({} times)", kind.words, count(kind.count)));
        for place in kind.first.iter().take(2) {
            let line = place.line.map_or(String::new(), |line| format!("line {line}: "));
            if !(line.is_empty() && place.detail.is_empty()) {
                remark(&format!("  {line}{}", place.detail));
            }
        }
    }
}
