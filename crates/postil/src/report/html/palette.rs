//! One mark per label, the same everywhere: a colour, a shape, and full or hollow.
//!
//! Colour is never the only difference: a mark always stands beside its label's name, and labels that share a colour
//! have different shapes. The eight colours of each theme were found by maximising the least OKLab distance between any
//! two, as seen with normal sight and with Machado's (2009) simulations of protanopia, deuteranopia and tritanopia, under
//! a contrast of at least 3 with the page (WCAG 1.4.11). The tests hold them to that.

use std::collections::HashMap;
use std::fmt::Write;

use maud::{Markup, html};

use super::text;

/// The colours on a light page and on a dark one, in the order labels take them.
const COLOURS: [(&str, &str); 8] = [
    ("#244e5a", "#42d1b8"),
    ("#c0698e", "#b97881"),
    ("#90900d", "#d3a745"),
    ("#6b87df", "#9f99f0"),
    ("#875616", "#856b00"),
    ("#664fa6", "#656bbd"),
    ("#531601", "#fee47f"),
    ("#30176b", "#b5f0ff"),
];

/// The shapes, as paths in a square of 12.
const SHAPES: [&str; 6] = [
    "M6 1a5 5 0 0 1 0 10a5 5 0 0 1 0-10z",
    "M1.5 1.5h9v9h-9z",
    "M6 .5L11.5 6L6 11.5L.5 6z",
    "M6 1L11.5 11H.5z",
    "M.5 1h11L6 11z",
    "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
];

/// The labels and their marks.
pub(super) struct Palette<'a> {
    position: HashMap<&'a str, usize>,
}

impl<'a> Palette<'a> {
    /// Gives every label its mark, in class order.
    pub(super) fn new(labels: &'a [String]) -> Self {
        Self { position: labels.iter().enumerate().map(|(class, label)| (label.as_str(), class)).collect() }
    }

    /// The place of a label.
    pub(super) fn class(&self, label: &str) -> Option<usize> {
        self.position.get(label).copied()
    }

    /// The class of a label's colour in the style sheet; a string that is no label has none.
    pub(super) fn colour(&self, label: &str) -> String {
        self.class(label).map_or_else(|| "c-none".to_owned(), |class| format!("c{}", class % COLOURS.len()))
    }

    /// The mark alone.
    fn mark(&self, label: &str) -> Markup {
        let Some(class) = self.class(label) else { return html! {} };
        let (shape, hollow) = shape(class);
        html! {
            svg class=(if hollow { "mark hollow" } else { "mark" }) viewBox="0 0 12 12" aria-hidden="true" {
                use href={ "#m" (shape) } {}
            }
        }
    }

    /// A label with its mark.
    pub(super) fn label(&self, label: &str) -> Markup {
        html! { span class={ "label " (self.colour(label)) } { (self.mark(label)) (text::user(label)) } }
    }

    /// A label with its mark, framed.
    pub(super) fn chip(&self, label: &str) -> Markup {
        html! { span class={ "chip label " (self.colour(label)) } { (self.mark(label)) (text::user(label)) } }
    }

    /// The labels that an answer names: itself, or its parts between commas if all of them are labels. An answer that
    /// names none, such as an abstention, gives none.
    pub(super) fn labels_in<'b>(&self, answer: &'b str) -> Vec<&'b str> {
        if self.class(answer).is_some() {
            return vec![answer];
        }
        let parts = answer.split(',').map(str::trim).collect::<Vec<_>>();
        if parts.iter().all(|part| self.class(part).is_some()) { parts } else { Vec::new() }
    }
}

/// The shape of a class's mark and whether it is hollow. Neighbouring classes differ in colour and in shape; no two of
/// 96 classes share all three.
const fn shape(class: usize) -> (usize, bool) {
    let (colour, round) = (class % COLOURS.len(), class / COLOURS.len());
    ((colour + round) % SHAPES.len(), (round / SHAPES.len()) % 2 == 1)
}

/// The definitions that marks refer to.
pub(super) fn shapes() -> Markup {
    html! {
        svg class="defs" aria-hidden="true" width="0" height="0" {
            defs { @for (place, path) in SHAPES.iter().enumerate() { path id={ "m" (place) } d=(path) {} } }
        }
    }
}

