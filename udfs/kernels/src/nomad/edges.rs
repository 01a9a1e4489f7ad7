//! Who pulls whom, where rows lie cell by cell.

use rayon::prelude::*;

use super::cells::Cells;
use crate::graph::{Graph, NONE};

/// Rows that a thread works on at once.
const GRAIN: usize = 4096;

/// Edges between places: a row's place is where it lies among the cells' rows.
pub(super) struct Edges {
    /// Neighbours of a row.
    pub(super) k: usize,
    /// The neighbours' places, by rank; `NONE` where there are no more.
    tails: Vec<u32>,
    /// Where the places begin that a place is a neighbour of.
    starts: Vec<u32>,
    /// These places,
    heads: Vec<u32>,
    /// and which of their neighbours it is.
    ranks: Vec<u8>,
}

impl Edges {
    /// The first `k` neighbours of a graph.
    pub(super) fn new(graph: &Graph, cells: &Cells, k: usize) -> Self {
        let count = cells.rows.len();
        let mut places = vec![0u32; count];
        for (place, &row) in cells.rows.iter().enumerate() {
            // Places are counted in 32 bits, as rows are.
            places[row as usize] = place as u32;
        }
        let mut tails = vec![NONE; count * k];
        if k > 0 {
            let rows = tails.par_chunks_mut(k).with_min_len(GRAIN).zip(&cells.rows);
            rows.for_each(|(tails, &row)| {
                let neighbours = &graph.neighbours[row as usize * graph.k..][..k];
                for (tail, &id) in tails.iter_mut().zip(neighbours) {
                    *tail = if id == NONE || id == row { NONE } else { places[id as usize] };
                }
            });
        }
        let mut starts = vec![0u32; count + 1];
        for &tail in tails.iter().filter(|&&tail| tail != NONE) {
            starts[tail as usize + 1] += 1;
        }
        for place in 0..count {
            starts[place + 1] += starts[place];
        }
        let edges = starts[count] as usize;
        let (mut heads, mut ranks) = (vec![0u32; edges], vec![0u8; edges]);
        // Each place's beginning moves to its end, which is where the next one begins.
        for (edge, &tail) in tails.iter().enumerate().filter(|x| *x.1 != NONE) {
            let at = starts[tail as usize] as usize;
            // Heads are places; there are at most 255 ranks.
            heads[at] = (edge / k) as u32;
            ranks[at] = (edge % k) as u8;
            starts[tail as usize] += 1;
        }
        starts.rotate_right(1);
        starts[0] = 0;
        Self { k, tails, starts, heads, ranks }
    }

    /// A place's neighbours, the nearest first.
    #[inline(always)]
    pub(super) fn knows(&self, place: usize) -> &[u32] {
        &self.tails[place * self.k..][..self.k]
    }

    /// The places whose neighbour it is, and as which.
    #[inline(always)]
    pub(super) fn known_by(&self, place: usize) -> (&[u32], &[u8]) {
        let range = self.starts[place] as usize..self.starts[place + 1] as usize;
        (&self.heads[range.clone()], &self.ranks[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_there_from_both_ends() {
        let graph = Graph {
            k: 2,
            neighbours: vec![1, 2, 0, 3, 3, NONE, 3, 1],
            distances: vec![0.0; 8],
            recall: 1.0,
        };
        let cells = Cells { rows: vec![2, 0, 1, 3], starts: vec![0, 2, 4] };
        let edges = Edges::new(&graph, &cells, 2);
        assert_eq!(edges.knows(0), [3, NONE]);
        assert_eq!(edges.knows(1), [2, 0]);
        assert_eq!(edges.knows(2), [1, 3]);
        assert_eq!(edges.knows(3), [NONE, 2]);
        assert_eq!(edges.known_by(0), ([1].as_slice(), [1].as_slice()));
        assert_eq!(edges.known_by(1), ([2].as_slice(), [0].as_slice()));
        assert_eq!(edges.known_by(2), ([1, 3].as_slice(), [0, 1].as_slice()));
        assert_eq!(edges.known_by(3), ([0, 2].as_slice(), [0, 1].as_slice()));
    }
}
