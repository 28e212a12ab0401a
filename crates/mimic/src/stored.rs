//! Answers from tables: `items.csv` (item, text) and `annotations.csv` (item, annotator, label, confidence), plain or
//! gzipped. The request's model names the annotator and the item is found by its text.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::question::{Answers, Asked, Question, Reply};

/// One stored answer. An empty label is a model that declined or could not be understood.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    label: String,
    confidence: Option<f64>,
}

/// Stored answers of many models.
///
/// - An annotator `gpt#s3` is the fourth sample of the model `gpt`: samples are given out in turn.
/// - Several rows of one item and annotator are the labels of a set, as is one label `a|b` where no option is so named.
/// - A label that is a JSON list or object answers questions for spans and records.
/// - An empty label is answered by a refusal.
/// - Where the items have no text, their names stand for it.
/// - Items with one text share their answers: the first that the model answered counts.
#[derive(Debug, Default)]
pub struct Stored {
    /// Numbers of items by text; equal texts share a number.
    items: HashMap<String, u32>,
    /// Numbers of samples by model: `[annotator]`, or one per sample.
    models: HashMap<String, Vec<u32>>,
    annotators: HashMap<String, u32>,
    cells: HashMap<(u32, u32), Vec<Cell>>,
}

impl Stored {
    /// Reads tables: pairs of a file of items and a file of annotations.
    pub fn read<P: AsRef<Path>>(pairs: &[(P, P)]) -> Result<Self> {
        let mut stored = Self::default();
        for (items, annotations) in pairs {
            stored.add(items.as_ref(), annotations.as_ref())?;
        }
        Ok(stored)
    }

    fn add(&mut self, items: &Path, annotations: &Path) -> Result<()> {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        // Only the first of several items with one text may answer for a model, so the owner of a text is kept.
        let mut owners: HashMap<(u32, u32), String> = HashMap::new();
        let table = Table::read(items)?;
        let [id] = table.columns(items, ["item"])?;
        let text = table.header.iter().position(|name| name == "text").unwrap_or(id);
        for row in &table.rows {
            let next = self.items.len() as u32;
            let number = *self.items.entry(row[text].clone()).or_insert(next);
            numbers.insert(row[id].clone(), number);
        }
        let table = Table::read(annotations)?;
        let [item, annotator, label] = table.columns(annotations, ["item", "annotator", "label"])?;
        let confidence = table.header.iter().position(|name| name == "confidence");
        for (line, row) in table.rows.iter().enumerate() {
            let Some(&number) = numbers.get(&row[item]) else { continue };
            let who = self.annotator(&row[annotator]);
            if owners.entry((number, who)).or_insert_with(|| row[item].clone()) != &row[item] {
                continue;
            }
            let confidence = match confidence.map(|column| row[column].as_str()) {
                None | Some("") => None,
                Some(text) => Some(text.parse().with_context(|| {
                    format!("{}: row {}: expected a confidence, found {text:?}", annotations.display(), line + 2)
                })?),
            };
            self.cells.entry((number, who)).or_default().push(Cell { label: row[label].clone(), confidence });
        }
        Ok(())
    }

    fn annotator(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.annotators.get(name) {
            return number;
        }
        let number = self.annotators.len() as u32;
        self.annotators.insert(name.to_owned(), number);
        let sample = name.rsplit_once("#s").filter(|(_, digits)| digits.parse::<u32>().is_ok());
        if let Some((model, _)) = sample {
            self.models.entry(model.to_owned()).or_default().push(number);
        }
        self.models.insert(name.to_owned(), vec![number]);
        number
    }

    fn cells(&self, question: &Question<'_>) -> Option<&[Cell]> {
        let text = question.item.unwrap_or(question.prompt);
        let item = *self.items.get(text)?;
        let samples = self.models.get(question.model)?;
        let sample = samples[(question.sample % samples.len() as u64) as usize];
        self.cells.get(&(item, sample)).map(Vec::as_slice)
    }
}

