//! Layer norms.

use crate::vectorised::vectorised;

vectorised! {
    /// Every row plus `before`, if that is not empty, to mean 0 and variance 1, times `weight` plus
    /// `bias`.
    pub fn norm_rows(rows: &mut [f32], before: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
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
        let mut rows: Vec<f32> = (0..40).map(|i| (i * i) as f32).collect();
        norm_rows(&mut rows, &[], &[2.0; 20], &[1.0; 20], 0.0);
        for row in rows.chunks(20) {
            let mean = row.iter().sum::<f32>() / 20.0;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20.0;
            assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_bias_comes_before_the_norm() {
        let (mut with, mut without) = (vec![1.0, 2.0, 4.0], vec![2.0, 2.0, 2.5]);
        norm_rows(&mut with, &[1.0, 0.0, -1.5], &[1.0; 3], &[0.0; 3], 1e-5);
        norm_rows(&mut without, &[], &[1.0; 3], &[0.0; 3], 1e-5);
        assert_eq!(with, without);
    }
}
