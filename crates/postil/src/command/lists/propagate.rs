//! `postil lists propagate`

use std::path::PathBuf;

use postil_annotators::entities::{Propagation, Scope, propagate, sentence_weights};
use postil_core::Error;
use postil_core::formats::{DocumentReader, DocumentWriter, Format};
use serde_json::json;

use super::super::convert::{Writing, output_format};
use super::super::documents::{Reading, formats};
use super::super::output::{Voice, count, say_json};

/// What can be typed after `postil lists propagate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Texts with spans, in any format of annotated text
    texts: PathBuf,
    /// Where to write them with the spans that follow
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How far a marked name reaches
    #[arg(long, value_name = "WHERE", value_parser = ["document", "corpus"], default_value = "document")]
    scope: String,
    /// A label of persons, whose last word stands for the whole name; may be repeated
    #[arg(long, value_name = "LABEL")]
    person: Vec<String>,
    /// Give every document a `weight` in its metadata, so that those with spans make up this share of all tokens
    #[arg(long, value_name = "SHARE")]
    oversample: Option<f64>,
    /// The format to write [default: by the ending .conll, .conllu or .jsonl of the output]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: Option<Format>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    writing: Writing,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = Voice::new(Some(&arguments.output), arguments.json)?;
    if arguments.oversample.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        anyhow::bail!(Error::task("expected `--oversample` of at least 0 and below 1"));
    }
    let to = output_format(arguments.to, &arguments.output)?;
    let mut reader = DocumentReader::open(&arguments.texts, &arguments.reading.options(false))?;
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document()? {
        documents.push(document);
    }
    let how = Propagation {
        scope: if arguments.scope == "corpus" { Scope::Corpus } else { Scope::Document },
        persons: arguments.person.iter().map(|label| label.as_str().into()).collect(),
    };
    let before: u64 = documents.iter().map(|document| document.spans.len() as u64).sum();
    let added = propagate(&documents, &how)?;
    let more: u64 = added.iter().map(|spans| spans.len() as u64).sum();
    for (document, spans) in documents.iter_mut().zip(added) {
        document.spans.extend(spans);
        document.spans.sort_by_key(|span| (span.start, span.end));
    }
    if let Some(share) = arguments.oversample {
        let sizes: Vec<(u32, bool)> = documents
            .iter()
            .map(|document| {
                let tokens = if document.tokens.is_empty() {
                    postil_core::text::Tokenizer::Words.tokenize(&document.text).len()
                } else {
                    document.tokens.len()
                };
                (tokens as u32, !document.spans.is_empty())
            })
            .collect();
        for (document, weight) in documents.iter_mut().zip(sentence_weights(&sizes, share)) {
            document.meta.insert("weight".to_owned(), weight.into());
        }
    }
    let mut writer = DocumentWriter::create(&arguments.output, to, &arguments.writing.options())?;
    documents.iter().try_for_each(|document| writer.write(document))?;
    let written = writer.finish()?;
    if arguments.json {
        return say_json(&json!({
            "documents": documents.len(), "spans_before": before, "added": more, "written": written,
        }));
    }
    voice.say(&format!(
        "{} spans, {} added, in {} documents",
        count(before),
        count(more),
        count(documents.len() as u64)
    ))?;
    voice.written(Some(&arguments.output), "")
}
