//! brat's standoff: a text file and a file of annotations beside it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::reader::{ReadDocuments, ReadOptions, ReadReport};
use super::remarks::RemarkKind;
use super::settle::{RawSpan, Settled, places_of, settle};
use super::writer::{ANSWER, Out, WriteDocument};
use crate::answer::Link;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::table::utf8_reason;
use crate::table::whole::WholeFile;
use crate::text::OffsetUnit;

/// Where lines that are no spans are kept.
const LINES: &str = "brat_lines";
/// Where the ids of spans are kept while other lines refer to them.
const IDS: &str = "brat_ids";

pub(super) struct Brat {
    /// Names of documents and their texts, last first.
    texts: Vec<(String, PathBuf)>,
    only: Option<OffsetUnit>,
    strict: bool,
}

impl Brat {
    pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let mut texts = Vec::new();
        if path.is_dir() {
            find(path, "", &mut texts, 0)?;
            if texts.is_empty() {
                return Err(Error::input("expected a folder with `.txt` and `.ann` files, found none").in_file(path));
            }
        } else {
            let text = path.with_extension("txt");
            if !text.exists() {
                return Err(Error::input("expected the text beside the annotations, found none").in_file(&text));
            }
            texts.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
        texts.sort_unstable_by(|left, right| right.cmp(left));
        Ok(Self { texts, only: options.unit, strict: options.strict })
    }
}

/// The texts of a folder and those below it.
fn find(folder: &Path, prefix: &str, texts: &mut Vec<(String, PathBuf)>, depth: usize) -> Result<()> {
    let refuse =
        |error: std::io::Error| Error::io(format!("could not list the folder: {error}"), error).in_file(folder);
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // Folders that link to one another must not be walked forever.
            if depth < 32 {
                find(&path, &format!("{prefix}{name}/"), texts, depth + 1)?;
            }
        } else if let Some(stem) = name.strip_suffix(".txt") {
            texts.push((format!("{prefix}{stem}"), path));
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| Error::io(format!("could not read: {error}"), error).in_file(path))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Error::input(utf8_reason(error.as_bytes(), 1, valid)).in_file(path)
    })
}

/// brat writes line breaks in quotes as spaces.
fn same(there: &str, quote: &str) -> bool {
    there.len() == quote.len()
        && there
            .bytes()
            .zip(quote.bytes())
            .all(|(left, right)| left == right || (matches!(left, b'\n' | b'\r') && right == b' '))
}

