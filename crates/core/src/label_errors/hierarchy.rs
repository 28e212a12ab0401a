//! A tree of labels and distances in it.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::task::Class;

/// Where each label hangs in a tree. Labels without a parent hang from a common root.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// For each class the nodes from the root down to it, itself included.
    paths: Vec<Vec<u32>>,
}

impl Hierarchy {
    /// A tree from pairs of a label (or inner node) and its parent; an empty parent is the root.
    ///
    /// # Errors
    /// A label with two parents, one that is its own ancestor, or one that is missing from the pairs.
    pub fn new<S: AsRef<str>>(labels: &[S], pairs: &[(String, String)]) -> Result<Self> {
        let mut parent: BTreeMap<&str, &str> = BTreeMap::new();
        for (label, above) in pairs {
            match parent.insert(label, above) {
                Some(other) if other != above => {
                    return Err(Error::input(format!(
                        "expected one parent per label, found `{other}` and `{above}` for `{label}`"
                    )));
                }
                _ => {}
            }
        }
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for (label, above) in pairs {
            for name in [label.as_str(), above.as_str()] {
                let next = numbers.len() as u32;
                numbers.entry(name).or_insert(next);
            }
        }
        let mut paths = Vec::with_capacity(labels.len());
        for label in labels {
            let label = label.as_ref();
            let Some(&number) = numbers.get(label) else {
                return Err(Error::input(format!("expected every label in the hierarchy, found none of `{label}`"))
                    .hint("add a row with the label and its parent, or an empty parent for a branch of its own"));
            };
            let (mut path, mut at) = (vec![number], label);
            while let Some(&above) = parent.get(at).filter(|above| !above.is_empty()) {
                if path.len() > pairs.len() {
                    return Err(Error::input(format!("`{label}` is its own ancestor")));
                }
                path.push(numbers[above]);
                at = above;
            }
            path.reverse();
            paths.push(path);
        }
        Ok(Self { paths })
    }

    /// A tree from lines, each label indented deeper than its parent; blank lines are skipped.
    pub fn parse<S: AsRef<str>>(labels: &[S], text: &str) -> Result<Self> {
        let mut above: Vec<(usize, String)> = Vec::new();
        let mut pairs = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let indent = line.len() - line.trim_start().len();
            let name = line.trim().to_owned();
            above.retain(|(depth, _)| *depth < indent);
            pairs.push((name.clone(), above.last().map_or(String::new(), |(_, parent)| parent.clone())));
            above.push((indent, name));
        }
        Self::new(labels, &pairs)
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The number of steps between two labels; zero for the same.
    pub fn distance(&self, left: Class, right: Class) -> u32 {
        let (left, right) = (&self.paths[usize::from(left)], &self.paths[usize::from(right)]);
        let shared = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        (left.len() + right.len() - 2 * shared) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(label, parent)| ((*label).to_owned(), (*parent).to_owned())).collect()
    }

    #[test]
    fn distances_go_over_the_nearest_common_ancestor() {
        let rows = pairs(&[
            ("cat", "animal"),
            ("dog", "animal"),
            ("oak", "plant"),
            ("animal", ""),
            ("plant", ""),
            ("none", ""),
        ]);
        let tree = Hierarchy::new(&["cat", "dog", "oak", "none", "animal"], &rows).unwrap();
        let found: Vec<u32> = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)].map(|(l, r)| tree.distance(l, r)).to_vec();
        assert_eq!(found, [0, 2, 4, 3, 1]);
        let same =
            Hierarchy::parse(&["cat", "dog", "oak", "none"], "animal\n  cat\n  dog\n\nplant\n  oak\nnone\n").unwrap();
        assert_eq!((same.distance(0, 1), same.distance(0, 2), same.distance(2, 3)), (2, 4, 3));
    }

    #[test]
    fn trees_that_are_none_are_refused() {
        let message = |rows: &[(&str, &str)]| Hierarchy::new(&["a"], &pairs(rows)).unwrap_err().to_string();
        assert!(message(&[("a", "b"), ("b", "a")]).contains("ancestor"));
        assert!(message(&[("a", "b"), ("a", "c")]).contains("one parent"));
        assert!(message(&[("b", "")]).contains("`a`"));
    }
}
