//! Files that are not tables, opened as tables are.

use std::io::Read;
use std::path::Path;

use super::open::open_text;
use crate::error::Result;

/// Opens a text file, or standard input for `-`: uncompressed, without its byte order mark. An empty file is no error.
///
/// # Errors
/// A file that cannot be opened, or is certainly no UTF-8 text: an archive, a workbook, UTF-16.
pub fn open_stream(path: impl AsRef<Path>) -> Result<Box<dyn Read + Send>> {
    Ok(open_text(path.as_ref())?.stream)
}
