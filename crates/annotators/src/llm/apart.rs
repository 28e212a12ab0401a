//! One label at a time: what of a task belongs to one label, and how the answers about all of them become one.
//!
//! A model that is asked for one kind of thing, with its definition and its guidelines, finds more of kinds that it has
//! not learnt than one that is asked for all at once (SLIMER, Zamai et al. 2024).

use std::cmp::Reverse;

use postil_core::{Class, LabelSet, Result, Span, Task};

/// The task with one of its labels only: that label's definition, and of the guidelines what is about it.
pub(super) fn task_of(task: &Task, class: Class) -> Result<Task> {
    let mut label = task.labels.labels()[usize::from(class)].clone();
    label.parent = None;
    let names: Vec<&str> = task.labels.names().map(AsRef::as_ref).collect();
    let guidelines = task.guidelines.as_deref().map(|text| section(text, &label.name, &names));
    Ok(Task { kind: task.kind, labels: LabelSet::new(vec![label])?, guidelines })
}

/// What of some guidelines is about one label: everything but the sections of the others.
///
/// A section begins with a line that is nothing but a label's name, with or without the signs of a heading, and ends
/// before the next one or before a heading that names no label.
fn section(guidelines: &str, label: &str, labels: &[&str]) -> String {
    let signs = |sign: char| sign.is_whitespace() || matches!(sign, '#' | '*' | '_' | '`' | ':');
    let mut own = true;
    let mut kept = String::with_capacity(guidelines.len());
    for line in guidelines.lines() {
        let bare = line.trim_matches(signs);
        let named = labels.iter().find(|name| name.trim_matches(signs).to_lowercase() == bare.to_lowercase());
        match named {
            Some(name) => own = *name == label,
            None if line.starts_with('#') => own = true,
            None => {}
        }
        if own {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.trim().to_owned()
}

/// The stretches of all labels in one list by place, and how many were left out. Where stretches may not overlap the
/// longer of two stays, and of equally long ones that whose label the task names first.
pub(super) fn together(found: &[(Class, &[Span])], overlapping: bool) -> (Vec<Span>, u64) {
    let mut all: Vec<(Class, &Span)> =
        found.iter().flat_map(|&(class, spans)| spans.iter().map(move |span| (class, span))).collect();
    all.sort_by_key(|(class, span)| (Reverse(span.end - span.start), *class, span.start));
    let mut kept: Vec<Span> = Vec::with_capacity(all.len());
    let mut left_out = 0;
    for (_, span) in all {
        if !overlapping && kept.iter().any(|other| other.start < span.end && span.start < other.end) {
            left_out += 1;
        } else {
            kept.push(span.clone());
        }
    }
    kept.sort_by(|left, right| (left.start, left.end, &left.label).cmp(&(right.start, right.end, &right.label)));
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_section_and_what_is_about_all() {
        let labels = ["dish", "tool"];
        let text = "Read twice.\n\ndish\nMark the name.\n\n## Tool:\nMark pots.\nNo rooms.\n\n# In doubt\nLeave it.\n";
        assert_eq!(section(text, "dish", &labels), "Read twice.\n\ndish\nMark the name.\n\n# In doubt\nLeave it.");
        assert_eq!(
            section(text, "tool", &labels),
            "Read twice.\n\n## Tool:\nMark pots.\nNo rooms.\n\n# In doubt\nLeave it."
        );
        let plain = "A dish is cooked.\nA tool is used.";
        assert_eq!(section(plain, "dish", &labels), plain);
    }

    #[test]
    fn the_longer_stretch_stays_and_then_the_first_label() {
        let span = |start, end, label: &str| Span { start, end, label: label.into(), quote: String::new() };
        let (dish, tool) = ([span(0, 4, "dish"), span(10, 20, "dish")], [span(0, 4, "tool"), span(8, 22, "tool")]);
        let both = [(0, &dish[..]), (1, &tool[..])];
        assert_eq!(together(&both, false), (vec![span(0, 4, "dish"), span(8, 22, "tool")], 2));
        let (all, left_out) = together(&both, true);
        assert_eq!((all.len(), left_out), (4, 0));
        assert!(all.windows(2).all(|pair| pair[0].start <= pair[1].start));
    }
}
