//! From a table with surrogates, gold and probabilities to the numbers that estimators work on.

use super::design::{Coded, Design, indicators};
use super::formula::{Formula, Transform};
use super::frame::{Frame, MISSING, Values};
use crate::error::{Error, Result};

/// A column that is known for a gold sample and predicted everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The column with gold values, blank where there is none. Formulas use its name.
    pub gold: String,
    /// The column with the surrogate: labels or numbers made by a machine for every row.
    pub surrogate: String,
}

/// How the gold rows were chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampling {
    /// Each row with its known probability, above 0 and at most 1; NaN where it is not known, which only rows without
    /// gold may have.
    Known(Vec<f64>),
    /// A simple random sample: all rows with the probability labelled / rows. If the gold was chosen by hand, or by
    /// how unsure a model was, saying this makes every interval wrong.
    Random,
}

/// A table for estimation.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// All columns.
    pub frame: Frame,
    /// What is predicted: the outcome, covariates, or both.
    pub pairs: Vec<Pair>,
    /// How the gold was chosen.
    pub sampling: Sampling,
    /// A column whose equal values mark rows that depend on each other.
    pub cluster: Option<String>,
}

/// A predicted variable in numbers.
#[derive(Clone, Debug)]
pub(super) struct Predicted {
    /// Its place among the design's variables; `None` for the outcome.
    pub(super) variable: Option<usize>,
    /// The surrogate at face value: per dimension, for all rows.
    pub(super) face: Vec<Vec<f64>>,
    /// The gold: per dimension, for the labelled rows.
    pub(super) gold: Vec<Vec<f64>>,
}

/// A table ready for estimators: no blanks, everything a number.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) rows: usize,
    pub(super) left_out: usize,
    /// The rows with gold.
    pub(super) labelled: Vec<u32>,
    /// For each row its place among the labelled, or `u32::MAX`.
    pub(super) place: Vec<u32>,
    /// `1 / pi` of the labelled rows.
    pub(super) weight: Vec<f64>,
    pub(super) design: Design,
    /// The intercept's place among the columns.
    pub(super) intercept: Option<usize>,
    /// The predicted variables; the outcome is last, whether it is predicted or not.
    pub(super) predicted: Vec<Predicted>,
    /// The names of the outcome's dimensions.
    pub(super) outcome: Vec<String>,
    pub(super) clusters: Option<Vec<u32>>,
    pub(super) notes: Vec<String>,
}

impl Prepared {
    pub(super) fn new(table: &Table, formula: &Formula) -> Result<Self> {
        let mut notes = Vec::new();
        let mut frame = table.frame.clone();
        let pairs = used_pairs(table, formula, &frame)?;
        let formula = with_gold_names(formula, &table.pairs);
        // Gold and surrogate in one coding; the frame carries the surrogate under the gold's name.
        let mut coded_gold = Vec::new();
        for pair in &pairs {
            let (gold, surrogate) = agree(pair, frame.column(&pair.gold)?, frame.column(&pair.surrogate)?, &mut notes)?;
            frame.replace(&pair.gold, surrogate);
            coded_gold.push(gold);
        }
        let mut needed: Vec<&str> = formula.covariates();
        needed.push(&formula.outcome);
        let cluster = table.cluster.as_deref().map(|name| frame.column(name)).transpose()?.cloned();
        let columns = needed.iter().map(|name| frame.column(name)).collect::<Result<Vec<_>>>()?;
        let complete: Vec<u32> = (0..frame.rows())
            .filter(|&row| {
                columns.iter().all(|column| !column.is_missing(row))
                    && cluster.as_ref().is_none_or(|cluster| !cluster.is_missing(row))
            })
            .map(|row| row as u32)
            .collect();
        let left_out = frame.rows() - complete.len();
        if complete.is_empty() {
            return Err(Error::input("expected rows with a value in every column of the formula, found none"));
        }
        let (labelled, partly, weight) = sample(table, &coded_gold, &complete, &mut notes)?;
        if partly > 0 {
            notes.push(format!("{partly} rows have gold in some predicted columns only and count as without gold"));
        }
        if left_out > 0 {
            notes.push(format!("{left_out} rows have a blank cell that is needed and were left out"));
            frame = frame.select(&complete);
            coded_gold = coded_gold.iter().map(|values| values.select(&complete)).collect();
        }
        let mut place = vec![u32::MAX; complete.len()];
        for (number, &row) in labelled.iter().enumerate() {
            place[row as usize] = number as u32;
        }
        let design = Design::new(&formula, &frame)?;
        let at_gold =
            |values: &Values, names: &[String]| -> Vec<Vec<f64>> { dimensions(&values.select(&labelled), names) };
        let mut predicted = Vec::new();
        for (pair, gold) in pairs.iter().zip(&coded_gold).filter(|(pair, _)| pair.gold != formula.outcome) {
            let Some(variable) = design.variables.iter().position(|variable| variable.column == pair.gold) else {
                continue;
            };
            if formula.terms.iter().flatten().any(|factor| {
                factor.column == pair.gold && matches!(factor.transform, Transform::Log | Transform::Root)
            }) {
                return Err(Error::task(format!("expected `{}` as it is, found a transformation of it", pair.gold))
                    .hint("a predicted column cannot be transformed in the formula: do it in the table, for gold and surrogate alike"));
            }
            let coded = &design.variables[variable];
            let gold = at_gold(gold, &coded.names);
            predicted.push(Predicted { variable: Some(variable), face: coded.values.clone(), gold });
        }
        let values = frame.column(&formula.outcome)?;
        let outcome = match values {
            Values::Numbers(_) => vec![String::new()],
            Values::Classes { levels, .. } => levels.clone(),
        };
        let face = dimensions(values, &outcome);
        let gold = match pairs.iter().position(|pair| pair.gold == formula.outcome) {
            Some(number) => at_gold(&coded_gold[number], &outcome),
            None => at_gold(values, &outcome),
        };
        predicted.push(Predicted { variable: None, face, gold });
        let clusters = cluster.map(|cluster| match cluster.select(&complete).to_classes() {
            Values::Classes { codes, .. } => codes,
            Values::Numbers(_) => Vec::new(),
        });
        Ok(Self {
            rows: complete.len(),
            left_out,
            labelled,
            place,
            weight,
            intercept: formula.intercept.then_some(0),
            design,
            predicted,
            outcome,
            clusters,
            notes,
        })
    }

