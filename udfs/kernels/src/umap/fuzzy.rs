//! The fuzzy set of edges that a map is laid out from: who belongs to whose neighbourhood, seen from
//! both ends.

use rayon::prelude::*;

use super::membership::Neighbours;
use crate::graph::NONE;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;

/// Edges by row, each from both its ends with the same weight, in ascending order of the other end.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FuzzySet {
    /// Where each row's edges begin, and where the last one's end.
    pub(super) starts: Vec<usize>,
    /// The other ends.
    pub(super) tails: Vec<u32>,
    /// How much of an edge each is.
    pub(super) weights: Vec<f32>,
    /// The distances between their ends, if they were asked for.
    pub(super) lengths: Vec<f32>,
}

/// One end of an edge, as a row is put together.
#[derive(Debug, Clone, Copy)]
struct End {
    id: u32,
    weight: f32,
    length: f32,
}

/// Some rows' edges.
#[derive(Default)]
struct Piece {
    counts: Vec<usize>,
    ends: Vec<End>,
}

impl FuzzySet {
    /// Unites what rows think of each other: x + y - xy, mixed with their intersection xy.
    pub(super) fn unite(
        neighbours: Neighbours,
        memberships: &[f32],
        mix_ratio: f32,
        with_lengths: bool,
    ) -> Self {
        let (rows, k) = (neighbours.rows(), neighbours.k);
        let (starts, places) = reverse(neighbours);
        let pieces = by_rows(rows, |row, to, out| {
            out.clear();
            let ends = neighbours.ids(row).iter().zip(neighbours.distances(row));
            for ((&id, &length), &weight) in ends.zip(&memberships[row * k..]) {
                if id != NONE && id as usize != row && weight > 0.0 {
                    out.push(End { id, weight, length });
                }
            }
            out.sort_unstable_by_key(|end| end.id);
            out.dedup_by_key(|end| end.id);
            let mut mine = out.iter().copied().peekable();
            let mut last = NONE;
            for &place in &places[starts[row]..starts[row + 1]] {
                let place = place as usize;
                // Rows are counted in 32 bits.
                let id = (place / k) as u32;
                let weight = memberships[place];
                if id as usize == row || id == last || weight <= 0.0 {
                    continue;
                }
                last = id;
                let length = neighbours.distances(id as usize)[place % k];
                while let Some(end) = mine.next_if(|end| end.id < id) {
                    to.push(End { weight: mix(end.weight, 0.0, mix_ratio), ..end });
                }
                let (other, length) = match mine.next_if(|end| end.id == id) {
                    Some(end) => (end.weight, f32::max(end.length, length)),
                    None => (0.0, length),
                };
                to.push(End { id, weight: mix(weight, other, mix_ratio), length });
            }
            to.extend(mine.map(|end| End { weight: mix(end.weight, 0.0, mix_ratio), ..end }));
            to.retain(|end| end.weight > 0.0);
        });
        Self::gather(rows, pieces, with_lengths)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Where a row's edges are.
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// The weight of the edge to a row, 0 if there is none.
    fn weight(&self, from: usize, to: u32) -> f32 {
        let range = self.range(from);
        match self.tails[range.clone()].binary_search(&to) {
            Ok(place) => self.weights[range.start + place],
            Err(_) => 0.0,
        }
    }

    /// The largest weight.
    pub(super) fn heaviest(&self) -> f32 {
        self.weights.iter().copied().fold(0.0, f32::max)
    }

    /// Every edge's weight times what is known of its ends; then each row's heaviest is 1 again, and
    /// both ends are united once more.
    pub(super) fn reweigh(mut self, factor: impl Fn(usize, u32) -> f32 + Sync) -> Self {
        let rows = self.rows();
        let mut rest = self.weights.as_mut_slice();
        let mut slices = Vec::with_capacity(rows);
        for row in 0..rows {
            let (mine, others) = rest.split_at_mut(self.starts[row + 1] - self.starts[row]);
            slices.push(mine);
            rest = others;
        }
        slices.into_par_iter().with_min_len(GRAIN).enumerate().for_each(|(row, weights)| {
            let tails = &self.tails[self.starts[row]..];
            let mut most = 0f32;
            for (weight, &tail) in weights.iter_mut().zip(tails) {
                *weight *= factor(row, tail);
                most = most.max(*weight);
            }
            if most > 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= most);
            }
        });
        let pieces = by_rows(rows, |row, to, _| {
            for edge in self.range(row) {
                let id = self.tails[edge];
                // A row's number fits where ids do.
                let back = self.weight(id as usize, row as u32);
                let weight = mix(self.weights[edge], back, 1.0);
                let length = self.lengths.get(edge).copied().unwrap_or(0.0);
                if weight > 0.0 {
                    to.push(End { id, weight, length });
                }
            }
        });
        let with_lengths = !self.lengths.is_empty();
        Self::gather(rows, pieces, with_lengths)
    }

    /// Only the edges of at least this weight.
    pub(super) fn without_lighter(self, least: f32) -> Self {
        let with_lengths = !self.lengths.is_empty();
        let pieces = by_rows(self.rows(), |row, to, _| {
            for edge in self.range(row).filter(|&edge| self.weights[edge] >= least) {
                let length = self.lengths.get(edge).copied().unwrap_or(0.0);
                to.push(End { id: self.tails[edge], weight: self.weights[edge], length });
            }
        });
        Self::gather(self.rows(), pieces, with_lengths)
    }

    fn gather(rows: usize, pieces: Vec<Piece>, with_lengths: bool) -> Self {
        let edges = pieces.iter().map(|piece| piece.ends.len()).sum();
        let mut set = Self {
            starts: Vec::with_capacity(rows + 1),
            tails: Vec::with_capacity(edges),
            weights: Vec::with_capacity(edges),
            lengths: Vec::with_capacity(if with_lengths { edges } else { 0 }),
        };
        set.starts.push(0);
        let mut end = 0;
        for piece in pieces {
            for count in piece.counts {
                end += count;
                set.starts.push(end);
            }
            set.tails.extend(piece.ends.iter().map(|end| end.id));
            set.weights.extend(piece.ends.iter().map(|end| end.weight));
            if with_lengths {
                set.lengths.extend(piece.ends.iter().map(|end| end.length));
            }
        }
        set
    }
}

