//! The figures on a terminal.

use postil_core::Measured;
use postil_core::route::{Point, Policy, Saving, Simulation};

use super::super::output::{count, say, table};
use super::pool::Material;

pub(super) fn show(material: &Material, found: &Simulation) -> anyhow::Result<()> {
    let items = found.decisions as f64;
    say(&format!(
        "cost against quality, replayed: {} items, {} annotators, {} gold labels; {} of them fit, drawn {} times, the others \
         measure; 95 % intervals\nmoney for all items; asking everybody about the gold that fits costs {} more, once\n",
        count(found.decisions as u64),
        found.alone.len(),
        count(found.gold as u64),
        count(found.fit as u64),
        found.draws,
        money(found.pilot)
    ))?;
    let rows: Vec<Vec<String>> = found.points.iter().map(|point| row(point, items)).collect();
    say(&table(&["policy", "budget", "spent", "right", "by people", "first draw"], &rows))?;
    if !found.savings.is_empty() {
        let rows: Vec<Vec<String>> = found.savings.iter().map(|one| saving(one, items)).collect();
        say("\nwhat `auto` saves at equal quality")?;
        say(&table(&["against", "right", "spent", "auto spends", "saved"], &rows))?;
    }
    for one in &found.dominated {
        let (automatic, rival) = (&found.points[one.automatic], &found.points[one.rival]);
        say(&format!(
            "with a budget of {} `{}` is better than `auto` at no higher cost: {} against {}{}",
            money(automatic.budget * items),
            rival.policy.name(),
            rival.quality.brief(),
            automatic.quality.brief(),
            if one.simultaneous { "" } else { " (within what one of so many pairs does by chance)" }
        ))?;
    }
    if let Some(note) = &material.note {
        say(note)?;
    }
    Ok(())
}

fn row(point: &Point, items: f64) -> Vec<String> {
    let mut who = point.description.clone();
    if point.policy == Policy::Auto && point.chosen.len() > 1 {
        let chosen: Vec<String> =
            point.chosen.iter().map(|(policy, times)| format!("{} {times}", policy.name())).collect();
        who = format!("{who} ({})", chosen.join(", "));
    }
    vec![
        point.policy.name().to_owned(),
        money(point.budget * items),
        point.cost.value().map_or("unknown".to_owned(), |cost| money(cost * items)),
        percent(&point.quality),
        format!("{:.0} %", 100.0 * point.people),
        who,
    ]
}

fn saving(one: &Saving, items: f64) -> Vec<String> {
    vec![
        one.against.clone(),
        format!("{:.1} %", 100.0 * one.quality),
        money(one.cost * items),
        one.automatic.map_or("not reached".to_owned(), |cost| money(cost * items)),
        saved(&one.saved),
    ]
}

/// A saving in per cent; where some resamples do not reach the quality its lower end is open.
fn saved(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } if *low < -10.0 => {
            format!("{:.0} % [-, {:.0}]", 100.0 * value, 100.0 * high)
        }
        Measured::Known { value, low, high, .. } => {
            format!("{:.0} % [{:.0}, {:.0}]", 100.0 * value, 100.0 * low, 100.0 * high)
        }
        Measured::Unknown { .. } => "unknown".to_owned(),
    }
}

fn percent(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } => {
            format!("{:.1} % [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0)
        }
        Measured::Unknown { .. } => "unknown".to_owned(),
    }
}

/// Money with three significant digits, or none after the point from a thousand.
pub(super) fn money(value: f64) -> String {
    if value >= 1000.0 {
        return count(value.round() as u64);
    }
    let digits = if value <= 0.0 { 0 } else { (2 - value.log10().floor() as i32).clamp(0, 8) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_three_digits() {
        assert_eq!(
            [0.0, 0.001_234, 0.5, 12.345, 999.4, 1234.5].map(money),
            ["0", "0.00123", "0.5", "12.3", "999", "1,235"]
        );
    }
}
