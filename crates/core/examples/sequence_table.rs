//! Span F1 of every consensus method over sequences: crowd sets of the shared data, or any JSONL of annotated tokens.
//!
//! `POSTIL_DATA=... cargo run --release -p postil-core --example sequence_table -- [ner_mturk|btc|queryner|FILE.jsonl ...]`
//!
//! With `GOLD=N`, N items drawn at random are given as gold and left out of the figures. A line of such a file is `{"tokens": N or [...], "gold": [[start, end, "TYPE"], ...], "said": {"NAME": [[start, end,
//! "TYPE" or ["A", "B"] or null], ...]}}`: token positions, end-exclusive; several types mean one of them, null "no span here".
//! An annotator that is not named abstains. `"program": true` at the top of the first line makes silence say little.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints its result and stops at bad files")]

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use postil_core::Random;
use postil_core::sequences::{
    Claim, GoldItem, Method, Sequences, SequencesBuilder, Settings, Silence, TokenSpan, What, fit,
};
use postil_core::text::{Scheme, read_tags};
use serde_json::Value;

/// What was said, and the gold spans of the items that have some.
struct Set {
    name: String,
    sequences: Sequences,
    gold: Vec<Option<Vec<TokenSpan>>>,
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|_| panic!("{}", path.display()));
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

/// Numbers for names, in order of appearance.
#[derive(Default)]
struct Names(Vec<String>, HashMap<String, u32>);

impl Names {
    fn of(&mut self, name: &str) -> u32 {
        if let Some(&place) = self.1.get(name) {
            return place;
        }
        self.0.push(name.to_owned());
        self.1.insert(name.to_owned(), self.0.len() as u32 - 1);
        self.0.len() as u32 - 1
    }
}

fn spans(tags: &[&str], types: &mut Names) -> Vec<TokenSpan> {
    let reading = read_tags(tags, Scheme::Bio);
    let spans = reading.spans.iter();
    spans.map(|span| TokenSpan { start: span.start, end: span.end, class: types.of(span.label) as u16 }).collect()
}

/// An item as it is read: tokens, gold, and claims with silence by annotator.
type Item = (Vec<String>, Option<Vec<TokenSpan>>, Vec<(u32, Vec<Claim>, Silence)>);

fn build(name: &str, types: &Names, items: Vec<Item>) -> Set {
    let mut builder = SequencesBuilder::new(types.0.len());
    let mut all = Vec::new();
    for (tokens, gold, said) in items {
        if tokens.iter().any(|word| !word.is_empty()) {
            builder.item_of_words(&tokens);
        } else {
            builder.item(tokens.len() as u32);
        }
        for (annotator, claims, silence) in said {
            builder.say(annotator, &claims, &silence).unwrap();
        }
        all.push(gold);
    }
    Set { name: name.to_owned(), sequences: builder.build(), gold: all }
}

fn claims(spans: &[TokenSpan]) -> Vec<Claim> {
    spans.iter().map(|span| Claim::new(span.start, span.end, span.class)).collect()
}

fn mturk(folder: &Path) -> Set {
    // Sentence -> token -> tag, of the truth and of each annotator.
    let sentence = |item: &str| {
        let (sentence, token) = item.rsplit_once(':').unwrap();
        (sentence.to_owned(), token.parse::<usize>().unwrap())
    };
    let text = read(&folder.join("tokens.csv.gz"));
    let words: HashMap<String, String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let (item, word) = line.split_once(',').unwrap();
            (item.to_owned(), word.trim_matches('"').replace("\"\"", "\""))
        })
        .collect();
    let mut truth: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for line in read(&folder.join("truth.csv.gz")).lines().skip(1) {
        let (item, label) = line.rsplit_once(',').unwrap();
        let (sentence, token) = sentence(item);
        truth.entry(sentence).or_default().push((token, label.to_owned()));
    }
    let mut answers: HashMap<String, BTreeMap<String, HashMap<usize, String>>> = HashMap::new();
    for line in read(&folder.join("answers.csv.gz")).lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (sentence, token) = sentence(fields[0]);
        let of = answers.entry(sentence).or_default().entry(fields[1].to_owned()).or_default();
        of.insert(token, fields[2].to_owned());
    }
    let (mut types, mut annotators) = (Names::default(), Names::default());
    let mut items = Vec::new();
    for (key, mut tokens) in truth {
        tokens.sort();
        let tags: Vec<&str> = tokens.iter().map(|(_, tag)| tag.as_str()).collect();
        let gold = spans(&tags, &mut types);
        let mut said = Vec::new();
        for (annotator, of) in answers.get(&key).into_iter().flatten() {
            let tags: Vec<&str> = tokens.iter().map(|(token, _)| of.get(token).map_or("O", String::as_str)).collect();
            said.push((annotators.of(annotator), claims(&spans(&tags, &mut types)), Silence::Outside));
        }
        items.push((
            tokens.iter().map(|(token, _)| words[&format!("{key}:{token}")].clone()).collect(),
            Some(gold),
            said,
        ));
    }
    build("ner_mturk", &types, items)
}

