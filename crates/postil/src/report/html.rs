//! The report as one self-contained page.
//!
//! No script, no network, no font of its own: the page opens from a disk or a mail in ten years. Every string that came
//! from the outside (labels, names, texts, reasons) passes through [`text::user`] or maud's escaping; the only raw
//! markup is the style sheet, which is written here.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::palette::Palette;
use super::Report;

mod annotators;
mod charts;
mod classes;
mod confidences;
mod curves;
mod doubtful;
mod fields;
mod figures;
mod forms;
mod headline;
mod marked;
mod numbers;
mod origin;
mod pairs;
mod palette;
mod reliability;
mod routes;
mod stages;
mod text;
mod trust;

pub use routes::routes_page;

const STYLE: &str = include_str!("html/style.css");

/// Nothing may be loaded from anywhere, and nothing may run.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A part of the page that the table of contents names.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// Renders the page: one HTML document that loads nothing and runs nothing.
///
/// The same report gives the same bytes.
pub fn render(report: &Report) -> String {
    let palette = Palette::new(&report.task.labels);
    let sections = sections(report, &palette);
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
                meta name="generator" content=(format!("Postil {}", text::clean(&report.postil)));
                title { (headline::page_title(report)) }
                style { (PreEscaped(STYLE)) (PreEscaped(palette::style())) }
            }
            body {
                (palette::shapes())
                a class="skip" href="#main" { "Skip to the result" }
                div class="page" {
                    nav class="contents" aria-label="Contents" {
                        ol { @for section in &sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                    }
                    main id="main" {
                        (headline::header(report))
                        (headline::headline(report))
                        (headline::advice(report))
                        @for section in &sections {
                            section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                                h2 id={ (section.id) "-title" } { (section.title) }
                                (section.body)
                            }
                        }
                    }
                }
            }
        }
    }
    .into_string()
}

/// The parts in reading order: what the labels are worth, where they come from, what to look at, how to cite.
fn sections(report: &Report, palette: &Palette<'_>) -> Vec<Section> {
    let of_records = report.is_of_records();
    let mut sections = vec![Section { id: "stages", title: "Quality by stage", body: stages::stages(report) }];
    if of_records {
        sections.push(Section { id: "fields", title: "Field by field", body: fields::fields(&report.fields) });
    } else {
        sections.push(Section { id: "classes", title: "Label by label", body: classes::classes(report, palette) });
    }
    if !of_records && (report.task.kind != "multilabel" || report.confusion.is_some()) {
        let body = classes::confusion(report, palette);
        sections.push(Section { id: "confusion", title: "What is taken for what", body });
    }
    if !report.marked.is_empty() {
        let body = marked::marked(report, palette);
        let title = if report.is_of_tags() { "Tagged texts" } else { "Marked texts" };
        sections.push(Section { id: "texts", title, body });
    }
    if report.is_of_tags() {
        let body = forms::forms(report, palette);
        sections.push(Section { id: "forms", title: "Words with several tags", body });
    }
    let of_spans = report.is_of_spans();
    let trust = &report.trust;
    let mut section = |id, title, shown: bool, body: &dyn Fn() -> Markup| {
        if shown {
            sections.push(Section { id, title, body: body() });
        }
    };
    section("reliability", "Stated confidence", true, &|| reliability::reliability(report));
    section("promise", "What may be accepted unseen", true, &|| trust::promise(trust));
    section("shares", "How many of each label", !of_spans && !of_records, &|| trust::shares(trust, palette));
    section("errors", "Probably wrong labels", !of_spans && !of_records, &|| trust::errors(trust, palette));
    section("annotators", "Annotators", true, &|| annotators::annotators(report, palette));
    let stated = confidences::stating(report).next().is_some();
    section("confidences", "How sure annotators say they are", stated, &|| confidences::confidences(report));
    section("canaries", "Planted instructions", !report.canaries.is_empty(), &|| fields::canaries(&report.canaries));
    if let Some(pairs) = &report.pairs {
        section("places", "Left and right", true, &|| pairs::places(pairs));
        section("ranking", "Ranking", !pairs.ranking.is_empty(), &|| pairs::ranking(pairs));
    }
    section("agreement", "How far annotators agree", !of_spans && !of_records, &|| trust::agreement(trust));
    if let Some(routing) = &report.routing {
        section("routing", "Who was asked about what", true, &|| origin::routing(routing));
    }
    section("consensus", "How answers were fused", true, &|| origin::consensus(report));
    section("data", "Items and gold", true, &|| origin::data(report));
    section("student", "The model", true, &|| origin::student(report));
    section("cost", "Cost so far", true, &|| origin::cost(report));
    if !report.doubtful.is_empty() {
        let body = doubtful::doubtful(report, palette);
        let title = match report.task.kind.as_str() {
            "tag" => "Most doubtful tokens",
            "spans" => "Most doubtful stretches",
            "extract" => "Most doubtful values",
            _ => "Most doubtful items",
        };
        sections.push(Section { id: "doubtful", title, body });
    }
    sections.push(Section { id: "cite", title: "How to cite and repeat this", body: origin::cite(report) });
    sections
}
