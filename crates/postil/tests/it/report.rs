//! The report's page, as a reader's browser gets it.

use std::collections::HashSet;

use postil::report::{Report, render};
use postil_core::Measured;

#[path = "../../examples/report_sample/sample.rs"]
mod sample;

/// Elements without an end.
const VOID: [&str; 3] = ["meta", "col", "wbr"];

/// A start tag: its name and attributes, as written in the page.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a page strictly: every element closed in order, every attribute quoted. A browser forgives more.
fn read(page: &str) -> Vec<Tag> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type comes first");
    let (mut tags, mut open): (Vec<Tag>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let inside = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "an element ends that was not the last to begin");
            continue;
        }
        let (name, mut written) = inside.split_once(' ').unwrap_or((inside, ""));
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric()), "`{name}` is no element");
        let mut attributes = Vec::new();
        while !written.is_empty() {
            let (key, value) = written.split_once("=\"").unwrap_or_else(|| panic!("`{written}` is no attribute"));
            let (value, after) = value.split_once('"').expect("an attribute's quotes are closed");
            assert!(
                key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'),
                "`{key}` is no attribute"
            );
            attributes.push((key.to_ascii_lowercase(), value.to_owned()));
            written = after.trim_start();
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("the style sheet ends")..];
        }
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        tags.push(Tag { name: name.to_owned(), attributes });
    }
    assert_eq!(open, Vec::<String>::new(), "elements are left open");
    tags
}

/// A report with nothing in it, and numbers that are none.
fn hollow() -> Report {
    let mut report = sample::unknown();
    report.task.labels.clear();
    report.stages.clear();
    report.classes.clear();
    report.annotators.clear();
    report.doubtful.clear();
    report.warnings.clear();
    report.next.clear();
    report.target = None;
    report.consensus.candidates.clear();
    (report.consensus.decisions, report.consensus.votes, report.items.count) = (0, 0, 0);
    (report.consensus.temperature, report.cost.money) = (f64::NAN, f64::INFINITY);
    report.headline.value = Measured::known(f64::NAN, (f64::NEG_INFINITY, f64::INFINITY), "");
    report
}

/// A report whose parts do not fit each other.
fn ragged() -> Report {
    let mut report = sample::usual();
    if let Some(confusion) = &mut report.confusion {
        confusion.counts.truncate(3);
        confusion.counts[1].truncate(2);
        confusion.counts[2].clear();
    }
    report.task.labels.truncate(2);
    for bin in report.reliability.iter_mut().flatten() {
        (bin.from, bin.to, bin.confidence) = (bin.to, bin.from - 3.0, 7.0);
    }
    report
}

fn multilabel() -> Report {
    let mut report = sample::usual();
    report.task.kind = "multilabel".into();
    report.confusion = None;
    report.doubtful[0].answers[0].1 = "bug, billing".into();
    report
}

fn all() -> [(&'static str, Report); 6] {
    [
        ("usual", sample::usual()),
        ("unknown", sample::unknown()),
        ("large", sample::large()),
        ("hollow", hollow()),
        ("ragged", ragged()),
        ("multilabel", multilabel()),
    ]
}

#[test]
fn every_page_is_well_formed_and_refers_only_to_itself() {
    for (name, report) in all() {
        let tags = read(&render(&report));
        let ids = tags.iter().filter_map(|tag| tag.attribute("id")).collect::<Vec<_>>();
        let distinct = ids.iter().collect::<HashSet<_>>();
        assert_eq!(ids.len(), distinct.len(), "{name}: an id is used twice");
        for tag in &tags {
            assert!(
                !["script", "link", "img", "iframe", "object", "base", "form"].contains(&tag.name.as_str()),
                "{name}: {tag:?}"
            );
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on") && key != "src", "{name}: {tag:?}");
                if key == "href" {
                    let place = value.strip_prefix('#').unwrap_or_else(|| panic!("{name}: leads outside: {tag:?}"));
                    assert!(ids.contains(&place), "{name}: leads nowhere: {tag:?}");
                }
                if key.starts_with("aria-labelledby") {
                    assert!(value.split(' ').all(|id| ids.contains(&id)), "{name}: {tag:?}");
                }
                if key == "style" {
                    let (property, number) = value.split_once(':').expect("one declaration");
                    assert!(["width", "--share"].contains(&property), "{name}: {tag:?}");
                    assert!(number.trim_end_matches('%').parse::<f64>().is_ok_and(f64::is_finite), "{name}: {tag:?}");
                }
            }
        }
    }
}

