//! A trained model in the role of an annotator.

use postil_core::{LabelSet, TaskKind};
use postil_student::text::{Head, Target, Trainer};

use crate::support::{Project, briefs, items, message};

const SPEC: &str = r#"{"kind": "model", "name": "student", "path": "m.postil"}"#;

fn trained(head: Head, labels: &[&str], folder: &std::path::Path) {
    let pieces = ["crash at login", "refund my invoice", "thanks, lovely"];
    let texts: Vec<String> = (0..60).map(|row| format!("{} number {row}", pieces[row % labels.len()])).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let targets: Vec<Target> = (0..60)
        .map(|row| {
            let class = (row % labels.len()) as u16;
            if head == Head::Multilabel { Target::Set(vec![class]) } else { Target::Hard(class) }
        })
        .collect();
    let fitted = Trainer::new(labels.iter().copied(), head).unwrap().fit(&texts, &targets, None).unwrap();
    fitted.model.save(folder.join("m.postil")).unwrap();
}

#[test]
fn a_model_answers_everything_with_its_probabilities() {
    let project = Project::new(TaskKind::Classify);
    // The model's labels stand in another order than the task's.
    trained(Head::Softmax, &["bug", "billing", "praise"], project.folder());
    let mut model = project.one(SPEC);
    let annotations = model.annotate(&items(&["it had a crash", "an invoice", "", "thanks"])).unwrap();
    assert_eq!(briefs(&annotations)[..2], ["bug", "billing"]);
    assert_eq!(briefs(&annotations)[3], "praise");
    for annotation in &annotations {
        let shares = annotation.distribution.as_ref().unwrap();
        assert!((shares.iter().map(|(_, share)| share).sum::<f32>() - 1.0).abs() < 1e-4);
        let most = shares.iter().map(|(_, share)| *share).fold(0.0, f32::max);
        assert_eq!(annotation.confidence, Some(most));
    }
    assert!(model.annotate(&items(&[])).unwrap().is_empty());
    let version = model.identity().version;
    trained(Head::Softmax, &["billing", "bug", "praise"], project.folder());
    assert_ne!(project.one(SPEC).identity().version, version);
}

#[test]
fn a_multilabel_model_gives_sets() {
    let project = Project::new(TaskKind::Multilabel);
    trained(Head::Multilabel, &["bug", "billing", "praise"], project.folder());
    let annotations = project.one(SPEC).annotate(&items(&["crash at login", "refund my invoice"])).unwrap();
    assert_eq!(briefs(&annotations), ["{bug}", "{billing}"]);
    assert_eq!(annotations[0].confidence, None);
}

#[test]
fn a_model_of_another_task_is_refused() {
    let mut project = Project::new(TaskKind::Classify).with("broken/m.postil", "not a model");
    trained(Head::Softmax, &["bug", "billing", "praise"], project.folder());
    project.task.labels = LabelSet::flat(["bug", "billing"]).unwrap();
    assert!(message(project.open(SPEC)).starts_with("m.postil: expected one of `bug`, `billing`, found `praise`"));
    let several = Project::new(TaskKind::Multilabel);
    trained(Head::Softmax, &["bug", "billing", "praise"], several.folder());
    assert!(message(several.open(SPEC)).contains("expected a model for any number of labels per item"));
    let ordinal = Project::new(TaskKind::Ordinal);
    trained(Head::Ordinal, &["billing", "bug", "praise"], ordinal.folder());
    assert!(message(ordinal.open(SPEC)).contains("another order of labels"));
    assert!(message(project.open(&SPEC.replace("m.postil", "broken/m.postil"))).starts_with("broken/m.postil: "));
    assert!(message(project.open(&SPEC.replace("m.postil", "none.postil"))).starts_with("none.postil: "));
}
