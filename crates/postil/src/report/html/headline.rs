//! The first screen: the result, whether the target is met, what to do next.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::{Headline, Report, Target};
use super::{charts, figures, numbers, text};

/// The numbers of gold labels for which an unknown figure's page shows the interval they would give.
const GOLD_STEPS: [u64; 4] = [50, 100, 200, 400];

/// The page's title: what a list of open pages shows.
pub(super) fn page_title(report: &Report) -> String {
    let headline = &report.headline;
    format!("{} · {} {}", text::clean(&report.project), text::clean(&headline.metric), figures::plain(&headline.value))
}

/// The project and what was asked.
pub(super) fn header(report: &Report) -> Markup {
    let short_snapshot = report.snapshot.chars().take(12).collect::<String>();
    html! {
        header {
            p class="eyebrow" { "Annotation report" }
            h1 { (text::user(&report.project)) }
            p class="facts" {
                span { (text::user(&text::capital(&report.task.kind))) }
                span { (numbers::counted(report.task.labels.len() as u64, "label", "labels")) }
                span { (numbers::counted(report.items.count, "item", "items")) }
                span { (numbers::counted(report.annotators.len() as u64, "annotator", "annotators")) }
                span { (numbers::counted(report.gold.measuring, "measuring gold item", "measuring gold items")) }
                span { "snapshot " code { (text::user(&short_snapshot)) } }
            }
        }
    }
}

/// The figure, its interval, its basis, one sentence, and the target's verdict.
pub(super) fn headline(report: &Report) -> Markup {
    let headline = &report.headline;
    let target = report.target.as_ref();
    html! {
        section class="headline" id="result" aria-labelledby="result-title" {
            h2 id="result-title" class="metric" { (text::user(&text::capital(&headline.metric))) " of the labels" }
            @match &headline.value {
                Measured::Known { value, low, high, level, basis } => {
                    p class="big" {
                        span class="value" { (numbers::figure(*value)) }
                        span class="interval" { (numbers::interval(*low, *high)) }
                    }
                    (error_bar(headline, target))
                    p class="basis" { (numbers::share(*level)) " interval, from " (text::prose(text::unstopped(basis))) "." }
                    p class="lead" { (text::prose(&headline.sentence)) }
                }
                Measured::Unknown { reason } => {
                    p class="big" { span class="value unknown" { "unknown" } }
                    (error_bar(headline, target))
                    p class="basis" { (text::prose(&text::sentence(reason))) }
                    @if text::unstopped(&headline.sentence) != text::unstopped(reason) {
                        p class="lead" { (text::prose(&headline.sentence)) }
                    }
                    (what_gold_would_show())
                }
            }
            @if let Some(target) = target { (verdict(target)) }
        }
    }
}

/// The figure on an axis from 0 to 1, with the target if there is one.
fn error_bar(headline: &Headline, target: Option<&Target>) -> Markup {
    // A figure that is no share, such as a log-loss, has an axis of its own.
    let top = if let Measured::Known { high, .. } = headline.value { high.max(1.0) } else { 1.0 };
    let scale = charts::round_up(top);
    let aim = target.filter(|target| target.metric == headline.metric);
    html! {
        svg class="error-bar" role="img" aria-labelledby="bar-title bar-text" {
            title id="bar-title" { (text::clean(&headline.metric)) ": " (figures::plain(&headline.value)) }
            desc id="bar-text" {
                "An axis from 0 to " (charts::short(scale))
                @if let Some(aim) = aim { ", with the target at " (charts::short(aim.at_least)) }
                "."
            }
            @for step in 0..=4 {
                @let tick = f64::from(step) / 4.0;
                line class="tick" x1=(charts::place(tick, 1.0)) x2=(charts::place(tick, 1.0)) y1="30" y2="36" {}
                text class=(["first", "", "", "", "last"][step as usize]) x=(charts::place(tick, 1.0)) y="52" {
                    (charts::short(tick * scale))
                }
            }
            @match &headline.value {
                Measured::Known { value, low, high, .. } => {
                    line class="axis" x1="0" x2="100%" y1="30" y2="30" {}
                    @let (low, high) = (charts::place(*low, scale), charts::place(*high, scale));
                    line class="span" x1=(low) x2=(high) y1="30" y2="30" {}
                    line class="end" x1=(low) x2=(low) y1="24" y2="36" {}
                    line class="end" x1=(high) x2=(high) y1="24" y2="36" {}
                    circle cx=(charts::place(*value, scale)) cy="30" r="6" {}
                }
                Measured::Unknown { .. } => line class="span nothing" x1="0" x2="100%" y1="30" y2="30" {},
            }
            @if let Some(aim) = aim {
                @let place = charts::place(aim.at_least, scale);
                line class="target" x1=(place) x2=(place) y1="16" y2="40" {}
                text class=(if aim.at_least / scale > 0.8 { "target last" } else { "target" }) x=(place) y="11" {
                    "target " (charts::short(aim.at_least))
                }
            }
        }
    }
}

/// The target's verdict, in a word and a sentence.
fn verdict(target: &Target) -> Markup {
    let (class, sign) = match target.verdict.as_str() {
        "met" => ("met", "✓"),
        "missed" => ("missed", "✕"),
        _ => ("open", "○"),
    };
    html! {
        div class={ "verdict " (class) } {
            p class="word" { span aria-hidden="true" { (sign) } " Target " (text::user(&target.verdict)) }
            p { (text::prose(&target.sentence)) }
            p class="soft" {
                "Asked for: " (text::user(&target.metric)) " of at least " (charts::short(target.at_least)) ", at "
                (numbers::share(target.confidence)) " confidence."
            }
        }
    }
}

/// What would make the figure known: the interval that each number of gold labels gives at worst.
fn what_gold_would_show() -> Markup {
    html! {
        div class="remedy" {
            h3 { "What would make it known" }
            p {
                "Blind gold labels: items drawn at random, labelled by a person who sees no other answer. This is how far "
                "the figure would then reach to either side, at worst, for a share such as accuracy."
            }
            table {
                caption class="hidden" { "Width of the 95 % interval by number of measuring gold labels" }
                thead { tr { th scope="col" class="number" { "Measuring gold" } th scope="col" class="number" { "95 % interval" } th scope="col" class="wide" { span class="hidden" { "Drawn" } } } }
                tbody {
                    @for gold in GOLD_STEPS {
                        @let half = numbers::worst_half_width(gold);
                        @let width = Measured::known(0.5, (0.5 - half, 0.5 + half), "");
                        tr {
                            th scope="row" class="number" { (numbers::count(gold)) }
                            td class="number" { "± " (format!("{half:.2}")) }
                            td class="wide" { (charts::interval(&width, 1.0)) }
                        }
                    }
                }
            }
            p class="soft" {
                code { "postil draw 200" } " draws the items. A part of all gold goes to fitting and choosing; only the rest measures."
            }
        }
    }
}

/// What to do next, and what needs a look.
pub(super) fn advice(report: &Report) -> Markup {
    html! {
        @if !report.next.is_empty() || !report.warnings.is_empty() {
            div class="advice" {
                @if !report.next.is_empty() {
                    section aria-labelledby="next-title" {
                        h2 id="next-title" { "What to do next" }
                        ol { @for sentence in &report.next { li { (text::prose(sentence)) } } }
                    }
                }
                @if !report.warnings.is_empty() {
                    section class="warnings" aria-labelledby="warnings-title" {
                        h2 id="warnings-title" { "Needs a look" }
                        ul { @for sentence in &report.warnings { li { (text::prose(sentence)) } } }
                    }
                }
            }
        }
    }
}
