//! `postil guidelines`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use postil_core::select::{Exemplars, LEAST_TEXTS, UnitVectors, exemplars, telling_words};
use postil_core::table::WholeFile;
use postil_core::{Class, Error, Random};
use postil_student::text::{Fingerprint, TextIndex};
use rayon::prelude::*;
use serde_json::json;

use super::demonstrations::read;
use super::output::{Voice, count, remark, say_json};

/// Components of the texts' vectors.
const WIDTH: usize = 512;
/// From which share of the shorter text's pieces two texts are copies.
const COPY: f64 = 0.7;
/// Code points up to which a text is pleasant to read as an example.
const READABLE: usize = 300;
/// Code points after which an example is cut.
const LONGEST: usize = 600;
/// Words shown per label.
const WORDS: usize = 8;
/// More texts are drawn from: further ones change little and cost much.
const MOST_TEXTS: usize = 30_000;

/// What can be typed after `postil guidelines`.
///
/// A third of the texts proposes examples, a third chooses those that find a label's other texts best, a third measures
/// them. The page can be named as `task.guidelines`; people and models read it. In a project, leave blind gold out of
/// the table: what is shown to annotators cannot measure them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The examples must not be blind gold: people and models read the page, and gold that they have \
                        seen cannot measure them. Leave the rows of blind gold out of the table."
)]
pub(super) struct Arguments {
    /// Labelled texts: CSV, TSV, JSONL or Parquet, plain, .gz or .zst; no blind gold among them
    table: PathBuf,
    /// The column of the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    text: String,
    /// The column of the label
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label: String,
    /// At most how many examples per label
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the page, Markdown [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object about what was done
    #[arg(long)]
    json: bool,
}

/// The labelled texts that are used: each once, with the row it came from.
struct Labelled {
    rows: Vec<usize>,
    texts: Vec<String>,
    labels: Vec<Class>,
    names: Vec<String>,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let output = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.json => None,
        None => Some(PathBuf::from("-")),
    };
    let voice = Voice::new(output.as_deref(), arguments.json)?;
    let labelled = labelled(arguments)?;
    let Labelled { rows, texts, labels, names } = &labelled;
    let vectors = UnitVectors::new(&TextIndex::new(texts).vectors(WIDTH), WIDTH)?;
    let fingerprints: Vec<Fingerprint> = texts.par_iter().map(|text| Fingerprint::of(text)).collect();
    let readable: Vec<bool> = texts.iter().map(|text| text.chars().nth(READABLE).is_none()).collect();
    let same = |left: usize, right: usize| fingerprints[left].containment(&fingerprints[right]) >= COPY;
    let found = exemplars(&vectors, labels, &readable, same, arguments.examples, arguments.seed)
        .map_err(|error| error.in_file(&arguments.table))?;
    // Nothing on the page comes from the texts that measure it.
    let shown: Vec<usize> = (0..texts.len()).filter(|at| found.measuring.binary_search(at).is_err()).collect();
    let shown_texts: Vec<&str> = shown.iter().map(|&at| texts[at].as_str()).collect();
    let shown_labels: Vec<Class> = shown.iter().map(|&at| labels[at]).collect();
    let words = telling_words(&shown_texts, &shown_labels, WORDS);

    if let Some(output) = &output {
        let mut file = WholeFile::create(output, false)?;
        file.text(&page(&arguments.label, &labelled, &words, &found))?;
        file.finish()?;
    }
    if arguments.json {
        let of_label = |class: usize| {
            let examples: Vec<_> =
                found.chosen[class].iter().map(|&at| json!({"row": rows[at] + 1, "text": texts[at]})).collect();
            json!({"label": names[class], "words": words[class], "examples": examples})
        };
        return say_json(&json!({
            "texts": texts.len(),
            "labels": (0..names.len()).map(of_label).collect::<Vec<_>>(),
            "mean_average_precision": found.found,
            "random_examples": found.random,
            "gain": found.gain,
        }));
    }
    voice.say(&figure(&found))?;
    if arguments.output.is_some() {
        voice.written(arguments.output.as_deref(), "")?;
    }
    Ok(())
}

