//! Numbers as the page writes them.

/// A space that keeps a number and its unit, or its groups of digits, on one line.
const THIN: char = '\u{202f}';

/// A count with thin spaces between thousands.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * THIN.len_utf8());
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// A count and its noun in the right number.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share of what was counted, in per cent. Nothing but none is 0 %, and nothing but all is 100 %.
pub(super) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        return "–".to_owned();
    }
    if percent > 0.0 && percent < 0.5 {
        format!("<1{THIN}%")
    } else if percent < 100.0 && percent > 99.5 {
        format!(">99{THIN}%")
    } else {
        format!("{percent:.0}{THIN}%")
    }
}

/// A part of a whole as a share; none of nothing is none.
pub(super) fn part(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A figure with three digits after the point.
pub(super) fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".to_owned() }
}

/// An interval: two digits, or three where two would hide its width.
pub(super) fn interval(low: f64, high: f64) -> String {
    if high - low < 0.02 { format!("[{low:.3}, {high:.3}]") } else { format!("[{low:.2}, {high:.2}]") }
}

/// Money in the project's currency: cents, or two significant digits below a cent.
pub(super) fn money(money: f64) -> String {
    if !money.is_finite() {
        "–".to_owned()
    } else if money == 0.0 {
        "0".to_owned()
    } else if money.abs() < 0.1 {
        format!("{money:.4}")
    } else if money.abs() < 1000.0 {
        format!("{money:.2}")
    } else {
        count(money.round() as u64)
    }
}

/// A length of time given in minutes.
pub(super) fn minutes(minutes: f64) -> String {
    if !minutes.is_finite() || minutes <= 0.0 {
        return format!("0{THIN}min");
    }
    if minutes < 1.0 {
        return format!("<1{THIN}min");
    }
    let minutes = minutes.round() as u64;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}{THIN}min"),
        (hours, 0) => format!("{}{THIN}h", count(hours)),
        (hours, minutes) => format!("{}{THIN}h {minutes}{THIN}min", count(hours)),
    }
}

/// A file's size.
pub(super) fn bytes(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes}{THIN}B"),
        1_000..1_000_000 => format!("{:.0}{THIN}kB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}{THIN}MB", size / 1e6),
        _ => format!("{:.1}{THIN}GB", size / 1e9),
    }
}

/// The half width of the 95 % Wilson interval of a share at its widest, where the share is one half.
pub(super) fn worst_half_width(gold: u64) -> f64 {
    let z: f64 = 1.959_964;
    let gold = gold as f64;
    z / (gold + z * z) * (gold / 4.0 + z * z / 4.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thin_thousands() {
        let plain = |number| count(number).replace(THIN, " ");
        assert_eq!(
            [0, 12, 999, 1000, 54_321, 1_234_567].map(plain),
            ["0", "12", "999", "1 000", "54 321", "1 234 567"]
        );
    }

    #[test]
    fn shares_never_round_something_to_none_or_all() {
        let plain = |number| share(number).replace(THIN, " ");
        assert_eq!([0.0, 0.001, 0.5, 0.999, 1.0, f64::NAN].map(plain), ["0 %", "<1 %", "50 %", ">99 %", "100 %", "–"]);
    }

    #[test]
    fn narrow_intervals_get_a_third_digit() {
        assert_eq!(interval(0.78, 0.89), "[0.78, 0.89]");
        assert_eq!(interval(0.9412, 0.9478), "[0.941, 0.948]");
    }

    #[test]
    fn units_fit_their_size() {
        let plain = |text: String| text.replace(THIN, " ");
        assert_eq!(
            [0.4, 25.0, 60.0, 190.0].map(|number| plain(minutes(number))),
            ["<1 min", "25 min", "1 h", "3 h 10 min"]
        );
        assert_eq!([12, 4_200, 1_320_000].map(|number| plain(bytes(number))), ["12 B", "4 kB", "1.3 MB"]);
        assert_eq!([0.0, 0.0123, 1.837].map(money), ["0", "0.0123", "1.84"]);
    }

    #[test]
    fn the_widest_wilson_interval_is_the_textbook_one() {
        // Wilson's interval of 50 in 100 is [0.4038, 0.5962].
        assert!((worst_half_width(100) - 0.0962).abs() < 1e-4);
    }
}
