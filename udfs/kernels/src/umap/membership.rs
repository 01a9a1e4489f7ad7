//! How much each neighbour of a row belongs to its neighbourhood: distances on the row's own scale.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::graph::{Graph, NONE};
use crate::math::exp;

/// How close the sum of memberships has to come to its goal.
const TOLERANCE: f32 = 1e-5;
/// A scale is at least this part of the mean distance.
const LEAST_SCALE: f32 = 1e-3;
/// How often the interval of the scale is halved.
const BISECTIONS: usize = 64;
/// Rows that a thread works on at once.
const GRAIN: usize = 512;

/// Neighbours and distances, the same number for each row.
#[derive(Clone, Copy)]
pub(super) struct Neighbours<'a> {
    rows: usize,
    /// From one row to the next.
    stride: usize,
    /// How many of them count.
    pub(super) k: usize,
    /// Which rows.
    ids: &'a [u32],
    distances: &'a [f32],
}

impl<'a> Neighbours<'a> {
    /// The first `k` of every row's.
    pub(super) fn new(graph: &'a Graph, rows: usize, k: usize) -> Self {
        let Graph { neighbours, distances, .. } = graph;
        Self { rows, stride: graph.k, k: k.min(graph.k), ids: neighbours, distances }
    }

    /// Whose neighbours they are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// One row's neighbours, `NONE` where there are no more.
    pub(super) fn ids(&self, row: usize) -> &'a [u32] {
        &self.ids[row * self.stride..][..self.k]
    }

    /// One row's distances.
    pub(super) fn distances(&self, row: usize) -> &'a [f32] {
        &self.distances[row * self.stride..][..self.k]
    }
}

/// What a row calls near.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Scale {
    /// Up to this distance all is as near as can be.
    pub(super) rho: f32,
    /// From there nearness falls by a factor of e every so much.
    pub(super) sigma: f32,
}

impl Scale {
    /// How near a distance is, from 0 to 1.
    fn nearness(self, distance: f32) -> f32 {
        let beyond = distance - self.rho;
        if beyond <= 0.0 || self.sigma == 0.0 { 1.0 } else { exp(-beyond / self.sigma) }
    }
}

/// How scales are found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smoothing {
    /// What the memberships of a row's neighbours sum up to.
    goal: f32,
    /// To how many neighbours a row is fully connected, between them interpolated.
    local_connectivity: f32,
    /// The mean of all distances, for rows all of whose own are 0.
    mean: f32,
    /// Whether a row counts as its own first neighbour when its mean distance is taken.
    counts_itself: bool,
}

impl Smoothing {
    /// As a graph is smoothed whose rows are not among their own neighbours: the row itself counts.
    pub(super) fn of_graph(neighbours: Neighbours, local_connectivity: f32) -> Self {
        let counted = neighbours.k + 1;
        let sum: f64 = (0..neighbours.rows())
            .into_par_iter()
            .with_min_len(GRAIN)
            .map(|row| neighbours.distances(row).iter().map(|&d| f64::from(d)).sum())
            .collect::<Vec<f64>>()
            .iter()
            .sum();
        let mean = sum / (counted * neighbours.rows()).max(1) as f64;
        Self {
            goal: (counted as f32).log2(),
            local_connectivity,
            mean: mean as f32,
            counts_itself: true,
        }
    }

    /// As new rows are, which are connected fully to one neighbour less, and each on its own.
    pub(super) fn of_new_rows(neighbours: Neighbours, local_connectivity: f32) -> Self {
        Self {
            goal: (neighbours.k as f32).log2(),
            local_connectivity: f32::max(local_connectivity - 1.0, 0.0),
            mean: 0.0,
            counts_itself: false,
        }
    }

    /// The scale of every row.
    pub(super) fn scales(self, neighbours: Neighbours) -> Vec<Scale> {
        let mut scales = vec![Scale::default(); neighbours.rows()];
        scales.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, scales)| {
            let first = chunk * GRAIN;
            Arch::new().dispatch(Smooth { smoothing: self, neighbours, first, scales });
        });
        scales
    }

    /// The distance within which a row is fully connected.
    fn rho(self, sorted: &[f32]) -> f32 {
        let mut apart = sorted.iter().copied().filter(|&d| d > 0.0);
        let whole = self.local_connectivity.floor();
        let between = self.local_connectivity - whole;
        // A small number of neighbours, and not negative: options are checked.
        let index = whole as usize;
        if index == 0 {
            return between * apart.next().unwrap_or(0.0);
        }
        let Some(near) = apart.clone().nth(index - 1) else {
            return apart.fold(0.0, f32::max);
        };
        match apart.nth(index) {
            Some(far) if between > 1e-5 => near + between * (far - near),
            _ => near,
        }
    }

    #[inline(always)]
    fn scale(self, row: &[f32], beyond: &mut Vec<f32>) -> Scale {
        let rho = self.rho(row);
        beyond.clear();
        beyond.extend(row.iter().map(|&d| f32::max(d - rho, 0.0)));
        // Lanes beyond the neighbours are so far that they add nothing.
        beyond.resize(row.len().next_multiple_of(8), f32::INFINITY);
        let (mut low, mut high, mut middle) = (0f64, f64::INFINITY, 1f64);
        for _ in 0..BISECTIONS {
            let sum = sum_of_nearness(beyond, (1.0 / middle) as f32);
            if (sum - self.goal).abs() < TOLERANCE {
                break;
            }
            if sum > self.goal {
                high = middle;
                middle = (low + high) / 2.0;
            } else {
                low = middle;
                middle = if high.is_infinite() { middle * 2.0 } else { (low + high) / 2.0 };
            }
        }
        let mean = if rho > 0.0 || !self.counts_itself {
            let there = row.iter().filter(|d| d.is_finite());
            let (count, sum) = there.fold((0usize, 0f32), |(n, sum), d| (n + 1, sum + d));
            sum / (count + usize::from(self.counts_itself)).max(1) as f32
        } else {
            self.mean
        };
        // The scale fits an f32 wherever the distances did.
        Scale { rho, sigma: f32::max(middle as f32, LEAST_SCALE * mean) }
    }
}

