//! Cost against quality of routing policies, as a page of its own.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use postil_core::Measured;
use postil_core::route::{Point, Policy, Saving, Simulation};

use super::numbers::{count, counted, figure, interval, share};
use super::{POLICY, STYLE, palette, text};

const ROUTES_STYLE: &str = include_str!("routes.css");

// The drawing's size, and the room around the axes.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 54.0;

/// Renders the page of a simulation: one HTML document that loads nothing and runs nothing. The same simulation gives the
/// same bytes.
pub fn routes_page(name: &str, found: &Simulation) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="generator" content=(format!("Postil {}", env!("CARGO_PKG_VERSION")));
                title { (text::clean(name)) " – cost against quality" }
                style { (PreEscaped(STYLE)) (PreEscaped(palette::style())) (PreEscaped(ROUTES_STYLE)) }
            }
            body {
                div class="page" {
                    nav class="contents" aria-label="Contents" {
                        ol {
                            li { a href="#curve" { "Cost against quality" } }
                            @if !found.savings.is_empty() { li { a href="#savings" { "What is saved" } } }
                            li { a href="#points" { "Every point" } }
                            li { a href="#alone" { "Annotators by themselves" } }
                            li { a href="#how" { "How it was measured" } }
                        }
                    }
                    main id="main" { (body(name, found)) }
                }
            }
        }
    }
    .into_string()
}

fn body(name: &str, found: &Simulation) -> Markup {
    html! {
        header {
            p class="eyebrow" { "Whom to ask, and when to stop" }
            h1 { (text::user(name)) }
            p class="facts" {
                span { (counted(found.decisions as u64, "item", "items")) }
                span { (counted(found.alone.len() as u64, "annotator", "annotators")) }
                span { (counted(found.gold as u64, "gold label", "gold labels")) }
                span { (count(found.fit as u64)) " of them fit, drawn " (counted(found.draws as u64, "time", "times")) }
            }
        }
        section class="headline" { (headline(found)) }
        (part("curve", "Cost against quality", &chart(found)))
        @if !found.savings.is_empty() { (part("savings", "What is saved at equal quality", &savings(found))) }
        (part("points", "Every point", &points(found)))
        (part("alone", "Annotators by themselves", &alone(found)))
        (part("how", "How it was measured", &how(found)))
    }
}

fn part(id: &str, title: &str, body: &Markup) -> Markup {
    html! { section id=(id) aria-labelledby={ (id) "-title" } { h2 id={ (id) "-title" } { (title) } (body) } }
}

/// The automatic policy in sentences: what it reaches, what it saves.
fn headline(found: &Simulation) -> Markup {
    let automatic: Vec<&Point> = found.points.iter().filter(|point| point.policy == Policy::Auto).collect();
    let best = automatic.iter().fold(None, |best: Option<&Point>, point| match best {
        Some(best) if best.quality.value() >= point.quality.value() => Some(best),
        _ => Some(point),
    });
    let Some((Measured::Known { value, low, high, basis, .. }, point)) = best.map(|point| (&point.quality, point))
    else {
        return html! { p class="lead" { "The automatic policy was not among those compared." } };
    };
    html! {
        h2 class="metric" { "Labels that are right, with the automatic policy at its best" }
        p class="big" {
            span class="value" { (figure(*value)) }
            span class="interval" { (interval(*low, *high)) }
        }
        p class="basis" { "95 % interval over " (basis) "; " (spent(point, found)) " for all items." }
        @for saving in &found.savings {
            @if let Measured::Known { value, low, high, .. } = &saving.saved {
                @if *low > 0.0 {
                    p {
                        "At the quality of the " (text::prose(&saving.against)) " (" (figure(saving.quality)) ") it saves "
                        strong { (share(*value)) } " of the cost, between " (share(*low)) " and " (share(*high)) "."
                    }
                }
            }
        }
    }
}

fn spent(point: &Point, found: &Simulation) -> String {
    point.cost.value().map_or_else(|| "unknown".to_owned(), |cost| money(cost * found.decisions as f64))
}

