//! Which gold items fit and which only measure, and how many more would help.

use crate::audit::interval::Z;
use crate::hash::Digest;

/// What a gold item may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoldPart {
    /// Fitting and choosing: methods, temperatures, combinations. Never shown as quality.
    Fit,
    /// Measuring only. Nothing learns from it.
    Measure,
}

/// The share of gold that fits.
const FIT_SHARE: f64 = 0.4;

/// The share of gold that measures.
pub const MEASURE_SHARE: f64 = 1.0 - FIT_SHARE;

/// The part that a gold item belongs to, by a hash of its id and the project's seed.
///
/// The same item is always on the same side, whatever else is added to the gold, so a label that once measured can
/// never later have helped to choose.
pub fn gold_part(item: &str, seed: u64) -> GoldPart {
    let bits = Digest::of_parts([b"gold part".as_slice(), &seed.to_le_bytes(), item.as_bytes()]).to_u64();
    if (bits >> 11) as f64 / ((1u64 << 53) as f64) < FIT_SHARE { GoldPart::Fit } else { GoldPart::Measure }
}

/// How many gold items in all would bring the 95 % interval of a proportion near `share` to plus or minus
/// `half_width`, when the part that measures is taken from them.
pub fn items_for_half_width(share: f64, half_width: f64) -> u64 {
    // A guess at the very ends would promise too much: plan as if at most 95 % were right.
    let share = share.clamp(0.05, 0.95);
    let measuring = share * (1.0 - share) * (Z / half_width).powi(2);
    (measuring / (1.0 - FIT_SHARE)).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_in_ten_fit_and_the_side_depends_on_the_seed() {
        let fit = |seed| (0..10_000).filter(|item| gold_part(&format!("T{item}"), seed) == GoldPart::Fit).count();
        assert!((3_850..4_150).contains(&fit(0)), "{}", fit(0));
        assert!((0..100).any(|item| gold_part(&format!("T{item}"), 0) != gold_part(&format!("T{item}"), 1)));
    }

    #[test]
    fn the_planned_sample_gives_the_promised_width() {
        // validity: p = .9 and half a width of .05 need 139 measuring items.
        assert_eq!(items_for_half_width(0.9, 0.05), (138.3_f64 / 0.6).ceil() as u64);
    }
}
