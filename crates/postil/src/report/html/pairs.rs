//! Pairs: how far annotators follow the place of a text, and the ranking.

use maud::{Markup, html};
use postil_core::Measured;

use super::super::PairsSummary;
use super::figures::number;
use super::{numbers, text};

fn figure(figure: &Measured) -> Markup {
    match figure {
        Measured::Known { .. } => number(figure),
        Measured::Unknown { .. } => html! { span class="soft" { "not asked" } },
    }
}

/// What each annotator makes of the place of a text.
pub(super) fn places(pairs: &PairsSummary) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Left and right" {
            table {
                caption {
                    "Left: the share of the decided pairs of which the left one is better. Contradictions: the share of the pairs \
                     asked about in both orders on which the two replies contradict each other; with one order alone these \
                     answers would depend on the place. First: the share of replies that prefer the text shown first. \
                     Undecided: pairs that both orders together leave open. Intervals are at the 95 % level, over pairs."
                }
                thead { tr {
                    th scope="col" { "Annotator" } th scope="col" { "Left" } th scope="col" { "Both orders" }
                    th scope="col" { "Contradictions" } th scope="col" { "First" } th scope="col" { "Undecided" }
                } }
                tbody { @for row in &pairs.places { tr {
                    th scope="row" { (text::user(&row.annotator)) }
                    td { (figure(&row.left)) } td { (numbers::count(row.asked_twice)) } td { (figure(&row.flips)) }
                    td { (figure(&row.first)) } td { (figure(&row.undecided)) }
                } } }
            }
        }
    }
}

/// Those who wrote the texts, the strongest first.
pub(super) fn ranking(pairs: &PairsSummary) -> Markup {
    html! {
        p { "Model: " (text::user(pairs.method.as_deref().unwrap_or("none"))) ", one comparison per item, by the labels that were \
             written. Strengths are log odds relative to the mean of all; one that is stronger by 1 wins 73 % of the decided \
             comparisons." }
        @for remark in &pairs.remarks { p class="soft" { (text::prose(&text::sentence(remark))) } }
        div class="scroll" role="region" tabindex="0" aria-label="Ranking" {
            table {
                thead { tr {
                    th scope="col" { "Rank" } th scope="col" { "Name" } th scope="col" { "Strength" }
                    th scope="col" { "Won" } th scope="col" { "Lost" } th scope="col" { "Even" }
                } }
                tbody { @for row in &pairs.ranking { tr {
                    td { (row.rank) } th scope="row" { (text::user(&row.name)) } td { (figure(&row.strength)) }
                    td { (numbers::count(row.wins)) } td { (numbers::count(row.losses)) } td { (numbers::count(row.ties)) }
                } } }
            }
        }
    }
}
