//! What an evaluation found, as JSON and on the terminal.

use std::path::PathBuf;

use postil_core::Measured;
use postil_core::audit::spans::SpanScores;
use postil_core::text::Scheme;
use serde::Serialize;

use crate::command::output::{count, say, say_json, table};

/// One of the files.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) file: PathBuf,
    pub(super) format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheme: Option<Scheme>,
    /// Tags that break the rules of the scheme.
    pub(super) broken_tags: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Evaluation {
    #[serde(rename = "gold_file")]
    pub(super) gold: Side,
    #[serde(rename = "predicted_file")]
    pub(super) predicted: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sentences: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) documents: Option<u64>,
    /// Predicted documents that have no gold.
    pub(super) unscored_predictions: u64,
    /// Gold documents that nobody accepted.
    pub(super) unscored_gold: u64,
    /// How tags were read.
    pub(super) tags: &'static str,
    /// Whether every token was scored as a span of its own.
    #[serde(skip)]
    pub(super) tag_by_tag: bool,
    pub(super) weighted: bool,
    /// The share of texts whose labels of the whole are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text_labels: Option<Measured>,
    #[serde(flatten)]
    pub(super) scores: SpanScores,
    /// Links between spans: right where both spans and the kind are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links: Option<SpanScores>,
}

/// A count, which is whole unless it is weighted.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { count(value as u64) } else { format!("{value:.1}") }
}

/// Links as a whole, and by their kinds.
fn kinds_of_links(links: &SpanScores) -> String {
    let row = |name: &str, counts: [f64; 3], scores: &postil_core::audit::spans::Prf| {
        let [gold, predicted, right] = counts.map(number);
        let figures = [&scores.precision, &scores.recall, &scores.f1].map(Measured::brief);
        [vec![name.to_owned(), gold, predicted, right], figures.to_vec()].concat()
    };
    let all = row("all links", [links.gold, links.predicted, links.correct], &links.micro);
    let kinds =
        links.types.iter().map(|kind| row(&kind.label, [kind.gold, kind.predicted, kind.correct], &kind.scores));
    let rows: Vec<Vec<String>> = std::iter::once(all).chain(kinds).collect();
    table(&["link", "gold", "predicted", "right", "precision", "recall", "F1"], &rows)
}

