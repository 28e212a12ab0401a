//! What goes to standard output and standard error, and the exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use postil_core::Error;
use serde::Serialize;

/// Writes lines to standard output.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Writes one JSON object, and nothing else, to standard output.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?)
}

/// Writes a remark to standard error, where it disturbs no pipe.
pub(super) fn remark(text: &str) {
    // A closed standard error must not stop the work.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Where a command's words go: to standard output, or to standard error when a table takes standard output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    taken: bool,
}

impl Voice {
    /// The voice of a command that writes a table to `output`; `-` is standard output.
    ///
    /// # Errors
    /// If JSON is asked for, too, and both would go to standard output.
    pub(super) fn new(output: Option<&Path>, json: bool) -> anyhow::Result<Self> {
        let taken = output.is_some_and(|output| output.as_os_str() == "-");
        if taken && json {
            anyhow::bail!(Error::task("expected one use of standard output, found `--json` and `-o -`"));
        }
        Ok(Self { taken })
    }

    /// Says a line.
    pub(super) fn say(self, text: &str) -> anyhow::Result<()> {
        if self.taken {
            remark(text);
            Ok(())
        } else {
            say(text)
        }
    }

    /// Says where the table went, or what `-o` would do.
    pub(super) fn written(self, output: Option<&Path>, otherwise: &str) -> anyhow::Result<()> {
        match output {
            Some(_) if self.taken => Ok(()),
            Some(output) => say(&format!("written: {}", output.display())),
            None => say(otherwise),
        }
    }
}

/// Shows an error with its causes and advice, and chooses the exit code.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let known = error.chain().find_map(|cause| cause.downcast_ref::<postil_core::Error>());
    let student = error.chain().find_map(|cause| cause.downcast_ref::<postil_student::Error>());
    if known.is_some_and(postil_core::Error::is_cancelled) {
        remark("stopped; what was acknowledged is kept, run the same command again to go on");
        return ExitCode::from(130);
    }
    remark(&format!("error: {error}"));
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !shown.contains(&text) {
            remark(&format!("  because: {text}"));
        }
        shown.push_str(&text);
    }
    if let Some(advice) =
        known.and_then(postil_core::Error::advice).or_else(|| student.and_then(postil_student::Error::advice))
    {
        remark(&format!("hint: {advice}"));
    }
    match known {
        Some(known) if known.is_unavailable() => ExitCode::from(3),
        Some(known) if known.is_input() || known.is_task() => ExitCode::from(2),
        _ if student.is_some_and(|error| error.is_input() || error.is_setting()) => ExitCode::from(2),
        _ => ExitCode::from(1),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// Thousands apart by a thin separator people can read: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A table with aligned columns; the first column is text, the others are figures.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    std::iter::once(line(&header)).chain(rows.iter().map(|row| line(row))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn tables_line_up() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "12".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name   n\na      1\nlong  12");
    }
}
