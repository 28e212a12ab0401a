//! `postil estimate alt-test`

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use postil_core::alt_test::{AltTest, AltTestSettings, HumanTestKind, Panel, Scoring, alternative_test};
use postil_core::items::{AnswerTable, read_answers};
use postil_core::{Error, Measured};
use serde_json::{Value, json};

use super::super::input::answer_options;
use super::super::output::{count, remark, say, say_json, table};

/// How an answer is scored against those of the other humans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ScoringArgument {
    /// The share who gave the same answer
    Accuracy,
    /// Minus the root mean squared difference, for labels that are numbers
    NegRmse,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The machines' answers: item, annotator, label; humans may be among them
    answers: PathBuf,
    /// The humans' answers, in the same form; without it all in ANSWERS who are no candidate are humans
    #[arg(long, value_name = "FILE")]
    humans: Option<PathBuf>,
    /// Only these annotators of ANSWERS are tested; `*` stands for anything [default: all, if --humans is given]
    #[arg(long, value_name = "NAME")]
    candidate: Vec<String>,
    /// What a machine's lower cost is worth: 0.2 for trusted experts, 0.15 for skilled annotators, 0.1 for a crowd
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, allow_negative_numbers = true)]
    epsilon: f64,
    /// How an answer is scored
    #[arg(long, value_enum, default_value = "accuracy")]
    scoring: ScoringArgument,
    /// The false discovery rate over humans
    #[arg(long, value_name = "RATE", default_value_t = 0.05)]
    rate: f64,
    /// Humans with fewer shared items are set aside; below 30 Wilcoxon's test is used
    #[arg(long, value_name = "N", default_value_t = 30)]
    least_items: usize,
    /// Items answered by fewer humans do not count
    #[arg(long, value_name = "N", default_value_t = 2)]
    least_humans: usize,
    /// The seed of the interval's resampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Answers of one annotator after another, by the text of item and label.
struct Answers {
    names: Vec<String>,
    given: Vec<Vec<(String, String)>>,
    repeated: u64,
    blank: u64,
}

impl Answers {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let table: AnswerTable = read_answers(path, &answer_options(None, None, None, None))?;
        if table.report.bad_rows > 0 {
            remark(&format!("note: {} rows of {} could not be read", count(table.report.bad_rows), path.display()));
        }
        let mut given: Vec<BTreeMap<u32, u16>> = vec![BTreeMap::new(); table.annotators.len()];
        let mut repeated = 0;
        for ((&item, &annotator), &label) in table.item.iter().zip(&table.annotator).zip(&table.label) {
            match given[annotator as usize].entry(item) {
                Entry::Occupied(_) => repeated += 1,
                Entry::Vacant(place) => {
                    place.insert(label);
                }
            }
        }
        let words = |(item, label): (&u32, &u16)| {
            (table.items.get(*item).to_owned(), table.labels[usize::from(*label)].to_string())
        };
        Ok(Self {
            names: table.annotators.iter().map(str::to_owned).collect(),
            given: given.iter().map(|answers| answers.iter().map(words).collect()).collect(),
            repeated,
            blank: table.report.blank_labels,
        })
    }
}

