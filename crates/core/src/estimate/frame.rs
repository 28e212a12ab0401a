//! Columns of a table as numbers or classes, for estimation.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The code of a class that is missing.
pub const MISSING: u32 = u32::MAX;

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN where the cell is blank.
    Numbers(Vec<f64>),
    /// Classes by number; [`MISSING`] where the cell is blank.
    Classes {
        /// The names, sorted.
        levels: Vec<String>,
        /// The class of each row.
        codes: Vec<u32>,
    },
}

impl Values {
    /// Reads cells: numbers if every cell that is not blank is a finite number, else classes.
    pub fn parse<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut numbers = Vec::new();
        for cell in cells.clone() {
            let cell = cell.trim();
            if cell.is_empty() {
                numbers.push(f64::NAN);
            } else if let Ok(number) = cell.parse::<f64>()
                && number.is_finite()
            {
                numbers.push(number);
            } else {
                return Self::classes(cells);
            }
        }
        Self::Numbers(numbers)
    }

    /// Reads cells as classes, whatever they look like. White space around a cell does not count.
    pub fn classes<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut codes = Vec::new();
        for cell in cells {
            let cell = cell.trim();
            if cell.is_empty() {
                codes.push(MISSING);
            } else if let Some(&code) = numbers.get(cell) {
                codes.push(code);
            } else {
                let code = numbers.len() as u32;
                numbers.insert(cell.to_owned(), code);
                codes.push(code);
            }
        }
        let mut place = vec![0; numbers.len()];
        for (sorted, &code) in numbers.values().enumerate() {
            place[code as usize] = sorted as u32;
        }
        for code in codes.iter_mut().filter(|code| **code != MISSING) {
            *code = place[*code as usize];
        }
        Self::Classes { levels: numbers.into_keys().collect(), codes }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Classes { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the cell of a row is blank.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers[row].is_nan(),
            Self::Classes { codes, .. } => codes[row] == MISSING,
        }
    }

    /// These rows alone.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(rows.iter().map(|&row| numbers[row as usize]).collect()),
            Self::Classes { levels, codes } => {
                Self::Classes { levels: levels.clone(), codes: rows.iter().map(|&row| codes[row as usize]).collect() }
            }
        }
    }

    /// The same as classes; numbers become the classes of their shortest spelling.
    #[must_use]
    pub fn to_classes(&self) -> Self {
        match self {
            Self::Classes { .. } => self.clone(),
            Self::Numbers(numbers) => {
                let mut values: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
                values.sort_unstable_by(f64::total_cmp);
                values.dedup();
                let code = |number: &f64| values.binary_search_by(|value| value.total_cmp(number));
                let codes = numbers.iter().map(|number| code(number).map_or(MISSING, |code| code as u32)).collect();
                Self::Classes { levels: values.iter().map(ToString::to_string).collect(), codes }
            }
        }
    }
}

/// A table of named columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    rows: Option<usize>,
    names: Vec<String>,
    columns: Vec<Values>,
}

impl Frame {
    /// Adds a column.
    ///
    /// # Errors
    /// A second column of that name, or one of another length.
    pub fn push(&mut self, name: impl Into<String>, values: Values) -> Result<()> {
        let name = name.into();
        if self.names.contains(&name) {
            return Err(Error::input(format!("expected one column `{name}`, found two")));
        }
        if let Some(rows) = self.rows.filter(|&rows| rows != values.len()) {
            return Err(Error::input(format!("expected {rows} rows in column `{name}`, found {}", values.len())));
        }
        self.rows = Some(values.len());
        self.names.push(name);
        self.columns.push(values);
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.unwrap_or(0)
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A column.
    ///
    /// # Errors
    /// There is no such column; the error names those that are there and the nearest.
    pub fn column(&self, name: &str) -> Result<&Values> {
        match self.names.iter().position(|known| known == name) {
            Some(place) => Ok(&self.columns[place]),
            None => Err(crate::table::missing_column("formula's", &[name], &self.names)),
        }
    }

    /// Puts other values into a column that is there.
    pub(super) fn replace(&mut self, name: &str, values: Values) {
        if let Some(place) = self.names.iter().position(|known| known == name) {
            self.columns[place] = values;
        }
    }

    /// These rows alone.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        Self {
            rows: Some(rows.len()),
            names: self.names.clone(),
            columns: self.columns.iter().map(|values| values.select(rows)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbers_only_if_all_are() {
        let Values::Numbers(numbers) = Values::parse(["1", " 2.5 ", "", "-3e2"].into_iter()) else { panic!() };
        assert_eq!((numbers[1], numbers[3], numbers[2].is_nan()), (2.5, -300.0, true));
        let classes = Values::parse(["b", "1", "", "a"].into_iter());
        assert_eq!(
            classes,
            Values::Classes { levels: vec!["1".into(), "a".into(), "b".into()], codes: vec![2, 0, MISSING, 1] }
        );
        let codes = Values::Numbers(vec![2.0, 0.5, f64::NAN]).to_classes();
        assert_eq!(codes, Values::Classes { levels: vec!["0.5".into(), "2".into()], codes: vec![1, 0, MISSING] });
    }

    #[test]
    fn an_unknown_column_names_its_neighbour() {
        let mut frame = Frame::default();
        frame.push("age", Values::Numbers(vec![1.0])).unwrap();
        assert!(frame.push("age", Values::Numbers(vec![1.0])).is_err());
        assert!(frame.push("b", Values::Numbers(vec![1.0, 2.0])).is_err());
        let error = frame.column("agee").unwrap_err();
        assert!(error.to_string().contains("`agee`") && error.advice().unwrap().contains("`age`"));
    }
}
