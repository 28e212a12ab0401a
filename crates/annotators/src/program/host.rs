//! What a labelling program finds in its world: `regex`, `find_all`, `keywords`, `words`, `length`, `span`, and the item.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use allocative::Allocative;
use postil_core::text::Tokenizer;
use regex::{Regex, RegexBuilder};
use starlark::any::ProvidesStaticType;
use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension, Methods, MethodsBuilder};
use starlark::values::dict::AllocDict;
use starlark::values::list::{AllocList, UnpackList};
use starlark::values::none::NoneOr;
use starlark::values::tuple::{AllocTuple, TupleRef};
use starlark::values::{Heap, NoSerialize, StarlarkPagablePanic, StarlarkValue, Trace, Value, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::token::token_values;
use super::wire::ItemText;
use crate::words::{Phrase, PhraseMatcher};

/// Raised with every change that can change what a program answers.
pub(super) const HOST_VERSION: &str = "program host 2";
/// Compiled patterns larger than this are refused: a billion repetitions are a mistake or an attack.
const REGEX_BYTES: usize = 4_000_000;
/// How many patterns are kept that were compiled inside a function.
const KEPT_PATTERNS: usize = 500;

/// An error with a message for the program's author.
#[derive(Debug)]
pub(super) struct Complaint(pub(super) String);

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Complaint {}

fn complain(message: String) -> starlark::Error {
    starlark::Error::new_native(Complaint(message))
}

/// The names that every program can use. None of them reads, writes, connects, tells the time or draws lots.
pub(super) fn globals() -> Globals {
    use LibraryExtension::{Filter, Json, Map, Print, SetType, StructType};
    GlobalsBuilder::extended_by(&[Filter, Json, Map, Print, SetType, StructType]).with(host).build()
}

/// Phrases, and whether their case is ignored.
type PhraseSet = (Vec<String>, bool);

thread_local! {
    /// Patterns that a program compiles inside its function, so that it costs little there too. A cache: it changes no
    /// answer.
    static REGEXES: RefCell<HashMap<(String, bool), Regex>> = RefCell::default();
    static KEYWORDS: RefCell<HashMap<PhraseSet, Arc<PhraseMatcher>>> = RefCell::default();
}

fn kept<K: std::hash::Hash + Eq, V: Clone>(
    cache: &'static std::thread::LocalKey<RefCell<HashMap<K, V>>>,
    key: K,
    make: impl FnOnce(&K) -> Result<V, String>,
) -> Result<V, String> {
    cache.with_borrow_mut(|cache| {
        if let Some(value) = cache.get(&key) {
            return Ok(value.clone());
        }
        let value = make(&key)?;
        if cache.len() >= KEPT_PATTERNS {
            cache.clear();
        }
        cache.insert(key, value.clone());
        Ok(value)
    })
}

#[starlark_module]
fn host(builder: &mut GlobalsBuilder) {
    /// A regular expression in the syntax of the Rust `regex` crate, which searches in linear time.
    fn regex(
        #[starlark(require = pos)] pattern: &str,
        #[starlark(default = false)] ignore_case: bool,
    ) -> starlark::Result<RegexValue> {
        Ok(RegexValue { regex: compiled(pattern, ignore_case).map_err(complain)? })
    }

    /// Where a pattern occurs without overlap: a list of (start, end) in code points. `group` is the number of a part in
    /// brackets.
    fn find_all<'v>(
        #[starlark(require = pos)] pattern: &str,
        #[starlark(require = pos)] text: &str,
        #[starlark(default = false)] ignore_case: bool,
        #[starlark(default = 0)] group: i32,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        let regex = compiled(pattern, ignore_case).map_err(complain)?;
        places(&regex, text, group, heap).map_err(complain)
    }

    /// The span of the tokens from `first` up to and without `last`.
    fn span<'v>(
        #[starlark(require = pos)] tokens: Value<'v>,
        #[starlark(require = pos)] first: i32,
        #[starlark(require = pos)] last: i32,
        #[starlark(require = pos)] label: Value<'v>,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        let content = TupleRef::from_value(tokens).map(TupleRef::content).unwrap_or_default();
        let (start, end) = super::token::stretch(content, first, last).map_err(complain)?;
        Ok(heap.alloc((start, end, label)))
    }

    /// A set of words and phrases, found at word borders.
    fn keywords(
        #[starlark(require = pos)] phrases: UnpackList<String>,
        #[starlark(default = true)] ignore_case: bool,
    ) -> starlark::Result<KeywordsValue> {
        let matcher = kept(&KEYWORDS, (phrases.items, ignore_case), |(phrases, ignore_case)| {
            let phrases: Vec<Phrase> =
                phrases.iter().map(|text| Phrase { text: text.clone(), exact: !ignore_case }).collect();
            PhraseMatcher::new(&phrases).map(Arc::new)
        })
        .map_err(|error| complain(format!("keywords: {error}")))?;
        Ok(KeywordsValue { matcher })
    }

    /// The words of a text, without punctuation.
    fn words(#[starlark(require = pos)] text: &str) -> starlark::Result<Vec<String>> {
        Ok(crate::words::words(text).map(str::to_owned).collect())
    }

    /// How many characters (Unicode code points) a text has.
    fn length(#[starlark(require = pos)] text: &str) -> starlark::Result<i32> {
        Ok(i32::try_from(text.chars().count()).unwrap_or(i32::MAX))
    }
}