/// Commutative, so that both ends of an edge come to the same bits.
fn mix(x: f32, y: f32, ratio: f32) -> f32 {
    let both = x * y;
    ratio * (x + y - both) + (1.0 - ratio) * both
}

/// Makes every row's edges, rows side by side on all threads.
fn by_rows(rows: usize, make: impl Fn(usize, &mut Vec<End>, &mut Vec<End>) + Sync) -> Vec<Piece> {
    (0..rows.div_ceil(GRAIN))
        .into_par_iter()
        .map(|chunk| {
            let (mut piece, mut to, mut scratch) = (Piece::default(), Vec::new(), Vec::new());
            for row in chunk * GRAIN..rows.min((chunk + 1) * GRAIN) {
                to.clear();
                make(row, &mut to, &mut scratch);
                piece.counts.push(to.len());
                piece.ends.extend_from_slice(&to);
            }
            piece
        })
        .collect()
}

/// For every row the places where it is somebody's neighbour, in their order.
fn reverse(neighbours: Neighbours) -> (Vec<usize>, Vec<u32>) {
    let (rows, k) = (neighbours.rows(), neighbours.k);
    let mut starts = vec![0usize; rows + 1];
    let there = |row: usize| neighbours.ids(row).iter().enumerate().filter(|x| *x.1 != NONE);
    for row in 0..rows {
        for (_, &id) in there(row) {
            starts[id as usize + 1] += 1;
        }
    }
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut places = vec![0u32; starts[rows]];
    for row in 0..rows {
        for (column, &id) in there(row) {
            let at = &mut next[id as usize];
            // Whoever calls has checked that places are counted in 32 bits.
            places[*at] = (row * k + column) as u32;
            *at += 1;
        }
    }
    (starts, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    #[test]
    fn both_ends_of_an_edge_weigh_the_same_and_unite_what_each_thinks() {
        // 0 -> 1, 2; 1 -> 0, 2; 2 -> 1 and nobody; 3 -> 0, itself.
        let graph = Graph {
            k: 2,
            neighbours: vec![1, 2, 0, 2, 1, NONE, 0, 3],
            distances: vec![0.1, 0.2, 0.1, 0.3, 0.3, 0.0, 0.4, 0.0],
            recall: 1.0,
        };
        let memberships = [1.0, 0.5, 0.75, 0.25, 1.0, 0.0, 0.125, 1.0];
        let set = FuzzySet::unite(Neighbours::new(&graph, 4, 2), &memberships, 1.0, true);
        assert_eq!(set.starts, [0, 3, 5, 7, 8]);
        assert_eq!(set.tails, [1, 2, 3, 0, 2, 0, 1, 0]);
        assert_eq!(set.weights, [1.0, 0.5, 0.125, 1.0, 1.0, 0.5, 1.0, 0.125]);
        assert_eq!(set.lengths, [0.1, 0.2, 0.4, 0.1, 0.3, 0.2, 0.3, 0.4]);
        let heavy = set.without_lighter(0.5);
        assert_eq!(heavy.tails, [1, 2, 0, 2, 0, 1]);
        assert_eq!(heavy.starts, [0, 2, 4, 6, 6]);
    }

    #[test]
    fn intersections_are_what_a_ratio_of_nothing_leaves() {
        let neighbours = vec![1, 2, 0, 2, 0, 1];
        let graph = Graph { k: 2, neighbours, distances: vec![0.1; 6], recall: 1.0 };
        let set = FuzzySet::unite(
            Neighbours::new(&graph, 3, 2),
            &[0.5, 0.25, 0.5, 1.0, 0.0, 1.0],
            0.0,
            false,
        );
        assert_eq!(set.tails, [1, 0, 2, 1]);
        assert_eq!(set.weights, [0.25, 0.25, 1.0, 1.0]);
    }
}
