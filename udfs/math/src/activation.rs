//! Activations over whole rows, with the bias of the layer before them.

use crate::exp::exp;
use crate::vectorised::vectorised;

vectorised! {
    /// `x = gelu(x + bias)` for every row, by the error function.
    pub fn gelu(rows: &mut [f32], bias: &[f32]) {
        if bias.is_empty() {
            for x in rows {
                *x = gelu_of(*x);
            }
            return;
        }
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &b) in row.iter_mut().zip(bias) {
                *x = gelu_of(*x + b);
            }
        }
    }

    /// `x = (x + bias) * sigmoid(1.702 (x + bias))` for every row: CLIP's approximation of gelu.
    pub fn quick_gelu(rows: &mut [f32], bias: &[f32]) {
        if bias.is_empty() {
            for x in rows {
                *x = quick_gelu_of(*x);
            }
            return;
        }
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &b) in row.iter_mut().zip(bias) {
                *x = quick_gelu_of(*x + b);
            }
        }
    }

    /// `x = gelu(x + bias)` for every row, by the approximation with tanh.
    pub fn gelu_tanh(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &b) in row.iter_mut().zip(bias) {
                *x = gelu_tanh_of(*x + b);
            }
        }
    }

    /// `x = min(max(x + bias, 0), 6)` for every row.
    pub fn relu6(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &b) in row.iter_mut().zip(bias) {
                *x = (*x + b).clamp(0.0, 6.0);
            }
        }
    }

    /// `x = x + bias` for every row.
    pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
    }

    /// `up = (up + up_bias) * silu(gate + gate_bias)` for every row.
    pub fn silu_times(up: &mut [f32], up_bias: &[f32], gate: &[f32], gate_bias: &[f32]) {
        if up_bias.is_empty() {
            for (x, &g) in up.iter_mut().zip(gate) {
                *x *= g / (1.0 + exp(-g));
            }
            return;
        }
        let width = up_bias.len();
        for (row, gates) in up.chunks_exact_mut(width).zip(gate.chunks_exact(width)) {
            for (((x, &b), &g), &c) in row.iter_mut().zip(up_bias).zip(gates).zip(gate_bias) {
                let g = g + c;
                *x = (*x + b) * (g / (1.0 + exp(-g)));
            }
        }
    }
}

/// (1 + tanh u) / 2 is the logistic function of 2 u.
#[inline(always)]
fn gelu_tanh_of(x: f32) -> f32 {
    const TWICE: f32 = 2.0 * 0.797_884_6;
    x / (1.0 + exp(-TWICE * (0.044_715 * x * x).mul_add(x, x)))
}

#[inline(always)]
fn quick_gelu_of(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// x Φ(x), with the normal distribution after Abramowitz and Stegun 7.1.26: 1.5e-7 at most from
/// the true one.
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / size.mul_add(0.327_591_1, 1.0);
    let mut series = 1.061_405_4_f32;
    series = series.mul_add(t, -1.453_152);
    series = series.mul_add(t, 1.421_413_8);
    series = series.mul_add(t, -0.284_496_74);
    series = series.mul_add(t, 0.254_829_6);
    // The upper tail of |x|, doubled.
    let tail = series * t * exp(-size * size);
    let below = 0.5 * tail;
    x * if x < 0.0 { below } else { 1.0 - below }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ(x) by the series of the error function.
    fn normal(x: f64) -> f64 {
        let z = x / std::f64::consts::SQRT_2;
        if z.abs() > 5.0 {
            return if z > 0.0 { 1.0 } else { 0.0 };
        }
        let (mut sum, mut term) = (z, z);
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        0.5 + sum / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn gelu_is_the_exact_one() {
        let mut x: Vec<f32> = (-800..=800).map(|i| i as f32 / 100.0).collect();
        let right: Vec<f64> = x.iter().map(|&x| f64::from(x) * normal(f64::from(x))).collect();
        let bias = vec![0.0; x.len()];
        gelu(&mut x, &bias);
        for (got, right) in x.iter().zip(right) {
            assert!((f64::from(*got) - right).abs() < 2e-6, "{got} {right}");
        }
    }

    #[test]
    fn gelu_by_tanh_is_that() {
        let mut x: Vec<f32> = (-800..=800).map(|i| i as f32 / 100.0).collect();
        let right: Vec<f64> = x
            .iter()
            .map(|&x| f64::from(x))
            .map(|x| {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + u.tanh())
            })
            .collect();
        let bias = vec![0.0; x.len()];
        gelu_tanh(&mut x, &bias);
        for (got, right) in x.iter().zip(right) {
            assert!((f64::from(*got) - right).abs() < 2e-6, "{got} {right}");
        }
    }

    #[test]
    fn biases_are_added_row_by_row() {
        let mut with = vec![1.0, 2.0, 3.0, 4.0];
        let mut without = vec![1.5, 1.0, 3.5, 3.0];
        quick_gelu(&mut with, &[0.5, -1.0]);
        quick_gelu(&mut without, &[]);
        assert_eq!(with, without);
        let gate = [0.5, -0.5, 1.0, -1.0];
        let (mut a, mut b) = (vec![1.0, 2.0, 3.0, 4.0], vec![1.5, 1.0, 3.5, 3.0]);
        silu_times(&mut a, &[0.5, -1.0], &gate, &[0.25, 0.5]);
        silu_times(&mut b, &[], &[0.75, 0.0, 1.25, -0.5], &[]);
        assert_eq!(a, b);
    }
}
