//! From a formula and a frame to the columns of a regression, with treatment contrasts.

use super::formula::{Factor, Formula, Transform, same};
use super::frame::{Frame, MISSING, Values};
use crate::error::{Error, Result};

/// More columns than this are a mistake: a column of names or ids was taken for classes.
const MOST_COLUMNS: usize = 1000;

/// A column of a regression: its name, and the product of which coded values it is. The intercept is the empty product.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) parts: Vec<(usize, usize)>,
}

/// A variable of the formula as one or several columns of numbers: itself, or an indicator per class.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) column: String,
    /// The name of each dimension: empty for a number, the class for an indicator.
    pub(super) names: Vec<String>,
    pub(super) values: Vec<Vec<f64>>,
}

/// The columns of a regression.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) planned: Vec<Planned>,
    pub(super) variables: Vec<Coded>,
}

/// A matrix, row by row.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
}

impl Matrix {
    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }
}

impl Design {
    /// Codes the covariates of a formula. The frame must have no blank cells in them.
    pub(super) fn new(formula: &Formula, frame: &Frame) -> Result<Self> {
        let mut variables: Vec<Coded> = Vec::new();
        let mut keys: Vec<(String, Transform)> = Vec::new();
        for factor in formula.terms.iter().flatten() {
            let key = (factor.column.clone(), factor.transform);
            if !keys.contains(&key) {
                variables.push(code(factor, frame.column(&factor.column)?)?);
                keys.push(key);
            }
        }
        let place = |factor: &Factor| {
            keys.iter().position(|key| key.0 == factor.column && key.1 == factor.transform).unwrap_or_default()
        };
        let mut planned = Vec::new();
        if formula.intercept {
            planned.push(Planned { name: "(intercept)".to_owned(), parts: Vec::new() });
        }
        for term in &formula.terms {
            let mut columns = vec![Planned { name: String::new(), parts: Vec::new() }];
            for (position, factor) in term.iter().enumerate() {
                let variable = place(factor);
                let coded = &variables[variable];
                // As in R: classes are compared with a reference if the term without them is in the model, and each
                // gets a column of its own otherwise.
                let without: Vec<Factor> = term
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != position)
                    .map(|(_, one)| one.clone())
                    .collect();
                let compared = if without.is_empty() {
                    formula.intercept || (term.len() == 1 && !first_of_classes(formula, &variables, factor, &place))
                } else {
                    formula.terms.iter().any(|known| same(known, &without))
                };
                let reference = reference(factor, coded)?;
                let dimensions = (0..coded.names.len()).filter(|&one| !(compared && reference == Some(one)));
                let chosen: Vec<usize> = dimensions.collect();
                if columns.len() * chosen.len().max(1) + planned.len() > MOST_COLUMNS {
                    return Err(Error::task(format!(
                        "expected at most {MOST_COLUMNS} columns, found more with the {} classes of `{}`",
                        coded.names.len(),
                        coded.column
                    ))
                    .hint("a column of names or ids cannot explain anything; leave it out or group its values"));
                }
                columns = columns
                    .iter()
                    .flat_map(|column| {
                        chosen.iter().map(|&dimension| {
                            let part = if coded.names[dimension].is_empty() {
                                factor.to_string()
                            } else {
                                format!("{factor}[{}]", coded.names[dimension])
                            };
                            let name = if column.name.is_empty() { part } else { format!("{}:{part}", column.name) };
                            let mut parts = column.parts.clone();
                            parts.push((variable, dimension));
                            Planned { name, parts }
                        })
                    })
                    .collect();
            }
            planned.extend(columns);
        }
        if planned.is_empty() {
            return Err(Error::task("the formula leaves no column to estimate")
                .hint("a column with one class alone cannot be compared with anything"));
        }
        Ok(Self { planned, variables })
    }

    /// The matrix over some rows. `replaced` gives other values for some variables, in the order of `rows`.
    pub(super) fn matrix(
        &self,
        rows: impl Iterator<Item = usize>,
        replaced: &dyn Fn(usize, usize, usize, usize) -> Option<f64>,
    ) -> Matrix {
        let columns = self.planned.len();
        let mut values = Vec::with_capacity(rows.size_hint().0 * columns);
        for (position, row) in rows.enumerate() {
            for planned in &self.planned {
                let product: f64 = planned
                    .parts
                    .iter()
                    .map(|&(variable, dimension)| {
                        replaced(variable, dimension, row, position)
                            .unwrap_or_else(|| self.variables[variable].values[dimension][row])
                    })
                    .product();
                values.push(product);
            }
        }
        Matrix { columns, values }
    }
}