    /// The outcome's two versions.
    pub(super) fn last(&self) -> &Predicted {
        &self.predicted[self.predicted.len() - 1]
    }

    /// Whether a covariate is predicted.
    pub(super) fn covariates_predicted(&self) -> bool {
        self.predicted.len() > 1
    }

    /// The independent units of the gold sample.
    pub(super) fn gold_units(&self) -> usize {
        match &self.clusters {
            None => self.labelled.len(),
            Some(clusters) => {
                let mut units: Vec<u32> = self.labelled.iter().map(|&row| clusters[row as usize]).collect();
                units.sort_unstable();
                units.dedup();
                units.len()
            }
        }
    }
}

/// The pairs that the formula uses.
fn used_pairs(table: &Table, formula: &Formula, frame: &Frame) -> Result<Vec<Pair>> {
    let names = formula.covariates();
    let mut used = Vec::new();
    for pair in &table.pairs {
        frame.column(&pair.gold)?;
        frame.column(&pair.surrogate)?;
        let named = |name: &str| formula.outcome == name || names.contains(&name);
        if named(&pair.gold) || named(&pair.surrogate) {
            used.push(pair.clone());
        }
    }
    if used.is_empty() {
        let names: Vec<String> = table.pairs.iter().map(|pair| format!("`{}`", pair.gold)).collect();
        return Err(Error::task(format!(
            "expected the predicted column {} in the formula, found only columns that are known everywhere",
            names.join(" or ")
        ))
        .hint("name the gold column in the formula, as in `gold ~ age`, or `y ~ gold + age`"));
    }
    Ok(used)
}

/// A surrogate's name in a formula stands for the gold's.
fn with_gold_names(formula: &Formula, pairs: &[Pair]) -> Formula {
    let mut formula = formula.clone();
    let rename = |name: &mut String| {
        if let Some(pair) = pairs.iter().find(|pair| pair.surrogate == *name) {
            name.clone_from(&pair.gold);
        }
    };
    rename(&mut formula.outcome);
    for factor in formula.terms.iter_mut().flatten() {
        rename(&mut factor.column);
    }
    formula
}

