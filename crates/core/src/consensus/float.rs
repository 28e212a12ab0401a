//! The two widths of floating-point numbers that sweeps run in, with an exponential that vectorises.

#![expect(clippy::inline_always, reason = "loops become vector code only if all they call is part of them")]

use std::ops::{Add, AddAssign, Mul, Sub};

/// A floating-point number of a sweep: `f64` where the last digits matter, `f32` where millions of votes do.
pub(crate) trait Float:
    Copy + Default + PartialOrd + Send + Sync + Add<Output = Self> + AddAssign + Sub<Output = Self> + Mul<Output = Self>
{
    const ONE: Self;
    /// Stands for the logarithm of zero in lanes that belong to no class.
    const NOWHERE: Self;
    fn from_f64(value: f64) -> Self;
    fn from_f32(value: f32) -> Self;
    fn to_f64(self) -> f64;
    /// `e` to the power of a number that is not positive; far below, the least power that stays clear of subnormal
    /// numbers, which are slow. Plain arithmetic without branches or calls, so that a loop over lanes becomes vector
    /// code on any processor, with the same bits on all of them.
    fn exp(self) -> Self;
    fn reciprocal(self) -> Self;
}

impl Float for f64 {
    const ONE: Self = 1.0;
    const NOWHERE: Self = -1e9;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        f64::from(value)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp(self) -> Self {
        // Adding and subtracting 1.5 * 2^52 rounds to the nearest integer, which is left in the low bits.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
        const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        let clamped = if self > -700.0 { self } else { -700.0 };
        let shifted = clamped * std::f64::consts::LOG2_E + ROUND;
        let power = shifted - ROUND;
        let rest = clamped - power * LN2_HIGH - power * LN2_LOW;
        // The Taylor series to the 12th power is exact to the last digit for |rest| <= ln(2) / 2.
        let mut sum = 1.0 / 479_001_600.0;
        for coefficient in [
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ] {
            sum = sum * rest + coefficient;
        }
        let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
        sum * scale
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        1.0 / self
    }
}

impl Float for f32 {
    const ONE: Self = 1.0;
    const NOWHERE: Self = -1e9;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let clamped = if self > -80.0 { self } else { -80.0 };
        let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
        let power = shifted - ROUND;
        let rest = clamped - power * LN2_HIGH - power * LN2_LOW;
        let mut sum = 1.0 / 5_040.0;
        for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = sum * rest + coefficient;
        }
        let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
        sum * scale
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        1.0 / self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_library() {
        for step in 0..70_000 {
            let x = -f64::from(step) * 0.01;
            let (wide, exact) = (Float::exp(x), x.exp());
            assert!((wide - exact).abs() <= 4e-16 * exact, "{x}: {wide} {exact}");
            if x > -80.0 {
                let narrow = f64::from(Float::exp(x as f32));
                let exact = f64::from(x as f32).exp();
                assert!((narrow - exact).abs() <= 3e-7 * exact, "{x}: {narrow} {exact}");
            }
        }
        assert!(Float::exp(f64::NOWHERE) < 1e-303 && Float::exp(f32::NOWHERE) < 2e-35);
        assert_eq!((Float::exp(0f64), Float::exp(0f32)), (1.0, 1.0));
    }
}
