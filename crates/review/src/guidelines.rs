//! The guidelines: one file that people and models read, its versions, and examples added from the screen.

use std::fmt::Write;
use std::path::PathBuf;

use postil_core::ledger::{Event, Ledger};
use postil_core::{Digest, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Workplace;
use crate::markdown;

/// The kind of the events.
const CHANGE: &str = "guidelines";
/// The heading under which examples are added.
const HEADING: &str = "## Examples from review";
/// The longest text of an example, in code points.
const LONGEST: usize = 1_000;
/// The file that is made where a project has none.
const FILE: &str = "guidelines.md";

/// An example that was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Example {
    pub(crate) label: String,
    pub(crate) text: String,
    pub(crate) note: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Version {
    #[serde(rename = "version")]
    digest: String,
    by: String,
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    example: Option<Example>,
}

/// The guidelines as they are shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    version: Option<String>,
    markdown: String,
    html: String,
    examples: Vec<Example>,
    versions: Vec<VersionShown>,
}

#[derive(Debug, Serialize)]
struct VersionShown {
    version: String,
    at: i64,
    by: String,
    why: String,
}

/// The file, and what became of it.
pub(crate) struct Guidelines {
    file: Option<PathBuf>,
    project: PathBuf,
    versions: Vec<(i64, Version)>,
}

impl Guidelines {
    pub(crate) fn open(place: &Workplace, ledger: &Ledger) -> Result<Self> {
        let mut versions = Vec::new();
        for event in ledger.events()?.into_iter().filter(|event| event.kind == CHANGE) {
            if let Ok(version) = serde_json::from_value(event.detail) {
                versions.push((event.at_millis, version));
            }
        }
        Ok(Self { file: place.guidelines.clone(), project: place.project_file.clone(), versions })
    }

    fn text(&self) -> Result<String> {
        match &self.file {
            None => Ok(String::new()),
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| Error::io(format!("the guidelines cannot be read: {error}"), error).in_file(file)),
        }
    }

    fn version_of(text: &str) -> String {
        Digest::of(text.as_bytes()).to_string()[..16].to_owned()
    }

    /// The version of the file as it is now.
    pub(crate) fn version(&self) -> Option<String> {
        self.file.as_ref()?;
        self.text().ok().map(|text| Self::version_of(&text))
    }

    /// The guidelines as they are now. A change made outside is recorded when it is first seen.
    pub(crate) fn show(&mut self, ledger: &Ledger, now: i64) -> Result<Shown> {
        let markdown = self.text()?;
        let version = self.file.as_ref().map(|_| Self::version_of(&markdown));
        if let Some(version) = &version
            && self.versions.last().is_none_or(|(_, last)| last.digest != *version)
        {
            let why = if self.versions.is_empty() { "as found" } else { "edited in the file" };
            let version = Version { digest: version.clone(), by: String::new(), why: why.to_owned(), example: None };
            self.record(ledger, version, now)?;
        }
        let examples = self.versions.iter().filter_map(|(_, version)| version.example.clone()).collect();
        let versions = self.versions.iter().rev().map(|(at, one)| VersionShown {
            version: one.digest.clone(),
            at: *at,
            by: one.by.clone(),
            why: one.why.clone(),
        });
        let versions = versions.collect();
        Ok(Shown { version, html: markdown::html(&markdown), markdown, examples, versions })
    }

    fn record(&mut self, ledger: &Ledger, version: Version, now: i64) -> Result<()> {
        ledger.record_event(Event { kind: CHANGE.to_owned(), detail: json!(version), at_millis: now })?;
        self.versions.push((now, version));
        Ok(())
    }

    /// Adds an example to the file. A project without guidelines gets some, and its file names them.
    pub(crate) fn add(&mut self, ledger: &Ledger, mut example: Example, by: &str, now: i64) -> Result<()> {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        example.text = one_line(&example.text).chars().take(LONGEST).collect();
        example.note = example.note.map(|note| one_line(&note)).filter(|note| !note.is_empty());
        let mut text = self.text()?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if !text.lines().any(|line| line.trim() == HEADING) {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(HEADING);
            text.push_str("\n\n");
        }
        let note = example.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        let _ = writeln!(text, "- `{}`: \"{}\"{note}", example.label.replace('`', "'"), example.text);
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.project.with_file_name(FILE),
        };
        if self.file.is_none() && file.exists() {
            return Err(Error::task(format!("expected a project without `{FILE}`, found the file"))
                .in_file(&file)
                .hint(format!("name it in the project file: `guidelines = \"{FILE}\"` under `[task]`")));
        }
        write_whole(&file, &text)?;
        if self.file.is_none() {
            self.name_in_project()?;
            self.file = Some(file);
        }
        let why = format!("example for {}", example.label);
        let version = Version { digest: Self::version_of(&text), by: by.to_owned(), why, example: Some(example) };
        self.record(ledger, version, now)
    }

    fn name_in_project(&self) -> Result<()> {
        let project = &self.project;
        let failed = |error: std::io::Error| {
            Error::io(format!("the project file cannot be read: {error}"), error).in_file(project)
        };
        let text = std::fs::read_to_string(project).map_err(failed)?;
        let mut out = String::with_capacity(text.len() + 40);
        for line in text.split_inclusive('\n') {
            out.push_str(line);
            if line.trim_end() == "[task]" {
                let _ = writeln!(out, "guidelines = \"{FILE}\"");
            }
        }
        write_whole(project, &out)
    }
}

fn write_whole(path: &std::path::Path, text: &str) -> Result<()> {
    let mut file = postil_core::table::WholeFile::create(path, true)?;
    file.text(text)?;
    file.finish()
}