/// Brings gold and surrogate to one coding: both numbers, or both classes of one list.
fn agree(pair: &Pair, gold: &Values, surrogate: &Values, notes: &mut Vec<String>) -> Result<(Values, Values)> {
    if (0..gold.len()).all(|row| gold.is_missing(row)) {
        return Err(Error::input(format!("expected gold in column `{}`, found none", pair.gold))
            .hint("without a gold sample nothing valid can be said about what the surrogate gets wrong"));
    }
    if let (Values::Numbers(_), Values::Numbers(_)) = (gold, surrogate) {
        return Ok((gold.clone(), surrogate.clone()));
    }
    if let (Values::Classes { levels, codes }, Values::Numbers(numbers)) = (gold, surrogate)
        && levels.len() == 2
        && numbers.iter().all(|number| number.is_nan() || (0.0..=1.0).contains(number))
    {
        notes.push(format!("`{}` in `{}` counts as 1, `{}` as 0", levels[1], pair.gold, levels[0]));
        let code = |&code: &u32| if code == MISSING { f64::NAN } else { f64::from(code) };
        return Ok((Values::Numbers(codes.iter().map(code).collect()), surrogate.clone()));
    }
    let (Values::Classes { levels: first, codes: gold_codes }, Values::Classes { levels: second, codes: said }) =
        (gold.to_classes(), surrogate.to_classes())
    else {
        return Err(Error::input("expected classes"));
    };
    let mut levels: Vec<String> = first.iter().chain(&second).cloned().collect();
    levels.sort_unstable();
    levels.dedup();
    let unsaid: Vec<String> =
        first.iter().filter(|level| !second.contains(level)).map(|level| format!("`{level}`")).collect();
    if unsaid.len() == first.len() {
        return Err(Error::input(format!(
            "the gold in `{}` and the surrogate in `{}` have no label in common: {} against {}",
            pair.gold,
            pair.surrogate,
            unsaid.join(", "),
            second.iter().map(|level| format!("`{level}`")).collect::<Vec<_>>().join(", ")
        )));
    }
    if !unsaid.is_empty() {
        notes.push(format!("the surrogate never says {}, which the gold has", unsaid.join(", ")));
    }
    let recode = |old: &[String], codes: Vec<u32>| Values::Classes {
        codes: codes
            .into_iter()
            .map(|code| {
                let name = old.get(code as usize);
                name.and_then(|name| levels.binary_search(name).ok()).map_or(MISSING, |code| code as u32)
            })
            .collect(),
        levels: levels.clone(),
    };
    Ok((recode(&first, gold_codes), recode(&second, said)))
}

/// The labelled rows among the complete ones, how many have part of their gold, and `1 / pi` of the labelled.
fn sample(
    table: &Table,
    gold: &[Values],
    complete: &[u32],
    notes: &mut Vec<String>,
) -> Result<(Vec<u32>, usize, Vec<f64>)> {
    let mut labelled = Vec::new();
    let mut partly = 0;
    for (position, &row) in complete.iter().enumerate() {
        let known = gold.iter().filter(|values| !values.is_missing(row as usize)).count();
        if known == gold.len() {
            labelled.push(position as u32);
        } else if known > 0 {
            partly += 1;
        }
    }
    if labelled.len() < 2 {
        return Err(Error::input(format!("expected at least 2 rows with gold, found {}", labelled.len()))
            .hint("a few hundred gold labels, drawn at random with known probability, are a good start"));
    }
    let weight = match &table.sampling {
        Sampling::Random => vec![complete.len() as f64 / labelled.len() as f64; labelled.len()],
        Sampling::Known(probability) => {
            if probability.len() != table.frame.rows() {
                return Err(Error::input(format!(
                    "expected {} inclusion probabilities, found {}",
                    table.frame.rows(),
                    probability.len()
                )));
            }
            let mut weight = Vec::with_capacity(labelled.len());
            for &position in &labelled {
                let row = complete[position as usize] as usize;
                let pi = probability[row];
                if !(pi > 0.0 && pi <= 1.0) {
                    let found = if pi.is_nan() { "none".to_owned() } else { pi.to_string() };
                    return Err(Error::input(format!(
                        "expected an inclusion probability above 0 and at most 1 beside the gold of row {}, found {found}",
                        row + 1
                    ))
                    .hint("every gold row needs the probability with which it was drawn; gold that was chosen by hand has none and cannot be used here"));
                }
                weight.push(1.0 / pi);
            }
            check_sum(probability, complete, labelled.len(), notes);
            weight
        }
    };
    if labelled.len() < 50 {
        notes.push(format!(
            "only {} gold labels: intervals use Student's t, and are still optimistic below about 50",
            labelled.len()
        ));
    }
    Ok((labelled, partly, weight))
}

/// Probabilities that are known for all rows must add up to about the number of gold labels.
fn check_sum(probability: &[f64], complete: &[u32], labelled: usize, notes: &mut Vec<String>) {
    let (mut expected, mut variance) = (0.0, 0.0);
    for &row in complete {
        let pi = probability[row as usize];
        if pi.is_nan() {
            return;
        }
        expected += pi;
        variance += pi * (1.0 - pi).max(0.0);
    }
    if (labelled as f64 - expected).abs() > 5.0 * variance.sqrt() + 1.0 {
        notes.push(format!(
            "the probabilities add up to {expected:.0} gold labels and there are {labelled}: either they are wrong or \
             drawn rows were never labelled, and then the estimates hold only if those are missing by chance"
        ));
    }
}

/// A column's dimensions: the numbers, or one indicator per name.
fn dimensions(values: &Values, names: &[String]) -> Vec<Vec<f64>> {
    match values {
        Values::Numbers(numbers) if names.len() == 1 && names[0].is_empty() => vec![numbers.clone()],
        _ => {
            let Values::Classes { levels, codes } = values.to_classes() else { return Vec::new() };
            let Coded { names: found, values, .. } = indicators(String::new(), &levels, &codes);
            names
                .iter()
                .map(|name| match found.iter().position(|level| level == name) {
                    Some(place) => values[place].clone(),
                    None => vec![0.0; codes.len()],
                })
                .collect()
        }
    }
}
