//! Invented reports that agree with themselves: counts sum up, and figures follow from the counts.

#[path = "trust.rs"]
mod trust;

use postil::report::{
    AnnotatorRow, Candidate, ClassRow, Confusion, ConsensusSummary, CostSummary, DoubtfulItem, Figure, GoldSummary,
    Headline, ItemsSummary, ReliabilityBin, Report, Stage, StudentSummary, Target, TaskSummary,
};
use postil_core::Measured;

const LABELS: [&str; 6] = ["billing", "bug", "how-to", "praise", "cancellation", "security"];

/// Truth against label for the usual report.
const COUNTS: [[u64; 6]; 6] = [
    [19, 1, 1, 0, 1, 0],
    [1, 22, 2, 0, 0, 0],
    [1, 3, 14, 0, 0, 0],
    [0, 0, 1, 10, 0, 0],
    [2, 0, 0, 0, 8, 0],
    [0, 1, 1, 0, 0, 2],
];

/// Wilson's interval at the 95 % level.
fn wilson(hits: u64, of: u64) -> (f64, f64) {
    let (z, n) = (1.959_964_f64, of as f64);
    let share = hits as f64 / n;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

fn share(hits: u64, of: u64, basis: &str) -> Measured {
    if of < 5 {
        return Measured::unknown(format!("{of} measuring gold items are too few; 5 or more are needed"));
    }
    Measured::known(hits as f64 / of as f64, wilson(hits, of), basis)
}

fn around(value: f64, half: f64, basis: &str) -> Measured {
    Measured::known(value, ((value - half).max(0.0), (value + half).min(1.0)), basis)
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn classes(labels: &[String], counts: &[Vec<u64>], items: impl Fn(usize) -> u64, basis: &str) -> Vec<ClassRow> {
    labels
        .iter()
        .enumerate()
        .map(|(class, label)| {
            let gold = counts[class].iter().sum::<u64>();
            let given = counts.iter().map(|row| row[class]).sum::<u64>();
            let hits = counts[class][class];
            let f1 = 2.0 * hits as f64 / (gold + given) as f64;
            let few = gold < 5 || given < 5;
            ClassRow {
                label: label.clone(),
                items: items(class),
                gold,
                precision: share(hits, given, basis),
                recall: share(hits, gold, basis),
                f1: if few { share(0, gold.min(given), basis) } else { around(f1, 0.5 * (1.0 - f1) + 0.04, basis) },
            }
        })
        .collect()
}

struct Sketch {
    name: &'static str,
    kind: &'static str,
    answered: u64,
    right: (u64, u64),
    shares: [f64; 3],
    money: f64,
    flags: &'static [&'static str],
    labels: &'static [(&'static str, u64)],
}

fn annotator(sketch: &Sketch, items: u64, basis: &str) -> AnnotatorRow {
    let [agreement, overlap, conflict] = sketch.shares;
    AnnotatorRow {
        name: sketch.name.into(),
        kind: sketch.kind.into(),
        version: "9f3ac1d2".into(),
        answered: sketch.answered,
        coverage: sketch.answered as f64 / items as f64,
        abstained: items - sketch.answered,
        malformed: 0,
        refused: 0,
        failed: 0,
        accuracy: share(sketch.right.0, sketch.right.1, basis),
        agreement,
        overlap,
        conflict,
        labels: sketch.labels.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
        money: sketch.money,
        confidence: None,
        flags: sketch.flags.iter().map(|flag| (*flag).to_owned()).collect(),
    }
}

