//! What a list asks for: the switches of its matching.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postil_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::fold::{Lemmas, Plural, Rules};
use super::words::StopWords;
use crate::list::Case;

/// What accents mean to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accents {
    /// `São` and `Sao` differ.
    #[default]
    Keep,
    /// Accents of Latin letters are not looked at.
    Fold,
}

/// What hyphens mean to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hyphens {
    /// `Port-Louis` and `Port Louis` differ.
    #[default]
    Keep,
    /// A hyphen between words is as good as a space.
    Space,
}

/// Which words of a name stand for the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// None: a name is found whole.
    #[default]
    None,
    /// The first word, as a given name.
    First,
    /// The last word, as a family name.
    Last,
    /// Either.
    Both,
}

/// The switches of one list. All have a default; a project file and the command line name those that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// What the case of letters means [default: `smart`]. `ignore`: nothing. `exact`: every letter as in the list.
    /// `smart`: a word of the list that begins with a capital must begin with one in the text or be all capitals; a
    /// single word of up to five capitals must stand exactly so; words without capitals match in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// What accents mean [default: `keep`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accents: Option<Accents>,
    /// What hyphens mean [default: `keep`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hyphens: Option<Hyphens>,
    /// What the plural means [default: `keep`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plural: Option<Plural>,
    /// A table of word forms: two columns, form and lemma; both sides are compared by lemma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lemmas: Option<PathBuf>,
    /// Whether in text that is all capitals the case is ignored [default: true]. A single common word (`US` in `GIVE US
    /// MORE`) is then no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_caps: Option<bool>,
    /// Whether a name may be followed by a possessive `'s` inside the same given token [default: true].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possessive: Option<bool>,
    /// Names with fewer characters are left out [default: 2].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_chars: Option<u16>,
    /// Names with fewer tokens are left out [default: 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tokens: Option<u16>,
    /// Names that are a stop word are left out: `en`, `es`, or a file with one word per line [default: none].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// How many percent of the characters of a name must be right: with 90, a name of ten characters is found with one of
    /// them put in, left out or changed, one of twenty with two [default: all]. At most three may differ; names of fewer
    /// than five characters are only found as they are, and digits must be the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuzzy: Option<u8>,
    /// A file of names: of the list's entries only these count, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_names: Option<PathBuf>,
    /// A file of names that are left out, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except_names: Option<PathBuf>,
    /// Names that are left out, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Names that begin so are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_prefixes: Vec<String>,
    /// Names that end so are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_suffixes: Vec<String>,
    /// Names that begin so are also found without it: `The `.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strip_prefixes: Vec<String>,
    /// Names that end so are also found without it: ` Inc`, ` Ltd`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strip_suffixes: Vec<String>,
    /// Which words of a name stand for the whole [default: `none`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Whether the other names of an entry count [default: true].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<bool>,
    /// Of lists that claim the same stretch the one with the highest priority counts; equal ones leave it open which
    /// label is right [default: 0].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

impl Switches {
    /// These switches, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let list = |own: Vec<String>, other: &Vec<String>| if own.is_empty() { other.clone() } else { own };
        Self {
            case: self.case.or(other.case),
            accents: self.accents.or(other.accents),
            hyphens: self.hyphens.or(other.hyphens),
            plural: self.plural.or(other.plural),
            lemmas: self.lemmas.or_else(|| other.lemmas.clone()),
            all_caps: self.all_caps.or(other.all_caps),
            possessive: self.possessive.or(other.possessive),
            min_chars: self.min_chars.or(other.min_chars),
            min_tokens: self.min_tokens.or(other.min_tokens),
            stop: self.stop.or_else(|| other.stop.clone()),
            fuzzy: self.fuzzy.or(other.fuzzy),
            only_names: self.only_names.or_else(|| other.only_names.clone()),
            except_names: self.except_names.or_else(|| other.except_names.clone()),
            skip: list(self.skip, &other.skip),
            skip_prefixes: list(self.skip_prefixes, &other.skip_prefixes),
            skip_suffixes: list(self.skip_suffixes, &other.skip_suffixes),
            strip_prefixes: list(self.strip_prefixes, &other.strip_prefixes),
            strip_suffixes: list(self.strip_suffixes, &other.strip_suffixes),
            parts: self.parts.or(other.parts),
            aliases: self.aliases.or(other.aliases),
            priority: self.priority.or(other.priority),
        }
    }
}

