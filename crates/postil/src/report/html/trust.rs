//! What may be accepted unseen, how many there are of each label, which labels are probably wrong, and how far the
//! annotators agree.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::trust::{AgreementSummary, ErrorSummary, Part, PromiseSummary, ShareSummary, Trust};
use super::curves::{Axis, Chart, Line, chart};
use super::palette::Palette;
use super::{charts, figures::Notes, numbers, text};

/// A part, or why it is missing.
fn part<T>(part: &Part<T>, what: &str, show: impl FnOnce(&T) -> Markup) -> Markup {
    match part {
        Part::Known(known) => show(known),
        Part::Unknown(reason) => html! {
            div class="unknown-panel" {
                p { strong { (what) } }
                p { (text::prose(&text::capital(reason))) }
            }
        },
    }
}

/// Which labels may be accepted unseen.
pub(super) fn promise(trust: &Trust) -> Markup {
    part(&trust.promise, "Nothing can be promised about the labels.", |promise| {
        let notes = Notes::of([&promise.share, &promise.error]);
        html! {
            p class="lead" { (text::prose(&text::capital(&promise.sentence))) }
            p { "The sure labels are accepted first. The line shows what share of the accepted is wrong, the upper line how "
                "large that share may be for all the gold says." }
            div class="beside" {
                (risk_chart(promise))
                div {
                    @if promise.threshold.is_some() {
                        dl class="facts-list" {
                            div { dt { "Accepted" } dd { (notes.figure(&promise.share)) } }
                            div { dt { "Wrong among them" } dd { (notes.figure(&promise.error)) } }
                        }
                    }
                    (risk_table(promise))
                    p class="basis" { (text::prose(&text::capital(&promise.basis))) }
                    @if promise.threshold.is_some() { (notes.list()) }
                }
            }
        }
    })
}

fn risk_chart(promise: &PromiseSummary) -> Markup {
    let risks = promise.curve.iter().filter_map(|row| Some((row.share, row.risk?))).collect::<Vec<_>>();
    let bounds = promise.curve.iter().map(|row| (row.share, row.upper)).collect::<Vec<_>>();
    let top = risks.iter().map(|(_, risk)| *risk).fold(2.0 * promise.risk, f64::max);
    let named = format!("promised: {}", numbers::share(promise.risk));
    let accepted = promise.curve.iter().filter(|row| row.promised).map(|row| row.share).fold(0.0, f64::max);
    chart(&Chart {
        id: "risk",
        title: "Share of wrong labels against share accepted",
        description: "The share of wrong labels among those accepted, its upper bound, and the level that is promised.",
        across: Axis { name: "share of the items accepted, surest first", end: 1.0 },
        up: Axis { name: "share wrong among the accepted", end: charts::round_up(top).min(1.0) },
        lines: vec![
            Line { name: "measured", class: "one", points: risks, steps: false },
            Line { name: "upper bound", class: "two", points: bounds, steps: false },
        ],
        level: Some((promise.risk, &named)),
        mark: (accepted > 0.0).then(|| (accepted, "accepted".to_owned())),
    })
}

