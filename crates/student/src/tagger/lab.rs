//! x
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout)]
use super::clusters::*;
use super::corpus::*;
use super::encode::*;
use super::features::*;
use super::lists::*;
use super::perceptron::*;
use super::score::Counts;
use crate::chain::{Encoded, Layout, TypedSpan};

pub struct Data<'a> {
    pub documents: Vec<Document<'a>>,
    pub spans: Vec<Vec<TypedSpan>>,
    pub tags: Vec<Vec<u16>>,
}

struct Lookup<'a> {
    slots: &'a Slots,
    encoded: Encoded,
}
impl Sink for Lookup<'_> {
    fn feature(&mut self, _: u8, key: u64) {
        if let Some(s) = self.slots.find(key) {
            self.encoded.push_slot(s);
        }
    }
}
impl DocumentSink for Lookup<'_> {
    fn end_token(&mut self) {
        self.encoded.end_token();
    }
    fn end_sentence(&mut self) {
        self.encoded.end_sentence();
    }
}

pub fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn env(name: &str, d: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(d)
}

pub fn run(layout: Layout, train_data: &Data, tests: &[&Data], lists: &[NameList], unlabelled: &[Document]) {
    let t0 = cpu();
    let table = ListTable::build(lists).unwrap();
    println!("lists {:.2}s {} entries {} bytes", cpu() - t0, table.entries, table.map.len());
    let t1 = cpu();
    let clusters = ClusterTable::default();
    let _ = unlabelled;
    println!("clusters {:.2}s {} bytes", cpu() - t1, clusters.map.len());
    let mut groups = FeatureGroups::default();
    groups.document = env("DOC", 1.0) > 0.0;
    groups.characters = env("CHARS", 0.0) > 0.0;
    groups.places = env("PLACES", 0.0) > 0.0;
    let template = Template { groups, lists: table.view(), clusters: clusters.view() };
    let t2 = cpu();
    let slots = Slots::encode(&template, &train_data.documents, env("MIN", 2.0) as u8);
    println!(
        "encode {:.2}s slots {} features {} per token {:.1}",
        cpu() - t2,
        slots.keys.len(),
        slots.encoded.features(),
        slots.encoded.features() as f64 / slots.encoded.tokens() as f64
    );
    let mut labels = Vec::new();
    for (d, doc) in train_data.documents.iter().enumerate() {
        match layout {
            Layout::Plain { .. } => labels.extend_from_slice(&train_data.tags[d]),
            _ => labels.extend(layout.labels_of(&train_data.spans[d], doc.tokens.len())),
        }
    }
    let sentences: Vec<u32> = (0..slots.encoded.sentences() as u32).collect();
    let lesson = Lesson {
        encoded: &slots.encoded,
        slots: slots.keys.len(),
        labels: &labels,
        sentences: &sentences,
        weights: None,
        layout,
    };
    let t3 = cpu();
    let trained =
        train(&lesson, Plan { epochs: env("EPOCHS", 12.0) as usize, seed: 1, margin: env("MARGIN", 0.0) as f32 });
    println!("train {:.2}s epochs {} wrong {:.4}  total {:.2}", cpu() - t3, trained.epochs, trained.wrong, cpu() - t0);
    for test in tests {
        let mut look = Lookup { slots: &slots, encoded: Encoded::new() };
        let mut room = super::encode::Room::default();
        for document in &test.documents {
            template.document(document, &mut room, &mut look);
        }
        let mut counts = Counts::default();
        let mut sentence = 0;
        let mut room = super::perceptron::Room::default();
        let (mut right, mut all) = (0, 0);
        for (d, document) in test.documents.iter().enumerate() {
            let mut found = Vec::new();
            for _ in document.ranges() {
                found.extend(trained.decode(&look.encoded, sentence, &mut room));
                sentence += 1;
            }
            match layout {
                Layout::Plain { .. } => {
                    right += found.iter().zip(&test.tags[d]).filter(|(a, b)| a == b).count();
                    all += found.len();
                }
                _ => {
                    let gold = layout.labels_of(&test.spans[d], found.len());
                    right += found.iter().zip(&gold).filter(|(a, b)| layout.class(**a) == layout.class(**b)).count();
                    all += found.len();
                    counts.add(&test.spans[d], &layout.spans(&found));
                }
            }
        }
        println!(
            "F1 {:.2} P {:.2} R {:.2} token {:.2}",
            100. * counts.f1(),
            100. * counts.precision(),
            100. * counts.recall(),
            100. * right as f64 / all as f64
        );
    }
}
