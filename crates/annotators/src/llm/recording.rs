//! Replies in a file, to repeat a run where no endpoint can be reached.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use postil_core::ledger::{Journal, Reply};
use postil_core::{Cost, Digest, Error, Result};
use serde::{Deserialize, Serialize};

/// Replies by the keys of their requests.
#[derive(Clone, Debug, Default)]
pub struct Recording(HashMap<Digest, Reply>);

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    key: Digest,
    money_micros: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// The body as it came; it was JSON when it was kept, and so is text.
    body: String,
}

impl Recording {
    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is something else.
    pub fn read(path: &Path) -> Result<Self> {
        let fail = |error| Error::io("the recording cannot be read", error).in_file(path);
        let mut replies = HashMap::new();
        for (number, line) in BufReader::new(File::open(path).map_err(fail)?).lines().enumerate() {
            let line: Line = serde_json::from_str(&line.map_err(fail)?).map_err(|error| {
                Error::input(format!("expected a recorded reply, found something else: {error}"))
                    .in_file(path)
                    .at_line(number as u64 + 1)
                    .hint("`postil run --record FILE` writes recordings")
            })?;
            let cost = Cost {
                money_micros: line.money_micros,
                person_millis: 0,
                input_tokens: line.input_tokens,
                output_tokens: line.output_tokens,
            };
            replies.insert(line.key, Reply { body: line.body.into_bytes(), cost });
        }
        Ok(Self(replies))
    }

    /// Writes every reply of a journal; how many.
    pub fn write(journal: &Journal, path: &Path) -> Result<u64> {
        let fail = |error| Error::io("the recording cannot be written", error).in_file(path);
        let mut out = BufWriter::new(File::create(path).map_err(fail)?);
        let mut count = 0;
        journal.replies(|key, reply| {
            let line = Line {
                key,
                money_micros: reply.cost.money_micros,
                input_tokens: reply.cost.input_tokens,
                output_tokens: reply.cost.output_tokens,
                body: String::from_utf8_lossy(&reply.body).into_owned(),
            };
            let text = serde_json::to_string(&line)
                .map_err(|error| Error::input("a reply cannot be written").because(error).in_file(path))?;
            count += 1;
            writeln!(out, "{text}").map_err(fail)
        })?;
        out.flush().map_err(fail)?;
        Ok(count)
    }

    pub(super) fn reply(&self, key: Digest) -> Option<&Reply> {
        self.0.get(&key)
    }
}