impl Answers for Stored {
    fn answer(&self, question: &Question<'_>) -> Reply {
        let declined = || Reply::Refusal("I cannot tell.".into());
        let Some(cells) = self.cells(question) else {
            // Nothing is stored: a wrong prompt must not pass for a model without an opinion.
            return Reply::Text(format!("no answer of {} is stored for this item", question.model));
        };
        let Some(first) = cells.iter().find(|cell| !cell.label.is_empty()) else { return declined() };
        let options = question.asked.options();
        match &question.asked {
            Asked::Spans(_) | Asked::Record(_) => match serde_json::from_str(&first.label) {
                Ok(Value::Array(spans)) => {
                    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or_default().to_owned();
                    Reply::Spans(spans.iter().map(|span| (text(span, "quote"), text(span, "label"))).collect())
                }
                Ok(record) => Reply::Record(record),
                Err(_) => Reply::Text(first.label.clone()),
            },
            Asked::Labels(_) => {
                let mut labels = Vec::new();
                for cell in cells.iter().filter(|cell| !cell.label.is_empty()) {
                    let whole = options.contains(&cell.label.as_str());
                    let parts: Vec<&str> = if whole { vec![&cell.label] } else { cell.label.split('|').collect() };
                    labels.extend(parts.into_iter().map(|part| (part.to_owned(), cell.confidence.unwrap_or(0.9))));
                }
                Reply::Labels(labels)
            }
            Asked::Predicate => Reply::Probability(yes(question.name, cells, first)),
            Asked::Text => Reply::Text(first.label.clone()),
            Asked::Letter(choices) if choices.len() == 2 && choices.contains(&"yes") && question.name != "label" => {
                let yes = yes(question.name, cells, first);
                Reply::Distribution(vec![("yes".into(), yes), ("no".into(), 1.0 - yes)])
            }
            Asked::Letter(_) | Asked::Label(_) | Asked::Candidates(_) | Asked::Score(_) => {
                Reply::Label(first.label.clone(), first.confidence)
            }
        }
    }

    fn models(&self) -> Option<Vec<String>> {
        let mut models: Vec<_> = self.models.keys().cloned().collect();
        models.sort();
        Some(models)
    }
}

/// The probability of yes to a question that names a label of the item, or whose stored answer says yes or no itself.
fn yes(name: &str, cells: &[Cell], first: &Cell) -> f64 {
    let named = cells.iter().find(|cell| cell.label.split('|').any(|part| part == name));
    let says_yes = ["1", "yes", "true"].iter().any(|yes| first.label.eq_ignore_ascii_case(yes));
    let sure = named.unwrap_or(first).confidence.unwrap_or(0.9);
    if named.is_some() || says_yes { sure } else { 1.0 - sure }
}

/// Answers made up from the item's text: always the same label for the same text and model, with a confidence between
/// one half and one. For benches over more items than anybody wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct MadeUp {
    /// Another seed gives other answers.
    pub seed: u64,
}

impl Answers for MadeUp {
    fn answer(&self, question: &Question<'_>) -> Reply {
        let text = question.item.unwrap_or(question.prompt);
        let digest = crate::Digest::of(text.as_bytes());
        let model = crate::Digest::of(question.model.as_bytes()).unit(self.seed, 0).to_bits();
        let unit = |purpose| digest.unit(self.seed ^ model, purpose);
        let confidence = 0.5 + unit(0) / 2.0;
        let options = question.asked.options();
        let label = |purpose| match options {
            [] => format!("answer {}", (unit(purpose) * 1000.0) as u32),
            options => options[(unit(purpose) * options.len() as f64) as usize].to_owned(),
        };
        match &question.asked {
            Asked::Letter(options) => {
                let choice = options.get((unit(1) * options.len() as f64) as usize).copied().unwrap_or_default();
                Reply::Label(choice.to_owned(), Some(confidence))
            }
            Asked::Label(_) | Asked::Candidates(_) | Asked::Score(_) => Reply::Label(label(1), Some(confidence)),
            Asked::Labels(options) => Reply::Labels(
                options
                    .iter()
                    .enumerate()
                    .map(|(place, option)| ((*option).to_owned(), unit(place as u64 + 10)))
                    .filter(|(_, probability)| *probability > 0.5)
                    .collect(),
            ),
            Asked::Spans(_) => {
                let words = text.split_whitespace();
                let name = words.filter(|word| word.starts_with(char::is_uppercase));
                Reply::Spans(name.take(3).zip(1..).map(|(word, purpose)| (word.to_owned(), label(purpose))).collect())
            }
            Asked::Predicate => Reply::Probability(unit(1)),
            Asked::Record(_) => Reply::Record(Value::Object(serde_json::Map::new())),
            Asked::Text => Reply::Text(label(1)),
        }
    }
}

