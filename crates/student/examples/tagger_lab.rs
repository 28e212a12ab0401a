//! Trains and evaluates taggers on the shared sets and prints one JSON line per set.
#![allow(clippy::all, clippy::pedantic, missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use postil_student::chain::{Layout, TypedSpan};
use postil_student::tagger::lab::{self, Data};
use postil_student::tagger::*;
use std::io::Read;

fn text(path: &str) -> String {
    let root = std::env::var("POSTIL_DATA").unwrap_or("/work/shared/data".into());
    let path = format!("{root}/ner/{path}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).expect(&path);
    if path.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    } else {
        std::io::BufReader::new(file).read_to_end(&mut bytes).unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
/// documents of sentences of (token, label)
type Raw = Vec<Vec<Vec<(String, String)>>>;
fn conll(path: &str, word: usize, label: usize, docs: bool) -> Raw {
    let text = text(path);
    let mut all: Raw = Vec::new();
    let mut sentence = Vec::new();
    let mut fresh = true;
    let mut end = |sentence: &mut Vec<(String, String)>, all: &mut Raw, fresh: &mut bool| {
        if sentence.is_empty() {
            return;
        }
        if *fresh || !docs {
            all.push(Vec::new());
            *fresh = false;
        }
        all.last_mut().unwrap().push(std::mem::take(sentence));
    };
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        if line.starts_with("# ") {
            continue;
        }
        if line.starts_with("-DOCSTART-") {
            end(&mut sentence, &mut all, &mut fresh);
            fresh = true;
            continue;
        }
        if line.trim().is_empty() {
            end(&mut sentence, &mut all, &mut fresh);
            continue;
        }
        let fields: Vec<&str> =
            if line.contains('\t') { line.split('\t').collect() } else { line.split(' ').collect() };
        if fields[word].is_empty() {
            continue;
        }
        let l = if label == 99 { fields[fields.len() - 1] } else { fields[label] };
        sentence.push((fields[word].to_string(), l.to_string()));
    }
    end(&mut sentence, &mut all, &mut fresh);
    all
}
fn data<'a>(raw: &'a Raw, types: &mut Vec<String>, plain: bool) -> Data<'a> {
    let mut d = Data { documents: vec![], spans: vec![], tags: vec![] };
    for doc in raw {
        let document = Document::from_sentences(doc.iter().map(|s| s.iter().map(|t| t.0.as_str()).collect::<Vec<_>>()));
        let mut spans: Vec<TypedSpan> = vec![];
        let mut tags = vec![];
        let mut at = 0u32;
        for s in doc {
            let mut prev = "O".to_string();
            for (_, l) in s {
                if plain {
                    let c = types.iter().position(|t| t == l).unwrap_or_else(|| {
                        types.push(l.clone());
                        types.len() - 1
                    });
                    tags.push(c as u16);
                } else if l == "O" {
                } else {
                    let (p, t) = l.split_at(1);
                    let t = &t[1..];
                    let c = types.iter().position(|x| x == t).unwrap_or_else(|| {
                        types.push(t.into());
                        types.len() - 1
                    }) as u16;
                    let cont = p == "I" && prev != "O" && &prev[2..] == t;
                    if cont {
                        spans.last_mut().unwrap().end += 1;
                    } else {
                        spans.push(TypedSpan { start: at, end: at + 1, class: c });
                    }
                }
                prev = l.clone();
                at += 1;
            }
        }
        d.documents.push(document);
        d.spans.push(spans);
        d.tags.push(tags);
    }
    d
}
fn csv_column(path: &str, column: usize) -> Vec<String> {
    text(path)
        .lines()
        .skip(1)
        .filter_map(|l| {
            let mut fields = vec![];
            let mut f = String::new();
            let mut q = false;
            for c in l.chars() {
                match c {
                    '"' => q = !q,
                    ',' if !q => fields.push(std::mem::take(&mut f)),
                    c => f.push(c),
                }
            }
            fields.push(f);
            fields.get(column).cloned()
        })
        .collect()
}
fn lists() -> Vec<NameList> {
    let lines =
        |p: &str| text(p).lines().map(|l| l.trim_start_matches('\u{feff}').trim().to_string()).collect::<Vec<_>>();
    let json = |p: &str, k: Option<&str>| -> Vec<String> {
        let v: serde_json::Value = serde_json::from_str(&text(p)).unwrap();
        let v = match k {
            Some(k) => v[k].clone(),
            None => v,
        };
        v.as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_string()).collect()
    };
    let l = |name: &str, entries: Vec<String>| NameList { name: name.into(), entries };
    let mut countries = vec![];
    let mut demonyms = vec![];
    let t = text("gazetteers/mledoze-countries.csv");
    let head: Vec<String> = t.lines().next().unwrap().split(',').map(|x| x.trim_matches('"').to_string()).collect();
    let col = |n: &str| head.iter().position(|h| h == n).unwrap();
    for c in ["name.common", "name.official"] {
        countries.extend(csv_column("gazetteers/mledoze-countries.csv", col(c)));
    }
    for c in ["demonyms.eng.m"] {
        demonyms.extend(csv_column("gazetteers/mledoze-countries.csv", col(c)));
    }
    let mut v = vec![
        l("cities", csv_column("gazetteers/world-cities.csv", 0)),
        l("regions", csv_column("gazetteers/world-cities.csv", 2)),
        l("countries", countries),
        l("demonyms", demonyms),
        l("capitals", csv_column("gazetteers/mledoze-countries.csv", col("capital"))),
        l("first", lines("gazetteers/firstnames-all.txt")),
        l("surnames", lines("gazetteers/surnames-all.txt")),
        l("firstus", lines("gazetteers/firstnames-us.txt")),
        l("surnamesus", lines("gazetteers/surnames-us.txt")),
        l("sp500", csv_column("gazetteers/sp500.csv", 1)),
        l("gpe", json("gazetteers-skweak/geonames.json", Some("GPE"))),
        l("first2", json("gazetteers-skweak/first_names.json", None)),
        l("products", json("gazetteers-skweak/products.json", Some("PRODUCT"))),
    ];
    if std::env::var("CRUNCH").is_ok() {
        v.push(l("companies", json("gazetteers-skweak/crunchbase_companies.json.gz", Some("COMPANY"))));
    }
    v
}
fn main() {
    let set = std::env::args().nth(1).unwrap_or("conll".into());
    let mut types = vec![];
    let (train, tests, plain): (Raw, Vec<Raw>, bool) = match set.as_str() {
        "conll" => (
            conll("conll2003/eng.train.gz", 0, 3, true),
            vec![conll("conll2003/eng.testa", 0, 3, true), conll("conll2003/eng.testb", 0, 3, true)],
            false,
        ),
        "wnut" => (
            conll("wnut17/wnut17train.conll", 0, 1, false),
            vec![conll("wnut17/emerging.dev.conll", 0, 1, false), conll("wnut17/emerging.test.annotated", 0, 1, false)],
            false,
        ),
        "bc5" => (
            conll("bc5cdr/train.tsv", 0, 1, false),
            vec![conll("bc5cdr/devel.tsv", 0, 1, false), conll("bc5cdr/test.tsv", 0, 1, false)],
            false,
        ),
        "ewt" => (
            conll("ud-ewt/train.tsv.gz", 0, 1, false),
            vec![conll("ud-ewt/dev.tsv", 0, 1, false), conll("ud-ewt/test.tsv", 0, 1, false)],
            true,
        ),
        "lid" => (conll("hinglid/validation.txt", 0, 1, false), vec![conll("hinglid/test.txt", 0, 1, false)], true),
        _ => panic!(),
    };
    let train_data = data(&train, &mut types, plain);
    let test_data: Vec<Data> = tests.iter().map(|t| data(t, &mut types, plain)).collect();
    let lists = if std::env::var("LISTS").is_ok() { lists() } else { vec![] };
    let layout = if plain { Layout::Plain { labels: types.len() } } else { Layout::Bilou { types: types.len() } };
    let un: Vec<Raw> = if std::env::var("UN").is_ok() {
        vec![
            conll("wikineural-en/val.conllu.gz", 1, 2, false),
            conll("wikineural-en/test.conllu.gz", 1, 2, false),
            conll("wikigold/wikigold.conll.txt", 0, 1, true),
            conll("ud-ewt/train.tsv.gz", 0, 1, false),
        ]
    } else {
        vec![]
    };
    let mut junk = vec![];
    let unlabelled: Vec<Document> = un.iter().flat_map(|r| data(r, &mut junk, true).documents).collect();
    if std::env::var("LAB").is_err() {
        return full(&set, types, plain, &train_data, &test_data, lists, &unlabelled);
    }
    lab::run(layout, &train_data, &test_data.iter().collect::<Vec<_>>(), &lists, &unlabelled);
}

