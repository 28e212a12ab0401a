//! The files of a list entry, as a project file names them.

use std::path::PathBuf;

use postil_core::{Error, Result};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Case, ListSpec};
use crate::entities::{ListColumns, Switches};

/// The files of one label: a name, a table with `path` and switches, or a list of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListSources(pub Vec<ListFile>);

/// One file and what is special about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListFile {
    /// The file, relative to the project.
    pub path: PathBuf,
    /// Of a file that says labels itself, only the entries of this one, in tasks about spans. Otherwise all of its entries
    /// have the label under which it is named.
    pub only: Option<String>,
    /// Its own columns, in tasks about spans.
    pub columns: Option<ListColumns>,
    /// Its own switches; of these only `case` is for labels of whole texts.
    pub switches: Switches,
}

impl<'de> Deserialize<'de> for ListFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = ListFile;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a file name, or a table with `path` and switches such as `case`")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<ListFile, E> {
                Ok(ListFile { path: path.into(), ..ListFile::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListFile, A::Error> {
                file_of_table(map)
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de> Deserialize<'de> for ListSources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Some;
        impl<'de> Visitor<'de> for Some {
            type Value = ListSources;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a file name, a table with `path` and switches such as `case`, or a list of these")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<ListSources, E> {
                Ok(ListSources(vec![ListFile { path: path.into(), ..ListFile::default() }]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListSources, A::Error> {
                Ok(ListSources(vec![file_of_table(map)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<ListSources, A::Error> {
                let mut files = Vec::new();
                while let Option::Some(file) = sequence.next_element()? {
                    files.push(file);
                }
                Ok(ListSources(files))
            }
        }
        deserializer.deserialize_any(Some)
    }
}

fn file_of_table<'de, A: MapAccess<'de>>(map: A) -> Result<ListFile, A::Error> {
    use serde::de::Error as _;

    let wrong = |error: serde_json::Error| A::Error::custom(error);
    let mut table: serde_json::Map<String, serde_json::Value> =
        Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
    let path = table.remove("path").ok_or_else(|| A::Error::missing_field("path"))?;
    let columns = table.remove("columns").map(serde_json::from_value).transpose().map_err(wrong)?;
    let only = table.remove("only").map(serde_json::from_value).transpose().map_err(wrong)?;
    Ok(ListFile {
        only,
        path: serde_json::from_value(path).map_err(wrong)?,
        columns,
        switches: serde_json::from_value(table.into()).map_err(wrong)?,
    })
}

impl ListSpec {
    /// Refuses what only tasks about spans know.
    pub(super) fn refuse_switches(&self) -> Result<()> {
        let only_case = |switches: &Switches| Switches { case: None, ..switches.clone() } == Switches::default();
        let files = || self.lists.values().flat_map(|sources| &sources.0);
        let plain = self.matching == Switches::default()
            && self.columns == ListColumns::default()
            && self.silence.is_none()
            && files().all(|file| file.only.is_none() && file.columns.is_none() && only_case(&file.switches));
        if plain {
            return Ok(());
        }
        Err(Error::task(format!(
            "list `{}`: expected `case` alone beside a file, found settings for spans (`matching`, `columns`, `silence`, \
             and switches of single lists)",
            self.name
        )))
    }

    /// What case means to a file in a task about whole texts.
    pub(super) fn case_of(&self, file: &ListFile) -> Case {
        file.switches.case.or(self.case).unwrap_or_default()
    }
}