impl Evaluation {
    pub(super) fn show(&self, most: usize, json: bool) -> anyhow::Result<()> {
        if json {
            return say_json(self);
        }
        let mut text = Vec::new();
        let side = |what: &str, side: &Side| {
            let scheme = side.scheme.map_or(String::new(), |scheme| format!(", {}", scheme.name()));
            let broken =
                if side.broken_tags > 0 { format!(", {} broken tags", count(side.broken_tags)) } else { String::new() };
            format!("{what}: {} ({}{scheme}{broken})", side.file.display(), side.format)
        };
        text.push(side("gold", &self.gold));
        text.push(side("predicted", &self.predicted));
        text.push(self.size());
        text.push(format!("tags: {}", self.tags));
        if self.weighted {
            text.push("counts are weighted by one over the inclusion probability".to_owned());
        }
        text.push(String::new());
        text.push(self.headline());
        let many = self.scores.types.len() > 60;
        let mut types: Vec<_> = self.scores.types.iter().collect();
        if many {
            types.sort_by(|left, right| right.gold.total_cmp(&left.gold).then_with(|| left.label.cmp(&right.label)));
            types.truncate(60);
        }
        let rows: Vec<Vec<String>> = types
            .iter()
            .map(|row| {
                let scores = &row.scores;
                vec![
                    row.label.to_string(),
                    number(row.gold),
                    number(row.predicted),
                    number(row.correct),
                    scores.precision.brief(),
                    scores.recall.brief(),
                    scores.f1.brief(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            text.push(String::new());
            text.push(table(&["label", "gold", "predicted", "right", "precision", "recall", "F1"], &rows));
        }
        if many {
            text.push(format!("and {} rarer labels; --json has all", self.scores.types.len() - 60));
        }
        if !self.tag_by_tag {
            text.push(String::new());
            text.push(self.errors());
            text.push(String::new());
            text.push(self.regimes());
        }
        if let Some(links) = &self.links {
            text.push(String::new());
            text.push(kinds_of_links(links));
        }
        text.extend(self.confusions(most));
        say(&text.join("\n"))
    }

    fn size(&self) -> String {
        let scores = &self.scores;
        let mut size = Vec::new();
        size.extend(self.sentences.map(|sentences| format!("{} sentences", count(sentences))));
        size.extend(self.documents.map(|documents| format!("{} documents", count(documents))));
        if scores.tokens > 0.0 {
            size.push(format!("{} tokens", number(scores.tokens)));
        }
        if !self.tag_by_tag {
            size.push(format!(
                "{} gold spans, {} predicted, {} right",
                number(scores.gold),
                number(scores.predicted),
                number(scores.correct)
            ));
        }
        if self.unscored_predictions > 0 {
            size.push(format!("{} predicted documents without gold not scored", count(self.unscored_predictions)));
        }
        if self.unscored_gold > 0 {
            size.push(format!("{} gold documents without an accepted answer not scored", count(self.unscored_gold)));
        }
        size.join(", ")
    }

    fn headline(&self) -> String {
        let scores = &self.scores;
        let mut rows: Vec<(&str, &Measured)> = Vec::new();
        if !self.tag_by_tag {
            rows.extend([
                ("precision", &scores.micro.precision),
                ("recall", &scores.micro.recall),
                ("F1", &scores.micro.f1),
            ]);
        }
        rows.extend([("macro F1", &scores.macro_f1), ("token accuracy", &scores.token_accuracy)]);
        rows.extend(self.text_labels.as_ref().map(|figure| ("label of the text", figure)));
        let rows: Vec<Vec<String>> =
            rows.iter().map(|(name, figure)| vec![(*name).to_owned(), figure.brief()]).collect();
        let (cluster, clusters) = &scores.clusters;
        format!("{}\nintervals: 95 %, bootstrap over {} {cluster}", table(&["", "value"], &rows), count(*clusters))
    }

    /// Every error once, by what is wrong.
    fn errors(&self) -> String {
        let errors = &self.scores.errors;
        let rows: Vec<Vec<String>> = [
            ("missed", &errors.missed, "gold"),
            ("spurious", &errors.spurious, "predicted"),
            ("wrong label", &errors.wrong_label, "gold"),
            ("wrong borders", &errors.wrong_borders, "gold"),
            ("both wrong", &errors.both, "gold"),
        ]
        .iter()
        .map(|(name, kind, whole)| {
            vec![(*name).to_owned(), number(kind.count), kind.share.brief(), format!("of {whole} spans")]
        })
        .collect();
        table(&["error", "spans", "share", ""], &rows)
    }

    fn regimes(&self) -> String {
        let regimes = &self.scores.regimes;
        let mut rows: Vec<Vec<String>> = [
            ("strict: borders and label", &regimes.strict),
            ("exact: borders, any label", &regimes.exact),
            ("partial: half for overlap, any label", &regimes.partial),
            ("type: any overlap, same label", &regimes.kind),
        ]
        .iter()
        .map(|(name, regime)| {
            let scores = &regime.scores;
            vec![(*name).to_owned(), scores.precision.brief(), scores.recall.brief(), scores.f1.brief()]
        })
        .collect();
        let positions = &self.scores.positions;
        rows.push(vec![
            format!("{} within spans", positions.unit),
            positions.scores.precision.brief(),
            positions.scores.recall.brief(),
            positions.scores.f1.brief(),
        ]);
        let overlap = format!("overlap of {} (Jaccard): {}", positions.unit, positions.overlap.brief());
        format!("{}\n{overlap}", table(&["what counts as right", "precision", "recall", "F1"], &rows))
    }

    fn confusions(&self, most: usize) -> Vec<String> {
        let confusions = &self.scores.confusions;
        let mut text = Vec::new();
        let rows: Vec<Vec<String>> = confusions
            .mistaken
            .iter()
            .take(most)
            .map(|row| {
                vec![
                    format!("{} taken for {}", row.gold, row.predicted),
                    number(row.same_borders),
                    number(row.other_borders),
                ]
            })
            .collect();
        if !rows.is_empty() {
            text.push(String::new());
            text.push(if self.tag_by_tag {
                table(&["confusion", "tokens"], &rows.iter().map(|row| row[..2].to_vec()).collect::<Vec<_>>())
            } else {
                table(&["confusion", "same borders", "other borders"], &rows)
            });
        }
        text
    }
}
