//! How fast and in how much memory lists of a hundred thousand and a million names are found, beside the `aho-corasick`
//! crate on the same names and text, and how many matches a border check behind a leftmost-longest search loses.
//!
//! `cargo run --release -p postil-annotators --example match_bench 100k|1m`: each search runs in a process of its own, so
//! that its peak memory is its own. The last line is one JSON object. Names and text are those of the shared data where it
//! is, else generated.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program talks")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aho_corasick::{AhoCorasick, MatchKind};
use postil_annotators::Case;
use postil_annotators::entities::{EntityMatcher, ListColumns, Policy, Scratch, Switches, read_lists};
use postil_core::Random;
use postil_core::items::strings;
use postil_core::table::{TableOptions, TableReader};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [size @ ("100k" | "1m")] => compare(size),
        [engine, names, text] => measure(engine, Path::new(names), Path::new(text)),
        _ => Err("expected 100k or 1m".into()),
    }
}

fn compare(size: &str) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (names, text) = (folder.path().join("names"), folder.path().join("text"));
    let count = if size == "1m" { 1_000_000 } else { 100_000 };
    let source = prepare(count, &names, &text)?;
    let run = |engine: &str| -> Outcome<Value> {
        let output = Command::new(std::env::current_exe()?).arg(engine).arg(&names).arg(&text).output()?;
        if !output.status.success() {
            return Err(format!("{engine}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let (smart, any_case, peer) = (run("smart")?, run("ignore")?, run("aho-corasick")?);
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    let bytes = std::fs::metadata(&text)?.len();
    println!(
        "{}",
        json!({
            "rows": bytes,
            "cpu_seconds": number(&smart, "cpu_seconds"),
            "rows_per_second": (bytes as f64 / number(&smart, "cpu_seconds")).round(),
            "peak_mb": number(&smart, "peak_mb"),
            "data": source,
            "entries": count,
            "text_mb": bytes as f64 / 1e6,
            "smart_case": smart,
            "any_case": any_case,
            "aho_corasick": peer,
        })
    );
    Ok(())
}

fn measure(engine: &str, names: &Path, text: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(text)?;
    let documents: Vec<&str> = text.split_inclusive('\n').collect();
    let text_mb = text.len() as f64 / 1e6;
    let before = cpu_seconds();
    let result = if engine == "aho-corasick" {
        let list = std::fs::read_to_string(names)?;
        let patterns: Vec<&str> = list.lines().collect();
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)?;
        let build = cpu_seconds() - before;
        let memory = search.memory_usage();
        let (cpu, found) = best(|| checked(&search, &documents).len());
        let peak = peak_mb()?;
        let kept = checked(&search, &documents);
        drop(search);
        let all = with_borders(&patterns, &documents)?;
        json!({
            "cpu_seconds": cpu, "mb_per_second": text_mb / cpu, "build_cpu_seconds": build, "peak_mb": peak,
            "memory_mb": memory as f64 / 1e6, "matches": found, "matches_with_borders_first": all.len(),
            "lost_by_checking_borders_after": all.difference(&kept).count(),
        })
    } else {
        let case = if engine == "ignore" { Case::Ignore } else { Case::Smart };
        let switches = Switches { case: Some(case), min_chars: Some(1), ..Switches::default() };
        let list = read_lists(names, names, Some(&"NAME".into()), &ListColumns::default())?.swap_remove(0);
        let matcher = EntityMatcher::new(&[(&list, Policy::new(&switches, Path::new(""))?)])?;
        drop(list);
        let build = cpu_seconds() - before;
        let (cpu, found) = best(|| {
            let mut scratch = Scratch::default();
            let mut count = 0;
            documents.iter().for_each(|document| matcher.visit(document, None, &mut scratch, |_| count += 1));
            count
        });
        json!({
            "cpu_seconds": cpu, "mb_per_second": text_mb / cpu, "build_cpu_seconds": build, "peak_mb": peak_mb()?,
            "memory_mb": matcher.bytes() as f64 / 1e6, "matches": found,
        })
    };
    println!("{result}");
    Ok(())
}

/// The least CPU time of five runs.
fn best(mut work: impl FnMut() -> usize) -> (f64, usize) {
    let mut least = f64::INFINITY;
    let mut found = 0;
    for _ in 0..5 {
        let before = cpu_seconds();
        found = work();
        least = least.min(cpu_seconds() - before);
    }
    (least, found)
}

/// Leftmost-longest matches whose borders are those of words: document, start, end.
fn checked(search: &AhoCorasick, documents: &[&str]) -> BTreeSet<(usize, usize, usize)> {
    let mut found = BTreeSet::new();
    for (number, document) in documents.iter().enumerate() {
        for one in search.find_iter(document) {
            if is_border(document, one.start()) && is_border(document, one.end()) {
                found.insert((number, one.start(), one.end()));
            }
        }
    }
    found
}

/// The longest match at each start among those whose borders are those of words, from left to right.
fn with_borders(patterns: &[&str], documents: &[&str]) -> Outcome<BTreeSet<(usize, usize, usize)>> {
    let search = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns)?;
    let mut found = BTreeSet::new();
    for (number, document) in documents.iter().enumerate() {
        let mut all: Vec<(usize, usize)> = search
            .find_overlapping_iter(document)
            .map(|one| (one.start(), one.end()))
            .filter(|&(start, end)| is_border(document, start) && is_border(document, end))
            .collect();
        all.sort_unstable_by_key(|&(start, end)| (start, usize::MAX - end));
        let mut free = 0;
        for (start, end) in all {
            if start >= free {
                found.insert((number, start, end));
                free = end;
            }
        }
    }
    Ok(found)
}

fn is_border(text: &str, at: usize) -> bool {
    let word =
        |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    !(text.is_char_boundary(at) && word(text[..at].chars().next_back()) && word(text[at..].chars().next()))
}

/// Writes names and text, and says where they are from.
fn prepare(count: usize, names: &Path, text: &Path) -> Outcome<&'static str> {
    let data = std::env::var_os("POSTIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let mut random = Random::new(1);
    let shared = data.join("ner/gazetteers-skweak/crunchbase_companies.json.gz").exists();
    let (mut all, first, last) = if shared { gathered(&data.join("ner"))? } else { made(&mut random) };
    let mut known: BTreeSet<String> = all.iter().cloned().collect();
    while all.len() < 1_000_000 {
        let name = format!("{} {}", first[random.below(first.len())], last[random.below(last.len())]);
        if known.insert(name.clone()) {
            all.push(name);
        }
    }
    random.shuffle(&mut all);
    all.truncate(count);
    std::fs::write(names, all.join("\n"))?;
    if shared {
        std::fs::write(text, newsgroups(&data.join("text/20newsgroups"))?)?;
        return Ok("gazetteers and 20 newsgroups");
    }
    eprintln!("no shared data at {}: using generated names and text", data.display());
    let mut written = String::new();
    for _ in 0..100_000 {
        for _ in 0..30 {
            // Squaring makes low numbers frequent, as in language.
            let rank = (random.unit() * random.unit() * 50_000.0) as usize;
            let _ = write!(written, "word{rank} ");
        }
        let _ = writeln!(written, "{}.", all[random.below(all.len())]);
    }
    std::fs::write(text, written)?;
    Ok("generated")
}

type Names = (Vec<String>, Vec<String>, Vec<String>);

fn gathered(folder: &Path) -> Outcome<Names> {
    let files = [
        "gazetteers-skweak/crunchbase_companies.json.gz",
        "gazetteers-skweak/geonames.json",
        "gazetteers-skweak/products.json",
        "gazetteers/world-cities.csv",
        "gazetteers/firstnames-all.txt",
        "gazetteers/surnames-all.txt",
    ];
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    let names = |file: &str| -> Outcome<Vec<String>> {
        let lists = read_lists(&folder.join(file), Path::new(file), Some(&"NAME".into()), &ListColumns::default())?;
        Ok(lists.iter().flat_map(|list| (0..list.len()).map(|entry| list.entry(entry).to_owned())).collect())
    };
    for file in files {
        for name in names(file)? {
            // A line of a text file cannot begin as a comment does, nor hold a tab.
            if !name.contains(['\t', '\n', '\r']) && !name.starts_with("# ") && known.insert(name.clone()) {
                all.push(name);
            }
        }
    }
    Ok((all, names("gazetteers/firstnames-us.txt")?, names("gazetteers/surnames-all.txt")?))
}

fn made(random: &mut Random) -> Names {
    let mut word = |count: usize| -> Vec<String> {
        (0..count)
            .map(|number| {
                let letters: String =
                    (0..3 + random.below(6)).map(|_| (b'a' + random.below(26) as u8) as char).collect();
                format!("N{letters}{number}")
            })
            .collect()
    };
    (word(1000), word(5000), word(5000))
}

fn newsgroups(folder: &Path) -> Outcome<String> {
    let mut text = String::new();
    for file in ["train.csv.gz", "test.csv.gz"] {
        let mut table = TableReader::open(folder.join(file), &TableOptions::default())?;
        while let Some(chunk) = table.next_chunk()? {
            let column = chunk.batch.column_by_name("text").ok_or("no column `text`")?;
            for value in strings(column, "text")?.iter().flatten() {
                let words = value.split_whitespace();
                words.for_each(|word| {
                    text.push_str(word);
                    text.push(' ');
                });
                text.push('\n');
            }
        }
    }
    Ok(text)
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory this process had.
fn peak_mb() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak memory is known here")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes / 1000.0)
}