#[inline(always)]
fn sum_of_nearness(beyond: &[f32], per_unit: f32) -> f32 {
    let mut lanes = [0f32; 8];
    for chunk in beyond.as_chunks::<8>().0 {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += exp(-x * per_unit);
        }
    }
    lanes.iter().sum()
}

/// The scales of some rows, to be compiled for each vector unit.
struct Smooth<'a> {
    smoothing: Smoothing,
    neighbours: Neighbours<'a>,
    first: usize,
    scales: &'a mut [Scale],
}

impl WithSimd for Smooth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (mut row, mut beyond) = (Vec::new(), Vec::new());
        for (i, scale) in self.scales.iter_mut().enumerate() {
            let index = self.first + i;
            row.clear();
            let both = self.neighbours.ids(index).iter().zip(self.neighbours.distances(index));
            row.extend(both.map(|(&id, &d)| if id == NONE { f32::INFINITY } else { d }));
            let there = row.iter().take_while(|d| d.is_finite()).count();
            *scale = self.smoothing.scale(&row[..there], &mut beyond);
        }
    }
}

/// The membership of every neighbour of every row, in their order; 0 where there is none.
pub(super) fn memberships(neighbours: Neighbours, scales: &[Scale]) -> Vec<f32> {
    let mut weights = vec![0.0; neighbours.rows() * neighbours.k];
    if neighbours.k == 0 {
        return weights;
    }
    let rows = weights.par_chunks_mut(neighbours.k).with_min_len(GRAIN).zip(scales).enumerate();
    rows.for_each(|(row, (weights, scale))| {
        let both = neighbours.ids(row).iter().zip(neighbours.distances(row));
        for (weight, (&id, &distance)) in weights.iter_mut().zip(both) {
            if id != NONE {
                *weight = scale.nearness(distance);
            }
        }
    });
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row(distances: Vec<f32>) -> Graph {
        let neighbours = (1..=distances.len() as u32).collect();
        Graph { k: distances.len(), neighbours, distances, recall: 1.0 }
    }

    fn scale_of(row: &[f32], local_connectivity: f32) -> Scale {
        let graph = one_row(row.to_vec());
        let neighbours = Neighbours::new(&graph, 1, row.len());
        Smoothing::of_graph(neighbours, local_connectivity).scales(neighbours)[0]
    }

    #[test]
    fn memberships_sum_up_to_the_logarithm_of_their_number() {
        for count in [3, 7, 8, 14, 15, 64] {
            let graph = one_row((0..count).map(|i| 0.3 + (i as f32 * 0.7).sqrt()).collect());
            let neighbours = Neighbours::new(&graph, 1, graph.k);
            let scales = Smoothing::of_graph(neighbours, 1.0).scales(neighbours);
            let sum: f32 = memberships(neighbours, &scales).iter().sum();
            assert!((sum - (count as f32 + 1.0).log2()).abs() < 2e-5, "{count}: {sum}");
        }
    }

    #[test]
    fn the_first_distance_that_is_not_zero_is_as_near_as_can_be() {
        assert_eq!(scale_of(&[0.0, 0.0, 0.5, 0.7], 1.0).rho, 0.5);
        assert_eq!(scale_of(&[0.25, 0.5, 0.75, 1.0], 2.5).rho, 0.625);
        assert_eq!(scale_of(&[0.0, 0.0, 0.5, 0.7], 3.0).rho, 0.7);
        assert_eq!(scale_of(&[0.5, 0.7], 0.0).rho, 0.0);
        assert_eq!(scale_of(&[0.0, 0.0], 1.0).rho, 0.0);
    }

    #[test]
    fn scales_have_a_floor() {
        let scale = scale_of(&[1.0, 1.0, 1.0, 1.0, 1.0], 1.0);
        assert!((scale.sigma - 1e-3 * 5.0 / 6.0).abs() < 1e-7, "{scale:?}");
        let none = scale_of(&[0.0; 5], 1.0);
        assert!(none.rho == 0.0 && (0.0..1e-15).contains(&none.sigma), "{none:?}");
    }
}
