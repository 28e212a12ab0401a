//! Which links a task has between spans.

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::task::{LabelSet, Name};

/// A kind of link between two spans, such as `agent`, and the labels that it may join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkKind {
    /// Its name.
    pub kind: Name,
    /// The labels of spans where it may begin; any if there are none.
    pub from: Vec<Name>,
    /// The labels of spans where it may end; any if there are none.
    pub to: Vec<Name>,
}

impl LinkKind {
    /// Whether a link of this kind may go from a span of one label to a span of another.
    pub fn joins(&self, from: &str, to: &str) -> bool {
        let has = |labels: &[Name], label: &str| labels.is_empty() || labels.iter().any(|one| **one == *label);
        has(&self.from, from) && has(&self.to, to)
    }

    /// Checks the kinds of a task: no two with one name, and no label that the task does not have.
    ///
    /// # Errors
    /// A name is empty or comes twice, or a label is none of the task's.
    pub fn check(kinds: &[Self], labels: &LabelSet) -> Result<()> {
        for (place, kind) in kinds.iter().enumerate() {
            if kind.kind.trim().is_empty() || kinds[..place].iter().any(|other| other.kind == kind.kind) {
                return Err(Error::task(format!(
                    "expected kinds of links with names of their own in `task.links`, found `{}`",
                    kind.kind
                )));
            }
            kind.from.iter().chain(&kind.to).try_for_each(|label| labels.expect(label).map(|_| ()))?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for LinkKind {
    /// A name, or a table with `kind` and, where not every label will do, `from` and `to`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            kind: Name,
            #[serde(default)]
            from: Vec<Name>,
            #[serde(default)]
            to: Vec<Name>,
        }
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = LinkKind;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("the name of a kind of link, or a table with `kind`, `from` and `to`")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<LinkKind, E> {
                Ok(LinkKind { kind: name.into(), from: Vec::new(), to: Vec::new() })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> std::result::Result<LinkKind, A::Error> {
                let Table { kind, from, to } = Table::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(LinkKind { kind, from, to })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Label;

    #[test]
    fn kinds_are_names_or_tables() {
        let kinds: Vec<LinkKind> =
            serde_json::from_str(r#"["agent", { "kind": "device", "from": ["RUN"], "to": ["CELL", "STACK"] }]"#)
                .unwrap();
        assert!(kinds[0].joins("RUN", "RUN"));
        assert!(kinds[1].joins("RUN", "STACK") && !kinds[1].joins("CELL", "RUN"));
        let label = |name: &str| Label { name: name.into(), parent: None, definition: None };
        let labels = LabelSet::new(["RUN", "CELL", "STACK"].map(label).to_vec()).unwrap();
        LinkKind::check(&kinds, &labels).unwrap();
        let twice = [kinds[0].clone(), kinds[0].clone()];
        assert!(LinkKind::check(&twice, &labels).unwrap_err().is_task());
        let unknown = LinkKind { kind: "x".into(), from: vec!["SHIP".into()], to: Vec::new() };
        assert!(LinkKind::check(&[unknown], &labels).unwrap_err().to_string().contains("SHIP"));
        assert!(serde_json::from_str::<LinkKind>(r#"{ "kind": "x", "form": [] }"#).is_err());
    }
}
