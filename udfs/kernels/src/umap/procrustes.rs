//! The turn, shift and scaling that bring one map nearest to another.

/// What is done to a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Similarity<const D: usize> {
    from: [f64; D],
    to: [f64; D],
    /// By columns: what becomes of each axis.
    turn: [[f64; D]; D],
    scale: f64,
}

/// Sweeps after which rotations have long found all there is.
const SWEEPS: usize = 60;

impl<const D: usize> Similarity<D> {
    /// What brings rows nearest to others, by the sum of squared distances.
    pub(super) fn between(rows: &[[f32; D]], others: &[[f32; D]]) -> Self {
        let (from, to) = (mean(rows), mean(others));
        // Columns of the product of the two, axes of `rows` by axes of `others`.
        let mut product = [[0f64; D]; D];
        let mut spread = 0.0;
        for (row, other) in rows.iter().zip(others) {
            for i in 0..D {
                let x = f64::from(row[i]) - from[i];
                spread += x * x;
                for j in 0..D {
                    product[j][i] += x * (f64::from(other[j]) - to[j]);
                }
            }
        }
        let (left, lengths, right) = decompose(product);
        let mut turn = [[0f64; D]; D];
        for i in 0..D {
            for j in 0..D {
                turn[i][j] = (0..D).map(|k| left[k][i] * right[k][j]).sum();
            }
        }
        let scale = if spread > 0.0 { lengths.iter().sum::<f64>() / spread } else { 1.0 };
        Self { from, to, turn, scale: if scale > 0.0 { scale } else { 1.0 } }
    }

    /// The same without scaling.
    pub(super) fn rigid(self) -> Self {
        Self { scale: 1.0, ..self }
    }

    /// Where it brings a row.
    pub(super) fn apply(&self, row: [f32; D]) -> [f32; D] {
        std::array::from_fn(|j| {
            let turned: f64 =
                (0..D).map(|i| (f64::from(row[i]) - self.from[i]) * self.turn[i][j]).sum();
            turned.mul_add(self.scale, self.to[j]) as f32
        })
    }
}

fn mean<const D: usize>(rows: &[[f32; D]]) -> [f64; D] {
    let mut sum = [0f64; D];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sum.map(|x| x / rows.len().max(1) as f64)
}

/// The singular vectors and values of a small matrix, given by columns: the sum over k of left k times
/// value k times right k. Both sides are whole bases, whatever the rank. (Jacobi's rotations, one-sided.)
fn decompose<const D: usize>(
    mut columns: [[f64; D]; D],
) -> ([[f64; D]; D], [f64; D], [[f64; D]; D]) {
    let mut right = [[0f64; D]; D];
    for (k, column) in right.iter_mut().enumerate() {
        column[k] = 1.0;
    }
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..D {
            for q in p + 1..D {
                let dot =
                    |a: &[f64; D], b: &[f64; D]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
                let (pp, qq) = (dot(&columns[p], &columns[p]), dot(&columns[q], &columns[q]));
                let pq = dot(&columns[p], &columns[q]);
                if pq.abs() <= 1e-15 * (pp * qq).sqrt() || pq == 0.0 {
                    continue;
                }
                turned = true;
                let tau = (qq - pp) / (2.0 * pq);
                let tangent = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
                let sine = cosine * tangent;
                for both in [&mut columns, &mut right] {
                    let (left, right) = both.split_at_mut(q);
                    for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
                        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                    }
                }
            }
        }
        if !turned {
            break;
        }
    }
    let lengths = columns.map(|column| column.iter().map(|x| x * x).sum::<f64>().sqrt());
    let most = lengths.iter().copied().fold(0.0, f64::max);
    let mut left = [[0f64; D]; D];
    let mut done: Vec<usize> = Vec::with_capacity(D);
    for k in (0..D).filter(|&k| lengths[k] > 1e-12 * most) {
        left[k] = columns[k].map(|x| x / lengths[k]);
        done.push(k);
    }
    // Directions that the matrix says nothing about: whatever is at right angles to the others.
    for k in (0..D).filter(|&k| lengths[k] <= 1e-12 * most) {
        let mut best = ([0f64; D], 0.0);
        for axis in 0..D {
            let mut unit = [0f64; D];
            unit[axis] = 1.0;
            for _ in 0..2 {
                for &other in &done {
                    let dot: f64 = unit.iter().zip(&left[other]).map(|(x, y)| x * y).sum();
                    unit.iter_mut().zip(&left[other]).for_each(|(x, y)| *x -= dot * y);
                }
            }
            let length = unit.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > best.1 {
                best = (unit.map(|x| x / length), length);
            }
        }
        left[k] = best.0;
        done.push(k);
    }
    // Columns of A are rows' axes by others' axes: A = sum of left value right^T, as asked.
    (left, lengths, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::signed;

    #[test]
    fn a_turned_mirrored_scaled_and_shifted_map_comes_back() {
        fn check<const D: usize>() {
            let rows: Vec<[f32; D]> = (0..50)
                .map(|i| std::array::from_fn(|d| signed(D as u64, d as u64, i) * (d + 1) as f32))
                .collect();
            // Axes turned by one place, the first mirrored.
            let others: Vec<[f32; D]> = rows
                .iter()
                .map(|row| {
                    std::array::from_fn(|d| {
                        let x = row[(d + 1) % D] * if d == 0 { -2.5 } else { 2.5 };
                        x + 7.0 * d as f32 - 3.0
                    })
                })
                .collect();
            let found = Similarity::between(&rows, &others);
            for (row, other) in rows.iter().zip(&others) {
                for (x, y) in found.apply(*row).iter().zip(other) {
                    assert!((x - y).abs() < 1e-4, "{D}: {x} {y}");
                }
            }
            assert!((found.scale - 2.5).abs() < 1e-5);
            let apart = |a: [f32; D], b: [f32; D]| {
                a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
            };
            let rigid = found.rigid();
            let (x, y) = (rigid.apply(rows[0]), rigid.apply(rows[1]));
            assert!((apart(x, y) - apart(rows[0], rows[1])).abs() < 1e-4);
        }
        check::<1>();
        check::<2>();
        check::<3>();
        check::<8>();
    }

    #[test]
    fn maps_that_say_nothing_are_only_shifted() {
        let flat: Vec<[f32; 3]> = (0..9).map(|i| [i as f32, 0.0, 0.0]).collect();
        let found = Similarity::between(&flat, &flat);
        for row in &flat {
            for (x, y) in found.apply(*row).iter().zip(row) {
                assert!((x - y).abs() < 1e-5);
            }
        }
        let found = Similarity::between(&[[1.0f32, 2.0]; 4], &[[3.0f32, 3.0]; 4]);
        assert_eq!(found.apply([1.0, 2.0]), [3.0, 3.0]);
        assert!(found.apply([5.0, 5.0]).iter().all(|x| x.is_finite()));
        assert!(Similarity::<2>::between(&[], &[]).apply([1.0, 1.0]).iter().all(|x| x.is_finite()));
    }
}
