//! The sum of a matrix's singular values.

use rayon::prelude::*;

use crate::error::Result;
use crate::steps::Steps;

/// Turns that an eigenvalue takes, at most.
const TURNS: usize = 60;

/// The sum of the singular values of a matrix with rows of length `width`: of the roots of the
/// eigenvalues of its product with itself, on whichever side that is smaller.
pub fn singular_sum(matrix: &[f64], width: usize, steps: &Steps) -> Result<f64> {
    let height = matrix.len().checked_div(width).unwrap_or(0);
    let transposed: Vec<f64> =
        (0..width).flat_map(|j| (0..height).map(move |i| matrix[i * width + j])).collect();
    let (lines, size, length) =
        if height <= width { (matrix, height, width) } else { (&transposed[..], width, height) };
    if size == 0 {
        return Ok(0.0);
    }
    let mut square = vec![0f64; size * size];
    square.par_chunks_mut(size).enumerate().try_for_each(|(i, to)| {
        steps.go_on()?;
        let line = &lines[i * length..][..length];
        for (to, other) in to.iter_mut().zip(lines.chunks_exact(length)) {
            *to = line.iter().zip(other).map(|(x, y)| x * y).sum();
        }
        Ok(())
    })?;
    let (mut along, mut beside) = narrowed(&mut square, size, steps)?;
    turned(&mut along, &mut beside);
    Ok(along.iter().map(|value| value.max(0.0).sqrt()).sum())
}

/// The diagonal and what is beside it of a symmetric matrix turned (by Householder's reflections) so
/// that nothing else is left.
fn narrowed(matrix: &mut [f64], size: usize, steps: &Steps) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut beside = vec![0f64; size];
    for k in 0..size.saturating_sub(2) {
        steps.go_on()?;
        let mut normal: Vec<f64> = (k + 1..size).map(|i| matrix[i * size + k]).collect();
        let length = normal.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        let first = if normal[0] > 0.0 { -length } else { length };
        normal[0] -= first;
        beside[k] = first;
        let half = normal.iter().map(|x| x * x).sum::<f64>() / 2.0;
        if half == 0.0 {
            continue;
        }
        // A - u v' - v u', where v = A u / half - u (u' A u) / (2 half^2).
        let below = size - k - 1;
        let mut other: Vec<f64> = (0..below)
            .map(|i| {
                let line = &matrix[(k + 1 + i) * size + k + 1..][..below];
                line.iter().zip(&normal).map(|(a, u)| a * u).sum::<f64>() / half
            })
            .collect();
        let along: f64 = other.iter().zip(&normal).map(|(v, u)| v * u).sum::<f64>() / (2.0 * half);
        other.iter_mut().zip(&normal).for_each(|(v, u)| *v -= along * u);
        for i in 0..below {
            let line = &mut matrix[(k + 1 + i) * size + k + 1..][..below];
            let (u, v) = (normal[i], other[i]);
            for ((a, x), y) in line.iter_mut().zip(&normal).zip(&other) {
                *a -= u * y + v * x;
            }
        }
    }
    if size > 1 {
        beside[size - 2] = matrix[(size - 1) * size + size - 2];
    }
    Ok(((0..size).map(|i| matrix[i * size + i]).collect(), beside))
}

/// Turns a matrix that has a diagonal and one line beside it until that line is gone (the implicit QL
/// method): the diagonal is then its eigenvalues.
fn turned(along: &mut [f64], beside: &mut [f64]) {
    let size = along.len();
    for low in 0..size {
        for _ in 0..TURNS {
            let small =
                |i: usize| beside[i].abs() <= f64::EPSILON * (along[i].abs() + along[i + 1].abs());
            let end = (low..size - 1).find(|&i| small(i)).unwrap_or(size - 1);
            if end == low {
                break;
            }
            let ratio = (along[low + 1] - along[low]) / (2.0 * beside[low]);
            let root = ratio.hypot(1.0);
            let shift = along[end] - along[low] + beside[low] / (ratio + root.copysign(ratio));
            let (mut sine, mut cosine, mut moved, mut over) = (1.0, 1.0, 0.0, shift);
            let mut whole = true;
            for i in (low..end).rev() {
                let (f, b) = (sine * beside[i], cosine * beside[i]);
                let length = f.hypot(over);
                beside[i + 1] = length;
                if length == 0.0 {
                    along[i + 1] -= moved;
                    beside[end] = 0.0;
                    whole = false;
                    break;
                }
                (sine, cosine) = (f / length, over / length);
                let less = along[i + 1] - moved;
                let turn = (along[i] - less) * sine + 2.0 * cosine * b;
                moved = sine * turn;
                along[i + 1] = less + moved;
                over = cosine * turn - b;
            }
            if whole {
                along[low] -= moved;
                beside[low] = over;
                beside[end] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::signed;
    use crate::watch::Unwatched;

    #[test]
    fn singular_values_add_up_to_what_is_put_in() {
        // Turned by reflections, which change no singular value.
        for (height, width) in [(1, 1), (2, 2), (5, 3), (3, 8), (40, 40), (60, 17)] {
            let mut matrix = vec![0f64; height * width];
            let mut right = 0.0;
            for i in 0..height.min(width) {
                matrix[i * width + i] = 1.0 / (1.0 + i as f64);
                right += 1.0 / (1.0 + i as f64);
            }
            let normal = |seed: u64, size: usize| -> Vec<f64> {
                let u: Vec<f64> = (0..size).map(|i| f64::from(signed(seed, 0, i as u64))).collect();
                let length = u.iter().map(|x| x * x).sum::<f64>().sqrt();
                u.into_iter().map(|x| x / length).collect()
            };
            let (u, v) = (normal(1, height), normal(2, width));
            for j in 0..width {
                let dot: f64 = (0..height).map(|i| u[i] * matrix[i * width + j]).sum();
                (0..height).for_each(|i| matrix[i * width + j] -= 2.0 * dot * u[i]);
            }
            for i in 0..height {
                let dot: f64 = (0..width).map(|j| v[j] * matrix[i * width + j]).sum();
                (0..width).for_each(|j| matrix[i * width + j] -= 2.0 * dot * v[j]);
            }
            let got = singular_sum(&matrix, width, &Steps::within(&Unwatched)).unwrap();
            assert!((got - right).abs() < 1e-9, "{height} {width} {got} {right}");
        }
    }
}
