//! densMAP: rows that are close together among the vectors stay so on the map, sparse ones spread.
//!
//! What is kept is the order of local radii, the mean squared distances of rows to their neighbours: to
//! the objective comes the correlation of their logarithms among the vectors and on the map (Narayan,
//! Berger, Cho, 2021). It counts in the last epochs, once neighbours have found each other.

use rayon::prelude::*;

use super::forces::{NEAREST, clip};
use super::fuzzy::FuzzySet;
use super::schedule::{Schedule, share};
use crate::math::power;

/// Radii of nothing still have a logarithm.
const LEAST: f64 = 1e-8;
/// Radii that hardly differ are not blown up.
const VARIANCE: f64 = 0.1;
/// Rows that a thread works on at once.
const GRAIN: usize = 512;

/// What is known of the vectors' densities.
pub(super) struct Density {
    /// Logarithms of the rows' radii, of mean 0 and variance 1.
    radii: Vec<f32>,
    /// How much they count, over the weight of the heaviest edge: edges are known by their shares of it.
    strength: f32,
}

/// The map's densities in an epoch.
pub(super) struct Now {
    rows: Vec<Row>,
    /// What all forces have in common.
    strength: f32,
}

/// One row's.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// How much the correlation grows with the radius.
    slope: f32,
    /// One over the radius.
    per_radius: f32,
    /// One over the sum of nearness.
    per_nearness: f32,
}

impl Density {
    /// The densities of a set of edges that knows their lengths.
    pub(super) fn new(set: &FuzzySet, weight: f32) -> Self {
        let radii: Vec<f64> = (0..set.rows())
            .into_par_iter()
            .with_min_len(GRAIN)
            .map(|row| {
                let (mut sum, mut all) = (0.0, 0.0);
                for edge in set.range(row) {
                    let (weight, length) =
                        (f64::from(set.weights[edge]), f64::from(set.lengths[edge]));
                    sum += weight * length * length;
                    all += weight;
                }
                (LEAST + if all > 0.0 { sum / all } else { 0.0 }).ln()
            })
            .collect();
        let (mean, deviation) = moments(&radii);
        let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        let all: f64 = set.weights.iter().map(|&weight| f64::from(weight)).sum();
        let heaviest = f64::from(set.heaviest()).max(f64::MIN_POSITIVE);
        Self {
            radii: radii.iter().map(|x| ((x - mean) * scale) as f32).collect(),
            strength: (f64::from(weight) * all / heaviest) as f32,
        }
    }

    /// The map's densities as they are.
    pub(super) fn now<const D: usize>(
        &self,
        schedule: &Schedule,
        places: &[[f32; D]],
        (a, b): (f32, f32),
    ) -> Now {
        let sums: Vec<(f64, f64)> = (0..places.len())
            .into_par_iter()
            .with_min_len(GRAIN)
            .map(|row| {
                let (mut radius, mut near) = (0f64, 0f64);
                for &tail in schedule.row(row).0 {
                    let square = square(&places[row], &places[tail as usize]);
                    let nearness = 1.0 / a.mul_add(power(square, b), 1.0);
                    radius += f64::from(nearness * square);
                    near += f64::from(nearness);
                }
                (if near > 0.0 { radius / near } else { 0.0 } + LEAST, near)
            })
            .collect();
        let logs: Vec<f64> = sums.iter().map(|sum| sum.0.ln()).collect();
        let (mean, deviation) = moments(&logs);
        let variance = deviation * deviation + VARIANCE;
        let products = logs.iter().zip(&self.radii).map(|(&x, &y)| x * f64::from(y));
        let covariance = products.sum::<f64>() / (places.len() as f64 - 1.0);
        let rows = sums
            .iter()
            .zip(logs.iter().zip(&self.radii))
            .map(|(&(radius, near), (&log, &wanted))| Row {
                slope: (f64::from(wanted) - covariance * (log - mean) / variance) as f32,
                per_radius: (1.0 / radius) as f32,
                per_nearness: if near > 0.0 { (1.0 / near) as f32 } else { 0.0 },
            })
            .collect();
        let strength = f64::from(self.strength) / (variance.sqrt() * places.len() as f64);
        Now { rows, strength: strength as f32 }
    }
}

impl Now {
    /// Where the densities send a row that has these edges in this epoch.
    pub(super) fn go<const D: usize>(
        &self,
        row: usize,
        edges: impl Iterator<Item = (u32, u32)>,
        places: &[[f32; D]],
        (a, b): (f32, f32),
        rate: f32,
    ) -> [f32; D] {
        let at = places[row];
        let mut to = at;
        for (tail, edge_rate) in edges {
            let there = &places[tail as usize];
            let factor =
                self.factor(row, tail as usize, square(&at, there), (a, b)) / share(edge_rate);
            for d in 0..D {
                to[d] += rate * clip(factor * (at[d] - there[d]));
            }
        }
        to
    }

