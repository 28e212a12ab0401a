//! Estimates on the terminal and in a file.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::Measured;
use postil_core::estimate::{Estimates, Term};
use postil_core::table::TableWriter;

use super::super::output::{Voice, count, remark, table};

/// Shows estimates one below the other.
pub(super) fn estimates(all: &[Estimates], voice: Voice) -> anyhow::Result<()> {
    let line = |text: &str| voice.say(text);
    let mut noted: Vec<&str> = Vec::new();
    for (number, one) in all.iter().enumerate() {
        for note in &one.notes {
            if !noted.contains(&note.as_str()) {
                remark(&format!("note: {note}"));
                noted.push(note);
            }
        }
        let weight = one.lambda.map_or(String::new(), |lambda| format!(", surrogate's weight {lambda:.3}"));
        line(&format!(
            "{}{}, {}{weight}: {} rows, {} of them with gold",
            if number > 0 { "\n" } else { "" },
            one.what,
            one.method,
            count(one.rows as u64),
            count(one.labelled as u64)
        ))?;
        let level = one.terms.iter().find_map(|term| match &term.estimate {
            Measured::Known { level, .. } => Some(*level),
            Measured::Unknown { .. } => None,
        });
        let header = level.map_or("estimate".to_owned(), |level| format!("estimate [{:.0} %]", level * 100.0));
        let rows: Vec<Vec<String>> = one
            .terms
            .iter()
            .map(|term| {
                vec![
                    term.name.clone(),
                    term.estimate.brief(),
                    term.error.map_or(String::new(), |error| format!("{error:.4}")),
                    term.naive.brief(),
                    term.gold_only.brief(),
                ]
            })
            .collect();
        line(&table(&["term", &header, "error", "surrogate alone", "gold alone"], &rows))?;
        for term in &one.terms {
            if let Measured::Unknown { reason } = &term.estimate {
                line(&format!("{} is unknown: {reason}", term.name))?;
            }
        }
        line(&format!("{}.", one.sentence))?;
        if let Some(text) = with_more_gold(one) {
            line(&text)?;
        }
    }
    Ok(())
}

/// What twice the gold would bring, for the term that would gain most.
fn with_more_gold(one: &Estimates) -> Option<String> {
    let double = one.power.iter().find(|power| power.times == 2.0)?;
    let (place, gain) = one
        .terms
        .iter()
        .zip(&double.errors)
        .enumerate()
        .filter_map(|(place, (term, more))| Some((place, (*more)? / term.error.filter(|error| *error > 0.0)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!(
        "With {} gold labels in place of {} the error of `{}` would be about {:.4} ({:.0} % less).",
        count(double.labelled as u64),
        count(one.labelled as u64),
        one.terms[place].name,
        double.errors[place]?,
        100.0 * (1.0 - gain)
    ))
}

/// Writes every term as a row.
pub(super) fn write(path: &Path, all: &[Estimates]) -> anyhow::Result<()> {
    let mut fields = vec![
        Field::new("what", DataType::Utf8, false),
        Field::new("term", DataType::Utf8, false),
        Field::new("error", DataType::Float64, true),
    ];
    for kind in ["estimate", "naive", "gold_only"] {
        for part in ["", "_low", "_high"] {
            fields.push(Field::new(format!("{kind}{part}"), DataType::Float64, true));
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let rows: Vec<(&Estimates, &Term)> =
        all.iter().flat_map(|one| one.terms.iter().map(move |term| (one, term))).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(one, _)| &one.what))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, term)| &term.name))),
        Arc::new(rows.iter().map(|(_, term)| term.error).collect::<Float64Array>()),
    ];
    let kinds: [fn(&Term) -> &Measured; 3] = [|term| &term.estimate, |term| &term.naive, |term| &term.gold_only];
    let parts: [fn(f64, f64, f64) -> f64; 3] = [|value, _, _| value, |_, low, _| low, |_, _, high| high];
    for kind in kinds {
        for part in parts {
            let cell = |term: &Term| match kind(term) {
                Measured::Known { value, low, high, .. } => Some(part(*value, *low, *high)),
                Measured::Unknown { .. } => None,
            };
            columns.push(Arc::new(rows.iter().map(|(_, term)| cell(term)).collect::<Float64Array>()));
        }
    }
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}
