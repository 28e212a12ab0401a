//! What people said in the browser: votes beside those of programs and models, and blind gold beside that of the file.

use std::collections::BTreeMap;

use postil_core::ledger::Ledger;
use postil_core::{Annotation, AnnotatorIdentity, Answer, Digest, Name, Result, Status, TaskKind};
use postil_review::Desk;

use super::items::Items;

/// The people of a ledger who were asked this kind of question.
pub(super) struct People {
    /// Those whose answers are votes.
    pub voters: Vec<AnnotatorIdentity>,
    /// All of them, with what their answers are for.
    pub everybody: Vec<(Desk, Digest)>,
    gold: Vec<(Desk, Name, Digest)>,
}

/// What people agreed on about an item, or what was decided.
pub(super) struct Agreed {
    /// The item.
    pub item: String,
    /// The answer.
    pub answer: Answer,
}

impl People {
    /// Finds them. Answers to a question of another kind are another annotator's.
    pub(super) fn find(ledger: &Ledger, kind: TaskKind) -> Result<Self> {
        let mut people = Self { voters: Vec::new(), everybody: Vec::new(), gold: Vec::new() };
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
                people.voters.push(identity);
            }
        }
        Ok(people)
    }

    /// The blind gold: what was decided, else what more than half of the people said. Items on which they are divided are
    /// left out, and counted in a sentence.
    pub(super) fn gold(&self, ledger: &Ledger, items: &Items) -> Result<(Vec<Agreed>, Vec<String>)> {
        let mut said: BTreeMap<u32, Vec<Answer>> = BTreeMap::new();
        let mut decided: BTreeMap<u32, (i64, Answer)> = BTreeMap::new();
        for (desk, _, version) in &self.gold {
            let snapshot = ledger.snapshot(&[*version])?;
            for annotation in snapshot.annotations(*version)? {
                let Some(position) = items.position(&annotation.item, annotation.content) else { continue };
                if !is_blind(&annotation) {
                    continue;
                }
                let answer = bare(annotation.answer);
                if desk.judges() {
                    let latest = decided.get(&position).is_none_or(|(at, _)| *at <= annotation.at_millis);
                    if latest {
                        decided.insert(position, (annotation.at_millis, answer));
                    }
                } else {
                    said.entry(position).or_default().push(answer);
                }
            }
        }
        let mut divided = 0_u64;
        let mut agreed = Vec::new();
        for (position, answers) in said {
            let item = items.id(position as usize).to_owned();
            let answer = match decided.remove(&position) {
                Some((_, answer)) => Some(answer),
                None => majority(answers),
            };
            match answer {
                Some(answer) => agreed.push(Agreed { item, answer }),
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
