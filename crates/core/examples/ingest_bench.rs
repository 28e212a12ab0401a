//! Measures reading: one million items from a generated CSV, or five million answers with `--answers`.
//!
//! ```text
//! cargo run --release -p postil-core --example ingest_bench -- \
//!     [--answers] [--table] [--rows N] [--ending csv|csv.gz|jsonl|parquet|...] [--keep FILE | --file FILE]
//! ```
//!
//! Prints one JSON line. CPU seconds are user and system time of the whole process while reading, without generating;
//! `peak_mb` is the process's highest resident size (VmHWM), generating included. `--table` reads the bare table.
//! `--keep` writes the generated table to a file and stops, `--file` reads it, for profiles without the generating.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::{AnswerOptions, ItemOptions, ItemSource, read_answers};
use postil_core::table::{TableOptions, TableReader, TableWriter};
use postil_core::{Error, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned();
    let (answers, bare) = (flag("--answers"), flag("--table"));
    let number = |text: String| text.parse::<usize>().ok();
    let rows = value("--rows").and_then(number).unwrap_or(if answers { 5_000_000 } else { 1_000_000 });
    let ending = value("--ending").unwrap_or_else(|| "csv".to_owned());

    let folder = tempfile::tempdir().map_err(|error| Error::io("no folder for the generated table", error))?;
    let path = match value("--file") {
        Some(file) => PathBuf::from(file),
        None => folder.path().join(format!("generated.{ending}")),
    };
    if let Some(file) = value("--keep") {
        return generate(Path::new(&file), rows, answers);
    }
    if value("--file").is_none() {
        generate(&path, rows, answers)?;
    }
    let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());

    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let read = if flag("--csv-core") {
        csv_core_rows(&path)?
    } else if bare {
        let mut table = TableReader::open(&path, &TableOptions::default())?;
        let mut read = 0;
        while let Some(chunk) = table.next_chunk()? {
            read += chunk.lines.len();
        }
        read
    } else if answers {
        read_answers(&path, &AnswerOptions::default())?.label.len()
    } else {
        let mut source =
            ItemSource::open(&path, ItemOptions { id: Some("id".to_owned()), ..ItemOptions::new("text") })?;
        let mut read = 0;
        for batch in &mut source {
            read += batch?.len();
        }
        read
    };
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    assert_eq!(read, rows, "every generated row is read");
    let line = format!(
        "{{\"bench\":\"ingest\",\"what\":\"{}\",\"ending\":\"{ending}\",\"rows\":{rows},\"bytes\":{bytes},\"cpu_seconds\":{cpu:.3},\
         \"wall_seconds\":{wall:.3},\"rows_per_second\":{:.0},\"mb_per_second\":{:.0},\"peak_mb\":{:.1}}}",
        if flag("--csv-core") {
            "csv-core"
        } else if bare {
            "table"
        } else if answers {
            "answers"
        } else {
            "items"
        },
        rows as f64 / cpu,
        bytes as f64 / 1e6 / cpu,
        peak_mb(),
    );
    writeln!(std::io::stdout(), "{line}").map_err(|error| Error::io("no standard output", error))
}

/// Writes rows from a small generator of its own, in slices, so that generating does not show in the peak.
fn generate(path: &Path, rows: usize, answers: bool) -> Result<()> {
    let names: &[&str] = if answers { &["item", "annotator", "label"] } else { &["id", "text", "source", "stars"] };
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 33) as usize % below
    };
    let words = [
        "the",
        "card",
        "was",
        "refused",
        "again",
        "at the shop,",
        "and",
        "nobody",
        "answers",
        "\"please\"",
        "caf\u{e9}",
    ];
    for start in (0..rows).step_by(5000) {
        let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        for row in start..rows.min(start + 5000) {
            if answers {
                columns[0].push(format!("i{}", row / 5));
                columns[1].push(format!("w{}", random(1000)));
                columns[2].push(format!("c{}", random(10)));
            } else {
                columns[0].push(format!("T{row}"));
                let length = 6 + random(14);
                let mut text: Vec<&str> = (0..length).map(|_| words[random(words.len())]).collect();
                let number = row.to_string();
                text.push(&number);
                columns[1].push(text.join(" "));
                columns[2].push(["mail", "chat", "phone"][random(3)].to_owned());
                columns[3].push(random(5).to_string());
            }
        }
        let arrays = columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef).collect();
        let batch =
            RecordBatch::try_new(schema.clone(), arrays).map_err(|error| Error::input("no batch").because(error))?;
        writer.write(&batch)?;
    }
    writer.finish()
}

/// The rows under the header as `csv-core` finds them, for comparison: fields are unquoted into a buffer, and neither
/// checked to be UTF-8 nor put into columns.
fn csv_core_rows(path: &Path) -> Result<usize> {
    let refuse = |error| Error::io("no generated table", error);
    let mut file = std::fs::File::open(path).map_err(refuse)?;
    let (mut reader, mut rows) = (csv_core::Reader::new(), 0);
    let (mut input, mut output, mut ends) = (vec![0; 1 << 20], vec![0; 1 << 20], vec![0; 64]);
    let (mut written, mut fields) = (0, 0);
    loop {
        let count = std::io::Read::read(&mut file, &mut input).map_err(refuse)?;
        let mut rest = &input[..count];
        // An empty input tells the reader that the end has come.
        while !rest.is_empty() || count == 0 {
            let (outcome, used, wrote, ended) = reader.read_record(rest, &mut output[written..], &mut ends[fields..]);
            rest = &rest[used..];
            (written, fields) = (written + wrote, fields + ended);
            match outcome {
                csv_core::ReadRecordResult::Record => (rows, written, fields) = (rows + 1, 0, 0),
                csv_core::ReadRecordResult::End => return Ok(rows - 1),
                csv_core::ReadRecordResult::InputEmpty => {}
                _ => return Err(Error::input("the generated rows are short")),
            }
        }
    }
}

/// User and system time of this process, from the kernel's hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The highest resident size so far, in megabytes.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
