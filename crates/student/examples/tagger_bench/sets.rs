//! Small readers of the shared sequence labelling sets.

use std::io::Read as _;
use std::path::PathBuf;

use postil_student::chain::TypedSpan;
use postil_student::tagger::{Document, Layer, LayerKind, LayerTarget, NameList};

/// Anything that goes wrong.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Documents with what is known about them.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Per document its sentences of tokens.
    pub(crate) texts: Vec<Vec<Vec<String>>>,
    pub(crate) targets: Vec<Vec<LayerTarget>>,
}

/// The documents as the trainer and the model take them.
pub(crate) fn documents(texts: &[Vec<Vec<String>>]) -> Vec<Document<'_>> {
    texts
        .iter()
        .map(|text| {
            let sentences = text.iter().map(|tokens| tokens.iter().map(String::as_str).collect::<Vec<_>>());
            Document::from_sentences(sentences)
        })
        .collect()
}

/// A task with its data.
pub(crate) struct Set {
    pub(crate) layers: Vec<Layer>,
    pub(crate) train: Part,
    pub(crate) tests: Vec<Part>,
    pub(crate) lists: Vec<NameList>,
    pub(crate) unlabelled: Part,
}

/// The text of a shared file.
fn text(path: &str) -> Result<String, Failure> {
    let root = std::env::var_os("POSTIL_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let path = root.join("ner").join(path);
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes)?;
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Columns of tokens: per document and sentence, the wanted columns of each token.
fn columns<const N: usize>(path: &str, wanted: [usize; N]) -> Result<Vec<Vec<Vec<[String; N]>>>, Failure> {
    let text = text(path)?;
    let with_documents = text.lines().any(|line| line.starts_with("-DOCSTART-"));
    let mut documents: Vec<Vec<Vec<[String; N]>>> = Vec::new();
    let (mut sentence, mut fresh) = (Vec::new(), true);
    let lines = text.lines().map(|line| line.trim_end_matches('\r')).chain(std::iter::once(""));
    for line in lines.filter(|line| !line.starts_with("# ")) {
        let border = line.starts_with("-DOCSTART-");
        if border || line.trim().is_empty() {
            if !sentence.is_empty() {
                if fresh || !with_documents {
                    documents.push(Vec::new());
                    fresh = false;
                }
                let document = documents.last_mut().ok_or("no document")?;
                document.push(std::mem::take(&mut sentence));
            }
            fresh |= border;
            continue;
        }
        let separator = if line.contains('\t') { '\t' } else { ' ' };
        let fields: Vec<&str> = line.split(separator).collect();
        if wanted.iter().all(|&at| fields.get(at).is_some_and(|field| !field.is_empty())) {
            sentence.push(wanted.map(|at| fields[at].to_owned()));
        }
    }
    Ok(documents)
}

/// The number of a name, a new one if it is not known yet.
fn number(names: &mut Vec<String>, name: &str) -> u16 {
    let known = names.iter().position(|known| known == name);
    known.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    }) as u16
}

/// Spans from IOB1 or BIO tags, as conlleval reads them; a span ends with its sentence.
fn spans<'a>(sentences: impl IntoIterator<Item = Vec<&'a str>>, types: &mut Vec<String>) -> Vec<TypedSpan> {
    let mut found: Vec<TypedSpan> = Vec::new();
    let mut at = 0;
    for sentence in sentences {
        let mut open: Option<&str> = None;
        for tag in sentence {
            let (role, class) = tag.split_once('-').unwrap_or((tag, ""));
            match (role, found.last_mut()) {
                ("O", _) => open = None,
                ("I", Some(last)) if open == Some(class) => last.end += 1,
                _ => {
                    found.push(TypedSpan { start: at, end: at + 1, class: number(types, class) });
                    open = Some(class);
                }
            }
            at += 1;
        }
    }
    found
}

fn words<const N: usize>(documents: &[Vec<Vec<[String; N]>>]) -> Vec<Vec<Vec<String>>> {
    let sentence = |sentence: &Vec<[String; N]>| sentence.iter().map(|token| token[0].clone()).collect();
    documents.iter().map(|document| document.iter().map(sentence).collect()).collect()
}

