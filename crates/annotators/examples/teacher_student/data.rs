//! Public sets and stored answers as texts, classes and answers.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use postil_core::Random;
use postil_core::table::{TableOptions, TableReader};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The folder of shared data.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("POSTIL_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from)
}

/// Two or more columns of a table, row by row.
pub(crate) fn columns(path: &Path, names: &[&str]) -> Outcome<Vec<Vec<String>>> {
    let zipped = path.with_extension("csv.gz");
    let path = if path.exists() { path } else { &zipped };
    let mut table = TableReader::open(path, &TableOptions::default())?;
    let mut rows = Vec::new();
    while let Some(chunk) = table.next_chunk()? {
        let batch = &chunk.batch;
        let columns = names
            .iter()
            .map(|name| batch.column_by_name(name).ok_or_else(|| format!("{}: no column {name}", path.display())))
            .collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<_> = columns
            .into_iter()
            .map(|column| arrow_cast::cast(column, &arrow_schema::DataType::Utf8))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            rows.push(
                columns
                    .iter()
                    .map(|column| {
                        let column = column.as_string::<i32>();
                        if arrow_array::Array::is_null(column, row) {
                            String::new()
                        } else {
                            column.value(row).to_owned()
                        }
                    })
                    .collect(),
            );
        }
    }
    Ok(rows)
}

/// Texts with their classes, and the names of the classes.
pub(crate) struct Texts {
    pub(crate) names: Vec<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) classes: Vec<u16>,
}

/// One part of a public set; `names` of another part, if the numbers are to agree.
pub(crate) fn texts(set: &str, part: &str, names: Option<&[String]>) -> Outcome<Texts> {
    let rows = columns(&root().join("text").join(set).join(format!("{part}.csv")), &["text", "label"])?;
    let names = names.map_or_else(|| distinct(rows.iter().map(|row| row[1].as_str())), <[String]>::to_vec);
    let class = |name: &String| names.binary_search(name).map(|class| class as u16).map_err(|_| format!("{name}?"));
    let classes = rows.iter().map(|row| class(&row[1])).collect::<Result<_, _>>()?;
    Ok(Texts { names, texts: rows.into_iter().map(|mut row| row.swap_remove(0)).collect(), classes })
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

/// A set of stored answers: every item with text and truth, and what each model said (or did not).
pub(crate) struct Answers {
    pub(crate) items: Texts,
    pub(crate) models: Vec<String>,
    /// Per model and item.
    pub(crate) said: Vec<Vec<Option<u16>>>,
}

pub(crate) fn answers(set: &str) -> Outcome<Answers> {
    let folder = root().join("llm").join(set);
    let truth: HashMap<String, String> = columns(&folder.join("truth.csv"), &["item", "label"])?
        .into_iter()
        .map(|mut row| (row.swap_remove(0), row.swap_remove(0)))
        .collect();
    let names = distinct(truth.values().map(String::as_str));
    let class = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).ok().map(|class| class as u16);
    let (mut texts, mut classes, mut place) = (Vec::new(), Vec::new(), HashMap::new());
    for row in columns(&folder.join("items.csv"), &["item", "text"])? {
        let Some(truth) = truth.get(&row[0]).and_then(|name| class(name)) else { continue };
        place.insert(row[0].clone(), texts.len());
        texts.push(row[1].clone());
        classes.push(truth);
    }
    let rows = columns(&folder.join("annotations.csv"), &["item", "annotator", "label"])?;
    let models = distinct(rows.iter().map(|row| row[1].as_str()));
    let mut said = vec![vec![None; texts.len()]; models.len()];
    for row in &rows {
        if let (Some(&item), Ok(model)) = (place.get(&row[0]), models.binary_search(&row[1])) {
            said[model][item] = class(&row[2]);
        }
    }
    Ok(Answers { items: Texts { names, texts, classes }, models, said })
}

/// Labels gone wrong: `uniform` to any other class, otherwise to the next class.
pub(crate) fn planted(classes: &[u16], count: usize, rate: f64, uniform: bool, seed: u64) -> Vec<u16> {
    let mut random = Random::for_purpose(seed, "planted noise");
    classes
        .iter()
        .map(|&class| {
            if random.unit() >= rate {
                class
            } else if uniform {
                ((usize::from(class) + 1 + random.below(count - 1)) % count) as u16
            } else {
                ((usize::from(class) + 1) % count) as u16
            }
        })
        .collect()
}

/// The position of the largest value.
pub(crate) fn largest(row: &[f32]) -> u16 {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap_or(0) as u16
}

/// Accuracy, mean negative logarithm of the true class's probability, expected calibration error in 15 bins.
pub(crate) fn figures(probabilities: &[f32], truth: &[u16]) -> (f64, f64, f64) {
    let classes = probabilities.len() / truth.len();
    let (mut right, mut loss, mut bins) = (0.0, 0.0, [(0.0f64, 0.0f64); 15]);
    for (row, &class) in probabilities.chunks_exact(classes).zip(truth) {
        let best = largest(row);
        let hit = f64::from(u8::from(best == class));
        right += hit;
        loss -= f64::from(row[usize::from(class)].max(1e-7)).ln();
        let bin = &mut bins[((row[usize::from(best)] * 15.0) as usize).min(14)];
        *bin = (bin.0 + f64::from(row[usize::from(best)]), bin.1 + hit);
    }
    let count = truth.len() as f64;
    (right / count, loss / count, bins.iter().map(|bin| (bin.0 - bin.1).abs()).sum::<f64>() / count)
}

/// The difference of two answers' accuracy and half of its 95 % interval, item by item.
pub(crate) fn paired(one: &[u16], other: &[u16], truth: &[u16]) -> (f64, f64) {
    let differences: Vec<f64> = one
        .iter()
        .zip(other)
        .zip(truth)
        .map(|((a, b), t)| f64::from(u8::from(a == t)) - f64::from(u8::from(b == t)))
        .collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let square = differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, 1.96 * square.sqrt() / count)
}

/// A named argument such as `--sets a,b`.
pub(crate) fn option(arguments: &[String], name: &str) -> Option<String> {
    arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned()
}
