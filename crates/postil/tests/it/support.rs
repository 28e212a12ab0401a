//! Running the binary in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use postil_mimic::{Behaviour, Question, Reply, Server};
use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder with the binary at hand.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A copy of the tickets example, as it is in the project.
    pub(crate) fn tickets() -> Self {
        Self::example("tickets")
    }

    /// A copy of an example, as it is in the project: without what runs leave in it.
    pub(crate) fn example(name: &str) -> Self {
        let folder = Self::new();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        for entry in fs::read_dir(example).unwrap() {
            let entry = entry.unwrap();
            let made = ["ledger", "out"].iter().any(|made| entry.file_name() == *made);
            if !made {
                copy(&entry.path(), &folder.0.path().join(entry.file_name()));
            }
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The binary, about to run here.
    pub(crate) fn postil(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postil"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// Runs and expects success; standard output comes back.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.postil(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs and expects one JSON object and nothing else on standard output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{text}"))
    }

    /// Runs and expects this exit code; standard error comes back.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.postil(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "a failure says nothing on standard output: {}", said(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Every file below a folder with its bytes.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(self.path(below))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect()
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// A folder of the shared data, or `None` with a loud note.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("POSTIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = data.join(name);
    if path.exists() {
        return Some(path.canonicalize().unwrap());
    }
    let _ = writeln!(std::io::stderr(), "SKIPPED: no shared data at {}; set POSTIL_DATA", path.display());
    None
}

/// The value of a measured figure.
pub(crate) fn value(figure: &Value) -> f64 {
    assert_eq!(figure["state"], "known", "{figure}");
    let (value, low, high) = (&figure["value"], &figure["low"], &figure["high"]);
    assert!(low.as_f64() <= value.as_f64() && value.as_f64() <= high.as_f64(), "{figure}");
    assert!(!figure["basis"].as_str().unwrap().is_empty());
    value.as_f64().unwrap()
}

/// The rows of a table, every value as text.
pub(crate) fn csv(path: &Path) -> Vec<Vec<String>> {
    use postil_core::table::{TableOptions, TableReader};
    let columns = TableReader::open(path, &TableOptions::default()).unwrap().columns().to_vec();
    let options = TableOptions { text: columns.clone(), ..TableOptions::default() };
    let mut reader = TableReader::open(path, &options).unwrap();
    let mut rows = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        let parts: Vec<_> = columns
            .iter()
            .map(|name| postil_core::items::strings(chunk.batch.column_by_name(name).unwrap(), name).unwrap())
            .collect();
        for row in 0..chunk.batch.num_rows() {
            rows.push(parts.iter().map(|part| part.iter().nth(row).flatten().unwrap_or("").to_owned()).collect());
        }
    }
    rows
}

/// The item and the prompt of every request that a server got.
pub(crate) type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// A server that answers so, and what it was asked.
pub(crate) fn recording(answer: impl Fn(&Question<'_>) -> Reply + Send + Sync + 'static) -> (Server, Seen) {
    let seen: Seen = Arc::default();
    let log = seen.clone();
    let server = Server::start(Behaviour::new(move |question: &Question<'_>| {
        log.lock().unwrap().push((question.item.unwrap_or_default().to_owned(), question.prompt.to_owned()));
        answer(question)
    }));
    (server, seen)
}
