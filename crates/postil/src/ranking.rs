//! A ranking as a table, and what to know about it.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::Names;
use postil_core::pairs::Ranking;
use postil_core::table::TableWriter;
use postil_core::{Error, Measured, Result};

fn part(figure: &Measured, which: usize) -> Option<f64> {
    match figure {
        Measured::Known { value, low, high, .. } => Some([*value, *low, *high][which]),
        Measured::Unknown { .. } => None,
    }
}

/// Three columns of a figure: value, low, high.
pub(crate) fn figure<'a>(
    name: &str,
    figures: impl Iterator<Item = &'a Measured>,
    fields: &mut Vec<Field>,
    columns: &mut Vec<ArrayRef>,
) {
    let figures: Vec<&Measured> = figures.collect();
    for (which, ending) in ["", "_low", "_high"].into_iter().enumerate() {
        fields.push(Field::new(format!("{name}{ending}"), DataType::Float64, true));
        columns.push(Arc::new(figures.iter().map(|figure| part(figure, which)).collect::<Float64Array>()));
    }
}

/// Writes a table of these columns.
pub(crate) fn write(path: &Path, fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<()> {
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    let batch = RecordBatch::try_new(schema, columns)
        .map_err(|error| Error::input("the columns do not fit their table").because(error))?;
    writer.write(&batch)?;
    writer.finish()
}

/// Writes a ranking, the strongest first.
pub(crate) fn write_ranking(path: &Path, contestants: &Names, ranking: &Ranking) -> Result<()> {
    let ranked = || ranking.order.iter().map(|&place| &ranking.standings[place as usize]);
    let mut fields = vec![Field::new("rank", DataType::UInt64, false), Field::new("contestant", DataType::Utf8, false)];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(1..=ranking.order.len() as u64)),
        Arc::new(StringArray::from_iter_values(ranking.order.iter().map(|&place| contestants.get(place)))),
    ];
    figure("strength", ranked().map(|one| &one.strength), &mut fields, &mut columns);
    fields.push(Field::new("share", DataType::Float64, false));
    columns.push(Arc::new(Float64Array::from_iter_values(ranked().map(|one| one.share))));
    for (name, number) in [
        ("wins", ranked().map(|one| one.wins).collect::<Vec<_>>()),
        ("losses", ranked().map(|one| one.losses).collect()),
        ("ties", ranked().map(|one| one.ties).collect()),
    ] {
        fields.push(Field::new(name, DataType::UInt64, false));
        columns.push(Arc::new(UInt64Array::from(number)));
    }
    write(path, fields, columns)
}

/// What a reader of a ranking must know.
pub(crate) fn warnings(contestants: &Names, ranking: &Ranking) -> Vec<String> {
    let mut warnings = Vec::new();
    let connection = &ranking.connection;
    if connection.groups > 1 {
        let first = |wanted: u32| {
            let place = connection.group.iter().position(|group| *group == Some(wanted)).unwrap_or_default();
            format!("`{}`", contestants.get(place as u32))
        };
        let named: Vec<String> = (0..connection.groups.min(5) as u32).map(first).collect();
        warnings.push(format!(
            "the contestants fall into {} groups that were never compared with each other (those of {}): strengths of \
             different groups cannot be compared",
            connection.groups,
            named.join(", ")
        ));
    } else if connection.strong_groups > 1 {
        warnings.push(
            "some contestants only won or only lost against the rest: their strengths are held finite by the quarter of a \
             win and of a loss that is added for each"
                .to_owned(),
        );
    }
    if !ranking.converged {
        warnings.push("the iteration stopped before it settled".to_owned());
    }
    if let Measured::Known { value, low, high, .. } = &ranking.left_among_equals
        && !(*low..=*high).contains(&0.5)
    {
        let side = if *value > 0.5 { "left" } else { "right" };
        warnings.push(format!(
            "annotators lean to the {side}: among equals the left one wins in {:.1} % of the comparisons; the strengths \
             take that into account",
            value * 100.0
        ));
    }
    warnings
}