/// Without an intercept the first variable of classes gets a column for every class.
fn first_of_classes(formula: &Formula, variables: &[Coded], factor: &Factor, place: &dyn Fn(&Factor) -> usize) -> bool {
    let first = formula
        .terms
        .iter()
        .filter(|term| term.len() == 1)
        .find(|term| variables[place(&term[0])].names.iter().any(|name| !name.is_empty()));
    first.is_some_and(|term| &term[0] == factor)
}

/// The dimension of the class that the others are compared with.
fn reference(factor: &Factor, coded: &Coded) -> Result<Option<usize>> {
    let of_classes = coded.names.iter().any(|name| !name.is_empty());
    match &factor.reference {
        None => Ok(of_classes.then_some(0)),
        Some(level) => match coded.names.iter().position(|name| name == level) {
            Some(place) if of_classes => Ok(Some(place)),
            _ => Err(Error::task(format!(
                "expected one of {} as the reference of `{}`, found `{level}`",
                coded.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                coded.column
            ))),
        },
    }
}

fn code(factor: &Factor, values: &Values) -> Result<Coded> {
    let column = factor.column.clone();
    let as_classes;
    let values = if factor.transform == Transform::Classes || factor.reference.is_some() {
        as_classes = values.to_classes();
        &as_classes
    } else {
        values
    };
    match values {
        Values::Numbers(numbers) => {
            let transformed: Vec<f64> = match factor.transform {
                Transform::Log => numbers.iter().map(|number| number.ln()).collect(),
                Transform::Root => numbers.iter().map(|number| number.sqrt()).collect(),
                Transform::Plain | Transform::Classes => numbers.clone(),
            };
            if let Some(row) = transformed.iter().position(|number| !number.is_finite()) {
                return Err(Error::input(format!(
                    "`{factor}` is not defined for {} (row {} of those used)",
                    numbers[row],
                    row + 1
                )));
            }
            Ok(Coded { column, names: vec![String::new()], values: vec![transformed] })
        }
        Values::Classes { levels, codes } => {
            if factor.transform != Transform::Plain && factor.transform != Transform::Classes {
                let example = levels.iter().find(|level| level.parse::<f64>().is_err()).map_or("", String::as_str);
                return Err(Error::input(format!("expected numbers in `{column}`, found `{example}`")));
            }
            Ok(indicators(column, levels, codes))
        }
    }
}

/// One indicator per class.
pub(super) fn indicators(column: String, levels: &[String], codes: &[u32]) -> Coded {
    let mut values = vec![vec![0.0; codes.len()]; levels.len()];
    for (row, &code) in codes.iter().enumerate() {
        if code != MISSING {
            values[code as usize][row] = 1.0;
        }
    }
    Coded { column, names: levels.to_vec(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut frame = Frame::default();
        frame.push("x", Values::parse(["1", "2", "3", "4"].into_iter())).unwrap();
        frame.push("g", Values::parse(["b", "a", "c", "a"].into_iter())).unwrap();
        frame.push("h", Values::parse(["u", "v", "u", "v"].into_iter())).unwrap();
        let design = Design::new(&Formula::parse(text).unwrap(), &frame).unwrap();
        let matrix = design.matrix(0..4, &|_, _, _, _| None);
        assert_eq!(matrix.rows(), 4);
        design.planned.into_iter().map(|planned| planned.name).collect()
    }

    #[test]
    fn classes_are_coded_as_in_r() {
        assert_eq!(names("y ~ x + g"), ["(intercept)", "x", "g[b]", "g[c]"]);
        assert_eq!(names("y ~ g[ref=c]"), ["(intercept)", "g[a]", "g[b]"]);
        assert_eq!(names("y ~ 0 + g + h"), ["g[a]", "g[b]", "g[c]", "h[v]"]);
        assert_eq!(names("y ~ x * h"), ["(intercept)", "x", "h[v]", "x:h[v]"]);
        assert_eq!(names("y ~ g:x"), ["(intercept)", "g[a]:x", "g[b]:x", "g[c]:x"]);
        assert_eq!(names("y ~ factor(x)"), ["(intercept)", "x[2]", "x[3]", "x[4]"]);
        assert_eq!(names("y ~ log(x)"), ["(intercept)", "log(x)"]);
    }

    #[test]
    fn references_and_logarithms_are_checked() {
        let mut frame = Frame::default();
        frame.push("x", Values::parse(["1", "-2"].into_iter())).unwrap();
        frame.push("g", Values::parse(["b", "a"].into_iter())).unwrap();
        let of = |text: &str| Design::new(&Formula::parse(text).unwrap(), &frame).unwrap_err().to_string();
        assert!(of("y ~ g[ref=z]").contains("one of `a`, `b`"));
        assert!(of("y ~ log(x)").contains("row 2"));
        assert!(of("y ~ log(g)").contains("expected numbers in `g`"));
        assert!(of("y ~ nothing").contains("`nothing`"));
    }
}
