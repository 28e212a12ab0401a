//! What stands in a prompt: the item between two fence lines, and the lettered choices after it.
//!
//! A fence line is `=== HEX ===` with twelve hexadecimal digits. The item is the text between the last fence line of a
//! prompt and the nearest equal line before it, without the line break that precedes the closing line. An item may
//! hold lines that look like fences of their own: only equal lines make a pair, and the last line of the prompt's
//! fences is never the item's.

/// The length of a fence line without its line break.
const FENCE: usize = 20;

/// An item and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced<'a> {
    /// The item's text.
    pub item: &'a str,
    /// Everything after the closing line.
    pub after: &'a str,
}

/// Finds the item of a prompt; `None` if no two equal fence lines stand in it.
pub fn fenced(prompt: &str) -> Option<Fenced<'_>> {
    let mut fences = prompt.rmatch_indices("=== ").filter(|&(at, _)| is_fence(prompt, at)).map(|(at, _)| at);
    let close = fences.next()?;
    let line = &prompt[close..close + FENCE];
    let open = fences.find(|&open| &prompt[open..open + FENCE] == line)?;
    let start = open + FENCE + 1;
    let item = prompt.get(start..close.saturating_sub(1).max(start))?;
    Some(Fenced { item, after: &prompt[close + FENCE..] })
}

fn is_fence(prompt: &str, at: usize) -> bool {
    let bytes = prompt.as_bytes();
    let Some(line) = bytes.get(at..at + FENCE) else { return false };
    (at == 0 || bytes[at - 1] == b'\n')
        && bytes.get(at + FENCE).is_none_or(|&next| next == b'\n')
        && line[4..16].iter().all(u8::is_ascii_hexdigit)
        && &line[16..] == b" ==="
}

/// The choices after an item: lines `A. label` or `A. label: definition`, with A, B, ... Z, AA, AB, ... in order. The
/// texts come without their letters; lines between that continue a definition are passed over.
pub fn choices(after: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in after.lines() {
        if let Some(text) = line.strip_prefix(letter(found.len()).as_str()).and_then(|rest| rest.strip_prefix(". ")) {
            found.push(text);
        }
    }
    found
}

/// The letter of a choice by its place: A to Z, then AA, AB and so on.
pub fn letter(place: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = place + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// The place of the choice that a label names: the label alone, or followed by a colon and a definition. Where several
/// fit, the one without a definition, and then the first.
pub(crate) fn place_of(choices: &[&str], label: &str) -> Option<usize> {
    let alone = choices.iter().position(|choice| *choice == label);
    alone.or_else(|| {
        choices.iter().position(|choice| choice.strip_prefix(label).is_some_and(|rest| rest.starts_with(": ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_between_equal_lines() {
        let line = "=== 0123456789ab ===";
        let other = "=== ffffffffffff ===";
        for item in
            ["plain", "", "two\nlines", "ends in a break\n", &format!("{other}\nx\n{other}"), "=== no fence ==="]
        {
            let prompt =
                format!("Text stands between lines such as === X ===.\n{line}\n{item}\n{line}\nA. yes\nB. no: not so");
            let found = fenced(&prompt).unwrap();
            assert_eq!(found.item, item);
            assert_eq!(choices(found.after), ["yes", "no: not so"]);
        }
        assert_eq!(fenced(&format!("{line}\n{line}")).unwrap().item, "");
        for prompt in ["", "no fence", line, &format!("{line}\nopen only"), &format!("{line}\nx\n{other}")] {
            assert_eq!(fenced(prompt), None, "{prompt:?}");
        }
    }

    #[test]
    fn the_last_pair_is_the_item() {
        let prompt =
            "=== 000000000001 ===\nexample\n=== 000000000001 ===\n=== 000000000001 ===\nitem\n=== 000000000001 ===\n";
        assert_eq!(fenced(prompt).unwrap().item, "item");
    }

    #[test]
    fn letters_run_past_z() {
        let letters: Vec<_> = [0, 25, 26, 27, 51, 52, 701, 702].map(letter).into();
        assert_eq!(letters, ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]);
        let lines: Vec<_> = (0..30).map(|place| format!("{}. label {place}", letter(place))).collect();
        assert_eq!(choices(&lines.join("\n")).len(), 30);
    }

    #[test]
    fn labels_with_colons_are_told_from_definitions() {
        let choices = ["pro: for it", "pro", "con: tra: against"];
        assert_eq!(place_of(&choices, "pro"), Some(1));
        assert_eq!(place_of(&choices, "con: tra"), Some(2));
        assert_eq!(place_of(&choices, "con"), Some(2));
        assert_eq!(place_of(&choices, "c"), None);
    }
}