const SKETCHES: [Sketch; 6] = [
    Sketch {
        name: "keywords",
        kind: "program",
        answered: 431,
        right: (49, 62),
        shares: [0.83, 0.97, 0.31],
        money: 0.0,
        flags: &[],
        labels: &[
            ("billing", 132),
            ("bug", 121),
            ("how-to", 74),
            ("praise", 49),
            ("cancellation", 41),
            ("security", 14),
        ],
    },
    Sketch {
        name: "phrases",
        kind: "list",
        answered: 268,
        right: (33, 38),
        shares: [0.9, 0.99, 0.22],
        money: 0.0,
        flags: &[],
        labels: &[("billing", 88), ("cancellation", 61), ("bug", 58), ("praise", 43), ("security", 18)],
    },
    Sketch {
        name: "question-shape",
        kind: "program",
        answered: 155,
        right: (14, 22),
        shares: [0.64, 0.94, 0.47],
        money: 0.0,
        flags: &["nearly always says `how-to`", "its answers conflict with the others' on almost every second item"],
        labels: &[("how-to", 149), ("bug", 6)],
    },
    Sketch {
        name: "exclamations",
        kind: "program",
        answered: 97,
        right: (9, 14),
        shares: [0.61, 0.95, 0.44],
        money: 0.0,
        flags: &[],
        labels: &[("praise", 71), ("bug", 26)],
    },
    Sketch {
        name: "small-llm",
        kind: "llm",
        answered: 633,
        right: (74, 90),
        shares: [0.91, 0.79, 0.24],
        money: 0.412,
        flags: &[],
        labels: &[
            ("bug", 171),
            ("billing", 158),
            ("how-to", 127),
            ("praise", 84),
            ("cancellation", 68),
            ("security", 25),
        ],
    },
    Sketch {
        name: "Maria",
        kind: "person",
        answered: 60,
        right: (8, 9),
        shares: [0.93, 1.0, 0.28],
        money: 0.0,
        flags: &[],
        labels: &[("bug", 17), ("billing", 15), ("how-to", 12), ("cancellation", 7), ("praise", 6), ("security", 3)],
    },
];

const TEXTS: [&str; 8] = [
    "I was charged twice this month and now the app crashes when I open the invoice page. Please fix both!!",
    "how do i cancel without loosing my data? your help page 404s",
    "Someone logged in from Lisbon. I have never been to Lisbon. Is that a bug or am I hacked",
    "Love the new editor, but the export button does nothing since tuesday",
    "Refund pls",
    "Is there a way to see who changed the card on file? it wasnt me",
    "You guys are great. I just can't afford it any more, so please end it at the end of May.",
    "Ich finde die Rechnung nicht. Wo ist der Knopf geblieben?",
];

fn doubtful(place: usize) -> DoubtfulItem {
    let pick = |step: usize| LABELS[(place * 5 + step * 2 + step * place) % LABELS.len()];
    let (first, second) = (LABELS[place * 7 % 6], LABELS[(place * 7 + 1 + place % 4) % 6]);
    let third = LABELS.iter().find(|label| **label != first && **label != second).copied().unwrap_or_default();
    let top = 0.34 + 0.008 * place as f64;
    let answer = |annotator: usize| match (place + annotator * 3) % 5 {
        0 => "abstained",
        1 | 2 => first,
        3 => second,
        _ => pick(annotator),
    };
    let mut answers = SKETCHES
        .iter()
        .enumerate()
        .map(|(seat, sketch)| (sketch.name.to_owned(), answer(seat).to_owned()))
        .collect::<Vec<_>>();
    answers.push(("student".into(), second.into()));
    DoubtfulItem {
        id: format!("ticket-{:04}", 17 + place * 31),
        field: None,
        text: TEXTS[place % TEXTS.len()].into(),
        spans: Vec::new(),
        label: first.into(),
        posterior: vec![(first.into(), top), (second.into(), top - 0.021), (third.into(), 1.021 - 2.0 * top)],
        answers,
        reason: if place.is_multiple_of(3) {
            "consensus and student disagree"
        } else {
            "the two likeliest labels are close"
        }
        .into(),
    }
}

fn reliability(rows: &[(f64, u64, u64)], width: f64, basis: &str) -> Vec<ReliabilityBin> {
    rows.iter()
        .map(|(from, count, hits)| ReliabilityBin {
            from: *from,
            to: from + width,
            count: *count,
            confidence: from + width * 0.55,
            accuracy: if *count == 0 {
                Measured::unknown("no item in this bin")
            } else {
                Measured::known(*hits as f64 / *count as f64, wilson(*hits, *count), basis)
            },
        })
        .collect()
}

