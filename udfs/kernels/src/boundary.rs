//! Where labels meet: what the neighbours of rows say of their labels.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::steps::Steps;
use crate::watch::Watch;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;

/// What a row's labelled neighbours say of it. A neighbour has one vote, however near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surroundings {
    /// The share of the neighbours that carry the row's own label; NaN if it has none.
    pub purity: f32,
    /// The entropy of the neighbours' labels, in nats: 0 where all carry the same.
    pub entropy: f32,
    /// The share of the most frequent label less that of the second: near 0 on a boundary.
    pub margin: f32,
    /// The most frequent label, the lowest of several; `NONE` where no neighbour has one.
    pub predicted: u32,
    /// The second most frequent label; `NONE` where all carry the same.
    pub second: u32,
}

impl Surroundings {
    /// Of a row none of whose neighbours has a label.
    const UNKNOWN: Self = Self {
        purity: f32::NAN,
        entropy: f32::NAN,
        margin: f32::NAN,
        predicted: NONE,
        second: NONE,
    };

    /// Counts votes; `seen` is the neighbours' labels.
    fn of(own: u32, seen: &mut [u32]) -> Self {
        seen.sort_unstable();
        // A few neighbours: exact in f64, and f32 is enough for what becomes of them.
        let all = seen.len() as f64;
        let (mut first, mut next) = ((0, NONE), (0, NONE));
        let (mut entropy, mut alike) = (0f64, 0);
        for same in seen.chunk_by(|a, b| a == b) {
            let vote = (same.len(), same[0]);
            if vote.0 > first.0 {
                (first, next) = (vote, first);
            } else if vote.0 > next.0 {
                next = vote;
            }
            if vote.1 == own {
                alike = vote.0;
            }
            let share = same.len() as f64 / all;
            entropy -= share * share.ln();
        }
        if first.0 == 0 {
            return Self::UNKNOWN;
        }
        let share = |count: usize| (count as f64 / all) as f32;
        Self {
            purity: if own == NONE { f32::NAN } else { share(alike) },
            // Never -0.
            entropy: f64::max(entropy, 0.0) as f32,
            margin: share(first.0 - next.0),
            predicted: first.1,
            second: next.1,
        }
    }
}

/// What every row's neighbours say of it. A label of `NONE` is none.
pub fn surroundings(graph: &Graph, labels: &[u32], watch: &dyn Watch) -> Result<Vec<Surroundings>> {
    graph.check(labels.len())?;
    let finished = Steps::new("boundaries", labels.len(), watch);
    let mut all = vec![Surroundings::UNKNOWN; labels.len()];
    all.par_chunks_mut(GRAIN).enumerate().try_for_each_init(Vec::new, |seen, (chunk, all)| {
        for (i, to) in all.iter_mut().enumerate() {
            let row = chunk * GRAIN + i;
            seen.clear();
            seen.extend(votes(graph, row, labels));
            *to = Surroundings::of(labels[row], seen);
        }
        finished.take(all.len())
    })?;
    Ok(all)
}

/// For every class the shares of its rows' labelled neighbours that carry each class: row by row,
/// `classes` numbers each, which add up to 1 wherever a class has such neighbours.
pub fn class_overlap(
    graph: &Graph,
    labels: &[u32],
    classes: usize,
    watch: &dyn Watch,
) -> Result<Vec<f64>> {
    graph.check(labels.len())?;
    check_labels(labels, classes)?;
    let mut counts = vec![0u64; classes * classes];
    let finished = Steps::new("class overlap", labels.len(), watch);
    for (row, &own) in labels.iter().enumerate() {
        if own != NONE {
            for other in votes(graph, row, labels) {
                counts[own as usize * classes + other as usize] += 1;
            }
        }
        if (row + 1) % GRAIN == 0 {
            finished.take(GRAIN)?;
        }
    }
    finished.take(labels.len() % GRAIN)?;
    let mut shares = Vec::with_capacity(counts.len());
    for counts in counts.chunks(classes.max(1)) {
        let all: u64 = counts.iter().sum();
        // Counts of neighbours: exact in f64.
        shares.extend(counts.iter().map(|&count| count as f64 / all.max(1) as f64));
    }
    Ok(shares)
}

/// The labels of a row's neighbours that have one.
fn votes<'a>(graph: &'a Graph, row: usize, labels: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    graph.near(row).map(|(id, _)| labels[id as usize]).filter(|&label| label != NONE)
}

/// An error unless all labels are below `classes`, or none.
pub(crate) fn check_labels(labels: &[u32], classes: usize) -> Result<()> {
    match labels.iter().position(|&label| label != NONE && label as usize >= classes) {
        Some(row) => Err(Error::Shape(format!(
            "row {row} has label {}, which is none of {classes} classes",
            labels[row]
        ))),
        None => Ok(()),
    }
}