/// Switches with every default filled in and every file read.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) case: Case,
    pub(crate) rules: Rules,
    pub(crate) all_caps: bool,
    pub(crate) possessive: bool,
    pub(crate) min_chars: usize,
    pub(crate) min_tokens: usize,
    pub(crate) stop: StopWords,
    /// How many percent of the characters must be right, if not all.
    pub(crate) fuzzy: Option<u8>,
    /// Folded; none stands for all.
    pub(crate) only: std::collections::BTreeSet<String>,
    /// Folded.
    pub(crate) skip: std::collections::BTreeSet<String>,
    /// Folded.
    pub(crate) excepted: std::collections::BTreeSet<String>,
    pub(crate) skip_prefixes: Vec<String>,
    pub(crate) skip_suffixes: Vec<String>,
    pub(crate) strip_prefixes: Vec<String>,
    pub(crate) strip_suffixes: Vec<String>,
    pub(crate) parts: Parts,
    pub(crate) aliases: bool,
    pub(crate) priority: i32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            case: Case::Smart,
            rules: Rules::default(),
            all_caps: true,
            possessive: true,
            min_chars: 2,
            min_tokens: 1,
            stop: StopWords::default(),
            fuzzy: None,
            only: std::collections::BTreeSet::new(),
            skip: std::collections::BTreeSet::new(),
            excepted: std::collections::BTreeSet::new(),
            skip_prefixes: Vec::new(),
            skip_suffixes: Vec::new(),
            strip_prefixes: Vec::new(),
            strip_suffixes: Vec::new(),
            parts: Parts::None,
            aliases: true,
            priority: 0,
        }
    }
}

impl Policy {
    /// What the files of lemmas, stop words and names say, as bytes for a digest.
    pub(crate) fn files(&self) -> Vec<u8> {
        let lemmas: std::collections::BTreeMap<_, _> =
            self.rules.lemmas.iter().flat_map(|lemmas| lemmas.iter()).collect();
        let mut bytes = Vec::new();
        for word in lemmas.into_iter().flat_map(|(form, lemma)| [form, lemma]).chain(self.stop.iter()) {
            bytes.extend((word.len() as u32).to_le_bytes());
            bytes.extend(word.as_bytes());
        }
        for word in self.only.iter().chain(&self.excepted) {
            bytes.extend((word.len() as u32).to_le_bytes());
            bytes.extend(word.as_bytes());
        }
        bytes
    }

    /// Fills in the defaults and reads the files, which lie in `folder`.
    ///
    /// # Errors
    /// A table of lemmas, a list of stop words or a file of names that cannot be read, or `fuzzy` out of its range.
    pub fn new(switches: &Switches, folder: &Path) -> Result<Self> {
        let default = Self::default();
        let lemmas = switches.lemmas.as_ref().map(|path| read_lemmas(&folder.join(path), path)).transpose()?;
        let stop = switches.stop.as_ref().map(|name| StopWords::named(name, folder)).transpose()?;
        let names = |path: &Option<PathBuf>| match path {
            Some(path) => read_names(&folder.join(path), path),
            None => Ok(std::collections::BTreeSet::new()),
        };
        if let Some(percent) = switches.fuzzy.filter(|percent| !(50..=100).contains(percent)) {
            return Err(Error::task(format!("expected `fuzzy` from 50 to 100 (percent), found {percent}")));
        }
        let lowered = |words: &[String]| words.iter().map(|word| super::words::folded(word)).collect::<Vec<_>>();
        Ok(Self {
            case: switches.case.unwrap_or(default.case),
            rules: Rules {
                fold_accents: switches.accents == Some(Accents::Fold),
                skip_hyphens: switches.hyphens == Some(Hyphens::Space),
                plural: switches.plural.unwrap_or_default(),
                lemmas: lemmas.map(Arc::new),
            },
            all_caps: switches.all_caps.unwrap_or(default.all_caps),
            possessive: switches.possessive.unwrap_or(default.possessive),
            min_chars: switches.min_chars.map_or(default.min_chars, usize::from),
            min_tokens: switches.min_tokens.map_or(default.min_tokens, usize::from),
            stop: stop.unwrap_or_default(),
            fuzzy: switches.fuzzy.filter(|percent| *percent < 100),
            only: names(&switches.only_names)?,
            excepted: names(&switches.except_names)?,
            skip: lowered(&switches.skip).into_iter().collect(),
            skip_prefixes: lowered(&switches.skip_prefixes),
            skip_suffixes: lowered(&switches.skip_suffixes),
            strip_prefixes: lowered(&switches.strip_prefixes),
            strip_suffixes: lowered(&switches.strip_suffixes),
            parts: switches.parts.unwrap_or_default(),
            aliases: switches.aliases.unwrap_or(default.aliases),
            priority: switches.priority.unwrap_or(default.priority),
        })
    }
}

fn read_lemmas(path: &Path, shown: &Path) -> Result<Lemmas> {
    let text = super::words::read_text(path, shown)?;
    let mut lemmas = Lemmas::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (form, lemma) = line.split_once(['\t', ',', ';']).ok_or_else(|| {
            Error::input(format!("expected a form and a lemma with a tab or a comma between them, found `{line}`"))
                .in_file(shown)
                .at_line(number as u64 + 1)
        })?;
        lemmas.insert(super::words::folded(form.trim()), super::words::folded(lemma.trim()));
    }
    if lemmas.is_empty() {
        return Err(Error::input("expected at least one form and its lemma, found none").in_file(shown));
    }
    Ok(lemmas)
}

/// The names of a file of any kind that lists have, folded.
fn read_names(path: &Path, shown: &Path) -> Result<std::collections::BTreeSet<String>> {
    let lists = super::read_lists(path, shown, Some(&"names".into()), &super::ListColumns::default())?;
    let names = lists.iter().flat_map(|list| (0..list.len()).map(|entry| list.entry(entry)));
    Ok(names.map(super::words::folded).collect())
}