/// A project of customers' messages with six labels, gold and a student.
pub(crate) fn usual() -> Report {
    let basis = "90 blind gold items drawn at random";
    let labels = strings(LABELS);
    let counts = COUNTS.map(|row| row.to_vec()).to_vec();
    let right = (0..6).map(|class| counts[class][class]).sum::<u64>();
    let accuracy = share(right, 90, basis);
    let given = [166, 178, 121, 84, 69, 22];
    let stage = |name: &str, about: &str, hits, macro_f1, loss, error| Stage {
        name: name.into(),
        about: about.into(),
        figures: vec![
            Figure { name: "accuracy".into(), value: share(hits, 90, basis) },
            Figure { name: "macro-F1".into(), value: around(macro_f1, 0.078, basis) },
            Figure { name: "log-loss".into(), value: around(loss, 0.13, basis) },
            Figure { name: "calibration error".into(), value: around(error, 0.021, basis) },
        ],
    };
    let mut annotators = SKETCHES.iter().map(|sketch| annotator(sketch, 640, basis)).collect::<Vec<_>>();
    annotators[4].abstained = 0;
    annotators[4].malformed = 5;
    annotators[4].refused = 2;
    Report {
        format: 2,
        postil: "0.1.0".into(),
        project: "tickets".into(),
        task: TaskSummary { kind: "classify".into(), labels: labels.clone() },
        snapshot: "3f9ac04be11d77a2905c8814f0d2b6aa".into(),
        seed: 7,
        items: ItemsSummary { count: 640, rejected: 3, rejected_file: Some("out/rejected.jsonl".into()), duplicates: 4, equal_content: 6, empty: 1, unanswered: 2 },
        headline: Headline {
            metric: "accuracy".into(),
            value: accuracy,
            sentence: format!("Of 100 labels about {} are right; it could be as few as 74 or as many as 90.", (right as f64 / 0.9).round()),
        },
        target: Some(Target {
            metric: "accuracy".into(),
            at_least: 0.85,
            confidence: 0.95,
            verdict: "not shown".into(),
            sentence: "The target of 0.85 lies inside the interval: the labels may meet it, but 90 gold items cannot show it.".into(),
        }),
        gold: GoldSummary { total: 150, fitting: 60, measuring: 90, design: "150 items drawn at random before anything was labelled, each with probability 0.234, labelled blind by one person.".into(), unmatched: 1 },
        consensus: ConsensusSummary {
            method: "log-odds".into(),
            reason: "It has the lowest cross-validated log-loss on the 60 gold items that fit; `dawid-skene` is within one standard error.".into(),
            criterion: "log-loss on gold in 5-fold cross-validation".into(),
            candidates: [("log-odds", 0.571, 0.0), ("dawid-skene", 0.588, 0.021), ("uniform-prior", 0.642, 0.034), ("majority", 0.701, 0.048)]
                .map(|(method, score, difference_error)| Candidate { method: method.into(), score, difference_error, share: if difference_error == 0.0 { 1.0 } else { 0.0 } })
                .to_vec(),
            temperature: 1.24,
            decisions: 638,
            votes: 1644,
            ties: 41,
            unanimous: 352,
            unanimous_doubted: 3,
            unanimous_doubted_items: ["T0017", "T0388", "T0612"].map(str::to_owned).to_vec(),
            combination: "The labels are the consensus and the student's out-of-fold prediction, averaged in log space with weight 0.35 on the student.".into(),
        },
        stages: vec![
            stage("consensus", "What the annotators say together, before any learning.", 72, 0.771, 0.612, 0.048),
            stage("student", "The model, on items it has not seen.", 70, 0.742, 0.681, 0.051),
            stage("labels", "Consensus and student combined: what `labels.parquet` holds.", right, 0.789, 0.559, 0.037),
        ],
        classes: classes(&labels, &counts, |class| given[class], basis),
        confusion: Some(Confusion { labels, counts }),
        reliability: Some(reliability(&[(0.2, 4, 1), (0.4, 13, 7), (0.6, 21, 16), (0.8, 52, 51)], 0.2, basis)),
        trust: trust::known(&strings(LABELS), basis),
        annotators,
        student: Some(StudentSummary { file: "out/model.postil".into(), bytes: 1_318_400, settings: "words and pairs of words, characters 2 to 5, weights in 8 bits, regularisation 0.003 (chosen by 5-fold cross-validation)".into(), trained_on: 638 }),
        cost: CostSummary { money: 0.412, person_minutes: 85.0, annotations: 2544, sentence: "The labels cost 0.41 and 85 minutes of people's time, gold included.".into() },
        routing: None,
        doubtful: (0..20).map(doubtful).collect(),
        pairs: None,
        fields: Vec::new(),
        canaries: Vec::new(),
        marked: Vec::new(),
        forms: Vec::new(),
        warnings: vec![
            "`question-shape` nearly always says `how-to`; its votes carry little.".into(),
            "`security` has 4 measuring gold items; its figures are unknown.".into(),
            "3 rows of `tickets.csv` could not be read and were put aside in `out/rejected.jsonl`.".into(),
        ],
        next: vec![
            "Label 110 more gold items (`postil draw 110`): the interval would shrink from ±0.08 to about ±0.05 and settle the target.".into(),
            "Look at the 20 doubtful items below; `bug` against `how-to` makes up most of them.".into(),
            "Write a program or a list for `security`: only two annotators ever name it.".into(),
        ],
    }
}