fn btc(folder: &Path) -> Set {
    let mut gold: HashMap<String, Vec<String>> = HashMap::new();
    for line in read(&folder.join("btc_a_gold.jsonl.gz")).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["same_tokens"] == Value::Bool(true) {
            let tags = line["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
            gold.insert(line["id"].as_str().unwrap().to_owned(), tags);
        }
    }
    let (mut types, mut annotators) = (Names::default(), Names::default());
    for name in ["PER", "LOC", "ORG", "PROD"] {
        types.of(name);
    }
    let mut items = Vec::new();
    for line in read(&folder.join("btc_a_crowd.jsonl.gz")).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let words: Vec<String> =
            line["tokens"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let tokens = words.len() as u32;
        let mut said = Vec::new();
        for judgment in line["judgments"].as_array().unwrap() {
            let class = types.of(judgment["type"].as_str().unwrap()) as u16;
            let selected: Vec<u32> =
                judgment["selected"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() as u32).collect();
            let mut found: Vec<TokenSpan> = Vec::new();
            for at in selected.into_iter().filter(|&at| at < tokens) {
                match found.last_mut() {
                    Some(last) if last.end == at => last.end += 1,
                    _ => found.push(TokenSpan { start: at, end: at + 1, class }),
                }
            }
            let who = annotators.of(judgment["worker"].as_str().unwrap());
            said.push((who, claims(&found), Silence::Lacks(vec![class])));
        }
        let known = gold
            .get(line["id"].as_str().unwrap())
            .map(|tags| spans(&tags.iter().map(String::as_str).collect::<Vec<_>>(), &mut types));
        items.push((words, known, said));
    }
    build("btc-crowd-a", &types, items)
}

fn queryner(folder: &Path) -> Set {
    let load = |name: &str| -> BTreeMap<u64, Vec<String>> {
        read(&folder.join(name))
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let tags = line["labels"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
                (line["example_id"].as_u64().unwrap(), tags.collect())
            })
            .collect()
    };
    let gold = load("test.jsonl");
    let annotators: Vec<_> = (1..=3).map(|number| load(&format!("annotator-{number}.jsonl"))).collect();
    let mut types = Names::default();
    let mut items = Vec::new();
    for (id, tags) in gold {
        let plain = |tags: &[String]| tags.to_vec();
        let tags = plain(&tags);
        let gold = spans(&tags.iter().map(String::as_str).collect::<Vec<_>>(), &mut types);
        let mut said = Vec::new();
        for (annotator, of) in annotators.iter().enumerate() {
            if let Some(other) = of.get(&id).filter(|other| other.len() == tags.len()) {
                let found = spans(&other.iter().map(String::as_str).collect::<Vec<_>>(), &mut types);
                said.push((annotator as u32, claims(&found), Silence::Outside));
            }
        }
        items.push((vec![String::new(); tags.len()], Some(gold), said));
    }
    build("queryner", &types, items)
}