/// A CSV file in memory.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let mut text = String::new();
        let read = if path.extension().is_some_and(|ending| ending == "gz") {
            MultiGzDecoder::new(file).read_to_string(&mut text)
        } else {
            let mut file = file;
            file.read_to_string(&mut text)
        };
        read.with_context(|| path.display().to_string())?;
        let mut rows = rows(&text).into_iter();
        let header = rows.next().with_context(|| format!("{}: expected a header, found nothing", path.display()))?;
        let rows: Vec<_> = rows.collect();
        for (at, row) in rows.iter().enumerate() {
            ensure!(
                row.len() == header.len(),
                "{}: row {}: expected {} fields, found {}",
                path.display(),
                at + 2,
                header.len(),
                row.len()
            );
        }
        Ok(Self { header, rows })
    }

    fn columns<const N: usize>(&self, path: &Path, names: [&str; N]) -> Result<[usize; N]> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            match self.header.iter().position(|column| column == name) {
                Some(found) => *place = found,
                None => bail!("{}: expected a column {name:?}, found {:?}", path.display(), self.header),
            }
        }
        Ok(places)
    }
}

/// The rows of a CSV text by RFC 4180; blank lines are no rows.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    let mut begun = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            _ if quoted => field.push(character),
            '"' if field.is_empty() => (quoted, begun) = (true, true),
            ',' => {
                row.push(std::mem::take(&mut field));
                begun = true;
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                if begun || !field.is_empty() {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                begun = false;
            }
            _ => field.push(character),
        }
    }
    if begun || !field.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_rfc() {
        let text = "\u{feff}a,b\r\n\"x, \"\"y\"\"\nz\",\n\n,\"\"\nlast,2\"3";
        let expected = [["a", "b"], ["x, \"y\"\nz", ""], ["", ""], ["last", "2\"3"]];
        assert_eq!(rows(text), expected);
    }

    fn stored(annotations: &str) -> Stored {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["items.csv", "annotations.csv"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], "item,text\n1,first\n2,second\n3,first\n").unwrap();
        std::fs::write(&paths[1], annotations).unwrap();
        let [items, annotations] = paths;
        Stored::read(&[(items, annotations)]).unwrap()
    }

    fn ask(stored: &Stored, model: &str, item: &str, asked: Asked<'_>, sample: u64) -> Reply {
        let (digest, body) = (crate::Digest::of(b""), Value::Null);
        let (item, prompt, name, attempt) = (Some(item), "", "label", 0);
        stored.answer(&Question { model, item, prompt, name, asked, sample, attempt, digest, body: &body })
    }

    #[test]
    fn answers_are_found_by_text_and_model() {
        let stored = stored("item,annotator,label,confidence\n1,m,yes,0.75\n3,m,no,\n2,m,,\n2,n#s0,a,\n2,n#s1,b,\n");
        let asked = || Asked::Label(vec!["yes", "no"]);
        assert_eq!(ask(&stored, "m", "first", asked(), 0), Reply::Label("yes".into(), Some(0.75)));
        assert!(matches!(ask(&stored, "m", "second", asked(), 0), Reply::Refusal(_)));
        assert!(matches!(ask(&stored, "m", "third", asked(), 0), Reply::Text(_)));
        assert_eq!(ask(&stored, "n", "second", asked(), 0), Reply::Label("a".into(), None));
        assert_eq!(ask(&stored, "n", "second", asked(), 3), Reply::Label("b".into(), None));
        assert_eq!(ask(&stored, "m", "first", Asked::Predicate, 0), Reply::Probability(0.75));
        assert_eq!(stored.models().unwrap(), ["m", "n", "n#s0", "n#s1"]);
    }

    #[test]
    fn sets_spans_and_records_are_read() {
        let stored = stored(
            "item,annotator,label\n1,m,a|b\n1,m,c\n2,m,\"[{\"\"quote\"\":\"\"Oslo\"\",\"\"label\"\":\"\"CITY\"\"}]\"\n2,r,\"{\"\"year\"\":1}\"\n",
        );
        let set = ["a", "b", "c"].map(|label| (label.to_owned(), 0.9)).into();
        assert_eq!(ask(&stored, "m", "first", Asked::Labels(vec!["a", "b", "c"]), 0), Reply::Labels(set));
        let spans = Reply::Spans(vec![("Oslo".into(), "CITY".into())]);
        assert_eq!(ask(&stored, "m", "second", Asked::Spans(vec!["CITY"]), 0), spans);
        let record = serde_json::json!({"year": 1});
        assert_eq!(ask(&stored, "r", "second", Asked::Record(&Value::Null), 0), Reply::Record(record));
    }
}
