//! Where the labels come from: fusion, items, gold, model, cost; and how to cite them.

use maud::{Markup, html};

use super::super::{ConsensusSummary, Report, RoutingSummary};
use super::{charts, figures, numbers, text};

/// A name and its value in a list of facts.
fn fact(name: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A count and its share of a whole.
fn counted_share(count: u64, whole: u64) -> Markup {
    html! { (numbers::count(count)) " " span class="soft" { (numbers::share(numbers::part(count, whole))) } }
}

/// How the answers were fused.
/// Items named on the page whose unanimous label is doubted.
const MOST_DOUBTED: usize = 40;

pub(super) fn consensus(report: &Report) -> Markup {
    let consensus = &report.consensus;
    let decisions = consensus.decisions;
    let rest = decisions.saturating_sub(consensus.unanimous + consensus.ties);
    let shares = [consensus.unanimous, rest, consensus.ties].map(|count| numbers::part(count, decisions));
    html! {
        p class="lead" { "Method: " strong { (text::user(&consensus.method)) } ". " (text::prose(&consensus.reason)) }
        p { (text::prose(&consensus.combination)) }
        @if decisions > 0 {
            figure class="split" {
                (charts::parts(shares.into_iter().zip(["p-all", "p-rest", "p-tie"])))
                figcaption {
                    span class="key p-all" { "all of two or more agree " (numbers::share(shares[0])) }
                    span class="key p-rest" { "one vote, or a majority " (numbers::share(shares[1])) }
                    span class="key p-tie" { "tied " (numbers::share(shares[2])) }
                }
            }
        }
        dl class="facts-list" {
            (fact("Decisions with a vote", numbers::count(decisions)))
            (fact("Votes", html! {
                (numbers::count(consensus.votes)) " "
                @if decisions > 0 { span class="soft" { (format!("{:.1}", consensus.votes as f64 / decisions as f64)) " per decision" } }
            }))
            (fact("Unanimous", counted_share(consensus.unanimous, decisions)))
            (fact("Ties", counted_share(consensus.ties, decisions)))
            (fact("Unanimous, yet doubted", numbers::count(consensus.unanimous_doubted)))
            (fact("Temperature", html! {
                (charts::short(consensus.temperature)) " "
                span class="soft" {
                    @if consensus.temperature > 1.0 { "confidences were lowered" }
                    @else if consensus.temperature < 1.0 { "confidences were raised" }
                    @else { "confidences as computed" }
                }
            }))
        }
        @if consensus.unanimous_doubted > 0 {
            p class="soft" {
                "On " (numbers::counted(consensus.unanimous_doubted, "decision", "decisions")) " all annotators agree and the method "
                "or the model leans to another label. They keep the annotators' label, and are worth a look: "
                @for (place, item) in consensus.unanimous_doubted_items.iter().take(MOST_DOUBTED).enumerate() {
                    @if place > 0 { ", " }
                    code { (text::user(item)) }
                }
                @if consensus.unanimous_doubted_items.len() > MOST_DOUBTED { " and more, in " code { "report.json" } }
                "."
            }
        }
        @if !consensus.candidates.is_empty() { (candidates(consensus)) }
    }
}

/// The methods that were compared.
fn candidates(consensus: &ConsensusSummary) -> Markup {
    let best = consensus.candidates.first().map_or(0.0, |candidate| candidate.score);
    let reach = consensus.candidates.iter().map(|row| row.score - best + row.difference_error).fold(0.0, f64::max);
    let scale = charts::round_up(reach);
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Methods compared" {
            table {
                caption {
                    "Methods compared by " (text::prose(text::unstopped(&consensus.criterion))) "; lower is better. The lines reach one standard "
                    "error of the difference to each side. This chooses a method; it is no measure of the labels."
                }
                thead {
                    tr {
                        th scope="col" { "Method" }
                        th scope="col" class="number" { "Score" }
                        th scope="col" class="number" { "Behind the best" }
                        th scope="col" class="wide" { span class="hidden" { "Drawn" } (charts::axis(scale)) }
                    }
                }
                tbody {
                    @for row in &consensus.candidates {
                        @let behind = row.score - best;
                        @let drawn = postil_core::Measured::known(behind, (behind - row.difference_error, behind + row.difference_error), "");
                        tr class=(if row.method == consensus.method { "final" } else { "" }) {
                            th scope="row" {
                                (text::user(&row.method)) @if row.method == consensus.method { span class="soft" { " chosen" } }
                            }
                            td class="number" { (numbers::figure(row.score)) }
                            td class="number" {
                                @if behind == 0.0 && row.difference_error == 0.0 { "–" } @else {
                                    (numbers::figure(behind)) " ± " (numbers::figure(row.difference_error))
                                }
                            }
                            td class="wide" { (charts::interval(&drawn, scale)) }
                        }
                    }
                }
            }
        }
    }
}

