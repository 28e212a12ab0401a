//! Small charts. Those that repeat a number which stands beside them are hidden from screen readers; those that stand
//! alone carry a title and a description.
//!
//! Places along an axis are percentages, so that a chart fills its column on any screen while dots stay round and
//! letters keep their size.

use maud::{Markup, html};
use postil_core::Measured;

/// A place on an axis from 0 to `scale`, for an attribute.
pub(super) fn place(value: f64, scale: f64) -> String {
    format!("{:.1}%", (value / scale).clamp(0.0, 1.0) * 100.0)
}

/// A dot with its interval on an axis from 0 to `scale`; an empty dashed axis if the figure is unknown.
pub(super) fn interval(figure: &Measured, scale: f64) -> Markup {
    html! {
        svg class="dot-interval" aria-hidden="true" {
            @match figure {
                Measured::Known { value, low, high, .. } => {
                    line class="axis" x1="0" x2="100%" y1="7" y2="7" {}
                    line class="span" x1=(place(*low, scale)) x2=(place(*high, scale)) y1="7" y2="7" {}
                    circle cx=(place(*value, scale)) cy="7" r="3.5" {}
                }
                Measured::Unknown { .. } => line class="axis nothing" x1="0" x2="100%" y1="7" y2="7" {},
            }
        }
    }
}

/// The axis that [`interval`] marks stand on, for the head of their column.
pub(super) fn axis(scale: f64) -> Markup {
    html! {
        span class="axis-ends" aria-hidden="true" {
            span { "0" } @if scale == 1.0 { span { "0.5" } } span { (short(scale)) }
        }
    }
}

/// A share as a bar.
pub(super) fn bar(share: f64) -> Markup {
    html! { span class="bar" aria-hidden="true" { span style={ "width:" (place(share, 1.0)) } {} } }
}

/// Parts of a whole as one bar; each part has a class for its colour.
pub(super) fn parts<'a>(parts: impl IntoIterator<Item = (f64, &'a str)>) -> Markup {
    html! {
        span class="bar parts" aria-hidden="true" {
            @for (share, class) in parts { @if share > 0.0 { span class=(class) style={ "width:" (place(share, 1.0)) } {} } }
        }
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below a value; 1 for a value that is no positive number.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|step| step * power).find(|step| *step >= value * (1.0 - 1e-9)).unwrap_or(value)
}

/// A round number without needless digits.
pub(super) fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_large_enough() {
        for (value, scale) in [(0.031, 0.05), (0.2, 0.2), (0.61, 1.0), (1.3, 2.0), (0.0, 1.0), (f64::NAN, 1.0)] {
            assert!((round_up(value) - scale).abs() < 1e-12, "{value}: {}", round_up(value));
        }
        assert_eq!([0.05, 1.0, 20.0].map(short), ["0.05", "1", "20"]);
    }

    #[test]
    fn places_stay_on_the_axis() {
        assert_eq!(place(0.842, 1.0), "84.2%");
        assert_eq!(place(7.0, 5.0), "100.0%");
        assert_eq!(place(-1.0, 5.0), "0.0%");
    }
}