/// The same project before anyone has labelled gold.
pub(crate) fn unknown() -> Report {
    let reason = "there is no gold; 100 blind gold labels would give an interval of about ±0.10";
    let mut report = usual();
    let unknown = || Measured::unknown(reason);
    report.trust = trust::unknown(reason);
    report.headline.value = unknown();
    report.headline.sentence = "640 items have labels, but nothing shows how many of them are right.".into();
    if let Some(target) = &mut report.target {
        target.verdict = "unknown".into();
        target.sentence = "Whether the target is met cannot be known without gold.".into();
    }
    report.gold = GoldSummary { total: 0, fitting: 0, measuring: 0, design: String::new(), unmatched: 0 };
    for figure in report.stages.iter_mut().flat_map(|stage| &mut stage.figures) {
        figure.value = unknown();
    }
    for row in &mut report.classes {
        (row.gold, row.precision, row.recall, row.f1) = (0, unknown(), unknown(), unknown());
    }
    for row in &mut report.annotators {
        row.accuracy = unknown();
        (row.money, row.malformed, row.refused) = (0.0, 0, 0);
    }
    (report.confusion, report.reliability, report.student) = (None, None, None);
    report.consensus.criterion = "log-loss on held-out answers".into();
    report.consensus.reason =
        "It predicts held-out answers best; without gold this is the only evidence there is.".into();
    report.consensus.temperature = 1.0;
    report.consensus.combination = "The labels are the consensus alone.".into();
    report.items = ItemsSummary {
        count: 640,
        rejected: 0,
        rejected_file: None,
        duplicates: 0,
        equal_content: 0,
        empty: 0,
        unanswered: 0,
    };
    report.cost =
        CostSummary { money: 0.0, person_minutes: 0.0, annotations: 2544, sentence: "Nothing has been spent.".into() };
    report.warnings = vec!["There is no gold: every figure of quality is unknown.".into()];
    report.next = vec![
        "Run `postil draw 100`, label the items it writes without looking at any other answer, and run again.".into(),
    ];
    report
}

/// Strings that try to leave their place.
pub(crate) const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style><script>alert(2)</script>",
    "'; --share:1; background:url(javascript:alert(3))",
    "\u{202e}gnp.elif\u{202d} reversed",
    "فاتورة غير صحيحة",
    "👩‍👩‍👧‍👦 family plan 🧾",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "nul\0 and escape \u{1b}[31m",
    "` lone back-tick & ]]> <!-- --",
];

