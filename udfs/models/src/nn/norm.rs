//! Layer norms.

use super::math::vectorised;
use super::tensors::Tensors;
use crate::error::Result;

/// A layer norm with its weights.
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// `{name}.weight` and `{name}.bias`.
    pub fn load(tensors: &Tensors, name: &str, width: usize, epsilon: f32) -> Result<Self> {
        Ok(Self {
            weight: tensors.vector(&format!("{name}.weight"), width)?,
            bias: tensors.vector(&format!("{name}.bias"), width)?,
            epsilon,
        })
    }

    /// Every row, in place.
    pub fn apply(&self, rows: &mut [f32]) {
        self.apply_biased(rows, &[]);
    }

    /// Every row plus a bias, in place.
    pub fn apply_biased(&self, rows: &mut [f32], bias: &[f32]) {
        norm_rows(rows, bias, &self.weight, &self.bias, self.epsilon);
    }

    /// Every row of `from`, into `to`.
    pub fn apply_to(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
        self.apply(to);
    }
}

vectorised! {
    fn norm_rows(rows: &mut [f32], before: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        for row in rows.chunks_exact_mut(weight.len()) {
            for (x, b) in row.iter_mut().zip(before) {
                *x += b;
            }
            let (mean, scale) = mean_and_scale(row, epsilon);
            for ((x, &w), &b) in row.iter_mut().zip(weight).zip(bias) {
                *x = ((*x - mean) * scale).mul_add(w, b);
            }
        }
    }
}

#[inline(always)]
fn mean_and_scale(row: &[f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    let variance = squares_around(row, mean) / count;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn squares_around(row: &[f32], mean: f32) -> f32 {
    let mut lanes = [0f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = (x - mean).mul_add(x - mean, *lane);
        }
    }
    let mut sum: f32 = lanes.iter().sum();
    for x in rest {
        sum += (x - mean) * (x - mean);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_normalised_on_their_own() {
        let norm = LayerNorm { weight: vec![2.0; 20], bias: vec![1.0; 20], epsilon: 0.0 };
        let mut rows: Vec<f32> = (0..40).map(|i| (i * i) as f32).collect();
        norm.apply(&mut rows);
        for row in rows.chunks(20) {
            let mean = row.iter().sum::<f32>() / 20.0;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20.0;
            assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_bias_comes_before_the_norm() {
        let norm = LayerNorm { weight: vec![1.0; 3], bias: vec![0.0; 3], epsilon: 1e-5 };
        let (mut with, mut without) = (vec![1.0, 2.0, 4.0], vec![2.0, 2.0, 2.5]);
        norm.apply_biased(&mut with, &[1.0, 0.0, -1.5]);
        norm.apply(&mut without);
        assert_eq!(with, without);
    }
}
