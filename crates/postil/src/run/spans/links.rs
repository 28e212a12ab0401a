//! Links between spans: what people said, carried to the spans that the run has written.
//!
//! No machine makes links. A link between two written spans counts when more than half of the people who marked both of
//! them, with these borders and labels, gave it; where somebody has decided about an item, that decision alone speaks.

use std::collections::{BTreeMap, BTreeSet};

use postil_core::ledger::Ledger;
use postil_core::sequences::TokenSpan;
use postil_core::text::align;
use postil_core::{Answer, Class, Digest, Document, Link, Name, Result, Status};

use super::super::items::Items;
use super::super::people::{People, keep_latest};
use crate::project::Project;

/// A span on tokens: its first, one past its last, its label.
type Mark = (u32, u32, Class);

/// What one person marked and linked in an item.
#[derive(Debug)]
pub(super) struct Said {
    marks: BTreeSet<Mark>,
    links: BTreeSet<(Mark, Mark, Name)>,
}

/// What people said about each item; empty where the task has no links.
#[derive(Debug, Default)]
pub(super) struct Links {
    items: BTreeMap<u32, Vec<Said>>,
}

impl Links {
    /// Reads what people said, or decided.
    pub(super) fn read(
        project: &Project,
        ledger: &Ledger,
        people: &People,
        items: &Items,
        documents: &[Document],
    ) -> Result<Self> {
        let mut links = Self::default();
        if project.links.is_empty() {
            return Ok(links);
        }
        let mut decided: BTreeMap<u32, (i64, Said)> = BTreeMap::new();
        for (desk, version) in &people.everybody {
            for annotation in ledger.snapshot(&[*version])?.annotations(*version)? {
                let Some(position) = items.position(&annotation.item, annotation.content) else { continue };
                let (Status::Ok, Answer::Spans { .. }) = (annotation.status, &annotation.answer) else { continue };
                let said = said(project, &documents[position as usize], &annotation.answer)?;
                if desk.judges() {
                    keep_latest(&mut decided, position, annotation.at_millis, said);
                } else {
                    links.items.entry(position).or_default().push(said);
                }
            }
        }
        links.items.extend(decided.into_iter().map(|(position, (_, said))| (position, vec![said])));
        Ok(links)
    }

    /// What the files of a run depend on; empty if nobody has linked anything.
    pub(super) fn key(&self) -> String {
        let any = self.items.values().flatten().any(|said| !said.links.is_empty());
        if any { Digest::of(format!("{:?}", self.items).as_bytes()).short() } else { String::new() }
    }

    /// The links between written spans of an item, by their positions.
    pub(super) fn between(&self, item: usize, spans: &[TokenSpan]) -> Vec<Link> {
        let Some(people) = self.items.get(&(item as u32)) else { return Vec::new() };
        let mark = |span: &TokenSpan| (span.start, span.end, span.class);
        let place = |wanted: &Mark| spans.iter().position(|span| mark(span) == *wanted);
        let given: BTreeSet<_> = people.iter().flat_map(|said| &said.links).collect();
        let mut found = Vec::new();
        for link in given {
            let (from, to, kind) = link;
            let (Some(start), Some(end)) = (place(from), place(to)) else { continue };
            let both = people.iter().filter(|said| said.marks.contains(from) && said.marks.contains(to)).count();
            let votes = people.iter().filter(|said| said.links.contains(link)).count();
            if 2 * votes > both {
                found.push(Link { from: start as u32, to: end as u32, kind: kind.clone() });
            }
        }
        found.sort();
        found
    }
}

/// An answer on the tokens of its document.
fn said(project: &Project, document: &Document, answer: &Answer) -> Result<Said> {
    let Answer::Spans { spans, links } = answer else {
        return Ok(Said { marks: BTreeSet::new(), links: BTreeSet::new() });
    };
    let aligned = align(&document.text, &document.tokens, spans);
    let labels = &project.task.labels;
    let mut placed: Vec<Option<Mark>> = vec![None; spans.len()];
    for (named, &given) in aligned.all.iter().zip(&aligned.given) {
        placed[given] = Some((named.start, named.end, labels.expect(&named.label)?));
    }
    let end = |place: u32| placed.get(place as usize).copied().flatten();
    let links = links.iter().filter_map(|link| Some((end(link.from)?, end(link.to)?, link.kind.clone()))).collect();
    Ok(Said { marks: placed.into_iter().flatten().collect(), links })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(marks: &[Mark], links: &[(Mark, Mark, &str)]) -> Said {
        let links = links.iter().map(|(from, to, kind)| (*from, *to, Name::from(*kind))).collect();
        Said { marks: marks.iter().copied().collect(), links }
    }

    #[test]
    fn a_link_counts_when_most_of_those_who_marked_both_ends_gave_it() {
        let (run, cell, value) = ((0, 1, 0), (2, 4, 1), (6, 7, 2));
        let people = vec![
            person(&[run, cell, value], &[(run, cell, "device"), (run, value, "power")]),
            person(&[run, cell, value], &[(run, cell, "device")]),
            // Has not marked the value, so says nothing about links to it.
            person(&[run, cell], &[]),
        ];
        let links = Links { items: BTreeMap::from([(3, people)]) };
        let span = |(start, end, class): Mark| TokenSpan { start, end, class };
        let written = [span(cell), span(run), span(value)];
        let device = [Link { from: 1, to: 0, kind: "device".into() }];
        assert_eq!(links.between(3, &written), device, "power has one of two votes");
        assert_eq!(links.between(3, &written[..2]), device);
        assert!(links.between(3, &written[1..]).is_empty() && links.between(2, &written).is_empty());
        assert!(!links.key().is_empty() && Links::default().key().is_empty());
    }
}
