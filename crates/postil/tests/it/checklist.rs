//! Checklists: one score per item from the probabilities of yes, weighed where gold shows that weights are better.

use postil_mimic::{Behaviour, Question, Reply, Server};

use crate::support::{Folder, value};

const ITEMS: usize = 240;
const QUESTIONS: [&str; 4] = ["answers", "grounded", "complete", "plain"];

/// Percentages of yes, one per question, that look random and are the same every time.
fn shares(row: usize) -> [u64; 4] {
    let mut state = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [0; 4].map(|_: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2 + (state >> 33) % 97
    })
}

fn server() -> Server {
    Server::start(Behaviour::new(|question: &Question<'_>| {
        let place = QUESTIONS.iter().position(|one| *one == question.name).unwrap();
        let share = question.item.unwrap_or_default().split(' ').nth(place).unwrap().parse::<f64>().unwrap() / 100.0;
        Reply::Distribution(vec![("yes".to_owned(), share), ("no".to_owned(), 1.0 - share)])
    }))
}

/// A project whose grades weigh the questions like this.
fn project(server: &Server, weights: [f64; 4], graded: usize) -> Folder {
    let folder = Folder::new();
    let rows: Vec<String> = (0..ITEMS)
        .map(|row| format!("a{row},{} answer {row}", shares(row).map(|share| share.to_string()).join(" ")))
        .collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let grades: Vec<String> = (0..graded)
        .map(|row| {
            let sum: f64 = shares(row).iter().zip(weights).map(|(&share, weight)| share as f64 / 100.0 * weight).sum();
            let noise = (row * 7919 % 101) as f64 / 101.0 - 0.5;
            format!("a{row},{:.2}", 1.0 + sum + noise)
        })
        .collect();
    folder.write("grades.csv", format!("id,score\n{}\n", grades.join("\n")));
    folder.write(
        "postil.toml",
        format!(
            "[task]\nkind = \"multilabel\"\nlabels = [\"{}\"]\n[data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\n\
             [score]\ngold = \"grades.csv\"\n[student]\ntrain = false\n[output]\nformats = [\"csv\"]\n\
             [[annotator]]\nname = \"judge\"\nkind = \"llm\"\nendpoint = \"{}\"\nmodel = \"m\"\n",
            QUESTIONS.join("\", \""),
            server.url()
        ),
    );
    folder
}

#[test]
fn weights_are_learnt_where_gold_shows_that_they_are_better() {
    let server = server();
    let folder = project(&server, [3.0, 0.0, 0.0, 1.0], 160);
    let report = folder.json(&["run", "--json"]);
    let score = &report["score"];
    assert_eq!((&score["learned"], &score["scored"]), (&true.into(), &ITEMS.into()), "{score}");
    assert!(score["reason"].as_str().unwrap().contains("learnt weights"), "{score}");
    let weight = |place: usize| score["questions"][place]["weight"].as_f64().unwrap();
    assert!((weight(0) - 3.0).abs() < 0.4 && weight(1).abs() < 0.4 && (weight(3) - 1.0).abs() < 0.4, "{score}");
    let (of_score, of_mean) = (value(&score["spearman"]), value(&score["spearman_of_mean"]));
    assert!(of_score > 0.9 && of_score > of_mean + 0.1, "{of_score} {of_mean}");
    assert!(score["spearman"]["low"].as_f64().unwrap() < of_score);
    assert!(score["spearman"]["basis"].as_str().unwrap().contains("only measure"));
    assert!(folder.read("out/report.html").contains("What a yes adds to the score"));
    let scores = folder.read("out/scores.csv");
    let rows: Vec<Vec<&str>> = scores.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["id", "score", "mean", "grade", "p_answers", "p_grounded", "p_complete", "p_plain"]);
    assert_eq!(rows.len(), ITEMS + 1);
    for (row, line) in rows[1..].iter().enumerate() {
        let number = |place: usize| line[place].parse::<f64>().unwrap();
        for (place, share) in shares(row).into_iter().enumerate() {
            assert!((number(4 + place) - share as f64 / 100.0).abs() < 0.02, "{line:?}");
        }
        let mean = (4..8).map(number).sum::<f64>() / 4.0;
        assert!((number(2) - mean).abs() < 1e-5, "{line:?}");
        assert_eq!(line[3].is_empty(), row >= 160, "{line:?}");
    }
    // Other grades are another result, and the same ones find nothing to do.
    assert!(folder.ok(&["run"]).contains("unchanged"));
    folder.write("grades.csv", folder.read("grades.csv").replace("a0,", "a239,"));
    assert!(!folder.ok(&["run"]).contains("unchanged"));
    let files = folder.files("out");
    folder.ok(&["--threads", "2", "run", "--fresh"]);
    assert_eq!(files, folder.files("out"));
}

#[test]
fn the_plain_mean_stays_where_weights_are_no_better_or_gold_is_scarce() {
    let server = server();
    let score = |folder: &Folder| folder.json(&["run", "--json"])["score"].clone();
    // By chance one in six is better by more than a standard error: seldom over several splits of the gold.
    let equal = project(&server, [1.0; 4], 160);
    let settings = equal.read("postil.toml");
    let mut plain = 0;
    for seed in 1..=6 {
        equal.write("postil.toml", format!("seed = {seed}\n{settings}"));
        let score = score(&equal);
        if score["learned"] == false {
            plain += 1;
            assert_eq!(score["spearman"], score["spearman_of_mean"]);
            assert!(score["reason"].as_str().unwrap().contains("not better by more than a standard error"), "{score}");
        } else {
            assert!((value(&score["spearman"]) - value(&score["spearman_of_mean"])).abs() < 0.05, "{score}");
        }
    }
    assert!(plain >= 3, "{plain} of 6");
    assert_eq!(server.log().len(), 4 * ITEMS, "another seed asks nothing again");
    let few = score(&project(&server, [3.0, 0.0, 0.0, 1.0], 20));
    assert!(few["reason"].as_str().unwrap().contains("30 graded items"), "{few}");
    let folder = project(&server, [1.0; 4], 20);
    folder.write("postil.toml", folder.read("postil.toml").replace("gold = \"grades.csv\"", ""));
    let none = score(&folder);
    assert!(none["spearman"]["reason"].as_str().unwrap().starts_with("0 graded items"), "{none}");
    folder.write("postil.toml", folder.read("postil.toml").replace("[score]", ""));
    assert!(score(&folder).is_null() && !folder.path("out/scores.csv").exists());
}

#[test]
fn grades_and_tasks_that_do_not_fit_are_refused_with_words() {
    let server = server();
    let folder = project(&server, [1.0; 4], 20);
    let settings = folder.read("postil.toml");
    folder.write("grades.csv", "id,score\na1,4\na2,good\n");
    let said = folder.fails(2, &["run"]);
    assert!(said.contains("grades.csv") && said.contains("`good`"), "{said}");
    folder.write("postil.toml", settings.replace("kind = \"multilabel\"", "kind = \"classify\""));
    assert!(folder.fails(2, &["plan"]).contains("`[score]`"));
}
