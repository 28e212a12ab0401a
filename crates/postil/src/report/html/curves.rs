//! Line charts: a quantity against another, with what is promised or expected of it.

use maud::{Markup, html};

use super::charts::short;

// The drawing's size, and the place of its lower left corner.
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 52.0;

/// A chart with a title and a description for those who cannot see it. The numbers should stand in a table beside it.
pub(super) struct Chart<'a> {
    /// A name that no other chart of the page has.
    pub id: &'a str,
    pub title: &'a str,
    pub description: &'a str,
    pub across: Axis<'a>,
    pub up: Axis<'a>,
    pub lines: Vec<Line<'a>>,
    /// A level that is drawn from side to side, with its name.
    pub level: Option<(f64, &'a str)>,
    /// A place across that is marked, with its name.
    pub mark: Option<(f64, String)>,
}

/// An axis from 0.
pub(super) struct Axis<'a> {
    pub name: &'a str,
    pub end: f64,
}

/// A line through points; its class gives the colour.
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub class: &'a str,
    pub points: Vec<(f64, f64)>,
    /// Whether the line runs level up to each point and then jumps.
    pub steps: bool,
}

/// A number in the drawing.
fn unit(value: f64) -> String {
    format!("{value:.1}")
}

/// Draws a chart with its key.
pub(super) fn chart(chart: &Chart<'_>) -> Markup {
    let across = |value: f64| LEFT + (value / chart.across.end).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let up = |value: f64| TOP + (1.0 - (value / chart.up.end).clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM);
    let path = |line: &Line<'_>| {
        let point = |(place, &(x, y)): (usize, &(f64, f64))| {
            let (x, y) = (unit(across(x)), unit(up(y)));
            match (place, line.steps) {
                (0, _) => format!("M{x} {y}"),
                (_, true) => format!("H{x}V{y}"),
                (_, false) => format!("L{x} {y}"),
            }
        };
        line.points.iter().enumerate().map(point).collect::<String>()
    };
    let (name, text) = (format!("{}-name", chart.id), format!("{}-text", chart.id));
    html! {
        figure class="curve" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (name) " " (text) } {
                title id=(name) { (chart.title) }
                desc id=(text) { (chart.description) }
                @for step in 0..=4 {
                    @let part = f64::from(step) / 4.0;
                    @let (x, y) = (across(part * chart.across.end), up(part * chart.up.end));
                    line class="grid" x1=(unit(LEFT)) x2=(unit(WIDTH - RIGHT)) y1=(unit(y)) y2=(unit(y)) {}
                    text class="up" x=(unit(LEFT - 8.0)) y=(unit(y + 5.0)) { (short(part * chart.up.end)) }
                    text x=(unit(x)) y=(unit(HEIGHT - BOTTOM + 20.0)) { (short(part * chart.across.end)) }
                }
                @if let Some((level, name)) = chart.level {
                    line class="level" x1=(unit(LEFT)) x2=(unit(WIDTH - RIGHT)) y1=(unit(up(level))) y2=(unit(up(level))) {}
                    text class="of-level" x=(unit(WIDTH - RIGHT)) y=(unit(up(level) - 6.0)) { (name) }
                }
                @if let Some((place, name)) = &chart.mark {
                    line class="marked-place" x1=(unit(across(*place))) x2=(unit(across(*place))) y1=(unit(TOP)) y2=(unit(HEIGHT - BOTTOM)) {}
                    text class=(if *place < 0.6 * chart.across.end { "right-of" } else { "left-of" })
                        x=(unit(across(*place) + if *place < 0.6 * chart.across.end { 6.0 } else { -6.0 })) y=(unit(TOP + 12.0)) { (name) }
                }
                @for line in &chart.lines {
                    @if let [point] = line.points.as_slice() {
                        circle class=(line.class) cx=(unit(across(point.0))) cy=(unit(up(point.1))) r="4" {}
                    } @else {
                        path class=(line.class) d=(path(line)) {}
                    }
                }
                line class="axis" x1=(unit(LEFT)) x2=(unit(WIDTH - RIGHT)) y1=(unit(HEIGHT - BOTTOM)) y2=(unit(HEIGHT - BOTTOM)) {}
                text class="name" x=(unit((LEFT + WIDTH - RIGHT) / 2.0)) y=(unit(HEIGHT - 8.0)) { (chart.across.name) }
                text class="name" transform={ "translate(13 " (unit((TOP + HEIGHT - BOTTOM) / 2.0)) ") rotate(-90)" } { (chart.up.name) }
            }
            @if chart.lines.len() > 1 {
                figcaption { @for line in &chart.lines { span class={ "key " (line.class) } { (line.name) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_inside_the_drawing_and_steps_run_level() {
        let chart = chart(&Chart {
            id: "c",
            title: "t",
            description: "d",
            across: Axis { name: "x", end: 1.0 },
            up: Axis { name: "y", end: 0.5 },
            lines: vec![Line { name: "a", class: "one", points: vec![(0.0, 9.0), (1.0, 0.25)], steps: true }],
            level: Some((0.05, "5 %")),
            mark: None,
        })
        .into_string();
        assert!(chart.contains("d=\"M68.0 14.0H416.0V131.0\""), "{chart}");
        assert!(!chart.contains("figcaption") && chart.contains("5 %"));
    }
}