fn risk_table(promise: &PromiseSummary) -> Markup {
    // Ten rows are enough to read; the file has all.
    let step = promise.curve.len().div_ceil(10).max(1);
    let last = promise.curve.len().saturating_sub(1);
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Risk and coverage" {
            table {
                caption { "Thresholds, from strict to lax." }
                thead { tr {
                    th scope="col" class="number" { "Confidence from" } th scope="col" class="number" { "Accepted" }
                    th scope="col" class="number" { "Wrong" } th scope="col" class="number" { "At most" }
                } }
                tbody {
                    @for (place, row) in promise.curve.iter().enumerate() {
                        @if place % step == step - 1 || place == last {
                            tr {
                                th scope="row" class="number" { (numbers::figure(row.threshold)) }
                                td class="number" { (numbers::share(row.share)) }
                                td class="number" { @if let Some(risk) = row.risk { (numbers::figure(risk)) } @else { "–" } }
                                td class="number" { (numbers::figure(row.upper)) @if row.promised { " ✓" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The share of each label among all items.
pub(super) fn shares(trust: &Trust, palette: &Palette<'_>) -> Markup {
    part(&trust.shares, "The true share of each label is unknown.", |shares| {
        let figures = shares.rows.iter().flat_map(|row| [&row.estimate, &row.gold_only]);
        let notes = Notes::of(figures);
        html! {
            p { "Counting the labels that were written carries their errors into the count. The estimate corrects it by the "
                "gold sample; it stays valid however wrong the labels are." }
            p { (text::prose(&text::capital(&shares.sentence))) }
            (notes.basis())
            div class="scroll" role="region" tabindex="0" aria-label="The share of each label" {
                table class="classes" {
                    caption { "The share of each label among all items. Shares lie on an axis from 0 to 1." }
                    thead { tr {
                        th scope="col" { "Label" }
                        th scope="col" class="marked" { "Estimated share" (charts::axis(1.0)) }
                        th scope="col" class="marked" { "Gold alone" (charts::axis(1.0)) }
                        th scope="col" class="number" { "As written" }
                    } }
                    tbody {
                        @for row in &shares.rows {
                            tr {
                                th scope="row" { (palette.label(&row.label)) }
                                td class="marked" { (notes.figure(&row.estimate)) (charts::interval(&row.estimate, 1.0)) }
                                td class="marked" { (notes.figure(&row.gold_only)) (charts::interval(&row.gold_only, 1.0)) }
                                td class="number" {
                                    @if let Measured::Known { value, .. } = &row.naive { (numbers::figure(*value)) } @else { "–" }
                                }
                            }
                        }
                    }
                }
            }
            (notes.list())
            @if shares.power.len() > 1 { (power(shares)) }
        }
    })
}

fn power(shares: &ShareSummary) -> Markup {
    let points: Vec<(f64, f64)> = shares.power.iter().map(|&(gold, half)| (gold as f64, half)).collect();
    let across = points.iter().map(|point| point.0).fold(0.0, f64::max);
    let up = points.iter().map(|point| point.1).fold(0.0, f64::max);
    html! {
        div class="beside" {
            (chart(&Chart {
                id: "power",
                title: "Half width of the widest interval against gold labels",
                description: "How much narrower the widest interval becomes with more gold labels.",
                across: Axis { name: "gold labels that measure", end: charts::round_up(across) },
                up: Axis { name: "± of the widest interval", end: charts::round_up(up) },
                lines: vec![Line { name: "half width", class: "one", points, steps: false }],
                level: None,
                mark: None,
            }))
            div class="scroll" role="region" tabindex="0" aria-label="What more gold would bring" {
                table {
                    caption { "What more gold would bring." }
                    thead { tr { th scope="col" class="number" { "Gold labels" } th scope="col" class="number" { "Widest interval" } } }
                    tbody {
                        @for &(gold, half) in &shares.power {
                            tr { th scope="row" class="number" { (numbers::count(gold)) } td class="number" { "±" (numbers::figure(half)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The labels that are probably wrong.
pub(super) fn errors(trust: &Trust, palette: &Palette<'_>) -> Markup {
    part(&trust.errors, "Labels that are probably wrong cannot be named.", |errors| {
        let notes = Notes::of(
            [&errors.wrong, &errors.disputed].into_iter().chain(errors.depths.iter().map(|row| &row.precision)),
        );
        html! {
            p { "Where the model, on items it has not learned from, is sure of another label, the label that was written may be "
                "wrong. Read the list from the top." }
            dl class="facts-list" {
                div { dt { "Wrong labels, by the gold" } dd { (wrong(&errors.wrong)) } }
                div { dt { "Disputed by the model" } dd { (wrong(&errors.disputed)) } }
            }
            @if let (Some(all), Some(named)) = (errors.wrong.value(), errors.disputed.value()) {
                @if named < 0.5 * all {
                    p { "The model has learnt from labels like these and shares most of their errors: a list like this one finds "
                        "slips, not what annotators and model both get wrong." }
                }
            }
            @if !errors.depths.is_empty() { div class="beside" { (found(errors)) (depths(errors, &notes)) } }
            @if !errors.confused.is_empty() { (confused(errors, palette)) }
            @if !errors.suspects.is_empty() { (suspects(errors, palette)) }
            (notes.list())
        }
    })
}

/// A number of labels with its interval.
fn wrong(figure: &Measured) -> Markup {
    match figure {
        Measured::Known { value, low, high, .. } => html! {
            span class="figure" { (numbers::count(value.round() as u64)) " " span class="interval" {
                "[" (numbers::count(low.round() as u64)) ", " (numbers::count(high.round() as u64)) "]"
            } }
        },
        Measured::Unknown { .. } => html! { span class="unknown" { "unknown" } },
    }
}

fn found(errors: &ErrorSummary) -> Markup {
    let line = |part: fn(&Measured) -> Option<f64>| {
        std::iter::once((0.0, 0.0))
            .chain(
                errors
                    .depths
                    .iter()
                    .filter_map(|row| Some((row.depth as f64, part(&row.precision)? * row.depth as f64))),
            )
            .collect::<Vec<_>>()
    };
    let end = errors.depths.iter().map(|row| row.depth as f64).fold(1.0, f64::max);
    let lines = vec![
        Line { name: "expected", class: "one", points: line(Measured::value), steps: false },
        Line {
            name: "at least",
            class: "two",
            points: line(|figure| if let Measured::Known { low, .. } = figure { Some(*low) } else { None }),
            steps: false,
        },
    ];
    let top = lines[0].points.iter().map(|point| point.1).fold(1.0, f64::max);
    chart(&Chart {
        id: "found",
        title: "Wrong labels found against labels read",
        description: "How many wrong labels reading the list from the top would find.",
        across: Axis { name: "labels read", end: charts::round_up(end) },
        up: Axis { name: "wrong labels found", end: charts::round_up(top) },
        lines,
        level: None,
        mark: None,
    })
}

fn depths(errors: &ErrorSummary, notes: &Notes) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Precision by depth" {
            table {
                caption { "The share of wrong labels among the first so many." }
                thead { tr { th scope="col" class="number" { "Read" } th scope="col" { "Wrong" } } }
                tbody {
                    @for row in &errors.depths {
                        tr { th scope="row" class="number" { (numbers::count(row.depth)) } td { (notes.figure(&row.precision)) } }
                    }
                }
            }
        }
    }
}

fn confused(errors: &ErrorSummary, palette: &Palette<'_>) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Confused labels" {
            table {
                caption { "What is probably given for what, by the model's calibrated counts." }
                thead { tr {
                    th scope="col" { "Written" } th scope="col" { "Probably meant" }
                    th scope="col" class="number" { "Labels" } th scope="col" class="share" { "Of the labels written" }
                } }
                tbody {
                    @for row in &errors.confused {
                        tr {
                            th scope="row" { (palette.label(&row.given)) }
                            td { (palette.label(&row.meant)) }
                            td class="number" { (numbers::count(row.count)) }
                            td class="share" { (charts::bar(row.share)) span class="soft" { (numbers::share(row.share)) } }
                        }
                    }
                }
            }
        }
    }
}

fn suspects(errors: &ErrorSummary, palette: &Palette<'_>) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Suspect labels" {
            table {
                caption { "The labels likeliest to be wrong." }
                thead { tr {
                    th scope="col" { "Item" } th scope="col" { "Written" } th scope="col" { "Suggested" }
                    th scope="col" class="share" { "Probably wrong" }
                } }
                tbody {
                    @for row in &errors.suspects {
                        tr {
                            th scope="row" { (text::user(&row.id)) }
                            td { (palette.label(&row.given)) }
                            td { (palette.label(&row.suggested)) }
                            td class="share" { (charts::bar(row.probability)) span class="soft" { (numbers::share(row.probability)) } }
                        }
                    }
                }
            }
        }
    }
}

/// How far the annotators agree.
pub(super) fn agreement(trust: &Trust) -> Markup {
    part(&trust.agreement, "How far annotators agree is unknown.", |agreement| {
        let all = agreement.figures.iter().chain(&agreement.labels).map(|figure| &figure.value);
        let notes = Notes::of(all.chain(agreement.pairs.iter().flat_map(|pair| [&pair.observed, &pair.kappa])));
        html! {
            p class="lead" { (text::prose(&agreement.meaning)) }
            @for caution in &agreement.cautions { p { (text::prose(&text::capital(caution))) } }
            (notes.basis())
            (coefficients(agreement, &notes))
            @if !agreement.pairs.is_empty() { (pairs(agreement, &notes)) }
            (notes.list())
        }
    })
}

fn coefficients(agreement: &AgreementSummary, notes: &Notes) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Agreement" {
            table class="grouped" {
                caption { "All annotators together on " (numbers::counted(agreement.compared, "decision", "decisions")) " answered twice or more; values below 0 are drawn at 0." }
                thead { tr {
                    th scope="col" { "Coefficient" } th scope="col" { "Measured" }
                    th scope="col" class="wide" { span class="hidden" { "Drawn" } (charts::axis(1.0)) }
                } }
                @for (title, figures) in [("All labels", &agreement.figures), ("Alpha of one label against the rest", &agreement.labels)] {
                    @if !figures.is_empty() {
                        tbody {
                            tr class="group" { th scope="rowgroup" colspan="2" { (title) } td class="wide" {} }
                            @for figure in figures {
                                tr {
                                    th scope="row" { (text::user(&figure.name)) }
                                    td { (notes.figure(&figure.value)) }
                                    td class="wide" { (charts::interval(&figure.value, 1.0)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn pairs(agreement: &AgreementSummary, notes: &Notes) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Pairs of annotators" {
            table {
                caption { "Pairs of annotators that agree least." }
                thead { tr {
                    th scope="col" { "Annotators" } th scope="col" class="number" { "In common" }
                    th scope="col" { "Say the same" } th scope="col" { "Kappa" }
                } }
                tbody {
                    @for pair in &agreement.pairs {
                        tr {
                            th scope="row" { (text::user(&pair.first)) ", " (text::user(&pair.second)) }
                            td class="number" { (numbers::count(pair.shared)) }
                            td { (notes.figure(&pair.observed)) }
                            td { (notes.figure(&pair.kappa)) }
                        }
                    }
                }
            }
        }
    }
}
