//! Lists of names for a tagger's features.

use std::path::Path;

use postil_annotators::entities::read_folder;
use postil_core::Result;
use postil_student::tagger::NameList;

/// Reads every list of a folder, or of one file: see [`read_folder`].
///
/// # Errors
/// A file that cannot be read, or no list at all.
pub fn read_lists(path: &Path) -> Result<Vec<NameList>> {
    let lists = read_folder(path)?.into_iter();
    Ok(lists
        .map(|list| NameList {
            entries: (0..list.len()).map(|entry| list.entry(entry).to_owned()).collect(),
            name: list.name,
        })
        .collect())
}