/// The colours as a style sheet.
pub(super) fn style() -> String {
    let mut style = String::new();
    let rules = |style: &mut String, dark: bool| {
        for (place, (on_light, on_dark)) in COLOURS.iter().enumerate() {
            let colour = if dark { on_dark } else { on_light };
            write!(style, ".c{place}{{--c:{colour}}}").expect("writing to a string does not fail");
        }
    };
    rules(&mut style, false);
    style.push_str("@media screen and (prefers-color-scheme:dark){");
    rules(&mut style, true);
    style.push('}');
    style
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    type Colour = [f64; 3];

    /// Machado, Oliveira and Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia, in linear RGB.
    const SIGHTS: [[Colour; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];

    fn linear(hex: &str) -> Colour {
        [1, 3, 5].map(|start| {
            let part =
                f64::from(u8::from_str_radix(&hex[start..start + 2], 16).expect("a colour is hexadecimal")) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: &[Colour; 3], colour: Colour) -> Colour {
        matrix.map(|row| row.iter().zip(colour).map(|(weight, part)| weight * part).sum::<f64>())
    }

    fn oklab(colour: Colour) -> Colour {
        let cones = times(
            &[
                [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
                [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
                [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
            ],
            colour,
        );
        times(
            &[
                [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
                [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
                [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
            ],
            cones.map(f64::cbrt),
        )
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let light =
            |hex| linear(hex).iter().zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| part * weight).sum::<f64>();
        let (one, other): (f64, f64) = (light(one), light(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The value of a variable in the style sheet, on a light page and on a dark one.
    fn variable(name: &str) -> (&'static str, &'static str) {
        let key = format!("--{name}:");
        let mut values = super::super::STYLE
            .match_indices(&key)
            .map(|(place, _)| super::super::STYLE[place + key.len()..].split(';').next().unwrap_or_default().trim());
        (values.next().expect("a light value"), values.next().expect("a dark value"))
    }

    #[test]
    fn any_two_colours_differ_for_every_eye() {
        for theme in [COLOURS.map(|pair| pair.0), COLOURS.map(|pair| pair.1)] {
            for (place, one) in theme.iter().enumerate() {
                for other in &theme[..place] {
                    for (sight, matrix) in SIGHTS.iter().enumerate() {
                        let [one_seen, other_seen] =
                            [one, other].map(|hex| oklab(times(matrix, linear(hex)).map(|part| part.clamp(0.0, 1.0))));
                        let distance =
                            one_seen.iter().zip(other_seen).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(distance > 0.1, "{one} and {other} are {distance:.3} apart for sight {sight}");
                    }
                }
            }
        }
    }

    #[test]
    fn marks_and_text_stand_out_from_every_surface() {
        let ((page, dark_page), (wash, dark_wash)) = (variable("page"), variable("wash"));
        for (on_light, on_dark) in COLOURS {
            for (colour, surface) in [(on_light, page), (on_light, wash), (on_dark, dark_page), (on_dark, dark_wash)] {
                assert!(contrast(colour, surface) >= 3.0, "{colour} on {surface}");
            }
        }
        for name in ["ink", "soft", "accent", "alarm"] {
            let (light, dark) = variable(name);
            for (colour, surface) in [(light, page), (light, wash), (dark, dark_page), (dark, dark_wash)] {
                assert!(
                    contrast(colour, surface) >= 4.5,
                    "{name} {colour} on {surface}: {}",
                    contrast(colour, surface)
                );
            }
        }
    }

    #[test]
    fn ninety_six_labels_have_marks_of_their_own() {
        let marks = (0..96).map(|class| (class % COLOURS.len(), shape(class))).collect::<HashSet<_>>();
        assert_eq!(marks.len(), 96);
    }

    #[test]
    fn answers_are_split_only_into_labels() {
        let labels = ["bug", "billing", "a, b"].map(str::to_owned);
        let palette = Palette::new(&labels);
        assert_eq!(palette.labels_in("bug"), ["bug"]);
        assert_eq!(palette.labels_in("bug, billing"), ["bug", "billing"]);
        assert_eq!(palette.labels_in("a, b"), ["a, b"]);
        assert!(palette.labels_in("bug, other").is_empty());
        assert!(palette.labels_in("abstained").is_empty());
    }
}