fn compiled(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    kept(&REGEXES, (pattern.to_owned(), ignore_case), |(pattern, ignore_case)| {
        RegexBuilder::new(pattern)
            .case_insensitive(*ignore_case)
            .size_limit(REGEX_BYTES)
            .build()
            .map_err(|error| regex_complaint(pattern, &error))
    })
}

/// Where a part of a pattern occurs, in code points.
fn places<'v>(regex: &Regex, text: &str, group: i32, heap: Heap<'v>) -> Result<Value<'v>, String> {
    let group = usize::try_from(group).ok().filter(|&group| group < regex.captures_len());
    let Some(group) = group else {
        return Err(format!("expected a group from 0 to {} of the pattern", regex.captures_len() - 1));
    };
    if group == 0 {
        return Ok(points(text, regex.find_iter(text).map(|found| found.range()), heap));
    }
    let parts = regex.captures_iter(text).filter_map(|found| found.get(group).map(|part| part.range()));
    Ok(points(text, parts, heap))
}

/// Stretches of bytes as a list of (start, end) in code points.
fn points<'v>(text: &str, ranges: impl Iterator<Item = std::ops::Range<usize>>, heap: Heap<'v>) -> Value<'v> {
    let offsets = postil_core::text::Offsets::new(text);
    let point = |byte| {
        let unit = postil_core::text::OffsetUnit::CodePoints;
        i32::try_from(offsets.position_of(unit, byte).unwrap_or(0)).unwrap_or(i32::MAX)
    };
    heap.alloc(AllocList(ranges.map(|range| (point(range.start), point(range.end)))))
}

fn regex_complaint(pattern: &str, error: &regex::Error) -> String {
    let shown: String = pattern.chars().take(60).collect();
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!("regex `{shown}`: the pattern is too large once its repetitions are written out");
    }
    let text = error.to_string();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("regex `{shown}`: {}", last.trim().trim_start_matches("error: "))
}

/// The value of `regex(...)`.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
struct RegexValue {
    #[allocative(skip)]
    regex: Regex,
}

impl fmt::Display for RegexValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "regex({:?})", self.regex.as_str())
    }
}

starlark_simple_value!(RegexValue);
starlark::methods_static!(REGEX_METHODS = regex_methods);

#[starlark_value(type = "regex")]
impl<'v> StarlarkValue<'v> for RegexValue {
    fn get_methods() -> Option<&'static Methods> {
        Some(REGEX_METHODS.methods())
    }
}

#[starlark_module]
fn regex_methods(builder: &mut MethodsBuilder) {
    /// Whether the pattern occurs anywhere.
    fn search(this: &RegexValue, #[starlark(require = pos)] text: &str) -> starlark::Result<bool> {
        Ok(this.regex.is_match(text))
    }

    /// How often it occurs without overlap.
    fn count(this: &RegexValue, #[starlark(require = pos)] text: &str) -> starlark::Result<i32> {
        Ok(i32::try_from(this.regex.find_iter(text).count()).unwrap_or(i32::MAX))
    }

    /// The first occurrence, or `None`.
    fn find(this: &RegexValue, #[starlark(require = pos)] text: &str) -> starlark::Result<NoneOr<String>> {
        Ok(NoneOr::from_option(this.regex.find(text).map(|found| found.as_str().to_owned())))
    }

    /// Where it occurs without overlap: a list of (start, end) in code points.
    fn spans<'v>(
        this: &RegexValue,
        #[starlark(require = pos)] text: &str,
        #[starlark(default = 0)] group: i32,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        places(&this.regex, text, group, heap).map_err(complain)
    }

    /// All occurrences without overlap.
    fn find_all(this: &RegexValue, #[starlark(require = pos)] text: &str) -> starlark::Result<Vec<String>> {
        Ok(this.regex.find_iter(text).map(|found| found.as_str().to_owned()).collect())
    }
}

/// The value of `keywords(...)`.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
struct KeywordsValue {
    #[allocative(skip)]
    matcher: Arc<PhraseMatcher>,
}

impl fmt::Display for KeywordsValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("keywords(...)")
    }
}

starlark_simple_value!(KeywordsValue);
starlark::methods_static!(KEYWORDS_METHODS = keywords_methods);

#[starlark_value(type = "keywords")]
impl<'v> StarlarkValue<'v> for KeywordsValue {
    fn get_methods() -> Option<&'static Methods> {
        Some(KEYWORDS_METHODS.methods())
    }
}

