//! Formulas such as `y ~ age + group`, as in R: what is explained, and the terms that explain it.

use std::fmt;

use crate::error::{Error, Result};

/// A formula: an outcome, an intercept or none, and terms that are products of factors.
///
/// `a + b` are two terms, `a:b` is their product, `a * b` stands for `a + b + a:b`, `-1` or `0 +` leaves the intercept
/// out, and `- a` takes a term away. A factor is a column, `log(column)`, `sqrt(column)`, `factor(column)` (classes even
/// if they look like numbers), or `column[ref=level]` to choose the class that the others are compared with. Names that
/// are no words go between backticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// The column that is explained.
    pub outcome: String,
    /// Whether there is an intercept.
    pub intercept: bool,
    /// The terms, each once, those of fewer factors first.
    pub terms: Vec<Vec<Factor>>,
}

/// A factor of a term.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The column.
    pub column: String,
    /// What is done with it.
    pub transform: Transform,
    /// The class that the others are compared with, if it was named.
    pub reference: Option<String>,
}

/// What is done with the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Nothing.
    Plain,
    /// The natural logarithm.
    Log,
    /// The square root.
    Root,
    /// Taken as classes.
    Classes,
}

impl Transform {
    const NAMED: [(&'static str, Self); 4] =
        [("log", Self::Log), ("sqrt", Self::Root), ("factor", Self::Classes), ("C", Self::Classes)];
}

impl fmt::Display for Factor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transform {
            Transform::Plain | Transform::Classes => out.write_str(&self.column),
            Transform::Log => write!(out, "log({})", self.column),
            Transform::Root => write!(out, "sqrt({})", self.column),
        }
    }
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// What was expected, what was found, and at which character.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { text, rest: text };
        let outcome = reader.name("the column to explain")?;
        reader.expect('~')?;
        let mut formula = Self { outcome, intercept: true, terms: Vec::new() };
        let mut minus = reader.take('-');
        loop {
            reader.space();
            if reader.rest.starts_with(|first: char| first.is_ascii_digit()) {
                match reader.rest.as_bytes()[0] {
                    digit @ (b'0' | b'1')
                        if !reader.rest[1..].starts_with(|next: char| next.is_alphanumeric() || next == '.') =>
                    {
                        formula.intercept = (digit == b'1') != minus;
                        reader.rest = &reader.rest[1..];
                    }
                    _ => return Err(reader.wrong("a column, `0` or `1`")),
                }
            } else {
                for term in reader.terms()? {
                    let known = formula.terms.iter().position(|known| same(known, &term));
                    match (known, minus) {
                        (None, false) => formula.terms.push(term),
                        (Some(place), true) => {
                            formula.terms.remove(place);
                        }
                        _ => {}
                    }
                }
            }
            reader.space();
            minus = match reader.rest.chars().next() {
                None => break,
                Some('+') => false,
                Some('-') => true,
                Some(_) => return Err(reader.wrong("`+`, `-`, `:`, `*` or the end")),
            };
            reader.rest = &reader.rest[1..];
        }
        formula.terms.sort_by_key(Vec::len);
        if formula.terms.iter().flatten().any(|factor| factor.column == formula.outcome) {
            return Err(Error::task(format!("`{}` stands on both sides of the formula `{text}`", formula.outcome)));
        }
        if formula.terms.is_empty() && !formula.intercept {
            return Err(Error::task(format!("the formula `{text}` has nothing on its right side")));
        }
        Ok(formula)
    }

    /// The formula of a mean: an intercept alone.
    pub fn mean(outcome: impl Into<String>) -> Self {
        Self { outcome: outcome.into(), intercept: true, terms: Vec::new() }
    }

    /// The columns on the right side, each once.
    pub fn covariates(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for factor in self.terms.iter().flatten() {
            if !columns.contains(&factor.column.as_str()) {
                columns.push(&factor.column);
            }
        }
        columns
    }
}