/// Money with three significant digits.
fn money(value: f64) -> String {
    if value >= 1000.0 {
        return count(value.round() as u64);
    }
    let digits = if value <= 0.0 { 0 } else { (2 - value.log10().floor() as i32).clamp(0, 8) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A logarithmic axis across and a linear one up, around all points.
struct Plane {
    across: (f64, f64),
    up: (f64, f64),
}

impl Plane {
    fn around(found: &Simulation) -> Self {
        let items = found.decisions as f64;
        let costs = || {
            let points = found.points.iter().filter_map(|point| point.cost.value());
            points.chain(found.alone.iter().map(|one| one.price)).map(|cost| cost * items).filter(|&cost| cost > 0.0)
        };
        let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
        let (low, high) = if low < high { (low, high) } else { (0.5, 2.0) };
        let qualities = || {
            let points = found.points.iter().map(|point| &point.quality);
            let bars =
                found.points.iter().filter(|point| point.policy == Policy::Auto).flat_map(|one| ends(&one.quality));
            points.chain(found.alone.iter().map(|one| &one.quality)).filter_map(Measured::value).chain(bars)
        };
        let (worst, best) = (qualities().fold(1.0, f64::min), qualities().fold(0.0, f64::max));
        let up = ((worst * 20.0 - 0.4).floor().max(0.0) / 20.0, (best * 20.0 + 0.4).ceil().min(20.0) / 20.0);
        Self { across: (low / 1.25, high * 1.25), up }
    }

    fn x(&self, cost: f64) -> f64 {
        let way = (cost.max(self.across.0) / self.across.0).ln() / (self.across.1 / self.across.0).ln();
        LEFT + way.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, quality: f64) -> f64 {
        let way = (quality - self.up.0) / (self.up.1 - self.up.0).max(1e-9);
        TOP + (1.0 - way.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }

    /// Round costs, few enough to be read.
    fn costs(&self) -> Vec<f64> {
        let (first, last) = (self.across.0.log10().floor() as i32, self.across.1.log10().ceil() as i32);
        let steps: &[f64] = match last - first {
            ..=3 => &[1.0, 2.0, 5.0],
            4 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        all.filter(|cost| (self.across.0..=self.across.1).contains(cost)).collect()
    }

    fn qualities(&self) -> Vec<f64> {
        let step = if self.up.1 - self.up.0 > 0.5 { 2 } else { 1 };
        let (first, last) = ((self.up.0 * 20.0).round() as i32, (self.up.1 * 20.0).round() as i32);
        (first..=last).filter(|place| (place - first) % step == 0).map(|place| f64::from(place) / 20.0).collect()
    }
}

/// Both ends of an interval, if there is one.
fn ends(measured: &Measured) -> Vec<f64> {
    match measured {
        Measured::Known { low, high, .. } => vec![*low, *high],
        Measured::Unknown { .. } => Vec::new(),
    }
}

fn unit(value: f64) -> String {
    format!("{value:.1}")
}

/// The colour of a policy.
fn colour(policy: Policy) -> &'static str {
    match policy {
        Policy::Auto => "r-auto",
        Policy::RandomSplit => "r-random",
        Policy::Single => "c3",
        Policy::Majority => "c6",
        Policy::Committee => "c0",
        Policy::Chain => "c1",
        Policy::Entropy => "c2",
        Policy::Confidence => "c4",
        Policy::Cascade => "c5",
        Policy::Value => "c7",
    }
}

/// The policies of a simulation, the automatic one last, so that it is drawn over the others.
fn policies(found: &Simulation) -> Vec<Policy> {
    Policy::ALL.into_iter().filter(|policy| found.points.iter().any(|point| point.policy == *policy)).collect()
}

fn chart(found: &Simulation) -> Markup {
    let plane = Plane::around(found);
    let items = found.decisions as f64;
    let of = |policy: Policy| -> Vec<(f64, f64, (f64, f64))> {
        let mut points: Vec<_> = found
            .points
            .iter()
            .filter(|point| point.policy == policy)
            .filter_map(|point| match (&point.cost, &point.quality) {
                (Measured::Known { value: cost, .. }, Measured::Known { value, low, high, .. }) => {
                    Some((plane.x(cost * items), plane.y(*value), (plane.y(*low), plane.y(*high))))
                }
                _ => None,
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let path = |points: &[(f64, f64, (f64, f64))]| {
        let step = |(place, one): (usize, &(f64, f64, (f64, f64)))| {
            format!("{}{} {}", if place == 0 { 'M' } else { 'L' }, unit(one.0), unit(one.1))
        };
        points.iter().enumerate().map(step).collect::<String>()
    };
    let (left, right, floor) = (unit(LEFT), unit(WIDTH - RIGHT), unit(HEIGHT - BOTTOM));
    html! {
        figure class="curve routes" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="routes-name routes-text" {
                title id="routes-name" { "Share of right labels against cost, by policy" }
                desc id="routes-text" { "Each line is a policy with growing budgets; the numbers stand in the table below." }
                @for quality in plane.qualities() {
                    line class="grid" x1=(left) x2=(right) y1=(unit(plane.y(quality))) y2=(unit(plane.y(quality))) {}
                    text class="up" x=(unit(LEFT - 9.0)) y=(unit(plane.y(quality) + 4.5)) { (format!("{quality:.2}")) }
                }
                @for cost in plane.costs() {
                    line class="grid" x1=(unit(plane.x(cost))) x2=(unit(plane.x(cost))) y1=(unit(TOP)) y2=(floor) {}
                    text x=(unit(plane.x(cost))) y=(unit(HEIGHT - BOTTOM + 19.0)) { (money(cost)) }
                }
                line class="axis" x1=(left) x2=(right) y1=(floor) y2=(floor) {}
                text class="name" x=(unit((LEFT + WIDTH - RIGHT) / 2.0)) y=(unit(HEIGHT - 8.0)) { "money for all items" }
                text class="name" transform={ "translate(12 " (unit((TOP + HEIGHT - BOTTOM) / 2.0)) ") rotate(-90)" } { "share of labels that are right" }
                @for one in &found.alone {
                    @if let (Some(quality), true) = (one.quality.value(), one.price > 0.0) {
                        circle class="alone" cx=(unit(plane.x(one.price * items))) cy=(unit(plane.y(quality))) r="3.5" {
                            title { (text::clean(&one.name)) }
                        }
                    }
                }
                @for policy in policies(found) {
                    @let points = of(policy);
                    @let kind = match policy { Policy::Auto => "automatic", Policy::RandomSplit => "baseline", _ => "plain" };
                    g class={ "policy " (kind) " " (colour(policy)) } {
                        @if policy == Policy::Auto {
                            @for one in &points {
                                line class="whisker" x1=(unit(one.0)) x2=(unit(one.0)) y1=(unit(one.2.0)) y2=(unit(one.2.1)) {}
                            }
                        }
                        path d=(path(&points)) {}
                        @for one in &points { circle cx=(unit(one.0)) cy=(unit(one.1)) r=(if policy == Policy::Auto { "5" } else { "2.75" }) {} }
                    }
                }
            }
            figcaption {
                @for policy in policies(found).into_iter().rev() { span class={ "key " (colour(policy)) } { (policy.name()) } }
                span class="key ring" { "an annotator by itself" }
            }
        }
        p class="soft" { "Bars are 95 % intervals of the automatic policy. The axis of money is logarithmic." }
    }
}

fn savings(found: &Simulation) -> Markup {
    let items = found.decisions as f64;
    let saved = |one: &Saving| match &one.saved {
        Measured::Known { value, low, high, .. } => html! {
            span class="figure" {
                (share_of(*value)) " " span class="interval" {
                    "[" @if *low < -10.0 { "–" } @else { (share_of(*low)) } ", " (share_of(*high)) "]"
                }
            }
        },
        Measured::Unknown { .. } => html! { span class="unknown" { "not reached" } },
    };
    html! {
        div class="scroll" {
            table {
                thead { tr { th { "Against" } th class="number" { "Right" } th class="number" { "It costs" } th class="number" { "Automatic costs" } th class="number" { "Saved" } } }
                tbody {
                    @for one in &found.savings {
                        tr {
                            th scope="row" { (text::prose(&one.against)) }
                            td class="number" { (figure(one.quality)) }
                            td class="number" { (money(one.cost * items)) }
                            td class="number" { (one.automatic.map_or_else(|| "–".to_owned(), |cost| money(cost * items))) }
                            td class="number" { (saved(one)) }
                        }
                    }
                }
            }
        }
        p class="notes" {
            "What the automatic policy needs for the same share of right labels is read off its curve, on straight lines between \
             budgets. Below zero it needs more. An interval that begins with a dash is open: in some resamples the quality is not reached."
        }
    }
}

/// A share in per cent that may be negative.
fn share_of(value: f64) -> String {
    if value >= 0.0 {
        return share(value);
    }
    format!("{:.0}\u{202f}%", 100.0 * value)
}

fn points(found: &Simulation) -> Markup {
    let items = found.decisions as f64;
    let people = found.points.iter().any(|point| point.people > 0.0);
    html! {
        div class="scroll tall" {
            table class="points" {
                thead {
                    tr {
                        th { "Policy" } th class="number" { "Budget" } th class="number" { "Spent" } th { "Right" }
                        @if people { th class="number" { "By people" } }
                        th { "Who, in the first draw" }
                    }
                }
                @for policy in policies(found) {
                    tbody {
                        @for point in found.points.iter().filter(|point| point.policy == policy) {
                            tr {
                                th scope="row" { span class={ "key " (colour(policy)) } { (policy.name()) } }
                                td class="number" { (money(point.budget * items)) }
                                td class="number" { (spent(point, found)) }
                                td { (quality(&point.quality)) }
                                @if people { td class="number" { (share(point.people)) } }
                                td class="who" { (text::prose(&point.description)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn quality(measured: &Measured) -> Markup {
    match measured {
        Measured::Known { value, low, high, .. } => html! {
            span class="figure" { (figure(*value)) " " span class="interval" { (interval(*low, *high)) } }
        },
        Measured::Unknown { .. } => html! { span class="unknown" { "unknown" } },
    }
}

fn alone(found: &Simulation) -> Markup {
    let items = found.decisions as f64;
    html! {
        div class="scroll tall" {
            table {
                thead { tr { th { "Annotator" } th class="number" { "All items cost" } th { "Right" } th class="number" { "Asked about" } } }
                tbody {
                    @for one in &found.alone {
                        tr {
                            th scope="row" { (text::user(&one.name)) }
                            td class="number" { (money(one.price * items)) }
                            td { (quality(&one.quality)) }
                            td class="number" { (share(one.coverage)) }
                        }
                    }
                }
            }
        }
    }
}

fn how(found: &Simulation) -> Markup {
    html! {
        p {
            "Stored answers were replayed. " (counted(found.draws as u64, "time", "times")) ", " (count(found.fit as u64))
            " gold labels were drawn at random to choose annotators, orders, shares and thresholds; the plan was carried out on all "
            "items, looking at no answer before it was paid for, and judged on the other gold labels. Intervals are percentiles of a "
            "bootstrap over gold items and over draws."
        }
        p {
            "Everybody is asked about the gold that fits. That costs " strong { (money(found.pilot)) }
            " once, whatever the number of items, and is in no other figure here."
        }
        @if !found.dominated.is_empty() {
            p class="alarm" {
                "At " (counted(found.dominated.len() as u64, "pair of points", "pairs of points"))
                " another policy is better than the automatic one at no higher cost, beyond the interval; "
                (found.dominated.iter().filter(|one| one.simultaneous).count())
                " of them beyond what the best of so many pairs does by chance."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use postil_core::route::{Alone, Saving};

    use super::*;

    fn found() -> Simulation {
        let point = |policy, cost: f64, value: f64| Point {
            policy,
            budget: cost,
            cost: Measured::known(cost, (cost, cost), "b"),
            quality: Measured::known(value, (value - 0.05, value + 0.05), "b"),
            people: 0.0,
            description: "<script>".to_owned(),
            chosen: vec![(Policy::Single, 1)],
        };
        Simulation {
            decisions: 100,
            gold: 60,
            fit: 24,
            draws: 2,
            pilot: 3.0,
            points: vec![
                point(Policy::Single, 0.01, 0.6),
                point(Policy::Auto, 0.01, 0.6),
                point(Policy::Auto, 1.0, 0.8),
            ],
            alone: vec![Alone {
                name: "a&b".to_owned(),
                price: 0.01,
                person: false,
                quality: Measured::known(0.6, (0.5, 0.7), "b"),
                coverage: 1.0,
            }],
            savings: vec![Saving {
                against: "x".to_owned(),
                quality: 0.7,
                cost: 1.0,
                automatic: Some(0.5),
                saved: Measured::known(0.5, (0.2, 0.6), "b"),
            }],
            dominated: Vec::new(),
        }
    }

    #[test]
    fn the_page_is_whole_and_escapes_names() {
        let page = routes_page("answers <b>", &found());
        assert!(page.contains("a&amp;b") && !page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<strong>50\u{202f}%</strong>") && page.contains("r-auto"), "{page}");
        assert_eq!(page, routes_page("answers <b>", &found()));
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }

    #[test]
    fn the_plane_holds_every_point() {
        let plane = Plane::around(&found());
        assert!(plane.x(1.0) > LEFT && plane.x(100.0) < WIDTH - RIGHT);
        assert!(plane.y(0.6) < HEIGHT - BOTTOM && plane.y(0.8) > TOP);
        assert!(plane.costs().contains(&10.0) && plane.qualities().len() >= 3);
    }
}
