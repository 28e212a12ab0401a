//! Lists with their switches, as a project file or a command line names them.

use std::path::{Path, PathBuf};

use postil_core::{Error, LabelSet, Name, Result};

use super::{EntityList, EntityMatcher, LeftOut, Policy, Switches, read_lists};
use crate::list::ListSpec;

/// A list, its file and its switches.
#[derive(Clone, Debug)]
pub struct ConfiguredList {
    /// The entries.
    pub list: EntityList,
    /// The file, as it was named.
    pub path: PathBuf,
    /// The label that the file itself gives to these entries, where it says labels.
    pub only: Option<Name>,
    /// The switches: its own, else those of all.
    pub switches: Switches,
    /// The same with defaults and files.
    pub policy: Policy,
}

impl ConfiguredList {
    /// The same list with other switches.
    ///
    /// # Errors
    /// A file of lemmas or stop words that cannot be read.
    pub fn with(&self, switches: Switches, folder: &Path) -> Result<Self> {
        let policy = Policy::new(&switches, folder)?;
        Ok(Self { switches, policy, ..self.clone() })
    }
}

/// Builds a matcher of configured lists.
///
/// # Errors
/// Too many or too large lists.
pub fn matcher_of(lists: &[ConfiguredList]) -> Result<EntityMatcher> {
    let pairs: Vec<(&EntityList, Policy)> = lists.iter().map(|one| (&one.list, one.policy.clone())).collect();
    EntityMatcher::new(&pairs)
}

/// What of the lists was not read or is not looked for, in a line per list and reason.
pub fn left_out(lists: &[ConfiguredList], matcher: &EntityMatcher) -> Vec<String> {
    let mut warnings = Vec::new();
    for (one, (name, built)) in lists.iter().zip(matcher.lists()) {
        let read = &one.list.report;
        if read.bad > 0 {
            let first = read.first_bad.first().map_or("", String::as_str);
            warnings.push(format!("{name}: {} entries could not be read, the first: {first}", read.bad));
        }
        let never = [LeftOut::OnlyPunctuation, LeftOut::FewCharacters, LeftOut::FewTokens, LeftOut::ManyTokens];
        for reason in never {
            let (count, shown) = &built.left_out[reason as usize];
            if *count > 0 {
                let shown = shown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                warnings.push(format!("{name}: {count} entries are not looked for, {}: {shown}", reason.words()));
            }
        }
        if built.used == 0 {
            warnings.push(format!("{name}: no entry is left to look for"));
        }
    }
    warnings
}

impl ListSpec {
    /// Reads the entry's lists of names, which lie in `folder`; in the order of `labels`, or else of their names.
    ///
    /// # Errors
    /// A file that cannot be read or holds no name, a label that is not one of `labels`.
    pub fn read(&self, folder: &Path, labels: Option<&LabelSet>) -> Result<Vec<ConfiguredList>> {
        let for_all = Switches { case: self.case, ..Switches::default() };
        let check = |label: &str| match labels {
            Some(labels) => {
                labels.expect(label).map(drop).map_err(|error| Error::task(format!("list `{}`: {error}", self.name)))
            }
            None => Ok(()),
        };
        let mut lists = Vec::new();
        let mut add = |found: Vec<EntityList>, path: &Path, only: Option<Name>, switches: Switches| -> Result<()> {
            let policy = Policy::new(&switches, folder)?;
            for list in found {
                check(&list.label)?;
                let (path, switches, policy) = (path.to_path_buf(), switches.clone(), policy.clone());
                lists.push(ConfiguredList { list, path, only: only.clone(), switches, policy });
            }
            Ok(())
        };
        match (&self.path, self.lists.is_empty()) {
            (Some(path), true) => {
                let found = read_lists(&folder.join(path), path, None, &self.columns)?;
                for list in found {
                    let only = Some(list.label.clone());
                    add(vec![list], path, only, self.matching.clone().or(&for_all))?;
                }
            }
            (None, false) => {
                self.lists.keys().try_for_each(|label| check(label))?;
                // In class order, so that evidence reads the same whatever the order of the keys was.
                let names: Vec<Name> = match labels {
                    Some(labels) => labels.names().cloned().collect(),
                    None => self.lists.keys().map(|label| label.as_str().into()).collect(),
                };
                for label in &names {
                    for file in self.lists.get(&**label).into_iter().flat_map(|sources| &sources.0) {
                        let columns = file.columns.as_ref().unwrap_or(&self.columns);
                        let given = file.only.is_none().then_some(label);
                        let mut found = read_lists(&folder.join(&file.path), &file.path, given, columns)?;
                        if let Some(only) = &file.only {
                            found.retain(|list| *list.label == **only);
                            if found.is_empty() {
                                return Err(Error::input(format!("expected entries labelled `{only}`, found none"))
                                    .in_file(&file.path));
                            }
                            found.iter_mut().for_each(|list| list.label = label.clone());
                        }
                        let only = file.only.as_deref().map(Name::from);
                        add(found, &file.path, only, file.switches.clone().or(&self.matching).or(&for_all))?;
                    }
                }
            }
            _ => {
                return Err(Error::task(format!("list `{}`: expected either `lists` or `path`", self.name))
                    .hint("lists = { PERSON = \"lists/people.txt\" }"));
            }
        }
        Ok(lists)
    }
}
