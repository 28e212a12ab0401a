//! What people said in the browser: votes beside those of programs and models, and blind gold beside that of the file.

use std::collections::BTreeMap;

use postil_core::ledger::Ledger;
use postil_core::{Annotation, AnnotatorIdentity, Answer, Digest, Name, Result, Status, TaskKind, TextPart};
use postil_review::Desk;

use super::items::Items;

/// The people of a ledger who were asked this kind of question.
pub(super) struct People {
    /// Those whose answers are votes.
    pub voters: Vec<AnnotatorIdentity>,
    /// The versions of those among the voters who decide where others differ.
    pub deciders: Vec<Digest>,
    /// All of them, with what their answers are for.
    pub everybody: Vec<(Desk, Digest)>,
    gold: Vec<(Desk, Name, Digest)>,
}

/// What people agreed on about an item, or what was decided.
pub(super) struct Agreed {
    /// The item.
    pub item: String,
    /// The part of its text that was asked about, in code points; none for all of it.
    pub part: Option<(u32, u32)>,
    /// The answer, with places in the whole text.
    pub answer: Answer,
}

impl People {
    /// Finds them. Answers to a question of another kind are another annotator's.
    pub(super) fn find(ledger: &Ledger, kind: TaskKind) -> Result<Self> {
        let mut people = Self { voters: Vec::new(), deciders: Vec::new(), everybody: Vec::new(), gold: Vec::new() };
        for annotator in ledger.annotators()? {
            let Some((desk, person)) = Desk::read(&annotator.config) else { continue };
            let identity = annotator.identity;
            if desk.identity(&person, kind).0.version != identity.version {
                continue;
            }
            people.everybody.push((desk, identity.version));
            if desk.is_gold() {
                people.gold.push((desk, person, identity.version));
            } else {
                people.deciders.extend(desk.judges().then_some(identity.version));
                people.voters.push(identity);
            }
        }
        Ok(people)
    }

    /// Who decided last about an item, by its position.
    pub(super) fn last_words(&self, ledger: &Ledger, items: &Items) -> Result<BTreeMap<u32, Digest>> {
        let mut decided = BTreeMap::new();
        for version in &self.deciders {
            for annotation in ledger.snapshot(&[*version])?.annotations(*version)? {
                if annotation.status == Status::Ok
                    && let Some(position) = items.position(&annotation.item, annotation.content)
                {
                    keep_latest(&mut decided, position, annotation.at_millis, *version);
                }
            }
        }
        Ok(decided.into_iter().map(|(position, (_, version))| (position, version)).collect())
    }

    /// The blind gold: what was decided, else what more than half of the people said. Items on which they are divided are
    /// left out, and counted in a sentence.
    pub(super) fn gold(&self, ledger: &Ledger, items: &Items) -> Result<(Vec<Agreed>, Vec<String>)> {
        let mut said: BTreeMap<Place, Vec<Answer>> = BTreeMap::new();
        let mut decided: BTreeMap<Place, (i64, Answer)> = BTreeMap::new();
        for (desk, _, version) in &self.gold {
            let snapshot = ledger.snapshot(&[*version])?;
            for annotation in snapshot.annotations(*version)? {
                let Some(place) = place(&annotation, items) else { continue };
                if !is_blind(&annotation) {
                    continue;
                }
                let answer = moved(bare(annotation.answer), place.1.map_or(0, |(start, _)| start));
                if desk.judges() {
                    keep_latest(&mut decided, place, annotation.at_millis, answer);
                } else {
                    said.entry(place).or_default().push(answer);
                }
            }
        }
        let mut divided = 0_u64;
        let mut agreed = Vec::new();
        for (place, answers) in said {
            let (item, part) = (items.id(place.0 as usize).to_owned(), place.1);
            let answer = match decided.remove(&place) {
                Some((_, answer)) => Some(answer),
                None => majority(answers),
            };
            match answer {
                Some(answer) => agreed.push(Agreed { item, part, answer }),
                None => divided += 1,
            }
        }
        let mut faults = Vec::new();
        if divided > 0 {
            faults.push(format!(
                "people are divided on {divided} gold items, which are left out: decide them in `postil review`, or the \
                 figures look better than they are"
            ));
        }
        Ok((agreed, faults))
    }
}

/// Keeps what was decided last about something; of two decisions in the same millisecond the one that is brought later.
pub(super) fn keep_latest<K: Ord, V>(decided: &mut BTreeMap<K, (i64, V)>, about: K, at_millis: i64, value: V) {
    if decided.get(&about).is_none_or(|(at, _)| *at <= at_millis) {
        decided.insert(about, (at_millis, value));
    }
}

/// An item by its position, and the part of its text that was asked about.
type Place = (u32, Option<(u32, u32)>);

/// What an answer is about, if it is in the file as it was then.
fn place(annotation: &Annotation, items: &Items) -> Option<Place> {
    if let Some(position) = items.position(&annotation.item, annotation.content) {
        return Some((position, None));
    }
    let part = TextPart::parse(&annotation.item)?;
    Some((items.position(&part.item, annotation.content)?, Some((part.start, part.end))))
}

/// The same answer where its text begins so many code points later.
fn moved(answer: Answer, by: u32) -> Answer {
    match answer {
        Answer::Spans { mut spans, links } => {
            for span in &mut spans {
                (span.start, span.end) = (span.start + by, span.end + by);
            }
            Answer::Spans { spans, links }
        }
        other => other,
    }
}

/// Whether an answer can measure: given at random, and without a suggestion on the screen.
fn is_blind(annotation: &Annotation) -> bool {
    annotation.status == Status::Ok && annotation.inclusion_probability.is_some() && !annotation.suggestion_shown
}

/// Two people may see the same value at two places, and agree on spans when they differ on links.
fn bare(answer: Answer) -> Answer {
    match answer {
        Answer::Record { fields, .. } => Answer::Record { fields, evidence: Vec::new(), rejected: Vec::new() },
        Answer::Spans { spans, .. } => Answer::spans(spans),
        other => other,
    }
}

fn majority(answers: Vec<Answer>) -> Option<Answer> {
    let half = answers.len() / 2;
    let counts = answers.iter().map(|one| answers.iter().filter(|other| *other == one).count());
    let best = counts.enumerate().find(|(_, count)| *count > half).map(|(place, _)| place);
    best.and_then(|place| answers.into_iter().nth(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_must_say_the_same() {
        let [a, b] = ["a", "b"].map(Answer::class);
        assert_eq!(majority(vec![a.clone()]), Some(a.clone()));
        assert_eq!(majority(vec![b.clone(), a.clone(), a.clone()]), Some(a.clone()));
        assert_eq!(majority(vec![a.clone(), b.clone()]), None);
        assert_eq!(majority(vec![a.clone(), b.clone(), Answer::class("c"), a]), None);
    }
}
