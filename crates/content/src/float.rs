//! Which floats are in their shortest form (RFC 8949 §4.2.1): those that lose something in the next shorter one. Of all
//! the values that are not numbers, the draft allows one, and only as a half (§6.2).

/// Whether this half, given as its bits, is allowed.
pub(crate) fn is_half(bits: u64) -> bool {
    const EXPONENT: u64 = 0x7C00;
    const FRACTION: u64 = 0x03FF;
    let is_nan = bits & EXPONENT == EXPONENT && bits & FRACTION != 0;
    !is_nan || bits == 0x7E00
}

/// Whether this single needs to be one.
pub(crate) fn is_single(bits: u64) -> bool {
    u32::try_from(bits).is_ok_and(|bits| {
        let float = f32::from_bits(bits);
        !float.is_nan() && !fits_half(float)
    })
}

/// Whether this double needs to be one.
pub(crate) fn is_double(bits: u64) -> bool {
    let float = f64::from_bits(bits);
    #[expect(clippy::cast_possible_truncation, reason = "what it loses is the question")]
    let single = float as f32;
    !float.is_nan() && f64::from(single).to_bits() != bits
}

fn fits_half(float: f32) -> bool {
    /// The largest half, and how finely halves are spaced: 11 significant bits, and never finer than 2⁻²⁴.
    const MAX: f32 = 65504.0;
    const STEPS_PER_ONE: f32 = 16_777_216.0;
    const UNUSED_FRACTION: u32 = 0x1FFF;
    if float.is_infinite() {
        return true;
    }
    let has_few_digits = float.to_bits() & UNUSED_FRACTION == 0;
    let is_on_a_step = (float * STEPS_PER_ONE).fract() == 0.0;
    float.abs() <= MAX && has_few_digits && is_on_a_step
}
