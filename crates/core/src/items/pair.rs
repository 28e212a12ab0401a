//! Items that are two texts to compare, with what both are about.

use serde::{Deserialize, Serialize};

/// The columns of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairColumns {
    /// The column of the first text.
    pub left: String,
    /// The column of the second.
    pub right: String,
}

/// Two texts and what both are about. As the text of an item it is written as one JSON object, so that it can be told
/// apart again whatever the texts hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairText {
    /// What both are about, such as the question that they answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The first.
    pub left: String,
    /// The second.
    pub right: String,
}

impl PairText {
    /// The pair that an item's text holds; a text that is none becomes a pair of itself and nothing.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self { left: text.to_owned(), ..Self::default() })
    }

    /// As the text of an item.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("three strings are written to memory")
    }

    /// The same with the sides exchanged.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self { about: self.about, left: self.right, right: self.left }
    }

    /// As people read it.
    pub fn plain(&self) -> String {
        let about = self.about.as_ref().map_or_else(String::new, |about| format!("{about}\n\n"));
        format!("{about}Left: {}\n\nRight: {}", self.left, self.right)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pair_is_read_as_it_was_written(
            about in proptest::option::of(".*"), left in ".*", right in ".*"
        ) {
            let pair = PairText { about, left, right };
            prop_assert_eq!(&PairText::read(&pair.write()), &pair);
            prop_assert_eq!(&pair.clone().swapped().swapped(), &pair);
        }
    }
}
