//! Elementary functions without branches, so that loops over them become vector code.

/// Adding and taking away 1.5 * 2^23 rounds to a whole number, which then lies in the low bits.
const ROUND: f32 = 12_582_912.0;

/// 2 to the x, to a few units in the last place from -126 to 127 and held to those bounds outside
/// them.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = x.clamp(-126.0, 127.0);
    let shifted = x + ROUND;
    let rest = x - (shifted - ROUND);
    // Interpolated at Chebyshev points of [-1/2, 1/2]: good to 1e-7.
    let mut series = 0.001_339_086_3;
    series = f32::mul_add(series, rest, 0.009_676_032);
    series = f32::mul_add(series, rest, 0.055_503_57);
    series = f32::mul_add(series, rest, 0.240_221_07);
    series = f32::mul_add(series, rest, std::f32::consts::LN_2);
    series = f32::mul_add(series, rest, 1.0);
    series * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// e to the x, as good as [`exp2`].
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    exp2(x * std::f32::consts::LOG2_E)
}

/// The logarithm to base 2 of a normal positive number, to 2e-7 or two units in the last place.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    /// The root of a half: mantissas are taken from there to its double, around 1.
    const ROOT: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(ROOT).cast_signed() >> 23;
    let past = f32::from_bits(bits.wrapping_sub((exponent << 23).cast_unsigned())) - 1.0;
    // Interpolated at Chebyshev points: good to 1e-7.
    let mut series = -0.142_759_74;
    series = f32::mul_add(series, past, 0.232_652_58);
    series = f32::mul_add(series, past, -0.249_271_82);
    series = f32::mul_add(series, past, 0.287_288_88);
    series = f32::mul_add(series, past, -0.360_225_2);
    series = f32::mul_add(series, past, 0.480_916_7);
    series = f32::mul_add(series, past, -0.721_352_93);
    series = f32::mul_add(series, past, std::f32::consts::LOG2_E);
    // Exponents are small whole numbers: the conversion is exact.
    series.mul_add(past, exponent as f32)
}

/// x to the y of a normal positive x; within 1e-6 of it while the result is between 1e-6 and 1e6.
#[inline(always)]
pub fn power(x: f32, y: f32) -> f32 {
    exp2(y * log2(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(got: f32, right: f64) -> f64 {
        ((f64::from(got) - right) / right).abs()
    }

    #[test]
    fn exponentials_are_right_to_a_few_units_in_the_last_place() {
        let (mut two, mut e) = (0f64, 0f64);
        for step in -80_000..=80_000 {
            let x = step as f32 / 1000.0;
            two = two.max(off(exp2(x), f64::from(x).exp2()));
            if x.abs() < 10.0 {
                e = e.max(off(exp(x), f64::from(x).exp()));
            }
        }
        assert!(two < 3e-7 && e < 2e-6, "{two} {e}");
        assert_eq!(exp2(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn powers_are_right_to_a_millionth() {
        for y in [0.583, 0.8951, 1.334, 2.0] {
            let mut worst = 0f64;
            for step in -4000..=4000 {
                let x = 10f32.powf(step as f32 / 2000.0 * 1.5);
                worst = worst.max(off(power(x, y), f64::from(x).powf(f64::from(y))));
            }
            assert!(worst < 1.5e-6, "{y}: {worst}");
        }
        assert_eq!(log2(1.0), 0.0);
    }
}