/// Whether two terms have the same factors, in any order.
pub(super) fn same(left: &[Factor], right: &[Factor]) -> bool {
    left.len() == right.len() && left.iter().all(|factor| right.contains(factor))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn wrong(&self, expected: &str) -> Error {
        let at = self.text[..self.text.len() - self.rest.len()].chars().count() + 1;
        let found = self.rest.chars().next().map_or("the end".to_owned(), |found| format!("`{found}`"));
        Error::task(format!("expected {expected}, found {found} at character {at} of the formula `{}`", self.text))
            .hint(
                "a formula reads like `y ~ age + group`; `a:b`, `a*b`, `-1`, `log(x)` and `group[ref=level]` are known",
            )
    }

    fn take(&mut self, symbol: char) -> bool {
        self.space();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.wrong(&format!("`{symbol}`"))) }
    }

    fn name(&mut self, what: &str) -> Result<String> {
        self.space();
        if let Some(rest) = self.rest.strip_prefix('`') {
            let Some(end) = rest.find('`') else { return Err(self.wrong("a closing backtick")) };
            let name = rest[..end].to_owned();
            self.rest = &rest[end + 1..];
            return Ok(name);
        }
        let word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
        let end = self.rest.find(|letter| !word(letter)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.wrong(what));
        }
        let name = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Ok(name)
    }

    fn factor(&mut self) -> Result<Factor> {
        let first = self.name("a column")?;
        let mut factor = Factor { column: first, transform: Transform::Plain, reference: None };
        if self.take('(') {
            let Some((_, transform)) = Transform::NAMED.iter().find(|(name, _)| *name == factor.column) else {
                return Err(Error::task(format!(
                    "expected log, sqrt or factor before a bracket, found `{}` in the formula `{}`",
                    factor.column, self.text
                ))
                .hint("compute other transformations in the table itself"));
            };
            factor.transform = *transform;
            factor.column = self.name("a column")?;
            self.expect(')')?;
        }
        if self.take('[') {
            if self.name("`ref`")? != "ref" {
                return Err(self.wrong("`ref=level`"));
            }
            self.expect('=')?;
            let end = self.rest.find(']').ok_or_else(|| self.wrong("a closing `]`"))?;
            let level = self.rest[..end].trim();
            factor.reference = Some(level.trim_matches(['"', '\'', '`']).to_owned());
            self.rest = &self.rest[end + 1..];
        }
        Ok(factor)
    }

    /// One item between `+` signs: `a`, `a:b`, `a*b`, and chains of these.
    fn terms(&mut self) -> Result<Vec<Vec<Factor>>> {
        let mut terms = vec![self.product()?];
        while self.take('*') {
            let next = self.product()?;
            let joined: Vec<Vec<Factor>> = terms.iter().map(|term| join(term, &next)).collect();
            terms.push(next);
            terms.extend(joined);
        }
        Ok(terms)
    }

    fn product(&mut self) -> Result<Vec<Factor>> {
        let mut term = vec![self.factor()?];
        while self.take(':') {
            term = join(&term, &[self.factor()?]);
        }
        Ok(term)
    }
}

fn join(left: &[Factor], right: &[Factor]) -> Vec<Factor> {
    let mut term = left.to_vec();
    term.extend(right.iter().filter(|factor| !left.contains(factor)).cloned());
    term
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let formula = Formula::parse(text).unwrap();
        let terms: Vec<String> = formula
            .terms
            .iter()
            .map(|term| term.iter().map(ToString::to_string).collect::<Vec<_>>().join(":"))
            .collect();
        format!("{} {} {}", formula.outcome, u8::from(formula.intercept), terms.join(" "))
    }

    #[test]
    fn formulas_are_read_as_in_r() {
        assert_eq!(shown("y ~ age + group"), "y 1 age group");
        assert_eq!(shown("y~a*b*c"), "y 1 a b c a:b a:c b:c a:b:c");
        assert_eq!(shown("y ~ a:b + b:a + a"), "y 1 a a:b");
        assert_eq!(shown("y ~ a - 1"), "y 0 a");
        assert_eq!(shown("y ~ 0 + factor(a)"), "y 0 a");
        assert_eq!(shown("y ~ a * b - a:b"), "y 1 a b");
        assert_eq!(shown("`a b` ~ log(x.1) + 1"), "a b 1 log(x.1)");
        assert_eq!(shown("y ~ 1"), "y 1 ");
        let formula = Formula::parse("y ~ group[ref=\"south east\"]").unwrap();
        assert_eq!(formula.terms[0][0].reference.as_deref(), Some("south east"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, part) in [
            ("y", "expected `~`, found the end"),
            ("y ~ ", "expected a column, found the end"),
            ("y ~ a + ", "found the end"),
            ("y ~ (a + b)", "found `(` at character 5"),
            ("y ~ a ^ 2", "found `^` at character 7"),
            ("y ~ exp(a)", "found `exp`"),
            ("y ~ 2", "`0` or `1`"),
            ("y ~ y + a", "both sides"),
            ("y ~ 0", "nothing on its right side"),
            ("y ~ `a", "closing backtick"),
            ("~ a", "the column to explain"),
        ] {
            let error = Formula::parse(text).unwrap_err();
            assert!(error.is_task() && error.to_string().contains(part), "{text}: {error}");
        }
    }
}
