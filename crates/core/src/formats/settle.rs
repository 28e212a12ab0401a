//! From places as a file counts them to spans in code points.

use crate::answer::Span;
use crate::task::Name;
use crate::text::{OffsetUnit, Offsets};

/// A span as a file has it.
#[derive(Clone, Debug)]
pub(super) struct RawSpan {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) label: Name,
    /// The text that the file says is there.
    pub(super) quote: Option<String>,
}

/// Spans in code points.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) spans: Vec<Span>,
    /// The unit that the places were counted in, where it makes a difference.
    pub(super) unit: Option<OffsetUnit>,
    /// Whether no quote tells the unit, and it makes a difference.
    pub(super) unchecked: bool,
    /// Spans that end where they begin.
    pub(super) empty: Vec<Span>,
}

/// Where each span will stand once the empty ones are left out.
pub(super) fn places_of(raw: &[RawSpan]) -> Vec<Option<u32>> {
    let mut next = 0;
    let place = |span: &RawSpan| {
        (span.start != span.end).then(|| {
            next += 1;
            next - 1
        })
    };
    raw.iter().map(place).collect()
}

/// Finds the unit in which every span lies in the text and every quote is found, trying the given units in order.
///
/// `same` compares the text that is there with the quote. The reason why no unit fits is that of the first unit.
pub(super) fn settle(
    text: &str,
    raw: Vec<RawSpan>,
    units: &[OffsetUnit],
    same: fn(&str, &str) -> bool,
) -> Result<Settled, String> {
    let mut settled = Settled { spans: Vec::with_capacity(raw.len()), unit: None, unchecked: false, empty: Vec::new() };
    if raw.is_empty() {
        return Ok(settled);
    }
    let offsets = Offsets::new(text);
    let mut reason = String::new();
    let mut found = None;
    for &unit in units {
        match raw.iter().map(|span| place(&offsets, span, unit, same)).collect::<Result<Vec<_>, _>>() {
            Ok(places) => {
                found = Some((unit, places));
                break;
            }
            Err(why) if reason.is_empty() => reason = why,
            Err(_) => {}
        }
    }
    let Some((unit, places)) = found else { return Err(reason) };
    if !text.is_ascii() {
        let differs = |other: OffsetUnit| {
            raw.iter()
                .zip(&places)
                .any(|(span, (start, end))| place(&offsets, span, other, |_, _| true) != Ok((*start, *end)))
        };
        let quoted = raw.iter().all(|span| span.quote.is_some());
        let matters = OffsetUnit::ALL.into_iter().any(|other| other != unit && differs(other));
        settled.unit = matters.then_some(unit);
        // Beyond the characters of 16 bits is where tools disagree; places in bytes are rare and never without a quote.
        settled.unchecked = !quoted && unit != OffsetUnit::Bytes && {
            let other = if unit == OffsetUnit::Utf16 { OffsetUnit::CodePoints } else { OffsetUnit::Utf16 };
            differs(other)
        };
    }
    for (span, (start, end)) in raw.into_iter().zip(places) {
        let position =
            |byte| offsets.position_of(OffsetUnit::CodePoints, byte).expect("a place was found at this byte");
        let span =
            Span { start: position(start), end: position(end), label: span.label, quote: text[start..end].into() };
        if start == end {
            settled.empty.push(span);
        } else {
            settled.spans.push(span);
        }
    }
    Ok(settled)
}

/// The bytes of a span in a unit.
fn place(
    offsets: &Offsets<'_>,
    span: &RawSpan,
    unit: OffsetUnit,
    same: fn(&str, &str) -> bool,
) -> Result<(usize, usize), String> {
    let RawSpan { start, end, label, quote } = span;
    if start > end {
        return Err(format!("expected a span that ends after it begins, found {start} to {end} (`{label}`)"));
    }
    let byte = |position: u64| u32::try_from(position).ok().and_then(|position| offsets.byte_of(unit, position));
    let (Some(from), Some(to)) = (byte(*start), byte(*end)) else {
        let length = offsets.len(unit);
        return Err(if *end > u64::from(length) {
            format!("expected spans within the text of {length} {}, found {start} to {end} (`{label}`)", unit.name())
        } else {
            format!("expected spans between characters, found {start} to {end} (`{label}`) in {}", unit.name())
        });
    };
    let there = &offsets.text()[from..to];
    match quote {
        Some(quote) if !same(there, quote) => {
            Err(format!("expected {} at {start} to {end} (`{label}`), found {}", quoted(quote), quoted(there)))
        }
        _ => Ok((from, to)),
    }
}

/// A string in quotes, cut to a length that fits a message.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

/// Whether two strings are the same, letter by letter.
pub(super) fn exact(there: &str, quote: &str) -> bool {
    there == quote
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(start: u64, end: u64, quote: Option<&str>) -> RawSpan {
        RawSpan { start, end, label: "X".into(), quote: quote.map(str::to_owned) }
    }

    #[test]
    fn the_unit_is_told_by_the_quotes() {
        let text = "🚀 Zoë in Oslo";
        let cases = [
            (raw(9, 13, Some("Oslo")), Some(OffsetUnit::CodePoints)),
            (raw(10, 14, Some("Oslo")), Some(OffsetUnit::Utf16)),
            (raw(13, 17, Some("Oslo")), Some(OffsetUnit::Bytes)),
        ];
        for (span, unit) in cases {
            let settled = settle(text, vec![span.clone()], &OffsetUnit::ALL, exact).unwrap();
            assert_eq!(settled.unit, unit, "{span:?}");
            assert_eq!((settled.spans[0].start, settled.spans[0].end), (9, 13));
        }
        let reason = settle(text, vec![raw(2, 5, Some("Oslo"))], &OffsetUnit::ALL, exact).unwrap_err();
        assert!(reason.contains("expected \"Oslo\"") && reason.contains("found \"Zoë\""), "{reason}");
        let reason = settle(text, vec![raw(2, 99, None)], &OffsetUnit::ALL, exact).unwrap_err();
        assert!(reason.contains("text of 13 code points"), "{reason}");
        assert!(settle(text, vec![raw(5, 2, None)], &OffsetUnit::ALL, exact).is_err());
        assert!(settle(text, vec![raw(0, u64::MAX, None)], &OffsetUnit::ALL, exact).is_err());
    }

    #[test]
    fn without_quotes_the_unit_is_a_guess_and_says_so() {
        let settled = settle("🚀 Oslo", vec![raw(2, 6, None)], &OffsetUnit::ALL, exact).unwrap();
        assert!(settled.unchecked);
        let settled = settle("Zoë in Oslo", vec![raw(7, 11, None), raw(3, 3, None)], &OffsetUnit::ALL, exact).unwrap();
        assert!(!settled.unchecked);
        assert_eq!(settled.empty.len(), 1);
    }
}