#[starlark_module]
fn keywords_methods(builder: &mut MethodsBuilder) {
    /// Whether any of the phrases occurs.
    fn search(this: &KeywordsValue, #[starlark(require = pos)] text: &str) -> starlark::Result<bool> {
        Ok(this.matcher.is_match(text))
    }

    /// How many occurrences there are.
    fn count(this: &KeywordsValue, #[starlark(require = pos)] text: &str) -> starlark::Result<i32> {
        Ok(i32::try_from(this.matcher.ranges(text).len()).unwrap_or(i32::MAX))
    }

    /// The first occurrence as it stands in the text, or `None`.
    fn find(this: &KeywordsValue, #[starlark(require = pos)] text: &str) -> starlark::Result<NoneOr<String>> {
        Ok(NoneOr::from_option(this.matcher.ranges(text).first().map(|range| text[range.clone()].to_owned())))
    }

    /// Where the phrases occur: a list of (start, end) in code points.
    fn spans<'v>(
        this: &KeywordsValue,
        #[starlark(require = pos)] text: &str,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        Ok(points(text, this.matcher.ranges(text).into_iter(), heap))
    }

    /// All occurrences as they stand in the text.
    fn find_all(this: &KeywordsValue, #[starlark(require = pos)] text: &str) -> starlark::Result<Vec<String>> {
        Ok(this.matcher.ranges(text).into_iter().map(|range| text[range].to_owned()).collect())
    }
}

/// The lists that the project gives a program: a dictionary from names to sets of entries.
pub(super) fn lists_value<'v>(lists: &[(&str, &str)], heap: Heap<'v>) -> Value<'v> {
    let value = |entries: &str| heap.alloc(EntriesValue { entries: entries.lines().map(Box::from).collect() });
    heap.alloc(AllocDict(lists.iter().map(|(name, entries)| (*name, value(entries)))))
}

/// The entries of a list: `word in LISTS["name"]`.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
struct EntriesValue {
    entries: HashSet<Box<str>>,
}

impl fmt::Display for EntriesValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "list of {} entries", self.entries.len())
    }
}

starlark_simple_value!(EntriesValue);

#[starlark_value(type = "entries")]
impl<'v> StarlarkValue<'v> for EntriesValue {
    fn is_in(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.unpack_str().is_some_and(|text| self.entries.contains(text)))
    }

    fn length(&self) -> starlark::Result<i32> {
        Ok(i32::try_from(self.entries.len()).unwrap_or(i32::MAX))
    }
}

/// An item, as a program sees it: `id`, `text`, `fields`, `tokens`.
#[derive(Debug, Trace, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(super) struct ItemValue<'v> {
    id: Value<'v>,
    text: Value<'v>,
    /// The columns' names and this item's values, side by side; a dictionary is made of them when it is asked for, a
    /// fresh one each time, so that a function cannot change what another sees.
    names: Value<'v>,
    values: Value<'v>,
    /// A tuple of the text's tokens, or `None` if the program does not speak of them.
    tokens: Value<'v>,
}

impl<'v> ItemValue<'v> {
    /// The names of the columns, shared by the items of a batch.
    pub(super) fn names(columns: &[&str], heap: Heap<'v>) -> Value<'v> {
        let names: Vec<Value<'v>> = columns.iter().map(|name| heap.alloc(*name)).collect();
        heap.alloc(AllocTuple(names))
    }

    /// Puts an item on the heap.
    pub(super) fn alloc(
        item: &ItemText<'_>,
        names: Value<'v>,
        tokenizer: Option<Tokenizer>,
        heap: Heap<'v>,
    ) -> Value<'v> {
        let values = if item.fields.is_empty() {
            names
        } else {
            let values: Vec<Value<'v>> =
                item.fields.iter().map(|value| value.map_or(Value::new_none(), |value| heap.alloc(value))).collect();
            heap.alloc(AllocTuple(values))
        };
        let tokens =
            tokenizer.map_or(Value::new_none(), |tokenizer| token_values(item.text, &item.tokens(tokenizer), heap));
        let (id, text) = (heap.alloc(item.id), heap.alloc(item.text));
        heap.alloc_complex_no_freeze(ItemValue { id, text, names, values, tokens })
    }
}

impl fmt::Display for ItemValue<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "item({})", self.id)
    }
}

#[starlark_value(type = "item")]
impl<'v> StarlarkValue<'v> for ItemValue<'v> {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        match attribute {
            "text" => Some(self.text),
            "id" => Some(self.id),
            "tokens" => Some(self.tokens),
            "fields" => {
                let part = |value| TupleRef::from_value(value).map(TupleRef::content).unwrap_or_default();
                Some(heap.alloc(AllocDict(part(self.names).iter().copied().zip(part(self.values).iter().copied()))))
            }
            _ => None,
        }
    }

    fn dir_attr(&self) -> Vec<String> {
        ["fields", "id", "text", "tokens"].map(str::to_owned).to_vec()
    }
}
