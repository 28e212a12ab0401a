//! Learning labels of whole texts.

use postil_core::audit::wilson;
use postil_core::{Answer, Class, Measured, TaskKind};
use postil_student::text::{Fitted, Head, Target, TextOptions, Trainer};

use super::{Labelled, Lesson};
use crate::items::Stored;
use crate::room::Room;
use crate::suggest::labelled;
use crate::wire::Suggestion;

impl Room {
    pub(super) fn learn_whole(&self, labels: &[Labelled]) -> Option<Measured> {
        let kind = self.place.task.kind;
        let lesson = self.lesson(labels);
        let head = match kind {
            TaskKind::Multilabel => Head::Multilabel,
            TaskKind::Ordinal => Head::Ordinal,
            _ => Head::Softmax,
        };
        let truth: Vec<Vec<Class>> = lesson.items.iter().map(|(_, (_, answer))| self.classes(answer)).collect();
        let target = |classes: &Vec<Class>| match kind {
            TaskKind::Multilabel => Some(Target::Set(classes.clone())),
            _ => classes.first().map(|&class| Target::Hard(class)),
        };
        let targets: Option<Vec<Target>> = truth.iter().map(target).collect();
        let texts: Vec<&str> = lesson.items.iter().map(|(stored, _)| stored.text()).collect();
        let trainer = Trainer::new(self.place.task.labels.names().map(ToString::to_string), head).ok()?;
        let trainer = trainer.with_options(TextOptions::new().seed(self.place.seed).folds(3));
        let fitted = trainer.fit(&texts, &targets?, None).ok()?;
        self.order(labels.len(), |slice| self.suggest_whole(&fitted, slice));
        Some(self.accuracy(&fitted, &lesson, &truth))
    }

    fn classes(&self, answer: &Answer) -> Vec<Class> {
        answer.labels().filter_map(|label| self.place.task.labels.class(label)).collect()
    }

    fn given(&self, fitted: &Fitted, row: &[f32]) -> Vec<Class> {
        match self.place.task.kind {
            TaskKind::Multilabel => fitted.model.applying(row).collect(),
            TaskKind::Ordinal => vec![fitted.model.median(row)],
            _ => vec![fitted.model.most_probable(row)],
        }
    }

    /// Accuracy on blind gold, or on the answers themselves by models that have not seen them.
    fn accuracy(&self, fitted: &Fitted, lesson: &Lesson<'_>, truth: &[Vec<Class>]) -> Measured {
        let width = self.place.task.labels.len();
        let share = |rows: &[f32], truth: &[Vec<Class>], basis: String| {
            let hits = rows.chunks(width).zip(truth).filter(|(row, truth)| self.given(fitted, row) == **truth).count();
            let share = hits as f64 / truth.len() as f64;
            Measured::known(share, wilson(share, truth.len() as f64), basis)
        };
        if let Some(gold) = self.blind() {
            let gold = self.lesson(&gold);
            let texts: Vec<&str> = gold.items.iter().map(|(stored, _)| stored.text()).collect();
            let truth: Vec<Vec<Class>> = gold.items.iter().map(|(_, (_, answer))| self.classes(answer)).collect();
            let rows = fitted.model.predict_batch(&texts);
            return share(&rows, &truth, format!("{} blind gold items of people", truth.len()));
        }
        share(&fitted.out_of_fold, truth, lesson.basis())
    }

    fn suggest_whole(&self, fitted: &Fitted, slice: &[Stored]) -> Vec<Option<Suggestion>> {
        let task = &self.place.task;
        let texts: Vec<&str> = slice.iter().map(Stored::text).collect();
        let rows = fitted.model.predict_batch(&texts);
        let one = |row: &[f32]| {
            // Of a multi-label item the least certain label counts.
            let sure = match task.kind {
                TaskKind::Multilabel => row.iter().map(|&p| p.max(1.0 - p)).fold(1.0, f32::min),
                _ => row.iter().copied().fold(0.0, f32::max),
            };
            let given = self.given(fitted, row).into_iter();
            let names: Vec<&str> = given.map(|class| task.labels.name(class).as_ref()).collect();
            let confidences = (task.kind == TaskKind::Multilabel).then(|| row.iter().map(|&p| Some(p)).collect());
            Some(Suggestion {
                answer: labelled(&names.join("|"), task)?,
                source: "model".to_owned(),
                confidence: Some(sure),
                confidences,
                evidence: None,
            })
        };
        rows.chunks(task.labels.len()).map(one).collect()
    }
}
