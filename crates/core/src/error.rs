//! One opaque error for the crate: what was expected, what was found, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something went wrong that the caller or the user has to know about.
///
/// The text of [`Display`](fmt::Display) names the place first (`file:line`, item), then what was expected and what
/// was found. What to do next is kept apart, in [`Error::hint`], so that a program can show it as it likes.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    file: Option<PathBuf>,
    line: Option<u64>,
    item: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Input,
    Task,
    Ledger,
    NewerFormat,
    Io,
    Unavailable,
    Cancelled,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            file: None,
            line: None,
            item: None,
            hint: None,
            source: None,
        }))
    }

    /// The data that was given cannot be read as what it should be.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// The task, a label or a setting contradicts itself or the data.
    pub fn task(message: impl Into<String>) -> Self {
        Self::new(Kind::Task, message)
    }

    /// The ledger is damaged or was used against its rules.
    pub fn ledger(message: impl Into<String>) -> Self {
        Self::new(Kind::Ledger, message)
    }

    /// A file was written by a newer version of this program.
    pub fn newer_format(message: impl Into<String>) -> Self {
        Self::new(Kind::NewerFormat, message)
    }

    /// The operating system refused.
    pub fn io(message: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(Kind::Io, message).because(source)
    }

    /// The request is valid, and this version cannot serve it.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The user asked to stop; all that was acknowledged is kept.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "stopped on request")
    }

    /// Names the file.
    #[must_use]
    pub fn in_file(mut self, file: impl AsRef<Path>) -> Self {
        self.0.file = Some(file.as_ref().to_path_buf());
        self
    }

    /// Names the line of the file, counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    /// Names the item.
    #[must_use]
    pub fn for_item(mut self, item: impl Into<String>) -> Self {
        self.0.item = Some(item.into());
        self
    }

    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the user can do, when that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The place alone, as `file:line` or `file`, when it is known.
    pub fn place(&self) -> Option<String> {
        let file = self.0.file.as_ref()?.display();
        Some(match self.0.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_string(),
        })
    }

    /// Whoever reads the output has gone away, which is no fault.
    pub fn is_broken_pipe(&self) -> bool {
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
            {
                return true;
            }
            source = error.source();
        }
        false
    }

    /// The data could not be read.
    pub fn is_input(&self) -> bool {
        self.0.kind == Kind::Input
    }

    /// The task or the settings are at fault.
    pub fn is_task(&self) -> bool {
        self.0.kind == Kind::Task
    }

    /// The ledger is damaged or was used against its rules.
    pub fn is_ledger(&self) -> bool {
        matches!(self.0.kind, Kind::Ledger | Kind::NewerFormat)
    }

    /// A newer version wrote the file.
    pub fn is_newer_format(&self) -> bool {
        self.0.kind == Kind::NewerFormat
    }

    /// Valid, and not yet available.
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == Kind::Unavailable
    }

    /// The user asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == Kind::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(out, "{place}: ")?;
        }
        if let Some(item) = &self.0.item {
            write!(out, "item `{item}`: ")?;
        }
        out.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Error({:?}: {self}", self.0.kind)?;
        if let Some(hint) = &self.0.hint {
            write!(out, "; hint: {hint}")?;
        }
        out.write_str(")")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_comes_first_and_the_advice_stays_apart() {
        let error = Error::input("expected 3 columns, found 2")
            .in_file("tickets.csv")
            .at_line(7)
            .for_item("T7")
            .hint("quote fields that contain commas");
        assert_eq!(error.to_string(), "tickets.csv:7: item `T7`: expected 3 columns, found 2");
        assert_eq!(error.advice(), Some("quote fields that contain commas"));
        assert!(error.is_input() && !error.is_ledger());
    }

    #[test]
    fn a_broken_pipe_is_recognised_through_what_wraps_it() {
        let pipe = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Error::io("could not write", pipe()).is_broken_pipe());
        assert!(Error::input("could not write").because(Error::io("inner", pipe())).is_broken_pipe());
        assert!(!Error::io("could not write", std::io::Error::from(std::io::ErrorKind::NotFound)).is_broken_pipe());
    }
}