fn jsonl(path: &Path) -> Set {
    let (mut types, mut annotators, mut items) = (Names::default(), Names::default(), Vec::new());
    let mut program = false;
    for (place, line) in read(path).lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        if place == 0 {
            program = line["program"] == Value::Bool(true);
        }
        let tokens = match line["tokens"].as_u64() {
            Some(count) => vec![String::new(); count as usize],
            None => line["tokens"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
        };
        let place = |span: &Value, at: usize| span[at].as_u64().unwrap() as u32;
        let gold = line["gold"].as_array().map(|spans| {
            let one = |span: &Value| TokenSpan {
                start: place(span, 0),
                end: place(span, 1),
                class: types.of(span[2].as_str().unwrap()) as u16,
            };
            spans.iter().map(one).collect()
        });
        let mut said = Vec::new();
        for (name, spans) in line["said"].as_object().unwrap() {
            let mut claims = Vec::new();
            for span in spans.as_array().unwrap() {
                let what = match &span[2] {
                    Value::Null => What::Nothing,
                    Value::String(name) => What::Type(types.of(name) as u16),
                    several => What::OneOf(
                        several
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|name| types.of(name.as_str().unwrap()) as u16)
                            .collect(),
                    ),
                };
                claims.push(Claim { start: place(span, 0), end: place(span, 1), what });
            }
            let silence = if program { Silence::Misses } else { Silence::Outside };
            said.push((annotators.of(name), claims, silence));
        }
        items.push((tokens, gold, said));
    }
    build(&path.display().to_string(), &types, items)
}

fn main() {
    let data = std::env::var("POSTIL_DATA").unwrap_or_else(|_| "../shared/data".into());
    let data = Path::new(&data);
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted = ["ner_mturk", "btc", "queryner"].map(str::to_owned).to_vec();
    }
    for name in wanted {
        let set = match name.as_str() {
            "ner_mturk" => mturk(&data.join("crowd/ner_mturk")),
            "btc" => btc(&data.join("ner/btc-crowd-a")),
            "queryner" => queryner(&data.join("ner/queryner")),
            file => jsonl(Path::new(file)),
        };
        let judged = set.gold.iter().flatten().count();
        println!(
            "{}: {} items, {} tokens, {} annotators, {} types; {judged} items with gold",
            set.name,
            set.sequences.items(),
            set.sequences.all_tokens(),
            set.sequences.annotators(),
            set.sequences.types()
        );
        let shown: usize = std::env::var("GOLD").ok().map_or(0, |text| text.parse().unwrap());
        let with_gold: Vec<u32> =
            (0..set.gold.len() as u32).filter(|&item| set.gold[item as usize].is_some()).collect();
        let chosen = Random::for_purpose(1, "gold").sample(with_gold.len(), shown);
        let known: Vec<GoldItem> = chosen
            .into_iter()
            .map(|place| with_gold[place])
            .map(|item| GoldItem { item, spans: set.gold[item as usize].clone().unwrap_or_default() })
            .collect();
        let mut set = set;
        for one in &known {
            set.gold[one.item as usize] = None;
        }
        for method in Method::ALL {
            let start = Instant::now();
            let consensus = fit(&set.sequences, &known, method, &Settings::default()).unwrap();
            let seconds = start.elapsed().as_secs_f64();
            let (mut right, mut given, mut there) = (0, 0, 0);
            let (mut expected, mut brier) = (0.0, 0.0);
            for one in &consensus.spans {
                if let Some(gold) = &set.gold[one.item as usize] {
                    given += 1;
                    let hit = gold.contains(&one.span);
                    right += usize::from(hit);
                    expected += f64::from(one.probability);
                    brier += (f64::from(one.probability) - f64::from(u8::from(hit))).powi(2);
                }
            }
            set.gold.iter().flatten().for_each(|gold| there += gold.len());
            let (precision, recall) = (right as f64 / given.max(1) as f64, right as f64 / there.max(1) as f64);
            println!(
                "  {:18} F1 {:.4}  P {precision:.4}  R {recall:.4}  mean confidence {:.3}  Brier {:.3}  threshold {:.2}  {} sweeps  {seconds:.2} s",
                method.name(),
                2.0 * right as f64 / (given + there).max(1) as f64,
                expected / given.max(1) as f64,
                brier / given.max(1) as f64,
                consensus.threshold,
                consensus.objective.len()
            );
        }
    }
}
