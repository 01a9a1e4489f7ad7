//! A start that knows of the edges: places passed on along them, again and again.
//!
//! Each time every row goes half of the way to the mean of its neighbours, and the axes are held at right
//! angles. The longer this goes on, the nearer the axes come to the eigenvectors of the graph's
//! Laplacian of the smallest eigenvalues; where rows fall into pieces, each piece stays where its rows
//! were on the whole. So it can end at any time with something better than it began with.

use rayon::prelude::*;

use super::fuzzy::FuzzySet;
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;
/// After so many times the axes are brought to right angles again.
const BETWEEN: usize = 10;

/// Passes a start on so many times.
pub(super) fn pass_on<const D: usize>(
    start: &[f32],
    set: &FuzzySet,
    times: usize,
    watch: &dyn Watch,
) -> Result<Vec<f32>> {
    watch.stage("start", times);
    let mut places = start.as_chunks::<D>().0.to_vec();
    let degrees: Vec<f32> =
        (0..set.rows()).map(|row| set.weights[set.range(row)].iter().sum()).collect();
    let mut next = places.clone();
    straighten(&mut places, &degrees);
    for time in 1..=times {
        if watch.stopped() {
            return Err(Error::Stopped);
        }
        next.par_iter_mut().with_min_len(GRAIN).enumerate().for_each(|(row, next)| {
            let mut sum = [0f32; D];
            for edge in set.range(row) {
                let (there, weight) = (places[set.tails[edge] as usize], set.weights[edge]);
                for d in 0..D {
                    sum[d] = weight.mul_add(there[d], sum[d]);
                }
            }
            *next = places[row];
            if degrees[row] > 0.0 {
                for d in 0..D {
                    next[d] = 0.5 * (next[d] + sum[d] / degrees[row]);
                }
            }
        });
        std::mem::swap(&mut places, &mut next);
        if time % BETWEEN == 0 || time == times {
            straighten(&mut places, &degrees);
        }
        watch.done(time);
    }
    Ok(places.into_flattened())
}

/// Makes all axes of mean 0 and length 1 and at right angles to each other, rows counting by degree.
/// An axis along which nothing is left becomes 0.
fn straighten<const D: usize>(places: &mut [[f32; D]], degrees: &[f32]) {
    let all: f64 = degrees.iter().map(|&x| f64::from(x)).sum();
    if all <= 0.0 {
        return;
    }
    let dot = |places: &[[f32; D]], a: usize, b: usize| -> f64 {
        let sum: f64 = places
            .iter()
            .zip(degrees)
            .map(|(place, &degree)| f64::from(degree) * f64::from(place[a]) * f64::from(place[b]))
            .sum();
        sum / all
    };
    for d in 0..D {
        let sum: f64 = places
            .iter()
            .zip(degrees)
            .map(|(p, &degree)| f64::from(degree) * f64::from(p[d]))
            .sum();
        let mean = (sum / all) as f32;
        places.iter_mut().for_each(|place| place[d] -= mean);
        let before = dot(places, d, d);
        for other in 0..d {
            let along = dot(places, d, other) as f32;
            places.iter_mut().for_each(|place| place[d] -= along * place[other]);
        }
        let square = dot(places, d, d);
        // What is left of an axis that the others contain is rounding.
        let scale = if square > 1e-10 * before && square > 0.0 {
            (1.0 / square.sqrt()) as f32
        } else {
            0.0
        };
        places
            .iter_mut()
            .for_each(|place| place[d] = if scale.is_finite() { place[d] * scale } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::signed;
    use crate::watch::Unwatched;

    /// A ladder: two rows side by side, each with the next, so that its slowest wave runs along it.
    fn ladder(length: usize) -> FuzzySet {
        let mut set = FuzzySet { starts: vec![0], ..FuzzySet::default() };
        for row in 0..2 * length {
            let near = [row.wrapping_sub(2), row ^ 1, row + 2];
            set.tails.extend(near.iter().filter(|&&x| x < 2 * length).map(|&x| x as u32));
            set.starts.push(set.tails.len());
        }
        set.weights = vec![0.5; set.tails.len()];
        set
    }

    #[test]
    fn a_start_passed_on_often_is_the_slowest_wave() {
        let set = ladder(12);
        let start: Vec<f32> = (0..48).map(|i| signed(1, 0, i)).collect();
        let found = pass_on::<2>(&start, &set, 2000, &Unwatched).unwrap();
        // The slowest waves of a path with so many rows: cosines of one and two half turns.
        for (d, turns) in [(0, 1.0), (1, 2.0)] {
            let wave = |row: usize| {
                // Degrees weigh the ends less: waves of the walk, not of the path.
                (std::f64::consts::PI * turns * ((row / 2) as f64 + 0.5) / 12.0).cos()
            };
            let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
            for row in 0..24 {
                let (x, y) = (f64::from(found[2 * row + d]), wave(row));
                (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
            }
            assert!((xy / (xx * yy).sqrt()).abs() > 0.98, "{}", xy / (xx * yy).sqrt());
        }
    }

    #[test]
    fn what_is_nowhere_stays_finite() {
        let set = FuzzySet { starts: vec![0; 5], ..FuzzySet::default() };
        let start = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(pass_on::<2>(&start, &set, 30, &Unwatched).unwrap(), start);
        let found = pass_on::<2>(&[3.0; 48], &ladder(12), 30, &Unwatched).unwrap();
        assert!(found.iter().all(|x| x.is_finite()));
    }
}
