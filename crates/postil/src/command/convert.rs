//! `postil convert`

use std::path::{Path, PathBuf};

use postil_core::formats::{
    DocumentReader, DocumentWriter, Effect, Format, ReadReport, Remark, WriteOptions, WriteReport, labelling_config,
};
use postil_core::text::Scheme;
use postil_core::{Document, Error, Result};
use serde_json::json;

use super::documents::{Reading, formats, schemes};
use super::output::{Voice, count, say_json};

/// What can be typed after `postil convert`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The annotated text: a file, a folder (brat, slots), or `-` for standard input; .gz and .zst too
    input: PathBuf,
    /// The format to write [default: by the ending .conll, .conllu or .jsonl of the output]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: Option<Format>,
    /// Where to write: a file, a folder (brat, slots), or `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    writing: Writing,
    /// Fail, and write nothing, if anything would be refused or lost
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How files are written.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Writing")]
pub(super) struct Writing {
    /// The scheme of tags: io, iob1, bio, bilou or bioes
    #[arg(long, value_name = "SCHEME", value_parser = schemes(), default_value = "bio")]
    scheme: Scheme,
    /// Put ids and texts into comments, so that a file with a token per line can be read back without loss
    #[arg(long)]
    comments: bool,
    /// Write spans as a model's predictions (Label Studio)
    #[arg(long)]
    predictions: bool,
}

impl Writing {
    /// The options of the writer.
    pub(super) const fn options(self) -> WriteOptions {
        WriteOptions {
            scheme: self.scheme,
            comments: self.comments,
            predictions: self.predictions,
            without_spans: false,
        }
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = Voice::new(Some(&arguments.output), arguments.json)?;
    let to = output_format(arguments.to, &arguments.output)?;
    let reader = DocumentReader::open(&arguments.input, &arguments.reading.options(arguments.strict))?;
    let options = arguments.writing.options();
    let converted = transfer(reader, &arguments.output, to, options, arguments.strict, |_| Ok(()))?;
    if arguments.json {
        return say_json(&converted.json());
    }
    converted.tell(voice)
}

/// The format to write: as asked, or as the name of the output says.
pub(super) fn output_format(asked: Option<Format>, output: &Path) -> Result<Format> {
    let name = output.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    let by_name = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("conll") => Some(Format::Conll),
        Some("conllu") => Some(Format::Conllu),
        Some("jsonl") => Some(Format::Jsonl),
        _ => None,
    };
    asked.or(by_name).ok_or_else(|| {
        Error::task("expected a format to write, found none")
            .hint(format!("`--to` takes one of {}", Format::ALL.map(Format::name).join(", ")))
    })
}

/// What was read and what was written.
pub(super) struct Transfer {
    pub(super) read: ReadReport,
    pub(super) written: WriteReport,
    /// The labelling configuration that was written beside the file.
    config: Option<PathBuf>,
}

/// Reads every document, has it `changed` and writes it; with `strict`, any loss is an error and nothing is written.
pub(super) fn transfer(
    mut reader: DocumentReader,
    output: &Path,
    to: Format,
    options: WriteOptions,
    strict: bool,
    mut changed: impl FnMut(&mut Document) -> Result<()>,
) -> Result<Transfer> {
    let mut writer = DocumentWriter::create(output, to, &options)?;
    while let Some(mut document) = reader.next_document()? {
        changed(&mut document)?;
        writer.write(&document)?;
    }
    if strict {
        let lost = |remark: &&Remark| matches!(remark.effect, Effect::Refused | Effect::Lost);
        let remarks = reader.report().remarks.list().iter().chain(writer.report().remarks.list());
        if let Some(remark) = remarks.clone().find(lost) {
            let first = remark.first.first();
            let example =
                first.map_or(String::new(), |first| format!(", first in `{}`: {}", first.document, first.detail));
            return Err(Error::input(format!(
                "expected nothing to be lost, found {}: {}{example}",
                count(remark.count),
                remark.words
            ))
            .in_file(&reader.report().file)
            .hint("without --strict the rest is written and the loss is listed"));
        }
    }
    let read = reader.report().clone();
    let written = writer.finish()?;
    let config = if to == Format::LabelStudio && output != Path::new("-") {
        Some(write_config(output, &written)?)
    } else {
        None
    };
    Ok(Transfer { read, written, config })
}

/// Label Studio shows annotations only where its configuration names their controls.
fn write_config(output: &Path, written: &WriteReport) -> Result<PathBuf> {
    let path = output.with_extension("xml");
    let xml = labelling_config(written.labels.keys(), written.text_labels.keys(), written.links.keys());
    crate::run::write_whole(&path, xml.as_bytes())?;
    Ok(path)
}

impl Transfer {
    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "read": self.read,
            "written": self.written,
            "lossless": !self.read.remarks.is_lossy() && !self.written.remarks.is_lossy(),
            "labelling_config": self.config,
        })
    }

    /// Says what was converted, and everything that was lost, changed or worth knowing.
    pub(super) fn tell(&self, voice: Voice) -> anyhow::Result<()> {
        let (read, written) = (&self.read, &self.written);
        let scheme = read.scheme.map_or(String::new(), |scheme| format!(" ({})", scheme.name()));
        voice.say(&format!(
            "{}: {}{scheme}, {} documents, {} spans{}",
            read.file.display(),
            read.format,
            count(read.documents),
            count(read.spans),
            if read.links > 0 { format!(", {} links", count(read.links)) } else { String::new() }
        ))?;
        let labels: Vec<String> =
            read.labels.iter().take(12).map(|(label, number)| format!("{label} {}", count(*number))).collect();
        if !labels.is_empty() {
            let more = read.labels.len().saturating_sub(labels.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            voice.say(&format!("labels: {}{more}", labels.join(", ")))?;
        }
        tell_remarks(voice, "reading", read.remarks.list())?;
        tell_remarks(voice, "writing", written.remarks.list())?;
        if !read.remarks.is_lossy() && !written.remarks.is_lossy() {
            voice.say("nothing lost")?;
        }
        if written.file != Path::new("-") {
            let documents = count(written.documents);
            voice.say(&format!("written: {} ({}, {documents} documents)", written.file.display(), written.format))?;
        }
        if let Some(config) = &self.config {
            voice.say(&format!("written: {} (its labelling configuration)", config.display()))?;
        }
        Ok(())
    }
}

/// Says each remark with its first example.
pub(super) fn tell_remarks(voice: Voice, when: &str, remarks: &[Remark]) -> anyhow::Result<()> {
    for remark in remarks {
        let effect = match remark.effect {
            Effect::Refused => "refused",
            Effect::Lost => "lost",
            Effect::Changed => "changed",
            Effect::Noted => "note",
        };
        voice.say(&format!("{effect} in {when}: {} {}", count(remark.count), remark.words))?;
        if let (Some(first), false) = (remark.first.first(), remark.effect == Effect::Noted) {
            let line = first.line.map_or(String::new(), |line| format!(" line {line}"));
            let document =
                if first.document.is_empty() { String::new() } else { format!(" document {}", first.document) };
            let detail = if first.detail.is_empty() { String::new() } else { format!(": {}", first.detail) };
            voice.say(&format!("  first:{document}{line}{detail}"))?;
        }
    }
    Ok(())
}