/// Items and labels as numbers.
struct Numbers<'a> {
    items: BTreeMap<&'a str, u32>,
    labels: BTreeMap<&'a str, f64>,
    scoring: ScoringArgument,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, answers: &'a [(String, String)]) -> anyhow::Result<Vec<(u32, f64)>> {
        answers
            .iter()
            .map(|(item, label)| {
                let next = self.items.len() as u32;
                let number = *self.items.entry(item).or_insert(next);
                let code = if self.scoring == ScoringArgument::NegRmse {
                    label.trim().parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| {
                        Error::input(format!("expected a number as label, found `{label}`"))
                            .for_item(item.clone())
                            .hint("score classes with `--scoring accuracy`")
                    })?
                } else {
                    let next = self.labels.len() as f64;
                    *self.labels.entry(label).or_insert(next)
                };
                Ok((number, code))
            })
            .collect()
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let answers = Answers::read(&arguments.answers)?;
    let named = |name: &str| arguments.candidate.iter().any(|pattern| matches(pattern, name));
    let people = arguments.humans.as_deref().map(Answers::read).transpose()?;
    if people.is_none() && arguments.candidate.is_empty() {
        anyhow::bail!(
            Error::task("expected to know who is human, found neither --humans nor --candidate")
                .hint("give the humans' answers with `--humans FILE`, or name the machines: `--candidate 'llm:*'`")
        );
    }
    let candidates: Vec<usize> = (0..answers.names.len())
        .filter(|&place| arguments.candidate.is_empty() || named(&answers.names[place]))
        .collect();
    if candidates.is_empty() {
        anyhow::bail!(
            Error::task(format!(
                "expected an annotator that matches {}, found {}",
                arguments.candidate.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
                answers.names.iter().take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ))
            .in_file(&arguments.answers)
        );
    }
    let repeated = answers.repeated + people.as_ref().map_or(0, |people| people.repeated);
    if repeated > 0 {
        remark(&format!(
            "note: {} answers repeat an annotator's answer about an item; the first counts",
            count(repeated)
        ));
    }
    let blank = answers.blank + people.as_ref().map_or(0, |people| people.blank);
    if blank > 0 {
        remark(&format!("note: {} blank answers: such an item does not count for that annotator", count(blank)));
    }
    let mut numbers = Numbers { items: BTreeMap::new(), labels: BTreeMap::new(), scoring: arguments.scoring };
    let (mut human_names, mut humans) = (Vec::new(), Vec::new());
    match &people {
        Some(people) => {
            for (name, given) in people.names.iter().zip(&people.given) {
                human_names.push(name.as_str());
                humans.push(numbers.of(given)?);
            }
        }
        None => {
            for place in (0..answers.names.len()).filter(|place| !candidates.contains(place)) {
                human_names.push(answers.names[place].as_str());
                humans.push(numbers.of(&answers.given[place])?);
            }
        }
    }
    let settings = AltTestSettings {
        scoring: match arguments.scoring {
            ScoringArgument::Accuracy => Scoring::Accuracy,
            ScoringArgument::NegRmse => Scoring::NegativeRmse,
        },
        epsilon: arguments.epsilon,
        rate: arguments.rate,
        least_items: arguments.least_items,
        least_humans: arguments.least_humans,
        seed: arguments.seed,
        ..AltTestSettings::default()
    };
    let mut results: Vec<(&str, AltTest)> = Vec::new();
    for place in candidates {
        let panel = Panel { humans: humans.clone(), machine: numbers.of(&answers.given[place])? };
        results.push((&answers.names[place], alternative_test(&panel, &settings)?));
    }
    // The best first; machines that cannot be tested last.
    let rank = |result: &AltTest| result.advantage.value().unwrap_or(-1.0);
    results.sort_by(|a, b| rank(&b.1).total_cmp(&rank(&a.1)).then(a.0.cmp(b.0)));
    if arguments.json {
        let machines: Vec<Value> = results
            .iter()
            .map(|(name, result)| {
                let mut value = serde_json::to_value(result)?;
                value["machine"] = json!(name);
                if let Some(list) = value["humans"].as_array_mut() {
                    for (human, name) in list.iter_mut().zip(&human_names) {
                        human["human"] = json!(name);
                    }
                }
                Ok(value)
            })
            .collect::<anyhow::Result<_>>()?;
        return say_json(&json!({
            "epsilon": arguments.epsilon,
            "humans": human_names,
            "repeated_answers": repeated,
            "blank_answers": blank,
            "machines": machines,
        }));
    }
    show(arguments, &human_names, &results)
}

fn show(arguments: &Arguments, humans: &[&str], results: &[(&str, AltTest)]) -> anyhow::Result<()> {
    let Some((first_name, first)) = results.first() else { return Ok(()) };
    say(&format!("alternative annotator test against {} humans, epsilon {}", humans.len(), arguments.epsilon))?;
    // What the data can show comes before what they do show.
    match (&first.untestable, &first.power) {
        (Some(reason), _) => say(reason)?,
        (None, Some(power)) => {
            let needed = power.humans_for_a_pass;
            let what = if power.largest_gap > 0.0 {
                format!("humans may be better by at most {:.3}", power.largest_gap)
            } else {
                format!("the machine must be better than humans by {:.3}", -power.largest_gap)
            };
            say(&format!(
                "with these items a pass ({needed} of {} humans) is found four times in five if {what} (for {first_name})",
                first.humans.iter().filter(|human| human.p_value.is_some()).count()
            ))?;
        }
        _ => {}
    }
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|(name, result)| {
            let verdict = match result.passed {
                None => "not testable",
                Some(true) => "may replace",
                Some(false) => "may not",
            };
            let items = match &result.power {
                Some(power) => power.items_needed.map_or("no number".to_owned(), |items| count(items as u64)),
                None => String::new(),
            };
            vec![
                (*name).to_owned(),
                verdict.to_owned(),
                result.winning_rate.map_or(String::new(), |rate| format!("{rate:.3}")),
                result.advantage.brief(),
                items,
            ]
        })
        .collect();
    say(&format!(
        "\n{}",
        table(
            &["machine", "verdict", "winning rate", "at least as good as a human", "items a human for a pass"],
            &rows
        )
    ))?;
    let rows: Vec<Vec<String>> = humans
        .iter()
        .zip(&first.humans)
        .map(|(name, human)| {
            let test = match human.test {
                HumanTestKind::Student => "",
                HumanTestKind::Wilcoxon => " (Wilcoxon)",
                HumanTestKind::Constant => " (all alike)",
                HumanTestKind::TooFew => "too few items",
            };
            vec![
                (*name).to_owned(),
                count(human.items as u64),
                format!("{:.3}", human.machine_wins),
                format!("{:.3}", human.human_wins),
                human.p_value.map_or(test.to_owned(), |p| format!("{p:.4}{test}")),
                if human.replaceable { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    say(&format!(
        "\n{first_name} against each human:\n{}",
        table(&["human", "items", "machine as good", "human as good", "p", "replaceable"], &rows)
    ))?;
    if let Measured::Known { basis, .. } = &first.advantage {
        say(&format!("intervals at 95 %: {basis}"))?;
    }
    Ok(())
}

/// Whether a name matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expected) in [
            ("llm:*", "llm:gpt", true),
            ("llm:*", "human", false),
            ("*", "x", true),
            ("gpt", "gpt", true),
            ("gpt", "gpt-4", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