impl ReadDocuments for Brat {
    fn next(&mut self, report: &mut ReadReport) -> Result<Option<Document>> {
        while let Some((id, path)) = self.texts.pop() {
            let text = read_text(&path)?;
            let annotations = path.with_extension("ann");
            let lines = if annotations.exists() { read_text(&annotations)? } else { String::new() };
            let mut document = Document { id: id.as_str().into(), text, ..Document::default() };
            if !annotations.exists() {
                document.meta.insert(ANSWER.to_owned(), "missing".into());
            }
            if document.text.starts_with('\u{feff}') {
                report.remarks.add(RemarkKind::ByteOrderMark, &id, 1, || "kept, as brat counts it".to_owned());
            }
            match self.read(&mut document, &lines, report) {
                Ok(()) => return Ok(Some(document)),
                Err((line, reason)) => {
                    report.remarks.add(RemarkKind::RefusedRow, &id, line, || reason);
                    if self.strict {
                        report.file = annotations;
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Brat {
    fn read(&self, document: &mut Document, lines: &str, report: &mut ReadReport) -> Result<(), (u64, String)> {
        let id = document.id.to_string();
        let (mut raw, mut ids, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() {
                continue;
            }
            if !line.starts_with('T') {
                others.push((number, line));
                continue;
            }
            let mut parts = line.splitn(3, '\t');
            let (Some(name), Some(places), quote) = (parts.next(), parts.next(), parts.next()) else {
                return Err((number, format!("expected an id, a span and its text between tabs, found {line:?}")));
            };
            let (label, places) = places.split_once(' ').unwrap_or((places, ""));
            let pieces: Vec<&str> = places.split(';').collect();
            let place = |text: &str| -> Result<u64, (u64, String)> {
                text.parse().map_err(|_| (number, format!("expected a place, found `{text}`")))
            };
            if pieces.len() > 1 {
                report.remarks.add(RemarkKind::DiscontinuousSpan, &id, number, || line.to_owned());
                others.push((0, line));
                continue;
            }
            let (start, end) = pieces[0].split_once(' ').unwrap_or((pieces[0], ""));
            let quote = quote.map(str::to_owned);
            raw.push(RawSpan { start: place(start)?, end: place(end)?, label: label.into(), quote });
            ids.push(Value::from(name));
        }
        let places = places_of(&raw);
        let units = self.only.map_or(OffsetUnit::ALL.to_vec(), |unit| vec![unit]);
        let Settled { spans, unit, unchecked, empty } =
            settle(&document.text, raw, &units, same).map_err(|reason| (1, reason))?;
        for span in &empty {
            report.remarks.add(RemarkKind::EmptySpan, &id, None, || format!("`{}` at {}", span.label, span.start));
        }
        match unit {
            Some(OffsetUnit::Utf16) => report.remarks.add(RemarkKind::OffsetsUtf16, &id, None, String::new),
            Some(OffsetUnit::Bytes) => report.remarks.add(RemarkKind::OffsetsBytes, &id, None, String::new),
            _ => {}
        }
        if unchecked {
            report.remarks.add(RemarkKind::UncheckedOffsets, &id, None, String::new);
        }
        document.spans = spans;
        let known: HashMap<&str, u32> =
            ids.iter().zip(&places).filter_map(|(id, place)| Some((id.as_str()?, (*place)?))).collect();
        let events = triggers(others.iter().map(|(_, line)| *line), &known);
        let mut rest = Vec::new();
        for (number, line) in others {
            let links = links_of(line, &known, &events);
            let relation = line.starts_with('R') && !links.is_empty();
            document.links.extend(links);
            // Relations become links and nothing else; events are links and stay what they are.
            if !relation {
                if number > 0 {
                    report.remarks.add(RemarkKind::OtherLine, &id, number, || line.to_owned());
                }
                rest.push(Value::from(line));
            }
        }
        let mut seen = HashSet::new();
        document.links.retain(|link| seen.insert(link.clone()));
        if !rest.is_empty() {
            document.meta.insert(LINES.to_owned(), Value::Array(rest));
            let ids: Vec<Value> = ids.into_iter().zip(&places).filter_map(|(id, place)| place.map(|_| id)).collect();
            document.meta.insert(IDS.to_owned(), Value::Array(ids));
        }
        Ok(())
    }
}

/// The spans of events: `E1` to that of its trigger, as in `E1\tMove:T3 Agent:T1`.
fn triggers<'l>(lines: impl Iterator<Item = &'l str>, known: &HashMap<&str, u32>) -> HashMap<&'l str, u32> {
    let event = |line: &'l str| {
        let (id, rest) = line.split_once('\t').filter(|(id, _)| id.starts_with('E'))?;
        let (_, trigger) = rest.split_ascii_whitespace().next()?.split_once(':')?;
        Some((id, *known.get(trigger)?))
    };
    lines.filter_map(event).collect()
}

/// The links of a relation, `R1\tkind Arg1:T1 Arg2:T2`, or of an event, from its trigger to each of its arguments.
fn links_of(line: &str, known: &HashMap<&str, u32>, events: &HashMap<&str, u32>) -> Vec<Link> {
    let place = |id: &str| known.get(id).or_else(|| events.get(id)).copied();
    let Some((id, rest)) = line.split_once('\t') else { return Vec::new() };
    let mut parts = rest.split_ascii_whitespace();
    let arguments = |parts: std::str::SplitAsciiWhitespace<'_>| -> Option<Vec<(String, u32)>> {
        parts.map(|part| part.split_once(':').and_then(|(role, id)| Some((role.to_owned(), place(id)?)))).collect()
    };
    match id.as_bytes().first() {
        Some(b'R') => {
            let Some(kind) = parts.next() else { return Vec::new() };
            match arguments(parts).as_deref() {
                Some([(_, from), (_, to)]) => vec![Link { from: *from, to: *to, kind: kind.into() }],
                _ => Vec::new(),
            }
        }
        Some(b'E') => {
            let (Some(&from), Some(_)) = (events.get(id), parts.next()) else { return Vec::new() };
            // brat numbers arguments of one role: `Theme`, `Theme2`.
            let kind = |role: &str| role.trim_end_matches(|digit: char| digit.is_ascii_digit()).into();
            let arguments = arguments(parts).unwrap_or_default();
            arguments.into_iter().map(|(role, to)| Link { from, to, kind: kind(&role) }).collect()
        }
        _ => Vec::new(),
    }
}

/// Writes links as relations, but for those that a kept line says already.
fn relations(document: &Document, ids: &[String], lines: &[Value], annotations: &mut String) {
    if document.links.is_empty() {
        return;
    }
    let known: HashMap<&str, u32> = (0_u32..).zip(ids).map(|(place, id)| (id.as_str(), place)).collect();
    let kept: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    let events = triggers(kept.iter().copied(), &known);
    let said: HashSet<Link> = kept.iter().flat_map(|line| links_of(line, &known, &events)).collect();
    let taken = kept.iter().filter_map(|line| line.strip_prefix('R')?.split('\t').next()?.parse::<u64>().ok());
    let first = 1 + taken.max().unwrap_or(0);
    for (number, link) in (first..).zip(document.links.iter().filter(|link| !said.contains(*link))) {
        let kind: String = link.kind.split_whitespace().collect::<Vec<_>>().join("_");
        let (from, to) = (&ids[link.from as usize], &ids[link.to as usize]);
        let _ = writeln!(annotations, "R{number}\t{kind} Arg1:{from} Arg2:{to}");
    }
}

/// Writes a folder.
pub(super) struct BratFolder {
    folder: PathBuf,
    names: std::collections::HashSet<String>,
}

impl BratFolder {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        super::writer::create_folder(folder)?;
        Ok(Self { folder: folder.to_path_buf(), names: std::collections::HashSet::new() })
    }

    /// A file name for a document, without its ending: letters, digits, `.`, `-` and `_`, and no two alike.
    fn file_name(&mut self, out: &mut Out<'_>) -> String {
        let plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
        let mut name: String =
            out.name.chars().map(|character| if plain(character) { character } else { '_' }).take(100).collect();
        if name.starts_with('.') {
            name.insert(0, '_');
        }
        let mut unique = name.clone();
        let mut number = 2;
        // Some file systems do not tell capitals from small letters.
        while !self.names.insert(unique.to_lowercase()) {
            unique = format!("{name}-{number}");
            number += 1;
        }
        if unique != out.name {
            let (before, after) = (out.name.clone(), unique.clone());
            out.remark(RemarkKind::ChangedId, || format!("`{before}` to `{after}`"));
        }
        unique
    }
}

impl WriteDocument for BratFolder {
    fn write(&mut self, document: &Document, out: &mut Out<'_>) -> Result<()> {
        let name = self.file_name(out);
        let meta = &document.meta;
        let lines = meta.get(LINES).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let known = meta.get(IDS).and_then(Value::as_array).filter(|ids| ids.len() == document.spans.len());
        // Other lines refer to spans by number; where those are unknown, new numbers must not collide with theirs.
        let taken =
            lines.iter().filter_map(|line| line.as_str()?.strip_prefix('T')?.split('\t').next()?.parse::<u64>().ok());
        let first = 1 + taken.max().unwrap_or(0);
        let (mut annotations, mut ids) = (String::new(), Vec::with_capacity(document.spans.len()));
        for (place, span) in (0_u64..).zip(&document.spans) {
            let id = match known.and_then(|ids| ids[place as usize].as_str()) {
                Some(id) => id.to_owned(),
                None => format!("T{}", first + place),
            };
            let label: String = span.label.split_whitespace().collect::<Vec<_>>().join("_");
            let quote = span.quote.replace(['\n', '\r'], " ");
            let _ = writeln!(annotations, "{id}\t{label} {} {}\t{quote}", span.start, span.end);
            ids.push(id);
        }
        relations(document, &ids, lines, &mut annotations);
        for line in lines.iter().filter_map(Value::as_str) {
            annotations.push_str(line);
            annotations.push('\n');
        }
        for (ending, content) in [("txt", &document.text), ("ann", &annotations)] {
            let mut file = WholeFile::create(&self.folder.join(format!("{name}.{ending}")), true)?;
            file.text(content)?;
            file.finish()?;
        }
        out.drops_labels(document);
        out.drops_tokens(document);
        out.drops_meta(document, &[LINES, IDS, ANSWER]);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