/// What was read, and the gold sample.
pub(super) fn data(report: &Report) -> Markup {
    let (items, gold) = (&report.items, &report.gold);
    let oddities = [
        ("Put aside, unreadable", items.rejected),
        ("Skipped, same item again", items.duplicates),
        ("Same content as another", items.equal_content),
        ("Empty text", items.empty),
        ("Answered by no annotator", items.unanswered),
    ];
    html! {
        dl class="facts-list" {
            (fact("Items annotated", numbers::count(items.count)))
            @for (name, count) in oddities { @if count > 0 { (fact(name, counted_share(count, items.count))) } }
        }
        @if oddities.iter().all(|(_, count)| *count == 0) {
            p class="soft" { "No row was unreadable, repeated, empty or left without an answer." }
        }
        @if let Some(file) = &items.rejected_file { p { "The rows put aside are in " code { (text::user(file)) } "." } }
        h3 { "Gold" }
        @if gold.total == 0 {
            div class="unknown-panel" {
                p { strong { "There are no gold labels." } }
                @if !gold.design.is_empty() { p { (text::prose(&gold.design)) } }
                p { "Without them nothing about quality can be known, here or by any other means." }
            }
        } @else {
            @let share = |count| numbers::part(count, gold.fitting + gold.measuring);
            p { (text::prose(&gold.design)) }
            figure class="split" {
                (charts::parts([(share(gold.measuring), "p-all"), (share(gold.fitting), "p-rest")]))
                figcaption {
                    span class="key p-all" { (numbers::count(gold.measuring)) " only measure" }
                    span class="key p-rest" { (numbers::count(gold.fitting)) " fit and choose; no figure of quality comes from them" }
                }
            }
            @if gold.unmatched > 0 {
                p { (numbers::counted(gold.unmatched, "gold row names", "gold rows name")) " no item that was read." }
            }
        }
    }
}

/// The model.
pub(super) fn student(report: &Report) -> Markup {
    html! {
        @if let Some(student) = &report.student {
            p { "A small model learned the labels; it predicts on its own from one file. Its measured quality is under " a href="#stages" { "Quality by stage" } "." }
            dl class="facts-list" {
                (fact("File", html! { code { (text::user(&student.file)) } }))
                (fact("Size", numbers::bytes(student.bytes)))
                (fact("Learned from", numbers::counted(student.trained_on, "item", "items")))
            }
            dl class="about" { dt { "Settings" } dd { (text::prose(&student.settings)) } }
        } @else {
            p { "No model was trained in this run. The labels rest on the consensus alone." }
        }
    }
}

/// What has been spent.
pub(super) fn cost(report: &Report) -> Markup {
    let cost = &report.cost;
    html! {
        p { (text::prose(&cost.sentence)) }
        dl class="facts-list" {
            (fact("Money", numbers::money(cost.money)))
            (fact("People's time", numbers::minutes(cost.person_minutes)))
            (fact("Annotations", numbers::count(cost.annotations)))
            @if report.items.count > 0 && cost.money > 0.0 {
                (fact("Money per thousand items", numbers::money(cost.money / report.items.count as f64 * 1000.0)))
            }
        }
    }
}

/// How items were shared out.
pub(super) fn routing(found: &RoutingSummary) -> Markup {
    let money = |amount: f64| {
        if found.unit == "money" { numbers::money(amount) } else { format!("{amount:.0} {}", text::clean(&found.unit)) }
    };
    html! {
        p {
            @if found.automatic { "Chosen on gold: " } strong { (text::user(&found.policy)) } ". " (text::user(&found.description)) "."
        }
        p {
            "Everybody was first asked about the " (numbers::counted(found.pilot, "gold item", "gold items")) " that fit, for "
            (money(found.pilot_cost)) ": from that it is known what to expect of whom. The other items were then asked about step by step."
            @if let Some(ended) = &found.ended { " It stopped early: " (text::prose(ended)) "." }
        }
        div class="scroll" role="region" tabindex="0" aria-label="Routing" {
            table {
                thead { tr { th scope="col" { "Who" } th scope="col" class="number" { "Items" } th scope="col" class="number" { "Price of an answer" } } }
                tbody {
                    @for row in &found.rows {
                        tr {
                            th scope="row" { (text::user(&row.name)) }
                            td class="number" { (numbers::count(row.items)) }
                            td class="number" { @if row.price > 0.0 && row.price < 0.01 && found.unit == "money" { (format!("{:.2e}", row.price)) } @else { (money(row.price)) } }
                        }
                    }
                }
            }
        }
    }
}

/// How to cite the result, how its figures were computed, and what repeats it.
pub(super) fn cite(report: &Report) -> Markup {
    let headline = &report.headline;
    html! {
        blockquote class="cite" {
            p {
                (text::user(&report.project)) ": " (text::user(&headline.metric)) " " (figures::number(&headline.value))
                @match &headline.value {
                    postil_core::Measured::Known { level, basis, .. } => {
                        ", " (numbers::share(*level)) ", " (text::prose(text::unstopped(basis)))
                    }
                    postil_core::Measured::Unknown { reason } => { ": " (text::prose(text::unstopped(reason))) }
                }
                ". Postil " (text::user(&report.postil)) ", snapshot " code { (text::user(&report.snapshot)) } ", seed " (report.seed) "."
            }
        }
        div class="small" {
            p {
                strong { "How the figures were computed. " }
                "Figures of quality come from the measuring gold alone. Shares (accuracy, precision, recall) have Wilson score "
                "intervals, the F1 of one label that of the Jaccard index it is a function of; averages over labels and the "
                "calibration error have intervals by the bootstrap with a fixed seed, log-loss a normal one. Such a figure has three digits and its "
                "interval; a percentage is counted on all items or answers and needs none. What cannot be known is called unknown."
            }
            @if !report.gold.design.is_empty() { p { strong { "Gold. " } (text::prose(&report.gold.design)) } }
            p {
                strong { "Repeating it. " } "The same snapshot, settings and seed give the same figures and the same bytes, on any number of threads. "
                "Everything on this page, and what it leaves out, is in " code { "report.json" } " (format " (report.format) ")."
            }
        }
    }
}