fn labelled(arguments: &Arguments) -> anyhow::Result<Labelled> {
    let (all_texts, all_labels) = read(&arguments.table, &arguments.text, Some(&arguments.label))?;
    let (mut blank, mut copies) = (0, 0);
    let mut seen = BTreeSet::new();
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, (text, label)) in all_texts.iter().zip(&all_labels).enumerate() {
        let label = label.trim();
        if label.is_empty() || text.trim().is_empty() {
            blank += 1;
        } else if !seen.insert(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()) {
            copies += 1;
        } else {
            members.entry(label).or_default().push(row);
        }
    }
    for (number, what) in [(blank, "rows have no text or no label"), (copies, "rows repeat a text and were left out")] {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    let wrong = |found: String| Error::input(found).in_file(&arguments.table);
    if members.len() < 2 {
        let found = members.keys().next().map_or_else(|| "none".to_owned(), |name| format!("`{name}` alone"));
        anyhow::bail!(wrong(format!("expected at least two labels in column `{}`, found {found}", arguments.label)));
    }
    if members.len() > usize::from(Class::MAX) {
        anyhow::bail!(wrong(format!("expected at most {} labels, found {}", Class::MAX, members.len())));
    }
    let rare: Vec<String> = members
        .iter()
        .filter(|(_, rows)| rows.len() < LEAST_TEXTS)
        .map(|(name, rows)| format!("{} of `{name}`", rows.len()))
        .collect();
    if !rare.is_empty() {
        let more = if rare.len() > 5 { format!(" and {} more", rare.len() - 5) } else { String::new() };
        let found = rare[..rare.len().min(5)].join(", ");
        anyhow::bail!(
            wrong(format!("expected at least {LEAST_TEXTS} different texts of every label, found {found}{more}"))
                .hint("label more of them, or leave these labels out of the table")
        );
    }
    let total: usize = members.values().map(Vec::len).sum();
    let mut chosen: Vec<(usize, Class)> = Vec::new();
    for (class, rows) in members.values().enumerate() {
        let share = (rows.len() * MOST_TEXTS).div_ceil(total).max(5 * LEAST_TEXTS);
        let kept = Random::for_purpose(arguments.seed, &format!("guidelines: texts of label {class}"))
            .sample(rows.len(), if total > MOST_TEXTS { share } else { rows.len() });
        chosen.extend(kept.into_iter().map(|place| (rows[place], class as Class)));
    }
    if chosen.len() < total {
        remark(&format!("note: {} of {} texts were drawn", count(chosen.len() as u64), count(total as u64)));
    }
    chosen.sort_unstable();
    Ok(Labelled {
        rows: chosen.iter().map(|&(row, _)| row).collect(),
        texts: chosen.iter().map(|&(row, _)| all_texts[row].clone()).collect(),
        labels: chosen.iter().map(|&(_, class)| class).collect(),
        names: members.keys().map(|&name| name.to_owned()).collect(),
    })
}

/// The page, with a definition to fill in under every label.
fn page(column: &str, labelled: &Labelled, words: &[Vec<String>], found: &Exemplars) -> String {
    let mut out = format!("# Guidelines: {}\n", plain(column));
    for (class, name) in labelled.names.iter().enumerate() {
        let _ = write!(out, "\n## {}\n\nDefinition: (what belongs here, and what does not)\n", plain(name));
        if !words[class].is_empty() {
            let words: Vec<String> = words[class].iter().map(|word| plain(word)).collect();
            let _ = write!(out, "\nTelling words: {}\n", words.join(", "));
        }
        out.push_str("\nExamples:\n");
        for &at in &found.chosen[class] {
            let _ = write!(out, "\n> {}\n", plain(&labelled.texts[at]));
        }
    }
    let _ = write!(out, "\n---\n\n{}\n", figure(found));
    out
}

fn figure(found: &Exemplars) -> String {
    format!(
        "The examples alone find the texts of their label with a mean average precision of {}; as many random examples: \
         {} (mean of 20 draws); difference {}.",
        found.found,
        found.random.brief(),
        found.gain.brief()
    )
}

/// A text as one line of Markdown that shows it and nothing else.
///
/// Signs that Markdown would read get a backslash; controls and marks that turn the direction of writing are left out.
fn plain(text: &str) -> String {
    let hidden = |sign: char| {
        sign.is_control()
            || matches!(sign, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let cleaned: String = text.chars().map(|sign| if hidden(sign) { ' ' } else { sign }).collect();
    let mut signs: Vec<char> = cleaned.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    if signs.len() > LONGEST {
        signs.truncate(LONGEST);
        signs.extend([' ', '…']);
    }
    let digits = signs.iter().take_while(|sign| sign.is_ascii_digit()).count();
    let mut out = String::with_capacity(signs.len() + 16);
    for (at, &sign) in signs.iter().enumerate() {
        let beside =
            |place: Option<usize>| place.and_then(|place| signs.get(place)).is_some_and(|s| s.is_alphanumeric());
        let read = match sign {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' => true,
            // Within a word it is read as itself.
            '_' => !(beside(at.checked_sub(1)) && beside(Some(at + 1))),
            '&' => signs.get(at + 1).is_some_and(|next| next.is_alphanumeric() || *next == '#'),
            '#' | '>' | '-' | '+' | '=' | '|' => at == 0,
            '.' | ')' => at == digits && digits > 0,
            _ => false,
        };
        if read {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        for (text, expected) in [
            ("card_arrival", "card_arrival"),
            ("_so_ *it* `is`", "\\_so\\_ \\*it\\* \\`is\\`"),
            ("a\n\n# Heading\n---", "a # Heading ---"),
            ("# Heading", "\\# Heading"),
            ("1. first 2. second", "1\\. first 2. second"),
            ("```\nrm\n```", "\\`\\`\\` rm \\`\\`\\`"),
            ("<script>x</script> [a](b) &lt; A & B", "\\<script>x\\</script> \\[a\\](b) \\&lt; A & B"),
            // Joiners belong to words and signs.
            ("می\u{200c}رود 👩\u{200d}🌾", "می\u{200c}رود 👩\u{200d}🌾"),
            ("safe\u{202e}txt\u{0}", "safe txt"),
            ("50 % at 3.5", "50 % at 3.5"),
        ] {
            assert_eq!(plain(text), expected);
        }
        assert!(plain(&"é".repeat(5_000)).chars().count() <= LONGEST + 2);
    }
}
