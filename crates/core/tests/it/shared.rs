//! Where tests find the shared data.

use std::path::PathBuf;

/// The folder of the shared data, if it has this part; a loud notice that tests on it are skipped otherwise.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn data_with(part: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = PathBuf::from(std::env::var_os("POSTIL_DATA").unwrap_or_else(|| default.into()));
    if folder.join(part).is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no {part} in {}; set POSTIL_DATA", folder.display());
    None
}
