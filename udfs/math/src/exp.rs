//! e to the x, for loops that become vector code.

/// e to the x, to about one unit in the last place from -87 to 88 and held to those bounds outside
/// them; without branches, so that loops over it become vector code.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 * 2^23 rounds to a whole number, which then lies in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two pieces: whole * HIGH is exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LOW, whole.mul_add(-HIGH, x));
    // The Taylor series is good to 2e-8 on |rest| <= ln 2 / 2 from the seventh term on.
    let mut series = 1.0 / 5040.0;
    series = f32::mul_add(series, rest, 1.0 / 720.0);
    series = f32::mul_add(series, rest, 1.0 / 120.0);
    series = f32::mul_add(series, rest, 1.0 / 24.0);
    series = f32::mul_add(series, rest, 1.0 / 6.0);
    series = f32::mul_add(series, rest, 0.5);
    series = f32::mul_add(series, rest, 1.0);
    series = f32::mul_add(series, rest, 1.0);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_a_unit_or_two_in_the_last_place() {
        let mut worst = 0f64;
        for step in -86_900..=87_900 {
            let x = step as f32 / 1000.0;
            let right = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - right) / right).abs());
        }
        assert!(worst < 2.5e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }
}
