//! Pools of demonstrations for language models, from gold or from a table. The gold that measures is in none of them.

use std::collections::HashMap;

use postil_annotators::llm::{LlmAnnotator, Origin, Pool};
use postil_core::audit::{GoldPart, gold_part};
use postil_core::{Class, Error, Result};
use postil_student::text::Fingerprint;

use super::annotate::open_items;
use super::gold::GoldFile;
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

/// The texts of one part of the project's gold with their labels, in the order of the items.
fn gold_texts(project: &Project, part: GoldPart) -> Result<Pool> {
    let gold = GoldFile::read(project)?;
    let wanted: HashMap<&str, Class> = gold
        .labels
        .iter()
        .filter(|gold| gold_part(&gold.item, project.seed) == part)
        .filter_map(|gold| Some((gold.item.as_str(), gold.class()?)))
        .collect();
    let mut pool = Pool::default();
    if wanted.is_empty() {
        return Ok(pool);
    }
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for row in 0..batch.len() {
            if let Some(&class) = wanted.get(batch.id(row)) {
                pool.texts.push(batch.text(row).to_owned());
                pool.labels.push(class);
            }
        }
    }
    Ok(pool)
}

/// A pool without copies of other texts.
fn apart(pool: Pool, others: &Pool) -> Pool {
    let others: Vec<Fingerprint> = others.texts.iter().map(|text| Fingerprint::of(text)).collect();
    let mut kept = Pool::default();
    for (text, label) in pool.texts.into_iter().zip(pool.labels) {
        let own = Fingerprint::of(&text);
        if others.iter().all(|other| own.containment(other) < COPY) {
            kept.texts.push(text);
            kept.labels.push(label);
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
            labels: (0..texts.len() as Class).collect(),
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
        assert_eq!((kept.texts.len(), kept.labels), (1, vec![1]));
    }
}
