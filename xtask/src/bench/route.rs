//! Policies on stored answers of real models: cost against quality, set by set.
//!
//! Prices are made for the bench, in their order of magnitude and their order what such models cost per thousand answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::files::{data, path};
use super::{build, release, round, usage_of};

const PRICES: &[(&str, f64)] = &[
    ("flan-t5-small", 0.01),
    ("flan-t5-base", 0.02),
    ("flan-t5-large", 0.05),
    ("flan-t5-xl", 0.2),
    ("flan-t5-xxl", 0.6),
    ("flan-ul2", 1.0),
    ("roberta", 0.02),
    ("text-ada-001", 0.1),
    ("text-babbage-001", 0.2),
    ("text-curie-001", 0.5),
    ("text-davinci-001", 5.0),
    ("text-davinci-002", 5.0),
    ("text-davinci-003", 5.0),
    ("chatgpt", 0.5),
    ("gpt-4o", 10.0),
    ("gpt-4o-mini", 0.6),
    ("gemini_pro", 5.0),
    ("gemini_flash", 0.3),
    ("llama-31", 0.2),
    ("mistral-v03", 0.1),
    ("falcon_7b", 0.1),
    ("flan_t5_base", 0.02),
    ("flan_t5_large", 0.05),
    ("flan_t5_xl", 0.2),
    ("flan_ul2", 1.0),
    ("gpt_3_5", 0.5),
    ("gpt_4", 20.0),
    ("llama_13b", 0.25),
    ("llama_7b", 0.15),
    ("mistral_7b", 0.15),
    ("mixtral_8x7b", 0.6),
    ("openchat", 0.15),
    ("zephyr", 0.15),
    ("gpt", 5.0),
    ("llama70b", 0.8),
    ("llama8b", 0.1),
    ("mistral", 0.15),
    ("mixtral", 0.6),
];

/// The sets with answers of several models.
fn sets() -> Result<Vec<(String, PathBuf)>> {
    let folder = data().join("llm");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["css-", "alttest-", "babe-media-bias", "vaccine-stance"].iter().any(|start| name.starts_with(start)) {
            found.insert(name, entry.path());
        }
    }
    Ok(found.into_iter().collect())
}

/// The known value of a figure.
fn value(figure: &Value) -> Option<f64> {
    figure["value"].as_f64()
}

/// Every policy on every set, at eight budgets, 100 gold labels that fit, drawn ten times.
pub(super) fn policies() -> Result<()> {
    build(&["--package", "postil"])?;
    let scratch = tempfile::tempdir()?;
    let prices = scratch.path().join("prices.csv");
    let rows: Vec<String> = PRICES.iter().map(|(name, price)| format!("{name},{price}")).collect();
    fs::write(&prices, format!("annotator,price\n{}\n", rows.join("\n")))?;
    let (mut cpu, mut peak, mut decisions) = (0.0f64, 0.0f64, 0);
    let (mut gains, mut shown) = (BTreeMap::<String, Vec<f64>>::new(), Vec::new());
    let (mut points, mut beaten, mut surely) = (0, 0, 0);
    for (name, folder) in sets()? {
        let answers = ["annotations.csv", "annotations.csv.gz"].map(|name| folder.join(name));
        let answers = answers.iter().find(|path| path.exists()).with_context(|| format!("no answers in {name}"))?;
        let truth = folder.join("truth.csv");
        let arguments = ["simulate", path(answers)?, "--gold", path(&truth)?, "--prices", path(&prices)?, "--json"];
        let usage = usage_of(&release("postil"), &arguments)?;
        let found: Value = serde_json::from_str(&usage.output).with_context(|| name.clone())?;
        (cpu, peak) = (cpu + usage.cpu_seconds, peak.max(usage.peak_mb));
        decisions += found["decisions"].as_u64().unwrap_or(0);
        let all = found["points"].as_array().context("no points")?;
        let single = |budget: &Value| all.iter().find(|one| one["policy"] == "single" && &one["budget"] == budget);
        let mut of_set = BTreeMap::<String, Vec<f64>>::new();
        for point in all {
            let Some(other) = single(&point["budget"]).and_then(|one| value(&one["quality"])) else { continue };
            let policy = point["policy"].as_str().unwrap_or("").to_owned();
            let gain = value(&point["quality"]).unwrap_or(0.0) - other;
            of_set.entry(policy.clone()).or_default().push(gain);
            gains.entry(policy).or_default().push(gain);
        }
        points += all.iter().filter(|point| point["policy"] == "auto").count();
        let dominated = found["dominated"].as_array().cloned().unwrap_or_default();
        let distinct = |sure: bool| {
            let kept = dominated.iter().filter(|one| !sure || one["simultaneous"] == true);
            kept.map(|one| one["automatic"].as_u64()).collect::<std::collections::BTreeSet<_>>().len()
        };
        (beaten, surely) = (beaten + distinct(false), surely + distinct(true));
        let savings: Vec<Value> = found["savings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| json!({ "against": one["against"], "saved": one["saved"] }))
            .collect();
        shown.push(json!({
            "set": name, "gain_of_auto": of_set.get("auto").map(|all| round(mean(all))),
            "beaten_points": distinct(false), "beaten_simultaneously": distinct(true), "savings": savings,
        }));
    }
    ensure!(!shown.is_empty(), "no sets at {}", data().display());
    let gains: BTreeMap<String, f64> = gains.into_iter().map(|(policy, all)| (policy, round(mean(&all)))).collect();
    println!(
        "{}",
        json!({
            "rows": decisions, "cpu_seconds": round(cpu), "rows_per_second": (decisions as f64 / cpu).round(), "peak_mb": peak,
            "gain_over_single": gains, "points": points, "beaten_points": beaten, "beaten_simultaneously": surely, "sets": shown,
        })
    );
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
