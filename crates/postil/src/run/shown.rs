//! Pools of demonstrations for language models, from gold or from a table. The gold that measures is in none of them.

use std::collections::HashMap;

use postil_annotators::llm::{LlmAnnotator, Origin, Pool, Right};
use postil_core::audit::{GoldPart, gold_part};
use postil_core::{Document, Error, ItemBatch, Result, TaskKind};
use postil_student::text::Fingerprint;

use super::annotate::open_items;
use super::gold::{GoldFile, Truth};
use super::{spans, texts};
use crate::project::Project;

/// From which share of the shorter text's pieces a text of a table is a copy of one that measures.
const COPY: f64 = 0.7;

/// Gives a model the pool that its entry names. Demonstrations of a student come later, round by round.
pub(crate) fn with_pool(project: &Project, model: LlmAnnotator) -> Result<LlmAnnotator> {
    let Some(spec) = model.demonstrations() else { return Ok(model) };
    let pool = match &spec.from {
        Origin::Student => return Ok(model),
        Origin::Gold => {
            let pool = gold_texts(project, GoldPart::Fit)?;
            if pool.texts.is_empty() {
                return Err(Error::task(format!(
                    "annotator `{}`: expected gold that fits for demonstrations, found none",
                    model.identity().name
                ))
                .hint("name a gold file in `data.gold`, or a table with `text` and `label` in `from`"));
            }
            pool
        }
        Origin::Table(path) => {
            let path = project.folder.join(path);
            let pool = apart(Pool::read(&path, &project.task)?, &gold_texts(project, GoldPart::Measure)?);
            if pool.texts.is_empty() {
                return Err(
                    Error::input("expected labelled texts beside the gold that measures, found none").in_file(&path)
                );
            }
            pool
        }
    };
    model.with_demonstrations(pool, &[])
}

/// The texts of one part of the project's gold with what is right about them, in the order of the items.
fn gold_texts(project: &Project, part: GoldPart) -> Result<Pool> {
    if project.task.kind == TaskKind::Spans {
        return of_spans(project, part);
    }
    let gold = GoldFile::read(project)?;
    let wanted: HashMap<&str, &Truth> = gold
        .labels
        .iter()
        .filter(|gold| gold_part(&gold.item, project.seed) == part)
        .map(|gold| (gold.item.as_str(), &gold.truth))
        .collect();
    let mut pool = Pool::default();
    if wanted.is_empty() {
        return Ok(pool);
    }
    for_items(project, |batch, row| {
        let Some(truth) = wanted.get(batch.id(row)) else { return Ok(()) };
        let right = match truth {
            Truth::Classes(classes) if project.task.kind == TaskKind::Multilabel => Some(Right::Set(classes.clone())),
            Truth::Classes(classes) => classes.first().copied().map(Right::Class),
            Truth::Tags(tagged) => {
                let document = texts::document_of(project, batch, row)?;
                let tags = tagged.on(&document, project)?;
                marked(&document, &tags)
            }
        };
        if let Some(right) = right {
            pool.texts.push(batch.text(row).to_owned());
            pool.answers.push(right);
        }
        Ok(())
    })?;
    Ok(pool)
}

/// Every token with its tag; nothing where gold leaves one open, since an answer has all of them.
fn marked(document: &Document, tags: &[Option<postil_core::Class>]) -> Option<Right> {
    let marks = document.words().zip(tags).map(|(word, tag)| Some((word.to_owned(), (*tag)?)));
    marks.collect::<Option<Vec<_>>>().map(Right::Marks)
}

/// Texts with gold spans: whole ones, or the sentences that gold is about.
fn of_spans(project: &Project, part: GoldPart) -> Result<Pool> {
    let gold = spans::gold::GoldFile::read(project)?;
    let mut pool = Pool::default();
    if gold.len() == 0 {
        return Ok(pool);
    }
    let of_item = gold.by_item();
    for_items(project, |batch, row| {
        for (text, marks) in gold.shown(&of_item, (batch.id(row), batch.text(row)), part, project)? {
            pool.texts.push(text);
            pool.answers.push(Right::Marks(marks));
        }
        Ok(())
    })?;
    Ok(pool)
}

/// Visits every item of the project.
fn for_items(project: &Project, mut visit: impl FnMut(&ItemBatch, usize) -> Result<()>) -> Result<()> {
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            visit(&batch, row)?;
        }
    }
    Ok(())
}

/// A pool without copies of other texts.
fn apart(pool: Pool, others: &Pool) -> Pool {
    let others: Vec<Fingerprint> = others.texts.iter().map(|text| Fingerprint::of(text)).collect();
    let mut kept = Pool::default();
    for (text, right) in pool.texts.into_iter().zip(pool.answers) {
        let own = Fingerprint::of(&text);
        if others.iter().all(|other| own.containment(other) < COPY) {
            kept.texts.push(text);
            kept.answers.push(right);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_what_measures_leave_the_pool() {
        let pool = |texts: &[&str]| Pool {
            texts: texts.iter().map(ToString::to_string).collect(),
            answers: (0..texts.len() as postil_core::Class).map(Right::Class).collect(),
        };
        let measuring = pool(&["My parcel has not arrived yet, please help", "so lovely"]);
        let kept = apart(
            pool(&[
                "my parcel has NOT arrived yet - please help!",
                "refund my card today, it was charged twice",
                "So lovely!",
            ]),
            &measuring,
        );
        assert_eq!((kept.texts.len(), kept.answers), (1, vec![Right::Class(1)]));
    }
}