#[test]
fn tables_and_headings_can_be_followed_without_seeing_them() {
    for (name, report) in all() {
        let tags = read(&render(&report));
        let count = |element: &str| tags.iter().filter(|tag| tag.name == element).count();
        assert_eq!(count("table"), count("caption"), "{name}: a table has no caption");
        assert_eq!(count("h1"), 1, "{name}");
        assert!(tags.iter().filter(|tag| tag.name == "th").all(|tag| tag.attribute("scope").is_some()), "{name}");
        for tag in tags.iter().filter(|tag| tag.name == "svg") {
            assert!(
                tag.attribute("aria-hidden").is_some() || tag.attribute("aria-labelledby").is_some(),
                "{name}: {tag:?}"
            );
        }
        let levels = tags.iter().filter_map(|tag| tag.name.strip_prefix('h')?.parse::<u32>().ok()).collect::<Vec<_>>();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
    }
}

#[test]
fn hostile_strings_arrive_as_text() {
    let page = render(&sample::large());
    for escaped in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;",
        "&lt;/style&gt;&lt;script&gt;alert(2)&lt;/script&gt;",
        "nul\u{fffd} and escape \u{fffd}[31m",
        "` lone back-tick &amp; ]]&gt; &lt;!-- --",
        "https://example.org/a?b=c&amp;d=&lt;e&gt;",
    ] {
        assert!(page.contains(escaped), "{escaped} is missing");
    }
    for raw in ["<script", "<img", "alert(1)>", "<!--", "\0", "\u{1b}"] {
        assert!(!page.contains(raw), "{raw:?} got through");
    }
    assert_eq!(page.matches("</style>").count(), 1);
}

#[test]
fn every_string_of_the_report_is_escaped() {
    // Every string, wherever it is in the structure, is made hostile; labels stay equal to each other.
    fn poison(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = format!("<b onclick=\"x()\">{text}</b>"),
            serde_json::Value::Array(values) => values.iter_mut().for_each(poison),
            serde_json::Value::Object(fields) => {
                fields.iter_mut().filter(|(name, _)| *name != "state").for_each(|(_, value)| poison(value));
            }
            _ => {}
        }
    }
    for (name, report) in [("usual", sample::usual()), ("unknown", sample::unknown())] {
        let mut json = serde_json::to_value(&report).expect("a report is JSON");
        poison(&mut json);
        let page = render(&serde_json::from_value(json).expect("its shape is kept"));
        assert!(!page.contains("<b "), "{name}");
        assert!(!page.contains("\"x()"), "{name}");
        assert!(page.matches("&lt;b onclick=&quot;x()&quot;&gt;").count() > 200, "{name}");
        read(&page);
    }
}

#[test]
fn a_page_needs_no_network_and_allows_none() {
    for (name, report) in [("usual", sample::usual()), ("unknown", sample::unknown())] {
        let page = render(&report);
        assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"), "{name}");
        assert_eq!(page.matches("http").count(), 1, "{name}: only `http-equiv` has the word");
        assert!(!page.contains("url(") && !page.contains("@import"), "{name}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for (name, report) in [("usual", sample::usual()), ("unknown", sample::unknown()), ("large", sample::large())] {
        // Compared as a truth, so that a failure does not print two pages.
        assert!(render(&report) == render(&report.clone()), "{name}");
    }
}

#[test]
fn an_unknown_report_says_so_and_why_and_what_would_help() {
    let page = render(&sample::unknown());
    assert!(page.contains("<span class=\"value unknown\">unknown</span>"));
    assert!(page.contains("There is no gold; 100 blind gold labels would give an interval of about ±0.10."));
    assert!(page.contains("What would make it known") && page.contains("± 0.10"));
    assert!(!page.contains("class=\"interval\""), "a figure is shown although nothing is known");
    assert!(page.contains("Target unknown") || page.contains("Target <bdi>unknown</bdi>"));
}

#[test]
fn figures_come_with_interval_and_basis() {
    let page = render(&sample::usual());
    assert!(page.contains("<span class=\"value\">0.833</span><span class=\"interval\">[0.74, 0.90]</span>"));
    // Once for the headline, once in each section with figures, once in the citation.
    assert_eq!(page.matches("90 blind gold items drawn at random").count(), 9);
}

#[test]
fn many_labels_give_a_list_of_pairs_instead_of_a_matrix() {
    let (few, many) = (render(&sample::usual()), render(&sample::large()));
    assert!(few.contains("class=\"matrix\"") && !few.contains("most confused"));
    assert!(!many.contains("class=\"matrix\"") && many.contains("The 30 most confused of"));
}

#[test]
fn pages_are_small() {
    let size = render(&sample::usual()).len();
    assert!(size < 200_000, "{size} bytes");
}
