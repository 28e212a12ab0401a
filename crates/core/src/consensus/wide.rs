//! Loops compiled for wider vectors than every processor has, chosen when the program runs.
//!
//! The loops use no fused multiply-add and combine lanes in a fixed order, so the wide and the plain version give the
//! same bits.

#![allow(unsafe_code, reason = "calling a function that needs a processor feature, after asking for the feature")]

/// Runs `work(input)`, compiled for 256-bit vectors where the processor has them. `work` and what it calls must be
/// inlined to gain anything.
#[inline]
pub(crate) fn run<T, O>(input: T, work: impl FnOnce(T) -> O) -> O {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just asked.
        return unsafe { run_avx2(input, work) };
    }
    work(input)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<T, O>(input: T, work: impl FnOnce(T) -> O) -> O {
    work(input)
}
