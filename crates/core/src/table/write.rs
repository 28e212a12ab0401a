//! Tables written to files, whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::coalesce::BatchCoalescer;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Format;
use super::text::{delimited_header, delimited_row, json_row};
use super::whole::{WholeFile, refusal};
use crate::error::{Error, Result};

/// Rows are written in slices of this many, so that the bytes of a file do not depend on how its rows arrived.
const SLICE: usize = 16 << 10;

/// Writes a table to a file or to standard output.
///
/// A file appears under its name only when [`finish`](TableWriter::finish) has succeeded; until then the rows stand in
/// a file beside it whose name ends in `.partial`, which is removed when the writer is dropped. The same schema and rows
/// give the same bytes.
pub struct TableWriter {
    name: PathBuf,
    schema: SchemaRef,
    sink: Option<Sink>,
}

enum Sink {
    Delimited { out: WholeFile, delimiter: u8, text: String },
    Lines { out: WholeFile, text: String },
    Parquet { writer: Box<ArrowWriter<WholeFile>>, slices: BatchCoalescer },
}

impl TableWriter {
    /// Starts a table. The format is that of the file name, CSV for standard output (`-`), unless given; names ending
    /// in `.gz` or `.zst` are compressed (Parquet always is, inside, with zstd).
    pub fn create(path: impl AsRef<Path>, schema: SchemaRef, format: Option<Format>) -> Result<Self> {
        let path = path.as_ref();
        let to_standard_output = path == Path::new("-");
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let format = match format.or_else(|| Format::of_name(&file_name)) {
            Some(format) => format,
            None if to_standard_output => Format::Csv,
            None => {
                return Err(Error::input("expected a file name that ends in .csv, .tsv, .jsonl or .parquet")
                    .in_file(path)
                    .hint("text formats may end in .gz or .zst beside"));
            }
        };
        let out = WholeFile::create(path, format == Format::Parquet)?;
        let mut writer = Self { name: out.name().to_path_buf(), schema, sink: None };
        writer.sink = Some(writer.start(out, format)?);
        Ok(writer)
    }

    fn start(&self, mut out: WholeFile, format: Format) -> Result<Sink> {
        let refuse = |error: io::Error| refusal(error, &self.name);
        Ok(match format {
            Format::Csv | Format::Tsv => {
                let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
                let mut text = String::new();
                delimited_header(&self.schema, delimiter, &mut text);
                out.write_all(text.as_bytes()).map_err(refuse)?;
                Sink::Delimited { out, delimiter, text }
            }
            Format::Jsonl => Sink::Lines { out, text: String::new() },
            Format::Parquet => {
                let level = ZstdLevel::try_new(3).expect("3 is a level of zstd");
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_created_by("postil".to_owned())
                    .build();
                let writer = ArrowWriter::try_new(out, self.schema.clone(), Some(properties))
                    .map_err(|error| parquet_error(error, &self.name))?;
                let slices = BatchCoalescer::new(self.schema.clone(), SLICE);
                Sink::Parquet { writer: Box::new(writer), slices }
            }
        })
    }

    /// Appends rows, which must have the schema of the table.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.schema_ref().fields() != self.schema.fields() {
            return Err(Error::input(format!("expected rows of {}, found rows of {}", self.schema, rows.schema_ref()))
                .in_file(&self.name));
        }
        let sink = self.sink.as_mut().expect("the sink is there until the table is finished");
        match sink {
            Sink::Delimited { out, delimiter, text } => {
                for row in 0..rows.num_rows() {
                    text.clear();
                    delimited_row(rows, row, *delimiter, text);
                    out.write_all(text.as_bytes()).map_err(|error| refusal(error, &self.name))?;
                }
            }
            Sink::Lines { out, text } => {
                for row in 0..rows.num_rows() {
                    text.clear();
                    json_row(rows, row, text);
                    text.push('\n');
                    out.write_all(text.as_bytes()).map_err(|error| refusal(error, &self.name))?;
                }
            }
            Sink::Parquet { writer, slices } => {
                let unfit = |error| Error::input("rows could not be written").because(error);
                slices.push_batch(rows.clone()).map_err(unfit)?;
                while let Some(slice) = slices.next_completed_batch() {
                    writer.write(&slice).map_err(|error| parquet_error(error, &self.name))?;
                }
            }
        }
        Ok(())
    }

    /// Writes what is pending and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        let out = match self.sink.take().expect("a table is finished once") {
            Sink::Delimited { out, .. } | Sink::Lines { out, .. } => out,
            Sink::Parquet { mut writer, mut slices } => {
                let unfit = |error| Error::input("rows could not be written").because(error);
                slices.finish_buffered_batch().map_err(unfit)?;
                while let Some(slice) = slices.next_completed_batch() {
                    writer.write(&slice).map_err(|error| parquet_error(error, &self.name))?;
                }
                writer.into_inner().map_err(|error| parquet_error(error, &self.name))?
            }
        };
        out.finish()
    }
}

/// Brings the operating system's refusal out of the error that Parquet wrapped it in.
fn parquet_error(error: ParquetError, name: &Path) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => refusal(*error, name),
            Err(inner) => Error::input(format!("could not write: {inner}")).because(inner).in_file(name),
        },
        other => Error::input(format!("could not write: {other}")).because(other).in_file(name),
    }
}
