//! Packs: small projects to begin with, each a few plain files that the user owns from then on.

use std::path::{Path, PathBuf};

use postil_core::{Error, Result};

/// A pack: its name, and its files.
struct Pack {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! pack {
    ($name:literal $(, $more:literal)*) => {
        Pack {
            name: $name,
            files: &[
                ("postil.toml", include_str!(concat!("../../packs/", $name, "/postil.toml"))),
                ("prompt.txt", include_str!(concat!("../../packs/", $name, "/prompt.txt"))),
                ("guidelines.md", include_str!(concat!("../../packs/", $name, "/guidelines.md"))),
                ("items.csv", include_str!(concat!("../../packs/", $name, "/items.csv"))),
                ("README.md", include_str!(concat!("../../packs/", $name, "/README.md"))),
                $(($more, include_str!(concat!("../../packs/", $name, "/", $more))),)*
            ],
        }
    };
}

const PACKS: [Pack; 3] = [pack!("checklist"), pack!("entities"), pack!("relevance", "requirements.txt")];

/// Writes the files of a pack into a folder, which is made if it is not there; the files that were written.
///
/// # Errors
/// No pack has the name; one of its files is there already, and nothing is written then.
pub fn unpack(name: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    let pack = PACKS.iter().find(|pack| pack.name == name).ok_or_else(|| {
        let known = PACKS.map(|pack| pack.name).join("`, `");
        Error::task(format!("expected a pack out of `{known}`, found `{name}`"))
    })?;
    let path = |file: &str| folder.join(file);
    if let Some((there, _)) = pack.files.iter().find(|(file, _)| path(file).exists()) {
        return Err(Error::input("a file of the pack is there already")
            .in_file(path(there))
            .hint("unpack into another folder: `postil init --pack NAME FOLDER`"));
    }
    let failed =
        |error: std::io::Error, path: &Path| Error::io(format!("cannot be written: {error}"), error).in_file(path);
    std::fs::create_dir_all(folder).map_err(|error| failed(error, folder))?;
    pack.files
        .iter()
        .map(|(file, text)| {
            let path = path(file);
            std::fs::write(&path, text).map_err(|error| failed(error, &path))?;
            Ok(path)
        })
        .collect()
}
