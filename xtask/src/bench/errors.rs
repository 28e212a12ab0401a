//! Benches of CROWDLAB and of label errors on generated data, inside this process; and of cleanlab on the same data
//! where the environment variable POSTIL_PEERS names a Python that has it.

use anyhow::Result;
use postil_core::Random;
use postil_core::crowdlab::{ModelSettings, Variant, fit, fit_with_model};
use postil_core::label_errors::{Probabilities, Settings, find};
use postil_core::votes::{Gold, VotesBuilder};
use serde_json::json;

use super::inside::{best, peak_mb, peer};
use super::round;

const ITEMS: usize = 10_753;
const ANNOTATORS: usize = 819;

const CROWDLAB: &str = "
import json, resource, sys, time
import numpy as np, pandas as pd
from cleanlab.multiannotator import get_label_quality_multiannotator
folder = sys.argv[1]
answers = np.fromfile(folder + '/answers', dtype=np.uint32).reshape(-1, 3)
model = np.fromfile(folder + '/model', dtype=np.float64).reshape(-1, 2)
wide = np.full((len(model), answers[:, 1].max() + 1), np.nan)
wide[answers[:, 0], answers[:, 1]] = answers[:, 2]
wide = wide[:, ~np.isnan(wide).all(axis=0)]
start = time.process_time()
found = get_label_quality_multiannotator(pd.DataFrame(wide), model, verbose=False)
cpu = time.process_time() - start
labels = found['label_quality']['consensus_label'].to_numpy()
print(json.dumps({'cpu_seconds': cpu, 'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  'positive': int((labels == 1).sum())}))
";

/// As many answers, items and annotators as the largest of the project's two-class sets: five answers per item.
pub(super) fn crowdlab() -> Result<()> {
    let mut random = Random::new(7);
    let skill: Vec<f64> = (0..ANNOTATORS).map(|_| 0.6 + 0.35 * random.unit()).collect();
    let mut builder = VotesBuilder::new(2);
    let (mut truth, mut model, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for item in 0..ITEMS as u32 {
        let class = u16::from(random.unit() < 0.4);
        truth.push(class);
        let first = random.below(ANNOTATORS);
        for answer in 0..5 {
            let annotator = (first + answer * 163) % ANNOTATORS;
            let said = if random.unit() < skill[annotator] { class } else { 1 - class };
            builder.push(item, annotator as u32, said)?;
            answers.extend([item, annotator as u32, u32::from(said)]);
        }
        let own = 0.3 + 0.65 * random.unit();
        model.extend(if class == 0 { [own, 1.0 - own] } else { [1.0 - own, own] });
    }
    let votes = builder.build(ITEMS, ANNOTATORS)?;
    let probabilities = Probabilities::double(&model, 2)?;
    let (strict_cpu, strict) = best(|| Ok(fit(&votes, &[probabilities], Variant::Strict)?))?;
    let (cpu, repaired) = best(|| Ok(fit(&votes, &[probabilities], Variant::Repaired)?))?;
    let (dawid_skene_cpu, dawid_skene) =
        best(|| Ok(fit_with_model(&votes, &Gold::none(), probabilities, &ModelSettings::default())?))?;
    let right = |labels: &[u16]| labels.iter().zip(&truth).filter(|(l, t)| l == t).count() as f64 / truth.len() as f64;
    let own_peak = peak_mb()?;

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("answers"), answers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())?;
    std::fs::write(folder.path().join("model"), model.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>())?;
    let peer = peer("cleanlab", CROWDLAB, folder.path())?;
    println!(
        "{}",
        json!({
            "rows": votes.len(),
            "cpu_seconds": round(cpu),
            "rows_per_second": (votes.len() as f64 / cpu).round(),
            "peak_mb": own_peak,
            "strict_cpu_seconds": round(strict_cpu),
            "model_dawid_skene_cpu_seconds": round(dawid_skene_cpu),
            "right": right(&repaired.labels),
            "strict_right": right(&strict.labels),
            "model_dawid_skene_right": right(&dawid_skene.labels),
            "strict_positive": strict.labels.iter().filter(|&&label| label == 1).count(),
            "cleanlab": peer,
        })
    );
    Ok(())
}

const ROWS: usize = 1_000_000;
const CLASSES: usize = 10;

const LABEL_ISSUES: &str = "
import json, resource, sys, time
import numpy as np
from cleanlab.filter import find_label_issues
folder = sys.argv[1]
labels = np.fromfile(folder + '/labels', dtype=np.uint16).astype(np.int64)
rows = np.fromfile(folder + '/rows', dtype=np.float64).reshape(len(labels), -1)
def run(**more):
    before, children = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    found = find_label_issues(labels, rows, n_jobs=1, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() - before + after.ru_utime - children.ru_utime, int(found.sum())
run()
cpu, found = run(filter_by='low_self_confidence')
default_cpu, default_found = run()
print(json.dumps({'cpu_seconds': cpu, 'found': found, 'default_filter_cpu_seconds': default_cpu,
                  'default_filter_found': default_found,
                  'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
";

/// A million labels of ten classes, a tenth of them wrong.
pub(super) fn label_issues() -> Result<()> {
    let mut random = Random::new(5);
    let mut labels = Vec::with_capacity(ROWS);
    let mut rows = Vec::with_capacity(ROWS * CLASSES);
    let mut wrong = vec![false; ROWS];
    for wrong in &mut wrong {
        let class = random.below(CLASSES);
        *wrong = random.unit() < 0.1;
        labels.push(if *wrong { (class + 1 + random.below(CLASSES - 1)) % CLASSES } else { class } as u16);
        let start = rows.len();
        rows.extend(
            (0..CLASSES).map(|k| -random.unit().max(1e-300).ln() + if k == class { 6.0 * random.unit() } else { 0.0 }),
        );
        let total: f64 = rows[start..].iter().sum();
        rows[start..].iter_mut().for_each(|p| *p /= total);
    }
    let before = peak_mb()?;
    let settings = Settings::default();
    let (cpu, found) = best(|| Ok(find(&labels, Probabilities::double(&rows, CLASSES)?, &settings)?))?;
    let added = peak_mb()? - before;
    let single: Vec<f32> = rows.iter().map(|&p| p as f32).collect();
    let (single_cpu, _) = best(|| Ok(find(&labels, Probabilities::single(&single, CLASSES)?, &settings)?))?;
    let hits = found.issues.iter().filter(|issue| wrong[issue.item as usize]).count();
    let own_peak = peak_mb()?;

    let folder = tempfile::tempdir()?;
    let peer = if std::env::var_os("POSTIL_PEERS").is_some() {
        std::fs::write(folder.path().join("labels"), labels.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())?;
        std::fs::write(folder.path().join("rows"), rows.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>())?;
        peer("cleanlab", LABEL_ISSUES, folder.path())?
    } else {
        peer("cleanlab", "", folder.path())?
    };
    println!(
        "{}",
        json!({
            "rows": ROWS,
            "cpu_seconds": round(cpu),
            "rows_per_second": (ROWS as f64 / cpu).round(),
            "peak_mb": own_peak,
            "peak_mb_beyond_the_input": added,
            "single_precision_cpu_seconds": round(single_cpu),
            "classes": CLASSES,
            "found": found.issues.len(),
            "precision": hits as f64 / found.issues.len().max(1) as f64,
            "recall": hits as f64 / wrong.iter().filter(|&&wrong| wrong).count() as f64,
            "estimated": found.estimated,
            "cleanlab": peer,
        })
    );
    Ok(())
}