fn entities(name: &'static str, path: &str, column: usize, types: &mut Vec<String>) -> Result<Part, Failure> {
    let documents = columns(path, [0, column])?;
    let targets = documents
        .iter()
        .map(|document| {
            let tags = document.iter().map(|sentence| sentence.iter().map(|token| token[1].as_str()).collect());
            vec![LayerTarget::Spans(spans(tags, types))]
        })
        .collect();
    Ok(Part { name, texts: words(&documents), targets })
}

/// Entities and parts of speech.
fn entities_and_tags(
    name: &'static str,
    path: &str,
    types: &mut Vec<String>,
    names: &mut Vec<String>,
) -> Result<Part, Failure> {
    let mut part = entities(name, path, 3, types)?;
    for (targets, document) in part.targets.iter_mut().zip(columns(path, [1, 1])?) {
        targets.push(LayerTarget::Tags(document.iter().flatten().map(|token| number(names, &token[0])).collect()));
    }
    Ok(part)
}

fn tags(name: &'static str, path: &str, names: &mut Vec<String>) -> Result<Part, Failure> {
    let documents = columns(path, [0, 1])?;
    let targets = documents
        .iter()
        .map(|document| {
            vec![LayerTarget::Tags(document.iter().flatten().map(|token| number(names, &token[1])).collect())]
        })
        .collect();
    Ok(Part { name, texts: words(&documents), targets })
}

fn emphasis(name: &'static str, path: &str) -> Result<Part, Failure> {
    let documents = columns(path, [1, 4])?;
    let mut targets = Vec::new();
    for document in &documents {
        let scores: Result<Vec<f32>, _> = document.iter().flatten().map(|token| token[1].parse()).collect();
        targets.push(vec![LayerTarget::Scores(scores?)]);
    }
    Ok(Part { name, texts: words(&documents), targets })
}

fn slots(
    name: &'static str,
    folder: &str,
    types: &mut Vec<String>,
    intents: &mut Vec<String>,
) -> Result<Part, Failure> {
    let (tokens, tags, labels) =
        (text(&format!("{folder}/seq.in"))?, text(&format!("{folder}/seq.out"))?, text(&format!("{folder}/label"))?);
    let mut part = Part { name, ..Part::default() };
    for ((tokens, tags), label) in tokens.lines().zip(tags.lines()).zip(labels.lines()) {
        part.texts.push(vec![tokens.split_whitespace().map(str::to_owned).collect()]);
        part.targets.push(vec![
            LayerTarget::Spans(spans([tags.split_whitespace().collect()], types)),
            LayerTarget::Sentences(vec![number(intents, label)]),
        ]);
    }
    Ok(part)
}

/// The fields of one column of a CSV file without line breaks in fields.
fn csv(path: &str, column: &str) -> Result<Vec<String>, Failure> {
    let text = text(path)?;
    let fields = |line: &str| {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        for character in line.chars() {
            match character {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                other => field.push(other),
            }
        }
        fields.push(field);
        fields
    };
    let mut lines = text.lines();
    let header = fields(lines.next().ok_or("empty file")?);
    let at = header.iter().position(|name| name == column).ok_or("no such column")?;
    Ok(lines.filter_map(|line| fields(line).get(at).cloned()).collect())
}

/// Lists of places, people and firms.
pub(crate) fn gazetteers() -> Result<Vec<NameList>, Failure> {
    let lines = |path: &str| -> Result<Vec<String>, Failure> {
        Ok(text(path)?.lines().map(|line| line.trim_start_matches('\u{feff}').trim().to_owned()).collect())
    };
    let json = |path: &str, key: Option<&str>| -> Result<Vec<String>, Failure> {
        let value: serde_json::Value = serde_json::from_str(&text(path)?)?;
        let list = key.map_or(&value, |key| &value[key]).as_array().ok_or("no list")?;
        Ok(list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect())
    };
    let countries = "gazetteers/mledoze-countries.csv";
    let lists: [(&str, Vec<String>); 13] = [
        ("cities", csv("gazetteers/world-cities.csv", "name")?),
        ("regions", csv("gazetteers/world-cities.csv", "subcountry")?),
        ("countries", csv(countries, "name.common")?),
        ("states", csv(countries, "name.official")?),
        ("demonyms", csv(countries, "demonyms.eng.m")?),
        ("capitals", csv(countries, "capital")?),
        ("first names", lines("gazetteers/firstnames-all.txt")?),
        ("surnames", lines("gazetteers/surnames-all.txt")?),
        ("US first names", lines("gazetteers/firstnames-us.txt")?),
        ("S&P 500", csv("gazetteers/sp500.csv", "Security")?),
        ("geonames", json("gazetteers-skweak/geonames.json", Some("GPE"))?),
        ("more first names", json("gazetteers-skweak/first_names.json", None)?),
        ("products", json("gazetteers-skweak/products.json", Some("PRODUCT"))?),
    ];
    Ok(lists.into_iter().map(|(name, entries)| NameList { name: name.to_owned(), entries }).collect())
}

