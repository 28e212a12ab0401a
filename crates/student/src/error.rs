//! One opaque error for the crate: what was expected, what was found, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something went wrong that the caller or the user has to know about.
///
/// The text of [`Display`](fmt::Display) names the place first (file, item), then what was expected and what was
/// found. What to do next is kept apart, in [`Error::advice`].
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    file: Option<PathBuf>,
    item: Option<usize>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Input,
    Setting,
    Damaged,
    NewerFormat,
    Io,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), file: None, item: None, hint: None, source: None }))
    }

    /// The training data cannot be used as it is.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// A setting contradicts itself or the data.
    pub(crate) fn setting(message: impl Into<String>) -> Self {
        Self::new(Kind::Setting, message)
    }

    /// The file is not a model, or not the model that was written.
    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(Kind::Damaged, message)
    }

    /// A newer version wrote the file.
    pub(crate) fn newer_format(message: impl Into<String>) -> Self {
        Self::new(Kind::NewerFormat, message)
    }

    /// The operating system refused.
    pub(crate) fn io(message: impl Into<String>, source: std::io::Error) -> Self {
        let mut error = Self::new(Kind::Io, message);
        error.0.source = Some(Box::new(source));
        error
    }

    pub(crate) fn in_file(mut self, file: impl AsRef<Path>) -> Self {
        self.0.file = Some(file.as_ref().to_path_buf());
        self
    }

    pub(crate) fn for_item(mut self, item: usize) -> Self {
        self.0.item = Some(item);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// What the user can do, when that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The position of the training item that is at fault, counted from 0, when there is one.
    pub fn item(&self) -> Option<usize> {
        self.0.item
    }

    /// The training data are at fault.
    pub fn is_input(&self) -> bool {
        self.0.kind == Kind::Input
    }

    /// A setting is at fault.
    pub fn is_setting(&self) -> bool {
        self.0.kind == Kind::Setting
    }

    /// The model file is damaged, truncated or no model file at all.
    pub fn is_damaged(&self) -> bool {
        self.0.kind == Kind::Damaged
    }

    /// A newer version of this program wrote the model file.
    pub fn is_newer_format(&self) -> bool {
        self.0.kind == Kind::NewerFormat
    }

    /// The operating system refused to read or write.
    pub fn is_io(&self) -> bool {
        self.0.kind == Kind::Io
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(out, "{}: ", file.display())?;
        }
        if let Some(item) = self.0.item {
            write!(out, "item {item}: ")?;
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
        let error = Error::input("expected a class below 3, found 7").for_item(4).hint("add the label");
        assert_eq!(error.to_string(), "item 4: expected a class below 3, found 7");
        assert_eq!(error.advice(), Some("add the label"));
        assert!(error.is_input() && !error.is_damaged());
    }
}
