//! Rotary positions. In the half-split form dimension i is turned with dimension i + half; in the
//! other, neighbours are turned with each other.

use crate::vectorised::vectorised;

/// Sines and cosines of all positions up to a limit.
pub struct Rope {
    half: usize,
    /// For every position, `half` cosines and then `half` sines.
    turns: Vec<f32>,
}

impl Rope {
    /// For heads of `head` dimensions and positions below `positions`.
    pub fn new(head: usize, base: f64, positions: usize) -> Self {
        let half = head / 2;
        let mut turns = vec![0.0; positions * 2 * half];
        for (position, row) in turns.chunks_exact_mut(2 * half.max(1)).enumerate() {
            let (cosines, sines) = row.split_at_mut(half);
            for (i, (cosine, sine)) in cosines.iter_mut().zip(sines).enumerate() {
                let frequency = base.powf(-(2.0 * i as f64) / head as f64);
                // The angle is rounded to f32 first, as the reference does.
                let angle = f64::from((position as f64 * f64::from(frequency as f32)) as f32);
                *cosine = angle.cos() as f32;
                *sine = angle.sin() as f32;
            }
        }
        Self { half, turns }
    }

    /// Each position's cosines, then its sines.
    pub fn turns(&self) -> &[f32] {
        &self.turns
    }

    /// Turns the first `heads` heads of every row of one sequence; the rows are `stride` apart.
    pub fn turn(&self, rows: &mut [f32], stride: usize, heads: usize) {
        turn_rows(rows, stride, heads, self.half, &self.turns);
    }
}

vectorised! {
    fn turn_rows(rows: &mut [f32], stride: usize, heads: usize, half: usize, turns: &[f32]) {
        for (row, turn) in rows.chunks_exact_mut(stride).zip(turns.chunks_exact(2 * half)) {
            let (cosines, sines) = turn.split_at(half);
            for head in row.chunks_exact_mut(2 * half).take(heads) {
                let (low, high) = head.split_at_mut(half);
                for (((x, y), &cosine), &sine) in low.iter_mut().zip(high).zip(cosines).zip(sines) {
                    let (a, b) = (*x, *y);
                    *x = a * cosine - b * sine;
                    *y = b * cosine + a * sine;
                }
            }
        }
    }
}

vectorised! {
    /// Turns the pairs of neighbours of the first `heads` heads of every row, the rows `stride` apart;
    /// `turns` has for every row the cosines and then the sines of a head's pairs.
    pub fn turn_pairs(turns: &[f32], head: usize, rows: &mut [f32], stride: usize, heads: usize) {
        for (row, turn) in rows.chunks_exact_mut(stride).zip(turns.chunks_exact(head)) {
            let (cosines, sines) = turn.split_at(head / 2);
            for numbers in row.chunks_exact_mut(head).take(heads) {
                let (pairs, _) = numbers.as_chunks_mut::<2>();
                for (([x, y], &cosine), &sine) in pairs.iter_mut().zip(cosines).zip(sines) {
                    (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stay_and_position_zero_is_not_turned() {
        let rope = Rope::new(4, 1000.0, 3);
        let mut rows: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let before = rows.clone();
        rope.turn(&mut rows, 8, 1);
        assert_eq!(rows[..8], before[..8]);
        // Only the first head of each row.
        assert_eq!(rows[12..16], before[12..16]);
        let length = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
        assert!((length(&rows[8..12]) - length(&before[8..12])).abs() < 1e-3);
        assert!((rows[8] - (8.0 * 1f32.cos() - 10.0 * 1f32.sin())).abs() < 1e-5);
    }
}
