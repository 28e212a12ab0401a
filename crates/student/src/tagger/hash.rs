//! Hashes of features: 64 bits, the same on every machine and in every version.

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

/// Multiplies to 128 bits and folds: every bit of either side reaches every bit of the result.
#[inline(always)]
const fn fold(left: u64, right: u64) -> u64 {
    let product = (left as u128) * (right as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The hash of some bytes.
#[inline(always)]
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let mut state = FIRST ^ (bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), SECOND);
    }
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(state ^ u64::from_le_bytes(last), FIRST | 1)
}

/// The hash of a pair, in this order.
#[inline(always)]
pub(crate) const fn pair(left: u64, right: u64) -> u64 {
    fold(left ^ FIRST, right.rotate_left(29) ^ SECOND)
}

/// The key of a feature: which template, and its value.
#[inline(always)]
pub(crate) const fn key(template: u8, value: u64) -> u64 {
    fold(value ^ SECOND, (template as u64 + 1).wrapping_mul(FIRST) | 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn order_length_and_template_matter() {
        assert_ne!(super::pair(1, 2), super::pair(2, 1));
        assert_ne!(super::of(b"a"), super::of(b"a\0"));
        let all: HashSet<u64> = (0..64u8)
            .flat_map(|template| (0..2000u32).map(move |value| super::key(template, super::of(&value.to_le_bytes()))))
            .collect();
        assert_eq!(all.len(), 64 * 2000);
    }
}