    /// What the difference of two rows is multiplied by, times the weight of their edge.
    fn factor(&self, row: usize, other: usize, square: f32, (a, b): (f32, f32)) -> f32 {
        let power = power(square, b);
        let nearness = 1.0 / a.mul_add(power, 1.0);
        let (j, k) = (self.rows[row], self.rows[other]);
        // How the logarithm of either radius grows with the squared distance.
        let grows = |x: Row| {
            let part =
                (1.0 - b * (1.0 - nearness)) * x.per_radius + a * b * power / square * nearness;
            nearness * x.per_nearness * part
        };
        self.strength * (j.slope * grows(j) + k.slope * grows(k))
    }
}

fn square<const D: usize>(a: &[f32; D], b: &[f32; D]) -> f32 {
    let square = a.iter().zip(b).fold(0f32, |sum, (x, y)| (x - y).mul_add(x - y, sum));
    if square > NEAREST { square } else { NEAREST }
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::signed;

    const CURVE: (f32, f32) = (1.577, 0.895);

    /// Everybody's edges to everybody.
    fn complete(rows: usize) -> FuzzySet {
        let mut set = FuzzySet { starts: vec![0], ..FuzzySet::default() };
        for row in 0..rows {
            for other in (0..rows).filter(|&other| other != row) {
                let (low, high) = (row.min(other) as u64, row.max(other) as u64);
                set.tails.push(other as u32);
                set.weights.push(0.6 + 0.4 * signed(1, low, high));
                set.lengths.push(1.5 + signed(2, low, high) + (low % 3) as f32);
            }
            set.starts.push(set.tails.len());
        }
        set
    }

    #[test]
    fn forces_are_the_slopes_of_the_correlation() {
        let rows = 12;
        let set = complete(rows);
        let density = Density::new(&set, 2.0);
        let schedule = Schedule::new(set.clone(), 100);
        let places: Vec<[f32; 2]> =
            (0..rows as u64).map(|i| [3.0 * signed(3, 0, i), 3.0 * signed(3, 1, i)]).collect();
        let now = density.now(&schedule, &places, CURVE);
        let (a, b) = (f64::from(CURVE.0), f64::from(CURVE.1));
        let log = |places: &[[f64; 2]], row: usize| {
            let (mut radius, mut near) = (0.0, 0.0);
            for other in (0..rows).filter(|&other| other != row) {
                let square: f64 = (0..2).map(|d| (places[row][d] - places[other][d]).powi(2)).sum();
                let nearness = 1.0 / (1.0 + a * square.powf(b));
                radius += nearness * square;
                near += nearness;
            }
            (radius / near + LEAST).ln()
        };
        let exact: Vec<[f64; 2]> = places.iter().map(|x| x.map(f64::from)).collect();
        let objective = |places: &[[f64; 2]]| -> f64 {
            (0..rows).map(|row| f64::from(now.rows[row].slope) * log(places, row)).sum()
        };
        // The slopes are those of the correlation, but for the variance's shift and 1 / (n - 1).
        let correlation = |places: &[[f64; 2]]| -> f64 {
            let logs: Vec<f64> = (0..rows).map(|row| log(places, row)).collect();
            let (_, deviation) = moments(&logs);
            let products = logs.iter().zip(&density.radii).map(|(x, &y)| x * f64::from(y));
            products.sum::<f64>() / (rows as f64 - 1.0) / (deviation * deviation + VARIANCE).sqrt()
        };
        let (mut along, mut lengths) = (0.0, (0.0, 0.0));
        for row in 0..rows {
            for d in 0..2 {
                let moved = |by: f64| {
                    let mut places = exact.clone();
                    places[row][d] += by;
                    places
                };
                let slope =
                    |f: &dyn Fn(&[[f64; 2]]) -> f64| (f(&moved(1e-5)) - f(&moved(-1e-5))) / 2e-5;
                let right = f64::from(now.strength) * slope(&objective);
                let mut got = 0.0;
                for other in (0..rows).filter(|&other| other != row) {
                    let square = square(&places[row], &places[other]);
                    let factor = now.factor(row, other, square, CURVE);
                    // An edge takes part by its weight, and is divided by it.
                    got += 2.0 * f64::from(factor * (places[row][d] - places[other][d]));
                }
                assert!((got - right).abs() < 1e-3 * right.abs().max(0.01), "{got} {right}");
                let up = slope(&correlation);
                along += up * got;
                lengths = (lengths.0 + up * up, lengths.1 + got * got);
            }
        }
        let cosine = along / (lengths.0 * lengths.1).sqrt();
        assert!(cosine > 0.99, "{cosine}");
    }
}