/// 77 labels, 40 annotators, and the hostile strings wherever a string can be.
pub(crate) fn large() -> Report {
    let basis = "1 540 gold items, drawn at random, labelled blind by two people each";
    let labels = (0..77)
        .map(|class| {
            HOSTILE.get(class).map_or_else(|| format!("card_payment_not_recognised_{class}"), |text| (*text).to_owned())
        })
        .collect::<Vec<_>>();
    let counts = (0..77_usize)
        .map(|truth| {
            (0..77_usize)
                .map(|given| match (truth * 31 + given * 17) % 97 {
                    _ if truth == given => 14 + (truth % 4) as u64,
                    0..=2 => 1 + (truth % 3) as u64,
                    _ => 0,
                })
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>();
    let total = counts.iter().flatten().sum::<u64>();
    let right = (0..77).map(|class| counts[class][class]).sum::<u64>();
    let mut report = usual();
    report.project = format!("bank {}", HOSTILE[0]);
    report.task.labels.clone_from(&labels);
    let given = |class: usize| 14_000 + (class as u64 * 7919) % 6_000;
    report.items.count = (0..77).map(given).sum();
    report.items.rejected_file = Some(HOSTILE[1].into());
    report.headline.value = share(right, total, basis);
    report.headline.sentence =
        format!("About {:.0} in 100 labels are right. {}", 100.0 * right as f64 / total as f64, HOSTILE[2]);
    report.target = Some(Target {
        metric: "accuracy".into(),
        at_least: 0.9,
        confidence: 0.95,
        verdict: "missed".into(),
        sentence: "The whole interval lies below the target.".into(),
    });
    report.gold =
        GoldSummary { total: total + 900, fitting: 900, measuring: total, design: HOSTILE[9].into(), unmatched: 0 };
    for stage in &mut report.stages {
        for figure in &mut stage.figures {
            if let Measured::Known { basis: place, .. } = &mut figure.value {
                basis.clone_into(place);
            }
        }
    }
    report.classes = classes(&labels, &counts, given, basis);
    report.confusion = Some(Confusion { labels: labels.clone(), counts });
    report.annotators = (0..40_usize)
        .map(|seat| AnnotatorRow {
            name: match seat % 4 {
                0 => HOSTILE[seat / 4].to_owned(),
                1 => format!("meta-llama/Llama-3.3-70B-Instruct-Turbo-quantised-{seat}"),
                _ => format!("rule_{seat:02}_mentions_card_and_country"),
            },
            kind: "replay".into(),
            version: format!("{:08x}", seat * 0x0123_4567),
            answered: report.items.count / (seat as u64 + 1),
            coverage: 1.0 / (seat as f64 + 1.0),
            abstained: report.items.count - report.items.count / (seat as u64 + 1),
            malformed: u64::from(seat == 3) * 12,
            refused: 0,
            failed: u64::from(seat == 9),
            accuracy: share(total * 7 / 10 / (seat as u64 + 1), total / (seat as u64 + 1), basis),
            confidence: None,
            agreement: 0.8,
            overlap: 1.0,
            conflict: 0.9,
            labels: labels
                .iter()
                .take(77 - seat)
                .enumerate()
                .map(|(place, label)| (label.clone(), 900 / (place as u64 + 1)))
                .collect(),
            money: 1.5 * seat as f64,
            flags: if seat % 11 == 0 { vec![format!("nearly always says `{}`", labels[seat])] } else { Vec::new() },
        })
        .collect();
    for (place, item) in report.doubtful.iter_mut().enumerate() {
        item.id = HOSTILE[place % 10].into();
        item.text =
            format!("{} {}", HOSTILE[(place + 3) % 10], "https://example.org/a?b=c&d=<e> ".repeat(1 + place % 4));
        item.label.clone_from(&labels[place % 12]);
        item.posterior =
            (0..5).map(|step| (labels[(place + step * 3) % 77].clone(), 0.4 / (step as f64 + 1.0))).collect();
        item.answers = report
            .annotators
            .iter()
            .enumerate()
            .map(|(seat, row)| {
                (
                    row.name.clone(),
                    if seat % 5 == 4 { HOSTILE[9].to_owned() } else { labels[(place + seat % 7 * 3) % 77].clone() },
                )
            })
            .collect();
        item.reason = HOSTILE[place % 10].into();
    }
    report.warnings = HOSTILE.map(str::to_owned).to_vec();
    report.next = HOSTILE.map(|text| format!("Look at `{text}`.")).to_vec();
    report
}
