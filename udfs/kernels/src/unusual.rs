//! Rows that are unlike others: how unique each is, and how far out it lies.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::steps::Steps;
use crate::watch::Watch;

/// What the three nearest distances count for uniqueness.
const WEIGHTS: [f64; 3] = [0.6, 0.3, 0.1];
/// Rows that a thread works on at once.
const GRAIN: usize = 1024;
/// What is added to the mean reachable distance, so that repeats have a density.
const LEAST: f64 = 1e-10;

/// How unique each row is, as FiftyOne has it: its distances from the three nearest others weighted
/// .6, .3 and .1, as a share of the largest such sum. Rows with fewer neighbours go by those that
/// they have.
pub fn uniqueness(graph: &Graph, rows: usize) -> Result<Vec<f32>> {
    graph.check(rows)?;
    if graph.k == 0 && rows > 0 {
        return Err(Error::Shape("uniqueness needs a graph with neighbours".into()));
    }
    let sums: Vec<f64> = (0..rows)
        .into_par_iter()
        .with_min_len(GRAIN)
        .map(|row| {
            let near = graph.near(row).zip(WEIGHTS);
            near.map(|((_, far), weight)| f64::from(far) * weight).sum()
        })
        .collect();
    let most = sums.iter().copied().fold(0.0, f64::max);
    // From 0 to 1; where all rows are the same none is unique.
    let share = |sum: f64| if most > 0.0 { (sum / most) as f32 } else { 0.0 };
    Ok(sums.into_iter().map(share).collect())
}

/// How far out each row lies for where it is: its local outlier factor (Breunig and others, 2000),
/// the mean density of its neighbours over its own. About 1 within a cluster however dense or sparse
/// that is, which plain distances do not have in common, and the greater the further out.
pub fn outlier_scores(graph: &Graph, rows: usize, watch: &dyn Watch) -> Result<Vec<f32>> {
    graph.check(rows)?;
    let finished = Steps::new("outliers", 2 * rows, watch);
    let last = |row: usize| graph.near(row).last().map_or(0.0, |(_, far)| f64::from(far));
    let reach: Vec<f64> = (0..rows).into_par_iter().with_min_len(GRAIN).map(last).collect();
    let mut densities = vec![0f64; rows];
    by_rows(&mut densities, &finished, |row| {
        let near = graph.near(row).map(|(id, far)| f64::max(f64::from(far), reach[id as usize]));
        1.0 / (mean(near) + LEAST)
    })?;
    let mut scores = vec![0f64; rows];
    by_rows(&mut scores, &finished, |row| {
        if graph.near(row).next().is_none() {
            return 1.0;
        }
        mean(graph.near(row).map(|(id, _)| densities[id as usize])) / densities[row]
    })?;
    // A ratio of densities; f32 holds what it is compared by.
    Ok(scores.into_iter().map(|score| score as f32).collect())
}

fn by_rows(to: &mut [f64], finished: &Steps, of: impl Fn(usize) -> f64 + Sync) -> Result<()> {
    to.par_chunks_mut(GRAIN).enumerate().try_for_each(|(chunk, to)| {
        for (i, to) in to.iter_mut().enumerate() {
            *to = of(chunk * GRAIN + i);
        }
        finished.take(to.len())
    })
}

/// 0 of nothing.
fn mean(of: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = of.fold((0.0, 0u32), |(sum, count), x| (sum + x, count + 1));
    sum / f64::from(count.max(1))
}