/// English text whose labels are not looked at.
pub(crate) fn english() -> Result<Part, Failure> {
    let mut part = Part::default();
    for (path, column) in [
        ("wikineural-en/val.conllu.gz", 1),
        ("wikineural-en/test.conllu.gz", 1),
        ("wikigold/wikigold.conll.txt", 0),
        ("ud-ewt/train.tsv.gz", 0),
    ] {
        part.texts.extend(words(&columns(path, [column])?));
    }
    Ok(part)
}

/// The names of all sets.
pub(crate) const NAMES: [&str; 9] =
    ["conll2003", "conll2003-pos", "ewt", "hinglid", "emphasis", "snips", "atis", "wnut17", "bc5cdr"];

/// A set by name.
pub(crate) fn read(set: &str) -> Result<Set, Failure> {
    let (mut names, mut intents) = (Vec::new(), Vec::new());
    let (train, tests) = match set {
        "conll2003" => (
            entities("train", "conll2003/eng.train.gz", 3, &mut names)?,
            vec![
                entities("dev", "conll2003/eng.testa", 3, &mut names)?,
                entities("test", "conll2003/eng.testb", 3, &mut names)?,
            ],
        ),
        "conll2003-pos" => {
            let mut part = |name, path| entities_and_tags(name, path, &mut names, &mut intents);
            (
                part("train", "conll2003/eng.train.gz")?,
                vec![part("dev", "conll2003/eng.testa")?, part("test", "conll2003/eng.testb")?],
            )
        }
        "wnut17" => (
            entities("train", "wnut17/wnut17train.conll", 1, &mut names)?,
            vec![
                entities("dev", "wnut17/emerging.dev.conll", 1, &mut names)?,
                entities("test", "wnut17/emerging.test.annotated", 1, &mut names)?,
            ],
        ),
        "bc5cdr" => (
            entities("train", "bc5cdr/train.tsv", 1, &mut names)?,
            vec![
                entities("dev", "bc5cdr/devel.tsv", 1, &mut names)?,
                entities("test", "bc5cdr/test.tsv", 1, &mut names)?,
            ],
        ),
        "ewt" => (
            tags("train", "ud-ewt/train.tsv.gz", &mut names)?,
            vec![tags("dev", "ud-ewt/dev.tsv", &mut names)?, tags("test", "ud-ewt/test.tsv", &mut names)?],
        ),
        "hinglid" => {
            (tags("train", "hinglid/validation.txt", &mut names)?, vec![tags("test", "hinglid/test.txt", &mut names)?])
        }
        "emphasis" => {
            (emphasis("train", "semeval20-emphasis/train.txt")?, vec![emphasis("dev", "semeval20-emphasis/dev.txt")?])
        }
        "snips" | "atis" => {
            let mut part = |name| slots(name, &format!("slots-{set}/{name}"), &mut names, &mut intents);
            (part("train")?, vec![part("dev")?, part("test")?])
        }
        other => return Err(format!("expected one of {}, found {other}", NAMES.join(", ")).into()),
    };
    let layers = match set {
        "ewt" | "hinglid" => vec![Layer::new("tags", LayerKind::Tags, names)],
        "conll2003-pos" => {
            vec![Layer::new("entities", LayerKind::Spans, names), Layer::new("pos", LayerKind::Tags, intents)]
        }
        "emphasis" => vec![Layer::new("emphasis", LayerKind::Scores, names)],
        "snips" | "atis" => {
            vec![Layer::new("slots", LayerKind::Spans, names), Layer::new("intent", LayerKind::Sentences, intents)]
        }
        _ => vec![Layer::new("entities", LayerKind::Spans, names)],
    };
    let lists = if set.starts_with("conll2003") { gazetteers()? } else { Vec::new() };
    let unlabelled = if set.starts_with("conll2003") { english()? } else { Part::default() };
    Ok(Set { layers, train, tests, lists, unlabelled })
}