fn targets(d: &Data, plain: bool) -> Vec<Vec<LayerTarget>> {
    d.spans
        .iter()
        .zip(&d.tags)
        .map(|(s, t)| vec![if plain { LayerTarget::Tags(t.clone()) } else { LayerTarget::Spans(s.clone()) }])
        .collect()
}
fn thread_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}
fn full(
    set: &str,
    types: Vec<String>,
    plain: bool,
    train: &Data,
    tests: &[Data],
    lists: Vec<NameList>,
    unlabelled: &[Document],
) {
    let mut options = TaggerOptions::new().lists(lists);
    if let Ok(b) = std::env::var("MAX") {
        options = options.max_bytes(b.parse().unwrap());
    }
    if let Ok(b) = std::env::var("HELD") {
        options = options.held_out(b.parse().unwrap());
    }
    let layer = Layer::new("layer", if plain { LayerKind::Tags } else { LayerKind::Spans }, types.clone());
    let cpu = lab::cpu();
    let fitted = TaggerTrainer::new(vec![layer])
        .unwrap()
        .with_options(options)
        .with_unlabelled(unlabelled)
        .fit(&train.documents, &targets(train, plain), None)
        .unwrap();
    let cpu = lab::cpu() - cpu;
    let r = &fitted.report;
    println!(
        "{set}: train {cpu:.2}s, {} features {} kept, {} weights {} kept, {} bytes, T {:.2} held-out learnt F1 {:.4} acc {:.4} pruned F1 {:.4} acc {:.4}",
        r.features,
        r.kept_features,
        r.weights,
        r.kept_weights,
        r.bytes,
        r.quality.first().map_or(0., |q| q.temperature),
        r.quality.first().map_or(0., |q| q.learnt.spans.f1()),
        r.quality.first().map_or(0., |q| q.learnt.right as f64 / q.learnt.all as f64),
        r.quality.first().map_or(0., |q| q.pruned.spans.f1()),
        r.quality.first().map_or(0., |q| q.pruned.right as f64 / q.pruned.all as f64)
    );
    let model = &fitted.model;
    let mut scratch = TaggerScratch::default();
    for test in tests {
        let mut counts = Counts::default();
        let (mut right, mut all) = (0, 0);
        let mut bins = vec![(0.0, 0.0, 0); 10];
        for (d, document) in test.documents.iter().enumerate() {
            match &model.predict(document, true, &mut scratch)[0] {
                LayerPrediction::Spans(spans) => {
                    let found: Vec<TypedSpan> = spans.iter().map(|s| s.span).collect();
                    counts.add(&test.spans[d], &found);
                    let l = Layout::Bilou { types: types.len() };
                    let (a, b) = (
                        l.labels_of(&test.spans[d], document.tokens.len()),
                        l.labels_of(&found, document.tokens.len()),
                    );
                    right += a.iter().zip(&b).filter(|(a, b)| l.class(**a) == l.class(**b)).count();
                    all += a.len();
                    for s in spans {
                        let c = s.confidence.unwrap() as f64;
                        let bin = &mut bins[((c * 10.0) as usize).min(9)];
                        bin.0 += c;
                        bin.1 += test.spans[d].contains(&s.span) as u8 as f64;
                        bin.2 += 1;
                    }
                }
                LayerPrediction::Tags(tags) => {
                    right += tags.iter().zip(&test.tags[d]).filter(|(a, b)| a.class == **b).count();
                    all += tags.len();
                    for (s, t) in tags.iter().zip(&test.tags[d]) {
                        let c = s.confidence.unwrap() as f64;
                        let bin = &mut bins[((c * 10.0) as usize).min(9)];
                        bin.0 += c;
                        bin.1 += (s.class == *t) as u8 as f64;
                        bin.2 += 1;
                    }
                }
                _ => {}
            }
        }
        let n: usize = bins.iter().map(|b| b.2).sum();
        let ece: f64 = bins.iter().map(|b: &(f64, f64, usize)| (b.0 - b.1).abs()).sum::<f64>() / n as f64;
        let tokens: usize = test.documents.iter().map(|d| d.tokens.len()).sum();
        let mut speeds = vec![];
        for confident in [false, true] {
            let mut best = f64::MAX;
            for _ in 0..5 {
                let t = thread_seconds();
                for d in &test.documents {
                    std::hint::black_box(model.predict(std::hint::black_box(d), confident, &mut scratch));
                }
                best = best.min(thread_seconds() - t);
            }
            speeds.push(tokens as f64 / best);
        }
        println!(
            "  F1 {:.2} P {:.2} R {:.2} token {:.2} ECE {:.3}, {:.0} tokens/s, {:.0} with confidence",
            100. * counts.f1(),
            100. * counts.precision(),
            100. * counts.recall(),
            100. * right as f64 / all as f64,
            ece,
            speeds[0],
            speeds[1]
        );
    }
}
